// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * No flow moves that need not: 100,000 random flows through the program, while
 * backends come, go, drain and change their weights at random, and slots age. Each
 * flow sends a packet after each change, and now and then one ends and another
 * begins. Who has a backend that the service still has keeps it; who begins goes where
 * the new ring says. A flow that lost its backend is sent to one that is there, and
 * begins anew. NLB_SEED: see test_property.c.
 *
 * Time is this test's own: slots are told it, and of flows the last use is moved back.
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
#include <net/if.h>

#include "maglev.h"
#include "maps_gen.h"
#include "nlb_fill.h"
#include "pkt.h"
#include "rnd.h"
#include "util.h"
#include "xdp_net.h"

#define RING	 65537u
#define EXTENT	 (2 * (RING + 1))
#define BACKENDS 48u
#define FLOWS	 100000u
#define CHANGES	 8
#define IDLE	 100u /* ticks after which a flow is forgotten */
#define SYN	 0x02
#define ACK	 0x10

#define VIP4	 "192.0.2.10"
#define VIP6	 "2001:db8:f::10"

struct flow {
	uint32_t src;
	uint16_t sport;
	uint16_t backend; /* where it is; 0: it has not begun */
	bool v6;
};

static struct nlb *skel;
static struct nlb_fill fill;
static uint32_t service[2];
static struct pkt packet[2]; /* IPv4, IPv6 */

static struct flow flows[FLOWS];
static uint32_t weight[BACKENDS + 1]; /* 0: drains, or is none of the service's */
static bool alive[BACKENDS + 1];
static uint32_t ring[RING]; /* the new ring: backend numbers */

/* Two generations, in the maps. */
static struct maps_gen gens[2];
static uint32_t when[2][RING];
static unsigned int current;
static uint32_t now;

static void make_balancer(void)
{
	struct nlb_hop hop = {
		.eth = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0},
		.eth_len = 14,
		.ttl = 64,
		.ifindex = if_nametoindex("lo"),
		.mtu = 1500,
		.source = {[10] = 0xff, 0xff, 10, 255, 0, 1},
	};

	skel = nlb__open();
	assert_non_null(skel);
	nlb_fill_sizes(skel, 8, BACKENDS, 2 * EXTENT);
	assert_int_equal(nlb__load(skel), 0);
	nlb_fill_init(&fill, skel);
	fill.config->flow_idle = IDLE;
	nlb_fill_hop(&fill, 1, &hop);
	for (uint32_t i = 1; i <= BACKENDS; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.0.0.%u", i);
		nlb_fill_backend(&fill, i, text, 1);
	}
	service[0] = nlb_fill_service(&fill, nlb_fill_vip(&fill, VIP4, 128, 0), IPPROTO_TCP, 80, 0);
	service[1] = nlb_fill_service(&fill, nlb_fill_vip(&fill, VIP6, 128, 0), IPPROTO_TCP, 80, 0);
	for (unsigned int g = 0; g < 2; g++) {
		gens[g].slot = fill.slots + (size_t)g * EXTENT;
		gens[g].old = gens[g].slot + RING + 1;
		gens[g].when = when[g];
	}
	memset(packet, 0, sizeof(packet));
	pkt_eth(&packet[0], ETH_P_IP);
	pkt_ip4(&packet[0], "198.51.100.1", VIP4, IPPROTO_TCP);
	pkt_tcp(&packet[0], 1, 80);
	pkt_finish(&packet[0]);
	pkt_eth(&packet[1], ETH_P_IPV6);
	pkt_ip6(&packet[1], "2001:db8:c::1", VIP6, IPPROTO_TCP);
	pkt_tcp(&packet[1], 1, 80);
	pkt_finish(&packet[1]);
}

/* One packet of a flow; the backend that it went to, or 0. */
static uint32_t send_one(const struct flow *f, uint8_t flags)
{
	struct pkt *p = &packet[f->v6];
	uint8_t *l4 = pkt_layer(p, 1), out[256];
	struct xdp_md ctx = {.data_end = (uint32_t)p->len, .ingress_ifindex = 1};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->data, .data_size_in = (uint32_t)p->len,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);

	memcpy((uint8_t *)pkt_layer(p, 0) + (f->v6 ? 20 : 12), &f->src, 4);
	memcpy(l4, &f->sport, 2);
	l4[13] = flags;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.nlb), &opts), 0);
	if (opts.retval != XDP_TX)
		return 0;
	assert_int_equal(opts.data_size_out, p->len + 20);
	/* The last byte of the outer destination. */
	return out[ETH_HLEN + 19];
}

static void set_gone(uint32_t backend, bool gone)
{
	int fd = bpf_map__fd(skel->maps.nlb_gone);

	for (unsigned int s = 0; s < 2; s++) {
		struct nlb_gone_key key = {service[s], backend};

		if (gone)
			assert_int_equal(bpf_map_update_elem(fd, &key, &backend, BPF_ANY), 0);
		else
			bpf_map_delete_elem(fd, &key);
	}
}

static void make_ring(void)
{
	struct maglev_backend b[BACKENDS];
	uint32_t number[BACKENDS], n = 0;

	for (uint32_t i = 1; i <= BACKENDS; i++) {
		if (!weight[i])
			continue;
		b[n] = (struct maglev_backend){.weight = weight[i]};
		memcpy(b[n].addr.b, fill.backends[i].addr, 16);
		number[n++] = i;
	}
	memset(ring, 0, sizeof(ring));
	if (!n)
		return;
	assert_int_equal(maglev_build(b, n, RING, ring), 0);
	for (uint32_t s = 0; s < RING; s++)
		ring[s] = number[ring[s]];
}

