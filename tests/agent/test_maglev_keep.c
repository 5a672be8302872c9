// SPDX-License-Identifier: GPL-2.0-or-later
/* Rings kept: always what a computation gives, in any order, within the bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "maglev_keep.h"
#include "maglev_ref.h"
#include "rnd.h"
#include "util.h"

#define SIZE 1009u

static struct maglev_keep keep;
static uint32_t slots[13313], want[13313];
static struct maglev_backend pool[400];

static int set_up(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(pool); i++) {
		pool[i] = (struct maglev_backend){.weight = 1};
		pool[i].addr.b[0] = 0x20;
		pool[i].addr.b[14] = (uint8_t)(i >> 8);
		pool[i].addr.b[15] = (uint8_t)i;
	}
	maglev_keep_init(&keep, 1u << 20);
	return 0;
}

static int tear_down(void **state _unused_)
{
	maglev_keep_done(&keep);
	return 0;
}

static void build(const struct maglev_backend *b, size_t n, uint32_t size)
{
	memset(slots, 0x5a, sizeof(slots));
	memset(want, 0x5a, sizeof(want));
	assert_int_equal(maglev_keep_build(&keep, b, n, size, slots), 0);
	assert_int_equal(maglev_ref_build(b, n, size, want), 0);
	assert_memory_equal(slots, want, sizeof(slots));
}

static void shuffle(struct rnd *rnd, struct maglev_backend *b, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = rnd_below(rnd, (uint32_t)i);
		struct maglev_backend t = b[i - 1];

		b[i - 1] = b[j];
		b[j] = t;
	}
}

static void test_found(void **state _unused_)
{
	build(pool, 10, SIZE);
	build(pool, 9, SIZE);
	assert_int_equal(keep.found, 0);
	build(pool, 10, SIZE);
	build(pool, 9, SIZE);
	assert_int_equal(keep.found, 2);
	assert_int_equal(keep.missed, 2);
}

/* Addresses, weights and size are all part of what is looked for. */
static void test_another(void **state _unused_)
{
	build(pool, 10, SIZE);
	build(pool, 10, 1013);
	build(pool + 1, 10, SIZE);
	pool[3].weight = 2;
	build(pool, 10, SIZE);
	pool[4].weight = 2;
	pool[3].weight = 1;
	build(pool, 10, SIZE);
	assert_int_equal(keep.found, 0);
}

static void test_any_order(void **state _unused_)
{
	static const size_t numbers[] = {2, 10, 256, 257, 400};
	struct rnd rnd = {rnd_seed()};

	for (size_t k = 0; k < ARRAY_SIZE(numbers); k++) {
		uint64_t found = keep.found;

		for (int i = 0; i < 10; i++) {
			shuffle(&rnd, pool, numbers[k]);
			build(pool, numbers[k], 13313);
		}
		assert_int_equal(keep.found - found, 9);
	}
}

/* Some of a few backends come, go or change their weight; the bound holds only a few rings. */
static void test_histories(void **state _unused_)
{
	struct rnd rnd = {rnd_seed()};
	struct maglev_backend b[8];

	keep.max_bytes = 20000;
	for (int i = 0; i < 3000; i++) {
		static const uint32_t sizes[] = {SIZE, 11, 1013};
		size_t n = 0;
		uint32_t in = 1 + rnd_below(&rnd, 31);

		for (uint32_t j = 0; j < 5; j++) {
			if (!(in >> j & 1))
				continue;
			b[n] = pool[j];
			b[n++].weight = 1 + (rnd_below(&rnd, 8) == 0);
		}
		shuffle(&rnd, b, n);
		build(b, n, sizes[rnd_below(&rnd, ARRAY_SIZE(sizes))]);
		assert_true(keep.bytes <= keep.max_bytes);
	}
	assert_true(keep.found > 300);
	assert_true(keep.missed > 300);
}

