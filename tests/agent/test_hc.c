// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The engine in simulated time, with a kind that does what the test says.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hc.h"
#include "hc_fixture.h"
#include "util.h"

#define MS	1000000ull
#define IDS_MAX 4096
#define PROBES	8192

/* ---- the fake kind: what the next probes come to ---- */

enum plan {
	PLAN_OK,      /* answers within start */
	PLAN_REFUSED, /* fails within start */
	PLAN_LOCAL,
	PLAN_HANG, /* never answers */
	PLAN_HOLD, /* answers when the test says so */
	PLAN_POLL, /* has the answer when asked at the deadline */
};

struct fake_probe {
	struct hc_probe p;
	unsigned int serial;
};

static enum plan plan;
static uint32_t plan_detail;
static unsigned int n_started, n_stopped;
static struct hc_probe *held[PROBES]; /* under way, by serial */
static uint64_t started_at[PROBES];

/* ---- the simulated surroundings ---- */

static struct hc *hc;
static uint64_t now_ns, wake_ns;
static uint64_t random_state;
static struct msg_hc_result got[IDS_MAX];
static unsigned int n_got, n_batches;
static uint64_t got_at;

static uint64_t sim_now(void *user _unused_)
{
	return now_ns;
}

static uint64_t sim_random(void *user _unused_)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return random_state >> 16;
}

static void sim_wake_at(void *user _unused_, uint64_t at_ns)
{
	wake_ns = at_ns;
}

static void sim_results(void *user _unused_, const struct msg_hc_result *results, size_t n)
{
	n_batches++;
	got_at = now_ns;
	for (size_t i = 0; i < n; i++) {
		assert_true(n_got < IDS_MAX);
		got[n_got++] = results[i];
	}
}

static void fake_start(struct hc_probe *p)
{
	struct fake_probe *f = container_of(p, struct fake_probe, p);

	assert_true(n_started < PROBES);
	started_at[n_started] = now_ns;
	f->serial = n_started++;
	held[f->serial] = p;
	switch (plan) {
	case PLAN_OK:
		hc_done(p, MSG_HC_OK, 0);
		break;
	case PLAN_REFUSED:
		hc_done(p, MSG_HC_REFUSED, plan_detail);
		break;
	case PLAN_LOCAL:
		hc_done(p, MSG_HC_LOCAL, EMFILE);
		break;
	default:
		break;
	}
}

static void fake_poll(struct hc_probe *p)
{
	if (plan == PLAN_POLL)
		hc_done(p, MSG_HC_OK, 0);
}

static enum msg_hc_phase fake_phase(const struct hc_probe *p _unused_)
{
	return MSG_HC_PHASE_ANSWER;
}

static void fake_stop(struct hc_probe *p)
{
	held[container_of(p, struct fake_probe, p)->serial] = NULL;
	n_stopped++;
}

static const struct hc_kind fake_fd_kind = {
	.size = sizeof(struct fake_probe),
	.n_fds = 1,
	.start = fake_start,
	.poll = fake_poll,
	.phase = fake_phase,
	.stop = fake_stop,
};

static const struct hc_kind fake_free_kind = {
	.size = sizeof(struct fake_probe),
	.start = fake_start,
	.poll = fake_poll,
	.stop = fake_stop,
};

static void world_new(unsigned int budget)
{
	static const struct hc_env env = {
		.now_ns = sim_now,
		.random = sim_random,
		.wake_at = sim_wake_at,
		.results = sim_results,
	};

	plan = PLAN_OK;
	plan_detail = 0;
	n_started = n_stopped = n_got = n_batches = 0;
	memset(held, 0, sizeof(held));
	now_ns = 1000 * MS;
	wake_ns = UINT64_MAX;
	random_state = 42;
	assert_int_equal(hc_new(&env, budget, &hc), 0);
	hc_register(hc, MSG_HC_TCP, &fake_fd_kind, NULL);
	hc_register(hc, MSG_HC_ICMP, &fake_free_kind, NULL);
}

static void world_free(void)
{
	hc_free(hc);
	hc = NULL;
	assert_int_equal(n_started, n_stopped);
}

static int setup(void **state _unused_)
{
	world_new(1000);
	return 0;
}

static int teardown(void **state _unused_)
{
	world_free();
	return 0;
}

/* Runs the engine whenever it asks for it, for so long. */
static void run_ms(uint64_t ms)
{
	uint64_t end = now_ns + ms * MS;

	while (wake_ns <= end) {
		now_ns = MAX2(now_ns, wake_ns);
		wake_ns = UINT64_MAX;
		hc_run(hc);
	}
	now_ns = end;
}

