// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What hash.h promises of a table when there is no memory: whichever request
 * fails, the struct stays out and all that was in the table is found as before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static int allowed = -1; /* requests that are granted; -1: all */

static void *ask(size_t size)
{
	if (!allowed)
		return NULL;
	if (allowed > 0)
		allowed--;
	return malloc(size);
}

#define uthash_malloc(size) ask(size)

#include "hash.h"
#include "util.h"

#define N 5000u

struct item {
	UT_hash_handle hh, by_copy;
	uint32_t key, copy;
};

static struct item items[N];

static int add(struct item **table, uint32_t i)
{
	struct item *it = &items[i];

	it->key = i;
	HASH_ADD(hh, *table, key, sizeof(it->key), it);
	return HASH_ADDED(hh, it) ? 0 : -ENOMEM;
}

static struct item *find(struct item *table, uint32_t i)
{
	struct item *it;

	HASH_FIND(hh, table, &i, sizeof(i), it);
	return it;
}

static void empty(struct item **table)
{
	while (*table) {
		struct item *it = *table;

		HASH_DELETE(hh, *table, it);
	}
}

/* The first struct needs the table and its array. */
static void test_first(void **state _unused_)
{
	struct item *table = NULL;

	for (allowed = 0; allowed < 2;) {
		int n = allowed;

		assert_int_equal(add(&table, 0), -ENOMEM);
		assert_null(table);
		allowed = n + 1;
	}
	assert_int_equal(add(&table, 0), 0);
	assert_ptr_equal(find(table, 0), &items[0]);
	allowed = -1;
	empty(&table);
}

/* Later ones need a larger array now and then. */
static void test_growing(void **state _unused_)
{
	struct item *table = NULL;
	uint32_t refused = 0;

	for (uint32_t i = 0; i < N; i++) {
		allowed = i ? 0 : -1;
		if (add(&table, i) < 0) {
			refused++;
			assert_int_equal(HASH_COUNT(table), i);
			assert_null(find(table, i));
			for (uint32_t j = 0; j < i; j++)
				assert_ptr_equal(find(table, j), &items[j]);
			allowed = -1;
			assert_int_equal(add(&table, i), 0);
		}
		assert_ptr_equal(find(table, i), &items[i]);
	}
	assert_true(refused > 3);
	allowed = -1;
	empty(&table);
}

/* A struct in two tables, with room for it in one of them. */
static void test_second_table(void **state _unused_)
{
	struct item *table = NULL, *copies = NULL, *it = &items[7];

	assert_int_equal(add(&table, 7), 0);
	it->copy = 7;
	allowed = 0;
	HASH_ADD(by_copy, copies, copy, sizeof(it->copy), it);
	assert_false(HASH_ADDED(by_copy, it));
	assert_true(HASH_ADDED(hh, it));
	assert_null(copies);
	assert_ptr_equal(find(table, 7), it);
	allowed = -1;
	empty(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_growing),
		cmocka_unit_test(test_second_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
