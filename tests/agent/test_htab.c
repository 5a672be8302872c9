// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hash table against an array that is searched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "htab.h"
#include "util.h"

#define N 5000

struct item {
	struct htab_node node;
	uint32_t key;
	bool in;
};

static bool eq(const struct htab_node *node, const void *key)
{
	return container_of(node, struct item, node)->key == *(const uint32_t *)key;
}

/* Few different hashes, so that chains are long. */
static uint64_t hash(uint32_t key)
{
	return htab_hash(&key, sizeof(key), 0) & ~0xffull;
}

static void count(struct htab_node *node, void *arg)
{
	assert_true(container_of(node, struct item, node)->in);
	++*(size_t *)arg;
}

static void test_against_array(void **state _unused_)
{
	struct item *items = calloc(N, sizeof(*items));
	struct htab t = {0};
	size_t in = 0, seen = 0;

	assert_non_null(items);
	srand(5);
	for (int i = 0; i < 4 * N; i++) {
		uint32_t key = (uint32_t)rand() % N;
		struct item *it = &items[key];
		struct htab_node *found = htab_find(&t, hash(key), eq, &key);

		it->key = key;
		assert_ptr_equal(found, it->in ? &it->node : NULL);
		if (it->in)
			htab_del(&t, &it->node);
		else
			assert_int_equal(htab_add(&t, &it->node, hash(key)), 0);
		it->in = !it->in;
		in += it->in ? 1 : (size_t)-1;
		assert_int_equal(t.n, in);
	}
	htab_each(&t, count, &seen);
	assert_int_equal(seen, in);
	for (struct htab_node *n; (n = htab_any(&t)); in--)
		htab_del(&t, n);
	assert_int_equal(in, 0);
	htab_done(&t);
	free(items);
}

static void test_empty(void **state _unused_)
{
	struct htab t = {0};
	struct item it = {.key = 1};

	assert_null(htab_any(&t));
	assert_null(htab_find(&t, 1, eq, &it.key));
	htab_del(&t, &it.node);
	htab_done(&t);
}

static void del_one(struct htab_node *node, void *arg)
{
	htab_del(arg, node);
	free(container_of(node, struct item, node));
}

static void test_delete_while_walking(void **state _unused_)
{
	struct htab t = {0};

	for (uint32_t i = 0; i < 1000; i++) {
		struct item *it = calloc(1, sizeof(*it));

		assert_non_null(it);
		it->key = i;
		assert_int_equal(htab_add(&t, &it->node, hash(i)), 0);
	}
	htab_each(&t, del_one, &t);
	assert_int_equal(t.n, 0);
	htab_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_array),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_delete_while_walking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