/* Runs until so many probes were started in all. */
static void run_probes(unsigned int n)
{
	for (unsigned int i = 0; n_started < n; i++) {
		assert_true(i < 1000000);
		run_ms(1);
	}
	run_ms(10); /* and the results are out */
}

static void set(const struct hc_fixture *f)
{
	assert_int_equal(hc_set(hc, f->id, hc_fixture_check(f), f->initial), 0);
}

/* The default of most tests: interval 1 s, timeout 200 ms, rise 2, fall 3. */
static const struct hc_fixture tcp = {.id = 7, .type = MSG_HC_TCP};

/* ---- verdicts ---- */

static void test_first_result_decides(void **state _unused_)
{
	struct hc_fixture other = tcp;

	set(&tcp);
	run_probes(1);
	assert_int_equal(n_got, 1);
	assert_int_equal(got[0].id, 7);
	assert_int_equal(got[0].state, MSG_HC_UP);
	assert_int_equal(got[0].reason, MSG_HC_OK);

	other.id = 8;
	plan = PLAN_REFUSED;
	hc_del(hc, 7);
	set(&other);
	run_probes(2);
	assert_int_equal(n_got, 2);
	assert_int_equal(got[1].id, 8);
	assert_int_equal(got[1].state, MSG_HC_DOWN);
	assert_int_equal(got[1].reason, MSG_HC_REFUSED);
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
	uint8_t s = n_got ? got[n_got - 1].state : initial;

	return "?UD"[s];
}

static void test_rise_fall_matrix(void **state _unused_)
{
	for (size_t row = 0; row < ARRAY_SIZE(matrix); row++) {
		struct hc_fixture f = tcp;

		world_new(10);
		f.initial = matrix[row].initial;
		f.rise = matrix[row].rise;
		f.fall = matrix[row].fall;
		set(&f);
		for (unsigned int i = 0; matrix[row].results[i]; i++) {
			char r = matrix[row].results[i], seen;

			plan = r == '+' ? PLAN_OK : r == '-' ? PLAN_REFUSED : PLAN_LOCAL;
			run_probes(i + 1);
			seen = parent_view(f.initial);
			if (seen != matrix[row].states[i])
				fail_msg("row %zu \"%s\", result %u: %c, not %c", row,
					 matrix[row].results, i, seen, matrix[row].states[i]);
		}
		world_free();
	}
}

static void test_restored_verdict_is_confirmed(void **state _unused_)
{
	struct hc_fixture f = tcp;

	f.initial = MSG_HC_UP;
	set(&f);
	run_probes(1);
	/* No change, but the first result is always told. */
	assert_int_equal(n_got, 1);
	assert_int_equal(got[0].state, MSG_HC_UP);
	assert_int_equal(got[0].reason, MSG_HC_OK);
	run_probes(10);
	assert_int_equal(n_got, 1);
}

static void test_reason_change_is_reported(void **state _unused_)
{
	set(&tcp);
	plan = PLAN_REFUSED;
	run_probes(3);
	assert_int_equal(n_got, 1);
	plan = PLAN_HANG;
	run_probes(4);
	run_ms(300);
	assert_int_equal(n_got, 2);
	assert_int_equal(got[1].state, MSG_HC_DOWN);
	assert_int_equal(got[1].reason, MSG_HC_TIMEOUT);
	assert_int_equal(got[1].detail, MSG_HC_PHASE_ANSWER);
	plan = PLAN_REFUSED;
	plan_detail = 5;
	run_probes(5);
	assert_int_equal(n_got, 3);
	plan_detail = 6;
	run_probes(6);
	assert_int_equal(n_got, 4);
	assert_int_equal(got[3].detail, 6);
}

static void test_local_is_no_verdict_and_retried(void **state _unused_)
{
	struct hc_fixture f = tcp;

	f.interval_ms = 10000;
	plan = PLAN_LOCAL;
	set(&f);
	run_probes(1);
	assert_int_equal(n_got, 1);
	assert_int_equal(got[0].state, MSG_HC_UNKNOWN);
	assert_int_equal(got[0].reason, MSG_HC_LOCAL);
	assert_int_equal(got[0].detail, EMFILE);
	/* Much sooner than after the interval, but not in a tight loop. */
	run_ms(5000);
	assert_in_range(n_started, 4, 6);
	assert_int_equal(n_got, 1);
	plan = PLAN_OK;
	run_ms(1500);
	assert_int_equal(n_got, 2);
	assert_int_equal(got[1].state, MSG_HC_UP);
}

