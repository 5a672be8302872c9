// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VIP's run-time state, made from its configuration. A new configuration is
 * built whole beside the old one; ports and backends that are in both take
 * their state along (by their natural keys), and the old one is dropped last,
 * so that conditions that stay in use are never stopped in between.
 */
#include <string.h>

#include "core_int.h"

static struct core_target *target_find(const struct core *c, const struct addr *a)
{
	struct core_target *t;

	HASH_FIND(hh, c->targets, a, sizeof(*a), t);
	return t;
}

size_t core_targets_count(const struct core *c)
{
	return HASH_COUNT(c->targets);
}

bool core_target_known(const struct core *c, const struct addr *a)
{
	return target_find(c, a) != NULL;
}

static int target_get(struct core *c, const struct addr *a, struct core_target **ret)
{
	struct core_target *t = target_find(c, a);

	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return -ENOMEM;
		t->addr = *a;
		HASH_ADD(hh, c->targets, addr, sizeof(*a), t);
		if (!HASH_ADDED(hh, t)) {
			free(t);
			return -ENOMEM;
		}
	}
	t->users++;
	*ret = t;
	return 0;
}

static void target_put(struct core *c, struct core_target *t)
{
	if (!t || --t->users)
		return;
	HASH_DELETE(hh, c->targets, t);
	free(t);
}

static void port_done(struct core *c, struct core_port *p)
{
	for (size_t i = 0; i < p->n_backends; i++) {
		struct core_backend *be = &p->backends[i];

		core_mass_leave(c, be);
		for (size_t j = 0; be->uses && j < p->conf->health.n_checks; j++)
			core_use_put(c, &be->uses[j]);
		free(be->uses);
		target_put(c, be->target);
	}
	free(p->backends);
	c->n_ports--;
}

static void ports_free(struct core *c, struct core_port *ports, size_t n)
{
	for (size_t i = 0; i < n; i++)
		port_done(c, &ports[i]);
	free(ports);
}

int core_vip_new(struct core *c, const struct addr *a, struct core_vip **ret)
{
	struct core_vip *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->core = c;
	v->conf.addr = *a;
	v->conf.plen = ADDR_PLEN_HOST;
	HASH_ADD(hh, c->vips, conf.addr, sizeof(*a), v);
	if (!HASH_ADDED(hh, v)) {
		free(v);
		return -ENOMEM;
	}
	*ret = v;
	return 0;
}

/* Out of a list that is only ever walked from its head. */
static void unlist(struct core_vip **head, struct core_vip *v, size_t next_offset)
{
	struct core_vip **at = head;

	while (*at && *at != v)
		at = (struct core_vip **)(void *)((char *)*at + next_offset);
	if (*at)
		*at = *(struct core_vip **)(void *)((char *)v + next_offset);
}

void core_vip_free(struct core_vip *v)
{
	struct core *c = v->core;

	core_vip_clear(v);
	core_vip_due(v, 0);
	if (v->dirty)
		unlist(&c->dirty, v, offsetof(struct core_vip, dirty_next));
	if (v->want_ring)
		unlist(&c->ring, v, offsetof(struct core_vip, ring_next));
	if (c->check_at == v)
		c->check_at = v->hh.next;
	HASH_DELETE(hh, c->vips, v);
	free(v);
}

void core_vip_clear(struct core_vip *v)
{
	v->core->n_enabled -= v->n_enabled;
	v->n_enabled = v->n_total = 0;
	v->ready = v->adopted = v->configured = v->in_maps = false;
	ports_free(v->core, v->ports, v->n_ports);
	v->ports = NULL;
	v->n_ports = 0;
	model_vip_done(&v->conf);
	core_vip_dirty(v);
}

