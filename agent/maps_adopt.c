// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading the maps that an earlier agent left, with which the program went on
 * forwarding all the while. Nothing that is in order is written. What is not
 * (this code never leaves such a thing but when it is killed half way, but maps can be
 * written by others) is removed, so that the parent's next batch makes it anew.
 *
 * Directories say which VIPs and services there are. A ring says which backends
 * its service has; those that drain and are in no slot any more are the parent's to
 * tell, which it does before numbers become scarce. Server ids of QUIC name such ones, too.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "maps_digest.h"
#include "maps_table.h"
#include "util.h"

struct adoption {
	struct maps_table *t;
	uint32_t now;
	uint32_t *seen; /* by backend number: the service that had it last, plus one */
	uint32_t n_seen;
	int err;
};

static void discarded(const char *what, uint32_t number)
{
	log_warning("entry in the pinned maps is not in order, removed", "what=\"%s\" number=%u",
		    what, number);
}

/* ---- VIPs ---- */

static int adopt_vip(struct adoption *ad, uint32_t bucket, uint64_t entry)
{
	struct maps_table *t = ad->t;
	uint32_t number = (uint32_t)entry;
	const struct nlb_vip *e;
	struct maps_vip *vip;
	struct addr a;
	int r;

	if (!number || number > t->bpf->cfg->max_vips || t->vip_of[number])
		return -EINVAL;
	e = &t->bpf->vips[number];
	memcpy(a.b, e->addr, sizeof(a.b));
	if (!maps_dir_fits(&t->vip_dir, bucket, entry, maps_table_vip_hash(e), number) ||
	    !maps_prefix_valid(&a, e->plen) || maps_table_vip(t, &a) ||
	    !maps_prefixes_fit(&t->prefixes, &a, e->plen))
		return -EINVAL;
	vip = calloc(1, sizeof(*vip));
	if (!vip)
		return -ENOMEM;
	vip->addr = a;
	vip->plen = e->plen;
	vip->number = number;
	vip->flags = e->flags & NLB_VIP_F_PASS_UNKNOWN;
	r = maps_table_add_vip(t, vip);
	if (r < 0) {
		free(vip);
		return r;
	}
	maps_prefixes_add(&t->prefixes, &vip->addr, vip->plen);
	return 0;
}

static bool keep_vip(void *user, uint32_t bucket, uint64_t entry)
{
	struct adoption *ad = user;
	int r = adopt_vip(ad, bucket, entry);

	if (r == -EINVAL)
		discarded("VIP", (uint32_t)entry);
	else if (r < 0)
		ad->err = r;
	return r != -EINVAL;
}

/* ---- services ---- */

static void adopt_member(struct adoption *ad, struct maps_svc *svc, uint32_t number,
			 uint32_t weight, bool fill, uint32_t mark)
{
	if (number == NLB_BACKEND_NONE || ad->seen[number] == mark)
		return;
	ad->seen[number] = mark;
	if (fill)
		svc->members[svc->n_members] = (struct maps_member){
			.addr = ad->t->backends.all[number].addr,
			.weight = weight,
			.number = number,
		};
	svc->n_members++;
	svc->n_enabled += weight > 0;
}

/* The distinct backends of the ring: those of slots, and those that only have flows from before. */
static void find_members(struct adoption *ad, struct maps_svc *svc, bool fill)
{
	const struct maps_gen *g = &svc->ring->gen;
	uint32_t mark = ++ad->n_seen, size = svc->ring->place.size;

	svc->n_members = svc->n_enabled = 0;
	for (uint32_t i = 0; i < size; i++)
		adopt_member(ad, svc, maps_gen_backend(g->slot[i]), 1, fill, mark);
	for (uint32_t i = 0; g->old && i < size; i++)
		if (maps_gen_mode(g->slot[i]) == NLB_SLOT_RECENT)
			adopt_member(ad, svc, g->old[i], 0, fill, mark);
}

static void sort_members(struct maps_svc *svc)
{
	if (svc->n_members)
		qsort(svc->members, svc->n_members, sizeof(*svc->members), maps_table_member_cmp);
}

