// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlbd's core.
 *
 * Every VIP that the agent names stands in one red-black tree, by prefix. Each event (a message
 * of the agent, a change of configuration, an answer of zebra) changes a few members and calls
 * vip_decide() on the VIPs concerned. That function compares wish and fact: where they differ the
 * VIP goes on the route queue, which nlb_zebra.c empties as fast as zebra reads; where the agent
 * has not heard the present state it goes on the report queue, which nlb_session.c empties as fast
 * as the agent reads. Both queues are links inside the VIP, so that no number of changes needs
 * memory, and a VIP that changes ten times before its turn is sent once, in its last state.
 *
 * While a sync runs nothing is decided: routes stay as they are until its end, when those that it
 * did not name are gone. A VIP that is gone stays until zebra has confirmed and the agent has been
 * told, and is freed then.
 */

#include <zebra.h>

#include "memory.h"

#include "nlbd/nlb.h"
#include "nlbd/nlb_debug.h"
#include "nlbd/nlb_memory.h"
#include "nlbd/nlb_orphan.h"
#include "nlbd/nlb_prefix.h"

DEFINE_MTYPE_STATIC(NLBD, NLB_VIP, "NLB VIP");

static int nlb_vip_cmp(const struct nlb_vip *a, const struct nlb_vip *b)
{
	return nlb_prefix_cmp(&a->feed.prefix, &b->feed.prefix);
}

DECLARE_RBTREE_UNIQ(nlb_vips, struct nlb_vip, item, nlb_vip_cmp);
DECLARE_DLIST(nlb_routeq, struct nlb_vip, routeq_item);
DECLARE_DLIST(nlb_reportq, struct nlb_vip, reportq_item);
DECLARE_DLIST(nlb_removeq, struct nlb_vip, removeq_item);

/* The VIPs of an address, of all lengths, the shortest first. */
static struct nlb_vip *vip_of(struct nlb_vip *vip, const struct ipaddr *address)
{
	struct ipaddr own;

	if (!vip)
		return NULL;
	own = nlb_prefix_address(&vip->feed.prefix);
	return ipaddr_is_same(&own, address) ? vip : NULL;
}

static struct nlb_vip *first_of(struct nlb *nlb, const struct ipaddr *address)
{
	struct nlb_vip key = {};

	key.feed.prefix.family = ipaddr_family(address);
	if (IS_IPADDR_V4(address))
		key.feed.prefix.u.prefix4 = address->ipaddr_v4;
	else
		key.feed.prefix.u.prefix6 = address->ipaddr_v6;
	return vip_of(nlb_vips_find_gteq(&nlb->vips, &key), address);
}

static struct nlb_vip *next_of(struct nlb *nlb, struct nlb_vip *vip, const struct ipaddr *address)
{
	return vip_of(nlb_vips_next(&nlb->vips, vip), address);
}

/*
 * Queues
 */

static void vip_queue_route(struct nlb *nlb, struct nlb_vip *vip)
{
	if (vip->in_routeq)
		return;
	nlb_routeq_add_tail(&nlb->routeq, vip);
	vip->in_routeq = true;
	nlb->hooks->routes_queued();
}

static void vip_queue_report(struct nlb *nlb, struct nlb_vip *vip)
{
	if (vip->in_reportq)
		return;
	nlb_reportq_add_tail(&nlb->reportq, vip);
	vip->in_reportq = true;
	nlb->hooks->reports_queued();
}

static void vip_removing(struct nlb *nlb, struct nlb_vip *vip, bool on)
{
	if (vip->in_removeq) {
		nlb_removeq_del(&nlb->removeq, vip);
		vip->in_removeq = false;
	}
	if (on) {
		vip->removing_since_us = nlb_now_us();
		nlb_removeq_add_tail(&nlb->removeq, vip);
		vip->in_removeq = true;
	}
}

static void vip_free(struct nlb *nlb, struct nlb_vip *vip)
{
	if (vip->in_routeq)
		nlb_routeq_del(&nlb->routeq, vip);
	if (vip->in_reportq)
		nlb_reportq_del(&nlb->reportq, vip);
	vip_removing(nlb, vip, false);
	nlb_vips_del(&nlb->vips, vip);
	nlb_feed_vip_done(&vip->feed);
	XFREE(MTYPE_NLB_VIP, vip);
}

