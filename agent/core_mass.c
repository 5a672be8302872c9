// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When too many backends fail at once, the suspect is this node: its uplink, its firewall, its
 * address. Then verdicts are held, so that a node that is cut off does not empty its rings.
 *
 * What is counted. A backend here is an address, whatever services it is in: one that fails in
 * all of them, by what the last probe of each check says. That is known before the verdict, which
 * takes "fall" probes. It is a new failure when it was up before; one that was down, or
 * never was up, is none.
 *
 * At once. A failure that begins at time t was caused at the earliest a probe's interval and
 * timeout before (its window), and at the latest at t. So "within one interval" means: there is a
 * moment that lies in the windows of more than the set share of all backends that worked at
 * that moment. Slow and fast checks are alike in that, and those that die one after the
 * other share no moment. The earliest such moment is the event.
 *
 * Held is what began to fail not earlier than a window before the event: verdicts that come
 * from then on, and those that came since, which are taken back. A held condition counts as UP,
 * on disk too, so that a restart in between does not lose it, though the health child says
 * DOWN. What failed before the event goes down as ever.
 *
 * The end. When less than half of that share still fails, each condition that does has one window
 * more to recover, and then counts; when no condition is held any more, it is over. The operator
 * can end it at once, and so does a limit if one is configured: what fails then, counts.
 *
 * The policy says what an event does: hold; withdraw (and nlbd hears that the data plane is
 * down, so that this node attracts no traffic); or ignore, nothing but the alarm.
 */
#include <inttypes.h>
#include <string.h>
#include <utlist.h>

#include "core_int.h"
#include "log.h"

#define MASS_SLACK_MS 500u /* of probes that start or are reported late */
#define MASS_LOOK_MS  100u /* from one look at all failures to the next, unless many are new */

/* Failures that speak for the node or the network: not that it had no memory. */
static bool is_failure(uint8_t reason, uint32_t detail)
{
	if (reason != MSG_HC_LOCAL)
		return reason != MSG_HC_OK;
	switch (detail) {
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case EADDRNOTAVAIL:
	case ENODEV:
		return true;
	default:
		return false;
	}
}

/* How long before its first failed probe something may have happened. */
static uint64_t window_ns(uint32_t interval_ms, uint32_t timeout_ms)
{
	return CORE_MS * ((uint64_t)interval_ms + interval_ms / 8 + timeout_ms + MASS_SLACK_MS);
}

static uint64_t cond_window(const struct core_cond *cond)
{
	return window_ns(cond->msg->interval_ms, cond->msg->timeout_ms);
}

/* Of the slowest of its checks. */
static uint64_t backend_window(const struct core_backend *be)
{
	uint64_t longest = 0;

	for (size_t i = 0; i < be->port->conf->health.n_checks; i++)
		longest = MAX2(longest, cond_window(be->uses[i].cond));
	return longest;
}

/* ---- counting ---- */

static void unlist(struct core_mass *m, struct core_target *t)
{
	if (!t->listed)
		return;
	DL_DELETE(m->failing, t);
	t->listed = false;
	m->n_new--;
}

/* news: of a probe; else the configuration changed, which is no failure of anybody's. */
static void target_update(struct core *c, struct core_target *t, uint64_t window, bool news)
{
	struct core_mass *m = &c->mass;
	bool failing = t->n_checked && t->n_failing == t->n_checked;

	if (t->is_failing == failing)
		return;
	t->is_failing = failing;
	if (!failing) {
		m->n_failing--;
		unlist(m, t);
		return;
	}
	m->n_failing++;
	if (!news || !t->n_new)
		return;
	t->onset_ns = c->now;
	t->window_ns = window;
	t->listed = true;
	m->n_new++;
	m->n_onsets++;
	DL_APPEND(m->failing, t);
}

static bool backend_fails(const struct core_backend *be)
{
	const struct model_health *h = &be->port->conf->health;
	size_t fine = 0;

	for (size_t i = 0; i < h->n_checks; i++)
		fine += !be->uses[i].cond->failing;
	return fine < model_health_need(h);
}

static void backend_set(struct core_backend *be, bool failing, bool is_new)
{
	struct core_target *t = be->target;

	t->n_failing += failing;
	t->n_failing -= be->is_failing;
	t->n_new += failing && is_new;
	t->n_new -= be->is_new_failure;
	be->is_failing = failing;
	be->is_new_failure = failing && is_new;
}

static void backend_update(struct core *c, struct core_backend *be)
{
	bool failing = backend_fails(be);

	if (be->is_failing == failing)
		return;
	backend_set(be, failing, be->health == MSG_HC_UP);
	target_update(c, be->target, backend_window(be), true);
}

void core_mass_join(struct core *c, struct core_backend *be, const struct core_backend *old)
{
	struct core_target *t = be->target;

	if (!be->port->conf->health.n_checks)
		return;
	be->in_mass = true;
	c->mass.n_checked += !t->n_checked++;
	backend_set(be, backend_fails(be), old && old->is_new_failure);
	target_update(c, t, backend_window(be), false);
}

