// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which VIP, service and slot: prefixes, services for all ports, affinity, the
 * spread of a ring. Backends are xdp_world.h's members.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "pkt.h"
#include "util.h"
#include "xdp_case.h"

#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:c::7"

#define TCP	IPPROTO_TCP
#define UDP	IPPROTO_UDP
#define A	XDP_WORLD_A
#define B	XDP_WORLD_B
#define C	XDP_WORLD_C
#define NOBODY	XDP_WORLD_MEMBERS

struct test_case {
	const char *name;
	const char *dst;
	const char *vip; /* as xdp_world_vip() knows it; NULL: none */
	uint8_t protocol;
	uint16_t port;
	uint16_t service; /* its port */
	uint32_t to;
};

static const struct test_case cases[] = {
	{"all ports", XDP_WORLD_VIP4_ALL, XDP_WORLD_VIP4_ALL, TCP, 8080, 0, B},
	{"all ports, but one", XDP_WORLD_VIP4_ALL, XDP_WORLD_VIP4_ALL, TCP, 80, 80, A},
	{"all ports, the last", XDP_WORLD_VIP4_ALL, XDP_WORLD_VIP4_ALL, TCP, 65535, 0, B},
	{"all ports, port 0", XDP_WORLD_VIP4_ALL, XDP_WORLD_VIP4_ALL, TCP, 0, 0, B},
	{"all ports of udp", XDP_WORLD_VIP4_ALL, XDP_WORLD_VIP4_ALL, UDP, 80, 0, C},
	{"all ports, IPv6", XDP_WORLD_VIP6_ALL, XDP_WORLD_VIP6_ALL, TCP, 8080, 0, B},
	{"all ports, but one, IPv6", XDP_WORLD_VIP6_ALL, XDP_WORLD_VIP6_ALL, TCP, 80, 80, A},
	{"all ports of udp, IPv6", XDP_WORLD_VIP6_ALL, XDP_WORLD_VIP6_ALL, UDP, 53, 0, C},
	{"port 0 of a VIP without such", XDP_WORLD_VIP4, XDP_WORLD_VIP4, TCP, 0, 0, NOBODY},

	{"in a prefix", "100.64.200.1", "100.64.0.0", TCP, 80, 80, A},
	{"first of a prefix", "100.64.0.0", "100.64.0.0", TCP, 80, 80, A},
	{"last of a prefix", "100.64.255.255", "100.64.0.0", TCP, 80, 80, A},
	{"before a prefix", "100.63.255.255", NULL, TCP, 80, 0, NOBODY},
	{"behind a prefix", "100.65.0.0", NULL, TCP, 80, 0, NOBODY},
	{"in a longer prefix", "100.64.5.1", "100.64.5.0", TCP, 80, 80, B},
	{"beside the longer prefix", "100.64.6.1", "100.64.0.0", TCP, 80, 80, A},
	{"a host in both", "100.64.5.7", "100.64.5.7", TCP, 80, 80, C},
	{"in a prefix, no service", "100.64.200.1", "100.64.0.0", TCP, 81, 0, NOBODY},
	{"in a longer prefix, no service", "100.64.5.1", "100.64.5.0", UDP, 80, 0, NOBODY},
	{"in a short prefix", "198.18.0.7", "198.18.0.0", TCP, 80, 80, A},
	{"behind a short prefix", "198.18.0.8", NULL, TCP, 80, 0, NOBODY},
	{"in an IPv6 prefix", "2001:db8:afff::1", "2001:db8:a000::", TCP, 80, 80, A},
	{"behind an IPv6 prefix", "2001:db8:b000::1", NULL, TCP, 80, 0, NOBODY},
	{"in a longer IPv6 prefix", "2001:db8:a000:5::1", "2001:db8:a000:5::", TCP, 80, 80, B},
	{"last of a longer IPv6 prefix", "2001:db8:a000:5:ffff:ffff:ffff:ffff",
	 "2001:db8:a000:5::", TCP, 80, 80, B},
	{"an IPv6 host in both", "2001:db8:a000:5::7", "2001:db8:a000:5::7", TCP, 80, 80, C},
	{"in an IPv6 prefix of more than 96 bits", "2001:db8:b000::8001:ffff",
	 "2001:db8:b000::8000:0", TCP, 80, 80, B},
	{"in an IPv6 prefix of 65 bits", "2001:db8:c000:0:8000::1", "2001:db8:c000:0:8000::", TCP,
	 80, 80, C},
	{"in its other half", "2001:db8:c000:0:7fff::1", NULL, TCP, 80, 0, NOBODY},
	{"before that one", "2001:db8:b000::7fff:ffff", NULL, TCP, 80, 0, NOBODY},
};

static bool is_v6(const char *addr)
{
	return strchr(addr, ':') != NULL;
}

