/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The health engine: when to probe what, and what the answers mean. It has no
 * sockets (the kinds have, hc_kind.h), no clock and no timer of its own (its
 * surroundings have, struct hc_env), so that a test can run it in simulated time.
 */
#ifndef NLB_AGENT_HC_H
#define NLB_AGENT_HC_H

#include <stddef.h>
#include <stdint.h>

#include "hc_kind.h"
#include "hc_late.h"
#include "msg.h"

/* A result waits this long for others to share its frame: with the loop's own rounding
 * of a ms and a round that takes its time, it is in the parent's hands within 10 ms. */
#define HC_BATCH_NS  6000000ull
#define HC_BATCH_MAX 2048u

struct hc;

struct hc_env {
	/* Monotonic time in nanoseconds, never 0. */
	uint64_t (*now_ns)(void *user);

	/* Evenly distributed; need not be unpredictable. */
	uint64_t (*random)(void *user);

	/* Call hc_run() at at_ns or soon after. Replaces what was asked for before. */
	void (*wake_at)(void *user, uint64_t at_ns);

	/* A batch for the parent, in the order in which it happened. */
	void (*results)(void *user, const struct msg_hc_result *results, size_t n);

	void *user;
};

struct hc_stats {
	size_t conditions;
	size_t hosts;	    /* distinct targets */
	size_t checks;	    /* distinct but for the target */
	size_t flying;	    /* probes under way */
	size_t waiting;	    /* due, not started yet */
	unsigned int n_fds; /* descriptors that the flying ones hold */
	uint64_t started;
	uint64_t ended[MSG_HC_REASONS];
	uint64_t extended;    /* got more time because this process was late */
	uint64_t host_held;   /* put off by the cap for their host */
	uint64_t late;	      /* started more than 100 ms after they were due */
	uint64_t late_max_ns; /* the worst of all */
	uint64_t batches;
};

struct hc_conf {
	unsigned int budget; /* descriptors that probes may hold at the same time; at least 1 */
	uint32_t start_rate; /* first probes a second; 0: all at once */
	uint32_t host_rate;  /* probes a second and target address; 0: any number */
};

/* Returns 0 or -ENOMEM. */
int hc_new(const struct hc_env *env, const struct hc_conf *conf, struct hc **ret);

/* Ends all probes without a verdict. NULL is legal. */
void hc_free(struct hc *hc);

/* The kind that probes conditions of this type, and the context of its probes. */
void hc_register(struct hc *hc, enum msg_hc_type type, const struct hc_kind *kind, void *ctx);

/* What hc_set() makes a condition of. */
struct hc_spec {
	uint64_t id;
	const struct addr *target;
	uint32_t mark;
	enum msg_hc_state initial; /* a restored verdict; counts for a new id only */
	struct hc_check *check;
};

/*
 * Adds the condition id, or changes it: its state stays. Takes spec->check over,
 * on failure too. Returns 0; -ENOTSUP when no kind is registered for its type;
 * -ENOMEM. hc_set() and hc_del() must not be called from within a kind.
 */
int hc_set(struct hc *hc, const struct hc_spec *spec);

/* Forgets a condition, and a probe of it that is under way. Unknown ids are ignored. */
void hc_del(struct hc *hc, uint64_t id);

/* Does what is due: deadlines, starts, results. */
void hc_run(struct hc *hc);

const struct hc_stats *hc_get_stats(struct hc *hc);
const struct hc_late *hc_get_late(struct hc *hc);

#endif