/*
 * Decision
 */

/* A VIP that may be forgotten once the agent has been told: no wish, no route. */
static bool vip_is_over(const struct nlb_vip *vip)
{
	return vip->gone && vip->route == NLB_ROUTE_NONE;
}

/* Follow route and decision into the state, and tell the agent where it is news. */
static void vip_settle(struct nlb *nlb, struct nlb_vip *vip)
{
	enum nlb_vip_state state = nlb_vip_derive(vip);
	enum nlb_reason reason = nlb_vip_reason(vip, true);

	if (state != vip->state) {
		if (state == NLB_VIP_INSTALLED || vip->state == NLB_VIP_INSTALLED)
			vip->changes++;
		DEBUGD(&nlb_dbg_vip, "vip %pFX: %s -> %s (%s)", &vip->feed.prefix,
		       nlb_vip_state_str(vip->state), nlb_vip_state_str(state),
		       nlb_reason_name(reason));
		vip->state = state;
		vip->changed_us = nlb_now_us();
	}

	/* On the way to something else: the answer will be the news. */
	if (state == NLB_VIP_PENDING || state == NLB_VIP_WITHDRAWING)
		return;
	if (vip->reported && vip->reported_state == state && vip->reported_reason == reason &&
	    !vip_is_over(vip))
		return;
	vip_queue_report(nlb, vip);
}

static void vip_decide(struct nlb *nlb, struct nlb_vip *vip)
{
	const struct nlb_config *cfg = &nlb->cfg;
	struct ipaddr address = nlb_prefix_address(&vip->feed.prefix);
	const struct nlb_override *override = nlb_override_find(&nlb->cfg, &address);
	struct nlb_policy policy = {
		.configured = cfg->configured,
		.agent_lost = nlb->agent_lost,
		.dataplane_ok = nlb->dataplane == NLB_DATAPLANE_OK,
		.in_pool = nlb_pool_match(cfg, &vip->feed.prefix),
		.shutdown = override && override->shutdown,
		.nexthop_ok = nlb->nexthop_ok,
		.min_enabled = cfg->min_enabled,
	};

	vip->decision = nlb_vip_decide(vip, &policy);
	if (vip->decision == NLB_REASON_NONE) {
		vip->want.distance = cfg->distance;
		vip->want.tag = override && override->tag ? override->tag : vip->feed.tag;
		vip->want.metric = override && override->has_metric ? override->metric : 0;
		vip->want.nexthop =
			cfg->nexthop_ifname[0] ? NLB_NEXTHOP_INTERFACE : NLB_NEXTHOP_BLACKHOLE;
		vip->want.ifindex = cfg->nexthop_ifname[0] ? nlb->ifindex : 0;

		if (vip->route == NLB_ROUTE_NONE || vip->route == NLB_ROUTE_REMOVING ||
		    !nlb_attr_same(&vip->want, &vip->sent))
			vip_queue_route(nlb, vip);
	} else if (vip->route != NLB_ROUTE_NONE && vip->route != NLB_ROUTE_REMOVING) {
		vip_queue_route(nlb, vip);
	}

	vip_settle(nlb, vip);
}

static void vip_set_gone(struct nlb *nlb, struct nlb_vip *vip)
{
	vip->gone = true;
	vip->fresh = false;
	/* Whatever was told before, "withdrawn" is said once more when it is true. */
	vip->reported = false;
	vip_decide(nlb, vip);
}

static void decide_all(struct nlb *nlb)
{
	struct nlb_vip *vip;

	/* A VIP that only the running sync has named is decided at its end. */
	frr_each (nlb_vips, &nlb->vips, vip)
		if (!vip->fresh)
			vip_decide(nlb, vip);
}

void nlb_init(struct nlb *nlb, const struct nlb_hooks *hooks)
{
	memset(nlb, 0, sizeof(*nlb));
	nlb->hooks = hooks;
	nlb->nexthop_ok = true;
	nlb_vips_init(&nlb->vips);
	nlb_routeq_init(&nlb->routeq);
	nlb_reportq_init(&nlb->reportq);
	nlb_removeq_init(&nlb->removeq);
	nlb_orphan_init(nlb);
	nlb_config_init(&nlb->cfg);
}

