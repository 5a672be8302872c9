// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The wanted state as a data structure: life cycle, lookup, comparison and the
 * names of its enums. Parsing is in model_parse.c (documents, VIPs), model_port.c
 * (services, backends), model_health.c and model_check.c (checks, all about them), writing
 * in model_write.c.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "model_int.h"

static const char *const admin_names[] = {
	[MODEL_ADMIN_UP] = "up",
	[MODEL_ADMIN_DRAIN] = "drain",
	[MODEL_ADMIN_DOWN] = "down",
};

const char *model_protocol_str(uint8_t protocol)
{
	return protocol == IPPROTO_UDP ? "udp" : "tcp";
}

int model_protocol_parse(const char *text, uint8_t *ret)
{
	if (strcmp(text, "tcp") == 0)
		*ret = IPPROTO_TCP;
	else if (strcmp(text, "udp") == 0)
		*ret = IPPROTO_UDP;
	else
		return -EINVAL;
	return 0;
}

const char *model_admin_str(enum model_admin admin)
{
	return admin_names[admin];
}

int model_admin_parse(const char *text, enum model_admin *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(admin_names); i++) {
		if (strcmp(text, admin_names[i]) == 0) {
			*ret = (enum model_admin)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *model_affinity_str(bool affinity)
{
	return affinity ? "source" : "none";
}

const char *model_unknown_str(bool pass)
{
	return pass ? "pass" : "drop";
}

const char *model_quic_id_str(const struct model_backend *b, uint8_t len,
			      char buf[static MODEL_QUIC_ID_STRLEN])
{
	static const uint8_t none[NLB_QUIC_ID_MAX];

	buf[0] = '\0';
	if (memcmp(b->quic_id, none, sizeof(none)) == 0)
		return buf;
	for (size_t i = 0; i < len; i++)
		snprintf(buf + 2 * i, 3, "%02x", b->quic_id[i]);
	return buf;
}

void model_port_done(struct model_port *p)
{
	free(p->backends);
	p->backends = NULL;
	p->n_backends = 0;
	model_health_done(&p->health);
}

void model_vip_done(struct model_vip *v)
{
	for (size_t i = 0; i < v->n_ports; i++)
		model_port_done(&v->ports[i]);
	free(v->ports);
	v->ports = NULL;
	v->n_ports = 0;
}

void model_free(struct model *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_vips; i++)
		model_vip_done(&m->vips[i]);
	free(m->vips);
	free(m->refusals);
	free(m);
}

const struct model_vip *model_find(const struct model *m, const struct addr *a)
{
	size_t lo = 0, hi = m->n_vips;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int cmp = addr_cmp(&m->vips[mid].addr, a);

		if (cmp == 0)
			return &m->vips[mid];
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* ---- comparison ---- */

bool model_backend_equal(const struct model_backend *a, const struct model_backend *b)
{
	return addr_cmp(&a->addr, &b->addr) == 0 && a->weight == b->weight &&
	       a->admin == b->admin && memcmp(a->quic_id, b->quic_id, sizeof(a->quic_id)) == 0;
}

static bool model_port_equal(const struct model_port *a, const struct model_port *b)
{
	if (a->protocol != b->protocol || a->port != b->port || a->ring_size != b->ring_size ||
	    a->affinity != b->affinity || a->quic_len != b->quic_len ||
	    a->quic_config != b->quic_config || a->n_backends != b->n_backends)
		return false;
	for (size_t i = 0; i < a->n_backends; i++)
		if (!model_backend_equal(&a->backends[i], &b->backends[i]))
			return false;
	return model_health_equal(&a->health, &b->health);
}

bool model_vip_equal(const struct model_vip *a, const struct model_vip *b)
{
	if (addr_cmp(&a->addr, &b->addr) != 0 || a->plen != b->plen || a->deletion != b->deletion ||
	    a->pass_unknown != b->pass_unknown || a->tag != b->tag || a->n_ports != b->n_ports)
		return false;
	for (size_t i = 0; i < a->n_ports; i++)
		if (!model_port_equal(&a->ports[i], &b->ports[i]))
			return false;
	return true;
}

/* ---- copies ---- */

int model_port_copy(const struct model_port *p, struct model_port *ret)
{
	*ret = *p;
	ret->health = (struct model_health){};
	ret->backends = calloc(MAX2(p->n_backends, (size_t)1), sizeof(*ret->backends));
	if (!ret->backends)
		return -ENOMEM;
	if (p->n_backends)
		memcpy(ret->backends, p->backends, p->n_backends * sizeof(*ret->backends));
	return model_health_copy(&p->health, &ret->health);
}

int model_vip_copy(const struct model_vip *v, struct model_vip *ret)
{
	struct model_vip c = *v;

	c.n_ports = 0;
	c.ports = calloc(MAX2(v->n_ports, (size_t)1), sizeof(*c.ports));
	if (!c.ports)
		return -ENOMEM;
	for (size_t i = 0; i < v->n_ports; i++) {
		c.n_ports++;
		if (model_port_copy(&v->ports[i], &c.ports[i]) < 0) {
			model_vip_done(&c);
			return -ENOMEM;
		}
	}
	*ret = c;
	return 0;
}

static const struct model_vip *find_by_id(const struct model *m, const char *id)
{
	for (size_t i = 0; id[0] && i < m->n_vips; i++)
		if (strcmp(m->vips[i].id, id) == 0)
			return &m->vips[i];
	return NULL;
}

static int vip_cmp(const void *a, const void *b)
{
	return addr_cmp(&((const struct model_vip *)a)->addr, &((const struct model_vip *)b)->addr);
}

int model_keep_refused(struct model *m, const struct model *have)
{
	struct model_vip *vips;

	if (!m->n_refusals)
		return 0;
	vips = reallocarray(m->vips, m->n_vips + m->n_refusals, sizeof(*vips));
	if (!vips)
		return -ENOMEM;
	m->vips = vips;
	for (size_t i = 0; i < m->n_refusals; i++) {
		const struct model_refusal *r = &m->refusals[i];
		const struct model_vip *old =
			r->known ? model_find(have, &r->addr) : find_by_id(have, r->id);

		/* By id it might be one that the document names elsewhere. */
		if (!old || model_find(m, &old->addr))
			continue;
		if (model_vip_copy(old, &m->vips[m->n_vips]) < 0)
			return -ENOMEM;
		m->n_vips++;
		qsort(m->vips, m->n_vips, sizeof(*m->vips), vip_cmp);
	}
	return model_limit_prefixes(m, have, NULL);
}
