// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The parent's state on disk: what is read at start, and when what has changed
 * is written. Changes by the local API are saved once in a round of the loop,
 * after the rings were sent, and whoever asked for them is answered when they
 * are on disk. Verdicts are many and of little worth each: they are gathered.
 */
#include <inttypes.h>
#include <string.h>

#include "log.h"
#include "parent.h"
#include "state.h"

/*
 * A verdict that is not on disk when the agent is killed is a wrong one after
 * the restart, so they are written soon; but no more than a twentieth of the
 * time goes into that.
 */
#define VERDICTS_GAP_MS 10u
#define VERDICTS_SHARE	20u
#define VERDICTS_AGE_S	60u
#define SAVE_RETRY_MS	1000u

void parent_state_load(struct parent *p)
{
	char err[200];
	int r;

	r = state_local_load(p->cfg->state_dir, &p->boot_local, err, sizeof(err));
	if (r < 0 && r != -ENOENT)
		log_err("local VIPs not used", "file=%s/%s reason=\"%s\"", p->cfg->state_dir,
			STATE_LOCAL, err);
	for (size_t i = 0; r == 0 && i < p->boot_local->n_refusals; i++)
		log_err("local VIP not used", "vip=\"%s\" reason=\"%s\"",
			p->boot_local->refusals[i].address, p->boot_local->refusals[i].reason);
	r = state_overrides_load(p->cfg->state_dir, p->core);
	if (r < 0 && r != -ENOENT)
		log_err("stored overrides not used", "error=\"%s\"", strerror(-r));
	r = state_vips_load(p->cfg->state_dir, &p->boot, err, sizeof(err));
	if (r < 0 && r != -ENOENT)
		log_err("last good VIP list not used", "file=%s/%s reason=\"%s\"",
			p->cfg->state_dir, STATE_VIPS, err);
}

void parent_state_accepted(struct parent *p, const struct model *m)
{
	int r;

	log_notice("VIP list accepted", "revision=%" PRIu64 " vips=%zu refused=%zu", m->revision,
		   m->n_vips, m->n_refusals);
	r = state_vips_save(p->cfg->state_dir, m);
	if (r < 0)
		log_err("VIP list not kept on disk", "dir=%s error=\"%s\"", p->cfg->state_dir,
			strerror(-r));
}

/* ---- verdicts ---- */

void parent_state_verdicts_load(struct parent *p)
{
	int r;

	/*
	 * Maps that are new may still be ones that replace others, of another
	 * size or layout, under live traffic: the agent before us ended just now.
	 */
	r = state_verdicts_load(p->cfg->state_dir, p->core,
				core_adopted(p->core) ? 0 : VERDICTS_AGE_S);
	if (r < 0 && r != -ENOENT && r != -ESTALE)
		log_warning("stored verdicts not used", "error=\"%s\"", strerror(-r));
}

static void on_verdicts(struct loop_timer *t)
{
	struct parent *p = container_of(t, struct parent, verdicts);
	uint64_t start = util_now_ns(), end;
	int r = state_verdicts_save(p->cfg->state_dir, p->core);

	end = util_now_ns();
	p->verdicts_after_ns = end + (end - start) * VERDICTS_SHARE;
	if (r < 0)
		log_warning("verdicts not kept on disk", "dir=%s error=\"%s\"", p->cfg->state_dir,
			    strerror(-r));
}

void parent_state_verdicts(struct parent *p)
{
	if (!p->verdicts.pos)
		loop_timer_at(
			p->loop, &p->verdicts,
			MAX2(p->verdicts_after_ns, util_now_ns() + VERDICTS_GAP_MS * 1000000ull),
			on_verdicts);
}

/* ---- changes by the local API ---- */

static void on_save_again(struct loop_timer *t)
{
	parent_state_save(container_of(t, struct parent, save_again));
}

void parent_state_save(struct parent *p)
{
	int r = 0;

	if (!p->unsaved)
		return;
	if (p->unsaved & PARENT_OVERRIDES)
		r = state_overrides_save(p->cfg->state_dir, p->core);
	if (r == 0 && p->unsaved & PARENT_LOCAL)
		r = state_local_save(p->cfg->state_dir, p->core);
	if (r == 0) {
		p->unsaved = 0;
		p->save_error = 0;
	} else {
		if (r != p->save_error)
			log_err("changes not kept on disk",
				"dir=%s error=\"%s\" action=\"they are in force; trying again\"",
				p->cfg->state_dir, strerror(-r));
		p->save_error = r;
		loop_timer_in(p->loop, &p->save_again, SAVE_RETRY_MS, on_save_again);
	}
	api_saved(p->api, r);
}

void parent_state_done(struct parent *p)
{
	if (!p->core)
		return;
	parent_state_save(p);
	/* Always: the file's time says until when there was an agent. */
	if (core_maps_ready(p->core))
		on_verdicts(&p->verdicts);
	loop_timer_del(p->loop, &p->verdicts);
	loop_timer_del(p->loop, &p->save_again);
}
