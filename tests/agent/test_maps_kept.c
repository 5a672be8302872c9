// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rings without a service that stay in the maps: found again by their backends, not once a
 * number means another address, and in nobody's way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "table_fixture.h"
#include "util.h"

#define RING 251u
#define EVEN 252u
#define VIP  "192.0.2.1"

static struct table_fx fx;

static int setup(void **state)
{
	int r = table_fx_setup(&fx);

	(void)state;
	if (fx.possible)
		table_fx_vip(&fx, VIP);
	return r;
}

static int teardown(void **state _unused_)
{
	return table_fx_teardown(&fx);
}

static struct maps_svc *set(uint16_t port, const char *backends, int result)
{
	return table_fx_set(&fx, VIP, port, RING, backends, result);
}

/* Backends that go and come back find their ring where it was. */
static void test_kept(void **state _unused_)
{
	struct maps_svc *svc;
	struct nlb_ring place;
	uint64_t made, digest;

	TABLE_FX_NEEDED(&fx);
	svc = set(80, "11 12", 1);
	place = svc->ring->place;
	digest = svc->digest;
	made = fx.table.rings.n_made;
	set(80, "", 1);
	assert_int_equal(fx.table.rings.n_kept, 1);
	assert_int_equal(fx.table.rings.kept_slots, EVEN);
	assert_int_equal(table_fx_ring_slots(&fx), 0);
	set(80, "12 11", 1);
	assert_memory_equal(&svc->ring->place, &place, sizeof(place));
	assert_true(svc->digest == digest);
	assert_int_equal(fx.table.rings.n_made, made);
	assert_int_equal(fx.table.rings.n_kept, 0);
	assert_int_equal(fx.bpf.services[svc->number].ring.base, place.base);
	/* Another's flows may be remembered: it is another ring, and kept apart. */
	set(80, "", 1);
	table_fx_flows(svc);
	set(80, "11 12", 1);
	assert_int_equal(table_fx_count(svc, NLB_SLOT_LINGER), RING);
	assert_int_equal(fx.table.rings.n_made, made + 1);
	assert_int_equal(fx.table.rings.n_kept, 1);
	/* As old as the last time that it was wanted. */
	svc->ring->gen.since -= 1000;
	set(80, "", 1);
	set(80, "11 12", 1);
	assert_int_equal(fx.table.rings.n_made, made + 1);
	assert_true(svc->ring->gen.since >= maps_gen_tick(util_now_ns()) - 1);
	/* Weights make a set another one, and so does one more that drains not. */
	set(81, "11:2 12", 1);
	assert_int_equal(fx.table.rings.n_made, made + 2);
	assert_memory_equal(&set(82, "11 12 13:0", 1)->ring->place, &place, sizeof(place));
	assert_int_equal(fx.table.rings.n_made, made + 2);
}

/* A number that means another address makes rings with it useless. */
static void test_kept_number_reused(void **state _unused_)
{
	struct maps_svc *svc;
	uint64_t digest, made;

	TABLE_FX_NEEDED(&fx);
	svc = set(80, "11", 1);
	digest = svc->digest;
	set(80, "", 1);
	/* All 16 numbers mean others. */
	set(81, "21 22 23 24 25 26 27 28", 1);
	set(82, "31 32 33 34 35 36 37 38", 1);
	set(81, "", 1);
	made = fx.table.rings.n_made;
	svc = set(80, "11", 1);
	assert_int_equal(fx.table.rings.n_made, made + 1);
	assert_true(svc->digest == digest);
	for (uint32_t i = 0; i < RING; i++)
		assert_int_equal(maps_gen_backend(svc->ring->gen.slot[i]),
				 table_fx_number(&fx, 11));
}

/* Rings that are kept are in nobody's way. */
static void test_kept_make_room(void **state _unused_)
{
	TABLE_FX_NEEDED(&fx);
	/* 2,000 slots. */
	for (int round = 0; round < 3; round++) {
		for (int n = 11; n < 20; n++) {
			char list[16];

			snprintf(list, sizeof(list), "%d", n);
			set(80, list, 1);
			set(80, "", 1);
		}
		assert_true(fx.table.rings.n_kept >= 6);
		table_fx_set(&fx, VIP, 80, 1499, "11 12", 1);
		assert_true(fx.table.rings.n_kept <= 2);
		assert_int_equal(table_fx_ring_slots(&fx), 1500);
		set(80, "", 1);
		assert_int_equal(table_fx_ring_slots(&fx), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_kept),
		TEST(test_kept_number_reused),
		TEST(test_kept_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
