// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The engine: when it probes, its budget of descriptors, and its batches.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "hc_sim.h"
#include "util.h"

static int setup(void **state _unused_)
{
	sim_new(1000);
	return 0;
}

static int teardown(void **state _unused_)
{
	sim_free();
	return 0;
}

/* The default of most tests: interval 1 s, timeout 200 ms, rise 2, fall 3. */
static const struct hc_fixture tcp = {.id = 7, .type = MSG_HC_TCP};

/* ---- time ---- */

static void test_timeout(void **state _unused_)
{
	sim.plan = SIM_HANG;
	sim_set(&tcp);
	sim_run_probes(1);
	sim_run_ms(150);
	assert_int_equal(sim.n_got, 0);
	sim_run_ms(100);
	assert_int_equal(sim.n_got, 1);
	assert_int_equal(sim.got[0].reason, MSG_HC_TIMEOUT);
	/* The deadline, a tick, and the wait for company. */
	assert_in_range(sim.got_at - sim.started_at[0], 200 * SIM_MS, 210 * SIM_MS);
	assert_int_equal(sim.n_stopped, 1);
}

static void test_timeout_longer_than_interval(void **state _unused_)
{
	struct hc_fixture f = tcp;

	f.interval_ms = 100;
	f.timeout_ms = 450;
	sim.plan = SIM_HANG;
	sim_set(&f);
	sim_run_ms(5000);
	/* One at a time, one after the other. */
	assert_true(hc_get_stats(sim.hc)->flying <= 1);
	assert_in_range(sim.n_started, 9, 12);
}

static void test_interval_and_jitter(void **state _unused_)
{
	unsigned int shorter = 0, longer = 0;

	sim_set(&tcp);
	sim_run_probes(200);
	assert_true(sim.started_at[0] - 1000 * SIM_MS <= 102 * SIM_MS);
	assert_in_range(sim.started_at[1] - sim.started_at[0], 500 * SIM_MS, 1502 * SIM_MS);
	for (unsigned int i = 2; i < 200; i++) {
		uint64_t gap = sim.started_at[i] - sim.started_at[i - 1];

		assert_in_range(gap, 937 * SIM_MS, 1065 * SIM_MS);
		shorter += gap < 970 * SIM_MS;
		longer += gap > 1030 * SIM_MS;
	}
	assert_true(shorter > 20 && longer > 20);
}

/* In any tenth of the next interval there is about a tenth of the probes. */
static void expect_spread(void)
{
	unsigned int tenths[10] = {0};
	uint64_t from = sim.now_ns;

	sim.n_started = sim.n_stopped = 0;
	sim_run_ms(1000);
	assert_in_range(sim.n_started, 950, 1050);
	for (unsigned int i = 0; i < sim.n_started; i++)
		tenths[MIN2((sim.started_at[i] - from) / (100 * SIM_MS), 9ull)]++;
	for (unsigned int i = 0; i < 10; i++)
		assert_in_range(tenths[i], 60, 140);
}

static void test_phases_spread_over_the_interval(void **state _unused_)
{
	struct hc_fixture f = tcp;

	for (f.id = 1; f.id <= 1000; f.id++)
		sim_set(&f);
	sim_run_ms(210);
	/* The first round is soon, but not all at once: 10,000 a second here. */
	assert_int_equal(sim.n_started, 1000);
	assert_in_range(sim.started_at[999] - sim.started_at[0], 100 * SIM_MS, 200 * SIM_MS);
	sim_run_ms(1790);
	expect_spread();
	/* Stopped for five seconds: all are due at once, but do not stay so. */
	sim.now_ns += 5000 * SIM_MS;
	sim_run_ms(2000);
	expect_spread();
}

static void test_short_interval_bounds_the_first_window(void **state _unused_)
{
	struct hc_fixture f = tcp;

	f.interval_ms = 20;
	for (f.id = 1; f.id <= 50; f.id++)
		sim_set(&f);
	sim_run_ms(22);
	assert_true(sim.n_started >= 50);
}

