// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Slots that changed lately, and the flows that are remembered for them. A case is a
 * row of packets, each of one flow or another, towards a service of xdp_world.c's
 * rings, with the backend that it must go to; nothing is remembered before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "pkt.h"
#include "util.h"
#include "xdp_case.h"

#define CLIENT4	 "198.51.100.7"
#define CLIENT6	 "2001:db8:c::7"

#define FIN	 0x01
#define SYN	 0x02
#define RST	 0x04
#define ACK	 0x10
#define QUOTED	 0x100 /* not a packet of the flow, but an ICMP error about one */

#define A	 XDP_WORLD_A
#define B	 XDP_WORLD_B
#define C	 XDP_WORLD_C
#define D	 XDP_WORLD_D
#define NOBODY	 XDP_WORLD_MEMBERS

#define EVENT(e) (1u << NLB_E_##e)
#define OLD	 NLB_ASK_F_OLD
#define FLOW	 NLB_ASK_F_FLOW

struct step {
	uint16_t flags; /* of TCP; 0: udp */
	uint16_t flow;	/* its source port is 5000 more */
	uint32_t to;
	uint32_t events;
	uint32_t ask; /* flags of the answer */
};

#define STEPS 12

struct test_case {
	const char *name;
	uint16_t port;
	bool v6;
	struct step steps[STEPS];
};

#define NEW(f)                                                                                     \
	{                                                                                          \
		SYN, f, A, EVENT(FLOW_NEW), 0                                                      \
	}
#define FULL(f)                                                                                    \
	{                                                                                          \
		SYN, f, B, EVENT(FLOW_FULL), OLD                                                   \
	}
#define OLDFULL(f)                                                                                 \
	{                                                                                          \
		ACK, f, B, EVENT(FLOW_FULL), OLD                                                   \
	}

static const struct test_case cases[] = {
	/* 130: new is A, old is B. */
	{"a new flow", 130, false, {NEW(1), {ACK, 1, A, 0, 0}, {ACK, 1, A, 0, 0}}},
	{"a new flow, IPv6", 130, true, {NEW(1), {ACK, 1, A, 0, 0}}},
	{"a flow from before",
	 130,
	 false,
	 {{ACK, 1, B, EVENT(FLOW_OLD), OLD},
	  {ACK, 1, B, EVENT(FLOW_HIT), FLOW},
	  {ACK | FIN, 1, B, EVENT(FLOW_HIT), FLOW}}},
	{"a flow from before, IPv6",
	 130,
	 true,
	 {{ACK, 1, B, EVENT(FLOW_OLD), OLD}, {ACK, 1, B, EVENT(FLOW_HIT), FLOW}}},
	{"a SYN ACK opens nothing", 130, false, {{SYN | ACK, 1, B, EVENT(FLOW_OLD), OLD}}},
	{"a SYN with ECN's bits opens", 130, false, {{SYN | 0xc0, 1, A, EVENT(FLOW_NEW), 0}}},
	{"a RST of an unknown flow is not remembered",
	 130,
	 false,
	 {{RST, 1, B, 0, OLD}, {RST | ACK, 1, B, 0, OLD}, NEW(1)}},
	{"a RST of a flow that is",
	 130,
	 false,
	 {{ACK, 1, B, EVENT(FLOW_OLD), OLD}, {RST, 1, B, EVENT(FLOW_HIT), FLOW}}},
	{"a SYN that is a RST as well opens nothing", 130, false, {{SYN | RST, 1, B, 0, OLD}}},
	{"ports used again",
	 130,
	 false,
	 {{ACK, 1, B, EVENT(FLOW_OLD), OLD}, NEW(1), {ACK, 1, A, 0, 0}}},
	{"two flows",
	 130,
	 false,
	 {{ACK, 1, B, EVENT(FLOW_OLD), OLD},
	  NEW(2),
	  {ACK, 1, B, EVENT(FLOW_HIT), FLOW},
	  {ACK, 2, A, 0, 0}}},
	{"no room for a new flow: it stays where its next packets will go",
	 130,
	 false,
	 {NEW(1),
	  NEW(2),
	  NEW(3),
	  NEW(4),
	  NEW(5),
	  NEW(6),
	  NEW(7),
	  NEW(8),
	  FULL(9),
	  {ACK, 8, A, 0, 0},
	  OLDFULL(9),
	  {ACK, 1, A, 0, 0}}},
	{"an error follows the flow",
	 130,
	 false,
	 {NEW(1), {QUOTED, 1, A, 0, 0}, {QUOTED, 2, B, 0, OLD}}},
	{"an error follows a flow from before, and leaves no trace",
	 130,
	 true,
	 {{QUOTED, 1, B, 0, OLD},
	  {ACK, 1, B, EVENT(FLOW_OLD), OLD},
	  {QUOTED, 1, B, EVENT(FLOW_HIT), FLOW}}},
	{"udp goes where the slot leads", 130, false, {{0, 1, A, 0, 0}, {0, 1, A, 0, 0}}},

	/* 131: lingers, A. */
	{"nothing is remembered any more",
	 131,
	 false,
	 {{SYN, 1, A, 0, 0}, {ACK, 1, A, 0, 0}, {ACK, 2, A, 0, 0}}},

	/* 132: nobody is there for new flows, old is B. */
	{"all drain: no new flows", 132, false, {{SYN, 1, NOBODY, 0, 0}}},
	{"all drain: old flows go on",
	 132,
	 true,
	 {{ACK, 1, B, EVENT(FLOW_OLD), OLD},
	  {ACK, 1, B, EVENT(FLOW_HIT), FLOW},
	  {SYN, 1, NOBODY, 0, 0}}},

	/* 134: new is A, old is C, which is gone from the service. */
	{"a flow of a backend that is gone moves",
	 134,
	 false,
	 {{ACK, 1, C, EVENT(FLOW_OLD), OLD}, {ACK, 1, A, EVENT(FLOW_GONE), 0}}},
};

