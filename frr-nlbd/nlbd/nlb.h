/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nlbd's core: VIP table, sync, and two work queues. No I/O: the boundary files
 * (session, zebra, northbound, vty) translate one event into one call of this file, and take work
 * out of the queues. Time comes from nlb_now_us() only.
 */
#ifndef _FRR_NLB_H
#define _FRR_NLB_H

#include "nlbd/nlb_config.h"
#include "nlbd/nlb_vip.h"

/* nlbd's event loop (nlb_main.c), for the boundary files. */
extern struct event_loop *master;

/* More VIPs than this are refused, whatever the agent says. */
#define NLB_VIPS_MAX 262144

/* zebra has confirmed a delete after this long, or nlbd goes on without. */
#define NLB_REMOVE_TIMEOUT_US (10 * 1000000LL)

PREDECL_RBTREE_UNIQ(nlb_orphans);

/* What the core asks of the daemon. Called from inside core functions: only schedule. */
struct nlb_hooks {
	void (*routes_queued)(void);  /* nlb_route_pop() has work */
	void (*reports_queued)(void); /* nlb_report_pop() has work */
};

enum nlb_dataplane {
	NLB_DATAPLANE_UNKNOWN = 0, /* not heard of since nlbd's start: as down */
	NLB_DATAPLANE_OK,
	NLB_DATAPLANE_DOWN,
};

struct nlb {
	const struct nlb_hooks *hooks;
	struct nlb_config cfg;

	struct nlb_vips_head vips;
	struct nlb_routeq_head routeq;	 /* VIPs whose route differs from the wish */
	struct nlb_reportq_head reportq; /* VIPs with news for the agent */
	struct nlb_removeq_head removeq; /* deletes not confirmed, oldest first */
	struct nlb_orphans_head orphans; /* routes of an earlier nlbd: nlb_orphan.h */

	uint64_t sync;	   /* number of the running or last sync */
	bool syncing;	   /* between sync begin and end: nothing is decided */
	bool synced;	   /* a whole set is known, of this session or an earlier one */
	bool agent_lost;   /* hold-time is over: nothing is announced */
	bool nexthop_ok;   /* blackhole, or the interface is up */
	ifindex_t ifindex; /* of the nexthop interface */
	enum nlb_dataplane dataplane;
	bool zebra_up;
};

/* What nlb_route_pop() wants sent. */
enum nlb_route_op {
	NLB_ROUTE_ADD,
	NLB_ROUTE_DEL,
};

/* A line for the agent; text is static. */
struct nlb_report {
	struct prefix prefix;
	const char *state; /* installed, rejected, withdrawn, refused */
	const char *reason;
};

/* zebra's answers, without zclient's types. */
enum nlb_answer {
	NLB_ANSWER_INSTALLED,
	NLB_ANSWER_REMOVED,
	NLB_ANSWER_FAILED,
	NLB_ANSWER_BETTER,
};

struct nlb_counts {
	uint32_t vips;
	uint32_t by_state[NLB_VIP_WITHDRAWING + 1];
	uint32_t ports;
	uint32_t backends;
	uint32_t backends_up;
};

extern void nlb_init(struct nlb *nlb, const struct nlb_hooks *hooks);
extern void nlb_done(struct nlb *nlb);

/* The configuration (cfg) has been changed: decide all VIPs anew, once. */
extern void nlb_config_changed(struct nlb *nlb);

/* The nexthop interface came, went, or changed; ok is true for a blackhole. */
extern void nlb_nexthop_set(struct nlb *nlb, bool ok, ifindex_t ifindex);

/*
 * The agent's messages. nlb_vip_update() takes what feed owns, 0 or -ENOSPC (table full; feed
 * still owns it). Outside a sync they are decided at once, within one at its end. The agent knows
 * a VIP by its address: one of another length takes the place of the one that there is, and
 * nlb_vip_gone() without a length means that one.
 */
extern int nlb_vip_update(struct nlb *nlb, struct nlb_feed_vip *feed);
extern void nlb_vip_gone(struct nlb *nlb, const struct prefix *p);
extern void nlb_sync_begin(struct nlb *nlb);
extern void nlb_sync_end(struct nlb *nlb);
extern void nlb_dataplane_set(struct nlb *nlb, bool ok);

/* The session is lost (a running sync is void, routes stay); the hold-time after it is over. */
extern void nlb_session_lost(struct nlb *nlb);
extern void nlb_hold_expired(struct nlb *nlb);

/*
 * zebra. nlb_zebra_connected(): a new connection, on which zebra has nothing of ours.
 * nlb_route_pop(): the next VIP that needs a message; marks it sent and says what to send (add
 * with vip->sent). NULL when all is sent. nlb_route_answer(): zebra's word on a prefix.
 * nlb_remove_expire(): give up waiting for deletes older than NLB_REMOVE_TIMEOUT_US; returns the
 * microseconds until the next one is due, -1 when none waits.
 */
extern void nlb_zebra_connected(struct nlb *nlb);
extern struct nlb_vip *nlb_route_pop(struct nlb *nlb, enum nlb_route_op *ret_op);
extern void nlb_route_answer(struct nlb *nlb, const struct prefix *p, enum nlb_answer answer);
extern int64_t nlb_remove_expire(struct nlb *nlb);

/*
 * Is what nlbd wants the whole truth? Only then may zebra drop what it still holds of an earlier
 * nlbd: a full set and a word on the data plane have come in since the start.
 */
extern bool nlb_authoritative(const struct nlb *nlb);

/*
 * Next line for the agent; false when there is none. Frees the VIP if it is gone for good.
 * nlb_report_drop() forgets all news: there is no session.
 */
extern bool nlb_report_pop(struct nlb *nlb, struct nlb_report *ret_report);
extern void nlb_report_drop(struct nlb *nlb);

extern struct nlb_vip *nlb_vip_find(struct nlb *nlb, const struct prefix *p);
/* The VIP whose (first) address that is, whatever its length. */
extern struct nlb_vip *nlb_vip_find_address(struct nlb *nlb, const struct ipaddr *address);
extern struct nlb_vip *nlb_vip_first(struct nlb *nlb);
extern struct nlb_vip *nlb_vip_next(struct nlb *nlb, struct nlb_vip *vip);
/* The first VIP after p, whether p exists or not. */
extern struct nlb_vip *nlb_vip_after(struct nlb *nlb, const struct prefix *p);
extern void nlb_count(struct nlb *nlb, struct nlb_counts *ret_counts);
/* The monotonic clock in microseconds; all times here are of it. */
extern int64_t nlb_now_us(void);
/* Whole seconds since a monotonic time. */
extern uint32_t nlb_age_s(int64_t since_us);
extern const char *nlb_dataplane_str(enum nlb_dataplane dataplane);

#endif /* _FRR_NLB_H */
