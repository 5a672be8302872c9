// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The traffic that is measured; see cases.h. A flow's addresses and port come
 * from its number by a multiplication that maps no two numbers to one flow and
 * that makes neighbours in time strangers in every table.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "pkt.h"
#include "util.h"

#define PROOFS	 200u	     /* packets at most */
#define SRC4	 0xc6120000u /* 198.18.0.0/15, RFC 2544 */
#define SRC4_MAX 17	     /* bits */

#define ACK4(case_name, n)                                                                         \
	{                                                                                          \
		.name = (case_name), .dst = WORLD_VIP4, .protocol = IPPROTO_TCP, .port = 80,       \
		.flows = (n), .outer = 4                                                           \
	}

struct bench_case cases[] = {
	ACK4("tcp4_ack_1", 1),
	ACK4("tcp4_ack_10k", 10000),
	ACK4("tcp4_ack_100k", 100000),
	ACK4("tcp4_ack_1m", 1000000),
	{"tcp4_syn", WORLD_VIP4, IPPROTO_TCP, 80, .syn = true, .flows = 1, .outer = 4},
	{"tcp4_synflood_100k", WORLD_VIP4, IPPROTO_TCP, 80, .syn = true, .flows = 100000,
	 .outer = 4},
	{"udp4_1", WORLD_VIP4, IPPROTO_UDP, 53, .flows = 1, .outer = 4},
	{"udp4_100k", WORLD_VIP4, IPPROTO_UDP, 53, .flows = 100000, .outer = 4},
	{"tcp6_ack_1", WORLD_VIP6, IPPROTO_TCP, 80, .flows = 1, .outer = 6},
	{"tcp6_ack_100k", WORLD_VIP6, IPPROTO_TCP, 80, .flows = 100000, .outer = 6},
	{"tcp46_ack_1", WORLD_VIP4, IPPROTO_TCP, 81, .flows = 1, .outer = 6},
	{"nonvip4", WORLD_NO_VIP4, IPPROTO_TCP, 80, .flows = 1, .reason = NLB_R_NOT_VIP},
	{"nonvip6", WORLD_NO_VIP6, IPPROTO_TCP, 80, .flows = 1, .reason = NLB_R_NOT_VIP},
	{"icmp_toobig4", WORLD_VIP4, IPPROTO_ICMP, .flows = 1, .outer = 4, .reason = NLB_R_TX_ICMP},
	{"vips_1000", WORLD_MANY_VIP4, IPPROTO_TCP, 80, .flows = 100000, .vips = WORLD_MANY,
	 .outer = 4},
	{"ring_changed_100k", WORLD_VIP4, IPPROTO_TCP, 82, .flows = 100000, .outer = 4,
	 .change = WORLD_CHANGED},
	{"backend_died_100k", WORLD_VIP4, IPPROTO_TCP, 83, .flows = 100000, .outer = 4,
	 .change = WORLD_DIED},
};
const size_t n_cases = ARRAY_SIZE(cases);

static void make_icmp(struct pkt *p)
{
	uint8_t *icmp = pkt_raw(p, 8);

	icmp[0] = 3; /* unreachable */
	icmp[1] = 4; /* too big */
	icmp[6] = 1400 >> 8;
	icmp[7] = 1400 & 0xff;
	/* What the backend had sent: the VIP's port 80 to the client. */
	pkt_ip4(p, WORLD_VIP4, "198.51.100.7", IPPROTO_TCP);
	memcpy(pkt_raw(p, 8), "\0\x50\x04\xd2\0\0\0\1", 8);
}

