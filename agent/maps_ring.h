/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings in nlb_rings: computed, written beside the old one, compared, aged, kept and
 * taken back. Rings of equal content are one ring, whoever uses it. Which
 * service points to which is not known here. maps_ring.c has what rings there are, and
 * where; maps_ring_make.c makes them.
 */
#ifndef NLB_AGENT_MAPS_RING_H
#define NLB_AGENT_MAPS_RING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "hash.h"
#include "maglev_keep.h"
#include "maps_backend.h"
#include "maps_bpf.h"
#include "maps_gen.h"
#include "maps_grace.h"
#include "ring.h"
#include "workers.h"

/* Bytes of rings computed lately: 4,800 of 13,313 slots with 10 backends. */
#define MAPS_RINGS_KEEP (64u << 20)

/* Which backends a ring was computed of, by number and weight, in the order of addresses. */
struct maps_ring_set {
	uint64_t hash;
	uint32_t n;
	struct maps_ring_backend {
		uint32_t number, birth; /* birth: see struct maps_backend */
		uint32_t weight;
	} b[];
};

/*
 * A ring in the maps. `gen` points to its slots there; of gen.old, the second ring, the same,
 * and it is NULL when there is none; gen.when is memory of this process, or NULL when all
 * have one age.
 * Aging changes the content: then the ring is listed under its new one, but is not
 * merged with another that it has become equal to.
 */
struct maps_ring {
	UT_hash_handle hh;	/* by content, if it could be listed */
	UT_hash_handle hh_base; /* by place.base */
	UT_hash_handle hh_pure; /* by what it was computed of, while all slots are of one mode */
	struct maps_ring_pure {
		uint64_t set; /* its hash */
		uint32_t size, mode;
	} pure;
	struct maps_ring_set *set; /* NULL: not known, it is an adopted one */
	uint64_t content;	   /* maps_gen_hash() */
	struct nlb_ring place;
	struct maps_gen gen;
	uint32_t refs;		       /* 0: kept, in case that it is wanted again */
	struct maps_ring *prev, *next; /* those that are kept, the longest first */
	uint64_t epoch;		       /* in which the last reference went */
	size_t pos;		       /* in maps_rings.all, if there are references */
	/*
	 * Digest of the ring as backend addresses, without modes: equal on all nodes that have
	 * the same ring, whatever numbers they gave.
	 */
	uint64_t digest;
	uint32_t checked; /* maps_check.h: number of the last check that looked at it */
	uint32_t rested;  /* tick since which all slots are STABLE, if they ever were not */
};

/* Where one thread makes a ring: arrays of MODEL_RING_MAX slots; alive: [max_backends + 1]. */
struct maps_ring_work {
	struct maps_gen gen;
	uint32_t *cur;
	bool *alive;
};

struct maps_rings {
	const struct maps_bpf *bpf;
	const struct maps_backends *backends;
	struct maps_grace *grace;
	struct ring_pool pool;
	struct maps_retired {
		uint32_t base, size;
		uint64_t epoch;
	} * retired; /* extents, oldest first */
	size_t n_retired, cap_retired;
	struct maps_ring *by_content, *by_base, *by_pure;
	struct maps_ring *kept; /* without references, the longest unused one first */
	uint32_t kept_slots;	/* of the pool, that these have; and n_kept: so many they are */
	uint32_t n_kept;
	struct maps_ring **all; /* with references, in no order */
	size_t n_all, cap_all;
	size_t age_ring; /* where aging goes on: index into all, and slot */
	uint32_t age_slot;
	struct maglev_keep keep;
	struct workers *workers;
	struct maps_ring_work work[WORKERS_MAX];
	pthread_mutex_t lock;	     /* while rings are made: of all above */
	uint64_t n_made, n_computed; /* rings written; and rings that Maglev was run for */
};

int maps_rings_init(struct maps_rings *r, const struct maps_bpf *bpf,
		    const struct maps_backends *backends, struct maps_grace *grace);
void maps_rings_done(struct maps_rings *r);

