// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Decoding of conditions: defaults, bounds, frames that do not add up.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hc_check.h"
#include "hc_fixture.h"
#include "util.h"

static uint64_t frame[HC_FIXTURE_FRAME_MAX / 8];

static const struct hc_fixture http = {
	.id = 1,
	.type = MSG_HC_HTTP,
	.method = "HEAD",
	.path = "/healthz",
	.host = "a.example",
	.body = "ok",
	.sni = "b.example",
};

static void test_defaults(void **state _unused_)
{
	struct hc_fixture f = {.type = MSG_HC_HTTP};
	struct hc_check *c = hc_fixture_check(&f);

	assert_string_equal(c->method, "GET");
	assert_string_equal(c->path, "/");
	assert_string_equal(c->host, "");
	assert_string_equal(c->body, "");
	assert_string_equal(c->sni, "");
	assert_true(hc_check_status_ok(c, 200));
	assert_true(hc_check_status_ok(c, 299));
	assert_false(hc_check_status_ok(c, 199));
	assert_false(hc_check_status_ok(c, 300));
	hc_check_free(c);
	hc_check_free(NULL);
}

static void test_fields(void **state _unused_)
{
	struct hc_fixture f = http;
	struct hc_check *c;

	f.n_status = 2;
	f.status[0] = (struct msg_status_range){200, 200};
	f.status[1] = (struct msg_status_range){304, 399};
	c = hc_fixture_check(&f);
	assert_string_equal(c->method, "HEAD");
	assert_string_equal(c->path, "/healthz");
	assert_string_equal(c->host, "a.example");
	assert_string_equal(c->body, "ok");
	assert_int_equal(c->body_len, 2);
	assert_string_equal(c->sni, "b.example");
	assert_true(hc_check_status_ok(c, 200));
	assert_false(hc_check_status_ok(c, 201));
	assert_true(hc_check_status_ok(c, 350));
	hc_check_free(c);
}

static char *repeat(char ch, size_t n)
{
	char *s = malloc(n + 1);

	assert_non_null(s);
	memset(s, ch, n);
	s[n] = '\0';
	return s;
}

static int decode(size_t len, const char **ret_what)
{
	struct hc_check *c = NULL;
	/* Frames are aligned to 8, which the guard page is not for any length: the
	 * sanitizer watches the end of this copy. */
	_cleanup_free_ void *in = malloc(len ? len : 1);
	int r;

	assert_non_null(in);
	memcpy(in, frame, len);
	r = hc_check_new(in, len, &c, ret_what);
	if (r == 0)
		hc_check_free(c);
	else
		assert_null(c);
	return r;
}

static void expect_bad(const struct hc_fixture *f, const char *field)
{
	const char *what = "nothing";

	assert_int_equal(decode(hc_fixture_frame(f, frame), &what), -EINVAL);
	assert_string_equal(what, field);
}

static void test_bad_values(void **state _unused_)
{
	static const struct {
		const char *field;
		const char *method, *path, *host, *sni;
	} bad[] = {
		{.field = "method", .method = "POST"},
		{.field = "method", .method = "GET / HTTP/1.1\r\n"},
		{.field = "path", .path = "healthz"},
		{.field = "path", .path = "/a b"},
		{.field = "path", .path = "/\r\nX: y"},
		{.field = "path", .path = "/\x7f"},
		{.field = "host", .host = "a\nb"},
		{.field = "host", .host = "a b"},
		{.field = "sni", .sni = "a\tb"},
	};
	_cleanup_free_ char *long_path = repeat('/', HC_STRING_MAX + 1);
	_cleanup_free_ char *long_name = repeat('a', HC_NAME_MAX + 1);
	struct hc_fixture f;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		f = (struct hc_fixture){.type = MSG_HC_HTTP};
		f.method = bad[i].method;
		f.path = bad[i].path;
		f.host = bad[i].host;
		f.sni = bad[i].sni;
		expect_bad(&f, bad[i].field);
	}
	f = (struct hc_fixture){.type = MSG_HC_HTTP, .path = long_path};
	expect_bad(&f, "path");
	f = (struct hc_fixture){.type = MSG_HC_HTTP, .body = long_path};
	expect_bad(&f, "body");
	f = (struct hc_fixture){.type = MSG_HC_HTTPS, .host = long_name};
	expect_bad(&f, "host");
	f = (struct hc_fixture){.type = MSG_HC_HTTPS, .sni = long_name};
	expect_bad(&f, "sni");
	f = (struct hc_fixture){.type = MSG_HC_HTTP, .n_status = 1, .status = {{300, 200}}};
	expect_bad(&f, "status");
	f = (struct hc_fixture){.type = MSG_HC_HTTP, .n_status = 1, .status = {{99, 200}}};
	expect_bad(&f, "status");
	f = (struct hc_fixture){.type = MSG_HC_HTTP, .n_status = MSG_HC_STATUS_RANGES + 1};
	expect_bad(&f, "status");
	f = (struct hc_fixture){.type = MSG_HC_TCP, .interval_ms = HC_INTERVAL_MIN_MS - 1};
	expect_bad(&f, "interval");
	f = (struct hc_fixture){.type = MSG_HC_TCP, .interval_ms = HC_INTERVAL_MAX_MS + 1};
	expect_bad(&f, "interval");
	f = (struct hc_fixture){.type = MSG_HC_TCP, .timeout_ms = HC_TIMEOUT_MAX_MS + 1};
	expect_bad(&f, "timeout");
	f = (struct hc_fixture){.type = MSG_HC_TCP, .dscp = 64};
	expect_bad(&f, "dscp");
	f = (struct hc_fixture){.type = MSG_HC_TCP, .device = "sixteen-letters-"};
	expect_bad(&f, "device");
	f = (struct hc_fixture){.type = MSG_HC_TCP, .source = "::1"};
	expect_bad(&f, "source");
	f = (struct hc_fixture){.type = MSG_HC_TCP, .dest = "2001:db8::1", .source = "127.0.0.1"};
	expect_bad(&f, "source");
	f = (struct hc_fixture){.type = MSG_HC_HTTP, .body_max = HC_BODY_LIMIT + 1};
	expect_bad(&f, "body");
	f = (struct hc_fixture){.type = MSG_HC_UDP, .payload = long_path};
	expect_bad(&f, "payload");
	f = (struct hc_fixture){.type = MSG_HC_TYPES};
	expect_bad(&f, "type");
	f = (struct hc_fixture){.type = MSG_HC_TCP, .target = "0.0.0.0"};
	expect_bad(&f, "target");
	f = (struct hc_fixture){.type = MSG_HC_TCP, .initial = MSG_HC_DOWN + 1};
	expect_bad(&f, "initial");
}