static void make_inner(struct pkt *p, const struct test_case *t, const struct step *s)
{
	uint16_t sport = (uint16_t)(5000 + s->flow);
	uint8_t protocol = s->flags ? IPPROTO_TCP : IPPROTO_UDP;

	if (t->v6)
		pkt_ip6(p, CLIENT6, XDP_WORLD_VIP6, protocol);
	else
		pkt_ip4(p, CLIENT4, XDP_WORLD_VIP4, protocol);
	if (s->flags)
		((uint8_t *)pkt_tcp(p, sport, t->port))[13] = (uint8_t)s->flags;
	else
		pkt_udp(p, sport, t->port);
}

/* From a router, about a packet of the backend's. */
static void make_error(struct pkt *p, const struct test_case *t, const struct step *s)
{
	uint8_t *icmp;

	if (t->v6)
		pkt_ip6(p, "2001:db8:e::1", XDP_WORLD_VIP6, IPPROTO_ICMPV6);
	else
		pkt_ip4(p, "203.0.113.1", XDP_WORLD_VIP4, IPPROTO_ICMP);
	icmp = pkt_raw(p, 8);
	icmp[0] = t->v6 ? 1 : 3;
	if (t->v6)
		pkt_ip6(p, XDP_WORLD_VIP6, CLIENT6, IPPROTO_TCP);
	else
		pkt_ip4(p, XDP_WORLD_VIP4, CLIENT4, IPPROTO_TCP);
	pkt_tcp(p, t->port, (uint16_t)(5000 + s->flow));
}

