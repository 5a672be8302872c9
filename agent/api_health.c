// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Health over the local API: does the agent work, how do the checks do, each check, and the end of
 * a hold. The engine's own figures come from the health child once a second.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api_health.h"

#define CHECKS_DEFAULT 1000u
#define CHECKS_MAX     65536u

static uint64_t age_s(uint64_t at_ns)
{
	uint64_t now = util_now_ns();

	return now > at_ns ? (now - at_ns) / 1000000000 : 0;
}

/* ---- the engine ---- */

void api_health_stats(struct parent *p, const struct msg_hc_stats *s)
{
	uint64_t now = util_now_ns();

	if (p->hc.at_ns && now > p->hc.at_ns && s->started >= p->hc.stats.started)
		p->hc.per_s = (s->started - p->hc.stats.started) * 1000000000 / (now - p->hc.at_ns);
	p->hc.stats = *s;
	p->hc.at_ns = now;
}

static void write_engine(const struct parent *p, struct jput b)
{
	const struct msg_hc_stats *s = &p->hc.stats;
	struct jput o;

	jput_u64(b, "age_s", age_s(p->hc.at_ns));
	jput_u64(b, "probes_per_s", p->hc.per_s);
	jput_u64(b, "started", s->started);
	jput_u64(b, "flying", s->flying);
	jput_u64(b, "waiting", s->waiting);
	jput_u64(b, "descriptors", s->fds);
	jput_u64(b, "budget", s->budget);
	jput_u64(b, "hosts", s->hosts);
	jput_u64(b, "host_held", s->host_held);
	jput_u64(b, "shards", s->shards);
	jput_u64(b, "late", s->late);
	jput_u64(b, "late_p50_us", s->late_p50_us);
	jput_u64(b, "late_p99_us", s->late_p99_us);
	jput_u64(b, "late_max_us", s->late_max_us);
	jput_u64(b, "extended", s->extended);
	o = jput_object(b, "ended");
	for (uint8_t i = 0; i < MSG_HC_REASONS; i++)
		jput_u64(o, hc_reason_str(i), s->ended[i]);
	o = jput_object(b, "icmp");
	jput_u64(o, "sent", s->icmp_sent);
	jput_u64(o, "matched", s->icmp_matched);
	jput_u64(o, "late", s->icmp_late);
	jput_u64(o, "foreign", s->icmp_foreign);
	jput_u64(o, "bad", s->icmp_bad);
}

/* ---- the node ---- */

void api_health_count(const struct core *c, struct api_health_counts *ret)
{
	*ret = (struct api_health_counts){};
	for (const struct core_cond *cond = c->conds_by_id; cond; cond = cond->by_id.next) {
		ret->n++;
		ret->states[cond->state]++;
		ret->held += cond->held;
		ret->failing[cond->probed ? cond->reason : MSG_HC_OK]++;
		if (cond->failure.at_ns)
			ret->failures[cond->failure.reason]++;
		if (cond->probed && cond->reason == MSG_HC_OK)
			ret->fine++;
	}
}

static void write_conditions(const struct core *c, struct jput b)
{
	struct api_health_counts n;

	api_health_count(c, &n);
	jput_u64(b, "total", n.n);
	for (uint8_t i = 0; i <= MSG_HC_DOWN; i++)
		jput_u64(b, hc_state_str(i), n.states[i]);
	jput_u64(b, "failing", n.n - n.failing[MSG_HC_OK]);
	jput_u64(b, "held", n.held);
}

static void write_alarm(const struct core *c, struct jput b)
{
	const struct core_mass *m = &c->mass;

	jput_str(b, "kind", "mass-failure");
	jput_str(b, "policy", core_mass_policy_str(c->cfg->mass_policy));
	jput_u64(b, "failing", m->n_new);
	jput_u64(b, "of", core_mass_base(c));
	jput_u64(b, "held", m->n_held);
	jput_u64(b, "age_s", age_s(m->begun_ns));
	jput_bool(b, "recovering", m->calm_ns != 0);
}

enum api_result api_get_health(struct api_request *req)
{
	const struct core *c = req->parent->core;
	bool ok = c->maps_ready && c->dataplane_up && c->model;
	struct jput b = jput_begin(&req->out), o;

	req->status = ok ? 200 : 503;
	jput_str(b, "status", ok ? "ok" : "not ok");
	if (!ok)
		jput_str(b, "reason",
			 !c->maps_ready	    ? "the data plane is starting"
			 : !c->dataplane_up ? c->dataplane_reason
					    : "there is no VIP list yet");
	if (c->mass.begun_ns)
		write_alarm(c, jput_object(b, "alarm"));
	write_conditions(c, jput_object(b, "conditions"));
	o = jput_object(b, "backends");
	jput_u64(o, "checked", c->mass.n_checked);
	jput_u64(o, "failing", c->mass.n_failing);
	if (req->parent->hc.at_ns)
		write_engine(req->parent, jput_object(b, "engine"));
	return API_DONE;
}

