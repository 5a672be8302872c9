/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between scheduler.c and the two kinds of scheduler only.
 */
#ifndef NLB_AGENT_SCHEDULER_INT_H
#define NLB_AGENT_SCHEDULER_INT_H

#include "scheduler.h"

#define SCHEDULER_RETRY_MAX_MS	30000u
#define SCHEDULER_REPORT_GAP_MS 200u /* changes within it make one report */

struct scheduler_kind {
	int (*start)(struct scheduler *s); /* 0 or -errno */
	void (*stop)(struct scheduler *s);
	/* Begins a fetch, or starts it over; ends in scheduler_fetched(). */
	void (*fetch)(struct scheduler *s);
	/* Sends json, which the callee copies; ends in scheduler_reported(). */
	void (*report)(struct scheduler *s, const char *json, size_t len);
};

struct scheduler {
	struct loop *loop;
	const struct config *cfg;
	const struct scheduler_ops *ops;
	void *user;
	const struct scheduler_kind *kind;
	void *impl;

	struct loop_timer fetch_timer, report_timer;
	uint32_t retry_ms, report_retry_ms;
	bool report_busy, report_wanted;
	uint64_t revision; /* of the last document, accepted or not */
	bool ok;
	char error[256];
	char logged[256]; /* the last error in the log; "" while it works */
	uint64_t fetches, failures, reports;
};

extern const struct scheduler_kind scheduler_file_kind;
extern const struct scheduler_kind scheduler_http_kind;

/* The kind hands a document in: 0, or -EINVAL after having noted the error. */
int scheduler_document(struct scheduler *s, const char *json, size_t len);

/*
 * A fetch has ended; error "" when it went well. next_ms: when to fetch again
 * after success, UINT64_MAX for never. After an error the pause grows.
 */
void scheduler_fetched(struct scheduler *s, const char *error, uint64_t next_ms);
void scheduler_reported(struct scheduler *s, const char *error);

#endif
