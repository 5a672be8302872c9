/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Maglev's lookup table (Eisenbud et al., "Maglev: A Fast and Reliable
 * Software Network Load Balancer", NSDI 2016, section 3.4), with weights.
 */
#ifndef NLB_AGENT_MAGLEV_H
#define NLB_AGENT_MAGLEV_H

#include <stddef.h>
#include <stdint.h>

#include "addr.h"

struct maglev_backend {
	struct addr addr;
	uint32_t weight; /* >= 1 */
};

#define MAGLEV_WEIGHT_MAX 65535u

/*
 * Fills ret_slots[0 .. size) with indices into b. The result depends on the
 * set of (address, weight) and on size only: neither on the order of b nor on
 * the machine. Every backend gets slots in proportion to its weight, off by at
 * most two.
 * Returns 0; -EINVAL: no backend, more backends than slots, size not a prime,
 * a weight out of range, an address twice; -ENOMEM. ret_slots is untouched
 * on failure.
 */
int maglev_build(const struct maglev_backend *b, size_t n, uint32_t size, uint32_t *ret_slots);

/*
 * Digest of a ring that maglev_build() made, by the backends' addresses: the sum of
 * maglev_digest_slot() over all slots, with maglev_hash(addr, 0), and 0 for none. 0 or -ENOMEM.
 */
int maglev_digest(const struct maglev_backend *b, size_t n, uint32_t size, const uint32_t *slots,
		  uint64_t *ret);

static inline uint64_t maglev_digest_slot(uint64_t hash, uint32_t slot)
{
	uint64_t d = (hash ^ slot * 0x9e3779b97f4a7c15ull) * 0xff51afd7ed558ccdull;

	return d ^ d >> 32;
}

/* The hash that an address's permutation comes from; also good as a digest. */
uint64_t maglev_hash(const struct addr *a, uint64_t seed);

#endif
