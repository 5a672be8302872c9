// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * json-c with two things added. It takes NULL for the value null, so what
 * could not be allocated would go unnoticed; and it writes strings as they
 * are, while some of ours come from outside.
 */
#include <string.h>

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
	char text[ADDR_STRLEN];

	put(b, key, json_object_new_string(addr_str(a, text)));
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

static size_t valid_len(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t len = 0;

	while (p[len] && utf8_len(p + len))
		len += utf8_len(p + len);
	return len;
}

/* Only what is broken is copied. */
static struct json_object *mended(const char *text)
{
	_cleanup_free_ char *copy = malloc(strlen(text) * strlen(UTF8_REPLACEMENT) + 1);
	size_t out = 0;

	if (!copy)
		return NULL;
	for (;;) {
		size_t len = valid_len(text);

		memcpy(copy + out, text, len);
		out += len;
		text += len;
		if (!*text)
			break;
		memcpy(copy + out, UTF8_REPLACEMENT, strlen(UTF8_REPLACEMENT));
		out += strlen(UTF8_REPLACEMENT);
		text++;
	}
	copy[out] = '\0';
	return json_object_new_string(copy);
}

void jput_str(struct jput b, const char *key, const char *text)
{
	put(b, key, text[valid_len(text)] ? mended(text) : json_object_new_string(text));
}
