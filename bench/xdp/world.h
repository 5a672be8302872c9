/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balancer that is measured: the program that ships, in a network namespace
 * of this process, with 100 backends of each family behind a gateway on the
 * interface that packets come in by, and a ring of 65,537 slots for every
 * service. Every call ends the process with a message when it fails.
 */
#ifndef NLB_BENCH_WORLD_H
#define NLB_BENCH_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "nlb.skel.h"
#include "xdp/nlb_shared.h"

#define WORLD_VIP4	"192.0.2.10"
#define WORLD_VIP6	"2001:db8:f::10"
#define WORLD_NO_VIP4	"192.0.2.99"
#define WORLD_NO_VIP6	"2001:db8:f::99"
#define WORLD_MANY	1000
#define WORLD_MANY_VIP4 "203.0.112.0" /* the first of WORLD_MANY, one after the other */

#define WORLD_BACKENDS	100
#define WORLD_RING	65537u

/* Services, by number. */
enum world_service {
	WORLD_TCP4,    /* WORLD_VIP4, TCP 80 */
	WORLD_UDP4,    /* WORLD_VIP4, UDP 53 */
	WORLD_TCP6,    /* WORLD_VIP6, TCP 80 */
	WORLD_TCP46,   /* WORLD_VIP4, TCP 81, IPv6 backends */
	WORLD_CHANGED, /* WORLD_VIP4, TCP 82, 99 backends, then 100 */
	WORLD_DIED,    /* WORLD_VIP4, TCP 83, 100 backends, then 99 */
	WORLD_MANY_TCP4,
	WORLD_SERVICES = WORLD_MANY_TCP4 + WORLD_MANY,
};

/* False: the machine does not allow it (no root). */
bool world_up(void);

/* The program under test. */
int world_prog_fd(void);

/* A map of it, by name. */
int world_map_fd(const char *name);

/* The interface that packets come in by. */
uint32_t world_ifindex(void);

/* Points a service to its first ring and then to its second, as the agent does. */
void world_change(enum world_service service);

/* Packets counted under a reason since the program was loaded. */
uint64_t world_count(enum nlb_reason reason);

/* Packets sent to one backend. */
uint64_t world_backend_count(uint32_t backend);

/* Number of the backend with that address, 0: none. */
uint32_t world_backend(const struct addr *a);

#endif