/* ---- time ---- */

static void test_timeout(void **state _unused_)
{
	plan = PLAN_HANG;
	set(&tcp);
	run_probes(1);
	run_ms(150);
	assert_int_equal(n_got, 0);
	run_ms(100);
	assert_int_equal(n_got, 1);
	assert_int_equal(got[0].reason, MSG_HC_TIMEOUT);
	/* The deadline, a tick, and the wait for company. */
	assert_in_range(got_at - started_at[0], 200 * MS, 210 * MS);
	assert_int_equal(n_stopped, 1);
}

static void test_timeout_longer_than_interval(void **state _unused_)
{
	struct hc_fixture f = tcp;

	f.interval_ms = 100;
	f.timeout_ms = 450;
	plan = PLAN_HANG;
	set(&f);
	run_ms(5000);
	/* One at a time, one after the other. */
	assert_true(hc_get_stats(hc)->flying <= 1);
	assert_in_range(n_started, 9, 12);
}

static void test_interval_and_jitter(void **state _unused_)
{
	set(&tcp);
	run_probes(200);
	assert_true(started_at[0] - 1000 * MS <= 102 * MS);
	assert_in_range(started_at[1] - started_at[0], 500 * MS, 1502 * MS);
	for (unsigned int i = 2; i < 200; i++)
		assert_in_range(started_at[i] - started_at[i - 1], 937 * MS, 1065 * MS);
}

/* In any tenth of the interval there is about a tenth of the probes. */
static void test_phases_spread_over_the_interval(void **state _unused_)
{
	struct hc_fixture f = tcp;
	unsigned int tenths[10] = {0};
	uint64_t from;

	for (f.id = 1; f.id <= 1000; f.id++)
		set(&f);
	run_ms(110);
	/* The first round is soon, but it is a window too. */
	assert_int_equal(n_started, 1000);
	assert_true(started_at[999] - started_at[0] > 80 * MS);
	run_ms(1890);
	from = now_ns;
	n_started = n_stopped = 0;
	run_ms(1000);
	assert_in_range(n_started, 950, 1050);
	for (unsigned int i = 0; i < n_started; i++)
		tenths[MIN2((started_at[i] - from) / (100 * MS), 9ull)]++;
	for (unsigned int i = 0; i < 10; i++)
		assert_in_range(tenths[i], 60, 140);
}

static void test_short_interval_bounds_the_first_window(void **state _unused_)
{
	struct hc_fixture f = tcp;

	f.interval_ms = 20;
	for (f.id = 1; f.id <= 50; f.id++)
		set(&f);
	run_ms(22);
	assert_true(n_started >= 50);
}

static void test_latency(void **state _unused_)
{
	plan = PLAN_HOLD;
	set(&tcp);
	run_probes(1);
	run_ms(30);
	hc_done(held[0], MSG_HC_OK, 0);
	run_ms(10);
	assert_int_equal(n_got, 1);
	assert_int_equal(got[0].latency_us, (now_ns - 10 * MS - started_at[0]) / 1000);
}

/* ---- a process that was kept from running ---- */

static void test_answer_in_the_queue_beats_the_deadline(void **state _unused_)
{
	plan = PLAN_POLL;
	set(&tcp);
	run_probes(1);
	run_ms(300);
	assert_int_equal(n_got, 1);
	assert_int_equal(got[0].state, MSG_HC_UP);
	assert_int_equal(hc_get_stats(hc)->ended[MSG_HC_TIMEOUT], 0);
}

static void test_stall_gives_more_time_once(void **state _unused_)
{
	plan = PLAN_HANG;
	set(&tcp);
	run_probes(1);
	/* Stopped for three seconds: the deadline passed long ago. */
	now_ns += 3000 * MS;
	hc_run(hc);
	assert_int_equal(hc_get_stats(hc)->extended, 1);
	assert_int_equal(n_stopped, 0);
	hc_done(held[0], MSG_HC_OK, 0);
	run_ms(10);
	assert_int_equal(got[0].state, MSG_HC_UP);

	run_probes(2);
	now_ns += 3000 * MS;
	hc_run(hc);
	now_ns += 3000 * MS;
	hc_run(hc);
	assert_int_equal(hc_get_stats(hc)->extended, 2);
	assert_int_equal(hc_get_stats(hc)->ended[MSG_HC_TIMEOUT], 1);
}

/* ---- changes ---- */

