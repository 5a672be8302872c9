// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The health engine's hash tables: what is in them can be found, through growth
 * and removal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "hc_tab.h"
#include "util.h"

#define N 5000u

struct item {
	struct hc_tab_node node;
	uint64_t key;
};

static struct item items[N];

static uint64_t hash_of(uint64_t key)
{
	return hc_tab_hash(&key, sizeof(key));
}

static uint64_t item_hash(const struct hc_tab_node *node)
{
	return hash_of(container_of(node, struct item, node)->key);
}

static uint64_t same_hash(const struct hc_tab_node *node _unused_)
{
	return 42;
}

static bool has(const struct hc_tab *t, uint64_t hash, uint64_t key)
{
	const struct hc_tab_node *node = *hc_tab_chain(t, hash);

	for (; node; node = node->next)
		if (container_of(node, struct item, node)->key == key)
			return true;
	return false;
}

static void test_found(void **state _unused_)
{
	struct hc_tab t;

	assert_int_equal(hc_tab_init(&t, item_hash), 0);
	for (uint64_t i = 0; i < N; i++) {
		items[i].key = i;
		hc_tab_add(&t, &items[i].node);
	}
	assert_int_equal(t.n, N);
	assert_true((size_t)1 << t.bits >= N);
	for (uint64_t i = 0; i < 2 * N; i++)
		assert_int_equal(has(&t, hash_of(i), i), i < N);
	for (uint64_t i = 0; i < N; i += 2)
		hc_tab_del(&t, &items[i].node);
	assert_int_equal(t.n, N / 2);
	for (uint64_t i = 0; i < N; i++)
		assert_int_equal(has(&t, hash_of(i), i), i % 2);
	hc_tab_done(&t);
}

/* Slow, but right. */
static void test_one_chain(void **state _unused_)
{
	struct hc_tab t;

	assert_int_equal(hc_tab_init(&t, same_hash), 0);
	for (uint64_t i = 0; i < 300; i++) {
		items[i].key = i;
		hc_tab_add(&t, &items[i].node);
	}
	hc_tab_del(&t, &items[0].node);
	hc_tab_del(&t, &items[299].node);
	hc_tab_del(&t, &items[150].node);
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(has(&t, 42, i), i != 0 && i != 150 && i != 299);
	hc_tab_done(&t);
}

/* Neighbouring addresses and ids do not share chains. */
static void test_hash_spreads(void **state _unused_)
{
	unsigned int seen[256] = {0};

	for (uint64_t i = 0; i < 25600; i++)
		seen[hash_of(i) >> 56]++;
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
		assert_in_range(seen[i], 50, 160);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_one_chain),
		cmocka_unit_test(test_hash_spreads),
	};

	return cmocka_run_group_tests_name("hc_tab", tests, NULL, NULL);
}
