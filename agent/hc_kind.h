/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a kind of check (ICMP, TCP, HTTP, ...) is to the engine: one file that
 * starts a probe and says once how it ended. The engine (hc.c) owns time,
 * counting and memory; a kind owns its sockets and nothing else.
 *
 * The life of a probe: start, then either hc_done() by the kind or the
 * deadline by the engine, then stop, in every case and exactly once.
 */
#ifndef NLB_AGENT_HC_KIND_H
#define NLB_AGENT_HC_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hc_check.h"
#include "msg.h"

struct hc;
struct hc_cond;

/* The head of each kind's own struct for a probe under way. Zeroed before start. */
struct hc_probe {
	const struct hc_check *check; /* how to probe; stays until stop */
	const struct addr *target;    /* whom: the backend */
	const struct addr *to;	      /* where packets are addressed to: check->dest or target */
	uint32_t mark;		      /* SO_MARK; 0: none */
	void *ctx;		      /* as given to hc_register() */

	/*
	 * What the kind remembers of this condition from one probe to the next: NULL
	 * at first and after forget. It is set and replaced by the kind.
	 */
	void **keep;

	/*
	 * When the answer came, on the engine's clock, if the kind knows better than
	 * the time at which it says so. Set before hc_done(); 0: now.
	 */
	uint64_t end_ns;

	/* The engine's own. */
	struct hc *hc;
	struct hc_cond *cond;
	uint64_t start_ns;
	bool extended;
};

struct hc_kind {
	/* Size of the kind's struct, the head included. */
	size_t size;

	/* Descriptors that a probe holds, which count against the budget. */
	unsigned int n_fds;

	/* Sends the probe off. May call hc_done(). */
	void (*start)(struct hc_probe *p);

	/*
	 * Some were started, and no more are for now: what waits for company goes out.
	 * ctx as in the probes. May call hc_done(). NULL: nothing waits.
	 */
	void (*flush)(void *ctx);

	/*
	 * The deadline has come: take what has arrived but was not looked at yet (an
	 * answer in a socket's queue is an answer, however late this process is). May
	 * call hc_done(); if it does not, the verdict is a timeout.
	 */
	void (*poll)(struct hc_probe *p);

	/* How far it has come, for the reason of a timeout. NULL: no phases. */
	enum msg_hc_phase (*phase)(const struct hc_probe *p);

	/* Gives up all that the probe holds. The struct itself is the engine's. */
	void (*stop)(struct hc_probe *p);

	/*
	 * Frees what probes left in *keep; the condition has gone or asks something
	 * else. ctx as in the probes; keep is not NULL. NULL: this kind keeps nothing.
	 */
	void (*forget)(void *ctx, void *keep);
};

/*
 * The probe has ended. p is gone when this returns, so the caller returns too.
 * MSG_HC_LOCAL (detail: errno) says that this node could not make the probe:
 * no verdict, and another try soon.
 */
void hc_done(struct hc_probe *p, enum msg_hc_reason reason, uint32_t detail);

#endif