static void test_latency(void **state _unused_)
{
	sim.plan = SIM_HOLD;
	sim_set(&tcp);
	sim_run_probes(1);
	sim_run_ms(30);
	hc_done(sim.held[0], MSG_HC_OK, 0);
	sim_run_ms(10);
	assert_int_equal(sim.n_got, 1);
	assert_int_equal(sim.got[0].latency_us,
			 (sim.now_ns - 10 * SIM_MS - sim.started_at[0]) / 1000);
}

/* The kind knows when the answer came; what cannot be is bounded by start and now. */
static void test_latency_by_the_kind(void **state _unused_)
{
	static const struct {
		int64_t end_ms; /* from the start */
		uint32_t latency_ms;
	} rows[] = {{12, 12}, {30, 30}, {31, 30}, {-5, 0}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		sim_free();
		sim_new(10);
		sim.plan = SIM_HOLD;
		sim_set(&tcp);
		sim_run_probes(1);
		sim.now_ns = sim.started_at[0] + 30 * SIM_MS;
		sim.held[0]->end_ns =
			(uint64_t)((int64_t)sim.started_at[0] + rows[i].end_ms * (int64_t)SIM_MS);
		hc_done(sim.held[0], MSG_HC_OK, 0);
		sim_run_ms(10);
		assert_int_equal(sim.got[0].latency_us, rows[i].latency_ms * 1000);
	}
}

/* ---- a process that was kept from running ---- */

static void test_answer_in_the_queue_beats_the_deadline(void **state _unused_)
{
	sim.plan = SIM_POLL;
	sim_set(&tcp);
	sim_run_probes(1);
	sim_run_ms(300);
	assert_int_equal(sim.n_got, 1);
	assert_int_equal(sim.got[0].state, MSG_HC_UP);
	assert_int_equal(hc_get_stats(sim.hc)->ended[MSG_HC_TIMEOUT], 0);
}

static void test_stall_gives_more_time_once(void **state _unused_)
{
	sim.plan = SIM_HANG;
	sim_set(&tcp);
	sim_run_probes(1);
	/* Stopped for three seconds: the deadline passed long ago. */
	sim.now_ns += 3000 * SIM_MS;
	hc_run(sim.hc);
	assert_int_equal(hc_get_stats(sim.hc)->extended, 1);
	assert_int_equal(sim.n_stopped, 0);
	hc_done(sim.held[0], MSG_HC_OK, 0);
	sim_run_ms(10);
	assert_int_equal(sim.got[0].state, MSG_HC_UP);

	sim_run_probes(2);
	sim.now_ns += 3000 * SIM_MS;
	hc_run(sim.hc);
	sim.now_ns += 3000 * SIM_MS;
	hc_run(sim.hc);
	assert_int_equal(hc_get_stats(sim.hc)->extended, 2);
	assert_int_equal(hc_get_stats(sim.hc)->ended[MSG_HC_TIMEOUT], 1);
}

/* ---- the budget ---- */

static void test_budget_makes_late_not_failed(void **state _unused_)
{
	const struct hc_stats *st;
	struct hc_fixture f = tcp;

	hc_free(sim.hc);
	sim_new(10);
	st = hc_get_stats(sim.hc);
	f.timeout_ms = 500;
	f.interval_ms = 60000;
	sim.plan = SIM_HOLD;
	for (f.id = 1; f.id <= 100; f.id++)
		sim_set(&f);
	/* One that needs no descriptor does not wait behind those that do. */
	f.type = MSG_HC_ICMP;
	sim_set(&f);
	/* Each takes 100 ms, so the last waits a second: twice its timeout. */
	for (unsigned int i = 0; i < 12; i++) {
		sim_run_ms(100);
		assert_true(st->n_fds <= 10);
		for (unsigned int k = 0; k < sim.n_started; k++)
			if (sim.held[k])
				hc_done(sim.held[k], MSG_HC_OK, 0);
		if (i == 1)
			assert_int_equal(st->waiting, 100 - 20);
	}
	sim_run_ms(10);
	assert_int_equal(sim.n_got, 101);
	for (unsigned int i = 0; i < sim.n_got; i++)
		assert_int_equal(sim.got[i].state, MSG_HC_UP);
	assert_int_equal(st->ended[MSG_HC_TIMEOUT], 0);
	assert_true(st->late > 50);
	assert_true(st->late_max_ns >= 800 * SIM_MS);
}

