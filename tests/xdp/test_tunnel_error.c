// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ICMP errors about the tunnels themselves, which come back to the outer source:
 * left to the kernel, and counted at the backend. 10.0.0.12 and fd00::12 are backends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <cmocka.h>

#include "pkt.h"
#include "util.h"
#include "xdp_case.h"

struct test_case {
	const char *name;
	bool v6;
	uint8_t type, code;
	const char *far_end;
	uint8_t protocol;
	bool counted;
	const char *near_end;	    /* default: the outer source */
	size_t quoted;		    /* bytes; default: all of an outer header and eight more */
	unsigned int options, tags; /* of the error */
};

#define FAR4 "10.0.0.12"
#define FAR6 "fd00::12"

static const struct test_case cases[] = {
	{"unreachable", false, 3, 1, FAR4, IPPROTO_IPIP, true, NULL, 0, 0, 0},
	{"fragmentation needed", false, 3, 4, FAR4, IPPROTO_IPIP, true, NULL, 0, 0, 0},
	{"6in4", false, 3, 2, FAR4, IPPROTO_IPV6, true, NULL, 0, 0, 0},
	{"time exceeded", false, 11, 0, FAR4, IPPROTO_IPIP, true, NULL, 0, 0, 0},
	{"parameter problem", false, 12, 0, FAR4, IPPROTO_IPIP, true, NULL, 0, 0, 0},
	{"options of the error", false, 3, 1, FAR4, IPPROTO_IPIP, true, NULL, 0, 5, 0},
	{"in a vlan", false, 3, 1, FAR4, IPPROTO_IPIP, true, NULL, 0, 0, 1},
	{"only the header quoted", false, 3, 1, FAR4, IPPROTO_IPIP, true, NULL, 20, 0, 0},
	{"v6 unreachable", true, 1, 0, FAR6, IPPROTO_IPV6, true, NULL, 0, 0, 0},
	{"v6 too big", true, 2, 0, FAR6, IPPROTO_IPIP, true, NULL, 0, 0, 0},
	{"v6 time exceeded", true, 3, 0, FAR6, IPPROTO_IPV6, true, NULL, 0, 0, 0},
	{"v6 parameter problem", true, 4, 1, FAR6, IPPROTO_IPV6, true, NULL, 0, 0, 0},
	{"v6, in two vlans", true, 2, 0, FAR6, IPPROTO_IPV6, true, NULL, 0, 0, 2},
	{"half a header quoted", false, 3, 1, FAR4, IPPROTO_IPIP, false, NULL, 19, 0, 0},
	{"half a v6 header quoted", true, 2, 0, FAR6, IPPROTO_IPV6, false, NULL, 39, 0, 0},
	{"no quote", false, 3, 1, FAR4, IPPROTO_IPIP, false, NULL, SIZE_MAX, 0, 0},
	{"to somebody else", false, 3, 1, "10.0.0.77", IPPROTO_IPIP, false, NULL, 0, 0, 0},
	{"to somebody else, v6", true, 2, 0, "fd00::77", IPPROTO_IPV6, false, NULL, 0, 0, 0},
	{"from somebody else", false, 3, 1, FAR4, IPPROTO_IPIP, false, "10.255.0.2", 0, 0, 0},
	{"from somebody else, v6", true, 2, 0, FAR6, IPPROTO_IPV6, false, "fdff::2", 0, 0, 0},
	{"not a tunnel", false, 3, 1, FAR4, IPPROTO_TCP, false, NULL, 0, 0, 0},
	{"not a tunnel, v6", true, 2, 0, FAR6, IPPROTO_UDP, false, NULL, 0, 0, 0},
	{"no error", false, 5, 0, FAR4, IPPROTO_IPIP, false, NULL, 0, 0, 0},
	{"no error, v6", true, 129, 0, FAR6, IPPROTO_IPV6, false, NULL, 0, 0, 0},
};

static void make_packet(struct pkt *p, const struct test_case *t, bool padded)
{
	const char *source = t->v6 ? XDP_WORLD_SOURCE6 : XDP_WORLD_SOURCE4;
	uint16_t type = t->v6 ? ETH_P_IPV6 : ETH_P_IP;
	size_t quote, whole;
	uint8_t *icmp;

	*p = (struct pkt){};
	pkt_eth(p, t->tags ? ETH_P_8021Q : type);
	for (unsigned int i = t->tags; i; i--)
		pkt_vlan(p, 4, i > 1 ? ETH_P_8021Q : type);
	if (t->v6)
		pkt_ip6(p, "2001:db8:e::1", source, IPPROTO_ICMPV6);
	else
		pkt_ip4(p, "203.0.113.1", source, IPPROTO_ICMP);
	if (t->options)
		pkt_ip4_options(p, t->options);
	icmp = pkt_raw(p, 8);
	icmp[0] = t->type;
	icmp[1] = t->code;
	quote = p->len;
	if (t->near_end)
		source = t->near_end;
	if (t->v6)
		pkt_ip6(p, source, t->far_end, t->protocol);
	else
		pkt_ip4(p, source, t->far_end, t->protocol);
	pkt_fill(p, 8);
	pkt_finish(p);
	whole = p->len;
	if (t->quoted)
		p->len = quote + (t->quoted == SIZE_MAX ? 0 : t->quoted);
	p->n_layers = t->tags + 1;
	pkt_finish(p);
	/* What is behind the packet is no part of it, whatever it looks like. */
	if (padded)
		p->len = whole;
}

static void run(const struct test_case *t, bool padded)
{
	uint32_t backend = xdp_world_backend(t->v6 ? 115 : 114);
	static struct xdp_world_counts before, middle, after;
	static struct xdp_world_result got;
	static struct oracle_result want;
	struct oracle o = {.maps = xdp_world_maps()};
	struct pkt p;

	make_packet(&p, t, padded);
	xdp_world_counts(&before);
	xdp_world_run(&p, "in0", XDP_WORLD_ASK, &got);
	xdp_world_counts(&middle);
	assert_int_equal(got.ask.reason, t->counted ? NLB_R_TUNNEL_ERROR : NLB_R_NOT_VIP);
	assert_memory_equal(&before, &middle, sizeof(before));

	xdp_world_run(&p, "in0", XDP_WORLD_PLAIN, &got);
	xdp_world_counts(&after);
	assert_int_equal(got.verdict, XDP_PASS);
	assert_int_equal(got.len, p.len);
	assert_memory_equal(got.data, p.data, p.len);
	before.reasons[t->counted ? NLB_R_TUNNEL_ERROR : NLB_R_NOT_VIP]++;
	before.backends[backend].errors += t->counted;
	assert_memory_equal(&before, &after, sizeof(before));

	oracle_run(&o, p.data, p.len, &want);
	assert_int_equal(want.reason, t->counted ? NLB_R_TUNNEL_ERROR : NLB_R_NOT_VIP);
}

static void test_case(void **state)
{
	const struct test_case *t = *state;

	run(t, false);
	run(t, true);
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
