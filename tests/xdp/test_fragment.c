// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fragments: the first leaves an entry that the later ones follow; those that
 * come before it, or without it, are dropped and counted. Each case is a row of
 * fragments, one after the other through a program that remembers nothing before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "pkt.h"
#include "util.h"
#include "xdp_case.h"

#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:c::7"

struct fragment {
	uint16_t id;
	uint16_t offset; /* in units of eight bytes */
	bool more;
	uint16_t port; /* of the service, in the first one */
	enum nlb_reason reason;
	const char *src;  /* default: the client */
	size_t l4;	  /* bytes behind the IP header, default: 40 */
	uint8_t ttl;	  /* 1 more than the value; 0: default */
	uint16_t went_to; /* port of the service whose entry a later one follows */
	uint8_t protocol; /* default: UDP */
};

#define FRAGMENTS 4

struct test_case {
	const char *name;
	bool v6;
	struct fragment row[FRAGMENTS];
};

#define FIRST(i, p)                                                                                \
	{                                                                                          \
		.id = (i), .more = true, .port = (p), .reason = NLB_R_TX                           \
	}
#define NEXT(i, o, p)                                                                              \
	{                                                                                          \
		.id = (i), .offset = (o), .more = true, .reason = NLB_R_TX, .went_to = (p)         \
	}
#define LAST(i, o, p)                                                                              \
	{                                                                                          \
		.id = (i), .offset = (o), .reason = NLB_R_TX, .went_to = (p)                       \
	}
#define LOST(i, o)                                                                                 \
	{                                                                                          \
		.id = (i), .offset = (o), .reason = NLB_R_VIP_FRAGMENT                             \
	}

static const struct test_case cases[] = {
	{"in order", false, {FIRST(1, 125), NEXT(1, 5, 125), LAST(1, 10, 125)}},
	{"in order, IPv6", true, {FIRST(1, 126), NEXT(1, 5, 126), LAST(1, 10, 126)}},
	{"4in6", false, {FIRST(1, 126), LAST(1, 5, 126)}},
	{"6in4", true, {FIRST(1, 125), LAST(1, 5, 125)}},
	{"later ones in any order", false, {FIRST(1, 125), LAST(1, 10, 125), NEXT(1, 5, 125)}},
	{"the last comes first", false, {LOST(1, 5), FIRST(1, 125), LAST(1, 5, 125)}},
	{"the last comes first, IPv6", true, {LOST(1, 5), FIRST(1, 126), LAST(1, 5, 126)}},
	{"the first is missing", false, {LOST(1, 5), LOST(1, 10)}},
	{"another id", false, {FIRST(1, 125), LOST(2, 5), LAST(1, 5, 125)}},
	{"an id of the other byte order", false, {FIRST(1, 125), LOST(0x100, 5)}},
	{"two datagrams at once",
	 false,
	 {FIRST(1, 125), FIRST(2, 126), LAST(1, 5, 125), LAST(2, 5, 126)}},
	{"an id used again",
	 false,
	 {FIRST(1, 125), LAST(1, 5, 125), FIRST(1, 126), LAST(1, 5, 126)}},
	{"another sender",
	 false,
	 {FIRST(1, 125),
	  {.id = 1, .offset = 5, .src = "198.51.100.8", .reason = NLB_R_VIP_FRAGMENT}}},
	{"another sender, IPv6",
	 true,
	 {FIRST(1, 126),
	  {.id = 1, .offset = 5, .src = "2001:db8:c::8", .reason = NLB_R_VIP_FRAGMENT}}},
	{"another protocol",
	 false,
	 {FIRST(1, 125),
	  {.id = 1, .offset = 5, .protocol = IPPROTO_TCP, .reason = NLB_R_VIP_FRAGMENT}}},
	{"tcp",
	 false,
	 {{.id = 9, .more = true, .port = 110, .protocol = IPPROTO_TCP, .reason = NLB_R_TX},
	  {.id = 9, .offset = 5, .protocol = IPPROTO_TCP, .went_to = 110, .reason = NLB_R_TX}}},
	{"no ports in the first",
	 false,
	 {{.id = 1, .more = true, .port = 125, .l4 = 7, .reason = NLB_R_VIP_FRAGMENT}, LOST(1, 1)}},
	{"no ports in the first, IPv6",
	 true,
	 {{.id = 1, .more = true, .port = 125, .l4 = 7, .reason = NLB_R_VIP_FRAGMENT}, LOST(1, 1)}},
	{"half a TCP header in the first",
	 false,
	 {{.id = 1,
	   .more = true,
	   .port = 110,
	   .protocol = IPPROTO_TCP,
	   .l4 = 16,
	   .reason = NLB_R_VIP_FRAGMENT}}},
	{"no service",
	 false,
	 {{.id = 1, .more = true, .port = 8080, .reason = NLB_R_VIP_NO_SERVICE}, LOST(1, 5)}},
	{"neither TCP nor UDP",
	 false,
	 {{.id = 1, .more = true, .protocol = 47, .reason = NLB_R_VIP_PROTOCOL}}},
	{"icmp", false, {{.id = 1, .more = true, .protocol = 1, .reason = NLB_R_VIP_FRAGMENT}}},
	{"a later one without a hop left",
	 false,
	 {FIRST(1, 125),
	  {.id = 1, .offset = 5, .ttl = 1 + 1, .went_to = 125, .reason = NLB_R_VIP_TTL}}},
};

