// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading over the local API: the run-time state of the core as JSON.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api_health.h"

static void write_backend(const struct core_backend *be, struct jput b)
{
	char quic_id[MODEL_QUIC_ID_STRLEN];
	struct jput checks;

	core_backend_write(be, b);
	jput_str(b, "health", hc_state_str(be->health));
	jput_str(b, "admin", model_admin_str(be->conf.admin));
	if (be->has_override)
		jput_str(b, "override", model_admin_str(be->override));
	core_results_write(be, b);
	jput_bool(b, "in_ring", be->in_ring);
	if (model_quic_id_str(&be->conf, be->port->conf->quic_len, quic_id)[0])
		jput_str(b, "quic_id", quic_id);
	checks = jput_array(b, "checks");
	for (size_t i = 0; i < be->port->conf->health.n_checks; i++)
		core_check_write(be->uses[i].cond, util_now_ns(), jput_object(checks, NULL));
}

static void write_backends(const struct core_port *p, struct jput b)
{
	b = jput_array(b, "backends");
	for (size_t i = 0; i < p->n_backends; i++)
		write_backend(&p->backends[i], jput_object(b, NULL));
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

static void write_port(const struct core_port *p, bool backends, struct jput b)
{
	const struct core_port_run *run = &p->run;
	struct jput ring, quic;

	jput_str(b, "protocol", model_protocol_str(p->conf->protocol));
	jput_u64(b, "port", p->conf->port);
	jput_u64(b, "enabled", p->n_enabled);
	jput_u64(b, "total", p->n_backends);
	jput_u64(b, "draining", p->n_draining);
	jput_str(b, "affinity", model_affinity_str(p->conf->affinity));
	if (p->conf->quic_len) {
		quic = jput_object(b, "quic");
		jput_u64(quic, "config_id", p->conf->quic_config);
		jput_u64(quic, "server_id_length", p->conf->quic_len);
	}
	jput_bool(b, "first_round", run->first_done);
	core_digest_write(p, b);
	ring = jput_object(b, "ring");
	jput_str(ring, "state", ring_state(run));
	jput_u64(ring, "size", p->conf->ring_size);
	jput_u64(ring, "backends", run->live);
	jput_u64(ring, "generation", run->generation);
	if (run->reason[0])
		jput_str(ring, "reason", run->reason);
	if (backends)
		write_backends(p, b);
}

static void write_vip(const struct core_vip *v, bool backends, struct jput b)
{
	const char *reason, *state = core_report_state(v, &reason);
	struct jput ports;

	jput_prefix(b, "address", &v->conf.addr, v->conf.plen);
	jput_str(b, "id", v->conf.id);
	jput_str(b, "owner", core_owner_str(v->owner));
	jput_u64(b, "revision", v->conf.desired_revision);
	jput_u64(b, "tag", v->conf.tag);
	jput_str(b, "unknown", model_unknown_str(v->conf.pass_unknown));
	jput_str(b, "phase", core_phase_str(v->phase));
	jput_str(b, "state", state);
	if (reason[0])
		jput_str(b, "reason", reason);
	jput_bool(b, "ready", v->ready);
	jput_str(b, "route", core_route_str(v->route));
	if (v->route_reason[0])
		jput_str(b, "route_reason", v->route_reason);
	jput_u64(b, "enabled", v->n_enabled);
	jput_u64(b, "total", v->n_total);
	ports = jput_array(b, "ports");
	for (size_t i = 0; i < v->n_ports; i++)
		write_port(&v->ports[i], backends, jput_object(ports, NULL));
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
	struct jput all;
	size_t n = 0;
	_cleanup_free_ struct core_vip **vips =
		calloc(HASH_COUNT(c->vips) + 1u, sizeof(struct core_vip *));

	if (!vips)
		return api_error(req, 500, NULL, "out of memory");
	for (struct core_vip *v = c->vips; v; v = v->hh.next)
		vips[n++] = v;
	qsort(vips, n, sizeof(struct core_vip *), by_addr);
	all = jput_array(jput_begin(&req->out), "vips");
	for (size_t i = 0; i < n; i++)
		write_vip(vips[i], false, jput_object(all, NULL));
	return API_DONE;
}

enum api_result api_get_vip(struct api_request *req)
{
	if (api_wants_config(req))
		return api_config_view(req);
	api_etag_set(req);
	write_vip(req->vip, true, jput_begin(&req->out));
	return API_DONE;
}

enum api_result api_get_port(struct api_request *req)
{
	if (api_wants_config(req))
		return api_config_view(req);
	api_etag_set(req);
	write_port(req->port, true, jput_begin(&req->out));
	return API_DONE;
}

enum api_result api_get_backends(struct api_request *req)
{
	write_backends(req->port, jput_begin(&req->out));
	return API_DONE;
}

enum api_result api_get_backend(struct api_request *req)
{
	if (api_wants_config(req))
		return api_config_view(req);
	api_etag_set(req);
	write_backend(req->backend, jput_begin(&req->out));
	return API_DONE;
}

/* ---- the node ---- */

struct counts {
	uint32_t phases[CORE_DELETED + 1];
	uint32_t ready, installed, local;
};

static void count_vip(const struct core_vip *v, struct counts *n)
{
	n->phases[v->phase]++;
	n->ready += v->phase == CORE_WANTED && v->ready;
	n->local += core_vip_is_local(v);
	n->installed += v->phase == CORE_WANTED && v->route == CORE_ROUTE_INSTALLED;
}

static void write_scheduler(struct parent *p, struct jput b)
{
	struct scheduler_info info = {.error = "the data plane is not ready"};
	struct jput held;

	if (p->sched)
		scheduler_info_get(p->sched, &info);
	else if (p->cfg->sched_none)
		info.ok = true;
	jput_str(b, "url", p->cfg->sched_url);
	jput_bool(b, "ok", info.ok);
	if (!info.ok)
		jput_str(b, "error", info.error);
	jput_u64(b, "fetches", info.fetches);
	jput_u64(b, "failures", info.failures);
	jput_u64(b, "reports", info.reports);
	jput_u64(b, "revision", p->core->model ? p->core->model->revision : 0);
	if (p->core->held) {
		held = jput_object(b, "held");
		jput_u64(held, "revision", p->core->held->revision);
		if (p->core->held_why == CORE_OLDER) {
			jput_str(held, "reason", "older than the one that runs");
		} else {
			jput_str(held, "reason", "removes too many VIPs at once");
			jput_u64(held, "removes", p->core->held_removes);
			jput_u64(held, "of", p->core->held_of);
		}
	}
}

static void write_refusal(const char *id, const char *address, const char *reason, struct jput b)
{
	b = jput_object(b, NULL);
	jput_str(b, "id", id);
	jput_str(b, "address", address);
	jput_str(b, "reason", reason);
}

static void write_refusals(const struct core *c, struct jput b)
{
	const struct model *m = c->model;

	for (size_t i = 0; m && i < m->n_refusals; i++)
		write_refusal(m->refusals[i].id, m->refusals[i].address, m->refusals[i].reason, b);
	/* What the scheduler wants and is local here. */
	for (const struct core_vip *v = c->vips; v; v = v->hh.next) {
		const struct model_vip *want = m && v->in_model && core_vip_is_local(v)
						       ? model_find(m, &v->conf.addr)
						       : NULL;
		char address[ADDR_STRLEN];

		if (want && !want->deletion && !v->refusal)
			write_refusal(want->id, addr_prefix_str(&want->addr, want->plen, address),
				      CORE_LOCAL_REASON, b);
	}
}

static void write_dataplane(const struct core *c, struct jput b)
{
	jput_str(b, "state", !c->maps_ready ? "starting" : c->dataplane_up ? "ok" : "down");
	if (c->maps_ready && c->dataplane_up)
		jput_str(b, "mode", c->dataplane_native ? "native" : "generic");
	if (c->dataplane_reason[0])
		jput_str(b, "reason", c->dataplane_reason);
	jput_bool(b, "adopted", c->any_adopted);
}

static void write_nlbd(const struct parent *p, struct jput b)
{
	jput_str(b, "socket", p->cfg->nlbd_socket);
	jput_bool(b, "connected", p->feed && feed_is_up(p->feed));
	if (p->feed && !feed_is_up(p->feed))
		jput_str(b, "error", feed_error(p->feed));
	jput_bool(b, "synced", p->core->synced);
}

static void write_results(const struct parent *p, struct jput b)
{
	struct results_info info;
	struct jput bad;

	results_info_get(p->results, &info);
	jput_str(b, "dir", p->cfg->results_dir);
	jput_bool(b, "ok", !info.error[0]);
	if (info.error[0])
		jput_str(b, "error", info.error);
	jput_u64(b, "files", info.files);
	jput_u64(b, "results", info.results);
	jput_u64(b, "unknown", core_results_unknown(p->core));
	jput_u64(b, "reads", info.reads);
	jput_u64(b, "scans", info.scans);
	jput_u64(b, "bad", info.bad);
	if (info.bad_name[0]) {
		bad = jput_object(b, "last_bad");
		jput_str(bad, "file", info.bad_name);
		jput_str(bad, "reason", info.bad_reason);
	}
}

static void write_counts(const struct core *c, struct jput vips, struct jput backends)
{
	struct counts n = {0};

	for (const struct core_vip *v = c->vips; v; v = v->hh.next)
		count_vip(v, &n);
	jput_u64(vips, "wanted", n.phases[CORE_WANTED]);
	jput_u64(vips, "ready", n.ready);
	jput_u64(vips, "announced", n.installed);
	jput_u64(vips, "local", n.local);
	jput_u64(vips, "leaving",
		 n.phases[CORE_WITHDRAWING] + n.phases[CORE_HOLD_DOWN] + n.phases[CORE_DELETING]);
	jput_u64(backends, "enabled", c->n_enabled);
	jput_u64(backends, "conditions", HASH_CNT(by_id, c->conds_by_id));
	jput_u64(backends, "overrides", core_overrides_count(c));
}

enum api_result api_get_status(struct api_request *req)
{
	struct jput b = jput_begin(&req->out), vips;
	struct parent *p = req->parent;

	jput_str(b, "node", p->cfg->node_name);
	jput_u64(b, "uptime_s", (util_now_ns() - p->started_ns) / 1000000000);
	write_dataplane(p->core, jput_object(b, "dataplane"));
	write_nlbd(p, jput_object(b, "nlbd"));
	write_scheduler(p, jput_object(b, "scheduler"));
	vips = jput_object(b, "vips");
	write_counts(p->core, vips, jput_object(b, "backends"));
	if (p->results)
		write_results(p, jput_object(b, "results"));
	write_refusals(p->core, jput_array(b, "refused"));
	return API_DONE;
}
