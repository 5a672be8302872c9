// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The way to an address, as it is told: neighbours that turn up, move and go;
 * routes, links and MTUs that change; routes with several next hops.
 */
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "loop.h"
#include "neigh.h"
#include "util.h"
#include "xdp_net.h"

#define TOLD_MAX 64

static bool possible;
static struct loop *loop;
static struct neigh *neigh;
static struct told {
	struct addr addr;
	unsigned int calls;
	bool known;
	struct neigh_hop_info info;
} told[TOLD_MAX];
static size_t n_told;
static bool keep_told = true;
static unsigned int n_told_known;
static unsigned int n_changed, n_settled, n_link;

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct told *find(const struct addr *a)
{
	for (size_t i = 0; i < n_told; i++)
		if (addr_cmp(&told[i].addr, a) == 0)
			return &told[i];
	assert_true(n_told < TOLD_MAX);
	told[n_told] = (struct told){.addr = *a};
	return &told[n_told++];
}

static void on_path(void *user _unused_, const struct addr *a, const struct neigh_hop_info *info)
{
	struct told *t;

	n_told_known += info != NULL;
	if (!keep_told)
		return;
	t = find(a);
	t->calls++;
	t->known = info != NULL;
	if (info)
		t->info = *info;
}

static void on_changed(void *user _unused_)
{
	n_changed++;
}

static void on_settled(void *user _unused_)
{
	n_settled++;
}

static void on_link(void *user _unused_)
{
	n_link++;
}

static void on_other(void *user _unused_)
{
}

static struct neigh_ops ops = {.changed = on_changed,
			       .link = on_link,
			       .addr = on_other,
			       .path = on_path,
			       .settled = on_settled};

static int setup(void **state _unused_)
{
	static bool begun;

	if (!begun)
		possible = xdp_net_enter() != NULL;
	if (!possible) {
		print_message("needs root and namespaces\n");
		return 0;
	}
	if (begun) {
		xdp_net_run("ip link del a0");
		xdp_net_run("ip link del b0");
	}
	begun = true;
	for (char x = 'a'; x <= 'b'; x++) {
		xdp_net_run("ip link add %c0 type veth peer name %c1", x, x);
		xdp_net_run("ip link set %c0 address 02:00:00:00:00:%c%c", x, x, x);
		xdp_net_run("ip link set %c1 up", x);
		xdp_net_run("ip link set %c0 up", x);
		xdp_net_run("ip addr add 10.%d.0.1/24 dev %c0", x - 'a' + 1, x);
	}
	xdp_net_run("ip addr add fd00::1/64 dev a0 nodad");
	n_told = n_told_known = 0;
	n_changed = n_settled = n_link = 0;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(neigh_new(loop, &ops, NULL, &neigh), 0);
	return 0;
}

static int teardown(void **state _unused_)
{
	if (!possible)
		return 0;
	neigh_free(neigh);
	loop_free(loop);
	return 0;
}

static void want(const char *text)
{
	struct addr a = addr_of(text);

	neigh_want(neigh, &a);
}

static void learn(const char *via, const char *ifname, unsigned int mac)
{
	xdp_net_run("ip neigh replace %s lladdr 02:00:00:00:01:%02x dev %s nud reachable", via, mac,
		    ifname);
}

/* By this interface and to this host (mac: last byte), or (NULL) not known. */
static bool is(const char *text, const char *ifname, unsigned int mac, uint32_t mtu)
{
	const uint8_t to[6] = {2, 0, 0, 0, 1, (uint8_t)mac};
	struct addr a = addr_of(text);
	const struct told *t = find(&a);

	if (!t->calls || t->known != (ifname != NULL))
		return false;
	return !ifname || (t->info.ifindex == if_nametoindex(ifname) && t->info.mtu == mtu &&
			   t->info.eth_len == 12 && memcmp(t->info.eth, to, 6) == 0 &&
			   t->info.eth[11] == (ifname[0] == 'a' ? 0xaa : 0xbb));
}

