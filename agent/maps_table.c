// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The state of the maps as structs: lists, VIPs, and what time does. How a
 * change gets into the maps without a packet ever meeting half of it:
 *
 * - A VIP or service is written under a number that nothing refers to; then
 *   its word in the directory is stored. It goes the other way round, and
 *   its number rests for a grace period.
 * - A service's ring is switched by one store (maps_table_svc.c).
 * - Flags of a VIP are one word.
 *
 * Everything that a change needs is allocated before the first write.
 */
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "maps_stats.h"
#include "maps_table.h"
#include "util.h"

/* So much at a time: a few milliseconds. */
#define AGE_SLOTS    (1u << 20)
#define AGE_BUCKETS  (1u << 18)
#define AGE_GONE     4096u
#define REST_NUMBERS 4096u

/* ---- looking up ---- */

void maps_table_key(struct maps_svc_key *ret, const struct addr *vip, uint8_t protocol,
		    uint16_t port)
{
	*ret = (struct maps_svc_key){
		.port = {(uint8_t)(port >> 8), (uint8_t)port},
		.protocol = protocol,
	};
	memcpy(ret->vip, vip->b, sizeof(ret->vip));
}

struct maps_vip *maps_table_vip(const struct maps_table *t, const struct addr *a)
{
	struct maps_vip *vip;

	HASH_FIND(hh, t->vips, a, sizeof(*a), vip);
	return vip;
}

struct maps_svc *maps_table_svc(const struct maps_table *t, const struct maps_svc_key *key)
{
	struct maps_svc *svc;

	HASH_FIND(hh, t->services, key, sizeof(*key), svc);
	return svc;
}

int maps_table_member_cmp(const void *a, const void *b)
{
	const struct maps_member *x = a, *y = b;

	return addr_cmp(&x->addr, &y->addr);
}

struct maps_member *maps_table_member(const struct maps_svc *svc, const struct addr *a)
{
	const struct maps_member key = {.addr = *a};

	if (!svc->n_members)
		return NULL;
	return bsearch(&key, svc->members, svc->n_members, sizeof(key), maps_table_member_cmp);
}

/* ---- directories ---- */

uint64_t maps_table_vip_hash(const struct nlb_vip *vip)
{
	uint64_t word[2];

	memcpy(word, vip->addr, sizeof(word));
	return nlb_dir_vip(be64toh(word[0]), be64toh(word[1]), vip->plen);
}

static uint64_t vip_hash(const void *user, uint32_t number)
{
	const struct maps_table *t = user;

	return maps_table_vip_hash(&t->bpf->vips[number]);
}

static uint64_t svc_hash(const void *user, uint32_t number)
{
	const struct maps_table *t = user;

	return nlb_dir_svc(t->bpf->services[number].key);
}

static int settle(void *user)
{
	struct maps_table *t = user;

	return maps_grace_wait(&t->grace);
}

/* ---- the structs ---- */

int maps_table_add_vip(struct maps_table *t, struct maps_vip *vip)
{
	vip->wanted_run = t->check_run;
	HASH_ADD(hh, t->vips, addr, sizeof(vip->addr), vip);
	if (!HASH_ADDED(hh, vip))
		return -ENOMEM;
	t->vip_of[vip->number] = vip;
	return 0;
}

