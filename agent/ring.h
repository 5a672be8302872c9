/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where rings lie in the array of all slots (nlb_rings): an allocator of
 * extents. Bookkeeping only: it never touches a slot.
 *
 * Bases are even, since an element of the map holds two slots. Not a word here
 * about when an extent may be used again: the caller gives it back after the
 * grace period.
 */
#ifndef NLB_AGENT_RING_H
#define NLB_AGENT_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring_extent {
	uint32_t base;
	uint32_t size;
};

struct ring_pool {
	struct ring_extent *free; /* sorted by base; neighbours are merged */
	size_t n_free, cap_free;
	size_t n_used; /* allocated extents */
	uint32_t slots;
	uint32_t used; /* allocated slots, rounded up to pairs */
};

/* All of `slots` slots free. Returns 0 or -ENOMEM. */
int ring_pool_init(struct ring_pool *p, uint32_t slots);
void ring_pool_done(struct ring_pool *p);

/* Returns 0; -ENOSPC when no free extent is long enough; -ENOMEM. */
int ring_pool_alloc(struct ring_pool *p, uint32_t size, uint32_t *ret_base);

/*
 * Takes a given extent, for rings that are in the maps already. Returns 0;
 * -EINVAL: odd base, no size, or past the end; -EEXIST: not wholly free; -ENOMEM.
 */
int ring_pool_take(struct ring_pool *p, uint32_t base, uint32_t size);

/*
 * An allocated extent is to be two from now on, each of them given back by
 * itself; where it is cut is the caller's to know, but at an even slot. 0 or -ENOMEM.
 */
int ring_pool_split(struct ring_pool *p);

/*
 * Gives an allocated extent back. Cannot fail: room for the list's growth was
 * made when it was allocated.
 */
void ring_pool_free(struct ring_pool *p, uint32_t base, uint32_t size);

#endif
