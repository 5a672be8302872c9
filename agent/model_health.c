// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Parsing of a port's "health" object: how often, how many in a row, and the
 * list of checks. Everything that ends up in a request line or a header is
 * checked here, so that the probes never have to.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "model_int.h"

#define STRING_SHORT 255

/* "200-299,304" -> ranges. */
static int parse_status(const char *text, struct model_check *c, struct jerr *err)
{
	const char *p = text;

	c->n_status = 0;
	while (*p) {
		struct msg_status_range range;
		unsigned int from, to;
		int used = 0;

		if (!isdigit((unsigned char)*p) || sscanf(p, "%3u%n", &from, &used) != 1)
			break;
		p += used;
		to = from;
		if (*p == '-') {
			p++;
			if (!isdigit((unsigned char)*p) || sscanf(p, "%3u%n", &to, &used) != 1)
				break;
			p += used;
		}
		if (from < 100 || to > 599 || from > to)
			break;
		if (c->n_status == MSG_HC_STATUS_RANGES)
			return jget_fail_at(err, "status", "status holds more than %d ranges",
					    MSG_HC_STATUS_RANGES);
		range = (struct msg_status_range){.from = (uint16_t)from, .to = (uint16_t)to};
		c->status[c->n_status++] = range;
		if (*p == '\0')
			return 0;
		if (*p++ != ',')
			break;
	}
	return jget_fail_at(err, "status", "status must be codes or ranges like \"200-299,304\"");
}

static bool all_chars(const char *text, bool (*ok)(unsigned char c))
{
	for (; *text; text++)
		if (!ok((unsigned char)*text))
			return false;
	return true;
}

/* What may stand in a request target without ending it (RFC 9112, section 3). */
static bool is_target(unsigned char c)
{
	return c > 0x20 && c < 0x7f;
}

static bool is_host(unsigned char c)
{
	return isalnum(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
}

static bool is_name(unsigned char c)
{
	return isalnum(c) || c == '.' || c == '-' || c == '_';
}

static int check_strings(const char *method, const char *path, const char *host, const char *sni,
			 struct jerr *err)
{
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return jget_fail_at(err, "method", "method must be GET or HEAD");
	if (path[0] != '/' || !all_chars(path, is_target))
		return jget_fail_at(err, "path", "path must begin with / and hold no blanks");
	if (!all_chars(host, is_host))
		return jget_fail_at(err, "host",
				    "host must be a name or an address, perhaps with :port");
	if (!all_chars(sni, is_name))
		return jget_fail_at(err, "sni", "sni must be a host name");
	return 0;
}

static int check_parse(struct json_object *o, uint16_t port, struct model_check *c,
		       struct jerr *err)
{
	static const char *const types[] = {"icmp", "tcp", "http", "https"};
	static const char *const names[] = {"type",   "port", "method", "path", "host",
					    "status", "body", "verify", "sni"};
	const char *method = "GET", *path = "/", *host = "", *body = "", *sni = "";
	const char *status = "200-299";
	uint64_t check_port = port;
	int type = -1, r;

	if (!json_object_is_type(o, json_type_object))
		return jget_fail(err, "a check must be an object");
	c->verify = true;
	r = jget_enum(o, "type", types, ARRAY_SIZE(types), &type, err);
	if (r < 0 || type < 0)
		return jget_fail_at(err, "type", "a check lacks type");
	if (jget_known(o, names, ARRAY_SIZE(names), err) < 0)
		return -EINVAL;
	if (jget_u64(o, "port", 1, UINT16_MAX, &check_port, err) < 0 ||
	    jget_str(o, "method", 16, &method, err) < 0 ||
	    jget_str(o, "path", MODEL_STRING_MAX, &path, err) < 0 ||
	    jget_str(o, "host", STRING_SHORT, &host, err) < 0 ||
	    jget_str(o, "status", STRING_SHORT, &status, err) < 0 ||
	    jget_str(o, "body", MODEL_STRING_MAX, &body, err) < 0 ||
	    jget_bool(o, "verify", &c->verify, err) < 0 ||
	    jget_str(o, "sni", STRING_SHORT, &sni, err) < 0)
		return -EINVAL;
	if (check_strings(method, path, host, sni, err) < 0 || parse_status(status, c, err) < 0)
		return -EINVAL;
	c->type = (enum msg_hc_type)type;
	c->port = (uint16_t)check_port;
	if (!c->port && c->type != MSG_HC_ICMP)
		return jget_fail_at(err, "port",
				    "a %s check of an all-ports service must name its port",
				    types[type]);
	/* What a type does not use is left at one value: equal probes are merged. */
	if (c->type == MSG_HC_ICMP)
		c->port = 0;
	if (c->type == MSG_HC_ICMP || c->type == MSG_HC_TCP) {
		method = path = host = body = "";
		memset(c->status, 0, sizeof(c->status));
		c->n_status = 0;
	}
	if (c->type != MSG_HC_HTTPS) {
		sni = "";
		c->verify = false;
	}
	c->method = strdup(method);
	c->path = strdup(path);
	c->host = strdup(host);
	c->body = strdup(body);
	c->sni = strdup(sni);
	return c->method && c->path && c->host && c->body && c->sni ? 0 : -ENOMEM;
}

static int checks_parse(struct json_object *arr, uint16_t port, struct model_health *h,
			struct jerr *err)
{
	size_t n = json_object_array_length(arr);

	h->checks = calloc(MAX2(n, (size_t)1), sizeof(*h->checks));
	if (!h->checks)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int r;

		h->n_checks = i + 1;
		r = check_parse(json_object_array_get_idx(arr, i), port, &h->checks[i], err);
		if (r < 0) {
			jget_under(err, "checks", i);
			return r;
		}
	}
	qsort(h->checks, n, sizeof(*h->checks), model_check_cmp);
	for (size_t i = 1; i < n; i++)
		if (model_check_cmp(&h->checks[i - 1], &h->checks[i]) == 0)
			return jget_fail_at(err, "checks", "the same %s check is listed twice",
					    model_check_str(h->checks[i].type));
	return 0;
}

