// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One batch: what the notes amount to.
 *
 *   1. Each dirty port is counted anew, each dirty VIP judged anew.
 *   2. VIPs whose line for nlbd changed are told. This comes before the maps,
 *      so that a route is on its way out before its ring is emptied.
 *   3. If it is time for one (core_batch.c), the rings that differ are sent as
 *      a batch: an SVC_SET for each service and a COMMIT.
 *
 * Ready (invariant 1). A VIP becomes ready when the first health round of each
 * of its ports is done and each service that has an enabled backend is proven.
 * From then on a port that is added, or that comes back from nothing, does not
 * take the route away from the others: the VIP stays ready as long as one
 * service with an enabled backend is proven and none is broken.
 */
#include <stdio.h>
#include <string.h>

#include "core_int.h"
#include "log.h"

enum core_be_state core_backend_state(const struct core_backend *be)
{
	enum model_admin admin = be->has_override ? be->override : be->conf.admin;

	if (admin == MODEL_ADMIN_DOWN)
		return CORE_BE_DISABLED;
	if (admin == MODEL_ADMIN_DRAIN || be->conf.weight == 0)
		return CORE_BE_DRAIN;
	if (be->result_down)
		return CORE_BE_DOWN;
	if (be->health == MSG_HC_UP)
		return CORE_BE_UP;
	return be->health == MSG_HC_DOWN ? CORE_BE_DOWN : CORE_BE_UNKNOWN;
}

const char *core_be_state_str(enum core_be_state state)
{
	static const char *const names[] = {
		[CORE_BE_UNKNOWN] = "unknown",	 [CORE_BE_UP] = "up",
		[CORE_BE_DOWN] = "down",	 [CORE_BE_DRAIN] = "drain",
		[CORE_BE_DISABLED] = "disabled",
	};

	return names[state];
}

const char *core_phase_str(enum core_phase phase)
{
	static const char *const names[] = {
		[CORE_WANTED] = "wanted",	[CORE_WITHDRAWING] = "withdrawing",
		[CORE_HOLD_DOWN] = "hold-down", [CORE_DELETING] = "deleting",
		[CORE_DELETED] = "deleted",
	};

	return names[phase];
}

/* ---- counting ---- */

bool core_log_one(const struct core *c, struct core_log *log)
{
	log->n++;
	if (c->now - log->since >= 1000 * CORE_MS) {
		log->since = c->now;
		log->in_second = 0;
	}
	if (log->in_second >= CORE_LOG_BACKENDS)
		return false;
	log->in_second++;
	log->n_logged++;
	return true;
}

static void log_rest(struct core_log *log, const char *what)
{
	if (log->n > log->n_logged)
		log_notice(what, "changed=%u logged=%u", log->n, log->n_logged);
	log->n = log->n_logged = 0;
}

static void log_backend(const struct core_backend *be, enum core_be_state was)
{
	const struct core_port *p = be->port;
	struct core *c = p->vip->core;
	char vip[ADDR_STRLEN], addr[ADDR_STRLEN], reason[CORE_REASON_LEN];
	/* What everything does after a start is not worth a notice each. */
	int level = was == CORE_BE_UNKNOWN && be->state == CORE_BE_UP ? LOG_INFO : LOG_NOTICE;

	if (!log_enabled(level))
		return;
	if (!core_log_one(c, &c->changed))
		return;
	core_backend_reason(be, reason, sizeof(reason));
	log_event(level, "backend", "vip=%s service=%s/%u backend=%s state=%s was=%s reason=\"%s\"",
		  addr_str(&p->vip->conf.addr, vip), model_protocol_str(p->conf->protocol),
		  p->conf->port, addr_str(&be->conf.addr, addr), core_be_state_str(be->state),
		  core_be_state_str(was), reason);
}

/* It is not known whether it could serve; to start as up or down is not to know. */
static bool awaits_probe(const struct core_backend *be)
{
	if (be->state == CORE_BE_UNKNOWN)
		return true;
	return be->port->conf->health.start != MSG_HC_UNKNOWN && !be->result_down &&
	       (be->state == CORE_BE_UP || be->state == CORE_BE_DOWN) && !core_backend_probed(be);
}

