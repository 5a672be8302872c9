// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Echo requests: the reply is built anew by the test, with checksums by the
 * textbook, and compared byte by byte, all counters and token buckets as well (xdp_case.h).
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
#include "xdp/icmp.h"
#include "xdp_case.h"

#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:c::7"

/* A packet; everything that is not said is as it should be. */
struct recipe {
	bool v6;
	bool pass;	 /* to the VIP that passes what it does not know */
	const char *src; /* default: the client */
	uint8_t type, code;
	size_t payload;
	uint8_t dsfield;
	uint8_t ttl;	      /* 1 more than the value; 0: default */
	unsigned int options; /* words, IPv4 */
	bool bad_check;	      /* the ICMP checksum is off by one bit */
	bool from_group;      /* Ethernet source */
	bool to_group;	      /* Ethernet destination */
	size_t cut;	      /* the IP packet is this long only, by its header, too */
	size_t pad;	      /* bytes behind the packet */
	unsigned int tags;    /* VLAN tags */
	bool off;	      /* NLB_CONFIG_F_NO_ECHO */
	bool drained;	      /* no token is left */
};

struct test_case {
	const char *name;
	struct recipe in;
	enum nlb_reason reason;
};

#define P4(...)                                                                                    \
	{                                                                                          \
		.type = 8, __VA_ARGS__                                                             \
	}
#define P6(...)                                                                                    \
	{                                                                                          \
		.v6 = true, .type = 128, __VA_ARGS__                                               \
	}

static const struct test_case cases[] = {
	{"echo", P4(.payload = 56), NLB_R_TX_REPLY},
	{"echo without data", P4(.payload = 0), NLB_R_TX_REPLY},
	{"echo of odd length", P4(.payload = 777), NLB_R_TX_REPLY},
	{"long echo", P4(.payload = 1472), NLB_R_TX_REPLY},
	{"echo, dscp", P4(.payload = 8, .dsfield = 0xb8), NLB_R_TX_REPLY},
	{"echo, ttl 1", P4(.payload = 8, .ttl = 1 + 1), NLB_R_TX_REPLY},
	{"echo, ttl 254", P4(.payload = 8, .ttl = 254 + 1), NLB_R_TX_REPLY},
	{"echo, padding", P4(.payload = 4, .pad = 14), NLB_R_TX_REPLY},
	{"echo to a VIP without services", P4(.pass = true, .payload = 8), NLB_R_TX_REPLY},
	{"echo with a wrong checksum", P4(.payload = 8, .bad_check = true), NLB_R_TX_REPLY},
	{"v6 echo", P6(.payload = 56), NLB_R_TX_REPLY},
	{"v6 echo without data", P6(.payload = 0), NLB_R_TX_REPLY},
	{"v6 echo of odd length", P6(.payload = 777), NLB_R_TX_REPLY},
	{"v6 echo, traffic class", P6(.payload = 8, .dsfield = 0xb8), NLB_R_TX_REPLY},
	{"v6 echo, hop limit 1", P6(.payload = 8, .ttl = 1 + 1), NLB_R_TX_REPLY},
	{"v6 echo to a VIP without services", P6(.pass = true, .payload = 8), NLB_R_TX_REPLY},

	{"echo in a vlan", P4(.payload = 56, .tags = 1), NLB_R_TX_REPLY},
	{"echo in two vlans, padding", P4(.payload = 4, .tags = 2, .pad = 9), NLB_R_TX_REPLY},
	{"v6 echo in two vlans", P6(.payload = 56, .tags = 2), NLB_R_TX_REPLY},

	{"echo in a vlan, switched off", P4(.payload = 56, .tags = 1, .off = true), NLB_R_VIP_ICMP},
	{"echo, switched off", P4(.payload = 56, .off = true), NLB_R_VIP_ICMP},
	{"v6 echo, switched off", P6(.payload = 56, .off = true), NLB_R_VIP_ICMP},
	{"echo, code 1", P4(.code = 1), NLB_R_VIP_ICMP},
	{"v6 echo, code 1", P6(.code = 1), NLB_R_VIP_ICMP},
	{"echo with options", P4(.options = 1, .payload = 8), NLB_R_VIP_ICMP},
	{"echo from 0.0.0.0", P4(.src = "0.0.0.0"), NLB_R_VIP_ICMP},
	{"echo from loopback", P4(.src = "127.0.0.1"), NLB_R_VIP_ICMP},
	{"echo from a group", P4(.src = "224.0.0.1"), NLB_R_VIP_ICMP},
	{"echo from everybody", P4(.src = "255.255.255.255"), NLB_R_VIP_ICMP},
	{"v6 echo from ::", P6(.src = "::"), NLB_R_VIP_ICMP},
	{"v6 echo from ::1", P6(.src = "::1"), NLB_R_VIP_ICMP},
	{"v6 echo from a group", P6(.src = "ff02::1"), NLB_R_VIP_ICMP},
	{"echo from an Ethernet group", P4(.from_group = true), NLB_R_VIP_ICMP},
	{"echo to an Ethernet group", P4(.to_group = true), NLB_R_VIP_ICMP},

	{"echo, too many", P4(.payload = 56, .drained = true), NLB_R_VIP_ICMP_LIMIT},
	{"v6 echo, too many", P6(.payload = 56, .drained = true), NLB_R_VIP_ICMP_LIMIT},
	{"half an echo", P4(.cut = 27), NLB_R_VIP_ICMP_TRUNCATED},
	{"half a v6 echo", P6(.cut = 47), NLB_R_VIP_ICMP_TRUNCATED},
};

