/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How late probes start: a histogram of the last 10 to 20 seconds, in
 * microseconds, exact to an eighth.
 */
#ifndef NLB_AGENT_HC_LATE_H
#define NLB_AGENT_HC_LATE_H

#include <stdint.h>

#define HC_LATE_BUCKETS 240u
#define HC_LATE_TURN_NS 10000000000ull

struct hc_late_half {
	uint32_t n[HC_LATE_BUCKETS];
	uint32_t max_us;
};

/* Zeroed before its first use. */
struct hc_late {
	struct hc_late_half halves[2]; /* the one that is filled, and the one before */
	uint64_t turn_ns;	       /* when the older one is dropped */
	uint32_t now;		       /* which one is filled */
};

void hc_late_add(struct hc_late *l, uint64_t now_ns, uint64_t late_ns);

/* Drops what is too old. */
void hc_late_turn(struct hc_late *l, uint64_t now_ns);

/* Adds what `from` has counted, of both halves, to one half. */
void hc_late_sum(struct hc_late_half *sum, const struct hc_late *from);

/* Of those, this share (per mille) was not later; 0 when there are none. */
uint32_t hc_late_quantile_us(const struct hc_late_half *sum, unsigned int per_mille);

#endif
