// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Interfaces: what is read from messages, most of them made by hand since not
 * every kernel has VLANs and bonds; how a packet leaves by a VLAN, a VLAN on a
 * VLAN, and by what is none of the kind.
 */
#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "neigh_link.h"
#include "neigh_rtnl.h"
#include "util.h"
#include "xdp_net.h"

unsigned int if_nametoindex(const char *name); /* <net/if.h> does not go with <linux/if.h> */

#define UP (IFF_UP | IFF_LOWER_UP)

struct link_spec {
	int index;
	const char *kind; /* NULL: no IFLA_LINKINFO */
	uint32_t mtu;
	uint32_t lower;
	uint16_t vlan_id; /* of kind "vlan"; 0 there: no IFLA_VLAN_ID */
	uint16_t vlan_type;
	uint16_t type; /* 0: ARPHRD_ETHER */
	uint32_t down; /* flags that it lacks */
	bool elsewhere;
	uint8_t family;
	bool no_name, no_mac;
};

static uint64_t buf[128];
static const uint8_t to_mac[6] = {2, 0, 0, 0, 0, 99};

static struct nlmsghdr *message(uint16_t type, const struct link_spec *s)
{
	uint8_t mac[6] = {2, 0, 0, 0, 1, (uint8_t)s->index};
	struct nlattr *info, *data;
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh;

	memset(buf, 0, sizeof(buf));
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = s->family;
	ifi->ifi_index = s->index;
	ifi->ifi_type = s->type ? s->type : ARPHRD_ETHER;
	ifi->ifi_flags = UP & ~s->down;
	if (!s->no_name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, "x");
	if (!s->no_mac)
		mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(mac), mac);
	mnl_attr_put_u32(nlh, IFLA_MTU, s->mtu ? s->mtu : 1500);
	if (s->lower)
		mnl_attr_put_u32(nlh, IFLA_LINK, s->lower);
	if (s->elsewhere)
		mnl_attr_put_u32(nlh, IFLA_LINK_NETNSID, 3);
	if (!s->kind)
		return nlh;
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, s->kind);
	if (strcmp(s->kind, "vlan") == 0) {
		data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
		if (s->vlan_type)
			mnl_attr_put_u16(nlh, IFLA_VLAN_PROTOCOL, htons(s->vlan_type));
		if (s->vlan_id)
			mnl_attr_put_u16(nlh, IFLA_VLAN_ID, s->vlan_id);
		mnl_attr_nest_end(nlh, data);
	}
	mnl_attr_nest_end(nlh, info);
	return nlh;
}

static bool add(struct neigh_links *t, const struct link_spec *s)
{
	return neigh_links_event(t, message(RTM_NEWLINK, s));
}

static void test_parse(void **state _unused_)
{
	struct neigh_link l;

	assert_true(neigh_link_parse(message(RTM_NEWLINK, &(struct link_spec){.index = 7}), &l));
	assert_int_equal(l.ifindex, 7);
	assert_int_equal(l.kind, NEIGH_LINK_PORT);
	assert_int_equal(l.mtu, 1500);
	assert_true(l.up);
	assert_memory_equal(l.mac, ((uint8_t[]){2, 0, 0, 0, 1, 7}), 6);

	assert_true(neigh_link_parse(
		message(RTM_NEWLINK, &(struct link_spec){.index = 8,
							 .kind = "vlan",
							 .lower = 7,
							 .vlan_id = 100,
							 .vlan_type = ETH_P_8021AD}),
		&l));
	assert_int_equal(l.kind, NEIGH_LINK_VLAN);
	assert_int_equal(l.lower, 7);
	assert_int_equal(l.vlan_id, 100);
	assert_int_equal(l.vlan_type, ETH_P_8021AD);
	/* Kernels before 3.10 know one protocol and do not name it. */
	assert_true(neigh_link_parse(message(RTM_NEWLINK, &(struct link_spec){.index = 8,
									      .kind = "vlan",
									      .lower = 7,
									      .vlan_id = 100}),
				     &l));
	assert_int_equal(l.vlan_type, ETH_P_8021Q);
	/* A veth's IFLA_LINK is its other end. */
	assert_true(neigh_link_parse(
		message(RTM_NEWLINK, &(struct link_spec){.index = 8, .kind = "veth", .lower = 9}),
		&l));
	assert_int_equal(l.kind, NEIGH_LINK_PORT);
	assert_int_equal(l.lower, 0);
}

