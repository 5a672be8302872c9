// SPDX-License-Identifier: GPL-2.0-or-later
/* The balancer of the packet tests: what it knows; see xdp_world.h. */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"
#include "xdp_net.h"
#include "xdp_world.h"
#include "xdp_world_int.h"

#define MAC(...)                                                                                   \
	{                                                                                          \
		0x02, 0, 0, 0, __VA_ARGS__                                                         \
	}

/* Hops by their numbers less one; every one leads to the same neighbours as the routes. */
enum hop {
	ASK_KERNEL,
	SAME4,
	OTHER4,
	SAME6,
	OTHER6,
	VLAN4,
	VLAN6,
	QINQ4,
	QINQ6,
	VLAN_OTHER4,
	PREFIX4,
	PREFIX6,
	SMALL4,
	SMALL6,
	NO_MTU,
	HOPS,
	PAST_THE_END = 999,
};

static const struct {
	const char *ifname;
	struct xdp_maps_hop hop;
} hops[HOPS] = {
	[SAME4] = {"in0", {.dmac = MAC(0, 0x11), .source = XDP_WORLD_SOURCE4}},
	[OTHER4] = {"out0", {.dmac = MAC(1, 0x11), .source = XDP_WORLD_SOURCE4}},
	[SAME6] = {"in0", {.dmac = MAC(0, 0x16), .source = XDP_WORLD_SOURCE6}},
	[OTHER6] = {"out0", {.dmac = MAC(1, 0x16), .source = XDP_WORLD_SOURCE6}},
	[VLAN4] = {"in0",
		   {.dmac = MAC(0, 0x11), .n_tags = 1, .tags = {7}, .source = XDP_WORLD_SOURCE4}},
	[VLAN6] = {"in0",
		   {.dmac = MAC(0, 0x16),
		    .n_tags = 1,
		    .tags = {0x8ffe},
		    .source = XDP_WORLD_SOURCE6}},
	[QINQ4] = {"in0",
		   {.dmac = MAC(0, 0x11),
		    .n_tags = 2,
		    .tags = {100, 200},
		    .source = XDP_WORLD_SOURCE4}},
	[QINQ6] = {"in0",
		   {.dmac = MAC(0, 0x16),
		    .n_tags = 2,
		    .tags = {0xe064, 200},
		    .source = XDP_WORLD_SOURCE6}},
	[VLAN_OTHER4] =
		{"out0",
		 {.dmac = MAC(1, 0x11), .n_tags = 1, .tags = {9}, .source = XDP_WORLD_SOURCE4}},
	[PREFIX4] = {"in0", {.dmac = MAC(0, 0x11), .source = "10.254.0.0/16"}},
	[PREFIX6] = {"in0", {.dmac = MAC(0, 0x16), .source = "fdfe::/96"}},
	[SMALL4] = {"in0", {.dmac = MAC(0, 0x11), .mtu = 600, .source = XDP_WORLD_SOURCE4}},
	[SMALL6] = {"in0", {.dmac = MAC(0, 0x16), .mtu = 1300, .source = XDP_WORLD_SOURCE6}},
	[NO_MTU] = {"in0", {.dmac = MAC(0, 0x11), .ttl = 33, .source = XDP_WORLD_SOURCE4}},
};

