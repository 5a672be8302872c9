// SPDX-License-Identifier: GPL-2.0-or-later
/* The allocator of ring extents, against a plain map of which slot is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ring.h"
#include "util.h"

static void test_alloc_and_merge(void **state _unused_)
{
	struct ring_pool p;
	uint32_t a, b, c;

	assert_int_equal(ring_pool_init(&p, 30), 0);
	assert_int_equal(ring_pool_alloc(&p, 9, &a), 0);
	assert_int_equal(ring_pool_alloc(&p, 10, &b), 0);
	assert_int_equal(ring_pool_alloc(&p, 10, &c), 0);
	assert_int_equal(a, 0);
	assert_int_equal(b, 10);
	assert_int_equal(c, 20);
	assert_int_equal(p.used, 30);
	assert_int_equal(ring_pool_alloc(&p, 1, &a), -ENOSPC);
	ring_pool_free(&p, 0, 9);
	ring_pool_free(&p, 20, 10);
	assert_int_equal(p.n_free, 2);
	assert_int_equal(ring_pool_alloc(&p, 11, &a), -ENOSPC);
	ring_pool_free(&p, 10, 10);
	assert_int_equal(p.n_free, 1);
	assert_int_equal(p.used, 0);
	assert_int_equal(ring_pool_alloc(&p, 30, &a), 0);
	assert_int_equal(a, 0);
	ring_pool_done(&p);
}

static void test_limits(void **state _unused_)
{
	struct ring_pool p;
	uint32_t a;

	assert_int_equal(ring_pool_init(&p, 0), 0);
	assert_int_equal(ring_pool_alloc(&p, 2, &a), -ENOSPC);
	ring_pool_done(&p);
	assert_int_equal(ring_pool_init(&p, 7), 0);
	assert_int_equal(ring_pool_alloc(&p, 7, &a), -ENOSPC);
	assert_int_equal(ring_pool_alloc(&p, 0, &a), -ENOSPC);
	assert_int_equal(ring_pool_alloc(&p, UINT32_MAX, &a), -ENOSPC);
	assert_int_equal(ring_pool_alloc(&p, 6, &a), 0);
	ring_pool_done(&p);
}

static void test_take(void **state _unused_)
{
	struct ring_pool p;
	uint32_t a;

	assert_int_equal(ring_pool_init(&p, 100), 0);
	assert_int_equal(ring_pool_take(&p, 10, 7), 0);
	assert_int_equal(ring_pool_take(&p, 16, 2), -EEXIST);
	assert_int_equal(ring_pool_take(&p, 8, 4), -EEXIST);
	assert_int_equal(ring_pool_take(&p, 0, 100), -EEXIST);
	assert_int_equal(ring_pool_take(&p, 11, 2), -EINVAL);
	assert_int_equal(ring_pool_take(&p, 98, 3), -EINVAL);
	assert_int_equal(ring_pool_take(&p, 4000000000u, 3), -EINVAL);
	assert_int_equal(ring_pool_take(&p, 20, 0), -EINVAL);
	assert_int_equal(ring_pool_take(&p, 0, UINT32_MAX), -EINVAL);
	assert_int_equal(ring_pool_take(&p, 98, 2), 0);
	assert_int_equal(ring_pool_alloc(&p, 11, &a), 0);
	assert_int_equal(a, 18);
	ring_pool_free(&p, 10, 7);
	assert_int_equal(ring_pool_alloc(&p, 18, &a), 0);
	assert_int_equal(a, 0);
	ring_pool_done(&p);
}

#define SLOTS 4096u
#define HELD  300u

static void test_random_history(void **state _unused_)
{
	struct ring_extent held[HELD];
	bool taken[SLOTS] = {};
	struct ring_pool p;
	size_t n = 0;

	srand(1);
	assert_int_equal(ring_pool_init(&p, SLOTS), 0);
	for (int step = 0; step < 20000; step++) {
		uint32_t size = 1 + (uint32_t)rand() % 41, base;

		if (n < HELD && rand() % 2 && ring_pool_alloc(&p, size, &base) == 0) {
			assert_int_equal(base % 2, 0);
			for (uint32_t s = base; s < base + size; s++) {
				assert_true(s < SLOTS);
				assert_false(taken[s]);
				taken[s] = true;
			}
			held[n++] = (struct ring_extent){base, size};
			if (size > 2 && n < HELD && rand() % 2) {
				uint32_t first = 2 + (uint32_t)rand() % (size - 2) / 2 * 2;

				assert_int_equal(ring_pool_split(&p), 0);
				held[n - 1].size = first;
				held[n++] = (struct ring_extent){base + first, size - first};
			}
		} else if (n) {
			size_t i = (size_t)rand() % n;

			ring_pool_free(&p, held[i].base, held[i].size);
			memset(taken + held[i].base, 0, held[i].size);
			held[i] = held[--n];
		}
		assert_true(p.n_free <= n + 1);
		assert_int_equal(p.n_used, n);
	}
	while (n) {
		n--;
		ring_pool_free(&p, held[n].base, held[n].size);
	}
	assert_int_equal(p.n_free, 1);
	assert_int_equal(p.used, 0);
	ring_pool_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc_and_merge),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_random_history),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
