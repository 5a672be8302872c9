// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Withdraw before delete (invariant 2), as a machine on each VIP; enum
 * core_phase has it in words. Every step has a deadline, so that a lost answer
 * delays a removal but never stops it; a VIP that comes back in the model
 * leaves the machine from wherever it is.
 */
#include <stdio.h>

#include "core_int.h"
#include "log.h"

void core_withdraw(struct core_vip *v)
{
	struct core *c = v->core;
	char text[ADDR_STRLEN];
	bool no_nlbd = !c->cfg->nlbd_socket[0];

	log_notice("VIP is to go: withdrawing its route", "vip=%s", addr_str(&v->conf.addr, text));
	v->phase = CORE_WITHDRAWING;
	v->reported = false;
	c->report_dirty = true;
	if (c->synced)
		c->ops->gone(c->user, &v->conf.addr, v->conf.plen);
	if (no_nlbd)
		core_vip_due(v, c->now);
	else
		core_vip_due(v, c->now + CORE_MS * (c->synced ? CORE_WITHDRAW_MS
							      : CORE_WITHDRAW_LOST_MS));
}

void core_revive(struct core_vip *v)
{
	char text[ADDR_STRLEN];

	if (v->phase != CORE_DELETED)
		log_notice("VIP is wanted again", "vip=%s phase=%s", addr_str(&v->conf.addr, text),
			   core_phase_str(v->phase));
	v->phase = CORE_WANTED;
	v->conf.deletion = false;
	v->told_dirty = true;
	core_vip_due(v, 0);
	core_vip_dirty(v);
	/* Its rings may have been left as they were; look at all of them. */
	for (size_t i = 0; i < v->n_ports; i++)
		v->ports[i].dirty = true;
}

static void hold_down(struct core_vip *v)
{
	struct core *c = v->core;
	char text[ADDR_STRLEN];

	if (v->route == CORE_ROUTE_INSTALLED || (v->route == CORE_ROUTE_UNKNOWN && c->feed_up))
		log_warning("nlbd did not confirm the withdrawal; going on", "vip=%s",
			    addr_str(&v->conf.addr, text));
	log_info("VIP in hold-down", "vip=%s ms=%u", addr_str(&v->conf.addr, text),
		 c->cfg->hold_down_ms);
	v->phase = CORE_HOLD_DOWN;
	core_vip_due(v, c->now + CORE_MS * c->cfg->hold_down_ms);
}

static void delete_vip(struct core_vip *v)
{
	struct msg_vip msg = {.vip = v->conf.addr, .plen = v->conf.plen};
	struct core *c = v->core;

	core_maps_send(c, MSG_MAPS_VIP_DEL, &msg, sizeof(msg));
	v->phase = CORE_DELETING;
	core_vip_due(v, 0);
	core_vip_clear(v);
	/* It goes with the batch that is sent next. */
	v->del_seq = c->next_seq + 1;
	c->n_deleting++;
}

void core_vip_timeout(struct core_vip *v)
{
	struct core *c = v->core;

	switch (v->phase) {
	case CORE_WANTED:
		for (size_t i = 0; i < v->n_ports; i++) {
			struct core_port *p = &v->ports[i];

			if (p->run.retry_at && p->run.retry_at <= c->now) {
				p->run.retry_at = 0;
				p->ring_dirty = true;
			}
			if (!p->run.first_done)
				p->dirty = true;
		}
		core_vip_due(v, 0);
		core_vip_dirty(v);
		break;
	case CORE_WITHDRAWING:
		hold_down(v);
		break;
	case CORE_HOLD_DOWN:
		delete_vip(v);
		break;
	case CORE_DELETING:
	case CORE_DELETED:
		core_vip_due(v, 0);
		break;
	}
}

static void deletion_done(struct core_vip *v)
{
	struct core *c = v->core;
	char text[ADDR_STRLEN];

	if (v->phase != CORE_DELETING)
		return;
	if (v->del_seq > c->seq) {
		c->n_deleting++;
		return;
	}
	log_notice("VIP deleted", "vip=%s", addr_str(&v->conf.addr, text));
	v->phase = CORE_DELETED;
	v->route = CORE_ROUTE_UNKNOWN;
	v->route_reason[0] = '\0';
	c->report_dirty = true;
	/* Nobody waits to be told. */
	if (v->owner == CORE_OWNER_LOCAL || c->cfg->sched_none)
		core_vip_free(v);
}

void core_remove_committed(struct core *c)
{
	struct core_vip *v, *next;

	if (!c->n_deleting)
		return;
	c->n_deleting = 0;
	for (v = c->vips; v; v = next) {
		next = v->hh.next;
		deletion_done(v);
	}
}
