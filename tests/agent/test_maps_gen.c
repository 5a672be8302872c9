// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Generations of rings: each rule by itself; then a plain model of what the program
 * does with packets, over random histories of backends coming, draining, going and
 * coming back: no flow moves that need not, and all slots end up STABLE.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "maglev.h"
#include "maps_gen.h"
#include "util.h"

#define S(n)	NLB_SLOT_STABLE | (n)
#define R(n)	NLB_SLOT_RECENT | (n)
#define L(n)	NLB_SLOT_LINGER | (n)
#define USED(n) NLB_SLOT_LINGER | NLB_SLOT_USED | (n)

#define SIZE	251u
#define BE	9u /* backends 1 ... 8 */

struct store {
	uint32_t slot[SIZE], old[SIZE], when[SIZE];
	struct maps_gen g;
};

static struct maps_gen *gen_of(struct store *s)
{
	s->g = (struct maps_gen){.slot = s->slot, .old = s->old, .when = s->when};
	return &s->g;
}

/* Of a slot that has one; else 0. */
static uint32_t when_of(const struct maps_gen *g, uint32_t i)
{
	return maps_gen_mode(g->slot[i]) == NLB_SLOT_STABLE ? 0 : maps_gen_when(g, i);
}

/* Backends 1, 2, 3 are alive, 4 and 5 not. Former changes at tick 7, this one at 100. */
static void test_rules(void **state _unused_)
{
	static const struct {
		uint32_t slot, old;
		uint32_t cur;
		uint32_t next_slot, next_old, next_when;
	} rules[] = {
		{S(1), 0, 1, S(1), 0, 0},
		{S(1), 0, 2, R(2), 1, 100},
		{S(4), 0, 2, S(2), 0, 0},
		{S(0), 0, 2, S(2), 0, 0},
		{S(1), 0, 0, R(0), 1, 100}, /* all drain */
		{S(4), 0, 0, S(0), 0, 0},
		{L(1), 0, 1, L(1), 0, 7},
		{USED(1), 0, 1, USED(1), 0, 7},
		{L(1), 0, 2, R(2), 1, 100},
		{USED(1), 0, 2, R(2), 1, 100},
		{L(4), 0, 2, L(2), 0, 100},
		{USED(4), 0, 2, USED(2), 0, 100},
		{R(1), 2, 1, R(1), 2, 7},
		{R(1), 2, 2, L(2), 0, 100},
		{R(1), 2, 3, R(3), 2, 7},
		{R(4), 2, 3, R(3), 2, 7},
		{R(4), 2, 2, L(2), 0, 100},
		{R(0), 2, 0, R(0), 2, 7}, /* all still drain */
		{R(0), 2, 1, R(1), 2, 7},
		{R(1), 4, 1, L(1), 0, 100},
		{R(1), 4, 2, L(2), 0, 100},
		{R(4), 5, 2, L(2), 0, 100},
		/* What the program might leave behind does no harm. */
		{NLB_SLOT_USED | 1, 0, 1, S(1), 0, 0},
		{NLB_SLOT_USED | R(1), 2, 1, R(1), 2, 7},
	};
	const bool alive[BE] = {[1] = true, [2] = true, [3] = true};
	struct store prev, next;

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		prev.slot[0] = rules[i].slot;
		prev.old[0] = rules[i].old;
		prev.when[0] = 7;
		gen_of(&prev)->recent = maps_gen_mode(prev.slot[0]) == NLB_SLOT_RECENT;
		prev.g.linger = maps_gen_mode(prev.slot[0]) == NLB_SLOT_LINGER;
		maps_gen_next(&prev.g, 1, &rules[i].cur, alive, 100, 0, gen_of(&next));
		if (next.slot[0] != rules[i].next_slot || next.old[0] != rules[i].next_old ||
		    when_of(&next.g, 0) != rules[i].next_when)
			fail_msg("rule %zu: slot %#x, old %u, when %u", i, next.slot[0],
				 next.old[0], when_of(&next.g, 0));
		assert_int_equal(next.g.recent,
				 maps_gen_mode(rules[i].next_slot) == NLB_SLOT_RECENT);
		assert_int_equal(next.g.linger,
				 maps_gen_mode(rules[i].next_slot) == NLB_SLOT_LINGER);
	}
}

