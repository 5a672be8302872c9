// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * zebra's side of nlbd.
 *
 * The route queue of the core is emptied here. zclient buffers what zebra does not read at once;
 * as soon as it does, sending stops until the write-ready callback, so that the buffer never grows
 * beyond one message and a VIP that changes meanwhile is sent in its last state only.
 *
 * Graceful restart: on each connection nlbd registers with a stale time, and says which address
 * families are still to come. When it dies zebra keeps its routes; after the restart the agent
 * syncs, the routes are sent again (each replaces its stale twin without a gap), and when all are
 * out ROUTE_UPDATE_COMPLETE lets zebra drop those that nobody wants any more. What zebra overlooks
 * (nlb_orphan.c says why) is found by subscribing to our own route type for a while, and deleted
 * at the same moment, or when the stale time is over without an agent.
 */

#include <zebra.h>

#include "libfrr.h"
#include "if.h"
#include "vrf.h"
#include "zclient.h"

#include "nlbd/nlb_debug.h"
#include "nlbd/nlb_orphan.h"
#include "nlbd/nlb_zebra.h"

/* Messages sent in one go before other events have their turn. */
#define NLB_ZEBRA_BATCH 1000

/* How long after the last route of a full set zebra's own list of our routes is listened to. */
#define NLB_ZEBRA_ORPHANS_S 10

static struct nlb_zebra {
	struct nlb *nlb;
	struct zclient *zclient;
	struct event *t_flush;
	struct event *t_remove;
	bool blocked;	     /* zclient buffers: wait for write-ready */
	bool update_pending; /* ROUTE_UPDATE_COMPLETE is still to be sent */
	uint32_t stale_s;    /* as zebra knows it */

	/* Routes of an earlier nlbd. */
	bool subscribed;      /* zebra tells what it has of our type */
	bool orphans_expired; /* the time to wait for an agent is over */
	int64_t start_us;     /* monotonic; of this nlbd */
	struct event *t_unsubscribe;
	struct event *t_orphans;
} zeb;

bool nlb_zebra_is_up(void)
{
	return zeb.zclient && zeb.zclient->sock >= 0 && !zeb.zclient->t_connect;
}

/*
 * Graceful restart
 */

static void zebra_capability(enum zserv_client_capabilities cap, afi_t afi)
{
	struct zapi_cap api = {
		.cap = cap,
		.stale_removal_time = zeb.stale_s,
		.afi = afi,
		.safi = SAFI_UNICAST,
		.vrf_id = VRF_DEFAULT,
	};

	if (zclient_capabilities_send(ZEBRA_CLIENT_CAPABILITIES, zeb.zclient, &api) ==
	    ZCLIENT_SEND_FAILURE)
		zlog_warn("graceful restart capability could not be sent to zebra");
}

static uint32_t zebra_stale_time(void)
{
	return MAX(zeb.nlb->cfg.hold_time_s, (uint32_t)NLB_ZEBRA_STALE_MIN_S);
}

/*
 * Routes of an earlier nlbd
 */

static void zebra_subscribe(bool on)
{
	int cmd = on ? ZEBRA_REDISTRIBUTE_ADD : ZEBRA_REDISTRIBUTE_DELETE;

	zeb.subscribed = on;
	zebra_redistribute_send(cmd, zeb.zclient, AFI_IP, ZEBRA_ROUTE_NLB, 0, VRF_DEFAULT);
	zebra_redistribute_send(cmd, zeb.zclient, AFI_IP6, ZEBRA_ROUTE_NLB, 0, VRF_DEFAULT);
}

static void zebra_unsubscribe(struct event *event)
{
	if (nlb_zebra_is_up() && zeb.subscribed)
		zebra_subscribe(false);
}