#define become(...)                                                                                \
	do {                                                                                       \
		uint64_t _until = util_now_ns() + 10000000000ull;                                  \
		while (!is(__VA_ARGS__)) {                                                         \
			if (util_now_ns() > _until)                                                \
				fail_msg("never: " #__VA_ARGS__);                                  \
			assert_int_equal(loop_once(loop, 50), 0);                                  \
		}                                                                                  \
	} while (0)

static void test_known_at_once(void **state _unused_)
{
	if (!possible)
		skip();
	learn("10.1.0.9", "a0", 9);
	learn("fd00::9", "a0", 6);
	xdp_net_run("ip route add 10.5.0.0/24 via 10.1.0.9");
	xdp_net_run("ip route add 10.6.0.0/24 via inet6 fd00::9 dev a0");
	want("10.1.0.9");
	assert_true(is("10.1.0.9", "a0", 9, 1500));
	want("10.5.0.7");
	assert_true(is("10.5.0.7", "a0", 9, 1500));
	want("10.6.0.7");
	assert_true(is("10.6.0.7", "a0", 6, 1500));
	want("fd00::9");
	assert_true(is("fd00::9", "a0", 6, 1500));
	/* No neighbour yet, no route, and this host itself. */
	want("10.1.0.10");
	assert_true(is("10.1.0.10", NULL, 0, 0));
	want("10.99.0.1");
	assert_true(is("10.99.0.1", NULL, 0, 0));
	want("10.1.0.1");
	assert_true(is("10.1.0.1", NULL, 0, 0));
	for (size_t i = 0; i < n_told; i++)
		assert_int_equal(told[i].calls, 1);
	neigh_tell(neigh);
	assert_true(is("10.1.0.9", "a0", 9, 1500) && is("10.1.0.1", NULL, 0, 0));
	for (size_t i = 0; i < n_told; i++)
		assert_int_equal(told[i].calls, 2);
	assert_int_equal(n_settled, 0);
	for (int i = 0; i < 10 && !n_settled; i++)
		assert_int_equal(loop_once(loop, 5000), 0);
	assert_int_equal(n_settled, 1);
	/* Nothing new in that round. */
	assert_int_equal(told[0].calls, 2);
}

static void test_neighbour(void **state _unused_)
{
	unsigned int before;

	if (!possible)
		skip();
	want("10.1.0.20");
	assert_true(is("10.1.0.20", NULL, 0, 0));
	learn("10.1.0.20", "a0", 1);
	become("10.1.0.20", "a0", 1, 1500);
	/* The same again is no news. */
	before = told[0].calls;
	xdp_net_run("ip neigh replace 10.1.0.20 lladdr 02:00:00:00:01:01 dev a0 nud stale");
	/* Its address moves to another machine. */
	learn("10.1.0.20", "a0", 2);
	become("10.1.0.20", "a0", 2, 1500);
	assert_int_equal(told[0].calls, before + 1);
	xdp_net_run("ip neigh replace 10.1.0.20 dev a0 nud failed");
	become("10.1.0.20", NULL, 0, 0);
	learn("10.1.0.20", "a0", 3);
	become("10.1.0.20", "a0", 3, 1500);
	xdp_net_run("ip neigh del 10.1.0.20 dev a0");
	become("10.1.0.20", NULL, 0, 0);
	/* Permanent, as the operator's are. */
	xdp_net_run("ip neigh replace 10.1.0.20 lladdr 02:00:00:00:01:04 dev a0 nud permanent");
	become("10.1.0.20", "a0", 4, 1500);
}

static void test_route(void **state _unused_)
{
	if (!possible)
		skip();
	learn("10.1.0.9", "a0", 1);
	learn("10.2.0.9", "b0", 2);
	want("10.5.0.7");
	assert_true(is("10.5.0.7", NULL, 0, 0));
	xdp_net_run("ip route add 10.5.0.0/24 via 10.1.0.9");
	become("10.5.0.7", "a0", 1, 1500);
	/* The way moves to another interface. */
	xdp_net_run("ip route replace 10.5.0.0/24 via 10.2.0.9");
	become("10.5.0.7", "b0", 2, 1500);
	xdp_net_run("ip route add 10.5.0.7/32 via 10.1.0.9 mtu 1400");
	become("10.5.0.7", "a0", 1, 1400);
	xdp_net_run("ip route change 10.5.0.7/32 via 10.1.0.9 mtu 1450");
	become("10.5.0.7", "a0", 1, 1450);
	/* More than the device takes. */
	xdp_net_run("ip route change 10.5.0.7/32 via 10.1.0.9 mtu 5000");
	become("10.5.0.7", "a0", 1, 1500);
	xdp_net_run("ip route replace blackhole 10.5.0.7/32");
	become("10.5.0.7", NULL, 0, 0);
	xdp_net_run("ip route del 10.5.0.7/32");
	become("10.5.0.7", "b0", 2, 1500);
	xdp_net_run("ip route del 10.5.0.0/24");
	become("10.5.0.7", NULL, 0, 0);
	assert_true(n_changed > 0);
}

/* Routes in a table that only a rule leads to. */
static void test_rule(void **state _unused_)
{
	if (!possible)
		skip();
	learn("10.1.0.9", "a0", 1);
	learn("10.2.0.9", "b0", 2);
	xdp_net_run("ip route add 10.5.0.0/24 via 10.1.0.9");
	xdp_net_run("ip route add 10.5.0.0/24 via 10.2.0.9 table 77");
	want("10.5.0.7");
	become("10.5.0.7", "a0", 1, 1500);
	xdp_net_run("ip rule add to 10.5.0.0/24 table 77");
	become("10.5.0.7", "b0", 2, 1500);
	xdp_net_run("ip rule del to 10.5.0.0/24 table 77");
	become("10.5.0.7", "a0", 1, 1500);
}

static void test_link(void **state _unused_)
{
	if (!possible)
		skip();
	xdp_net_run("ip neigh replace 10.1.0.9 lladdr 02:00:00:00:01:01 dev a0 nud permanent");
	want("10.1.0.9");
	assert_true(is("10.1.0.9", "a0", 1, 1500));
	xdp_net_run("ip link set a0 mtu 1600");
	become("10.1.0.9", "a0", 1, 1600);
	/* Carrier lost and found. */
	xdp_net_run("ip link set a1 down");
	become("10.1.0.9", NULL, 0, 0);
	xdp_net_run("ip link set a1 up");
	become("10.1.0.9", "a0", 1, 1600);
	/* An address of its own. */
	xdp_net_run("ip link set a0 address 02:00:00:00:00:bb");
	become("10.1.0.9", NULL, 0, 0);
	xdp_net_run("ip neigh replace 10.1.0.9 lladdr 02:00:00:00:01:01 dev a0 nud permanent");
	for (int i = 0; i < 100 && (!told[0].known || told[0].info.eth[11] != 0xbb); i++)
		assert_int_equal(loop_once(loop, 50), 0);
	assert_int_equal(told[0].info.eth[11], 0xbb);
	xdp_net_run("ip link set a0 down");
	become("10.1.0.9", NULL, 0, 0);
}

/* Which of two ways each of 32 targets takes; returns how many take the first. */
static unsigned int count_first(void)
{
	unsigned int n = 0;

	for (size_t i = 0; i < n_told; i++)
		n += told[i].known && told[i].info.ifindex == if_nametoindex("a0");
	return n;
}

static unsigned int count_known(void)
{
	unsigned int n = 0;

	for (size_t i = 0; i < n_told; i++)
		n += told[i].known;
	return n;
}

static void run_until(unsigned int first, unsigned int known)
{
	uint64_t until = util_now_ns() + 10000000000ull;

	while (count_first() != first || count_known() != known) {
		if (util_now_ns() > until)
			fail_msg("%u of %u take the first way", count_first(), count_known());
		assert_int_equal(loop_once(loop, 50), 0);
	}
}

static void test_several_next_hops(void **state _unused_)
{
	unsigned int first;

	if (!possible)
		skip();
	learn("10.1.0.9", "a0", 1);
	learn("10.2.0.9", "b0", 2);
	xdp_net_run("ip route add 10.5.0.0/24 nexthop via 10.1.0.9 nexthop via 10.2.0.9");
	for (int i = 0; i < 32; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.5.0.%d", i + 1);
		want(text);
	}
	first = count_first();
	assert_int_equal(count_known(), 32);
	assert_in_range(first, 8, 24);
	/* A next hop dies: all by the other, and back again. */
	xdp_net_run("ip neigh replace 10.2.0.9 dev b0 nud failed");
	run_until(32, 32);
	learn("10.2.0.9", "b0", 2);
	run_until(first, 32);
	/* A link loses its carrier. */
	xdp_net_run("ip link set a1 down");
	run_until(0, 32);
	xdp_net_run("ip link set b1 down");
	run_until(0, 0);
	xdp_net_run("ip link set b1 up");
	xdp_net_run("ip link set a1 up");
	learn("10.1.0.9", "a0", 1);
	learn("10.2.0.9", "b0", 2);
	run_until(first, 32);
	/* Weights count. */
	xdp_net_run("ip route replace 10.5.0.0/24 nexthop via 10.1.0.9 weight 200 "
		    "nexthop via 10.2.0.9");
	for (int i = 0; i < 200 && count_first() < 30; i++)
		assert_int_equal(loop_once(loop, 50), 0);
	assert_in_range(count_first(), 30, 32);
	/* A device that packets cannot be sent by from XDP is not one of them. */
	xdp_net_run("ip link add br0 type bridge");
	xdp_net_run("ip link set br0 up");
	xdp_net_run("ip addr add 10.3.0.1/24 dev br0");
	xdp_net_run("ip neigh add 10.3.0.9 lladdr 02:00:00:00:01:03 dev br0 nud permanent");
	xdp_net_run("ip route replace 10.5.0.0/24 nexthop via 10.2.0.9 nexthop via 10.3.0.9");
	run_until(0, 32);
	xdp_net_run("ip route replace 10.5.0.0/24 via 10.3.0.9");
	run_until(0, 0);
	xdp_net_run("ip link del br0");
}

/* More events than the socket has room for: what was missed is found out. */
static void test_lost_events(void **state _unused_)
{
	FILE *f;

	if (!possible)
		skip();
	learn("10.1.0.9", "a0", 1);
	want("10.1.0.9");
	assert_true(is("10.1.0.9", "a0", 1, 1500));
	f = fopen("/run/routes", "we");
	assert_non_null(f);
	for (int i = 0; i < 20000; i++)
		fprintf(f, "route add 10.77.%d.%d/32 via 10.1.0.9\n", i / 250, i % 250);
	assert_int_equal(fclose(f), 0);
	xdp_net_run("ip -batch /run/routes");
	xdp_net_run("ip link set a0 mtu 1600");
	learn("10.1.0.9", "a0", 2);
	/* No link event came through: it is told because nobody knows. */
	assert_int_equal(n_link, 0);
	become("10.1.0.9", "a0", 2, 1600);
	assert_int_equal(n_link, 1);
}

static void test_unwanted(void **state _unused_)
{
	struct addr a = addr_of("10.1.0.9");

	if (!possible)
		skip();
	learn("10.1.0.9", "a0", 1);
	learn("10.1.0.10", "a0", 2);
	want("10.1.0.9");
	want("10.1.0.10");
	neigh_unwant(neigh, &a);
	learn("10.1.0.9", "a0", 3);
	learn("10.1.0.10", "a0", 4);
	become("10.1.0.10", "a0", 4, 1500);
	assert_true(is("10.1.0.9", "a0", 1, 1500));
	neigh_tell(neigh);
	assert_int_equal(find(&a)->calls, 1);
}

/* It comes back: what is known of it by then is told at once. */
static void test_wanted_again(void **state _unused_)
{
	struct addr a = addr_of("10.1.0.9");

	if (!possible)
		skip();
	ops.rest_ms = 60000;
	learn("10.1.0.9", "a0", 1);
	learn("10.1.0.10", "a0", 1);
	want("10.1.0.9");
	want("10.1.0.10");
	neigh_unwant(neigh, &a);
	learn("10.1.0.9", "a0", 2);
	learn("10.1.0.10", "a0", 2);
	become("10.1.0.10", "a0", 2, 1500);
	assert_int_equal(find(&a)->calls, 1);
	neigh_tell(neigh);
	assert_int_equal(find(&a)->calls, 1);
	want("10.1.0.9");
	assert_int_equal(find(&a)->calls, 2);
	assert_true(is("10.1.0.9", "a0", 2, 1500));
	ops.rest_ms = 0;
}

/* More than are looked at within the call; those that are new need not wait for the others. */
static void test_many(void **state _unused_)
{
	unsigned int known = 0;

	if (!possible)
		skip();
	learn("10.1.0.9", "a0", 1);
	xdp_net_run("ip route add 10.64.0.0/16 via 10.1.0.9");
	keep_told = false;
	for (int i = 0; i < 20000; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.64.%d.%d", i / 250, i % 250);
		want(text);
	}
	assert_int_equal(n_told_known, 256);
	/* All before the first round begins. */
	while (n_told_known < 20000) {
		assert_int_equal(n_settled, 0);
		assert_int_equal(loop_once(loop, 5000), 0);
	}
	/* During a round of 20,000, one more. */
	xdp_net_run("ip route add 10.65.0.0/16 via 10.1.0.9");
	for (int i = 0; i < 4; i++)
		assert_int_equal(loop_once(loop, 50), 0);
	keep_told = true;
	known = n_told_known;
	want("10.65.0.1");
	assert_int_equal(n_told_known, known);
	assert_int_equal(loop_once(loop, 50), 0);
	assert_int_equal(n_told_known, known + 1);
	assert_true(is("10.65.0.1", "a0", 1, 1500));
	assert_int_equal(n_settled, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_known_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_neighbour, setup, teardown),
		cmocka_unit_test_setup_teardown(test_route, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rule, setup, teardown),
		cmocka_unit_test_setup_teardown(test_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_several_next_hops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost_events, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unwanted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wanted_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
