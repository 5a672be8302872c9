// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One check of a service: read from JSON, compared, copied, written.
 *
 * What may be said of which type stands in a table. An option that a type has no use for is an
 * error, so that nobody believes in a check that is not made; what is left out has one value for
 * all, so that equal checks are equal in memory. The one exception are https's options with http:
 * they are read and dropped, because documents go from one to the other and back.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "hc_check.h"
#include "model_int.h"

#define STRING_SHORT 255
#define HEX_STRLEN   (2 * MODEL_STRING_MAX + 1)

#define ON(type)     (1u << MSG_HC_##type)
#define WEB	     (ON(HTTP) | ON(HTTPS))
#define ANY	     (WEB | ON(ICMP) | ON(TCP) | ON(UDP) | ON(GRPC))

static const struct check_option {
	const char *name;
	unsigned int types; /* bits ON(): which have it */
} options[] = {
	{"type", ANY},	       {"port", ANY & ~ON(ICMP)},
	{"interval_ms", ANY},  {"timeout_ms", ANY},
	{"rise", ANY},	       {"fall", ANY},
	{"source", ANY},       {"device", ANY},
	{"dscp", ANY},	       {"method", WEB},
	{"path", WEB},	       {"host", WEB | ON(GRPC)},
	{"status", WEB},       {"body", WEB},
	{"max_body", WEB},     {"verify", WEB},
	{"sni", WEB},	       {"client_cert", ON(HTTPS)},
	{"resume", ON(HTTPS)}, {"half_open", ON(TCP)},
	{"payload", ON(UDP)},  {"payload_hex", ON(UDP)},
	{"expect", ON(UDP)},   {"expect_hex", ON(UDP)},
	{"service", ON(GRPC)},
};

static const char *const types[MSG_HC_TYPES] = {
	[MSG_HC_ICMP] = "icmp",	  [MSG_HC_TCP] = "tcp", [MSG_HC_HTTP] = "http",
	[MSG_HC_HTTPS] = "https", [MSG_HC_UDP] = "udp", [MSG_HC_GRPC] = "grpc",
};

const char *model_check_str(enum msg_hc_type type)
{
	return types[type];
}

/* Options that become strings of the check, as read. */
struct check_text {
	const char *method, *path, *host, *body, *sni, *status, *source, *device, *service;
	const char *payload, *payload_hex, *expect, *expect_hex;
};

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

/* A name that the kernel takes for an interface. */
static bool is_device(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != '/' && c != ':';
}

static int check_texts(const struct check_text *t, struct jerr *err)
{
	if (strcmp(t->method, "GET") != 0 && strcmp(t->method, "HEAD") != 0)
		return jget_fail_at(err, "method", "method must be GET or HEAD");
	if (t->path[0] != '/' || !all_chars(t->path, is_target))
		return jget_fail_at(err, "path", "path must begin with / and hold no blanks");
	if (!all_chars(t->host, is_host))
		return jget_fail_at(err, "host",
				    "host must be a name or an address, perhaps with :port");
	if (!all_chars(t->sni, is_name))
		return jget_fail_at(err, "sni", "sni must be a host name");
	if (!all_chars(t->service, is_target))
		return jget_fail_at(err, "service", "service must hold no blanks");
	if (!all_chars(t->device, is_device) || strcmp(t->device, ".") == 0 ||
	    strcmp(t->device, "..") == 0)
		return jget_fail_at(err, "device", "device must be the name of an interface");
	return 0;
}

static int check_options(struct json_object *o, enum msg_hc_type type, struct jerr *err)
{
	struct json_object *v;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (!(options[i].types & 1u << type) &&
		    json_object_object_get_ex(o, options[i].name, &v) && v)
			return jget_fail_at(err, options[i].name, "%s is not for %s checks",
					    options[i].name, model_check_str(type));
	return 0;
}

static int known_options(struct json_object *o, struct jerr *err)
{
	const char *names[ARRAY_SIZE(options)];

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		names[i] = options[i].name;
	return jget_known(o, names, ARRAY_SIZE(names), err);
}