static uint8_t protocol_of(const struct fragment *f)
{
	return f->protocol ? f->protocol : IPPROTO_UDP;
}

static const char *client_of(const struct fragment *f, bool v6)
{
	if (f->src)
		return f->src;
	return v6 ? CLIENT6 : CLIENT4;
}

static void make_packet(struct pkt *p, const struct fragment *f, bool v6)
{
	uint16_t field = (uint16_t)(f->offset << 3 | f->more);
	size_t l4;

	*p = (struct pkt){};
	pkt_eth(p, v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (v6) {
		uint8_t *h;

		pkt_ip6(p, client_of(f, v6), XDP_WORLD_VIP6, IPPROTO_FRAGMENT);
		h = pkt_raw(p, 8);
		h[0] = protocol_of(f);
		memcpy(h + 2, &(uint16_t){htons(field)}, 2);
		memcpy(h + 6, &(uint16_t){htons(f->id)}, 2);
	} else {
		struct iphdr *ip = pkt_ip4(p, client_of(f, v6), XDP_WORLD_VIP4, protocol_of(f));

		ip->id = htons(f->id);
		ip->frag_off = htons((uint16_t)(f->offset | (f->more ? 0x2000 : 0)));
		if (f->ttl)
			ip->ttl = (uint8_t)(f->ttl - 1);
	}
	l4 = p->len;
	pkt_fill(p, 40);
	if (f->port)
		memcpy(p->data + l4, (uint16_t[]){htons(5555), htons(f->port)}, 4);
	if (f->l4)
		p->len = l4 + f->l4;
	pkt_finish(p);
}

/* Where it goes, if it does: by its own port, or by its first fragment's. */
static void expect(const struct test_case *t, const struct fragment *f, struct xdp_case *want,
		   struct pkt *expected, const struct pkt *p)
{
	const char *vip = t->v6 ? XDP_WORLD_VIP6 : XDP_WORLD_VIP4;
	uint16_t port = f->offset ? f->went_to : f->port;
	uint32_t hash = oracle_hash_text(client_of(f, t->v6), vip, 5555, port, protocol_of(f));

	*want = (struct xdp_case){
		.reason = f->reason,
		.vip = xdp_world_vip(vip),
		.len = p->len - ETH_HLEN,
		.once = true,
		.no_oracle = f->went_to != 0,
	};
	if (f->reason != NLB_R_TX && f->reason != NLB_R_VIP_TTL)
		return;
	want->service = xdp_world_service(want->vip, protocol_of(f), port);
	want->backend = xdp_world_backend(port);
	if (f->offset) {
		want->flags = NLB_ASK_F_FRAG;
		want->events = 1u << NLB_E_FRAGMENT;
	}
	if (f->reason != NLB_R_TX)
		return;
	xdp_case_tunnel(expected, p, ETH_HLEN, want->backend, hash);
	want->out = expected;
}

static void test_case(void **state)
{
	const struct test_case *t = *state;
	struct pkt p, expected;
	struct xdp_case want;

	xdp_maps_forget(xdp_world_fill());
	for (size_t i = 0; i < FRAGMENTS && t->row[i].id; i++) {
		make_packet(&p, &t->row[i], t->v6);
		expect(t, &t->row[i], &want, &expected, &p);
		xdp_case_run(&p, &want);
	}
}

/* A datagram's fragments come within a minute; who comes later is of another one. */
static void test_old_entry(void **state _unused_)
{
	static const struct fragment first = FIRST(1, 125);
	struct fragment later = LAST(1, 5, 125);
	int fd = bpf_map__fd(xdp_world_skel()->maps.nlb_fragments);
	struct pkt p, expected;
	struct nlb_frag_key key;
	struct nlb_frag entry;
	struct xdp_case want;

	xdp_maps_forget(xdp_world_fill());
	make_packet(&p, &first, false);
	expect(&cases[0], &first, &want, &expected, &p);
	xdp_case_run(&p, &want);
	assert_int_equal(bpf_map_get_next_key(fd, NULL, &key), 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &entry), 0);

	entry.tick -= 14;
	assert_int_equal(bpf_map_update_elem(fd, &key, &entry, BPF_ANY), 0);
	make_packet(&p, &later, false);
	expect(&cases[0], &later, &want, &expected, &p);
	xdp_case_run(&p, &want);

	entry.tick -= 3;
	assert_int_equal(bpf_map_update_elem(fd, &key, &entry, BPF_ANY), 0);
	later.reason = NLB_R_VIP_FRAGMENT;
	expect(&cases[0], &later, &want, &expected, &p);
	xdp_case_run(&p, &want);
}

int main(void)
{
	static struct CMUnitTest tests[ARRAY_SIZE(cases) + 1];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tests[i] = (struct CMUnitTest){.name = cases[i].name,
					       .test_func = test_case,
					       .initial_state = (void *)&cases[i]};
	tests[ARRAY_SIZE(cases)] = (struct CMUnitTest)cmocka_unit_test(test_old_entry);
	return xdp_case_main(tests, ARRAY_SIZE(tests));
}