static void test_kinds(void **state _unused_)
{
	static const struct {
		struct link_spec spec;
		enum neigh_link_kind kind;
	} links[] = {
		{{.index = 1, .kind = "bond"}, NEIGH_LINK_PORT},
		{{.index = 1, .kind = "tun"}, NEIGH_LINK_PORT},
		{{.index = 1, .kind = "tun", .type = ARPHRD_NONE}, NEIGH_LINK_OTHER},
		{{.index = 1, .type = ARPHRD_LOOPBACK}, NEIGH_LINK_OTHER},
		{{.index = 1, .no_mac = true}, NEIGH_LINK_OTHER},
		{{.index = 1, .kind = "bridge"}, NEIGH_LINK_OTHER},
		{{.index = 1, .kind = "macvlan", .lower = 2}, NEIGH_LINK_OTHER},
		{{.index = 1, .kind = "vxlan"}, NEIGH_LINK_OTHER},
		{{.index = 1, .kind = "vlan", .lower = 2}, NEIGH_LINK_OTHER},
		/* On an interface of another namespace. */
		{{.index = 1, .kind = "vlan", .lower = 2, .vlan_id = 5, .elsewhere = true},
		 NEIGH_LINK_OTHER},
		{{.index = 1, .kind = "a-kind-of-link-with-a-name-longer-than-any"},
		 NEIGH_LINK_OTHER},
	};

	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		struct neigh_link l;

		assert_true(neigh_link_parse(message(RTM_NEWLINK, &links[i].spec), &l));
		if (l.kind != links[i].kind)
			fail_msg("link %zu is of kind %d", i, (int)l.kind);
		assert_int_equal(l.lower, 0);
	}
}

static void test_not_about_a_link(void **state _unused_)
{
	struct neigh_link l;
	struct nlmsghdr *nlh;

	assert_false(neigh_link_parse(
		message(RTM_NEWLINK, &(struct link_spec){.index = 1, .family = AF_BRIDGE}), &l));
	assert_false(neigh_link_parse(
		message(RTM_NEWLINK, &(struct link_spec){.index = 1, .no_name = true}), &l));
	assert_false(neigh_link_parse(message(RTM_NEWLINK, &(struct link_spec){.index = 0}), &l));
	nlh = message(RTM_NEWLINK, &(struct link_spec){.index = 1});
	nlh->nlmsg_len = MNL_NLMSG_HDRLEN + 4;
	assert_false(neigh_link_parse(nlh, &l));
}

static void test_events(void **state _unused_)
{
	struct neigh_links t = {};
	struct neigh_hop_info info;
	struct link_spec s = {.index = 5};

	assert_true(add(&t, &s));
	assert_false(add(&t, &s));
	assert_true(neigh_links_resolve(&t, 5, to_mac, &info));
	s.mtu = 9000;
	assert_true(add(&t, &s));
	assert_true(neigh_links_resolve(&t, 5, to_mac, &info));
	assert_int_equal(info.mtu, 9000);
	s.down = IFF_LOWER_UP;
	assert_true(add(&t, &s));
	assert_false(neigh_links_resolve(&t, 5, to_mac, &info));
	s.down = IFF_UP;
	assert_false(add(&t, &s));
	s.down = 0;
	assert_true(add(&t, &s));
	/* Leaving a bridge is not going away. */
	assert_false(neigh_links_event(
		&t, message(RTM_DELLINK, &(struct link_spec){.index = 5, .family = AF_BRIDGE})));
	assert_true(neigh_links_resolve(&t, 5, to_mac, &info));
	assert_true(neigh_links_event(&t, message(RTM_DELLINK, &s)));
	assert_false(neigh_links_event(&t, message(RTM_DELLINK, &s)));
	assert_false(neigh_links_resolve(&t, 5, to_mac, &info));
	neigh_links_done(&t);
}

