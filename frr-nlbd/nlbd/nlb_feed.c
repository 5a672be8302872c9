// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Wire form of the agent's feed.
 *
 * A line is parsed by json-c in strict mode with a small nesting limit, then taken apart by typed
 * getters that refuse a wrong type or range and name the field. Ports and backends are sorted by
 * their natural key, so that the same set always looks the same (and so that YANG's list walks can
 * continue from a key). nlb_feed_print.c has the other direction.
 */

#include <zebra.h>

#include "json.h"
#include "memory.h"
#include "printfrr.h"

#include "nlbd/nlb_feed.h"
#include "nlbd/nlb_memory.h"
#include "nlbd/nlb_prefix.h"

DEFINE_MTYPE_STATIC(NLBD, NLB_FEED_STRING, "NLB feed string");
DEFINE_MTYPE_STATIC(NLBD, NLB_FEED_PORTS, "NLB VIP ports");
DEFINE_MTYPE_STATIC(NLBD, NLB_FEED_BACKENDS, "NLB port backends");

/* {"vip":{"ports":[{"backends":[{...}]}]}} nests six levels; the rest is room for later keys. */
#define NLB_FEED_DEPTH 12

/* Where an error goes, carried through the getters. */
struct feed_err {
	char *buf;
	size_t len;
};

PRINTFRR(2, 3)
static int feed_fail(struct feed_err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintfrr(err->buf, err->len, fmt, ap);
	va_end(ap);

	return -EINVAL;
}

/* Member `key` of the wanted type. 0 with *ret_val NULL: not there, and that is allowed. */
static int feed_get(struct json_object *obj, const char *key, enum json_type type, bool required,
		    struct json_object **ret_val, struct feed_err *err)
{
	struct json_object *val;

	if (!json_object_object_get_ex(obj, key, &val)) {
		if (required)
			return feed_fail(err, "\"%s\" is missing", key);
		*ret_val = NULL;
		return 0;
	}
	if (!json_object_is_type(val, type))
		return feed_fail(err, "\"%s\" must be of type %s", key, json_type_to_name(type));

	*ret_val = val;
	return 0;
}

static int feed_get_uint(struct json_object *obj, const char *key, uint64_t min, uint64_t max,
			 bool required, uint64_t *ret_val, struct feed_err *err)
{
	struct json_object *val;
	uint64_t num;
	int ret;

	ret = feed_get(obj, key, json_type_int, required, &val, err);
	if (ret < 0 || !val)
		return ret;

	/* json-c clamps a negative number to 0 here, so the sign is asked for first. */
	if (json_object_get_int64(val) < 0)
		return feed_fail(err, "\"%s\" is negative", key);
	num = json_object_get_uint64(val);
	if (num < min || num > max)
		return feed_fail(err, "\"%s\" is outside %" PRIu64 "..%" PRIu64, key, min, max);

	*ret_val = num;
	return 0;
}

