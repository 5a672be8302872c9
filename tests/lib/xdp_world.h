/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A balancer in a test's own network namespace: the program that ships, loaded
 * and with its maps filled, beside interfaces, routes and neighbours that
 * lead to every outcome. Packets are given to it by BPF_PROG_TEST_RUN.
 *
 * Interfaces: in0 (10.0.0.1/24, fd00::1/64) is where packets come in; out0
 * (10.0.1.1/24, fd01::1/64) is another port; nf0 does not forward.
 *
 * VIPs: 192.0.2.10 and 2001:db8:f::10 (drop what has no service), 192.0.2.11
 * and 2001:db8:f::11 (pass it, no service at all). Each port of the first two
 * is a service with one backend, so that the port picks the outcome: see
 * XDP_WORLD_SERVICES.
 */
#ifndef NLB_TESTS_XDP_WORLD_H
#define NLB_TESTS_XDP_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "nlb.skel.h"
#include "pkt.h"
#include "xdp/nlb_shared.h"

#define XDP_WORLD_VIP4	    "192.0.2.10"
#define XDP_WORLD_VIP4_PASS "192.0.2.11"
#define XDP_WORLD_VIP6	    "2001:db8:f::10"
#define XDP_WORLD_VIP6_PASS "2001:db8:f::11"

#define XDP_WORLD_SOURCE4   "10.255.0.1"
#define XDP_WORLD_SOURCE6   "fdff::1"

/* What a service's ring is like; a backend's address, or one of these. */
#define XDP_WORLD_EMPTY	   "empty"	 /* size 0 */
#define XDP_WORLD_NONE	   "none"	 /* the slot holds NLB_BACKEND_NONE */
#define XDP_WORLD_BAD_RING "bad ring"	 /* lies past the end of nlb_rings */
#define XDP_WORLD_BAD_SLOT "bad slot"	 /* the slot holds a number past the end */
#define XDP_WORLD_BAD_SVC  "bad service" /* its number is past the end */

struct xdp_world_result {
	uint32_t verdict;
	uint8_t data[PKT_MAX + 256];
	uint32_t len;
	struct nlb_ask ask; /* when asked */
};

struct xdp_world_counts {
	uint64_t reasons[NLB_REASON_SLOTS];
	struct nlb_counters vips[8];
	struct nlb_counters backends[64];
};

enum xdp_world_meta {
	XDP_WORLD_PLAIN,
	XDP_WORLD_ASK,	   /* struct nlb_ask in front */
	XDP_WORLD_BAD_ASK, /* the same with another magic number */
	XDP_WORLD_NO_ROOM, /* so much metadata that no header fits any more */
};

/* Builds all of it. False: the machine does not allow it, skip. Else never fails. */
bool xdp_world_up(void);

struct nlb *xdp_world_skel(void);

/* Number of the only backend of a service; 0 when it has none. */
uint32_t xdp_world_backend(uint16_t port);
/* Its address as text, or one of XDP_WORLD_EMPTY ... */
const char *xdp_world_backend_text(uint16_t port);

/* NULL: no source of that family. */
void xdp_world_sources(const char *source4, const char *source6);

void xdp_world_run(const struct pkt *p, const char *ifname, enum xdp_world_meta meta,
		   struct xdp_world_result *ret);

void xdp_world_counts(struct xdp_world_counts *ret);

#endif