/* Services of VIPs 1 and 2. */
static const struct {
	uint8_t protocol;
	uint16_t port;
	const char *backend;
	uint32_t hop;
} services[] = {
	{IPPROTO_TCP, 80, "10.0.0.11", 0},
	{IPPROTO_TCP, 81, "10.0.1.11", 0},
	{IPPROTO_TCP, 82, "fd00::11", 0},
	{IPPROTO_TCP, 83, "fd01::11", 0},
	{IPPROTO_TCP, 84, XDP_WORLD_EMPTY, 0},
	{IPPROTO_TCP, 85, XDP_WORLD_NONE, 0},
	{IPPROTO_TCP, 86, "10.99.0.1", 0},
	{IPPROTO_TCP, 87, "10.0.0.99", 0},
	{IPPROTO_TCP, 88, "10.66.0.1", 0},
	{IPPROTO_TCP, 89, "10.67.0.1", 0},
	{IPPROTO_TCP, 90, "10.68.0.1", 0},
	{IPPROTO_TCP, 91, "10.69.0.1", 0},
	{IPPROTO_TCP, 92, "fd69::1", 0},
	{IPPROTO_TCP, 93, XDP_WORLD_BAD_RING, 0},
	{IPPROTO_TCP, 94, XDP_WORLD_BAD_SLOT, 0},
	{IPPROTO_TCP, 95, "10.0.0.1", 0},
	{IPPROTO_TCP, 96, "10.70.0.1", 0},
	{IPPROTO_TCP, 97, "fd99::1", 0},
	{IPPROTO_TCP, 98, "fd00::99", 0},
	{IPPROTO_TCP, 100, "10.71.0.1", 0},
	{IPPROTO_UDP, 53, "10.0.0.11", 0},
	{IPPROTO_UDP, 54, "fd00::11", 0},
	{IPPROTO_TCP, 110, "10.0.0.11", SAME4},
	{IPPROTO_TCP, 111, "10.0.1.11", OTHER4},
	{IPPROTO_TCP, 112, "fd00::11", SAME6},
	{IPPROTO_TCP, 113, "fd01::11", OTHER6},
	{IPPROTO_TCP, 114, "10.0.0.12", VLAN4},
	{IPPROTO_TCP, 115, "fd00::12", VLAN6},
	{IPPROTO_TCP, 116, "10.0.0.13", QINQ4},
	{IPPROTO_TCP, 117, "fd00::13", QINQ6},
	{IPPROTO_TCP, 118, "10.0.1.12", VLAN_OTHER4},
	{IPPROTO_TCP, 119, "10.0.0.14", PREFIX4},
	{IPPROTO_TCP, 120, "fd00::14", PREFIX6},
	{IPPROTO_TCP, 121, "10.0.0.15", SMALL4},
	{IPPROTO_TCP, 122, "fd00::15", SMALL6},
	{IPPROTO_TCP, 123, "10.0.0.16", NO_MTU},
	{IPPROTO_TCP, 124, "10.0.0.11", PAST_THE_END},
	{IPPROTO_UDP, 125, "10.0.0.11", SAME4},
	{IPPROTO_UDP, 126, "fd00::11", SAME6},
};

#define A	 XDP_WORLD_A
#define B	 XDP_WORLD_B
#define C	 XDP_WORLD_C
#define D	 XDP_WORLD_D
#define NOBODY	 XDP_WORLD_MEMBERS
#define RING_MAX 13

static const char *const members[] = {"10.0.0.21", "10.0.1.21", "fd00::21", "fd01::21"};
static const uint32_t member_hops[] = {SAME4, OTHER4, SAME6, OTHER6};

/* More services of VIPs 1 and 2, with rings of members. */
static const struct {
	uint8_t protocol;
	uint16_t port;
	uint32_t flags;
	uint32_t size;
	uint32_t mode; /* of all slots */
	uint8_t slots[RING_MAX];
	uint8_t second[RING_MAX];
	uint8_t quic_config, quic_len;
} rings[] = {
	{IPPROTO_TCP, 130, 0, 2, NLB_SLOT_RECENT, {A, A}, {B, B}, 0, 0},
	{IPPROTO_TCP, 131, 0, 2, NLB_SLOT_LINGER, {A, A}, {0}, 0, 0},
	{IPPROTO_TCP, 132, 0, 2, NLB_SLOT_RECENT, {NOBODY, NOBODY}, {B, B}, 0, 0},
	{IPPROTO_TCP, 133, 0, 3, NLB_SLOT_RECENT, {A, B, C}, {B, C, D}, 0, 0},
	{IPPROTO_TCP, 134, 0, 2, NLB_SLOT_RECENT, {A, A}, {C, C}, 0, 0}, /* C is gone */
	{IPPROTO_UDP, 130, 0, 2, NLB_SLOT_RECENT, {A, A}, {B, B}, 0, 0},
	{IPPROTO_TCP, 140, NLB_SVC_F_AFFINITY, 7, 0, {A, B, C, D, A, B, C}, {0}, 0, 0},
	{IPPROTO_UDP, 140, NLB_SVC_F_AFFINITY, 7, 0, {A, B, C, D, A, B, C}, {0}, 0, 0},
	{IPPROTO_TCP, 141, NLB_SVC_F_AFFINITY, 2, NLB_SLOT_RECENT, {A, B}, {C, D}, 0, 0},
	{IPPROTO_TCP, 150, 0, 13, 0, {A, B, C, D, D, C, B, A, A, C, B, D, A}, {0}, 0, 0},
	{IPPROTO_UDP, 150, 0, 13, 0, {A, B, C, D, D, C, B, A, A, C, B, D, A}, {0}, 0, 0},
	{IPPROTO_UDP, 443, NLB_SVC_F_QUIC, 2, 0, {A, A}, {0}, 2, 4},
	{IPPROTO_UDP, 444, NLB_SVC_F_QUIC, 2, 0, {B, B}, {0}, 0, 8},
	{IPPROTO_UDP, 445, NLB_SVC_F_QUIC | NLB_SVC_F_AFFINITY, 4, 0, {A, B, C, D}, {0}, 6, 1},
};