static void test_same_set_again_changes_nothing(void **state _unused_)
{
	plan = PLAN_HOLD;
	set(&tcp);
	run_probes(1);
	set(&tcp);
	assert_non_null(held[0]);
	hc_done(held[0], MSG_HC_OK, 0);
	run_ms(10);
	set(&tcp);
	run_ms(100);
	assert_int_equal(n_started, 1);
	assert_int_equal(n_got, 1);
}

static void test_change_of_parameters_keeps_the_state(void **state _unused_)
{
	struct hc_fixture f = tcp;

	set(&f);
	run_probes(1);
	assert_int_equal(got[0].state, MSG_HC_UP);
	plan = PLAN_REFUSED;
	run_probes(3); /* two failures of three */
	f.port = 81;
	f.initial = MSG_HC_DOWN; /* says nothing about a known id */
	set(&f);
	/* Asked anew at once, the count anew too. */
	run_ms(110);
	assert_int_equal(n_started, 4);
	run_probes(5);
	assert_int_equal(got[n_got - 1].state, MSG_HC_UP);
	run_probes(6);
	assert_int_equal(got[n_got - 1].state, MSG_HC_DOWN);
}

static void test_change_of_timing_keeps_the_count(void **state _unused_)
{
	struct hc_fixture f = tcp;
	unsigned int n;

	set(&f);
	run_probes(1);
	plan = PLAN_REFUSED;
	run_probes(3);
	f.interval_ms = 500;
	set(&f);
	run_probes(4);
	assert_int_equal(got[n_got - 1].state, MSG_HC_DOWN);
	n = n_started;
	run_ms(10000);
	assert_in_range(n_started - n, 18, 22);
	/* From long to short: not only after the long one is over. */
	f.interval_ms = 3600000;
	set(&f);
	run_ms(2000000);
	f.interval_ms = 500;
	set(&f);
	n = n_started;
	run_ms(600);
	assert_true(n_started > n);
}

static void test_change_in_flight(void **state _unused_)
{
	struct hc_fixture f = tcp;

	plan = PLAN_HOLD;
	set(&f);
	run_probes(1);
	f.port = 81;
	set(&f);
	assert_int_equal(n_stopped, 1);
	plan = PLAN_OK;
	run_probes(2);
	assert_int_equal(n_got, 1);
	assert_int_equal(got[0].state, MSG_HC_UP);
	/* To a kind that holds no descriptor, and back, while flying. */
	plan = PLAN_HOLD;
	run_probes(3);
	f.type = MSG_HC_ICMP;
	set(&f);
	assert_int_equal(hc_get_stats(hc)->n_fds, 0);
	run_probes(4);
	f.type = MSG_HC_TCP;
	set(&f);
	run_probes(5);
	assert_int_equal(hc_get_stats(hc)->n_fds, 1);
}

static void test_delete_in_flight_and_in_queue(void **state _unused_)
{
	struct hc_fixture f = tcp;

	hc_free(hc);
	world_new(2);
	plan = PLAN_HANG;
	for (f.id = 1; f.id <= 6; f.id++)
		set(&f);
	run_ms(110);
	assert_int_equal(hc_get_stats(hc)->flying, 2);
	assert_int_equal(hc_get_stats(hc)->waiting, 4);
	for (f.id = 6; f.id >= 1; f.id--)
		hc_del(hc, f.id);
	hc_del(hc, 99);
	assert_int_equal(hc_get_stats(hc)->conditions, 0);
	assert_int_equal(hc_get_stats(hc)->flying, 0);
	assert_int_equal(hc_get_stats(hc)->waiting, 0);
	assert_int_equal(hc_get_stats(hc)->n_fds, 0);
	run_ms(1000);
	assert_int_equal(n_got, 0);
}

static void test_unknown_type(void **state _unused_)
{
	struct hc_fixture f = {.id = 1, .type = MSG_HC_HTTPS};

	assert_int_equal(hc_set(hc, 1, hc_fixture_check(&f), MSG_HC_UNKNOWN), -ENOTSUP);
	assert_int_equal(hc_get_stats(hc)->conditions, 0);
}

/* ---- the budget ---- */

