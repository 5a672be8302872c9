// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * QUIC connection ids that name their server. Ports of xdp_world.c: 443 has config 2
 * and ids of four octets, 444 config 0 and eight, 445 config 6 and one, with
 * affinity. Backend A's id begins with 0x10, B's with 0x11 and so on, then 2, 3, 4 ...
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "pkt.h"
#include "util.h"
#include "xdp_case.h"

#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:c::7"

#define A	XDP_WORLD_A
#define B	XDP_WORLD_B
#define C	XDP_WORLD_C
#define D	XDP_WORLD_D
#define BY_HASH XDP_WORLD_MEMBERS

/* First octets of short and long headers. */
#define SHORT	0x40
#define LONG	0xc3
#define VERSION 0, 0, 0, 1

/* Connection ids. */
#define ID443(m) 0x5f, 0x10 + (m), 2, 3, 4
#define ID444(m) 0x1f, 0x10 + (m), 2, 3, 4, 5, 6, 7, 8
#define ID445(m) 0xc0, 0x10 + (m)

struct test_case {
	const char *name;
	uint16_t port;
	uint8_t payload[40];
	uint32_t to;
	bool v6;
	size_t len; /* of the payload; default: all of it */
	unsigned int tags;
	size_t pad; /* bytes behind the packet, as the id would go on */
};

static const struct test_case cases[] = {
	{"short header", 443, {SHORT, ID443(B)}, B, false, 0, 0, 0},
	{"short header, IPv6", 443, {SHORT, ID443(C)}, C, true, 0, 0, 0},
	{"short header, in a vlan", 443, {SHORT, ID443(D)}, D, false, 0, 1, 0},
	{"short header, no more than the id", 443, {SHORT, ID443(D)}, D, false, 6, 0, 0},
	{"short header, cut", 443, {SHORT, ID443(D)}, BY_HASH, false, 5, 0, 0},
	{"short header, cut, and padding", 443, {SHORT, ID443(D)}, BY_HASH, false, 5, 0, 1},
	{"long header, cut, and padding",
	 443,
	 {LONG, VERSION, 5, ID443(B)},
	 BY_HASH,
	 false,
	 10,
	 0,
	 1},
	{"short header, grease bits", 443, {0x7f, ID443(C)}, C, false, 0, 0, 0},
	{"long header", 443, {LONG, VERSION, 5, ID443(C)}, C, false, 0, 0, 0},
	{"long header, IPv6", 443, {LONG, VERSION, 5, ID443(D)}, D, true, 0, 0, 0},
	{"long header, a longer id", 443, {LONG, VERSION, 20, ID443(D)}, D, false, 0, 0, 0},
	{"long header, any version", 443, {0x80, 0xff, 0, 0, 7, 8, ID443(B)}, B, false, 0, 0, 0},
	{"long header, an id too short",
	 443,
	 {LONG, VERSION, 4, ID443(B)},
	 BY_HASH,
	 false,
	 0,
	 0,
	 0},
	{"long header, no id", 443, {LONG, VERSION, 0, 8}, BY_HASH, false, 0, 0, 0},
	{"long header, an id too long",
	 443,
	 {LONG, VERSION, 21, ID443(B)},
	 BY_HASH,
	 false,
	 0,
	 0,
	 0},
	{"long header, cut in the id", 443, {LONG, VERSION, 5, ID443(B)}, BY_HASH, false, 10, 0, 0},
	{"long header, cut before it", 443, {LONG, VERSION, 5, ID443(B)}, BY_HASH, false, 5, 0, 0},
	{"another config", 443, {SHORT, 0x3f, 0x11, 2, 3, 4}, BY_HASH, false, 0, 0, 0},
	{"no config", 443, {SHORT, 0xff, 0x11, 2, 3, 4}, BY_HASH, false, 0, 0, 0},
	{"nobody's id", 443, {SHORT, 0x5f, 0x14, 2, 3, 4}, BY_HASH, false, 0, 0, 0},
	{"half of somebody's id", 443, {SHORT, 0x5f, 0x11, 2, 3, 5}, BY_HASH, false, 0, 0, 0},
	{"no payload", 443, {0}, BY_HASH, false, SIZE_MAX, 0, 0},
	{"one octet", 443, {SHORT}, BY_HASH, false, 1, 0, 0},
	{"eight octets", 444, {SHORT, ID444(A)}, A, false, 0, 0, 0},
	{"eight octets, long header", 444, {LONG, VERSION, 9, ID444(C)}, C, true, 0, 0, 0},
	{"the last of eight differs",
	 444,
	 {SHORT, 0x1f, 0x10, 2, 3, 4, 5, 6, 7, 9},
	 BY_HASH,
	 false,
	 0,
	 0,
	 0},
	{"another service's id", 444, {SHORT, ID443(A)}, BY_HASH, false, 0, 0, 0},
	{"one octet of id", 445, {SHORT, ID445(C)}, C, false, 0, 0, 0},
	{"one octet of id, affinity", 445, {SHORT, 0xc0, 0x20}, BY_HASH, false, 0, 0, 0},
	{"udp that is not QUIC's", 150, {SHORT, ID443(C)}, BY_HASH, false, 0, 0, 0},
};

