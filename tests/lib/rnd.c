// SPDX-License-Identifier: GPL-2.0-or-later
/* Repeatable random numbers; see rnd.h. */
#include <stdio.h>
#include <stdlib.h>

#include "rnd.h"

uint64_t rnd_seed(void)
{
	const char *text = getenv("NLB_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : 1;

	if (seed != 1)
		fprintf(stderr, "NLB_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

uint64_t rnd_next(struct rnd *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint32_t rnd_below(struct rnd *r, uint32_t n)
{
	return (uint32_t)(((rnd_next(r) & 0xffffffff) * n) >> 32);
}

void rnd_bytes(struct rnd *r, void *to, size_t n)
{
	uint8_t *b = to;

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)rnd_next(r);
}