void nlb_done(struct nlb *nlb)
{
	struct nlb_vip *vip;

	while ((vip = nlb_vips_first(&nlb->vips)))
		vip_free(nlb, vip);
	nlb_orphan_done(nlb);
	nlb_config_done(&nlb->cfg);
	nlb_vips_fini(&nlb->vips);
	nlb_routeq_fini(&nlb->routeq);
	nlb_reportq_fini(&nlb->reportq);
	nlb_removeq_fini(&nlb->removeq);
}

/*
 * Configuration
 */

void nlb_config_changed(struct nlb *nlb)
{
	struct nlb_vip *vip;

	if (!nlb->cfg.configured) {
		/* As at the start: nothing is known, and what there was goes. */
		nlb->syncing = false;
		nlb->synced = false;
		nlb->agent_lost = false;
		nlb->dataplane = NLB_DATAPLANE_UNKNOWN;
		frr_each (nlb_vips, &nlb->vips, vip)
			vip_set_gone(nlb, vip);
		return;
	}
	decide_all(nlb);
}

void nlb_nexthop_set(struct nlb *nlb, bool ok, ifindex_t ifindex)
{
	if (nlb->nexthop_ok == ok && nlb->ifindex == ifindex)
		return;
	nlb->nexthop_ok = ok;
	nlb->ifindex = ifindex;
	decide_all(nlb);
}

/*
 * The agent
 */

/* The agent has another length for the address of vip: what others there are go. */
static void replace_others(struct nlb *nlb, const struct nlb_vip *vip)
{
	struct ipaddr address = nlb_prefix_address(&vip->feed.prefix);
	struct nlb_vip *other;

	for (other = first_of(nlb, &address); other; other = next_of(nlb, other, &address)) {
		if (other == vip || other->gone)
			continue;
		/* At the end of the sync, as if it had not named it. */
		if (nlb->syncing)
			other->sync = nlb->sync - 1;
		else
			vip_set_gone(nlb, other);
	}
}

int nlb_vip_update(struct nlb *nlb, struct nlb_feed_vip *feed)
{
	struct nlb_vip *vip = nlb_vip_find(nlb, &feed->prefix);

	if (!vip) {
		if (nlb_vips_count(&nlb->vips) >= NLB_VIPS_MAX)
			return -ENOSPC;
		vip = XCALLOC(MTYPE_NLB_VIP, sizeof(*vip));
		vip->feed.prefix = feed->prefix;
		vip->decision = NLB_REASON_SYNCING;
		vip->state = NLB_VIP_WITHDRAWN;
		vip->changed_us = nlb_now_us();
		vip->fresh = nlb->syncing;
		nlb_vips_add(&nlb->vips, vip);
	} else if (vip->gone) {
		/* Back before its route was confirmed gone: for the agent a new one. */
		vip->gone = false;
		vip->reported = false;
	}

	nlb_feed_vip_move(&vip->feed, feed);
	vip->sync = nlb->sync;
	if (!nlb->syncing)
		vip_decide(nlb, vip);
	replace_others(nlb, vip);
	return 0;
}

void nlb_vip_gone(struct nlb *nlb, const struct prefix *p)
{
	struct nlb_vip *vip = nlb_vip_find(nlb, p);

	if (!vip && nlb_prefix_is_host(p)) {
		struct ipaddr address = nlb_prefix_address(p);

		vip = nlb_vip_find_address(nlb, &address);
	}
	if (!vip) {
		struct nlb_feed_vip feed = { .prefix = *p };

		/* Never heard of: answered all the same, through the same way. */
		if (nlb_vip_update(nlb, &feed) < 0)
			return;
		vip = nlb_vip_find(nlb, p);
	}
	vip_set_gone(nlb, vip);
}

void nlb_sync_begin(struct nlb *nlb)
{
	nlb->sync++;
	nlb->syncing = true;
}

