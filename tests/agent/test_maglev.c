// SPDX-License-Identifier: GPL-2.0-or-later
/* Properties of Maglev's table: balance, order independence, disruption, weights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "maglev.h"
#include "maglev_ref.h"
#include "rnd.h"
#include "util.h"

#define SIZE 13313u

static struct maglev_backend backends[1024];
static uint32_t slots[65537], other[65537], count[1024];

static void make_backends(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		backends[i] = (struct maglev_backend){.weight = 1};
		memcpy(backends[i].addr.b, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0", 14);
		backends[i].addr.b[14] = (uint8_t)(i >> 8);
		backends[i].addr.b[15] = (uint8_t)i;
	}
}

static void count_slots(const uint32_t *ring, uint32_t size, size_t n)
{
	memset(count, 0, sizeof(count));
	for (uint32_t s = 0; s < size; s++) {
		assert_true(ring[s] < n);
		count[ring[s]]++;
	}
}

static void test_balance(void **state _unused_)
{
	static const size_t numbers[] = {1, 2, 3, 10, 100, 1000};

	for (size_t k = 0; k < ARRAY_SIZE(numbers); k++) {
		size_t n = numbers[k];

		make_backends(n);
		assert_int_equal(maglev_build(backends, n, SIZE, slots), 0);
		count_slots(slots, SIZE, n);
		for (size_t i = 0; i < n; i++) {
			assert_true(count[i] >= SIZE / n);
			assert_true(count[i] <= SIZE / n + 1);
		}
	}
}

static void test_order(void **state _unused_)
{
	struct maglev_backend shuffled[100];

	make_backends(100);
	for (size_t i = 0; i < 100; i++)
		backends[i].weight = 1 + (uint32_t)i % 7;
	assert_int_equal(maglev_build(backends, 100, SIZE, slots), 0);
	srand(2);
	for (int round = 0; round < 20; round++) {
		memcpy(shuffled, backends, sizeof(shuffled));
		for (size_t i = 99; i > 0; i--) {
			size_t j = (size_t)rand() % (i + 1);
			struct maglev_backend t = shuffled[i];

			shuffled[i] = shuffled[j];
			shuffled[j] = t;
		}
		assert_int_equal(maglev_build(shuffled, 100, SIZE, other), 0);
		for (uint32_t s = 0; s < SIZE; s++)
			assert_memory_equal(&shuffled[other[s]], &backends[slots[s]],
					    sizeof(backends[0]));
	}
}

/* A ring that all nodes and versions must agree on: never change this value. */
static void test_same_for_ever(void **state _unused_)
{
	uint64_t digest = 0;

	make_backends(10);
	backends[3].weight = 5;
	assert_int_equal(maglev_build(backends, 10, SIZE, slots), 0);
	for (uint32_t s = 0; s < SIZE; s++)
		digest = digest * 31 + slots[s];
	assert_int_equal(digest, 0x77eab7cc48c4392aull);
}

static void test_disruption(void **state _unused_)
{
	size_t n = 50, gone = 17;
	uint32_t moved = 0;

	make_backends(n);
	assert_int_equal(maglev_build(backends, n, 65537, slots), 0);
	backends[gone] = backends[n - 1];
	assert_int_equal(maglev_build(backends, n - 1, 65537, other), 0);
	for (uint32_t s = 0; s < 65537; s++) {
		uint32_t now = other[s] == gone ? (uint32_t)n - 1 : other[s];

		if (slots[s] != gone && slots[s] != now)
			moved++;
	}
	/* The paper (section 5.3) finds a few percent with tables 100 times n. */
	assert_true(moved < 65537 * 3 / 100);
}

static void test_weights(void **state _unused_)
{
	static const uint32_t weights[] = {1, 2, 3, 10, 100, 1000, 7, 50, 500, 999};
	uint64_t sum = 0;

	make_backends(ARRAY_SIZE(weights));
	for (size_t i = 0; i < ARRAY_SIZE(weights); i++) {
		backends[i].weight = weights[i];
		sum += weights[i];
	}
	assert_int_equal(maglev_build(backends, ARRAY_SIZE(weights), 65537, slots), 0);
	count_slots(slots, 65537, ARRAY_SIZE(weights));
	for (size_t i = 0; i < ARRAY_SIZE(weights); i++) {
		int64_t want = (int64_t)(65537ull * weights[i] / sum);

		assert_in_range(llabs((int64_t)count[i] - want), 0, 2);
	}
}

