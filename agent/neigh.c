// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two tables: targets (addresses that somebody wants to reach) and hops (next
 * hops that their routes lead to; many targets may share one). Every few
 * seconds, and soon after a route changed, a round asks for the route of each
 * target and sees to its hops. A round is cut into portions, so that a
 * hundred thousand targets do not hold up the loop.
 *
 * A hop is marked NTF_EXT_MANAGED, which has the kernel itself re-resolve it
 * for as long as the mark is there: traffic goes on when the agent is dead.
 * Entries that the operator made permanent, and devices without neighbours,
 * are left alone. Where the kernel has no such mark, each round uses the entry
 * (NTF_USE), as traffic through the stack would.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "hash.h"
#include "log.h"
#include "neigh.h"
#include "neigh_rtnl.h"
#include "util.h"

#define ROUND_MS    3000 /* between rounds when nothing happens */
#define SOON_MS	    20	 /* from an event to a round: more may follow */
#define PORTION	    256	 /* targets at a time */
#define PORTION_MS  5
#define HOP_WAIT_NS 500000000ull /* a hop is not asked about more often */

#define NUD_USABLE  (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

struct neigh_hop {
	UT_hash_handle hh; /* by path */
	struct neigh_path path;
	uint32_t refs;	     /* targets whose route has it */
	uint64_t checked_ns; /* 0: never */
	bool usable;
	bool managed; /* the mark is there, and it is ours */
};

struct neigh_target {
	UT_hash_handle hh; /* by addr */
	struct addr addr;
	size_t pos; /* in neigh.targets */
	size_t n_hops;
	struct neigh_hop **hops;
};

struct neigh {
	struct loop *loop;
	const struct neigh_ops *ops;
	void *user;
	struct neigh_rtnl rtnl;
	struct mnl_socket *events;
	struct loop_io io;
	struct loop_timer timer;
	struct neigh_target *by_addr;
	struct neigh_hop *by_path;
	struct neigh_target **targets;
	size_t n_targets, cap_targets;
	size_t next; /* target at which the next portion begins */
	bool again;  /* something changed during the round */
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

static struct neigh_hop *hop_ref(struct neigh *n, const struct neigh_path *p)
{
	struct neigh_hop *h = find_hop(n, p);

