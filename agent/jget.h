/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading checked values out of parsed JSON. Each function leaves *ret as it
 * is when the key is absent (or null), so that the caller puts the default
 * there first. A value of a wrong type or out of range gives -EINVAL and a
 * reason in words, "KEY must be ...", in the caller's buffer.
 */
#ifndef NLB_AGENT_JGET_H
#define NLB_AGENT_JGET_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util.h"

/* Where a reason goes; the first one wins. */
struct jerr {
	char *text;
	size_t len;
};

static inline void jget_putp(struct json_object **o)
{
	json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(jget_putp)

/* Writes the reason, and returns -EINVAL for the caller to return. */
int jget_fail(struct jerr *err, const char *fmt, ...) _printf_(2, 3);

/*
 * Parses one whole JSON text (RFC 8259, UTF-8, nothing after it but blanks).
 * Returns 0, -EINVAL with the reason, or -ENOMEM. *ret is NULL for a bare null.
 */
int jget_parse(const char *json, size_t len, struct json_object **ret, struct jerr *err);

int jget_u64(struct json_object *o, const char *key, uint64_t min, uint64_t max, uint64_t *ret,
	     struct jerr *err);
int jget_bool(struct json_object *o, const char *key, bool *ret, struct jerr *err);

/* A string of at most max bytes without NUL in it; it belongs to o. */
int jget_str(struct json_object *o, const char *key, size_t max, const char **ret,
	     struct jerr *err);
int jget_array(struct json_object *o, const char *key, size_t max, struct json_object **ret,
	       struct jerr *err);
int jget_object(struct json_object *o, const char *key, struct json_object **ret, struct jerr *err);

/* The place of a string among n names; -EINVAL with the names in the reason. */
int jget_enum(struct json_object *o, const char *key, const char *const *names, size_t n, int *ret,
	      struct jerr *err);

#endif