static void test_first(void **state _unused_)
{
	const uint32_t cur[] = {3, 1, 0};
	const bool alive[BE] = {};
	struct store s;

	maps_gen_next(NULL, 3, cur, alive, 5, NLB_SLOT_STABLE, gen_of(&s));
	assert_memory_equal(s.slot, cur, sizeof(cur));
	assert_int_equal(s.g.recent + s.g.linger, 0);
	/* With flows of an earlier ring that it does not know. */
	maps_gen_next(NULL, 3, cur, alive, 5, NLB_SLOT_LINGER, gen_of(&s));
	assert_int_equal(s.slot[1], L(1));
	assert_int_equal(when_of(&s.g, 1), 5);
	assert_int_equal(s.g.linger, 3);
}

static void test_age(void **state _unused_)
{
	struct store s = {
		.slot = {S(1), R(2), R(3), L(4), USED(5), L(6)},
		.old = {0, 7, 8},
		.when = {0, 10, 11, 10, 10, 90},
	};
	struct maps_gen *g = gen_of(&s);

	g->recent = 2;
	g->linger = 3;
	/* Not yet; and a clock that is behind harms nothing. */
	assert_int_equal(maps_gen_age(g, 0, 6, 29, 20), 0);
	assert_int_equal(maps_gen_age(g, 0, 6, 3, 20), 0);
	/* Only the part that was asked for. */
	assert_int_equal(maps_gen_age(g, 0, 1, 30, 20), 0);
	assert_int_equal(maps_gen_age(g, 0, 6, 30, 20), 2);
	assert_int_equal(s.slot[1], L(2));
	assert_int_equal(s.when[1], 30);
	assert_int_equal(s.slot[2], R(3));
	assert_int_equal(s.slot[3], S(4));
	assert_int_equal(s.slot[4], L(5)); /* taken back: looked at again in 20 */
	assert_int_equal(s.when[4], 30);
	assert_int_equal(s.slot[5], L(6));
	assert_int_equal(g->recent, 1);
	assert_int_equal(g->linger, 3);
	/* Used again: it stays; not used: it is over. */
	s.slot[1] |= NLB_SLOT_USED;
	assert_int_equal(maps_gen_age(g, 0, 6, 50, 20), 2);
	assert_int_equal(s.slot[1], L(2));
	assert_int_equal(s.slot[2], L(3));
	assert_int_equal(s.slot[4], S(5));
	assert_int_equal(maps_gen_age(g, 0, 6, 70, 20), 2);
	assert_int_equal(maps_gen_age(g, 0, 6, 110, 20), 1);
	assert_int_equal(g->recent + g->linger, 0);
	for (int i = 0; i < 6; i++)
		assert_int_equal(s.slot[i], S((uint32_t)i + 1));
}

/* All of one age, and then no more. */
static void test_flat(void **state _unused_)
{
	struct store s = {.slot = {L(1), USED(2), S(3)}};
	struct maps_gen *g = gen_of(&s);

	g->linger = 2;
	g->since = 10;
	g->flat = true;
	assert_false(maps_gen_due(g, 29, 20));
	assert_int_equal(maps_gen_age(g, 0, 3, 29, 20), 0);
	assert_true(maps_gen_due(g, 30, 20));
	maps_gen_unflatten(g, 3);
	assert_int_equal(maps_gen_age(g, 0, 3, 30, 20), 1);
	assert_int_equal(s.slot[0], S(1));
	assert_int_equal(s.slot[1], L(2));
	assert_int_equal(maps_gen_when(g, 1), 30);
	/* From now on nothing is older than this. */
	g->since = 40;
	assert_int_equal(maps_gen_when(g, 1), 40);
	assert_int_equal(maps_gen_age(g, 0, 3, 50, 20), 0);
	assert_int_equal(maps_gen_age(g, 0, 3, 60, 20), 1);
	assert_false(maps_gen_due(g, 1000, 20));
}

static void test_merge(void **state _unused_)
{
	struct store a = {.slot = {L(1), L(2), S(3)}, .when = {10, 20, 99}}, b = a, flat = a;

	b.when[0] = 15;
	b.when[1] = 5;
	maps_gen_merge(gen_of(&a), gen_of(&b), 3);
	assert_int_equal(maps_gen_when(&a.g, 0), 15);
	assert_int_equal(maps_gen_when(&a.g, 1), 20);
	gen_of(&flat)->flat = true;
	flat.g.since = 12;
	maps_gen_merge(&a.g, &flat.g, 3);
	assert_int_equal(maps_gen_when(&a.g, 0), 15);
	maps_gen_merge(&b.g, &flat.g, 3);
	assert_int_equal(maps_gen_when(&b.g, 1), 12);
	/* The latest of all: times of STABLE slots are none. */
	maps_gen_merge(&flat.g, &a.g, 3);
	assert_true(flat.g.flat);
	assert_int_equal(maps_gen_when(&flat.g, 0), 20);
}