static void make_packet(struct pkt *p, const struct test_case *t)
{
	uint16_t proto = t->v6 ? ETH_P_IPV6 : ETH_P_IP;
	size_t len = t->len ? t->len : sizeof(t->payload);

	*p = (struct pkt){};
	pkt_eth(p, t->tags ? ETH_P_8021Q : proto);
	if (t->tags)
		pkt_vlan(p, 3, proto);
	if (t->v6)
		pkt_ip6(p, CLIENT6, XDP_WORLD_VIP6, IPPROTO_UDP);
	else
		pkt_ip4(p, CLIENT4, XDP_WORLD_VIP4, IPPROTO_UDP);
	pkt_udp(p, 5555, t->port);
	if (len != SIZE_MAX)
		memcpy(pkt_raw(p, len), t->payload, len);
	pkt_finish(p);
	for (size_t i = 0; i < t->pad; i++)
		p->data[p->len++] = t->payload[len + i];
}

static uint32_t by_hash(const struct nlb_ring *ring, uint32_t hash)
{
	return xdp_world_maps()->slots[ring->base + (uint32_t)((uint64_t)hash * ring->size >> 32)];
}

static void test_case(void **state)
{
	const struct test_case *t = *state;
	const char *vip_text = t->v6 ? XDP_WORLD_VIP6 : XDP_WORLD_VIP4;
	const char *client = t->v6 ? CLIENT6 : CLIENT4;
	uint32_t vip = xdp_world_vip(vip_text), b = xdp_world_member(t->to);
	uint32_t svc = xdp_world_service(vip, IPPROTO_UDP, t->port);
	bool affinity = t->port == 445 && t->to == BY_HASH;
	uint32_t hash =
		oracle_hash_text(client, vip_text, 5555, t->port, affinity ? 0 : IPPROTO_UDP);
	size_t l2 = ETH_HLEN + 4 * t->tags;
	struct pkt p, expected;
	bool other_port;

	if (t->to == BY_HASH)
		b = by_hash(&xdp_world_maps()->services[svc].ring, hash);
	other_port = b == xdp_world_member(B) || b == xdp_world_member(D);
	make_packet(&p, t);
	xdp_case_tunnel(&expected, &p, l2, b, hash);
	xdp_case_run(&p, &(struct xdp_case){
				 .reason = other_port ? NLB_R_TX_REDIRECT : NLB_R_TX,
				 .vip = vip,
				 .service = svc,
				 .backend = b,
				 .len = p.len - l2 - t->pad,
				 .events = t->to == BY_HASH ? 0 : 1u << NLB_E_QUIC,
				 .flags = t->to == BY_HASH ? 0 : NLB_ASK_F_QUIC,
				 .out = &expected,
			 });
}

int main(void)
{
	static struct CMUnitTest tests[ARRAY_SIZE(cases)];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tests[i] = (struct CMUnitTest){.name = cases[i].name,
					       .test_func = test_case,
					       .initial_state = (void *)&cases[i]};
	return xdp_case_main(tests, ARRAY_SIZE(cases));
}
