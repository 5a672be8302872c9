// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Next hops kept resolved: directly connected, behind a gateway, behind two,
 * behind one of the other family; entries of the operator's left alone; marks
 * taken back.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "loop.h"
#include "neigh.h"
#include "neigh_rtnl.h"
#include "util.h"
#include "xdp_net.h"

static bool possible;
static struct loop *loop;
static struct neigh *neigh;
static struct neigh_rtnl rtnl;
static unsigned int n_changed, n_link, n_addr;

static void on_changed(void *user)
{
	assert_ptr_equal(user, &rtnl);
	n_changed++;
}

static void on_link(void *user _unused_)
{
	n_link++;
}

static void on_addr(void *user _unused_)
{
	n_addr++;
}

static struct neigh_ops ops = {.changed = on_changed, .link = on_link, .addr = on_addr};

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct neigh_path path_of(const char *ifname, const char *via)
{
	return (struct neigh_path){.ifindex = if_nametoindex(ifname), .via = addr_of(via)};
}

static bool is_managed(const char *ifname, const char *via)
{
	struct neigh_path p = path_of(ifname, via);
	struct neigh_entry e;

	return neigh_rtnl_get(&rtnl, &p, &e) == 0 && e.ext_flags & NTF_EXT_MANAGED;
}

static int setup(void **state)
{
	static bool begun;

	(void)state;
	if (!begun) {
		possible = xdp_net_enter() != NULL;
		if (!possible)
			print_message("needs root and namespaces\n");
	}
	if (possible && !begun) {
		xdp_net_run("ip link add a0 type veth peer name a1");
		xdp_net_run("ip link set a0 up");
		xdp_net_run("ip link set a1 up");
		xdp_net_run("ip addr add 10.0.0.1/24 dev a0");
		xdp_net_run("ip addr add fd00::1/64 dev a0 nodad");
		xdp_net_run("ip route add 10.1.0.0/24 via 10.0.0.9");
		xdp_net_run("ip route add 10.2.0.0/24 nexthop via 10.0.0.7 nexthop via 10.0.0.8");
		xdp_net_run("ip route add fd01::/64 nexthop via fd00::7 nexthop via fd00::8");
	}
	begun = true;
	if (!possible)
		return 0;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(neigh_new(loop, &ops, &rtnl, &neigh), 0);
	return neigh_rtnl_open(&rtnl);
}

static int teardown(void **state)
{
	(void)state;
	if (!possible)
		return 0;
	neigh_free(neigh);
	neigh_rtnl_close(&rtnl);
	loop_free(loop);
	return 0;
}

static void want(const char *text)
{
	struct addr a = addr_of(text);

	neigh_want(neigh, &a);
}

static void unwant(const char *text)
{
	struct addr a = addr_of(text);

	neigh_unwant(neigh, &a);
}

static void run_until(const unsigned int *count)
{
	uint64_t until = util_now_ns() + 10000000000ull;
	unsigned int before = *count;

	while (*count == before) {
		assert_true(util_now_ns() < until);
		assert_int_equal(loop_once(loop, 100), 0);
	}
}

static void test_marked(void **state)
{
	(void)state;
	if (!possible)
		skip();
	want("10.0.0.5");
	want("10.0.0.5");
	want("10.1.0.5");
	want("10.1.0.6");
	want("10.2.0.5");
	want("fd01::5");
	if (!is_managed("a0", "10.0.0.5"))
		skip(); /* a kernel before 5.16 */
	assert_true(is_managed("a0", "10.0.0.9"));
	assert_true(is_managed("a0", "10.0.0.7"));
	assert_true(is_managed("a0", "10.0.0.8"));
	assert_true(is_managed("a0", "fd00::7"));
	/* Of two behind one gateway, the last takes the mark along. */
	unwant("10.1.0.5");
	assert_true(is_managed("a0", "10.0.0.9"));
	unwant("10.1.0.6");
	assert_false(is_managed("a0", "10.0.0.9"));
	unwant("10.0.0.5");
	assert_false(is_managed("a0", "10.0.0.5"));
	unwant("10.0.0.5");
}

/* One that is not wanted for a moment only is looked after all the same. */
static void test_rest(void **state)
{
	uint64_t until = util_now_ns() + 10000000000ull;

	(void)state;
	if (!possible)
		skip();
	ops.rest_ms = 300;
	want("10.0.0.40");
	if (!is_managed("a0", "10.0.0.40"))
		skip(); /* a kernel before 5.16 */
	unwant("10.0.0.40");
	unwant("10.0.0.40");
	assert_true(is_managed("a0", "10.0.0.40"));
	want("10.0.0.40");
	/* Wanted again, it stays; others go with a round after their time. */
	want("10.0.0.41");
	unwant("10.0.0.41");
	while (is_managed("a0", "10.0.0.41")) {
		assert_true(util_now_ns() < until);
		assert_int_equal(loop_once(loop, 500), 0);
		xdp_net_run("ip route replace 10.99.0.0/24 via 10.0.0.9");
	}
	assert_true(is_managed("a0", "10.0.0.40"));
	xdp_net_run("ip route del 10.99.0.0/24");
	ops.rest_ms = 0;
}

static void test_permanent_is_left_alone(void **state)
{
	struct neigh_path p = path_of("a0", "10.0.0.20");
	struct neigh_entry e;

	(void)state;
	if (!possible)
		skip();
	xdp_net_run("ip neigh add 10.0.0.20 lladdr 02:00:00:00:00:20 dev a0 nud permanent");
	want("10.0.0.20");
	unwant("10.0.0.20");
	assert_int_equal(neigh_rtnl_get(&rtnl, &p, &e), 0);
	assert_int_equal(e.state, NUD_PERMANENT);
	assert_int_equal(e.ext_flags & NTF_EXT_MANAGED, 0);
}

static void test_events(void **state)
{
	(void)state;
	if (!possible)
		skip();
	want("10.5.0.5");
	assert_false(is_managed("a0", "10.0.0.30"));
	/* A route turns up: the hop is found without being asked again. */
	xdp_net_run("ip route add 10.5.0.0/24 via 10.0.0.30");
	run_until(&n_changed);
	for (int i = 0; i < 50 && !is_managed("a0", "10.0.0.30"); i++)
		assert_int_equal(loop_once(loop, 100), 0);
	assert_true(is_managed("a0", "10.0.0.30"));
	xdp_net_run("ip addr add 10.0.0.2/24 dev a0");
	run_until(&n_addr);
	xdp_net_run("ip link set a1 down");
	run_until(&n_link);
	xdp_net_run("ip link set a1 up");
	/* Somebody resolves it for us. */
	loop_once(loop, 0);
	xdp_net_run("ip neigh replace 10.0.0.30 lladdr 02:00:00:00:00:30 dev a0 nud reachable");
	run_until(&n_changed);
	/* The interface goes while hops on it are in use. */
	xdp_net_run("ip link del a0");
	run_until(&n_link);
	unwant("10.5.0.5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_marked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_permanent_is_left_alone, setup, teardown),
		/* Last, since it removes the interface. */
		cmocka_unit_test_setup_teardown(test_events, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
