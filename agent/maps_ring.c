// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rings lie in memory shared with the program (BPF_F_MMAPABLE), so writing one
 * is a memcpy. A place is written to only while it is free, which it is from
 * the grace period on that follows its retirement. But for slots' modes, a ring never
 * changes where it lies.
 *
 * A ring with a second one takes an extent of twice the size, which is booked as
 * two: the second half goes first, when no slot is RECENT any more.
 *
 * A ring whose slots are all of one mode follows from its backends alone. When its last
 * reference goes, it stays where it is, listed under them: backends that go down together
 * mostly come back together. It goes when its room is needed, the longest unused one first,
 * and is not found any more once a number of its backends means another address.
 */
#include <errno.h>
#include <string.h>
#include <utlist.h>

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
	int err;

	*r = (struct maps_rings){.bpf = bpf, .backends = backends, .grace = grace};
	pthread_mutex_init(&r->lock, NULL);
	maglev_keep_init(&r->keep, MAPS_RINGS_KEEP);
	err = workers_new(0, &r->workers);
	return err < 0 ? err : ring_pool_init(&r->pool, bpf->cfg->ring_slots);
}

void maps_ring_free(struct maps_ring *ring)
{
	if (!ring)
		return;
	free(ring->gen.when);
	free(ring->set);
	free(ring);
}

