// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the scheduler's JSON to a model. What is wrong with the document as a
 * whole refuses it; what is wrong inside one VIP refuses that VIP, with a
 * reason that says where ("tcp/80: backend 10.0.0.1: weight must be ...").
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

static int port_cmp(const void *va, const void *vb)
{
	const struct model_port *a = va, *b = vb;

	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return 0;
}

static int vip_cmp(const void *a, const void *b)
{
	return addr_cmp(&((const struct model_vip *)a)->addr, &((const struct model_vip *)b)->addr);
}

static int backend_parse(struct json_object *o, const struct addr *vip, struct model_backend *b,
			 struct jerr *err)
{
	static const char *const admins[] = {"up", "drain", "down"};
	const char *address = NULL;
	uint64_t weight = 1;
	int admin = MODEL_ADMIN_UP;
	char why[96] = "";
	struct jerr sub = {why, sizeof(why)};

	if (!json_object_is_type(o, json_type_object))
		return jget_fail(err, "a backend must be an object");
	if (jget_str(o, "address", ADDR_STRLEN - 1, &address, err) < 0)
		return -EINVAL;
	if (!address)
		return jget_fail(err, "a backend lacks address");
	if (addr_parse(address, &b->addr) < 0 || !addr_is_host(&b->addr))
		return jget_fail(err, "backend %s: not an address of a host", address);
	if (addr_cmp(&b->addr, vip) == 0)
		return jget_fail(err, "backend %s is the VIP itself", address);
	/* The program makes 4in4, 6in6 and 4in6 tunnels. */
	if (!addr_is_v4(vip) && addr_is_v4(&b->addr))
		return jget_fail(err, "backend %s: an IPv6 VIP needs IPv6 backends", address);
	if (jget_u64(o, "weight", 0, MODEL_WEIGHT_MAX, &weight, &sub) < 0 ||
	    jget_enum(o, "admin", admins, ARRAY_SIZE(admins), &admin, &sub) < 0)
		return jget_fail(err, "backend %s: %s", address, why);
	b->weight = (uint32_t)weight;
	b->admin = (enum model_admin)admin;
	return 0;
}

static int backends_parse(struct json_object *arr, const struct addr *vip, struct model_port *p,
			  struct jerr *err)
{
	size_t n = json_object_array_length(arr);
	char text[ADDR_STRLEN];

	p->backends = calloc(MAX2(n, (size_t)1), sizeof(*p->backends));
	if (!p->backends)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (backend_parse(json_object_array_get_idx(arr, i), vip, &p->backends[i], err) < 0)
			return -EINVAL;
	p->n_backends = n;
	qsort(p->backends, n, sizeof(*p->backends), backend_cmp);
	for (size_t i = 1; i < n; i++)
		if (addr_cmp(&p->backends[i - 1].addr, &p->backends[i].addr) == 0)
			return jget_fail(err, "backend %s is listed twice",
					 addr_str(&p->backends[i].addr, text));
	return 0;
}

static int port_body_parse(struct json_object *o, const struct addr *vip, struct model_port *p,
			   struct jerr *err)
{
	struct json_object *backends = NULL, *health = NULL;
	uint64_t ring = MODEL_RING_DEFAULT;
	int r;

	if (jget_u64(o, "maglev_size", 2, MODEL_RING_MAX, &ring, err) < 0 ||
	    jget_array(o, "backends", MODEL_BACKENDS_MAX, &backends, err) < 0 ||
	    jget_object(o, "health", &health, err) < 0)
		return -EINVAL;
	if (!backends)
		return jget_fail(err, "backends is missing");
	if (!is_prime((uint32_t)ring))
		return jget_fail(err, "maglev_size %u is not a prime number", (uint32_t)ring);
	p->ring_size = (uint32_t)ring;
	r = backends_parse(backends, vip, p, err);
	if (r < 0)
		return r;
	if (p->n_backends >= ring)
		return jget_fail(err, "maglev_size %u must be above the number of backends, %zu",
				 (uint32_t)ring, p->n_backends);
	return model_health_parse(health, p->port, &p->health, err);
}

