// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From a model back to the scheduler's JSON: the last good state on disk.
 * Written in canonical form (sorted, every field), so that equal models are
 * equal files.
 */
#include "model.h"
#include "sbuf.h"

static void write_status(const struct model_check *c, struct sbuf *b)
{
	sbuf_key(b, "status");
	sbuf_puts(b, "\"");
	for (uint8_t i = 0; i < c->n_status; i++)
		sbuf_printf(b, "%s%u-%u", i ? "," : "", c->status[i].from, c->status[i].to);
	sbuf_puts(b, "\"");
}

static void write_check(const struct model_check *c, struct sbuf *b)
{
	sbuf_item(b);
	sbuf_puts(b, "{");
	sbuf_kv_str(b, "type", model_check_str(c->type));
	if (c->type != MSG_HC_ICMP)
		sbuf_kv_u64(b, "port", c->port);
	if (c->type == MSG_HC_HTTP || c->type == MSG_HC_HTTPS) {
		sbuf_kv_str(b, "method", c->method);
		sbuf_kv_str(b, "path", c->path);
		sbuf_kv_str(b, "host", c->host);
		write_status(c, b);
		sbuf_kv_str(b, "body", c->body);
	}
	if (c->type == MSG_HC_HTTPS) {
		sbuf_kv_bool(b, "verify", c->verify);
		sbuf_kv_str(b, "sni", c->sni);
	}
	sbuf_puts(b, "}");
}

static void write_health(const struct model_health *h, struct sbuf *b)
{
	sbuf_key(b, "health");
	sbuf_puts(b, "{");
	sbuf_kv_str(b, "policy", model_policy_str(h->policy));
	sbuf_kv_u64(b, "interval_ms", h->interval_ms);
	sbuf_kv_u64(b, "timeout_ms", h->timeout_ms);
	sbuf_kv_u64(b, "rise", h->rise);
	sbuf_kv_u64(b, "fall", h->fall);
	sbuf_key(b, "checks");
	sbuf_puts(b, "[");
	for (size_t i = 0; i < h->n_checks; i++)
		write_check(&h->checks[i], b);
	sbuf_puts(b, "]}");
}

static void write_port(const struct model_port *p, struct sbuf *b)
{
	sbuf_item(b);
	sbuf_puts(b, "{");
	sbuf_kv_str(b, "protocol", model_protocol_str(p->protocol));
	sbuf_kv_u64(b, "port", p->port);
	sbuf_kv_u64(b, "maglev_size", p->ring_size);
	sbuf_key(b, "backends");
	sbuf_puts(b, "[");
	for (size_t i = 0; i < p->n_backends; i++) {
		sbuf_item(b);
		sbuf_puts(b, "{");
		sbuf_kv_addr(b, "address", &p->backends[i].addr);
		sbuf_kv_u64(b, "weight", p->backends[i].weight);
		sbuf_kv_str(b, "admin", model_admin_str(p->backends[i].admin));
		sbuf_puts(b, "}");
	}
	sbuf_puts(b, "]");
	write_health(&p->health, b);
	sbuf_puts(b, "}");
}

void model_write(const struct model *m, struct sbuf *b)
{
	sbuf_puts(b, "{");
	sbuf_kv_u64(b, "revision", m->revision);
	sbuf_key(b, "vips");
	sbuf_puts(b, "[");
	for (size_t i = 0; i < m->n_vips; i++) {
		const struct model_vip *v = &m->vips[i];

		sbuf_item(b);
		sbuf_puts(b, "\n{");
		sbuf_kv_str(b, "id", v->id);
		sbuf_kv_addr(b, "address", &v->addr);
		sbuf_kv_u64(b, "desired_revision", v->desired_revision);
		sbuf_kv_u64(b, "synced_revision", v->synced_revision);
		sbuf_kv_bool(b, "deletion", v->deletion);
		sbuf_kv_u64(b, "tag", v->tag);
		sbuf_key(b, "ports");
		sbuf_puts(b, "[");
		for (size_t j = 0; j < v->n_ports; j++)
			write_port(&v->ports[j], b);
		sbuf_puts(b, "]}");
	}
	sbuf_puts(b, "\n]}\n");
}
