// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Making rings, in the order from cheap to dear:
 *
 * 1. A service without a ring to go on from: the ring of its backends may be in the maps, and
 *    is found by them. No slot is looked at.
 * 2. The ring is computed: where each slot leads, from maglev_keep.h, else by Maglev; then the
 *    generation after the former one (maps_gen.h).
 * 3. It may be one that there is, by its content.
 * 4. It is written to a free place and compared with what was computed.
 *
 * Steps 2 to 4 run in several threads. What they share is used under r->lock, which is held
 * to look up and to list; computing and writing go on without it. So two threads
 * may have made the same ring: the later one finds the earlier one's when it is to list its
 * own, and lets its own go. Nothing else touches the rings meanwhile.
 *
 * Nothing waits in there. If some found no room, and there is some that a grace period
 * makes free, they are done again after one.
 */
#include <errno.h>
#include <string.h>

#include "maps_ring.h"
#include "model.h"
#include "util.h"

struct making {
	struct maps_rings *r;
	struct maps_ring_want **todo;
	uint32_t now;
};

/* ---- the set ---- */

static struct maps_ring_set *set_new(const struct maps_rings *r, const struct maps_member *m,
				     size_t n)
{
	struct maps_ring_set *set = calloc(1, sizeof(*set) + n * sizeof(set->b[0]));

	for (size_t i = 0; set && i < n; i++) {
		if (!m[i].weight)
			continue;
		set->b[set->n++] = (struct maps_ring_backend){
			.number = m[i].number,
			.birth = r->backends->all[m[i].number].birth,
			.weight = m[i].weight,
		};
		set->hash += maglev_hash(&m[i].addr, m[i].weight);
	}
	return set;
}

/* ---- step 2 ---- */

static int work_init(const struct maps_rings *r, struct maps_ring_work *w)
{
	if (w->alive)
		return 0;
	w->gen.slot = malloc(MODEL_RING_MAX * sizeof(*w->gen.slot));
	w->gen.old = malloc(MODEL_RING_MAX * sizeof(*w->gen.old));
	w->gen.when = malloc(MODEL_RING_MAX * sizeof(*w->gen.when));
	w->cur = malloc(MODEL_RING_MAX * sizeof(*w->cur));
	if (w->gen.slot && w->gen.old && w->gen.when && w->cur)
		w->alive = calloc(r->bpf->cfg->max_backends + 1u, sizeof(*w->alive));
	if (w->alive)
		return 0;
	free(TAKE_PTR(w->gen.slot));
	free(TAKE_PTR(w->gen.old));
	free(TAKE_PTR(w->gen.when));
	free(TAKE_PTR(w->cur));
	return -ENOMEM;
}

int maps_enabled_init(struct maps_enabled *e, const struct maps_member *m, size_t n)
{
	*e = (struct maps_enabled){.b = calloc(n, sizeof(*e->b)),
				   .number = calloc(n, sizeof(*e->number))};
	if (!e->b || !e->number)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!m[i].weight)
			continue;
		e->b[e->n] = (struct maglev_backend){m[i].addr, m[i].weight};
		e->number[e->n++] = m[i].number;
	}
	return 0;
}

void maps_enabled_done(struct maps_enabled *e)
{
	free(e->b);
	free(e->number);
}

void maps_enabled_numbers(const struct maps_enabled *e, uint32_t *slots, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		slots[i] = e->number[slots[i]];
}

static int compute_enabled(struct maps_rings *r, const struct maps_enabled *e, uint32_t size,
			   uint32_t *cur, uint64_t *ret_digest)
{
	bool found;
	int err;

	pthread_mutex_lock(&r->lock);
	found = maglev_keep_find(&r->keep, e->b, e->n, size, e->number, cur, ret_digest);
	pthread_mutex_unlock(&r->lock);
	if (found)
		return 0;
	err = maglev_build(e->b, e->n, size, cur);
	if (err == 0)
		err = maglev_digest(e->b, e->n, size, cur, ret_digest);
	if (err < 0)
		return err;
	pthread_mutex_lock(&r->lock);
	r->n_computed++;
	maglev_keep_add(&r->keep, e->b, e->n, size, cur, *ret_digest);
	pthread_mutex_unlock(&r->lock);
	maps_enabled_numbers(e, cur, size);
	return 0;
}

