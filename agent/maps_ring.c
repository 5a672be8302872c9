// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rings lie in memory shared with the program (BPF_F_MMAPABLE), so writing one
 * is a memcpy. A place is written to only while it is free, which it is from
 * the grace period on that follows its retirement. But for slots' modes, a ring never
 * changes where it lies.
 *
 * A ring with a second one takes an extent of twice the size, which is booked as
 * two: the second half goes first, when no slot is RECENT any more.
 */
#include <errno.h>
#include <string.h>

#include "maps_ring.h"
#include "model.h"
#include "util.h"

static uint32_t even(uint32_t size)
{
	return (size + 1) & ~1u;
}

int maps_rings_init(struct maps_rings *r, const struct maps_bpf *bpf,
		    const struct maps_backends *backends, struct maps_grace *grace)
{
	*r = (struct maps_rings){.bpf = bpf, .backends = backends, .grace = grace};
	maglev_keep_init(&r->keep, MAPS_RINGS_KEEP);
	r->work.slot = calloc(MODEL_RING_MAX, sizeof(*r->work.slot));
	r->work.old = calloc(MODEL_RING_MAX, sizeof(*r->work.old));
	r->work.when = calloc(MODEL_RING_MAX, sizeof(*r->work.when));
	r->cur = calloc(MODEL_RING_MAX, sizeof(*r->cur));
	r->alive = calloc(bpf->cfg->max_backends + 1u, sizeof(*r->alive));
	if (!r->work.slot || !r->work.old || !r->work.when || !r->cur || !r->alive)
		return -ENOMEM;
	return ring_pool_init(&r->pool, bpf->cfg->ring_slots);
}

static void ring_free(struct maps_ring *ring)
{
	if (!ring)
		return;
	free(ring->gen.when);
	free(ring);
}

void maps_rings_done(struct maps_rings *r)
{
	HASH_CLEAR(hh, r->by_content);
	HASH_CLEAR(hh_base, r->by_base);
	for (size_t i = 0; i < r->n_all; i++)
		ring_free(r->all[i]);
	free(r->all);
	ring_pool_done(&r->pool);
	maglev_keep_done(&r->keep);
	free(r->retired);
	free(r->work.slot);
	free(r->work.old);
	free(r->work.when);
	free(r->cur);
	free(r->alive);
	*r = (struct maps_rings){};
}

/* ---- places ---- */

/* Makes free what was retired before the last grace period. */
static void reclaim(struct maps_rings *r)
{
	size_t i = 0;

	for (; i < r->n_retired && r->retired[i].epoch < r->grace->epoch; i++)
		ring_pool_free(&r->pool, r->retired[i].base, r->retired[i].size);
	if (!i)
		return;
	r->n_retired -= i;
	memmove(r->retired, r->retired + i, r->n_retired * sizeof(*r->retired));
}

/* Room in the list of retired extents for each one that is allocated. */
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

