// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading over the local API: the run-time state of the core as JSON.
 */
#include <inttypes.h>
#include <string.h>

#include "api_int.h"

static void write_check(const struct core_use *use, struct sbuf *b)
{
	const struct core_cond *cond = use->cond;
	char words[HC_REASON_LEN];

	sbuf_item(b);
	sbuf_puts(b, "{");
	sbuf_kv_str(b, "type", hc_type_str(cond->msg->type));
	if (cond->msg->port)
		sbuf_kv_u64(b, "port", cond->msg->port);
	sbuf_kv_str(b, "state", hc_state_str(cond->state));
	if (cond->state != MSG_HC_UNKNOWN) {
		sbuf_kv_str(b, "result",
			    hc_reason_format(words, sizeof(words), cond->reason, cond->detail));
		sbuf_kv_u64(b, "latency_us", cond->latency_us);
	}
	sbuf_puts(b, "}");
}

static void write_backend(const struct core_backend *be, struct sbuf *b)
{
	char reason[MSG_REASON_LEN + HC_REASON_LEN];

	sbuf_item(b);
	sbuf_puts(b, "{");
	sbuf_kv_addr(b, "address", &be->conf.addr);
	sbuf_kv_u64(b, "weight", be->conf.weight);
	sbuf_kv_str(b, "state", core_be_state_str(be->state));
	core_backend_reason(be, reason, sizeof(reason));
	if (reason[0])
		sbuf_kv_str(b, "reason", reason);
	sbuf_kv_str(b, "health", hc_state_str(be->health));
	sbuf_kv_str(b, "admin", model_admin_str(be->conf.admin));
	if (be->has_override)
		sbuf_kv_str(b, "override", model_admin_str(be->override));
	sbuf_kv_bool(b, "in_ring", be->ring_weight > 0);
	sbuf_key(b, "checks");
	sbuf_puts(b, "[");
	for (size_t i = 0; i < be->port->conf->health.n_checks; i++)
		write_check(&be->uses[i], b);
	sbuf_puts(b, "]}");
}

static void write_backends(const struct core_port *p, struct sbuf *b)
{
	sbuf_puts(b, "[");
	for (size_t i = 0; i < p->n_backends; i++)
		write_backend(&p->backends[i], b);
	sbuf_puts(b, "]");
}

static const char *ring_state(const struct core_port_run *run)
{
	if (run->failed)
		return run->broken ? "broken" : "failed";
	if (run->proven)
		return "proven";
	if (!run->sent)
		return run->adopted ? "adopted" : "pending";
	return run->waiting ? "pending" : "empty";
}

static void write_port(const struct core_port *p, bool backends, struct sbuf *b)
{
	const struct core_port_run *run = &p->run;

	sbuf_item(b);
	sbuf_puts(b, "{");
	sbuf_kv_str(b, "protocol", model_protocol_str(p->conf->protocol));
	sbuf_kv_u64(b, "port", p->conf->port);
	sbuf_kv_u64(b, "enabled", p->n_enabled);
	sbuf_kv_u64(b, "total", p->n_backends);
	sbuf_kv_bool(b, "first_round", run->first_done);
	sbuf_key(b, "ring");
	sbuf_puts(b, "{");
	sbuf_kv_str(b, "state", ring_state(run));
	sbuf_kv_u64(b, "size", p->conf->ring_size);
	sbuf_kv_u64(b, "backends", run->live);
	sbuf_kv_u64(b, "generation", run->generation);
	sbuf_key(b, "digest");
	sbuf_printf(b, "\"%016" PRIx64 "\"", run->digest);
	if (run->reason[0])
		sbuf_kv_str(b, "reason", run->reason);
	sbuf_puts(b, "}");
	if (backends) {
		sbuf_key(b, "backends");
		write_backends(p, b);
	}
	sbuf_puts(b, "}");
}

static void write_vip(const struct core_vip *v, bool backends, struct sbuf *b)
{
	const char *reason, *state = core_report_state(v, &reason);

	sbuf_item(b);
	sbuf_puts(b, "{");
	sbuf_kv_addr(b, "address", &v->conf.addr);
	sbuf_kv_str(b, "id", v->conf.id);
	sbuf_kv_u64(b, "revision", v->conf.desired_revision);
	sbuf_kv_u64(b, "tag", v->conf.tag);
	sbuf_kv_str(b, "phase", core_phase_str(v->phase));
	sbuf_kv_str(b, "state", state);
	if (reason[0])
		sbuf_kv_str(b, "reason", reason);
	sbuf_kv_bool(b, "ready", v->ready);
	sbuf_kv_str(b, "route", core_route_str(v->route));
	if (v->route_reason[0])
		sbuf_kv_str(b, "route_reason", v->route_reason);
	sbuf_kv_u64(b, "enabled", v->n_enabled);
	sbuf_kv_u64(b, "total", v->n_total);
	sbuf_key(b, "ports");
	sbuf_puts(b, "[");
	for (size_t i = 0; i < v->n_ports; i++)
		write_port(&v->ports[i], backends, b);
	sbuf_puts(b, "]}");
}

