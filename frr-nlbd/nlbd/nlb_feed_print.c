// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Wire form of what nlbd says to the agent. It goes through json-c, because error texts may quote
 * what the peer has sent.
 */

#include <zebra.h>

#include "json.h"
#include "printfrr.h"

#include "nlbd/nlb_feed.h"
#include "nlbd/nlb_prefix.h"

/* Print {"key": val} and a newline; takes val. */
static size_t feed_print(char *buf, size_t len, const char *key, struct json_object *val)
{
	struct json_object *top = json_object_new_object();
	size_t n;

	json_object_object_add(top, key, val);
	n = snprintf(buf, len, "%s\n",
		     json_object_to_json_string_ext(top, JSON_C_TO_STRING_PLAIN |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_free(top);

	/* Escaping makes at most six bytes of one, so NLB_FEED_OUT_MAX holds every line. */
	assert(n < len);
	return n;
}

static struct json_object *feed_text(const char *text)
{
	return json_object_new_string_len(text, strnlen(text, NLB_FEED_REASON_MAX));
}

size_t nlb_feed_print_hello(char *buf, size_t len)
{
	struct json_object *val = json_object_new_object();

	json_object_int_add(val, "version", NLB_FEED_VERSION);
	json_object_string_add(val, "daemon", "nlbd");
	return feed_print(buf, len, "hello", val);
}

size_t nlb_feed_print_route(char *buf, size_t len, const struct prefix *prefix, const char *state,
			    const char *reason)
{
	struct json_object *val = json_object_new_object();
	char text[NLB_PREFIX_STRLEN];

	json_object_string_add(val, "address", nlb_prefix_str(prefix, text, sizeof(text)));
	json_object_string_add(val, "state", state);
	if (reason)
		json_object_object_add(val, "reason", feed_text(reason));
	return feed_print(buf, len, "route", val);
}

size_t nlb_feed_print_heartbeat(char *buf, size_t len, uint64_t seq)
{
	struct json_object *val = json_object_new_object();

	json_object_object_add(val, "seq", json_object_new_uint64(seq));
	return feed_print(buf, len, "heartbeat", val);
}

size_t nlb_feed_print_ask(char *buf, size_t len, uint32_t id, const struct nlb_feed_ask *ask)
{
	struct json_object *val = json_object_new_object();

	json_object_int_add(val, "id", id);
	if (ask->health) {
		json_object_string_add(val, "health", ask->health);
		return feed_print(buf, len, "ask", val);
	}
	json_object_string_add(val, "src", ask->src);
	json_object_int_add(val, "sport", ask->sport);
	json_object_string_add(val, "vip", ask->vip);
	json_object_int_add(val, "dport", ask->dport);
	json_object_string_add(val, "protocol", ask->protocol);
	json_object_boolean_add(val, "established", ask->established);
	return feed_print(buf, len, "ask", val);
}

size_t nlb_feed_print_error(char *buf, size_t len, const char *reason)
{
	struct json_object *val = json_object_new_object();

	json_object_object_add(val, "reason", feed_text(reason));
	return feed_print(buf, len, "error", val);
}
