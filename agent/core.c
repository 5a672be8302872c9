// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The core of the parent process: VIPs by address, the acceptance of models,
 * and the translation of what the children and nlbd say into notes on VIPs.
 *
 * How it hangs together. A VIP owns its ports, a port its backends, and each
 * backend subscribes to conditions (core_cond.c) that equal backends share. A
 * verdict marks the backends' ports dirty; a dirty VIP is in a list;
 * core_run() (core_run.c) walks that list once per batch, counts, tells nlbd,
 * and sends the rings that differ. A batch is with the maps child at a time;
 * what changes meanwhile goes into the next one, so load makes batches larger
 * and not more. Removal (core_remove.c) is a small machine of its own.
 *
 * Nothing here allocates per event, and nothing does I/O.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core_int.h"
#include "log.h"

struct core_vip *core_vip_find(const struct core *c, const struct addr *a)
{
	struct core_vip *v;

	HASH_FIND(hh, c->vips, a, sizeof(*a), v);
	return v;
}

struct core_port *core_port_find(struct core_vip *v, uint8_t protocol, uint16_t port)
{
	for (size_t i = 0; i < v->n_ports; i++)
		if (v->ports[i].conf->protocol == protocol && v->ports[i].conf->port == port)
			return &v->ports[i];
	return NULL;
}

static int backend_addr_cmp(const void *key, const void *element)
{
	return addr_cmp(key, &((const struct core_backend *)element)->conf.addr);
}

struct core_backend *core_backend_find(struct core_port *p, const struct addr *a)
{
	if (!p->n_backends)
		return NULL;
	return bsearch(a, p->backends, p->n_backends, sizeof(*p->backends), backend_addr_cmp);
}

void core_maps_send(struct core *c, uint16_t type, const void *data, size_t len)
{
	c->ops->maps(c->user, type, data, len);
	c->need_commit = true;
}

void core_vip_dirty(struct core_vip *v)
{
	struct core *c = v->core;

	core_batch_note(c);
	if (v->dirty)
		return;
	v->dirty = true;
	v->dirty_next = c->dirty;
	c->dirty = v;
}

void core_vip_due(struct core_vip *v, uint64_t at_ns)
{
	struct core *c = v->core;

	v->due_ns = at_ns;
	if (!at_ns && v->timed_link) {
		*v->timed_link = v->timed_next;
		if (v->timed_next)
			v->timed_next->timed_link = v->timed_link;
		v->timed_next = NULL;
		v->timed_link = NULL;
	} else if (at_ns && !v->timed_link) {
		v->timed_next = c->timed;
		if (c->timed)
			c->timed->timed_link = &v->timed_next;
		v->timed_link = &c->timed;
		c->timed = v;
	}
	if (at_ns)
		c->due_ns = MIN2(c->due_ns, at_ns);
}

void core_mark_next(struct core *c)
{
	/* 0 is what everything has at first. */
	if (++c->mark == 0)
		c->mark = 1;
}

void core_tick(struct core *c, uint64_t now_ns)
{
	c->now = now_ns;
}

bool core_is_unsaved(const struct core *c)
{
	return c->overrides_dirty || c->local_dirty;
}

int core_new(const struct config *cfg, const struct core_ops *ops, void *user, struct core **ret)
{
	struct core *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->cfg = cfg;
	c->ops = ops;
	c->user = user;
	c->due_ns = c->mass.due_ns = UINT64_MAX;
	*ret = c;
	return 0;
}

void core_free(struct core *c)
{
	if (!c)
		return;
	while (c->vips)
		core_vip_free(c->vips);
	core_overrides_done(c);
	core_results_done(c);
	model_free(c->model);
	model_free(c->held);
	free(c);
}

bool core_maps_ready(const struct core *c)
{
	return c->maps_ready;
}

bool core_adopted(const struct core *c)
{
	return c->any_adopted;
}

/* ---- models ---- */

/* Would m take away more than may go without being asked? */
static bool removes_too_many(struct core *c, const struct model *m)
{
	uint32_t have = 0, removed = 0;

	for (const struct core_vip *v = c->vips; v; v = v->hh.next) {
		const struct model_vip *want;

		if (v->phase != CORE_WANTED || v->owner == CORE_OWNER_LOCAL)
			continue;
		have++;
		want = model_find(m, &v->conf.addr);
		if (!want || want->deletion)
			removed++;
	}
	c->held_removes = removed;
	c->held_of = have;
	return removed > c->cfg->max_remove_min &&
	       (uint64_t)removed * 100 > (uint64_t)c->cfg->max_remove_percent * have;
}

