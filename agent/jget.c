// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Checked access to JSON from outside, on top of json-c: strict parsing,
 * bounded depth, and getters that say what is wrong in the sender's words.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistr.h>

#include "jget.h"

#define JGET_DEPTH 16

int jget_fail(struct jerr *err, const char *fmt, ...)
{
	va_list ap;

	if (!err || !err->len || err->text[0])
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(err->text, err->len, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static void tok_freep(struct json_tokener **tok)
{
	if (*tok)
		json_tokener_free(*tok);
}

static void jget_where(struct jerr *err, const char *key)
{
	if (err && err->field && err->field_len && !err->field[0])
		snprintf(err->field, err->field_len, "%s", key);
}

int jget_fail_at(struct jerr *err, const char *key, const char *fmt, ...)
{
	va_list ap;

	if (!err || !err->len || err->text[0])
		return -EINVAL;
	jget_where(err, key);
	va_start(ap, fmt);
	vsnprintf(err->text, err->len, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* Puts a part in front of the path; what does not fit is cut at the end. */
static void jget_prefix(struct jerr *err, const char *part)
{
	char rest[JGET_FIELD_LEN];

	if (!err || !err->field || !err->field_len)
		return;
	snprintf(rest, sizeof(rest), "%s", err->field);
	snprintf(err->field, err->field_len, "%s%s%s", part, rest[0] ? "." : "", rest);
}

void jget_under(struct jerr *err, const char *key, size_t i)
{
	char part[JGET_FIELD_LEN];

	snprintf(part, sizeof(part), "%s[%zu]", key, i);
	jget_prefix(err, part);
}

void jget_under_object(struct jerr *err, const char *key)
{
	jget_prefix(err, key);
}

struct jerr jget_sub(const struct jerr *err, char *text, size_t len)
{
	struct jerr sub = {.text = text, .len = len};

	if (err) {
		sub.field = err->field;
		sub.field_len = err->field_len;
		sub.strict = err->strict;
	}
	return sub;
}

int jget_known(struct json_object *o, const char *const *names, size_t n, struct jerr *err)
{
	if (!err || !err->strict)
		return 0;
	json_object_object_foreach (o, key, value) {
		size_t i = 0;

		(void)value;
		while (i < n && strcmp(names[i], key) != 0)
			i++;
		if (i == n)
			return jget_fail_at(err, key, "the field is not known");
	}
	return 0;
}

/*
 * The text in ASCII: what lies beyond becomes \uXXXX, in pairs where needed.
 * json-c 0.18, Debian 13's, refuses all of it in strict mode (its issues 875
 * and 892). text is UTF-8. NULL: no memory, or, with *ret_bad set, a backslash
 * before such a character, which escapes nothing.
 */
static char *jget_to_ascii(const char *text, size_t len, size_t *ret_len, size_t *ret_bad)
{
	size_t at = 0, n = 0;
	bool escaped = false;
	char *out;

	out = malloc(len * 3 + 1); /* two bytes become six, and four twelve */
	if (!out)
		return NULL;
	while (at < len) {
		int used;
		ucs4_t c;

		if (!(text[at] & 0x80)) {
			escaped = !escaped && text[at] == '\\';
			out[n++] = text[at++];
			continue;
		}
		if (escaped) {
			*ret_bad = at;
			free(out);
			return NULL;
		}
		used = u8_mbtouc(&c, (const uint8_t *)text + at, len - at);
		at += (size_t)used;
		if (c > 0xffff) {
			c -= 0x10000;
			n += (size_t)snprintf(out + n, 7, "\\u%04x", 0xd800 + (c >> 10));
			c = 0xdc00 + (c & 0x3ff);
		}
		n += (size_t)snprintf(out + n, 7, "\\u%04x", c);
	}
	out[n] = '\0';
	*ret_len = n;
	return out;
}

/* How many bytes there are before the first that is not ASCII; looked at eight at a time. */
static size_t ascii_len(const char *s, size_t len)
{
	size_t at = 0;
	uint64_t word;

	for (; at + sizeof(word) <= len; at += sizeof(word)) {
		memcpy(&word, s + at, sizeof(word));
		if (word & 0x8080808080808080ull)
			break;
	}
	while (at < len && !(s[at] & 0x80))
		at++;
	return at;
}

int jget_parse(const char *json, size_t len, struct json_object **ret, struct jerr *err)
{
	_cleanup_free_ char *ascii = NULL;
	_cleanup_(tok_freep) struct json_tokener *tok = json_tokener_new_ex(JGET_DEPTH);
	_cleanup_json_ struct json_object *o = NULL;
	enum json_tokener_error e;
	const uint8_t *bad;
	size_t at;

	if (!tok)
		return -ENOMEM;
	if (len > INT_MAX)
		return jget_fail(err, "the document is too long");
	at = ascii_len(json, len);
	if (at < len) {
		size_t not_escaped = 0;

		/* json-c's own check lets over-long forms and surrogates pass. */
		bad = u8_check((const uint8_t *)json + at, len - at);
		if (bad)
			return jget_fail(err, "not JSON: not UTF-8 at byte %zu",
					 (size_t)((const char *)bad - json));

		ascii = jget_to_ascii(json, len, &len, &not_escaped);
		if (!ascii)
			return not_escaped ? jget_fail(err, "not JSON: a backslash before byte %zu",
						       not_escaped)
					   : -ENOMEM;
		json = ascii;
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	o = json_tokener_parse_ex(tok, json, (int)len);
	e = json_tokener_get_error(tok);
	at = json_tokener_get_parse_end(tok);
	if (e == json_tokener_continue) {
		/* A bare number or word ends only with the text. */
		o = json_tokener_parse_ex(tok, "", 1);
		e = json_tokener_get_error(tok);
		at = len;
		if (e != json_tokener_success)
			return jget_fail(err, "the JSON text is cut off");
	}
	if (e != json_tokener_success)
		return jget_fail(err, "not JSON: %s near byte %zu", json_tokener_error_desc(e), at);
	for (; at < len; at++)
		if (!strchr(" \t\r\n", json[at]) || !json[at])
			return jget_fail(err, "not JSON: more text after its end, at byte %zu", at);
	*ret = TAKE_PTR(o);
	return 0;
}

/* The value, or NULL when it is absent or null. */
static struct json_object *jget(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? v : NULL;
}

int jget_u64(struct json_object *o, const char *key, uint64_t min, uint64_t max, uint64_t *ret,
	     struct jerr *err)
{
	struct json_object *v = jget(o, key);
	uint64_t n;

	if (!v)
		return 0;
	if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 0)
		return jget_fail_at(err, key,
				    "%s must be a whole number from %" PRIu64 " to %" PRIu64, key,
				    min, max);
	n = json_object_get_uint64(v);
	if (n < min || n > max)
		return jget_fail_at(err, key, "%s must be from %" PRIu64 " to %" PRIu64, key, min,
				    max);
	*ret = n;
	return 0;
}

int jget_bool(struct json_object *o, const char *key, bool *ret, struct jerr *err)
{
	struct json_object *v = jget(o, key);

	if (!v)
		return 0;
	if (!json_object_is_type(v, json_type_boolean))
		return jget_fail_at(err, key, "%s must be true or false", key);
	*ret = json_object_get_boolean(v);
	return 0;
}

int jget_str(struct json_object *o, const char *key, size_t max, const char **ret, struct jerr *err)
{
	struct json_object *v = jget(o, key);
	const char *text;
	size_t len;

	if (!v)
		return 0;
	if (!json_object_is_type(v, json_type_string))
		return jget_fail_at(err, key, "%s must be a string", key);
	text = json_object_get_string(v);
	len = (size_t)json_object_get_string_len(v);
	if (len > max)
		return jget_fail_at(err, key, "%s is longer than %zu bytes", key, max);
	if (strlen(text) != len)
		return jget_fail_at(err, key, "%s holds a NUL character", key);
	*ret = text;
	return 0;
}

int jget_array(struct json_object *o, const char *key, size_t max, struct json_object **ret,
	       struct jerr *err)
{
	struct json_object *v = jget(o, key);

	if (!v)
		return 0;
	if (!json_object_is_type(v, json_type_array))
		return jget_fail_at(err, key, "%s must be an array", key);
	if (json_object_array_length(v) > max)
		return jget_fail_at(err, key, "%s holds more than %zu elements", key, max);
	*ret = v;
	return 0;
}

int jget_object(struct json_object *o, const char *key, struct json_object **ret, struct jerr *err)
{
	struct json_object *v = jget(o, key);

	if (!v)
		return 0;
	if (!json_object_is_type(v, json_type_object))
		return jget_fail_at(err, key, "%s must be an object", key);
	*ret = v;
	return 0;
}

int jget_enum(struct json_object *o, const char *key, const char *const *names, size_t n, int *ret,
	      struct jerr *err)
{
	const char *text = NULL;
	char list[96] = "";
	size_t len = 0;
	int r;

	r = jget_str(o, key, 255, &text, err);
	if (r < 0 || !text)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (int)i;
			return 0;
		}
		if (len < sizeof(list))
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
						i ? ", " : "", names[i]);
	}
	return jget_fail_at(err, key, "%s must be one of: %s", key, list);
}
