// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each backend has a permutation of all slots, made from its address alone:
 * (offset + j * skip) mod size, with size prime and 0 < skip < size. Backends
 * take turns; at its turn a backend takes the first slot of its permutation
 * that is still free, until none is. When a backend goes, the others' turns
 * hardly change, so that few slots but its own change hands.
 *
 * Weights: with W the greatest weight, a backend of weight w has had
 * floor(r * w / W) turns after r rounds, so that shares are exact over any
 * number of rounds and a round is never more than one turn a backend. Weights
 * that are all the same give the paper's table, whatever they are.
 *
 * Turns within a round go by address, which makes the table independent of the
 * order of the input.
 */
#include <stdbool.h>
#include <string.h>

#include "maglev.h"
#include "util.h"

#define MAGLEV_SEED_OFFSET 0x6f66667365740000ull /* "offset" */
#define MAGLEV_SEED_SKIP   0x736b697000000000ull /* "skip" */
#define MAGLEV_FREE	   UINT32_MAX

struct maglev_perm {
	const struct maglev_backend *b;
	uint32_t next; /* the permutation's current slot */
	uint32_t skip;
	uint32_t weight;
	uint64_t turns;
};

/* SplitMix64's finaliser (Steele et al., OOPSLA 2014). */
static uint64_t mix(uint64_t z)
{
	z += 0x9e3779b97f4a7c15ull;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint64_t load_be64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

uint64_t maglev_hash(const struct addr *a, uint64_t seed)
{
	return mix(mix(seed ^ load_be64(a->b)) ^ load_be64(a->b + 8));
}

static bool is_prime(uint32_t n)
{
	if (n < 4)
		return n >= 2;
	if (n % 2 == 0)
		return false;
	for (uint32_t d = 3; (uint64_t)d * d <= n; d += 2)
		if (n % d == 0)
			return false;
	return true;
}

static int perm_cmp(const void *a, const void *b)
{
	const struct maglev_perm *x = a, *y = b;

	return addr_cmp(&x->b->addr, &y->b->addr);
}

/* Sorted by address, at the start of their permutations. */
static int perms_new(const struct maglev_backend *b, size_t n, uint32_t size,
		     struct maglev_perm **ret)
{
	_cleanup_free_ struct maglev_perm *perms = calloc(n, sizeof(*perms));

	if (!perms)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct maglev_perm *p = &perms[i];

		if (b[i].weight < 1 || b[i].weight > MAGLEV_WEIGHT_MAX)
			return -EINVAL;
		p->b = &b[i];
		p->weight = b[i].weight;
		p->next = (uint32_t)(maglev_hash(&b[i].addr, MAGLEV_SEED_OFFSET) % size);
		if (size > 2)
			p->skip =
				(uint32_t)(maglev_hash(&b[i].addr, MAGLEV_SEED_SKIP) % (size - 1)) +
				1;
		else
			p->skip = 1;
	}
	qsort(perms, n, sizeof(*perms), perm_cmp);
	for (size_t i = 1; i < n; i++)
		if (addr_cmp(&perms[i - 1].b->addr, &perms[i].b->addr) == 0)
			return -EINVAL;
	*ret = TAKE_PTR(perms);
	return 0;
}

static void take_slot(struct maglev_perm *p, uint32_t size, uint32_t index, uint32_t *slots)
{
	uint32_t at = p->next; /* size is below 2^31: at + skip fits */

	while (slots[at] != MAGLEV_FREE) {
		at += p->skip;
		if (at >= size)
			at -= size;
	}
	slots[at] = index;
	p->next = at;
	p->turns++;
}

int maglev_build(const struct maglev_backend *b, size_t n, uint32_t size, uint32_t *ret_slots)
{
	_cleanup_free_ struct maglev_perm *perms = NULL;
	uint32_t filled = 0, greatest = 0;
	int r;

	if (n == 0 || n > size || size > INT32_MAX || !is_prime(size))
		return -EINVAL;
	r = perms_new(b, n, size, &perms);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		greatest = MAX2(greatest, perms[i].weight);
	memset(ret_slots, 0xff, (size_t)size * sizeof(*ret_slots));
	for (uint64_t round = 1; filled < size; round++) {
		for (size_t i = 0; i < n && filled < size; i++) {
			struct maglev_perm *p = &perms[i];

			if (round * p->weight < (p->turns + 1) * greatest)
				continue;
			take_slot(p, size, (uint32_t)(p->b - b), ret_slots);
			filled++;
		}
	}
	return 0;
}
