// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The decapsulator: what comes out of it is the inner packet, or the packet as
 * it was; and each is counted.
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

#include "nlb_decap.skel.h"
#include "nlb_pass.skel.h"
#include "pkt.h"
#include "util.h"

/* As in decap.h: left alone, unwrapped, not acceptable. */
enum outcome { PASS, DONE, DROP };

struct recipe {
	bool outer6, inner6;
	uint8_t protocol; /* outer, instead of the right one */
	uint8_t outer_ds; /* DSCP and ECN */
	uint8_t inner_ds;
	uint8_t ecn;	      /* of the inner packet, expected */
	uint16_t frag;	      /* outer IPv4 fragment field */
	unsigned int options; /* outer IPv4 options, words */
	int outer_len;	      /* added to the outer length field */
	int inner_len;
	uint8_t inner_first; /* first byte of the inner header, instead of the right one */
	bool bad_check;	     /* outer checksum */
	bool not_ip;
	size_t cut;
	size_t pad;
};

struct test_case {
	const char *name;
	struct recipe in;
	enum outcome outcome;
};

static const struct test_case cases[] = {
	{"4in4", {}, DONE},
	{"6in4", {.inner6 = true}, DONE},
	{"4in6", {.outer6 = true}, DONE},
	{"6in6", {.outer6 = true, .inner6 = true}, DONE},
	{"padding", {.pad = 12}, DONE},
	{"DF set", {.frag = 0x4000}, DONE},
	{"dscp of the inner header stays", {.outer_ds = 0xb8, .inner_ds = 0x20}, DONE},
	{"congestion, 4in4", {.outer_ds = 3, .inner_ds = 2, .ecn = 3}, DONE},
	{"congestion, 6in4", {.inner6 = true, .outer_ds = 3, .inner_ds = 1, .ecn = 3}, DONE},
	{"congestion, 4in6", {.outer6 = true, .outer_ds = 3, .inner_ds = 1, .ecn = 3}, DONE},
	{"congestion, 6in6",
	 {.outer6 = true, .inner6 = true, .outer_ds = 3, .inner_ds = 2, .ecn = 3},
	 DONE},
	{"ECT(1) over ECT(0)", {.outer_ds = 1, .inner_ds = 2, .ecn = 1}, DONE},
	{"ECT(0) over ECT(1)", {.outer_ds = 2, .inner_ds = 1, .ecn = 1}, DONE},
	{"congested inside already", {.outer_ds = 2, .inner_ds = 3, .ecn = 3}, DONE},
	{"congestion over not-ECT", {.outer_ds = 3}, DROP},
	{"congestion over not-ECT, IPv6", {.outer6 = true, .inner6 = true, .outer_ds = 3}, DROP},

	{"not a tunnel", {.protocol = IPPROTO_TCP}, PASS},
	{"not a tunnel, IPv6", {.outer6 = true, .protocol = IPPROTO_UDP}, PASS},
	{"fragment", {.frag = 0x2000}, PASS},
	{"last fragment", {.frag = 1}, PASS},
	{"outer options", {.options = 1}, PASS},
	{"arp", {.not_ip = true}, PASS},
	{"ethernet only", {.cut = 14}, PASS},
	{"half an outer header", {.cut = 14 + 19}, PASS},
	{"half an outer header, IPv6", {.outer6 = true, .cut = 14 + 39}, PASS},

	{"outer length past the frame", {.outer_len = 1}, DROP},
	{"outer length past the frame, IPv6", {.outer6 = true, .outer_len = 1}, DROP},
	{"outer length too short", {.outer_len = -60}, DROP},
	{"outer checksum wrong", {.bad_check = true}, DROP},
	{"inner length past the outer's", {.inner_len = 1}, DROP},
	{"inner length past the outer's, IPv6", {.inner6 = true, .inner_len = 1}, DROP},
	{"outer shorter than the inner", {.outer_len = -1}, DROP},
	{"inner version wrong", {.inner_first = 0x65}, DROP},
	{"inner version wrong, IPv6", {.inner6 = true, .inner_first = 0x45}, DROP},
	{"inner header length wrong", {.inner_first = 0x44}, DROP},
	{"protocol says 6in4, content is 4in4", {.protocol = IPPROTO_IPV6}, DROP},
};

static struct nlb_decap *skel;

static void put_ip(struct pkt *p, bool v6, const char *const addrs[2], uint8_t protocol, uint8_t ds)
{
	if (v6) {
		struct ipv6hdr *ip = pkt_ip6(p, addrs[0], addrs[1], protocol);

		ip->priority = ds >> 4;
		ip->flow_lbl[0] = (uint8_t)(ds << 4);
	} else {
		pkt_ip4(p, addrs[0], addrs[1], protocol)->tos = ds;
	}
}

static void put_inner(struct pkt *p, const struct recipe *r, uint8_t ds)
{
	static const char *const addrs4[] = {"198.51.100.7", "192.0.2.10"};
	static const char *const addrs6[] = {"2001:db8:c::7", "2001:db8:f::10"};

	put_ip(p, r->inner6, r->inner6 ? addrs6 : addrs4, IPPROTO_TCP, ds);
	pkt_tcp(p, 1234, 80);
	pkt_fill(p, 33);
}

static void add_len(struct pkt *p, size_t layer, bool v6, int n)
{
	struct iphdr *ip4 = pkt_layer(p, layer);
	struct ipv6hdr *ip6 = pkt_layer(p, layer);

	if (v6)
		ip6->payload_len = htons((uint16_t)(ntohs(ip6->payload_len) + n));
	else
		ip4->tot_len = htons((uint16_t)(ntohs(ip4->tot_len) + n));
}

