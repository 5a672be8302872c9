// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The balancer's program, packet by packet. Each case says how the packet is
 * made, what becomes of it and under which reason it is counted (xdp_case.h).
 *
 * The expected packet is built by the test from the same description, with
 * the outer header in front.
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
#include <stdio.h>

#include "pkt.h"
#include "util.h"
#include "xdp_case.h"

#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:c::7"

/* Changes that make a packet out of the ordinary; see make_packet(). */
struct recipe {
	const char *dst; /* default: the VIP of the family */
	const char *src; /* default: the client */
	bool v6;
	uint8_t protocol; /* default: TCP */
	uint16_t dport;
	size_t payload;
	uint8_t dsfield;
	uint8_t ttl;	      /* 1 more than the value; 0: default */
	unsigned int options; /* words, IPv4 */
	uint16_t frag;	      /* IPv4 fragment field */
	unsigned int tags;    /* VLAN tags */
	uint16_t ethertype;   /* instead of the right one */
	size_t cut;	      /* the frame is this long only */
	size_t pad;	      /* bytes behind the packet */
	int ip_len;	      /* added to the IP header's length field */
	uint8_t first_byte;   /* of the IP header, instead of the right one */
	bool from_nf0;
	bool no_source;
	bool no_room;
};

struct test_case {
	const char *name;
	struct recipe in;
	enum nlb_reason reason;
};

#define V4(...)                                                                                    \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}
#define V6(...)                                                                                    \
	{                                                                                          \
		.v6 = true, __VA_ARGS__                                                            \
	}

