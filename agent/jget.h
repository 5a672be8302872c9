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

/*
 * Where a reason goes; the first one wins. With field, the path of the member that is
 * wrong goes there, as "ports[0].backends[3].weight": the getters put the key, and
 * whoever called them for a part of a document says where that part stands, by jget_under().
 */
struct jerr {
	char *text;
	size_t len;
	char *field; /* NULL: nobody asks */
	size_t field_len;
	bool strict; /* members that nobody knows are an error: jget_known() */
};

#define JGET_FIELD_LEN 96

static inline void jget_putp(struct json_object **o)
{
	json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(jget_putp)

/* Writes the reason, and returns -EINVAL for the caller to return. */
int jget_fail(struct jerr *err, const char *fmt, ...) _printf_(2, 3);

/* The same, about the member key. */
int jget_fail_at(struct jerr *err, const char *key, const char *fmt, ...) _printf_(3, 4);

/* After a failure: it is in the i-th element of the array key; or in the object key. */
void jget_under(struct jerr *err, const char *key, size_t i);
void jget_under_object(struct jerr *err, const char *key);

/* For a reason that is to be part of a longer one: the same but for the text. */
struct jerr jget_sub(const struct jerr *err, char *text, size_t len);

/* When err is strict: -EINVAL for a member that is none of n names. */
int jget_known(struct json_object *o, const char *const *names, size_t n, struct jerr *err);

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
