// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Routes as the kernel tells them: gateways of both families, several next
 * hops with weights, an MTU of their own, and those that lead nowhere.
 */
#include <errno.h>
#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "neigh_route.h"
#include "util.h"
#include "xdp_net.h"

static bool possible;
static struct neigh_rtnl rtnl;
static struct neigh_route route;

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static int group_setup(void **state _unused_)
{
	possible = xdp_net_enter() != NULL;
	if (!possible) {
		print_message("needs root and namespaces\n");
		return 0;
	}
	xdp_net_run("ip link add a0 type veth peer name a1");
	xdp_net_run("ip link set a0 up");
	xdp_net_run("ip link set a1 up");
	xdp_net_run("ip addr add 10.0.0.1/24 dev a0");
	xdp_net_run("ip addr add fd00::1/64 dev a0 nodad");
	return neigh_rtnl_open(&rtnl);
}

static int group_teardown(void **state _unused_)
{
	if (possible)
		neigh_rtnl_close(&rtnl);
	return 0;
}

/* Asks for the route; returns how many next hops it has. */
static uint32_t ask(const char *to)
{
	struct addr a = addr_of(to);

	memset(&route, 0xa5, sizeof(route));
	assert_int_equal(neigh_route_get(&rtnl, &a, &route), 0);
	return route.n;
}

static void assert_hop(uint32_t i, const char *ifname, const char *via, uint32_t weight)
{
	struct neigh_path want = {.ifindex = if_nametoindex(ifname), .via = addr_of(via)};

	assert_true(i < route.n);
	assert_memory_equal(&route.hop[i].path, &want, sizeof(want));
	assert_int_equal(route.hop[i].weight, weight);
}

static void test_next_hops(void **state _unused_)
{
	if (!possible)
		skip();
	xdp_net_run("ip route add 10.1.0.0/24 via 10.0.0.9");
	xdp_net_run("ip route add 10.2.0.0/24 nexthop via 10.0.0.7 nexthop via 10.0.0.8 weight 3");
	xdp_net_run("ip route add 10.3.0.0/24 via inet6 fd00::9 dev a0");
	xdp_net_run("ip route add fd01::/64 nexthop via fd00::7 nexthop via fd00::8 weight 2");
	assert_int_equal(ask("10.0.0.5"), 1);
	assert_hop(0, "a0", "10.0.0.5", 1);
	assert_int_equal(route.mtu, 0);
	assert_int_equal(ask("10.1.0.5"), 1);
	assert_hop(0, "a0", "10.0.0.9", 1);
	assert_int_equal(ask("10.2.0.5"), 2);
	assert_hop(0, "a0", "10.0.0.7", 1);
	assert_hop(1, "a0", "10.0.0.8", 3);
	assert_int_equal(ask("10.3.0.5"), 1);
	assert_hop(0, "a0", "fd00::9", 1);
	assert_int_equal(ask("fd01::5"), 2);
	assert_hop(0, "a0", "fd00::7", 1);
	assert_hop(1, "a0", "fd00::8", 2);
	assert_int_equal(ask("fd00::5"), 1);
	assert_hop(0, "a0", "fd00::5", 1);
}

static void test_nowhere(void **state _unused_)
{
	if (!possible)
		skip();
	xdp_net_run("ip route add blackhole 10.4.0.0/24");
	xdp_net_run("ip route add prohibit 10.5.0.0/24");
	xdp_net_run("ip route add unreachable fd04::/64");
	assert_int_equal(ask("10.4.0.5"), 0);
	assert_int_equal(ask("10.5.0.5"), 0);
	assert_int_equal(ask("fd04::5"), 0);
	assert_int_equal(ask("10.99.0.5"), 0);
	assert_int_equal(ask("fd99::5"), 0);
	/* This host itself. */
	assert_int_equal(ask("10.0.0.1"), 0);
	assert_int_equal(ask("fd00::1"), 0);
}

static void test_mtu(void **state _unused_)
{
	if (!possible)
		skip();
	xdp_net_run("ip route add 10.6.0.0/24 via 10.0.0.9 mtu 1400");
	xdp_net_run("ip route add 10.7.0.0/24 mtu lock 1300 nexthop via 10.0.0.7 "
		    "nexthop via 10.0.0.8");
	xdp_net_run("ip route add fd06::/64 via fd00::9 mtu 1380");
	assert_int_equal(ask("10.6.0.5"), 1);
	assert_int_equal(route.mtu, 1400);
	assert_int_equal(ask("10.7.0.5"), 2);
	assert_int_equal(route.mtu, 1300);
	assert_int_equal(ask("fd06::5"), 1);
	assert_int_equal(route.mtu, 1380);
}

