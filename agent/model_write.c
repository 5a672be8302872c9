// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From a model back to the scheduler's JSON: the last good state on disk.
 * Written in canonical form (sorted, every field), so that equal models are
 * equal files.
 */
#include "model_int.h"

void model_backend_write(const struct model_backend *be, uint8_t quic_len, struct jput b)
{
	char id[MODEL_QUIC_ID_STRLEN];

	jput_addr(b, "address", &be->addr);
	jput_u64(b, "weight", be->weight);
	jput_str(b, "admin", model_admin_str(be->admin));
	if (model_quic_id_str(be, quic_len, id)[0])
		jput_str(b, "quic_id", id);
}

void model_port_write(const struct model_port *p, const struct model_backend *backends,
		      struct jput b)
{
	struct jput all, quic;

	jput_str(b, "protocol", model_protocol_str(p->protocol));
	jput_u64(b, "port", p->port);
	jput_u64(b, "maglev_size", p->ring_size);
	jput_str(b, "affinity", model_affinity_str(p->affinity));
	if (p->quic_len) {
		quic = jput_object(b, "quic");
		jput_u64(quic, "config_id", p->quic_config);
		jput_u64(quic, "server_id_length", p->quic_len);
	}
	if (!backends)
		backends = p->backends;
	all = jput_array(b, "backends");
	for (size_t i = 0; i < p->n_backends; i++)
		model_backend_write(&backends[i], p->quic_len, jput_object(all, NULL));
	model_health_write(&p->health, jput_object(b, "health"));
}

void model_vip_write_own(const struct model_vip *v, struct jput b)
{
	jput_str(b, "id", v->id);
	jput_prefix(b, "address", &v->addr, v->plen);
	jput_u64(b, "tag", v->tag);
	jput_str(b, "unknown", model_unknown_str(v->pass_unknown));
}

static void write_vip(const struct model_vip *v, struct jput b)
{
	struct jput ports;

	model_vip_write_own(v, b);
	jput_u64(b, "desired_revision", v->desired_revision);
	jput_u64(b, "synced_revision", v->synced_revision);
	jput_bool(b, "deletion", v->deletion);
	ports = jput_array(b, "ports");
	for (size_t i = 0; i < v->n_ports; i++)
		model_port_write(&v->ports[i], NULL, jput_object(ports, NULL));
}

void model_write(const struct model *m, struct jput b)
{
	struct jput vips;

	jput_u64(b, "revision", m->revision);
	vips = jput_array(b, "vips");
	for (size_t i = 0; i < m->n_vips; i++)
		write_vip(&m->vips[i], jput_object(vips, NULL));
}