static int zebra_route_found(ZAPI_CALLBACK_ARGS)
{
	struct zapi_route api;

	if (zapi_route_decode(zclient->ibuf, &api) < 0)
		return -1;
	if (api.type != ZEBRA_ROUTE_NLB)
		return 0;
	nlb_orphan_found(zeb.nlb, &api.prefix);
	if (nlb_orphan_count(zeb.nlb))
		nlb_zebra_routes_queued();
	return 0;
}

static void zebra_orphans_expired(struct event *event)
{
	zeb.orphans_expired = true;
	if (!nlb_authoritative(zeb.nlb) && nlb_orphan_count(zeb.nlb))
		zlog_warn(
			"no agent for %u s since the start: %zu routes of an earlier nlbd are deleted",
			zeb.stale_s, nlb_orphan_count(zeb.nlb));
	nlb_zebra_routes_queued();
}

/* (Re)start the timer so that it fires the stale time after the start. */
static void zebra_orphans_timer(void)
{
	int64_t left_ms = zeb.stale_s * 1000LL - (nlb_now_us() - zeb.start_us) / 1000;

	if (zeb.orphans_expired)
		return;
	EVENT_OFF(zeb.t_orphans);
	event_add_timer_msec(master, zebra_orphans_expired, NULL, MAX(left_ms, 0), &zeb.t_orphans);
}

static void zebra_update_complete(void)
{
	DEBUGD(&nlb_dbg_zebra, "zebra: all routes sent, stale ones may go");
	zeb.update_pending = false;
	zebra_capability(ZEBRA_CLIENT_ROUTE_UPDATE_COMPLETE, AFI_IP);
	zebra_capability(ZEBRA_CLIENT_ROUTE_UPDATE_COMPLETE, AFI_IP6);
	event_add_timer(master, zebra_unsubscribe, NULL, NLB_ZEBRA_ORPHANS_S, &zeb.t_unsubscribe);
}

/*
 * Routes
 */

static void zebra_remove_timer(struct event *event)
{
	int64_t left_us = nlb_remove_expire(zeb.nlb);

	if (left_us >= 0)
		event_add_timer_msec(master, zebra_remove_timer, NULL, left_us / 1000 + 1,
				     &zeb.t_remove);
}

static enum zclient_send_status zebra_send_del(const struct prefix *p)
{
	struct zapi_route api = {
		.vrf_id = VRF_DEFAULT,
		.type = ZEBRA_ROUTE_NLB,
		.safi = SAFI_UNICAST,
	};

	prefix_copy(&api.prefix, p);
	DEBUGD(&nlb_dbg_zebra, "zebra: delete %pFX", p);
	return zclient_route_send(ZEBRA_ROUTE_DELETE, zeb.zclient, &api);
}

static enum zclient_send_status zebra_send_add(const struct nlb_vip *vip)
{
	const struct nlb_attr *attr = &vip->sent;
	struct zapi_route api = {
		.vrf_id = VRF_DEFAULT,
		.type = ZEBRA_ROUTE_NLB,
		.safi = SAFI_UNICAST,
	};
	struct zapi_nexthop *nexthop = &api.nexthops[0];

	prefix_copy(&api.prefix, &vip->feed.prefix);
	SET_FLAG(api.message, ZAPI_MESSAGE_DISTANCE);
	api.distance = attr->distance;
	SET_FLAG(api.message, ZAPI_MESSAGE_METRIC);
	api.metric = attr->metric;
	if (attr->tag) {
		SET_FLAG(api.message, ZAPI_MESSAGE_TAG);
		api.tag = attr->tag;
	}

	SET_FLAG(api.message, ZAPI_MESSAGE_NEXTHOP);
	api.nexthop_num = 1;
	nexthop->vrf_id = VRF_DEFAULT;
	switch (attr->nexthop) {
	case NLB_NEXTHOP_BLACKHOLE:
		nexthop->type = NEXTHOP_TYPE_BLACKHOLE;
		nexthop->bh_type = BLACKHOLE_NULL;
		break;
	case NLB_NEXTHOP_INTERFACE:
		nexthop->type = NEXTHOP_TYPE_IFINDEX;
		nexthop->ifindex = attr->ifindex;
		break;
	}

