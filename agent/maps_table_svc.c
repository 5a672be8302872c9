// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Services of the table. A change takes these steps, of which the fourth is the
 * one that packets see:
 *
 * 1. All members are referenced: their entries are in nlb_backends.
 * 2. The next generation of the ring is made, at a free place (maps_ring.c).
 * 3. Members that left are entered in nlb_gone; those that came back are taken out;
 *    server ids of QUIC are entered.
 * 4. The service's 64-bit word is stored: it has the new ring.
 * 5. What the old ring and members held goes; it rests for a grace period.
 *
 * A service that is new, or whose flags change, gets a number that is nobody's: its
 * entry is written whole, and the fourth step is the store of its word in the
 * directory, in the place of the old number's. The ring goes on as the next generation of
 * the old one; the service's counters begin anew.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "maps_stats.h"
#include "maps_table.h"
#include "util.h"

#define QUIC_CONFIG_MAX 6 /* 7 says that a connection id cannot be routed */

/* A new set of members on its way into a service. */
struct change {
	const struct maps_svc_key *key;
	struct maps_svc_conf conf;
	struct maps_vip *vip;
	struct maps_svc *old; /* NULL: the service is new */
	struct maps_member *members;
	size_t n, n_held; /* held: so many are referenced */
	struct maps_ring *ring;
	uint32_t now;
};

static uint64_t key_word(const struct maps_svc_key *key, const struct maps_vip *vip)
{
	return nlb_svc_key(vip->number, key->protocol,
			   (uint16_t)(key->port[0] << 8 | key->port[1]));
}

/* The switch. */
static void store_ring(struct maps_table *t, uint32_t number, struct nlb_ring ring)
{
	union {
		struct nlb_ring ring;
		uint64_t word;
	} u = {.ring = ring};

	_Static_assert(sizeof(u.ring) == sizeof(u.word), "one store");
	__atomic_store_n((uint64_t *)&t->bpf->services[number].ring, u.word, __ATOMIC_RELEASE);
}

/* ---- what is wanted ---- */

/* A copy of what matters, sorted; or why it cannot be. */
static int check_want(const struct maps_svc_key *key, const struct maps_svc_want *want,
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

static bool same_members(const struct maps_svc *svc, const struct maps_svc_want *want)
{
	if (!svc->weights_known || svc->n_members != want->n ||
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

static void change_done(struct maps_table *t, struct change *c)
{
	maps_rings_put(&t->rings, c->ring);
	for (size_t i = 0; i < c->n_held; i++)
		maps_backends_put(&t->backends, c->members[i].number);
	free(c->members);
}

/* True when flows of the service may be remembered. */
static bool has_flows(const struct maps_table *t, const struct maps_svc *svc, uint32_t now)
{
	uint32_t lasting = t->flows.idle + MAPS_FLOWS_ROUND_TICKS;

	return now < svc->flows_until ||
	       (svc->ring &&
		(svc->ring->gen.when || (svc->ring->rested && now - svc->ring->rested <= lasting)));
}

/* ---- server ids ---- */

static bool has_id(const struct maps_svc_conf *conf, const struct maps_member *m)
{
	return conf->flags & NLB_SVC_F_QUIC && !maps_quic_id_none(&m->quic_id);
}

static int put_ids(struct maps_table *t, uint32_t number, const struct maps_svc_conf *conf,
		   const struct maps_member *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = has_id(conf, &m[i]) ? maps_quic_put(&t->quic, number, conf->quic_len,
							    &m[i].quic_id, m[i].number)
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

		if (!has_id(conf, &m[i]))
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

/* Steps 1 and 2. The change is to be done with, whatever is returned. */
static int change_init(struct maps_table *t, struct change *c, const struct maps_svc_want *want,
		       char reason[static MSG_REASON_LEN])
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
	if (!c->n)
		return 0;
	r = maps_rings_make(&t->rings, c->old ? c->old->ring : NULL, c->members, c->n,
			    want->ring_size, c->old && has_flows(t, c->old, c->now), c->now,
			    &c->ring);
	if (r == -ENOSPC)
		snprintf(reason, MSG_REASON_LEN, "ring-slots (%u) used up: %u in use, %u wanted",
			 t->rings.pool.slots, t->rings.pool.used, want->ring_size);
	else if (r < 0)
		snprintf(reason, MSG_REASON_LEN, "no ring of %u slots for %zu backends: %s",
			 want->ring_size, c->n, strerror(-r));
	return r;
}

/*
 * What is remembered of members that left is void, and of those that stay or come is not.
 * On failure nothing more is void than before.
 */
static int update_gone(struct maps_table *t, const struct change *c, uint32_t number)
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
		/* Its flows stay with it until they end: better than no change at all. */
		if (r < 0) {
			char text[ADDR_STRLEN];

			log_warning("flows of a backend that left a service stay with it",
				    "backend=%s error=\"%s\"", addr_str(&m->addr, text),
				    strerror(-r));
		}
	}
	return 0;
}

/* ---- the switch ---- */

/* The service takes over what the change holds; the change, what the service had. */
static void take_over(struct maps_table *t, struct change *c, struct maps_svc *svc)
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
	svc->digest = c->ring ? c->ring->digest : 0;
	svc->conf = c->conf;
	c->members = members;
	c->n_held = n;
	c->ring = ring;
}

