// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many services set at once: each ends as if it had been set alone; what fails fails alone;
 * what waits for room gets it from the others; entries of nlb_gone go in and out together.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "maglev_ref.h"
#include "table_fixture.h"
#include "util.h"

#define VIP	 "192.0.2.1"
#define SERVICES 30u
#define MEMBERS	 8u
#define RING	 31u

static struct table_fx fx;

static int setup(void **state)
{
	int r = table_fx_setup(&fx);

	(void)state;
	if (fx.possible)
		table_fx_vip(&fx, VIP);
	return r;
}

static int teardown(void **state)
{
	(void)state;
	return table_fx_teardown(&fx);
}

static struct maps_member members[SERVICES][MEMBERS];
static struct maps_svc_op ops[SERVICES];

/* Service i is to have n backends, from 10.0.0.(first) on. */
static void want(uint32_t i, uint32_t ring_size, uint32_t first, uint32_t n)
{
	ops[i] = (struct maps_svc_op){
		.key = table_fx_key(VIP, (uint16_t)(100 + i)),
		.want = {.ring_size = ring_size, .n = n, .members = members[i]},
	};
	for (uint32_t k = 0; k < n; k++) {
		char text[32];

		snprintf(text, sizeof(text), "10.0.0.%u", first + k);
		members[i][k] =
			(struct maps_member){.addr = table_fx_addr(text), .weight = 1 + k % 2};
	}
}

/* The service leads where the definition says. */
static void check(uint32_t i)
{
	const struct maps_svc *svc = ops[i].svc;
	struct maglev_backend b[MEMBERS];
	uint32_t slots[RING];

	assert_ptr_equal(svc, table_fx_svc(&fx, VIP, (uint16_t)(100 + i)));
	assert_int_equal(fx.bpf.services[svc->number].ring.size, ops[i].want.n ? RING : 0);
	if (!ops[i].want.n)
		return;
	for (size_t k = 0; k < svc->n_members; k++)
		b[k] = (struct maglev_backend){svc->members[k].addr, svc->members[k].weight};
	assert_int_equal(maglev_ref_build(b, svc->n_members, RING, slots), 0);
	for (uint32_t s = 0; s < RING; s++)
		assert_int_equal(maps_gen_backend(fx.bpf.slots[svc->ring->place.base + s]),
				 svc->members[slots[s]].number);
}

static void test_many(void **state _unused_)
{
	TABLE_FX_NEEDED(&fx);
	for (uint32_t round = 0; round < 40; round++) {
		for (uint32_t i = 0; i < SERVICES; i++)
			want(i, RING, 11 + (i * 5 + round) % 8, (i + round * 3) % (MEMBERS + 1));
		maps_table_svc_set_many(&fx.table, ops, SERVICES);
		for (uint32_t i = 0; i < SERVICES; i++) {
			assert_in_range(ops[i].result, 0, 1);
			check(i);
		}
		/* Once more: nothing to do. */
		maps_table_svc_set_many(&fx.table, ops, SERVICES);
		for (uint32_t i = 0; i < SERVICES; i++)
			assert_int_equal(ops[i].result, 0);
	}
	assert_true(table_fx_gone(&fx) > 0);
}

static void test_some_fail(void **state _unused_)
{
	TABLE_FX_NEEDED(&fx);
	for (uint32_t i = 0; i < 6; i++)
		want(i, RING, 11, 2);
	maps_table_svc_set_many(&fx.table, ops, 6);
	for (uint32_t i = 0; i < 6; i++)
		want(i, RING, 13, 2);
	ops[1].want.ring_size = 30; /* not a prime */
	members[2][1] = members[2][0];
	ops[3].key = table_fx_key("192.0.2.99", 80);
	ops[4].want.conf.flags = NLB_SVC_F_QUIC; /* of TCP */
	want(5, 0x7fffffff, 13, 2);
	maps_table_svc_set_many(&fx.table, ops, 6);
	assert_int_equal(ops[0].result, 1);
	check(0);
	assert_int_equal(ops[1].result, -EINVAL);
	assert_non_null(strstr(ops[1].reason, "no ring of 30 slots"));
	assert_int_equal(ops[2].result, -EINVAL);
	assert_string_equal(ops[2].reason, "a backend is listed twice");
	assert_int_equal(ops[3].result, -ENOENT);
	assert_null(ops[3].svc);
	assert_int_equal(ops[4].result, -EINVAL);
	assert_int_equal(ops[5].result, -EINVAL);
	/* They have what they had. */
	assert_int_equal(fx.table.backends.n_used, 4);
	for (uint32_t i = 1; i < 6; i++) {
		if (i == 3)
			continue;
		assert_int_equal(ops[i].svc->n_members, 2);
		assert_int_equal(ops[i].svc->members[0].addr.b[15], 11);
	}
}

