/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A balancer in a test's own network namespace: the program that ships, loaded
 * and with its maps filled, beside interfaces, routes and neighbours that
 * lead to every outcome. Packets are given to it by BPF_PROG_TEST_RUN.
 *
 * Interfaces: in0 (10.0.0.1/24, fd00::1/64) is where packets come in; out0
 * (10.0.1.1/24, fd01::1/64) is another port; nf0 does not forward.
 *
 * VIPs, by their numbers:
 *  1, 2	192.0.2.10, 2001:db8:f::10: drop what has no service. Each port is a
 *		service with one backend, so that the port picks the outcome; above port
 *		130 there are rings: xdp_world.c, `services` and `rings`.
 *  3, 4	192.0.2.11, 2001:db8:f::11: pass it; no service at all
 *  5, 6	192.0.2.20, 2001:db8:f::20: TCP port 80, and all other ports of TCP and UDP
 *  7, 8, 9	100.64.0.0/16, 100.64.5.0/24, 100.64.5.7: TCP port 80, three backends
 *  10, 11, 12	2001:db8:a000::/36, 2001:db8:a000:5::/64, 2001:db8:a000:5::7: as well
 *  13, 14, 15	198.18.0.0/29, 2001:db8:b000::8000:0/97, 2001:db8:c000:0:8000::/65: as well
 */
#ifndef NLB_TESTS_XDP_WORLD_H
#define NLB_TESTS_XDP_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "nlb_fill.h"
#include "oracle.h"
#include "pkt.h"
#include "xdp/nlb_shared.h"
#include "xdp_maps.h"

#define XDP_WORLD_VIP4	    "192.0.2.10"
#define XDP_WORLD_VIP4_PASS "192.0.2.11"
#define XDP_WORLD_VIP4_ALL  "192.0.2.20"
#define XDP_WORLD_VIP6	    "2001:db8:f::10"
#define XDP_WORLD_VIP6_PASS "2001:db8:f::11"
#define XDP_WORLD_VIP6_ALL  "2001:db8:f::20"

#define XDP_WORLD_SOURCE4   "10.255.0.1"
#define XDP_WORLD_SOURCE6   "fdff::1"

/* What a service's ring is like; a backend's address, or one of these. */
#define XDP_WORLD_EMPTY	   "empty"    /* size 0 */
#define XDP_WORLD_NONE	   "none"     /* the slot holds NLB_BACKEND_NONE */
#define XDP_WORLD_BAD_RING "bad ring" /* lies past the end of nlb_rings */
#define XDP_WORLD_BAD_SLOT "bad slot" /* the slot holds a number past the end */

/* The backends of rings: 10.0.0.21 and fd00::21 by in0, 10.0.1.21 and fd01::21 by out0. */
enum xdp_world_member { XDP_WORLD_A, XDP_WORLD_B, XDP_WORLD_C, XDP_WORLD_D, XDP_WORLD_MEMBERS };

struct xdp_world_result {
	uint32_t verdict;
	uint8_t data[PKT_MAX + 256];
	uint32_t len;
	struct nlb_ask ask; /* when asked */
};

struct xdp_world_counts {
	uint64_t reasons[NLB_REASON_SLOTS];
	struct nlb_counters vips[XDP_MAPS_VIPS];
	struct nlb_counters services[XDP_MAPS_SERVICES];
	struct nlb_counters backends[XDP_MAPS_BACKENDS];
};

enum xdp_world_meta {
	XDP_WORLD_PLAIN,
	XDP_WORLD_ASK,	   /* struct nlb_ask in front */
	XDP_WORLD_BAD_ASK, /* the same with another magic number */
	XDP_WORLD_NO_ROOM, /* so much metadata that no header fits any more */
};

/* Whether the kernel has it: some take 32 bytes of metadata at most (6.1). */
bool xdp_world_takes(enum xdp_world_meta meta);

/* Builds all of it. False: the machine does not allow it, skip. Else never fails. */
bool xdp_world_up(void);

struct nlb *xdp_world_skel(void);
const struct xdp_maps *xdp_world_maps(void);
struct nlb_fill *xdp_world_fill(void);

/* The number of a VIP by its address; of its service for exactly that port. 0: none. */
uint32_t xdp_world_vip(const char *addr);
uint32_t xdp_world_service(uint32_t vip, uint8_t protocol, uint16_t port);

/* Number of the only backend of a service; 0 when it has none. */
uint32_t xdp_world_backend(uint16_t port);
/* Its address as text, or one of XDP_WORLD_EMPTY ... */
const char *xdp_world_backend_text(uint16_t port);

uint32_t xdp_world_member(enum xdp_world_member m);

/* NULL: no source of that family. */
void xdp_world_sources(const char *source4, const char *source6);

/* Of nlb_config. */
void xdp_world_flags(uint32_t flags);

/* When the buckets of ICMP are full again, on all CPUs: 0 fills them, UINT64_MAX / 2 empties them. */
void xdp_world_due(uint64_t due);

/* The sum over the buckets of a kind: changes whenever a token is taken. */
uint64_t xdp_world_due_sum(uint32_t what);

void xdp_world_run(const struct pkt *p, const char *ifname, enum xdp_world_meta meta,
		   struct xdp_world_result *ret);

/* The same for a frame of bytes. */
void xdp_world_run_frame(const uint8_t *frame, size_t len, uint32_t ifindex,
			 enum xdp_world_meta meta, struct xdp_world_result *ret);

void xdp_world_counts(struct xdp_world_counts *ret);

/* What a packet adds that leaves with `reason`; numbers that it did not get to are 0. */
struct xdp_world_leave {
	enum nlb_reason reason;
	uint32_t vip, service, backend;
	uint64_t len; /* of the IP packet */
	bool opens;   /* a TCP SYN */
};

void xdp_world_add(struct xdp_world_counts *c, const struct xdp_world_leave *leave);

/* The kernel's way to a backend: struct oracle's route(). */
void xdp_world_route(const uint8_t backend[16], struct oracle_way *ret);

#endif
