/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings in nlb_rings: computed, written beside the old one, compared, aged, and
 * taken back. Rings of equal content are one ring, whoever uses it. Which
 * service points to which is not known here.
 */
#ifndef NLB_AGENT_MAPS_RING_H
#define NLB_AGENT_MAPS_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "hash.h"
#include "maglev_keep.h"
#include "maps_backend.h"
#include "maps_bpf.h"
#include "maps_gen.h"
#include "maps_grace.h"
#include "ring.h"

/* Bytes of rings computed lately: 2,400 of 13,313 slots with 10 backends. */
#define MAPS_RINGS_KEEP (32u << 20)

/*
 * A ring in the maps. `gen` points to its slots there; of gen.old, the second ring, the same,
 * and it is NULL when there is none; gen.when is memory of this process, or NULL.
 * Aging changes the content: then the ring is listed under its new one, but is not
 * merged with another that it has become equal to.
 */
struct maps_ring {
	UT_hash_handle hh;	/* by content, if it could be listed */
	UT_hash_handle hh_base; /* by place.base */
	uint64_t content;	/* maps_gen_hash() */
	struct nlb_ring place;
	struct maps_gen gen;
	uint32_t refs;
	size_t pos; /* in maps_rings.all */
	/*
	 * Digest of the ring as backend addresses, without modes: equal on all nodes that have
	 * the same ring, whatever numbers they gave.
	 */
	uint64_t digest;
	uint32_t rested; /* tick since which all slots are STABLE, if they ever were not */
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
	struct maps_ring *by_content, *by_base;
	struct maps_ring **all; /* in no order */
	size_t n_all, cap_all;
	size_t age_ring; /* where aging goes on: index into all, and slot */
	uint32_t age_slot;
	struct maps_gen work; /* the ring being made; of MODEL_RING_MAX slots */
	struct maglev_keep keep;
	uint32_t *cur;
	bool *alive; /* [max_backends + 1] */
};

int maps_rings_init(struct maps_rings *r, const struct maps_bpf *bpf,
		    const struct maps_backends *backends, struct maps_grace *grace);
void maps_rings_done(struct maps_rings *r);

/*
 * The next generation after prev (NULL: the first) for m[0 .. n), n > 0. If all of
 * them are draining, no slot has a backend. A ring of another size than prev's
 * begins anew; if there are flows, those that are remembered stay, all others go where it
 * leads.
 * *ret has one more reference: it may be prev itself, or one that others use.
 * It is written and read back. Returns 0; -EINVAL as maglev_build(); -ENOSPC: no room, also
 * not after a grace period; -EIO: it reads back differently; -errno.
 */
int maps_rings_make(struct maps_rings *r, const struct maps_ring *prev, const struct maps_member *m,
		    size_t n, uint32_t size, bool flows, uint32_t now, struct maps_ring **ret);

/*
 * A reference to the ring that an earlier agent left at this place, which others may have
 * adopted already. 0; -EINVAL, -EEXIST: it cannot be one; -ENOMEM.
 */
int maps_rings_adopt(struct maps_rings *r, struct nlb_ring place, uint32_t now,
		     struct maps_ring **ret);

/* One reference less; NULL is none. The program may go on using it until a grace period. */
void maps_rings_put(struct maps_rings *r, struct maps_ring *ring);

/* Ages up to max slots (maps_gen_age()), going on where the last call ended. */
void maps_rings_age(struct maps_rings *r, uint32_t now, uint32_t idle, uint32_t max);

/* What the program goes by; NULL: no ring. */
struct nlb_ring maps_ring_place(const struct maps_ring *ring);

#endif
