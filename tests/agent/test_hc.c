// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The engine: what results mean, and conditions that change or go.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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

/* ---- verdicts ---- */

static void test_first_result_decides(void **state _unused_)
{
	struct hc_fixture other = tcp;

	sim_set(&tcp);
	sim_run_probes(1);
	assert_int_equal(sim.n_got, 1);
	assert_int_equal(sim.got[0].id, 7);
	assert_int_equal(sim.got[0].state, MSG_HC_UP);
	assert_int_equal(sim.got[0].reason, MSG_HC_OK);

	other.id = 8;
	sim.plan = SIM_REFUSED;
	hc_del(sim.hc, 7);
	sim_set(&other);
	sim_run_probes(2);
	assert_int_equal(sim.n_got, 2);
	assert_int_equal(sim.got[1].id, 8);
	assert_int_equal(sim.got[1].state, MSG_HC_DOWN);
	assert_int_equal(sim.got[1].reason, MSG_HC_REFUSED);
}

/*
 * Each row: the verdict to start with, rise, fall, then results ('+', '-', 'l' for this
 * node's own fault), and the state after each ('U', 'D', '?').
 */
static const struct {
	uint8_t initial;
	uint16_t rise, fall;
	const char *results;
	const char *states;
} matrix[] = {
	{MSG_HC_UNKNOWN, 2, 3, "+", "U"},
	{MSG_HC_UNKNOWN, 2, 3, "-", "D"},
	{MSG_HC_UNKNOWN, 1, 1, "+-+-", "UDUD"},
	{MSG_HC_UNKNOWN, 2, 3, "+---", "UUUD"},
	{MSG_HC_UNKNOWN, 2, 3, "+--+--+---", "UUUUUUUUUD"},
	{MSG_HC_UNKNOWN, 2, 3, "-++", "DDU"},
	{MSG_HC_UNKNOWN, 3, 1, "-++-+++", "DDDDDDU"},
	{MSG_HC_UNKNOWN, 2, 3, "+---+-++---", "UUUDDDDUUUD"},
	{MSG_HC_UP, 2, 3, "---", "UUD"},
	{MSG_HC_UP, 2, 3, "--+--", "UUUUU"},
	{MSG_HC_UP, 2, 1, "-", "D"},
	{MSG_HC_DOWN, 2, 3, "++", "DU"},
	{MSG_HC_DOWN, 2, 3, "+-+-", "DDDD"},
	{MSG_HC_DOWN, 1, 3, "+", "U"},
	{MSG_HC_UNKNOWN, 2, 3, "l+", "?U"},
	{MSG_HC_UNKNOWN, 2, 3, "lll-", "???D"},
	{MSG_HC_UP, 2, 2, "-l-", "UUD"},
	{MSG_HC_UP, 2, 2, "llll-ll", "UUUUUUU"},
	{MSG_HC_DOWN, 2, 2, "+l+", "DDU"},
};

/* The state as the parent knows it. */
static char parent_view(uint8_t initial)
{
	uint8_t s = sim.n_got ? sim.got[sim.n_got - 1].state : initial;

	return "?UD"[s];
}

static void test_rise_fall_matrix(void **state _unused_)
{
	for (size_t row = 0; row < ARRAY_SIZE(matrix); row++) {
		struct hc_fixture f = tcp;

		sim_new(10);
		f.initial = matrix[row].initial;
		f.rise = matrix[row].rise;
		f.fall = matrix[row].fall;
		sim_set(&f);
		for (unsigned int i = 0; matrix[row].results[i]; i++) {
			char r = matrix[row].results[i], seen;

			sim.plan = r == '+' ? SIM_OK : r == '-' ? SIM_REFUSED : SIM_LOCAL;
			sim_run_probes(i + 1);
			seen = parent_view(f.initial);
			if (seen != matrix[row].states[i])
				fail_msg("row %zu \"%s\", result %u: %c, not %c", row,
					 matrix[row].results, i, seen, matrix[row].states[i]);
		}
		sim_free();
	}
}

static void test_restored_verdict_is_confirmed(void **state _unused_)
{
	struct hc_fixture f = tcp;

	f.initial = MSG_HC_UP;
	sim_set(&f);
	sim_run_probes(1);
	/* No change, but the first result is always told. */
	assert_int_equal(sim.n_got, 1);
	assert_int_equal(sim.got[0].state, MSG_HC_UP);
	assert_int_equal(sim.got[0].reason, MSG_HC_OK);
	sim_run_probes(10);
	assert_int_equal(sim.n_got, 1);
}