static void make_packet(struct pkt *p, const char *src, const char *dst, uint8_t protocol,
			uint16_t sport, uint16_t dport)
{
	*p = (struct pkt){};
	pkt_eth(p, is_v6(dst) ? ETH_P_IPV6 : ETH_P_IP);
	if (is_v6(dst))
		pkt_ip6(p, src, dst, protocol);
	else
		pkt_ip4(p, src, dst, protocol);
	if (protocol == TCP)
		pkt_tcp(p, sport, dport);
	else
		pkt_udp(p, sport, dport);
	pkt_finish(p);
}

static void test_case(void **state)
{
	const struct test_case *t = *state;
	const char *client = is_v6(t->dst) ? CLIENT6 : CLIENT4;
	uint32_t vip = t->vip ? xdp_world_vip(t->vip) : 0, b = xdp_world_member(t->to);
	uint32_t hash = oracle_hash_text(client, t->dst, 5555, t->port, t->protocol);
	struct pkt p, expected;
	struct xdp_case want = {
		.reason = vip ? NLB_R_VIP_NO_SERVICE : NLB_R_NOT_VIP,
		.vip = vip,
		.backend = b,
	};

	assert_true(!t->vip || vip);
	make_packet(&p, client, t->dst, t->protocol, 5555, t->port);
	if (b) {
		xdp_case_tunnel(&expected, &p, ETH_HLEN, b, hash);
		want.reason = t->to == B ? NLB_R_TX_REDIRECT : NLB_R_TX;
		want.service = xdp_world_service(vip, t->protocol, t->service);
		want.len = p.len - ETH_HLEN;
		want.out = &expected;
		assert_true(want.service != 0);
	}
	xdp_case_run(&p, &want);
}

/* A flow of VIP 1 or 2 whose backend follows from `hash`, and the ring of the service. */
static void check_slot(const char *src, uint8_t protocol, uint16_t sport, uint16_t dport,
		       uint32_t hash)
{
	const char *dst = is_v6(src) ? XDP_WORLD_VIP6 : XDP_WORLD_VIP4;
	uint32_t vip = xdp_world_vip(dst), svc = xdp_world_service(vip, protocol, dport);
	const struct nlb_service *s = &xdp_world_maps()->services[svc];
	uint32_t slot = (uint32_t)((uint64_t)hash * s->ring.size >> 32);
	uint32_t b = xdp_world_maps()->slots[s->ring.base + slot];
	bool other = b == xdp_world_member(B) || b == xdp_world_member(XDP_WORLD_D);
	struct pkt p, expected;

	make_packet(&p, src, dst, protocol, sport, dport);
	xdp_case_tunnel(&expected, &p, ETH_HLEN, b, hash);
	xdp_case_run(&p, &(struct xdp_case){
				 .reason = other ? NLB_R_TX_REDIRECT : NLB_R_TX,
				 .vip = vip,
				 .service = svc,
				 .backend = b,
				 .len = p.len - ETH_HLEN,
				 .out = &expected,
			 });
}

/* Slot by the hash of addresses and ports: many flows reach all slots of the ring. */
static void test_ring(void **state _unused_)
{
	for (uint16_t i = 0; i < 64; i++) {
		uint8_t protocol = i % 2 ? TCP : UDP;

		check_slot(CLIENT4, protocol, i, 150,
			   oracle_hash_text(CLIENT4, XDP_WORLD_VIP4, i, 150, protocol));
		check_slot(CLIENT6, protocol, i, 150,
			   oracle_hash_text(CLIENT6, XDP_WORLD_VIP6, i, 150, protocol));
	}
}

/* Affinity: whatever ports and protocol, a client has one backend; clients differ. */
static void test_affinity(void **state _unused_)
{
	for (unsigned int i = 0; i < 24; i++) {
		char src4[32], src6[32];

		snprintf(src4, sizeof(src4), "198.51.100.%u", i);
		snprintf(src6, sizeof(src6), "2001:db8:c::%x", i + 1);
		for (uint16_t sport = 1; sport < 4; sport++)
			for (unsigned int udp = 0; udp < 2; udp++) {
				check_slot(src4, udp ? UDP : TCP, sport, 140,
					   oracle_hash_text(src4, XDP_WORLD_VIP4, 0, 0, 0));
				check_slot(src6, udp ? UDP : TCP, sport, 140,
					   oracle_hash_text(src6, XDP_WORLD_VIP6, 0, 0, 0));
			}
	}
}

int main(void)
{
	static struct CMUnitTest tests[ARRAY_SIZE(cases) + 2];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tests[i] = (struct CMUnitTest){.name = cases[i].name,
					       .test_func = test_case,
					       .initial_state = (void *)&cases[i]};
	tests[ARRAY_SIZE(cases)] = (struct CMUnitTest)cmocka_unit_test(test_ring);
	tests[ARRAY_SIZE(cases) + 1] = (struct CMUnitTest)cmocka_unit_test(test_affinity);
	return xdp_case_main(tests, ARRAY_SIZE(tests));
}