static void test_next_hop_objects(void **state _unused_)
{
	if (!possible)
		skip();
	/* As FRR installs its routes. */
	if (xdp_net_try("ip nexthop add id 1 via 10.0.0.7 dev a0") != 0) {
		print_message("needs next hop objects (kernel 5.3)\n");
		skip();
	}
	xdp_net_run("ip nexthop add id 2 via 10.0.0.8 dev a0");
	xdp_net_run("ip nexthop add id 3 group 1/2,4");
	xdp_net_run("ip route add 10.8.0.0/24 nhid 3");
	assert_int_equal(ask("10.8.0.5"), 2);
	assert_hop(0, "a0", "10.0.0.7", 1);
	assert_hop(1, "a0", "10.0.0.8", 4);
}

static void test_dead_next_hop(void **state _unused_)
{
	if (!possible)
		skip();
	xdp_net_run("ip link add b0 type veth peer name b1");
	xdp_net_run("ip link set b0 up");
	xdp_net_run("ip link set b1 up");
	xdp_net_run("ip addr add 10.20.0.1/24 dev b0");
	xdp_net_run("ip route add 10.9.0.0/24 nexthop via 10.0.0.7 nexthop via 10.20.0.7");
	assert_int_equal(ask("10.9.0.5"), 2);
	assert_hop(1, "b0", "10.20.0.7", 1);
	xdp_net_run("ip link set b0 down");
	assert_int_equal(ask("10.9.0.5"), 1);
	assert_hop(0, "a0", "10.0.0.7", 1);
	xdp_net_run("ip link del b0");
}

/* One next hop wraps packets up, which is not for the program to do; the other does not. */
static void test_wrapping_next_hops(void **state _unused_)
{
	struct addr to = addr_of("10.1.0.1"), gateway = addr_of("10.0.0.9");
	uint64_t buf[64] = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;
	struct nlattr *multipath;

	nlh->nlmsg_type = RTM_NEWROUTE;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_type = RTN_UNICAST;
	multipath = mnl_attr_nest_start(nlh, RTA_MULTIPATH);
	for (int i = 0; i < 3; i++) {
		struct rtnexthop *hop = mnl_nlmsg_get_payload_tail(nlh);

		memset(hop, 0, sizeof(*hop));
		hop->rtnh_ifindex = 10 + i;
		nlh->nlmsg_len += sizeof(*hop);
		mnl_attr_put(nlh, RTA_GATEWAY, 4, gateway.b + 12);
		if (i == 0)
			mnl_attr_put_u16(nlh, RTA_ENCAP_TYPE, LWTUNNEL_ENCAP_MPLS);
		hop->rtnh_len =
			(unsigned short)((char *)mnl_nlmsg_get_payload_tail(nlh) - (char *)hop);
		if (i == 2)
			hop->rtnh_flags = RTNH_F_LINKDOWN;
	}
	mnl_attr_nest_end(nlh, multipath);
	neigh_route_parse(nlh, &to, &route);
	assert_int_equal(route.n, 1);
	assert_int_equal(route.hop[0].path.ifindex, 11);
	assert_memory_equal(&route.hop[0].path.via, &gateway, sizeof(gateway));
}

static void test_more_than_there_is_room_for(void **state _unused_)
{
	struct addr to = addr_of("10.1.0.1");
	uint64_t buf[512] = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nlattr *multipath;
	struct rtmsg *rtm;

	nlh->nlmsg_type = RTM_NEWROUTE;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_type = RTN_UNICAST;
	multipath = mnl_attr_nest_start(nlh, RTA_MULTIPATH);
	for (int i = 0; i < NEIGH_ROUTE_MAX + 10; i++) {
		struct rtnexthop *hop = mnl_nlmsg_get_payload_tail(nlh);

		*hop = (struct rtnexthop){.rtnh_len = sizeof(*hop), .rtnh_ifindex = 1 + i};
		nlh->nlmsg_len += sizeof(*hop);
	}
	mnl_attr_nest_end(nlh, multipath);
	neigh_route_parse(nlh, &to, &route);
	assert_int_equal(route.n, NEIGH_ROUTE_MAX);
	/* A length that leads out of the attribute ends it. */
	((struct rtnexthop *)mnl_attr_get_payload(multipath))->rtnh_len = 60000;
	neigh_route_parse(nlh, &to, &route);
	assert_int_equal(route.n, 0);
	nlh->nlmsg_len = MNL_NLMSG_HDRLEN + 4;
	neigh_route_parse(nlh, &to, &route);
	assert_int_equal(route.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next_hops),
		cmocka_unit_test(test_nowhere),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_next_hop_objects),
		cmocka_unit_test(test_dead_next_hop),
		cmocka_unit_test(test_wrapping_next_hops),
		cmocka_unit_test(test_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