int maps_table_add_svc(struct maps_table *t, struct maps_svc *svc)
{
	if (t->n_all == t->cap_all) {
		size_t cap = MAX2((size_t)64, t->cap_all * 2);
		struct maps_svc **grown = reallocarray(t->all, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->all = grown;
		t->cap_all = cap;
	}
	svc->wanted_run = t->check_run;
	HASH_ADD(hh, t->services, key, sizeof(svc->key), svc);
	if (!HASH_ADDED(hh, svc))
		return -ENOMEM;
	svc->pos = t->n_all;
	t->all[t->n_all++] = svc;
	t->svc_of[svc->number] = svc;
	svc->next = svc->vip->services;
	svc->vip->services = svc;
	return 0;
}

static void svc_free(struct maps_svc *svc)
{
	free(svc->members);
	free(svc);
}

void maps_table_forget_svc(struct maps_table *t, struct maps_svc *svc)
{
	struct maps_svc **at = &svc->vip->services;

	while (*at != svc)
		at = &(*at)->next;
	*at = svc->next;
	t->all[svc->pos] = t->all[--t->n_all];
	t->all[svc->pos]->pos = svc->pos;
	t->svc_of[svc->number] = NULL;
	HASH_DELETE(hh, t->services, svc);
	svc_free(svc);
}

static void vip_free(struct maps_table *t, struct maps_vip *vip)
{
	t->vip_of[vip->number] = NULL;
	HASH_DELETE(hh, t->vips, vip);
	free(vip);
}

static int init_parts(struct maps_table *t, struct maps_hops *hops)
{
	struct maps_bpf *bpf = t->bpf;
	const struct config *cfg = bpf->cfg;
	int r;

	t->vip_dir = (struct maps_dir){bpf->vip_dir, bpf->vip_buckets - 1, vip_hash, settle, t};
	t->svc_dir = (struct maps_dir){bpf->svc_dir, bpf->svc_buckets - 1, svc_hash, settle, t};
	t->flows = (struct maps_flows){.buckets = bpf->flows,
				       .n = bpf->flow_buckets,
				       .idle = maps_flows_ticks(cfg->flow_idle_s)};
	t->quic = (struct maps_quic){.fd = bpf->quic_ids_fd, .grace = &t->grace};
	t->prefixes.config = bpf->config;
	t->vip_of = calloc(cfg->max_vips + 1u, sizeof(*t->vip_of));
	t->svc_of = calloc(cfg->max_services + 1u, sizeof(*t->svc_of));
	if (!t->vip_of || !t->svc_of)
		return -ENOMEM;
	r = maps_grace_init(&t->grace);
	if (r == 0)
		r = maps_gones_init(&t->gones, bpf->gone_fd, cfg->max_services);
	if (r == 0)
		r = maps_backends_init(&t->backends, bpf, &t->grace, hops, &t->flows, &t->gones);
	if (r == 0)
		r = maps_rings_init(&t->rings, bpf, &t->backends, &t->grace);
	return r;
}

int maps_table_init(struct maps_table *t, struct maps_bpf *bpf, struct maps_hops *hops)
{
	int r;

	*t = (struct maps_table){.bpf = bpf};
	r = init_parts(t, hops);
	if (r == 0)
		r = maps_adopt(t);
	/* What the last agent had taken out may still be in use by a program. */
	if (r == 0)
		r = maps_grace_wait(&t->grace);
	if (r < 0)
		maps_table_done(t);
	return r;
}

void maps_table_done(struct maps_table *t)
{
	HASH_CLEAR(hh, t->services);
	for (size_t i = 0; i < t->n_all; i++)
		svc_free(t->all[i]);
	free(t->all);
	while (t->vips)
		vip_free(t, t->vips);
	free(t->vip_of);
	free(t->svc_of);
	maps_numbers_done(&t->vip_numbers);
	maps_numbers_done(&t->svc_numbers);
	maps_rings_done(&t->rings);
	maps_backends_done(&t->backends);
	maps_gones_done(&t->gones);
	maps_grace_done(&t->grace);
	*t = (struct maps_table){};
}

/* ---- VIPs ---- */

static uint32_t vip_flags(const struct maps_vip *vip)
{
	uint32_t flags = vip->flags;

	for (const struct maps_svc *svc = vip->services; svc; svc = svc->next)
		if (!svc->key.port[0] && !svc->key.port[1])
			flags |= svc->key.protocol == IPPROTO_TCP ? NLB_VIP_F_ALL_TCP
								  : NLB_VIP_F_ALL_UDP;
	return flags;
}

void maps_table_vip_flags(struct maps_table *t, const struct maps_vip *vip)
{
	__atomic_store_n(&t->bpf->vips[vip->number].flags, vip_flags(vip), __ATOMIC_RELEASE);
}

struct nlb_vip maps_table_vip_entry(const struct maps_vip *vip)
{
	struct nlb_vip entry = {.flags = vip_flags(vip), .plen = vip->plen};

	memcpy(entry.addr, vip->addr.b, sizeof(entry.addr));
	return entry;
}

/* Under a number that is its own already. */
static int vip_publish(struct maps_table *t, struct maps_vip *vip, bool clear)
{
	struct nlb_vip *entry = &t->bpf->vips[vip->number];
	int r;

	r = clear ? maps_stats_clear(t->bpf->vip_stats_fd, vip->number) : 0;
	if (r < 0)
		return r;
	*entry = maps_table_vip_entry(vip);
	r = maps_table_add_vip(t, vip);
	if (r < 0)
		return r;
	r = maps_dir_insert(&t->vip_dir, maps_table_vip_hash(entry), vip->number);
	if (r < 0) {
		t->vip_of[vip->number] = NULL;
		HASH_DELETE(hh, t->vips, vip);
		return r;
	}
	maps_prefixes_add(&t->prefixes, &vip->addr, vip->plen);
	maps_prefixes_write(&t->prefixes);
	return 0;
}

int maps_table_vip_set(struct maps_table *t, const struct addr *a, uint8_t plen, uint32_t flags)
{
	struct maps_vip *vip = maps_table_vip(t, a);
	bool used;
	int r;

	flags &= NLB_VIP_F_PASS_UNKNOWN;
	if (vip) {
		if (vip->plen != plen)
			return -EEXIST;
		vip->flags = flags;
		maps_table_vip_flags(t, vip);
		return 0;
	}
	if (!maps_prefix_valid(a, plen))
		return -EINVAL;
	if (!maps_prefixes_fit(&t->prefixes, a, plen))
		return -ENOSPC;
	vip = calloc(1, sizeof(*vip));
	if (!vip)
		return -ENOMEM;
	vip->addr = *a;
	vip->plen = plen;
	vip->flags = flags;
	used = t->bpf->adopted || maps_numbers_used(&t->vip_numbers);
	r = maps_numbers_get(&t->vip_numbers, &t->grace, &vip->number);
	if (r == 0) {
		r = vip_publish(t, vip, used);
		if (r == 0)
			return 0;
		maps_numbers_put(&t->vip_numbers, &t->grace, vip->number);
	}
	free(vip);
	return r;
}

int maps_table_vip_del(struct maps_table *t, struct maps_vip *vip)
{
	const struct nlb_vip *entry = &t->bpf->vips[vip->number];

	while (vip->services) {
		int r = maps_table_svc_del(t, vip->services);

		if (r < 0)
			return r;
	}
	maps_dir_remove(&t->vip_dir, maps_table_vip_hash(entry), vip->number);
	maps_prefixes_remove(&t->prefixes, &vip->addr, vip->plen);
	maps_prefixes_write(&t->prefixes);
	maps_numbers_put(&t->vip_numbers, &t->grace, vip->number);
	vip_free(t, vip);
	return 0;
}

/* ---- time ---- */

void maps_table_age(struct maps_table *t, uint64_t now_ns)
{
	uint32_t tick = maps_gen_tick(now_ns), idle = t->flows.idle;

	maps_rings_age(&t->rings, tick, idle, AGE_SLOTS);
	maps_flows_sweep(&t->flows, now_ns, AGE_BUCKETS);
	maps_gones_expire(&t->gones, tick, idle + MAPS_FLOWS_ROUND_TICKS, AGE_GONE);
	maps_backends_rest(&t->backends, tick, REST_NUMBERS);
}
