// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One VIP: policy and names.
 *
 * The decision asks the reasons in the order of enum nlb_reason, from what concerns the whole node
 * to what concerns the VIP alone, so that an operator sees the cause that has to go first.
 */

#include <zebra.h>

#include "nlbd/nlb_vip.h"

enum nlb_reason nlb_vip_decide(const struct nlb_vip *vip, const struct nlb_policy *policy)
{
	if (!policy->configured)
		return NLB_REASON_NOT_CONFIGURED;
	if (vip->gone)
		return NLB_REASON_GONE;
	if (policy->agent_lost)
		return NLB_REASON_AGENT_LOST;
	if (!policy->in_pool)
		return NLB_REASON_OUTSIDE_POOL;
	if (policy->shutdown)
		return NLB_REASON_SHUTDOWN;
	if (!policy->dataplane_ok)
		return NLB_REASON_DATAPLANE;
	if (!vip->feed.ready)
		return NLB_REASON_NOT_READY;
	if (vip->feed.enabled < policy->min_enabled)
		return NLB_REASON_BACKENDS;
	if (!policy->nexthop_ok)
		return NLB_REASON_NEXTHOP;
	return NLB_REASON_NONE;
}

enum nlb_vip_state nlb_vip_derive(const struct nlb_vip *vip)
{
	if (vip->route == NLB_ROUTE_REMOVING)
		return vip->decision == NLB_REASON_NONE ? NLB_VIP_PENDING : NLB_VIP_WITHDRAWING;

	if (vip->decision == NLB_REASON_NONE) {
		switch (vip->route) {
		case NLB_ROUTE_INSTALLED:
			return NLB_VIP_INSTALLED;
		case NLB_ROUTE_REJECTED:
			return NLB_VIP_REJECTED;
		case NLB_ROUTE_NONE:
		case NLB_ROUTE_SENT:
		case NLB_ROUTE_REMOVING:
			return NLB_VIP_PENDING;
		}
	}

	/* Not wanted, but zebra still has it: the delete is on its way. */
	if (vip->route != NLB_ROUTE_NONE)
		return NLB_VIP_WITHDRAWING;

	if (vip->decision == NLB_REASON_OUTSIDE_POOL || vip->decision == NLB_REASON_SHUTDOWN)
		return NLB_VIP_REFUSED;
	return NLB_VIP_WITHDRAWN;
}

enum nlb_reason nlb_vip_reason(const struct nlb_vip *vip, bool zebra_up)
{
	if (vip->fresh)
		return NLB_REASON_SYNCING;
	if (vip->decision != NLB_REASON_NONE)
		return vip->decision;
	if (!zebra_up)
		return NLB_REASON_ZEBRA;

	switch (vip->route) {
	case NLB_ROUTE_INSTALLED:
		return NLB_REASON_NONE;
	case NLB_ROUTE_REJECTED:
		return vip->zebra_reason;
	case NLB_ROUTE_NONE:
	case NLB_ROUTE_SENT:
	case NLB_ROUTE_REMOVING:
		break;
	}
	return NLB_REASON_PENDING;
}

const char *nlb_vip_reason_text(const struct nlb_vip *vip, enum nlb_reason reason, char *buf,
				size_t len)
{
	const char *text = nlb_reason_str(reason);

	if (reason == NLB_REASON_NOT_READY && vip->feed.reason)
		snprintf(buf, len, "%s: %s", text, vip->feed.reason);
	else
		strlcpy(buf, text ? text : "", len);
	return buf;
}

const struct nlb_attr *nlb_vip_attr(const struct nlb_vip *vip)
{
	if (vip->decision == NLB_REASON_NONE)
		return &vip->want;
	if (vip->route != NLB_ROUTE_NONE)
		return &vip->sent;
	return NULL;
}

bool nlb_attr_same(const struct nlb_attr *a, const struct nlb_attr *b)
{
	return a->distance == b->distance && a->tag == b->tag && a->metric == b->metric &&
	       a->nexthop == b->nexthop &&
	       (a->nexthop != NLB_NEXTHOP_INTERFACE || a->ifindex == b->ifindex);
}

/* Reason -> YANG name and sentence. */
static const struct {
	const char *name;
	const char *text;
} nlb_reasons[] = {
	[NLB_REASON_NONE] = { "none", NULL },
	[NLB_REASON_NOT_CONFIGURED] = { "not-configured", "nlb is not configured" },
	[NLB_REASON_GONE] = { "gone", "removed by the agent" },
	[NLB_REASON_AGENT_LOST] = { "agent-lost", "agent lost for longer than the hold-time" },
	[NLB_REASON_OUTSIDE_POOL] = { "outside-pool", "outside every vip-pool" },
	[NLB_REASON_SHUTDOWN] = { "shutdown", "shut down by configuration" },
	[NLB_REASON_DATAPLANE] = { "dataplane-down", "the data plane is down" },
	[NLB_REASON_NOT_READY] = { "not-ready", "not ready" },
	[NLB_REASON_BACKENDS] = { "backends", "fewer enabled backends than min-enabled-backends" },
	[NLB_REASON_NEXTHOP] = { "nexthop-down", "the nexthop interface is missing or down" },
	[NLB_REASON_SYNCING] = { "syncing", "the agent's sync has not ended" },
	[NLB_REASON_ZEBRA] = { "zebra-down", "no connection to zebra" },
	[NLB_REASON_PENDING] = { "pending", "waiting for zebra" },
	[NLB_REASON_BETTER_ROUTE] = { "better-route", "zebra prefers another route" },
	[NLB_REASON_INSTALL_FAILED] = { "install-failed", "zebra could not install the route" },
	[NLB_REASON_REMOVED] = { "removed", "zebra has removed the route" },
};

const char *nlb_reason_str(enum nlb_reason reason)
{
	return nlb_reasons[reason].text;
}

const char *nlb_reason_name(enum nlb_reason reason)
{
	return nlb_reasons[reason].name;
}

const char *nlb_vip_state_str(enum nlb_vip_state state)
{
	switch (state) {
	case NLB_VIP_WITHDRAWN:
		return "withdrawn";
	case NLB_VIP_REFUSED:
		return "refused";
	case NLB_VIP_PENDING:
		return "pending";
	case NLB_VIP_INSTALLED:
		return "installed";
	case NLB_VIP_REJECTED:
		return "rejected";
	case NLB_VIP_WITHDRAWING:
		return "withdrawing";
	}
	assert(!"unknown VIP state");
}
