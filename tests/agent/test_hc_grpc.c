// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The gRPC check: its request, as a server reads it; answers made of frames, whole and
 * byte by byte; and probes of servers on loopback.
 */
#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guard.h"
#include "hc_fixture.h"
#include "hc_grpc_call.h"
#include "hc_http_parse.h"
#include "hc_server.h"
#include "util.h"

/* ---- frames (RFC 9113, 4.1); lengths below 256 ---- */

#define SETTINGS		"\0\0\0\x04\0\0\0\0\0"
#define FRAME(len, type, flags) "\0\0" len type flags "\0\0\0\1"
#define DATA(len)		FRAME(len, "\0", "\0")
#define HEADERS_200		FRAME("\x01", "\x01", "\x04") "\x88"
#define HEADERS_404_END		FRAME("\x01", "\x01", "\x05") "\x8d"
#define TRAILERS(n)		FRAME("\x0f", "\x01", "\x05") "\0\x0bgrpc-status\x01" n
/* :status 200 and grpc-status at once, as a server does that knows no such service. */
#define ONLY_TRAILERS(n) FRAME("\x10", "\x01", "\x05") "\x88\0\x0bgrpc-status\x01" n
#define MESSAGE(status)	 DATA("\x07") "\0\0\0\0\x02\x08" status

#define ANSWER(bytes)	 .answer = (bytes), .len = sizeof(bytes) - 1

static const struct {
	const char *name;
	const char *answer;
	size_t len;
	enum msg_hc_reason reason; /* at the end of the connection, if not before */
	uint32_t detail;
} table[] = {
	{"serving", ANSWER(SETTINGS HEADERS_200 MESSAGE("\1") TRAILERS("0"))},
	{"not serving", ANSWER(SETTINGS HEADERS_200 MESSAGE("\2") TRAILERS("0")),
	 MSG_HC_NOT_SERVING, 2},
	{"unknown", ANSWER(SETTINGS HEADERS_200 MESSAGE("\0") TRAILERS("0")), MSG_HC_NOT_SERVING},
	{"unknown, by default",
	 ANSWER(SETTINGS HEADERS_200 DATA("\x05") "\0\0\0\0\0" TRAILERS("0")), MSG_HC_NOT_SERVING},
	{"another field before it",
	 ANSWER(SETTINGS HEADERS_200 DATA("\x0b") "\0\0\0\0\x06\x12\2xy\x08\1" TRAILERS("0"))},
	{"no such service", ANSWER(SETTINGS ONLY_TRAILERS("5")), MSG_HC_GRPC_STATUS, 5},
	{"a status after the answer", ANSWER(SETTINGS HEADERS_200 MESSAGE("\1") TRAILERS("8")),
	 MSG_HC_GRPC_STATUS, 8},
	{"no gRPC there", ANSWER(SETTINGS HEADERS_404_END), MSG_HC_STATUS, 404},
	{"no grpc-status",
	 ANSWER(SETTINGS HEADERS_200 FRAME("\x07", "\0", "\1") "\0\0\0\0\x02\x08\1"),
	 MSG_HC_BAD_ANSWER, HC_HTTP_BAD_GRPC},
	{"a grpc-status that is no number",
	 ANSWER(SETTINGS HEADERS_200 MESSAGE("\1") TRAILERS("x")), MSG_HC_BAD_ANSWER,
	 HC_HTTP_BAD_GRPC},
	{"no message", ANSWER(SETTINGS HEADERS_200 TRAILERS("0")), MSG_HC_BAD_ANSWER,
	 HC_HTTP_BAD_GRPC},
	{"a compressed message",
	 ANSWER(SETTINGS HEADERS_200 DATA("\x07") "\1\0\0\0\x02\x08\1" TRAILERS("0")),
	 MSG_HC_BAD_ANSWER, HC_HTTP_BAD_GRPC},
	{"a message shorter than it says",
	 ANSWER(SETTINGS HEADERS_200 DATA("\x07") "\0\0\0\0\x03\x08\1" TRAILERS("0")),
	 MSG_HC_BAD_ANSWER, HC_HTTP_BAD_GRPC},
	{"a field that is cut",
	 ANSWER(SETTINGS HEADERS_200 DATA("\x07") "\0\0\0\0\x02\x08\xff" TRAILERS("0")),
	 MSG_HC_BAD_ANSWER, HC_HTTP_BAD_GRPC},
	{"a string longer than the rest",
	 ANSWER(SETTINGS HEADERS_200 DATA("\x07") "\0\0\0\0\x02\x12\x7f" TRAILERS("0")),
	 MSG_HC_BAD_ANSWER, HC_HTTP_BAD_GRPC},
	{"the stream is reset", ANSWER(SETTINGS FRAME("\4", "\3", "\0") "\0\0\0\2"), MSG_HC_RESET},
	{"going away", ANSWER(SETTINGS "\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0"), MSG_HC_CLOSED},
	{"no end", ANSWER(SETTINGS HEADERS_200 MESSAGE("\1")), MSG_HC_CLOSED},
	{"nothing", ANSWER(""), MSG_HC_CLOSED},
	{"settings only", ANSWER(SETTINGS), MSG_HC_CLOSED},
	{"HTTP/1.1", ANSWER("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
	 MSG_HC_BAD_ANSWER, HC_HTTP_BAD_H2},
	{"no settings first", ANSWER(HEADERS_200 MESSAGE("\1") TRAILERS("0")), MSG_HC_BAD_ANSWER,
	 HC_HTTP_BAD_H2},
	{"a table index that is none", ANSWER(SETTINGS FRAME("\x01", "\x01", "\x04") "\xff\xff"),
	 MSG_HC_BAD_ANSWER, HC_HTTP_BAD_H2},
};

static void drain(struct hc_grpc_call *call)
{
	const uint8_t *out;

	while (hc_grpc_call_output(call, &out) > 0)
		;
}

static struct hc_grpc_call *call_new(const struct hc_check *c)
{
	struct hc_grpc_call *call;
	struct addr to;

	assert_int_equal(addr_parse("192.0.2.1", &to), 0);
	assert_int_equal(hc_grpc_call_new(c, &to, &call), 0);
	drain(call);
	return call;
}

static enum msg_hc_reason feed(const struct hc_check *c, const char *data, size_t len, size_t piece,
			       uint32_t *ret_detail)
{
	struct hc_grpc_call *call = call_new(c);
	enum msg_hc_reason reason;

	for (size_t at = 0; at < len && !hc_grpc_call_over(call); at += piece) {
		size_t n = MIN2(piece, len - at);
		void *in = guard_copy(data + at, n);

		hc_grpc_call_input(call, in, n);
		guard_free(in, n);
		drain(call);
	}
	if (!hc_grpc_call_over(call))
		hc_grpc_call_eof(call);
	reason = hc_grpc_call_verdict(call, ret_detail);
	hc_grpc_call_free(call);
	return reason;
}

static void test_answers(void **state _unused_)
{
	struct hc_check *c = hc_fixture_check(&(struct hc_fixture){.type = MSG_HC_GRPC});

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		for (size_t piece = 1; piece <= table[i].len + 1; piece += table[i].len / 3 + 1) {
			uint32_t detail;
			enum msg_hc_reason r =
				feed(c, table[i].answer, table[i].len, piece, &detail);

			if (r != table[i].reason || detail != table[i].detail)
				fail_msg("%s by %zu: %d/%u", table[i].name, piece, r, detail);
		}
	}
	hc_check_free(c);
}

