// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A growing text buffer with a JSON writer on top. Used for all that the agent
 * says in JSON: to nlbd, to the scheduler, on the local API and on disk.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sbuf.h"

#define SBUF_MAX (512u << 20)

void sbuf_done(struct sbuf *b)
{
	free(b->data);
	*b = SBUF_INIT;
}

bool sbuf_ok(const struct sbuf *b)
{
	return !b->failed;
}

void sbuf_reset(struct sbuf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

/* Room for `more` bytes and a NUL behind the text. */
static bool sbuf_reserve(struct sbuf *b, size_t more)
{
	size_t cap = MAX2(b->cap, (size_t)256);
	char *data;

	if (b->failed)
		return false;
	if (more > SBUF_MAX || b->len + more + 1 > SBUF_MAX) {
		b->failed = true;
		return false;
	}
	if (b->len + more + 1 <= b->cap)
		return true;
	while (cap < b->len + more + 1)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

void sbuf_add(struct sbuf *b, const char *data, size_t len)
{
	if (!sbuf_reserve(b, len))
		return;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void sbuf_puts(struct sbuf *b, const char *text)
{
	sbuf_add(b, text, strlen(text));
}

void sbuf_printf(struct sbuf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!sbuf_reserve(b, 127))
		return;
	va_start(ap, fmt);
	n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
		return;
	}
	if ((size_t)n >= b->cap - b->len) {
		if (!sbuf_reserve(b, (size_t)n))
			return;
		va_start(ap, fmt);
		n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
		va_end(ap);
	}
	b->len += (size_t)n;
}

void sbuf_item(struct sbuf *b)
{
	char last;

	if (!b->len)
		return;
	last = b->data[b->len - 1];
	if (last != '{' && last != '[' && last != ':' && last != '\n')
		sbuf_add(b, ",", 1);
}

void sbuf_key(struct sbuf *b, const char *key)
{
	sbuf_item(b);
	sbuf_add(b, "\"", 1);
	sbuf_puts(b, key);
	sbuf_add(b, "\":", 2);
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629), or 0. */
static size_t utf8_len(const unsigned char *p)
{
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Over-long forms, surrogates, and what lies past U+10FFFF. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

void sbuf_json_str(struct sbuf *b, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	sbuf_add(b, "\"", 1);
	while (*p) {
		size_t plain = 0, n;

		while (p[plain] >= 0x20 && p[plain] < 0x80 && p[plain] != '"' && p[plain] != '\\')
			plain++;
		if (plain) {
			sbuf_add(b, (const char *)p, plain);
			p += plain;
			continue;
		}
		n = utf8_len(p);
		if (n > 1)
			sbuf_add(b, (const char *)p, n);
		else if (n == 0)
			sbuf_puts(b, "\\ufffd");
		else if (*p == '"' || *p == '\\')
			sbuf_printf(b, "\\%c", *p);
		else
			sbuf_printf(b, "\\u%04x", *p);
		p += MAX2(n, (size_t)1);
	}
	sbuf_add(b, "\"", 1);
}

void sbuf_kv_str(struct sbuf *b, const char *key, const char *text)
{
	sbuf_key(b, key);
	sbuf_json_str(b, text);
}

void sbuf_kv_u64(struct sbuf *b, const char *key, uint64_t value)
{
	sbuf_key(b, key);
	sbuf_printf(b, "%" PRIu64, value);
}

void sbuf_kv_bool(struct sbuf *b, const char *key, bool value)
{
	sbuf_key(b, key);
	sbuf_puts(b, value ? "true" : "false");
}

void sbuf_kv_addr(struct sbuf *b, const char *key, const struct addr *a)
{
	char text[ADDR_STRLEN];

	sbuf_kv_str(b, key, addr_str(a, text));
}
