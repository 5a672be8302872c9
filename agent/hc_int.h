/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the health engine share: hc.c (conditions), hc_run.c (when
 * to probe, and the probes) and hc_verdict.c (what results mean). Nobody else
 * includes it.
 */
#ifndef NLB_AGENT_HC_INT_H
#define NLB_AGENT_HC_INT_H

#include <sys/queue.h>

#include "hc.h"
#include "hc_host.h"
#include "hc_late.h"
#include "hc_tab.h"
#include "hc_wheel.h"

#define HC_MS_NS 1000000ull

/* There may be 140,000 of them: no byte more than needed. */
struct hc_cond {
	struct hc_tab_node node; /* by id */
	uint64_t id;
	struct hc_check *check; /* shared with its equals */
	struct hc_host *host;
	union {
		struct hc_timer timer;	    /* idle: when to probe; flying: the deadline */
		TAILQ_ENTRY(hc_cond) queue; /* waiting */
	};
	struct hc_probe *probe; /* NULL when not flying */
	void *keep;		/* the kind's own, from probe to probe */
	uint64_t due_ns;	/* of the probe that waits or flies */
	uint32_t mark;
	uint32_t detail;
	uint32_t latency_us;
	uint32_t told_us; /* the latency as last reported */
	uint16_t run;	  /* results in a row against the state */
	uint8_t state;	  /* enum msg_hc_state */
	uint8_t reason;	  /* enum msg_hc_reason, as last reported */
	bool waiting;	  /* in a queue */
	bool reported;	  /* the parent has heard of it */
	bool spread;	  /* its phase is spread over the interval */
	bool has_turn;	  /* its host's cap has been asked for this probe */
};

TAILQ_HEAD(hc_queue, hc_cond);

struct hc {
	struct hc_env env;
	struct hc_conf conf;
	struct {
		const struct hc_kind *kind;
		void *ctx;
	} kinds[MSG_HC_TYPES];

	struct hc_tab conds;
	struct hc_tab checks;
	struct hc_hosts hosts;

	struct hc_wheel wheel;
	/* Those that need a descriptor must not hold up those that need none. */
	struct hc_queue waiting_free, waiting_fd;
	uint64_t wake_ns;  /* what was asked for last */
	uint64_t first_ns; /* when the next new condition may start */

	uint64_t flush_ns;
	uint64_t local_logged_ns;
	uint64_t local_hushed;
	uint64_t told_ns; /* since when latencies are counted */
	uint32_t told;

	struct hc_stats stats;
	struct hc_late late;
	size_t n_results;
	struct msg_hc_result results[HC_BATCH_MAX];
};

static inline uint64_t hc_now(const struct hc *hc)
{
	return hc->env.now_ns(hc->env.user);
}

static inline const struct hc_kind *hc_kind_of(const struct hc *hc, const struct hc_cond *c)
{
	return hc->kinds[c->check->type].kind;
}

/* hc_run.c: the first probe, soon but not all at once; and the end of whatever goes on. */
void hc_schedule_first(struct hc *hc, struct hc_cond *c);
void hc_schedule_at(struct hc *hc, struct hc_cond *c, uint64_t at_ns);
void hc_quiesce(struct hc *hc, struct hc_cond *c);

/* hc_verdict.c: counts a result, and reports what the parent has to know. */
void hc_judge(struct hc *hc, struct hc_cond *c, enum msg_hc_reason reason, uint32_t detail,
	      uint64_t now);
/* A probe that this node could not make is no result. */
void hc_local_fault(struct hc *hc, struct hc_cond *c, uint32_t err, uint64_t now);
void hc_flush(struct hc *hc);

#endif