static int port_parse(struct json_object *o, const struct addr *vip, struct model_port *p,
		      struct jerr *err)
{
	const char *protocol = NULL;
	uint64_t port = 0;
	char why[128] = "";
	struct jerr sub = {why, sizeof(why)};
	int r;

	if (!json_object_is_type(o, json_type_object))
		return jget_fail(err, "a port must be an object");
	if (jget_str(o, "protocol", 16, &protocol, err) < 0 ||
	    jget_u64(o, "port", 1, UINT16_MAX, &port, err) < 0)
		return -EINVAL;
	if (!protocol || model_protocol_parse(protocol, &p->protocol) < 0)
		return jget_fail(err, "protocol of a port must be tcp or udp");
	if (!port)
		return jget_fail(err, "a port lacks its number");
	p->port = (uint16_t)port;
	r = port_body_parse(o, vip, p, &sub);
	if (r == -EINVAL)
		return jget_fail(err, "%s/%u: %s", protocol, p->port, why);
	return r;
}

int model_vip_parse(struct json_object *o, const struct addr *a, struct model_vip *v,
		    struct jerr *err)
{
	struct json_object *ports = NULL;
	uint64_t tag = 0;
	size_t n;
	int r;

	v->addr = *a;
	if (!addr_is_host(a) || addr_is_loopback(a))
		return jget_fail(err, "the address cannot be one of a service");
	if (jget_u64(o, "desired_revision", 0, UINT64_MAX, &v->desired_revision, err) < 0 ||
	    jget_u64(o, "synced_revision", 0, UINT64_MAX, &v->synced_revision, err) < 0 ||
	    jget_bool(o, "deletion", &v->deletion, err) < 0 ||
	    jget_u64(o, "tag", 0, UINT32_MAX, &tag, err) < 0 ||
	    jget_array(o, "ports", MODEL_PORTS_MAX, &ports, err) < 0)
		return -EINVAL;
	v->tag = (uint32_t)tag;
	n = ports ? json_object_array_length(ports) : 0;
	if (!n && !v->deletion)
		return jget_fail(err, "ports is missing or empty");
	v->ports = calloc(MAX2(n, (size_t)1), sizeof(*v->ports));
	if (!v->ports)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		v->n_ports = i + 1;
		r = port_parse(json_object_array_get_idx(ports, i), a, &v->ports[i], err);
		if (r < 0)
			return r;
	}
	if (n)
		qsort(v->ports, n, sizeof(*v->ports), port_cmp);
	for (size_t i = 1; i < n; i++)
		if (port_cmp(&v->ports[i - 1], &v->ports[i]) == 0)
			return jget_fail(err, "%s/%u is listed twice",
					 model_protocol_str(v->ports[i].protocol),
					 v->ports[i].port);
	return 0;
}