/* Same number, another ring. */
static int switch_ring(struct maps_table *t, struct change *c, char reason[static MSG_REASON_LEN])
{
	struct maps_svc *svc = c->old;
	size_t n_old = svc->n_members;
	int r;

	r = put_ids(t, svc->number, &c->conf, c->members, c->n);
	if (r < 0)
		quic_failed(r, reason);
	else
		r = update_gone(t, c, svc->number);
	if (r < 0) {
		drop_ids(t, svc->number, &c->conf, c->members, c->n, svc->members, n_old);
		put_ids(t, svc->number, &c->conf, svc->members, n_old);
		return r;
	}
	if (svc->ring != c->ring)
		store_ring(t, svc->number, maps_ring_place(c->ring));
	take_over(t, c, svc);
	drop_ids(t, svc->number, &c->conf, c->members, n_old, svc->members, svc->n_members);
	return 0;
}

/* A number that is nobody's, with all that belongs to it but its word in the directory. */
static int fresh_number(struct maps_table *t, struct change *c, uint32_t *ret,
			char reason[static MSG_REASON_LEN])
{
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
		.key = key_word(c->key, c->vip),
		.vip = c->vip->number,
		.flags = c->conf.flags,
		.quic_config = c->conf.quic_config,
		.quic_len = c->conf.quic_len,
	};
	r = maps_stats_clear(t->bpf->svc_stats_fd, number);
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
	*ret = number;
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
static int renumber(struct maps_table *t, struct change *c, char reason[static MSG_REASON_LEN])
{
	struct maps_svc_conf old_conf = c->old->conf;
	struct maps_svc *svc = c->old;
	uint32_t number, old = svc->number;
	size_t n_old = svc->n_members;
	int r;

	r = fresh_number(t, c, &number, reason);
	if (r < 0)
		return r;
	r = update_gone(t, c, number);
	if (r == 0)
		r = maps_dir_replace(&t->svc_dir, nlb_dir_svc(t->bpf->services[number].key), old,
				     number);
	if (r < 0) {
		drop_number(t, number, &c->conf, c->members, c->n);
		return r;
	}
	t->svc_of[old] = NULL;
	t->svc_of[number] = svc;
	svc->number = number;
	take_over(t, c, svc);
	drop_number(t, old, &old_conf, c->members, n_old);
	return 0;
}

static int svc_new(struct maps_table *t, struct change *c, struct maps_svc **ret,
		   char reason[static MSG_REASON_LEN])
{
	struct maps_svc *svc = calloc(1, sizeof(*svc));
	int r;

	if (!svc)
		return -ENOMEM;
	svc->key = *c->key;
	svc->vip = c->vip;
	r = fresh_number(t, c, &svc->number, reason);
	if (r < 0) {
		free(svc);
		return r;
	}
	r = maps_table_add_svc(t, svc);
	if (r < 0) {
		drop_number(t, svc->number, &c->conf, c->members, c->n);
		free(svc);
		return r;
	}
	r = maps_dir_insert(&t->svc_dir, nlb_dir_svc(t->bpf->services[svc->number].key),
			    svc->number);
	if (r < 0) {
		if (r == -ENOSPC)
			snprintf(reason, MSG_REASON_LEN, "no room in the directory of services");
		drop_number(t, svc->number, &c->conf, c->members, c->n);
		maps_table_forget_svc(t, svc);
		return r;
	}
	maps_table_vip_flags(t, c->vip);
	take_over(t, c, svc);
	*ret = svc;
	return 0;
}

