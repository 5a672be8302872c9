/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A reader of the pinned maps that is not the agent: its own descriptors, its own memory,
 * and not a line of agent/maps_*. It finds a service by the directories and reads its ring
 * slot by slot, as the program does for a packet, while whoever owns the maps changes them:
 *
 *	ring_walk_open(&w, "/sys/fs/bpf/nlb/v3-...");
 *	ring_want_init(&want, 251, sets, 2);     // what its ring may be
 *	number = ring_walk_find(&w, &vip, IPPROTO_TCP, 80);
 *	switch (ring_walk_match(&w, number, &want, &seen)) ...
 *
 * A packet loads the ring's word once and one slot, inside an RCU section. A reader in user space
 * has none. It loads the word before and after: when it is the same one, all slots in between
 * were of one ring, unless the service was switched away and back and the place reused in the
 * meantime, which takes a grace period. Whoever can know that there was one (the test that makes
 * them; a walk that took long) must not count that walk.
 */
#ifndef NLB_TESTS_RING_WALK_H
#define NLB_TESTS_RING_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "maglev.h"
#include "xdp/nlb_shared.h"

#define RING_WALK_MAPS 7
#define RING_WANT_MAX  16u

struct ring_walk {
	const struct nlb_config *config;
	const struct nlb_bucket *vip_dir, *svc_dir;
	const struct nlb_vip *vips;
	const struct nlb_service *services;
	const uint32_t *slots;
	const struct nlb_backend *backends;
	uint32_t n_services, n_slots, n_backends; /* elements of the maps */
	struct {
		void *at;
		size_t len;
	} memory[RING_WALK_MAPS];
};

/* A set of backends that a service may have: those with weight 0 drain, and are in no slot. */
struct ring_set {
	struct maglev_backend *b;
	size_t n;
};

/* What a service's ring may be: one of these, by the definition (maglev_ref.h). */
struct ring_want {
	uint32_t size;
	size_t n;
	struct ring_set set[RING_WANT_MAX];
	uint32_t *ring[RING_WANT_MAX]; /* [size]: index into the set's b; NULL: no slot has any */
};

enum ring_walk_result {
	RING_WALK_SAME,	   /* the ring of seen.set, every slot of it */
	RING_WALK_CHANGED, /* switched while it was read: no verdict */
	RING_WALK_EMPTY,   /* there is no ring */
	RING_WALK_SIZE,	   /* of another size than wanted */
	RING_WALK_HALF,	   /* each slot is of a set, but not all of one */
	RING_WALK_FOREIGN, /* a slot has a backend that no set has there */
	RING_WALK_SECOND,  /* a slot of the second ring has a backend that the set lacks */
	RING_WALK_RANGE,   /* a number or place beyond the map */
};

struct ring_seen {
	size_t set;	 /* SAME */
	uint32_t slot;	 /* of what is wrong */
	uint32_t number; /* backend there */
	uint64_t word;	 /* the ring's */
	uint32_t recent; /* SAME: slots that have a second ring's backend */
};

/* `dir`: of the pinned maps of one layout. 0 or -errno. */
int ring_walk_open(struct ring_walk *w, const char *dir);
void ring_walk_done(struct ring_walk *w);

/* Number of the service, 0 when there is none. A VIP of exactly this address. */
uint32_t ring_walk_find(const struct ring_walk *w, const struct addr *vip, uint8_t protocol,
			uint16_t port);

/* Copies the sets, computes their rings. 0 or -errno. */
int ring_want_init(struct ring_want *want, uint32_t size, const struct ring_set *sets, size_t n);
void ring_want_done(struct ring_want *want);

/* Reads the ring of a service once. `seen` is filled as far as the result says. */
enum ring_walk_result ring_walk_match(const struct ring_walk *w, uint32_t service,
				      const struct ring_want *want, struct ring_seen *seen);

const char *ring_walk_str(enum ring_walk_result result);

#endif