static const struct test_case cases[] = {
	/* Sent on, in all combinations of families, ports and protocols. */
	{"4in4 tcp, same port", V4(.dport = 80), NLB_R_TX},
	{"4in4 tcp, other port", V4(.dport = 81), NLB_R_TX_REDIRECT},
	{"4in4 udp", V4(.protocol = IPPROTO_UDP, .dport = 53), NLB_R_TX},
	{"4in6 tcp, same port", V4(.dport = 82), NLB_R_TX},
	{"4in6 tcp, other port", V4(.dport = 83), NLB_R_TX_REDIRECT},
	{"4in6 udp", V4(.protocol = IPPROTO_UDP, .dport = 54), NLB_R_TX},
	{"6in6 tcp, same port", V6(.dport = 82), NLB_R_TX},
	{"6in6 tcp, other port", V6(.dport = 83), NLB_R_TX_REDIRECT},
	{"6in6 udp", V6(.protocol = IPPROTO_UDP, .dport = 54), NLB_R_TX},
	{"6in4 tcp, same port", V6(.dport = 80), NLB_R_TX},
	{"6in4 tcp, other port", V6(.dport = 81), NLB_R_TX_REDIRECT},
	{"6in4 udp", V6(.protocol = IPPROTO_UDP, .dport = 53), NLB_R_TX},
	{"4in4 by an IPv6 gateway", V4(.dport = 96), NLB_R_TX},

	/* What the outer header takes from the inner one. */
	{"4in4 dscp and ecn", V4(.dport = 80, .dsfield = 0xb9), NLB_R_TX},
	{"4in4 congestion experienced", V4(.dport = 80, .dsfield = 0x03), NLB_R_TX},
	{"4in6 dscp and ecn", V4(.dport = 82, .dsfield = 0x2e), NLB_R_TX},
	{"6in6 traffic class", V6(.dport = 82, .dsfield = 0xb9), NLB_R_TX},
	{"6in4 traffic class", V6(.dport = 80, .dsfield = 0xff), NLB_R_TX},
	{"payload", V4(.dport = 80, .payload = 1400), NLB_R_TX},
	{"payload of odd length", V6(.dport = 82, .payload = 777), NLB_R_TX},
	{"ethernet padding is not the packet's", V4(.dport = 80, .pad = 6), NLB_R_TX},
	{"padding behind IPv6", V6(.dport = 82, .pad = 20), NLB_R_TX},
	{"IPv4 options", V4(.dport = 80, .options = 1), NLB_R_TX},
	{"IPv4 options, all of them", V4(.dport = 80, .options = 10), NLB_R_TX},
	{"IPv4 options, udp in IPv6",
	 V4(.protocol = IPPROTO_UDP, .dport = 54, .options = 3, .payload = 9), NLB_R_TX},
	{"DF alone is no fragment", V4(.dport = 80, .frag = 0x4000), NLB_R_TX},
	{"the reserved bit is no fragment", V4(.dport = 80, .frag = 0x8000), NLB_R_TX},
	{"ttl 2 has a hop left", V4(.dport = 80, .ttl = 2 + 1), NLB_R_TX},
	{"hop limit 2 has a hop left", V6(.dport = 82, .ttl = 2 + 1), NLB_R_TX},
	{"ttl 255", V4(.dport = 80, .ttl = 255), NLB_R_TX},

	/* By hops that are known. */
	{"hop, 4in4", V4(.dport = 110), NLB_R_TX},
	{"hop, 4in4, other port", V4(.dport = 111), NLB_R_TX_REDIRECT},
	{"hop, 4in6", V4(.dport = 112), NLB_R_TX},
	{"hop, 4in6, other port", V4(.dport = 113), NLB_R_TX_REDIRECT},
	{"hop, 6in4", V6(.dport = 110), NLB_R_TX},
	{"hop, 6in4, other port", V6(.dport = 111), NLB_R_TX_REDIRECT},
	{"hop, 6in6", V6(.dport = 112), NLB_R_TX},
	{"hop, 6in6, other port", V6(.dport = 113), NLB_R_TX_REDIRECT},
	{"hop, udp, 4in4", V4(.protocol = IPPROTO_UDP, .dport = 125), NLB_R_TX},
	{"hop, udp, 6in6", V6(.protocol = IPPROTO_UDP, .dport = 126, .payload = 33), NLB_R_TX},
	{"hop, options, dscp, padding",
	 V4(.dport = 110, .options = 4, .dsfield = 0xba, .payload = 3, .pad = 2), NLB_R_TX},
	{"hop, traffic class", V6(.dport = 112, .dsfield = 0x4d), NLB_R_TX},
	{"hop, ttl 2", V4(.dport = 110, .ttl = 2 + 1), NLB_R_TX},
	{"hop, hop limit 2", V6(.dport = 110, .ttl = 2 + 1), NLB_R_TX},
	{"hop with a vlan tag", V4(.dport = 114), NLB_R_TX},
	{"hop with a vlan tag, 6in4", V6(.dport = 114), NLB_R_TX},
	{"hop with a vlan tag, 4in6", V4(.dport = 115), NLB_R_TX},
	{"hop with two vlan tags", V4(.dport = 116), NLB_R_TX},
	{"hop with two vlan tags, 6in6", V6(.dport = 117), NLB_R_TX},
	{"hop with a vlan tag, other port", V4(.dport = 118), NLB_R_TX_REDIRECT},
	{"hop with a prefix as source", V4(.dport = 119), NLB_R_TX},
	{"hop with a prefix as source, 6in4", V6(.dport = 119), NLB_R_TX},
	{"hop with an IPv6 prefix as source", V6(.dport = 120), NLB_R_TX},
	{"hop with an IPv6 prefix as source, 4in6", V4(.dport = 120), NLB_R_TX},
	{"as long as the hop takes", V4(.dport = 121, .payload = 600 - 60), NLB_R_TX},
	{"longer than the hop takes", V4(.dport = 121, .payload = 600 - 59), NLB_R_TOO_BIG},
	{"as long as the IPv6 hop takes", V6(.dport = 122, .payload = 1300 - 100), NLB_R_TX},
	{"longer than the IPv6 hop takes", V6(.dport = 122, .payload = 1300 - 99), NLB_R_TOO_BIG},
	{"hop with another ttl and no limit", V4(.dport = 123, .payload = 3000), NLB_R_TX},
	{"in several buffers", V4(.dport = 123, .payload = 8900), NLB_R_TX},
	{"in several buffers, 6in4, in a vlan", V6(.tags = 1, .dport = 123, .payload = 5000),
	 NLB_R_TX},
	{"in several buffers, options and padding",
	 V4(.dport = 123, .payload = 4000, .options = 3, .pad = 50), NLB_R_TX},
	{"in several buffers, too big", V4(.dport = 110, .payload = 5000), NLB_R_TOO_BIG},
	{"in several buffers, longer than those", V4(.dport = 123, .payload = 5000, .ip_len = 1),
	 NLB_R_VIP_TRUNCATED},
	{"in several buffers, no service", V6(.dport = 8080, .payload = 5000),
	 NLB_R_VIP_NO_SERVICE},
	{"hop past the end: the kernel is asked", V4(.dport = 124), NLB_R_TX},
	{"hop, though there is no source", V4(.dport = 110, .no_source = true), NLB_R_TX},
	{"hop, though nothing is forwarded", V4(.dport = 111, .from_nf0 = true), NLB_R_TX_REDIRECT},

	/* VLAN tags of the packet are gone when it leaves by a hop, whatever that has. */
	{"from a vlan", V4(.tags = 1, .dport = 110), NLB_R_TX},
	{"from a vlan, IPv6", V6(.tags = 1, .dport = 112), NLB_R_TX},
	{"from two vlans", V4(.tags = 2, .dport = 112), NLB_R_TX},
	{"from two vlans, IPv6", V6(.tags = 2, .dport = 110), NLB_R_TX},
	{"from a vlan to another", V4(.tags = 1, .dport = 114), NLB_R_TX},
	{"from a vlan to two", V4(.tags = 1, .dport = 116), NLB_R_TX},
	{"from two vlans to one", V6(.tags = 2, .dport = 115), NLB_R_TX},
	{"from two vlans to two others", V6(.tags = 2, .dport = 117), NLB_R_TX},
	{"from a vlan, the kernel is asked", V4(.tags = 1, .dport = 80), NLB_R_TX},
	{"from a vlan to the other port", V4(.tags = 1, .dport = 111), NLB_R_TX_REDIRECT},
	{"from a vlan, padded", V4(.tags = 1, .dport = 110, .pad = 5), NLB_R_TX},
	{"from a vlan, no service", V4(.tags = 1, .dport = 8080), NLB_R_VIP_NO_SERVICE},
	{"from a vlan, no service, passed", V4(.tags = 2, .dst = XDP_WORLD_VIP4_PASS, .dport = 80),
	 NLB_R_VIP_NO_SERVICE_PASS},
	{"from a vlan, truncated", V4(.tags = 1, .dport = 110, .ip_len = 1), NLB_R_VIP_TRUNCATED},
	{"vlan tags and no hop", V4(.tags = 1, .dport = 84), NLB_R_NO_BACKEND},

	/* Left to the kernel. */
	{"not a VIP", V4(.dst = "192.0.2.99", .dport = 80), NLB_R_NOT_VIP},
	{"not a VIP, IPv6", V6(.dst = "2001:db8:f::99", .dport = 80), NLB_R_NOT_VIP},
	{"not a VIP, fragment", V4(.dst = "192.0.2.99", .dport = 80, .frag = 0x2000),
	 NLB_R_NOT_VIP},
	{"not a VIP, truncated", V4(.dst = "192.0.2.99", .dport = 80, .cut = 36), NLB_R_NOT_VIP},
	{"not a VIP, icmp", V4(.dst = "192.0.2.99", .protocol = IPPROTO_ICMP), NLB_R_NOT_VIP},
	{"not a VIP, ttl 1", V4(.dst = "192.0.2.99", .dport = 80, .ttl = 2), NLB_R_NOT_VIP},
	{"arp", V4(.ethertype = ETH_P_ARP), NLB_R_NOT_IP},
	{"three vlan tags", V4(.tags = 3, .dport = 110), NLB_R_NOT_IP},
	{"arp in a vlan", V4(.tags = 1, .ethertype = ETH_P_ARP), NLB_R_NOT_IP},
	{"a vlan tag and no more", V4(.tags = 1, .cut = 18), NLB_R_MALFORMED_L3},
	{"half a vlan tag", V4(.tags = 1, .cut = 17), NLB_R_NOT_IP},
	{"not a VIP, in a vlan", V4(.tags = 1, .dst = "192.0.2.99", .dport = 80), NLB_R_NOT_VIP},
	{"not a VIP, in two vlans", V6(.tags = 2, .dst = "2001:db8:f::99", .dport = 80),
	 NLB_R_NOT_VIP},
	{"an ethernet header and no more", V4(.cut = 14), NLB_R_MALFORMED_L3},
	{"half an IPv4 header", V4(.dport = 80, .cut = 33), NLB_R_MALFORMED_L3},
	{"half an IPv6 header", V6(.dport = 80, .cut = 53), NLB_R_MALFORMED_L3},
	{"IPv4 says version 6", V4(.dport = 80, .first_byte = 0x65), NLB_R_MALFORMED_L3},
	{"IPv6 says version 4", V6(.dport = 80, .first_byte = 0x45), NLB_R_MALFORMED_L3},
	{"IPv4 header length 4", V4(.dport = 80, .first_byte = 0x44), NLB_R_MALFORMED_L3},
	{"IPv4-mapped destination on the wire", V6(.dst = "::ffff:192.0.2.10", .dport = 80),
	 NLB_R_MALFORMED_L3},
	{"icmp to a VIP", V4(.protocol = IPPROTO_ICMP), NLB_R_VIP_ICMP},
	{"icmpv6 to a VIP", V6(.protocol = IPPROTO_ICMPV6), NLB_R_VIP_ICMP},
	{"no service, passed", V4(.dst = XDP_WORLD_VIP4_PASS, .dport = 80),
	 NLB_R_VIP_NO_SERVICE_PASS},
	{"no service, passed, IPv6", V6(.dst = XDP_WORLD_VIP6_PASS, .dport = 80),
	 NLB_R_VIP_NO_SERVICE_PASS},

	/* Dropped: for a VIP, but not for a service. */
	{"no service", V4(.dport = 8080), NLB_R_VIP_NO_SERVICE},
	{"no service, IPv6", V6(.dport = 8080), NLB_R_VIP_NO_SERVICE},
	{"right port, wrong protocol", V4(.protocol = IPPROTO_UDP, .dport = 80),
	 NLB_R_VIP_NO_SERVICE},
	{"port of the other byte order", V4(.dport = 0x5000), NLB_R_VIP_NO_SERVICE},
	{"gre", V4(.protocol = IPPROTO_GRE), NLB_R_VIP_PROTOCOL},
	{"icmpv6 in IPv4", V4(.protocol = IPPROTO_ICMPV6), NLB_R_VIP_PROTOCOL},
	{"icmp in IPv6", V6(.protocol = IPPROTO_ICMP), NLB_R_VIP_PROTOCOL},
	{"fragment header number in IPv4", V4(.protocol = IPPROTO_FRAGMENT), NLB_R_VIP_PROTOCOL},
	{"hop-by-hop number in IPv4", V4(.protocol = IPPROTO_AH), NLB_R_VIP_PROTOCOL},
	{"no next header", V6(.protocol = IPPROTO_NONE), NLB_R_VIP_PROTOCOL},
	{"later fragment", V4(.dport = 80, .frag = 0x2001), NLB_R_VIP_FRAGMENT},
	{"last fragment", V4(.dport = 80, .frag = 0x0001), NLB_R_VIP_FRAGMENT},

	/* Dropped: lengths. */
	{"length past the frame", V4(.dport = 80, .ip_len = 1), NLB_R_VIP_TRUNCATED},
	{"length past the frame, IPv6", V6(.dport = 80, .ip_len = 1), NLB_R_VIP_TRUNCATED},
	{"length below the header", V4(.dport = 80, .ip_len = -21), NLB_R_VIP_TRUNCATED},
	{"length below the options", V4(.dport = 80, .options = 2, .ip_len = -21),
	 NLB_R_VIP_TRUNCATED},
	{"half a tcp header by length", V4(.dport = 80, .ip_len = -1), NLB_R_VIP_TRUNCATED},
	{"half a tcp header by length, IPv6", V6(.dport = 80, .ip_len = -1), NLB_R_VIP_TRUNCATED},
	{"half a udp header by length", V4(.protocol = IPPROTO_UDP, .dport = 53, .ip_len = -1),
	 NLB_R_VIP_TRUNCATED},
	{"frame ends in the ports", V4(.dport = 80, .cut = 14 + 20 + 3), NLB_R_VIP_TRUNCATED},
	{"frame ends behind the ports", V4(.dport = 80, .cut = 14 + 20 + 4), NLB_R_VIP_TRUNCATED},
	{"frame ends in the ports, IPv6", V6(.dport = 80, .cut = 14 + 40 + 3), NLB_R_VIP_TRUNCATED},
	{"frame ends in the options", V4(.dport = 80, .options = 4, .cut = 14 + 24),
	 NLB_R_VIP_TRUNCATED},
	{"options past the length", V4(.dport = 80, .first_byte = 0x4f), NLB_R_VIP_TRUNCATED},
	{"IPv6 payload of 64 KiB", V6(.dport = 80, .ip_len = 65535 - 20), NLB_R_VIP_TRUNCATED},
	{"IPv6 length 0", V6(.dport = 80, .ip_len = -20), NLB_R_VIP_TRUNCATED},

	/* Dropped: a service, but no way. */
	{"ttl 1", V4(.dport = 80, .src = "224.0.0.1", .ttl = 1 + 1), NLB_R_VIP_TTL},
	{"ttl 0", V4(.dport = 80, .src = "0.0.0.0", .ttl = 0 + 1), NLB_R_VIP_TTL},
	{"hop limit 1", V6(.dport = 82, .src = "::1", .ttl = 1 + 1), NLB_R_VIP_TTL},
	{"ttl 1, no service", V4(.dport = 8080, .ttl = 1 + 1), NLB_R_VIP_NO_SERVICE},
	{"empty ring", V4(.dport = 84), NLB_R_NO_BACKEND},
	{"empty slot", V4(.dport = 85), NLB_R_NO_BACKEND},
	{"empty ring, IPv6", V6(.dport = 84), NLB_R_NO_BACKEND},
	{"no outer IPv4 source", V4(.dport = 80, .no_source = true), NLB_R_NO_SOURCE},
	{"no outer IPv6 source", V4(.dport = 82, .no_source = true), NLB_R_NO_SOURCE},
	{"no route", V4(.dport = 86), NLB_R_NO_ROUTE},
	{"no route, IPv6", V4(.dport = 97), NLB_R_NO_ROUTE},
	{"blackhole", V4(.dport = 88), NLB_R_NO_ROUTE},
	{"prohibit", V4(.dport = 89), NLB_R_NO_ROUTE},
	{"unreachable", V4(.dport = 90), NLB_R_NO_ROUTE},
	{"backend is this host", V4(.dport = 95), NLB_R_NO_ROUTE},
	{"no neighbour", V4(.dport = 87), NLB_R_NO_NEIGHBOUR},
	{"no neighbour, IPv6", V6(.dport = 98), NLB_R_NO_NEIGHBOUR},
	{"no forwarding", V4(.dport = 80, .from_nf0 = true), NLB_R_NO_FORWARDING},
	{"no forwarding, IPv6", V6(.dport = 82, .from_nf0 = true), NLB_R_NO_FORWARDING},
	{"as long as the route takes", V4(.dport = 91, .payload = 600 - 60), NLB_R_TX},
	{"longer than the route takes", V4(.dport = 91, .payload = 600 - 59), NLB_R_TOO_BIG},
	{"as long as the IPv6 route takes", V6(.dport = 92, .payload = 1300 - 100), NLB_R_TX},
	{"longer than the IPv6 route takes", V6(.dport = 92, .payload = 1300 - 99), NLB_R_TOO_BIG},
	{"longer than the interface takes", V4(.dport = 80, .payload = 1600 - 59), NLB_R_TOO_BIG},
	{"no headroom", V4(.dport = 80, .no_room = true), NLB_R_NO_HEADROOM},
	{"no headroom for IPv6", V6(.dport = 82, .no_room = true), NLB_R_NO_HEADROOM},

	/* Dropped: maps that nobody should have written like this. */
	{"ring past the end", V4(.dport = 93), NLB_R_INTERNAL},
	{"backend past the end", V4(.dport = 94), NLB_R_INTERNAL},
};

