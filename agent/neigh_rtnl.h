/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking the kernel over rtnetlink, and the neighbours: what is known of one,
 * and having one resolved. Routes are in neigh_route.h, links in neigh_link.h.
 */
#ifndef NLB_AGENT_NEIGH_RTNL_H
#define NLB_AGENT_NEIGH_RTNL_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

struct neigh_rtnl {
	struct mnl_socket *nl;
	uint32_t seq;
	bool no_managed; /* the kernel does not know NTF_EXT_MANAGED */
};

/* A neighbour's key. Compared and hashed as bytes: there is no padding. */
struct neigh_path {
	uint32_t ifindex;
	struct addr via;
};

/* What the kernel knows of a neighbour. */
struct neigh_entry {
	uint32_t ext_flags; /* NTF_EXT_* */
	uint16_t state;	    /* NUD_* */
	bool has_mac;	    /* a link-layer address of six bytes is known */
	uint8_t mac[6];
};

int neigh_rtnl_open(struct neigh_rtnl *r);
void neigh_rtnl_close(struct neigh_rtnl *r);

/*
 * Sends a request that was begun in nlh (type, flags, payload), and hands what
 * comes back to cb until the end of the answer. 0 or -errno.
 */
int neigh_rtnl_request(struct neigh_rtnl *r, struct nlmsghdr *nlh, mnl_cb_t cb, void *data);

/* An attribute's address, either way; four bytes or sixteen. False: it is neither. */
void neigh_rtnl_put_addr(struct nlmsghdr *nlh, uint16_t type, const struct addr *a);
bool neigh_rtnl_read_addr(const void *data, size_t len, struct addr *ret);
uint8_t neigh_rtnl_family(const struct addr *a);

/* What is known of a neighbour. 0, -ENOENT or -errno. */
int neigh_rtnl_get(struct neigh_rtnl *r, const struct neigh_path *p, struct neigh_entry *ret);

/*
 * Has the kernel resolve the neighbour now. managed: and keep it resolved for
 * ever, where it can; not managed: and take that back. 0 or -errno.
 */
int neigh_rtnl_use(struct neigh_rtnl *r, const struct neigh_path *p, bool managed);

/* Reads the neighbour that an event is about. False: not one with an IP address. */
bool neigh_rtnl_parse(const struct nlmsghdr *nlh, struct neigh_path *ret_path,
		      struct neigh_entry *ret);

#endif