static void test_equal(void **state _unused_)
{
	struct store a = {.slot = {S(1), R(2), L(3)}, .old = {9, 4, 9}}, b = a;
	struct maps_gen *x = gen_of(&a), *y = gen_of(&b);

	/* What does not count: USED, the old backends of slots that are not RECENT. */
	b.slot[2] |= NLB_SLOT_USED;
	b.old[0] = b.old[2] = 0;
	assert_true(maps_gen_equal(x, y, 3));
	assert_int_equal(maps_gen_hash(x, 3), maps_gen_hash(y, 3));
	for (int i = 0; i < 5; i++) {
		b = a;
		gen_of(&b);
		switch (i) {
		case 0:
			b.slot[0] = S(2);
			break;
		case 1:
			b.slot[1] = L(2);
			break;
		case 2:
			b.old[1] = 5;
			break;
		case 3:
			b.slot[2] = S(3);
			break;
		case 4:
			b.slot[0] = S(2);
			b.slot[2] = L(1);
			break;
		}
		assert_false(maps_gen_equal(x, y, 3));
		assert_int_not_equal(maps_gen_hash(x, 3), maps_gen_hash(y, 3));
	}
	assert_int_not_equal(maps_gen_hash(x, 3), maps_gen_hash(x, 2));
}

static bool below_6(void *user _unused_, uint32_t number)
{
	return number < 6;
}

