// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Parsing of one element of a VIP's "ports": the service, how it spreads its
 * flows, and its backends. Its health object is in model_health.c.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "model_int.h"

/* Trial division is enough below 2^20. */
static bool is_prime(uint32_t n)
{
	if (n < 4)
		return n > 1;
	if (n % 2 == 0)
		return false;
	for (uint32_t d = 3; d <= n / d; d += 2)
		if (n % d == 0)
			return false;
	return true;
}

static int backend_cmp(const void *a, const void *b)
{
	return addr_cmp(&((const struct model_backend *)a)->addr,
			&((const struct model_backend *)b)->addr);
}

int model_port_cmp(const void *va, const void *vb)
{
	const struct model_port *a = va, *b = vb;

	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return 0;
}

int model_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A QUIC server id (QUIC-LB, plaintext): as many octets as the port says, in hex. */
int model_quic_id_parse(const char *text, const struct model_port *p, struct model_backend *b,
			struct jerr *err)
{
	uint8_t any = 0;

	memset(b->quic_id, 0, sizeof(b->quic_id));
	if (!text)
		return 0;
	if (!p->quic_len)
		return jget_fail_at(err, "quic_id", "quic_id, but the port has no quic");
	if (strlen(text) != (size_t)2 * p->quic_len)
		return jget_fail_at(err, "quic_id", "quic_id must be %u octets in hex",
				    p->quic_len);
	for (size_t i = 0; i < p->quic_len; i++) {
		int high = model_hex_digit(text[2 * i]), low = model_hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return jget_fail_at(err, "quic_id", "quic_id must be %u octets in hex",
					    p->quic_len);
		b->quic_id[i] = (uint8_t)(high << 4 | low);
		any |= b->quic_id[i];
	}
	return any ? 0 : jget_fail_at(err, "quic_id", "quic_id must not be all zeros");
}

int model_backend_check_addr(const struct model_vip *v, const struct addr *a, struct jerr *err)
{
	char text[ADDR_STRLEN];

	addr_str(a, text);
	if (!addr_is_host(a))
		return jget_fail_at(err, "address", "backend %s: not an address of a host", text);
	if (!addr_same_prefix(a, &v->addr, v->plen))
		return 0;
	return jget_fail_at(err, "address",
			    v->plen == ADDR_PLEN_HOST ? "backend %s is the VIP itself"
						      : "backend %s is inside the VIP",
			    text);
}

int model_backend_parse(struct json_object *o, const struct model_vip *v,
			const struct model_port *p, struct model_backend *b, struct jerr *err)
{
	static const char *const names[] = {"address", "weight", "admin", "quic_id"};
	static const char *const admins[] = {"up", "drain", "down"};
	const char *address = NULL, *quic_id = NULL;
	uint64_t weight = 1;
	int admin = MODEL_ADMIN_UP;
	char why[96] = "";
	struct jerr sub = jget_sub(err, why, sizeof(why));

	if (!json_object_is_type(o, json_type_object))
		return jget_fail(err, "a backend must be an object");
	if (jget_known(o, names, ARRAY_SIZE(names), err) < 0 ||
	    jget_str(o, "address", ADDR_STRLEN - 1, &address, err) < 0)
		return -EINVAL;
	if (!address)
		return jget_fail_at(err, "address", "a backend lacks address");
	if (addr_parse(address, &b->addr) < 0)
		return jget_fail_at(err, "address", "backend %s: not an address of a host",
				    address);
	if (model_backend_check_addr(v, &b->addr, err) < 0)
		return -EINVAL;
	if (jget_u64(o, "weight", 0, MODEL_WEIGHT_MAX, &weight, &sub) < 0 ||
	    jget_enum(o, "admin", admins, ARRAY_SIZE(admins), &admin, &sub) < 0 ||
	    jget_str(o, "quic_id", 255, &quic_id, &sub) < 0 ||
	    model_quic_id_parse(quic_id, p, b, &sub) < 0)
		return jget_fail(err, "backend %s: %s", address, why);
	b->weight = (uint32_t)weight;
	b->admin = (enum model_admin)admin;
	return 0;
}

static int quic_id_cmp(const void *a, const void *b)
{
	return memcmp(a, b, NLB_QUIC_ID_MAX);
}

/* No two backends with the same server id. */
static int quic_ids_check(const struct model_port *p, struct jerr *err)
{
	static const uint8_t none[NLB_QUIC_ID_MAX];
	_cleanup_free_ uint8_t(*ids)[NLB_QUIC_ID_MAX] = NULL;

	if (!p->quic_len || !p->n_backends)
		return 0;
	ids = calloc(p->n_backends, sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_backends; i++)
		memcpy(ids[i], p->backends[i].quic_id, sizeof(*ids));
	qsort(ids, p->n_backends, sizeof(*ids), quic_id_cmp);
	for (size_t i = 1; i < p->n_backends; i++)
		if (quic_id_cmp(ids[i], none) != 0 && quic_id_cmp(ids[i - 1], ids[i]) == 0)
			return jget_fail_at(err, "backends", "two backends have the same quic_id");
	return 0;
}

