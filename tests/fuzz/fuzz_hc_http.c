// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzz entry of the HTTP answer parser. The first byte of the input chooses
 * the check (method, wanted text) and how the rest is cut into reads. The
 * verdict must be one that the parser may give, and must not depend on the cuts.
 *
 *	clang -g -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iagent -I. -Itests/lib \
 *		tests/fuzz/fuzz_hc_http.c agent/hc_http_parse.c agent/hc_check.c agent/addr.c
 *
 * tests/agent/test_hc_http_fuzz.c replays the corpus, and runs without a fuzzer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hc_http_parse.h"

#define WANT_LONG "aabaaabaaabaab"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A condition's frame with the given strings, decoded. */
static struct hc_check *make_check(const char *method, const char *body)
{
	uint64_t frame[96] = {0};
	struct msg_hc_cond *m = (struct msg_hc_cond *)frame;
	char *at = (char *)(m + 1);
	struct hc_check *c = NULL;
	const char *what;

	m->target.b[15] = 1;
	m->port = 80;
	m->type = MSG_HC_HTTP;
	m->interval_ms = m->timeout_ms = 1000;
	m->rise = m->fall = 1;
	m->method_len = (uint16_t)strlen(method);
	m->body_len = (uint16_t)strlen(body);
	memcpy(at, method, strlen(method));
	/* The NUL of the method, the path and the host. */
	memcpy(at + strlen(method) + 3, body, strlen(body));
	at += strlen(method) + 3 + strlen(body) + 4;
	if (hc_check_new(frame, (size_t)(at - (char *)frame), &c, &what) < 0)
		abort();
	return c;
}

struct verdict {
	enum msg_hc_reason reason;
	uint32_t detail;
};

/* Reads of `piece` bytes each, then the end. */
static struct verdict run(const struct hc_check *c, const uint8_t *data, size_t size, size_t piece)
{
	struct hc_http_parser ps;

	hc_http_parser_init(&ps, c);
	for (size_t at = 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		if (hc_http_feed(&ps, data + at, n))
			return (struct verdict){ps.reason, ps.detail};
	}
	hc_http_eof(&ps);
	return (struct verdict){ps.reason, ps.detail};
}

static void expect_legal(struct verdict v)
{
	switch (v.reason) {
	case MSG_HC_OK:
	case MSG_HC_BODY:
	case MSG_HC_CLOSED:
		if (v.detail)
			abort();
		return;
	case MSG_HC_STATUS:
		if (v.detail < 100 || v.detail > 999 || (v.detail >= 200 && v.detail <= 299))
			abort();
		return;
	case MSG_HC_BAD_ANSWER:
		if (v.detail == HC_HTTP_BAD_NONE || v.detail > HC_HTTP_BAD_SIZE)
			abort();
		return;
	default:
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hc_check *checks[4];
	struct verdict whole, pieces;
	const struct hc_check *c;

	if (!checks[0]) {
		checks[0] = make_check("GET", "");
		checks[1] = make_check("GET", "ok");
		checks[2] = make_check("GET", WANT_LONG);
		checks[3] = make_check("HEAD", "");
	}
	if (!size)
		return 0;
	c = checks[data[0] & 3];
	whole = run(c, data + 1, size - 1, size);
	expect_legal(whole);
	pieces = run(c, data + 1, size - 1, (size_t)(data[0] >> 2) % 16 + 1);
	if (pieces.reason != whole.reason || pieces.detail != whole.detail) {
		fprintf(stderr, "whole %d/%u, pieces %d/%u\n", whole.reason, whole.detail,
			pieces.reason, pieces.detail);
		abort();
	}
	return 0;
}