/* Rings of 997 slots, of which there are two places. */
static void test_room_of_the_others(void **state _unused_)
{
	struct maps_svc_op both[2];
	const struct maps_svc_op *failed;

	TABLE_FX_NEEDED(&fx);
	want(0, 997, 11, 1);
	want(1, 997, 12, 1);
	maps_table_svc_set_many(&fx.table, ops, 2);
	assert_int_equal(ops[0].result + ops[1].result, 2);
	/* One goes, so that there is room for the other's new ring; no matter in which order. */
	want(0, 997, 13, 1);
	want(1, 997, 0, 0);
	maps_table_svc_set_many(&fx.table, ops, 2);
	assert_int_equal(ops[0].result, 1);
	assert_int_equal(ops[1].result, 1);
	want(1, 997, 14, 1);
	want(0, 997, 0, 0);
	maps_table_svc_set_many(&fx.table, ops, 2);
	assert_int_equal(ops[0].result, 1);
	assert_int_equal(ops[1].result, 1);
	/* Two new ones beside it are too much: one has to do without, and says so. */
	want(0, 997, 15, 1);
	want(2, 997, 16, 1);
	both[0] = ops[0];
	both[1] = ops[2];
	maps_table_svc_set_many(&fx.table, both, 2);
	failed = &both[both[0].result == 1];
	assert_int_equal(both[0].result + both[1].result, 1 - ENOSPC);
	assert_string_equal(failed->reason, "ring-slots (2000) used up: 1996 in use, 997 wanted");
}

/* Of services with flows: those that leave are noted, those that come back are not any more. */
static void test_gone(void **state _unused_)
{
	TABLE_FX_NEEDED(&fx);
	for (uint32_t i = 0; i < 10; i++)
		want(i, RING, 11, MEMBERS);
	maps_table_svc_set_many(&fx.table, ops, 10);
	for (uint32_t i = 0; i < 10; i++)
		table_fx_flows(ops[i].svc);
	for (uint32_t i = 0; i < 10; i++)
		want(i, RING, 11, i < 5 ? 0 : 3);
	maps_table_svc_set_many(&fx.table, ops, 10);
	assert_int_equal(table_fx_gone(&fx), 5 * 8 + 5 * 5);
	assert_true(table_fx_is_gone(&fx, ops[0].svc, 11));
	assert_false(table_fx_is_gone(&fx, ops[9].svc, 11));
	for (uint32_t i = 0; i < 10; i++)
		want(i, RING, 12, 4);
	maps_table_svc_set_many(&fx.table, ops, 10);
	assert_int_equal(table_fx_gone(&fx), 10 * 4);
	assert_false(table_fx_is_gone(&fx, ops[0].svc, 12));
	/* Under other numbers, all the same. */
	for (uint32_t i = 0; i < 10; i++) {
		want(i, RING, 11, 4);
		ops[i].want.conf.flags = NLB_SVC_F_AFFINITY;
	}
	maps_table_svc_set_many(&fx.table, ops, 10);
	assert_int_equal(ops[0].result, 1);
	assert_int_equal(table_fx_gone(&fx), 10 * 4);
	assert_true(table_fx_is_gone(&fx, ops[0].svc, 15));
	assert_false(table_fx_is_gone(&fx, ops[0].svc, 11));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_many),
		TEST(test_some_fail),
		TEST(test_room_of_the_others),
		TEST(test_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