static int get_texts(struct json_object *o, struct check_text *t, struct jerr *err)
{
	if (jget_str(o, "method", 16, &t->method, err) < 0 ||
	    jget_str(o, "path", MODEL_STRING_MAX, &t->path, err) < 0 ||
	    jget_str(o, "host", STRING_SHORT, &t->host, err) < 0 ||
	    jget_str(o, "status", STRING_SHORT, &t->status, err) < 0 ||
	    jget_str(o, "body", MODEL_STRING_MAX, &t->body, err) < 0 ||
	    jget_str(o, "sni", STRING_SHORT, &t->sni, err) < 0 ||
	    jget_str(o, "source", ADDR_STRLEN - 1, &t->source, err) < 0 ||
	    jget_str(o, "device", MSG_IFNAME_LEN - 1, &t->device, err) < 0 ||
	    jget_str(o, "service", MODEL_STRING_MAX, &t->service, err) < 0 ||
	    jget_str(o, "payload", MODEL_STRING_MAX, &t->payload, err) < 0 ||
	    jget_str(o, "payload_hex", HEX_STRLEN - 1, &t->payload_hex, err) < 0 ||
	    jget_str(o, "expect", MODEL_STRING_MAX, &t->expect, err) < 0 ||
	    jget_str(o, "expect_hex", HEX_STRLEN - 1, &t->expect_hex, err) < 0)
		return -EINVAL;
	return check_texts(t, err);
}

/* The bytes that an option holds as text, or another as hex. A new string, with a NUL behind. */
static int get_bytes(const char *name, const char *text, const char *hex, char **ret,
		     uint16_t *ret_len, struct jerr *err)
{
	char hex_name[32];

	if (!hex) {
		*ret_len = (uint16_t)strlen(text);
		*ret = strdup(text);
		return *ret ? 0 : -ENOMEM;
	}
	snprintf(hex_name, sizeof(hex_name), "%s_hex", name);
	if (text[0])
		return jget_fail_at(err, hex_name, "%s and %s exclude each other", name, hex_name);
	*ret_len = (uint16_t)(strlen(hex) / 2);
	*ret = calloc(1, *ret_len + 1u);
	if (!*ret)
		return -ENOMEM;
	for (size_t i = 0; hex[2 * i]; i++) {
		int high = model_hex_digit(hex[2 * i]), low = model_hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return jget_fail_at(err, hex_name, "%s must be whole octets in hex",
					    hex_name);
		(*ret)[i] = (char)(high << 4 | low);
	}
	return 0;
}

static int get_source(const char *text, struct model_check *c, struct jerr *err)
{
	if (!text)
		return 0;
	if (addr_parse(text, &c->source) < 0 || !addr_is_host(&c->source))
		return jget_fail_at(err, "source", "source must be an address of this node");
	return 0;
}

static int get_flag(struct json_object *o, const char *name, enum msg_hc_flag flag,
		    struct model_check *c, struct jerr *err)
{
	bool on = c->flags & flag;

	if (jget_bool(o, name, &on, err) < 0)
		return -EINVAL;
	c->flags = (uint8_t)(on ? c->flags | flag : c->flags & ~flag);
	return 0;
}

static int get_flags(struct json_object *o, struct model_check *c, struct jerr *err)
{
	if (get_flag(o, "verify", MSG_HC_F_VERIFY, c, err) < 0 ||
	    get_flag(o, "client_cert", MSG_HC_F_CLIENT_CERT, c, err) < 0 ||
	    get_flag(o, "resume", MSG_HC_F_RESUME, c, err) < 0 ||
	    get_flag(o, "half_open", MSG_HC_F_HALF_OPEN, c, err) < 0)
		return -EINVAL;
	return 0;
}

/* What the type does not use is left at one value. */
static int set_texts(struct model_check *c, struct check_text *t, struct jerr *err)
{
	bool web = WEB & 1u << c->type, udp = c->type == MSG_HC_UDP;
	const char *path = web ? t->path : c->type == MSG_HC_GRPC ? t->service : "";
	int r;

	if (web && parse_status(t->status, c, err) < 0)
		return -EINVAL;
	if (c->type != MSG_HC_HTTPS) {
		c->flags &= (uint8_t)~MSG_HC_F_VERIFY;
		t->sni = "";
	}
	c->method = strdup(web ? t->method : "");
	c->path = strdup(path);
	c->host = strdup(t->host);
	c->sni = strdup(t->sni);
	c->device = strdup(t->device);
	if (!c->method || !c->path || !c->host || !c->sni || !c->device)
		return -ENOMEM;
	r = get_bytes("payload", t->payload, t->payload_hex, &c->payload, &c->payload_len, err);
	if (r < 0)
		return r;
	if (udp)
		return get_bytes("expect", t->expect, t->expect_hex, &c->body, &c->body_len, err);
	return get_bytes("body", t->body, NULL, &c->body, &c->body_len, err);
}

static int get_numbers(struct json_object *o, uint16_t port, struct model_check *c,
		       struct jerr *err)
{
	uint64_t check_port = c->type == MSG_HC_ICMP ? 0 : port, dscp = 0, max_body = 0;