static void assert_eth(const struct neigh_hop_info *info, const void *eth, size_t len)
{
	static const uint8_t zero[NEIGH_ETH_MAX];

	assert_int_equal(info->eth_len, len);
	assert_memory_equal(info->eth, eth, len);
	assert_memory_equal(info->eth + len, zero, sizeof(zero) - len);
}

static void test_resolve(void **state _unused_)
{
	static const uint8_t plain[] = {2, 0, 0, 0, 0, 99, 2, 0, 0, 0, 1, 5};
	static const uint8_t tagged[] = {2, 0, 0, 0, 0, 99, 2, 0, 0, 0, 1, 6, 0x81, 0, 0x0f, 0xfe};
	/* The service provider's tag, that of the interface below, is the outer one. */
	static const uint8_t twice[] = {2, 0, 0,    0,	  0, 99,   2,	 0, 0, 0,
					1, 8, 0x88, 0xa8, 0, 0x64, 0x81, 0, 0, 7};
	struct neigh_hop_info info = {};
	struct neigh_links t = {};

	add(&t, &(struct link_spec){.index = 5, .mtu = 1600});
	add(&t, &(struct link_spec){.index = 6,
				    .kind = "vlan",
				    .lower = 5,
				    .vlan_id = 4094,
				    .vlan_type = ETH_P_8021Q,
				    .mtu = 1580});
	add(&t, &(struct link_spec){.index = 7,
				    .kind = "vlan",
				    .lower = 5,
				    .vlan_id = 100,
				    .vlan_type = ETH_P_8021AD,
				    .mtu = 1550});
	add(&t, &(struct link_spec){.index = 8,
				    .kind = "vlan",
				    .lower = 7,
				    .vlan_id = 7,
				    .vlan_type = ETH_P_8021Q,
				    .mtu = 1590});
	add(&t, &(struct link_spec){.index = 9,
				    .kind = "vlan",
				    .lower = 8,
				    .vlan_id = 1,
				    .vlan_type = ETH_P_8021Q});
	add(&t, &(struct link_spec){.index = 10, .kind = "bridge"});
	add(&t, &(struct link_spec){.index = 11, .kind = "vlan", .lower = 10, .vlan_id = 1});
	add(&t, &(struct link_spec){.index = 12, .kind = "vlan", .lower = 12, .vlan_id = 1});

	assert_true(neigh_links_resolve(&t, 5, to_mac, &info));
	assert_int_equal(info.ifindex, 5);
	assert_int_equal(info.mtu, 1600);
	assert_eth(&info, plain, sizeof(plain));
	assert_true(neigh_links_resolve(&t, 6, to_mac, &info));
	assert_int_equal(info.ifindex, 5);
	assert_int_equal(info.mtu, 1580);
	assert_eth(&info, tagged, sizeof(tagged));
	assert_true(neigh_links_resolve(&t, 8, to_mac, &info));
	assert_int_equal(info.ifindex, 5);
	assert_int_equal(info.mtu, 1550);
	assert_eth(&info, twice, sizeof(twice));
	/* Three tags; on a bridge; on itself; unknown. */
	assert_false(neigh_links_resolve(&t, 9, to_mac, &info));
	assert_false(neigh_links_resolve(&t, 11, to_mac, &info));
	assert_false(neigh_links_resolve(&t, 12, to_mac, &info));
	assert_false(neigh_links_resolve(&t, 77, to_mac, &info));
	/* The interface below goes down, and goes. */
	add(&t, &(struct link_spec){.index = 5, .down = IFF_LOWER_UP});
	assert_false(neigh_links_resolve(&t, 6, to_mac, &info));
	neigh_links_event(&t, message(RTM_DELLINK, &(struct link_spec){.index = 5}));
	assert_false(neigh_links_resolve(&t, 8, to_mac, &info));
	neigh_links_done(&t);
}

