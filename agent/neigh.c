// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two tables: targets (addresses that somebody wants to reach) and hops (next
 * hops that their routes lead to; many targets may share one). Every few
 * seconds, and soon after a route changed, a round asks for the route of each
 * target and sees to its hops. A round is cut into portions, so that a
 * hundred thousand targets do not hold up the loop.
 *
 * A hop can be used when its MAC address is known and its interface is one to send
 * by. Neighbour and link events change that at once, and then the targets
 * of the hop choose anew: each takes one of the usable hops of its route, by its
 * address and the route's weights, so that targets spread over the hops, and a dead
 * hop is not used while there is another.
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

#include "hash.h"
#include "log.h"
#include "maglev.h"
#include "neigh.h"
#include "neigh_event.h"
#include "neigh_route.h"
#include "neigh_rtnl.h"
#include "util.h"

#define ROUND_MS    3000 /* between rounds when nothing happens */
#define SOON_MS	    20	 /* from an event to a round: more may follow */
#define PORTION	    256	 /* targets at a time */
#define PORTION_MS  5
#define HOP_WAIT_NS 500000000ull /* a hop is not asked about more often */
#define CHOICE_SEED 0x6e65696768626f72ull

#define NUD_USABLE  (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

struct neigh_hop {
	UT_hash_handle hh; /* by path */
	struct neigh_path path;
	struct neigh_leg *legs; /* of the targets whose route has it; NULL: nobody's */
	uint64_t checked_ns;	/* 0: never */
	bool managed;		/* the mark is there, and it is ours */
	bool resolved;		/* the MAC address is known */
	bool usable;		/* and so is info */
	uint8_t mac[6];
	struct neigh_hop_info info;
};

/* A target's use of a hop. */
struct neigh_leg {
	struct neigh_target *target;
	struct neigh_hop *hop;
	struct neigh_leg *prev, *next; /* among the hop's legs */
	uint32_t weight;
};

struct neigh_target {
	UT_hash_handle hh; /* by addr */
	struct addr addr;
	uint32_t hash; /* by which it chooses */
	uint32_t mtu;  /* of its route; 0: none */
	size_t pos;    /* in neigh.targets */
	size_t n_legs;
	struct neigh_leg *legs;
	bool told;  /* what follows was told */
	bool known; /* there is info */
	struct neigh_hop_info info;
};

struct neigh {
	struct loop *loop;
	const struct neigh_ops *ops;
	void *user;
	struct neigh_rtnl rtnl;
	struct neigh_links links;
	struct neigh_events events;
	struct loop_timer timer;
	struct neigh_target *by_addr;
	struct neigh_hop *by_path;
	struct neigh_target **targets;
	size_t n_targets, cap_targets;
	size_t next; /* target at which the next portion begins */
	bool again;  /* something changed during the round */
	bool news;   /* a path was told: changed is due */
	bool settled;
	const struct neigh_target *checking; /* chooses when its check is over */
};

static struct neigh_hop *find_hop(const struct neigh *n, const struct neigh_path *p)
{
	struct neigh_hop *h;

	HASH_FIND(hh, n->by_path, p, sizeof(*p), h);
	return h;
}

static struct neigh_target *find_target(const struct neigh *n, const struct addr *a)
{
	struct neigh_target *t;

	HASH_FIND(hh, n->by_addr, a, sizeof(*a), t);
	return t;
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

static void tell(const struct neigh *n, const struct neigh_target *t)
{
	if (n->ops->path)
		n->ops->path(n->user, &t->addr, t->known ? &t->info : NULL);
}

static void target_choose(struct neigh *n, struct neigh_target *t)
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
	tell(n, t);
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
			target_choose(n, leg->target);
}

/* entry NULL: there is none. */
static void hop_set(struct neigh *n, struct neigh_hop *h, const struct neigh_entry *entry)
{
	h->resolved = entry && entry->state & NUD_USABLE && entry->has_mac;
	if (h->resolved)
		memcpy(h->mac, entry->mac, sizeof(h->mac));
	hop_update(n, h);
}

static void links_changed(struct neigh *n)
{
	for (struct neigh_hop *h = n->by_path; h; h = h->hh.next)
		hop_update(n, h);
}

/* ---- hops and legs ---- */

