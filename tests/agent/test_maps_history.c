// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Property of the maps: whatever has happened to a service, its ring is the one that the
 * definition gives for its backends (maglev_ref.h), and nothing else is left of its history
 * but the modes of slots, which follow from the change alone.
 *
 * Two tables, each with maps of its own, are led through one random history of services: the
 * first by every step, in batches cut at random; the second by some of the steps and by detours,
 * in another order, cut otherwise, with an agent that starts anew now and then. After every
 * batch all rings are read through the pinned maps, modes are held against the rule, and all that
 * is counted is counted once more. At the end of each chapter both must have the same rings,
 * by the same digests; at the end of each history, when all is removed, nothing may be left.
 *
 * NLB_HISTORY_MS: for how long (4000). NLB_SEED: where to begin; of a failure, it is printed.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "history.h"
#include "rnd.h"
#include "util.h"

#define HISTORY_MS 4000u
#define CHAPTERS   4
#define STEPS	   12
#define BATCH	   5

static struct history_side side[2];
static uint64_t seed; /* of the history that runs */

static int setup(void **state _unused_)
{
	history_open(&side[0], NULL);
	if (side[0].fx.possible)
		history_open(&side[1], &side[0]);
	return 0;
}

static int teardown(void **state _unused_)
{
	for (int i = 0; i < 2; i++)
		if (side[i].fx.possible)
			history_close(&side[i]);
	return 0;
}

/* ---- what may happen to a service ---- */

static void some_backends(struct history_want *w, struct rnd *rnd)
{
	for (size_t i = 0; i < HISTORY_POOL; i++)
		w->weight[i] = rnd_below(rnd, 3) ? HISTORY_NOT : (int8_t)(1 + rnd_below(rnd, 3));
}

static void one_backend(struct history_want *w, struct rnd *rnd)
{
	int8_t *weight = &w->weight[rnd_below(rnd, HISTORY_POOL)];

	switch (rnd_below(rnd, 3)) {
	case 0: /* comes or goes */
		*weight = *weight == HISTORY_NOT ? 1 : HISTORY_NOT;
		break;
	case 1:
		*weight = (int8_t)(1 + rnd_below(rnd, 3));
		break;
	default: /* drains */
		*weight = *weight == HISTORY_NOT ? HISTORY_NOT : 0;
	}
}

/* One alone has all slots, so that any other one's ring looks the same but for the number. */
static void alone(struct history_want *w, struct rnd *rnd)
{
	memset(w->weight, HISTORY_NOT, sizeof(w->weight));
	w->weight[rnd_below(rnd, HISTORY_POOL)] = 1;
}

static void all_drain(struct history_want *w)
{
	for (size_t i = 0; i < HISTORY_POOL; i++)
		w->weight[i] = w->weight[i] == HISTORY_NOT ? HISTORY_NOT : 0;
}

/* One step: service i of want[] is to be another one. before[]: as it was earlier. */
static void step(struct history_want *want, const struct history_want *before, size_t i,
		 struct rnd *rnd)
{
	static const uint32_t sizes[] = {31, 61, 127, 251};
	struct history_want *w = &want[i];

	switch (rnd_below(rnd, 13)) {
	case 0:
		some_backends(w, rnd);
		break;
	case 1: /* what another has, so that they share a ring */
		*w = want[rnd_below(rnd, HISTORY_SERVICES)];
		break;
	case 2: /* back to what it was */
		*w = before[i];
		break;
	case 3:
		w->size = sizes[rnd_below(rnd, ARRAY_SIZE(sizes))];
		break;
	case 4:
		memset(w->weight, HISTORY_NOT, sizeof(w->weight));
		break;
	case 5:
		all_drain(w);
		break;
	case 6:
		w->affinity = !w->affinity;
		break;
	case 7:
		w->exists = rnd_below(rnd, 2);
		break;
	case 8:
		alone(w, rnd);
		break;
	default:
		one_backend(w, rnd);
	}
	if (!w->size)
		w->size = sizes[0];
}

/* ---- the two ways through a history ---- */

static void apply_and_check(struct history_side *s)
{
	const char *wrong;

	wrong = history_apply(s);
	if (wrong)
		fail_msg("NLB_SEED=%llu: table %td: %s", (unsigned long long)seed, s - side, wrong);
}

