// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a sender is told of a packet that cannot go on: too big for the way to its
 * backend, or no hop left. The error is built anew by the test and compared
 * byte by byte; the packet counts as dropped all the same (xdp_case.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "pkt.h"
#include "util.h"
#include "xdp_case.h"

#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:c::7"

/* From the client to a port of the VIP; the port says which way it would go. */
struct recipe {
	bool v6;
	bool df;
	const char *src;  /* default: the client */
	uint8_t protocol; /* default: TCP */
	uint16_t port;
	size_t len; /* of the IP packet; default: as short as it may be */
	unsigned int options;
	unsigned int tags;
	size_t pad;
	uint8_t ttl;	/* 1 more than the value; 0: default */
	uint16_t frag;	/* besides DF */
	bool extension; /* eight bytes of destination options */
	bool from_group, to_group;
	bool drained;
};

struct test_case {
	const char *name;
	struct recipe in;
	enum nlb_reason reason;
	uint16_t mtu; /* that the client is told */
};

#define V4(...)                                                                                    \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}
#define DF(...)                                                                                    \
	{                                                                                          \
		.df = true, __VA_ARGS__                                                            \
	}
#define V6(...)                                                                                    \
	{                                                                                          \
		.v6 = true, __VA_ARGS__                                                            \
	}

static const struct test_case cases[] = {
	{"4in4, one too much", DF(.port = 80, .len = 1581), NLB_R_TX_TOO_BIG, 1580},
	{"4in4, two too much", DF(.port = 80, .len = 1582), NLB_R_TX_TOO_BIG, 1580},
	{"4in4, far too much", DF(.port = 80, .len = 3000), NLB_R_TX_TOO_BIG, 1580},
	{"4in4, other port", DF(.port = 81, .len = 1581), NLB_R_TX_TOO_BIG, 1580},
	{"4in4, by the route", DF(.port = 91, .len = 1500), NLB_R_TX_TOO_BIG, 580},
	{"4in6", DF(.port = 82, .len = 1561), NLB_R_TX_TOO_BIG, 1560},
	{"options", DF(.port = 80, .len = 1600, .options = 10), NLB_R_TX_TOO_BIG, 1580},
	{"padding", DF(.port = 80, .len = 1600, .pad = 9), NLB_R_TX_TOO_BIG, 1580},
	{"quoted in whole words, 0 more", DF(.port = 100, .len = 304), NLB_R_TX_TOO_BIG, 301},
	{"quoted in whole words, 1 more", DF(.port = 100, .len = 305), NLB_R_TX_TOO_BIG, 301},
	{"quoted in whole words, 3 more", DF(.port = 100, .len = 303), NLB_R_TX_TOO_BIG, 301},
	{"a short one and padding", DF(.port = 100, .len = 303, .pad = 7), NLB_R_TX_TOO_BIG, 301},
	{"as long as a quote", DF(.port = 100, .len = 548), NLB_R_TX_TOO_BIG, 301},
	{"longer than a quote", DF(.port = 100, .len = 549), NLB_R_TX_TOO_BIG, 301},
	{"6in6", V6(.port = 82, .len = 1561), NLB_R_TX_TOO_BIG, 1560},
	{"6in6, far too much", V6(.port = 82, .len = 3001), NLB_R_TX_TOO_BIG, 1560},
	{"6in6, padding", V6(.port = 82, .len = 1561, .pad = 3), NLB_R_TX_TOO_BIG, 1560},
	{"6in6, other port", V6(.port = 83, .len = 1600), NLB_R_TX_TOO_BIG, 1560},
	{"6in4", V6(.port = 80, .len = 1581), NLB_R_TX_TOO_BIG, 1580},
	{"may be fragmented", V4(.port = 80, .len = 1581), NLB_R_TOO_BIG, 0},
	{"less than IPv6's minimum", V6(.port = 92, .len = 1400), NLB_R_TOO_BIG, 0},
	{"less than IPv6's minimum, 6in4", V6(.port = 91, .len = 1400), NLB_R_TOO_BIG, 0},
	{"from 0.0.0.0", DF(.port = 80, .len = 1581, .src = "0.0.0.0"), NLB_R_TOO_BIG, 0},
	{"from a group", V6(.port = 82, .len = 1600, .src = "ff02::1"), NLB_R_TOO_BIG, 0},
	{"from an Ethernet group", DF(.port = 80, .len = 1600, .from_group = true), NLB_R_TOO_BIG,
	 0},
	{"told too often", DF(.port = 80, .len = 1600, .drained = true), NLB_R_TOO_BIG, 0},
	{"told too often, v6", V6(.port = 82, .len = 1600, .drained = true), NLB_R_TOO_BIG, 0},

	/* By hops that are known. */
	{"hop, 4in4", DF(.port = 110, .len = 1581), NLB_R_TX_TOO_BIG, 1580},
	{"hop, 4in6", DF(.port = 112, .len = 1561), NLB_R_TX_TOO_BIG, 1560},
	{"hop, 6in4", V6(.port = 110, .len = 1581), NLB_R_TX_TOO_BIG, 1580},
	{"hop, 6in6, other port", V6(.port = 113, .len = 1561), NLB_R_TX_TOO_BIG, 1560},
	{"hop, its own limit", DF(.port = 121, .len = 581), NLB_R_TX_TOO_BIG, 580},
	{"hop with a tag, too big", DF(.port = 114, .len = 1600), NLB_R_TX_TOO_BIG, 1580},
	{"hop, udp", DF(.port = 125, .protocol = IPPROTO_UDP, .len = 1600), NLB_R_TX_TOO_BIG, 1580},
	{"hop, may be fragmented", V4(.port = 110, .len = 1581), NLB_R_TOO_BIG, 0},
	{"hop, less than IPv6's minimum", V6(.port = 122, .len = 1261), NLB_R_TOO_BIG, 0},
	{"too big, from a vlan", DF(.port = 110, .len = 1600, .tags = 1), NLB_R_TX_TOO_BIG, 1580},
	{"too big, from two vlans", V6(.port = 112, .len = 1600, .tags = 2), NLB_R_TX_TOO_BIG,
	 1560},
	{"too big, from a vlan, padding", DF(.port = 110, .len = 1600, .tags = 1, .pad = 3),
	 NLB_R_TX_TOO_BIG, 1580},
	{"too big, extension header", V6(.port = 112, .len = 1600, .extension = true),
	 NLB_R_TX_TOO_BIG, 1560},
	{"too big, in several buffers", DF(.port = 110, .len = 8000), NLB_R_TX_TOO_BIG, 1580},
	{"too big, in several buffers, IPv6", V6(.port = 112, .len = 5001, .tags = 1),
	 NLB_R_TX_TOO_BIG, 1560},
	{"too big, to an Ethernet group", DF(.port = 110, .len = 1600, .to_group = true),
	 NLB_R_TOO_BIG, 0},

	/* No hop left. */
	{"ttl 1", V4(.port = 80, .ttl = 1 + 1), NLB_R_TX_TTL, 0},
	{"ttl 0", V4(.port = 110, .ttl = 0 + 1), NLB_R_TX_TTL, 0},
	{"ttl 1, DF", DF(.port = 110, .ttl = 1 + 1), NLB_R_TX_TTL, 0},
	{"ttl 1, long", V4(.port = 110, .ttl = 1 + 1, .len = 1501), NLB_R_TX_TTL, 0},
	{"ttl 1, as long as a quote", V4(.port = 110, .ttl = 1 + 1, .len = 548), NLB_R_TX_TTL, 0},
	{"ttl 1, quoted in whole words", V4(.port = 110, .ttl = 1 + 1, .len = 43), NLB_R_TX_TTL, 0},
	{"ttl 1, options", V4(.port = 110, .ttl = 1 + 1, .options = 10), NLB_R_TX_TTL, 0},
	{"ttl 1, padding", V4(.port = 110, .ttl = 1 + 1, .pad = 6), NLB_R_TX_TTL, 0},
	{"ttl 1, udp", V4(.port = 125, .protocol = IPPROTO_UDP, .ttl = 1 + 1), NLB_R_TX_TTL, 0},
	{"ttl 1, from a vlan", V4(.port = 110, .ttl = 1 + 1, .tags = 1), NLB_R_TX_TTL, 0},
	{"ttl 1, from two vlans", V6(.port = 110, .ttl = 1 + 1, .tags = 2), NLB_R_TX_TTL, 0},
	{"ttl 1, no backend", V4(.port = 84, .ttl = 1 + 1), NLB_R_TX_TTL, 0},
	{"ttl 1, first fragment", V4(.port = 110, .ttl = 1 + 1, .frag = 0x2000), NLB_R_TX_TTL, 0},
	{"hop limit 1", V6(.port = 82, .ttl = 1 + 1), NLB_R_TX_TTL, 0},
	{"hop limit 0", V6(.port = 112, .ttl = 0 + 1), NLB_R_TX_TTL, 0},
	{"hop limit 1, long", V6(.port = 112, .ttl = 1 + 1, .len = 1499), NLB_R_TX_TTL, 0},
	{"hop limit 1, extension header", V6(.port = 112, .ttl = 1 + 1, .extension = true),
	 NLB_R_TX_TTL, 0},
	{"ttl 1, from loopback", V4(.port = 110, .ttl = 1 + 1, .src = "127.0.0.1"), NLB_R_VIP_TTL,
	 0},
	{"ttl 1, from a group", V4(.port = 110, .ttl = 1 + 1, .src = "239.0.0.1"), NLB_R_VIP_TTL,
	 0},
	{"hop limit 1, from a group", V6(.port = 112, .ttl = 1 + 1, .src = "ff02::1"),
	 NLB_R_VIP_TTL, 0},
	{"ttl 1, from an Ethernet group", V4(.port = 110, .ttl = 1 + 1, .from_group = true),
	 NLB_R_VIP_TTL, 0},
	{"ttl 1, to an Ethernet group", V4(.port = 110, .ttl = 1 + 1, .to_group = true),
	 NLB_R_VIP_TTL, 0},
	{"ttl 1, told too often", V4(.port = 110, .ttl = 1 + 1, .drained = true), NLB_R_VIP_TTL, 0},
};

static const char *client_of(const struct recipe *r)
{
	if (r->src)
		return r->src;
	return r->v6 ? CLIENT6 : CLIENT4;
}

static const char *vip_of(const struct recipe *r)
{
	return r->v6 ? XDP_WORLD_VIP6 : XDP_WORLD_VIP4;
}

static uint8_t protocol_of(const struct recipe *r)
{
	return r->protocol ? r->protocol : IPPROTO_TCP;
}

static void put_eth(struct pkt *p, const struct recipe *r)
{
	uint16_t type = r->v6 ? ETH_P_IPV6 : ETH_P_IP;

	pkt_eth(p, r->tags ? ETH_P_8021AD : type);
	for (unsigned int i = r->tags; i; i--)
		pkt_vlan(p, (uint16_t)(0x4000 + i), i > 1 ? ETH_P_8021Q : type);
}

static void make_packet(struct pkt *p, const struct recipe *r)
{
	size_t l2 = ETH_HLEN + 4 * r->tags;

	*p = (struct pkt){};
	put_eth(p, r);
	if (r->v6) {
		struct ipv6hdr *ip = pkt_ip6(p, client_of(r), vip_of(r), protocol_of(r));

		if (r->ttl)
			ip->hop_limit = (uint8_t)(r->ttl - 1);
		if (r->extension) {
			ip->nexthdr = IPPROTO_DSTOPTS;
			memcpy(pkt_raw(p, 8), (uint8_t[]){protocol_of(r), 0, 1, 4}, 4);
		}
	} else {
		struct iphdr *ip = pkt_ip4(p, client_of(r), vip_of(r), protocol_of(r));

		ip->frag_off = htons((uint16_t)(r->frag | (r->df ? 0x4000 : 0)));
		if (r->ttl)
			ip->ttl = (uint8_t)(r->ttl - 1);
		if (r->options)
			pkt_ip4_options(p, r->options);
	}
	if (protocol_of(r) == IPPROTO_TCP)
		pkt_tcp(p, 5555, r->port);
	else
		pkt_udp(p, 5555, r->port);
	if (r->len)
		pkt_fill(p, r->len + l2 - p->len);
	pkt_finish(p);
	pkt_fill(p, r->pad);
	p->data[0] |= r->to_group;
	p->data[6] |= r->from_group;
}

/* in: the packet that it is about. */
static void make_told(struct pkt *p, const struct test_case *t, const struct pkt *in)
{
	const struct recipe *r = &t->in;
	size_t l2 = ETH_HLEN + 4 * r->tags, len = in->len - l2 - r->pad;
	size_t max = r->v6 ? 1280 - 48 : 576 - 28, n = len < max ? len / 4 * 4 : max;
	uint8_t *icmp;

	*p = (struct pkt){};
	put_eth(p, r);
	memcpy(p->data, "\x02\0\0\0\0\x02", 6);
	memcpy(p->data + 6, "\x02\0\0\0\0\x01", 6);
	if (r->v6) {
		pkt_ip6(p, XDP_WORLD_VIP6, CLIENT6, IPPROTO_ICMPV6);
	} else {
		struct iphdr *ip = pkt_ip4(p, XDP_WORLD_VIP4, CLIENT4, IPPROTO_ICMP);

		ip->tos = 0xc0;
		ip->frag_off = htons(0x4000);
	}
	icmp = pkt_raw(p, 8);
	if (t->mtu)
		memcpy(icmp, r->v6 ? "\2\0" : "\3\4", 2);
	else
		memcpy(icmp, r->v6 ? "\3\0" : "\13\0", 2);
	icmp[6] = (uint8_t)(t->mtu >> 8);
	icmp[7] = (uint8_t)t->mtu;
	memcpy(pkt_raw(p, n), in->data + l2, n);
	pkt_finish(p);
	pkt_icmp_check(p, p->data + l2, icmp);
}

static void test_case(void **state)
{
	const struct test_case *t = *state;
	bool too_big = t->reason == NLB_R_TOO_BIG || t->reason == NLB_R_TX_TOO_BIG;
	bool told = t->reason == NLB_R_TX_TOO_BIG || t->reason == NLB_R_TX_TTL;
	uint32_t vip = xdp_world_vip(vip_of(&t->in)), b = xdp_world_backend(t->in.port);
	struct pkt p, expected;

	make_packet(&p, &t->in);
	make_told(&expected, t, &p);
	/* The packet did not get through, whatever its sender is told. */
	xdp_case_run(&p, &(struct xdp_case){
				 .reason = t->reason,
				 .vip = vip,
				 .service = xdp_world_service(vip, protocol_of(&t->in), t->in.port),
				 .backend = too_big ? b : 0,
				 .events = too_big && !xdp_world_maps()->backends[b].hop
						   ? 1u << NLB_E_FIB
						   : 0,
				 .out = told ? &expected : NULL,
				 .drained = t->in.drained,
			 });
}

int main(void)
{
	static struct CMUnitTest tests[ARRAY_SIZE(cases)];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tests[i] = (struct CMUnitTest){.name = cases[i].name,
					       .test_func = test_case,
					       .initial_state = (void *)&cases[i]};
	return xdp_case_main(tests, ARRAY_SIZE(tests));
}
