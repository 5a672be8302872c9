// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Best fit over a sorted array of free extents: rings of one size mostly take the place of
 * one of that size, and do not cut up the room for longer ones. A node has few sizes of
 * rings and few thousand rings, so the array stays short. k allocated extents
 * leave at most k + 1 free ones; the array is grown when allocating, so that
 * giving back never has to.
 */
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "ring.h"
#include "util.h"

static uint32_t even(uint32_t size)
{
	return (size + 1) & ~1u;
}

int ring_pool_init(struct ring_pool *p, uint32_t slots)
{
	*p = (struct ring_pool){.slots = slots & ~1u, .cap_free = 64};
	p->free = calloc(p->cap_free, sizeof(*p->free));
	if (!p->free)
		return -ENOMEM;
	if (p->slots) {
		p->free[0] = (struct ring_extent){.base = 0, .size = p->slots};
		p->n_free = 1;
	}
	return 0;
}

void ring_pool_done(struct ring_pool *p)
{
	free(p->free);
	*p = (struct ring_pool){};
}

/* Room for the free extents that there can be once one more is allocated. */
static int make_room(struct ring_pool *p)
{
	struct ring_extent *grown;

	if (p->n_used + 2 < p->cap_free)
		return 0;
	grown = reallocarray(p->free, p->cap_free * 2, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	p->free = grown;
	p->cap_free *= 2;
	return 0;
}

static void insert_at(struct ring_pool *p, size_t i, uint32_t base, uint32_t size)
{
	assert(p->n_free < p->cap_free);
	memmove(&p->free[i + 1], &p->free[i], (p->n_free - i) * sizeof(*p->free));
	p->free[i] = (struct ring_extent){.base = base, .size = size};
	p->n_free++;
}

static void remove_at(struct ring_pool *p, size_t i)
{
	p->n_free--;
	memmove(&p->free[i], &p->free[i + 1], (p->n_free - i) * sizeof(*p->free));
}

/* Cuts [base, base + size) out of free extent i, which holds it. */
static void cut(struct ring_pool *p, size_t i, uint32_t base, uint32_t size)
{
	struct ring_extent whole = p->free[i];
	uint32_t after = whole.base + whole.size - (base + size);

	if (base > whole.base) {
		p->free[i].size = base - whole.base;
		if (after)
			insert_at(p, i + 1, base + size, after);
	} else if (after) {
		p->free[i] = (struct ring_extent){.base = base + size, .size = after};
	} else {
		remove_at(p, i);
	}
	p->n_used++;
	p->used += size;
}

int ring_pool_alloc(struct ring_pool *p, uint32_t size, uint32_t *ret_base)
{
	uint32_t len = even(size);
	size_t best = SIZE_MAX;
	int r;

	if (size == 0 || len < size)
		return -ENOSPC;
	r = make_room(p);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->n_free; i++) {
		if (p->free[i].size < len ||
		    (best != SIZE_MAX && p->free[i].size >= p->free[best].size))
			continue;
		best = i;
		if (p->free[i].size == len)
			break;
	}
	if (best == SIZE_MAX)
		return -ENOSPC;
	*ret_base = p->free[best].base;
	cut(p, best, *ret_base, len);
	return 0;
}

int ring_pool_split(struct ring_pool *p)
{
	int r;

	/* The extent counts twice now: the list of free ones may get one longer for it. */
	p->n_used++;
	r = make_room(p);
	if (r < 0)
		p->n_used--;
	return r;
}

/* The first free extent that ends behind base; n_free when there is none. */
static size_t find(const struct ring_pool *p, uint32_t base)
{
	size_t lo = 0, hi = p->n_free;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (p->free[mid].base + p->free[mid].size > base)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

int ring_pool_take(struct ring_pool *p, uint32_t base, uint32_t size)
{
	uint32_t len = even(size);
	size_t i;
	int r;

	if (base % 2 || size == 0 || len < size || base > p->slots || len > p->slots - base)
		return -EINVAL;
	r = make_room(p);
	if (r < 0)
		return r;
	i = find(p, base);
	if (i == p->n_free || p->free[i].base > base ||
	    p->free[i].base + p->free[i].size < base + len)
		return -EEXIST;
	cut(p, i, base, len);
	return 0;
}

void ring_pool_free(struct ring_pool *p, uint32_t base, uint32_t size)
{
	uint32_t len = even(size);
	size_t i = find(p, base);
	bool joins_prev = i > 0 && p->free[i - 1].base + p->free[i - 1].size == base;
	bool joins_next = i < p->n_free && p->free[i].base == base + len;

	assert(i == p->n_free || p->free[i].base >= base + len);
	p->n_used--;
	p->used -= len;
	if (joins_prev && joins_next) {
		p->free[i - 1].size += len + p->free[i].size;
		remove_at(p, i);
	} else if (joins_prev) {
		p->free[i - 1].size += len;
	} else if (joins_next) {
		p->free[i].base = base;
		p->free[i].size += len;
	} else {
		insert_at(p, i, base, len);
	}
}
