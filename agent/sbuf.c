// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The buffer doubles as it fills, up to a limit that nothing sensible reaches.
 */
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
