/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One table with maps of its own on its way through a history of services, and all that
 * can be said of it after each batch:
 *
 *	history_open(&a, NULL);			the node, and the first table
 *	history_open(&b, &a);			another one beside it
 *	history_begin(&a, 1);			which addresses the pool has
 *	history_stage(&a, 0, &want, &rnd);	as frames of the parent's
 *	assert_null(history_apply(&a));		or what is wrong
 *	assert_null(history_compare(&a, &b));
 */
#ifndef NLB_TESTS_HISTORY_H
#define NLB_TESTS_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "maps_stage.h"
#include "ring_walk.h"
#include "rnd.h"
#include "table_fixture.h"

#define HISTORY_SERVICES 8u /* two on each VIP */
#define HISTORY_POOL	 20u
#define HISTORY_SIZE_MAX 251u
#define HISTORY_NOT	 (-1) /* weight of a backend that the service has not */

/* A service as it should be. */
struct history_want {
	bool exists;
	bool affinity;
	uint32_t size;
	int8_t weight[HISTORY_POOL]; /* 0: drains */
};

/* A service as it was before a batch, by addresses. */
struct history_snap {
	uint32_t number;
	uint64_t word;
	uint32_t size; /* of its ring; 0: none */
	struct {
		uint32_t mode;
		struct addr is, old; /* unspecified: none */
	} slot[HISTORY_SIZE_MAX];
};

struct history_side {
	struct table_fx fx;
	struct maps_stage stage;
	struct ring_walk walk;
	struct history_want staged[HISTORY_SERVICES], applied[HISTORY_SERVICES];
	bool fresh[HISTORY_SERVICES]; /* removed and made anew in this batch */
	/*
	 * Not set since a restart: it may get another ring that is the same in all, if aging had
	 * made two of them equal.
	 */
	bool adopted[HISTORY_SERVICES];
	bool sent[HISTORY_SERVICES]; /* in this batch */
	struct history_snap before[HISTORY_SERVICES];
	uint32_t era; /* says which addresses the pool has */
	uint32_t aged_s;
	uint64_t batches, rings, recent, restarts;
	char wrong[256];
};

/* beside: NULL: makes the node (fx.possible false: it cannot be); else another table on it. */
void history_open(struct history_side *s, const struct history_side *beside);
void history_close(struct history_side *s);

/* All services are gone; the pool has other addresses for another era. */
void history_begin(struct history_side *s, uint32_t era);

void history_stage(struct history_side *s, size_t i, const struct history_want *want,
		   struct rnd *rnd);

/* The VIP of service i goes and comes back with all it had, in this batch. */
void history_stage_flap(struct history_side *s, size_t i, struct rnd *rnd);

/* Applies the batch and checks all; NULL, or what is wrong. */
const char *history_apply(struct history_side *s);

/* Time passes, and slots change their modes. */
void history_age(struct history_side *s, struct rnd *rnd);

/* Another agent takes over; what is staged goes on. */
void history_restart(struct history_side *s);

/* NULL, or in which service the two differ. Nothing may be staged. */
const char *history_compare(struct history_side *a, struct history_side *b);

/* NULL, or what is still there though all services were removed. */
const char *history_left(struct history_side *s);

#endif
