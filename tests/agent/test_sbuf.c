// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The text buffer: growth, commas, and strings that anybody may have sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "jget.h"
#include "sbuf.h"

static void test_commas(void **state _unused_)
{
	_cleanup_sbuf_ struct sbuf b = SBUF_INIT;
	struct addr a;

	assert_int_equal(addr_parse("192.0.2.1", &a), 0);
	sbuf_puts(&b, "{");
	sbuf_kv_u64(&b, "n", UINT64_MAX);
	sbuf_kv_str(&b, "odd", "ends in [");
	sbuf_kv_bool(&b, "t", true);
	sbuf_key(&b, "list");
	sbuf_puts(&b, "[");
	for (int i = 0; i < 3; i++) {
		sbuf_item(&b);
		sbuf_printf(&b, "%d", i);
	}
	sbuf_puts(&b, "]");
	sbuf_key(&b, "none");
	sbuf_puts(&b, "{}");
	sbuf_kv_addr(&b, "a", &a);
	sbuf_puts(&b, "}");
	assert_string_equal(b.data, "{\"n\":18446744073709551615,\"odd\":\"ends in [\",\"t\":true,"
				    "\"list\":[0,1,2],\"none\":{},\"a\":\"192.0.2.1\"}");
}

static void test_strings(void **state _unused_)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{"", "\"\""},
		{"plain", "\"plain\""},
		{"a\"b\\c", "\"a\\\"b\\\\c\""},
		{"\n\r\t\x01\x1f", "\"\\u000a\\u000d\\u0009\\u0001\\u001f\""},
		{"\x7f", "\"\x7f\""},
		{"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
		 "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\""},
		/* Not UTF-8: alone, cut, over-long, surrogate, past the end. */
		{"\xff", "\"\\ufffd\""},
		{"\xc3", "\"\\ufffd\""},
		{"\xc3(", "\"\\ufffd(\""},
		{"\xc0\xaf", "\"\\ufffd\\ufffd\""},
		{"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
		{"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_sbuf_ struct sbuf b = SBUF_INIT;

		sbuf_json_str(&b, t[i].in);
		if (strcmp(b.data, t[i].out) != 0)
			fail_msg("%s for %s", b.data, t[i].out);
	}
}

/* Whatever bytes go in, a strict parser takes what comes out. */
static void test_random_strings_are_json(void **state _unused_)
{
	srand(3);
	for (int i = 0; i < 2000; i++) {
		_cleanup_sbuf_ struct sbuf b = SBUF_INIT;
		_cleanup_json_ struct json_object *o = NULL;
		char text[16];
		size_t len = (size_t)rand() % sizeof(text);

		for (size_t j = 0; j < len; j++)
			text[j] = (char)(1 + rand() % 255);
		text[len] = '\0';
		sbuf_json_str(&b, text);
		assert_int_equal(jget_parse(b.data, b.len, &o, NULL), 0);
	}
}

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
		cmocka_unit_test(test_commas),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_random_strings_are_json),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_error_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