static struct neigh_hop *hop_get(struct neigh *n, const struct neigh_path *p)
{
	struct neigh_hop *h = find_hop(n, p);

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

static void hop_free(struct neigh *n, struct neigh_hop *h)
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
	hop_free(n, h);
}

/* Has the hop resolved unless it is looked after already. */
static void hop_check(struct neigh *n, struct neigh_hop *h, uint64_t now)
{
	struct neigh_entry e = {};
	int r;

	if (h->checked_ns && now - h->checked_ns < HOP_WAIT_NS)
		return;
	h->checked_ns = now;
	r = neigh_rtnl_get(&n->rtnl, &h->path, &e);
	hop_set(n, h, r == 0 ? &e : NULL);
	if (e.state & (NUD_PERMANENT | NUD_NOARP))
		return;
	if (e.state & NUD_USABLE && e.ext_flags & NTF_EXT_MANAGED)
		return;
	r = neigh_rtnl_use(&n->rtnl, &h->path, true);
	if (r == 0 && !(e.ext_flags & NTF_EXT_MANAGED) && !n->rtnl.no_managed)
		h->managed = true;
	if (r < 0)
		log_debug("next hop cannot be resolved", "ifindex=%u error=\"%s\"", h->path.ifindex,
			  strerror(-r));
}

/* ---- targets ---- */

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

