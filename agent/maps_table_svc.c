// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One service of the table on its way from what it is to what is wanted. A change takes
 * these steps, of which the fourth is the one that packets see. maps_table_set.c takes each
 * of them for all services that change together, before it takes the next.
 *
 * 1. All members are referenced: their entries are in nlb_backends.
 * 2. The next generation of the ring is made, at a free place (maps_ring_make.c).
 * 3. Members that left are entered in nlb_gone; those that came back are taken out;
 *    server ids of QUIC are entered.
 * 4. The service's 64-bit word is stored: it has the new ring.
 * 5. What the old ring and members held goes; it rests for a grace period.
 *
 * A service that loses all its backends is switched first and has its entries in nlb_gone then:
 * without a ring nothing is sent on, remembered or not.
 *
 * A service that is new, or whose flags change, gets a number that is nobody's: its
 * entry is written whole, and the fourth step is the store of its word in the
 * directory, in the place of the old number's. The ring goes on as the next generation of
 * the old one; the service's counters begin anew.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "maps_change.h"
#include "maps_digest.h"
#include "maps_stats.h"
#include "util.h"

#define QUIC_CONFIG_MAX 6 /* 7 says that a connection id cannot be routed */

uint64_t maps_change_key_word(const struct maps_svc_key *key, const struct maps_vip *vip)
{
	return nlb_svc_key(vip->number, key->protocol, maps_svc_port(key));
}

/* The switch. */
void maps_table_store_ring(struct maps_table *t, uint32_t number, struct nlb_ring ring)
{
	union {
		struct nlb_ring ring;
		uint64_t word;
	} u = {.ring = ring};

	_Static_assert(sizeof(u.ring) == sizeof(u.word), "one store");
	__atomic_store_n((uint64_t *)&t->bpf->services[number].ring, u.word, __ATOMIC_RELEASE);
}

struct nlb_service maps_table_svc_entry(const struct maps_svc *svc)
{
	return (struct nlb_service){
		.ring = maps_ring_place(svc->ring),
		.key = maps_change_key_word(&svc->key, svc->vip),
		.vip = svc->vip->number,
		.flags = svc->conf.flags,
		.quic_config = svc->conf.quic_config,
		.quic_len = svc->conf.quic_len,
	};
}

/* ---- what is wanted ---- */

int maps_change_check(const struct maps_svc_key *key, const struct maps_svc_want *want,
		      struct maps_svc_conf *ret, char reason[static MSG_REASON_LEN])
{
	bool quic = want->conf.flags & NLB_SVC_F_QUIC;

	*ret = (struct maps_svc_conf){.flags = want->conf.flags &
					       (NLB_SVC_F_AFFINITY | NLB_SVC_F_QUIC)};
	if (quic && (key->protocol != IPPROTO_UDP || want->conf.quic_config > QUIC_CONFIG_MAX ||
		     !want->conf.quic_len || want->conf.quic_len > NLB_QUIC_ID_MAX)) {
		snprintf(reason, MSG_REASON_LEN,
			 "QUIC: protocol, config id or length of server id");
		return -EINVAL;
	}
	if (quic) {
		ret->quic_config = want->conf.quic_config;
		ret->quic_len = want->conf.quic_len;
	}
	for (size_t i = 1; i < want->n; i++) {
		if (addr_cmp(&want->members[i - 1].addr, &want->members[i].addr) != 0)
			continue;
		snprintf(reason, MSG_REASON_LEN, "a backend is listed twice");
		return -EINVAL;
	}
	return 0;
}

static bool same_conf(const struct maps_svc_conf *a, const struct maps_svc_conf *b)
{
	return a->flags == b->flags && a->quic_config == b->quic_config &&
	       a->quic_len == b->quic_len;
}

