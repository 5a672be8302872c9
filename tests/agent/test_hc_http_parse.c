// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The HTTP answer parser: a table of answers and verdicts, each fed whole, byte
 * by byte and in pieces, against a guard page; and the limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guard.h"
#include "hc_fixture.h"
#include "hc_http_parse.h"
#include "util.h"

#define H200 "HTTP/1.1 200 OK\r\n"
#define TE   "Transfer-Encoding: chunked\r\n"
#define EOFV 1 /* the verdict comes with the end */
#define NOW  2 /* the verdict comes before the end */

static const struct {
	const char *name;
	const char *answer;
	const char *want;   /* body; NULL: none */
	const char *method; /* NULL: GET */
	int when;
	enum msg_hc_reason reason;
	uint32_t detail;
} table[] = {
	{"plain", H200 "Content-Length: 5\r\n\r\nhello", .when = NOW},
	{"head only is enough", H200 "Content-Length: 5\r\n\r\n", .when = NOW},
	{"no headers at all", H200 "\r\n", .when = NOW},
	{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n", .when = NOW},
	{"no phrase", "HTTP/1.1 200\r\n\r\n", .when = NOW},
	{"empty phrase", "HTTP/1.1 200 \r\n\r\n", .when = NOW},
	{"phrase in UTF-8", "HTTP/1.1 200 \xc3\xa4\r\n\r\n", .when = NOW},
	{"LF alone", "HTTP/1.1 200 OK\nA: b\n\n", .when = NOW},
	{"accepted, but no end of headers", H200, .when = EOFV, .reason = MSG_HC_CLOSED},
	{"nothing", "", .when = EOFV, .reason = MSG_HC_CLOSED},
	{"status cut", "HTTP/1.1 20", .when = EOFV, .reason = MSG_HC_CLOSED},

	{"refused status, at its line", "HTTP/1.1 503 x\r\n", .when = NOW, .reason = MSG_HC_STATUS,
	 .detail = 503},
	{"redirect", "HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", .when = NOW,
	 .reason = MSG_HC_STATUS, .detail = 301},
	{"999", "HTTP/1.1 999\r\n", .when = NOW, .reason = MSG_HC_STATUS, .detail = 999},
	{"101 is final", "HTTP/1.1 101 Switching\r\n", .when = NOW, .reason = MSG_HC_STATUS,
	 .detail = 101},

	{"interim", "HTTP/1.1 100 Continue\r\n\r\n" H200 "\r\n", .when = NOW},
	{"interim with headers",
	 "HTTP/1.1 103 Hints\r\nContent-Length: 9\r\n\r\n" H200 "Content-Length: 2\r\n\r\nok", "ok",
	 .when = NOW},
	{"interim only", "HTTP/1.1 100 Continue\r\n\r\n", .when = EOFV, .reason = MSG_HC_CLOSED},

	{"binary", "\x16\x03\x01\x02", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_PROTOCOL},
	{"other protocol", "SSH-2.0-x\r\n", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_PROTOCOL},
	{"empty line first", "\r\n" H200, .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_PROTOCOL},
	{"HTTP/2", "HTTP/2 200\r\n", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_PROTOCOL},
	{"no status", "HTTP/1.1\r\n", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_PROTOCOL},
	{"two digits", "HTTP/1.1 20 OK\r\n", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_PROTOCOL},
	{"four digits", "HTTP/1.1 2000\r\n", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_PROTOCOL},
	{"below 100", "HTTP/1.1 099 x\r\n", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_PROTOCOL},
	{"short line", "HTTP\r\n", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_PROTOCOL},
	{"no colon", H200 "nothing\r\n\r\n", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_HEADER},
	{"blank before colon", H200 "A : b\r\n\r\n", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_HEADER},
	{"no name", H200 ": b\r\n\r\n", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_HEADER},
	{"control character", H200 "A: \x01\r\n\r\n", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_HEADER},
	{"CR alone", H200 "A: b\rc\r\n\r\n", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_HEADER},
	{"folded first line", H200 " a\r\n\r\n", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_HEADER},
	{"folded", H200 "A: b\r\n c\r\n\r\n", .when = NOW},

	{"length no number", H200 "Content-Length: x\r\n\r\n", .when = NOW,
	 .reason = MSG_HC_BAD_ANSWER, .detail = HC_HTTP_BAD_LENGTH},
	{"length empty", H200 "Content-Length:\r\n\r\n", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_LENGTH},
	{"length negative", H200 "Content-Length: -1\r\n\r\n", .when = NOW,
	 .reason = MSG_HC_BAD_ANSWER, .detail = HC_HTTP_BAD_LENGTH},
	{"length overflow", H200 "Content-Length: 18446744073709551617\r\n\r\n", .when = NOW,
	 .reason = MSG_HC_BAD_ANSWER, .detail = HC_HTTP_BAD_LENGTH},
	{"two lengths", H200 "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", .when = NOW,
	 .reason = MSG_HC_BAD_ANSWER, .detail = HC_HTTP_BAD_LENGTH},
	{"the same length twice", H200 "Content-Length: 2\r\ncontent-length: 2 \r\n\r\nok", "ok",
	 .when = NOW},

	{"found", H200 "Content-Length: 9\r\n\r\nall is ok", "is ok", .when = NOW},
	{"found before the end", H200 "Content-Length: 999\r\n\r\nok", "ok", .when = NOW},
	{"not found", H200 "Content-Length: 5\r\n\r\nhello", "ok", .when = NOW,
	 .reason = MSG_HC_BODY},
	{"not beyond the length", H200 "Content-Length: 1\r\n\r\nok", "ok", .when = NOW,
	 .reason = MSG_HC_BODY},
	{"empty body", H200 "Content-Length: 0\r\n\r\n", "ok", .when = NOW, .reason = MSG_HC_BODY},
	{"closed before the length", H200 "Content-Length: 9\r\n\r\nhello", "ok", .when = EOFV,
	 .reason = MSG_HC_CLOSED},
	{"until close", H200 "\r\nall is ok", "ok", .when = NOW},
	{"until close, not found", H200 "\r\nhello", "ok", .when = EOFV, .reason = MSG_HC_BODY},
	{"unknown coding: until close",
	 H200 "Transfer-Encoding: gzip\r\nContent-Length: 1\r\n"
	      "\r\nall is ok",
	 "ok", .when = NOW},
	{"no body: HEAD", H200 "Content-Length: 2\r\n\r\nok", "ok", "HEAD", .when = NOW,
	 .reason = MSG_HC_BODY},
	{"no body: 204", "HTTP/1.1 204 x\r\n\r\nok", "ok", .when = NOW, .reason = MSG_HC_BODY},
	{"text with its own beginning in it", H200 "\r\naabaabaaab", "aabaaab", .when = NOW},
	{"text in the headers does not count", H200 "X: ok\r\nContent-Length: 1\r\n\r\nx", "ok",
	 .when = NOW, .reason = MSG_HC_BODY},

	{"chunked", H200 TE "\r\n5\r\nall i\r\n4\r\ns ok\r\n0\r\n\r\n", "is ok", .when = NOW},
	{"chunked with extension", H200 TE "\r\n2 ; a=\"b\"\r\nok\r\n0\r\n\r\n", "ok", .when = NOW},
	{"chunked in any case", H200 "TRANSFER-ENCODING: gzip, CHUNKED\r\n\r\n2\r\nok\r\n", "ok",
	 .when = NOW},
	{"chunked beats length", H200 "Content-Length: 1\r\n" TE "\r\n2\r\nok\r\n", "ok",
	 .when = NOW},
	{"chunk sizes are not the body", H200 TE "\r\n1\r\nx\r\n0\r\n\r\n", "1", .when = NOW,
	 .reason = MSG_HC_BODY},
	{"trailers", H200 TE "\r\n1\r\nx\r\n0\r\nA: ok\r\n\r\n", "ok", .when = NOW,
	 .reason = MSG_HC_BODY},
	{"bad trailer", H200 TE "\r\n0\r\nnothing\r\n\r\n", "ok", .when = NOW,
	 .reason = MSG_HC_BAD_ANSWER, .detail = HC_HTTP_BAD_HEADER},
	{"no size", H200 TE "\r\n\r\nok", "ok", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_CHUNK},
	{"size no number", H200 TE "\r\nxy\r\nok", "ok", .when = NOW, .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_CHUNK},
	{"size overflow", H200 TE "\r\n10000000000000002\r\nok", "ok", .when = NOW,
	 .reason = MSG_HC_BAD_ANSWER, .detail = HC_HTTP_BAD_CHUNK},
	{"no end of chunk", H200 TE "\r\n1\r\nxok\r\n", "ok", .when = NOW,
	 .reason = MSG_HC_BAD_ANSWER, .detail = HC_HTTP_BAD_CHUNK},
	{"closed in a chunk", H200 TE "\r\n9\r\nx", "ok", .when = EOFV, .reason = MSG_HC_CLOSED},
	{"closed before the last chunk", H200 TE "\r\n1\r\nx\r\n", "ok", .when = EOFV,
	 .reason = MSG_HC_CLOSED},
};

/* Feeds in pieces; returns when the verdict came. */
static int feed_all(struct hc_http_parser *ps, const void *data, size_t len, size_t piece)
{
	const uint8_t *at = data;

	for (size_t i = 0; i < len; i += piece)
		if (hc_http_feed(ps, at + i, MIN2(piece, len - i)))
			return NOW;
	hc_http_eof(ps);
	return EOFV;
}

static void test_table(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct hc_fixture f = {
			.type = MSG_HC_HTTP,
			.body = table[i].want,
			.method = table[i].method,
		};
		struct hc_check *c = hc_fixture_check(&f);
		size_t len = strlen(table[i].answer);
		uint8_t *in = guard_copy(table[i].answer, len);

		for (size_t piece = 1; piece <= MAX2(len, (size_t)1); piece++) {
			struct hc_http_parser ps;
			int when;

			hc_http_parser_init(&ps, c);
			when = feed_all(&ps, in, len, piece);
			if (when != table[i].when || ps.reason != table[i].reason ||
			    ps.detail != table[i].detail)
				fail_msg("%s, by %zu: when %d, reason %d/%u", table[i].name, piece,
					 when, ps.reason, ps.detail);
		}
		guard_free(in, len);
		hc_check_free(c);
	}
}

