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

static uint32_t load(const uint32_t *slot)
{
	return __atomic_load_n(slot, __ATOMIC_RELAXED);
}

/* Of a slot as it was, that which a packet goes by. */
static uint32_t plain(uint32_t slot)
{
	return slot & (NLB_SLOT_MODE | NLB_SLOT_BACKEND);
}

static bool is_alive(const bool *alive, uint32_t backend)
{
	return backend != NLB_BACKEND_NONE && alive[backend];
}

static void put(struct maps_gen *ret, uint32_t i, uint32_t slot, uint32_t old, uint32_t when)
{
	uint32_t mode = maps_gen_mode(slot);

	ret->slot[i] = slot;
	ret->old[i] = old;
	ret->when[i] = mode == NLB_SLOT_STABLE ? 0 : when;
	ret->recent += mode == NLB_SLOT_RECENT;
	ret->linger += mode == NLB_SLOT_LINGER;
}

static void next_slot(const struct maps_gen *prev, uint32_t i, uint32_t cur, const bool *alive,
		      uint32_t now, struct maps_gen *ret)
{
	uint32_t slot = load(&prev->slot[i]);
	uint32_t mode = maps_gen_mode(slot), was = maps_gen_backend(slot), old;

	if (mode != NLB_SLOT_RECENT) {
		uint32_t used = mode == NLB_SLOT_LINGER ? slot & NLB_SLOT_USED : 0;
		uint32_t when = mode == NLB_SLOT_LINGER && cur == was ? prev->when[i] : now;

		if (cur != was && is_alive(alive, was))
			put(ret, i, NLB_SLOT_RECENT | cur, was, now);
		else
			put(ret, i, mode | used | cur, NLB_BACKEND_NONE, when);
		return;
	}
	old = prev->old[i];
	if (cur == old || !is_alive(alive, old))
		put(ret, i, NLB_SLOT_LINGER | cur, NLB_BACKEND_NONE, now);
	else
		put(ret, i, NLB_SLOT_RECENT | cur, old, prev->when[i]);
}

void maps_gen_next(const struct maps_gen *prev, uint32_t size, const uint32_t *cur,
		   const bool *alive, uint32_t now, uint32_t first, struct maps_gen *ret)
{
	ret->recent = ret->linger = 0;
	for (uint32_t i = 0; i < size; i++) {
		if (prev)
			next_slot(prev, i, cur[i], alive, now, ret);
		else
			put(ret, i, first | cur[i], NLB_BACKEND_NONE, now);
	}
}

/* True when the slot changed its mode. The program may set USED meanwhile. */
static bool age_slot(struct maps_gen *g, uint32_t i, uint32_t now, uint32_t idle)
{
	uint32_t *at = &g->slot[i], slot = load(at);
	uint32_t mode = maps_gen_mode(slot);

	if (mode == NLB_SLOT_STABLE || now < g->when[i] || now - g->when[i] < idle)
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

	for (uint32_t i = from; i < to; i++)
		changed += age_slot(g, i, now, idle);
	return changed;
}

bool maps_gen_adopt(struct maps_gen *g, uint32_t size, uint32_t now,
		    bool (*ok)(void *user, uint32_t number), void *user)
{
	g->recent = g->linger = 0;
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
		if (g->when)
			g->when[i] = mode == NLB_SLOT_STABLE ? 0 : now;
	}
	return true;
}

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0xff51afd7ed558ccdull;
	return h ^ (h >> 32);
}

uint64_t maps_gen_hash(const struct maps_gen *g, uint32_t size)
{
	uint64_t h = size;

	for (uint32_t i = 0; i < size; i++) {
		uint64_t slot = plain(load(&g->slot[i]));

		if (maps_gen_mode((uint32_t)slot) == NLB_SLOT_RECENT)
			slot |= (uint64_t)g->old[i] << 32;
		h = mix(h, slot);
	}
	return h;
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
