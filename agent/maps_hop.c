// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hops. An entry of nlb_hops is written once, before the first backend is
 * pointed at it, and stays as it is while one is: what changes is to which hop a
 * backend points, by one store. So a packet sees the old header or the new
 * one. The number of a hop without backends is used again after a grace
 * period (maps_grace.h).
 *
 * There are as many numbers as backends, so that they suffice even if no two
 * backends share a hop, but then a backend must let go of its hop before
 * it has another. Meanwhile its packets go the slow way, as when the way
 * is not known.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "log.h"
#include "maps_hop.h"
#include "neigh.h"
#include "util.h"

#define MTU_MAX 65535 /* what fits the length fields */

/* ---- hops ---- */

static struct maps_hop *find(const struct maps_hops *h, const struct nlb_hop *content)
{
	struct maps_hop *hop;

	HASH_FIND(hh, h->by_content, content, sizeof(*content), hop);
	return hop;
}

static struct maps_hop *add(struct maps_hops *h, const struct nlb_hop *content, uint32_t number)
{
	struct maps_hop *hop = calloc(1, sizeof(*hop));

	if (!hop)
		return NULL;
	hop->content = *content;
	hop->number = number;
	HASH_ADD(hh, h->by_content, content, sizeof(*content), hop);
	if (!HASH_ADDED(hh, hop)) {
		free(hop);
		return NULL;
	}
	return hop;
}

/* A hop with this content, new if need be, not referenced yet. 0 or -errno. */
static int get(struct maps_hops *h, const struct nlb_hop *content, struct maps_hop **ret)
{
	struct maps_hop *hop = find(h, content);
	uint32_t number;
	int r;

	if (!hop) {
		r = maps_numbers_get(&h->numbers, h->grace, &number);
		if (r < 0)
			return r;
		hop = add(h, content, number);
		if (!hop) {
			maps_numbers_put(&h->numbers, h->grace, number);
			return -ENOMEM;
		}
		h->bpf->hops[number] = *content;
	}
	*ret = hop;
	return 0;
}

static void unref(struct maps_hops *h, struct maps_hop *hop)
{
	if (--hop->refs)
		return;
	maps_numbers_put(&h->numbers, h->grace, hop->number);
	HASH_DELETE(hh, h->by_content, hop);
	free(hop);
}

/* ---- backends ---- */

/* The one place that writes nlb_backend.hop. hop NULL: the kernel is to be asked. */
static void point(struct maps_hops *h, uint32_t number, struct maps_hop *hop)
{
	struct maps_hop_user *u = &h->users[number];
	struct maps_hop *old = u->hop;

	if (hop)
		hop->refs++;
	u->hop = hop;
	/* Release: the hop's entry is seen by whoever sees its number. */
	__atomic_store_n(&h->bpf->backends[number].hop, hop ? hop->number : 0, __ATOMIC_RELEASE);
	if (old)
		unref(h, old);
}

/* False: there is no outer source of this family. */
static bool make_content(const struct maps_hops *h, const struct addr *a,
			 const struct neigh_hop_info *info, struct nlb_hop *ret)
{
	bool v4 = addr_is_v4(a);
	const struct maps_source *source = v4 ? &h->sources.v4 : &h->sources.v6;
	uint16_t type = v4 ? ETH_P_IP : ETH_P_IPV6;
	struct nlb_hop hop = {
		.eth_len = (uint8_t)(info->eth_len + 2),
		.ttl = MAPS_HOP_TTL,
		.ifindex = info->ifindex,
		.mtu = info->mtu && info->mtu < MTU_MAX ? info->mtu : MTU_MAX,
		.source_mask = source->mask,
	};

	if (addr_is_unspecified(&source->addr))
		return false;
	memcpy(hop.eth, info->eth, info->eth_len);
	hop.eth[info->eth_len] = (uint8_t)(type >> 8);
	hop.eth[info->eth_len + 1] = (uint8_t)type;
	memcpy(hop.source, source->addr.b, sizeof(hop.source));
	*ret = hop;
	return true;
}