bool maps_change_none(const struct maps_svc *svc, const struct maps_svc_conf *conf,
		      const struct maps_svc_want *want)
{
	if (!same_conf(&svc->conf, conf) || !svc->weights_known || svc->n_members != want->n ||
	    maps_ring_place(svc->ring).size != (want->n ? want->ring_size : 0))
		return false;
	for (size_t i = 0; i < want->n; i++) {
		const struct maps_member *a = &svc->members[i], *b = &want->members[i];

		if (addr_cmp(&a->addr, &b->addr) != 0 || a->weight != b->weight ||
		    memcmp(&a->quic_id, &b->quic_id, sizeof(a->quic_id)) != 0)
			return false;
	}
	return true;
}

/* ---- members ---- */

void maps_change_done(struct maps_table *t, struct maps_change *c)
{
	maps_rings_put(&t->rings, c->ring);
	for (size_t i = 0; i < c->n_held; i++)
		maps_backends_put(&t->backends, c->members[i].number);
	free(c->members);
	*c = (struct maps_change){};
}

/* True when flows of the service may be remembered. */
static bool has_flows(const struct maps_table *t, const struct maps_svc *svc, uint32_t now)
{
	uint32_t lasting = t->flows.idle + MAPS_FLOWS_ROUND_TICKS;

	return now < svc->flows_until ||
	       (svc->ring && (svc->ring->gen.recent + svc->ring->gen.linger > 0 ||
			      (svc->ring->rested && now - svc->ring->rested <= lasting)));
}

/* ---- server ids ---- */