static void test_adopt(void **state _unused_)
{
	static const struct {
		uint32_t slot, old;
		bool fine;
	} cases[] = {
		{S(5), 77, true},	 {S(6), 0, false}, {S(0), 0, true},
		{R(5), 4, true},	 {R(5), 6, false}, {R(5), 0, false},
		{R(0), 4, true},	 {L(5), 0, true},  {USED(5), 0, true},
		{L(6), 0, false},	 {~0u, 4, false},  {NLB_SLOT_MODE | 5, 4, false},
		{0x10000000u, 0, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct store s = {.slot = {cases[i].slot}, .old = {cases[i].old}};
		struct maps_gen *g = gen_of(&s);

		if (maps_gen_adopt(g, 1, 42, below_6, NULL) != cases[i].fine)
			fail_msg("case %zu", i);
		if (!cases[i].fine)
			continue;
		assert_int_equal(g->recent, maps_gen_mode(cases[i].slot) == NLB_SLOT_RECENT);
		assert_int_equal(g->linger, maps_gen_mode(cases[i].slot) == NLB_SLOT_LINGER);
		assert_int_equal(when_of(g, 0), g->recent || g->linger ? 42 : 0);
		/* No room for a second ring: then there must be nothing RECENT. */
		g->old = g->when = NULL;
		assert_int_equal(maps_gen_adopt(g, 1, 42, below_6, NULL), g->recent == 0);
	}
}

/* ---- flows ---- */

#define FLOWS 4000u
#define IDLE  6u /* ticks */
#define CHURN 1500u

struct flow {
	uint32_t slot;
	uint32_t at;	  /* the backend that has it; 0: it is not there */
	uint32_t entry;	  /* what is remembered of it; 0: nothing */
	uint32_t touched; /* tick of that */
	uint32_t due;	  /* of its next packet */
	bool lost;	  /* its backend went, even if it came back: it may move */
};

/* As an owner of rings does it. */
static void age(struct maps_gen *g, uint32_t now)
{
	if (g->flat && maps_gen_due(g, now, IDLE))
		maps_gen_unflatten(g, SIZE);
	maps_gen_age(g, 0, SIZE, now, IDLE);
}

struct model {
	struct store rings[2];
	struct maps_gen *live, *spare;
	struct flow flows[FLOWS];
	uint32_t weight[BE]; /* 0: draining or not there */
	bool alive[BE];
	uint32_t now;
	unsigned int seed;
	uint32_t moved; /* flows whose backend went */
};

static uint32_t pick(struct model *m, uint32_t n)
{
	return (uint32_t)rand_r(&m->seed) % n;
}

/* What the program does, as nlb_shared.h says. */
static uint32_t route(struct model *m, struct flow *f, bool syn)
{
	uint32_t *slot = &m->live->slot[f->slot], cur = maps_gen_backend(*slot), to;
	uint32_t mode = maps_gen_mode(*slot);

	if (mode == NLB_SLOT_STABLE)
		return cur;
	if (f->entry && (m->now - f->touched > IDLE || syn || !m->alive[f->entry]))
		f->entry = 0;
	to = f->entry;
	if (mode == NLB_SLOT_RECENT && !to) {
		to = syn ? cur : m->live->old[f->slot];
		f->entry = to;
	}
	if (f->entry)
		f->touched = m->now;
	if (mode == NLB_SLOT_LINGER && !to)
		to = cur;
	/* What the slot does anyway need not be remembered. */
	if (mode == NLB_SLOT_LINGER && to == cur)
		f->entry = 0;
	if (mode == NLB_SLOT_LINGER && to != cur)
		*slot |= NLB_SLOT_USED;
	return to;
}

static void step_flow(struct model *m, struct flow *f)
{
	uint32_t to;

	if (!f->at) {
		/* The same addresses and ports again: what is remembered is still there. */
		f->lost = false;
		f->at = route(m, f, true);
		/* A new flow goes to a backend that takes new ones, if there is one. */
		if (f->at)
			assert_true(m->weight[f->at] > 0);
	} else if (pick(m, 20) == 0) {
		f->at = 0;
		return;
	} else {
		to = route(m, f, false);
		if (to != f->at && !f->lost)
			fail_msg("tick %u: flow %zu in slot %u (%#x) of backend %u went to %u",
				 m->now, (size_t)(f - m->flows), f->slot, m->live->slot[f->slot],
				 f->at, to);
		m->moved += to != f->at;
		f->at = to;
		f->lost = false;
	}
	f->due = m->now + pick(m, IDLE - 1) + 1;
}

static void change_ring(struct model *m)
{
	struct maglev_backend list[BE];
	uint32_t number[BE], cur[SIZE] = {};
	struct maps_gen *next = m->spare;
	size_t n = 0;

	for (uint32_t b = 1; b < BE; b++) {
		if (!m->weight[b])
			continue;
		number[n] = b;
		list[n++] = (struct maglev_backend){.addr.b = {[15] = (uint8_t)b},
						    .weight = m->weight[b]};
	}
	if (n) {
		assert_int_equal(maglev_build(list, n, SIZE, cur), 0);
		for (uint32_t i = 0; i < SIZE; i++)
			cur[i] = number[cur[i]];
	}
	maps_gen_next(m->live, SIZE, cur, m->alive, m->now, NLB_SLOT_STABLE, next);
	m->spare = m->live ? m->live : gen_of(&m->rings[1]);
	m->live = next;
}

/* A backend comes, drains, goes for good, or changes its weight. */
static void change(struct model *m)
{
	uint32_t b = 1 + pick(m, BE - 1);

	switch (pick(m, 4)) {
	case 0:
		m->alive[b] = false;
		m->weight[b] = 0;
		for (uint32_t i = 0; i < FLOWS; i++)
			m->flows[i].lost |= m->flows[i].at == b;
		break;
	case 1:
		m->weight[b] = 0;
		break;
	default:
		m->alive[b] = true;
		m->weight[b] = 1 + pick(m, 3);
		break;
	}
	change_ring(m);
}

static void test_flows(void **state _unused_)
{
	for (unsigned int seed = 1; seed <= 20; seed++) {
		_cleanup_free_ struct model *m = calloc(1, sizeof(*m));
		uint32_t changes = 0, busy = 0;

		assert_non_null(m);
		m->seed = seed;
		m->spare = gen_of(&m->rings[0]);
		for (uint32_t b = 1; b <= 4; b++) {
			m->alive[b] = true;
			m->weight[b] = 1;
		}
		for (uint32_t i = 0; i < FLOWS; i++)
			m->flows[i].slot = pick(m, SIZE);
		change_ring(m);
		/* In the second half changes are so rare that slots come to rest between. */
		for (m->now = 1; m->now < CHURN; m->now++) {
			if (pick(m, m->now < CHURN / 2 ? 4 : 40) == 0) {
				change(m);
				changes++;
			}
			age(m->live, m->now);
			busy += m->live->recent > 0;
			for (uint32_t i = 0; i < FLOWS; i++)
				if (m->flows[i].due <= m->now)
					step_flow(m, &m->flows[i]);
		}
		assert_true(changes > 150 && m->moved > 100 && busy > CHURN / 4);
		for (uint32_t end = m->now + 1000; m->now < end; m->now++) {
			age(m->live, m->now);
			for (uint32_t i = 0; i < FLOWS; i++)
				if (m->flows[i].due <= m->now)
					step_flow(m, &m->flows[i]);
		}
		assert_int_equal(m->live->recent + m->live->linger, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules), cmocka_unit_test(test_first),
		cmocka_unit_test(test_age),   cmocka_unit_test(test_flat),
		cmocka_unit_test(test_merge), cmocka_unit_test(test_equal),
		cmocka_unit_test(test_adopt), cmocka_unit_test(test_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