static void test_equal_weights_are_one(void **state _unused_)
{
	make_backends(20);
	assert_int_equal(maglev_build(backends, 20, SIZE, slots), 0);
	for (size_t i = 0; i < 20; i++)
		backends[i].weight = 100;
	assert_int_equal(maglev_build(backends, 20, SIZE, other), 0);
	assert_memory_equal(slots, other, SIZE * sizeof(slots[0]));
}

static void test_refused(void **state _unused_)
{
	make_backends(10);
	memset(slots, 0x5a, sizeof(slots));
	assert_int_equal(maglev_build(backends, 0, SIZE, slots), -EINVAL);
	assert_int_equal(maglev_build(backends, 10, 13312, slots), -EINVAL);
	assert_int_equal(maglev_build(backends, 10, 13311, slots), -EINVAL);
	assert_int_equal(maglev_build(backends, 10, 0, slots), -EINVAL);
	assert_int_equal(maglev_build(backends, 10, 1, slots), -EINVAL);
	assert_int_equal(maglev_build(backends, 10, 7, slots), -EINVAL);
	backends[4].weight = 0;
	assert_int_equal(maglev_build(backends, 10, SIZE, slots), -EINVAL);
	backends[4].weight = MAGLEV_WEIGHT_MAX + 1;
	assert_int_equal(maglev_build(backends, 10, SIZE, slots), -EINVAL);
	backends[4] = backends[9];
	assert_int_equal(maglev_build(backends, 10, SIZE, slots), -EINVAL);
	for (size_t s = 0; s < ARRAY_SIZE(slots); s++)
		assert_int_equal(slots[s], 0x5a5a5a5a);
}

static void same_as_reference(size_t n, uint32_t size)
{
	memset(slots, 0x5a, sizeof(slots));
	memset(other, 0x5a, sizeof(other));
	assert_int_equal(maglev_build(backends, n, size, slots), 0);
	assert_int_equal(maglev_ref_build(backends, n, size, other), 0);
	assert_memory_equal(slots, other, sizeof(slots));
}

/* n backends of random addresses and, unless max_weight is 1, random weights. */
static void random_backends(struct rnd *rnd, size_t n, uint32_t max_weight)
{
	for (size_t i = 0; i < n; i++) {
		backends[i].weight = 1 + rnd_below(rnd, max_weight);
		rnd_bytes(rnd, backends[i].addr.b, sizeof(backends[i].addr.b));
	}
}

/* Every small prime, filled up to one slot a backend. */
static void test_reference_small(void **state _unused_)
{
	static const uint32_t primes[] = {2, 3, 5, 7, 11, 13, 17, 31, 61, 127, 251};
	struct rnd rnd = {rnd_seed()};

	for (size_t k = 0; k < ARRAY_SIZE(primes); k++) {
		for (size_t n = 1; n <= primes[k]; n += 1 + n / 8) {
			random_backends(&rnd, n, 1);
			same_as_reference(n, primes[k]);
			random_backends(&rnd, n, 1 + rnd_below(&rnd, 100));
			same_as_reference(n, primes[k]);
		}
	}
}

static void test_reference_large(void **state _unused_)
{
	static const uint32_t primes[] = {1009, 13313, 65521, 65537};
	static const uint32_t weights[] = {1, 2, 100, MAGLEV_WEIGHT_MAX};
	struct rnd rnd = {rnd_seed()};

	for (int i = 0; i < 60; i++) {
		size_t n = 1 + rnd_below(&rnd, i % 4 ? 40 : 1000);

		random_backends(&rnd, n, weights[rnd_below(&rnd, ARRAY_SIZE(weights))]);
		same_as_reference(n, primes[rnd_below(&rnd, ARRAY_SIZE(primes))]);
	}
}

static void test_smallest(void **state _unused_)
{
	make_backends(3);
	assert_int_equal(maglev_build(backends, 1, 2, slots), 0);
	assert_int_equal(maglev_build(backends, 2, 2, slots), 0);
	assert_int_not_equal(slots[0], slots[1]);
	assert_int_equal(maglev_build(backends, 3, 3, slots), 0);
	count_slots(slots, 3, 3);
	assert_int_equal(count[0] * count[1] * count[2], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_balance),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_same_for_ever),
		cmocka_unit_test(test_disruption),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_equal_weights_are_one),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_smallest),
		cmocka_unit_test(test_reference_small),
		cmocka_unit_test(test_reference_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
