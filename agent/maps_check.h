/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A check of the maps, and the repair of what it finds.
 *
 * First, what the parent wants against the table: it names each VIP and service as it last
 * set it; what differs is set, and what it does not name goes. Then the table against what the
 * kernel has: each entry, each word of the directories, each slot of each ring.
 *
 * The work is done in slices of the loop's time, so that batches get in between. Each step
 * looks at the table as it is at that moment, and leaves it, and the maps, in a state that a packet
 * can meet.
 */
#ifndef NLB_AGENT_MAPS_CHECK_H
#define NLB_AGENT_MAPS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "maps_found.h"
#include "maps_stage.h"

/* At work for so long at most (but for one ring, which is one step), then a pause. */
#define MAPS_CHECK_SLICE_NS 2000000u
#define MAPS_CHECK_PAUSE_MS 1u

struct maps_check_ops {
	/* A service was set again as the parent wants it: to be proven and reported. */
	void (*set)(void *user, struct maps_svc *svc);
	/* The check is over. */
	void (*done)(void *user, const struct msg_check *report);
};

struct maps_check {
	struct maps_table *table;
	const struct maps_stage *stage; /* what is in it is on its way: not looked at */
	struct loop *loop;
	const struct maps_check_ops *ops;
	void *user;
	struct loop_timer timer; /* the next slice; armed while a check runs */
	struct maps_found found;
	uint64_t since_ns;
	bool named;	      /* the parent has named all that it wants */
	unsigned int part;    /* index of what is looked at */
	uint32_t pos, cursor; /* how far it has come there */
	uint32_t *ring;	      /* [MODEL_RING_MAX]: a ring computed anew */
	bool *member;	      /* [max_backends + 1], by number: of the service at hand */
	struct maps_stage repair;
};

/* Returns 0 or -ENOMEM; then *c needs no _done. stage: of the parent's next batch. */
int maps_check_init(struct maps_check *c, struct loop *l, struct maps_table *t,
		    const struct maps_stage *stage, const struct maps_check_ops *ops, void *user);
void maps_check_done(struct maps_check *c);

/* MSG_MAPS_CHECK_BEGIN, _WANT_VIP, _WANT_SVC, _CHECK. 0; -ENOENT: it is none of them; -EPROTO. */
int maps_check_frame(struct maps_check *c, uint16_t type, const void *data, size_t len);

/* Begins a check of the table against the maps, without a loop; and does a slice: true: it is over. */
void maps_check_begin(struct maps_check *c, uint64_t seq);
bool maps_check_slice(struct maps_check *c, uint64_t until_ns);

#endif
