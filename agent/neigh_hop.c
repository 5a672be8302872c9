// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Next hops, and the choice among them. A hop can be used when its MAC address
 * is known and its interface is one to send by. When that changes, the targets
 * of the hop choose anew: each takes one of the usable hops of its route, by
 * its address and the route's weights, so that targets spread over the hops,
 * and a dead hop is not used while there is another.
 *
 * A hop is marked NTF_EXT_MANAGED, which has the kernel itself re-resolve it
 * for as long as the mark is there: traffic goes on when the agent is dead.
 * Entries that the operator made permanent, and devices without neighbours,
 * are left alone. Where the kernel has no such mark, each round uses the entry
 * (NTF_USE), as traffic through the stack would.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "neigh_int.h"
#include "util.h"

#define HOP_WAIT_NS 500000000ull /* a hop is not asked about more often */

#define NUD_USABLE  (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

struct neigh_hop *neigh_hop_find(const struct neigh *n, const struct neigh_path *p)
{
	struct neigh_hop *h;

	HASH_FIND(hh, n->by_path, p, sizeof(*p), h);
	return h;
}

/* ---- the choice of a hop ---- */

/* Of the usable legs, the one on which the target's hash falls; NULL: none is. */
static const struct neigh_leg *choose(const struct neigh_target *t)
{
	const struct neigh_leg *best = NULL;
	uint64_t total = 0, at;

	for (size_t i = 0; i < t->n_legs; i++)
		if (t->legs[i].hop->usable)
			total += t->legs[i].weight;
	at = t->hash * total >> 32;
	for (size_t i = 0; i < t->n_legs; i++) {
		if (!t->legs[i].hop->usable)
			continue;
		best = &t->legs[i];
		if (at < best->weight)
			break;
		at -= best->weight;
	}
	return best;
}

void neigh_target_tell(const struct neigh *n, const struct neigh_target *t)
{
	if (n->ops->path && t->wanted)
		n->ops->path(n->user, &t->addr, t->known ? &t->info : NULL);
}

void neigh_target_choose(struct neigh *n, struct neigh_target *t)
{
	const struct neigh_leg *leg = choose(t);
	struct neigh_hop_info info = {};

	if (leg) {
		info = leg->hop->info;
		if (t->mtu)
			info.mtu = MIN2(info.mtu, t->mtu);
	}
	if (t->told && t->known == (leg != NULL) && memcmp(&info, &t->info, sizeof(info)) == 0)
		return;
	t->told = true;
	t->known = leg != NULL;
	t->info = info;
	n->news = true;
	neigh_target_tell(n, t);
}

/* The hop's MAC address or a link changed: perhaps it leads elsewhere now. */
static void hop_update(struct neigh *n, struct neigh_hop *h)
{
	struct neigh_hop_info info = {};
	bool usable = h->resolved && neigh_links_resolve(&n->links, h->path.ifindex, h->mac, &info);

	if (usable == h->usable && memcmp(&info, &h->info, sizeof(info)) == 0)
		return;
	h->usable = usable;
	h->info = info;
	for (const struct neigh_leg *leg = h->legs; leg; leg = leg->next)
		if (leg->target != n->checking)
			neigh_target_choose(n, leg->target);
}

void neigh_hop_set(struct neigh *n, struct neigh_hop *h, const struct neigh_entry *entry)
{
	h->resolved = entry && entry->state & NUD_USABLE && entry->has_mac;
	if (h->resolved)
		memcpy(h->mac, entry->mac, sizeof(h->mac));
	hop_update(n, h);
}

void neigh_hops_relink(struct neigh *n)
{
	for (struct neigh_hop *h = n->by_path; h; h = h->hh.next)
		hop_update(n, h);
}

/* ---- hops and legs ---- */

static struct neigh_hop *hop_get(struct neigh *n, const struct neigh_path *p)
{
	struct neigh_hop *h = neigh_hop_find(n, p);

	if (h)
		return h;
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->path = *p;
	HASH_ADD(hh, n->by_path, path, sizeof(*p), h);
	if (!HASH_ADDED(hh, h)) {
		free(h);
		return NULL;
	}
	return h;
}

void neigh_hop_free(struct neigh *n, struct neigh_hop *h)
{
	HASH_DELETE(hh, n->by_path, h);
	free(h);
}

static void leg_add(struct neigh_leg *leg)
{
	leg->next = leg->hop->legs;
	if (leg->next)
		leg->next->prev = leg;
	leg->hop->legs = leg;
}

static void leg_remove(struct neigh *n, struct neigh_leg *leg)
{
	struct neigh_hop *h = leg->hop;

	if (leg->prev)
		leg->prev->next = leg->next;
	else
		h->legs = leg->next;
	if (leg->next)
		leg->next->prev = leg->prev;
	if (h->legs)
		return;
	/* The interface may be gone by now, and the entry with it. */
	if (h->managed)
		neigh_rtnl_use(&n->rtnl, &h->path, false);
	neigh_hop_free(n, h);
}

void neigh_hop_check(struct neigh *n, struct neigh_hop *h, uint64_t now)
{
	struct neigh_entry e = {};
	int r;

	if (h->checked_ns && now - h->checked_ns < HOP_WAIT_NS)
		return;
	h->checked_ns = now;
	r = neigh_rtnl_get(&n->rtnl, &h->path, &e);
	/* When there is no answer, what is known stays. */
	if (r == 0 || r == -ENOENT)
		neigh_hop_set(n, h, r == 0 ? &e : NULL);
	if (e.state & (NUD_PERMANENT | NUD_NOARP))
		return;
	if (e.state & NUD_USABLE && e.ext_flags & NTF_EXT_MANAGED)
		return;
	r = neigh_rtnl_use(&n->rtnl, &h->path, true);
	if (r == 0 && !(e.ext_flags & NTF_EXT_MANAGED) && !n->rtnl.no_managed)
		h->managed = true;
	if (r < 0) {
		n->retry = true;
		log_debug("next hop cannot be resolved", "ifindex=%u error=\"%s\"", h->path.ifindex,
			  strerror(-r));
	}
}

/* ---- routes ---- */

static bool same_legs(const struct neigh_target *t, const struct neigh_route *route)
{
	if (route->n != t->n_legs)
		return false;
	for (size_t i = 0; i < t->n_legs; i++)
		if (memcmp(&t->legs[i].hop->path, &route->hop[i].path, sizeof(struct neigh_path)) !=
			    0 ||
		    t->legs[i].weight != route->hop[i].weight)
			return false;
	return true;
}

void neigh_target_route(struct neigh *n, struct neigh_target *t, const struct neigh_route *route)
{
	uint32_t n_hops = route ? route->n : 0;
	struct neigh_leg *legs = NULL;
	size_t n_legs = 0;

	t->mtu = route ? route->mtu : 0;
	if (route && same_legs(t, route))
		return;
	if (n_hops) {
		legs = calloc(n_hops, sizeof(*legs));
		if (!legs) {
			n->retry = true;
			return;
		}
	}
	/* New legs are made before old ones are let go, so that a common hop stays. */
	for (uint32_t i = 0; i < n_hops; i++) {
		struct neigh_hop *h = hop_get(n, &route->hop[i].path);

		if (!h)
			continue;
		legs[n_legs] =
			(struct neigh_leg){.target = t, .hop = h, .weight = route->hop[i].weight};
		leg_add(&legs[n_legs++]);
	}
	for (size_t i = 0; i < t->n_legs; i++)
		leg_remove(n, &t->legs[i]);
	free(t->legs);
	t->legs = legs;
	t->n_legs = n_legs;
}
