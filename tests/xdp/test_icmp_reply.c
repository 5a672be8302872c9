// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the program itself answers: the reply is built anew by the test, with
 * checksums by the textbook, and compared byte by byte; all counters are
 * compared as well. Each case is run plainly and as a question, which takes
 * nothing from the token bucket either.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include <linux/bpf.h>

#include "pkt.h"
#include "util.h"
#include "xdp/icmp.h"
#include "xdp_world.h"

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

/* Of the ICMP message that begins at icmp and goes to the end of the packet. */
static uint16_t icmp_check(struct pkt *p, const uint8_t *icmp, bool v6)
{
	uint32_t len = (uint32_t)(p->len - (size_t)(icmp - p->data)), sum = 0;

	if (v6)
		sum = pkt_sum((uint8_t *)pkt_layer(p, 0) + 8, 32, len + IPPROTO_ICMPV6);
	return pkt_fold(pkt_sum(icmp, len, sum));
}

static void put_echo(struct pkt *p, const struct recipe *r, const char *src, const char *dst,
		     uint8_t type, uint8_t ttl)
{
	uint16_t check;
	uint8_t *icmp;

	*p = (struct pkt){};
	pkt_eth(p, r->v6 ? ETH_P_IPV6 : ETH_P_IP);
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
		p->len = ETH_HLEN + r->cut;
	pkt_finish(p);
	check = icmp_check(p, icmp, r->v6) ^ (r->bad_check ? htons(0x100) : 0);
	memcpy(icmp + 2, &check, 2);
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

static uint32_t verdict_of(enum nlb_reason reason)
{
	if (reason == NLB_R_TX_REPLY)
		return XDP_TX;
	return reason == NLB_R_VIP_ICMP ? XDP_PASS : XDP_DROP;
}

static void set_flags(uint32_t flags)
{
	int fd = bpf_map__fd(xdp_world_skel()->maps.nlb_config);
	struct nlb_config cfg;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &cfg), 0);
	cfg.flags = flags;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &cfg, BPF_ANY), 0);
}

/* On all CPUs. 0 fills the bucket; far in the future, it never holds a token again. */
static void set_due(uint64_t due)
{
	int fd = bpf_map__fd(xdp_world_skel()->maps.nlb_limits);
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct nlb_limit *limits = calloc((size_t)cpus, sizeof(*limits));

	for (int i = 0; i < cpus; i++)
		limits[i].due = due;
	for (uint32_t what = 0; what < NLB_LIMIT_COUNT; what++)
		assert_int_equal(bpf_map_update_elem(fd, &what, limits, BPF_ANY), 0);
}

/* The sum over all buckets of a kind: changes whenever a token is taken. */
static uint64_t get_due(uint32_t what)
{
	int fd = bpf_map__fd(xdp_world_skel()->maps.nlb_limits);
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct nlb_limit *limits = calloc((size_t)cpus, sizeof(*limits));
	uint64_t sum = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &what, limits), 0);
	for (int i = 0; i < cpus; i++)
		sum += limits[i].due;
	return sum;
}

static void count(struct xdp_world_counts *c, const struct test_case *t)
{
	c->reasons[t->reason]++;
	if (verdict_of(t->reason) == XDP_DROP)
		c->vips[(t->in.pass ? 2 : 0) + (t->in.v6 ? 1 : 0)].dropped++;
}

static void check_packet(const struct test_case *t, const struct pkt *in,
			 const struct xdp_world_result *got)
{
	struct pkt expected = *in;

	assert_int_equal(got->verdict, verdict_of(t->reason));
	if (got->verdict == XDP_DROP)
		return;
	if (got->verdict == XDP_TX)
		make_expected(&expected, &t->in);
	assert_int_equal(got->len, expected.len);
	assert_memory_equal(got->data, expected.data, expected.len);
}

static void test_case(void **state)
{
	const struct test_case *t = *state;
	struct xdp_world_counts before, after;
	struct xdp_world_result got;
	struct pkt p;
	uint64_t due;

	set_flags(t->in.off ? NLB_CONFIG_F_NO_ECHO : 0);
	set_due(t->in.drained ? UINT64_MAX / 2 : 0);
	make_packet(&p, &t->in);
	xdp_world_counts(&before);
	due = get_due(NLB_LIMIT_ECHO);
	xdp_world_run(&p, "in0", XDP_WORLD_PLAIN, &got);
	xdp_world_counts(&after);
	check_packet(t, &p, &got);
	count(&before, t);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(get_due(NLB_LIMIT_ECHO) != due, t->reason == NLB_R_TX_REPLY);

	due = get_due(NLB_LIMIT_ECHO);
	xdp_world_run(&p, "in0", XDP_WORLD_ASK, &got);
	xdp_world_counts(&after);
	check_packet(t, &p, &got);
	assert_int_equal(got.ask.reason, t->reason);
	assert_int_equal(got.ask.backend, 0);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(get_due(NLB_LIMIT_ECHO), due);
}