static void test_reason_change_is_reported(void **state _unused_)
{
	sim_set(&tcp);
	sim.plan = SIM_REFUSED;
	sim_run_probes(3);
	assert_int_equal(sim.n_got, 1);
	sim.plan = SIM_HANG;
	sim_run_probes(4);
	sim_run_ms(300);
	assert_int_equal(sim.n_got, 2);
	assert_int_equal(sim.got[1].state, MSG_HC_DOWN);
	assert_int_equal(sim.got[1].reason, MSG_HC_TIMEOUT);
	assert_int_equal(sim.got[1].detail, MSG_HC_PHASE_ANSWER);
	sim.plan = SIM_REFUSED;
	sim.plan_detail = 5;
	sim_run_probes(5);
	assert_int_equal(sim.n_got, 3);
	sim.plan_detail = 6;
	sim_run_probes(6);
	assert_int_equal(sim.n_got, 4);
	assert_int_equal(sim.got[3].detail, 6);
}

static void test_local_is_no_verdict_and_retried(void **state _unused_)
{
	struct hc_fixture f = tcp;

	f.interval_ms = 10000;
	sim.plan = SIM_LOCAL;
	sim_set(&f);
	sim_run_probes(1);
	assert_int_equal(sim.n_got, 1);
	assert_int_equal(sim.got[0].state, MSG_HC_UNKNOWN);
	assert_int_equal(sim.got[0].reason, MSG_HC_LOCAL);
	assert_int_equal(sim.got[0].detail, EMFILE);
	/* Much sooner than after the interval, but not in a tight loop. */
	sim_run_ms(5000);
	assert_in_range(sim.n_started, 4, 6);
	assert_int_equal(sim.n_got, 1);
	sim.plan = SIM_OK;
	sim_run_ms(1500);
	assert_int_equal(sim.n_got, 2);
	assert_int_equal(sim.got[1].state, MSG_HC_UP);
}

/* ---- changes ---- */

static void test_same_set_again_changes_nothing(void **state _unused_)
{
	sim.plan = SIM_HOLD;
	sim_set(&tcp);
	sim_run_probes(1);
	sim_set(&tcp);
	assert_non_null(sim.held[0]);
	hc_done(sim.held[0], MSG_HC_OK, 0);
	sim_run_ms(10);
	sim_set(&tcp);
	sim_run_ms(100);
	assert_int_equal(sim.n_started, 1);
	assert_int_equal(sim.n_got, 1);
}

static void test_change_of_parameters_keeps_the_state(void **state _unused_)
{
	struct hc_fixture f = tcp;

	sim_set(&f);
	sim_run_probes(1);
	assert_int_equal(sim.got[0].state, MSG_HC_UP);
	sim.plan = SIM_REFUSED;
	sim_run_probes(3); /* two failures of three */
	f.port = 81;
	f.initial = MSG_HC_DOWN; /* says nothing about a known id */
	sim_set(&f);
	/* Asked anew at once, the count anew too. */
	sim_run_ms(110);
	assert_int_equal(sim.n_started, 4);
	sim_run_probes(5);
	assert_int_equal(sim.got[sim.n_got - 1].state, MSG_HC_UP);
	sim_run_probes(6);
	assert_int_equal(sim.got[sim.n_got - 1].state, MSG_HC_DOWN);
}

static void test_change_of_timing_keeps_the_count(void **state _unused_)
{
	struct hc_fixture f = tcp;
	unsigned int n;

	sim_set(&f);
	sim_run_probes(1);
	sim.plan = SIM_REFUSED;
	sim_run_probes(3);
	f.interval_ms = 500;
	sim_set(&f);
	sim_run_probes(4);
	assert_int_equal(sim.got[sim.n_got - 1].state, MSG_HC_DOWN);
	n = sim.n_started;
	sim_run_ms(10000);
	assert_in_range(sim.n_started - n, 18, 22);
	/* From long to short: not only after the long one is over. */
	f.interval_ms = 3600000;
	sim_set(&f);
	sim_run_ms(2000000);
	f.interval_ms = 500;
	sim_set(&f);
	n = sim.n_started;
	sim_run_ms(600);
	assert_true(sim.n_started > n);
}

static void test_change_in_flight(void **state _unused_)
{
	struct hc_fixture f = tcp;

	sim.plan = SIM_HOLD;
	sim_set(&f);
	sim_run_probes(1);
	f.port = 81;
	sim_set(&f);
	assert_int_equal(sim.n_stopped, 1);
	sim.plan = SIM_OK;
	sim_run_probes(2);
	assert_int_equal(sim.n_got, 1);
	assert_int_equal(sim.got[0].state, MSG_HC_UP);
	/* To a kind that holds no descriptor, and back, while flying. */
	sim.plan = SIM_HOLD;
	sim_run_probes(3);
	f.type = MSG_HC_ICMP;
	sim_set(&f);
	assert_int_equal(hc_get_stats(sim.hc)->n_fds, 0);
	sim_run_probes(4);
	f.type = MSG_HC_TCP;
	sim_set(&f);
	sim_run_probes(5);
	assert_int_equal(hc_get_stats(sim.hc)->n_fds, 1);
}