static void count_port(struct core_port *p)
{
	struct core_vip *v = p->vip;
	bool unknown = false;

	p->dirty = p->ring_differs = false;
	p->n_enabled = p->n_draining = 0;
	for (size_t i = 0; i < p->n_backends; i++) {
		struct core_backend *be = &p->backends[i];
		enum core_be_state was = be->state;

		be->state = core_backend_state(be);
		if (be->state != was) {
			v->told_dirty = true;
			log_backend(be, was);
		}
		p->n_enabled += be->state == CORE_BE_UP;
		be->draining =
			be->state == CORE_BE_DRAIN && be->health != MSG_HC_DOWN && !be->result_down;
		p->n_draining += be->draining;
		unknown |= awaits_probe(be);
		if (core_backend_differs(be))
			p->ring_differs = true;
	}
	if (!unknown || p->vip->core->now >= p->run.first_by)
		p->run.first_done = true;
	if (core_svc_differs(p))
		p->ring_differs = true;
	/*
	 * Not knowing is no reason to take a backend out of a ring that an agent
	 * before us filled, and later never one to empty it.
	 */
	if (p->run.adopted && !p->run.sent && unknown && (!p->run.first_done || !p->n_enabled))
		p->ring_dirty = p->ring_differs = false;
}

/* ---- ready or not ---- */

static bool why_not(struct core_vip *v, const struct core_port *p, const char *what)
{
	char why[MSG_REASON_LEN];

	snprintf(why, sizeof(why), "%s/%u: %s", model_protocol_str(p->conf->protocol),
		 p->conf->port, what);
	if (strcmp(why, v->why) != 0) {
		memcpy(v->why, why, sizeof(why));
		v->told_dirty = true;
		v->core->report_dirty = true;
	}
	return false;
}

static bool judge_vip(struct core_vip *v)
{
	const struct core_port *missing = NULL;
	bool served = false;

	for (size_t i = 0; i < v->n_ports; i++) {
		const struct core_port *p = &v->ports[i];

		if (!p->run.first_done) {
			if (!v->ready)
				return why_not(v, p, "the first health round is not done");
			continue;
		}
		if (!p->n_enabled)
			continue;
		if (p->run.broken)
			return why_not(v, p, p->run.reason);
		if (p->run.proven)
			served = true;
		else if (!missing || p->run.failed)
			missing = p;
	}
	if (missing && !(v->ready && served))
		return why_not(v, missing,
			       missing->run.failed ? missing->run.reason
						   : "the data plane has not proven it yet");
	if (v->why[0]) {
		v->why[0] = '\0';
		v->told_dirty = true;
		v->core->report_dirty = true;
	}
	return true;
}

static uint64_t next_due(const struct core_vip *v)
{
	uint64_t due = UINT64_MAX;

	for (size_t i = 0; i < v->n_ports; i++) {
		const struct core_port_run *run = &v->ports[i].run;

		if (!run->first_done)
			due = MIN2(due, run->first_by);
		if (run->retry_at)
			due = MIN2(due, run->retry_at);
	}
	return due == UINT64_MAX ? 0 : due;
}

static void want_ring(struct core_vip *v)
{
	if (v->want_ring)
		return;
	v->want_ring = true;
	v->ring_next = v->core->ring;
	v->core->ring = v;
}

/*
 * Flags change under way. Another length is another prefix: nothing of it is
 * proven, so nlbd takes the route back; for the maps child it is a new VIP in the
 * place of the old one, so all its services are sent again, and proven.
 */
static void vip_changed(struct core_vip *v)
{
	want_ring(v);
	if (v->maps_plen == v->conf.plen)
		return;
	v->ready = false;
	v->told_dirty = true;
	for (size_t i = 0; i < v->n_ports; i++) {
		struct core_port *p = &v->ports[i];

		p->ring_dirty = true;
		p->run.proven = false;
		p->run.live = 0;
	}
}

static void run_vip(struct core_vip *v)
{
	struct core *c = v->core;
	uint32_t enabled = 0, total = 0;
	bool ready;

	if (!v->configured)
		return;
	for (size_t i = 0; i < v->n_ports; i++) {
		struct core_port *p = &v->ports[i];

		if (p->dirty)
			count_port(p);
		enabled += p->n_enabled;
		total += (uint32_t)p->n_backends;
		/* Nothing is in the ring that could carry the first packet. */
		if (!p->run.live)
			p->run.proven = false;
		if (core_port_unsent(p) && p->run.first_done)
			want_ring(v);
	}
	if (v->in_maps && core_vip_differs(v))
		vip_changed(v);
	ready = judge_vip(v);
	if (ready != v->ready || enabled != v->n_enabled || total != v->n_total) {
		v->told_dirty = true;
		c->report_dirty = true;
	}
	c->n_enabled += enabled;
	c->n_enabled -= v->n_enabled;
	v->ready = ready;
	v->n_enabled = enabled;
	v->n_total = total;
	if (v->phase == CORE_WANTED)
		core_vip_due(v, next_due(v));
}