	DEBUGD(&nlb_dbg_zebra, "zebra: add %pFX distance %u metric %u tag %u", &api.prefix,
	       attr->distance, attr->metric, attr->tag);
	return zclient_route_send(ZEBRA_ROUTE_ADD, zeb.zclient, &api);
}

/* Send one message, the most urgent there is. False: there was none. */
static bool zebra_send_next(enum zclient_send_status *ret_status)
{
	enum nlb_route_op op;
	struct nlb_vip *vip = nlb_route_pop(zeb.nlb, &op);
	struct prefix p;

	if (vip && op == NLB_ROUTE_ADD) {
		*ret_status = zebra_send_add(vip);
		return true;
	}
	if (vip) {
		if (!event_is_scheduled(zeb.t_remove))
			event_add_timer_msec(master, zebra_remove_timer, NULL,
					     NLB_REMOVE_TIMEOUT_US / 1000, &zeb.t_remove);
		*ret_status = zebra_send_del(&vip->feed.prefix);
		return true;
	}
	/* Only after all routes that are wanted. */
	if ((nlb_authoritative(zeb.nlb) || zeb.orphans_expired) && nlb_orphan_pop(zeb.nlb, &p)) {
		*ret_status = zebra_send_del(&p);
		return true;
	}
	return false;
}

static void zebra_flush(struct event *event)
{
	enum zclient_send_status status = ZCLIENT_SEND_SUCCESS;

	/* What is queued stays queued: a new connection sends everything anyway. */
	if (!nlb_zebra_is_up() || zeb.blocked)
		return;

	for (int i = 0; i < NLB_ZEBRA_BATCH; i++) {
		if (!zebra_send_next(&status)) {
			if (zeb.update_pending && nlb_authoritative(zeb.nlb))
				zebra_update_complete();
			return;
		}
		switch (status) {
		case ZCLIENT_SEND_SUCCESS:
			break;
		case ZCLIENT_SEND_BUFFERED:
			zeb.blocked = true;
			return;
		case ZCLIENT_SEND_FAILURE:
			/* zclient reconnects, and zebra_connected() starts over. */
			return;
		}
	}
	event_add_event(master, zebra_flush, NULL, 0, &zeb.t_flush);
}

void nlb_zebra_routes_queued(void)
{
	event_add_event(master, zebra_flush, NULL, 0, &zeb.t_flush);
}

static void zebra_write_ready(void)
{
	zeb.blocked = false;
	nlb_zebra_routes_queued();
}

static int zebra_route_notify_owner(ZAPI_CALLBACK_ARGS)
{
	enum zapi_route_notify_owner note;
	enum nlb_answer answer = NLB_ANSWER_FAILED;
	uint32_t table_id;
	struct prefix p;

	if (!zapi_route_notify_decode(zclient->ibuf, &p, &table_id, &note, NULL, NULL))
		return -1;

	switch (note) {
	case ZAPI_ROUTE_INSTALLED:
		answer = NLB_ANSWER_INSTALLED;
		break;
	case ZAPI_ROUTE_REMOVED:
		answer = NLB_ANSWER_REMOVED;
		break;
	case ZAPI_ROUTE_REMOVE_FAIL:
		/* Mostly because it is not in the kernel any more, and zebra keeps no record of it. */
		zlog_warn("zebra could not remove %pFX from the kernel", &p);
		answer = NLB_ANSWER_REMOVED;
		break;
	case ZAPI_ROUTE_FAIL_INSTALL:
		zlog_warn("zebra could not install %pFX", &p);
		answer = NLB_ANSWER_FAILED;
		break;
	case ZAPI_ROUTE_BETTER_ADMIN_WON:
		zlog_warn("zebra prefers another route to %pFX", &p);
		answer = NLB_ANSWER_BETTER;
		break;
	}

	DEBUGD(&nlb_dbg_zebra, "zebra: %pFX: answer %d", &p, note);
	nlb_route_answer(zeb.nlb, &p, answer);
	return 0;
}