int core_vip_want(struct core *c, const struct model_vip *want)
{
	struct core_vip *v = core_vip_find(c, &want->addr);
	int r;

	if (!v) {
		r = core_vip_new(c, &want->addr, &v);
		if (r < 0)
			return r;
	}
	v->seen = c->serial;
	v->in_model = true;
	v->refusal = NULL;
	if (core_vip_is_local(v))
		return 0;
	if (v->conf.desired_revision != want->desired_revision ||
	    strcmp(v->conf.id, want->id) != 0) {
		v->told_dirty = true;
		core_vip_dirty(v);
	}
	memcpy(v->conf.id, want->id, sizeof(v->conf.id));
	v->conf.desired_revision = want->desired_revision;
	v->conf.synced_revision = want->synced_revision;
	if (want->deletion) {
		if (v->phase == CORE_WANTED)
			core_withdraw(v);
		v->conf.deletion = true;
		return 0;
	}
	if (v->phase != CORE_WANTED)
		core_revive(v);
	if (v->owner == CORE_OWNER_SCHEDULER && v->configured && model_vip_equal(&v->conf, want))
		return 0;
	v->owner = CORE_OWNER_SCHEDULER;
	return core_vip_configure(v, want);
}

static void apply_absences(struct core *c)
{
	for (struct core_vip *v = c->vips; v; v = v->hh.next) {
		if (v->seen == c->serial)
			continue;
		v->in_model = false;
		v->refusal = NULL;
		if (v->phase == CORE_WANTED && v->owner != CORE_OWNER_LOCAL)
			core_withdraw(v);
	}
}

static void note_refusals(struct core *c, const struct model *m)
{
	for (size_t i = 0; i < m->n_refusals; i++) {
		const struct model_refusal *r = &m->refusals[i];
		struct core_vip *v = r->known ? core_vip_find(c, &r->addr) : NULL;

		log_warning("VIP refused",
			    "id=\"%s\" vip=\"%s\" reason=\"%s\" running=%s revision=%" PRIu64,
			    r->id, r->address, r->reason, "kept", r->desired_revision);
		if (v && v->in_model)
			v->refusal = r;
	}
}

void core_sync_wait(struct core *c)
{
	uint64_t first_by = 0;

	if (c->sync_ok)
		return;
	/* The first one after the start: how long may its first round take? */
	for (struct core_vip *v = c->vips; v; v = v->hh.next)
		for (size_t j = 0; v->configured && j < v->n_ports; j++)
			if (v->ports[j].run.adopted)
				first_by = MAX2(first_by, v->ports[j].run.first_by);
	first_by = MAX2(first_by, c->now) + CORE_MAPS_SLACK_MS * CORE_MS;
	c->sync_by = MAX2(c->sync_by, first_by);
	c->due_ns = MIN2(c->due_ns, c->sync_by);
}

static int apply(struct core *c, struct model *m)
{
	bool first = !c->model;
	int r;

	c->ops->accepted(c->user, m);
	c->serial++;
	for (size_t i = 0; i < m->n_vips; i++) {
		r = core_vip_want(c, &m->vips[i]);
		if (r < 0) {
			model_free(m);
			return r;
		}
	}
	apply_absences(c);
	note_refusals(c, m);
	model_free(c->model);
	c->model = m;
	core_overrides_prune(c);
	c->report_dirty = true;
	if (first)
		core_sync_wait(c);
	return CORE_ACCEPTED;
}

static int hold(struct core *c, struct model *m, enum core_verdict why)
{
	bool again = c->held && c->held_why == why && c->held->revision == m->revision;

	model_free(c->held);
	c->held = m;
	c->held_why = why;
	if (again)
		return (int)why;
	c->report_dirty = true;
	if (why == CORE_OLDER)
		log_warning("VIP list held: it is older than the one that runs",
			    "revision=%" PRIu64 " running=%" PRIu64 " action=\"nlbctl accept\"",
			    m->revision, c->model->revision);
	else
		log_warning("VIP list held: it would remove too many VIPs at once",
			    "revision=%" PRIu64 " removes=%u of=%u action=\"nlbctl accept\"",
			    m->revision, c->held_removes, c->held_of);
	return (int)why;
}

