// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hops: what is in them, who shares one, when a number is used again, what is
 * made of those that are found in the maps; and with the kernel's neighbours, links and
 * addresses behind. The maps are plain memory here.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "config.h"
#include "loop.h"
#include "maps_hop.h"
#include "neigh.h"
#include "util.h"
#include "xdp_net.h"

#define MAX 16u

static bool possible;
static struct config cfg;
static struct maps_bpf bpf;
static struct maps_grace grace;
static struct maps_hops hops;

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct neigh_hop_info info_of(uint32_t ifindex, uint8_t mac)
{
	return (struct neigh_hop_info){.ifindex = ifindex,
				       .mtu = 1500,
				       .eth_len = 12,
				       .eth = {2, 0, 0, 0, 0, mac, 2, 0, 0, 0, 1, 1}};
}

static void begin(struct neigh *neigh)
{
	assert_int_equal(maps_hops_init(&hops, &bpf, &grace, neigh), 0);
}

static int setup(void **state _unused_)
{
	static bool begun;

	if (!begun)
		possible = xdp_net_enter() != NULL;
	begun = true;
	if (!possible) {
		print_message("needs root and namespaces\n");
		return 0;
	}
	if (maps_grace_init(&grace) < 0) {
		possible = false;
		print_message("needs bpf(2)\n");
		return 0;
	}
	config_init(&cfg);
	cfg.max_backends = MAX;
	cfg.n_interfaces = 1;
	snprintf(cfg.interfaces[0], sizeof(cfg.interfaces[0]), "a0");
	cfg.has_source4 = cfg.has_source6 = true;
	cfg.source4 = addr_of("192.0.2.1");
	cfg.source6 = addr_of("2001:db8::1");
	bpf = (struct maps_bpf){.cfg = &cfg,
				.hops = calloc(MAX + 1, sizeof(*bpf.hops)),
				.backends = calloc(MAX + 1, sizeof(*bpf.backends))};
	assert_true(bpf.hops && bpf.backends);
	begin(NULL);
	return 0;
}

static int teardown(void **state _unused_)
{
	if (!possible)
		return 0;
	maps_hops_done(&hops);
	maps_grace_done(&grace);
	free(bpf.hops);
	free(bpf.backends);
	return 0;
}

/* As maps_backend.c does it. */
static void assign(uint32_t number, const char *text)
{
	struct addr a = addr_of(text);
	struct nlb_backend e = {.flags = addr_is_v4(&a) ? NLB_BACKEND_F_V4 : 0};

	memcpy(e.addr, a.b, sizeof(e.addr));
	bpf.backends[number] = e;
	maps_hops_want(&hops, number, &a);
}

static void unwant(uint32_t number, const char *text)
{
	struct addr a = addr_of(text);

	maps_hops_unwant(&hops, number, &a);
}

static void path(const char *text, const struct neigh_hop_info *info)
{
	struct addr a = addr_of(text);

	maps_hops_path(&hops, &a, info);
}

static const struct nlb_hop *hop_of(uint32_t number)
{
	uint32_t hop = bpf.backends[number].hop;

	assert_in_range(hop, 1, MAX);
	return &bpf.hops[hop];
}

static void test_content(void **state _unused_)
{
	struct neigh_hop_info plain = info_of(3, 9), tagged = info_of(4, 8);
	struct nlb_hop want = {
		.eth = {2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 1, 1, 8, 0},
		.eth_len = 14,
		.ttl = 64,
		.ifindex = 3,
		.mtu = 1500,
		.source = {[10] = 0xff, 0xff, 192, 0, 2, 1},
	};
	struct nlb_hop want6 = {
		.eth = {2, 0,	 0,    0, 0, 8,	   2, 0, 0, 0,	  1,
			1, 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x86, 0xdd},
		.eth_len = 22,
		.ttl = 64,
		.ifindex = 4,
		.mtu = 65535,
		.source = {0x20, 1, 0xd, 0xb8, [15] = 1},
	};

	if (!possible)
		skip();
	assign(1, "10.0.0.1");
	assert_int_equal(bpf.backends[1].hop, 0);
	path("10.0.0.1", &plain);
	assert_memory_equal(hop_of(1), &want, sizeof(want));
	memcpy(tagged.eth + 12, ((uint8_t[]){0x88, 0xa8, 0, 5, 0x81, 0, 0, 6}), 8);
	tagged.eth_len = 20;
	tagged.mtu = 0;
	assign(2, "fd00::1");
	path("fd00::1", &tagged);
	assert_memory_equal(hop_of(2), &want6, sizeof(want6));
	/* Not known any more, nor was it ever wanted. */
	path("10.0.0.1", NULL);
	assert_int_equal(bpf.backends[1].hop, 0);
	path("10.0.0.77", &plain);
	path("10.0.0.78", NULL);
}