static void run_step(const struct test_case *t, const struct step *s)
{
	uint8_t protocol = s->flags ? IPPROTO_TCP : IPPROTO_UDP;
	const char *vip_text = t->v6 ? XDP_WORLD_VIP6 : XDP_WORLD_VIP4;
	uint32_t vip = xdp_world_vip(vip_text), b = xdp_world_member(s->to);
	uint32_t hash = oracle_hash_text(t->v6 ? CLIENT6 : CLIENT4, vip_text,
					 (uint16_t)(5000 + s->flow), t->port, protocol);
	bool other_port = s->to == B || s->to == D;
	enum nlb_reason reason = other_port ? NLB_R_TX_REDIRECT : NLB_R_TX;
	struct pkt p = {}, expected;

	if (s->flags & QUOTED)
		reason = NLB_R_TX_ICMP;
	if (s->to == NOBODY)
		reason = NLB_R_NO_BACKEND;
	pkt_eth(&p, t->v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (s->flags & QUOTED)
		make_error(&p, t, s);
	else
		make_inner(&p, t, s);
	pkt_finish(&p);
	if (b)
		xdp_case_tunnel(&expected, &p, ETH_HLEN, b, hash);
	xdp_case_run(&p, &(struct xdp_case){
				 .reason = reason,
				 .vip = vip,
				 .service = xdp_world_service(vip, protocol, t->port),
				 .backend = b,
				 .len = p.len - ETH_HLEN,
				 .opens = s->flags & SYN && !(s->flags & (ACK | RST)),
				 .events = s->events,
				 .flags = s->ask,
				 .out = b ? &expected : NULL,
				 .redirected = other_port,
				 .once = true,
				 .no_oracle = true,
			 });
}

static void test_case(void **state)
{
	const struct test_case *t = *state;

	xdp_maps_forget(xdp_world_fill());
	for (size_t i = 0; i < STEPS && (t->steps[i].flow || t->steps[i].flags); i++)
		run_step(t, &t->steps[i]);
}

#define FLOW_1                                                                                     \
	&(struct step)                                                                             \
	{                                                                                          \
		ACK, 1, B, EVENT(FLOW_OLD), OLD                                                    \
	}
#define FLOW_HIT                                                                                   \
	&(struct step)                                                                             \
	{                                                                                          \
		ACK, 1, B, EVENT(FLOW_HIT), FLOW                                                   \
	}

/* Moves the last use of all flows back in time. */
static void age(uint32_t ticks)
{
	__u64 *flow = xdp_world_fill()->flows[0].flow;

	for (unsigned int i = 0; i < NLB_FLOW_WAYS; i++) {
		uint64_t tick = (NLB_FLOW_TICK(flow[i]) - ticks) & (NLB_FLOW_TICKS - 1);

		if (flow[i])
			flow[i] = (flow[i] & ~((uint64_t)(NLB_FLOW_TICKS - 1) << 22)) | tick << 22;
	}
}

/* flow_idle is 200 ticks here. */
static void test_idle(void **state _unused_)
{
	static const struct test_case t = {.port = 130};

	xdp_maps_forget(xdp_world_fill());
	run_step(&t, FLOW_1);
	age(198);
	run_step(&t, FLOW_HIT);
	/* That packet made it young again. */
	age(198);
	run_step(&t, FLOW_HIT);
	age(201);
	run_step(&t, FLOW_1);
}

/* Only SYNs that nobody answered make room, and only for who finds none else. */
static void test_flood(void **state _unused_)
{
	static const struct test_case t = {.port = 130};

	xdp_maps_forget(xdp_world_fill());
	run_step(&t, FLOW_1);
	for (uint16_t i = 2; i <= 8; i++)
		run_step(&t, &(struct step)NEW(i));
	run_step(&t, &(struct step)FULL(9));
	run_step(&t, FLOW_HIT);
	age(NLB_FLOW_SYN_TICKS + 1);
	for (uint16_t i = 9; i <= 15; i++)
		run_step(&t, &(struct step)NEW(i));
	run_step(&t, &(struct step)FULL(16));
	run_step(&t, FLOW_HIT);
}

/* While there is room, a SYN that waits for its flow to go on is not given up. */
static void test_slow_start(void **state _unused_)
{
	static const struct test_case t = {.port = 130};

	xdp_maps_forget(xdp_world_fill());
	for (uint16_t i = 1; i <= 4; i++)
		run_step(&t, &(struct step)NEW(i));
	age(NLB_FLOW_SYN_TICKS + 1);
	for (uint16_t i = 5; i <= 8; i++)
		run_step(&t, &(struct step)NEW(i));
	for (uint16_t i = 1; i <= 8; i++)
		run_step(&t, &(struct step){ACK, i, A, 0, 0});
}

/* Once a flow went on after its SYN, a flood cannot take its place. */
static void test_open_stays(void **state _unused_)
{
	static const struct test_case t = {.port = 130};

	xdp_maps_forget(xdp_world_fill());
	for (uint16_t i = 1; i <= 8; i++) {
		run_step(&t, &(struct step)NEW(i));
		run_step(&t, &(struct step){ACK, i, A, 0, 0});
	}
	age(100);
	for (uint16_t i = 9; i <= 20; i++)
		run_step(&t, &(struct step)FULL(i));
	for (uint16_t i = 1; i <= 8; i++)
		run_step(&t, &(struct step){ACK, i, A, 0, 0});
}

/* The slots of a ring, all of them, get this mode, and the backend if there is one with it. */
static void set_mode(uint32_t svc, uint32_t mode)
{
	struct nlb_ring ring = xdp_world_fill()->services[svc].ring;
	uint32_t *slot = xdp_world_fill()->slots + ring.base;

	for (uint32_t i = 0; i < ring.size; i++)
		slot[i] = mode & NLB_SLOT_BACKEND ? mode : mode | (slot[i] & NLB_SLOT_BACKEND);
}

static bool is_used(uint32_t svc)
{
	struct nlb_ring ring = xdp_world_fill()->services[svc].ring;
	const uint32_t *slot = xdp_world_fill()->slots + ring.base;
	bool used = false;

	for (uint32_t i = 0; i < ring.size; i++)
		used |= !!(slot[i] & NLB_SLOT_USED);
	return used;
}

/* A slot that lingers is marked by who goes elsewhere, and by nobody else. */
static void test_linger(void **state _unused_)
{
	static const struct test_case t = {.port = 130};
	uint32_t svc = xdp_world_service(1, IPPROTO_TCP, 130);

	xdp_maps_forget(xdp_world_fill());
	run_step(&t, FLOW_1);
	run_step(&t, &(struct step)NEW(2));
	set_mode(svc, NLB_SLOT_LINGER);
	run_step(&t, &(struct step){ACK, 2, A, 0, 0});
	run_step(&t, &(struct step){ACK, 3, A, 0, 0});
	run_step(&t, &(struct step){SYN, 4, A, 0, 0});
	assert_false(is_used(svc));
	run_step(&t, FLOW_HIT);
	assert_true(is_used(svc));
	/* The mark is no part of the number. */
	run_step(&t, FLOW_HIT);
	run_step(&t, &(struct step){ACK, 3, A, 0, 0});
	/* A new connection of the same ports: to the slot's backend, from now on. */
	run_step(&t, &(struct step){SYN, 1, A, 0, 0});
	run_step(&t, &(struct step){ACK, 1, A, 0, 0});
	set_mode(svc, NLB_SLOT_RECENT);
	/* What the slot did by itself is not remembered any more. */
	run_step(&t, &(struct step){ACK, 2, B, EVENT(FLOW_OLD), OLD});
}

/* STABLE: not even a flow that is remembered is looked up. */
static void test_stable(void **state _unused_)
{
	static const struct test_case t = {.port = 130};
	uint32_t svc = xdp_world_service(1, IPPROTO_TCP, 130);

	xdp_maps_forget(xdp_world_fill());
	run_step(&t, FLOW_1);
	set_mode(svc, NLB_SLOT_STABLE);
	run_step(&t, &(struct step){ACK, 1, A, 0, 0});
	run_step(&t, &(struct step){SYN, 2, A, 0, 0});
	assert_false(is_used(svc));
	set_mode(svc, NLB_SLOT_RECENT);
	run_step(&t, FLOW_HIT);
}

/* A flow of a backend that left the service moves to the slot's, also where it lingers. */
static void test_gone(void **state _unused_)
{
	static const struct test_case t = {.port = 130};
	uint32_t svc = xdp_world_service(1, IPPROTO_TCP, 130);
	struct nlb_gone_key key = {svc, xdp_world_member(B)};
	int fd = bpf_map__fd(xdp_world_skel()->maps.nlb_gone);

	xdp_maps_forget(xdp_world_fill());
	run_step(&t, FLOW_1);
	set_mode(svc, NLB_SLOT_LINGER);
	assert_int_equal(bpf_map_update_elem(fd, &key, &svc, BPF_ANY), 0);
	run_step(&t, &(struct step){ACK, 1, A, EVENT(FLOW_GONE), 0});
	assert_int_equal(bpf_map_delete_elem(fd, &key), 0);
	/* Back it is, but the flow has moved. */
	run_step(&t, &(struct step){ACK, 1, A, 0, 0});
	assert_false(is_used(svc));
	set_mode(svc, NLB_SLOT_RECENT);
}

/*
 * The same where the slot changed since: it may be a later flow with these addresses and
 * ports, which began with the backend before. It goes there, and stays there.
 */
static void test_gone_reused(void **state _unused_)
{
	static const struct test_case t = {.port = 130};
	uint32_t svc = xdp_world_service(1, IPPROTO_TCP, 130);
	struct nlb_gone_key key = {svc, xdp_world_member(A)};
	int fd = bpf_map__fd(xdp_world_skel()->maps.nlb_gone);

	xdp_maps_forget(xdp_world_fill());
	run_step(&t, &(struct step)NEW(1));
	set_mode(svc, NLB_SLOT_RECENT | xdp_world_member(D));
	assert_int_equal(bpf_map_update_elem(fd, &key, &svc, BPF_ANY), 0);
	run_step(&t, &(struct step){ACK, 1, B, EVENT(FLOW_GONE) | EVENT(FLOW_OLD), OLD});
	run_step(&t, &(struct step){ACK, 1, B, EVENT(FLOW_HIT), FLOW});
	assert_int_equal(bpf_map_delete_elem(fd, &key), 0);
	set_mode(svc, NLB_SLOT_RECENT | xdp_world_member(A));
}

int main(void)
{
	static const struct CMUnitTest more[] = {
		cmocka_unit_test(test_idle),	   cmocka_unit_test(test_flood),
		cmocka_unit_test(test_slow_start), cmocka_unit_test(test_open_stays),
		cmocka_unit_test(test_linger),	   cmocka_unit_test(test_stable),
		cmocka_unit_test(test_gone),	   cmocka_unit_test(test_gone_reused),
	};
	static struct CMUnitTest tests[ARRAY_SIZE(cases) + ARRAY_SIZE(more)];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tests[i] = (struct CMUnitTest){.name = cases[i].name,
					       .test_func = test_case,
					       .initial_state = (void *)&cases[i]};
	memcpy(tests + ARRAY_SIZE(cases), more, sizeof(more));
	return xdp_case_main(tests, ARRAY_SIZE(tests));
}