void nlb_sync_end(struct nlb *nlb)
{
	struct nlb_vip *vip;

	if (!nlb->syncing)
		return;
	nlb->syncing = false;
	nlb->synced = true;
	nlb->agent_lost = false;

	frr_each (nlb_vips, &nlb->vips, vip) {
		/* The agent wants to hear of every VIP of its set, whatever an earlier one heard. */
		vip->reported = false;
		vip->fresh = false;
		if (vip->sync != nlb->sync)
			vip->gone = true;
		vip_decide(nlb, vip);
	}

	/* An empty set leaves nothing to send, but is as authoritative as another. */
	nlb->hooks->routes_queued();
}

void nlb_dataplane_set(struct nlb *nlb, bool ok)
{
	enum nlb_dataplane dataplane = ok ? NLB_DATAPLANE_OK : NLB_DATAPLANE_DOWN;

	if (nlb->dataplane == dataplane)
		return;
	nlb->dataplane = dataplane;

	/* Bad news does not wait for the end of a sync (routes go at once), good news does. */
	if (!nlb->syncing || !ok)
		decide_all(nlb);
	/* Perhaps nlbd has become authoritative without a route to send. */
	nlb->hooks->routes_queued();
}

void nlb_session_lost(struct nlb *nlb)
{
	struct nlb_vip *vip;

	/* Half a sync is no set: what it has added is forgotten, what was known stays. */
	if (nlb->syncing) {
		nlb->syncing = false;
		frr_each_safe (nlb_vips, &nlb->vips, vip)
			if (vip->fresh)
				vip_free(nlb, vip);
	}
	nlb_report_drop(nlb);
}

void nlb_hold_expired(struct nlb *nlb)
{
	nlb->agent_lost = true;
	decide_all(nlb);
}

/*
 * zebra
 */

void nlb_zebra_connected(struct nlb *nlb)
{
	struct nlb_vip *vip;

	nlb->zebra_up = true;
	frr_each (nlb_vips, &nlb->vips, vip) {
		vip_removing(nlb, vip, false);
		vip->route = NLB_ROUTE_NONE;
		if (vip->fresh)
			continue;
		/* Not a new decision: in a sync the one before it stands. */
		if (vip->decision == NLB_REASON_NONE)
			vip_queue_route(nlb, vip);
		vip_settle(nlb, vip);
	}
	nlb->hooks->routes_queued();
}

struct nlb_vip *nlb_route_pop(struct nlb *nlb, enum nlb_route_op *ret_op)
{
	struct nlb_vip *vip;

	while ((vip = nlb_routeq_pop(&nlb->routeq))) {
		vip->in_routeq = false;

		if (vip->decision == NLB_REASON_NONE) {
			bool known =
				vip->route != NLB_ROUTE_NONE && vip->route != NLB_ROUTE_REMOVING;

			if (known && nlb_attr_same(&vip->want, &vip->sent))
				continue;
			vip_removing(nlb, vip, false);
			vip->sent = vip->want;
			/* A changed route replaces the installed one in zebra without a gap. */
			if (vip->route != NLB_ROUTE_INSTALLED)
				vip->route = NLB_ROUTE_SENT;
			vip_settle(nlb, vip);
			*ret_op = NLB_ROUTE_ADD;
			return vip;
		}

		if (vip->route == NLB_ROUTE_NONE || vip->route == NLB_ROUTE_REMOVING)
			continue;
		if (vip->route == NLB_ROUTE_REJECTED) {
			vip->route = NLB_ROUTE_NONE;
		} else {
			vip->route = NLB_ROUTE_REMOVING;
			vip_removing(nlb, vip, true);
		}
		vip_settle(nlb, vip);
		*ret_op = NLB_ROUTE_DEL;
		return vip;
	}

	return NULL;
}