static void tell_vip(struct core_vip *v)
{
	if (!v->told_dirty || v->phase != CORE_WANTED || !v->configured)
		return;
	v->told_dirty = v->digest_dirty = false;
	if (v->core->synced)
		v->core->ops->vip(v->core->user, v);
}

/* ---- the full set for nlbd ---- */

static bool unsettled(const struct core_vip *v)
{
	if (v->phase != CORE_WANTED || !v->adopted || v->ready)
		return false;
	for (size_t i = 0; i < v->n_ports; i++) {
		const struct core_port *p = &v->ports[i];

		if (!p->run.first_done || core_port_unsent(p) || p->run.waiting)
			return true;
	}
	return false;
}

static void resend_gone(struct core_vip *v)
{
	struct core *c = v->core;

	v->told_dirty = false;
	if (v->phase != CORE_WITHDRAWING)
		return;
	c->ops->gone(c->user, &v->conf.addr, v->conf.plen);
	core_vip_due(v, c->now + CORE_WITHDRAW_MS * CORE_MS);
}

/* Of each VIP that the maps had it is known whether it is still wanted. */
static bool all_listed(const struct core *c)
{
	bool local = false;

	if (c->model)
		return true;
	for (const struct core_vip *v = c->vips; v; v = v->hh.next) {
		if (v->phase == CORE_WANTED && !v->configured)
			return false;
		local |= core_vip_is_local(v);
	}
	return local;
}

/*
 * The full set replaces what nlbd knew. After an agent's restart it knew more
 * than we do yet, so it is sent only when each VIP that was found in the maps
 * has its first verdicts and results again, or has had its time.
 */
static void run_sync(struct core *c)
{
	struct core_vip *v;

	if (!c->sync_ok && all_listed(c)) {
		v = c->now < c->sync_by ? c->vips : NULL;
		while (v && !unsettled(v))
			v = v->hh.next;
		c->sync_ok = !v;
		if (v)
			c->due_ns = MIN2(c->due_ns, c->sync_by);
	}
	if (!c->sync_ok || !c->feed_up || c->synced)
		return;
	c->ops->sync(c->user);
	/* The session may have been lost while sending. */
	c->synced = c->feed_up;
	for (v = c->vips; v; v = v->hh.next)
		resend_gone(v);
}

/* ---- the batch ---- */

static void run_timers(struct core *c)
{
	struct core_vip *v, *next;

	if (c->now < c->due_ns)
		return;
	for (v = c->timed; v; v = next) {
		next = v->timed_next;
		if (v->due_ns <= c->now)
			core_vip_timeout(v);
	}
	c->due_ns = UINT64_MAX;
	for (v = c->timed; v; v = v->timed_next)
		c->due_ns = MIN2(c->due_ns, v->due_ns);
}

static void run_digests(struct core *c)
{
	if (!c->digests_at || c->now < c->digests_at)
		return;
	c->digests_at = 0;
	c->report_dirty = true;
	for (struct core_vip *v = c->vips; v; v = v->hh.next) {
		if (!v->digest_dirty)
			continue;
		v->told_dirty = true;
		core_vip_dirty(v);
	}
}

static void flush_notes(struct core *c)
{
	if (c->report_dirty)
		c->ops->report(c->user);
	if (c->verdicts_dirty)
		c->ops->verdicts(c->user);
	if (c->overrides_dirty)
		c->ops->overrides(c->user);
	if (c->local_dirty)
		c->ops->local(c->user);
	c->report_dirty = c->verdicts_dirty = c->overrides_dirty = c->local_dirty = false;
}

void core_run(struct core *c, uint64_t now_ns)
{
	uint64_t enabled = c->n_enabled;
	struct core_vip *v, *todo;

	c->now = now_ns;
	run_timers(c);
	run_digests(c);
	core_mass_run(c);
	todo = c->dirty;
	c->dirty = NULL;
	for (v = todo; v; v = v->dirty_next)
		run_vip(v);
	log_rest(&c->changed, "backends");
	log_rest(&c->overridden, "operator overrides backends");
	if (enabled > 1 && !c->n_enabled)
		log_warning("every backend of every VIP is out: is this node cut off?", "were=%llu",
			    (unsigned long long)enabled);
	run_sync(c);
	while (todo) {
		v = todo;
		todo = v->dirty_next;
		v->dirty = false;
		tell_vip(v);
	}
	core_batch_run(c);
	flush_notes(c);
}

uint64_t core_due(const struct core *c)
{
	uint64_t due = MIN2(c->due_ns, c->mass.due_ns);

	return c->digests_at ? MIN2(due, c->digests_at) : due;
}
