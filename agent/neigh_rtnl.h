/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The three rtnetlink requests that neigh.c makes, each with its answer. */
#ifndef NLB_AGENT_NEIGH_RTNL_H
#define NLB_AGENT_NEIGH_RTNL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

struct mnl_socket;
struct nlmsghdr;

struct neigh_rtnl {
	struct mnl_socket *nl;
	uint32_t seq;
	bool no_managed; /* the kernel does not know NTF_EXT_MANAGED */
};

struct neigh_path {
	uint32_t ifindex;
	struct addr via;
};

#define NEIGH_PATHS_MAX 64

int neigh_rtnl_open(struct neigh_rtnl *r);
void neigh_rtnl_close(struct neigh_rtnl *r);

/*
 * All the next hops of the route to an address, up to NEIGH_PATHS_MAX.
 * Returns how many; 0 when there is no route, or none that leaves this host;
 * -errno.
 */
int neigh_rtnl_route(struct neigh_rtnl *r, const struct addr *to,
		     struct neigh_path ret[static NEIGH_PATHS_MAX]);

/*
 * State (NUD_*) and NTF_EXT_* flags of a neighbour. 0, -ENOENT or -errno.
 */
int neigh_rtnl_get(struct neigh_rtnl *r, const struct neigh_path *p, uint16_t *ret_state,
		   uint32_t *ret_ext_flags);

/*
 * Has the kernel resolve the neighbour now. managed: and keep it resolved for
 * ever, where it can; not managed: and take that back. 0 or -errno.
 */
int neigh_rtnl_use(struct neigh_rtnl *r, const struct neigh_path *p, bool managed);

/* Reads the neighbour that an event is about. False: not one with an IP address. */
bool neigh_rtnl_parse(const struct nlmsghdr *nlh, struct neigh_path *ret, uint16_t *ret_state,
		      uint32_t *ret_ext_flags);

#endif