/* New legs are made before old ones are let go, so that a common hop stays. */
static void set_legs(struct neigh *n, struct neigh_target *t, const struct neigh_route *route)
{
	struct neigh_leg *legs = calloc(MAX2(route->n, 1u), sizeof(*legs));
	size_t n_legs = 0;

	if (!legs)
		return;
	for (uint32_t i = 0; i < route->n; i++) {
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

static void target_check(struct neigh *n, struct neigh_target *t, uint64_t now)
{
	struct neigh_route route;
	int r = neigh_route_get(&n->rtnl, &t->addr, &route);

	if (r < 0) {
		log_debug("route lookup failed", "error=\"%s\"", strerror(-r));
		return;
	}
	t->mtu = route.mtu;
	n->checking = t;
	if (!same_legs(t, &route))
		set_legs(n, t, &route);
	for (size_t i = 0; i < t->n_legs; i++)
		hop_check(n, t->legs[i].hop, now);
	n->checking = NULL;
	target_choose(n, t);
}

/* ---- rounds ---- */

static void flush_news(struct neigh *n)
{
	if (!n->news)
		return;
	n->news = false;
	n->ops->changed(n->user);
}

static void on_timer(struct loop_timer *timer)
{
	struct neigh *n = container_of(timer, struct neigh, timer);
	uint64_t now = loop_now_ns(n->loop);
	size_t end = MIN2(n->next + PORTION, n->n_targets);

	while (n->next < end)
		target_check(n, n->targets[n->next++], now);
	flush_news(n);
	if (n->next < n->n_targets) {
		loop_timer_in(n->loop, &n->timer, PORTION_MS, on_timer);
		return;
	}
	n->next = 0;
	if (!n->settled && n->ops->settled)
		n->ops->settled(n->user);
	n->settled = true;
	loop_timer_in(n->loop, &n->timer, n->again ? SOON_MS : ROUND_MS, on_timer);
	n->again = false;
}

/* A round is due soon; one that runs is followed by another. */
static void soon(struct neigh *n)
{
	if (n->next)
		n->again = true;
	else if (n->timer.at_ns > loop_now_ns(n->loop) + SOON_MS * 1000000ull)
		loop_timer_in(n->loop, &n->timer, SOON_MS, on_timer);
}

/* ---- events ---- */

static void on_neigh_event(struct neigh *n, const struct nlmsghdr *nlh)
{
	bool there = nlh->nlmsg_type == RTM_NEWNEIGH, was;
	struct neigh_entry entry;
	struct neigh_path path;
	struct neigh_hop *h;

	if (!neigh_rtnl_parse(nlh, &path, &entry))
		return;
	h = find_hop(n, &path);
	if (!h)
		return;
	if (!there) {
		h->managed = false;
		h->checked_ns = 0;
		soon(n);
	}
	was = h->resolved;
	hop_set(n, h, there ? &entry : NULL);
	/* Also where the kernel, not the hop, is asked for the way. */
	n->news |= was != h->resolved;
}

static void on_event(struct neigh_events *ev, const struct nlmsghdr *nlh)
{
	struct neigh *n = container_of(ev, struct neigh, events);

	switch (nlh->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		on_neigh_event(n, nlh);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		n->ops->link(n->user);
		if (neigh_links_event(&n->links, nlh))
			links_changed(n);
		soon(n);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		n->ops->addr(n->user);
		soon(n);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		n->news = true;
		soon(n);
		break;
	default:
		break;
	}
}

static void on_lost(struct neigh_events *ev)
{
	struct neigh *n = container_of(ev, struct neigh, events);
	int r = neigh_links_load(&n->links, &n->rtnl);

	if (r < 0)
		log_warning("interfaces cannot be read, what is known of them stays",
			    "error=\"%s\"", strerror(-r));
	for (struct neigh_hop *h = n->by_path; h; h = h->hh.next)
		h->checked_ns = 0;
	links_changed(n);
	n->ops->link(n->user);
	n->ops->addr(n->user);
	n->news = true;
	soon(n);
}

static void on_drained(struct neigh_events *ev)
{
	flush_news(container_of(ev, struct neigh, events));
}

static const struct neigh_event_ops event_ops = {
	.message = on_event, .lost = on_lost, .drained = on_drained};

/* ---- beginning and end ---- */

int neigh_new(struct loop *l, const struct neigh_ops *ops, void *user, struct neigh **ret)
{
	struct neigh *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	n->loop = l;
	n->ops = ops;
	n->user = user;
	r = neigh_rtnl_open(&n->rtnl);
	if (r == 0)
		r = neigh_events_open(&n->events, l, &event_ops);
	/* After that, so that no change is missed in between. */
	if (r == 0)
		r = neigh_links_load(&n->links, &n->rtnl);
	if (r == 0)
		r = loop_timer_in(l, &n->timer, ROUND_MS, on_timer);
	if (r < 0) {
		neigh_free(n);
		return r;
	}
	*ret = n;
	return 0;
}

static void target_free(struct neigh *n, struct neigh_target *t)
{
	HASH_DELETE(hh, n->by_addr, t);
	free(t->legs);
	free(t);
}

/* Marks stay: an agent that ends leaves the traffic as it is. */
void neigh_free(struct neigh *n)
{
	if (!n)
		return;
	loop_timer_del(n->loop, &n->timer);
	neigh_events_close(&n->events);
	neigh_rtnl_close(&n->rtnl);
	while (n->by_addr)
		target_free(n, n->by_addr);
	while (n->by_path)
		hop_free(n, n->by_path);
	neigh_links_done(&n->links);
	free(n->targets);
	free(n);
}

void neigh_want(struct neigh *n, const struct addr *a)
{
	struct neigh_target *t;

	if (find_target(n, a))
		return;
	if (n->n_targets == n->cap_targets) {
		size_t cap = MAX2((size_t)64, n->cap_targets * 2);
		struct neigh_target **grown = reallocarray(n->targets, cap, sizeof(*grown));

		if (!grown)
			return;
		n->targets = grown;
		n->cap_targets = cap;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return;
	t->addr = *a;
	t->hash = (uint32_t)(maglev_hash(a, CHOICE_SEED) >> 32);
	t->pos = n->n_targets;
	HASH_ADD(hh, n->by_addr, addr, sizeof(*a), t);
	if (!HASH_ADDED(hh, t)) {
		free(t);
		return;
	}
	n->targets[n->n_targets++] = t;
	/* At once for the first few, so that a small node is ready in no time. */
	if (n->n_targets <= PORTION)
		target_check(n, t, util_now_ns());
	else
		soon(n);
}

void neigh_unwant(struct neigh *n, const struct addr *a)
{
	struct neigh_target *t = find_target(n, a);

	if (!t)
		return;
	n->targets[t->pos] = n->targets[--n->n_targets];
	n->targets[t->pos]->pos = t->pos;
	n->next = MIN2(n->next, n->n_targets);
	for (size_t i = 0; i < t->n_legs; i++)
		leg_remove(n, &t->legs[i]);
	target_free(n, t);
}

void neigh_tell(struct neigh *n)
{
	for (size_t i = 0; i < n->n_targets; i++)
		if (n->targets[i]->told)
			tell(n, n->targets[i]);
}