/* Every step; some in one batch. */
static void go_straight(struct history_side *s, const struct history_want *want, size_t i,
			struct rnd *rnd)
{
	/* The VIP goes and is there again in the same batch: all of it is new. */
	if (rnd_below(rnd, 20) == 0)
		history_stage_flap(s, i, rnd);
	history_stage(s, i, &want[i], rnd);
	if (rnd_below(rnd, BATCH) == 0)
		apply_and_check(s);
	if (rnd_below(rnd, 15) == 0)
		history_age(s, rnd);
}

/* Only now and then, and to somewhere else. */
static void wander(struct history_side *s, const struct history_want *want,
		   const struct history_want *before, struct rnd *rnd)
{
	struct history_want detour[HISTORY_SERVICES];
	size_t i = rnd_below(rnd, HISTORY_SERVICES);

	if (rnd_below(rnd, 2))
		return;
	memcpy(detour, want, sizeof(detour));
	if (rnd_below(rnd, 2))
		step(detour, before, i, rnd);
	history_stage(s, i, &detour[i], rnd);
	if (rnd_below(rnd, 3) == 0)
		apply_and_check(s);
	if (rnd_below(rnd, 30) == 0)
		history_restart(s);
	if (rnd_below(rnd, 15) == 0)
		history_age(s, rnd);
}

/* All that is wanted, in any order, in one batch or several. */
static void arrive(struct history_side *s, const struct history_want *want, struct rnd *rnd)
{
	size_t order[HISTORY_SERVICES];

	for (size_t i = 0; i < HISTORY_SERVICES; i++) {
		size_t k = rnd_below(rnd, (uint32_t)i + 1);

		order[i] = order[k];
		order[k] = i;
	}
	for (size_t i = 0; i < HISTORY_SERVICES; i++) {
		history_stage(s, order[i], &want[order[i]], rnd);
		if (rnd_below(rnd, BATCH) == 0)
			apply_and_check(s);
	}
	apply_and_check(s);
}

static void compare(void)
{
	const char *wrong = history_compare(&side[0], &side[1]);

	if (wrong)
		fail_msg("NLB_SEED=%llu: %s", (unsigned long long)seed, wrong);
}

static void one_history(struct rnd *rnd)
{
	struct history_want want[HISTORY_SERVICES] = {}, before[HISTORY_SERVICES];

	for (int i = 0; i < 2; i++)
		history_begin(&side[i], (uint32_t)seed);
	for (size_t i = 0; i < HISTORY_SERVICES; i++) {
		want[i].exists = true;
		want[i].size = 61;
		some_backends(&want[i], rnd);
	}
	for (int chapter = 0; chapter < CHAPTERS; chapter++) {
		memcpy(before, want, sizeof(before));
		for (int n = 0; n < STEPS; n++) {
			size_t i = rnd_below(rnd, HISTORY_SERVICES);

			step(want, before, i, rnd);
			go_straight(&side[0], want, i, rnd);
			wander(&side[1], want, before, rnd);
		}
		/* The straight one may have missed those that never changed. */
		arrive(&side[0], want, rnd);
		arrive(&side[1], want, rnd);
		compare();
	}
	memset(want, 0, sizeof(want));
	for (int i = 0; i < 2; i++) {
		const char *left;

		arrive(&side[i], want, rnd);
		left = history_left(&side[i]);
		if (left)
			fail_msg("NLB_SEED=%llu: table %d: %s", (unsigned long long)seed, i, left);
	}
}

static void test_history_leaves_no_trace(void **state _unused_)
{
	const char *text = getenv("NLB_HISTORY_MS");
	uint64_t until =
		util_now_ns() + (text ? strtoull(text, NULL, 10) : HISTORY_MS) * 1000000ull;
	uint64_t n = 0;

	TABLE_FX_NEEDED(&side[0].fx);
	for (seed = rnd_seed(); util_now_ns() < until; seed++, n++) {
		struct rnd rnd = {seed};

		one_history(&rnd);
	}
	print_message(
		"%llu histories, %llu batches, %llu rings, %llu slots with a second backend\n",
		(unsigned long long)n, (unsigned long long)(side[0].batches + side[1].batches),
		(unsigned long long)(side[0].rings + side[1].rings),
		(unsigned long long)(side[0].recent + side[1].recent));
	assert_true(n > 0 && side[0].recent > 0 && side[1].restarts > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_history_leaves_no_trace, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
