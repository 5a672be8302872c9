// SPDX-License-Identifier: GPL-2.0-or-later
/* IPv6 extension headers on the way to a service: stepped over, counted, limited. */
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

#define CLIENT6	    "2001:db8:c::7"

#define HOP	    0
#define ROUTING	    43
#define FRAGMENT    44
#define AH	    51
#define NONE	    59
#define DESTINATION 60

#define HEADERS	    10

struct header {
	uint8_t kind;
	uint8_t len; /* its length field */
};

struct test_case {
	const char *name;
	struct header headers[HEADERS];
	size_t n;
	uint8_t protocol; /* default: TCP */
	int payload_len;  /* added to the length field of IPv6 */
	enum nlb_reason reason;
	unsigned int tags;
};

#define H(...) .headers = {__VA_ARGS__}, .n = sizeof((struct header[]){__VA_ARGS__}) / 2

static const struct test_case cases[] = {
	{"hop-by-hop options", H({HOP, 0}), .reason = NLB_R_TX},
	{"routing header", H({ROUTING, 2}), .reason = NLB_R_TX},
	{"destination options", H({DESTINATION, 0}), .reason = NLB_R_TX},
	{"long destination options", H({DESTINATION, 100}), .reason = NLB_R_TX},
	{"authentication header", H({AH, 4}), .reason = NLB_R_TX},
	{"authentication header of odd length", H({AH, 3}), .reason = NLB_R_TX},
	{"atomic fragment", H({FRAGMENT, 0}), .reason = NLB_R_TX},
	{"a fragment header's length means nothing", H({FRAGMENT, 77}), .reason = NLB_R_TX},
	{"all of them", H({HOP, 1}, {DESTINATION, 0}, {ROUTING, 0}, {FRAGMENT, 0}, {AH, 4}),
	 .reason = NLB_R_TX},
	{"in a vlan", H({HOP, 0}), .tags = 1, .reason = NLB_R_TX},
	{"udp", H({DESTINATION, 0}), .protocol = IPPROTO_UDP, .reason = NLB_R_TX},
	{"eight headers",
	 H({HOP, 0}, {60, 0}, {60, 0}, {60, 0}, {60, 0}, {60, 0}, {60, 0}, {60, 0}),
	 .reason = NLB_R_TX},
	{"nine headers",
	 H({HOP, 0}, {60, 0}, {60, 0}, {60, 0}, {60, 0}, {60, 0}, {60, 0}, {60, 0}, {60, 0}),
	 .reason = NLB_R_VIP_EXTENSION},
	{"more than two thousand bytes", H({60, 255}, {60, 10}, {60, 0}),
	 .reason = NLB_R_VIP_EXTENSION},
	{"no next header", H({HOP, 0}), .protocol = NONE, .reason = NLB_R_VIP_PROTOCOL},
	{"esp", H({DESTINATION, 0}), .protocol = 50, .reason = NLB_R_VIP_PROTOCOL},
	{"icmp of IPv4", H({DESTINATION, 0}), .protocol = IPPROTO_ICMP,
	 .reason = NLB_R_VIP_PROTOCOL},
	{"icmpv6 behind a header is the kernel's", H({HOP, 0}), .protocol = IPPROTO_ICMPV6,
	 .reason = NLB_R_VIP_ICMP},
	{"the packet ends in a header", H({HOP, 0}, {DESTINATION, 0}), .payload_len = -33,
	 .reason = NLB_R_VIP_TRUNCATED},
	{"the packet ends in a long header", H({DESTINATION, 40}), .payload_len = -100,
	 .reason = NLB_R_VIP_TRUNCATED},
	{"the packet ends in TCP", H({HOP, 0}), .payload_len = -1, .reason = NLB_R_VIP_TRUNCATED},
	{"the packet ends in UDP", H({HOP, 0}), .protocol = IPPROTO_UDP, .payload_len = -1,
	 .reason = NLB_R_VIP_TRUNCATED},
	{"longer than the frame", H({HOP, 0}), .payload_len = 1, .reason = NLB_R_VIP_TRUNCATED},
};

static uint8_t protocol_of(const struct test_case *t)
{
	return t->protocol ? t->protocol : IPPROTO_TCP;
}

static uint16_t port_of(const struct test_case *t)
{
	return t->protocol == IPPROTO_UDP ? 126 : 112;
}

static void make_packet(struct pkt *p, const struct test_case *t)
{
	struct ipv6hdr *ip;
	uint8_t *next;

	*p = (struct pkt){};
	pkt_eth(p, t->tags ? ETH_P_8021Q : ETH_P_IPV6);
	if (t->tags)
		pkt_vlan(p, 5, ETH_P_IPV6);
	ip = pkt_ip6(p, CLIENT6, XDP_WORLD_VIP6, 0);
	next = &ip->nexthdr;
	for (size_t i = 0; i < t->n; i++) {
		size_t len = (t->headers[i].len + 1u) * 8;
		uint8_t *h;

		if (t->headers[i].kind == AH)
			len = (t->headers[i].len + 2u) * 4;
		if (t->headers[i].kind == FRAGMENT)
			len = 8;
		h = pkt_raw(p, len);
		*next = t->headers[i].kind;
		h[1] = t->headers[i].len;
		next = h;
	}
	*next = protocol_of(t);
	if (protocol_of(t) == IPPROTO_UDP)
		pkt_udp(p, 5555, port_of(t));
	else
		pkt_tcp(p, 5555, port_of(t));
	pkt_finish(p);
	ip->payload_len = htons((uint16_t)(ntohs(ip->payload_len) + t->payload_len));
}

static void test_case(void **state)
{
	const struct test_case *t = *state;
	uint32_t hash = oracle_hash_text(CLIENT6, XDP_WORLD_VIP6, 5555, port_of(t), protocol_of(t));
	uint32_t vip = xdp_world_vip(XDP_WORLD_VIP6), b = xdp_world_backend(port_of(t));
	size_t l2 = ETH_HLEN + 4 * t->tags;
	bool sent = t->reason == NLB_R_TX;
	struct pkt p, expected;

	make_packet(&p, t);
	xdp_case_tunnel(&expected, &p, l2, b, hash);
	xdp_case_run(
		&p,
		&(struct xdp_case){
			.reason = t->reason,
			.vip = vip,
			.service = sent ? xdp_world_service(vip, protocol_of(t), port_of(t)) : 0,
			.backend = sent ? b : 0,
			.len = p.len - l2,
			.out = sent ? &expected : NULL,
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
