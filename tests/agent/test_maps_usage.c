// SPDX-License-Identifier: GPL-2.0-or-later
/* What is said to be taken of the maps, when a limit comes near, and digests of services. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "maps_usage.h"
#include "table_fixture.h"
#include "util.h"

#define RING 251u
#define VIP  "192.0.2.1"

static struct table_fx fx;

static int setup(void **state _unused_)
{
	return table_fx_setup(&fx);
}

static int teardown(void **state _unused_)
{
	return table_fx_teardown(&fx);
}

static void test_levels(void **state _unused_)
{
	static const struct {
		uint64_t used;
		uint8_t was, is;
	} rows[] = {
		{0, 0, 0},
		{799, 0, 0},
		{800, 0, 1},
		{949, 1, 1},
		{950, 1, 2},
		{1000, 2, 2},
		/* Up at one mark, down below another. */
		{900, 2, 2},
		{899, 2, 1},
		{750, 1, 1},
		{749, 1, 0},
		{1000, 0, 2},
		{0, 2, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(maps_usage_level(rows[i].used, 1000, rows[i].was), rows[i].is);
	assert_int_equal(maps_usage_level(5, 0, 1), 0);
	assert_int_equal(maps_usage_level(UINT32_MAX, UINT32_MAX, 0), 2);
}

static void test_usage(void **state _unused_)
{
	const struct msg_usage_count *k;
	struct msg_usage usage;

	TABLE_FX_NEEDED(&fx);
	table_fx_vip(&fx, VIP);
	table_fx_set(&fx, VIP, 80, RING, "11 12", 1);
	table_fx_set(&fx, VIP, 81, RING, "11 12", 1);
	table_fx_set(&fx, VIP, 82, RING, "13", 1);
	table_fx_set(&fx, VIP, 82, RING, "14", 1);
	maps_usage_get(&fx.table, &usage);
	k = usage.kinds;
	assert_int_equal(k[MSG_USAGE_VIPS].used, 1);
	assert_int_equal(k[MSG_USAGE_VIPS].max, fx.host.cfg.max_vips);
	assert_int_equal(k[MSG_USAGE_SERVICES].used, 3);
	assert_int_equal(k[MSG_USAGE_BACKENDS].used, 3);
	assert_int_equal(k[MSG_USAGE_BACKENDS].retired, 1);
	/* One ring for two services; the one that went is retired. */
	assert_int_equal(k[MSG_USAGE_RING_SLOTS].used, 2 * (RING + 1));
	assert_int_equal(k[MSG_USAGE_RING_SLOTS].retired, RING + 1);
	assert_int_equal(k[MSG_USAGE_RING_SLOTS].max, fx.host.cfg.ring_slots);
	assert_true(k[MSG_USAGE_RING_SLOTS].bytes >= fx.host.cfg.ring_slots * 4u);
	assert_true(k[MSG_USAGE_FLOWS].bytes >= fx.host.cfg.max_flows * 8u);
	assert_int_equal(k[MSG_USAGE_FRAGMENTS].used, 0);
	assert_true(usage.rss > 1 << 20);
}

/* Flows are counted in a round of the sweep. */
static void test_flows(void **state _unused_)
{
	struct msg_usage usage;
	uint64_t now;

	TABLE_FX_NEEDED(&fx);
	now = util_now_ns();
	for (int i = 0; i < 7; i++)
		fx.bpf.flows[i * 3].flow[i] =
			1ull << 40 | (uint64_t)(maps_gen_tick(now) & 1023) << 22 | i;
	for (int s = 0; s <= 130; s++)
		maps_flows_sweep(&fx.table.flows, now + (uint64_t)s * 1000000000, UINT32_MAX);
	maps_usage_get(&fx.table, &usage);
	assert_int_equal(usage.kinds[MSG_USAGE_FLOWS].used, 7);
}

/* ---- digests ---- */

static uint64_t digest(uint16_t port, const struct maps_svc_conf *conf, uint32_t size,
		       const char *backends)
{
	static const struct maps_svc_conf none;
	struct maps_svc_key key = table_fx_key(VIP, port);
	char reason[MSG_REASON_LEN];
	struct maps_svc *svc;

	if (conf && conf->flags & NLB_SVC_F_QUIC)
		key.protocol = IPPROTO_UDP;
	assert_true(table_fx_want(&fx, &key, conf ? conf : &none, size, backends, &svc, reason) >=
		    0);
	return svc->digest;
}

static void test_digests(void **state _unused_)
{
	const struct maps_svc_conf affinity = {.flags = NLB_SVC_F_AFFINITY};
	const struct maps_svc_conf quic = {NLB_SVC_F_QUIC, 1, 3}, quic2 = {NLB_SVC_F_QUIC, 2, 3};
	uint64_t d, other[8];
	size_t n = 0;

	TABLE_FX_NEEDED(&fx);
	table_fx_vip(&fx, VIP);
	/* The number of 13 is another one after the restart, and so is the past. */
	digest(79, NULL, RING, "13 14");
	d = digest(80, NULL, RING, "11 12 13");
	assert_true(d != 0);
	assert_true(digest(81, NULL, RING, "13 11 12") == d);
	other[n++] = digest(80, NULL, RING, "11 12 13:2");
	other[n++] = digest(80, NULL, RING, "11 12 13:0");
	other[n++] = digest(80, NULL, RING, "11 12");
	other[n++] = digest(80, NULL, 241, "11 12 13");
	other[n++] = digest(80, &affinity, RING, "11 12 13");
	assert_true(digest(80, NULL, RING, "11 12 13") == d);
	/* Weights that make the same ring are another set all the same. */
	other[n++] = digest(80, NULL, RING, "11:2 12:2 13:2");
	other[n++] = digest(82, &quic, RING, "11/123 12 13");
	other[n++] = digest(82, &quic2, RING, "11/124 12 13");
	for (size_t i = 0; i < n; i++) {
		assert_true(other[i] != d);
		for (size_t k = 0; k < i; k++)
			assert_true(other[i] != other[k]);
	}
	assert_true(digest(80, NULL, RING, "") == 0);
	/* Another node. */
	table_fx_teardown(&fx);
	table_fx_open(&fx);
	table_fx_vip(&fx, VIP);
	assert_true(digest(80, NULL, RING, "12 13 11") == d);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		TEST(test_usage),
		TEST(test_flows),
		TEST(test_digests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