	if (jget_u64(o, "port", 1, UINT16_MAX, &check_port, err) < 0 ||
	    jget_u64(o, "dscp", 0, 63, &dscp, err) < 0 ||
	    jget_u64(o, "max_body", 1, HC_BODY_LIMIT, &max_body, err) < 0)
		return -EINVAL;
	if (!check_port && c->type != MSG_HC_ICMP)
		return jget_fail_at(err, "port",
				    "a %s check of an all-ports service must name its port",
				    model_check_str(c->type));
	if (max_body && !c->body_len)
		return jget_fail_at(err, "max_body", "max_body is of use only with body");
	c->port = (uint16_t)check_port;
	c->dscp = (uint8_t)dscp;
	if (WEB & 1u << c->type && c->body_len)
		c->max_body = max_body ? (uint32_t)max_body : HC_BODY_MAX;
	return 0;
}

static int get_pace(struct json_object *o, struct model_check *c, struct jerr *err)
{
	uint64_t interval = 0, timeout = 0, rise = 0, fall = 0;

	if (jget_u64(o, "interval_ms", MODEL_INTERVAL_MIN, MODEL_INTERVAL_MAX, &interval, err) <
		    0 ||
	    jget_u64(o, "timeout_ms", MODEL_TIMEOUT_MIN, MODEL_INTERVAL_MAX, &timeout, err) < 0 ||
	    jget_u64(o, "rise", 1, MODEL_COUNT_MAX, &rise, err) < 0 ||
	    jget_u64(o, "fall", 1, MODEL_COUNT_MAX, &fall, err) < 0)
		return -EINVAL;
	c->interval_ms = (uint32_t)interval;
	c->timeout_ms = (uint32_t)timeout;
	c->rise = (uint16_t)rise;
	c->fall = (uint16_t)fall;
	return 0;
}

int model_check_parse(struct json_object *o, uint16_t port, struct model_check *c, struct jerr *err)
{
	struct check_text t = {.method = "GET",
			       .path = "/",
			       .host = "",
			       .body = "",
			       .sni = "",
			       .status = "200-299",
			       .device = "",
			       .service = "",
			       .payload = "",
			       .expect = ""};
	int type = -1, r;

	if (!json_object_is_type(o, json_type_object))
		return jget_fail(err, "a check must be an object");
	r = jget_enum(o, "type", types, ARRAY_SIZE(types), &type, err);
	if (r < 0 || type < 0)
		return jget_fail_at(err, "type", "a check lacks type");
	c->type = (enum msg_hc_type)type;
	c->flags = MSG_HC_F_VERIFY;
	if (known_options(o, err) < 0 || check_options(o, c->type, err) < 0 ||
	    get_pace(o, c, err) < 0 || get_texts(o, &t, err) < 0 || get_flags(o, c, err) < 0 ||
	    get_source(t.source, c, err) < 0)
		return -EINVAL;
	r = set_texts(c, &t, err);
	return r < 0 ? r : get_numbers(o, port, c, err);
}

void model_check_done(struct model_check *c)
{
	free(c->method);
	free(c->path);
	free(c->host);
	free(c->body);
	free(c->sni);
	free(c->device);
	free(c->payload);
}

static char *copy_bytes(const char *data, size_t len)
{
	char *copy = malloc(len + 1);

	return copy ? memcpy(copy, data, len + 1) : NULL;
}

int model_check_copy(const struct model_check *c, struct model_check *ret)
{
	*ret = *c;
	ret->method = strdup(c->method);
	ret->path = strdup(c->path);
	ret->host = strdup(c->host);
	ret->body = copy_bytes(c->body, c->body_len);
	ret->sni = strdup(c->sni);
	ret->device = strdup(c->device);
	ret->payload = copy_bytes(c->payload, c->payload_len);
	return ret->method && ret->path && ret->host && ret->body && ret->sni && ret->device &&
			       ret->payload
		       ? 0
		       : -ENOMEM;
}

/* ---- comparison ---- */