static int put_ids(struct maps_table *t, uint32_t number, const struct maps_svc_conf *conf,
		   const struct maps_member *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = maps_member_has_id(conf, &m[i])
				? maps_quic_put(&t->quic, number, conf->quic_len, &m[i].quic_id,
						m[i].number)
				: 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* Removes the ids of m[], but for those that stay[] has too. */
static void drop_ids(struct maps_table *t, uint32_t number, const struct maps_svc_conf *conf,
		     const struct maps_member *m, size_t n, const struct maps_member *stay,
		     size_t n_stay)
{
	for (size_t i = 0; i < n; i++) {
		const struct maps_member *s = NULL;

		if (!maps_member_has_id(conf, &m[i]))
			continue;
		if (n_stay)
			s = bsearch(&m[i], stay, n_stay, sizeof(*m), maps_table_member_cmp);
		if (s && memcmp(&s->quic_id, &m[i].quic_id, sizeof(s->quic_id)) == 0)
			continue;
		maps_quic_del(&t->quic, number, conf->quic_len, &m[i].quic_id, m[i].number);
	}
}

static void quic_failed(int r, char reason[static MSG_REASON_LEN])
{
	snprintf(reason, MSG_REASON_LEN, "server ids of QUIC: %s", strerror(-r));
}

int maps_change_members(struct maps_table *t, struct maps_change *c,
			const struct maps_svc_want *want, char reason[static MSG_REASON_LEN])
{
	int r;

	c->members = calloc(MAX2(want->n, (size_t)1), sizeof(*c->members));
	if (!c->members)
		return -ENOMEM;
	c->n = want->n;
	for (size_t i = 0; i < c->n; i++) {
		c->members[i] = want->members[i];
		r = maps_backends_get(&t->backends, &c->members[i].addr, &c->members[i].number);
		if (r < 0) {
			snprintf(reason, MSG_REASON_LEN,
				 r == -ENOSPC ? "max-backends (%u) reached"
					      : "no backend number (of %u)",
				 t->backends.max);
			return r;
		}
		c->n_held++;
	}
	return 0;
}

struct maps_ring_want maps_change_ring(const struct maps_table *t, const struct maps_change *c,
				       uint32_t size)
{
	return (struct maps_ring_want){
		.prev = c->old ? c->old->ring : NULL,
		.m = c->members,
		.n = c->n,
		.size = size,
		.flows = c->old && has_flows(t, c->old, c->now),
	};
}

/* What is remembered of members that left is void, and of those that stay or come is not. */
static int update_gone(struct maps_table *t, const struct maps_change *c, uint32_t number)
{
	const struct maps_svc *old = c->old;
	int r;

	for (size_t i = 0; i < c->n; i++) {
		r = maps_gones_clear(&t->gones, number, c->members[i].number);
		if (r < 0)
			return r;
	}
	if (!has_flows(t, old, c->now))
		return 0;
	for (size_t i = 0; i < old->n_members; i++) {
		const struct maps_member *m = &old->members[i];

		if (c->n && bsearch(m, c->members, c->n, sizeof(*m), maps_table_member_cmp))
			continue;
		r = maps_gones_set(&t->gones, number, m->number, c->now);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the switch ---- */

/* The service takes over what the change holds; the change, what the service had. */
static void take_over(struct maps_table *t, struct maps_change *c, struct maps_svc *svc)
{
	struct maps_member *members = svc->members;
	size_t n = svc->n_members;
	struct maps_ring *ring = svc->ring;

	if (has_flows(t, svc, c->now))
		svc->flows_until = c->now + t->flows.idle + MAPS_FLOWS_ROUND_TICKS;
	svc->members = c->members;
	svc->n_members = c->n;
	svc->n_enabled = 0;
	for (size_t i = 0; i < c->n; i++)
		svc->n_enabled += svc->members[i].weight > 0;
	svc->weights_known = true;
	svc->ring = c->ring;
	svc->conf = c->conf;
	svc->digest = maps_digest(svc);
	c->members = members;
	c->n_held = n;
	c->ring = ring;
}

/* Same number, another ring. */
static int switch_prepare(struct maps_table *t, struct maps_change *c,
			  char reason[static MSG_REASON_LEN])
{
	struct maps_svc *svc = c->old;
	int r;

	c->number = svc->number;
	r = put_ids(t, svc->number, &c->conf, c->members, c->n);
	if (r < 0)
		quic_failed(r, reason);
	else if (c->n)
		r = update_gone(t, c, svc->number);
	return r;
}

static void switch_undo(struct maps_table *t, struct maps_change *c)
{
	struct maps_svc *svc = c->old;

	drop_ids(t, svc->number, &c->conf, c->members, c->n, svc->members, svc->n_members);
	put_ids(t, svc->number, &c->conf, svc->members, svc->n_members);
}

static void switch_ring(struct maps_table *t, struct maps_change *c)
{
	struct maps_svc *svc = c->old;
	size_t n_old = svc->n_members;

	if (svc->ring != c->ring)
		maps_table_store_ring(t, svc->number, maps_ring_place(c->ring));
	if (!c->n && update_gone(t, c, svc->number) < 0)
		log_warning("flows of backends that left a service stay with them", "error=\"%s\"",
			    strerror(ENOMEM));
	take_over(t, c, svc);
	drop_ids(t, svc->number, &c->conf, c->members, n_old, svc->members, svc->n_members);
}

/* A number that is nobody's, with all that belongs to it but its word in the directory. */
static int fresh_number(struct maps_table *t, struct maps_change *c,
			char reason[static MSG_REASON_LEN])
{
	bool used = t->bpf->adopted || maps_numbers_used(&t->svc_numbers);
	uint32_t number;
	int r;

	r = maps_numbers_get(&t->svc_numbers, &t->grace, &number);
	if (r == -ENOSPC)
		snprintf(reason, MSG_REASON_LEN, "max-services (%u) reached",
			 t->bpf->cfg->max_services);
	if (r < 0)
		return r;
	t->bpf->services[number] = (struct nlb_service){
		.ring = maps_ring_place(c->ring),
		.key = maps_change_key_word(c->key, c->vip),
		.vip = c->vip->number,
		.flags = c->conf.flags,
		.quic_config = c->conf.quic_config,
		.quic_len = c->conf.quic_len,
	};
	r = used ? maps_stats_clear(t->bpf->svc_stats_fd, number) : 0;
	if (r == 0)
		r = maps_gones_clear_service(&t->gones, number);
	if (r == 0 && c->old)
		r = maps_gones_copy(&t->gones, c->old->number, number);
	if (r == 0) {
		r = put_ids(t, number, &c->conf, c->members, c->n);
		if (r < 0) {
			drop_ids(t, number, &c->conf, c->members, c->n, NULL, 0);
			quic_failed(r, reason);
		}
	}
	if (r < 0) {
		maps_gones_clear_service(&t->gones, number);
		maps_numbers_put(&t->svc_numbers, &t->grace, number);
		return r;
	}
	c->number = number;
	return 0;
}

/* What belongs to a number, after its word in the directory went. */
static void drop_number(struct maps_table *t, uint32_t number, const struct maps_svc_conf *conf,
			const struct maps_member *m, size_t n)
{
	drop_ids(t, number, conf, m, n, NULL, 0);
	maps_gones_clear_service(&t->gones, number);
	maps_numbers_put(&t->svc_numbers, &t->grace, number);
}

/* The service goes on under another number. */
static int renumber(struct maps_table *t, struct maps_change *c)
{
	struct maps_svc_conf old_conf = c->old->conf;
	struct maps_svc *svc = c->old;
	uint32_t old = svc->number;
	size_t n_old = svc->n_members;
	int r;

	r = maps_dir_replace(&t->svc_dir, nlb_dir_svc(t->bpf->services[c->number].key), old,
			     c->number);
	if (r < 0)
		return r;
	t->svc_of[old] = NULL;
	t->svc_of[c->number] = svc;
	svc->number = c->number;
	take_over(t, c, svc);
	drop_number(t, old, &old_conf, c->members, n_old);
	return 0;
}

static int svc_new(struct maps_table *t, struct maps_change *c, struct maps_svc **ret,
		   char reason[static MSG_REASON_LEN])
{
	struct maps_svc *svc = calloc(1, sizeof(*svc));
	int r;

	if (!svc)
		return -ENOMEM;
	svc->key = *c->key;
	svc->vip = c->vip;
	svc->number = c->number;
	r = maps_table_add_svc(t, svc);
	if (r < 0) {
		free(svc);
		return r;
	}
	r = maps_dir_insert(&t->svc_dir, nlb_dir_svc(t->bpf->services[svc->number].key),
			    svc->number);
	if (r < 0) {
		if (r == -ENOSPC)
			snprintf(reason, MSG_REASON_LEN, "no room in the directory of services");
		maps_table_forget_svc(t, svc);
		return r;
	}
	maps_table_vip_flags(t, c->vip);
	take_over(t, c, svc);
	*ret = svc;
	return 0;
}

static bool keeps_number(const struct maps_change *c)
{
	return c->old && same_conf(&c->old->conf, &c->conf);
}

int maps_change_prepare(struct maps_table *t, struct maps_change *c,
			char reason[static MSG_REASON_LEN])
{
	int r;

	if (keeps_number(c)) {
		r = switch_prepare(t, c, reason);
		if (r < 0)
			switch_undo(t, c);
		return r;
	}
	r = fresh_number(t, c, reason);
	if (r < 0)
		return r;
	r = c->old ? update_gone(t, c, c->number) : 0;
	if (r < 0)
		maps_change_undo(t, c);
	return r;
}

void maps_change_undo(struct maps_table *t, struct maps_change *c)
{
	if (keeps_number(c))
		switch_undo(t, c);
	else
		drop_number(t, c->number, &c->conf, c->members, c->n);
}

int maps_change_apply(struct maps_table *t, struct maps_change *c, struct maps_svc **ret,
		      char reason[static MSG_REASON_LEN])
{
	int r = 0;

	*ret = c->old;
	if (!c->old)
		r = svc_new(t, c, ret, reason);
	else if (keeps_number(c))
		switch_ring(t, c);
	else
		r = renumber(t, c);
	if (r < 0)
		maps_change_undo(t, c);
	return r;
}

int maps_table_svc_del(struct maps_table *t, struct maps_svc *svc)
{
	struct maps_vip *vip = svc->vip;

	maps_dir_remove(&t->svc_dir, nlb_dir_svc(t->bpf->services[svc->number].key), svc->number);
	maps_rings_put(&t->rings, svc->ring);
	for (size_t i = 0; i < svc->n_members; i++)
		maps_backends_put(&t->backends, svc->members[i].number);
	drop_number(t, svc->number, &svc->conf, svc->members, svc->n_members);
	maps_table_forget_svc(t, svc);
	maps_table_vip_flags(t, vip);
	return 0;
}