static void retire(struct maps_rings *r, uint32_t base, uint32_t size)
{
	r->retired[r->n_retired++] =
		(struct maps_retired){.base = base, .size = size, .epoch = r->grace->epoch};
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

/* A place for a ring, and, if wanted, a second one behind it. */
static int place_ring(struct maps_rings *r, uint32_t size, bool second, uint32_t *ret_base)
{
	uint32_t len = second ? even(size) * 2 : size;
	int err;

	err = allocate(r, len, ret_base);
	if (err < 0)
		return err;
	err = reserve_retired(r);
	if (err == 0 && second) {
		err = ring_pool_split(&r->pool);
		if (err == 0) {
			err = reserve_retired(r);
			if (err == 0)
				return 0;
			r->pool.n_used--;
		}
	}
	if (err < 0)
		ring_pool_free(&r->pool, *ret_base, len);
	return err;
}

/* ---- the structs ---- */

static void list_content(struct maps_rings *r, struct maps_ring *ring)
{
	ring->content = maps_gen_hash(&ring->gen, ring->place.size);
	HASH_ADD(hh, r->by_content, content, sizeof(ring->content), ring);
}

/* A ring that could not be listed is one that nobody shares, nothing worse. */
static void unlist_content(struct maps_rings *r, struct maps_ring *ring)
{
	if (HASH_ADDED(hh, ring))
		HASH_DELETE(hh, r->by_content, ring);
	ring->hh = (UT_hash_handle){};
}

static uint64_t digest(const struct maps_rings *r, const struct maps_ring *ring)
{
	uint64_t d = 0;

	for (uint32_t i = 0; i < ring->place.size; i++) {
		uint32_t number = maps_gen_backend(ring->gen.slot[i]);

		d = (d ^ r->backends->all[number].hash) * 0xff51afd7ed558ccdull;
		d ^= d >> 32;
	}
	return d;
}

/* Lists a ring whose slots are written. */
static int add(struct maps_rings *r, struct maps_ring *ring)
{
	if (r->n_all == r->cap_all) {
		size_t cap = MAX2((size_t)64, r->cap_all * 2);
		struct maps_ring **grown = reallocarray(r->all, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		r->all = grown;
		r->cap_all = cap;
	}
	HASH_ADD(hh_base, r->by_base, place.base, sizeof(ring->place.base), ring);
	if (!HASH_ADDED(hh_base, ring))
		return -ENOMEM;
	list_content(r, ring);
	ring->pos = r->n_all;
	r->all[r->n_all++] = ring;
	ring->digest = digest(r, ring);
	ring->refs = 1;
	return 0;
}

void maps_rings_put(struct maps_rings *r, struct maps_ring *ring)
{
	if (!ring || --ring->refs)
		return;
	unlist_content(r, ring);
	HASH_DELETE(hh_base, r->by_base, ring);
	r->all[ring->pos] = r->all[--r->n_all];
	r->all[ring->pos]->pos = ring->pos;
	retire(r, ring->place.base, ring->place.size);
	if (ring->gen.old)
		retire(r, ring->place.base + even(ring->place.size), ring->place.size);
	ring_free(ring);
}

struct nlb_ring maps_ring_place(const struct maps_ring *ring)
{
	return ring ? ring->place : (struct nlb_ring){};
}

/* ---- making ---- */

/* r->cur and r->alive of the backends. */
static int compute(struct maps_rings *r, const struct maps_member *m, size_t n, uint32_t size)
{
	_cleanup_free_ struct maglev_backend *enabled = calloc(n, sizeof(*enabled));
	_cleanup_free_ uint32_t *number_of = calloc(n, sizeof(*number_of));
	size_t n_enabled = 0;
	int err;

	if (!enabled || !number_of)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!m[i].weight)
			continue;
		enabled[n_enabled] = (struct maglev_backend){m[i].addr, m[i].weight};
		number_of[n_enabled++] = m[i].number;
	}
	if (n_enabled) {
		err = maglev_keep_build(&r->keep, enabled, n_enabled, size, r->cur);
		if (err < 0)
			return err;
		for (uint32_t i = 0; i < size; i++)
			r->cur[i] = number_of[r->cur[i]];
	} else {
		for (uint32_t i = 0; i < size; i++)
			r->cur[i] = NLB_BACKEND_NONE;
	}
	return 0;
}

static struct maps_ring *find(const struct maps_rings *r, const struct maps_gen *g, uint32_t size)
{
	uint64_t content = maps_gen_hash(g, size);
	struct maps_ring *ring;

	HASH_FIND(hh, r->by_content, &content, sizeof(content), ring);
	if (!ring || ring->place.size != size || !maps_gen_equal(&ring->gen, g, size))
		return NULL;
	return ring;
}

/* For two who share a ring, a slot ages as the later one's would. */
static void merge_when(struct maps_ring *ring, const struct maps_gen *g)
{
	for (uint32_t i = 0; ring->gen.when && i < ring->place.size; i++)
		ring->gen.when[i] = MAX2(ring->gen.when[i], g->when[i]);
}

/* Points gen to the place in the maps. */
static void point(const struct maps_rings *r, struct maps_ring *ring, bool second)
{
	ring->gen.slot = r->bpf->slots + ring->place.base;
	ring->gen.old = second ? ring->gen.slot + even(ring->place.size) : NULL;
}

static int write_ring(struct maps_rings *r, struct maps_ring *ring)
{
	size_t len = ring->place.size * sizeof(*r->work.slot);

	ring->gen.recent = r->work.recent;
	ring->gen.linger = r->work.linger;
	memcpy(ring->gen.slot, r->work.slot, len);
	if (ring->gen.old)
		memcpy(ring->gen.old, r->work.old, len);
	if (ring->gen.recent + ring->gen.linger) {
		ring->gen.when = malloc(len);
		if (!ring->gen.when)
			return -ENOMEM;
		memcpy(ring->gen.when, r->work.when, len);
	}
	return maps_gen_equal(&ring->gen, &r->work, ring->place.size) ? add(r, ring) : -EIO;
}

/* r->work as a new ring. */
static int new_ring(struct maps_rings *r, uint32_t size, struct maps_ring **ret)
{
	struct maps_ring *ring = calloc(1, sizeof(*ring));
	bool second = r->work.recent > 0;
	int err;

	if (!ring)
		return -ENOMEM;
	ring->place.size = size;
	err = place_ring(r, size, second, &ring->place.base);
	if (err == 0) {
		point(r, ring, second);
		err = write_ring(r, ring);
		if (err == 0) {
			*ret = ring;
			return 0;
		}
		/* Nobody has seen it. */
		ring_pool_free(&r->pool, ring->place.base, size);
		if (second)
			ring_pool_free(&r->pool, ring->place.base + even(size), size);
	}
	ring_free(ring);
	return err;
}

