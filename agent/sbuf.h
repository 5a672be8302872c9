/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growing text buffer, and JSON written into it. Errors are sticky: after
 * the first one (no memory, past the limit) every call does nothing, and the
 * writer asks sbuf_ok() once at the end.
 *
 * JSON: sbuf_key() and sbuf_item() put the comma where one is needed, so that
 * a writer never counts elements.
 */
#ifndef NLB_AGENT_SBUF_H
#define NLB_AGENT_SBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
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

/* A comma, unless what stands before is an opening bracket or nothing. */
void sbuf_item(struct sbuf *b);
/* [,]"key": */
void sbuf_key(struct sbuf *b, const char *key);

/* A JSON string: quoted, escaped; bytes that are not UTF-8 become U+FFFD. */
void sbuf_json_str(struct sbuf *b, const char *text);

void sbuf_kv_str(struct sbuf *b, const char *key, const char *text);
void sbuf_kv_u64(struct sbuf *b, const char *key, uint64_t value);
void sbuf_kv_bool(struct sbuf *b, const char *key, bool value);
void sbuf_kv_addr(struct sbuf *b, const char *key, const struct addr *a);

#endif