static int adopt_members(struct adoption *ad, struct maps_svc *svc)
{
	struct maps_backends *backends = &ad->t->backends;
	int r;

	find_members(ad, svc, false);
	svc->members = calloc(MAX2(svc->n_members, (size_t)1), sizeof(*svc->members));
	if (!svc->members)
		return -ENOMEM;
	find_members(ad, svc, true);
	sort_members(svc);
	for (size_t i = 0; i < svc->n_members; i++) {
		r = maps_backends_ref(backends, svc->members[i].number);
		if (r < 0) {
			while (i--)
				maps_backends_put(backends, svc->members[i].number);
			return r;
		}
	}
	return 0;
}

static int take_service(struct adoption *ad, struct maps_svc *svc, struct nlb_ring place)
{
	struct maps_table *t = ad->t;
	int r;

	if (!place.size)
		return maps_table_add_svc(t, svc);
	r = maps_rings_adopt(&t->rings, place, ad->now, &svc->ring);
	if (r < 0)
		return r;
	r = adopt_members(ad, svc);
	if (r == 0) {
		r = maps_table_add_svc(t, svc);
		for (size_t i = 0; r < 0 && i < svc->n_members; i++)
			maps_backends_put(&t->backends, svc->members[i].number);
	}
	if (r < 0)
		maps_rings_put(&t->rings, svc->ring);
	return r;
}

/* An entry that this code could have written. */
static bool service_valid(const struct maps_table *t, const struct nlb_service *e,
			  struct maps_svc *svc)
{
	uint8_t protocol = (uint8_t)(e->key >> 16);
	bool quic = e->flags & NLB_SVC_F_QUIC;

	if (!e->vip || e->vip > t->bpf->cfg->max_vips || !t->vip_of[e->vip] ||
	    (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) ||
	    e->key != nlb_svc_key(e->vip, protocol, (uint16_t)e->key) ||
	    e->flags & ~(NLB_SVC_F_AFFINITY | NLB_SVC_F_QUIC) ||
	    (quic && (!e->quic_len || e->quic_len > NLB_QUIC_ID_MAX)))
		return false;
	svc->vip = t->vip_of[e->vip];
	maps_table_key(&svc->key, &svc->vip->addr, protocol, (uint16_t)e->key);
	svc->conf.flags = e->flags;
	svc->conf.quic_config = quic ? e->quic_config : 0;
	svc->conf.quic_len = quic ? e->quic_len : 0;
	return true;
}

static int adopt_service(struct adoption *ad, uint32_t bucket, uint64_t entry)
{
	struct maps_table *t = ad->t;
	uint32_t number = (uint32_t)entry;
	struct nlb_service e;
	struct maps_svc *svc;
	int r = -EINVAL;

	if (!number || number > t->bpf->cfg->max_services || t->svc_of[number])
		return -EINVAL;
	e = t->bpf->services[number];
	svc = calloc(1, sizeof(*svc));
	if (!svc)
		return -ENOMEM;
	svc->number = number;
	svc->flows_until = ad->now + t->flows.idle + MAPS_FLOWS_ROUND_TICKS;
	if (maps_dir_fits(&t->svc_dir, bucket, entry, nlb_dir_svc(e.key), number) &&
	    service_valid(t, &e, svc) && !maps_table_svc(t, &svc->key))
		r = take_service(ad, svc, e.ring);
	if (r == 0)
		return 0;
	free(svc->members);
	free(svc);
	return r == -EEXIST ? -EINVAL : r;
}

static bool keep_service(void *user, uint32_t bucket, uint64_t entry)
{
	struct adoption *ad = user;
	int r = adopt_service(ad, bucket, entry);

	if (r == -EINVAL)
		discarded("service", (uint32_t)entry);
	else if (r < 0)
		ad->err = r;
	return r != -EINVAL;
}

/* ---- what belongs to services ---- */

static struct maps_member *member_of(const struct maps_svc *svc, uint32_t number)
{
	for (size_t i = 0; i < svc->n_members; i++)
		if (svc->members[i].number == number)
			return &svc->members[i];
	return NULL;
}

