/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parent's side of checks of the maps (maps_check.h is the maps child's): begins one now and
 * then, or when asked to; tells the maps child what there should be; remembers what was found. And
 * of the maps' usage, which the child is asked for.
 */
#ifndef NLB_AGENT_MAPCHECK_H
#define NLB_AGENT_MAPCHECK_H

#include <stdbool.h>

#include "core.h"
#include "loop.h"
#include "msg.h"

#define MAPCHECK_STEP	  256u	 /* VIPs named in one round of the loop */
#define MAPCHECK_REPLY_MS 10000u /* the report of a check; an answer about usage */

/* Somebody who waits. A member of the waiting one's struct. */
struct mapcheck_wait {
	struct mapcheck_wait *next, **link;
	/* The report, or the usage; both NULL: the maps child does not answer. */
	void (*done)(struct mapcheck_wait *w, const struct msg_check *report,
		     const struct msg_usage *usage);
};

struct mapcheck {
	struct loop *loop;
	struct core *core;
	void (*send)(void *user, uint16_t type, const void *data, size_t len);
	void *user;
	uint32_t interval_s; /* 0: only when asked to */
	struct loop_timer due, step, late, usage_late;
	bool running;
	uint64_t seq, usage_seq;
	struct mapcheck_wait *waiting, *usage_waiting;
	/* What checks found: the last one, and all since the start. */
	uint64_t n_checks, n_lost; /* lost: without a report in time */
	uint64_t last_ns;	   /* when the last one ended, on the monotonic clock */
	struct msg_check last, total;
};

void mapcheck_init(struct mapcheck *m, struct loop *l, struct core *core, uint32_t interval_s,
		   void (*send)(void *user, uint16_t type, const void *data, size_t len),
		   void *user);

/* Those who wait are told that there is no answer. */
void mapcheck_done(struct mapcheck *m);

/* The maps child is ready: the first check comes after a tenth of the interval. */
void mapcheck_start(struct mapcheck *m);

/* Begins a check, or waits for the one that runs. 0 or -errno; w.done is called later. */
int mapcheck_run(struct mapcheck *m, struct mapcheck_wait *w,
		 void (*done)(struct mapcheck_wait *w, const struct msg_check *report,
			      const struct msg_usage *usage));
int mapcheck_usage(struct mapcheck *m, struct mapcheck_wait *w,
		   void (*done)(struct mapcheck_wait *w, const struct msg_check *report,
				const struct msg_usage *usage));
void mapcheck_cancel(struct mapcheck_wait *w);

/* MSG_MAPS_CHECKED and MSG_MAPS_USAGE; one that is too late, or malformed, is left alone. */
void mapcheck_frame(struct mapcheck *m, uint16_t type, const void *data, size_t len);

#endif