static struct hc_http_parser parser;
static struct hc_check *check;

static void begin_max(const char *want, uint32_t body_max)
{
	hc_check_free(check);
	check = hc_fixture_check(
		&(struct hc_fixture){.type = MSG_HC_HTTP, .body = want, .body_max = body_max});
	hc_http_parser_init(&parser, check);
}

static void begin(const char *want)
{
	begin_max(want, 0);
}

static int teardown(void **state _unused_)
{
	hc_check_free(check);
	check = NULL;
	return 0;
}

static bool feed(const char *s)
{
	return hc_http_feed(&parser, s, strlen(s));
}

static bool feed_n(char ch, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (hc_http_feed(&parser, &ch, 1))
			return true;
	return false;
}

static void expect_bad(enum hc_http_bad what)
{
	assert_int_equal(parser.reason, MSG_HC_BAD_ANSWER);
	assert_int_equal(parser.detail, what);
}

static void test_line_limit(void **state _unused_)
{
	begin(NULL);
	assert_false(feed(H200 "A:"));
	assert_false(feed_n('x', HC_HTTP_LINE_MAX - 2));
	assert_true(feed("\r\n\r\n"));
	assert_int_equal(parser.reason, MSG_HC_OK);

	begin(NULL);
	assert_false(feed(H200 "A:"));
	assert_false(feed_n('x', HC_HTTP_LINE_MAX - 2));
	assert_true(feed("x"));
	expect_bad(HC_HTTP_BAD_LINE);

	/* A status line without an end. */
	begin(NULL);
	assert_false(feed("HTTP/1.1 200 "));
	assert_true(feed_n('x', HC_HTTP_LINE_MAX));
	expect_bad(HC_HTTP_BAD_LINE);
}

