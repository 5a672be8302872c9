// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Decoding of a condition. The parent has checked the scheduler's words
 * already; they are checked again here because they end up in requests: a line
 * break in a path would be a request of the scheduler's own making.
 *
 * One allocation holds the struct, the table for the body search and the strings.
 */
#include <net/if.h>
#include <string.h>

#include "hc_check.h"
#include "util.h"

#define N_STRINGS 7

/* The strings behind the head, in their order. */
enum { S_METHOD, S_PATH, S_HOST, S_BODY, S_SNI, S_DEVICE, S_PAYLOAD };

/* The defaults for what the frame leaves empty. */
static const struct msg_status_range status_default = {.from = 200, .to = 299};

static bool text_ok(const char *s, bool blank_ok)
{
	for (; *s; s++)
		if ((unsigned char)*s < (blank_ok ? 0x20 : 0x21) || *s == 0x7f)
			return false;
	return true;
}

/* Reads the strings behind the head; -EPROTO when they are not what it says. */
static int read_strings(const struct msg_hc_cond *m, size_t len, const char *ret_s[N_STRINGS])
{
	const uint16_t lens[N_STRINGS] = {
		m->method_len, m->path_len,   m->host_len,    m->body_len,
		m->sni_len,    m->device_len, m->payload_len,
	};
	const char *at = (const char *)(m + 1);
	size_t left = len - sizeof(*m);

	for (size_t i = 0; i < N_STRINGS; i++) {
		if (left < lens[i] + 1u || at[lens[i]] != '\0')
			return -EPROTO;
		if (i != S_BODY && i != S_PAYLOAD && memchr(at, '\0', lens[i]))
			return -EPROTO;
		ret_s[i] = at;
		at += lens[i] + 1u;
		left -= lens[i] + 1u;
	}
	return left ? -EPROTO : 0;
}

static const char *bad_timing(const struct msg_hc_cond *m)
{
	if (m->interval_ms < HC_INTERVAL_MIN_MS || m->interval_ms > HC_INTERVAL_MAX_MS)
		return "interval";
	if (m->timeout_ms < 1 || m->timeout_ms > HC_TIMEOUT_MAX_MS)
		return "timeout";
	if (m->rise < 1)
		return "rise";
	if (m->fall < 1)
		return "fall";
	return NULL;
}