void maps_rings_done(struct maps_rings *r)
{
	/* Never begun. */
	if (!r->bpf)
		return;
	HASH_CLEAR(hh, r->by_content);
	HASH_CLEAR(hh_base, r->by_base);
	HASH_CLEAR(hh_pure, r->by_pure);
	for (size_t i = 0; i < r->n_all; i++)
		maps_ring_free(r->all[i]);
	while (r->kept) {
		struct maps_ring *ring = r->kept;

		DL_DELETE(r->kept, ring);
		maps_ring_free(ring);
	}
	free(r->all);
	workers_free(r->workers);
	for (unsigned int i = 0; i < WORKERS_MAX; i++) {
		free(r->work[i].gen.slot);
		free(r->work[i].gen.old);
		free(r->work[i].gen.when);
		free(r->work[i].cur);
		free(r->work[i].alive);
	}
	ring_pool_done(&r->pool);
	maglev_keep_done(&r->keep);
	free(r->retired);
	pthread_mutex_destroy(&r->lock);
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

/* The program has ended with it, or retire() it. */
static void release(struct maps_rings *r, uint32_t base, uint32_t size, uint64_t epoch)
{
	if (epoch < r->grace->epoch)
		ring_pool_free(&r->pool, base, size);
	else
		retire(r, base, size);
}

static void drop(struct maps_rings *r, struct maps_ring *ring);

/* It is not among those that are kept any more. */
static void unkeep(struct maps_rings *r, struct maps_ring *ring)
{
	DL_DELETE(r->kept, ring);
	r->n_kept--;
	r->kept_slots -= even(ring->place.size);
}

static void drop_kept(struct maps_rings *r, struct maps_ring *ring)
{
	unkeep(r, ring);
	drop(r, ring);
}

static int allocate(struct maps_rings *r, uint32_t size, uint32_t *ret_base)
{
	int err;

	reclaim(r);
	err = ring_pool_alloc(&r->pool, size, ret_base);
	/* The longest unused one first. */
	while (err == -ENOSPC && r->kept && r->kept->epoch < r->grace->epoch) {
		drop_kept(r, r->kept);
		err = ring_pool_alloc(&r->pool, size, ret_base);
	}
	return err;
}

uint32_t maps_rings_retired(const struct maps_rings *r)
{
	uint32_t n = 0;

	for (size_t i = 0; i < r->n_retired; i++)
		n += even(r->retired[i].size);
	return n;
}

bool maps_ring_waits(const struct maps_rings *r)
{
	return r->kept || r->n_retired;
}

int maps_ring_alloc(struct maps_rings *r, uint32_t size, bool second, uint32_t *ret_base)
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

void maps_ring_unalloc(struct maps_rings *r, uint32_t base, uint32_t size, bool second)
{
	ring_pool_free(&r->pool, base, size);
	if (second)
		ring_pool_free(&r->pool, base + even(size), size);
}

/* ---- the structs ---- */

/* A ring that could not be listed is one that nobody shares, nothing worse. */
static void list_content(struct maps_rings *r, struct maps_ring *ring)
{
	HASH_ADD(hh, r->by_content, content, sizeof(ring->content), ring);
}

static void unlist_content(struct maps_rings *r, struct maps_ring *ring)
{
	if (HASH_ADDED(hh, ring))
		HASH_DELETE(hh, r->by_content, ring);
	ring->hh = (UT_hash_handle){};
}

/* A number that has had another address since has another birth. */
static bool same_set(const struct maps_ring_set *a, const struct maps_ring_set *b)
{
	return a->n == b->n && memcmp(a->b, b->b, a->n * sizeof(a->b[0])) == 0;
}

struct maps_ring *maps_ring_find_pure(const struct maps_rings *r, const struct maps_ring_set *set,
				      uint32_t size, uint32_t mode)
{
	struct maps_ring_pure key = {.set = set->hash, .size = size, .mode = mode};
	struct maps_ring *ring;

	HASH_FIND(hh_pure, r->by_pure, &key, sizeof(key), ring);
	return ring && same_set(ring->set, set) ? ring : NULL;
}

/* If all its slots are of one mode, and there is no such ring yet. */
static void list_pure(struct maps_rings *r, struct maps_ring *ring)
{
	const struct maps_gen *g = &ring->gen;
	struct maps_ring *other;

	if (!ring->set || g->recent || (g->linger && g->linger != ring->place.size))
		return;
	ring->pure = (struct maps_ring_pure){
		.set = ring->set->hash,
		.size = ring->place.size,
		.mode = g->linger ? NLB_SLOT_LINGER : NLB_SLOT_STABLE,
	};
	HASH_FIND(hh_pure, r->by_pure, &ring->pure, sizeof(ring->pure), other);
	if (!other)
		HASH_ADD(hh_pure, r->by_pure, pure, sizeof(ring->pure), ring);
}

static void unlist_pure(struct maps_rings *r, struct maps_ring *ring)
{
	if (HASH_ADDED(hh_pure, ring))
		HASH_DELETE(hh_pure, r->by_pure, ring);
	ring->hh_pure = (UT_hash_handle){};
}

static int list_used(struct maps_rings *r, struct maps_ring *ring)
{
	if (r->n_all == r->cap_all) {
		size_t cap = MAX2((size_t)64, r->cap_all * 2);
		struct maps_ring **grown = reallocarray(r->all, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		r->all = grown;
		r->cap_all = cap;
	}
	ring->pos = r->n_all;
	r->all[r->n_all++] = ring;
	return 0;
}

static void unlist_used(struct maps_rings *r, struct maps_ring *ring)
{
	r->all[ring->pos] = r->all[--r->n_all];
	r->all[ring->pos]->pos = ring->pos;
}

int maps_ring_add(struct maps_rings *r, struct maps_ring *ring)
{
	HASH_ADD(hh_base, r->by_base, place.base, sizeof(ring->place.base), ring);
	if (!HASH_ADDED(hh_base, ring))
		return -ENOMEM;
	if (list_used(r, ring) < 0) {
		HASH_DELETE(hh_base, r->by_base, ring);
		return -ENOMEM;
	}
	list_content(r, ring);
	list_pure(r, ring);
	ring->refs = 1;
	return 0;
}

int maps_ring_ref(struct maps_rings *r, struct maps_ring *ring)
{
	if (!ring->refs) {
		if (list_used(r, ring) < 0)
			return -ENOMEM;
		unkeep(r, ring);
		list_content(r, ring);
		ring->rested = 0;
	}
	ring->refs++;
	return 0;
}

static void drop(struct maps_rings *r, struct maps_ring *ring)
{
	unlist_content(r, ring);
	unlist_pure(r, ring);
	HASH_DELETE(hh_base, r->by_base, ring);
	release(r, ring->place.base, ring->place.size, ring->epoch);
	if (ring->gen.old)
		release(r, ring->place.base + even(ring->place.size), ring->place.size,
			ring->epoch);
	maps_ring_free(ring);
}

void maps_rings_put(struct maps_rings *r, struct maps_ring *ring)
{
	if (!ring || --ring->refs)
		return;
	unlist_used(r, ring);
	ring->epoch = r->grace->epoch;
	if (!HASH_ADDED(hh_pure, ring)) {
		drop(r, ring);
		return;
	}
	unlist_content(r, ring);
	free(TAKE_PTR(ring->gen.when));
	ring->gen.flat = true;
	DL_APPEND(r->kept, ring);
	r->n_kept++;
	r->kept_slots += even(ring->place.size);
}

struct nlb_ring maps_ring_place(const struct maps_ring *ring)
{
	return ring ? ring->place : (struct nlb_ring){};
}

void maps_ring_point(const struct maps_rings *r, struct maps_ring *ring, bool second)
{
	ring->gen.slot = r->bpf->slots + ring->place.base;
	ring->gen.old = second ? ring->gen.slot + even(ring->place.size) : NULL;
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

static uint64_t digest(const struct maps_rings *r, const struct maps_ring *ring)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < ring->place.size; i++) {
		uint32_t number = maps_gen_backend(ring->gen.slot[i]);

		if (number != NLB_BACKEND_NONE)
			sum += maglev_digest_slot(r->backends->all[number].hash, i);
	}
	return sum;
}

/* Its place is taken already, of the first of two rings. */
static int adopt_slots(struct maps_rings *r, struct maps_ring *ring, uint32_t now)
{
	uint32_t size = ring->place.size, base2 = ring->place.base + even(size);
	bool second = any_recent(r->bpf->slots + ring->place.base, size);
	int err = second ? take(r, base2, size) : 0;

	if (err < 0)
		return err;
	maps_ring_point(r, ring, second);
	err = -EINVAL;
	if (maps_gen_adopt(&ring->gen, size, now, known, (void *)r->backends)) {
		ring->content = maps_gen_hash(&ring->gen, size);
		ring->digest = digest(r, ring);
		err = maps_ring_add(r, ring);
	}
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
		maps_ring_free(ring);
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
	unlist_pure(r, ring);
	ring->content = maps_gen_hash(&ring->gen, ring->place.size);
	list_content(r, ring);
	if (!ring->gen.recent && ring->gen.old) {
		retire(r, ring->place.base + even(ring->place.size), ring->place.size);
		ring->gen.old = NULL;
	}
	if (!ring->gen.recent && !ring->gen.linger) {
		free(TAKE_PTR(ring->gen.when));
		ring->gen.flat = true;
		ring->rested = now;
	}
	list_pure(r, ring);
}

/* There is something to look at; then each slot has a time of its own. */
static bool ages(struct maps_ring *ring, uint32_t now, uint32_t idle)
{
	if (!maps_gen_due(&ring->gen, now, idle))
		return false;
	if (ring->gen.flat) {
		ring->gen.when = malloc(ring->place.size * sizeof(*ring->gen.when));
		if (!ring->gen.when)
			return false;
		maps_gen_unflatten(&ring->gen, ring->place.size);
	}
	return true;
}

/* ---- checking ---- */

bool maps_rings_unspoilt(const struct maps_ring *ring)
{
	return maps_gen_hash(&ring->gen, ring->place.size) == ring->content;
}

bool maps_rings_check_kept(struct maps_rings *r, uint32_t run, uint32_t max, uint32_t *ret_looked,
			   uint32_t *ret_dropped)
{
	struct maps_ring *ring, *next;

	*ret_looked = *ret_dropped = 0;
	for (ring = r->kept; ring; ring = next) {
		next = ring->next;
		if (ring->checked == run)
			continue;
		if (*ret_looked == max)
			return false;
		ring->checked = run;
		++*ret_looked;
		if (maps_rings_unspoilt(ring))
			continue;
		drop_kept(r, ring);
		++*ret_dropped;
	}
	return true;
}

void maps_rings_repaired(struct maps_rings *r, struct maps_ring *ring, uint32_t now)
{
	struct maps_gen *g = &ring->gen;

	g->recent = g->linger = 0;
	for (uint32_t i = 0; i < ring->place.size; i++) {
		uint32_t mode = maps_gen_mode(g->slot[i]);

		g->recent += mode == NLB_SLOT_RECENT;
		g->linger += mode == NLB_SLOT_LINGER;
	}
	settle(r, ring, now);
	ring->digest = digest(r, ring);
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
		if (r->age_slot >= ring->place.size || !ages(ring, now, idle)) {
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
