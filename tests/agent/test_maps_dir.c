// SPDX-License-Identifier: GPL-2.0-or-later
/* Directories: filled to the brim, against a plain list, and under a reader's eyes. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "maps_dir.h"
#include "util.h"

#define MAX 4096u

static uint64_t hashes[8 * MAX];
static unsigned int settled;
static int settle_result;

static uint64_t hash_of(const void *user _unused_, uint32_t number)
{
	return hashes[number];
}

static int no_reader(void *user _unused_)
{
	settled++;
	return settle_result;
}

static uint64_t key_hash(uint64_t i)
{
	return nlb_dir_vip(i * 0x100000001ull, i << 40, 128);
}

static struct maps_dir dir_new(uint32_t buckets)
{
	struct maps_dir d = {
		.buckets = calloc(buckets, sizeof(struct nlb_bucket)),
		.mask = buckets - 1,
		.hash = hash_of,
		.settle = no_reader,
	};

	assert_non_null(d.buckets);
	settled = 0;
	settle_result = 0;
	return d;
}

static uint32_t count(const struct maps_dir *d)
{
	uint32_t n = 0;

	for (uint32_t b = 0; b <= d->mask; b++)
		for (int i = 0; i < NLB_BUCKET_ENTRIES; i++)
			n += d->buckets[b].entry[i] != 0;
	return n;
}

static void test_sizes(void **state _unused_)
{
	assert_int_equal(maps_dir_buckets(0), 2);
	assert_int_equal(maps_dir_buckets(2), 2);
	assert_int_equal(maps_dir_buckets(4095), 4096);
	assert_int_equal(maps_dir_buckets(4096), 4096);
	assert_int_equal(maps_dir_buckets(4097), 8192);
}

/* As full as the configuration lets it get: whatever the keys, all fit, and nothing moves. */
static void test_full(void **state _unused_)
{
	for (uint32_t max = 1; max <= MAX; max = max * 2 + 1) {
		struct maps_dir d = dir_new(maps_dir_buckets(max));

		for (uint32_t n = 1; n <= max; n++) {
			hashes[n] = key_hash(n * 7919ull + max);
			assert_int_equal(maps_dir_insert(&d, hashes[n], n), 0);
		}
		for (uint32_t n = 1; n <= max; n++)
			assert_true(maps_dir_has(&d, hashes[n], n));
		assert_int_equal(count(&d), max);
		free(d.buckets);
	}
}

/* Nine tenths of all places: only moving makes that possible. */
static void test_crowded(void **state _unused_)
{
	struct maps_dir d = dir_new(256);
	uint32_t n = 256 * NLB_BUCKET_ENTRIES * 9 / 10;

	for (uint32_t i = 1; i <= n; i++) {
		hashes[i] = key_hash(i);
		assert_int_equal(maps_dir_insert(&d, hashes[i], i), 0);
		for (uint32_t k = 1; k <= i; k++)
			assert_true(maps_dir_has(&d, hashes[k], k));
		assert_int_equal(count(&d), i);
	}
	assert_true(settled > 0);
	free(d.buckets);
}

static void test_no_room(void **state _unused_)
{
	struct maps_dir d = dir_new(64);
	uint32_t n;

	/* All in one bucket: the fifth has nowhere to go, and the four stay. */
	for (n = 1; n <= NLB_BUCKET_ENTRIES; n++) {
		hashes[n] = (uint64_t)n << 32 | 5u << 16 | 5u;
		assert_int_equal(maps_dir_insert(&d, hashes[n], n), 0);
	}
	assert_int_equal(maps_dir_insert(&d, 99ull << 32 | 5u << 16 | 5u, 9), -ENOSPC);
	assert_int_equal(maps_dir_remove(&d, 99ull << 32 | 5u << 16 | 5u, 9), -ENOENT);
	for (n = 1; n <= NLB_BUCKET_ENTRIES; n++)
		assert_true(maps_dir_has(&d, hashes[n], n));
	assert_int_equal(maps_dir_remove(&d, hashes[2], 2), 0);
	assert_false(maps_dir_has(&d, hashes[2], 2));
	hashes[9] = 99ull << 32 | 5u << 16 | 5u;
	assert_int_equal(maps_dir_insert(&d, hashes[9], 9), 0);
	assert_int_equal(maps_dir_replace(&d, hashes[9], 9, 10), 0);
	assert_true(maps_dir_has(&d, hashes[9], 10));
	assert_int_equal(maps_dir_replace(&d, hashes[9], 9, 10), -ENOENT);
	free(d.buckets);
}

