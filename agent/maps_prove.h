/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proving that a service works: a packet made for it goes through the live
 * program, and must come out wrapped for one of its backends. Done after each
 * change, again while it fails, and now and then while it does not.
 */
#ifndef NLB_AGENT_MAPS_PROVE_H
#define NLB_AGENT_MAPS_PROVE_H

#include "loop.h"
#include "maps_attach.h"
#include "maps_table.h"

struct maps_prover {
	struct loop *loop;
	struct maps_table *table;
	const struct maps_attach *attach;
	struct loop_timer timer;
	size_t next; /* service to look at next */
	/* The state of a service is not what it was when last reported. */
	void (*changed)(struct maps_svc *svc, void *user);
	void *user;
};

void maps_prove_init(struct maps_prover *p, struct loop *l, struct maps_table *table,
		     const struct maps_attach *attach,
		     void (*changed)(struct maps_svc *svc, void *user), void *user);
void maps_prove_done(struct maps_prover *p);

/*
 * Proves one service now, and sets svc->proof (state PROVEN, or WRITTEN with a
 * reason) without calling `changed`: the caller reports.
 */
void maps_prove_now(struct maps_prover *p, struct maps_svc *svc);

/* Something changed outside: every service is to be proven again soon. */
void maps_prove_all(struct maps_prover *p);

#endif