int maps_rings_make(struct maps_rings *r, const struct maps_ring *prev, const struct maps_member *m,
		    size_t n, uint32_t size, bool flows, uint32_t now, struct maps_ring **ret)
{
	struct maps_ring *same;
	int err;

	if (!n || !size || size > MODEL_RING_MAX)
		return -EINVAL;
	err = compute(r, m, n, size);
	if (err < 0)
		return err;
	for (size_t i = 0; i < n; i++)
		r->alive[m[i].number] = true;
	maps_gen_next(prev && prev->place.size == size ? &prev->gen : NULL, size, r->cur, r->alive,
		      now, flows ? NLB_SLOT_LINGER : NLB_SLOT_STABLE, &r->work);
	for (size_t i = 0; i < n; i++)
		r->alive[m[i].number] = false;
	same = find(r, &r->work, size);
	if (!same)
		return new_ring(r, size, ret);
	merge_when(same, &r->work);
	same->refs++;
	*ret = same;
	return 0;
}

/* ---- adopting ---- */

static bool known(void *user, uint32_t number)
{
	const struct maps_backends *b = user;

	return number <= b->max && b->all[number].known;
}

static bool any_recent(const uint32_t *slots, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		if (maps_gen_mode(slots[i]) == NLB_SLOT_RECENT)
			return true;
	return false;
}

static int take(struct maps_rings *r, uint32_t base, uint32_t size)
{
	int err = ring_pool_take(&r->pool, base, size);

	if (err < 0)
		return err;
	err = reserve_retired(r);
	if (err < 0)
		ring_pool_free(&r->pool, base, size);
	return err;
}

/* Its place is taken already, of the first of two rings. */
static int adopt_slots(struct maps_rings *r, struct maps_ring *ring, uint32_t now)
{
	uint32_t size = ring->place.size, base2 = ring->place.base + even(size);
	bool second = any_recent(r->bpf->slots + ring->place.base, size);
	int err = second ? take(r, base2, size) : 0;

	if (err < 0)
		return err;
	point(r, ring, second);
	err = -EINVAL;
	if (maps_gen_adopt(&ring->gen, size, now, known, (void *)r->backends)) {
		err = 0;
		if (ring->gen.recent + ring->gen.linger) {
			ring->gen.when = calloc(size, sizeof(*ring->gen.when));
			err = ring->gen.when ? 0 : -ENOMEM;
		}
	}
	for (uint32_t i = 0; err == 0 && ring->gen.when && i < size; i++)
		ring->gen.when[i] = maps_gen_mode(ring->gen.slot[i]) ? now : 0;
	if (err == 0)
		err = add(r, ring);
	if (err < 0 && second)
		ring_pool_free(&r->pool, base2, size);
	return err;
}

int maps_rings_adopt(struct maps_rings *r, struct nlb_ring place, uint32_t now,
		     struct maps_ring **ret)
{
	struct maps_ring *ring;
	int err;

	HASH_FIND(hh_base, r->by_base, &place.base, sizeof(place.base), ring);
	if (ring) {
		if (ring->place.size != place.size)
			return -EEXIST;
		ring->refs++;
		*ret = ring;
		return 0;
	}
	if (place.size > MODEL_RING_MAX)
		return -EINVAL;
	err = take(r, place.base, place.size);
	if (err < 0)
		return err;
	ring = calloc(1, sizeof(*ring));
	err = -ENOMEM;
	if (ring) {
		ring->place = place;
		err = adopt_slots(r, ring, now);
	}
	if (err < 0) {
		ring_pool_free(&r->pool, place.base, place.size);
		ring_free(ring);
		return err;
	}
	*ret = ring;
	return 0;
}

/* ---- aging ---- */

/* After slots changed their modes in place. */
static void settle(struct maps_rings *r, struct maps_ring *ring, uint32_t now)
{
	unlist_content(r, ring);
	list_content(r, ring);
	if (!ring->gen.recent && ring->gen.old) {
		retire(r, ring->place.base + even(ring->place.size), ring->place.size);
		ring->gen.old = NULL;
	}
	if (!ring->gen.recent && !ring->gen.linger) {
		free(TAKE_PTR(ring->gen.when));
		ring->rested = now;
	}
}

void maps_rings_age(struct maps_rings *r, uint32_t now, uint32_t idle, uint32_t max)
{
	for (size_t seen = 0; seen < r->n_all && max; seen++) {
		struct maps_ring *ring;
		uint32_t to;

		if (r->age_ring >= r->n_all)
			r->age_ring = r->age_slot = 0;
		ring = r->all[r->age_ring];
		/* The ring that was begun may have gone, and this be another. */
		if (!ring->gen.when || r->age_slot >= ring->place.size) {
			r->age_ring++;
			r->age_slot = 0;
			continue;
		}
		to = r->age_slot + MIN2(max, ring->place.size - r->age_slot);
		max -= to - r->age_slot;
		if (maps_gen_age(&ring->gen, r->age_slot, to, now, idle))
			settle(r, ring, now);
		r->age_slot = to;
		if (to == ring->place.size) {
			r->age_ring++;
			r->age_slot = 0;
		}
	}
}
