/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps the next hops towards a set of addresses resolved. The XDP program can
 * look a neighbour up, but cannot ask for one: somebody has to send the ARP or
 * ND request before the first packet comes, and again before the answer is
 * forgotten. That is done by the kernel, on request over rtnetlink.
 *
 * Also the agent's ear for routing and link events, because they come by the
 * same socket.
 */
#ifndef NLB_AGENT_NEIGH_H
#define NLB_AGENT_NEIGH_H

#include "addr.h"
#include "loop.h"

struct neigh;

struct neigh_ops {
	/* A next hop was resolved, or the way to somewhere changed. */
	void (*changed)(void *user);
	/* An interface came, went, or changed its state. */
	void (*link)(void *user);
	/* An interface's addresses changed. */
	void (*addr)(void *user);
};

/* Needs CAP_NET_ADMIN. Returns 0 or -errno. */
int neigh_new(struct loop *l, const struct neigh_ops *ops, void *user, struct neigh **ret);
void neigh_free(struct neigh *n);

/*
 * The address is (no longer) one to be reached. Idempotent; wanting cannot
 * fail but for memory, and then the address is not looked after.
 */
void neigh_want(struct neigh *n, const struct addr *a);
void neigh_unwant(struct neigh *n, const struct addr *a);

#endif
