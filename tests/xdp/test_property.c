// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What must hold for any set of backends and any flow: random sets and changes,
 * and 100,000 random flows whose slots are found as the program finds them.
 * NLB_SEED in the environment gives other random numbers than usual; the one that
 * was used is printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "maglev.h"
#include "rnd.h"
#include "util.h"
#include "xdp/hash.h"

#define RING	 65537u
#define BACKENDS 300u
#define FLOWS	 100000u
#define CHANGES	 12

static struct maglev_backend backends[BACKENDS + 1];
static uint32_t before[RING], after[RING];
static uint32_t hashes[FLOWS];
static uint64_t seed;

static struct addr random_addr(struct rnd *r)
{
	struct addr a = {.b = {[10] = 0xff, [11] = 0xff}};

	if (rnd_below(r, 2)) {
		rnd_bytes(r, a.b + 12, 4);
		return a;
	}
	rnd_bytes(r, a.b, 16);
	a.b[0] = 0x20;
	return a;
}

/* With weights of 1 to max_weight; addresses differ, or maglev_build() fails the test. */
static void random_backends(struct rnd *r, size_t n, uint32_t max_weight)
{
	for (size_t i = 0; i < n; i++)
		backends[i] = (struct maglev_backend){
			.addr = random_addr(r),
			.weight = 1 + rnd_below(r, max_weight),
		};
}

static void random_flows(struct rnd *r)
{
	for (size_t i = 0; i < FLOWS; i++) {
		struct nlb_ip src = {{0, 0}}, dst = {{0, 0}};
		uint32_t ports = (uint32_t)rnd_next(r);
		uint8_t protocol = rnd_below(r, 2) ? IPPROTO_TCP : IPPROTO_UDP;

		if (i % 2) {
			src = nlb_ip_v4((__be32)rnd_next(r));
			dst = nlb_ip_v4((__be32)rnd_next(r));
			hashes[i] = nlb_hash4(&src, &dst, ports, protocol);
		} else {
			rnd_bytes(r, &src, sizeof(src));
			rnd_bytes(r, &dst, sizeof(dst));
			hashes[i] = nlb_hash6(&src, &dst, ports, protocol);
		}
	}
}

static uint64_t sum_of_weights(size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += backends[i].weight;
	return sum;
}

/* Each backend's slots: within 1% of its weight's part, or within two slots of it. */
static void test_balance_of_slots(void **state _unused_)
{
	struct rnd r = {seed};

	for (int round = 0; round < CHANGES; round++) {
		size_t n = 1 + rnd_below(&r, BACKENDS);
		uint32_t max_weight = round % 3 ? 1 : 10, count[BACKENDS] = {0};
		uint64_t sum;

		random_backends(&r, n, max_weight);
		sum = sum_of_weights(n);
		assert_int_equal(maglev_build(backends, n, RING, after), 0);
		for (uint32_t s = 0; s < RING; s++)
			count[after[s]]++;
		for (size_t i = 0; i < n; i++) {
			double fair = (double)RING * backends[i].weight / (double)sum;
			double off = count[i] > fair ? count[i] - fair : fair - count[i];

			assert_true(off <= MAX2(fair / 100, 2.0));
			/* At this size, two slots are more than 1% only of small parts. */
			if (fair >= 200)
				assert_true(off <= fair / 100);
		}
	}
}

/*
 * Flows by backend: binomial, so that five times the standard deviation above the
 * slots' own 1% is not exceeded by chance in a lifetime of test runs.
 */
static void test_balance_of_flows(void **state _unused_)
{
	struct rnd r = {seed + 1};

	random_flows(&r);
	for (int round = 0; round < CHANGES; round++) {
		size_t n = 2 + rnd_below(&r, 99);
		uint32_t count[BACKENDS] = {0};
		uint64_t sum;

		random_backends(&r, n, 5);
		sum = sum_of_weights(n);
		assert_int_equal(maglev_build(backends, n, RING, after), 0);
		for (size_t i = 0; i < FLOWS; i++)
			count[after[nlb_hash_slot(hashes[i], RING)]]++;
		for (size_t i = 0; i < n; i++) {
			double fair = (double)FLOWS * backends[i].weight / (double)sum;
			double off = count[i] > fair ? count[i] - fair : fair - count[i];
			double limit = fair / 100 + 1;

			assert_true(off <= limit || (off - limit) * (off - limit) <= 25 * fair);
		}
	}
}

static void test_order(void **state _unused_)
{
	struct rnd r = {seed + 2};
	static struct maglev_backend shuffled[BACKENDS];

	for (int round = 0; round < CHANGES; round++) {
		size_t n = 1 + rnd_below(&r, BACKENDS);

		random_backends(&r, n, 7);
		assert_int_equal(maglev_build(backends, n, RING, before), 0);
		memcpy(shuffled, backends, n * sizeof(*shuffled));
		for (size_t i = n - 1; i > 0; i--) {
			size_t j = rnd_below(&r, (uint32_t)i + 1);
			struct maglev_backend t = shuffled[i];

			shuffled[i] = shuffled[j];
			shuffled[j] = t;
		}
		assert_int_equal(maglev_build(shuffled, n, RING, after), 0);
		for (uint32_t s = 0; s < RING; s++)
			assert_memory_equal(&shuffled[after[s]].addr, &backends[before[s]].addr,
					    sizeof(struct addr));
	}
}

/* How many slots changed hands between two backends that were there all the time. */
static uint32_t moved_slots(size_t changed)
{
	uint32_t moved = 0;

	for (uint32_t s = 0; s < RING; s++)
		moved += before[s] != after[s] && before[s] != changed && after[s] != changed;
	return moved;
}

static uint32_t moved_flows(size_t changed)
{
	uint32_t moved = 0;

	for (size_t i = 0; i < FLOWS; i++) {
		uint32_t s = nlb_hash_slot(hashes[i], RING);

		moved += before[s] != after[s] && before[s] != changed && after[s] != changed;
	}
	return moved;
}

/*
 * The last of n + 1 backends comes and goes. The ring by itself moves some slots of
 * others (the paper's section 5.3); that no TCP flow moves with them is the
 * slots' modes' doing, and tested below.
 */
static void test_disruption(void **state _unused_)
{
	struct rnd r = {seed + 3};

	random_flows(&r);
	for (int round = 0; round < CHANGES; round++) {
		size_t n = 10 + rnd_below(&r, BACKENDS - 10);

		random_backends(&r, n + 1, 1);
		assert_int_equal(maglev_build(backends, n, RING, before), 0);
		assert_int_equal(maglev_build(backends, n + 1, RING, after), 0);
		assert_true(moved_slots(n) < RING * 3 / 100);
		assert_true(moved_flows(n) < FLOWS * 4 / 100);
	}
}

/* The same set again, after whatever came between, is the same ring again. */
static void test_no_memory(void **state _unused_)
{
	struct rnd r = {seed + 4};

	random_backends(&r, 50, 9);
	assert_int_equal(maglev_build(backends, 50, RING, before), 0);
	assert_int_equal(maglev_build(backends, 49, RING, after), 0);
	assert_int_equal(maglev_build(backends, 50, RING, after), 0);
	assert_memory_equal(before, after, sizeof(after));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_balance_of_slots),
		cmocka_unit_test(test_balance_of_flows),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_disruption),
		cmocka_unit_test(test_no_memory),
	};

	seed = rnd_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
