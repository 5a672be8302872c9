// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The HTTP check against servers on loopback that behave, and some that do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "hc_fixture.h"
#include "hc_http.h"
#include "hc_http_parse.h"
#include "hc_server.h"
#include "util.h"

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nall is ok"

static struct msg_hc_result probe(struct hc_server *s, const struct hc_fixture *how)
{
	struct hc_fixture f = *how;

	f.type = MSG_HC_HTTP;
	f.port = hc_server_port(s);
	return hc_fixture_probe(&f, NULL);
}

static void test_good(void **state _unused_)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct hc_server *s =
			hc_server_start(&(struct hc_server_spec){.v6 = v6, .answer = OK_ANSWER});
		struct msg_hc_result r;

		r = probe(s, &(struct hc_fixture){.target = v6 ? "::1" : "127.0.0.1",
						  .timeout_ms = 1000,
						  .body = "is ok"});
		assert_int_equal(r.reason, MSG_HC_OK);
		assert_int_equal(r.state, MSG_HC_UP);
		assert_in_range(r.latency_us, 1, 1000000);
		hc_server_stop(s);
	}
}

static void test_request_as_sent(void **state _unused_)
{
	struct hc_server *s = hc_server_start(&(struct hc_server_spec){.answer = OK_ANSWER});

	probe(s, &(struct hc_fixture){.method = "HEAD",
				      .path = "/healthz?x=1",
				      .host = "a.example:8080",
				      .timeout_ms = 1000});
	hc_server_join(s);
	assert_string_equal(hc_server_request(s), "HEAD /healthz?x=1 HTTP/1.1\r\n"
						  "Host: a.example:8080\r\n"
						  "User-Agent: nlb-agent\r\n"
						  "Accept: */*\r\n"
						  "Connection: close\r\n"
						  "\r\n");
	assert_int_equal(hc_server_accepted(s), 1);
	hc_server_stop(s);
}

static void test_host_by_default(void **state _unused_)
{
	static const struct {
		enum msg_hc_type type;
		const char *target;
		uint16_t port;
		const char *line;
	} table[] = {
		{MSG_HC_HTTP, "192.0.2.1", 80, "\r\nHost: 192.0.2.1\r\n"},
		{MSG_HC_HTTP, "192.0.2.1", 8080, "\r\nHost: 192.0.2.1:8080\r\n"},
		{MSG_HC_HTTP, "255.100.10.9", 65535, "\r\nHost: 255.100.10.9:65535\r\n"},
		{MSG_HC_HTTP, "192.0.2.1", 1, "\r\nHost: 192.0.2.1:1\r\n"},
		{MSG_HC_HTTP, "192.0.2.1", 443, "\r\nHost: 192.0.2.1:443\r\n"},
		{MSG_HC_HTTPS, "192.0.2.1", 443, "\r\nHost: 192.0.2.1\r\n"},
		{MSG_HC_HTTP, "2001:db8::1", 80, "\r\nHost: [2001:db8::1]\r\n"},
		{MSG_HC_HTTPS, "2001:db8::1", 8443, "\r\nHost: [2001:db8::1]:8443\r\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct hc_check *c = hc_fixture_check(&(struct hc_fixture){
			.type = table[i].type, .target = table[i].target, .port = table[i].port});
		char buf[HC_HTTP_REQUEST_MAX];
		struct addr to;
		size_t len;

		assert_int_equal(addr_parse(table[i].target, &to), 0);
		len = hc_http_request(c, &to, buf);

		assert_int_equal(len, strlen(buf));
		assert_non_null(strstr(buf, table[i].line));
		hc_check_free(c);
	}
}

/* The longest that a condition may ask for still fits. */
static void test_longest_request(void **state _unused_)
{
	char path[HC_STRING_MAX + 1], host[HC_NAME_MAX + 1], buf[HC_HTTP_REQUEST_MAX];
	struct hc_check *c;
	struct addr to;
	size_t len;

	assert_int_equal(addr_parse("192.0.2.1", &to), 0);
	memset(path, '/', HC_STRING_MAX);
	path[HC_STRING_MAX] = '\0';
	memset(host, 'a', HC_NAME_MAX);
	host[HC_NAME_MAX] = '\0';
	c = hc_fixture_check(&(struct hc_fixture){.type = MSG_HC_HTTP, .path = path, .host = host});
	len = hc_http_request(c, &to, buf);
	assert_true(len < HC_HTTP_REQUEST_MAX);
	assert_string_equal(buf + len - 4, "\r\n\r\n");
	hc_check_free(c);
}

static void test_refused(void **state _unused_)
{
	struct msg_hc_result r;

	r = hc_fixture_probe(
		&(struct hc_fixture){.type = MSG_HC_HTTP, .port = hc_server_free_port(false)},
		NULL);
	assert_int_equal(r.reason, MSG_HC_REFUSED);
}

