// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The timing wheel: never early, late by less than a tick, and against a plain
 * list under random use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hc_wheel.h"
#include "util.h"

#define TICK  HC_WHEEL_TICK_NS
#define TURN  (HC_WHEEL_SLOTS * TICK)
#define START (123456 * TICK + 77)

static struct hc_wheel w;

static int setup(void **state _unused_)
{
	hc_wheel_init(&w, START);
	return 0;
}

static void test_empty(void **state _unused_)
{
	assert_true(hc_wheel_next_ns(&w) == UINT64_MAX);
	hc_wheel_advance(&w, START + 10 * TURN);
	assert_null(hc_wheel_pop(&w));
}

static void test_never_early(void **state _unused_)
{
	static const uint64_t delays[] = {0,	1,	  TICK - 1, TICK,     TICK + 1,
					  9999, TURN - 1, TURN,	    TURN + 1, 5 * TURN + 3};

	for (size_t i = 0; i < ARRAY_SIZE(delays); i++) {
		struct hc_timer t = {0};
		uint64_t now = START;

		hc_wheel_init(&w, START);
		hc_wheel_put(&w, &t, START + delays[i]);
		/* Only by the times the wheel asks for. */
		for (int k = 0; k < 20; k++) {
			now = MAX2(now, hc_wheel_next_ns(&w));
			hc_wheel_advance(&w, now);
			if (hc_wheel_pop(&w))
				break;
			assert_true(now < START + delays[i] + TICK);
		}
		assert_true(now >= START + delays[i]);
		assert_true(now < START + delays[i] + TICK + 1);
		assert_int_equal(t.slot, 0);
		assert_true(hc_wheel_next_ns(&w) == UINT64_MAX);
	}
}

static void test_past_is_due_next(void **state _unused_)
{
	struct hc_timer t = {0};

	hc_wheel_advance(&w, START + TICK);
	hc_wheel_put(&w, &t, 5);
	hc_wheel_advance(&w, START + 2 * TICK);
	assert_ptr_equal(hc_wheel_pop(&w), &t);
}

static void test_delete_of_one_that_is_due(void **state _unused_)
{
	struct hc_timer a = {0}, b = {0};

	hc_wheel_put(&w, &a, START + 1);
	hc_wheel_put(&w, &b, START + 1);
	hc_wheel_advance(&w, START + 2 * TICK);
	assert_true(hc_wheel_next_ns(&w) == 0);
	hc_wheel_del(&w, &a);
	hc_wheel_del(&w, &a);
	assert_ptr_equal(hc_wheel_pop(&w), &b);
	assert_null(hc_wheel_pop(&w));
	assert_int_equal(w.n, 0);
}

static void test_after_a_long_pause(void **state _unused_)
{
	static struct hc_timer t[1000];
	unsigned int n = 0;

	memset(t, 0, sizeof(t));
	for (unsigned int i = 0; i < 1000; i++)
		hc_wheel_put(&w, &t[i], START + i * (TURN / 100));
	hc_wheel_advance(&w, START + 20 * TURN);
	while (hc_wheel_pop(&w))
		n++;
	assert_int_equal(n, 1000);
}

static void test_against_a_list(void **state _unused_)
{
	enum { N = 300 };
	static struct hc_timer t[N];
	uint64_t at[N] = {0}, now = START;

	memset(t, 0, sizeof(t));
	srand(1);
	for (unsigned int round = 0; round < 20000; round++) {
		unsigned int i = (unsigned int)rand() % N;
		uint64_t next, soonest = UINT64_MAX;
		struct hc_timer *due;

		if (rand() % 4 == 0) {
			hc_wheel_del(&w, &t[i]);
			at[i] = 0;
		} else {
			at[i] = now + (uint64_t)rand() % (rand() % 8 ? 50 * TICK : 3 * TURN);
			hc_wheel_put(&w, &t[i], at[i]);
		}
		for (i = 0; i < N; i++)
			if (at[i])
				soonest = MIN2(soonest, at[i]);
		next = hc_wheel_next_ns(&w);
		assert_true(soonest == UINT64_MAX ? next == soonest : next < soonest + TICK);

		now += (uint64_t)rand() % (2 * TICK);
		hc_wheel_advance(&w, now);
		while ((due = hc_wheel_pop(&w))) {
			assert_true(at[due - t] && at[due - t] <= now);
			at[due - t] = 0;
		}
		for (i = 0; i < N; i++)
			assert_true(!at[i] || at[i] + TICK > now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty, setup),
		cmocka_unit_test_setup(test_never_early, setup),
		cmocka_unit_test_setup(test_past_is_due_next, setup),
		cmocka_unit_test_setup(test_delete_of_one_that_is_due, setup),
		cmocka_unit_test_setup(test_after_a_long_pause, setup),
		cmocka_unit_test_setup(test_against_a_list, setup),
	};

	return cmocka_run_group_tests_name("hc_wheel", tests, NULL, NULL);
}
