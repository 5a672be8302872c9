/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growing buffer, for what comes or goes in pieces. Errors are sticky: after
 * the first one (no memory, past the limit) every call does nothing, and the
 * writer asks sbuf_ok() once at the end.
 */
#ifndef NLB_AGENT_SBUF_H
#define NLB_AGENT_SBUF_H

#include <stdbool.h>
#include <stddef.h>

#include "util.h"

struct sbuf {
	char *data; /* NUL-terminated once anything was written */
	size_t len, cap;
	bool failed;
};

#define SBUF_INIT ((struct sbuf){0})

void sbuf_done(struct sbuf *b);
#define _cleanup_sbuf_ _cleanup_(sbuf_done)

bool sbuf_ok(const struct sbuf *b);
void sbuf_reset(struct sbuf *b); /* empty again; keeps the memory */

void sbuf_add(struct sbuf *b, const char *data, size_t len);
void sbuf_puts(struct sbuf *b, const char *text);
void sbuf_printf(struct sbuf *b, const char *fmt, ...) _printf_(2, 3);

#endif