static const char *vip_of(const struct recipe *r)
{
	if (r->dst)
		return r->dst;
	return r->v6 ? XDP_WORLD_VIP6 : XDP_WORLD_VIP4;
}

/* Hop-by-hop options have number 0; such a packet has no port either. */
static uint8_t protocol_of(const struct recipe *r)
{
	return r->protocol || (r->v6 && r->dport == 0) ? r->protocol : IPPROTO_TCP;
}

static const char *client_of(const struct recipe *r)
{
	if (r->src)
		return r->src;
	return r->v6 ? CLIENT6 : CLIENT4;
}

static void put_inner4(struct pkt *p, const struct recipe *r)
{
	struct iphdr *ip = pkt_ip4(p, client_of(r), vip_of(r), protocol_of(r));

	ip->tos = r->dsfield;
	ip->frag_off = htons(r->frag);
	if (r->ttl)
		ip->ttl = (uint8_t)(r->ttl - 1);
	if (r->options)
		pkt_ip4_options(p, r->options);
}

static void put_inner6(struct pkt *p, const struct recipe *r)
{
	struct ipv6hdr *ip = pkt_ip6(p, client_of(r), vip_of(r), protocol_of(r));

	ip->priority = r->dsfield >> 4;
	ip->flow_lbl[0] = (uint8_t)(r->dsfield << 4 | 0x5);
	ip->flow_lbl[1] = 0x12;
	if (r->ttl)
		ip->hop_limit = (uint8_t)(r->ttl - 1);
}

