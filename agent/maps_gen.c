// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rules by which a slot goes from one generation to the next; `old` is the
 * second ring's backend.
 *
 *	was             the new ring says                   becomes
 *	STABLE, LINGER  the same backend                    what it was
 *	STABLE, LINGER  another, the former one is alive    RECENT, old = the former
 *	STABLE, LINGER  another, the former one is gone     what it was, to the other
 *	RECENT          the old backend                     LINGER
 *	RECENT          any other, old is alive             RECENT, the same old
 *	RECENT          any, old is gone                    LINGER
 *
 * The second line is what keeps flows: whoever had one before the change and is not
 * remembered came by the former backend. The fifth keeps the oldest backend,
 * because flows that began since are remembered, and those that did not are
 * its; these had their time since the slot became RECENT, so that many changes in a
 * row do not keep it so for ever. In the fourth, they are where they belong; in the sixth, dead.
 */
#include <stddef.h>

#include "maps_gen.h"
#include "util.h"

#define HASH_LANES 8u

static uint32_t load(const uint32_t *slot)
{
	return __atomic_load_n(slot, __ATOMIC_RELAXED);
}

/* Of a slot as it was, that which a packet goes by. */
static uint32_t plain(uint32_t slot)
{
	return slot & (NLB_SLOT_MODE | NLB_SLOT_BACKEND);
}

/*
 * Which slots change cannot be predicted, so there is no branch on it: what a slot becomes is
 * picked. `from` is the backend that flows of before the change are led to: the old one of a
 * slot that is RECENT, else its own. If it is alive and no more the slot's, the slot is RECENT
 * (again); else it is what it was, and LINGER if it was RECENT.
 */
static void next_plain(const struct maps_gen *prev, uint32_t size, const uint32_t *cur,
		       const bool *alive, struct maps_gen *ret)
{
	uint32_t *slot = ret->slot, *old = ret->old, recent = 0;

	for (uint32_t i = 0; i < size; i++) {
		uint32_t from = maps_gen_backend(load(&prev->slot[i])), now = cur[i];
		uint32_t moved = (now != from) & alive[from];

		slot[i] = now | (NLB_SLOT_RECENT & -moved);
		old[i] = from & -moved;
		recent += moved;
	}
	ret->recent = recent;
}

/* yes (0 or 1) ? a : b, whatever the compiler thinks of it. */
static inline uint32_t pick(uint32_t yes, uint32_t a, uint32_t b)
{
	return b ^ ((a ^ b) & -yes);
}

static void next_mixed(const struct maps_gen *prev, uint32_t size, const uint32_t *cur,
		       const bool *alive, uint32_t now, struct maps_gen *ret)
{
	/* Of a ring without RECENT slots there is no second one; then this is not looked at. */
	const uint32_t *prev_old = prev->old ? prev->old : prev->slot;
	uint32_t *slot = ret->slot, *old = ret->old, *when = ret->when;
	uint32_t recent = 0, linger = 0;

	for (uint32_t i = 0; i < size; i++) {
		uint32_t before = load(&prev->slot[i]), mode = maps_gen_mode(before);
		uint32_t was = maps_gen_backend(before), was_recent = mode == NLB_SLOT_RECENT;
		uint32_t was_linger = mode == NLB_SLOT_LINGER;
		uint32_t from = pick(was_recent, prev_old[i], was);
		uint32_t moved = (cur[i] != from) & alive[from];
		uint32_t stays = mode | (before & NLB_SLOT_USED & -was_linger);
		uint32_t same_time = pick(moved, was_recent, was_linger & (cur[i] == was));

		stays = pick(was_recent, NLB_SLOT_LINGER, stays);
		slot[i] = cur[i] | pick(moved, NLB_SLOT_RECENT, stays);
		old[i] = from & -moved;
		when[i] = pick(same_time, maps_gen_when(prev, i), now);
		recent += moved;
		linger += (moved ^ 1) & (was_linger | was_recent);
	}
	ret->recent = recent;
	ret->linger = linger;
}

_Static_assert(NLB_BACKEND_NONE == 0, "old & 0 is none");

void maps_gen_next(const struct maps_gen *prev, uint32_t size, const uint32_t *cur,
		   const bool *alive, uint32_t now, uint32_t first, struct maps_gen *ret)
{
	ret->recent = ret->linger = 0;
	ret->since = now;
	ret->flat = !prev || prev->recent + prev->linger == 0;
	if (!prev) {
		for (uint32_t i = 0; i < size; i++)
			ret->slot[i] = first | cur[i];
		ret->linger = first == NLB_SLOT_LINGER ? size : 0;
	} else if (ret->flat) {
		next_plain(prev, size, cur, alive, ret);
	} else {
		ret->since = 0;
		next_mixed(prev, size, cur, alive, now, ret);
	}
}

static bool too_young(uint32_t when, uint32_t now, uint32_t idle)
{
	return now < when || now - when < idle;
}