int model_health_parse(struct json_object *o, uint16_t port, struct model_health *h,
		       struct jerr *err)
{
	static const char *const policies[] = {"all", "any"};
	static const char *const names[] = {"policy", "interval_ms", "timeout_ms",
					    "rise",   "fall",	     "checks"};
	uint64_t interval = MODEL_INTERVAL_DEFAULT, timeout = 0;
	uint64_t rise = MODEL_RISE_DEFAULT, fall = MODEL_FALL_DEFAULT;
	struct json_object *checks = NULL;
	int policy = MODEL_POLICY_ALL;

	if (o &&
	    (jget_known(o, names, ARRAY_SIZE(names), err) < 0 ||
	     jget_enum(o, "policy", policies, ARRAY_SIZE(policies), &policy, err) < 0 ||
	     jget_u64(o, "interval_ms", MODEL_INTERVAL_MIN, MODEL_INTERVAL_MAX, &interval, err) <
		     0 ||
	     jget_u64(o, "timeout_ms", MODEL_TIMEOUT_MIN, MODEL_INTERVAL_MAX, &timeout, err) < 0 ||
	     jget_u64(o, "rise", 1, MODEL_COUNT_MAX, &rise, err) < 0 ||
	     jget_u64(o, "fall", 1, MODEL_COUNT_MAX, &fall, err) < 0 ||
	     jget_array(o, "checks", MODEL_CHECKS_MAX, &checks, err) < 0))
		return -EINVAL;
	if (!timeout)
		timeout = MIN2((uint64_t)MODEL_TIMEOUT_DEFAULT, interval);
	if (timeout > interval)
		return jget_fail_at(err, "timeout_ms", "timeout_ms must not be above interval_ms");
	h->policy = (enum model_policy)policy;
	h->interval_ms = (uint32_t)interval;
	h->timeout_ms = (uint32_t)timeout;
	h->rise = (uint16_t)rise;
	h->fall = (uint16_t)fall;
	return checks ? checks_parse(checks, port, h, err) : 0;
}