static int backend_init(struct core_port *p, struct core_backend *be,
			const struct model_backend *conf, struct core_backend *old)
{
	const struct model_health *h = &p->conf->health;
	struct core_vip *v = p->vip;
	struct core_key key = {
		.vip = v->conf.addr,
		.backend = conf->addr,
		.port = p->conf->port,
		.protocol = p->conf->protocol,
	};
	int r;

	be->conf = *conf;
	be->port = p;
	be->has_override =
		v->owner != CORE_OWNER_LOCAL && core_override_find(v->core, &key, &be->override);
	be->result_down = core_results_down(v->core, &key);
	if (old) {
		be->health = old->health;
		be->state = old->state;
		be->draining = old->draining;
		be->listed = old->listed;
		be->ring_weight = old->ring_weight;
		be->in_ring = old->in_ring;
		memcpy(be->ring_quic_id, old->ring_quic_id, sizeof(be->ring_quic_id));
	}
	r = target_get(v->core, &conf->addr, &be->target);
	if (r < 0)
		return r;
	be->uses = calloc(MAX2(h->n_checks, (size_t)1), sizeof(*be->uses));
	if (!be->uses)
		return -ENOMEM;
	for (size_t i = 0; i < h->n_checks; i++) {
		r = core_cond_get(v->core, &h->checks[i], be, old, &be->uses[i]);
		if (r < 0)
			return r;
	}
	core_backend_judge(be);
	core_mass_join(v->core, be, old);
	return 0;
}

/* A backend that the maps have, and the configuration no longer. */
static bool lost_a_backend(struct core_port *old, struct core_port *p)
{
	for (size_t i = 0; i < old->n_backends; i++)
		if (old->backends[i].listed && !core_backend_find(p, &old->backends[i].conf.addr))
			return true;
	return false;
}

static int port_init(struct core_vip *v, struct core_port *p, const struct model_port *conf,
		     struct core_port *old)
{
	struct core *c = v->core;
	int r;

	c->n_ports++;
	p->vip = v;
	p->conf = conf;
	p->dirty = true;
	if (old) {
		p->run = old->run;
		p->n_enabled = old->n_enabled;
		p->n_draining = old->n_draining;
		p->ring_dirty = old->ring_dirty;
	}
	if (!p->run.first_by) {
		p->run.first_by = c->now + CORE_MS * (model_health_round_ms(&conf->health) +
						      CORE_HEALTH_SLACK_MS);
	}
	p->backends = calloc(MAX2(conf->n_backends, (size_t)1), sizeof(*p->backends));
	if (!p->backends)
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_backends; i++) {
		const struct model_backend *b = &conf->backends[i];

		p->n_backends = i + 1;
		r = backend_init(p, &p->backends[i], b,
				 old ? core_backend_find(old, &b->addr) : NULL);
		if (r < 0)
			return r;
	}
	if (old && lost_a_backend(old, p))
		p->ring_dirty = true;
	return 0;
}

/* Services that the new configuration has no more are taken out of the maps. */
static void drop_services(struct core_vip *v, struct core_port *old, size_t n_old)
{
	for (size_t i = 0; i < n_old; i++) {
		const struct model_port *conf = old[i].conf;
		struct msg_svc svc = {
			.vip = v->conf.addr,
			.port = conf->port,
			.protocol = conf->protocol,
		};

		if (!core_port_find(v, conf->protocol, conf->port) &&
		    (old[i].run.sent || old[i].run.adopted))
			core_maps_send(v->core, MSG_MAPS_SVC_DEL, &svc, sizeof(svc));
	}
}

int core_vip_configure(struct core_vip *v, const struct model_vip *conf)
{
	struct core *c = v->core;
	struct core_port *old = v->ports, *ports;
	struct model_vip old_conf = v->conf, new_conf;
	size_t n_old = v->n_ports, n = 0;
	int r;

	r = model_vip_copy(conf, &new_conf);
	if (r < 0)
		return r;
	ports = calloc(MAX2(new_conf.n_ports, (size_t)1), sizeof(*ports));
	if (!ports) {
		model_vip_done(&new_conf);
		return -ENOMEM;
	}
	while (n < new_conf.n_ports) {
		const struct model_port *mp = &new_conf.ports[n];

		r = port_init(v, &ports[n], mp, core_port_find(v, mp->protocol, mp->port));
		n++;
		if (r < 0) {
			ports_free(c, ports, n);
			model_vip_done(&new_conf);
			return r;
		}
	}
	v->conf = new_conf;
	v->ports = ports;
	v->n_ports = n;
	v->configured = true;
	drop_services(v, old, n_old);
	ports_free(c, old, n_old);
	model_vip_done(&old_conf);
	v->told_dirty = true;
	core_vip_dirty(v);
	return 0;
}
