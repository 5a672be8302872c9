// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The lateness histogram: its quantiles against sorted values, and its memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hc_late.h"
#include "rnd.h"
#include "util.h"

#define US 1000ull
#define S  1000000000ull

static struct hc_late late;

static int setup(void **state _unused_)
{
	memset(&late, 0, sizeof(late));
	return 0;
}

static uint32_t quantile(unsigned int per_mille)
{
	struct hc_late_half sum = {0};

	hc_late_sum(&sum, &late);
	return hc_late_quantile_us(&sum, per_mille);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Of any size: from microseconds to an hour. */
static void test_quantiles(void **state _unused_)
{
	static uint32_t values[20000];
	struct rnd rnd = {.state = rnd_seed()};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		values[i] = (uint32_t)rnd_next(&rnd) >> rnd_below(&rnd, 32);
		hc_late_add(&late, S, values[i] * US);
	}
	qsort(values, ARRAY_SIZE(values), sizeof(values[0]), by_value);
	for (unsigned int q = 1; q <= 1000; q++) {
		uint32_t want = values[ARRAY_SIZE(values) * q / 1000 - 1], is = quantile(q);

		assert_true(is >= want && is - want <= want / 8);
	}
	assert_int_equal(quantile(1000), values[ARRAY_SIZE(values) - 1]);
}

static void test_nothing(void **state _unused_)
{
	assert_int_equal(quantile(500), 0);
	hc_late_add(&late, S, 0);
	assert_int_equal(quantile(500), 0);
}

/* More than fits counts as the most that does. */
static void test_too_much(void **state _unused_)
{
	hc_late_add(&late, S, UINT64_MAX);
	assert_int_equal(quantile(500), UINT32_MAX);
}

static void test_forgets(void **state _unused_)
{
	uint64_t now = 100 * S;

	hc_late_add(&late, now, 5000 * US);
	/* It is remembered for at least ten seconds, and for twenty at most. */
	for (unsigned int i = 0; i < 10; i++, now += S) {
		hc_late_add(&late, now, US);
		assert_int_equal(quantile(1000), 5000);
	}
	for (unsigned int i = 0; i < 11; i++, now += S)
		hc_late_add(&late, now, US);
	assert_int_equal(quantile(1000), 1);
	/* A pause longer than that leaves nothing. */
	hc_late_turn(&late, now + 60 * S);
	assert_int_equal(quantile(1000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_quantiles, setup),
		cmocka_unit_test_setup(test_nothing, setup),
		cmocka_unit_test_setup(test_too_much, setup),
		cmocka_unit_test_setup(test_forgets, setup),
	};

	return cmocka_run_group_tests_name("hc_late", tests, NULL, NULL);
}