	if (!h) {
		h = calloc(1, sizeof(*h));
		if (!h)
			return NULL;
		h->path = *p;
		HASH_ADD(hh, n->by_path, path, sizeof(*p), h);
		if (!HASH_ADDED(hh, h)) {
			free(h);
			return NULL;
		}
	}
	h->refs++;
	return h;
}

static void hop_unref(struct neigh *n, struct neigh_hop *h)
{
	if (--h->refs)
		return;
	/* The interface may be gone by now, and the entry with it. */
	if (h->managed)
		neigh_rtnl_use(&n->rtnl, &h->path, false);
	HASH_DELETE(hh, n->by_path, h);
	free(h);
}

/* Has the hop resolved unless it is looked after already. */
static void hop_check(struct neigh *n, struct neigh_hop *h, uint64_t now)
{
	uint32_t ext = 0;
	uint16_t state = 0;
	int r;

	if (h->checked_ns && now - h->checked_ns < HOP_WAIT_NS)
		return;
	h->checked_ns = now;
	r = neigh_rtnl_get(&n->rtnl, &h->path, &state, &ext);
	h->usable = r == 0 && state & NUD_USABLE;
	if (state & (NUD_PERMANENT | NUD_NOARP))
		return;
	if (h->usable && ext & NTF_EXT_MANAGED)
		return;
	r = neigh_rtnl_use(&n->rtnl, &h->path, true);
	if (r == 0 && !(ext & NTF_EXT_MANAGED) && !n->rtnl.no_managed)
		h->managed = true;
	if (r < 0)
		log_debug("next hop cannot be resolved", "ifindex=%u error=\"%s\"", h->path.ifindex,
			  strerror(-r));
}

static bool same_hops(const struct neigh_target *t, const struct neigh_path *paths, int n)
{
	if ((size_t)n != t->n_hops)
		return false;
	for (int i = 0; i < n; i++)
		if (memcmp(&t->hops[i]->path, &paths[i], sizeof(paths[i])) != 0)
			return false;
	return true;
}

/* New hops are taken before old ones are let go, so that a common one stays. */
static void set_hops(struct neigh *n, struct neigh_target *t, const struct neigh_path *paths,
		     int n_paths)
{
	struct neigh_hop **hops = calloc((size_t)MAX2(n_paths, 1), sizeof(*hops));
	size_t n_hops = 0;

	if (!hops)
		return;
	for (int i = 0; i < n_paths; i++) {
		hops[n_hops] = hop_ref(n, &paths[i]);
		if (hops[n_hops])
			n_hops++;
	}
	for (size_t i = 0; i < t->n_hops; i++)
		hop_unref(n, t->hops[i]);
	free(t->hops);
	t->hops = hops;
	t->n_hops = n_hops;
}

static void target_check(struct neigh *n, struct neigh_target *t, uint64_t now)
{
	struct neigh_path paths[NEIGH_PATHS_MAX];
	int n_paths = neigh_rtnl_route(&n->rtnl, &t->addr, paths);

	if (n_paths < 0) {
		log_debug("route lookup failed", "error=\"%s\"", strerror(-n_paths));
		return;
	}
	if (!same_hops(t, paths, n_paths))
		set_hops(n, t, paths, n_paths);
	for (size_t i = 0; i < t->n_hops; i++)
		hop_check(n, t->hops[i], now);
}

static void on_timer(struct loop_timer *timer)
{
	struct neigh *n = container_of(timer, struct neigh, timer);
	uint64_t now = loop_now_ns(n->loop);
	size_t end = MIN2(n->next + PORTION, n->n_targets);

	while (n->next < end)
		target_check(n, n->targets[n->next++], now);
	if (n->next < n->n_targets) {
		loop_timer_in(n->loop, &n->timer, PORTION_MS, on_timer);
		return;
	}
	n->next = 0;
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

static void on_neigh_event(struct neigh *n, const struct nlmsghdr *nlh)
{
	struct neigh_path path;
	struct neigh_hop *h;
	uint32_t ext;
	uint16_t state;
	bool usable;

	if (!neigh_rtnl_parse(nlh, &path, &state, &ext))
		return;
	h = find_hop(n, &path);
	if (!h)
		return;
	usable = nlh->nlmsg_type == RTM_NEWNEIGH && state & NUD_USABLE;
	if (nlh->nlmsg_type == RTM_DELNEIGH) {
		h->managed = false;
		h->checked_ns = 0;
		soon(n);
	}
	if (usable == h->usable)
		return;
	h->usable = usable;
	n->ops->changed(n->user);
}

static int on_event(const struct nlmsghdr *nlh, void *data)
{
	struct neigh *n = data;

	switch (nlh->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		on_neigh_event(n, nlh);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		n->ops->link(n->user);
		soon(n);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		n->ops->addr(n->user);
		soon(n);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		n->ops->changed(n->user);
		soon(n);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static void on_io(struct loop_io *io, uint32_t events _unused_)
{
	struct neigh *n = container_of(io, struct neigh, io);
	_Alignas(struct nlmsghdr) char buf[16384];

	for (;;) {
		ssize_t len = recv(io->fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (len > 0) {
			mnl_cb_run(buf, (size_t)len, 0, 0, on_event, n);
			continue;
		}
		/* ENOBUFS: events were lost, so anything may have changed. */
		if (len < 0 && errno == ENOBUFS) {
			n->ops->link(n->user);
			n->ops->addr(n->user);
			n->ops->changed(n->user);
			soon(n);
			continue;
		}
		if (len < 0 && errno == EINTR)
			continue;
		return;
	}
}

static int listen_events(struct neigh *n)
{
	static const int groups[] = {RTNLGRP_LINK,	  RTNLGRP_NEIGH,      RTNLGRP_IPV4_IFADDR,
				     RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};
	int size = 4 << 20;

	n->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!n->events || mnl_socket_bind(n->events, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	/* A full routing table may come by at once. */
	setsockopt(mnl_socket_get_fd(n->events), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(n->events, NETLINK_ADD_MEMBERSHIP, &group,
					  sizeof(group)) < 0)
			return -errno;
	}
	return loop_io_add(n->loop, &n->io, mnl_socket_get_fd(n->events), EPOLLIN, on_io);
}

int neigh_new(struct loop *l, const struct neigh_ops *ops, void *user, struct neigh **ret)
{
	struct neigh *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	n->loop = l;
	n->ops = ops;
	n->user = user;
	n->io = LOOP_IO_INIT;
	r = neigh_rtnl_open(&n->rtnl);
	if (r == 0)
		r = listen_events(n);
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
	free(t->hops);
	free(t);
}

/* Marks stay: an agent that ends leaves the traffic as it is. */
void neigh_free(struct neigh *n)
{
	if (!n)
		return;
	loop_timer_del(n->loop, &n->timer);
	loop_io_del(n->loop, &n->io);
	if (n->events)
		mnl_socket_close(n->events);
	neigh_rtnl_close(&n->rtnl);
	while (n->by_addr)
		target_free(n, n->by_addr);
	while (n->by_path) {
		struct neigh_hop *h = n->by_path;

		HASH_DELETE(hh, n->by_path, h);
		free(h);
	}
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
	for (size_t i = 0; i < t->n_hops; i++)
		hop_unref(n, t->hops[i]);
	target_free(n, t);
}