static void put_inner(struct pkt *p, const struct recipe *r)
{
	if (r->v6)
		put_inner6(p, r);
	else
		put_inner4(p, r);
	switch (protocol_of(r)) {
	case IPPROTO_TCP:
		pkt_tcp(p, 5555, r->dport);
		break;
	case IPPROTO_UDP:
		pkt_udp(p, 5555, r->dport);
		break;
	default:
		pkt_raw(p, 40);
		break;
	}
	pkt_fill(p, r->payload);
}

/* What is wrong with the packet is done to it when all is right. */
static void spoil(struct pkt *p, const struct recipe *r)
{
	struct iphdr *ip4 = pkt_layer(p, r->tags);
	struct ipv6hdr *ip6 = (void *)ip4;

	if (r->v6)
		ip6->payload_len = htons((uint16_t)(ntohs(ip6->payload_len) + r->ip_len));
	else
		ip4->tot_len = htons((uint16_t)(ntohs(ip4->tot_len) + r->ip_len));
	if (r->first_byte)
		*(uint8_t *)ip4 = r->first_byte;
	pkt_fill(p, r->pad);
	if (r->cut)
		p->len = r->cut;
}

static void make_packet(struct pkt *p, const struct recipe *r)
{
	uint16_t proto = r->v6 ? ETH_P_IPV6 : ETH_P_IP;

	*p = (struct pkt){};
	if (r->ethertype)
		proto = r->ethertype;
	pkt_eth(p, r->tags ? (r->tags > 1 ? ETH_P_8021AD : ETH_P_8021Q) : proto);
	for (unsigned int i = r->tags; i; i--)
		pkt_vlan(p, (uint16_t)(0x7000 + i), i > 1 ? ETH_P_8021Q : proto);
	put_inner(p, r);
	pkt_finish(p);
	spoil(p, r);
}