static const char *vip_of(const struct recipe *r)
{
	if (r->v6)
		return r->pass ? XDP_WORLD_VIP6_PASS : XDP_WORLD_VIP6;
	return r->pass ? XDP_WORLD_VIP4_PASS : XDP_WORLD_VIP4;
}

static const char *client_of(const struct recipe *r)
{
	if (r->src)
		return r->src;
	return r->v6 ? CLIENT6 : CLIENT4;
}

/* The tags are those of the request, in the reply as well. */
static void put_eth(struct pkt *p, const struct recipe *r, uint16_t type)
{
	pkt_eth(p, r->tags ? ETH_P_8021Q : type);
	for (unsigned int i = r->tags; i; i--)
		pkt_vlan(p, (uint16_t)(0x2000 + i), i > 1 ? ETH_P_8021Q : type);
}

static void put_echo(struct pkt *p, const struct recipe *r, const char *src, const char *dst,
		     uint8_t type, uint8_t ttl)
{
	uint8_t *icmp;

	*p = (struct pkt){};
	put_eth(p, r, r->v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (r->v6) {
		struct ipv6hdr *ip = pkt_ip6(p, src, dst, IPPROTO_ICMPV6);

		ip->priority = r->dsfield >> 4;
		ip->flow_lbl[0] = (uint8_t)(r->dsfield << 4 | 0x3);
		ip->hop_limit = ttl;
	} else {
		struct iphdr *ip = pkt_ip4(p, src, dst, IPPROTO_ICMP);

		ip->tos = r->dsfield;
		ip->id = htons(0x4321);
		ip->ttl = ttl;
		if (r->options)
			pkt_ip4_options(p, r->options);
	}
	icmp = pkt_raw(p, 8);
	memcpy(icmp, (uint8_t[]){type, r->code, 0, 0, 0x12, 0x34, 0, 7}, 8);
	pkt_fill(p, r->payload);
	if (r->cut)
		p->len = ETH_HLEN + 4 * r->tags + r->cut;
	pkt_finish(p);
	pkt_icmp_check(p, p->data + p->layers[r->tags].at, icmp);
	if (r->bad_check)
		icmp[2] ^= 1;
	pkt_fill(p, r->pad);
}

static void make_packet(struct pkt *p, const struct recipe *r)
{
	put_echo(p, r, client_of(r), vip_of(r), r->type, r->ttl ? (uint8_t)(r->ttl - 1) : 57);
	if (r->to_group)
		p->data[0] |= 1;
	if (r->from_group)
		p->data[6] |= 1;
}

static void make_expected(struct pkt *p, const struct recipe *r)
{
	put_echo(p, r, vip_of(r), client_of(r), r->v6 ? 129 : 0, 64);
	/* What was the destination is the source now. */
	memcpy(p->data, "\x02\0\0\0\0\x02", 6);
	memcpy(p->data + 6, "\x02\0\0\0\0\x01", 6);
}

static void test_case(void **state)
{
	const struct test_case *t = *state;
	struct pkt p, expected;

	make_packet(&p, &t->in);
	make_expected(&expected, &t->in);
	xdp_world_flags(t->in.off ? NLB_CONFIG_F_NO_ECHO : 0);
	xdp_case_run(&p, &(struct xdp_case){
				 .reason = t->reason,
				 .vip = xdp_world_vip(vip_of(&t->in)),
				 .out = t->reason == NLB_R_TX_REPLY ? &expected : NULL,
				 .drained = t->in.drained,
			 });
	xdp_world_flags(0);
}

/* How many the bucket lets through at one moment; a leaking one ends at the cap. */
static unsigned int drain(__u64 *due, __u64 now)
{
	unsigned int n = 0;

	while (n < 2 * NLB_ICMP_BURST && nlb_icmp_allow(due, now, 1))
		n++;
	return n;
}

/* A burst at once, then no more, then as many as the time that went by gives. */
static void test_bucket(void **state _unused_)
{
	__u64 due = 0, now = 5000000000;

	assert_int_equal(drain(&due, now), NLB_ICMP_BURST);
	assert_false(nlb_icmp_allow(&due, now + NLB_ICMP_INTERVAL_NS - 1, 1));
	now += 10 * NLB_ICMP_INTERVAL_NS;
	assert_int_equal(drain(&due, now), 10);
	now += 1000000000;
	assert_true(nlb_icmp_allow(&due, now, 0));
	assert_int_equal(drain(&due, now), NLB_ICMP_BURST);
}

int main(void)
{
	static struct CMUnitTest tests[ARRAY_SIZE(cases) + 1];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tests[n++] = (struct CMUnitTest){.name = cases[i].name,
						 .test_func = test_case,
						 .initial_state = (void *)&cases[i]};
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_bucket);
	return xdp_case_main(tests, ARRAY_SIZE(tests));
}
