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
 * out ROUTE_UPDATE_COMPLETE lets zebra drop those that nobody wants any more. Without an agent that
 * never comes, and zebra drops them when the stale time is over.
 */

#include <zebra.h>

#include "if.h"
#include "libfrr.h"
#include "vrf.h"
#include "zclient.h"

#include "nlbd/nlb_debug.h"
#include "nlbd/nlb_zebra.h"

/* Messages sent in one go before other events have their turn. */
#define NLB_ZEBRA_BATCH 1000

static struct nlb_zebra {
	struct nlb *nlb;
	struct zclient *zclient;
	struct event *t_flush;
	struct event *t_remove;
	bool blocked;	     /* zclient buffers: wait for write-ready */
	bool update_pending; /* ROUTE_UPDATE_COMPLETE is still to be sent */
	uint32_t stale_s;    /* as zebra knows it */
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

static void zebra_update_complete(void)
{
	DEBUGD(&nlb_dbg_zebra, "zebra: all routes sent, stale ones may go");
	zeb.update_pending = false;
	zebra_capability(ZEBRA_CLIENT_ROUTE_UPDATE_COMPLETE, AFI_IP);
	zebra_capability(ZEBRA_CLIENT_ROUTE_UPDATE_COMPLETE, AFI_IP6);
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

static enum zclient_send_status zebra_send(const struct nlb_vip *vip, enum nlb_route_op op)
{
	const struct nlb_attr *attr = &vip->sent;
	struct zapi_route api = {};
	struct zapi_nexthop *nexthop = &api.nexthops[0];

	api.vrf_id = VRF_DEFAULT;
	api.type = ZEBRA_ROUTE_NLB;
	api.safi = SAFI_UNICAST;
	nlb_vip_prefix(vip, &api.prefix);

	if (op == NLB_ROUTE_DEL) {
		DEBUGD(&nlb_dbg_zebra, "zebra: delete %pFX", &api.prefix);
		return zclient_route_send(ZEBRA_ROUTE_DELETE, zeb.zclient, &api);
	}

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

static void zebra_flush(struct event *event)
{
	struct nlb_vip *vip;
	enum nlb_route_op op;

	/* What is queued stays queued: a new connection sends everything anyway. */
	if (!nlb_zebra_is_up() || zeb.blocked)
		return;

	for (int i = 0; i < NLB_ZEBRA_BATCH; i++) {
		vip = nlb_route_pop(zeb.nlb, &op);
		if (!vip) {
			if (zeb.update_pending && nlb_authoritative(zeb.nlb))
				zebra_update_complete();
			return;
		}
		if (op == NLB_ROUTE_DEL && !event_is_scheduled(zeb.t_remove))
			event_add_timer_msec(master, zebra_remove_timer, NULL,
					     NLB_REMOVE_TIMEOUT_US / 1000, &zeb.t_remove);

		switch (zebra_send(vip, op)) {
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

	nlb_zebra_connected(zeb.nlb);
}

static zclient_handler *const zebra_handlers[] = {
	[ZEBRA_ROUTE_NOTIFY_OWNER] = zebra_route_notify_owner,
};

void nlb_zebra_init(struct nlb *nlb, struct zebra_privs_t *privs)
{
	zeb.nlb = nlb;
	zeb.stale_s = zebra_stale_time();

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
	if (!zeb.zclient)
		return;
	zclient_stop(zeb.zclient);
	zclient_free(zeb.zclient);
	zeb.zclient = NULL;
}