static void test_zero_values(void **state _unused_)
{
	static const struct hc_fixture tcp = {.type = MSG_HC_TCP};
	struct msg_hc_cond *m = (struct msg_hc_cond *)frame;
	const char *what = "nothing";
	size_t len;

	len = hc_fixture_frame(&tcp, frame);
	m->port = 0;
	assert_int_equal(decode(len, &what), -EINVAL);
	assert_string_equal(what, "port");
	hc_fixture_frame(&tcp, frame);
	m->timeout_ms = 0;
	assert_int_equal(decode(len, &what), -EINVAL);
	assert_string_equal(what, "timeout");
	hc_fixture_frame(&tcp, frame);
	m->rise = 0;
	assert_int_equal(decode(len, &what), -EINVAL);
	assert_string_equal(what, "rise");
	hc_fixture_frame(&tcp, frame);
	m->fall = 0;
	assert_int_equal(decode(len, &what), -EINVAL);
	assert_string_equal(what, "fall");
}

static void test_limits_are_allowed(void **state _unused_)
{
	_cleanup_free_ char *path = repeat('/', HC_STRING_MAX);
	_cleanup_free_ char *name = repeat('a', HC_NAME_MAX);
	struct hc_fixture f = {
		.type = MSG_HC_HTTPS,
		.path = path,
		.body = path,
		.host = name,
		.sni = name,
		.interval_ms = HC_INTERVAL_MIN_MS,
		.timeout_ms = HC_TIMEOUT_MAX_MS,
	};

	hc_check_free(hc_fixture_check(&f));
}

/* Every cut, and lengths that do not fit what follows. */
static void test_frames_that_do_not_add_up(void **state _unused_)
{
	struct msg_hc_cond *m = (struct msg_hc_cond *)frame;
	size_t len = hc_fixture_frame(&http, frame);
	const char *what;

	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(decode(cut, &what), -EPROTO);
	assert_int_equal(decode(len, &what), 0);
	assert_int_equal(decode(len + 1, &what), -EPROTO);
	m->path_len++;
	assert_int_equal(decode(len, &what), -EPROTO);
	m->path_len = UINT16_MAX;
	assert_int_equal(decode(len, &what), -EPROTO);
	m->path_len = 0;
	assert_int_equal(decode(len, &what), -EPROTO);
	hc_fixture_frame(&http, frame);
	/* A NUL inside of a string. */
	((char *)(m + 1))[6] = '\0';
	assert_int_equal(decode(len, &what), -EPROTO);
}

static void expect_another(const struct hc_check *a, const struct hc_fixture *f)
{
	struct hc_check *b = hc_fixture_check(f);

	assert_false(hc_check_same_probe(a, b));
	assert_true(hc_check_same_timing(a, b));
	hc_check_free(b);
}

static void test_same(void **state _unused_)
{
	struct hc_check *a = hc_fixture_check(&http), *b;
	struct hc_fixture f;

	f = http;
	f.id = 2;
	b = hc_fixture_check(&f);
	assert_true(hc_check_same_probe(a, b) && hc_check_same_timing(a, b));
	hc_check_free(b);

	f = http;
	f.fall = 9;
	b = hc_fixture_check(&f);
	assert_true(hc_check_same_probe(a, b) && !hc_check_same_timing(a, b));
	hc_check_free(b);

	f = http;
	f.verify = true;
	b = hc_fixture_check(&f);
	assert_true(!hc_check_same_probe(a, b) && hc_check_same_timing(a, b));
	hc_check_free(b);

	f = http;
	f.sni = "c.example";
	expect_another(a, &f);
	f = http;
	f.dest = "192.0.2.1";
	expect_another(a, &f);
	f = http;
	f.source = "127.0.0.1";
	expect_another(a, &f);
	f = http;
	f.device = "lo";
	expect_another(a, &f);
	f = http;
	f.dscp = 46;
	expect_another(a, &f);
	f = http;
	f.flags = MSG_HC_F_RESUME;
	expect_another(a, &f);
	f = http;
	f.body_max = 1000;
	expect_another(a, &f);
	f = http;
	f.body = "ok, more";
	expect_another(a, &f);
	f = http;
	f.payload = "x";
	expect_another(a, &f);
	hc_check_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_zero_values),
		cmocka_unit_test(test_limits_are_allowed),
		cmocka_unit_test(test_frames_that_do_not_add_up),
		cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests_name("hc_check", tests, NULL, NULL);
}
