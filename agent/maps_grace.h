/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When may something that the program could still be using be used again?
 * Time is counted in epochs: maps_grace_wait() waits until every run of a
 * program that had begun before it has ended, and begins a new epoch. What
 * was taken out of the maps in an epoch is free from the next one on.
 */
#ifndef NLB_AGENT_MAPS_GRACE_H
#define NLB_AGENT_MAPS_GRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct maps_grace {
	int outer_fd, inner_fd;
	uint64_t epoch; /* begins at 1 */
};

/* Needs CAP_BPF. Returns 0 or -errno. */
int maps_grace_init(struct maps_grace *g);
void maps_grace_done(struct maps_grace *g);

/* Takes some milliseconds. Returns 0 or -errno (then the epoch stays). */
int maps_grace_wait(struct maps_grace *g);

/*
 * Numbers (of VIPs, of services) that are free, first in, first out, so that
 * a number rests as long as possible before it means something else.
 */
struct maps_numbers {
	struct maps_number {
		uint32_t number;
		uint64_t epoch; /* in which it was given back; 0: never used */
	} * free;
	size_t head, n, cap;
};

/* All numbers from 0 to n - 1 that used[] does not mark. 0 or -ENOMEM. */
int maps_numbers_init(struct maps_numbers *p, uint32_t n, const bool *used);
void maps_numbers_done(struct maps_numbers *p);

/* Did the number that is next mean something before, in this process? */
bool maps_numbers_used(const struct maps_numbers *p);

/* Waits for a grace period where it must. Returns 0, -ENOSPC or -errno. */
int maps_numbers_get(struct maps_numbers *p, struct maps_grace *g, uint32_t *ret);
void maps_numbers_put(struct maps_numbers *p, const struct maps_grace *g, uint32_t number);

#endif
