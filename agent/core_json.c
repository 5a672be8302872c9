// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the core tells others, as JSON: the line for nlbd (feed.c sends it) and
 * the status document for the scheduler (scheduler.c sends it). The local API
 * writes its own, fuller form (api_get.c).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core_int.h"

void core_each_vip(struct core *c, void (*fn)(const struct core_vip *v, void *arg), void *arg)
{
	for (const struct core_vip *v = c->vips; v; v = v->hh.next)
		if (v->phase == CORE_WANTED && v->configured)
			fn(v, arg);
}

void core_backend_write(const struct core_backend *be, struct jput b)
{
	char reason[CORE_REASON_LEN];

	jput_addr(b, "address", &be->conf.addr);
	jput_u64(b, "weight", be->conf.weight);
	jput_str(b, "state", core_be_state_str(be->state));
	core_backend_reason(be, reason, sizeof(reason));
	if (reason[0])
		jput_str(b, "reason", reason);
}

void core_digest_write(const struct core_port *p, struct jput b)
{
	char digest[17];

	snprintf(digest, sizeof(digest), "%016" PRIx64, p->run.digest);
	jput_str(b, "digest", digest);
}

static void write_port(const struct core_port *p, bool backends, struct jput b)
{
	struct jput all;

	jput_str(b, "protocol", model_protocol_str(p->conf->protocol));
	jput_u64(b, "port", p->conf->port);
	jput_u64(b, "enabled", p->n_enabled);
	jput_u64(b, "total", p->n_backends);
	core_digest_write(p, b);
	if (!backends)
		return;
	all = jput_array(b, "backends");
	for (size_t i = 0; i < p->n_backends; i++)
		core_backend_write(&p->backends[i], jput_object(all, NULL));
}

void core_feed_write(const struct core_vip *v, bool backends, struct jput b)
{
	struct jput ports;

	b = jput_object(b, "vip");
	jput_prefix(b, "address", &v->conf.addr, v->conf.plen);
	jput_u64(b, "enabled", v->n_enabled);
	jput_u64(b, "total", v->n_total);
	jput_bool(b, "ready", v->ready);
	jput_u64(b, "tag", v->conf.tag);
	jput_u64(b, "revision", v->conf.desired_revision);
	if (v->conf.id[0])
		jput_str(b, "id", v->conf.id);
	if (!v->ready && v->why[0])
		jput_str(b, "reason", v->why);
	ports = jput_array(b, "ports");
	for (size_t i = 0; i < v->n_ports; i++)
		write_port(&v->ports[i], backends, jput_object(ports, NULL));
}

/* ---- the checks of backends ---- */

static uint64_t age_s(uint64_t at_ns, uint64_t now_ns)
{
	return now_ns > at_ns ? (now_ns - at_ns) / (1000 * CORE_MS) : 0;
}

void core_check_write(const struct core_cond *cond, uint64_t now_ns, struct jput b)
{
	const struct core_failure *failure = &cond->failure;
	char words[HC_REASON_LEN];
	struct jput o;

	jput_str(b, "type", hc_type_str(cond->msg->type));
	if (cond->msg->port)
		jput_u64(b, "port", cond->msg->port);
	if (cond->tunnel)
		jput_bool(b, "tunnel", true);
	jput_str(b, "state", hc_state_str(cond->state));
	if (cond->held)
		jput_bool(b, "held", true);
	jput_u64(b, "since_s", age_s(cond->since_ns, now_ns));
	if (cond->probed || cond->reason == MSG_HC_LOCAL) {
		jput_str(b, "result", core_cond_result(cond, words));
		jput_u64(b, "latency_us", cond->latency_us);
	}
	if (!failure->at_ns)
		return;
	o = jput_object(b, "failure");
	jput_str(o, "kind", hc_reason_str(failure->reason));
	jput_str(o, "reason",
		 hc_reason_format(words, sizeof(words), failure->reason, failure->detail));
	jput_u64(o, "age_s", age_s(failure->at_ns, now_ns));
}

/* The backends of a service with their checks, as long as there is room for one's. */
static void write_checked(const struct core_port *p, uint64_t now_ns, size_t *room, struct jput b)
{
	const size_t n = p->conf->health.n_checks;

	for (size_t i = 0; i<p->n_backends && * room> n; i++) {
		const struct core_backend *be = &p->backends[i];
		struct jput o = jput_object(b, NULL), checks;

		core_backend_write(be, o);
		checks = jput_array(o, "checks");
		for (size_t j = 0; j < n; j++)
			core_check_write(be->uses[j].cond, now_ns, jput_object(checks, NULL));
		*room -= n + 1;
	}
}