/* String member, NULL where absent. Points into obj. */
static int feed_get_string(struct json_object *obj, const char *key, size_t max, bool required,
			   const char **ret_val, struct feed_err *err)
{
	struct json_object *val;
	const char *str;
	size_t len;
	int ret;

	ret = feed_get(obj, key, json_type_string, required, &val, err);
	if (ret < 0)
		return ret;
	if (!val) {
		*ret_val = NULL;
		return 0;
	}

	str = json_object_get_string(val);
	len = json_object_get_string_len(val);
	if (len > max)
		return feed_fail(err, "\"%s\" is longer than %zu bytes", key, max);
	/* These texts go to logs and terminals. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)str[i] < ' ' || str[i] == 0x7f)
			return feed_fail(err, "\"%s\" holds a control character", key);

	*ret_val = str;
	return 0;
}

static int feed_get_address(struct json_object *obj, const char *key, struct ipaddr *ret_addr,
			    struct feed_err *err)
{
	const char *str = NULL;
	struct ipaddr addr;
	int ret;

	ret = feed_get_string(obj, key, INET6_ADDRSTRLEN, true, &str, err);
	if (ret < 0)
		return ret;
	if (str2ipaddr(str, &addr) < 0)
		return feed_fail(err, "\"%s\" is not an IP address: %s", key, str);

	*ret_addr = addr;
	return 0;
}

static int feed_get_prefix(struct json_object *obj, const char *key, struct prefix *ret_prefix,
			   struct feed_err *err)
{
	const char *str = NULL;
	int ret;

	ret = feed_get_string(obj, key, NLB_PREFIX_STRLEN, true, &str, err);
	if (ret < 0)
		return ret;
	if (nlb_prefix_parse(str, ret_prefix) < 0)
		return feed_fail(err, "\"%s\" is not an IP address or prefix: %s", key, str);
	return 0;
}

/* Optional text, duplicated; cut rather than refused, since it is only shown. */
static int feed_get_text(struct json_object *obj, const char *key, char **ret_text,
			 struct feed_err *err)
{
	const char *str;
	int ret;

	ret = feed_get_string(obj, key, NLB_FEED_LINE_MAX, false, &str, err);
	if (ret < 0)
		return ret;
	if (str && *str) {
		*ret_text = XSTRDUP(MTYPE_NLB_FEED_STRING, str);
		if (strlen(*ret_text) > NLB_FEED_REASON_MAX)
			(*ret_text)[NLB_FEED_REASON_MAX] = '\0';
	}
	return 0;
}

static int feed_backend_cmp(const void *a, const void *b)
{
	const struct nlb_backend *ba = a, *bb = b;

	return ipaddr_cmp(&ba->address, &bb->address);
}

static int feed_port_cmp(const void *a, const void *b)
{
	const struct nlb_port *pa = a, *pb = b;

	if (pa->protocol != pb->protocol)
		return numcmp(pa->protocol, pb->protocol);
	return numcmp(pa->port, pb->port);
}

static int feed_parse_backend(struct json_object *obj, struct nlb_backend *backend,
			      struct feed_err *err)
{
	const char *state = NULL;
	uint64_t num = 1;
	int ret;

	if (!json_object_is_type(obj, json_type_object))
		return feed_fail(err, "a backend must be an object");

	ret = feed_get_address(obj, "address", &backend->address, err);
	if (ret < 0)
		return ret;
	ret = feed_get_uint(obj, "weight", 0, UINT32_MAX, false, &num, err);
	if (ret < 0)
		return ret;
	backend->weight = num;
	ret = feed_get_string(obj, "state", 16, true, &state, err);
	if (ret < 0)
		return ret;

	if (strmatch(state, "up"))
		backend->state = NLB_BACKEND_UP;
	else if (strmatch(state, "down"))
		backend->state = NLB_BACKEND_DOWN;
	else if (strmatch(state, "drain"))
		backend->state = NLB_BACKEND_DRAIN;
	else if (strmatch(state, "disabled"))
		backend->state = NLB_BACKEND_DISABLED;
	else if (strmatch(state, "unknown"))
		backend->state = NLB_BACKEND_UNKNOWN;
	else
		return feed_fail(err, "\"state\" is not a backend state: %s", state);

	return feed_get_text(obj, "reason", &backend->reason, err);
}

static int feed_parse_port(struct json_object *obj, struct nlb_port *port, struct feed_err *err)
{
	struct json_object *backends = NULL;
	const char *protocol = NULL;
	uint64_t num = 0;
	size_t n;
	int ret;

	if (!json_object_is_type(obj, json_type_object))
		return feed_fail(err, "a port must be an object");
	ret = feed_get_string(obj, "protocol", 8, true, &protocol, err);
	if (ret < 0)
		return ret;
	if (strmatch(protocol, "tcp"))
		port->protocol = IPPROTO_TCP;
	else if (strmatch(protocol, "udp"))
		port->protocol = IPPROTO_UDP;
	else
		return feed_fail(err, "\"protocol\" must be tcp or udp, not %s", protocol);
	ret = feed_get_uint(obj, "port", 0, UINT16_MAX, true, &num, err);
	if (ret < 0)
		return ret;
	port->port = num;
	ret = feed_get_uint(obj, "enabled", 0, UINT32_MAX, true, &num, err);
	if (ret < 0)
		return ret;
	port->enabled = num;
	ret = feed_get_uint(obj, "total", port->enabled, UINT32_MAX, true, &num, err);
	if (ret < 0)
		return ret;
	port->total = num;
	ret = feed_get_text(obj, "digest", &port->digest, err);
	if (!ret)
		ret = feed_get(obj, "backends", json_type_array, false, &backends, err);
	if (ret < 0 || !backends)
		return ret;

	n = json_object_array_length(backends);
	if (!n)
		return 0;
	port->backends = XCALLOC(MTYPE_NLB_FEED_BACKENDS, n * sizeof(*port->backends));
	for (size_t i = 0; i < n; i++) {
		/* Counted before it is parsed, so that a half-read one is released too. */
		port->n_backends++;
		ret = feed_parse_backend(json_object_array_get_idx(backends, i), &port->backends[i],
					 err);
		if (ret < 0)
			return ret;
	}

	qsort(port->backends, n, sizeof(*port->backends), feed_backend_cmp);
	for (size_t i = 1; i < n; i++)
		if (!feed_backend_cmp(&port->backends[i - 1], &port->backends[i]))
			return feed_fail(err, "backend %pIA is listed twice",
					 &port->backends[i].address);
	return 0;
}

static int feed_parse_ports(struct json_object *obj, struct nlb_feed_vip *vip, struct feed_err *err)
{
	struct json_object *ports = NULL;
	size_t n;
	int ret;

	ret = feed_get(obj, "ports", json_type_array, false, &ports, err);
	if (ret < 0 || !ports)
		return ret;

	n = json_object_array_length(ports);
	if (!n)
		return 0;
	vip->ports = XCALLOC(MTYPE_NLB_FEED_PORTS, n * sizeof(*vip->ports));
	for (size_t i = 0; i < n; i++) {
		vip->n_ports++;
		ret = feed_parse_port(json_object_array_get_idx(ports, i), &vip->ports[i], err);
		if (ret < 0)
			return ret;
	}

	qsort(vip->ports, n, sizeof(*vip->ports), feed_port_cmp);
	for (size_t i = 1; i < n; i++)
		if (!feed_port_cmp(&vip->ports[i - 1], &vip->ports[i]))
			return feed_fail(err, "port %u is listed twice", vip->ports[i].port);
	return 0;
}

static int feed_parse_vip_into(struct json_object *obj, struct nlb_feed_vip *vip,
			       struct feed_err *err)
{
	struct json_object *ready = NULL;
	struct ipaddr address;
	uint64_t num = 0;
	int ret;

	ret = feed_get_prefix(obj, "address", &vip->prefix, err);
	if (ret < 0)
		return ret;
	address = nlb_prefix_address(&vip->prefix);
	if (ipaddr_is_zero(&address))
		return feed_fail(err, "\"address\" is the unspecified address");
	ret = feed_get_uint(obj, "enabled", 0, UINT32_MAX, true, &num, err);
	if (ret < 0)
		return ret;
	vip->enabled = num;
	ret = feed_get_uint(obj, "total", vip->enabled, UINT32_MAX, true, &num, err);
	if (ret < 0)
		return ret;
	vip->total = num;
	ret = feed_get(obj, "ready", json_type_boolean, true, &ready, err);
	if (ret < 0)
		return ret;
	vip->ready = json_object_get_boolean(ready);

	num = 0;
	ret = feed_get_uint(obj, "tag", 0, UINT32_MAX, false, &num, err);
	if (ret < 0)
		return ret;
	vip->tag = num;
	num = 0;
	ret = feed_get_uint(obj, "revision", 0, UINT64_MAX, false, &num, err);
	if (ret < 0)
		return ret;
	vip->revision = num;

	ret = feed_get_text(obj, "id", &vip->id, err);
	if (ret < 0)
		return ret;
	ret = feed_get_text(obj, "reason", &vip->reason, err);
	if (ret < 0)
		return ret;
	return feed_parse_ports(obj, vip, err);
}

static int feed_parse_vip(struct json_object *obj, struct nlb_feed_msg *msg, struct feed_err *err)
{
	int ret;

	msg->type = NLB_FEED_VIP;
	ret = feed_parse_vip_into(obj, &msg->vip, err);
	if (ret < 0)
		nlb_feed_vip_done(&msg->vip);
	return ret;
}

static int feed_parse_hello(struct json_object *obj, struct nlb_feed_msg *msg, struct feed_err *err)
{
	const char *str = NULL;
	uint64_t num = 0;
	int ret;

	msg->type = NLB_FEED_HELLO;
	ret = feed_get_uint(obj, "version", 0, UINT32_MAX, true, &num, err);
	if (ret < 0)
		return ret;
	msg->hello.version = num;
	ret = feed_get_string(obj, "instance", NLB_FEED_NAME_MAX, true, &str, err);
	if (ret < 0)
		return ret;
	strlcpy(msg->hello.instance, str, sizeof(msg->hello.instance));
	ret = feed_get_string(obj, "node", NLB_FEED_NAME_MAX, false, &str, err);
	if (ret < 0)
		return ret;
	if (str)
		strlcpy(msg->hello.node, str, sizeof(msg->hello.node));
	return 0;
}

static int feed_parse_gone(struct json_object *obj, struct nlb_feed_msg *msg, struct feed_err *err)
{
	msg->type = NLB_FEED_GONE;
	return feed_get_prefix(obj, "address", &msg->gone, err);
}

static int feed_parse_heartbeat(struct json_object *obj, struct nlb_feed_msg *msg,
				struct feed_err *err)
{
	msg->type = NLB_FEED_HEARTBEAT;
	return feed_get_uint(obj, "seq", 0, UINT64_MAX, true, &msg->heartbeat, err);
}

/* The body is kept as it is: it is only shown. */
static int feed_parse_answer(struct json_object *obj, struct nlb_feed_msg *msg,
			     struct feed_err *err)
{
	uint64_t num = 0;
	int ret;

	msg->type = NLB_FEED_ANSWER;
	ret = feed_get_uint(obj, "id", 1, UINT32_MAX, true, &num, err);
	if (ret < 0)
		return ret;
	json_object_object_del(obj, "id");
	msg->answer.id = num;
	msg->answer.body = json_object_get(obj);
	return 0;
}

static int feed_parse_sync(struct json_object *val, struct nlb_feed_msg *msg, struct feed_err *err)
{
	const char *str = json_object_get_string(val);

	msg->type = NLB_FEED_SYNC;
	if (strmatch(str, "begin"))
		msg->sync_begin = true;
	else if (strmatch(str, "end"))
		msg->sync_begin = false;
	else
		return feed_fail(err, "\"sync\" must be begin or end");
	return 0;
}

static int feed_parse_dataplane(struct json_object *val, struct nlb_feed_msg *msg,
				struct feed_err *err)
{
	const char *str = json_object_get_string(val);

	msg->type = NLB_FEED_DATAPLANE;
	if (strmatch(str, "ok"))
		msg->dataplane_ok = true;
	else if (strmatch(str, "down"))
		msg->dataplane_ok = false;
	else
		return feed_fail(err, "\"dataplane\" must be ok or down");
	return 0;
}

/* Top-level key -> type of its value and what takes it apart. */
static const struct feed_key {
	const char *key;
	enum json_type type;
	int (*parse)(struct json_object *val, struct nlb_feed_msg *msg, struct feed_err *err);
} feed_keys[] = {
	{ "vip", json_type_object, feed_parse_vip },
	{ "gone", json_type_object, feed_parse_gone },
	{ "heartbeat", json_type_object, feed_parse_heartbeat },
	{ "answer", json_type_object, feed_parse_answer },
	{ "sync", json_type_string, feed_parse_sync },
	{ "dataplane", json_type_string, feed_parse_dataplane },
	{ "hello", json_type_object, feed_parse_hello },
};

static int feed_parse_top(struct json_object *top, struct nlb_feed_msg *msg, struct feed_err *err)
{
	struct json_object_iterator it;
	struct json_object *val;
	const char *key;

	if (!json_object_is_type(top, json_type_object) || json_object_object_length(top) != 1)
		return feed_fail(err, "a line must be one object with one key");

	it = json_object_iter_begin(top);
	key = json_object_iter_peek_name(&it);
	val = json_object_iter_peek_value(&it);

	for (size_t i = 0; i < array_size(feed_keys); i++) {
		if (!strmatch(key, feed_keys[i].key))
			continue;
		if (!json_object_is_type(val, feed_keys[i].type))
			return feed_fail(err, "\"%s\" must be of type %s", key,
					 json_type_to_name(feed_keys[i].type));
		return feed_keys[i].parse(val, msg, err);
	}

	msg->type = NLB_FEED_UNKNOWN;
	strlcpy(msg->unknown, key, sizeof(msg->unknown));
	return 0;
}

/*
 * Strict, but where json-c 0.18 (Debian 13's) would refuse a good line: in strict mode it takes no
 * character beyond ASCII (its issues 875 and 892).
 */
static int feed_tokener_flags(const char *line, size_t len)
{
	if (json_c_version_num() == ((0 << 16) | (18 << 8)))
		for (size_t i = 0; i < len; i++)
			if (line[i] & 0x80)
				return JSON_TOKENER_VALIDATE_UTF8;
	return JSON_TOKENER_VALIDATE_UTF8 | JSON_TOKENER_STRICT;
}

int nlb_feed_parse(const char *line, size_t len, struct nlb_feed_msg *ret_msg, char *errbuf,
		   size_t errlen)
{
	struct feed_err err = { .buf = errbuf, .len = errlen };
	struct nlb_feed_msg msg = {};
	struct json_tokener *tok;
	struct json_object *top;
	int ret;

	if (len > NLB_FEED_LINE_MAX)
		return feed_fail(&err, "line is longer than %u bytes", NLB_FEED_LINE_MAX);

	tok = json_tokener_new_ex(NLB_FEED_DEPTH);
	if (!tok)
		return feed_fail(&err, "out of memory");
	json_tokener_set_flags(tok, feed_tokener_flags(line, len));

	top = json_tokener_parse_ex(tok, line, (int)len);
	if (!top) {
		enum json_tokener_error jerr = json_tokener_get_error(tok);

		ret = feed_fail(&err, "malformed JSON: %s",
				jerr == json_tokener_continue ? "line ends early"
							      : json_tokener_error_desc(jerr));
	} else if (json_tokener_get_parse_end(tok) != len) {
		ret = feed_fail(&err, "malformed JSON: something follows the object");
	} else {
		ret = feed_parse_top(top, &msg, &err);
	}

	json_object_put(top);
	json_tokener_free(tok);
	if (ret == 0)
		*ret_msg = msg;
	return ret;
}

void nlb_feed_vip_done(struct nlb_feed_vip *vip)
{
	for (size_t i = 0; i < vip->n_ports; i++) {
		struct nlb_port *port = &vip->ports[i];

		for (size_t j = 0; j < port->n_backends; j++)
			XFREE(MTYPE_NLB_FEED_STRING, port->backends[j].reason);
		XFREE(MTYPE_NLB_FEED_BACKENDS, port->backends);
		XFREE(MTYPE_NLB_FEED_STRING, port->digest);
	}
	XFREE(MTYPE_NLB_FEED_PORTS, vip->ports);
	vip->n_ports = 0;
	XFREE(MTYPE_NLB_FEED_STRING, vip->id);
	XFREE(MTYPE_NLB_FEED_STRING, vip->reason);
}

void nlb_feed_vip_move(struct nlb_feed_vip *to, struct nlb_feed_vip *from)
{
	nlb_feed_vip_done(to);
	*to = *from;
	from->ports = NULL;
	from->n_ports = 0;
	from->id = NULL;
	from->reason = NULL;
}

void nlb_feed_msg_done(struct nlb_feed_msg *msg)
{
	if (msg->type == NLB_FEED_VIP)
		nlb_feed_vip_done(&msg->vip);
	if (msg->type == NLB_FEED_ANSWER)
		json_object_put(msg->answer.body);
}

const char *nlb_protocol_str(uint8_t protocol)
{
	return protocol == IPPROTO_UDP ? "udp" : "tcp";
}

const char *nlb_service_str(const struct nlb_port *port, char *buf, size_t len)
{
	if (port->port)
		snprintf(buf, len, "%s/%u", nlb_protocol_str(port->protocol), port->port);
	else
		snprintf(buf, len, "%s/any", nlb_protocol_str(port->protocol));
	return buf;
}

const char *nlb_backend_state_str(enum nlb_backend_state state)
{
	switch (state) {
	case NLB_BACKEND_UNKNOWN:
		return "unknown";
	case NLB_BACKEND_UP:
		return "up";
	case NLB_BACKEND_DOWN:
		return "down";
	case NLB_BACKEND_DRAIN:
		return "drain";
	case NLB_BACKEND_DISABLED:
		return "disabled";
	}
	assert(!"unknown backend state");
}