void core_mass_leave(struct core *c, struct core_backend *be)
{
	struct core_target *t = be->target;

	if (!be->in_mass)
		return;
	be->in_mass = false;
	backend_set(be, false, false);
	c->mass.n_checked -= !--t->n_checked;
	target_update(c, t, 0, false);
}

void core_mass_note(struct core *c, struct core_cond *cond)
{
	bool failing = is_failure(cond->reason, cond->detail);

	if (cond->failing == failing)
		return;
	cond->failing = failing;
	cond->failing_ns = c->now;
	for (struct core_use *u = cond->uses; u; u = u->next)
		if (u->be->in_mass)
			backend_update(c, u->be);
}

/* ---- holding ---- */

static void set_held(struct core *c, struct core_cond *cond, bool held)
{
	c->mass.n_held += held;
	c->mass.n_held -= cond->held;
	cond->held = held;
}

void core_mass_forget(struct core *c, struct core_cond *cond)
{
	set_held(c, cond, false);
}

/* Can the event have caused this failure? */
static bool is_part(const struct core *c, const struct core_cond *cond)
{
	return cond->failing && cond->failing_ns + cond_window(cond) >= c->mass.event_ns;
}

enum msg_hc_state core_mass_hold(struct core *c, struct core_cond *cond, enum msg_hc_state state)
{
	bool held = false;

	if (state == MSG_HC_DOWN && cond->state == MSG_HC_UP) {
		/* One that was held and recovers is DOWN for the child until it has risen. */
		if (cond->held && !cond->failing)
			held = true;
		else
			held = c->mass.holding && is_part(c, cond) &&
			       !(c->mass.calm_ns && cond->failing_ns > c->mass.calm_ns);
	}
	set_held(c, cond, held);
	return held ? MSG_HC_UP : state;
}

/* What fell by the event before it was known to be one stands up again. */
static void take_back(struct core *c)
{
	for (struct core_cond *cond = c->conds_by_id; cond; cond = cond->by_id.next) {
		if (!cond->fell || cond->state != MSG_HC_DOWN || !is_part(c, cond))
			continue;
		set_held(c, cond, true);
		core_cond_state(c, cond, MSG_HC_UP);
	}
}

/*
 * Held conditions that fail and whose time is up count from now on. Returns when the next one's
 * is; UINT64_MAX: none fails.
 */
static uint64_t let_fall(struct core *c, bool all)
{
	uint64_t next = UINT64_MAX;

	for (struct core_cond *cond = c->conds_by_id; cond; cond = cond->by_id.next) {
		uint64_t at = c->mass.calm_ns + cond_window(cond);

		if (!cond->held || !cond->failing)
			continue;
		if (!all && c->now < at) {
			next = MIN2(next, at);
			continue;
		}
		set_held(c, cond, false);
		core_cond_state(c, cond, MSG_HC_DOWN);
	}
	return next;
}

/* ---- the event ---- */

const char *core_mass_policy_str(enum config_mass_policy policy)
{
	static const char *const names[] = {
		[CONFIG_MASS_HOLD] = "hold",
		[CONFIG_MASS_WITHDRAW] = "withdraw",
		[CONFIG_MASS_IGNORE] = "ignore",
	};

	return names[policy];
}

uint32_t core_mass_base(const struct core *c)
{
	return c->mass.n_checked - c->mass.n_failing + c->mass.n_new;
}

