/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets sampled by the program, on their way to the parent: switched on and
 * off in nlb_config, read from nlb_samples, sent as MSG_MAPS_SAMPLE.
 */
#ifndef NLB_AGENT_MAPS_SAMPLE_H
#define NLB_AGENT_MAPS_SAMPLE_H

#include "loop.h"
#include "maps_table.h"
#include "msg.h"

struct maps_sample {
	struct loop *loop;
	const struct maps_table *table;
	struct nlb_config *config; /* as the program sees it */
	struct ring_buffer *ring;
	struct loop_io io;
	bool reading;	  /* io is watched */
	uint32_t credit;  /* samples that the parent takes */
	uint32_t portion; /* left in this round of the loop */
	struct addr only; /* samples of this VIP; unspecified: all */
	uint64_t lost_before;
	/* MSG_MAPS_SAMPLE with its bytes. */
	void (*send)(void *user, const struct msg_sample *s, size_t len);
	void *user;
};

/*
 * Opens the ring buffer and switches sampling off, which the agent before us
 * may have left on. 0 or -errno.
 */
int maps_sample_init(struct maps_sample *s, struct loop *l, const struct maps_table *t, int ring_fd,
		     struct nlb_config *config,
		     void (*send)(void *user, const struct msg_sample *msg, size_t len),
		     void *user);
void maps_sample_done(struct maps_sample *s);

/* Begins or ends a capture, and says how it went in *ret. */
void maps_sample_set(struct maps_sample *s, const struct msg_sample_set *set,
		     struct msg_sample_state *ret);

/* The parent takes n samples more. */
void maps_sample_taken(struct maps_sample *s, uint64_t n);

#endif