/* The Ethernet headers of hops with VLAN tags, as the world has them. */
static void make_eth(struct pkt *p, const struct recipe *r, bool outer6)
{
	uint16_t type = outer6 ? ETH_P_IPV6 : ETH_P_IP;
	struct ethhdr *eth = pkt_eth(p, type);

	memcpy(eth->h_source, "\x02\0\0\0\0\x01", 6);
	memcpy(eth->h_dest, "\x02\0\0\0\0\x11", 6);
	switch (r->dport) {
	case 81:
	case 83:
	case 111:
	case 113:
	case 118:
		eth->h_source[4] = 1;
		eth->h_dest[4] = 1;
		break;
	}
	if (outer6 || r->dport == 96)
		eth->h_dest[5] = 0x16;
	switch (r->dport) {
	case 114:
		eth->h_proto = htons(ETH_P_8021Q);
		pkt_vlan(p, 7, type);
		break;
	case 115:
		eth->h_proto = htons(ETH_P_8021Q);
		pkt_vlan(p, 0x8ffe, type);
		break;
	case 116:
		eth->h_proto = htons(ETH_P_8021AD);
		pkt_vlan(p, 100, ETH_P_8021Q);
		pkt_vlan(p, 200, type);
		break;
	case 117:
		eth->h_proto = htons(ETH_P_8021AD);
		pkt_vlan(p, 0xe064, ETH_P_8021Q);
		pkt_vlan(p, 200, type);
		break;
	case 118:
		eth->h_proto = htons(ETH_P_8021Q);
		pkt_vlan(p, 9, type);
		break;
	}
}