static void complain(struct maps_hops *h, int err)
{
	if (h->complained)
		return;
	h->complained = true;
	log_warning("no room for a next hop, the kernel is asked for each packet",
		    "max-backends=%u error=\"%s\"", h->max, strerror(-err));
}

void maps_hops_path(struct maps_hops *h, const struct addr *target,
		    const struct neigh_hop_info *info)
{
	struct maps_hop *hop = NULL;
	struct maps_hop_user *u;
	struct nlb_hop content;
	uint32_t number;
	int r = 0;

	HASH_FIND(hh, h->by_addr, target, sizeof(*target), u);
	if (!u)
		return;
	number = (uint32_t)(u - h->users);
	if (info && make_content(h, target, info, &content)) {
		r = get(h, &content, &hop);
		if (r == -ENOSPC && u->hop && u->hop->refs == 1) {
			point(h, number, NULL);
			r = get(h, &content, &hop);
		}
	}
	if (r < 0)
		complain(h, r);
	if (hop != u->hop)
		point(h, number, hop);
}

void maps_hops_want(struct maps_hops *h, uint32_t number, const struct addr *a)
{
	struct maps_hop_user *u, *other;

	if (!h)
		return;
	u = &h->users[number];
	if (u->wanted && addr_cmp(&u->addr, a) == 0)
		return;
	if (u->wanted)
		maps_hops_unwant(h, number, &u->addr);
	HASH_FIND(hh, h->by_addr, a, sizeof(*a), other);
	if (other)
		maps_hops_unwant(h, (uint32_t)(other - h->users), a);
	/* Adopted, but the number is another backend's now. */
	if (u->hop && h->bpf->backends[number].hop != u->hop->number)
		point(h, number, NULL);
	u->addr = *a;
	HASH_ADD(hh, h->by_addr, addr, sizeof(*a), u);
	u->wanted = HASH_ADDED(hh, u);
	if (!u->wanted)
		complain(h, -ENOMEM);
	else if (h->neigh)
		neigh_want(h->neigh, a);
}

void maps_hops_unwant(struct maps_hops *h, uint32_t number, const struct addr *a)
{
	struct maps_hop_user *u;

	if (!h)
		return;
	u = &h->users[number];
	if (!u->wanted || addr_cmp(&u->addr, a) != 0)
		return;
	if (h->neigh)
		neigh_unwant(h->neigh, &u->addr);
	HASH_DELETE(hh, h->by_addr, u);
	u->wanted = false;
	point(h, number, NULL);
}

/* ---- beginning and end ---- */

/* An entry that this code could have written, for a backend of such flags. */
static bool entry_valid(const struct nlb_hop *e, uint32_t backend_flags)
{
	static const uint32_t zero[ARRAY_SIZE(e->zero)];
	uint16_t type = backend_flags & NLB_BACKEND_F_V4 ? ETH_P_IP : ETH_P_IPV6;

	return (e->eth_len == 14 || e->eth_len == 18 || e->eth_len == 22) && e->ifindex && e->ttl &&
	       e->eth[e->eth_len - 2] == type >> 8 && e->eth[e->eth_len - 1] == (type & 0xff) &&
	       memcmp(e->zero, zero, sizeof(zero)) == 0;
}

/* The hop that an adopted entry of nlb_backends names. NULL: none of use. */
static struct maps_hop *adopt(struct maps_hops *h, const struct nlb_backend *b, bool *used)
{
	const struct nlb_hop *e;
	struct maps_hop *hop;

	if (!b->hop || b->hop > h->max)
		return NULL;
	e = &h->bpf->hops[b->hop];
	if (!entry_valid(e, b->flags))
		return NULL;
	hop = find(h, e);
	if (hop)
		return hop->number == b->hop ? hop : NULL;
	hop = add(h, e, b->hop);
	if (hop)
		used[b->hop] = true;
	return hop;
}

