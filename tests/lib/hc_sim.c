// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Simulated time and a fake kind for the health engine; see the header.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "hc_sim.h"
#include "util.h"

struct sim sim;

struct fake_probe {
	struct hc_probe p;
	unsigned int serial;
};

static uint64_t sim_now(void *user _unused_)
{
	return sim.now_ns;
}

static uint64_t sim_random(void *user _unused_)
{
	sim.random = sim.random * 6364136223846793005ull + 1442695040888963407ull;
	return sim.random >> 16;
}

static void sim_wake_at(void *user _unused_, uint64_t at_ns)
{
	sim.wake_ns = at_ns;
}

static void sim_results(void *user _unused_, const struct msg_hc_result *results, size_t n)
{
	sim.n_batches++;
	sim.got_at = sim.now_ns;
	for (size_t i = 0; i < n; i++) {
		assert_true(sim.n_got < SIM_RESULTS);
		sim.got[sim.n_got++] = results[i];
	}
}

static void fake_start(struct hc_probe *p)
{
	struct fake_probe *f = container_of(p, struct fake_probe, p);

	assert_true(sim.n_started < SIM_PROBES_MAX);
	sim.started_at[sim.n_started] = sim.now_ns;
	f->serial = sim.n_started++;
	sim.held[f->serial] = p;
	if (sim.keep && !*p->keep) {
		*p->keep = &sim;
		sim.n_kept++;
	}
	switch (sim.plan) {
	case SIM_OK:
		hc_done(p, MSG_HC_OK, 0);
		break;
	case SIM_REFUSED:
		hc_done(p, MSG_HC_REFUSED, sim.plan_detail);
		break;
	case SIM_LOCAL:
		hc_done(p, MSG_HC_LOCAL, EMFILE);
		break;
	default:
		break;
	}
}

static void fake_poll(struct hc_probe *p)
{
	if (sim.plan == SIM_POLL)
		hc_done(p, MSG_HC_OK, 0);
}

static enum msg_hc_phase fake_phase(const struct hc_probe *p _unused_)
{
	return MSG_HC_PHASE_ANSWER;
}

static void fake_stop(struct hc_probe *p)
{
	sim.held[container_of(p, struct fake_probe, p)->serial] = NULL;
	sim.n_stopped++;
}

static void fake_forget(void *ctx _unused_, void *keep)
{
	assert_ptr_equal(keep, &sim);
	sim.n_forgotten++;
}

static const struct hc_kind fake_fd_kind = {
	.size = sizeof(struct fake_probe),
	.n_fds = 1,
	.start = fake_start,
	.poll = fake_poll,
	.phase = fake_phase,
	.stop = fake_stop,
	.forget = fake_forget,
};

static const struct hc_kind fake_free_kind = {
	.size = sizeof(struct fake_probe),
	.start = fake_start,
	.poll = fake_poll,
	.stop = fake_stop,
};

void sim_new(unsigned int budget)
{
	sim_new_conf(&(struct hc_conf){.budget = budget, .start_rate = 10000});
}

void sim_new_conf(const struct hc_conf *conf)
{
	static const struct hc_env env = {
		.now_ns = sim_now,
		.random = sim_random,
		.wake_at = sim_wake_at,
		.results = sim_results,
	};

	memset(&sim, 0, sizeof(sim));
	sim.now_ns = 1000 * SIM_MS;
	sim.wake_ns = UINT64_MAX;
	sim.random = 42;
	assert_int_equal(hc_new(&env, conf, &sim.hc), 0);
	hc_register(sim.hc, MSG_HC_TCP, &fake_fd_kind, NULL);
	hc_register(sim.hc, MSG_HC_ICMP, &fake_free_kind, NULL);
}

void sim_free(void)
{
	hc_free(sim.hc);
	sim.hc = NULL;
	assert_int_equal(sim.n_started, sim.n_stopped);
	assert_int_equal(sim.n_kept, sim.n_forgotten);
}

void sim_run_ms(uint64_t ms)
{
	uint64_t end = sim.now_ns + ms * SIM_MS;

	while (sim.wake_ns <= end) {
		sim.now_ns = MAX2(sim.now_ns, sim.wake_ns);
		sim.wake_ns = UINT64_MAX;
		hc_run(sim.hc);
	}
	sim.now_ns = end;
}

void sim_run_probes(unsigned int n)
{
	for (unsigned int i = 0; sim.n_started < n; i++) {
		assert_true(i < 1000000);
		sim_run_ms(1);
	}
	sim_run_ms(10); /* and the results are out */
}

void sim_set(const struct hc_fixture *f)
{
	assert_int_equal(hc_fixture_set(sim.hc, f), 0);
}
