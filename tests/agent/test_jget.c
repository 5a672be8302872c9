// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Checked access to JSON: absent keys, wrong types, edges of ranges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "guard.h"
#include "jget.h"

static char why[128];
static struct jerr err = {.text = why, .len = sizeof(why)};

static struct json_object *parse(const char *json)
{
	struct json_object *o = NULL;
	char *in = guard_copy(json, strlen(json));

	why[0] = '\0';
	if (jget_parse(in, strlen(json), &o, &err) < 0)
		fail_msg("%s: %s", json, why);
	guard_free(in, strlen(json));
	return o;
}

static void test_parse(void **state _unused_)
{
	static const char *const good[] = {"{}",   " [1] \n", "3",     "-1.5e3",
					   "true", "null",    "\"x\"", "{\"a\":{\"b\":[]}}"};
	static const char *const bad[] = {"",
					  " ",
					  "{",
					  "{}{}",
					  "[1,]",
					  "{a:1}",
					  "01",
					  "nul",
					  "\"\\x\"",
					  "\"\xff\"",
					  "\"\xc1\xbc\"",
					  "\"\xed\xa0\x80\"",
					  "\"\\\u00e4\"",
					  "[\u00e4]",
					  "[1] x",
					  "/**/{}",
					  "[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		json_object_put(parse(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct json_object *o = NULL;
		char *in = guard_copy(bad[i], strlen(bad[i]));

		why[0] = '\0';
		if (jget_parse(in, strlen(bad[i]), &o, &err) != -EINVAL || !why[0])
			fail_msg("%s", bad[i]);
		assert_null(o);
		guard_free(in, strlen(bad[i]));
	}
}

/* What is beyond ASCII comes through unchanged: two, three and four bytes, next to escapes. */
static void test_beyond_ascii(void **state _unused_)
{
	_cleanup_json_ struct json_object *o =
		parse("{\"\u00e4\":\"\\\\\u20ac \U0001f600\\n\u07ff\"}");
	const char *text = "";

	assert_int_equal(jget_str(o, "\u00e4", 64, &text, &err), 0);
	assert_string_equal(text, "\\\u20ac \U0001f600\n\u07ff");
}

static void test_numbers(void **state _unused_)
{
	_cleanup_json_ struct json_object *o =
		parse("{\"n\":5,\"big\":18446744073709551615,\"neg\":-1,\"f\":1.0,\"s\":\"5\","
		      "\"nil\":null,\"t\":true}");
	uint64_t n = 77;

	assert_int_equal(jget_u64(o, "none", 1, 2, &n, &err), 0);
	assert_int_equal(jget_u64(o, "nil", 1, 2, &n, &err), 0);
	assert_int_equal(n, 77);
	assert_int_equal(jget_u64(o, "n", 5, 5, &n, &err), 0);
	assert_int_equal(n, 5);
	assert_int_equal(jget_u64(o, "big", 0, UINT64_MAX, &n, &err), 0);
	assert_int_equal(n, UINT64_MAX);
	assert_int_equal(jget_u64(o, "n", 6, 9, &n, &err), -EINVAL);
	assert_string_equal(why, "n must be from 6 to 9");
	/* The first reason stays. */
	assert_int_equal(jget_u64(o, "neg", 0, 9, &n, &err), -EINVAL);
	assert_string_equal(why, "n must be from 6 to 9");
	assert_int_equal(jget_u64(o, "n", 1, 4, &n, NULL), -EINVAL);
	assert_int_equal(jget_u64(o, "neg", 0, 9, &n, NULL), -EINVAL);
	assert_int_equal(jget_u64(o, "f", 0, 9, &n, NULL), -EINVAL);
	assert_int_equal(jget_u64(o, "s", 0, 9, &n, NULL), -EINVAL);
	assert_int_equal(jget_u64(o, "t", 0, 9, &n, NULL), -EINVAL);
	assert_int_equal(n, UINT64_MAX);
}

static void test_strings(void **state _unused_)
{
	static const char *const names[] = {"up", "down"};
	_cleanup_json_ struct json_object *o =
		parse("{\"s\":\"abc\",\"nul\":\"a\\u0000b\",\"n\":3,\"e\":\"down\"}");
	const char *s = "default";
	int e = -1;

	assert_int_equal(jget_str(o, "none", 3, &s, &err), 0);
	assert_string_equal(s, "default");
	assert_int_equal(jget_str(o, "s", 2, &s, NULL), -EINVAL);
	assert_int_equal(jget_str(o, "nul", 9, &s, NULL), -EINVAL);
	assert_int_equal(jget_str(o, "n", 9, &s, NULL), -EINVAL);
	assert_string_equal(s, "default");
	assert_int_equal(jget_str(o, "s", 3, &s, &err), 0);
	assert_string_equal(s, "abc");
	assert_int_equal(jget_enum(o, "none", names, 2, &e, &err), 0);
	assert_int_equal(e, -1);
	assert_int_equal(jget_enum(o, "e", names, 2, &e, &err), 0);
	assert_int_equal(e, 1);
	assert_int_equal(jget_enum(o, "s", names, 2, &e, &err), -EINVAL);
	assert_string_equal(why, "s must be one of: up, down");
}

static void test_containers(void **state _unused_)
{
	_cleanup_json_ struct json_object *o = parse("{\"a\":[1,2],\"o\":{},\"b\":true}");
	struct json_object *v = NULL;
	bool b = false;

	assert_int_equal(jget_array(o, "a", 1, &v, &err), -EINVAL);
	assert_string_equal(why, "a holds more than 1 elements");
	assert_int_equal(jget_array(o, "o", 1, &v, NULL), -EINVAL);
	assert_null(v);
	assert_int_equal(jget_array(o, "a", 2, &v, NULL), 0);
	assert_int_equal(json_object_array_length(v), 2);
	assert_int_equal(jget_object(o, "a", &v, NULL), -EINVAL);
	assert_int_equal(jget_object(o, "o", &v, NULL), 0);
	assert_int_equal(jget_bool(o, "a", &b, NULL), -EINVAL);
	assert_int_equal(jget_bool(o, "b", &b, NULL), 0);
	assert_true(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),	   cmocka_unit_test(test_beyond_ascii),
		cmocka_unit_test(test_numbers),	   cmocka_unit_test(test_strings),
		cmocka_unit_test(test_containers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
