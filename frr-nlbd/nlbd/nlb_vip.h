/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One VIP: what the agent says of it, whether it may be announced and why not, and what zebra
 * holds of it. Pure: the decision is a function of structs, without I/O and without a table.
 */
#ifndef _FRR_NLB_VIP_H
#define _FRR_NLB_VIP_H

#include "typesafe.h"
#include "ipaddr.h"
#include "prefix.h"
#include "if.h"

#include "nlbd/nlb_feed.h"

/*
 * Why a VIP is not announced. The first group is nlbd's own decision, in the order in which it is
 * asked (the first that holds is the reason); the second is what stands between a wish and a
 * route in the kernel. The values are those of the YANG typedef.
 */
enum nlb_reason {
	NLB_REASON_NONE = 0, /* nothing is in the way */

	NLB_REASON_NOT_CONFIGURED, /* "nlb" is not configured (any more) */
	NLB_REASON_GONE,	   /* the agent has removed the VIP */
	NLB_REASON_AGENT_LOST,	   /* no agent for longer than the hold-time */
	NLB_REASON_OUTSIDE_POOL,   /* no vip-pool holds all of it */
	NLB_REASON_SHUTDOWN,	   /* shut down by the VIP's override */
	NLB_REASON_DATAPLANE,	   /* the agent reports its data plane down, or has not reported */
	NLB_REASON_NOT_READY,	   /* the agent has not proven the VIP's forwarding yet */
	NLB_REASON_BACKENDS,	   /* fewer enabled backends than min-enabled-backends */
	NLB_REASON_NEXTHOP,	   /* the nexthop interface is missing or down */

	NLB_REASON_SYNCING,	   /* new in a sync that has not ended */
	NLB_REASON_ZEBRA,	   /* no connection to zebra */
	NLB_REASON_PENDING,	   /* sent to zebra, which has not answered */
	NLB_REASON_BETTER_ROUTE,   /* zebra prefers another route to the prefix */
	NLB_REASON_INSTALL_FAILED, /* zebra could not install the route */
	NLB_REASON_REMOVED,	   /* zebra has taken the route out by itself */
};

/*
 * What zebra holds of the VIP, as far as nlbd knows.
 *
 * NONE -> SENT (add sent) -> INSTALLED or REJECTED (its answers; they may alternate while a
 * better route comes and goes) -> REMOVING (delete sent) -> NONE (confirmed). A delete of a
 * REJECTED route is not confirmed by zebra, because nothing was in the kernel: straight to NONE.
 * A new connection to zebra puts every VIP back to NONE.
 */
enum nlb_route {
	NLB_ROUTE_NONE = 0,
	NLB_ROUTE_SENT,
	NLB_ROUTE_INSTALLED,
	NLB_ROUTE_REJECTED,
	NLB_ROUTE_REMOVING,
};

/* State of a VIP as shown to operators. The values are those of the YANG enumeration. */
enum nlb_vip_state {
	NLB_VIP_WITHDRAWN = 0, /* no route, and none is wanted */
	NLB_VIP_REFUSED,       /* no route, because this node's configuration forbids it */
	NLB_VIP_PENDING,       /* a route is wanted, zebra has not installed it yet */
	NLB_VIP_INSTALLED,     /* the route is in the kernel: bgpd may announce it */
	NLB_VIP_REJECTED,      /* zebra has the route and does not use it */
	NLB_VIP_WITHDRAWING,   /* delete sent, zebra has not confirmed it */
};

enum nlb_nexthop_type {
	NLB_NEXTHOP_BLACKHOLE = 0,
	NLB_NEXTHOP_INTERFACE,
};

/* Everything of a route but its prefix. Compared by member. */
struct nlb_attr {
	uint8_t distance;
	route_tag_t tag; /* 0: none */
	uint32_t metric;
	enum nlb_nexthop_type nexthop;
	ifindex_t ifindex; /* NLB_NEXTHOP_INTERFACE only */
};

PREDECL_RBTREE_UNIQ(nlb_vips);
PREDECL_DLIST(nlb_routeq);
PREDECL_DLIST(nlb_reportq);
PREDECL_DLIST(nlb_removeq);

struct nlb_vip {
	struct nlb_vips_item item;
	struct nlb_feed_vip feed; /* the agent's word; feed.prefix is the key */

	uint64_t sync; /* number of the sync that named the VIP last */
	bool gone;     /* the agent has removed it: freed once zebra has no route */
	bool fresh;    /* first named by a sync that has not ended */

	/* The decision, and the route as it should be while decision is NLB_REASON_NONE. */
	enum nlb_reason decision;
	struct nlb_attr want;

	/* What zebra was told last, and its answer. */
	enum nlb_route route;
	enum nlb_reason zebra_reason; /* while route is NLB_ROUTE_REJECTED */
	struct nlb_attr sent;
	int64_t removing_since_us; /* monotonic; while route is NLB_ROUTE_REMOVING */

	enum nlb_vip_state state; /* derived from the above */
	int64_t changed_us;	  /* monotonic time of the last change of state */
	uint32_t changes;	  /* how often state became or left INSTALLED */

	/* On a queue or not; see nlb.h. */
	struct nlb_routeq_item routeq_item;
	struct nlb_reportq_item reportq_item;
	struct nlb_removeq_item removeq_item;
	bool in_routeq;
	bool in_reportq;
	bool in_removeq;

	/* Last report to the agent: one line per change. */
	bool reported;
	enum nlb_vip_state reported_state;
	enum nlb_reason reported_reason;
};

/* What the decision on one VIP depends on beside the VIP. */
struct nlb_policy {
	bool configured;
	bool agent_lost;
	bool dataplane_ok;
	bool in_pool;
	bool shutdown;
	bool nexthop_ok;
	uint32_t min_enabled;
};

/* May the VIP be announced? NLB_REASON_NONE, or the first reason against it. */
extern enum nlb_reason nlb_vip_decide(const struct nlb_vip *vip, const struct nlb_policy *policy);

/* The state that follows from decision and route. */
extern enum nlb_vip_state nlb_vip_derive(const struct nlb_vip *vip);

/* Why the VIP is not announced; NLB_REASON_NONE only while it is installed. */
extern enum nlb_reason nlb_vip_reason(const struct nlb_vip *vip, bool zebra_up);

/* The reason with the agent's own words where it has some; returns buf. */
#define NLB_VIP_REASON_LEN 352
extern const char *nlb_vip_reason_text(const struct nlb_vip *vip, enum nlb_reason reason, char *buf,
				       size_t len);

/* The route that zebra has or is to have; NULL: none. */
extern const struct nlb_attr *nlb_vip_attr(const struct nlb_vip *vip);

extern bool nlb_attr_same(const struct nlb_attr *a, const struct nlb_attr *b);

/* A sentence for people and for the agent; NULL for NLB_REASON_NONE. */
extern const char *nlb_reason_str(enum nlb_reason reason);

/* Name of a reason in YANG and JSON. */
extern const char *nlb_reason_name(enum nlb_reason reason);

extern const char *nlb_vip_state_str(enum nlb_vip_state state);

#endif /* _FRR_NLB_VIP_H */
