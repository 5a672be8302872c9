// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the core tells others, as JSON: the line for nlbd (feed.c sends it) and
 * the status document for the scheduler (scheduler.c sends it). The local API
 * writes its own, fuller form (api_get.c).
 */
#include <string.h>

#include "core_int.h"

void core_each_vip(struct core *c, void (*fn)(const struct core_vip *v, void *arg), void *arg)
{
	for (const struct core_vip *v = c->vips; v; v = v->hh.next)
		if (v->phase == CORE_WANTED && v->configured)
			fn(v, arg);
}

static void write_backend(const struct core_backend *be, struct sbuf *b)
{
	char reason[HC_REASON_LEN];

	sbuf_item(b);
	sbuf_puts(b, "{");
	sbuf_kv_addr(b, "address", &be->conf.addr);
	sbuf_kv_u64(b, "weight", be->conf.weight);
	sbuf_kv_str(b, "state", core_be_state_str(be->state));
	core_backend_reason(be, reason, sizeof(reason));
	if (reason[0])
		sbuf_kv_str(b, "reason", reason);
	sbuf_puts(b, "}");
}

void core_feed_write(const struct core_vip *v, bool backends, struct sbuf *b)
{
	sbuf_puts(b, "{");
	sbuf_key(b, "vip");
	sbuf_puts(b, "{");
	sbuf_kv_addr(b, "address", &v->conf.addr);
	sbuf_kv_u64(b, "enabled", v->n_enabled);
	sbuf_kv_u64(b, "total", v->n_total);
	sbuf_kv_bool(b, "ready", v->ready);
	sbuf_kv_u64(b, "tag", v->conf.tag);
	sbuf_kv_u64(b, "revision", v->conf.desired_revision);
	if (v->conf.id[0])
		sbuf_kv_str(b, "id", v->conf.id);
	if (!v->ready && v->why[0])
		sbuf_kv_str(b, "reason", v->why);
	sbuf_key(b, "ports");
	sbuf_puts(b, "[");
	for (size_t i = 0; i < v->n_ports; i++) {
		const struct core_port *p = &v->ports[i];

		sbuf_item(b);
		sbuf_puts(b, "{");
		sbuf_kv_str(b, "protocol", model_protocol_str(p->conf->protocol));
		sbuf_kv_u64(b, "port", p->conf->port);
		sbuf_kv_u64(b, "enabled", p->n_enabled);
		sbuf_kv_u64(b, "total", p->n_backends);
		if (backends) {
			sbuf_key(b, "backends");
			sbuf_puts(b, "[");
			for (size_t j = 0; j < p->n_backends; j++)
				write_backend(&p->backends[j], b);
			sbuf_puts(b, "]");
		}
		sbuf_puts(b, "}");
	}
	sbuf_puts(b, "]}}\n");
}

/* ---- the scheduler's status ---- */

static const char *failure(const struct core_vip *v)
{
	for (size_t i = 0; i < v->n_ports; i++)
		if (v->ports[i].run.failed)
			return v->ports[i].run.reason;
	return NULL;
}

const char *core_report_state(const struct core_vip *v, const char **ret_reason)
{
	const struct core *c = v->core;
	const char *failed = failure(v);

	*ret_reason = "";
	if (v->phase == CORE_DELETED)
		return "deleted";
	if (v->phase != CORE_WANTED) {
		*ret_reason = "being withdrawn";
		return "down";
	}
	if (v->refusal) {
		*ret_reason = v->refusal->reason;
		return "failed";
	}
	if (!c->dataplane_up) {
		*ret_reason = c->dataplane_reason;
		return "failed";
	}
	if (failed) {
		*ret_reason = failed;
		return "failed";
	}
	if (v->route == CORE_ROUTE_REJECTED || v->route == CORE_ROUTE_REFUSED) {
		*ret_reason = v->route_reason;
		return "failed";
	}
	if (!v->ready) {
		*ret_reason = v->why;
		return "down";
	}
	if (!v->n_enabled) {
		*ret_reason = "no backend is enabled";
		return "down";
	}
	if (v->route == CORE_ROUTE_INSTALLED)
		return "announced";
	*ret_reason = c->feed_up ? v->route_reason : "nlbd is not connected";
	return "ready";
}

static void write_synced(struct sbuf *b, const char *id, const char *address, uint64_t revision,
			 const char *state, const char *reason)
{
	sbuf_item(b);
	sbuf_puts(b, "{");
	sbuf_kv_str(b, "id", id);
	sbuf_kv_str(b, "address", address);
	sbuf_kv_u64(b, "revision", revision);
	sbuf_kv_str(b, "state", state);
	if (reason[0])
		sbuf_kv_str(b, "reason", reason);
	sbuf_puts(b, "}");
}

static void report_vip(struct core_vip *v, struct sbuf *b)
{
	char address[ADDR_STRLEN];
	const char *reason, *state;

	/* Found in the maps, and nobody has said yet what it is. */
	if (v->phase == CORE_WANTED && !v->configured)
		return;
	state = core_report_state(v, &reason);
	if (v->phase == CORE_DELETED)
		v->reported = true;
	write_synced(b, v->conf.id, addr_str(&v->conf.addr, address),
		     v->refusal ? v->refusal->desired_revision : v->conf.desired_revision, state,
		     reason);
}

void core_report_write(struct core *c, struct sbuf *b)
{
	const struct model *m = c->model;

	sbuf_puts(b, "{");
	sbuf_kv_u64(b, "revision", m ? m->revision : 0);
	sbuf_kv_str(b, "node", c->cfg->node_name);
	sbuf_kv_bool(b, "dataplane", c->dataplane_up);
	if (c->held) {
		sbuf_key(b, "held");
		sbuf_puts(b, "{");
		sbuf_kv_u64(b, "revision", c->held->revision);
		sbuf_kv_str(b, "reason",
			    c->held_why == CORE_OLDER ? "older than the one that runs"
						      : "removes too many VIPs at once");
		sbuf_puts(b, "}");
	}
	sbuf_key(b, "synced");
	sbuf_puts(b, "[");
	for (struct core_vip *v = c->vips; v; v = v->hh.next)
		report_vip(v, b);
	for (size_t i = 0; m && i < m->n_refusals; i++) {
		const struct model_refusal *r = &m->refusals[i];
		struct core_vip *v;
		struct addr a;

		/* One that runs in an earlier form is reported above. */
		v = addr_parse(r->address, &a) == 0 ? core_vip_find(c, &a) : NULL;
		if (!v || v->refusal != r)
			write_synced(b, r->id, r->address, r->desired_revision, "failed",
				     r->reason);
	}
	sbuf_puts(b, "]}\n");
}

void core_report_done(struct core *c)
{
	struct core_vip *v, *next;

	for (v = c->vips; v; v = next) {
		next = v->hh.next;
		if (v->phase == CORE_DELETED && !v->in_model && v->reported)
			core_vip_free(v);
	}
}
