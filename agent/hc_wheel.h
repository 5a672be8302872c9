/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A timing wheel: the deadlines of the health engine. Setting, moving and
 * removing one costs the same however many there are, allocates nothing and
 * cannot fail. The clock is the caller's, so a test can simulate it. A timer
 * is never early, and late by less than one tick.
 */
#ifndef NLB_AGENT_HC_WHEEL_H
#define NLB_AGENT_HC_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define HC_WHEEL_TICK_NS 2000000ull /* 2 ms: a bound on lateness, and on wake-ups a second */
#define HC_WHEEL_SLOTS	 4096u	    /* a turn is 8 s; a timer further away waits more turns */

/* A member of the caller's struct; zeroed before its first use. */
struct hc_timer {
	LIST_ENTRY(hc_timer) entry;
	uint64_t at_ns;
	uint32_t slot; /* 1-based; 0 when not set, HC_WHEEL_SLOTS + 1 when due */
};

LIST_HEAD(hc_timer_list, hc_timer);

struct hc_wheel {
	uint64_t tick; /* the next one to look at */
	size_t n;      /* timers set and not popped */
	struct hc_timer_list due;
	struct hc_timer_list slots[HC_WHEEL_SLOTS];
	uint64_t used[HC_WHEEL_SLOTS / 64]; /* a bit for each slot that holds a timer */
};

/* The time of the tick at which a timer for at_ns is due. */
static inline uint64_t hc_wheel_round(uint64_t at_ns)
{
	return (at_ns + HC_WHEEL_TICK_NS - 1) / HC_WHEEL_TICK_NS * HC_WHEEL_TICK_NS;
}

void hc_wheel_init(struct hc_wheel *w, uint64_t now_ns);

/* Sets or moves t. A time that is past already is due at the next advance. */
void hc_wheel_put(struct hc_wheel *w, struct hc_timer *t, uint64_t at_ns);
void hc_wheel_del(struct hc_wheel *w, struct hc_timer *t);

/* Makes all timers up to now due; hc_wheel_pop() then hands them out, in no order. */
void hc_wheel_advance(struct hc_wheel *w, uint64_t now_ns);
struct hc_timer *hc_wheel_pop(struct hc_wheel *w);

/*
 * When to advance next: no timer is due before. It can be early for one that
 * is more than a turn away. UINT64_MAX when there is none, 0 when one can be popped.
 */
uint64_t hc_wheel_next_ns(const struct hc_wheel *w);

#endif