/* True when the slot changed its mode. The program may set USED meanwhile. */
static bool age_slot(struct maps_gen *g, uint32_t i, uint32_t now, uint32_t idle)
{
	uint32_t *at = &g->slot[i], slot = load(at);
	uint32_t mode = maps_gen_mode(slot);

	if (mode == NLB_SLOT_STABLE || too_young(maps_gen_when(g, i), now, idle))
		return false;
	g->when[i] = now;
	if (mode == NLB_SLOT_RECENT) {
		__atomic_store_n(at, NLB_SLOT_LINGER | maps_gen_backend(slot), __ATOMIC_RELEASE);
		g->recent--;
		g->linger++;
		return true;
	}
	if (slot & NLB_SLOT_USED) {
		__atomic_and_fetch(at, ~NLB_SLOT_USED, __ATOMIC_RELAXED);
		return false;
	}
	if (!__atomic_compare_exchange_n(at, &slot, NLB_SLOT_STABLE | maps_gen_backend(slot), false,
					 __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return false;
	g->linger--;
	return true;
}

uint32_t maps_gen_age(struct maps_gen *g, uint32_t from, uint32_t to, uint32_t now, uint32_t idle)
{
	uint32_t changed = 0;

	if (!maps_gen_due(g, now, idle))
		return 0;
	for (uint32_t i = from; i < to; i++)
		changed += age_slot(g, i, now, idle);
	return changed;
}

bool maps_gen_due(const struct maps_gen *g, uint32_t now, uint32_t idle)
{
	return g->recent + g->linger && !too_young(g->since, now, idle);
}

void maps_gen_unflatten(struct maps_gen *g, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		g->when[i] = g->since;
	g->flat = false;
}

void maps_gen_merge(struct maps_gen *g, const struct maps_gen *other, uint32_t size)
{
	uint32_t latest = other->since;

	if (!other->flat && g->flat) {
		for (uint32_t i = 0; i < size; i++)
			if (maps_gen_mode(other->slot[i]) != NLB_SLOT_STABLE)
				latest = MAX2(latest, other->when[i]);
	} else if (!other->flat) {
		for (uint32_t i = 0; i < size; i++)
			g->when[i] = MAX2(g->when[i], other->when[i]);
	}
	g->since = MAX2(g->since, latest);
}

bool maps_gen_adopt(struct maps_gen *g, uint32_t size, uint32_t now,
		    bool (*ok)(void *user, uint32_t number), void *user)
{
	g->recent = g->linger = 0;
	g->since = now;
	g->flat = true;
	for (uint32_t i = 0; i < size; i++) {
		uint32_t slot = load(&g->slot[i]), mode = maps_gen_mode(slot);
		uint32_t number = maps_gen_backend(slot);

		if (mode == NLB_SLOT_MODE || (slot & ~(NLB_SLOT_MODE | NLB_SLOT_USED)) != number ||
		    (number != NLB_BACKEND_NONE && !ok(user, number)))
			return false;
		if (mode == NLB_SLOT_RECENT &&
		    (!g->old || g->old[i] == NLB_BACKEND_NONE || !ok(user, g->old[i])))
			return false;
		g->recent += mode == NLB_SLOT_RECENT;
		g->linger += mode == NLB_SLOT_LINGER;
	}
	return true;
}

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0xff51afd7ed558ccdull;
	return h ^ (h >> 32);
}

/* old: where there is none, anything of that size. */
static uint64_t content(const uint32_t *slots, const uint32_t *old, uint32_t i)
{
	uint64_t slot = plain(load(&slots[i]));
	uint64_t recent = maps_gen_mode((uint32_t)slot) == NLB_SLOT_RECENT;

	return slot | ((uint64_t)old[i] << 32 & -recent);
}

/* In lanes, since each step of one waits for the step before. */
uint64_t maps_gen_hash(const struct maps_gen *g, uint32_t size)
{
	const uint32_t *old = g->old ? g->old : g->slot;
	uint64_t h[HASH_LANES];
	uint32_t i = 0;

	for (uint32_t lane = 0; lane < HASH_LANES; lane++)
		h[lane] = mix(size, lane);
	for (; i + HASH_LANES <= size; i += HASH_LANES)
		for (uint32_t lane = 0; lane < HASH_LANES; lane++)
			h[lane] = mix(h[lane], content(g->slot, old, i + lane));
	for (; i < size; i++)
		h[0] = mix(h[0], content(g->slot, old, i));
	for (uint32_t lane = 1; lane < HASH_LANES; lane++)
		h[0] = mix(h[0], h[lane]);
	return h[0];
}

bool maps_gen_equal(const struct maps_gen *a, const struct maps_gen *b, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++) {
		uint32_t slot = plain(load(&a->slot[i]));

		if (slot != plain(load(&b->slot[i])))
			return false;
		if (maps_gen_mode(slot) == NLB_SLOT_RECENT && a->old[i] != b->old[i])
			return false;
	}
	return true;
}