/* Sources of ports 119 and 120 are prefixes, filled up with the flow's hash. */
static const char *source_of(const struct recipe *r, bool outer6, uint32_t hash)
{
	static char text[64];

	if (r->dport == 119)
		snprintf(text, sizeof(text), "10.254.%u.%u", hash >> 8 & 255, hash & 255);
	else if (r->dport == 120)
		snprintf(text, sizeof(text), "fdfe::%x:%x", hash >> 16, hash & 0xffff);
	else
		return outer6 ? XDP_WORLD_SOURCE6 : XDP_WORLD_SOURCE4;
	return text;
}

/* The same packet with one hop less, and the outer headers in front. */
static void make_expected(struct pkt *p, const struct recipe *r)
{
	const char *backend = xdp_world_backend_text(r->dport);
	bool outer6 = strchr(backend, ':') != NULL;
	struct recipe inner = *r;
	uint32_t hash = oracle_hash_text(client_of(r), vip_of(r), 5555, r->dport, protocol_of(r));
	const char *source = source_of(r, outer6, hash);
	uint8_t protocol = r->v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;

	*p = (struct pkt){};
	make_eth(p, r, outer6);
	if (outer6) {
		struct ipv6hdr *ip = pkt_ip6(p, source, backend, protocol);

		ip->priority = r->dsfield >> 4;
		ip->flow_lbl[0] = (uint8_t)(r->dsfield << 4 | (hash >> 16 & 15));
		ip->flow_lbl[1] = (uint8_t)(hash >> 8);
		ip->flow_lbl[2] = (uint8_t)hash;
	} else {
		struct iphdr *ip = pkt_ip4(p, source, backend, protocol);

		ip->tos = r->dsfield;
		ip->frag_off = htons(0x4000);
		if (r->dport == 123)
			ip->ttl = 33;
	}
	inner.ttl = r->ttl ? (uint8_t)(r->ttl - 1) : 64;
	put_inner(p, &inner);
	pkt_finish(p);
	pkt_fill(p, r->pad);
}

