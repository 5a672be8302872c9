/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings in nlb_rings: computed, written beside the old one, compared, and
 * taken back. Which service points to which ring is not known here.
 */
#ifndef NLB_AGENT_MAPS_RING_H
#define NLB_AGENT_MAPS_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "maglev.h"
#include "maps_backend.h"
#include "maps_bpf.h"
#include "maps_grace.h"
#include "ring.h"

struct maps_rings {
	const struct maps_bpf *bpf;
	struct maps_grace *grace;
	struct ring_pool pool;
	struct maps_retired {
		struct nlb_ring ring;
		uint64_t epoch;
	} * retired; /* oldest first */
	size_t n_retired, cap_retired;
	uint32_t *work; /* of MODEL_RING_MAX slots: the ring being made */
};

int maps_rings_init(struct maps_rings *r, const struct maps_bpf *bpf, struct maps_grace *grace);
void maps_rings_done(struct maps_rings *r);

/*
 * Computes the ring of b[0 .. n), whose numbers are numbers[0 .. n), into
 * r->work. Returns 0 or as maglev_build() does.
 */
int maps_rings_compute(struct maps_rings *r, const struct maglev_backend *b,
		       const uint32_t *numbers, size_t n, uint32_t size);

/* True when the ring in the maps holds what r->work does. */
bool maps_rings_same(const struct maps_rings *r, struct nlb_ring ring, uint32_t size);

/*
 * Writes r->work to a free place and reads it back. -ENOSPC: no room, also not
 * after a grace period; -EIO: it reads back differently; -errno.
 */
int maps_rings_write(struct maps_rings *r, uint32_t size, struct nlb_ring *ret);

/*
 * Takes the place of a ring that an earlier agent left. 0; -EINVAL, -EEXIST:
 * it cannot be one; -ENOMEM.
 */
int maps_rings_adopt(struct maps_rings *r, struct nlb_ring ring);

/* Nothing points to the ring any more, but the program may still be using it. */
void maps_rings_retire(struct maps_rings *r, struct nlb_ring ring);

/*
 * Digest of a ring as backend addresses: equal on all nodes that have the
 * same ring, whatever numbers they gave. 0 for an empty one.
 */
uint64_t maps_rings_digest(const struct maps_rings *r, const struct maps_backends *backends,
			   struct nlb_ring ring);

#endif