/* A burst at once, then no more, then as many as the time that went by gives. */
/* How many the bucket lets through at one moment; a leaking one ends at the cap. */
static unsigned int drain(__u64 *due, __u64 now)
{
	unsigned int n = 0;

	while (n < 2 * NLB_ICMP_BURST && nlb_icmp_allow(due, now, 1))
		n++;
	return n;
}

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

/* TCP from the client to a port of the VIP; the port says which way it would go. */
struct big_case {
	const char *name;
	bool v6;
	bool no_df;
	const char *src;
	uint16_t port;
	size_t len; /* of the IP packet */
	unsigned int options;
	size_t pad;
	bool from_group;
	bool drained;
	uint16_t mtu; /* that the client is told; 0: nothing */
};

static const struct big_case big_cases[] = {
	{.name = "4in4, one too much", .port = 80, .len = 1581, .mtu = 1580},
	{.name = "4in4, two too much", .port = 80, .len = 1582, .mtu = 1580},
	{.name = "4in4, far too much", .port = 80, .len = 3000, .mtu = 1580},
	{.name = "4in4, other port", .port = 81, .len = 1581, .mtu = 1580},
	{.name = "4in4, by the route", .port = 91, .len = 1500, .mtu = 580},
	{.name = "4in6", .port = 82, .len = 1561, .mtu = 1560},
	{.name = "options", .port = 80, .len = 1600, .options = 10, .mtu = 1580},
	{.name = "padding", .port = 80, .len = 1600, .pad = 9, .mtu = 1580},
	{.name = "quoted in whole words, 0 more", .port = 100, .len = 304, .mtu = 301},
	{.name = "quoted in whole words, 1 more", .port = 100, .len = 305, .mtu = 301},
	{.name = "quoted in whole words, 3 more", .port = 100, .len = 303, .mtu = 301},
	{.name = "a short one and padding", .port = 100, .len = 303, .pad = 7, .mtu = 301},
	{.name = "as long as a quote", .port = 100, .len = 548, .mtu = 301},
	{.name = "longer than a quote", .port = 100, .len = 549, .mtu = 301},
	{.name = "6in6", .v6 = true, .port = 82, .len = 1561, .mtu = 1560},
	{.name = "6in6, far too much", .v6 = true, .port = 82, .len = 3001, .mtu = 1560},
	{.name = "6in6, padding", .v6 = true, .port = 82, .len = 1561, .pad = 3, .mtu = 1560},
	{.name = "6in6, other port", .v6 = true, .port = 83, .len = 1600, .mtu = 1560},
	{.name = "6in4", .v6 = true, .port = 80, .len = 1581, .mtu = 1580},

	{.name = "may be fragmented", .port = 80, .len = 1581, .no_df = true},
	{.name = "less than IPv6's minimum", .v6 = true, .port = 92, .len = 1400},
	{.name = "less than IPv6's minimum, 6in4", .v6 = true, .port = 91, .len = 1400},
	{.name = "from 0.0.0.0", .port = 80, .len = 1581, .src = "0.0.0.0"},
	{.name = "from a group", .v6 = true, .port = 82, .len = 1600, .src = "ff02::1"},
	{.name = "from an Ethernet group", .port = 80, .len = 1600, .from_group = true},
	{.name = "told too often", .port = 80, .len = 1600, .drained = true},
	{.name = "told too often, v6", .v6 = true, .port = 82, .len = 1600, .drained = true},
};

