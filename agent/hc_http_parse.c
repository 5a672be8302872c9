// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Incremental reading of an HTTP/1.x answer (RFC 9112), as far as a verdict needs it.
 *
 * Lines (status, headers, chunk sizes) are gathered in `line`, of which only
 * the first HC_HTTP_KEEP bytes are kept: what matters is short. The body is
 * not kept at all; the wanted text is searched as it flows by (Knuth, Morris,
 * Pratt), so that it is found across reads and chunks.
 *
 * A status that is not accepted is a verdict at the status line. One that is
 * accepted counts when the headers are whole: a server that hangs after "200 OK"
 * serves nobody. Interim answers (1xx) are skipped; 101 isn't one.
 */
#include <string.h>
#include <strings.h>

#include "hc_http_parse.h"
#include "util.h"

enum state {
	ST_STATUS,
	ST_HEADER,
	ST_BODY,       /* `left` bytes, or until close */
	ST_CHUNK_SIZE, /* the line before a chunk */
	ST_CHUNK,
	ST_CHUNK_END, /* the empty line after it */
	ST_TRAILER,
	ST_DECIDED,
};

static const char *const bad_words[] = {
	[HC_HTTP_BAD_NONE] = "no reason known",	   [HC_HTTP_BAD_PROTOCOL] = "not HTTP/1",
	[HC_HTTP_BAD_HEADER] = "malformed header", [HC_HTTP_BAD_LINE] = "line too long",
	[HC_HTTP_BAD_HEAD] = "too many headers",   [HC_HTTP_BAD_LENGTH] = "bad Content-Length",
	[HC_HTTP_BAD_CHUNK] = "bad chunk",	   [HC_HTTP_BAD_SIZE] = "answer too long",
	[HC_HTTP_BAD_H2] = "not HTTP/2",	   [HC_HTTP_BAD_GRPC] = "not a gRPC answer",
};

const char *hc_http_bad_str(uint32_t bad)
{
	return bad_words[bad < ARRAY_SIZE(bad_words) ? bad : HC_HTTP_BAD_NONE];
}

void hc_http_parser_init(struct hc_http_parser *ps, const struct hc_check *check)
{
	memset(ps, 0, sizeof(*ps));
	ps->check = check;
	ps->state = ST_STATUS;
}

static bool decide(struct hc_http_parser *ps, enum msg_hc_reason reason, uint32_t detail)
{
	ps->reason = reason;
	ps->detail = detail;
	ps->state = ST_DECIDED;
	return true;
}

static bool bad(struct hc_http_parser *ps, enum hc_http_bad what)
{
	return decide(ps, MSG_HC_BAD_ANSWER, what);
}

/* ---- lines: each handler returns true when the verdict is known ---- */

/* "HTTP/1.1 200 OK": the reason phrase may be missing, and the blank before it. */
static bool on_status(struct hc_http_parser *ps)
{
	const char *s = ps->line;
	unsigned int status;

	if (strncmp(s, "HTTP/1.", 7) != 0 || s[7] < '0' || s[7] > '9' || s[8] != ' ')
		return bad(ps, HC_HTTP_BAD_PROTOCOL);
	for (int i = 9; i < 12; i++)
		if (s[i] < '0' || s[i] > '9')
			return bad(ps, HC_HTTP_BAD_PROTOCOL);
	if (s[12] != '\0' && s[12] != ' ')
		return bad(ps, HC_HTTP_BAD_PROTOCOL);
	status = (unsigned int)(s[9] - '0') * 100 + (unsigned int)(s[10] - '0') * 10 +
		 (unsigned int)(s[11] - '0');
	if (status < 100)
		return bad(ps, HC_HTTP_BAD_PROTOCOL);
	ps->status = (uint16_t)status;
	ps->state = ST_HEADER;
	if (status < 200 && status != 101)
		return false;
	if (!hc_check_status_ok(ps->check, status))
		return decide(ps, MSG_HC_STATUS, status);
	return false;
}

/* RFC 9110, 5.6.2. */
static bool is_token(unsigned char ch)
{
	return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
	       (ch && strchr("!#$%&'*+-.^_`|~", ch));
}

/* One Content-Length; a second is tolerated when it says the same (RFC 9110, 8.6). */
static bool on_length(struct hc_http_parser *ps, const char *value)
{
	uint64_t n = 0;
	const char *s = value;

	for (; *s >= '0' && *s <= '9'; s++) {
		if (n > (UINT64_MAX - 9) / 10)
			return bad(ps, HC_HTTP_BAD_LENGTH);
		n = n * 10 + (uint64_t)(*s - '0');
	}
	if (s == value || *s || ps->line_len > HC_HTTP_KEEP || (ps->has_length && n != ps->left))
		return bad(ps, HC_HTTP_BAD_LENGTH);
	ps->has_length = true;
	ps->left = n;
	return false;
}

