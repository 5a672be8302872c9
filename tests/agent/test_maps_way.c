// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The maps child and the way to its backends: hops in the maps it pinned, as
 * the kernel's neighbours and addresses change, and across a restart.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "maps_fs.h"
#include "maps_host.h"
#include "util.h"
#include "xdp/nlb_shared.h"
#include "xdp_net.h"

#define VIP	  "192.0.2.1"
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

#define NEEDS_ROOT()                                                                               \
	do {                                                                                       \
		if (!possible)                                                                     \
			skip();                                                                    \
	} while (0)

static bool possible;
static struct maps_host host;

static void read_map(const char *name, uint32_t key, void *ret)
{
	int fd = maps_host_map_fd(&host, name);

	assert_int_equal(bpf_map_lookup_elem(fd, &key, ret), 0);
	close(fd);
}

/* The backend's hop number, 0 when it has none; *ret is the hop. */
static uint32_t hop_of(const char *text, struct nlb_hop *ret)
{
	struct nlb_backend b;
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	for (uint32_t i = 1; i <= host.cfg.max_backends; i++) {
		read_map("nlb_backends", i, &b);
		if (memcmp(b.addr, a.b, sizeof(b.addr)) != 0)
			continue;
		if (b.hop)
			read_map("nlb_hops", b.hop, ret);
		return b.hop;
	}
	fail_msg("%s is no backend", text);
	return 0;
}

static void assert_proven(void)
{
	const struct msg_svc_result *res = maps_host_result(&host, VIP, 80);

	assert_non_null(res);
	if (res->state != MSG_SVC_PROVEN)
		fail_msg("%s", res->reason);
}

static void set_forwarding(const char *value)
{
	xdp_net_sysctl("ipv4/conf/lb0/forwarding", value);
	xdp_net_sysctl("ipv6/conf/lb0/forwarding", value);
}

static void fill(void)
{
	maps_host_vip(&host, VIP);
	maps_host_svc(&host, VIP, 80, 13, LIST("10.0.0.11", "10.0.0.12", "fd00::11"));
	maps_host_commit(&host);
	assert_proven();
}

static int setup(void **state)
{
	static bool begun;

	(void)state;
	if (!begun)
		possible = maps_host_init(&host);
	begun = true;
	if (!possible) {
		print_message("needs root, namespaces and bpffs\n");
		return 0;
	}
	maps_host_start(&host);
	assert_true(host.ready);
	return 0;
}

static int teardown(void **state)
{
	char dir[MAPS_FS_PATH_LEN];

	(void)state;
	if (!possible)
		return 0;
	if (host.child)
		maps_host_stop(&host);
	maps_fs_layout_dir(&host.cfg, dir);
	maps_fs_remove_dir(dir);
	host.cfg.n_interfaces = 0;
	maps_fs_remove_links(&host.cfg);
	host.cfg.n_interfaces = 1;
	host.cfg.has_source4 = false;
	set_forwarding("1");
	return 0;
}

/* Runs until the hop of the first backend is one for which holds() is true. */
static void wait_hop(bool (*holds)(const struct nlb_hop *hop))
{
	uint64_t until = util_now_ns() + 10000000000ull;
	struct nlb_hop hop;

	while (!hop_of("10.0.0.11", &hop) || !holds(&hop)) {
		assert_true(util_now_ns() < until);
		assert_int_equal(loop_once(host.loop, 50), 0);
	}
}

static void test_in_the_maps(void **state)
{
	struct nlb_hop hop;

	(void)state;
	NEEDS_ROOT();
	fill();
	assert_int_not_equal(hop_of("10.0.0.11", &hop), 0);
	assert_int_equal(hop.ifindex, if_nametoindex("lb0"));
	assert_memory_equal(hop.eth, ((uint8_t[]){2, 0, 0, 0, 0, 0x11}), 6);
	assert_memory_equal(hop.eth + 12, ((uint8_t[]){8, 0}), 2);
	assert_memory_equal(hop.source + 12, ((uint8_t[]){10, 0, 0, 1}), 4);
	assert_int_equal(hop.mtu, 1500);
	assert_int_not_equal(hop_of("fd00::11", &hop), 0);
	assert_memory_equal(hop.eth + 12, ((uint8_t[]){0x86, 0xdd}), 2);
	assert_int_equal(hop.source[0], 0xfd);
}

