/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's word about links, addresses, neighbours, routes and rules, as it comes. */
#ifndef NLB_AGENT_NEIGH_EVENT_H
#define NLB_AGENT_NEIGH_EVENT_H

#include "loop.h"

struct mnl_socket;
struct neigh_events;
struct nlmsghdr;

struct neigh_event_ops {
	/* One message, RTM_NEW... or RTM_DEL... */
	void (*message)(struct neigh_events *ev, const struct nlmsghdr *nlh);
	/* Messages were lost: anything may have changed. */
	void (*lost)(struct neigh_events *ev);
	/* All that was waiting has been handed over. */
	void (*drained)(struct neigh_events *ev);
};

struct neigh_events {
	struct loop *loop;
	const struct neigh_event_ops *ops;
	struct mnl_socket *nl;
	struct loop_io io;
};

/* Begins to listen. 0 or -errno; close in either case. */
int neigh_events_open(struct neigh_events *ev, struct loop *l, const struct neigh_event_ops *ops);

/* Idempotent, and does nothing for a struct of zeros. */
void neigh_events_close(struct neigh_events *ev);

#endif
