/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random numbers that are the same in every run (SplitMix64; Steele et al., OOPSLA
 * 2014), for tests that try many things:
 *
 *	struct rnd r = {rnd_seed()};
 */
#ifndef NLB_TESTS_RND_H
#define NLB_TESTS_RND_H

#include <stddef.h>
#include <stdint.h>

struct rnd {
	uint64_t state;
};

/* NLB_SEED of the environment, else 1; printed when it is not 1. */
uint64_t rnd_seed(void);

uint64_t rnd_next(struct rnd *r);

/* 0 ... n - 1; n >= 1. */
uint32_t rnd_below(struct rnd *r, uint32_t n);

void rnd_bytes(struct rnd *r, void *to, size_t n);

#endif