static void make_head(struct bench_case *c)
{
	bool v6 = strchr(c->dst, ':') != NULL;
	uint8_t protocol = c->protocol;
	struct pkt p = {};

	pkt_eth(&p, v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (v6)
		pkt_ip6(&p, "2001:db8:c::7", c->dst, protocol);
	else
		pkt_ip4(&p, "198.51.100.7", c->dst, protocol);
	if (protocol == IPPROTO_ICMP)
		make_icmp(&p);
	else if (protocol == IPPROTO_UDP)
		pkt_udp(&p, 1234, c->port);
	else
		pkt_tcp(&p, 1234, c->port);
	if (c->syn) {
		struct tcphdr *tcp = pkt_layer(&p, 1);

		tcp->syn = 1;
		tcp->ack = 0;
	}
	pkt_finish(&p);
	memcpy(c->head, p.data, BENCH_FRAME);
	if (c->flows > 1)
		c->kind = v6 ? BENCH_IP6 : BENCH_IP4;
}

static void make_flow(const struct bench_case *c, uint32_t k, struct bench_flow *ret)
{
	uint32_t mixed = k * 2654435761u, dst;
	struct iphdr ip;

	*ret = (struct bench_flow){.sport = htons((uint16_t)(1024 + (mixed >> SRC4_MAX)))};
	if (c->kind == BENCH_IP6) {
		ret->src = htonl(mixed);
		return;
	}
	memcpy(&ip, c->head + ETH_HLEN, sizeof(ip));
	dst = ntohl(ip.daddr) + (c->vips ? k % c->vips : 0);
	ip.saddr = ret->src = htonl(SRC4 | (mixed & ((1u << SRC4_MAX) - 1)));
	ip.daddr = ret->dst = htonl(dst);
	ip.check = 0;
	ret->check = pkt_fold(pkt_sum(&ip, sizeof(ip), 0));
}

void cases_make(struct bench_flow *flows)
{
	uint32_t base = 0;

	for (struct bench_case *c = cases; c < cases + n_cases; c++) {
		make_head(c);
		if (c->kind == BENCH_SAME)
			continue;
		c->base = base;
		for (uint32_t k = 0; k < c->flows; k++)
			make_flow(c, k, &flows[base + k]);
		base += c->flows;
	}
}

void cases_packet(const struct bench_case *c, const struct bench_flow *flows, uint32_t k,
		  uint8_t ret[static BENCH_FRAME])
{
	const struct bench_flow *flow = &flows[c->base + k];
	struct ipv6hdr *ip6 = (void *)(ret + ETH_HLEN);
	struct iphdr *ip4 = (void *)(ret + ETH_HLEN);

	memcpy(ret, c->head, BENCH_FRAME);
	if (c->kind == BENCH_IP4) {
		ip4->saddr = flow->src;
		ip4->daddr = flow->dst;
		ip4->check = flow->check;
		memcpy(ip4 + 1, &flow->sport, 2);
	} else if (c->kind == BENCH_IP6) {
		ip6->saddr.s6_addr32[3] = flow->src;
		memcpy(ip6 + 1, &flow->sport, 2);
	}
}

static int wrong(const struct bench_case *c, uint32_t k, const char *what)
{
	fprintf(stderr, "bench: %s, flow %u: %s\n", c->name, k, what);
	return -1;
}

/* One hop less: what is inside the tunnel. */
static void take_hop(uint8_t *frame)
{
	struct ipv6hdr *ip6 = (void *)(frame + ETH_HLEN);
	struct iphdr *ip4 = (void *)(frame + ETH_HLEN);

	if (ip4->version == 6) {
		ip6->hop_limit--;
		return;
	}
	ip4->ttl--;
	ip4->check = 0;
	ip4->check = pkt_fold(pkt_sum(ip4, sizeof(*ip4), 0));
}

/* Number of the backend that the tunnel in `out` leads to; 0: not as it must be. */
static uint32_t tunnel_backend(const struct bench_case *c, uint8_t *in, const uint8_t *out,
			       size_t len)
{
	const uint8_t *outer = out + ETH_HLEN;
	size_t grow = c->outer == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	struct addr dst = {.b = {[10] = 0xff, [11] = 0xff}};

	if (len != BENCH_FRAME + grow || outer[0] >> 4 != c->outer)
		return 0;
	if (c->outer == 4 && pkt_fold(pkt_sum(outer, grow, 0)))
		return 0;
	if (c->outer == 4)
		memcpy(dst.b + 12, outer + 16, 4);
	else
		memcpy(dst.b, outer + 24, 16);
	take_hop(in);
	if (memcmp(outer + grow, in + ETH_HLEN, BENCH_FRAME - ETH_HLEN))
		return 0;
	return world_backend(&dst);
}

static int prove_one(const struct bench_case *c, const struct bench_flow *flows, uint32_t k,
		     uint32_t *ret_backend)
{
	uint8_t in[BENCH_FRAME], out[2 * BENCH_FRAME];
	struct xdp_md ctx = {.data_end = sizeof(in), .ingress_ifindex = world_ifindex()};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = sizeof(in),
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);
	uint64_t counted = world_count(c->reason);

	cases_packet(c, flows, k, in);
	if (bpf_prog_test_run_opts(world_prog_fd(), &opts))
		return wrong(c, k, "the test run failed");
	if (opts.retval != (c->outer ? XDP_TX : XDP_PASS))
		return wrong(c, k, "not the verdict that the case is about");
	if (world_count(c->reason) != counted + 1)
		return wrong(c, k, "not counted under the reason that the case is about");
	*ret_backend = 0;
	if (c->outer) {
		*ret_backend = tunnel_backend(c, in, out, opts.data_size_out);
		if (!*ret_backend)
			return wrong(c, k, "not in a sound tunnel to a backend");
	} else if (opts.data_size_out != sizeof(in) || memcmp(in, out, sizeof(in))) {
		return wrong(c, k, "changed, but left to the kernel");
	}
	return 0;
}

int cases_prove(const struct bench_case *c, const struct bench_flow *flows)
{
	uint32_t n = MIN2(c->flows, PROOFS), met = 0, b;
	uint8_t seen[2 * WORLD_BACKENDS + 1] = {};

	for (uint32_t i = 0; i < n; i++) {
		/* From all over the flows. */
		uint32_t k = (uint32_t)((uint64_t)i * c->flows / n);

		if (prove_one(c, flows, k, &b))
			return -1;
		if (!b)
			continue;
		if (world_backend_count(b) == 0)
			return wrong(c, k, "its backend has counted no packet");
		met += !seen[b];
		seen[b] = 1;
	}
	if (n == PROOFS && c->outer && met < WORLD_BACKENDS / 2)
		return wrong(c, n, "the flows meet few of the backends");
	return 0;
}
