/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings that were computed lately, kept within a bound of memory. Backends that go and
 * come back bring back a ring that was there before: then it is copied, which takes about
 * as long as writing it and hashing the addresses. Rings of equal sets are kept once,
 * whoever wanted them.
 *
 * Only sets that are equal in each address and weight get a ring from here; a hash merely
 * finds them. So a ring is the same whether it was kept or not.
 *
 * Not for several threads at once. Those that compute in parallel take turns at it, and
 * call maglev_build() for what was not found, each by himself.
 */
#ifndef NLB_AGENT_MAGLEV_KEEP_H
#define NLB_AGENT_MAGLEV_KEEP_H

#include <stdbool.h>

#include "hash.h"
#include "maglev.h"

/* More backends than this are never kept. */
#define MAGLEV_KEEP_BACKENDS_MAX 65536u

struct maglev_kept;

struct maglev_keep {
	struct maglev_kept *by_set; /* the longest unused one first */
	size_t bytes, max_bytes;    /* of the rings kept, all their memory */
	uint64_t found, missed;	    /* since maglev_keep_init() */
};

void maglev_keep_init(struct maglev_keep *k, size_t max_bytes);
void maglev_keep_done(struct maglev_keep *k);

/*
 * If a ring of this set and size is kept: fills ret_slots as maglev_build() would, but with
 * value[i] instead of i (value NULL: with i), sets *ret_digest to maglev_digest() of it, and
 * returns true. Else false, with both untouched.
 */
bool maglev_keep_find(struct maglev_keep *k, const struct maglev_backend *b, size_t n,
		      uint32_t size, const uint32_t *value, uint32_t *ret_slots,
		      uint64_t *ret_digest);

/*
 * Keeps slots, which maglev_build() made from the same arguments, and their digest, and forgets those unused
 * for longest that no longer fit. Without memory for it, or if it is larger than the
 * bound, it is not kept.
 */
void maglev_keep_add(struct maglev_keep *k, const struct maglev_backend *b, size_t n, uint32_t size,
		     const uint32_t *slots, uint64_t digest);

/* maglev_build(), by way of what is kept. */
int maglev_keep_build(struct maglev_keep *k, const struct maglev_backend *b, size_t n,
		      uint32_t size, uint32_t *ret_slots);

#endif
