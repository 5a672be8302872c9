/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parent may ask the maps child without changing anything: counters,
 * where a packet would go (maps_route.h), samples of the traffic (maps_sample.h).
 */
#ifndef NLB_AGENT_MAPS_OBSERVE_H
#define NLB_AGENT_MAPS_OBSERVE_H

#include "maps_attach.h"
#include "maps_sample.h"
#include "maps_table.h"
#include "maps_tunnel.h"

struct maps_observe {
	const struct maps_table *table;
	const struct maps_attach *attach;
	const struct maps_tunnel *tunnel;
	struct maps_sample sample;
	/* A frame to the parent. */
	void (*send)(void *user, uint16_t type, const void *data, size_t len);
	void *user;
};

/* 0 or -errno; _done is legal either way, and on a zeroed struct. */
int maps_observe_init(struct maps_observe *o, struct loop *l, const struct maps_table *t,
		      const struct maps_attach *attach, const struct maps_tunnel *tunnel,
		      void (*send)(void *user, uint16_t type, const void *data, size_t len),
		      void *user);
void maps_observe_done(struct maps_observe *o);

/* One frame of the parent's. 0; -ENOENT: it is for somebody else; -EPROTO: it is malformed. */
int maps_observe_frame(struct maps_observe *o, uint16_t type, const void *data, size_t len);

#endif