static bool is_sent(enum nlb_reason reason)
{
	return reason == NLB_R_TX || reason == NLB_R_TX_REDIRECT;
}

/* The packet got as far as a backend being chosen for it. */
static bool has_backend(enum nlb_reason reason)
{
	return is_sent(reason) || reason == NLB_R_NO_SOURCE || reason == NLB_R_NO_ROUTE ||
	       reason == NLB_R_NO_NEIGHBOUR || reason == NLB_R_TOO_BIG ||
	       reason == NLB_R_NO_HEADROOM || reason == NLB_R_NO_FORWARDING;
}

/* Whose address it is to has been looked at. */
static bool has_vip(enum nlb_reason reason)
{
	return reason != NLB_R_NOT_IP && reason != NLB_R_MALFORMED_L3;
}

/* The packet got as far as its service. */
static bool has_service(enum nlb_reason reason)
{
	return has_backend(reason) || reason == NLB_R_NO_BACKEND || reason == NLB_R_VIP_TTL ||
	       reason == NLB_R_INTERNAL;
}

static uint32_t backend_of(const struct test_case *t)
{
	const char *text = xdp_world_backend_text(t->in.dport);

	if (t->reason == NLB_R_INTERNAL && strcmp(text, XDP_WORLD_BAD_SLOT) == 0)
		return NLB_BACKEND_MAX;
	return has_backend(t->reason) ? xdp_world_backend(t->in.dport) : 0;
}