/* Chunked counts when it is the last coding; any other body ends with the connection. */
static void on_coding(struct hc_http_parser *ps, const char *value)
{
	const char *last = strrchr(value, ',');

	last = last ? last + 1 : value;
	last += strspn(last, " \t");
	ps->chunked = strcasecmp(last, "chunked") == 0;
	ps->until_close = !ps->chunked;
}

static bool on_field(struct hc_http_parser *ps)
{
	char *name = ps->line, *value, *end;
	size_t n = 0;

	if (++ps->n_headers > HC_HTTP_HEADER_MAX)
		return bad(ps, HC_HTTP_BAD_HEAD);
	/* A continued line (RFC 9112, 5.2): what is continued is none that we read. */
	if (name[0] == ' ' || name[0] == '\t')
		return ps->n_headers == 1 ? bad(ps, HC_HTTP_BAD_HEADER) : false;
	while (is_token((unsigned char)name[n]))
		n++;
	/* A name that is longer than what is kept can be none that we read. */
	if (n == HC_HTTP_KEEP && ps->line_len > n)
		return false;
	if (n == 0 || name[n] != ':')
		return bad(ps, HC_HTTP_BAD_HEADER);
	if (ps->state == ST_TRAILER)
		return false;
	name[n] = '\0';
	value = name + n + 1;
	value += strspn(value, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	if (strcasecmp(name, "content-length") == 0)
		return on_length(ps, value);
	if (strcasecmp(name, "transfer-encoding") == 0)
		on_coding(ps, value);
	return false;
}

/* The empty line after the headers: what follows, and is it of interest? */
static bool on_head_end(struct hc_http_parser *ps)
{
	const struct hc_check *c = ps->check;

	if (ps->status < 200 && ps->status != 101) {
		ps->state = ST_STATUS;
		ps->chunked = ps->has_length = ps->until_close = false;
		ps->left = 0;
		return false;
	}
	if (!c->body_len)
		return decide(ps, MSG_HC_OK, 0);
	/* RFC 9112, 6.3: the cases in their order. */
	if (strcmp(c->method, "HEAD") == 0 || ps->status == 101 || ps->status == 204 ||
	    ps->status == 304)
		return decide(ps, MSG_HC_BODY, 0);
	if (ps->chunked) {
		ps->state = ST_CHUNK_SIZE;
		return false;
	}
	if (!ps->has_length)
		ps->until_close = true;
	if (!ps->until_close && !ps->left)
		return decide(ps, MSG_HC_BODY, 0);
	ps->state = ST_BODY;
	return false;
}

static int hex_value(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch |= 0x20;
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* RFC 9112, 7.1: the size in hex; extensions after a semicolon are of no interest. */
static bool on_chunk_size(struct hc_http_parser *ps)
{
	const char *s = ps->line;
	uint64_t n = 0;
	int digits = 0;

	for (; hex_value(*s) >= 0; s++, digits++)
		n = n << 4 | (uint64_t)hex_value(*s);
	if (digits == 0 || digits > 15)
		return bad(ps, HC_HTTP_BAD_CHUNK);
	s += strspn(s, " \t");
	if (*s != '\0' && *s != ';')
		return bad(ps, HC_HTTP_BAD_CHUNK);
	ps->left = n;
	ps->state = n ? ST_CHUNK : ST_TRAILER;
	return false;
}

static bool on_line(struct hc_http_parser *ps)
{
	switch (ps->state) {
	case ST_STATUS:
		return on_status(ps);
	case ST_HEADER:
		return ps->line_len ? on_field(ps) : on_head_end(ps);
	case ST_CHUNK_SIZE:
		return on_chunk_size(ps);
	case ST_CHUNK_END:
		if (ps->line_len)
			return bad(ps, HC_HTTP_BAD_CHUNK);
		ps->state = ST_CHUNK_SIZE;
		return false;
	default: /* ST_TRAILER; the wanted text would have been found by now */
		return ps->line_len ? on_field(ps) : decide(ps, MSG_HC_BODY, 0);
	}
}

/* ---- bytes ---- */

/* What a line of this state consists of; for a wrong byte there is no need to wait. */
static bool byte_ok(const struct hc_http_parser *ps, unsigned char ch)
{
	static const char start[] = "HTTP/1.";

	if (ps->state == ST_STATUS && ps->line_len < sizeof(start) - 1)
		return ch == (unsigned char)start[ps->line_len];
	return ch == '\t' || (ch >= 0x20 && ch != 0x7f);
}

static enum hc_http_bad byte_bad(const struct hc_http_parser *ps)
{
	switch (ps->state) {
	case ST_STATUS:
		return HC_HTTP_BAD_PROTOCOL;
	case ST_CHUNK_SIZE:
	case ST_CHUNK_END:
		return HC_HTTP_BAD_CHUNK;
	default:
		return HC_HTTP_BAD_HEADER;
	}
}

/*
 * Takes bytes up to the end of the line at most. A CR is held back as the
 * last byte of the line, and is only right before the LF; an LF alone ends a
 * line too (RFC 9112, 2.2).
 */
static bool feed_line(struct hc_http_parser *ps, const unsigned char **at, const unsigned char *end)
{
	bool head = ps->state == ST_STATUS || ps->state == ST_HEADER || ps->state == ST_TRAILER;

	while (*at < end) {
		unsigned char ch = *(*at)++;

		if (head && ++ps->head_bytes > HC_HTTP_HEAD_MAX)
			return bad(ps, HC_HTTP_BAD_HEAD);
		if (ch == '\n') {
			bool done;

			if (ps->state == ST_STATUS && ps->line_len < 7)
				return bad(ps, HC_HTTP_BAD_PROTOCOL);
			ps->line[MIN2(ps->line_len, HC_HTTP_KEEP)] = '\0';
			ps->cr = false;
			done = on_line(ps);
			ps->line_len = 0;
			return done;
		}
		if (ps->cr || (ch != '\r' && !byte_ok(ps, ch)))
			return bad(ps, byte_bad(ps));
		if (ch == '\r') {
			ps->cr = true;
			continue;
		}
		if (ps->line_len < HC_HTTP_KEEP)
			ps->line[ps->line_len] = (char)ch;
		if (++ps->line_len > HC_HTTP_LINE_MAX)
			return bad(ps, HC_HTTP_BAD_LINE);
	}
	return false;
}

/* Searches a piece of the body. True when the whole wanted text has gone by. */
static bool search(struct hc_http_parser *ps, const unsigned char *data, size_t len)
{
	const unsigned char *want = (const unsigned char *)ps->check->body;
	const uint16_t *next = ps->check->body_next;
	size_t k = ps->matched;

	for (size_t i = 0; i < len; i++) {
		while (k && data[i] != want[k])
			k = next[k - 1];
		if (data[i] == want[k] && ++k == ps->check->body_len)
			return true;
	}
	ps->matched = (uint16_t)k;
	return false;
}

static bool feed_body(struct hc_http_parser *ps, const unsigned char **at, const unsigned char *end)
{
	size_t n = (size_t)(end - *at);

	if (ps->state == ST_CHUNK || !ps->until_close)
		n = (size_t)MIN2((uint64_t)n, ps->left);
	n = MIN2(n, (size_t)(ps->check->body_max - ps->body_bytes));
	if (search(ps, *at, n))
		return decide(ps, MSG_HC_OK, 0);
	*at += n;
	ps->body_bytes += (uint32_t)n;
	if (ps->body_bytes == ps->check->body_max)
		return decide(ps, MSG_HC_BODY, 0);
	if (ps->state == ST_BODY && ps->until_close)
		return false;
	ps->left -= n;
	if (ps->left)
		return false;
	if (ps->state == ST_BODY)
		return decide(ps, MSG_HC_BODY, 0);
	ps->state = ST_CHUNK_END;
	return false;
}

bool hc_http_feed(struct hc_http_parser *ps, const void *data, size_t len)
{
	const unsigned char *at = data, *stop;
	size_t room = ps->check->body_max + HC_HTTP_EXTRA_MAX - ps->wire_bytes;

	stop = at + MIN2(len, room);
	ps->wire_bytes += (uint32_t)MIN2(len, room);
	while (at < stop) {
		bool done;

		if (ps->state == ST_BODY || ps->state == ST_CHUNK)
			done = feed_body(ps, &at, stop);
		else
			done = feed_line(ps, &at, stop);
		if (done)
			return true;
	}
	return len > room ? bad(ps, HC_HTTP_BAD_SIZE) : false;
}

void hc_http_eof(struct hc_http_parser *ps)
{
	if (ps->state == ST_BODY && ps->until_close)
		decide(ps, MSG_HC_BODY, 0);
	else
		decide(ps, MSG_HC_CLOSED, 0);
}
