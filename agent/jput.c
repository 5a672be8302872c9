// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * json-c with two things added. It takes NULL for the value null, so what
 * could not be allocated would go unnoticed; and it writes strings as they
 * are, while some of ours come from outside.
 */
#include <string.h>
#include <unistr.h>

#include "jput.h"

#define UTF8_REPLACEMENT "\xef\xbf\xbd"

struct jput jput_begin(struct jput_doc *d)
{
	jput_done(d);
	d->root = json_object_new_object();
	d->failed = !d->root;
	return (struct jput){d->root, &d->failed};
}

void jput_done(struct jput_doc *d)
{
	json_object_put(d->root);
	*d = JPUT_INIT;
}

void jput_share(struct jput_doc *d, const struct jput_doc *src)
{
	jput_done(d);
	d->root = json_object_get(src->root);
	d->failed = src->failed;
}

char *jput_text(const struct jput_doc *d, size_t *ret_len)
{
	const char *json;
	size_t len = 0;
	char *text;

	if (d->failed || !d->root)
		return NULL;
	json = json_object_to_json_string_length(
		d->root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	text = json ? malloc(len + 2) : NULL;
	if (!text)
		return NULL;
	memcpy(text, json, len);
	memcpy(text + len, "\n", 2);
	*ret_len = len + 1;
	return text;
}

/* Takes value over. */
static struct jput put(struct jput b, const char *key, struct json_object *value)
{
	int r = -1;

	if (value && !*b.failed)
		r = key ? json_object_object_add(b.at, key, value)
			: json_object_array_add(b.at, value);
	if (r < 0) {
		json_object_put(value);
		*b.failed = true;
		value = NULL;
	}
	return (struct jput){value, b.failed};
}

struct jput jput_object(struct jput b, const char *key)
{
	return put(b, key, json_object_new_object());
}

struct jput jput_array(struct jput b, const char *key)
{
	return put(b, key, json_object_new_array());
}

void jput_u64(struct jput b, const char *key, uint64_t value)
{
	put(b, key, json_object_new_uint64(value));
}

void jput_bool(struct jput b, const char *key, bool value)
{
	put(b, key, json_object_new_boolean(value));
}

void jput_addr(struct jput b, const char *key, const struct addr *a)
{
	jput_prefix(b, key, a, ADDR_PLEN_HOST);
}

void jput_prefix(struct jput b, const char *key, const struct addr *a, uint8_t plen)
{
	char text[ADDR_STRLEN];

	put(b, key, json_object_new_string(addr_prefix_str(a, plen, text)));
}

/* Only what is broken is copied. */
static struct json_object *mended(const char *text)
{
	_cleanup_free_ char *copy = malloc(strlen(text) * strlen(UTF8_REPLACEMENT) + 1);
	const uint8_t *bad;
	char *out = copy;

	if (!copy)
		return NULL;
	while ((bad = u8_check((const uint8_t *)text, strlen(text)))) {
		out = mempcpy(out, text, (size_t)((const char *)bad - text));
		out = mempcpy(out, UTF8_REPLACEMENT, strlen(UTF8_REPLACEMENT));
		text = (const char *)bad + 1;
	}
	memcpy(out, text, strlen(text) + 1);
	return json_object_new_string(copy);
}

void jput_str(struct jput b, const char *key, const char *text)
{
	bool fine = !u8_check((const uint8_t *)text, strlen(text));

	put(b, key, fine ? json_object_new_string(text) : mended(text));
}