/* VIPs in the order of their addresses, whatever the table's is. */
static int by_addr(const void *a, const void *b)
{
	return addr_cmp(&(*(struct core_vip *const *)a)->conf.addr,
			&(*(struct core_vip *const *)b)->conf.addr);
}

enum api_result api_get_vips(struct api_request *req)
{
	struct core *c = req->parent->core;
	size_t n = 0;
	_cleanup_free_ struct core_vip **vips =
		calloc(HASH_COUNT(c->vips) + 1u, sizeof(struct core_vip *));

	if (!vips)
		return api_error(req, 500, NULL, "out of memory");
	for (struct core_vip *v = c->vips; v; v = v->hh.next)
		vips[n++] = v;
	qsort(vips, n, sizeof(struct core_vip *), by_addr);
	sbuf_puts(&req->out, "{");
	sbuf_key(&req->out, "vips");
	sbuf_puts(&req->out, "[");
	for (size_t i = 0; i < n; i++)
		write_vip(vips[i], false, &req->out);
	sbuf_puts(&req->out, "]}\n");
	return API_DONE;
}

enum api_result api_get_vip(struct api_request *req)
{
	write_vip(req->vip, true, &req->out);
	sbuf_puts(&req->out, "\n");
	return API_DONE;
}

enum api_result api_get_port(struct api_request *req)
{
	write_port(req->port, true, &req->out);
	sbuf_puts(&req->out, "\n");
	return API_DONE;
}

enum api_result api_get_backends(struct api_request *req)
{
	sbuf_puts(&req->out, "{");
	sbuf_key(&req->out, "backends");
	write_backends(req->port, &req->out);
	sbuf_puts(&req->out, "}\n");
	return API_DONE;
}

enum api_result api_get_backend(struct api_request *req)
{
	write_backend(req->backend, &req->out);
	sbuf_puts(&req->out, "\n");
	return API_DONE;
}

/* ---- the node ---- */

struct counts {
	uint32_t phases[CORE_DELETED + 1];
	uint32_t ready, installed;
};

static void count_vip(const struct core_vip *v, struct counts *n)
{
	n->phases[v->phase]++;
	n->ready += v->phase == CORE_WANTED && v->ready;
	n->installed += v->phase == CORE_WANTED && v->route == CORE_ROUTE_INSTALLED;
}

static void write_scheduler(struct parent *p, struct sbuf *b)
{
	struct scheduler_info info = {.error = "the data plane is not ready"};

	if (p->sched)
		scheduler_info_get(p->sched, &info);
	sbuf_key(b, "scheduler");
	sbuf_puts(b, "{");
	sbuf_kv_str(b, "url", p->cfg->sched_url);
	sbuf_kv_bool(b, "ok", info.ok);
	if (!info.ok)
		sbuf_kv_str(b, "error", info.error);
	sbuf_kv_u64(b, "fetches", info.fetches);
	sbuf_kv_u64(b, "failures", info.failures);
	sbuf_kv_u64(b, "reports", info.reports);
	sbuf_kv_u64(b, "revision", p->core->model ? p->core->model->revision : 0);
	if (p->core->held) {
		sbuf_key(b, "held");
		sbuf_puts(b, "{");
		sbuf_kv_u64(b, "revision", p->core->held->revision);
		if (p->core->held_why == CORE_OLDER) {
			sbuf_kv_str(b, "reason", "older than the one that runs");
		} else {
			sbuf_kv_str(b, "reason", "removes too many VIPs at once");
			sbuf_kv_u64(b, "removes", p->core->held_removes);
			sbuf_kv_u64(b, "of", p->core->held_of);
		}
		sbuf_puts(b, "}");
	}
	sbuf_puts(b, "}");
}

static void write_refusals(const struct model *m, struct sbuf *b)
{
	sbuf_key(b, "refused");
	sbuf_puts(b, "[");
	for (size_t i = 0; m && i < m->n_refusals; i++) {
		sbuf_item(b);
		sbuf_puts(b, "{");
		sbuf_kv_str(b, "id", m->refusals[i].id);
		sbuf_kv_str(b, "address", m->refusals[i].address);
		sbuf_kv_str(b, "reason", m->refusals[i].reason);
		sbuf_puts(b, "}");
	}
	sbuf_puts(b, "]");
}

enum api_result api_get_status(struct api_request *req)
{
	struct parent *p = req->parent;
	struct core *c = p->core;
	struct sbuf *b = &req->out;
	struct counts n = {0};

