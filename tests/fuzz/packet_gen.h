/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets for the balancer of tests/lib/xdp_world.h that are nearly right: made
 * header by header towards its VIPs and services, and then spoilt. From the same
 * random numbers come the same packets.
 */
#ifndef NLB_TESTS_PACKET_GEN_H
#define NLB_TESTS_PACKET_GEN_H

#include <stdbool.h>

#include "pkt.h"
#include "rnd.h"

/*
 * What most packets of a sequence have in common, so that they meet each other in
 * what the program remembers.
 */
struct packet_focus {
	bool v6;
	const char *client, *vip;
	uint16_t sport, port;
	uint8_t protocol; /* TCP or UDP */
	uint32_t flows;	  /* one of so many packets is of another */
};

void packet_gen_focus(struct rnd *r, struct packet_focus *ret);

void packet_gen(struct rnd *r, const struct packet_focus *f, struct pkt *p);

/* One to three changes of bytes or lengths; the result fits BPF_PROG_TEST_RUN. */
void packet_gen_spoil(struct rnd *r, struct pkt *p);

#endif