static void test_shared(void **state _unused_)
{
	struct neigh_hop_info gw = info_of(3, 9), other = info_of(3, 10);
	uint32_t first;

	if (!possible)
		skip();
	assign(1, "10.0.0.1");
	assign(2, "10.0.0.2");
	assign(3, "10.0.0.3");
	assign(4, "fd00::4");
	path("10.0.0.1", &gw);
	path("10.0.0.2", &gw);
	path("10.0.0.3", &other);
	/* The Ethernet type is another one. */
	path("fd00::4", &gw);
	first = bpf.backends[1].hop;
	assert_int_equal(bpf.backends[2].hop, first);
	assert_int_not_equal(bpf.backends[3].hop, first);
	assert_int_not_equal(bpf.backends[4].hop, first);
	assert_int_equal(HASH_COUNT(hops.by_content), 3);
	/* One leaves: what the other has is not touched. */
	path("10.0.0.1", &other);
	assert_int_equal(bpf.backends[1].hop, bpf.backends[3].hop);
	assert_int_equal(bpf.backends[2].hop, first);
	assert_int_equal(bpf.hops[first].eth[5], 9);
	unwant(2, "10.0.0.2");
	assert_int_equal(bpf.backends[2].hop, 0);
	assert_int_equal(HASH_COUNT(hops.by_content), 2);
	/* Wanted and unwanted twice; another's number; nobody. */
	unwant(2, "10.0.0.2");
	unwant(1, "10.0.0.3");
	assert_int_equal(bpf.backends[1].hop, bpf.backends[3].hop);
	maps_hops_want(NULL, 1, NULL);
	maps_hops_unwant(NULL, 1, NULL);
	path("10.0.0.2", &gw);
	assert_int_equal(bpf.backends[2].hop, 0);
}

static void test_number_of_another(void **state _unused_)
{
	struct neigh_hop_info a = info_of(3, 9), b = info_of(3, 10);

	if (!possible)
		skip();
	assign(1, "10.0.0.1");
	path("10.0.0.1", &a);
	unwant(1, "10.0.0.1");
	assign(1, "10.0.0.2");
	path("10.0.0.1", &a);
	assert_int_equal(bpf.backends[1].hop, 0);
	path("10.0.0.2", &b);
	assert_int_equal(hop_of(1)->eth[5], 10);
	/* The address has another number now, and the first is given up. */
	assign(2, "10.0.0.2");
	assert_int_equal(bpf.backends[1].hop, 0);
	path("10.0.0.2", &b);
	assert_int_equal(hop_of(2)->eth[5], 10);
	assert_int_equal(HASH_COUNT(hops.by_content), 1);
}

/* An entry is never written while a program may read it. */
static void test_reuse(void **state _unused_)
{
	uint64_t freed[MAX + 1] = {};
	uint32_t last = 0;

	if (!possible)
		skip();
	assign(1, "10.0.0.1");
	for (unsigned int i = 0; i < 10 * MAX; i++) {
		struct neigh_hop_info info = info_of(1 + i, 9);
		struct nlb_hop before[MAX + 1];
		uint32_t now;

		memcpy(before, bpf.hops, sizeof(before));
		path("10.0.0.1", &info);
		now = bpf.backends[1].hop;
		assert_int_not_equal(now, last);
		assert_int_equal(hop_of(1)->ifindex, 1 + i);
		if (freed[now])
			assert_true(grace.epoch > freed[now]);
		before[now] = bpf.hops[now];
		assert_memory_equal(before, bpf.hops, sizeof(before));
		freed[last] = grace.epoch;
		last = now;
	}
	/* Seldom: each number once between two waits. */
	assert_in_range(grace.epoch, 2, 20);
}

