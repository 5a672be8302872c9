// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rings lie in memory shared with the program (BPF_F_MMAPABLE), so writing one
 * is a memcpy. A place is written to only while it is free, which it is from
 * the grace period on that follows its retirement.
 */
#include <errno.h>
#include <string.h>

#include "maps_ring.h"
#include "model.h"
#include "util.h"

int maps_rings_init(struct maps_rings *r, const struct maps_bpf *bpf, struct maps_grace *grace)
{
	*r = (struct maps_rings){.bpf = bpf, .grace = grace};
	r->work = calloc(MODEL_RING_MAX, sizeof(*r->work));
	if (!r->work)
		return -ENOMEM;
	return ring_pool_init(&r->pool, bpf->cfg->ring_slots);
}

void maps_rings_done(struct maps_rings *r)
{
	ring_pool_done(&r->pool);
	free(r->retired);
	free(r->work);
	*r = (struct maps_rings){};
}

int maps_rings_compute(struct maps_rings *r, const struct maglev_backend *b,
		       const uint32_t *numbers, size_t n, uint32_t size)
{
	int err;

	if (size > MODEL_RING_MAX)
		return -EINVAL;
	err = maglev_build(b, n, size, r->work);
	if (err < 0)
		return err;
	for (uint32_t i = 0; i < size; i++)
		r->work[i] = numbers[r->work[i]];
	return 0;
}

bool maps_rings_same(const struct maps_rings *r, struct nlb_ring ring, uint32_t size)
{
	return ring.size == size &&
	       memcmp(r->bpf->slots + ring.base, r->work, size * sizeof(*r->work)) == 0;
}

/* Makes free what was retired before the last grace period. */
static void reclaim(struct maps_rings *r)
{
	size_t i = 0;

	for (; i < r->n_retired && r->retired[i].epoch < r->grace->epoch; i++)
		ring_pool_free(&r->pool, r->retired[i].ring.base, r->retired[i].ring.size);
	if (!i)
		return;
	r->n_retired -= i;
	memmove(r->retired, r->retired + i, r->n_retired * sizeof(*r->retired));
}

/* Room in the list of retired rings for each ring that is allocated. */
static int reserve_retired(struct maps_rings *r)
{
	struct maps_retired *grown;
	size_t cap;

	if (r->pool.n_used < r->cap_retired)
		return 0;
	cap = MAX2((size_t)64, r->cap_retired * 2);
	grown = reallocarray(r->retired, cap, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	r->retired = grown;
	r->cap_retired = cap;
	return 0;
}

static int allocate(struct maps_rings *r, uint32_t size, uint32_t *ret_base)
{
	int err;

	reclaim(r);
	err = ring_pool_alloc(&r->pool, size, ret_base);
	if (err != -ENOSPC || !r->n_retired)
		return err;
	err = maps_grace_wait(r->grace);
	if (err < 0)
		return err;
	reclaim(r);
	return ring_pool_alloc(&r->pool, size, ret_base);
}

int maps_rings_write(struct maps_rings *r, uint32_t size, struct nlb_ring *ret)
{
	struct nlb_ring ring = {.size = size};
	int err;

	err = allocate(r, size, &ring.base);
	if (err == 0) {
		err = reserve_retired(r);
		if (err < 0)
			ring_pool_free(&r->pool, ring.base, size);
	}
	if (err < 0)
		return err;
	memcpy(r->bpf->slots + ring.base, r->work, size * sizeof(*r->work));
	if (!maps_rings_same(r, ring, size)) {
		ring_pool_free(&r->pool, ring.base, size);
		return -EIO;
	}
	*ret = ring;
	return 0;
}

int maps_rings_adopt(struct maps_rings *r, struct nlb_ring ring)
{
	int err;

	if (ring.size > MODEL_RING_MAX)
		return -EINVAL;
	err = ring_pool_take(&r->pool, ring.base, ring.size);
	if (err < 0)
		return err;
	err = reserve_retired(r);
	if (err < 0)
		ring_pool_free(&r->pool, ring.base, ring.size);
	return err;
}

void maps_rings_retire(struct maps_rings *r, struct nlb_ring ring)
{
	if (!ring.size)
		return;
	r->retired[r->n_retired++] = (struct maps_retired){.ring = ring, .epoch = r->grace->epoch};
}

uint64_t maps_rings_digest(const struct maps_rings *r, const struct maps_backends *backends,
			   struct nlb_ring ring)
{
	uint64_t digest = 0;

	for (uint32_t i = 0; i < ring.size; i++) {
		uint64_t h = backends->all[r->bpf->slots[ring.base + i]].hash;

		digest = (digest ^ h) * 0xff51afd7ed558ccdull;
		digest ^= digest >> 32;
	}
	return digest;
}