/* Steps 3 to 5. */
static int change_apply(struct maps_table *t, struct change *c, struct maps_svc **ret,
			char reason[static MSG_REASON_LEN])
{
	if (!c->old)
		return svc_new(t, c, ret, reason);
	*ret = c->old;
	return same_conf(&c->old->conf, &c->conf) ? switch_ring(t, c, reason)
						  : renumber(t, c, reason);
}

/* What the kernel says is in the maps, against what should be. */
static int read_back(const struct maps_table *t, const struct maps_svc *svc)
{
	struct nlb_ring ring = maps_ring_place(svc->ring);
	uint64_t key = key_word(&svc->key, svc->vip);
	struct nlb_service entry;
	struct nlb_vip vip;

	if (bpf_map_lookup_elem(t->bpf->vips_fd, &svc->vip->number, &vip) < 0 ||
	    bpf_map_lookup_elem(t->bpf->services_fd, &svc->number, &entry) < 0)
		return -errno;
	if (memcmp(vip.addr, svc->vip->addr.b, sizeof(vip.addr)) != 0 ||
	    vip.plen != svc->vip->plen ||
	    !maps_dir_has(&t->vip_dir, maps_table_vip_hash(&vip), svc->vip->number) ||
	    !maps_dir_has(&t->svc_dir, nlb_dir_svc(key), svc->number) || entry.key != key ||
	    entry.vip != svc->vip->number || entry.flags != svc->conf.flags ||
	    entry.ring.base != ring.base || entry.ring.size != ring.size)
		return -EIO;
	for (size_t i = 0; i < svc->n_members; i++) {
		const struct maps_member *m = &svc->members[i];

		if (memcmp(t->bpf->backends[m->number].addr, m->addr.b, sizeof(m->addr.b)) != 0)
			return -EIO;
	}
	return 0;
}

static int find_vip(const struct maps_table *t, const struct maps_svc_key *key,
		    struct maps_vip **ret, char reason[static MSG_REASON_LEN])
{
	struct addr a;

	memcpy(a.b, key->vip, sizeof(a.b));
	*ret = maps_table_vip(t, &a);
	if (*ret)
		return 0;
	if (t->vip_numbers.n)
		snprintf(reason, MSG_REASON_LEN, "the VIP is not set");
	else
		snprintf(reason, MSG_REASON_LEN, "max-vips (%u) reached", t->bpf->cfg->max_vips);
	return -ENOENT;
}

static int set(struct maps_table *t, const struct maps_svc_key *key,
	       const struct maps_svc_want *want, struct maps_svc **ret,
	       char reason[static MSG_REASON_LEN])
{
	struct maps_svc *svc = maps_table_svc(t, key);
	struct nlb_ring before = maps_ring_place(svc ? svc->ring : NULL);
	uint32_t number = svc ? svc->number : 0;
	struct change c = {.key = key, .old = svc, .now = maps_gen_tick(util_now_ns())};
	struct nlb_ring after;
	int r;

	if (want->n)
		qsort(want->members, want->n, sizeof(*want->members), maps_table_member_cmp);
	r = check_want(key, want, &c.conf, reason);
	if (r == 0)
		r = find_vip(t, key, &c.vip, reason);
	if (r < 0)
		return r;
	if (svc && same_conf(&svc->conf, &c.conf) && same_members(svc, want)) {
		*ret = svc;
		return 0;
	}
	r = change_init(t, &c, want, reason);
	if (r == 0)
		r = change_apply(t, &c, ret, reason);
	change_done(t, &c);
	if (r < 0)
		return r;
	after = maps_ring_place((*ret)->ring);
	return (*ret)->number != number || after.base != before.base || after.size != before.size;
}

int maps_table_svc_set(struct maps_table *t, const struct maps_svc_key *key,
		       const struct maps_svc_want *want, struct maps_svc **ret,
		       char reason[static MSG_REASON_LEN])
{
	int r, err;

	reason[0] = '\0';
	r = set(t, key, want, ret, reason);
	if (r >= 0) {
		err = read_back(t, *ret);
		if (err < 0) {
			snprintf(reason, MSG_REASON_LEN, "the maps read back differently");
			r = err;
		}
	}
	if (r < 0 && !reason[0])
		snprintf(reason, MSG_REASON_LEN, "writing the maps: %s", strerror(-r));
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
