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
 *
 * That is the whole definition; tests/lib/maglev_ref.c is no more than it. Here the
 * same is done faster. Looking for a free slot with F of them left takes size / F looks,
 * size * ln(size) over all turns, and where the first one is found cannot be predicted:
 * - FEW or MANY slots of a permutation are looked at without a branch between them. A
 *   map of bytes says which slots are free, twice in a row, so that a slot plus less than
 *   size needs no modulo.
 * - When about as many as the square root of size are left, the question is turned round: for
 *   each free slot, the place that it has in the backend's permutation is computed; the
 *   least wins. That leaves about half of the looks, size * ln(size) / 2.
 */
#include <endian.h>
#include <stdbool.h>
#include <string.h>

#include "maglev.h"
#include "util.h"

#define MAGLEV_SEED_OFFSET 0x6f66667365740000ull /* "offset" */
#define MAGLEV_SEED_SKIP   0x736b697000000000ull /* "skip" */

/* Looks at once while more than half of the slots are free, and afterwards. */
#define FEW  4u
#define MANY 8u

struct maglev_perm {
	uint32_t at;	/* the permutation's next slot */
	uint32_t index; /* the caller's */
	uint32_t weight;
	uint32_t credit;	 /* r * weight mod greatest, after r rounds */
	uint32_t step[MANY + 1]; /* j * skip mod size */
	uint32_t inverse;	 /* of skip, mod size; 0: not computed yet */
	uint32_t inverse_over;	 /* inverse * 2^32 / size */
};

/* A ring being filled: whose turn is next, and what is free. */
struct maglev_fill {
	struct maglev_perm *perms; /* by address */
	size_t n, turn;
	uint32_t greatest, size, left;
	uint8_t *is_free;    /* [2 * size] */
	uint32_t *free_slot; /* [left], at the end */
	uint32_t *slots;
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
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
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

static int order_cmp(const void *a, const void *b)
{
	const struct maglev_backend *const *x = a, *const *y = b;

	return addr_cmp(&(*x)->addr, &(*y)->addr);
}

/* b sorted by address. Most callers have it so already. */
static int order_new(const struct maglev_backend *b, size_t n, const struct maglev_backend ***ret)
{
	_cleanup_free_ const struct maglev_backend **order = calloc(n, sizeof(*order));
	bool sorted = true;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (b[i].weight < 1 || b[i].weight > MAGLEV_WEIGHT_MAX)
			return -EINVAL;
		order[i] = &b[i];
		if (i > 0 && addr_cmp(&b[i - 1].addr, &b[i].addr) >= 0)
			sorted = false;
	}
	if (!sorted)
		qsort(order, n, sizeof(*order), order_cmp);
	for (size_t i = 1; !sorted && i < n; i++)
		if (addr_cmp(&order[i - 1]->addr, &order[i]->addr) == 0)
			return -EINVAL;
	*ret = TAKE_PTR(order);
	return 0;
}

/* x mod size for x < 2 * size, without a branch: which it is cannot be predicted. */
static inline uint32_t wrap(uint32_t x, uint32_t size)
{
	uint32_t below = x - size;

	return below + (size & -(below >> 31)); /* size is below 2^31 */
}

static void perm_init(struct maglev_perm *p, const struct maglev_backend *b, uint32_t index,
		      uint32_t size)
{
	uint32_t skip = 1;

	if (size > 2)
		skip = (uint32_t)(maglev_hash(&b->addr, MAGLEV_SEED_SKIP) % (size - 1)) + 1;
	*p = (struct maglev_perm){.index = index, .weight = b->weight};
	p->at = (uint32_t)(maglev_hash(&b->addr, MAGLEV_SEED_OFFSET) % size);
	for (size_t j = 0; j < MANY; j++)
		p->step[j + 1] = wrap(p->step[j] + skip, size);
}

/* The next backend that has a turn; greatest makes that one in each round at least. */
static inline struct maglev_perm *next_turn(struct maglev_fill *f)
{
	for (;;) {
		struct maglev_perm *p = &f->perms[f->turn];

		if (++f->turn == f->n)
			f->turn = 0;
		p->credit += p->weight;
		if (p->credit < f->greatest)
			continue;
		p->credit -= f->greatest;
		return p;
	}
}

/*
 * Turns until stop slots are left. With a constant for looks the loop over them is
 * unrolled. A copy of all fields, because a store to a byte could change the original.
 */
