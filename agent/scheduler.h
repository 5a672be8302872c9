/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The scheduler, from where the VIP list comes and to where the status goes.
 * By its URL it is a file that is watched (scheduler_file.c) or an HTTP server
 * (scheduler_http.c); the rest of the agent does not see which.
 */
#ifndef NLB_AGENT_SCHEDULER_H
#define NLB_AGENT_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "jput.h"
#include "loop.h"

struct scheduler;

struct scheduler_ops {
	/*
	 * A whole document. Returns 0 and its revision (0: it has none), or
	 * -EINVAL with the reason when it is not one; then it is fetched again
	 * only after a pause, or when it changes.
	 */
	int (*document)(void *user, const char *json, size_t len, uint64_t *ret_revision, char *err,
			size_t err_len);
	/* Writes the status document as it is now; and: the last one arrived. */
	void (*report)(void *user, struct jput b);
	void (*reported)(void *user);
};

struct scheduler_info {
	bool ok;	   /* the last fetch worked */
	const char *error; /* why not; "" */
	uint64_t fetches, failures, reports;
};

/* cfg must outlive it. Fetches at once when the loop runs. 0 or -errno. */
int scheduler_new(struct loop *l, const struct config *cfg, const struct scheduler_ops *ops,
		  void *user, struct scheduler **ret);
void scheduler_free(struct scheduler *s);

/* Fetches now, whatever is waited for (SIGHUP). */
void scheduler_refresh(struct scheduler *s);

/* The status has changed: it is sent soon, with what changes until then. */
void scheduler_report(struct scheduler *s);

void scheduler_info_get(const struct scheduler *s, struct scheduler_info *ret);

#endif