/* Each server, what is wanted of it, and what must come of it. */
static const struct {
	const char *name;
	struct hc_server_spec server;
	const char *body;
	enum msg_hc_reason reason;
	uint32_t detail;
} table[] = {
	{.name = "503",
	 .server = {.answer = "HTTP/1.1 503 Out\r\n\r\n"},
	 .reason = MSG_HC_STATUS,
	 .detail = 503},
	{.name = "redirect is not followed",
	 .server = {.answer = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"},
	 .reason = MSG_HC_STATUS,
	 .detail = 302},
	{.name = "wrong body",
	 .server = {.answer = OK_ANSWER},
	 .body = "is fine",
	 .reason = MSG_HC_BODY},
	{.name = "head, then silence",
	 .server = {.mode = HC_SERVER_STAY,
		    .answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"},
	 .reason = MSG_HC_OK},
	{.name = "head, then silence, body wanted",
	 .server = {.mode = HC_SERVER_STAY,
		    .answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall"},
	 .body = "ok",
	 .reason = MSG_HC_TIMEOUT,
	 .detail = MSG_HC_PHASE_ANSWER},
	{.name = "found, connection stays",
	 .server = {.mode = HC_SERVER_STAY, .answer = "HTTP/1.1 200 OK\r\n\r\nall is ok"},
	 .body = "ok",
	 .reason = MSG_HC_OK},
	{.name = "length longer than the body",
	 .server = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhello"},
	 .body = "ok",
	 .reason = MSG_HC_CLOSED},
	{.name = "closes without a word", .reason = MSG_HC_CLOSED},
	{.name = "closes in the head",
	 .server = {.answer = "HTTP/1.1 200 OK\r\nA:"},
	 .reason = MSG_HC_CLOSED},
	{.name = "resets without a word",
	 .server = {.mode = HC_SERVER_RESET},
	 .reason = MSG_HC_RESET},
	{.name = "accepts and hangs",
	 .server = {.mode = HC_SERVER_HANG},
	 .reason = MSG_HC_TIMEOUT,
	 .detail = MSG_HC_PHASE_ANSWER},
	{.name = "one byte at a time, for ever",
	 .server = {.mode = HC_SERVER_DRIP, .answer = "HTTP/1.1 200 OK\r\nA: "},
	 .reason = MSG_HC_TIMEOUT,
	 .detail = MSG_HC_PHASE_ANSWER},
	{.name = "endless headers",
	 .server = {.mode = HC_SERVER_FLOOD, .answer = "HTTP/1.1 200 OK\r\n", .again = "A: b\r\n"},
	 .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_HEAD},
	{.name = "endless header line",
	 .server = {.mode = HC_SERVER_FLOOD,
		    .answer = "HTTP/1.1 200 OK\r\nA:",
		    .again = "xxxxxxxxxxxxxxxx"},
	 .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_LINE},
	{.name = "endless body",
	 .server = {.mode = HC_SERVER_FLOOD,
		    .answer = "HTTP/1.1 200 OK\r\n\r\n",
		    .again = "xxxxxxxxxxxxxxxx"},
	 .body = "ok",
	 .reason = MSG_HC_BODY},
	{.name = "endless interim answers",
	 .server = {.mode = HC_SERVER_FLOOD, .again = "HTTP/1.1 100 Continue\r\n\r\n"},
	 .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_HEAD},
	{.name = "binary garbage",
	 .server = {.mode = HC_SERVER_SPEAK, .answer = "\x16\x03\x01\x7f\x01"},
	 .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_PROTOCOL},
	{.name = "another protocol's greeting",
	 .server = {.mode = HC_SERVER_SPEAK, .answer = "220 mail.example ESMTP\r\n"},
	 .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_PROTOCOL},
};

static void test_servers(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		/* Where a timeout is what is expected, it need not be long. */
		uint32_t timeout_ms = table[i].reason == MSG_HC_TIMEOUT ? 60 : 2000;
		struct hc_server *s = hc_server_start(&table[i].server);
		struct msg_hc_result r;

		r = probe(s, &(struct hc_fixture){.body = table[i].body, .timeout_ms = timeout_ms});
		if (r.reason != table[i].reason || r.detail != table[i].detail)
			fail_msg("%s: %d/%u", table[i].name, r.reason, r.detail);
		assert_int_equal(r.state, r.reason == MSG_HC_OK ? MSG_HC_UP : MSG_HC_DOWN);
		hc_server_stop(s);
	}
}

static void test_accepted_status(void **state _unused_)
{
	struct hc_server *s = hc_server_start(
		&(struct hc_server_spec){.answer = "HTTP/1.1 404 Not Found\r\n\r\n"});
	struct hc_fixture f = {.n_status = 2, .status = {{200, 299}, {404, 404}}};

	assert_int_equal(probe(s, &f).reason, MSG_HC_OK);
	f.n_status = 1;
	assert_int_equal(probe(s, &f).reason, MSG_HC_STATUS);
	hc_server_stop(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_request_as_sent),
		cmocka_unit_test(test_host_by_default),
		cmocka_unit_test(test_longest_request),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_accepted_status),
	};

	return cmocka_run_group_tests_name("hc_http", tests, NULL, NULL);
}