static int number_cmp(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

static int bytes_cmp(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int cmp = memcmp(a, b, MIN2(a_len, b_len));

	return cmp ? cmp : number_cmp((uint32_t)a_len, (uint32_t)b_len);
}

static int number_fields_cmp(const struct model_check *a, const struct model_check *b)
{
	int cmp = number_cmp(a->type, b->type);

	if (!cmp)
		cmp = number_cmp(a->port, b->port);
	if (!cmp)
		cmp = number_cmp(a->flags, b->flags);
	if (!cmp)
		cmp = number_cmp(a->dscp, b->dscp);
	if (!cmp)
		cmp = number_cmp(a->interval_ms, b->interval_ms);
	if (!cmp)
		cmp = number_cmp(a->timeout_ms, b->timeout_ms);
	if (!cmp)
		cmp = number_cmp(a->rise, b->rise);
	if (!cmp)
		cmp = number_cmp(a->fall, b->fall);
	if (!cmp)
		cmp = number_cmp(a->max_body, b->max_body);
	if (!cmp)
		cmp = addr_cmp(&a->source, &b->source);
	if (!cmp)
		cmp = number_cmp(a->n_status, b->n_status);
	return cmp ? cmp : memcmp(a->status, b->status, a->n_status * sizeof(a->status[0]));
}

int model_check_cmp(const void *va, const void *vb)
{
	const struct model_check *a = va, *b = vb;
	int cmp = number_fields_cmp(a, b);

	if (!cmp)
		cmp = strcmp(a->method, b->method);
	if (!cmp)
		cmp = strcmp(a->path, b->path);
	if (!cmp)
		cmp = strcmp(a->host, b->host);
	if (!cmp)
		cmp = bytes_cmp(a->body, a->body_len, b->body, b->body_len);
	if (!cmp)
		cmp = strcmp(a->sni, b->sni);
	if (!cmp)
		cmp = strcmp(a->device, b->device);
	return cmp ? cmp : bytes_cmp(a->payload, a->payload_len, b->payload, b->payload_len);
}

/* ---- writing ---- */

static void write_status(const struct model_check *c, struct jput b)
{
	char text[MSG_HC_STATUS_RANGES * sizeof("65535-65535,")] = "";
	size_t len = 0;

	for (uint8_t i = 0; i < c->n_status; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u-%u", i ? "," : "",
					c->status[i].from, c->status[i].to);
	jput_str(b, "status", text);
}

/* As text where all of it is ASCII that can be read, else as hex. */
static void write_bytes(struct jput b, const char *name, const char *hex_name, const char *data,
			size_t len)
{
	char hex[HEX_STRLEN];
	bool plain = true;

	for (size_t i = 0; i < len; i++)
		plain &= data[i] >= 0x20 && data[i] < 0x7f;
	if (plain) {
		jput_str(b, name, data);
		return;
	}
	for (size_t i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)data[i]);
	jput_str(b, hex_name, hex);
}

static void write_web(const struct model_check *c, struct jput b)
{
	jput_str(b, "method", c->method);
	jput_str(b, "path", c->path);
	jput_str(b, "host", c->host);
	write_status(c, b);
	jput_str(b, "body", c->body);
	if (c->body_len)
		jput_u64(b, "max_body", c->max_body);
	if (c->type != MSG_HC_HTTPS)
		return;
	jput_bool(b, "verify", c->flags & MSG_HC_F_VERIFY);
	jput_str(b, "sni", c->sni);
	jput_bool(b, "client_cert", c->flags & MSG_HC_F_CLIENT_CERT);
	jput_bool(b, "resume", c->flags & MSG_HC_F_RESUME);
}

static void write_pace(const struct model_check *c, struct jput b)
{
	if (c->interval_ms)
		jput_u64(b, "interval_ms", c->interval_ms);
	if (c->timeout_ms)
		jput_u64(b, "timeout_ms", c->timeout_ms);
	if (c->rise)
		jput_u64(b, "rise", c->rise);
	if (c->fall)
		jput_u64(b, "fall", c->fall);
}

void model_check_write(const struct model_check *c, struct jput b)
{
	jput_str(b, "type", model_check_str(c->type));
	if (c->type != MSG_HC_ICMP)
		jput_u64(b, "port", c->port);
	write_pace(c, b);
	if (!addr_is_unspecified(&c->source))
		jput_addr(b, "source", &c->source);
	if (c->device[0])
		jput_str(b, "device", c->device);
	jput_u64(b, "dscp", c->dscp);
	switch (c->type) {
	case MSG_HC_TCP:
		jput_bool(b, "half_open", c->flags & MSG_HC_F_HALF_OPEN);
		break;
	case MSG_HC_HTTP:
	case MSG_HC_HTTPS:
		write_web(c, b);
		break;
	case MSG_HC_UDP:
		write_bytes(b, "payload", "payload_hex", c->payload, c->payload_len);
		write_bytes(b, "expect", "expect_hex", c->body, c->body_len);
		break;
	case MSG_HC_GRPC:
		jput_str(b, "host", c->host);
		jput_str(b, "service", c->path);
		break;
	case MSG_HC_ICMP:
	case MSG_HC_TYPES:
		break;
	}
}
