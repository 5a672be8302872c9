/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's route to an address, as rtnetlink tells it. */
#ifndef NLB_AGENT_NEIGH_ROUTE_H
#define NLB_AGENT_NEIGH_ROUTE_H

#include "neigh_rtnl.h"

#define NEIGH_ROUTE_MAX 64 /* next hops of one route */

struct neigh_route {
	uint32_t mtu; /* the route's own; 0: it has none */
	uint32_t n;
	struct neigh_route_hop {
		struct neigh_path path;
		uint32_t weight; /* 1 ... 256 */
	} hop[NEIGH_ROUTE_MAX];
};

/*
 * The route to an address with all the next hops that a plain packet can go
 * by, up to NEIGH_ROUTE_MAX; n is 0 when there is no route, or none that leaves
 * this host. Not among them: dead ones, and those that wrap the packet up
 * once more (lightweight tunnels, MPLS). 0 or -errno.
 */
int neigh_route_get(struct neigh_rtnl *r, const struct addr *to, struct neigh_route *ret);

/* Reads one RTM_NEWROUTE message; what is not a unicast route has no hops. */
void neigh_route_parse(const struct nlmsghdr *nlh, const struct addr *to, struct neigh_route *ret);

#endif