int maps_hops_init(struct maps_hops *h, const struct maps_bpf *bpf, struct maps_grace *grace,
		   struct neigh *neigh)
{
	_cleanup_free_ bool *used = NULL;
	int r;

	*h = (struct maps_hops){
		.bpf = bpf, .grace = grace, .neigh = neigh, .max = bpf->cfg->max_backends};
	maps_source_get(bpf->cfg, &h->sources);
	h->users = calloc(h->max + 1u, sizeof(*h->users));
	used = calloc(h->max + 1u, sizeof(*used));
	if (!h->users || !used) {
		maps_hops_done(h);
		return -ENOMEM;
	}
	used[0] = true;
	for (uint32_t i = 1; i <= h->max; i++)
		if (bpf->backends[i].hop)
			point(h, i, adopt(h, &bpf->backends[i], used));
	r = maps_numbers_init(&h->numbers, h->max + 1u, used);
	if (r < 0) {
		maps_hops_done(h);
		return r;
	}
	/* What the last agent let go of may be in use by a program until the first wait. */
	for (size_t i = 0; bpf->adopted && i < h->numbers.n; i++)
		h->numbers.free[i].epoch = 1;
	return 0;
}

void maps_hops_done(struct maps_hops *h)
{
	HASH_CLEAR(hh, h->by_addr);
	while (h->by_content) {
		struct maps_hop *hop = h->by_content;

		HASH_DELETE(hh, h->by_content, hop);
		free(hop);
	}
	maps_numbers_done(&h->numbers);
	free(h->users);
	*h = (struct maps_hops){};
}

void maps_hops_settled(struct maps_hops *h)
{
	for (uint32_t i = 1; i <= h->max; i++)
		if (!h->users[i].wanted && h->users[i].hop)
			point(h, i, NULL);
}

/* Nobody goes by the hop while its entry is written: the kernel is asked meanwhile. */
static int rewrite(struct maps_hops *h, struct maps_hop *hop)
{
	int r;

	for (uint32_t i = 1; i <= h->max; i++)
		if (h->users[i].hop == hop)
			__atomic_store_n(&h->bpf->backends[i].hop, 0, __ATOMIC_RELEASE);
	r = maps_grace_wait(h->grace);
	if (r == 0)
		h->bpf->hops[hop->number] = hop->content;
	for (uint32_t i = 1; r == 0 && i <= h->max; i++)
		if (h->users[i].hop == hop)
			__atomic_store_n(&h->bpf->backends[i].hop, hop->number, __ATOMIC_RELEASE);
	return r;
}

int maps_hops_repair(struct maps_hops *h, uint32_t number)
{
	struct maps_hop *hop = h->users[number].hop;
	uint32_t *at = &h->bpf->backends[number].hop, want = hop ? hop->number : 0;
	int r = 0;

	if (hop && memcmp(&h->bpf->hops[hop->number], &hop->content, sizeof(hop->content)) != 0) {
		r = rewrite(h, hop);
		if (r < 0)
			return r;
		r = 1;
	}
	if (__atomic_load_n(at, __ATOMIC_RELAXED) == want)
		return r;
	__atomic_store_n(at, want, __ATOMIC_RELEASE);
	return 1;
}

void maps_hops_sources(struct maps_hops *h)
{
	struct maps_sources now;

	maps_source_get(h->bpf->cfg, &now);
	if (memcmp(&now, &h->sources, sizeof(now)) == 0)
		return;
	h->sources = now;
	/* Numbers would run out half way, and each one cost a grace period. */
	if (h->numbers.n < HASH_COUNT(h->by_content))
		for (uint32_t i = 1; i <= h->max; i++)
			if (h->users[i].hop)
				point(h, i, NULL);
	if (h->neigh)
		neigh_tell(h->neigh);
}
