/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking the live program: a packet of a flow goes through it by
 * BPF_PROG_TEST_RUN, with struct nlb_ask as its metadata, so that it is counted
 * and remembered nowhere, and what comes out is read.
 */
#ifndef NLB_AGENT_MAPS_ASK_H
#define NLB_AGENT_MAPS_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "xdp/nlb_shared.h"

/* Both addresses are of one family, which is that of the packet. */
struct maps_flow {
	struct addr src, dst;
	uint16_t sport, dport; /* host order */
	uint8_t protocol;      /* IPPROTO_TCP or IPPROTO_UDP */
	bool established;      /* TCP: an ACK; else a SYN */
};

struct maps_answer {
	struct nlb_ask ask;   /* why, and which backend, as the program says */
	bool sent;	      /* on to a backend; the rest is filled */
	struct addr from, to; /* of the outer header */
	uint8_t ttl;
	uint8_t eth_len; /* the Ethernet header that it left with, VLAN tags and all */
	uint8_t eth[NLB_HOP_ETH_MAX];
};

/*
 * Runs the flow's packet as if it came in by ifindex. Returns 0 with the
 * answer; -EINVAL when the families differ; -EIO when what came out is not that
 * packet in a tunnel though the program says so; -errno.
 */
int maps_ask(int prog_fd, const struct maps_flow *flow, uint32_t ifindex, struct maps_answer *ret);

#endif