/* w->cur: the number of each slot's backend. */
static int compute(struct maps_rings *r, struct maps_ring_work *w,
		   const struct maps_ring_want *want, uint64_t *ret_digest)
{
	_cleanup_(maps_enabled_done) struct maps_enabled e = {};
	int err = maps_enabled_init(&e, want->m, want->n);

	if (err < 0)
		return err;
	if (e.n)
		return compute_enabled(r, &e, want->size, w->cur, ret_digest);
	*ret_digest = 0;
	for (uint32_t i = 0; i < want->size; i++)
		w->cur[i] = NLB_BACKEND_NONE;
	return 0;
}

static uint32_t first_mode(const struct maps_ring_want *want)
{
	return want->flows ? NLB_SLOT_LINGER : NLB_SLOT_STABLE;
}

/* What the ring goes on from; NULL: it begins. */
static const struct maps_gen *former(const struct maps_ring_want *want)
{
	return want->prev && want->prev->place.size == want->size ? &want->prev->gen : NULL;
}

/* ---- step 3 ---- */

/* Locked. A reference for want, if there is a ring like g; content is its hash. */
static bool share(struct maps_rings *r, struct maps_ring_want *want,
		  const struct maps_ring_set *set, const struct maps_gen *g, uint64_t content)
{
	struct maps_ring *ring = NULL;

	if (!g->recent && (!g->linger || g->linger == want->size))
		ring = maps_ring_find_pure(r, set, want->size,
					   g->linger ? NLB_SLOT_LINGER : NLB_SLOT_STABLE);
	if (!ring) {
		HASH_FIND(hh, r->by_content, &content, sizeof(content), ring);
		if (!ring || ring->place.size != want->size ||
		    !maps_gen_equal(&ring->gen, g, want->size))
			return false;
	}
	if (!ring->refs)
		ring->gen.since = 0;
	maps_gen_merge(&ring->gen, g, want->size);
	want->err = maps_ring_ref(r, ring);
	if (want->err == 0)
		want->ring = ring;
	return true;
}

/* ---- step 4 ---- */

static int fill(struct maps_ring *ring, const struct maps_gen *g)
{
	size_t len = ring->place.size * sizeof(*g->slot);
	uint32_t *slot = ring->gen.slot, *old = ring->gen.old;

	memcpy(slot, g->slot, len);
	if (old)
		memcpy(old, g->old, len);
	ring->gen = (struct maps_gen){
		.slot = slot,
		.old = old,
		.since = g->since,
		.flat = g->flat || g->recent + g->linger == 0,
		.recent = g->recent,
		.linger = g->linger,
	};
	if (!ring->gen.flat) {
		ring->gen.when = malloc(len);
		if (!ring->gen.when)
			return -ENOMEM;
		memcpy(ring->gen.when, g->when, len);
	}
	if (memcmp(slot, g->slot, len) != 0 || (old && memcmp(old, g->old, len) != 0))
		return -EIO;
	return 0;
}

/* Locked at the end: lists the ring, unless another thread has listed such a one. */
static void publish(struct maps_rings *r, struct maps_ring_want *want, struct maps_ring *ring)
{
	bool second = ring->gen.old;

	if (share(r, want, ring->set, &ring->gen, ring->content)) {
		maps_ring_unalloc(r, ring->place.base, want->size, second);
		maps_ring_free(ring);
		return;
	}
	want->err = maps_ring_add(r, ring);
	if (want->err == 0) {
		r->n_made++;
		want->ring = ring;
		return;
	}
	maps_ring_unalloc(r, ring->place.base, want->size, second);
	maps_ring_free(ring);
}

