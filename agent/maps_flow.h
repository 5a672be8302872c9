/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flows that the program remembers (nlb_flows), from the agent's side: what
 * was idle for too long is cleared before its ten bits of time wrap round, and
 * all flows of a backend number are cleared before that number is another
 * backend's.
 *
 * The program loads and stores whole words at the same time. What is cleared as idle
 * may be back at once, for then it was not. What is purged stays away: no
 * program that began after the backend's last service gave it up stores its number.
 */
#ifndef NLB_AGENT_MAPS_FLOW_H
#define NLB_AGENT_MAPS_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "xdp/nlb_shared.h"

/* A round of sweeping takes so long. */
#define MAPS_FLOWS_ROUND_S     60u
#define MAPS_FLOWS_ROUND_TICKS 15u

struct maps_flows {
	struct nlb_flow_bucket *buckets;
	uint32_t n;	   /* buckets */
	uint32_t idle;	   /* ticks */
	uint32_t next;	   /* bucket to be swept next */
	uint32_t counting; /* flows met in this round of the sweep, so far */
	uint32_t live;	   /* ... in the last whole one */
	uint64_t swept_ns; /* up to when the sweep has done its share; 0: never called */
};

/* Buckets for so many flows: a power of two. */
uint32_t maps_flows_buckets(uint32_t max_flows);

/* Seconds as ticks, rounded up, and one more for the tick that has begun. */
uint32_t maps_flows_ticks(uint32_t seconds);

/*
 * Sweeps as many buckets as are due at now_ns, so that a round takes
 * MAPS_FLOWS_ROUND_S: that share of all for each second since the last call, at most `max`. Returns
 * how many flows were cleared.
 */
uint32_t maps_flows_sweep(struct maps_flows *f, uint64_t now_ns, uint32_t max);

/*
 * Clears all flows of the backends that gone[number] marks, for numbers up to
 * n. A grace period must have passed since it was nobody's. Returns how many were cleared.
 */
uint32_t maps_flows_purge(struct maps_flows *f, const bool *gone, uint32_t n);

/* The same of nlb_fragments: datagrams of which a first fragment went there. 0 or -errno. */
int maps_frags_purge(int fd, const bool *gone, uint32_t n);

#endif