static void make_big(struct pkt *p, const struct big_case *b)
{
	*p = (struct pkt){};
	pkt_eth(p, b->v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (b->v6) {
		pkt_ip6(p, b->src ? b->src : CLIENT6, XDP_WORLD_VIP6, IPPROTO_TCP);
	} else {
		pkt_ip4(p, b->src ? b->src : CLIENT4, XDP_WORLD_VIP4, IPPROTO_TCP)->frag_off =
			htons(b->no_df ? 0 : 0x4000);
		if (b->options)
			pkt_ip4_options(p, b->options);
	}
	pkt_tcp(p, 5555, b->port);
	pkt_fill(p, b->len + ETH_HLEN - p->len);
	pkt_finish(p);
	pkt_fill(p, b->pad);
	if (b->from_group)
		p->data[6] |= 1;
}

static void make_told(struct pkt *p, const struct big_case *b, const struct pkt *in)
{
	size_t max = b->v6 ? 1280 - 48 : 576 - 28, n = b->len < max ? b->len / 4 * 4 : max;
	uint16_t check;
	uint8_t *icmp;

	*p = (struct pkt){};
	pkt_eth(p, b->v6 ? ETH_P_IPV6 : ETH_P_IP);
	memcpy(p->data, "\x02\0\0\0\0\x02", 6);
	memcpy(p->data + 6, "\x02\0\0\0\0\x01", 6);
	if (b->v6) {
		pkt_ip6(p, XDP_WORLD_VIP6, CLIENT6, IPPROTO_ICMPV6);
	} else {
		struct iphdr *ip = pkt_ip4(p, XDP_WORLD_VIP4, CLIENT4, IPPROTO_ICMP);

		ip->tos = 0xc0;
		ip->frag_off = htons(0x4000);
	}
	icmp = pkt_raw(p, 8);
	icmp[0] = b->v6 ? 2 : 3;
	icmp[1] = b->v6 ? 0 : 4;
	icmp[6] = (uint8_t)(b->mtu >> 8);
	icmp[7] = (uint8_t)b->mtu;
	memcpy(pkt_raw(p, n), in->data + ETH_HLEN, n);
	pkt_finish(p);
	check = icmp_check(p, icmp, b->v6);
	memcpy(icmp + 2, &check, 2);
}

static void check_big(const struct big_case *b, const struct pkt *in,
		      const struct xdp_world_result *got)
{
	struct pkt told;

	assert_int_equal(got->verdict, b->mtu ? XDP_TX : XDP_DROP);
	if (!b->mtu)
		return;
	make_told(&told, b, in);
	assert_int_equal(got->len, told.len);
	assert_memory_equal(got->data, told.data, told.len);
}

static void test_big(void **state)
{
	const struct big_case *b = *state;
	enum nlb_reason reason = b->mtu ? NLB_R_TX_TOO_BIG : NLB_R_TOO_BIG;
	struct xdp_world_counts before, after;
	struct xdp_world_result got;
	struct pkt p;
	uint64_t due;

	set_due(b->drained ? UINT64_MAX / 2 : 0);
	make_big(&p, b);
	xdp_world_counts(&before);
	due = get_due(NLB_LIMIT_TOO_BIG);
	xdp_world_run(&p, "in0", XDP_WORLD_PLAIN, &got);
	xdp_world_counts(&after);
	check_big(b, &p, &got);
	/* The packet did not get through, whatever its sender is told. */
	before.reasons[reason]++;
	before.vips[b->v6 ? 1 : 0].dropped++;
	before.backends[xdp_world_backend(b->port)].dropped++;
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(get_due(NLB_LIMIT_TOO_BIG) != due, b->mtu != 0);

	due = get_due(NLB_LIMIT_TOO_BIG);
	xdp_world_run(&p, "in0", XDP_WORLD_ASK, &got);
	xdp_world_counts(&after);
	assert_int_equal(got.ask.reason, reason);
	assert_int_equal(got.ask.backend, xdp_world_backend(b->port));
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(get_due(NLB_LIMIT_TOO_BIG), due);
}

static void test_every_reason_has_a_case(void **state _unused_)
{
	for (int r = NLB_R_VIP_ICMP_QUOTE + 1; r < NLB_R_COUNT; r++) {
		bool found = false;

		for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
			found |= cases[i].reason == (enum nlb_reason)r;
		for (size_t i = 0; i < ARRAY_SIZE(big_cases); i++)
			found |= r == NLB_R_TX_TOO_BIG && big_cases[i].mtu;
		assert_true(found);
	}
}

int main(void)
{
	static struct CMUnitTest tests[ARRAY_SIZE(cases) + ARRAY_SIZE(big_cases) + 2];
	size_t n = 0;

	if (!xdp_world_up()) {
		print_message("1..0 # skip: needs root, namespaces and bpffs\n");
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tests[n++] = (struct CMUnitTest){.name = cases[i].name,
						 .test_func = test_case,
						 .initial_state = (void *)&cases[i]};
	for (size_t i = 0; i < ARRAY_SIZE(big_cases); i++)
		tests[n++] = (struct CMUnitTest){.name = big_cases[i].name,
						 .test_func = test_big,
						 .initial_state = (void *)&big_cases[i]};
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_bucket);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_every_reason_has_a_case);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