/* Every cut, and bytes at random: some verdict, and no memory touched that is not its own. */
static void test_damage(void **state _unused_)
{
	struct hc_check *c = hc_fixture_check(&(struct hc_fixture){.type = MSG_HC_GRPC});
	char buf[128];
	uint32_t detail;

	srand(1);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		for (size_t cut = 0; cut < table[i].len; cut++)
			feed(c, table[i].answer, cut, cut + 1, &detail);
		for (unsigned int k = 0; table[i].len && k < 200; k++) {
			memcpy(buf, table[i].answer, table[i].len);
			buf[(size_t)rand() % table[i].len] = (char)rand();
			feed(c, buf, table[i].len, table[i].len, &detail);
		}
	}
	hc_check_free(c);
}

/* Pings without end are answers to nothing. */
static void test_limit(void **state _unused_)
{
	static const char ping[] = "\0\0\x08\x06\0\0\0\0\0pingping";
	struct hc_check *c = hc_fixture_check(&(struct hc_fixture){.type = MSG_HC_GRPC});
	struct hc_grpc_call *call = call_new(c);
	unsigned int n = 0;
	uint32_t detail;

	assert_false(hc_grpc_call_input(call, SETTINGS, 9));
	while (!hc_grpc_call_input(call, ping, sizeof(ping) - 1)) {
		drain(call);
		assert_true(n++ <= HC_GRPC_WIRE_MAX / (sizeof(ping) - 1));
	}
	assert_int_equal(hc_grpc_call_verdict(call, &detail), MSG_HC_BAD_ANSWER);
	assert_int_equal(detail, HC_HTTP_BAD_SIZE);
	hc_grpc_call_free(call);
	hc_check_free(c);
}

/* ---- the request, as nghttp2 reads it at the other end ---- */

struct request {
	char path[64], authority[64], content[64];
	uint8_t body[2048];
	size_t len;
	bool ended;
};

static int on_header(nghttp2_session *h2 _unused_, const nghttp2_frame *frame _unused_,
		     const uint8_t *name, size_t name_len _unused_, const uint8_t *value,
		     size_t value_len, uint8_t flags _unused_, void *user)
{
	struct request *rq = user;
	char *to = strcmp((const char *)name, ":path") == 0	     ? rq->path
		   : strcmp((const char *)name, ":authority") == 0   ? rq->authority
		   : strcmp((const char *)name, "content-type") == 0 ? rq->content
								     : NULL;

	assert_true(value_len < sizeof(rq->path));
	if (to)
		memcpy(to, value, value_len);
	return 0;
}