static bool is_above(uint64_t n, uint64_t of, uint64_t percent)
{
	return n * 100 > of * percent;
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Failures that no probe to come can share a moment with are nobody's news any more. */
static void forget_old(struct core *c)
{
	uint64_t longest = 0;

	for (const struct core_vip *v = c->vips; v; v = v->hh.next)
		for (size_t i = 0; i < v->n_ports; i++) {
			uint64_t ms = model_health_round_ms(&v->ports[i].conf->health);

			longest = MAX2(longest, (ms + ms / 8 + MASS_SLACK_MS) * CORE_MS);
		}
	while (c->mass.failing && c->mass.failing->onset_ns + longest < c->now)
		unlist(&c->mass, c->mass.failing);
}

/*
 * The earliest moment that is in enough windows; 0: none. The windows' ends are the onsets,
 * which are in order; a window that begins later than a moment does not hold it, nor
 * does one that has ended.
 */
static uint64_t find_event(struct core *c)
{
	const struct config *cfg = c->cfg;
	size_t n = c->mass.n_new, begun = 0, ended = 0, i = 0;
	uint32_t base = core_mass_base(c);
	_cleanup_free_ uint64_t *begins = calloc(n, sizeof(*begins));
	uint64_t found = 0;

	if (!begins)
		return 0;
	for (const struct core_target *t = c->mass.failing; t; t = t->next)
		begins[i++] = t->onset_ns - MIN2(t->onset_ns, t->window_ns);
	qsort(begins, n, sizeof(*begins), by_time);
	for (const struct core_target *t = c->mass.failing; t && !found; t = t->next, ended++) {
		while (begun < n && begins[begun] <= t->onset_ns)
			begun++;
		if (begun - ended >= cfg->mass_min &&
		    is_above(begun - ended, base - ended, cfg->mass_percent))
			found = t->onset_ns;
	}
	return found;
}

/* True when it is worth the while to look at all of them. */
static bool is_suspect(struct core *c)
{
	struct core_mass *m = &c->mass;
	uint32_t base = core_mass_base(c);

	if (!m->n_new || m->n_new < c->cfg->mass_min ||
	    !is_above(m->n_new, base, c->cfg->mass_percent))
		return false;
	if (m->n_onsets == m->n_seen)
		return false;
	if (c->now < m->seen_ns + MASS_LOOK_MS * CORE_MS && m->n_onsets <= m->n_seen + base / 100) {
		m->due_ns = m->seen_ns + MASS_LOOK_MS * CORE_MS;
		return false;
	}
	return true;
}

static void tell_nlbd(struct core *c, bool withdrawn)
{
	if (c->mass.withdrawn == withdrawn)
		return;
	c->mass.withdrawn = withdrawn;
	c->report_dirty = true;
	if (c->feed_up && c->maps_ready)
		c->ops->dataplane(c->user, core_dataplane_ok(c));
}

static void begin(struct core *c, uint64_t event_ns)
{
	struct core_mass *m = &c->mass;

	m->event_ns = event_ns;
	m->begun_ns = c->now;
	m->calm_ns = 0;
	m->until_ns =
		c->cfg->mass_max_s ? c->now + c->cfg->mass_max_s * 1000 * CORE_MS : UINT64_MAX;
	m->due_ns = m->until_ns;
	m->holding = c->cfg->mass_policy != CONFIG_MASS_IGNORE;
	m->n_events++;
	c->report_dirty = true;
	log_err("mass failure of health checks: this node's own uplink is suspected",
		"failing=%u of=%u policy=%s%s", m->n_new, core_mass_base(c),
		core_mass_policy_str(c->cfg->mass_policy),
		m->holding ? " verdicts=held action=\"nlbctl health release\"" : "");
	if (m->holding)
		take_back(c);
	if (c->cfg->mass_policy == CONFIG_MASS_WITHDRAW)
		tell_nlbd(c, true);
}

static void end(struct core *c, const char *why)
{
	struct core_mass *m = &c->mass;

	log_notice("mass failure of health checks is over",
		   "reason=\"%s\" seconds=%" PRIu64 " failing=%u of=%u", why,
		   (uint64_t)((c->now - m->begun_ns) / (1000 * CORE_MS)), m->n_failing,
		   m->n_checked);
	m->begun_ns = m->calm_ns = 0;
	m->due_ns = UINT64_MAX;
	m->holding = false;
	/* What fails still has been counted; it is no news for the next event. */
	while (m->failing)
		unlist(m, m->failing);
	tell_nlbd(c, false);
	c->report_dirty = true;
}

static bool is_calm(const struct core *c)
{
	uint64_t n = c->mass.n_new;

	return !n || n * 200 < (uint64_t)c->cfg->mass_percent * core_mass_base(c);
}

static void watch(struct core *c)
{
	struct core_mass *m = &c->mass;
	bool calm = is_calm(c);

	if (c->now >= m->until_ns) {
		let_fall(c, true);
		end(c, "mass-failure-max has passed");
		return;
	}
	if (!calm)
		m->calm_ns = 0;
	else if (!m->calm_ns)
		m->calm_ns = m->due_ns = c->now;
	tell_nlbd(c, c->cfg->mass_policy == CONFIG_MASS_WITHDRAW && !calm);
	if (calm && c->now >= m->due_ns) {
		m->due_ns = let_fall(c, false);
		if (m->due_ns == UINT64_MAX)
			end(c, "backends answer again");
	}
	if (m->begun_ns)
		m->due_ns = MIN2(m->calm_ns ? m->due_ns : UINT64_MAX, m->until_ns);
}

void core_mass_run(struct core *c)
{
	struct core_mass *m = &c->mass;

	if (m->begun_ns) {
		watch(c);
		return;
	}
	m->due_ns = UINT64_MAX;
	if (!is_suspect(c))
		return;
	forget_old(c);
	m->seen_ns = c->now;
	m->n_seen = m->n_onsets;
	m->event_ns = m->n_new ? find_event(c) : 0;
	if (m->event_ns)
		begin(c, m->event_ns);
}

int core_mass_release(struct core *c, uint64_t now_ns)
{
	c->now = now_ns;
	if (!c->mass.begun_ns)
		return -ENOENT;
	let_fall(c, true);
	end(c, "released by the operator");
	return 0;
}
