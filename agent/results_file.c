// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Parses results files; the header shows both forms. Lines are split in place
 * and take a pass over the text, which matters when there are tens of thousands.
 */
#include <stdio.h>
#include <string.h>

#include "jget.h"
#include "results_file.h"

#define BLANKS " \t\r"

static struct core_result *list_add(struct results_list *l)
{
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		struct core_result *more = reallocarray(l->r, room, sizeof(*more));

		if (!more)
			return NULL;
		l->r = more;
		l->room = room;
	}
	l->r[l->n] = (struct core_result){};
	return &l->r[l->n++];
}

void results_list_done(struct results_list *l)
{
	free(l->r);
	*l = (struct results_list){};
}

/* It goes into logs as it is. */
static void set_reason(struct core_result *r, const char *reason)
{
	size_t n = strlen(reason);

	while (n && strchr(BLANKS, reason[n - 1]))
		n--;
	n = MIN2(n, sizeof(r->reason) - 1);
	/* Not in the middle of a character. */
	while (n && ((unsigned char)reason[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n; i++) {
		unsigned char ch = (unsigned char)reason[i];

		r->reason[i] = ch < 0x20 || ch == 0x7f ? '?' : ch == '"' ? '\'' : (char)ch;
	}
	r->reason[n] = '\0';
}

static int parse_port(const char *text, uint16_t *ret)
{
	unsigned int n = 0;

	if (strcmp(text, "any") == 0) {
		*ret = 0;
		return 0;
	}
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		n = n * 10 + (unsigned int)(*p - '0');
		if (n > UINT16_MAX)
			return -EINVAL;
	}
	*ret = (uint16_t)n;
	return text[0] ? 0 : -EINVAL;
}

static int parse_state(const char *text, bool *ret_down)
{
	if (strcmp(text, "up") != 0 && strcmp(text, "down") != 0)
		return -EINVAL;
	*ret_down = text[0] == 'd';
	return 0;
}

/* The fields of one result, but the port; what is wrong, or NULL. */
static const char *set_fields(struct core_result *r, const char *vip, const char *protocol,
			      const char *backend, const char *state)
{
	if (addr_parse(vip, &r->key.vip) < 0)
		return "vip must be an address";
	if (model_protocol_parse(protocol, &r->key.protocol) < 0)
		return "protocol must be tcp or udp";
	if (addr_parse(backend, &r->key.backend) < 0)
		return "backend must be an address";
	if (parse_state(state, &r->down) < 0)
		return "state must be up or down";
	return NULL;
}

/* ---- lines ---- */

/* The next word, terminated; *at goes behind it. "" at the end. */
static char *next_word(char **at)
{
	char *word = *at + strspn(*at, BLANKS), *end = word + strcspn(word, BLANKS);

	*at = end;
	if (*end)
		*(*at)++ = '\0';
	return word;
}

/* What is wrong, or NULL. */
static const char *parse_line(struct core_result *r, char *line)
{
	char *vip = next_word(&line), *protocol = next_word(&line), *port = next_word(&line);
	char *backend = next_word(&line), *state = next_word(&line);
	const char *wrong;

	if (!state[0])
		return "a line is: VIP PROTO PORT BACKEND up|down [REASON]";
	wrong = set_fields(r, vip, protocol, backend, state);
	if (wrong)
		return wrong;
	if (parse_port(port, &r->key.port) < 0)
		return "port must be a number from 0 to 65535, or any";
	set_reason(r, line + strspn(line, BLANKS));
	return NULL;
}

static int parse_lines(struct results_list *l, char *text, size_t len, struct jerr *err)
{
	unsigned int line = 0;

	if (memchr(text, '\0', len))
		return jget_fail(err, "the file holds a NUL character");
	while (*text) {
		char *end = strchrnul(text, '\n'), *next = *end ? end + 1 : end;
		struct core_result *r;
		const char *wrong;

		*end = '\0';
		line++;
		text += strspn(text, BLANKS);
		if (!*text || *text == '#') {
			text = next;
			continue;
		}
		if (l->n == CORE_RESULTS_MAX)
			return jget_fail(err, "more than %u results", CORE_RESULTS_MAX);
		r = list_add(l);
		if (!r)
			return -ENOMEM;
		wrong = parse_line(r, text);
		if (wrong)
			return jget_fail(err, "line %u: %s", line, wrong);
		text = next;
	}
	return 0;
}

/* ---- JSON ---- */

static int parse_result(struct results_list *l, struct json_object *o, struct jerr *err)
{
	const char *vip = "", *protocol = "", *backend = "", *state = "", *reason = "", *wrong;
	uint64_t port = UINT64_MAX;
	struct core_result *r;

	if (!json_object_is_type(o, json_type_object))
		return jget_fail(err, "it must be an object");
	if (jget_str(o, "vip", ADDR_STRLEN, &vip, err) < 0 ||
	    jget_str(o, "protocol", 255, &protocol, err) < 0 ||
	    jget_u64(o, "port", 0, UINT16_MAX, &port, err) < 0 ||
	    jget_str(o, "backend", ADDR_STRLEN, &backend, err) < 0 ||
	    jget_str(o, "state", 255, &state, err) < 0 ||
	    jget_str(o, "reason", RESULTS_FILE_MAX, &reason, err) < 0)
		return -EINVAL;
	r = list_add(l);
	if (!r)
		return -ENOMEM;
	wrong = set_fields(r, vip, protocol, backend, state);
	if (!wrong && port == UINT64_MAX)
		wrong = "port must be a whole number from 0 to 65535";
	if (wrong)
		return jget_fail(err, "%s", wrong);
	r->key.port = (uint16_t)port;
	set_reason(r, reason);
	return 0;
}

static int parse_json(struct results_list *l, const char *text, size_t len, struct jerr *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *all = NULL;
	char what[128] = "";
	struct jerr inner = {.text = what, .len = sizeof(what)};
	int r;

	r = jget_parse(text, len, &o, err);
	if (r < 0)
		return r;
	r = jget_array(o, "results", CORE_RESULTS_MAX, &all, err);
	if (r < 0)
		return r;
	if (!all)
		return jget_fail(err, "results is missing");
	for (size_t i = 0; i < json_object_array_length(all); i++) {
		r = parse_result(l, json_object_array_get_idx(all, i), &inner);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			return jget_fail(err, "results[%zu]: %s", i, what);
	}
	return 0;
}

int results_file_parse(struct results_list *l, char *text, size_t len, char *err, size_t err_len)
{
	struct jerr e = {.text = err, .len = err_len};

	err[0] = '\0';
	l->n = 0;
	if (text[strspn(text, BLANKS "\n")] == '{')
		return parse_json(l, text, len, &e);
	return parse_lines(l, text, len, &e);
}