/* The one that is unused for longest goes first; one that is too large evicts nobody. */
static void test_bound(void **state _unused_)
{
	build(pool, 1, SIZE);
	keep.max_bytes = keep.bytes * 2 + 100;
	build(pool, 2, SIZE);
	build(pool, 1, SIZE);
	build(pool, 3, SIZE);
	assert_int_equal(keep.found, 1);
	build(pool, 1, SIZE);
	assert_int_equal(keep.found, 2);
	build(pool, 2, SIZE);
	assert_int_equal(keep.found, 2);
	build(pool, 2, 13313);
	build(pool, 2, SIZE);
	assert_int_equal(keep.found, 3);
	assert_true(keep.bytes <= keep.max_bytes);
}

static void test_nothing_kept(void **state _unused_)
{
	keep.max_bytes = 0;
	build(pool, 10, SIZE);
	build(pool, 10, SIZE);
	assert_int_equal(keep.found, 0);
	assert_int_equal(keep.bytes, 0);
}

/* Two sets of the same hash: a weight cancels out a bit of the address. */
static void test_same_hash(void **state _unused_)
{
	struct maglev_backend b = pool[0];
	uint64_t digest;

	b.addr.b[7] ^= 1 ^ 2;
	b.weight = 2;
	assert_int_equal(maglev_hash(&b.addr, 2), maglev_hash(&pool[0].addr, 1));
	build(pool, 1, SIZE);
	assert_false(maglev_keep_find(&keep, &b, 1, SIZE, NULL, slots, &digest));
	build(&b, 1, SIZE);
	assert_true(maglev_keep_find(&keep, &b, 1, SIZE, NULL, slots, &digest));
	assert_false(maglev_keep_find(&keep, pool, 1, SIZE, NULL, slots, &digest));
}

/* Adding what is there already replaces it. */
static void test_added_again(void **state _unused_)
{
	size_t bytes;

	build(pool, 10, SIZE);
	bytes = keep.bytes;
	maglev_keep_add(&keep, pool, 10, SIZE, slots, 0);
	assert_int_equal(keep.bytes, bytes);
	build(pool, 10, SIZE);
	assert_int_equal(keep.found, 1);
}

/* What the caller has for each backend instead of its index; and the digest of the addresses. */
static void test_values(void **state _unused_)
{
	static uint32_t plain[SIZE];
	struct maglev_backend shuffled[3] = {pool[2], pool[0], pool[1]};
	const uint32_t value[] = {70, 80, 90}, of_shuffled[] = {90, 70, 80};
	uint64_t digest, again, direct;

	build(pool, 3, SIZE);
	memcpy(plain, slots, sizeof(plain));
	assert_int_equal(maglev_digest(pool, 3, SIZE, slots, &direct), 0);
	assert_true(maglev_keep_find(&keep, pool, 3, SIZE, value, slots, &digest));
	for (uint32_t i = 0; i < SIZE; i++)
		assert_int_equal(slots[i], value[plain[i]]);
	assert_true(maglev_keep_find(&keep, shuffled, 3, SIZE, of_shuffled, slots, &again));
	for (uint32_t i = 0; i < SIZE; i++)
		assert_int_equal(slots[i], value[plain[i]]);
	assert_true(digest == direct && again == direct);
	/* Of another ring it is another. */
	assert_int_equal(maglev_digest(shuffled, 3, SIZE, plain, &digest), 0);
	assert_true(digest != direct);
}

static void test_refused(void **state _unused_)
{
	memset(slots, 0x5a, sizeof(slots));
	memcpy(want, slots, sizeof(want));
	assert_int_equal(maglev_keep_build(&keep, pool, 0, SIZE, slots), -EINVAL);
	assert_int_equal(maglev_keep_build(&keep, pool, 10, 1001, slots), -EINVAL);
	pool[2].weight = 0;
	assert_int_equal(maglev_keep_build(&keep, pool, 10, SIZE, slots), -EINVAL);
	pool[2] = pool[7];
	assert_int_equal(maglev_keep_build(&keep, pool, 10, SIZE, slots), -EINVAL);
	assert_memory_equal(slots, want, sizeof(slots));
	assert_int_equal(keep.bytes, 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_found),	TEST(test_another), TEST(test_any_order),
		TEST(test_histories),	TEST(test_bound),   TEST(test_nothing_kept),
		TEST(test_added_again), TEST(test_refused), TEST(test_same_hash),
		TEST(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
