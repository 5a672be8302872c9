// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The text of results files: both forms, what is refused, and why.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "results_file.h"

static char err[160];

static int parse(struct results_list *l, const char *text)
{
	char *copy = strdup(text);
	int r;

	assert_non_null(copy);
	r = results_file_parse(l, copy, strlen(copy), err, sizeof(err));
	free(copy);
	return r;
}

static void assert_result(const struct core_result *r, const char *vip, uint8_t protocol,
			  uint16_t port, const char *backend, bool down, const char *reason)
{
	char text[ADDR_STRLEN];

	assert_string_equal(addr_str(&r->key.vip, text), vip);
	assert_int_equal(r->key.protocol, protocol);
	assert_int_equal(r->key.port, port);
	assert_string_equal(addr_str(&r->key.backend, text), backend);
	assert_int_equal(r->down, down);
	assert_string_equal(r->reason, reason);
	assert_int_equal(r->key.zero, 0);
}

static void test_lines(void **state _unused_)
{
	struct results_list l = {};

	assert_int_equal(parse(&l, "# by hand\n"
				   "\n"
				   "192.0.2.10 tcp 80 10.0.0.1 down disk \"full\" \t\r\n"
				   "  2001:db8::1\tudp  any 2001:db8::2 up\n"
				   "192.0.2.10 tcp 0 10.0.0.2 down"),
			 0);
	assert_int_equal(l.n, 3);
	assert_result(&l.r[0], "192.0.2.10", IPPROTO_TCP, 80, "10.0.0.1", true, "disk 'full'");
	assert_result(&l.r[1], "2001:db8::1", IPPROTO_UDP, 0, "2001:db8::2", false, "");
	assert_result(&l.r[2], "192.0.2.10", IPPROTO_TCP, 0, "10.0.0.2", true, "");

	/* The list is used again, and a file may say nothing. */
	assert_int_equal(parse(&l, "\n# nothing\n"), 0);
	assert_int_equal(l.n, 0);
	assert_int_equal(parse(&l, ""), 0);
	assert_int_equal(l.n, 0);
	results_list_done(&l);
}

static void test_json(void **state _unused_)
{
	struct results_list l = {};

	assert_int_equal(parse(&l,
			       "\n{\"results\":[{\"vip\":\"192.0.2.10\",\"protocol\":\"tcp\","
			       "\"port\":80,\"backend\":\"10.0.0.1\",\"state\":\"down\","
			       "\"reason\":\"a\\nb\",\"seen_by\":\"x\"},{\"vip\":\"2001:db8::1\","
			       "\"protocol\":\"udp\",\"port\":0,\"backend\":\"10.0.0.2\","
			       "\"state\":\"up\"}]}"),
			 0);
	assert_int_equal(l.n, 2);
	assert_result(&l.r[0], "192.0.2.10", IPPROTO_TCP, 80, "10.0.0.1", true, "a?b");
	assert_result(&l.r[1], "2001:db8::1", IPPROTO_UDP, 0, "10.0.0.2", false, "");
	assert_int_equal(parse(&l, "{\"results\":[]}"), 0);
	assert_int_equal(l.n, 0);
	results_list_done(&l);
}

/* A long one is cut between characters. */
static void test_long_reason(void **state _unused_)
{
	struct results_list l = {};
	char text[256];

	snprintf(text, sizeof(text), "192.0.2.1 tcp 80 10.0.0.1 down %0*d\xc3\xa9\xc3\xa9",
		 CORE_RESULT_REASON_LEN - 2, 0);
	assert_int_equal(parse(&l, text), 0);
	assert_int_equal(strlen(l.r[0].reason), CORE_RESULT_REASON_LEN - 2);
	snprintf(text, sizeof(text), "192.0.2.1 tcp 80 10.0.0.1 down %0*d\xc3\xa9\xc3\xa9",
		 CORE_RESULT_REASON_LEN - 3, 0);
	assert_int_equal(parse(&l, text), 0);
	assert_int_equal(strlen(l.r[0].reason), CORE_RESULT_REASON_LEN - 1);
	results_list_done(&l);
}

static void test_refused(void **state _unused_)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"192.0.2.1 tcp 80 10.0.0.1", "line 1: a line is: VIP PROTO PORT BACKEND"},
		{"\n\n192.0.2 tcp 80 10.0.0.1 down", "line 3: vip must be"},
		{"192.0.2.1 sctp 80 10.0.0.1 down", "line 1: protocol must be"},
		{"192.0.2.1 tcp 65536 10.0.0.1 down", "line 1: port must be"},
		{"192.0.2.1 tcp 99999999999 10.0.0.1 down", "line 1: port must be"},
		{"192.0.2.1 tcp -1 10.0.0.1 down", "line 1: port must be"},
		{"192.0.2.1 tcp 80 10.0.0.1/24 down", "line 1: backend must be"},
		{"192.0.2.1 tcp 80 10.0.0.1 drain", "line 1: state must be"},
		{"{", "cut off"},
		{"{}", "results is missing"},
		{"{\"results\":{}}", "results must be an array"},
		{"{\"results\":[1]}", "results[0]: it must be an object"},
		{"{\"results\":[{}]}", "results[0]: vip must be"},
		{"{\"results\":[{\"vip\":\"192.0.2.1\",\"protocol\":\"tcp\",\"port\":\"80\","
		 "\"backend\":\"10.0.0.1\",\"state\":\"up\"}]}",
		 "results[0]: port must be"},
		{"{\"results\":[{\"vip\":\"192.0.2.1\",\"protocol\":\"tcp\","
		 "\"backend\":\"10.0.0.1\",\"state\":\"up\"}]}",
		 "results[0]: port must be"},
		{"{\"results\":[]} x", "near byte 15"},
	};
	struct results_list l = {};
	char nul[] = "192.0.2.1 tcp 80 10.0.0.1 down\n\0x\n";

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(parse(&l, cases[i].text), -EINVAL);
		if (!strstr(err, cases[i].why))
			fail_msg("\"%s\" is not in \"%s\"", cases[i].why, err);
	}
	assert_int_equal(results_file_parse(&l, nul, sizeof(nul) - 1, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "NUL"));
	results_list_done(&l);
}

static void test_limit(void **state _unused_)
{
	static const char line[] = "192.0.2.1 tcp 80 10.0.0.1 up\n";
	size_t len = (sizeof(line) - 1) * (CORE_RESULTS_MAX + 1);
	char *text = malloc(len + 1), *last = text + len - (sizeof(line) - 1);
	struct results_list l = {};

	assert_non_null(text);
	for (size_t at = 0; at < len; at += sizeof(line) - 1)
		memcpy(text + at, line, sizeof(line) - 1);
	text[len] = '\0';
	assert_int_equal(results_file_parse(&l, text, len, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "more than 262144 results"));
	/* The first pass has split it. */
	for (size_t at = 0; at < len; at += sizeof(line) - 1)
		memcpy(text + at, line, sizeof(line) - 1);
	*last = '\0';
	assert_int_equal(results_file_parse(&l, text, (size_t)(last - text), err, sizeof(err)), 0);
	assert_int_equal(l.n, CORE_RESULTS_MAX);
	results_list_done(&l);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	    cmocka_unit_test(test_json),
		cmocka_unit_test(test_long_reason), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
