// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The timing wheel (Varghese and Lauck, scheme 6: one level, hashed). A timer
 * hangs in the list of its tick modulo the number of slots; the walk over a
 * slot leaves those of later turns where they are. A bitmap of the slots that
 * are in use finds the next one without a walk over empty lists.
 */
#include <string.h>

#include "hc_wheel.h"
#include "util.h"

#define SLOT_DUE (HC_WHEEL_SLOTS + 1)

static uint64_t tick_of(uint64_t at_ns)
{
	/* Rounded up, so that nothing is early. */
	return at_ns / HC_WHEEL_TICK_NS + (at_ns % HC_WHEEL_TICK_NS != 0);
}

void hc_wheel_init(struct hc_wheel *w, uint64_t now_ns)
{
	memset(w, 0, sizeof(*w));
	w->tick = now_ns / HC_WHEEL_TICK_NS;
}

void hc_wheel_del(struct hc_wheel *w, struct hc_timer *t)
{
	uint32_t i = t->slot - 1;

	if (!t->slot)
		return;
	LIST_REMOVE(t, entry);
	if (t->slot != SLOT_DUE && LIST_EMPTY(&w->slots[i]))
		w->used[i / 64] &= ~(1ull << i % 64);
	t->slot = 0;
	w->n--;
}

void hc_wheel_put(struct hc_wheel *w, struct hc_timer *t, uint64_t at_ns)
{
	uint64_t tick = MAX2(tick_of(at_ns), w->tick);
	uint32_t i = (uint32_t)(tick % HC_WHEEL_SLOTS);

	hc_wheel_del(w, t);
	t->at_ns = at_ns;
	t->slot = i + 1;
	LIST_INSERT_HEAD(&w->slots[i], t, entry);
	w->used[i / 64] |= 1ull << i % 64;
	w->n++;
}

static void wheel_slot(struct hc_wheel *w, uint32_t i, uint64_t tick)
{
	struct hc_timer *t, *next;

	for (t = LIST_FIRST(&w->slots[i]); t; t = next) {
		next = LIST_NEXT(t, entry);
		if (tick_of(t->at_ns) > tick)
			continue;
		LIST_REMOVE(t, entry);
		LIST_INSERT_HEAD(&w->due, t, entry);
		t->slot = SLOT_DUE;
	}
	if (LIST_EMPTY(&w->slots[i]))
		w->used[i / 64] &= ~(1ull << i % 64);
}

void hc_wheel_advance(struct hc_wheel *w, uint64_t now_ns)
{
	uint64_t last = now_ns / HC_WHEEL_TICK_NS;
	uint64_t turns;

	if (last < w->tick)
		return;
	/* After a long pause one look at each slot is enough. */
	turns = MIN2(last - w->tick + 1, (uint64_t)HC_WHEEL_SLOTS);
	for (uint64_t k = 0; k < turns; k++) {
		uint32_t i = (uint32_t)((w->tick + k) % HC_WHEEL_SLOTS);

		if (w->used[i / 64] & 1ull << i % 64)
			wheel_slot(w, i, last);
	}
	w->tick = last + 1;
}

struct hc_timer *hc_wheel_pop(struct hc_wheel *w)
{
	struct hc_timer *t = LIST_FIRST(&w->due);

	if (t)
		hc_wheel_del(w, t);
	return t;
}

uint64_t hc_wheel_next_ns(const struct hc_wheel *w)
{
	uint32_t start = (uint32_t)(w->tick % HC_WHEEL_SLOTS);

	if (!LIST_EMPTY(&w->due))
		return 0;
	if (!w->n)
		return UINT64_MAX;
	/* One word more than there are: the first is looked at from start on, the last up to it. */
	for (uint32_t k = 0; k <= HC_WHEEL_SLOTS / 64; k++) {
		uint32_t word = (start / 64 + k) % (HC_WHEEL_SLOTS / 64);
		uint64_t bits = w->used[word];
		uint32_t i;

		if (k == 0)
			bits &= ~0ull << start % 64;
		if (!bits)
			continue;
		i = word * 64 + (uint32_t)__builtin_ctzll(bits);
		return (w->tick + (i + HC_WHEEL_SLOTS - start) % HC_WHEEL_SLOTS) * HC_WHEEL_TICK_NS;
	}
	return UINT64_MAX;
}