	for (const struct core_vip *v = c->vips; v; v = v->hh.next)
		count_vip(v, &n);
	sbuf_puts(b, "{");
	sbuf_kv_str(b, "node", p->cfg->node_name);
	sbuf_kv_u64(b, "uptime_s", (util_now_ns() - p->started_ns) / 1000000000);
	sbuf_key(b, "dataplane");
	sbuf_puts(b, "{");
	sbuf_kv_str(b, "state", !c->maps_ready ? "starting" : c->dataplane_up ? "ok" : "down");
	if (c->maps_ready && c->dataplane_up)
		sbuf_kv_str(b, "mode", c->dataplane_native ? "native" : "generic");
	if (c->dataplane_reason[0])
		sbuf_kv_str(b, "reason", c->dataplane_reason);
	sbuf_kv_bool(b, "adopted", c->any_adopted);
	sbuf_puts(b, "}");
	sbuf_key(b, "nlbd");
	sbuf_puts(b, "{");
	sbuf_kv_str(b, "socket", p->cfg->nlbd_socket);
	sbuf_kv_bool(b, "connected", p->feed && feed_is_up(p->feed));
	if (p->feed && !feed_is_up(p->feed))
		sbuf_kv_str(b, "error", feed_error(p->feed));
	sbuf_kv_bool(b, "synced", c->synced);
	sbuf_puts(b, "}");
	write_scheduler(p, b);
	sbuf_key(b, "vips");
	sbuf_puts(b, "{");
	sbuf_kv_u64(b, "wanted", n.phases[CORE_WANTED]);
	sbuf_kv_u64(b, "ready", n.ready);
	sbuf_kv_u64(b, "announced", n.installed);
	sbuf_kv_u64(b, "leaving",
		    n.phases[CORE_WITHDRAWING] + n.phases[CORE_HOLD_DOWN] +
			    n.phases[CORE_DELETING]);
	sbuf_puts(b, "}");
	sbuf_key(b, "backends");
	sbuf_puts(b, "{");
	sbuf_kv_u64(b, "enabled", c->n_enabled);
	sbuf_kv_u64(b, "conditions", HASH_CNT(by_id, c->conds_by_id));
	sbuf_kv_u64(b, "overrides", core_overrides_count(c));
	sbuf_puts(b, "}");
	write_refusals(c->model, b);
	sbuf_puts(b, "}\n");
	return API_DONE;
}

enum api_result api_get_health(struct api_request *req)
{
	const struct core *c = req->parent->core;
	bool ok = c->maps_ready && c->dataplane_up && c->model;

	req->status = ok ? 200 : 503;
	sbuf_puts(&req->out, "{");
	sbuf_kv_str(&req->out, "status", ok ? "ok" : "not ok");
	if (!ok)
		sbuf_kv_str(&req->out, "reason",
			    !c->maps_ready     ? "the data plane is starting"
			    : !c->dataplane_up ? c->dataplane_reason
					       : "there is no VIP list yet");
	sbuf_puts(&req->out, "}\n");
	return API_DONE;
}

/* ---- counters ---- */

bool api_stats_add(struct api_stats *s, uint16_t type, const void *data, size_t len)
{
	if (type == MSG_MAPS_STATS_VIP && len == sizeof(struct msg_stats_vip)) {
		const struct msg_stats_vip *v = data;

		sbuf_item(&s->vips);
		sbuf_puts(&s->vips, "{");
		sbuf_kv_addr(&s->vips, "address", &v->vip);
		sbuf_kv_u64(&s->vips, "packets", v->packets);
		sbuf_kv_u64(&s->vips, "bytes", v->bytes);
		sbuf_kv_u64(&s->vips, "dropped", v->dropped);
		sbuf_puts(&s->vips, "}");
	} else if (type == MSG_MAPS_STATS_REASON && len == sizeof(struct msg_stats_reason)) {
		const struct msg_stats_reason *r = data;
		char name[sizeof(r->name) + 1];

		memcpy(name, r->name, sizeof(r->name));
		name[sizeof(r->name)] = '\0';
		sbuf_kv_u64(&s->reasons, name, r->packets);
	}
	return type == MSG_MAPS_STATS_END;
}

void api_stats_write(struct api_stats *s, struct sbuf *out)
{
	sbuf_puts(out, "{\"reasons\":{");
	sbuf_add(out, s->reasons.data, s->reasons.len);
	sbuf_puts(out, "},\"vips\":[");
	sbuf_add(out, s->vips.data, s->vips.len);
	sbuf_puts(out, "]}\n");
}

void api_stats_done(struct api_stats *s)
{
	sbuf_done(&s->vips);
	sbuf_done(&s->reasons);
}
