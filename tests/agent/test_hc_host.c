// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The cap on probes of one backend host: its arithmetic, and in the engine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hc_host.h"
#include "hc_sim.h"
#include "util.h"

#define S 1000000000ull

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void test_one_host_for_an_address(void **state _unused_)
{
	struct addr a = addr_of("192.0.2.1"), b = addr_of("2001:db8::1");
	struct hc_hosts hs;
	struct hc_host *h, *other;

	assert_int_equal(hc_hosts_init(&hs, 0), 0);
	h = hc_host_get(&hs, &a);
	other = hc_host_get(&hs, &b);
	assert_non_null(h);
	assert_ptr_not_equal(h, other);
	assert_ptr_equal(hc_host_get(&hs, &a), h);
	hc_host_put(&hs, h);
	assert_int_equal(hs.tab.n, 2);
	hc_host_put(&hs, h);
	assert_int_equal(hs.tab.n, 1);
	hc_host_put(&hs, other);
	hc_hosts_done(&hs);
}

static void test_turns(void **state _unused_)
{
	struct addr a = addr_of("192.0.2.1");
	uint64_t now = 100 * S;
	struct hc_hosts hs;
	struct hc_host *h;

	assert_int_equal(hc_hosts_init(&hs, 100), 0);
	h = hc_host_get(&hs, &a);
	/* The burst at once, then one each 10 ms. */
	for (unsigned int i = 0; i < HC_HOST_BURST; i++)
		assert_int_equal(hc_host_turn(&hs, h, now), now);
	for (unsigned int i = 1; i <= 50; i++)
		assert_int_equal(hc_host_turn(&hs, h, now), now + i * S / 100);
	/* Nothing is saved up beyond a burst. */
	now += 10 * S;
	for (unsigned int i = 0; i < HC_HOST_BURST; i++)
		assert_int_equal(hc_host_turn(&hs, h, now), now);
	assert_true(hc_host_turn(&hs, h, now) > now);
	hc_host_put(&hs, h);
	hc_hosts_done(&hs);
}

static void test_no_cap(void **state _unused_)
{
	struct addr a = addr_of("192.0.2.1");
	struct hc_hosts hs;
	struct hc_host *h;

	assert_int_equal(hc_hosts_init(&hs, 0), 0);
	h = hc_host_get(&hs, &a);
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(hc_host_turn(&hs, h, S), S);
	hc_host_put(&hs, h);
	hc_hosts_done(&hs);
}

/*
 * 300 conditions of one host, once a second each, where 100 probes a second are
 * allowed: it gets as many, all are made in turn, and another host has its own.
 */
static void test_in_the_engine(void **state _unused_)
{
	struct hc_fixture f = {.type = MSG_HC_TCP, .target = "127.0.0.1"};
	const struct hc_stats *st;
	unsigned int before;

	sim_new_conf(&(struct hc_conf){.budget = 1000, .host_rate = 100});
	for (f.id = 1; f.id <= 300; f.id++)
		sim_set(&f);
	f.target = "127.0.0.2";
	for (; f.id <= 310; f.id++)
		sim_set(&f);
	sim_run_ms(4000);
	for (unsigned int i = 0; i < 5; i++) {
		before = sim.n_started;
		sim_run_ms(1000);
		/* 100 of the one and, once a second each, 10 of the other. */
		assert_in_range(sim.n_started - before, 105, 120);
	}
	st = hc_get_stats(sim.hc);
	assert_true(st->host_held > 300);
	assert_true(st->late_max_ns >= S);
	/* Late, but nobody was left out and nobody failed. */
	assert_int_equal(sim.n_got, 310);
	for (unsigned int i = 0; i < sim.n_got; i++)
		assert_int_equal(sim.got[i].state, MSG_HC_UP);
	sim_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_host_for_an_address),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_no_cap),
		cmocka_unit_test(test_in_the_engine),
	};

	return cmocka_run_group_tests_name("hc_host", tests, NULL, NULL);
}
