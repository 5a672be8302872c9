/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Backends that left a service otherwise than by draining (nlb_gone): what the
 * program remembers of flows to them is void. An entry goes when the
 * backend comes back to the service, when the service goes, when the backend's flows are
 * purged, and when it is so old that no flow can be left.
 */
#ifndef NLB_AGENT_MAPS_GONE_H
#define NLB_AGENT_MAPS_GONE_H

#include <stdbool.h>
#include <stdint.h>

#include "hash.h"
#include "xdp/nlb_shared.h"

struct maps_gone {
	UT_hash_handle hh; /* by key; the oldest first */
	struct nlb_gone_key key;
	uint32_t since;		       /* tick */
	size_t noted;		       /* place in .adding, from 1 on; 0: it is in the map */
	struct maps_gone *prev, *next; /* of the same service */
};

struct maps_gone_list {
	struct nlb_gone_key *key;
	size_t n, cap;
};

struct maps_gones {
	int fd;
	uint32_t max_services;
	struct maps_gone *all;
	struct maps_gone **of_service;		/* [max_services + 1] */
	struct maps_gone_list adding, removing; /* since the last maps_gones_write() */
};

/* fd: of nlb_gone. 0 or -ENOMEM. */
int maps_gones_init(struct maps_gones *g, int fd, uint32_t max_services);
void maps_gones_done(struct maps_gones *g);

/*
 * These two take notes, for all services that change together; maps_gones_write() brings them
 * into the map. What is to be cleared is not set again before that. 0 or -ENOMEM.
 */
int maps_gones_set(struct maps_gones *g, uint32_t service, uint32_t backend, uint32_t now);
int maps_gones_clear(struct maps_gones *g, uint32_t service, uint32_t backend);

/*
 * First removes what was noted, then adds. 0; or -errno: not all could be removed, and nothing is
 * added. What the map has no room for is not added: *ret_lost says how many.
 */
int maps_gones_write(struct maps_gones *g, size_t *ret_lost);

/* Removes all of a service at once. 0, or -errno: then some are left. */
int maps_gones_clear_service(struct maps_gones *g, uint32_t service);

/* What is true of one service is noted for the other. 0 or -ENOMEM. */
int maps_gones_copy(struct maps_gones *g, uint32_t from, uint32_t to);

/* Of all backends that gone[number] marks, for numbers up to n. 0 or -errno. */
int maps_gones_purge(struct maps_gones *g, const bool *gone, uint32_t n);

/* Removes entries older than `idle` ticks, at most max. */
void maps_gones_expire(struct maps_gones *g, uint32_t now, uint32_t idle, uint32_t max);

/*
 * Takes over what is in the map; what fits() does not want is removed. Returns
 * how many were, or -errno.
 */
int maps_gones_adopt(struct maps_gones *g, uint32_t now,
		     bool (*fits)(void *user, const struct nlb_gone_key *key), void *user);

#endif