/*
 * A ring that is wanted: the next generation after prev (NULL: the first) for m[0 .. n),
 * n > 0, in the order of addresses. If all of them are draining, no slot has a backend. A
 * ring of another size than prev's begins anew; if there are flows, those that are remembered
 * stay, all others go where it leads.
 *
 * ring, the answer, has one more reference: it may be prev itself, or one that others use.
 * It is written and read back. err: 0; -EINVAL as maglev_build(); -ENOSPC: no room, also
 * not after a grace period; -EIO: it reads back differently; -errno. Then ring is NULL.
 */
struct maps_ring_want {
	const struct maps_ring *prev;
	const struct maps_member *m;
	size_t n;
	uint32_t size;
	bool flows;
	struct maps_ring *ring;
	int err;
};

/*
 * Makes all of them, on all CPUs. A ring that was made of the same backends and is still
 * in the maps is taken, without looking at a slot.
 */
void maps_rings_make(struct maps_rings *r, struct maps_ring_want *wants, size_t n, uint32_t now);

/*
 * A reference to the ring that an earlier agent left at this place, which others may have
 * adopted already. 0; -EINVAL, -EEXIST: it cannot be one; -ENOMEM.
 */
int maps_rings_adopt(struct maps_rings *r, struct nlb_ring place, uint32_t now,
		     struct maps_ring **ret);

/*
 * One reference less; NULL is none. The program may go on using it until a grace period. A
 * ring whose slots are all of one mode is kept where it is until its room is needed.
 */
void maps_rings_put(struct maps_rings *r, struct maps_ring *ring);

/* Ages up to max slots (maps_gen_age()), going on where the last call ended. */
void maps_rings_age(struct maps_rings *r, uint32_t now, uint32_t idle, uint32_t max);

/*
 * The content is what it was when it was written, or aged last. Of a ring whose slots are
 * put right in place, maps_rings_repaired() makes that known.
 */
bool maps_rings_unspoilt(const struct maps_ring *ring);
void maps_rings_repaired(struct maps_rings *r, struct maps_ring *ring, uint32_t now);

/*
 * Rings that are kept without references, as many as max of those that `run` has not looked at
 * yet: spoilt ones are dropped. True: all are looked at.
 */
bool maps_rings_check_kept(struct maps_rings *r, uint32_t run, uint32_t max, uint32_t *ret_looked,
			   uint32_t *ret_dropped);

/* Slots of the pool that only wait for a grace period. */
uint32_t maps_rings_retired(const struct maps_rings *r);

/* What the program goes by; NULL: no ring. */
struct nlb_ring maps_ring_place(const struct maps_ring *ring);

/* What Maglev is run for: members with a weight, and the number of each. */
struct maps_enabled {
	struct maglev_backend *b;
	uint32_t *number;
	size_t n;
};

/* Of m[0 .. n), n > 0. 0 or -ENOMEM; maps_enabled_done() in any case. */
int maps_enabled_init(struct maps_enabled *e, const struct maps_member *m, size_t n);
void maps_enabled_done(struct maps_enabled *e);

/* maglev_build()'s indices become numbers. */
void maps_enabled_numbers(const struct maps_enabled *e, uint32_t *slots, uint32_t size);

/* ---- for maps_ring*.c ---- */

/* A place for a ring, and, if wanted, a second one behind it; without waiting. 0 or -errno. */
int maps_ring_alloc(struct maps_rings *r, uint32_t size, bool second, uint32_t *ret_base);
/* Of a place that nobody has seen. */
void maps_ring_unalloc(struct maps_rings *r, uint32_t base, uint32_t size, bool second);
/* Whether there is anything that a grace period would make free. */
bool maps_ring_waits(const struct maps_rings *r);

/* Points gen to the place in the maps. */
void maps_ring_point(const struct maps_rings *r, struct maps_ring *ring, bool second);

/* Lists a ring whose slots, content and digest are known; it has one reference. 0 or -ENOMEM. */
int maps_ring_add(struct maps_rings *r, struct maps_ring *ring);
/* One more reference, to one that may have been without. 0 or -ENOMEM. */
int maps_ring_ref(struct maps_rings *r, struct maps_ring *ring);
void maps_ring_free(struct maps_ring *ring);

/* The ring of this set and size, all of whose slots are of this mode; NULL: there is none. */
struct maps_ring *maps_ring_find_pure(const struct maps_rings *r, const struct maps_ring_set *set,
				      uint32_t size, uint32_t mode);

#endif