/* What the agent does after a change: see maps_gen.h and nlb_shared.h. */
static void switch_rings(bool first)
{
	struct nlb_ring place = {.base = (1 - current) * EXTENT, .size = RING};

	make_ring();
	maps_gen_next(first ? NULL : &gens[current], RING, ring, alive, now, NLB_SLOT_STABLE,
		      &gens[1 - current]);
	current = 1 - current;
	for (unsigned int s = 0; s < 2; s++)
		nlb_fill_switch(&fill, service[s], place);
}

/* One backend of those for which alive is `so`; 0: there is none. */
static uint32_t any(struct rnd *r, bool so)
{
	uint32_t from = rnd_below(r, BACKENDS);

	for (uint32_t i = 0; i < BACKENDS; i++) {
		uint32_t b = 1 + (from + i) % BACKENDS;

		if (alive[b] == so)
			return b;
	}
	return 0;
}

static void change_one(struct rnd *r)
{
	uint32_t kind = rnd_below(r, 8), b = any(r, kind >= 3);

	if (!b)
		return;
	if (kind < 3) {
		/* Comes, or comes back. */
		alive[b] = true;
		weight[b] = 1 + rnd_below(r, 4);
		set_gone(b, false);
	} else if (kind < 5) {
		alive[b] = false;
		weight[b] = 0;
		set_gone(b, true);
	} else if (kind < 6) {
		weight[b] = 0;
	} else {
		weight[b] = 1 + rnd_below(r, 4);
	}
}

static uint32_t total_weight(void)
{
	uint32_t sum = 0;

	for (uint32_t i = 1; i <= BACKENDS; i++)
		sum += weight[i];
	return sum;
}

static void wait(uint32_t ticks)
{
	uint32_t n = fill.config->flow_mask + 1;

	now += ticks;
	for (uint32_t i = 0; i < n * NLB_FLOW_WAYS; i++) {
		__u64 *flow = &fill.flows[i / NLB_FLOW_WAYS].flow[i % NLB_FLOW_WAYS];
		uint64_t tick = (NLB_FLOW_TICK(*flow) - ticks) & (NLB_FLOW_TICKS - 1);

		if (*flow)
			*flow = (*flow & ~((uint64_t)(NLB_FLOW_TICKS - 1) << 22)) | tick << 22;
	}
}

static void begin(struct rnd *r, struct flow *f)
{
	f->v6 = rnd_below(r, 2);
	f->src = (uint32_t)rnd_next(r);
	f->sport = (uint16_t)rnd_next(r);
	f->backend = (uint16_t)send_one(f, SYN);
	if (!total_weight()) {
		assert_int_equal(f->backend, 0);
		return;
	}
	assert_true(f->backend && weight[f->backend] > 0);
	assert_int_equal(send_one(f, ACK), f->backend);
}

/* Each flow that there is sends a packet; a few end, and others begin. */
static void send_all(struct rnd *r)
{
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct flow *f = &flows[i];
		uint32_t to;

		if (!f->backend || !rnd_below(r, 32)) {
			begin(r, f);
			continue;
		}
		to = send_one(f, ACK);
		if (alive[f->backend]) {
			assert_int_equal(to, f->backend);
			continue;
		}
		assert_true(to ? alive[to] : !total_weight());
		begin(r, f);
	}
}

/* As long as flows and slots need to grow old, with a packet of each flow in between. */
static void grow_old(struct rnd *r)
{
	wait(IDLE * 6 / 10);
	send_all(r);
	wait(IDLE * 6 / 10);
	maps_gen_age(&gens[current], 0, RING, now, IDLE);
	send_all(r);
}

static void test_flows(void **state _unused_)
{
	struct rnd r = {rnd_seed()};

	make_balancer();
	for (uint32_t i = 1; i <= BACKENDS / 2; i++) {
		alive[i] = true;
		weight[i] = 1 + rnd_below(&r, 4);
	}
	switch_rings(true);
	send_all(&r);
	for (int c = 0; c < CHANGES; c++) {
		for (uint32_t n = 1 + rnd_below(&r, 3); n; n--)
			change_one(&r);
		switch_rings(false);
		send_all(&r);
		if (rnd_below(&r, 2))
			grow_old(&r);
	}
	nlb__destroy(skel);
}

/* Without a change for long enough, no slot asks for flows any more. */
static void test_rest(void **state _unused_)
{
	struct rnd r = {rnd_seed()};
	unsigned int rounds = 0;

	make_balancer();
	memset(flows, 0, sizeof(flows));
	memset(alive, 0, sizeof(alive));
	memset(weight, 0, sizeof(weight));
	for (uint32_t i = 1; i <= BACKENDS / 2; i++) {
		alive[i] = true;
		weight[i] = 1;
	}
	switch_rings(true);
	send_all(&r);
	alive[BACKENDS] = true;
	weight[BACKENDS] = 1;
	switch_rings(false);
	assert_true(gens[current].recent > 0);
	send_all(&r);
	/* While flows of before are there, slots linger; half of them end in each round. */
	for (; gens[current].recent + gens[current].linger; rounds++) {
		assert_true(rounds < 10);
		memmove(flows, flows + FLOWS / 2, FLOWS / 2 * sizeof(*flows));
		memset(flows + FLOWS / 2, 0, FLOWS / 2 * sizeof(*flows));
		grow_old(&r);
	}
	assert_true(rounds > 1);
	nlb__destroy(skel);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flows),
		cmocka_unit_test(test_rest),
	};

	if (!xdp_net_enter()) {
		print_message("1..0 # skip: needs root, namespaces and bpffs\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