/* Copies text, which may be longer, cut at a character's end. */
static void cut_text(char *buf, size_t len, const char *text)
{
	size_t n = strnlen(text, len - 1);

	while (n && text[n] && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	memcpy(buf, text, n);
	buf[n] = '\0';
}

/*
 * One element of "vips": a VIP more, or a refusal more. *ret_known says
 * whether its address could be read (for the search for duplicates).
 */
static int element_parse(struct json_object *o, struct model *m, struct addr *ret_addr,
			 bool *ret_known)
{
	struct model_refusal *ref = &m->refusals[m->n_refusals];
	struct model_vip *v = &m->vips[m->n_vips];
	struct jerr err = {ref->reason, sizeof(ref->reason)};
	const char *id = "", *address = NULL;
	int r;

	*ret_known = false;
	if (!json_object_is_type(o, json_type_object)) {
		m->n_refusals++;
		return jget_fail(&err, "a VIP must be an object");
	}
	/* The address first: it decides which VIP the rest is about. */
	r = jget_str(o, "address", 1024, &address, &err);
	if (r == 0 && !address)
		r = jget_fail(&err, "address is missing");
	if (r == 0) {
		cut_text(ref->address, sizeof(ref->address), address);
		r = addr_parse(address, ret_addr);
		if (r < 0)
			jget_fail(&err, "address: not an IPv4 or IPv6 address");
		*ret_known = r == 0;
	}
	if (jget_str(o, "id", MODEL_ID_LEN - 1, &id, &err) < 0)
		r = -EINVAL;
	cut_text(ref->id, sizeof(ref->id), id);
	if (r == 0) {
		memcpy(v->id, ref->id, sizeof(v->id));
		r = model_vip_parse(o, ret_addr, v, &err);
	}
	if (r == 0) {
		m->n_vips++;
		*ref = (struct model_refusal){0};
		return 0;
	}
	model_vip_done(v);
	*v = (struct model_vip){0};
	if (r == -ENOMEM)
		return r;
	/* Best effort: the revision goes into the report. */
	jget_u64(o, "desired_revision", 0, UINT64_MAX, &ref->desired_revision, NULL);
	m->n_refusals++;
	return -EINVAL;
}

static int addr_qsort_cmp(const void *a, const void *b)
{
	return addr_cmp(a, b);
}

static int vips_parse(struct json_object *arr, struct model *m, struct jerr *err)
{
	size_t n = json_object_array_length(arr), n_known = 0;
	_cleanup_free_ struct addr *known = calloc(MAX2(n, (size_t)1), sizeof(*known));
	char text[ADDR_STRLEN];

	m->vips = calloc(MAX2(n, (size_t)1), sizeof(*m->vips));
	m->refusals = calloc(MAX2(n, (size_t)1), sizeof(*m->refusals));
	if (!known || !m->vips || !m->refusals)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		bool is_known;

		if (element_parse(json_object_array_get_idx(arr, i), m, &known[n_known],
				  &is_known) == -ENOMEM)
			return -ENOMEM;
		if (is_known)
			n_known++;
	}
	qsort(known, n_known, sizeof(*known), addr_qsort_cmp);
	for (size_t i = 1; i < n_known; i++)
		if (addr_cmp(&known[i - 1], &known[i]) == 0)
			return jget_fail(err, "address %s is listed twice",
					 addr_str(&known[i], text));
	qsort(m->vips, m->n_vips, sizeof(*m->vips), vip_cmp);
	return 0;
}

static int document_parse(struct model *m, const char *json, size_t len, struct jerr *err)
{
	_cleanup_json_ struct json_object *doc = NULL;
	struct json_object *vips = NULL;
	int r;

	if (len > MODEL_DOCUMENT_MAX) {
		jget_fail(err, "the document is longer than %u bytes", MODEL_DOCUMENT_MAX);
		return -E2BIG;
	}
	r = jget_parse(json, len, &doc, err);
	if (r < 0)
		return r;
	if (!json_object_is_type(doc, json_type_object))
		return jget_fail(err, "the document must be an object");
	if (jget_u64(doc, "revision", 0, UINT64_MAX, &m->revision, err) < 0 ||
	    jget_array(doc, "vips", MODEL_VIPS_MAX, &vips, err) < 0)
		return -EINVAL;
	if (!vips)
		return jget_fail(err, "vips is missing");
	return vips_parse(vips, m, err);
}

int model_parse(const char *json, size_t len, struct model **ret, char *err_text, size_t err_len)
{
	struct jerr err = {err_text, err_len};
	struct model *m;
	int r;

	if (err_len)
		err_text[0] = '\0';
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	r = document_parse(m, json, len, &err);
	if (r < 0) {
		model_free(m);
		return r;
	}
	*ret = m;
	return 0;
}