static struct nlb *skel;
static struct xdp_maps maps;
static struct nlb_fill fill;
static uint32_t backend_of[ARRAY_SIZE(services)], member_of[NOBODY + 1];

void xdp_world_must(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "xdp_world: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void add_hops(void)
{
	for (size_t i = 1; i < HOPS; i++) {
		struct xdp_maps_hop hop = hops[i].hop;

		memcpy(hop.smac, "\x02\0\0\0\0\x01", 6);
		hop.smac[4] = hop.dmac[4];
		hop.ifindex = if_nametoindex(hops[i].ifname);
		if (!hop.ttl)
			hop.ttl = 64;
		if (!hop.mtu && i != NO_MTU)
			hop.mtu = 1600;
		xdp_maps_hop(&maps, &hop);
	}
}

static void add_backends(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		if (strpbrk(services[i].backend, ".:"))
			backend_of[i] =
				xdp_maps_backend(&maps, services[i].backend, services[i].hop);
	for (size_t i = 0; i < NOBODY; i++)
		member_of[i] = xdp_maps_backend(&maps, members[i], member_hops[i]);
}

static void add_service(uint32_t vip, size_t i)
{
	uint32_t svc = xdp_maps_service(&maps, vip, services[i].protocol, services[i].port, 0);
	uint32_t slot = backend_of[i];

	if (strcmp(services[i].backend, XDP_WORLD_EMPTY) == 0)
		return;
	if (strcmp(services[i].backend, XDP_WORLD_BAD_SLOT) == 0)
		slot = NLB_BACKEND_MAX;
	xdp_maps_ring(&maps, svc, 2, (uint32_t[]){slot, slot}, NULL);
	if (strcmp(services[i].backend, XDP_WORLD_BAD_RING) == 0)
		maps.services[svc].ring.base = 0xfffffff0;
}

static void add_ring(uint32_t vip, size_t i)
{
	uint32_t slots[RING_MAX], second[RING_MAX];
	uint32_t svc =
		xdp_maps_service(&maps, vip, rings[i].protocol, rings[i].port, rings[i].flags);

	for (uint32_t s = 0; s < rings[i].size; s++) {
		slots[s] = rings[i].mode | member_of[rings[i].slots[s]];
		second[s] = member_of[rings[i].second[s]];
	}
	xdp_maps_ring(&maps, svc, rings[i].size, slots,
		      rings[i].mode == NLB_SLOT_RECENT ? second : NULL);
	maps.services[svc].quic_config = rings[i].quic_config;
	maps.services[svc].quic_len = rings[i].quic_len;
	if (rings[i].port == 134)
		maps.gone[maps.n_gone++] = (struct nlb_gone_key){svc, member_of[C]};
	if (!rings[i].quic_len)
		return;
	for (uint32_t m = 0; m < NOBODY; m++)
		xdp_maps_quic(&maps, svc, (uint8_t[]){(uint8_t)(0x10 + m), 2, 3, 4, 5, 6, 7, 8},
			      rings[i].quic_len, member_of[m]);
}

/* A VIP whose only service is one port of TCP, 0 for all, with one member. */
static void add_simple(uint32_t vip, uint8_t protocol, uint16_t port, enum xdp_world_member m)
{
	uint32_t svc = xdp_maps_service(&maps, vip, protocol, port, 0);

	xdp_maps_ring(&maps, svc, 2, (uint32_t[]){member_of[m], member_of[m]}, NULL);
}

static void add_vips(void)
{
	static const char *const prefixes[] = {
		"100.64.0.0/16",
		"100.64.5.0/24",
		"100.64.5.7",
		"2001:db8:a000::/36",
		"2001:db8:a000:5::/64",
		"2001:db8:a000:5::7",
		"198.18.0.0/29",
		"2001:db8:b000::8000:0/97",
		"2001:db8:c000:0:8000::/65",
	};

	xdp_maps_vip(&maps, XDP_WORLD_VIP4, 0);
	xdp_maps_vip(&maps, XDP_WORLD_VIP6, 0);
	xdp_maps_vip(&maps, XDP_WORLD_VIP4_PASS, NLB_VIP_F_PASS_UNKNOWN);
	xdp_maps_vip(&maps, XDP_WORLD_VIP6_PASS, NLB_VIP_F_PASS_UNKNOWN);
	for (uint32_t vip = 1; vip <= 2; vip++) {
		for (size_t i = 0; i < ARRAY_SIZE(services); i++)
			add_service(vip, i);
		for (size_t i = 0; i < ARRAY_SIZE(rings); i++)
			add_ring(vip, i);
	}
	xdp_maps_vip(&maps, XDP_WORLD_VIP4_ALL, 0);
	xdp_maps_vip(&maps, XDP_WORLD_VIP6_ALL, 0);
	for (uint32_t vip = 5; vip <= 6; vip++) {
		add_simple(vip, IPPROTO_TCP, 80, A);
		add_simple(vip, IPPROTO_TCP, 0, B);
		add_simple(vip, IPPROTO_UDP, 0, C);
	}
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		add_simple(xdp_maps_vip(&maps, prefixes[i], 0), IPPROTO_TCP, 80,
			   (enum xdp_world_member)(i % 3));
}

void xdp_world_sources(const char *source4, const char *source6)
{
	memset(maps.config.source4, 0, 4);
	memset(maps.config.source6, 0, 16);
	if (source4)
		inet_pton(AF_INET, source4, maps.config.source4);
	if (source6)
		inet_pton(AF_INET6, source6, maps.config.source6);
	xdp_maps_config(&maps, &fill);
}

void xdp_world_flags(uint32_t flags)
{
	maps.config.flags = flags;
	xdp_maps_config(&maps, &fill);
}

bool xdp_world_up(void)
{
	if (!xdp_net_enter())
		return false;
	xdp_world_network();
	skel = xdp_maps_open();
	xdp_world_must(skel ? 0 : -1, "load the program");
	nlb_fill_init(&fill, skel);
	xdp_maps_init(&maps);
	add_hops();
	add_backends();
	add_vips();
	xdp_maps_load(&maps, &fill);
	xdp_world_sources(XDP_WORLD_SOURCE4, XDP_WORLD_SOURCE6);
	return true;
}

struct nlb *xdp_world_skel(void)
{
	return skel;
}

const struct xdp_maps *xdp_world_maps(void)
{
	return &maps;
}

struct nlb_fill *xdp_world_fill(void)
{
	return &fill;
}

uint32_t xdp_world_vip(const char *addr)
{
	uint8_t b[16] = {[10] = 0xff, [11] = 0xff};

	if (inet_pton(AF_INET, addr, b + 12) != 1)
		inet_pton(AF_INET6, addr, b);
	for (uint32_t i = 1; i < maps.n_vips; i++)
		if (memcmp(maps.vips[i].addr, b, 16) == 0)
			return i;
	return 0;
}

uint32_t xdp_world_service(uint32_t vip, uint8_t protocol, uint16_t port)
{
	for (uint32_t i = 1; i < maps.n_services; i++)
		if (maps.services[i].key == nlb_svc_key(vip, protocol, port))
			return i;
	return 0;
}

static size_t service_index(uint16_t port)
{
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		if (services[i].port == port)
			return i;
	return ARRAY_SIZE(services);
}

uint32_t xdp_world_backend(uint16_t port)
{
	size_t i = service_index(port);

	return i < ARRAY_SIZE(services) ? backend_of[i] : 0;
}

const char *xdp_world_backend_text(uint16_t port)
{
	size_t i = service_index(port);

	return i < ARRAY_SIZE(services) ? services[i].backend : "";
}

uint32_t xdp_world_member(enum xdp_world_member m)
{
	return member_of[m];
}