static bool keep_gone(void *user, const struct nlb_gone_key *key)
{
	struct adoption *ad = user;
	const struct maps_svc *svc = ad->t->svc_of[key->service];

	return svc && key->backend && key->backend <= ad->t->backends.max &&
	       ad->t->backends.all[key->backend].known && !member_of(svc, key->backend);
}

/* A backend that drains, of which nothing but its server id is left. */
static struct maps_member *add_draining(struct adoption *ad, struct maps_svc *svc, uint32_t number)
{
	struct maps_member *grown =
		reallocarray(svc->members, svc->n_members + 1, sizeof(*svc->members));
	struct maps_member *m;

	if (!grown)
		return NULL;
	svc->members = grown;
	if (maps_backends_ref(&ad->t->backends, number) < 0)
		return NULL;
	m = &svc->members[svc->n_members++];
	*m = (struct maps_member){.addr = ad->t->backends.all[number].addr, .number = number};
	return m;
}

static bool keep_quic(void *user, const struct nlb_quic_key *key, uint32_t backend)
{
	struct adoption *ad = user;
	struct maps_svc *svc =
		key->service <= ad->t->bpf->cfg->max_services ? ad->t->svc_of[key->service] : NULL;
	struct maps_member *m;

	if (!svc || !(svc->conf.flags & NLB_SVC_F_QUIC) || key->len != svc->conf.quic_len)
		return false;
	m = member_of(svc, backend);
	if (!m)
		m = add_draining(ad, svc, backend);
	if (!m || !maps_quic_id_none(&m->quic_id))
		return false;
	memcpy(m->quic_id.b, key->id, sizeof(m->quic_id.b));
	return !maps_quic_id_none(&m->quic_id);
}

static int adopt_rest(struct adoption *ad)
{
	struct maps_table *t = ad->t;
	int r;

	r = maps_quic_filter(&t->quic, keep_quic, ad);
	if (r < 0)
		return r;
	/* Only now: those that were added are at the end. */
	for (size_t i = 0; i < t->n_all; i++) {
		sort_members(t->all[i]);
		t->all[i]->digest = maps_digest(t->all[i]);
	}
	r = maps_gones_adopt(&t->gones, ad->now, keep_gone, ad);
	return r < 0 ? r : maps_backends_adopted(&t->backends);
}

static bool vip_taken(const struct maps_table *t, uint32_t number)
{
	return t->vip_of[number];
}

static bool svc_taken(const struct maps_table *t, uint32_t number)
{
	return t->svc_of[number];
}

/* All numbers from 1 to n that are nobody's. */
static int adopt_numbers(struct maps_table *t, struct maps_numbers *p, uint32_t n,
			 bool (*taken)(const struct maps_table *t, uint32_t number))
{
	_cleanup_free_ bool *used = calloc(n + 1u, sizeof(*used));

	if (!used)
		return -ENOMEM;
	for (uint32_t i = 0; i <= n; i++)
		used[i] = !i || taken(t, i);
	return maps_numbers_init(p, n + 1, used);
}

int maps_adopt(struct maps_table *t)
{
	const struct config *cfg = t->bpf->cfg;
	_cleanup_free_ uint32_t *seen = calloc(cfg->max_backends + 1u, sizeof(*seen));
	struct adoption ad = {.t = t, .now = maps_gen_tick(util_now_ns()), .seen = seen};
	int r;

	if (!seen)
		return -ENOMEM;
	maps_dir_filter(&t->vip_dir, keep_vip, &ad);
	if (ad.err == 0)
		maps_dir_filter(&t->svc_dir, keep_service, &ad);
	if (ad.err < 0)
		return ad.err;
	maps_prefixes_write(&t->prefixes);
	for (const struct maps_vip *vip = t->vips; vip; vip = vip->hh.next)
		maps_table_vip_flags(t, vip);
	r = adopt_rest(&ad);
	if (r == 0)
		r = adopt_numbers(t, &t->vip_numbers, cfg->max_vips, vip_taken);
	if (r == 0)
		r = adopt_numbers(t, &t->svc_numbers, cfg->max_services, svc_taken);
	return r;
}