static void test_delete_in_flight_and_in_queue(void **state _unused_)
{
	struct hc_fixture f = tcp;

	hc_free(sim.hc);
	sim_new(2);
	sim.plan = SIM_HANG;
	for (f.id = 1; f.id <= 6; f.id++)
		sim_set(&f);
	sim_run_ms(110);
	assert_int_equal(hc_get_stats(sim.hc)->flying, 2);
	assert_int_equal(hc_get_stats(sim.hc)->waiting, 4);
	for (f.id = 6; f.id >= 1; f.id--)
		hc_del(sim.hc, f.id);
	hc_del(sim.hc, 99);
	assert_int_equal(hc_get_stats(sim.hc)->conditions, 0);
	assert_int_equal(hc_get_stats(sim.hc)->flying, 0);
	assert_int_equal(hc_get_stats(sim.hc)->waiting, 0);
	assert_int_equal(hc_get_stats(sim.hc)->n_fds, 0);
	sim_run_ms(1000);
	assert_int_equal(sim.n_got, 0);
}

/* What a kind keeps outlives probes and timing, not the question and not the condition. */
static void test_what_a_kind_keeps(void **state _unused_)
{
	struct hc_fixture f = tcp;

	sim.keep = true;
	sim_set(&f);
	sim_run_probes(3);
	f.interval_ms = 500;
	sim_set(&f);
	sim_run_probes(5);
	assert_int_equal(sim.n_kept, 1);
	assert_int_equal(sim.n_forgotten, 0);
	f.port = 81;
	sim_set(&f);
	assert_int_equal(sim.n_forgotten, 1);
	sim_run_probes(6);
	assert_int_equal(sim.n_kept, 2);
	hc_del(sim.hc, f.id);
	assert_int_equal(sim.n_forgotten, 2);
	/* A third is left for the end of the engine. */
	sim_set(&f);
	sim_run_probes(7);
	assert_int_equal(sim.n_kept, 3);
}

static void test_unknown_type(void **state _unused_)
{
	struct hc_fixture f = {.id = 1, .type = MSG_HC_HTTPS};

	assert_int_equal(hc_fixture_set(sim.hc, &f), -ENOTSUP);
	assert_int_equal(hc_get_stats(sim.hc)->conditions, 0);
}

/* Conditions of equal checks keep one, whatever their targets; also while they change. */
static void test_equal_checks_are_kept_once(void **state _unused_)
{
	struct hc_fixture f = {.type = MSG_HC_TCP};
	char target[32];

	f.target = target;
	for (f.id = 1; f.id <= 100; f.id++) {
		snprintf(target, sizeof(target), "127.0.0.%u", (unsigned int)f.id / 2 + 1);
		f.port = f.id % 2 ? 80 : 81;
		sim_set(&f);
	}
	assert_int_equal(hc_get_stats(sim.hc)->checks, 2);
	assert_int_equal(hc_get_stats(sim.hc)->hosts, 51);
	for (f.id = 1; f.id <= 100; f.id++) {
		snprintf(target, sizeof(target), "127.0.0.%u", (unsigned int)f.id / 2 + 1);
		f.port = 82;
		sim_set(&f);
	}
	assert_int_equal(hc_get_stats(sim.hc)->checks, 1);
	for (f.id = 1; f.id <= 100; f.id++)
		hc_del(sim.hc, f.id);
	assert_int_equal(hc_get_stats(sim.hc)->checks, 0);
	assert_int_equal(hc_get_stats(sim.hc)->hosts, 0);
	assert_int_equal(hc_get_stats(sim.hc)->conditions, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_first_result_decides),
		cmocka_unit_test(test_rise_fall_matrix),
		T(test_restored_verdict_is_confirmed),
		T(test_reason_change_is_reported),
		T(test_local_is_no_verdict_and_retried),
		T(test_same_set_again_changes_nothing),
		T(test_change_of_parameters_keeps_the_state),
		T(test_change_of_timing_keeps_the_count),
		T(test_change_in_flight),
		T(test_delete_in_flight_and_in_queue),
		T(test_what_a_kind_keeps),
		T(test_equal_checks_are_kept_once),
		T(test_unknown_type),
	};

	return cmocka_run_group_tests_name("hc", tests, NULL, NULL);
}
