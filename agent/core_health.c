// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the health child says of conditions, and what it makes of backends.
 *
 * A result says how the last probe ended and what verdict that leads to. Both are
 * kept: the end of the last probe is there to be shown, and for core_mass.c, which looks for
 * failures before they are verdicts; the verdict counts, unless core_mass.c holds it.
 */
#include <stdio.h>

#include "core_int.h"

/* A backend without one has had no probe; start (model.h) is no verdict. */
bool core_backend_probed(const struct core_backend *be)
{
	for (size_t i = 0; i < be->port->conf->health.n_checks; i++)
		if (!be->uses[i].cond->probed)
			return false;
	return true;
}

bool core_backend_judge(struct core_backend *be)
{
	const struct model_health *h = &be->port->conf->health;
	size_t up = 0, down = 0, need = model_health_need(h);
	uint8_t state;

	for (size_t i = 0; i < h->n_checks; i++) {
		up += be->uses[i].cond->state == MSG_HC_UP;
		down += be->uses[i].cond->state == MSG_HC_DOWN;
	}
	if (up >= need)
		state = MSG_HC_UP;
	else if (h->n_checks - down < need)
		state = MSG_HC_DOWN;
	else
		state = MSG_HC_UNKNOWN;
	/*
	 * A check that is new (changed settings) has no verdict yet; until it
	 * has, what was known about the backend stands.
	 */
	if (state == MSG_HC_UNKNOWN || state == be->health)
		return false;
	be->health = state;
	return true;
}

/* The backends that ask for it are judged anew; all: even if nothing comes of it. */
static void judge_users(const struct core_cond *cond, bool all)
{
	for (const struct core_use *u = cond->uses; u; u = u->next) {
		struct core_port *p = u->be->port;

		if (!core_backend_judge(u->be) && !all)
			continue;
		p->dirty = true;
		core_vip_dirty(p->vip);
	}
}

void core_cond_state(struct core *c, struct core_cond *cond, enum msg_hc_state state)
{
	if (cond->state == state)
		return;
	cond->fell = cond->state == MSG_HC_UP && state == MSG_HC_DOWN;
	cond->state = (uint8_t)state;
	cond->since_ns = c->now;
	c->verdicts_dirty = true;
	judge_users(cond, false);
}

static void take(struct core *c, const struct msg_hc_result *r)
{
	struct core_cond *cond;
	bool first;

	HASH_FIND(by_id, c->conds_by_id, &r->id, sizeof(r->id), cond);
	/* Deleted while the verdict was on its way. */
	if (!cond || r->state > MSG_HC_DOWN)
		return;
	first = !cond->probed && r->reason != MSG_HC_LOCAL;
	cond->latency_us = r->latency_us;
	cond->reason = r->reason;
	cond->detail = r->detail;
	if (r->reason != MSG_HC_OK)
		cond->failure = (struct core_failure){
			.at_ns = c->now, .reason = r->reason, .detail = r->detail};
	core_mass_note(c, cond);
	cond->probed |= first;
	core_cond_state(c, cond, core_mass_hold(c, cond, (enum msg_hc_state)r->state));
	/* The first round may be done by this, though the state was there before. */
	if (first)
		judge_users(cond, true);
}

void core_health_results(struct core *c, const struct msg_hc_result *r, size_t n, uint64_t now_ns)
{
	c->now = now_ns;
	for (size_t i = 0; i < n; i++)
		take(c, &r[i]);
}

/* ---- words ---- */

const char *core_cond_result(const struct core_cond *cond, char buf[static HC_REASON_LEN])
{
	const char *why = core_tunnel_why(cond);

	if (!why)
		return hc_reason_format(buf, HC_REASON_LEN, cond->reason, cond->detail);
	snprintf(buf, HC_REASON_LEN, HC_REASON_LOCAL "%s", why);
	return buf;
}

static void cond_words(const struct core_cond *cond, const char *what, char *buf, size_t len)
{
	char words[HC_REASON_LEN];

	/* A restored verdict comes without its reason. */
	if (cond->reason == MSG_HC_OK)
		snprintf(words, sizeof(words),
			 cond->probed ? "down since before the restart" : "not probed yet");
	else
		core_cond_result(cond, words);
	if (cond->msg->port)
		snprintf(buf, len, "%s%s/%u: %s", what, hc_type_str(cond->msg->type),
			 cond->msg->port, words);
	else
		snprintf(buf, len, "%s%s: %s", what, hc_type_str(cond->msg->type), words);
}

void core_backend_reason(const struct core_backend *be, char *buf, size_t len)
{
	const struct model_health *h = &be->port->conf->health;

	buf[0] = '\0';
	if (be->state == CORE_BE_DRAIN || be->state == CORE_BE_DISABLED) {
		if (be->has_override)
			snprintf(buf, len, "by the operator");
		else
			snprintf(buf, len,
				 be->conf.admin == MODEL_ADMIN_UP ? "weight 0"
								  : "by the scheduler");
		return;
	}
	if (be->state == CORE_BE_DOWN && be->result_down) {
		snprintf(buf, len, "results: %s", core_results_reason(be));
		return;
	}
	for (size_t i = 0; i < h->n_checks; i++) {
		const struct core_cond *cond = be->uses[i].cond;

		if (be->state == CORE_BE_DOWN && cond->state == MSG_HC_DOWN) {
			cond_words(cond, "", buf, len);
			return;
		}
		if (be->state == CORE_BE_UP && cond->held && cond->failing) {
			cond_words(cond, "held: ", buf, len);
			return;
		}
	}
}