int core_checks_write(const struct core *c, const struct addr *vip, uint64_t now_ns, struct jput b)
{
	const struct core_vip *v = core_vip_find(c, vip);
	size_t room = CORE_CHECKS_MAX, before = room, written = 0;
	struct jput ports, port;

	if (!v || !v->configured)
		return -ENOENT;
	jput_prefix(b, "address", &v->conf.addr, v->conf.plen);
	ports = jput_array(b, "ports");
	for (size_t i = 0; i < v->n_ports; i++, before = room) {
		const struct core_port *p = &v->ports[i];

		port = jput_object(ports, NULL);
		jput_str(port, "protocol", model_protocol_str(p->conf->protocol));
		jput_u64(port, "port", p->conf->port);
		jput_u64(port, "enabled", p->n_enabled);
		jput_u64(port, "total", p->n_backends);
		write_checked(p, now_ns, &room, jput_array(port, "backends"));
		written += (before - room) / (p->conf->health.n_checks + 1);
	}
	jput_u64(b, "left_out", v->n_total - MIN2((size_t)v->n_total, written));
	return 0;
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
	if (v->refusal && v->owner != CORE_OWNER_LOCAL) {
		*ret_reason = v->refusal->reason;
		return "failed";
	}
	if (!core_dataplane_ok(c)) {
		*ret_reason = c->mass.withdrawn ? "withdrawn: mass failure of health checks"
						: c->dataplane_reason;
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

static struct jput write_synced(struct jput b, const char *id, const char *address,
				uint64_t revision, const char *state, const char *reason)
{
	b = jput_object(b, NULL);
	jput_str(b, "id", id);
	jput_str(b, "address", address);
	jput_u64(b, "revision", revision);
	jput_str(b, "state", state);
	if (reason[0])
		jput_str(b, "reason", reason);
	return b;
}

/* By which the scheduler can compare the nodes that serve the VIP. */
static void write_services(const struct core_vip *v, struct jput b)
{
	struct jput all = jput_array(b, "services"), svc;

	for (size_t i = 0; i < v->n_ports; i++) {
		svc = jput_object(all, NULL);
		jput_str(svc, "protocol", model_protocol_str(v->ports[i].conf->protocol));
		jput_u64(svc, "port", v->ports[i].conf->port);
		core_digest_write(&v->ports[i], svc);
	}
}

static bool serves(const char *state)
{
	return strcmp(state, "announced") == 0 || strcmp(state, "ready") == 0;
}

/* The scheduler wants what is local here. */
static void report_local(const struct core_vip *v, struct jput b)
{
	const struct model_vip *want = model_find(v->core->model, &v->conf.addr);
	char address[ADDR_STRLEN];

	if (want)
		write_synced(b, want->id, addr_prefix_str(&want->addr, want->plen, address),
			     want->desired_revision, want->deletion ? "deleted" : "failed",
			     want->deletion ? "" : CORE_LOCAL_REASON);
}

static void report_vip(struct core_vip *v, struct jput b)
{
	char address[ADDR_STRLEN];
	const char *reason, *state;

	/* Found in the maps, and nobody has said yet what it is. */
	if (v->phase == CORE_WANTED && !v->configured)
		return;
	if (v->owner == CORE_OWNER_LOCAL) {
		if (v->in_model && !v->refusal)
			report_local(v, b);
		return;
	}
	state = core_report_state(v, &reason);
	if (v->phase == CORE_DELETED)
		v->reported = true;
	b = write_synced(b, v->conf.id, addr_prefix_str(&v->conf.addr, v->conf.plen, address),
			 v->refusal ? v->refusal->desired_revision : v->conf.desired_revision,
			 state, reason);
	if (serves(state))
		write_services(v, b);
}

void core_report_write(struct core *c, struct jput b)
{
	const struct model *m = c->model;
	struct jput held, alarm, synced;

	jput_u64(b, "revision", m ? m->revision : 0);
	jput_str(b, "node", c->cfg->node_name);
	jput_bool(b, "dataplane", c->dataplane_up);
	if (c->held) {
		held = jput_object(b, "held");
		jput_u64(held, "revision", c->held->revision);
		jput_str(held, "reason",
			 c->held_why == CORE_OLDER ? "older than the one that runs"
						   : "removes too many VIPs at once");
	}
	if (c->mass.begun_ns) {
		alarm = jput_object(b, "alarm");
		jput_str(alarm, "kind", "mass-failure");
		jput_str(alarm, "policy", core_mass_policy_str(c->cfg->mass_policy));
	}
	synced = jput_array(b, "synced");
	for (struct core_vip *v = c->vips; v; v = v->hh.next)
		report_vip(v, synced);
	for (size_t i = 0; m && i < m->n_refusals; i++) {
		const struct model_refusal *r = &m->refusals[i];
		const struct core_vip *v = r->known ? core_vip_find(c, &r->addr) : NULL;

		/* One that runs in an earlier form is reported above. */
		if (!v || v->refusal != r || v->owner == CORE_OWNER_LOCAL)
			write_synced(synced, r->id, r->address, r->desired_revision, "failed",
				     r->reason);
	}
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
