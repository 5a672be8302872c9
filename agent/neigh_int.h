/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What neigh.c (targets, rounds, events) and neigh_hop.c (hops, and which of
 * them a target takes) share. Nobody else includes this.
 */
#ifndef NLB_AGENT_NEIGH_INT_H
#define NLB_AGENT_NEIGH_INT_H

#include <sys/queue.h>

#include "hash.h"
#include "neigh.h"
#include "neigh_event.h"
#include "neigh_route.h"
#include "neigh_rtnl.h"

struct neigh_hop {
	UT_hash_handle hh; /* by path */
	struct neigh_path path;
	struct neigh_leg *legs; /* of the targets whose route has it; NULL: nobody's */
	uint64_t checked_ns;	/* 0: never */
	bool managed;		/* the mark is there, and it is ours */
	bool resolved;		/* the MAC address is known */
	bool usable;		/* and so is info */
	uint8_t mac[6];
	struct neigh_hop_info info;
};

/* A target's use of a hop. */
struct neigh_leg {
	struct neigh_target *target;
	struct neigh_hop *hop;
	struct neigh_leg *prev, *next; /* among the hop's legs */
	uint32_t weight;
};

struct neigh_target {
	UT_hash_handle hh; /* by addr */
	struct addr addr;
	uint32_t hash;			 /* by which it chooses */
	uint32_t mtu;			 /* of its route; 0: none */
	size_t pos;			 /* in neigh.targets */
	TAILQ_ENTRY(neigh_target) fresh; /* in neigh.fresh; while is_fresh */
	bool is_fresh;			 /* not looked at yet */
	bool wanted;
	uint64_t rests_until_ns; /* not wanted: forgotten then */
	size_t n_legs;
	struct neigh_leg *legs;
	bool told;  /* what follows was told */
	bool known; /* there is info */
	struct neigh_hop_info info;
};

struct neigh {
	struct loop *loop;
	const struct neigh_ops *ops;
	void *user;
	struct neigh_rtnl rtnl;
	struct neigh_links links;
	struct neigh_events events;
	struct loop_timer timer; /* of the next portion or round */
	uint64_t round_ns;	 /* when a round is due */
	struct neigh_target *by_addr;
	struct neigh_hop *by_path;
	struct neigh_target **targets;
	size_t n_targets, cap_targets;
	TAILQ_HEAD(neigh_fresh, neigh_target) fresh; /* looked at before all others */
	size_t next;				     /* target at which the next portion begins */
	bool in_round;				     /* a round has begun and is not over */
	bool again;				     /* something changed during the round */
	bool retry; /* something could not be asked or done: again before long */
	bool news;  /* a path was told: changed is due */
	bool settled;
	const struct neigh_target *checking; /* chooses when its check is over */
};

struct neigh_hop *neigh_hop_find(const struct neigh *n, const struct neigh_path *p);
void neigh_hop_free(struct neigh *n, struct neigh_hop *h);

/* What the kernel knows of the neighbour; entry NULL: there is none. */
void neigh_hop_set(struct neigh *n, struct neigh_hop *h, const struct neigh_entry *entry);

/* Has the hop resolved unless it is looked after already. */
void neigh_hop_check(struct neigh *n, struct neigh_hop *h, uint64_t now);

/* Links changed: each hop may lead elsewhere now, or nowhere. */
void neigh_hops_relink(struct neigh *n);

/* The target's hops are those of this route; NULL: it has none. */
void neigh_target_route(struct neigh *n, struct neigh_target *t, const struct neigh_route *route);

/* Takes one of the usable hops, and tells of it when it is another way than before. */
void neigh_target_choose(struct neigh *n, struct neigh_target *t);
void neigh_target_tell(const struct neigh *n, const struct neigh_target *t);

#endif
