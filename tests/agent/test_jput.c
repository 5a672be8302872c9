// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writing JSON: every kind of value, strings that anybody may have sent, and
 * what happens when there is no memory, wherever that is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "jget.h"
#include "jput.h"

static int allowed = -1; /* allocations of json-c's that are granted; -1: all */

static bool grant(void)
{
	if (allowed > 0)
		allowed--;
	return allowed != 0;
}

/* The linker sends jput.c's calls here (wrap.mk). */
#define WRAPPED(name, params, args)                                                                \
	struct json_object *__real_##name params;                                                  \
	struct json_object *__wrap_##name params;                                                  \
	struct json_object *__wrap_##name params                                                   \
	{                                                                                          \
		return grant() ? __real_##name args : NULL;                                        \
	}

WRAPPED(json_object_new_object, (void), ())
WRAPPED(json_object_new_array, (void), ())
WRAPPED(json_object_new_uint64, (uint64_t i), (i))
WRAPPED(json_object_new_boolean, (json_bool b), (b))
WRAPPED(json_object_new_string, (const char *s), (s))

static void write_all(struct jput_doc *d)
{
	struct jput b = jput_begin(d), list;
	struct addr a;

	assert_int_equal(addr_parse("192.0.2.1", &a), 0);
	jput_u64(b, "n", UINT64_MAX);
	jput_str(b, "path", "/v1");
	jput_bool(b, "t", true);
	list = jput_array(b, "list");
	for (uint64_t i = 0; i < 2; i++)
		jput_u64(list, NULL, i);
	jput_str(jput_object(list, NULL), "odd", "ends in [");
	jput_object(b, "none");
	jput_addr(b, "a", &a);
	jput_prefix(b, "p", &a, 127);
}

static void test_values(void **state _unused_)
{
	_cleanup_jput_ struct jput_doc d = JPUT_INIT, other = JPUT_INIT;
	char *text;
	size_t len;

	write_all(&d);
	text = jput_text(&d, &len);
	assert_string_equal(text, "{\"n\":18446744073709551615,\"path\":\"/v1\",\"t\":true,"
				  "\"list\":[0,1,{\"odd\":\"ends in [\"}],\"none\":{},"
				  "\"a\":\"192.0.2.1\",\"p\":\"192.0.2.1/31\"}\n");
	assert_int_equal(len, strlen(text));
	jput_share(&other, &d);
	jput_done(&d);
	free(text);
	text = jput_text(&other, &len);
	assert_non_null(strstr(text, "\"p\":\"192.0.2.1/31\"}\n"));
	free(text);
	/* Begun again, it is empty. */
	jput_begin(&other);
	text = jput_text(&other, &len);
	assert_string_equal(text, "{}\n");
	free(text);
}

/* Whichever allocation fails: no text, and no half of one. */
static void test_no_memory(void **state _unused_)
{
	_cleanup_jput_ struct jput_doc d = JPUT_INIT;
	size_t len;
	int n = 1;

	for (;; n++) {
		char *text;

		allowed = n;
		write_all(&d);
		text = jput_text(&d, &len);
		if (text) {
			free(text);
			break;
		}
		assert_true(d.failed);
	}
	allowed = -1;
	/* It takes twelve. */
	assert_int_equal(n, 13);
}

static void test_strings(void **state _unused_)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{"", "\"\""},
		{"plain", "\"plain\""},
		{"a\"b\\c", "\"a\\\"b\\\\c\""},
		{"\n\r\t\x01\x1f", "\"\\n\\r\\t\\u0001\\u001f\""},
		{"\x7f", "\"\x7f\""},
		{"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
		 "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\""},
		/* Not UTF-8: alone, cut, over-long, surrogate, past the end. */
		{"\xff", "\"\xef\xbf\xbd\""},
		{"\xc3", "\"\xef\xbf\xbd\""},
		{"\xc3(", "\"\xef\xbf\xbd(\""},
		{"ok\xc0\xaf", "\"ok\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_jput_ struct jput_doc d = JPUT_INIT;
		_cleanup_free_ char *text = NULL;
		char want[64];
		size_t len;

		jput_str(jput_begin(&d), "s", t[i].in);
		text = jput_text(&d, &len);
		snprintf(want, sizeof(want), "{\"s\":%s}\n", t[i].out);
		assert_string_equal(text, want);
	}
}

/* Whatever bytes go in, a strict parser takes what comes out. */
static void test_random_strings_are_json(void **state _unused_)
{
	srand(3);
	for (int i = 0; i < 2000; i++) {
		_cleanup_jput_ struct jput_doc d = JPUT_INIT;
		_cleanup_json_ struct json_object *o = NULL;
		_cleanup_free_ char *out = NULL;
		char text[16];
		size_t len = (size_t)rand() % sizeof(text);

		for (size_t j = 0; j < len; j++)
			text[j] = (char)(1 + rand() % 255);
		text[len] = '\0';
		jput_str(jput_begin(&d), "s", text);
		out = jput_text(&d, &len);
		assert_non_null(out);
		assert_int_equal(jget_parse(out, len, &o, NULL), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_random_strings_are_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