static void test_no_two_alike(void **state _unused_)
{
	if (!possible)
		skip();
	for (unsigned int round = 0; round < 3; round++) {
		for (uint32_t i = 1; i <= MAX; i++) {
			struct neigh_hop_info info = info_of(i, (uint8_t)round);
			char text[32];

			snprintf(text, sizeof(text), "10.0.0.%u", i);
			if (round == 0)
				assign(i, text);
			path(text, &info);
		}
		assert_int_equal(HASH_COUNT(hops.by_content), MAX);
		for (uint32_t i = 1; i <= MAX; i++) {
			assert_int_equal(hop_of(i)->ifindex, i);
			assert_int_equal(hop_of(i)->eth[5], round);
		}
	}
	assert_false(hops.complained);
}

static void restart(void)
{
	maps_hops_done(&hops);
	begin(NULL);
}

/* As maps_adopt.c does it. */
static void adopt(uint32_t number)
{
	struct addr a;

	memcpy(a.b, bpf.backends[number].addr, sizeof(a.b));
	maps_hops_want(&hops, number, &a);
}

static void test_adopted(void **state _unused_)
{
	struct neigh_hop_info gw = info_of(3, 9), other = info_of(3, 10), new = info_of(3, 11);
	struct nlb_backend before[MAX + 1];

	if (!possible)
		skip();
	for (uint32_t i = 1; i <= 5; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.0.0.%u", i);
		assign(i, text);
		path(text, i <= 3 ? &gw : &other);
	}
	memcpy(before, bpf.backends, sizeof(before));
	restart();
	assert_int_equal(HASH_COUNT(hops.by_content), 2);
	adopt(1);
	adopt(2);
	adopt(3);
	/* Nothing was heard of the kernel yet: packets flow as before. */
	assert_memory_equal(before, bpf.backends, sizeof(before));
	/* The same, another, none. */
	path("10.0.0.1", &gw);
	path("10.0.0.2", &new);
	path("10.0.0.3", NULL);
	assert_int_equal(bpf.backends[1].hop, before[1].hop);
	assert_int_equal(hop_of(2)->eth[5], 11);
	assert_int_not_equal(bpf.backends[2].hop, before[4].hop);
	assert_int_equal(bpf.backends[3].hop, 0);
	/* 4 is another backend now, of 5 nobody knows. */
	assign(4, "10.0.0.44");
	assert_int_equal(bpf.backends[4].hop, 0);
	assert_int_equal(bpf.backends[5].hop, before[5].hop);
	maps_hops_settled(&hops);
	assert_int_equal(bpf.backends[5].hop, 0);
	assert_int_equal(bpf.backends[1].hop, before[1].hop);
	assert_int_equal(HASH_COUNT(hops.by_content), 2);
}

/* The last agent may have let go of a hop just before its end. */
static void test_adopted_numbers_rest(void **state _unused_)
{
	struct neigh_hop_info info = info_of(3, 9);

	if (!possible)
		skip();
	bpf.adopted = true;
	restart();
	assert_int_equal(grace.epoch, 1);
	assign(1, "10.0.0.1");
	path("10.0.0.1", &info);
	assert_int_equal(hop_of(1)->eth[5], 9);
	assert_int_equal(grace.epoch, 2);
}

static void test_adopted_damage(void **state _unused_)
{
	struct neigh_hop_info info[7];

	if (!possible)
		skip();
	for (uint32_t i = 1; i <= 6; i++) {
		char text[32];

		info[i] = info_of(3, (uint8_t)i);
		snprintf(text, sizeof(text), "10.0.0.%u", i);
		assign(i, text);
		path(text, &info[i]);
	}
	bpf.hops[bpf.backends[1].hop].eth_len = 15;
	bpf.hops[bpf.backends[2].hop].eth[12] = 0x86;
	bpf.hops[bpf.backends[3].hop].ifindex = 0;
	bpf.hops[bpf.backends[4].hop].zero[2] = 1;
	bpf.backends[5].hop = MAX + 1;
	restart();
	for (uint32_t i = 1; i <= 5; i++)
		assert_int_equal(bpf.backends[i].hop, 0);
	assert_int_equal(hop_of(6)->eth[5], 6);
	/* Two entries that say the same: one is enough. */
	bpf.hops[9] = *hop_of(6);
	bpf.backends[5].hop = 9;
	restart();
	assert_int_equal(HASH_COUNT(hops.by_content), 1);
	adopt(5);
	adopt(6);
	path("10.0.0.5", &info[6]);
	path("10.0.0.6", &info[6]);
	assert_int_equal(bpf.backends[5].hop, bpf.backends[6].hop);
}

