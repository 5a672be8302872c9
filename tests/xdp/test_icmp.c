// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ICMP and ICMPv6 to a VIP, packet by packet, through the balancer's program:
 * what comes out, and every counter (xdp_case.h).
 *
 * An error comes from a router and quotes a packet from a VIP's port to a
 * client; what is expected is the error itself in a tunnel to the backend of
 * that port, whose flow label is made from the hash of the client's packets.
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

#define CLIENT4	    "198.51.100.7"
#define CLIENT6	    "2001:db8:c::7"
#define CLIENT_PORT 5555
#define ROUTER4	    "203.0.113.1"
#define ROUTER6	    "2001:db8:e::1"

/* An error; everything that is not said is as it should be. */
struct recipe {
	bool v6;
	uint8_t type;
	uint8_t code;
	bool pass;		    /* to the VIP that passes what it does not know */
	const char *from;	    /* the quoted packet's source; default: the VIP */
	uint8_t protocol;	    /* quoted; default: TCP */
	uint16_t port;		    /* of the VIP */
	size_t l4;		    /* bytes of TCP or UDP quoted; default: 8 */
	size_t more;		    /* bytes behind those */
	unsigned int options;	    /* words, of the error's IPv4 header */
	unsigned int quote_options; /* words, of the quoted one */
	uint16_t quote_frag;	    /* IPv4 fragment field, or that of a fragment header */
	bool frag_header;	    /* in the quoted IPv6 packet */
	uint8_t quote_byte;	    /* first one of the quoted header */
	uint8_t dsfield;
	uint8_t ttl; /* 1 more than the value; 0: default */
	size_t cut;  /* the IP packet is this long only, by its header, too */
	size_t pad;  /* bytes behind the packet */
};

struct test_case {
	const char *name;
	struct recipe in;
	enum nlb_reason reason;
};

#define E4(t, c, ...)                                                                              \
	{                                                                                          \
		.type = (t), .code = (c), __VA_ARGS__                                              \
	}
#define E6(t, c, ...)                                                                              \
	{                                                                                          \
		.v6 = true, .type = (t), .code = (c), __VA_ARGS__                                  \
	}