static bool model_equal(const struct model *a, const struct model *b)
{
	if (a->revision != b->revision || a->n_vips != b->n_vips || a->n_refusals != b->n_refusals)
		return false;
	for (size_t i = 0; i < a->n_vips; i++) {
		const struct model_vip *x = &a->vips[i], *y = &b->vips[i];

		if (!model_vip_equal(x, y) || strcmp(x->id, y->id) != 0 ||
		    x->desired_revision != y->desired_revision)
			return false;
	}
	for (size_t i = 0; i < a->n_refusals; i++)
		if (strcmp(a->refusals[i].reason, b->refusals[i].reason) != 0 ||
		    strcmp(a->refusals[i].address, b->refusals[i].address) != 0)
			return false;
	return true;
}

/* The prefixes of local VIPs and the list's share the data plane's lengths. */
static int limit_prefixes(struct core *c, struct model *m)
{
	struct model_lengths taken = {};
	bool any = false;

	for (const struct core_vip *v = c->vips; v; v = v->hh.next) {
		if (!core_vip_is_local(v) || v->conf.plen == ADDR_PLEN_HOST)
			continue;
		model_lengths_take(&taken, &v->conf.addr, v->conf.plen);
		any = true;
	}
	return any ? model_limit_prefixes(m, c->model, &taken) : 0;
}

int core_model(struct core *c, struct model *m, uint64_t now_ns)
{
	int r;

	c->now = now_ns;
	r = c->model ? model_keep_refused(m, c->model) : 0;
	if (r == 0)
		r = limit_prefixes(c, m);
	if (r < 0) {
		model_free(m);
		return r;
	}
	if (c->model) {
		if (m->revision && m->revision < c->model->revision)
			return hold(c, m, CORE_OLDER);
	}
	if (c->model && model_equal(m, c->model)) {
		model_free(m);
		model_free(TAKE_PTR(c->held));
		return CORE_UNCHANGED;
	}
	if (removes_too_many(c, m))
		return hold(c, m, CORE_REMOVES);
	model_free(TAKE_PTR(c->held));
	return apply(c, m);
}

int core_accept(struct core *c, uint64_t now_ns)
{
	int r;

	c->now = now_ns;
	if (!c->held)
		return -ENOENT;
	log_notice("held VIP list accepted", "revision=%" PRIu64, c->held->revision);
	r = apply(c, TAKE_PTR(c->held));
	return r < 0 ? r : 0;
}

/* ---- nlbd ---- */

const char *core_route_str(enum core_route route)
{
	static const char *const names[] = {
		[CORE_ROUTE_UNKNOWN] = "unknown",   [CORE_ROUTE_INSTALLED] = "installed",
		[CORE_ROUTE_REJECTED] = "rejected", [CORE_ROUTE_WITHDRAWN] = "withdrawn",
		[CORE_ROUTE_REFUSED] = "refused",
	};

	return names[route];
}

static void forget_routes(struct core *c)
{
	for (struct core_vip *v = c->vips; v; v = v->hh.next) {
		v->route = CORE_ROUTE_UNKNOWN;
		v->route_reason[0] = '\0';
		if (v->phase == CORE_WITHDRAWING)
			core_vip_due(v, c->now + CORE_WITHDRAW_LOST_MS * CORE_MS);
	}
}

void core_feed(struct core *c, bool up, uint64_t now_ns)
{
	c->now = now_ns;
	c->feed_up = up;
	c->synced = false;
	if (!up)
		forget_routes(c);
	else if (c->maps_ready)
		c->ops->dataplane(c->user, core_dataplane_ok(c));
	c->report_dirty = true;
}

void core_route_set(struct core *c, const struct addr *vip, uint8_t plen, enum core_route route,
		    const char *reason, uint64_t now_ns)
{
	struct core_vip *v = core_vip_find(c, vip);
	char text[ADDR_STRLEN];

	c->now = now_ns;
	if (!v || (v->configured && v->conf.plen != plen))
		return;
	if (v->route != route || strcmp(v->route_reason, reason) != 0) {
		if (v->route != route)
			log_notice("VIP route", "vip=%s route=%s reason=\"%s\"",
				   addr_prefix_str(vip, plen, text), core_route_str(route), reason);
		v->route = route;
		snprintf(v->route_reason, sizeof(v->route_reason), "%s", reason);
		c->report_dirty = true;
	}
	if (v->phase == CORE_WITHDRAWING && route != CORE_ROUTE_INSTALLED && c->synced)
		core_vip_timeout(v);
}
