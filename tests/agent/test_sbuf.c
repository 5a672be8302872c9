// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The growing buffer: its text, and what it does when it cannot grow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "sbuf.h"

static void test_growth(void **state _unused_)
{
	_cleanup_sbuf_ struct sbuf b = SBUF_INIT;
	static char big[5000];

	memset(big, 'x', sizeof(big) - 1);
	for (int i = 0; i < 100; i++)
		sbuf_printf(&b, "%s", big);
	assert_true(sbuf_ok(&b));
	assert_int_equal(b.len, 100 * (sizeof(big) - 1));
	assert_int_equal(strlen(b.data), b.len);
	sbuf_reset(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
}

static void test_error_sticks(void **state _unused_)
{
	_cleanup_sbuf_ struct sbuf b = SBUF_INIT;

	sbuf_puts(&b, "before");
	sbuf_add(&b, "x", SIZE_MAX / 2);
	assert_false(sbuf_ok(&b));
	sbuf_puts(&b, "after");
	assert_string_equal(b.data, "before");
	sbuf_reset(&b);
	assert_true(sbuf_ok(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_error_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
