// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two tables: targets (addresses that somebody wants to reach) and hops (next
 * hops that their routes lead to; many targets may share one). Soon after a
 * route changed, and now and then in any case, a round asks for the route of each
 * target and sees to its hops. A round is cut into portions, so that a
 * hundred thousand targets do not hold up the loop. Targets that are new
 * come first.
 *
 * What neighbour and link events say is taken up at once (neigh_hop.c).
 *
 * A target that is not wanted any more rests for a while before it is
 * forgotten: backends that were down mostly come back.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "maglev.h"
#include "neigh_int.h"
#include "util.h"

#define ROUND_MS    30000 /* between rounds when nothing happens */
#define RETRY_MS    3000  /* when something was left to be done */
#define SOON_MS	    20	  /* from an event to a round: more may follow */
#define PORTION	    256	  /* targets at a time */
#define PORTION_MS  5	  /* between portions */
#define FRESH_MS    1	  /* when new targets wait */
#define CHOICE_SEED 0x6e65696768626f72ull

static struct neigh_target *find_target(const struct neigh *n, const struct addr *a)
{
	struct neigh_target *t;

	HASH_FIND(hh, n->by_addr, a, sizeof(*a), t);
	return t;
}

static void on_timer(struct loop_timer *timer);

/* ---- when ---- */

/* The timer, no later than that. */
static void hurry(struct neigh *n, uint64_t ms)
{
	uint64_t at = loop_now_ns(n->loop) + ms * 1000000;

	if (n->timer.at_ns > at)
		loop_timer_at(n->loop, &n->timer, at, on_timer);
}

/* The next round, likewise. */
static void round_in(struct neigh *n, uint64_t ms)
{
	n->round_ns = MIN2(n->round_ns, loop_now_ns(n->loop) + ms * 1000000);
	hurry(n, ms);
}

/* A round is due soon; one that runs is followed by another. */
static void soon(struct neigh *n)
{
	if (n->in_round) {
		n->again = true;
		return;
	}
	round_in(n, SOON_MS);
}

/* ---- targets ---- */

static void target_check(struct neigh *n, struct neigh_target *t, uint64_t now)
{
	struct neigh_route route;
	int r = neigh_route_get(&n->rtnl, &t->addr, &route);

	if (r < 0) {
		n->retry = true;
		log_debug("route lookup failed", "error=\"%s\"", strerror(-r));
		return;
	}
	n->checking = t;
	neigh_target_route(n, t, &route);
	for (size_t i = 0; i < t->n_legs; i++)
		neigh_hop_check(n, t->legs[i].hop, now);
	n->checking = NULL;
	neigh_target_choose(n, t);
}

static void flush_news(struct neigh *n)
{
	if (!n->news)
		return;
	n->news = false;
	n->ops->changed(n->user);
}

static void target_free(struct neigh *n, struct neigh_target *t)
{
	if (t->is_fresh)
		TAILQ_REMOVE(&n->fresh, t, fresh);
	HASH_DELETE(hh, n->by_addr, t);
	free(t->legs);
	free(t);
}

static void forget(struct neigh *n, struct neigh_target *t)
{
	n->targets[t->pos] = n->targets[--n->n_targets];
	n->targets[t->pos]->pos = t->pos;
	n->next = MIN2(n->next, n->n_targets);
	neigh_target_route(n, t, NULL);
	target_free(n, t);
}

static void check_fresh(struct neigh *n, struct neigh_target *t, uint64_t now)
{
	TAILQ_REMOVE(&n->fresh, t, fresh);
	t->is_fresh = false;
	target_check(n, t, now);
}

/* Looks at so many targets. True: none is left that is due. */
static bool portion(struct neigh *n, uint64_t now)
{
	int left = PORTION;

	for (; left && !TAILQ_EMPTY(&n->fresh); left--)
		check_fresh(n, TAILQ_FIRST(&n->fresh), now);
	for (; left && n->in_round && n->next < n->n_targets; left--) {
		struct neigh_target *t = n->targets[n->next];

		if (!t->wanted && now >= t->rests_until_ns) {
			forget(n, t);
			continue;
		}
		n->next++;
		target_check(n, t, now);
	}
	return left > 0;
}

/* ---- rounds ---- */