static uint32_t service_of(const struct test_case *t)
{
	if (!has_service(t->reason))
		return 0;
	return xdp_world_service(xdp_world_vip(vip_of(&t->in)), protocol_of(&t->in), t->in.dport);
}

/* Neither a hop that is known, nor a backend that is none. */
static bool asks_kernel(const struct test_case *t)
{
	uint32_t hop = xdp_world_maps()->backends[xdp_world_backend(t->in.dport)].hop;

	return has_backend(t->reason) && t->reason != NLB_R_NO_SOURCE &&
	       (!hop || hop >= xdp_world_maps()->n_hops);
}

static void test_case(void **state)
{
	const struct test_case *t = *state;
	struct pkt p, expected;

	make_packet(&p, &t->in);
	if (is_sent(t->reason))
		make_expected(&expected, &t->in);
	if (t->in.no_source)
		xdp_world_sources(NULL, NULL);
	xdp_case_run(&p, &(struct xdp_case){
				 .reason = t->reason,
				 .vip = has_vip(t->reason) ? xdp_world_vip(vip_of(&t->in)) : 0,
				 .service = service_of(t),
				 .backend = backend_of(t),
				 .len = p.len - ETH_HLEN - 4 * t->in.tags - t->in.pad,
				 .events = asks_kernel(t) ? 1u << NLB_E_FIB : 0,
				 .out = is_sent(t->reason) ? &expected : NULL,
				 .ifname = t->in.from_nf0 ? "nf0" : "in0",
				 .no_room = t->in.no_room,
				 .no_oracle = t->in.from_nf0,
			 });
	if (t->in.no_source)
		xdp_world_sources(XDP_WORLD_SOURCE4, XDP_WORLD_SOURCE6);
}

/* The reasons behind NLB_R_INTERNAL are ICMP's: test_icmp.c, test_icmp_reply.c, test_tell.c. */
static void test_every_reason_has_a_case(void **state _unused_)
{
	for (int r = 0; r <= NLB_R_INTERNAL; r++) {
		bool found = false;

		for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
			found |= cases[i].reason == (enum nlb_reason)r;
		/* test_extension.c */
		found |= r == NLB_R_VIP_EXTENSION;
		assert_true(found);
	}
}

int main(void)
{
	static struct CMUnitTest tests[ARRAY_SIZE(cases) + 1];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tests[i] = (struct CMUnitTest){.name = cases[i].name,
					       .test_func = test_case,
					       .initial_state = (void *)&cases[i]};
	tests[ARRAY_SIZE(cases)] =
		(struct CMUnitTest)cmocka_unit_test(test_every_reason_has_a_case);
	return xdp_case_main(tests, ARRAY_SIZE(tests));
}
