/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The health engine in simulated time, with a kind that does what the test says.
 *
 *	sim_new(1000);
 *	sim_set(&(struct hc_fixture){.id = 1, .type = MSG_HC_TCP});
 *	sim.plan = SIM_REFUSED;
 *	sim_run_probes(3);
 *	assert_int_equal(sim.got[sim.n_got - 1].state, MSG_HC_DOWN);
 *	sim_free();
 *
 * MSG_HC_TCP is a kind that holds a descriptor, MSG_HC_ICMP one that doesn't;
 * no other is registered.
 */
#ifndef NLB_TESTS_HC_SIM_H
#define NLB_TESTS_HC_SIM_H

#include "hc.h"
#include "hc_fixture.h"

#define SIM_MS	       1000000ull
#define SIM_RESULTS    4096
#define SIM_PROBES_MAX 8192

/* What probes come to from now on. */
enum sim_plan {
	SIM_OK,	     /* answers within start */
	SIM_REFUSED, /* fails within start */
	SIM_LOCAL,   /* this node's fault (EMFILE), within start */
	SIM_HANG,    /* never answers */
	SIM_HOLD,    /* answers when the test says so, with hc_done(sim.held[i], ...) */
	SIM_POLL,    /* has the answer when asked at the deadline */
};

struct sim {
	struct hc *hc;
	uint64_t now_ns;
	uint64_t wake_ns; /* when the engine wants to run */
	uint64_t random;

	enum sim_plan plan;
	uint32_t plan_detail; /* of SIM_REFUSED */

	bool keep; /* probes leave something for the next one */
	unsigned int n_kept, n_forgotten;

	unsigned int n_started, n_stopped;
	struct hc_probe *held[SIM_PROBES_MAX]; /* by number of start; NULL when over */
	uint64_t started_at[SIM_PROBES_MAX];

	unsigned int n_got, n_batches;
	uint64_t got_at; /* the last batch */
	struct msg_hc_result got[SIM_RESULTS];
};

extern struct sim sim;

void sim_new(unsigned int budget);

/* With other settings than 10,000 first probes a second and no cap for a host. */
void sim_new_conf(const struct hc_conf *conf);

/* Fails the test when a probe was not stopped exactly once, or something kept not forgotten. */
void sim_free(void);

void sim_set(const struct hc_fixture *f);

/* Runs the engine whenever it asks for it, for so long. */
void sim_run_ms(uint64_t ms);

/* Runs until so many probes were started in all, and the results are out. */
void sim_run_probes(unsigned int n);

#endif