void nlb_route_answer(struct nlb *nlb, const struct prefix *p, enum nlb_answer answer)
{
	struct nlb_vip *vip = nlb_vip_find(nlb, p);

	/* Answers to what an earlier nlbd has sent, or that come after we gave up waiting. */
	if (!vip || vip->route == NLB_ROUTE_NONE)
		return;

	switch (answer) {
	case NLB_ANSWER_INSTALLED:
		if (vip->route == NLB_ROUTE_REMOVING)
			return;
		vip->route = NLB_ROUTE_INSTALLED;
		break;
	case NLB_ANSWER_REMOVED:
		if (vip->route == NLB_ROUTE_REMOVING) {
			vip_removing(nlb, vip, false);
			vip->route = NLB_ROUTE_NONE;
		} else if (vip->route == NLB_ROUTE_INSTALLED) {
			vip->route = NLB_ROUTE_REJECTED;
			vip->zebra_reason = NLB_REASON_REMOVED;
		}
		break;
	case NLB_ANSWER_FAILED:
	case NLB_ANSWER_BETTER:
		if (vip->route == NLB_ROUTE_REMOVING)
			return;
		vip->route = NLB_ROUTE_REJECTED;
		vip->zebra_reason = answer == NLB_ANSWER_FAILED ? NLB_REASON_INSTALL_FAILED
								: NLB_REASON_BETTER_ROUTE;
		break;
	}
	vip_settle(nlb, vip);
}

int64_t nlb_remove_expire(struct nlb *nlb)
{
	int64_t now = nlb_now_us();
	struct nlb_vip *vip;

	while ((vip = nlb_removeq_first(&nlb->removeq))) {
		int64_t left = vip->removing_since_us + NLB_REMOVE_TIMEOUT_US - now;

		if (left > 0)
			return left;
		/*
		 * zebra does not answer a delete that overtook its add in the same run of its work
		 * queue: nothing was in the kernel then, and nothing is.
		 */
		vip_removing(nlb, vip, false);
		vip->route = NLB_ROUTE_NONE;
		vip_settle(nlb, vip);
	}
	return -1;
}

bool nlb_authoritative(const struct nlb *nlb)
{
	return nlb->synced && nlb->dataplane != NLB_DATAPLANE_UNKNOWN;
}

/*
 * Reports
 */

bool nlb_report_pop(struct nlb *nlb, struct nlb_report *ret_report)
{
	struct nlb_vip *vip;

	while ((vip = nlb_reportq_pop(&nlb->reportq))) {
		enum nlb_reason reason = nlb_vip_reason(vip, true);

		vip->in_reportq = false;
		/* Changed again since it was queued; its next settled state is queued anew. */
		if (vip->state == NLB_VIP_PENDING || vip->state == NLB_VIP_WITHDRAWING)
			continue;

		ret_report->prefix = vip->feed.prefix;
		ret_report->state = nlb_vip_state_str(vip->state);
		ret_report->reason = nlb_reason_str(reason);
		vip->reported = true;
		vip->reported_state = vip->state;
		vip->reported_reason = reason;
		if (vip_is_over(vip))
			vip_free(nlb, vip);
		return true;
	}
	return false;
}

void nlb_report_drop(struct nlb *nlb)
{
	struct nlb_report report;

	while (nlb_report_pop(nlb, &report))
		;
}

/*
 * Access
 */

struct nlb_vip *nlb_vip_find(struct nlb *nlb, const struct prefix *p)
{
	struct nlb_vip key = { .feed.prefix = *p };

	return nlb_vips_find(&nlb->vips, &key);
}

struct nlb_vip *nlb_vip_find_address(struct nlb *nlb, const struct ipaddr *address)
{
	struct nlb_vip *found = NULL, *vip;

	/* While one length replaces another there are two: the one that stays is it. */
	for (vip = first_of(nlb, address); vip; vip = next_of(nlb, vip, address))
		if (!found || found->gone)
			found = vip;
	return found;
}

struct nlb_vip *nlb_vip_first(struct nlb *nlb)
{
	return nlb_vips_first(&nlb->vips);
}

struct nlb_vip *nlb_vip_next(struct nlb *nlb, struct nlb_vip *vip)
{
	return nlb_vips_next(&nlb->vips, vip);
}

struct nlb_vip *nlb_vip_after(struct nlb *nlb, const struct prefix *p)
{
	struct nlb_vip key = { .feed.prefix = *p };
	struct nlb_vip *vip = nlb_vips_find_gteq(&nlb->vips, &key);

	if (vip && !nlb_vip_cmp(vip, &key))
		vip = nlb_vips_next(&nlb->vips, vip);
	return vip;
}
