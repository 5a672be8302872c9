// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the maps child is told: a VIP with its prefix and flags, a service with
 * all backends that may have flows. Each is remembered as it was sent, so that
 * only what differs is sent again, one message for each service and batch.
 *
 * A backend is listed with its weight while it is up, and with weight 0 while
 * it drains: no new flow goes there then, and those that it has go on. One
 * that is down or disabled is not listed, and its flows go elsewhere.
 */
#include <string.h>

#include "core_int.h"

static uint32_t wanted_weight(const struct core_backend *be)
{
	return be->state == CORE_BE_UP ? be->conf.weight : 0;
}

static bool is_listed(const struct core_backend *be)
{
	return be->state == CORE_BE_UP || be->draining;
}

bool core_backend_differs(const struct core_backend *be)
{
	bool listed = is_listed(be);

	if (be->listed != listed)
		return true;
	return listed &&
	       (be->ring_weight != wanted_weight(be) ||
		memcmp(be->ring_quic_id, be->conf.quic_id, sizeof(be->ring_quic_id)) != 0);
}

static struct core_svc_conf svc_conf(const struct model_port *p)
{
	return (struct core_svc_conf){
		.ring_size = p->ring_size,
		.flags =
			(p->affinity ? NLB_SVC_F_AFFINITY : 0) | (p->quic_len ? NLB_SVC_F_QUIC : 0),
		.quic_config = p->quic_config,
		.quic_len = p->quic_len,
	};
}

bool core_svc_differs(const struct core_port *p)
{
	struct core_svc_conf conf = svc_conf(p->conf);

	return !p->run.sent || memcmp(&p->run.sent_conf, &conf, sizeof(conf)) != 0;
}

static uint32_t vip_flags(const struct core_vip *v)
{
	return v->conf.pass_unknown ? NLB_VIP_F_PASS_UNKNOWN : 0;
}

bool core_vip_differs(const struct core_vip *v)
{
	return v->maps_flags != vip_flags(v) || v->maps_plen != v->conf.plen;
}

size_t core_svc_msg_len(const struct core_port *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_backends; i++)
		n += p->backends[i].listed;
	return sizeof(struct msg_svc) + n * sizeof(struct msg_backend);
}

void core_svc_msg(const struct core_port *p, struct msg_svc *ret)
{
	struct msg_backend *out = (struct msg_backend *)(ret + 1);

	*ret = (struct msg_svc){
		.vip = p->vip->conf.addr,
		.port = p->conf->port,
		.protocol = p->conf->protocol,
		.ring_size = p->run.sent_conf.ring_size,
		.flags = p->run.sent_conf.flags,
		.quic_config = p->run.sent_conf.quic_config,
		.quic_len = p->run.sent_conf.quic_len,
		.generation = p->run.generation,
	};
	for (size_t i = 0; i < p->n_backends; i++) {
		const struct core_backend *be = &p->backends[i];

		if (!be->listed)
			continue;
		*out = (struct msg_backend){.addr = be->conf.addr, .weight = be->ring_weight};
		memcpy(out->quic_id, be->ring_quic_id, sizeof(out->quic_id));
		out++;
		ret->n_backends++;
	}
}

static void send_service(struct core_port *p)
{
	struct core *c = p->vip->core;
	size_t len = sizeof(struct msg_svc) +
		     (p->n_enabled + p->n_draining) * sizeof(struct msg_backend);
	_cleanup_free_ struct msg_svc *svc = malloc(len);

	/* Stays dirty, and is tried again with the next batch. */
	if (!svc)
		return;
	for (size_t i = 0; i < p->n_backends; i++) {
		struct core_backend *be = &p->backends[i];

		be->listed = is_listed(be);
		be->ring_weight = wanted_weight(be);
		memcpy(be->ring_quic_id, be->conf.quic_id, sizeof(be->ring_quic_id));
	}
	p->ring_dirty = p->ring_differs = false;
	p->run.sent = true;
	p->run.waiting = true;
	p->run.sent_conf = svc_conf(p->conf);
	p->run.generation = ++c->next_generation;
	p->run.retry_at = 0;
	if (!p->n_enabled)
		p->run.live = 0;
	core_svc_msg(p, svc);
	core_maps_send(c, MSG_MAPS_SVC_SET, svc, len);
}

static void send_vip(struct core_vip *v)
{
	struct core *c = v->core;

	v->want_ring = false;
	if (v->phase == CORE_DELETING || v->phase == CORE_DELETED)
		return;
	if (!v->in_maps || v->set_again || core_vip_differs(v)) {
		struct msg_vip msg = {
			.vip = v->conf.addr,
			.flags = vip_flags(v),
			.plen = v->conf.plen,
		};

		core_maps_send(c, MSG_MAPS_VIP_SET, &msg, sizeof(msg));
		v->in_maps = true;
		v->set_again = false;
		v->maps_flags = msg.flags;
		v->maps_plen = msg.plen;
	}
	for (size_t i = 0; i < v->n_ports; i++)
		if (core_port_unsent(&v->ports[i]) && v->ports[i].run.first_done)
			send_service(&v->ports[i]);
}

void core_send_all(struct core *c)
{
	while (c->ring) {
		struct core_vip *v = c->ring;

		c->ring = v->ring_next;
		send_vip(v);
	}
}