static void make_packet(struct pkt *p, const struct recipe *r)
{
	static const char *const addrs4[] = {"10.255.0.1", "10.0.0.11"};
	static const char *const addrs6[] = {"fdff::1", "fd00::11"};
	uint8_t protocol = r->inner6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	struct iphdr *outer;

	*p = (struct pkt){};
	pkt_eth(p, r->not_ip ? ETH_P_ARP : r->outer6 ? ETH_P_IPV6 : ETH_P_IP);
	put_ip(p, r->outer6, r->outer6 ? addrs6 : addrs4, r->protocol ? r->protocol : protocol,
	       r->outer_ds);
	outer = pkt_layer(p, 0);
	if (!r->outer6)
		outer->frag_off = htons(r->frag);
	if (r->options)
		pkt_ip4_options(p, r->options);
	put_inner(p, r, r->inner_ds);
	pkt_finish(p);
	add_len(p, 1, r->inner6, r->inner_len);
	add_len(p, 0, r->outer6, r->outer_len);
	if (!r->outer6) {
		outer->check = 0;
		outer->check = pkt_fold(pkt_sum(outer, outer->ihl * 4u, 0));
		outer->check ^= r->bad_check;
	}
	if (r->inner_first)
		*(uint8_t *)pkt_layer(p, 1) = r->inner_first;
	pkt_fill(p, r->pad);
	if (r->cut)
		p->len = r->cut;
}

static void make_expected(struct pkt *p, const struct recipe *r)
{
	*p = (struct pkt){};
	pkt_eth(p, r->inner6 ? ETH_P_IPV6 : ETH_P_IP);
	put_inner(p, r, (uint8_t)((r->inner_ds & ~3) | r->ecn));
	pkt_finish(p);
	pkt_fill(p, r->pad);
}

static uint64_t counted(enum outcome outcome)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *values = calloc((size_t)cpus, sizeof(*values));
	uint32_t key = outcome;
	uint64_t sum = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.nlb_decap_stats), &key, values),
			 0);
	for (int i = 0; i < cpus; i++)
		sum += values[i];
	return sum;
}

static uint32_t run(const struct pkt *p, uint8_t *out, uint32_t *ret_len)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->data, .data_size_in = (uint32_t)p->len,
		    .data_out = out, .data_size_out = PKT_MAX, .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.nlb_decap), &opts), 0);
	*ret_len = opts.data_size_out;
	return opts.retval;
}

static void test_packet(void **state)
{
	const struct test_case *t = *state;
	static uint8_t out[PKT_MAX];
	struct pkt p, expected;
	uint64_t before[3];
	uint32_t len;

	make_packet(&p, &t->in);
	for (int o = PASS; o <= DROP; o++)
		before[o] = counted(o);
	before[t->outcome]++;
	assert_int_equal(run(&p, out, &len), t->outcome == DROP ? XDP_DROP : XDP_PASS);
	for (int o = PASS; o <= DROP; o++)
		assert_int_equal(counted(o), before[o]);
	if (t->outcome == DROP)
		return;
	if (t->outcome == DONE)
		make_expected(&expected, &t->in);
	else
		expected = p;
	assert_int_equal(len, expected.len);
	assert_memory_equal(out, expected.data, expected.len);
}

/* Only known balancers, once that is asked for. */
static void test_sources(void **state _unused_)
{
	int conf = bpf_map__fd(skel->maps.nlb_decap_conf);
	int from = bpf_map__fd(skel->maps.nlb_decap_from);
	uint8_t source[16] = {[10] = 0xff, [11] = 0xff, 10, 255, 0, 1};
	static uint8_t out[PKT_MAX];
	uint32_t zero = 0, one = 1, len;
	struct pkt p;

	make_packet(&p, &(struct recipe){});
	assert_int_equal(bpf_map_update_elem(conf, &zero, &one, BPF_ANY), 0);
	assert_int_equal(run(&p, out, &len), XDP_PASS);
	assert_int_equal(len, p.len);
	assert_int_equal(bpf_map_update_elem(from, source, &one, BPF_ANY), 0);
	assert_int_equal(run(&p, out, &len), XDP_PASS);
	assert_int_equal(len, p.len - 20);
	assert_int_equal(bpf_map_update_elem(conf, &zero, &zero, BPF_ANY), 0);
}

static void test_pass_program(void **state _unused_)
{
	struct nlb_pass *pass = nlb_pass__open_and_load();
	static uint8_t out[PKT_MAX];
	struct pkt p;

	assert_non_null(pass);
	make_packet(&p, &(struct recipe){});
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p.data, .data_size_in = (uint32_t)p.len,
		    .data_out = out, .data_size_out = PKT_MAX, .repeat = 1);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(pass->progs.nlb_pass), &opts), 0);
	assert_int_equal(opts.retval, XDP_PASS);
	assert_memory_equal(out, p.data, p.len);
	nlb_pass__destroy(pass);
}

int main(void)
{
	static struct CMUnitTest tests[ARRAY_SIZE(cases) + 2];
	int r;

	if (geteuid() != 0) {
		print_message("1..0 # skip: needs root\n");
		return 0;
	}
	skel = nlb_decap__open_and_load();
	if (!skel)
		return 2;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tests[i] = (struct CMUnitTest){.name = cases[i].name,
					       .test_func = test_packet,
					       .initial_state = (void *)&cases[i]};
	tests[ARRAY_SIZE(cases)] = (struct CMUnitTest)cmocka_unit_test(test_sources);
	tests[ARRAY_SIZE(cases) + 1] = (struct CMUnitTest)cmocka_unit_test(test_pass_program);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	nlb_decap__destroy(skel);
	return r;
}
