// SPDX-License-Identifier: GPL-2.0-or-later
/* The agent's side of the flow table: what is cleared, what stays, with a writer beside. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "maps_flow.h"
#include "util.h"

#define BUCKETS 512u
#define S_NS	1000000000ull

static struct nlb_flow_bucket buckets[BUCKETS];

static struct maps_flows fresh(void)
{
	memset(buckets, 0, sizeof(buckets));
	return (struct maps_flows){.buckets = buckets, .n = BUCKETS, .idle = 210};
}

static uint64_t flow(uint32_t tag, uint32_t tick, uint32_t class, uint32_t backend)
{
	return (uint64_t)tag << 32 | (tick & (NLB_FLOW_TICKS - 1)) << 22 | class << 20 | backend;
}

static void test_sizes(void **state _unused_)
{
	assert_int_equal(maps_flows_buckets(1), 1);
	assert_int_equal(maps_flows_buckets(4096), 512);
	assert_int_equal(maps_flows_buckets(4097), 1024);
	assert_int_equal(maps_flows_buckets(64u << 20), 8u << 20);
	/* 900 s are 209.5 ticks. */
	assert_int_equal(maps_flows_ticks(900), 211);
	assert_true(maps_flows_ticks(3600) < NLB_FLOW_TICKS - 64);
}

static uint32_t whole_round(struct maps_flows *f, uint64_t now_ns)
{
	f->swept_ns = now_ns - 60 * S_NS;
	return maps_flows_sweep(f, now_ns, UINT32_MAX);
}

/* At every tick of two turns of the clock: what is younger stays, what is older goes. */
static void test_idle(void **state _unused_)
{
	struct maps_flows f = fresh();

	for (uint32_t now = 3000; now < 3000 + 2 * NLB_FLOW_TICKS; now += 7) {
		uint64_t now_ns = (uint64_t)now << NLB_FLOW_TICK_SHIFT;
		uint32_t ages[] = {0, 1, 100, 209, 210, 211, 500, 1000};

		for (size_t i = 0; i < ARRAY_SIZE(ages); i++)
			buckets[17].flow[i] = flow(7, now - ages[i], NLB_FLOW_OPEN, 5);
		buckets[BUCKETS - 1].flow[3] = flow(7, now + 1, NLB_FLOW_OPEN, 5);
		assert_int_equal(whole_round(&f, now_ns), 3);
		for (size_t i = 0; i < ARRAY_SIZE(ages); i++)
			assert_int_equal(buckets[17].flow[i] != 0, ages[i] <= 210);
		assert_int_not_equal(buckets[BUCKETS - 1].flow[3], 0);
	}
}

/* A round in a minute, however often it is called; never more at once than allowed. */
static void test_pace(void **state _unused_)
{
	struct maps_flows f = fresh();
	uint64_t now = 1000 * S_NS;
	uint32_t turns = 0, last = 0;

	assert_int_equal(maps_flows_sweep(&f, now, 100), 0);
	assert_int_equal(f.next, 0);
	for (int i = 0; i < 600; i++) {
		now += S_NS / 10;
		maps_flows_sweep(&f, now, 100);
		turns += f.next < last;
		last = f.next;
	}
	assert_true(turns == 1 || f.next > BUCKETS - 3);
	last = f.next;
	now += 3600 * S_NS;
	maps_flows_sweep(&f, now, 100);
	assert_int_equal((f.next - last) & (BUCKETS - 1), 100);
	/* The clock never goes back; if it did, nothing would come of it. */
	last = f.next;
	maps_flows_sweep(&f, now - S_NS, 100);
	assert_int_equal(f.next, last);
}

static void test_purge(void **state _unused_)
{
	struct maps_flows f = fresh();
	const bool gone[10] = {[3] = true, [9] = true};

	for (uint32_t b = 0; b < BUCKETS; b++)
		for (uint32_t i = 0; i < NLB_FLOW_WAYS; i++)
			buckets[b].flow[i] = flow(b, b, NLB_FLOW_OLD, (b + i) % 12 + 1);
	buckets[1].flow[1] = 0;
	buckets[2].flow[1] = flow(1, 1, NLB_FLOW_SYN, NLB_SLOT_BACKEND);
	maps_flows_purge(&f, gone, 9);
	for (uint32_t b = 0; b < BUCKETS; b++) {
		for (uint32_t i = 0; i < NLB_FLOW_WAYS; i++) {
			uint32_t be = NLB_FLOW_BACKEND(buckets[b].flow[i]);

			assert_true(be != 3 && be != 9);
			if ((b + i) % 12 + 1 != 3 && (b + i) % 12 + 1 != 9 && !(b == 1 && i == 1))
				assert_int_not_equal(be, 0);
		}
	}
}

/* ---- with the program writing ---- */

struct writer {
	uint32_t refreshed;
	bool stop;
};

/* Refreshes flows of backend 4 as a packet does, with plain stores; makes new ones where there is room. */
static void *write_all(void *arg)
{
	struct writer *w = arg;

	for (uint32_t n = 0; !__atomic_load_n(&w->stop, __ATOMIC_RELAXED); n++) {
		uint64_t *at = (uint64_t *)&buckets[n % BUCKETS].flow[n / BUCKETS % NLB_FLOW_WAYS];
		uint64_t was = __atomic_load_n(at, __ATOMIC_RELAXED);

		if (NLB_FLOW_BACKEND(was) == 3)
			continue;
		__atomic_store_n(at, flow(1, n >> 12, NLB_FLOW_OPEN, 4), __ATOMIC_RELAXED);
		__atomic_add_fetch(&w->refreshed, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_writer(void **state _unused_)
{
	struct maps_flows f = fresh();
	const bool gone[4] = {[3] = true};

	for (int round = 0; round < 50; round++) {
		struct writer w = {};
		pthread_t thread;

		for (uint32_t b = 0; b < BUCKETS; b++)
			for (uint32_t i = 0; i < NLB_FLOW_WAYS; i++)
				buckets[b].flow[i] = flow(1, 0, NLB_FLOW_OPEN, 3 + (b + i) % 2);
		assert_int_equal(pthread_create(&thread, NULL, write_all, &w), 0);
		while (__atomic_load_n(&w.refreshed, __ATOMIC_RELAXED) < 100)
			;
		assert_int_equal(maps_flows_purge(&f, gone, 3), BUCKETS * NLB_FLOW_WAYS / 2);
		__atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
		assert_int_equal(pthread_join(thread, NULL), 0);
		for (uint32_t b = 0; b < BUCKETS; b++)
			for (uint32_t i = 0; i < NLB_FLOW_WAYS; i++)
				assert_int_not_equal(NLB_FLOW_BACKEND(buckets[b].flow[i]), 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),  cmocka_unit_test(test_idle),
		cmocka_unit_test(test_pace),   cmocka_unit_test(test_purge),
		cmocka_unit_test(test_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