/* Around the length up to which a line is kept. */
static void test_lines_longer_than_what_is_kept(void **state _unused_)
{
	for (size_t len = HC_HTTP_KEEP - 20; len < HC_HTTP_KEEP + 20; len++) {
		/* On the heap, where the sanitizer sees a byte behind it. */
		_cleanup_free_ struct hc_http_parser *ps = malloc(sizeof(*ps));
		char line[HC_HTTP_KEEP + 32];
		bool done;

		assert_non_null(ps);
		begin(NULL);
		hc_http_parser_init(ps, check);
		assert_false(hc_http_feed(ps, H200, strlen(H200)));
		/* One that counts: what is cut off could be part of the number. */
		memset(line, ' ', sizeof(line));
		memcpy(line, "Content-Length:", 15);
		line[len - 1] = '5';
		line[len] = '\n';
		done = hc_http_feed(ps, line, len + 1);
		assert_int_equal(done, len > HC_HTTP_KEEP);
		if (done) {
			assert_int_equal(ps->detail, HC_HTTP_BAD_LENGTH);
			continue;
		}
		/* One that does not, and is all name. */
		memset(line, 'a', sizeof(line));
		line[len - 1] = ':';
		line[len] = '\n';
		assert_false(hc_http_feed(ps, line, len + 1));
		assert_true(hc_http_feed(ps, "\n", 1));
		assert_int_equal(ps->reason, MSG_HC_OK);
	}
}