/* When readers cannot be waited for, nothing is moved and nothing lost. */
static void test_settle_fails(void **state _unused_)
{
	struct maps_dir d = dir_new(64);

	for (uint32_t n = 1; n <= NLB_BUCKET_ENTRIES; n++) {
		hashes[n] = (uint64_t)n << 32 | 9u << 16 | 5u;
		assert_int_equal(maps_dir_insert(&d, hashes[n], n), 0);
	}
	settle_result = -EPERM;
	assert_int_equal(maps_dir_insert(&d, 7ull << 32 | 5u << 16 | 5u, 7), -EPERM);
	assert_int_equal(count(&d), NLB_BUCKET_ENTRIES);
	settle_result = 0;
	assert_int_equal(maps_dir_insert(&d, 7ull << 32 | 5u << 16 | 5u, 7), 0);
	for (uint32_t n = 1; n <= NLB_BUCKET_ENTRIES; n++)
		assert_true(maps_dir_has(&d, hashes[n], n));
	assert_true(maps_dir_has(&d, 7ull << 32 | 5u << 16 | 5u, 7));
	free(d.buckets);
}

static bool odd_ones(void *user, uint32_t bucket, uint64_t entry)
{
	uint32_t number = (uint32_t)entry;

	assert_true(maps_dir_fits(user, bucket, entry, hashes[number], number));
	assert_false(maps_dir_fits(user, bucket, entry, hashes[number], number + 1));
	return number % 2;
}

/* A long random history against a list of what is in. */
static void test_history(void **state _unused_)
{
	struct maps_dir d = dir_new(maps_dir_buckets(512));
	static bool in[513];
	uint32_t n_in = 0;
	unsigned int seed = 4;

	memset(in, 0, sizeof(in));
	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t n = (uint32_t)rand_r(&seed) % 512 + 1;

		if (in[n]) {
			assert_int_equal(maps_dir_remove(&d, hashes[n], n), 0);
			n_in--;
		} else {
			hashes[n] = key_hash((uint64_t)rand_r(&seed));
			assert_int_equal(maps_dir_insert(&d, hashes[n], n), 0);
			n_in++;
		}
		in[n] = !in[n];
		if (i % 1000)
			continue;
		assert_int_equal(count(&d), n_in);
		for (n = 1; n <= 512; n++)
			assert_int_equal(maps_dir_has(&d, hashes[n], n), in[n]);
	}
	n_in = 0;
	for (uint32_t n = 1; n <= 512; n++)
		n_in += in[n] && n % 2 == 0;
	assert_int_equal(maps_dir_filter(&d, odd_ones, &d), n_in);
	for (uint32_t n = 1; n <= 512; n++)
		assert_int_equal(maps_dir_has(&d, hashes[n], n), in[n] && n % 2);
	free(d.buckets);
}

/* ---- a reader ---- */

#define LASTING 600u /* numbers that never leave */
#define PASSING 200u

struct reader {
	struct maps_dir *d;
	uint64_t looks; /* counts runs: two more, and none is left that had begun before */
	uint64_t missed;
	bool stop;
};

static void *read_all(void *arg)
{
	struct reader *r = arg;

	for (uint32_t n = 1; !__atomic_load_n(&r->stop, __ATOMIC_RELAXED); n = n % LASTING + 1) {
		if (!maps_dir_has(r->d, hashes[n], n))
			r->missed++;
		__atomic_add_fetch(&r->looks, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static int wait_for_reader(void *user)
{
	const struct reader *r = user;
	uint64_t since;

	/* What was written before must be seen before the count is: a grace period is a barrier. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	since = __atomic_load_n(&r->looks, __ATOMIC_SEQ_CST);
	settled++;
	while (__atomic_load_n(&r->looks, __ATOMIC_SEQ_CST) < since + 2)
		;
	return 0;
}

/* So crowded that others move all the time: the lasting ones are always found. */
static void test_reader(void **state _unused_)
{
	struct maps_dir d = dir_new(256);
	struct reader r = {.d = &d};
	unsigned int seed = 1;
	pthread_t thread;
	bool in[PASSING] = {};

	for (uint32_t n = 1; n <= LASTING; n++) {
		hashes[n] = key_hash(n);
		assert_int_equal(maps_dir_insert(&d, hashes[n], n), 0);
	}
	d.settle = wait_for_reader;
	d.user = &r;
	assert_int_equal(pthread_create(&thread, NULL, read_all, &r), 0);
	settled = 0;
	for (int i = 0; i < 2000000; i++) {
		uint32_t k = (uint32_t)rand_r(&seed) % PASSING, n = LASTING + 1 + k;

		if (in[k]) {
			assert_int_equal(maps_dir_remove(&d, hashes[n], n), 0);
			in[k] = false;
		} else {
			hashes[n] = key_hash((uint64_t)rand_r(&seed) << 20);
			in[k] = maps_dir_insert(&d, hashes[n], n) == 0;
		}
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(r.missed, 0);
	/* Both did something. */
	assert_true(settled > 100);
	assert_true(r.looks > 10000);
	free(d.buckets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),	     cmocka_unit_test(test_full),
		cmocka_unit_test(test_crowded),	     cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_settle_fails), cmocka_unit_test(test_history),
		cmocka_unit_test(test_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