static void test_budget_makes_late_not_failed(void **state _unused_)
{
	const struct hc_stats *st;
	struct hc_fixture f = tcp;

	hc_free(hc);
	world_new(10);
	st = hc_get_stats(hc);
	f.timeout_ms = 500;
	f.interval_ms = 60000;
	plan = PLAN_HOLD;
	for (f.id = 1; f.id <= 100; f.id++)
		set(&f);
	/* One that needs no descriptor does not wait behind those that do. */
	f.type = MSG_HC_ICMP;
	set(&f);
	/* Each takes 100 ms, so the last waits a second: twice its timeout. */
	for (unsigned int i = 0; i < 12; i++) {
		run_ms(100);
		assert_true(st->n_fds <= 10);
		for (unsigned int k = 0; k < n_started; k++)
			if (held[k])
				hc_done(held[k], MSG_HC_OK, 0);
		if (i == 1)
			assert_int_equal(st->waiting, 100 - 20);
	}
	run_ms(10);
	assert_int_equal(n_got, 101);
	for (unsigned int i = 0; i < n_got; i++)
		assert_int_equal(got[i].state, MSG_HC_UP);
	assert_int_equal(st->ended[MSG_HC_TIMEOUT], 0);
	assert_true(st->late > 50);
	assert_true(st->late_max_ns >= 800 * MS);
}

static void test_starts_in_one_round_are_bounded(void **state _unused_)
{
	struct hc_fixture f = tcp;

	hc_free(hc);
	world_new(2000);
	plan = PLAN_HANG;
	f.interval_ms = 60000;
	for (f.id = 1; f.id <= 1000; f.id++)
		set(&f);
	now_ns += 200 * MS; /* all are due */
	hc_run(hc);
	assert_int_equal(n_started, 256);
	assert_int_equal(wake_ns, 0);
	hc_run(hc);
	hc_run(hc);
	hc_run(hc);
	assert_int_equal(n_started, 1000);
}

/* ---- batches ---- */

static void test_results_share_a_batch(void **state _unused_)
{
	struct hc_fixture f = tcp;

	plan = PLAN_HOLD;
	f.timeout_ms = 5000;
	f.interval_ms = 60000;
	for (f.id = 1; f.id <= 100; f.id++)
		set(&f);
	run_ms(110);
	assert_int_equal(n_started, 100);
	for (unsigned int i = 0; i < 100; i++)
		hc_done(held[i], MSG_HC_OK, 0);
	assert_int_equal(n_batches, 0);
	run_ms(10);
	assert_int_equal(n_batches, 1);
	assert_int_equal(n_got, 100);
}

static void test_result_is_not_older_than_10_ms(void **state _unused_)
{
	struct hc_fixture f = tcp;
	uint64_t first;

	plan = PLAN_HOLD;
	f.timeout_ms = 5000;
	f.interval_ms = 60000;
	for (f.id = 1; f.id <= 100; f.id++)
		set(&f);
	run_ms(110);
	first = now_ns;
	for (unsigned int i = 0; i < 100; i++) {
		hc_done(held[i], MSG_HC_OK, 0);
		run_ms(1);
		if (n_got && first) {
			assert_true(got_at - first <= 10 * MS);
			first = 0;
		}
	}
	run_ms(10);
	assert_int_equal(n_got, 100);
	assert_in_range(n_batches, 10, 20);
}

static void test_full_batch_goes_at_once(void **state _unused_)
{
	struct hc_fixture f = tcp;

	hc_free(hc);
	world_new(4000);
	plan = PLAN_HOLD;
	f.timeout_ms = 5000;
	f.interval_ms = 60000;
	for (f.id = 1; f.id <= HC_BATCH_MAX + 10; f.id++)
		set(&f);
	run_ms(500);
	assert_int_equal(n_started, HC_BATCH_MAX + 10);
	for (unsigned int i = 0; i < n_started; i++)
		hc_done(held[i], MSG_HC_OK, 0);
	assert_int_equal(n_got, HC_BATCH_MAX);
	run_ms(10);
	assert_int_equal(n_got, HC_BATCH_MAX + 10);
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
		T(test_timeout),
		T(test_timeout_longer_than_interval),
		T(test_interval_and_jitter),
		T(test_phases_spread_over_the_interval),
		T(test_short_interval_bounds_the_first_window),
		T(test_latency),
		T(test_answer_in_the_queue_beats_the_deadline),
		T(test_stall_gives_more_time_once),
		T(test_same_set_again_changes_nothing),
		T(test_change_of_parameters_keeps_the_state),
		T(test_change_of_timing_keeps_the_count),
		T(test_change_in_flight),
		T(test_delete_in_flight_and_in_queue),
		T(test_unknown_type),
		T(test_budget_makes_late_not_failed),
		T(test_starts_in_one_round_are_bounded),
		T(test_results_share_a_batch),
		T(test_result_is_not_older_than_10_ms),
		T(test_full_batch_goes_at_once),
	};

	return cmocka_run_group_tests_name("hc", tests, NULL, NULL);
}