static void test_header_count_limit(void **state _unused_)
{
	begin(NULL);
	assert_false(feed(H200));
	for (unsigned int i = 0; i < HC_HTTP_HEADER_MAX; i++)
		assert_false(feed("A: b\r\n"));
	assert_true(feed("\r\n"));
	assert_int_equal(parser.reason, MSG_HC_OK);

	begin(NULL);
	assert_false(feed(H200));
	for (unsigned int i = 0; i < HC_HTTP_HEADER_MAX; i++)
		assert_false(feed("A: b\r\n"));
	assert_true(feed("A: b\r\n"));
	expect_bad(HC_HTTP_BAD_HEAD);
}

static void test_head_limit(void **state _unused_)
{
	begin(NULL);
	assert_false(feed(H200));
	for (unsigned int i = 0; i < HC_HTTP_HEAD_MAX / 4096 - 1; i++) {
		assert_false(feed("A:"));
		assert_false(feed_n('x', 4096 - 4));
		assert_false(feed("\r\n"));
	}
	assert_true(feed_n('A', 4096));
	expect_bad(HC_HTTP_BAD_HEAD);

	/* Interim answers without end. */
	begin(NULL);
	for (unsigned int i = 0; i < HC_HTTP_HEAD_MAX / 14; i++)
		assert_false(feed("HTTP/1.1 100\n\n"));
	assert_true(feed("HTTP/1.1 100\n\n"));
	expect_bad(HC_HTTP_BAD_HEAD);
}

static void test_body_limit(void **state _unused_)
{
	static const struct {
		uint32_t body_max, is;
	} rows[] = {{0, HC_BODY_MAX}, {2, 2}, {3, 3}, {1000, 1000}, {300000, 300000}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		/* Wholly within the limit, just so. */
		begin_max("ok", rows[i].body_max);
		assert_false(feed(H200 "\r\n"));
		assert_false(feed_n('x', rows[i].is - 2));
		assert_true(feed("ok"));
		assert_int_equal(parser.reason, MSG_HC_OK);

		begin_max("ok", rows[i].body_max);
		assert_false(feed(H200 "\r\n"));
		assert_false(feed_n('x', rows[i].is - 1));
		assert_true(feed("ok"));
		assert_int_equal(parser.reason, MSG_HC_BODY);
	}
}

static void test_wire_limit(void **state _unused_)
{
	unsigned int n = 0;

	/* Tiny chunks with long extensions: little body, many bytes. */
	begin("ok");
	assert_false(feed(H200 TE "\r\n"));
	for (;;) {
		assert_true(n++ < (HC_BODY_MAX + HC_HTTP_EXTRA_MAX) / 8000 + 1);
		if (feed("1;") || feed_n('x', 8000) || feed("\r\nx\r\n"))
			break;
	}
	expect_bad(HC_HTTP_BAD_SIZE);
	assert_int_equal(parser.wire_bytes, HC_BODY_MAX + HC_HTTP_EXTRA_MAX);
}

/* The search, against strstr. */
static void test_search(void **state _unused_)
{
	srand(1);
	for (unsigned int round = 0; round < 3000; round++) {
		char want[8] = {0}, body[41] = {0};
		size_t n_want = 1 + (size_t)rand() % 6, n_body = (size_t)rand() % 40, piece;

		for (size_t i = 0; i < n_want; i++)
			want[i] = (char)('a' + rand() % 2);
		for (size_t i = 0; i < n_body; i++)
			body[i] = (char)('a' + rand() % 2);
		begin(want);
		piece = 1 + (size_t)rand() % 5;
		assert_false(feed(H200 "\r\n"));
		feed_all(&parser, body, n_body, piece);
		if (parser.reason != (strstr(body, want) ? MSG_HC_OK : MSG_HC_BODY))
			fail_msg("%s in %s by %zu", want, body, piece);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test_teardown(test_line_limit, teardown),
		cmocka_unit_test_teardown(test_lines_longer_than_what_is_kept, teardown),
		cmocka_unit_test_teardown(test_header_count_limit, teardown),
		cmocka_unit_test_teardown(test_head_limit, teardown),
		cmocka_unit_test_teardown(test_body_limit, teardown),
		cmocka_unit_test_teardown(test_wire_limit, teardown),
		cmocka_unit_test_teardown(test_search, teardown),
	};

	return cmocka_run_group_tests_name("hc_http_parse", tests, NULL, NULL);
}