/* As this kernel tells it, of each kind that it has. */
static void test_live(void **state _unused_)
{
	struct neigh_links t = {};
	struct neigh_hop_info info;
	struct neigh_rtnl rtnl;

	if (!xdp_net_enter()) {
		print_message("needs root and namespaces\n");
		skip();
	}
	xdp_net_run("ip link add a0 mtu 1700 type veth peer name a1");
	xdp_net_run("ip link set a0 up");
	xdp_net_run("ip link set a1 up");
	xdp_net_run("ip link add br0 type bridge");
	xdp_net_run("ip link set br0 up");
	xdp_net_run("ip link add mv0 link a0 type macvlan");
	xdp_net_run("ip link set mv0 up");
	/* So many that the answer comes in several pieces. */
	for (int i = 0; i < 40; i++)
		xdp_net_run("ip link add many%d type veth peer name more%d", i, i);
	assert_int_equal(neigh_rtnl_open(&rtnl), 0);
	assert_int_equal(neigh_links_load(&t, &rtnl), 0);
	assert_int_equal(HASH_COUNT(t.by_index), 1 + 2 + 2 + 80);
	assert_true(neigh_links_resolve(&t, if_nametoindex("a0"), to_mac, &info));
	assert_int_equal(info.ifindex, if_nametoindex("a0"));
	assert_int_equal(info.mtu, 1700);
	assert_false(neigh_links_resolve(&t, if_nametoindex("lo"), to_mac, &info));
	assert_false(neigh_links_resolve(&t, if_nametoindex("br0"), to_mac, &info));
	assert_false(neigh_links_resolve(&t, if_nametoindex("mv0"), to_mac, &info));
	neigh_links_done(&t);
	neigh_rtnl_close(&rtnl);
}

static void test_live_vlan(void **state _unused_)
{
	struct neigh_links t = {};
	struct neigh_hop_info info;
	struct neigh_rtnl rtnl;

	if (!xdp_net_enter()) {
		print_message("needs root and namespaces\n");
		skip();
	}
	xdp_net_run("ip link add a0 type veth peer name a1");
	if (xdp_net_try("ip link add v0 link a0 type vlan id 100") != 0) {
		print_message("needs VLAN devices\n");
		skip();
	}
	xdp_net_run("ip link add v1 link v0 type vlan id 7");
	xdp_net_run("ip link set a0 up");
	xdp_net_run("ip link set a1 up");
	xdp_net_run("ip link set v0 up");
	xdp_net_run("ip link set v1 up");
	assert_int_equal(neigh_rtnl_open(&rtnl), 0);
	assert_int_equal(neigh_links_load(&t, &rtnl), 0);
	assert_true(neigh_links_resolve(&t, if_nametoindex("v1"), to_mac, &info));
	assert_int_equal(info.ifindex, if_nametoindex("a0"));
	assert_int_equal(info.eth_len, 20);
	assert_memory_equal(info.eth + 12, ((uint8_t[]){0x81, 0, 0, 100, 0x81, 0, 0, 7}), 8);
	neigh_links_done(&t);
	neigh_rtnl_close(&rtnl);
}

static void test_live_bond(void **state _unused_)
{
	struct neigh_links t = {};
	struct neigh_hop_info info;
	struct neigh_rtnl rtnl;

	if (!xdp_net_enter()) {
		print_message("needs root and namespaces\n");
		skip();
	}
	if (xdp_net_try("ip link add bond0 type bond") != 0) {
		print_message("needs bonds\n");
		skip();
	}
	xdp_net_run("ip link add a0 type veth peer name a1");
	xdp_net_run("ip link set a0 master bond0");
	xdp_net_run("ip link set bond0 up");
	xdp_net_run("ip link set a1 up");
	assert_int_equal(neigh_rtnl_open(&rtnl), 0);
	assert_int_equal(neigh_links_load(&t, &rtnl), 0);
	assert_true(neigh_links_resolve(&t, if_nametoindex("bond0"), to_mac, &info));
	assert_int_equal(info.ifindex, if_nametoindex("bond0"));
	neigh_links_done(&t);
	neigh_rtnl_close(&rtnl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_not_about_a_link),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_live_vlan),
		cmocka_unit_test(test_live_bond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
