/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interfaces of this host, as far as one must know them to write the
 * Ethernet header of a packet that leaves by one: addresses, VLANs, MTU, state.
 */
#ifndef NLB_AGENT_NEIGH_LINK_H
#define NLB_AGENT_NEIGH_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "hash.h"

struct neigh_rtnl;
struct nlmsghdr;

#define NEIGH_ETH_MAX	20 /* two addresses and two VLAN tags */
#define NEIGH_VLANS_MAX 2

enum neigh_link_kind {
	NEIGH_LINK_OTHER, /* not one that the program could send by */
	NEIGH_LINK_PORT,  /* Ethernet, by a driver that may take packets from XDP */
	NEIGH_LINK_VLAN,
};

struct neigh_link {
	UT_hash_handle hh; /* by ifindex */
	uint32_t ifindex;
	enum neigh_link_kind kind;
	uint32_t mtu;
	uint32_t lower;	    /* VLAN: the interface that it is on */
	uint16_t vlan_id;   /* VLAN */
	uint16_t vlan_type; /* VLAN: 0x8100 or 0x88a8 */
	bool up;	    /* and with carrier */
	uint8_t mac[6];
};

struct neigh_links {
	struct neigh_link *by_index;
};

/*
 * How a packet leaves. `eth` is the Ethernet header up to but without the type
 * at its end: destination, source, VLAN tags from the outermost on. Compared
 * as bytes: there is no padding.
 */
struct neigh_hop_info {
	uint32_t ifindex; /* the interface below all VLANs */
	uint32_t mtu;	  /* of an IP packet; 0: not limited */
	uint8_t eth_len;  /* 12, 16 or 20 */
	uint8_t eth[NEIGH_ETH_MAX];
	uint8_t zero[3];
};

/* Reads the interface that a message is about; hh is not set. False: it is about none. */
bool neigh_link_parse(const struct nlmsghdr *nlh, struct neigh_link *ret);

/* Learns all interfaces of the kernel anew. 0, or -errno: what was known stays. */
int neigh_links_load(struct neigh_links *t, struct neigh_rtnl *r);
void neigh_links_done(struct neigh_links *t);

/* Takes note of an RTM_NEWLINK or RTM_DELLINK. True: something is different now. */
bool neigh_links_event(struct neigh_links *t, const struct nlmsghdr *nlh);

/*
 * How a packet to the host with this MAC address leaves by the interface.
 * False, and *ret is as it was: the interface is not there, is down, is not one to
 * send Ethernet by from XDP, or has more than NEIGH_VLANS_MAX VLANs.
 */
bool neigh_links_resolve(const struct neigh_links *t, uint32_t ifindex, const uint8_t mac[6],
			 struct neigh_hop_info *ret);

#endif
