// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the scheduler's JSON to a model. What is wrong with the document as a
 * whole refuses it; what is wrong inside one VIP refuses that VIP, with a
 * reason that says where ("tcp/80: backend 10.0.0.1: weight must be ...").
 * Services and their backends are in model_port.c.
 */
#include <stdio.h>
#include <string.h>

#include "model_int.h"

static int vip_cmp(const void *a, const void *b)
{
	return addr_cmp(&((const struct model_vip *)a)->addr, &((const struct model_vip *)b)->addr);
}

/* What is said about a VIP whose address is known. */
static int vip_parse(struct json_object *o, struct model_vip *v, struct jerr *err)
{
	static const char *const unknowns[] = {"drop", "pass"};
	struct json_object *ports = NULL;
	int unknown = 0;
	uint64_t tag = 0;
	size_t n;
	int r;

	if (!addr_is_host(&v->addr) || addr_is_loopback(&v->addr))
		return jget_fail_at(err, "address", "the address cannot be one of a service");
	if (jget_u64(o, "desired_revision", 0, UINT64_MAX, &v->desired_revision, err) < 0 ||
	    jget_u64(o, "synced_revision", 0, UINT64_MAX, &v->synced_revision, err) < 0 ||
	    jget_bool(o, "deletion", &v->deletion, err) < 0 ||
	    jget_u64(o, "tag", 0, UINT32_MAX, &tag, err) < 0 ||
	    jget_enum(o, "unknown", unknowns, ARRAY_SIZE(unknowns), &unknown, err) < 0 ||
	    jget_array(o, "ports", MODEL_PORTS_MAX, &ports, err) < 0)
		return -EINVAL;
	v->tag = (uint32_t)tag;
	v->pass_unknown = unknown == 1;
	n = ports ? json_object_array_length(ports) : 0;
	if (!n && !v->deletion)
		return jget_fail_at(err, "ports", "ports is missing or empty");
	v->ports = calloc(MAX2(n, (size_t)1), sizeof(*v->ports));
	if (!v->ports)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		v->n_ports = i + 1;
		r = model_port_parse(json_object_array_get_idx(ports, i), v, &v->ports[i], err);
		if (r < 0) {
			jget_under(err, "ports", i);
			return r;
		}
	}
	if (n)
		qsort(v->ports, n, sizeof(*v->ports), model_port_cmp);
	for (size_t i = 1; i < n; i++)
		if (model_port_cmp(&v->ports[i - 1], &v->ports[i]) == 0)
			return jget_fail_at(err, "ports", "%s/%u is listed twice",
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

/* "ADDR" or "ADDR/LEN". Fills the refusal's address, if only that can be read. */
static int prefix_parse(const char *text, struct model_refusal *ref, struct model_vip *v,
			struct jerr *err)
{
	size_t len = strcspn(text, "/");
	char host[ADDR_STRLEN];
	bool v4;

	cut_text(ref->address, sizeof(ref->address), text);
	snprintf(host, sizeof(host), "%.*s", (int)MIN2(len, sizeof(host) - 1), text);
	if (addr_parse(host, &ref->addr) < 0)
		return jget_fail_at(err, "address",
				    "address: not an IPv4 or IPv6 address or prefix");
	ref->known = true;
	v->addr = ref->addr;
	v->plen = ADDR_PLEN_HOST;
	if (!text[len])
		return 0;
	v4 = addr_is_v4(&v->addr);
	if (addr_plen_parse(text + len + 1, &v->addr, &v->plen) < 0 ||
	    v->plen < (v4 ? MODEL_PLEN4_MIN : MODEL_PLEN6_MIN))
		return jget_fail_at(err, "address",
				    "address: the length of a prefix must be from %s",
				    v4 ? "8 to 32" : "16 to 128");
	if (!addr_is_prefix(&v->addr, v->plen))
		return jget_fail_at(err, "address",
				    "address: bits are set beyond the length of the prefix");
	return 0;
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
	struct jerr err = {.text = ref->reason, .len = sizeof(ref->reason)};
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
	if (r == 0)
		r = prefix_parse(address, ref, v, &err);
	*ret_known = ref->known;
	*ret_addr = ref->addr;
	if (jget_str(o, "id", MODEL_ID_LEN - 1, &id, &err) < 0)
		r = -EINVAL;
	cut_text(ref->id, sizeof(ref->id), id);
	if (r == 0) {
		memcpy(v->id, ref->id, sizeof(v->id));
		r = vip_parse(o, v, &err);
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

int model_vip_parse(struct json_object *o, struct model_vip *ret, struct jerr *err)
{
	static const char *const names[] = {"id", "address", "tag", "unknown", "ports"};
	const char *id = "", *address = NULL;
	struct model_refusal ref = {};
	struct model_vip v = {};
	int r;

	if (jget_known(o, names, ARRAY_SIZE(names), err) < 0 ||
	    jget_str(o, "address", 1024, &address, err) < 0 ||
	    jget_str(o, "id", MODEL_ID_LEN - 1, &id, err) < 0)
		return -EINVAL;
	if (!address)
		return jget_fail_at(err, "address", "address is missing");
	if (prefix_parse(address, &ref, &v, err) < 0)
		return -EINVAL;
	cut_text(v.id, sizeof(v.id), id);
	r = vip_parse(o, &v, err);
	if (r < 0) {
		model_vip_done(&v);
		return r;
	}
	*ret = v;
	return 0;
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
	return model_limit_prefixes(m, NULL, NULL);
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
	struct jerr err = {.text = err_text, .len = err_len};
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