static inline __attribute__((always_inline)) void fill(struct maglev_fill *all, uint32_t stop,
						       uint32_t looks)
{
	struct maglev_fill f = *all;

	while (f.left > stop) {
		struct maglev_perm *p = next_turn(&f);
		uint32_t at = p->at, found;

		for (;;) {
			found = 0;
#pragma GCC unroll 8
			for (uint32_t j = 0; j < looks; j++)
				found |= (uint32_t)f.is_free[(size_t)at + p->step[j]] << j;
			if (found)
				break;
			at = wrap(at + p->step[looks], f.size);
		}
		at = wrap(at + p->step[__builtin_ctz(found)], f.size);
		f.is_free[at] = 0;
		f.is_free[(size_t)at + f.size] = 0;
		f.slots[at] = p->index;
		p->at = wrap(at + p->step[1], f.size);
		f.left--;
	}
	*all = f;
}

/* Of a, 0 < a < m, with m a prime: extended Euclid. */
static uint32_t inverse(uint32_t a, uint32_t m)
{
	int64_t x = 0, x_next = 1;
	uint32_t r = m, r_next = a;

	while (r_next) {
		uint32_t q = r / r_next, rest = r % r_next;
		int64_t t = x - (int64_t)q * x_next;

		x = x_next;
		x_next = t;
		r = r_next;
		r_next = rest;
	}
	return (uint32_t)(x < 0 ? x + m : x);
}

/* Which of the free slots comes first in the permutation, from p->at on. */
static uint32_t first_free(struct maglev_perm *p, const uint32_t *free_slot, uint32_t left,
			   uint32_t size)
{
	uint64_t best = UINT64_MAX; /* place, index */

	if (!p->inverse) {
		p->inverse = inverse(p->step[1], size);
		p->inverse_over = (uint32_t)(((uint64_t)p->inverse << 32) / size);
	}
	for (uint32_t i = 0; i < left; i++) {
		/* distance * inverse mod size (Shoup): the quotient is right or one too small. */
		uint32_t distance = wrap(free_slot[i] + (size - p->at), size);
		uint32_t q = (uint32_t)((uint64_t)distance * p->inverse_over >> 32);
		uint32_t place = wrap(distance * p->inverse - q * size, size);

		best = MIN2(best, (uint64_t)place << 32 | i);
	}
	return (uint32_t)best;
}

static void fill_last(struct maglev_fill *f)
{
	uint32_t n = 0;

	for (uint32_t s = 0; n < f->left; s++)
		if (f->is_free[s])
			f->free_slot[n++] = s;
	while (f->left > 0) {
		struct maglev_perm *p = next_turn(f);
		uint32_t i = first_free(p, f->free_slot, f->left, f->size);

		p->at = f->free_slot[i];
		f->slots[p->at] = p->index;
		f->free_slot[i] = f->free_slot[--f->left];
	}
}

/* How many slots are left when fill_last() is the faster way: half the square root of size. */
static uint32_t last_slots(uint32_t size)
{
	uint32_t n = 1;

	while ((uint64_t)n * n * 4 < size)
		n++;
	return n;
}

int maglev_build(const struct maglev_backend *b, size_t n, uint32_t size, uint32_t *ret_slots)
{
	_cleanup_free_ const struct maglev_backend **order = NULL;
	_cleanup_free_ struct maglev_perm *perms = NULL;
	_cleanup_free_ uint32_t *free_slot = NULL;
	_cleanup_free_ uint8_t *is_free = NULL;
	struct maglev_fill f = {.n = n, .size = size, .left = size, .slots = ret_slots};
	uint32_t last;
	int r;

	if (n == 0 || n > size || size > INT32_MAX || !is_prime(size))
		return -EINVAL;
	r = order_new(b, n, &order);
	if (r < 0)
		return r;
	last = last_slots(size);
	f.perms = perms = malloc(n * sizeof(*perms));
	f.free_slot = free_slot = malloc(last * sizeof(*free_slot));
	f.is_free = is_free = malloc((size_t)size * 2);
	if (!perms || !free_slot || !is_free)
		return -ENOMEM;
	memset(is_free, 1, (size_t)size * 2);
	for (size_t i = 0; i < n; i++) {
		perm_init(&perms[i], order[i], (uint32_t)(order[i] - b), size);
		f.greatest = MAX2(f.greatest, perms[i].weight);
	}
	fill(&f, MAX2(size / 2, last), FEW);
	fill(&f, last, MANY);
	fill_last(&f);
	return 0;
}

int maglev_digest(const struct maglev_backend *b, size_t n, uint32_t size, const uint32_t *slots,
		  uint64_t *ret)
{
	_cleanup_free_ uint64_t *hash = malloc(n * sizeof(*hash));
	uint64_t sum = 0;

	if (!hash)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		hash[i] = maglev_hash(&b[i].addr, 0);
	for (uint32_t i = 0; i < size; i++)
		sum += maglev_digest_slot(hash[slots[i]], i);
	*ret = sum;
	return 0;
}