static int backends_parse(struct json_object *arr, const struct model_vip *v, struct model_port *p,
			  struct jerr *err)
{
	size_t n = json_object_array_length(arr);
	char text[ADDR_STRLEN];

	p->backends = calloc(MAX2(n, (size_t)1), sizeof(*p->backends));
	if (!p->backends)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (model_backend_parse(json_object_array_get_idx(arr, i), v, p, &p->backends[i],
					err) < 0) {
			jget_under(err, "backends", i);
			return -EINVAL;
		}
	}
	p->n_backends = n;
	qsort(p->backends, n, sizeof(*p->backends), backend_cmp);
	for (size_t i = 1; i < n; i++)
		if (addr_cmp(&p->backends[i - 1].addr, &p->backends[i].addr) == 0)
			return jget_fail_at(err, "backends", "backend %s is listed twice",
					    addr_str(&p->backends[i].addr, text));
	return 0;
}

int model_port_check(const struct model_vip *v, const struct model_port *p, struct jerr *err)
{
	if (p->n_backends > MODEL_BACKENDS_MAX)
		return jget_fail_at(err, "backends", "backends holds more than %u elements",
				    MODEL_BACKENDS_MAX);
	if (p->n_backends >= p->ring_size)
		return jget_fail_at(err, "maglev_size",
				    "maglev_size %u must be above the number of backends, %zu",
				    p->ring_size, p->n_backends);
	if (model_health_check_source(v, p, err) < 0)
		return -EINVAL;
	return quic_ids_check(p, err);
}

static int quic_parse(struct json_object *o, struct model_port *p, struct jerr *err)
{
	static const char *const names[] = {"config_id", "server_id_length"};
	uint64_t config = UINT64_MAX, len = 0;

	if (p->protocol != IPPROTO_UDP)
		return jget_fail(err, "quic is for udp");
	if (jget_known(o, names, ARRAY_SIZE(names), err) < 0 ||
	    jget_u64(o, "config_id", 0, MODEL_QUIC_CONFIG_MAX, &config, err) < 0 ||
	    jget_u64(o, "server_id_length", 1, NLB_QUIC_ID_MAX, &len, err) < 0)
		return -EINVAL;
	if (config == UINT64_MAX || !len)
		return jget_fail(err, "quic needs config_id and server_id_length");
	p->quic_config = (uint8_t)config;
	p->quic_len = (uint8_t)len;
	return 0;
}

static int port_body_parse(struct json_object *o, const struct model_vip *v, struct model_port *p,
			   struct jerr *err)
{
	static const char *const affinities[] = {"none", "source"};
	struct json_object *backends = NULL, *health = NULL, *quic = NULL;
	uint64_t ring = MODEL_RING_DEFAULT;
	int affinity = 0, r;

	if (jget_enum(o, "affinity", affinities, ARRAY_SIZE(affinities), &affinity, err) < 0 ||
	    jget_object(o, "quic", &quic, err) < 0)
		return -EINVAL;
	if (quic && quic_parse(quic, p, err) < 0) {
		jget_under_object(err, "quic");
		return -EINVAL;
	}
	p->affinity = affinity == 1;
	if (jget_u64(o, "maglev_size", 2, MODEL_RING_MAX, &ring, err) < 0 ||
	    jget_array(o, "backends", MODEL_BACKENDS_MAX, &backends, err) < 0 ||
	    jget_object(o, "health", &health, err) < 0)
		return -EINVAL;
	if (!backends)
		return jget_fail_at(err, "backends", "backends is missing");
	if (!is_prime((uint32_t)ring))
		return jget_fail_at(err, "maglev_size", "maglev_size %u is not a prime number",
				    (uint32_t)ring);
	p->ring_size = (uint32_t)ring;
	r = backends_parse(backends, v, p, err);
	if (r < 0)
		return r;
	r = model_health_parse(health, p->port, &p->health, err);
	if (r < 0) {
		jget_under_object(err, "health");
		return r;
	}
	return model_port_check(v, p, err);
}

int model_port_parse(struct json_object *o, const struct model_vip *v, struct model_port *p,
		     struct jerr *err)
{
	static const char *const names[] = {"protocol", "port",	    "maglev_size", "affinity",
					    "quic",	"backends", "health"};
	const char *protocol = NULL;
	uint64_t port = UINT64_MAX;
	char why[128] = "";
	struct jerr sub = jget_sub(err, why, sizeof(why));
	int r;

	if (!json_object_is_type(o, json_type_object))
		return jget_fail(err, "a port must be an object");
	if (jget_known(o, names, ARRAY_SIZE(names), err) < 0 ||
	    jget_str(o, "protocol", 16, &protocol, err) < 0 ||
	    jget_u64(o, "port", 0, UINT16_MAX, &port, err) < 0)
		return -EINVAL;
	if (!protocol || model_protocol_parse(protocol, &p->protocol) < 0)
		return jget_fail_at(err, "protocol", "protocol of a port must be tcp or udp");
	if (port == UINT64_MAX)
		return jget_fail_at(err, "port", "a port lacks its number");
	p->port = (uint16_t)port;
	r = port_body_parse(o, v, p, &sub);
	if (r == -EINVAL)
		return jget_fail(err, "%s/%u: %s", protocol, p->port, why);
	return r;
}