static void test_starts_in_one_round_are_bounded(void **state _unused_)
{
	struct hc_fixture f = tcp;

	hc_free(sim.hc);
	sim_new(2000);
	sim.plan = SIM_HANG;
	f.interval_ms = 60000;
	for (f.id = 1; f.id <= 1000; f.id++)
		sim_set(&f);
	sim.now_ns += 200 * SIM_MS; /* all are due */
	hc_run(sim.hc);
	assert_int_equal(sim.n_started, 64);
	assert_int_equal(sim.wake_ns, 0);
	for (unsigned int i = 1; i < 16; i++)
		hc_run(sim.hc);
	assert_int_equal(sim.n_started, 1000);
}

/* ---- batches ---- */

static void test_results_share_a_batch(void **state _unused_)
{
	struct hc_fixture f = tcp;

	sim.plan = SIM_HOLD;
	f.timeout_ms = 5000;
	f.interval_ms = 60000;
	for (f.id = 1; f.id <= 100; f.id++)
		sim_set(&f);
	sim_run_ms(110);
	assert_int_equal(sim.n_started, 100);
	for (unsigned int i = 0; i < 100; i++)
		hc_done(sim.held[i], MSG_HC_OK, 0);
	assert_int_equal(sim.n_batches, 0);
	sim_run_ms(10);
	assert_int_equal(sim.n_batches, 1);
	assert_int_equal(sim.n_got, 100);
}

static void test_result_is_not_older_than_10_ms(void **state _unused_)
{
	struct hc_fixture f = tcp;
	uint64_t first;

	sim.plan = SIM_HOLD;
	f.timeout_ms = 5000;
	f.interval_ms = 60000;
	for (f.id = 1; f.id <= 100; f.id++)
		sim_set(&f);
	sim_run_ms(110);
	first = sim.now_ns;
	for (unsigned int i = 0; i < 100; i++) {
		hc_done(sim.held[i], MSG_HC_OK, 0);
		sim_run_ms(1);
		if (sim.n_got && first) {
			assert_true(sim.got_at - first <= 10 * SIM_MS);
			first = 0;
		}
	}
	sim_run_ms(10);
	assert_int_equal(sim.n_got, 100);
	assert_in_range(sim.n_batches, 10, 20);
}

static void test_full_batch_goes_at_once(void **state _unused_)
{
	struct hc_fixture f = tcp;

	hc_free(sim.hc);
	sim_new(4000);
	sim.plan = SIM_HOLD;
	f.timeout_ms = 5000;
	f.interval_ms = 60000;
	for (f.id = 1; f.id <= HC_BATCH_MAX + 10; f.id++)
		sim_set(&f);
	sim_run_ms(500);
	assert_int_equal(sim.n_started, HC_BATCH_MAX + 10);
	for (unsigned int i = 0; i < sim.n_started; i++)
		hc_done(sim.held[i], MSG_HC_OK, 0);
	assert_int_equal(sim.n_got, HC_BATCH_MAX);
	sim_run_ms(10);
	assert_int_equal(sim.n_got, HC_BATCH_MAX + 10);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_timeout),
		T(test_timeout_longer_than_interval),
		T(test_interval_and_jitter),
		T(test_phases_spread_over_the_interval),
		T(test_short_interval_bounds_the_first_window),
		T(test_latency),
		T(test_latency_by_the_kind),
		T(test_answer_in_the_queue_beats_the_deadline),
		T(test_stall_gives_more_time_once),
		T(test_budget_makes_late_not_failed),
		T(test_starts_in_one_round_are_bounded),
		T(test_results_share_a_batch),
		T(test_result_is_not_older_than_10_ms),
		T(test_full_batch_goes_at_once),
	};

	return cmocka_run_group_tests_name("hc_time", tests, NULL, NULL);
}