/* Takes set over. */
static void write_new(struct maps_rings *r, struct maps_ring_want *want, struct maps_ring_set *set,
		      const struct maps_gen *g, uint64_t content, uint64_t digest)
{
	struct maps_ring *ring = calloc(1, sizeof(*ring));
	bool second = g->recent > 0;

	if (!ring) {
		free(set);
		want->err = -ENOMEM;
		return;
	}
	ring->set = set;
	ring->place.size = want->size;
	ring->content = content;
	ring->digest = digest;
	pthread_mutex_lock(&r->lock);
	want->err = maps_ring_alloc(r, want->size, second, &ring->place.base);
	pthread_mutex_unlock(&r->lock);
	if (want->err < 0) {
		maps_ring_free(ring);
		return;
	}
	maps_ring_point(r, ring, second);
	want->err = fill(ring, g);
	pthread_mutex_lock(&r->lock);
	if (want->err == 0) {
		publish(r, want, ring);
	} else {
		/* Nobody has seen it. */
		maps_ring_unalloc(r, ring->place.base, want->size, second);
		maps_ring_free(ring);
	}
	pthread_mutex_unlock(&r->lock);
}

/* ---- all of it ---- */

static void make_one(void *user, size_t i, unsigned int who)
{
	struct making *making = user;
	struct maps_ring_want *want = making->todo[i];
	struct maps_rings *r = making->r;
	struct maps_ring_work *w = &r->work[who];
	struct maps_ring_set *set = set_new(r, want->m, want->n);
	uint64_t content, digest = 0;
	bool shared;

	want->err = set ? work_init(r, w) : -ENOMEM;
	if (want->err == 0)
		want->err = compute(r, w, want, &digest);
	if (want->err < 0) {
		free(set);
		return;
	}
	for (size_t k = 0; k < want->n; k++)
		w->alive[want->m[k].number] = true;
	maps_gen_next(former(want), want->size, w->cur, w->alive, making->now, first_mode(want),
		      &w->gen);
	for (size_t k = 0; k < want->n; k++)
		w->alive[want->m[k].number] = false;
	content = maps_gen_hash(&w->gen, want->size);
	pthread_mutex_lock(&r->lock);
	shared = share(r, want, set, &w->gen, content);
	pthread_mutex_unlock(&r->lock);
	if (shared)
		free(set);
	else
		write_new(r, want, set, &w->gen, content, digest);
}

/* Step 1. True when nothing is left to do. */
static bool make_quick(struct maps_rings *r, struct maps_ring_want *want, uint32_t now)
{
	_cleanup_free_ struct maps_ring_set *set = NULL;
	struct maps_gen g = {.since = now, .flat = true};

	want->ring = NULL;
	want->err = -EINVAL;
	if (!want->n || !want->size || want->size > MODEL_RING_MAX)
		return true;
	if (former(want))
		return false;
	set = set_new(r, want->m, want->n);
	if (!set || !maps_ring_find_pure(r, set, want->size, first_mode(want)))
		return false;
	g.linger = want->flows ? want->size : 0;
	return share(r, want, set, &g, 0);
}

/* Those that found no room; so many are left in todo. */
static size_t without_room(struct maps_ring_want **todo, size_t n)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++)
		if (todo[i]->err == -ENOSPC)
			todo[left++] = todo[i];
	return left;
}

void maps_rings_make(struct maps_rings *r, struct maps_ring_want *wants, size_t n, uint32_t now)
{
	_cleanup_free_ struct maps_ring_want **todo = calloc(MAX2(n, (size_t)1), sizeof(*todo));
	struct making making = {.r = r, .todo = todo, .now = now};
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		if (!make_quick(r, &wants[i], now)) {
			wants[i].err = -ENOMEM;
			if (todo)
				todo[left++] = &wants[i];
		}
	}
	if (!left)
		return;
	workers_run(r->workers, left, make_one, &making);
	left = without_room(todo, left);
	if (left && maps_ring_waits(r) && maps_grace_wait(r->grace) == 0)
		workers_run(r->workers, left, make_one, &making);
}