static int on_data(nghttp2_session *h2 _unused_, uint8_t flags _unused_, int32_t stream _unused_,
		   const uint8_t *data, size_t len, void *user)
{
	struct request *rq = user;

	assert_true(rq->len + len <= sizeof(rq->body));
	memcpy(rq->body + rq->len, data, len);
	rq->len += len;
	return 0;
}

static int on_frame(nghttp2_session *h2 _unused_, const nghttp2_frame *frame, void *user)
{
	struct request *rq = user;

	rq->ended |= frame->hd.type == NGHTTP2_DATA && frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	return 0;
}

static void read_request(const struct hc_fixture *f, const char *target, struct request *rq)
{
	struct hc_check *c = hc_fixture_check(f);
	nghttp2_session_callbacks *cb;
	struct hc_grpc_call *call;
	nghttp2_session *server;
	const uint8_t *out;
	struct addr to;
	ssize_t n;

	memset(rq, 0, sizeof(*rq));
	assert_int_equal(addr_parse(target, &to), 0);
	assert_int_equal(hc_grpc_call_new(c, &to, &call), 0);
	assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	assert_int_equal(nghttp2_session_server_new(&server, cb, rq), 0);
	nghttp2_session_callbacks_del(cb);
	while ((n = hc_grpc_call_output(call, &out)) > 0)
		assert_int_equal(nghttp2_session_mem_recv(server, out, (size_t)n), n);
	nghttp2_session_del(server);
	hc_grpc_call_free(call);
	hc_check_free(c);
}

static void test_request(void **state _unused_)
{
	struct hc_fixture f = {.type = MSG_HC_GRPC, .port = 50051};
	char service[301] = {0};
	struct request rq;

	read_request(&f, "192.0.2.1", &rq);
	assert_string_equal(rq.path, "/grpc.health.v1.Health/Check");
	assert_string_equal(rq.authority, "192.0.2.1:50051");
	assert_string_equal(rq.content, "application/grpc");
	assert_true(rq.ended);
	assert_int_equal(rq.len, 5);
	assert_memory_equal(rq.body, "\0\0\0\0\0", 5);

	read_request(&f, "2001:db8::1", &rq);
	assert_string_equal(rq.authority, "[2001:db8::1]:50051");

	f.host = "a.example";
	f.path = "pkg.Service";
	read_request(&f, "192.0.2.1", &rq);
	assert_string_equal(rq.authority, "a.example");
	assert_int_equal(rq.len, 5 + 13);
	assert_memory_equal(rq.body, "\0\0\0\0\x0d\x0a\x0bpkg.Service", 5 + 13);

	/* A length of two bytes. */
	memset(service, 's', 300);
	f.path = service;
	read_request(&f, "192.0.2.1", &rq);
	assert_int_equal(rq.len, 5 + 3 + 300);
	assert_memory_equal(rq.body, "\0\0\0\x01\x2f\x0a\xac\x02ss", 10);
}

/* ---- on the wire ---- */

static struct msg_hc_result probe(const struct hc_server_spec *spec, uint32_t timeout_ms)
{
	struct hc_server *s = hc_server_start(spec);
	struct msg_hc_result r;

	r = hc_fixture_probe(&(struct hc_fixture){.type = MSG_HC_GRPC,
						  .target = spec->v6 ? "::1" : "127.0.0.1",
						  .port = hc_server_port(s),
						  .timeout_ms = timeout_ms},
			     NULL);
	hc_server_stop(s);
	return r;
}

static void test_servers(void **state _unused_)
{
	struct msg_hc_result r;

	for (size_t i = 0; i < ARRAY_SIZE(table) * 2; i++) {
		bool v6 = i % 2;

		r = probe(&(struct hc_server_spec){.mode = HC_SERVER_ANSWER,
						   .v6 = v6,
						   .answer = table[i / 2].answer,
						   .answer_len = table[i / 2].len},
			  3000);
		/* A server that closes with our goodbye unread resets the connection. */
		if (r.reason == MSG_HC_RESET && table[i / 2].reason == MSG_HC_CLOSED)
			continue;
		if (r.reason != table[i / 2].reason || r.detail != table[i / 2].detail)
			fail_msg("%s: %d/%u", table[i / 2].name, r.reason, r.detail);
	}
	r = probe(&(struct hc_server_spec){.mode = HC_SERVER_HANG}, 100);
	assert_int_equal(r.reason, MSG_HC_TIMEOUT);
	assert_int_equal(r.detail, MSG_HC_PHASE_ANSWER);
	r = probe(&(struct hc_server_spec){.mode = HC_SERVER_FLOOD, .answer = "HTTP", .again = "x"},
		  3000);
	assert_int_equal(r.reason, MSG_HC_BAD_ANSWER);
	r = hc_fixture_probe(
		&(struct hc_fixture){.type = MSG_HC_GRPC, .port = hc_server_free_port(false)},
		NULL);
	assert_int_equal(r.reason, MSG_HC_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers), cmocka_unit_test(test_damage),
		cmocka_unit_test(test_limit),	cmocka_unit_test(test_request),
		cmocka_unit_test(test_servers),
	};

	return cmocka_run_group_tests_name("hc_grpc", tests, NULL, NULL);
}
