/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps the way to each of a set of addresses: the next hop by the kernel's
 * routes, its MAC address by the kernel's neighbours, the interface and VLANs
 * by which a packet leaves, and what fits there. Told by rtnetlink whenever it
 * changes.
 *
 * And has the next hops resolved. An XDP program cannot ask for a neighbour:
 * somebody has to send the ARP or ND request before the first packet comes,
 * and again before the answer is forgotten. That is done by the kernel, on
 * request over rtnetlink.
 *
 * Also the agent's ear for routing and link events, because they come by the
 * same socket.
 */
#ifndef NLB_AGENT_NEIGH_H
#define NLB_AGENT_NEIGH_H

#include "addr.h"
#include "loop.h"
#include "neigh_link.h"

struct neigh;

struct neigh_ops {
	/* A next hop was resolved, or the way to somewhere changed. */
	void (*changed)(void *user);
	/* An interface came, went, or changed its state. */
	void (*link)(void *user);
	/* An interface's addresses changed. */
	void (*addr)(void *user);
	/*
	 * The way to an address that is wanted is now this one. info NULL: not
	 * known, or not one to send by from XDP; the kernel may know. Called once soon
	 * after (or within) neigh_want(), then when it changes. Must not call neigh_want()
	 * or neigh_unwant(). This and settled may be NULL.
	 */
	void (*path)(void *user, const struct addr *target, const struct neigh_hop_info *info);
	/* Once: every address that was wanted at the start has had its path. */
	void (*settled)(void *user);
	/* So long an address that is not wanted any more is looked after, should it come back. */
	uint32_t rest_ms;
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

/* Calls path for every address that it was called for, within this call. */
void neigh_tell(struct neigh *n);

#endif