static void on_timer(struct loop_timer *timer)
{
	struct neigh *n = container_of(timer, struct neigh, timer);
	uint64_t now = loop_now_ns(n->loop), pause;

	if (!n->in_round && now >= n->round_ns) {
		n->in_round = true;
		n->again = false;
		n->retry = n->rtnl.no_managed;
	}
	if (!portion(n, now)) {
		pause = TAILQ_EMPTY(&n->fresh) ? PORTION_MS : FRESH_MS;
		loop_timer_in(n->loop, &n->timer, pause, on_timer);
	} else {
		if (n->in_round) {
			n->in_round = false;
			n->next = 0;
			pause = n->again ? SOON_MS : ROUND_MS;
			n->round_ns = now + pause * 1000000;
			if (!n->settled && n->ops->settled)
				n->ops->settled(n->user);
			n->settled = true;
		}
		loop_timer_at(n->loop, &n->timer, n->round_ns, on_timer);
		if (n->retry)
			round_in(n, RETRY_MS);
	}
	flush_news(n);
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
	h = neigh_hop_find(n, &path);
	if (!h)
		return;
	if (!there) {
		h->managed = false;
		h->checked_ns = 0;
		soon(n);
	}
	was = h->resolved;
	neigh_hop_set(n, h, there ? &entry : NULL);
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
			neigh_hops_relink(n);
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
	neigh_hops_relink(n);
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
	n->round_ns = util_now_ns() + RETRY_MS * 1000000ull;
	TAILQ_INIT(&n->fresh);
	r = neigh_rtnl_open(&n->rtnl);
	if (r == 0)
		r = neigh_events_open(&n->events, l, &event_ops);
	/* After that, so that no change is missed in between. */
	if (r == 0)
		r = neigh_links_load(&n->links, &n->rtnl);
	if (r == 0)
		r = loop_timer_at(l, &n->timer, n->round_ns, on_timer);
	if (r < 0) {
		neigh_free(n);
		return r;
	}
	*ret = n;
	return 0;
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
		neigh_hop_free(n, n->by_path);
	neigh_links_done(&n->links);
	free(n->targets);
	free(n);
}

/* Its place among the targets. 0 or -ENOMEM. */
static int add_target(struct neigh *n, struct neigh_target *t)
{
	if (n->n_targets == n->cap_targets) {
		size_t cap = MAX2((size_t)64, n->cap_targets * 2);
		struct neigh_target **grown = reallocarray(n->targets, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		n->targets = grown;
		n->cap_targets = cap;
	}
	HASH_ADD(hh, n->by_addr, addr, sizeof(t->addr), t);
	if (!HASH_ADDED(hh, t))
		return -ENOMEM;
	t->pos = n->n_targets++;
	n->targets[t->pos] = t;
	TAILQ_INSERT_TAIL(&n->fresh, t, fresh);
	t->is_fresh = true;
	return 0;
}

void neigh_want(struct neigh *n, const struct addr *a)
{
	struct neigh_target *t = find_target(n, a);

	if (t) {
		if (!t->wanted) {
			t->wanted = true;
			if (t->told)
				neigh_target_tell(n, t);
		}
		return;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return;
	t->addr = *a;
	t->hash = (uint32_t)(maglev_hash(a, CHOICE_SEED) >> 32);
	t->wanted = true;
	if (add_target(n, t) < 0) {
		free(t);
		return;
	}
	/* At once for the first few, so that a small node is ready in no time. */
	if (n->n_targets <= PORTION) {
		check_fresh(n, t, util_now_ns());
		if (n->retry)
			round_in(n, RETRY_MS);
	} else {
		hurry(n, 0);
	}
}

void neigh_unwant(struct neigh *n, const struct addr *a)
{
	struct neigh_target *t = find_target(n, a);

	if (!t || !t->wanted)
		return;
	t->wanted = false;
	t->rests_until_ns = util_now_ns() + n->ops->rest_ms * 1000000ull;
	if (!n->ops->rest_ms)
		forget(n, t);
}

void neigh_tell(struct neigh *n)
{
	for (size_t i = 0; i < n->n_targets; i++)
		if (n->targets[i]->told)
			neigh_target_tell(n, n->targets[i]);
}