static const char *bad_http(const struct msg_hc_cond *m, const char *const s[N_STRINGS])
{
	const char *method = s[S_METHOD], *path = s[S_PATH];
	bool is_path = m->type != MSG_HC_GRPC; /* there it is the service's name */

	if (*method && strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return "method";
	if (m->path_len > HC_STRING_MAX || (is_path && *path && *path != '/') ||
	    !text_ok(path, false))
		return "path";
	if (m->host_len > HC_NAME_MAX || !text_ok(s[S_HOST], false))
		return "host";
	if (m->sni_len > HC_NAME_MAX || !text_ok(s[S_SNI], false))
		return "sni";
	for (unsigned int i = 0; i < m->n_status; i++)
		if (m->status[i].from < 100 || m->status[i].to > 999 ||
		    m->status[i].from > m->status[i].to)
			return "status";
	return NULL;
}

/* Packets have one family: that of where they go. */
static bool bad_address(const struct msg_hc_cond *m, const struct addr *a)
{
	const struct addr *to = addr_is_unspecified(&m->dest) ? &m->target : &m->dest;

	return !addr_is_unspecified(a) && addr_is_v4(a) != addr_is_v4(to);
}

/* The first field that is out of its bounds, or NULL. */
static const char *bad_field(const struct msg_hc_cond *m, const char *const s[N_STRINGS])
{
	if (m->type >= MSG_HC_TYPES)
		return "type";
	if (addr_is_unspecified(&m->target))
		return "target";
	if (m->type != MSG_HC_ICMP && !m->port)
		return "port";
	if (m->initial > MSG_HC_DOWN)
		return "initial";
	if (m->n_status > MSG_HC_STATUS_RANGES)
		return "status";
	if (m->dscp > 63)
		return "dscp";
	if (m->device_len >= IFNAMSIZ)
		return "device";
	if (m->body_len > HC_STRING_MAX || m->body_max > HC_BODY_LIMIT)
		return "body";
	if (m->payload_len > HC_STRING_MAX)
		return "payload";
	if (bad_address(m, &m->dest))
		return "dest";
	if (bad_address(m, &m->source))
		return "source";
	if (m->type == MSG_HC_HTTP || m->type == MSG_HC_HTTPS || m->type == MSG_HC_GRPC) {
		const char *what = bad_http(m, s);

		if (what)
			return what;
	}
	return bad_timing(m);
}

/*
 * next[i]: how much of the pattern is still matched when its first i + 1 bytes
 * were, and the byte after them is another one (Knuth, Morris, Pratt).
 */
static void body_table(const char *body, size_t len, uint16_t *next)
{
	size_t k = 0;

	if (len)
		next[0] = 0;
	for (size_t i = 1; i < len; i++) {
		while (k && body[i] != body[k])
			k = next[k - 1];
		if (body[i] == body[k])
			k++;
		next[i] = (uint16_t)k;
	}
}

int hc_check_new(const void *frame, size_t len, struct hc_check **ret, const char **ret_what)
{
	const struct msg_hc_cond *m = frame;
	const char *s[N_STRINGS], *what;
	struct hc_check *c;
	uint16_t *next;
	char *text;
	int r;

	if (len < sizeof(*m))
		return -EPROTO;
	r = read_strings(m, len, s);
	if (r < 0)
		return r;
	what = bad_field(m, s);
	if (what) {
		*ret_what = what;
		return -EINVAL;
	}

	c = calloc(1, sizeof(*c) + m->body_len * sizeof(*next) + (len - sizeof(*m)));
	if (!c)
		return -ENOMEM;
	next = (uint16_t *)(c + 1);
	text = (char *)(next + m->body_len);
	memcpy(text, m + 1, len - sizeof(*m));
	c->hash = hc_tab_hash(&m->dest, len - offsetof(struct msg_hc_cond, dest));
	c->dest = m->dest;
	c->source = m->source;
	c->port = m->type == MSG_HC_ICMP ? 0 : m->port;
	c->type = m->type;
	c->flags = m->flags;
	c->dscp = m->dscp;
	c->rise = m->rise;
	c->fall = m->fall;
	c->interval_ms = m->interval_ms;
	c->timeout_ms = m->timeout_ms;
	c->body_max = m->body_max ? m->body_max : HC_BODY_MAX;
	c->n_status = m->n_status;
	memcpy(c->status, m->status, m->n_status * sizeof(c->status[0]));
	if (!c->n_status)
		c->status[c->n_status++] = status_default;
	c->method = m->method_len ? text : "GET";
	text += m->method_len + 1;
	c->path = m->path_len || m->type == MSG_HC_GRPC ? text : "/";
	text += m->path_len + 1;
	c->host = text;
	text += m->host_len + 1;
	c->body = text;
	c->body_len = m->body_len;
	text += m->body_len + 1;
	c->sni = text;
	text += m->sni_len + 1;
	c->device = text;
	text += m->device_len + 1;
	c->payload = text;
	c->payload_len = m->payload_len;
	body_table(c->body, c->body_len, next);
	c->body_next = next;
	*ret = c;
	return 0;
}

void hc_check_free(struct hc_check *c)
{
	free(c);
}

static bool same_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

bool hc_check_same_probe(const struct hc_check *a, const struct hc_check *b)
{
	return addr_cmp(&a->dest, &b->dest) == 0 && addr_cmp(&a->source, &b->source) == 0 &&
	       a->port == b->port && a->type == b->type && a->flags == b->flags &&
	       a->dscp == b->dscp && a->body_max == b->body_max && a->n_status == b->n_status &&
	       memcmp(a->status, b->status, a->n_status * sizeof(a->status[0])) == 0 &&
	       strcmp(a->method, b->method) == 0 && strcmp(a->path, b->path) == 0 &&
	       strcmp(a->host, b->host) == 0 && strcmp(a->sni, b->sni) == 0 &&
	       strcmp(a->device, b->device) == 0 &&
	       same_bytes(a->body, a->body_len, b->body, b->body_len) &&
	       same_bytes(a->payload, a->payload_len, b->payload, b->payload_len);
}

bool hc_check_same_timing(const struct hc_check *a, const struct hc_check *b)
{
	return a->interval_ms == b->interval_ms && a->timeout_ms == b->timeout_ms &&
	       a->rise == b->rise && a->fall == b->fall;
}

bool hc_check_status_ok(const struct hc_check *c, unsigned int status)
{
	for (unsigned int i = 0; i < c->n_status; i++)
		if (status >= c->status[i].from && status <= c->status[i].to)
			return true;
	return false;
}
