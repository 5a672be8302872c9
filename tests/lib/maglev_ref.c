// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Maglev's table by its definition (agent/maglev.c), one look at one slot at a time:
 * what every ring has to be equal to, and what its speed is compared with.
 */
#include <string.h>

#include "maglev_ref.h"
#include "util.h"

#define REF_SEED_OFFSET 0x6f66667365740000ull /* "offset" */
#define REF_SEED_SKIP	0x736b697000000000ull /* "skip" */
#define REF_FREE	UINT32_MAX

struct ref_perm {
	const struct maglev_backend *b;
	uint32_t next; /* the permutation's current slot */
	uint32_t skip;
	uint32_t weight;
	uint64_t turns;
};

static int perm_cmp(const void *a, const void *b)
{
	const struct ref_perm *x = a, *y = b;

	return addr_cmp(&x->b->addr, &y->b->addr);
}

/* Sorted by address, at the start of their permutations. */
static int perms_new(const struct maglev_backend *b, size_t n, uint32_t size, struct ref_perm **ret)
{
	_cleanup_free_ struct ref_perm *perms = calloc(n, sizeof(*perms));

	if (!perms)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct ref_perm *p = &perms[i];

		if (b[i].weight < 1 || b[i].weight > MAGLEV_WEIGHT_MAX)
			return -EINVAL;
		p->b = &b[i];
		p->weight = b[i].weight;
		p->next = (uint32_t)(maglev_hash(&b[i].addr, REF_SEED_OFFSET) % size);
		if (size > 2)
			p->skip =
				(uint32_t)(maglev_hash(&b[i].addr, REF_SEED_SKIP) % (size - 1)) + 1;
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

static void take_slot(struct ref_perm *p, uint32_t size, uint32_t index, uint32_t *slots)
{
	uint32_t at = p->next; /* size is below 2^31: at + skip fits */

	while (slots[at] != REF_FREE) {
		at += p->skip;
		if (at >= size)
			at -= size;
	}
	slots[at] = index;
	p->next = at;
	p->turns++;
}

int maglev_ref_build(const struct maglev_backend *b, size_t n, uint32_t size, uint32_t *ret_slots)
{
	_cleanup_free_ struct ref_perm *perms = NULL;
	uint32_t filled = 0, greatest = 0;
	int r;

	r = perms_new(b, n, size, &perms);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		greatest = MAX2(greatest, perms[i].weight);
	memset(ret_slots, 0xff, (size_t)size * sizeof(*ret_slots));
	for (uint64_t round = 1; filled < size; round++) {
		for (size_t i = 0; i < n && filled < size; i++) {
			struct ref_perm *p = &perms[i];

			if (round * p->weight < (p->turns + 1) * greatest)
				continue;
			take_slot(p, size, (uint32_t)(p->b - b), ret_slots);
			filled++;
		}
	}
	return 0;
}
