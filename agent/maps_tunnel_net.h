/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What brings a probe with a mark of ours to the BPF program: in each family a policy rule
 * for the marks, and in its table two default routes. One has the program as its
 * lightweight tunnel; the other, of a lower preference, is a blackhole, so that without the
 * first a probe fails here (EINVAL), instead of leaving without its tunnel.
 */
#ifndef NLB_AGENT_MAPS_TUNNEL_NET_H
#define NLB_AGENT_MAPS_TUNNEL_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "neigh_rtnl.h"

/* Who made a rule or a route (rtnetlink(7)), by which ours are found again. */
#define MAPS_TUNNEL_PROTOCOL 210

struct maps_tunnel_net {
	struct neigh_rtnl rtnl;
	uint32_t mark, table, priority; /* of struct config */
};

/* Where the route with the program leads, as far as it is not the program that says so. */
struct maps_tunnel_way {
	int prog_fd;
	uint32_t
		ifindex; /* for as long as it is up, so is the route; its addresses are probes' sources */
	uint32_t mtu; /* of what is to be in the tunnel */
};

/* 0 or -errno; then *n needs no _close, to which it is legal all the same. */
int maps_tunnel_net_open(struct maps_tunnel_net *n, const struct config *cfg);
void maps_tunnel_net_close(struct maps_tunnel_net *n);

/*
 * Makes what is missing for one family (AF_INET, AF_INET6). anew: the way is another one than last
 * time, or its program is. Idempotent. 0: it was all there; 1: it is now; -errno.
 */
int maps_tunnel_net_ensure(struct maps_tunnel_net *n, uint8_t family,
			   const struct maps_tunnel_way *way, bool anew);

/* Removes whatever we made, also under another configuration. Number of rules, or -errno. */
int maps_tunnel_net_remove(struct maps_tunnel_net *n);

#endif