static void test_prefix_source(void **state _unused_)
{
	struct neigh_hop_info info = info_of(3, 9);

	if (!possible)
		skip();
	cfg.source4 = addr_of("10.255.0.0");
	cfg.source4_plen = 24;
	cfg.source6 = addr_of("2001:db8::");
	cfg.source6_plen = 96;
	maps_hops_sources(&hops);
	assign(1, "10.0.0.1");
	assign(2, "fd00::1");
	path("10.0.0.1", &info);
	path("fd00::1", &info);
	assert_memory_equal(hop_of(1)->source + 12, ((uint8_t[]){10, 255, 0, 0}), 4);
	assert_int_equal(hop_of(1)->source_mask, htonl(0xff));
	assert_memory_equal(hop_of(2)->source, cfg.source6.b, 16);
	assert_int_equal(hop_of(2)->source_mask, 0xffffffff);
}

/* ---- with the kernel ---- */

static struct loop *loop;
static struct neigh *neigh;

static void on_path(void *user, const struct addr *a, const struct neigh_hop_info *info)
{
	maps_hops_path(user, a, info);
}

static void on_settled(void *user)
{
	maps_hops_settled(user);
}

static void on_addr(void *user)
{
	maps_hops_sources(user);
}

static void on_other(void *user _unused_)
{
}

static const struct neigh_ops ops = {.changed = on_other,
				     .link = on_other,
				     .addr = on_addr,
				     .path = on_path,
				     .settled = on_settled};

static int setup_live(void **state)
{
	setup(state);
	if (!possible)
		return 0;
	xdp_net_run("ip link add a0 type veth peer name a1");
	xdp_net_run("ip link set a1 up");
	xdp_net_run("ip link set a0 up");
	xdp_net_run("ip addr add 10.1.0.1/24 dev a0");
	xdp_net_run("ip neigh add 10.1.0.9 lladdr 02:00:00:00:01:09 dev a0 nud permanent");
	xdp_net_run("ip route add 10.5.0.0/24 via 10.1.0.9");
	cfg.has_source4 = cfg.has_source6 = false;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(neigh_new(loop, &ops, &hops, &neigh), 0);
	maps_hops_done(&hops);
	begin(neigh);
	return 0;
}

static int teardown_live(void **state)
{
	if (possible) {
		neigh_free(neigh);
		loop_free(loop);
		xdp_net_run("ip link del a0");
	}
	return teardown(state);
}