static const struct test_case cases[] = {
	/* Each kind of error goes to the backend of the flow that it quotes. */
	{"net unreachable", E4(3, 0, .port = 80), NLB_R_TX_ICMP},
	{"host unreachable", E4(3, 1, .port = 80), NLB_R_TX_ICMP},
	{"port unreachable", E4(3, 3, .port = 53, .protocol = IPPROTO_UDP), NLB_R_TX_ICMP},
	{"fragmentation needed", E4(3, 4, .port = 80), NLB_R_TX_ICMP},
	{"time exceeded", E4(11, 0, .port = 80), NLB_R_TX_ICMP},
	{"parameter problem", E4(12, 0, .port = 80), NLB_R_TX_ICMP},
	{"v6 unreachable", E6(1, 0, .port = 82), NLB_R_TX_ICMP},
	{"v6 port unreachable", E6(1, 4, .port = 54, .protocol = IPPROTO_UDP), NLB_R_TX_ICMP},
	{"v6 too big", E6(2, 0, .port = 82), NLB_R_TX_ICMP},
	{"v6 time exceeded", E6(3, 0, .port = 82), NLB_R_TX_ICMP},
	{"v6 parameter problem", E6(4, 1, .port = 82), NLB_R_TX_ICMP},

	/* By each tunnel and port. */
	{"4in4, other port", E4(3, 4, .port = 81), NLB_R_TX_ICMP},
	{"4in6", E4(3, 4, .port = 82), NLB_R_TX_ICMP},
	{"4in6, other port", E4(3, 4, .port = 83), NLB_R_TX_ICMP},
	{"6in6, other port", E6(2, 0, .port = 83), NLB_R_TX_ICMP},
	{"6in4", E6(2, 0, .port = 80), NLB_R_TX_ICMP},
	{"6in4, other port", E6(2, 0, .port = 81), NLB_R_TX_ICMP},

	/* Shapes of errors and of quotes. */
	{"a long quote", E4(3, 4, .port = 82, .l4 = 20, .more = 500), NLB_R_TX_ICMP},
	{"a long v6 quote", E6(2, 0, .port = 82, .l4 = 20, .more = 1172), NLB_R_TX_ICMP},
	{"options in the quote", E4(3, 4, .port = 82, .quote_options = 3), NLB_R_TX_ICMP},
	{"all options in the quote", E4(3, 4, .port = 82, .quote_options = 10), NLB_R_TX_ICMP},
	{"options of the error", E4(3, 4, .port = 82, .options = 2), NLB_R_TX_ICMP},
	{"options of both", E4(3, 4, .port = 82, .options = 10, .quote_options = 10),
	 NLB_R_TX_ICMP},
	{"padding", E4(3, 4, .port = 82, .pad = 4), NLB_R_TX_ICMP},
	{"dscp and ecn", E4(3, 4, .port = 82, .dsfield = 0xb9), NLB_R_TX_ICMP},
	{"v6 traffic class", E6(2, 0, .port = 80, .dsfield = 0xc1), NLB_R_TX_ICMP},
	{"DF in the quote", E4(3, 4, .port = 82, .quote_frag = 0x4000), NLB_R_TX_ICMP},
	{"a first fragment quoted", E4(3, 4, .port = 82, .quote_frag = 0x2000), NLB_R_TX_ICMP},
	{"a first v6 fragment quoted",
	 E6(2, 0, .port = 54, .protocol = IPPROTO_UDP, .frag_header = true, .quote_frag = 1),
	 NLB_R_TX_ICMP},
	{"ttl 2", E4(3, 4, .port = 82, .ttl = 2 + 1), NLB_R_TX_ICMP},

	/* Too short. */
	{"no ICMP header", E4(3, 4, .port = 80, .cut = 27), NLB_R_VIP_ICMP_TRUNCATED},
	{"no ICMPv6 header", E6(2, 0, .port = 80, .cut = 47), NLB_R_VIP_ICMP_TRUNCATED},
	{"no quote", E4(3, 4, .port = 80, .cut = 28), NLB_R_VIP_ICMP_TRUNCATED},
	{"no v6 quote", E6(2, 0, .port = 80, .cut = 48), NLB_R_VIP_ICMP_TRUNCATED},
	{"half a quoted header", E4(3, 4, .port = 80, .cut = 47), NLB_R_VIP_ICMP_TRUNCATED},
	{"half a quoted v6 header", E6(2, 0, .port = 80, .cut = 87), NLB_R_VIP_ICMP_TRUNCATED},
	{"7 bytes of L4", E4(3, 4, .port = 80, .l4 = 7), NLB_R_VIP_ICMP_TRUNCATED},
	{"7 bytes of L4, v6", E6(2, 0, .port = 80, .l4 = 7), NLB_R_VIP_ICMP_TRUNCATED},
	{"7 bytes of L4 behind options", E4(3, 4, .port = 80, .l4 = 7, .quote_options = 10),
	 NLB_R_VIP_ICMP_TRUNCATED},
	{"7 bytes of L4 and padding", E4(3, 4, .port = 80, .l4 = 7, .pad = 20),
	 NLB_R_VIP_ICMP_TRUNCATED},
	{"7 bytes of L4 behind a fragment header",
	 E6(2, 0, .port = 80, .l4 = 7, .frag_header = true), NLB_R_VIP_ICMP_TRUNCATED},

	/* Nothing that a backend sent. */
	{"quote from elsewhere", E4(3, 4, .port = 80, .from = "192.0.2.99"), NLB_R_VIP_ICMP_QUOTE},
	{"quote from another VIP", E4(3, 4, .port = 80, .from = XDP_WORLD_VIP4_PASS),
	 NLB_R_VIP_ICMP_QUOTE},
	{"v6 quote from elsewhere", E6(2, 0, .port = 80, .from = "2001:db8:f::11"),
	 NLB_R_VIP_ICMP_QUOTE},
	{"quote of version 6", E4(3, 4, .port = 80, .quote_byte = 0x65), NLB_R_VIP_ICMP_QUOTE},
	{"quoted header length 4", E4(3, 4, .port = 80, .quote_byte = 0x44), NLB_R_VIP_ICMP_QUOTE},
	{"v6 quote of version 4", E6(2, 0, .port = 80, .quote_byte = 0x45), NLB_R_VIP_ICMP_QUOTE},
	{"a later fragment quoted", E4(3, 4, .port = 80, .quote_frag = 0x0001),
	 NLB_R_VIP_ICMP_QUOTE},
	{"a later v6 fragment quoted",
	 E6(2, 0, .port = 80, .frag_header = true, .quote_frag = 0x0008), NLB_R_VIP_ICMP_QUOTE},
	{"a much later v6 fragment quoted",
	 E6(2, 0, .port = 80, .frag_header = true, .quote_frag = 0x0100), NLB_R_VIP_ICMP_QUOTE},
	{"icmp quoted", E4(3, 1, .port = 80, .protocol = IPPROTO_ICMP), NLB_R_VIP_ICMP_QUOTE},
	{"icmpv6 quoted", E6(1, 0, .port = 80, .protocol = IPPROTO_ICMPV6), NLB_R_VIP_ICMP_QUOTE},

	/* A flow that leads nowhere: as a packet of that flow. */
	{"no service", E4(3, 4, .port = 8080), NLB_R_VIP_NO_SERVICE},
	{"no service, v6", E6(2, 0, .port = 8080), NLB_R_VIP_NO_SERVICE},
	{"no service of that protocol", E4(3, 4, .port = 80, .protocol = IPPROTO_UDP),
	 NLB_R_VIP_NO_SERVICE},
	{"no service, passed", E4(3, 4, .port = 80, .pass = true), NLB_R_VIP_NO_SERVICE_PASS},
	{"empty ring", E4(3, 4, .port = 84), NLB_R_NO_BACKEND},
	{"no route", E4(3, 4, .port = 86), NLB_R_NO_ROUTE},
	{"ttl 1", E4(3, 4, .port = 80, .ttl = 1 + 1), NLB_R_VIP_TTL},
	{"an error that does not fit", E4(3, 4, .port = 91, .l4 = 20, .more = 600), NLB_R_TOO_BIG},

	/* No error: the kernel's. */
	{"redirect", E4(5, 1, .port = 80), NLB_R_VIP_ICMP},
	{"source quench", E4(4, 0, .port = 80), NLB_R_VIP_ICMP},
	{"echo reply", E4(0, 0, .port = 80), NLB_R_VIP_ICMP},
	{"echo reply, v6", E6(129, 0, .port = 80), NLB_R_VIP_ICMP},
	{"neighbour solicitation", E6(135, 0, .port = 80), NLB_R_VIP_ICMP},
	{"type 0, v6", E6(0, 0, .port = 80), NLB_R_VIP_ICMP},
	{"type 5, v6", E6(5, 0, .port = 80), NLB_R_VIP_ICMP},
};