/*
 * Nexthop interface
 */

static void zebra_nexthop_check(void)
{
	const char *name = zeb.nlb->cfg.nexthop_ifname;
	struct interface *ifp;

	if (!name[0]) {
		nlb_nexthop_set(zeb.nlb, true, IFINDEX_INTERNAL);
		return;
	}
	ifp = if_lookup_by_name(name, VRF_DEFAULT);
	if (ifp && ifp->ifindex != IFINDEX_INTERNAL && if_is_operative(ifp))
		nlb_nexthop_set(zeb.nlb, true, ifp->ifindex);
	else
		nlb_nexthop_set(zeb.nlb, false, IFINDEX_INTERNAL);
}

static int zebra_if_event(struct interface *ifp)
{
	if (strmatch(ifp->name, zeb.nlb->cfg.nexthop_ifname))
		zebra_nexthop_check();
	return 0;
}

void nlb_zebra_config_changed(void)
{
	zebra_nexthop_check();

	if (zeb.stale_s == zebra_stale_time())
		return;
	zeb.stale_s = zebra_stale_time();
	zebra_orphans_timer();
	if (nlb_zebra_is_up())
		zebra_capability(ZEBRA_CLIENT_RIB_STALE_TIME, AFI_IP);
}

/*
 * Connection
 */

static void zebra_connected(struct zclient *zclient)
{
	zebra_route_notify_send(ZEBRA_ROUTE_NOTIFY_REQUEST, zclient, true);
	zclient_send_reg_requests(zclient, VRF_DEFAULT);

	zebra_capability(ZEBRA_CLIENT_GR_CAPABILITIES, AFI_IP);
	zebra_capability(ZEBRA_CLIENT_ROUTE_UPDATE_PENDING, AFI_IP);
	zebra_capability(ZEBRA_CLIENT_ROUTE_UPDATE_PENDING, AFI_IP6);
	zeb.update_pending = true;
	zeb.blocked = false;

	EVENT_OFF(zeb.t_unsubscribe);
	nlb_orphan_clear(zeb.nlb);
	zebra_subscribe(true);

	nlb_zebra_connected(zeb.nlb);
}

static zclient_handler *const zebra_handlers[] = {
	[ZEBRA_ROUTE_NOTIFY_OWNER] = zebra_route_notify_owner,
	[ZEBRA_REDISTRIBUTE_ROUTE_ADD] = zebra_route_found,
};

void nlb_zebra_init(struct nlb *nlb, struct zebra_privs_t *privs)
{
	zeb.nlb = nlb;
	zeb.stale_s = zebra_stale_time();
	zeb.start_us = nlb_now_us();
	zebra_orphans_timer();

	hook_register_prio(if_real, 0, zebra_if_event);
	hook_register_prio(if_up, 0, zebra_if_event);
	hook_register_prio(if_down, 0, zebra_if_event);
	hook_register_prio(if_unreal, 0, zebra_if_event);

	zeb.zclient = zclient_new(master, &zclient_options_default, zebra_handlers,
				  array_size(zebra_handlers));
	zclient_init(zeb.zclient, ZEBRA_ROUTE_NLB, 0, privs);
	zeb.zclient->zebra_connected = zebra_connected;
	zeb.zclient->zebra_buffer_write_ready = zebra_write_ready;
}

void nlb_zebra_done(void)
{
	EVENT_OFF(zeb.t_flush);
	EVENT_OFF(zeb.t_remove);
	EVENT_OFF(zeb.t_unsubscribe);
	EVENT_OFF(zeb.t_orphans);
	if (!zeb.zclient)
		return;
	zclient_stop(zeb.zclient);
	zclient_free(zeb.zclient);
	zeb.zclient = NULL;
}