enum api_result api_post_health_release(struct api_request *req)
{
	if (core_mass_release(req->parent->core, util_now_ns()) < 0)
		return api_error(req, 409, NULL, "no verdict is held");
	parent_kick(req->parent);
	jput_str(jput_begin(&req->out), "status", "ok");
	return API_DONE;
}

/* ---- each check ---- */

/* What is asked for; nothing of it set: all. */
struct filter {
	bool has_vip, has_port, failing;
	struct addr vip;
	uint16_t port;
	int state; /* -1: any */
	uint64_t limit;
};

static int parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	int used = 0;

	if (text[0] < '0' || text[0] > '9' || sscanf(text, "%9" SCNu64 "%n", ret, &used) != 1 ||
	    text[used] || *ret > max)
		return -EINVAL;
	return 0;
}

static int parse_state(const char *text, struct filter *f)
{
	f->failing = strcmp(text, "failing") == 0;
	if (f->failing)
		return 0;
	for (uint8_t i = 0; i <= MSG_HC_DOWN; i++) {
		if (strcmp(text, hc_state_str(i)) == 0) {
			f->state = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* 0; -ENOENT: there is no such argument; -EINVAL with what it has to be. */
static int parse_arg(const struct api_arg *a, struct filter *f, const char **ret_must)
{
	uint64_t port;

	if (strcmp(a->name, "vip") == 0) {
		*ret_must = "an address";
		f->has_vip = true;
		return addr_parse(a->value, &f->vip);
	}
	if (strcmp(a->name, "port") == 0) {
		*ret_must = "from 0 to 65535";
		if (parse_number(a->value, UINT16_MAX, &port) < 0)
			return -EINVAL;
		f->has_port = true;
		f->port = (uint16_t)port;
		return 0;
	}
	if (strcmp(a->name, "state") == 0) {
		*ret_must = "up, down, unknown or failing";
		return parse_state(a->value, f);
	}
	if (strcmp(a->name, "limit") == 0) {
		*ret_must = "from 0 to 65536";
		return parse_number(a->value, CHECKS_MAX, &f->limit);
	}
	return -ENOENT;
}

static bool fits(const struct core_cond *cond, const struct filter *f)
{
	if (f->failing)
		return cond->probed && cond->reason != MSG_HC_OK;
	return f->state < 0 || f->state == cond->state;
}

static void write_one(const struct core_backend *be, const struct core_cond *cond, struct jput b)
{
	const struct core_port *p = be->port;

	jput_prefix(b, "vip", &p->vip->conf.addr, p->vip->conf.plen);
	jput_str(b, "protocol", model_protocol_str(p->conf->protocol));
	jput_u64(b, "service_port", p->conf->port);
	jput_addr(b, "backend", &be->conf.addr);
	core_check_write(cond, util_now_ns(), b);
}

/* The checks of a service; returns how many fit, of which no more than f->limit in all are in b. */
static uint64_t write_checks(const struct core_port *p, const struct filter *f, uint64_t before,
			     struct jput b)
{
	uint64_t n = before;

	for (size_t i = 0; i < p->n_backends; i++)
		for (size_t j = 0; j < p->conf->health.n_checks; j++) {
			const struct core_cond *cond = p->backends[i].uses[j].cond;

			if (fits(cond, f) && n++ < f->limit)
				write_one(&p->backends[i], cond, jput_object(b, NULL));
		}
	return n - before;
}

enum api_result api_get_health_conditions(struct api_request *req)
{
	const struct core *c = req->parent->core;
	struct filter f = {.state = -1, .limit = CHECKS_DEFAULT};
	struct jput b, list;
	uint64_t n = 0;

	for (size_t i = 0; i < req->n_args; i++) {
		const char *must = NULL;
		int r = parse_arg(&req->args[i], &f, &must);

		if (r == -ENOENT)
			return api_error(req, 400, req->args[i].name,
					 "the request has no such argument");
		if (r < 0)
			return api_error(req, 400, req->args[i].name, "%s must be %s",
					 req->args[i].name, must);
	}
	if (f.has_vip && !core_vip_find(c, &f.vip))
		return api_error(req, 404, "vip", "no such VIP");
	b = jput_begin(&req->out);
	list = jput_array(b, "conditions");
	for (const struct core_vip *v = c->vips; v; v = v->hh.next) {
		if (f.has_vip && addr_cmp(&v->conf.addr, &f.vip) != 0)
			continue;
		for (size_t i = 0; v->configured && i < v->n_ports; i++)
			if (!f.has_port || v->ports[i].conf->port == f.port)
				n += write_checks(&v->ports[i], &f, n, list);
	}
	jput_u64(b, "total", n);
	jput_u64(b, "left_out", n - MIN2(n, f.limit));
	return API_DONE;
}