/* The kernel forwards nothing; who knows the hop does not ask it. */
static void test_forwarding_is_not_needed(void **state)
{
	(void)state;
	NEEDS_ROOT();
	set_forwarding("0");
	fill();
	maps_host_svc(&host, VIP, 80, 13, LIST("10.0.0.77"));
	maps_host_commit(&host);
	assert_string_equal(maps_host_result(&host, VIP, 80)->reason,
			    "lb0: packet dropped: no_forwarding");
	set_forwarding("1");
	maps_host_svc(&host, VIP, 80, 13, LIST("10.0.0.77"));
	maps_host_commit(&host);
	assert_string_equal(maps_host_result(&host, VIP, 80)->reason,
			    "lb0: packet dropped: no_neighbour");
}

static bool has_new_mac(const struct nlb_hop *hop)
{
	return hop->eth[5] == 0x71;
}

static bool has_old_mac(const struct nlb_hop *hop)
{
	return hop->eth[5] == 0x11;
}

static bool has_other_source(const struct nlb_hop *hop)
{
	return hop->source[15] == 9;
}

static bool has_first_source(const struct nlb_hop *hop)
{
	return hop->source[15] == 1;
}

static void test_changes(void **state)
{
	(void)state;
	NEEDS_ROOT();
	fill();
	xdp_net_run("ip neigh replace 10.0.0.11 lladdr 02:00:00:00:00:71 dev lb0 nud permanent");
	wait_hop(has_new_mac);
	xdp_net_run("ip neigh replace 10.0.0.11 lladdr 02:00:00:00:00:11 dev lb0 nud permanent");
	wait_hop(has_old_mac);
	xdp_net_run("ip addr add 10.0.9.9/32 dev lb0");
	xdp_net_run("ip addr del 10.0.0.1/24 dev lb0");
	xdp_net_run("ip route add 10.0.0.0/24 dev lb0");
	wait_hop(has_other_source);
	/* In this order: with its last address, an interface loses its neighbours. */
	xdp_net_run("ip route del 10.0.0.0/24 dev lb0");
	xdp_net_run("ip addr add 10.0.0.1/24 dev lb0");
	xdp_net_run("ip addr del 10.0.9.9/32 dev lb0");
	wait_hop(has_first_source);
}

static void test_restart(void **state)
{
	struct nlb_hop before[2], after[2];
	uint32_t number[2];

	(void)state;
	NEEDS_ROOT();
	fill();
	number[0] = hop_of("10.0.0.11", &before[0]);
	number[1] = hop_of("fd00::11", &before[1]);
	maps_host_kill(&host);
	/* What is not so any more when the next agent comes. */
	xdp_net_run("ip neigh replace 10.0.0.12 lladdr 02:00:00:00:00:72 dev lb0 nud permanent");
	maps_host_start(&host);
	assert_true(host.ready);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(hop_of("10.0.0.11", &after[0]), number[0]);
		assert_int_equal(hop_of("fd00::11", &after[1]), number[1]);
		assert_memory_equal(before, after, sizeof(before));
		assert_int_not_equal(hop_of("10.0.0.12", &after[0]), 0);
		assert_int_equal(after[0].eth[5], 0x72);
		/* Longer than the first round takes to come. */
		maps_host_linger(&host, 3500);
	}
	xdp_net_run("ip neigh replace 10.0.0.12 lladdr 02:00:00:00:00:12 dev lb0 nud permanent");
}

static void test_source_prefix(void **state)
{
	struct nlb_config config;
	struct nlb_hop hop;

	(void)state;
	NEEDS_ROOT();
	maps_host_stop(&host);
	host.cfg.has_source4 = true;
	assert_int_equal(addr_parse("10.255.0.0", &host.cfg.source4), 0);
	host.cfg.source4_plen = 24;
	maps_host_start(&host);
	fill();
	assert_int_not_equal(hop_of("10.0.0.11", &hop), 0);
	assert_memory_equal(hop.source + 12, ((uint8_t[]){10, 255, 0, 0}), 4);
	assert_int_equal(hop.source_mask, htonl(0xff));
	read_map("nlb_config", 0, &config);
	assert_memory_equal(config.source4, ((uint8_t[]){10, 255, 0, 1}), 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_in_the_maps),	  TEST(test_forwarding_is_not_needed),
		TEST(test_changes),	  TEST(test_restart),
		TEST(test_source_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
