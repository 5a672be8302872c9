// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Northbound: which callback serves which node of frr-nlbd.yang.
 *
 * A transaction calls many of them; each only stores its value, and nlb_nb_changed() schedules one
 * event that makes the whole take effect after the transaction.
 */

#include <zebra.h>

#include "libfrr.h"

#include "nlbd/nlb.h"
#include "nlbd/nlb_agent.h"
#include "nlbd/nlb_nb.h"
#include "nlbd/nlb_zebra.h"

static struct nlb *nb_core;
static struct event *t_changed;

static void nb_apply(struct event *event)
{
	/* The interface first, for the decisions; the socket last, for a configured core. */
	nlb_zebra_config_changed();
	nlb_config_changed(nb_core);
	nlb_agent_config_changed();
}

void nlb_nb_changed(void)
{
	event_add_event(master, nb_apply, NULL, 0, &t_changed);
}

struct nlb *nlb_nb_core(void)
{
	return nb_core;
}

void nlb_nb_init(struct nlb *nlb)
{
	nb_core = nlb;
}

void nlb_nb_done(void)
{
	EVENT_OFF(t_changed);
}

/* clang-format off */
#define STATE_LEAF(path, fn) { .xpath = "/frr-nlbd:nlb/state/" path, .cbs.get_elem = fn }

const struct frr_yang_module_info frr_nlbd_info = {
	.name = "frr-nlbd",
	.nodes = {
		{
			.xpath = "/frr-nlbd:nlb",
			.cbs = {
				.create = nlb_config_create,
				.destroy = nlb_config_destroy,
			},
		},
		{
			.xpath = "/frr-nlbd:nlb/agent/socket",
			.cbs.modify = nlb_config_socket_modify,
		},
		{
			.xpath = "/frr-nlbd:nlb/agent/hold-time",
			.cbs.modify = nlb_config_hold_time_modify,
		},
		{
			.xpath = "/frr-nlbd:nlb/distance",
			.cbs.modify = nlb_config_distance_modify,
		},
		{
			.xpath = "/frr-nlbd:nlb/min-enabled-backends",
			.cbs.modify = nlb_config_min_enabled_modify,
		},
		{
			.xpath = "/frr-nlbd:nlb/nexthop-interface",
			.cbs = {
				.modify = nlb_config_nexthop_modify,
				.destroy = nlb_config_nexthop_destroy,
			},
		},
		{
			.xpath = "/frr-nlbd:nlb/vip-pool",
			.cbs = {
				.create = nlb_config_pool_create,
				.destroy = nlb_config_pool_destroy,
			},
		},
		{
			.xpath = "/frr-nlbd:nlb/vip",
			.cbs = {
				.create = nlb_config_vip_create,
				.destroy = nlb_config_vip_destroy,
			},
		},
		{
			.xpath = "/frr-nlbd:nlb/vip/shutdown",
			.cbs.modify = nlb_config_vip_shutdown_modify,
		},
		{
			.xpath = "/frr-nlbd:nlb/vip/tag",
			.cbs = {
				.modify = nlb_config_vip_tag_modify,
				.destroy = nlb_config_vip_tag_destroy,
			},
		},
		{
			.xpath = "/frr-nlbd:nlb/vip/metric",
			.cbs = {
				.modify = nlb_config_vip_metric_modify,
				.destroy = nlb_config_vip_metric_destroy,
			},
		},
		STATE_LEAF("agent/listening", nlb_state_agent_get),
		STATE_LEAF("agent/listen-error", nlb_state_agent_get),
		STATE_LEAF("agent/connected", nlb_state_agent_get),
		STATE_LEAF("agent/instance", nlb_state_agent_get),
		STATE_LEAF("agent/node", nlb_state_agent_get),
		STATE_LEAF("agent/uptime", nlb_state_agent_get),
		STATE_LEAF("agent/synced", nlb_state_agent_get),
		STATE_LEAF("agent/dataplane", nlb_state_agent_get),
		STATE_LEAF("agent/hold-time-left", nlb_state_agent_get),
		STATE_LEAF("agent/sessions", nlb_state_agent_get),
		STATE_LEAF("agent/takeovers", nlb_state_agent_get),
		STATE_LEAF("agent/losses", nlb_state_agent_get),
		STATE_LEAF("agent/refused", nlb_state_agent_get),
		STATE_LEAF("agent/syncs", nlb_state_agent_get),
		STATE_LEAF("agent/last-error", nlb_state_agent_get),
		STATE_LEAF("summary/vips", nlb_state_summary_get),
		STATE_LEAF("summary/installed", nlb_state_summary_get),
		STATE_LEAF("summary/pending", nlb_state_summary_get),
		STATE_LEAF("summary/rejected", nlb_state_summary_get),
		STATE_LEAF("summary/withdrawing", nlb_state_summary_get),
		STATE_LEAF("summary/withdrawn", nlb_state_summary_get),
		STATE_LEAF("summary/refused", nlb_state_summary_get),
		STATE_LEAF("summary/backends", nlb_state_summary_get),
		STATE_LEAF("summary/backends-up", nlb_state_summary_get),
		{
			.xpath = "/frr-nlbd:nlb/state/vip",
			.cbs = {
				.get_next = nlb_state_vip_get_next,
				.get_keys = nlb_state_vip_get_keys,
				.lookup_entry = nlb_state_vip_lookup_entry,
				.lookup_next = nlb_state_vip_lookup_next,
			},
		},
		STATE_LEAF("vip/address", nlb_state_vip_get),
		STATE_LEAF("vip/state", nlb_state_vip_get),
		STATE_LEAF("vip/reason", nlb_state_vip_get),
		STATE_LEAF("vip/reason-text", nlb_state_vip_get),
		STATE_LEAF("vip/ready", nlb_state_vip_get),
		STATE_LEAF("vip/enabled", nlb_state_vip_get),
		STATE_LEAF("vip/total", nlb_state_vip_get),
		STATE_LEAF("vip/tag", nlb_state_vip_get),
		STATE_LEAF("vip/metric", nlb_state_vip_get),
		STATE_LEAF("vip/revision", nlb_state_vip_get),
		STATE_LEAF("vip/id", nlb_state_vip_get),
		STATE_LEAF("vip/changes", nlb_state_vip_get),
		STATE_LEAF("vip/since", nlb_state_vip_get),
		{
			.xpath = "/frr-nlbd:nlb/state/vip/port",
			.cbs = {
				.get_next = nlb_state_port_get_next,
				.get_keys = nlb_state_port_get_keys,
				.lookup_entry = nlb_state_port_lookup_entry,
			},
		},
		STATE_LEAF("vip/port/protocol", nlb_state_port_get),
		STATE_LEAF("vip/port/port", nlb_state_port_get),
		STATE_LEAF("vip/port/enabled", nlb_state_port_get),
		STATE_LEAF("vip/port/total", nlb_state_port_get),
		{
			.xpath = "/frr-nlbd:nlb/state/vip/port/backend",
			.cbs = {
				.get_next = nlb_state_backend_get_next,
				.get_keys = nlb_state_backend_get_keys,
				.lookup_entry = nlb_state_backend_lookup_entry,
			},
		},
		STATE_LEAF("vip/port/backend/address", nlb_state_backend_get),
		STATE_LEAF("vip/port/backend/weight", nlb_state_backend_get),
		STATE_LEAF("vip/port/backend/state", nlb_state_backend_get),
		STATE_LEAF("vip/port/backend/reason", nlb_state_backend_get),
		{
			.xpath = NULL,
		},
	},
};
/* clang-format on */