static const char *vip_of(const struct recipe *r)
{
	if (r->v6)
		return r->pass ? XDP_WORLD_VIP6_PASS : XDP_WORLD_VIP6;
	return r->pass ? XDP_WORLD_VIP4_PASS : XDP_WORLD_VIP4;
}

static uint8_t protocol_of(const struct recipe *r)
{
	return r->protocol ? r->protocol : IPPROTO_TCP;
}

static uint8_t *put_error4(struct pkt *p, const struct recipe *r)
{
	struct iphdr *ip = pkt_ip4(p, ROUTER4, vip_of(r), IPPROTO_ICMP);
	uint8_t *icmp;

	ip->tos = r->dsfield;
	if (r->ttl)
		ip->ttl = (uint8_t)(r->ttl - 1);
	if (r->options)
		pkt_ip4_options(p, r->options);
	icmp = pkt_raw(p, 8);
	ip = pkt_ip4(p, r->from ? r->from : vip_of(r), CLIENT4, protocol_of(r));
	ip->frag_off = htons(r->quote_frag);
	if (r->quote_options)
		pkt_ip4_options(p, r->quote_options);
	return icmp;
}

static uint8_t *put_error6(struct pkt *p, const struct recipe *r)
{
	struct ipv6hdr *ip = pkt_ip6(p, ROUTER6, vip_of(r), IPPROTO_ICMPV6);
	uint8_t *icmp, *frag;

	ip->priority = r->dsfield >> 4;
	ip->flow_lbl[0] = (uint8_t)(r->dsfield << 4);
	if (r->ttl)
		ip->hop_limit = (uint8_t)(r->ttl - 1);
	icmp = pkt_raw(p, 8);
	pkt_ip6(p, r->from ? r->from : vip_of(r), CLIENT6,
		r->frag_header ? IPPROTO_FRAGMENT : protocol_of(r));
	if (r->frag_header) {
		frag = pkt_raw(p, 8);
		frag[0] = protocol_of(r);
		frag[2] = (uint8_t)(r->quote_frag >> 8);
		frag[3] = (uint8_t)r->quote_frag;
	}
	return icmp;
}

/* Ethernet is there already; the lengths of the error's headers are set at the end. */
static void put_error(struct pkt *p, const struct recipe *r)
{
	size_t from = p->len, l4;
	uint8_t *icmp = r->v6 ? put_error6(p, r) : put_error4(p, r);

	icmp[0] = r->type;
	icmp[1] = r->code;
	if (r->quote_byte)
		icmp[8] = r->quote_byte;
	l4 = p->len;
	memcpy(pkt_raw(p, 20),
	       &(uint16_t[]){htons(r->port), htons(CLIENT_PORT), htons(0x1234), htons(0x5678)}, 8);
	p->len = l4 + (r->l4 ? r->l4 : 8);
	pkt_fill(p, r->more);
	if (r->cut)
		p->len = from + r->cut;
}

