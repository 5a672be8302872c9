/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The traffic that is measured: issue names, packets, flows, and what must become of them. */
#ifndef NLB_BENCH_CASES_H
#define NLB_BENCH_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench_shared.h"
#include "world.h"

struct bench_case {
	const char *name;
	const char *dst;
	uint8_t protocol; /* IPPROTO_ICMP: too big, quoting a flow to TCP 80 */
	uint8_t port;	  /* destination */
	bool syn;
	uint32_t flows;
	uint32_t vips; /* the flows' destinations: so many from dst on; 0: dst */
	uint8_t outer; /* 4, 6: the tunnel's family; 0: left to the kernel */
	enum nlb_reason reason;
	enum world_service change; /* whose ring is changed before each run; else 0 */
	/* Made by cases_make(). */
	uint32_t base; /* in bench_flows */
	enum bench_kind kind;
	uint8_t head[BENCH_FRAME];
};

extern struct bench_case cases[];
extern const size_t n_cases;

/* Makes all packets; flows go into the wrapper's map. */
void cases_make(struct bench_flow *flows);

/* Flow k's packet. */
void cases_packet(const struct bench_case *c, const struct bench_flow *flows, uint32_t k,
		  uint8_t ret[static BENCH_FRAME]);

/*
 * Sends some of the case's packets through the program under test, outside the
 * timed loop, and compares all that it did. Returns 0, or -1 with a message on
 * standard error.
 */
int cases_prove(const struct bench_case *c, const struct bench_flow *flows);

#endif