#define wait_for(condition)                                                                        \
	do {                                                                                       \
		uint64_t _until = util_now_ns() + 10000000000ull;                                  \
		while (!(condition)) {                                                             \
			if (util_now_ns() > _until)                                                \
				fail_msg("never: " #condition);                                    \
			assert_int_equal(loop_once(loop, 50), 0);                                  \
		}                                                                                  \
	} while (0)

static void test_live(void **state _unused_)
{
	if (!possible)
		skip();
	for (uint32_t i = 1; i <= MAX; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.5.0.%u", i);
		assign(i, text);
	}
	/* All by one gateway: one hop. */
	for (uint32_t i = 1; i <= MAX; i++)
		assert_int_equal(bpf.backends[i].hop, bpf.backends[1].hop);
	assert_int_equal(hop_of(1)->ifindex, if_nametoindex("a0"));
	assert_int_equal(hop_of(1)->eth[5], 9);
	assert_int_equal(hop_of(1)->source[15], 1);
	assert_int_equal(hop_of(1)->source_mask, 0);
	/* The gateway is another machine. */
	xdp_net_run("ip neigh replace 10.1.0.9 lladdr 02:00:00:00:01:0a dev a0 nud permanent");
	wait_for(hop_of(1)->eth[5] == 10 && hop_of(MAX)->eth[5] == 10);
	assert_int_equal(HASH_COUNT(hops.by_content), 1);
	/* The node has another address. */
	xdp_net_run("ip addr add 10.1.0.3/32 dev a0");
	xdp_net_run("ip addr del 10.1.0.1/24 dev a0");
	wait_for(bpf.backends[1].hop && hop_of(1)->source[15] == 3);
	assert_int_equal(bpf.backends[MAX].hop, bpf.backends[1].hop);
	assert_int_equal(HASH_COUNT(hops.by_content), 1);
	xdp_net_run("ip link set a1 down");
	wait_for(!bpf.backends[1].hop && !bpf.backends[MAX].hop);
	assert_int_equal(HASH_COUNT(hops.by_content), 0);
	xdp_net_run("ip link set a1 up");
	wait_for(bpf.backends[1].hop && bpf.backends[MAX].hop);
	/* The agent starts anew. */
	maps_hops_done(&hops);
	neigh_free(neigh);
	assert_int_equal(neigh_new(loop, &ops, &hops, &neigh), 0);
	begin(neigh);
	assert_int_equal(HASH_COUNT(hops.by_content), 1);
	for (uint32_t i = 2; i <= MAX; i++)
		adopt(i);
	assert_true(bpf.backends[1].hop != 0);
	assert_int_equal(bpf.backends[MAX].hop, bpf.backends[1].hop);
	wait_for(bpf.backends[1].hop == 0);
	assert_true(bpf.backends[MAX].hop != 0);
	unwant(MAX, "10.5.0.16");
	assert_int_equal(bpf.backends[MAX].hop, 0);
}

static void test_live_without_source(void **state _unused_)
{
	if (!possible)
		skip();
	/* The interface has no IPv6 address that others could answer to. */
	xdp_net_run("ip -6 addr flush dev a0");
	xdp_net_run("ip -6 route add fd05::/64 dev a0");
	xdp_net_run("ip neigh add fd05::9 lladdr 02:00:00:00:01:06 dev a0 nud permanent");
	assign(1, "fd05::9");
	assert_int_equal(bpf.backends[1].hop, 0);
	xdp_net_run("ip addr add fd06::1/64 dev a0 nodad");
	wait_for(bpf.backends[1].hop);
	assert_int_equal(hop_of(1)->source[1], 6);
	assert_memory_equal(hop_of(1)->eth + 12, "\x86\xdd", 2);
	xdp_net_run("ip addr del fd06::1/64 dev a0");
	wait_for(!bpf.backends[1].hop);
}

/* As many hops as there are backends, and a source that changes for all of them. */
static void test_live_all_sources(void **state _unused_)
{
	uint64_t epoch;

	if (!possible)
		skip();
	for (uint32_t i = 1; i <= MAX; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.1.0.%u", 100 + i);
		xdp_net_run("ip neigh add %s lladdr 02:00:00:00:01:%02x dev a0 nud permanent", text,
			    100 + i);
		assign(i, text);
	}
	assert_int_equal(HASH_COUNT(hops.by_content), MAX);
	epoch = grace.epoch;
	cfg.has_source4 = true;
	maps_hops_sources(&hops);
	for (uint32_t i = 1; i <= MAX; i++) {
		assert_int_equal(hop_of(i)->eth[5], 100 + i);
		assert_memory_equal(hop_of(i)->source, cfg.source4.b, 16);
	}
	assert_in_range(grace.epoch, epoch, epoch + 1);
	/* Nothing changed: nothing is done. */
	maps_hops_sources(&hops);
	assert_in_range(grace.epoch, epoch, epoch + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_content, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_number_of_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reuse, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_two_alike, setup, teardown),
		cmocka_unit_test_setup_teardown(test_adopted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_adopted_numbers_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_adopted_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prefix_source, setup, teardown),
		cmocka_unit_test_setup_teardown(test_live, setup_live, teardown_live),
		cmocka_unit_test_setup_teardown(test_live_without_source, setup_live,
						teardown_live),
		cmocka_unit_test_setup_teardown(test_live_all_sources, setup_live, teardown_live),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