/* The quoted header is that of a long packet, whatever is left of it. */
static void finish(struct pkt *p, const struct recipe *r)
{
	uint8_t saved[8];
	uint8_t *icmp = NULL;

	for (size_t k = 0; k < p->n_layers && !icmp; k++)
		if (p->layers[k].kind == PKT_RAW)
			icmp = pkt_layer(p, k);
	memcpy(saved, icmp, 8);
	if (r->quote_byte)
		icmp[8] = r->v6 ? 0x60 : 0x45;
	pkt_finish(p);
	memcpy(icmp, saved, 8);
	if (r->quote_byte)
		icmp[8] = r->quote_byte;
	/* Length field: 0x05.. */
	icmp[8 + (r->v6 ? 4 : 2)] = 5;
	pkt_fill(p, r->pad);
}

static void make_packet(struct pkt *p, const struct recipe *r)
{
	*p = (struct pkt){};
	pkt_eth(p, r->v6 ? ETH_P_IPV6 : ETH_P_IP);
	put_error(p, r);
	finish(p, r);
}

static bool goes_out_of_out0(const struct recipe *r)
{
	return r->port == 81 || r->port == 83;
}

static void make_expected(struct pkt *p, const struct recipe *r)
{
	const char *backend = xdp_world_backend_text(r->port);
	uint8_t protocol = r->v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	bool outer6 = strchr(backend, ':') != NULL;
	struct recipe inner = *r;
	uint32_t label = oracle_hash_text(r->v6 ? CLIENT6 : CLIENT4, vip_of(r), CLIENT_PORT,
					  r->port, protocol_of(r)) &
			 0xfffff;
	struct ethhdr *eth;

	*p = (struct pkt){};
	eth = pkt_eth(p, outer6 ? ETH_P_IPV6 : ETH_P_IP);
	if (outer6) {
		struct ipv6hdr *ip = pkt_ip6(p, XDP_WORLD_SOURCE6, backend, protocol);

		ip->priority = r->dsfield >> 4;
		ip->flow_lbl[0] = (uint8_t)(r->dsfield << 4 | label >> 16);
		ip->flow_lbl[1] = (uint8_t)(label >> 8);
		ip->flow_lbl[2] = (uint8_t)label;
	} else {
		struct iphdr *ip = pkt_ip4(p, XDP_WORLD_SOURCE4, backend, protocol);

		ip->tos = r->dsfield;
		ip->frag_off = htons(0x4000);
	}
	inner.ttl = r->ttl ? (uint8_t)(r->ttl - 1) : 64;
	put_error(p, &inner);
	finish(p, r);
	memcpy(eth->h_source, "\x02\0\0\0\0\x01", 6);
	memcpy(eth->h_dest, "\x02\0\0\0\0\x11", 6);
	if (goes_out_of_out0(r)) {
		eth->h_source[4] = 1;
		eth->h_dest[4] = 1;
	}
	if (outer6)
		eth->h_dest[5] = 0x16;
}

/* The backend that the packet got as far as; 0: none. */
static uint32_t backend_of(const struct test_case *t)
{
	switch (t->reason) {
	case NLB_R_TX_ICMP:
	case NLB_R_NO_ROUTE:
	case NLB_R_TOO_BIG:
		return xdp_world_backend(t->in.port);
	default:
		return 0;
	}
}

/* What a dropped error of a service gets to. */
static bool has_service(enum nlb_reason reason)
{
	return reason == NLB_R_TX_ICMP || reason == NLB_R_NO_BACKEND || reason == NLB_R_NO_ROUTE ||
	       reason == NLB_R_TOO_BIG || reason == NLB_R_VIP_TTL;
}

static void test_case(void **state)
{
	const struct test_case *t = *state;
	uint32_t vip = xdp_world_vip(vip_of(&t->in));
	struct pkt p, expected;

	make_packet(&p, &t->in);
	if (t->reason == NLB_R_TX_ICMP)
		make_expected(&expected, &t->in);
	xdp_case_run(&p, &(struct xdp_case){
				 .reason = t->reason,
				 .vip = vip,
				 .service = has_service(t->reason)
						    ? xdp_world_service(vip, protocol_of(&t->in),
									t->in.port)
						    : 0,
				 .backend = backend_of(t),
				 .len = p.len - ETH_HLEN - t->in.pad,
				 .events = backend_of(t) ? 1u << NLB_E_FIB : 0,
				 .out = t->reason == NLB_R_TX_ICMP ? &expected : NULL,
				 .redirected = goes_out_of_out0(&t->in),
			 });
}

/* Those behind are in test_icmp_reply.c. */
static void test_every_reason_has_a_case(void **state _unused_)
{
	for (int r = NLB_R_TX_ICMP; r <= NLB_R_VIP_ICMP_QUOTE; r++) {
		bool found = false;

		for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
			found |= cases[i].reason == (enum nlb_reason)r;
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
