// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rings in the maps, by way of services that use them: generations, sharing, aging,
 * and that every slot of nlb_rings comes back.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "table_fixture.h"
#include "util.h"

#define RING 251u
#define EVEN 252u
#define VIP  "192.0.2.1"
#define IDLE 920u /* seconds: more than flow-idle and a tick or two */

static struct table_fx fx;

static int setup(void **state)
{
	int r = table_fx_setup(&fx);

	(void)state;
	if (fx.possible)
		table_fx_vip(&fx, VIP);
	return r;
}

static int teardown(void **state)
{
	int r = table_fx_teardown(&fx);

	(void)state;
	fx.host.cfg.max_services = 32;
	return r;
}

static struct maps_svc *set(uint16_t port, const char *backends, int result)
{
	return table_fx_set(&fx, VIP, port, RING, backends, result);
}

static void assert_in_maps(const struct maps_svc *svc)
{
	const struct nlb_service *e = &fx.bpf.services[svc->number];

	assert_int_equal(e->ring.base, svc->ring->place.base);
	assert_int_equal(e->ring.size, svc->ring->place.size);
	assert_ptr_equal(svc->ring->gen.slot, fx.bpf.slots + e->ring.base);
	if (svc->ring->gen.recent)
		assert_ptr_equal(svc->ring->gen.old, svc->ring->gen.slot + EVEN);
}

static void test_a_backend_comes(void **state _unused_)
{
	struct maps_svc *svc;
	uint32_t first[RING], recent;

	TABLE_FX_NEEDED(&fx);
	svc = set(80, "11 12", 1);
	assert_int_equal(table_fx_count(svc, NLB_SLOT_STABLE), RING);
	assert_null(svc->ring->gen.when);
	assert_int_equal(table_fx_ring_slots(&fx), EVEN);
	memcpy(first, svc->ring->gen.slot, sizeof(first));

	svc = set(80, "11 12 13", 1);
	assert_in_maps(svc);
	recent = table_fx_count(svc, NLB_SLOT_RECENT);
	assert_true(recent >= RING / 3 - 2 && recent < RING / 2);
	assert_int_equal(table_fx_count(svc, NLB_SLOT_STABLE), RING - recent);
	assert_int_equal(table_fx_ring_slots(&fx), 2 * EVEN);
	for (uint32_t i = 0; i < RING; i++)
		if (maps_gen_mode(svc->ring->gen.slot[i]) == NLB_SLOT_RECENT)
			assert_int_equal(svc->ring->gen.old[i], first[i]);
		else
			assert_int_equal(svc->ring->gen.slot[i], first[i]);
	assert_int_equal(table_fx_gone(&fx), 0);

	/* It goes again: flows of the others are where they were; some of its own may be remembered. */
	svc = set(80, "11 12", 1);
	assert_int_equal(table_fx_count(svc, NLB_SLOT_LINGER), recent);
	assert_int_equal(table_fx_ring_slots(&fx), EVEN);
	for (uint32_t i = 0; i < RING; i++)
		assert_int_equal(maps_gen_backend(svc->ring->gen.slot[i]), first[i]);
	assert_true(table_fx_is_gone(&fx, svc, 13));
}

static void test_draining(void **state _unused_)
{
	struct maps_svc *svc;
	uint32_t drained;

	TABLE_FX_NEEDED(&fx);
	set(80, "11 12 13", 1);
	svc = set(80, "11 12 13:0", 1);
	assert_int_equal(svc->n_members, 3);
	assert_int_equal(svc->n_enabled, 2);
	drained = table_fx_number(&fx, 13);
	assert_true(drained > 0);
	for (uint32_t i = 0; i < RING; i++)
		assert_int_not_equal(maps_gen_backend(svc->ring->gen.slot[i]), drained);
	assert_true(table_fx_count(svc, NLB_SLOT_RECENT) >= RING / 3 - 2);
	assert_int_equal(table_fx_gone(&fx), 0);
	/* All drain: no slot has a backend, and flows go on. */
	svc = set(80, "11:0 12:0 13:0", 1);
	assert_int_equal(svc->n_enabled, 0);
	assert_int_equal(table_fx_count(svc, NLB_SLOT_RECENT), RING);
	for (uint32_t i = 0; i < RING; i++) {
		assert_int_equal(maps_gen_backend(svc->ring->gen.slot[i]), NLB_BACKEND_NONE);
		assert_int_not_equal(svc->ring->gen.old[i], NLB_BACKEND_NONE);
	}
	/* It goes for good. */
	svc = set(80, "11:0 12:0", 1);
	assert_true(table_fx_is_gone(&fx, svc, 13));
	svc = set(80, "", 1);
	assert_null(svc->ring);
	assert_int_equal(fx.bpf.services[svc->number].ring.size, 0);
	assert_int_equal(table_fx_gone(&fx), 3);
	assert_int_equal(table_fx_ring_slots(&fx), 0);
	/* A first ring of nothing but draining ones is no special case. */
	svc = set(81, "14:0", 1);
	assert_int_equal(svc->ring->place.size, RING);
	svc = set(81, "14:1", 1);
	assert_int_equal(table_fx_count(svc, NLB_SLOT_STABLE), RING);
}

static void test_aging(void **state _unused_)
{
	struct maps_svc *svc;
	uint32_t recent, used = 0;

	TABLE_FX_NEEDED(&fx);
	set(80, "11 12", 1);
	svc = set(80, "11 12 13", 1);
	recent = table_fx_count(svc, NLB_SLOT_RECENT);
	table_fx_age(&fx, 800);
	assert_int_equal(table_fx_count(svc, NLB_SLOT_RECENT), recent);
	table_fx_age(&fx, IDLE);
	assert_int_equal(table_fx_count(svc, NLB_SLOT_LINGER), recent);
	/* The second ring is not needed any more, but a program may still be looking at it. */
	assert_int_equal(table_fx_ring_slots(&fx), EVEN);
	assert_int_equal(fx.table.rings.pool.used, 3 * EVEN);
	assert_null(svc->ring->gen.old);
	/* One that is used stays as it is; in place. */
	while (maps_gen_mode(svc->ring->gen.slot[used]) != NLB_SLOT_LINGER)
		used++;
	svc->ring->gen.slot[used] |= NLB_SLOT_USED;
	table_fx_age(&fx, 2 * IDLE);
	assert_int_equal(table_fx_count(svc, NLB_SLOT_LINGER), 1);
	assert_int_equal(svc->ring->gen.slot[used] & NLB_SLOT_USED, 0);
	assert_int_equal(svc->ring->gen.linger, 1);
	table_fx_age(&fx, 3 * IDLE);
	assert_int_equal(table_fx_count(svc, NLB_SLOT_STABLE), RING);
	assert_null(svc->ring->gen.when);
	assert_in_maps(svc);
	/* And the same again does nothing; the next change finds room. */
	set(80, "11 12 13", 0);
	for (int i = 0; i < 20; i++)
		set(80, i % 2 ? "11 12 13" : "11 12 13 14", 1);
	assert_true(table_fx_ring_slots(&fx) <= 2 * EVEN);
}

/* Rings with a past of other flows do not hold flows of those that are gone for ever. */
static void test_gone_expires(void **state _unused_)
{
	struct maps_svc *svc;

	TABLE_FX_NEEDED(&fx);
	table_fx_flows(set(80, "11 12", 1));
	svc = set(80, "11", 1);
	assert_int_equal(table_fx_gone(&fx), 1);
	table_fx_age(&fx, IDLE);
	assert_int_equal(table_fx_gone(&fx), 1);
	table_fx_age(&fx, IDLE + 120);
	assert_int_equal(table_fx_gone(&fx), 0);
	/* A service all of whose flows are where their slots lead has nothing to void. */
	svc->flows_until = 0;
	assert_int_equal(svc->ring->gen.recent + svc->ring->gen.linger, 0);
	set(80, "12", 1);
	assert_int_equal(table_fx_gone(&fx), 0);
	svc->flows_until = 0;
	set(80, "12 11", 1);
	assert_true(svc->ring->gen.recent > 0);
	set(80, "11", 1);
	assert_int_equal(table_fx_gone(&fx), 1);
}

static void test_sharing(void **state _unused_)
{
	struct maps_svc *a, *b, *c;
	struct maps_ring *ring;
	uint32_t slot = 0;

	TABLE_FX_NEEDED(&fx);
	a = set(80, "11 12", 1);
	b = set(81, "12 11", 1);
	c = set(82, "11 13", 1);
	assert_ptr_equal(a->ring, b->ring);
	assert_ptr_not_equal(a->ring, c->ring);
	assert_int_equal(fx.bpf.services[a->number].ring.base,
			 fx.bpf.services[b->number].ring.base);
	assert_int_equal(table_fx_ring_slots(&fx), 2 * EVEN);
	assert_true(a->digest == b->digest && a->digest != c->digest);

	/* One goes its own way, the other follows: the same past, the same ring. */
	ring = a->ring;
	a = set(80, "11 12 14", 1);
	assert_ptr_equal(b->ring, ring);
	assert_int_equal(ring->refs, 1);
	b = set(81, "11 12 14", 1);
	assert_ptr_equal(a->ring, b->ring);
	assert_int_equal(table_fx_ring_slots(&fx), 3 * EVEN);

	/* Slots of a shared ring age as the later one's. */
	while (maps_gen_mode(a->ring->gen.slot[slot]) != NLB_SLOT_RECENT)
		slot++;
	a->ring->gen.since -= 1000;
	set(81, "11 12", 1);
	set(81, "11 12 14", 1);
	assert_ptr_equal(a->ring, b->ring);
	assert_true(maps_gen_when(&a->ring->gen, slot) >= maps_gen_tick(util_now_ns()) - 1);

	/* After aging, it is found by what it is then. */
	table_fx_age(&fx, IDLE);
	table_fx_age(&fx, 2 * IDLE);
	assert_int_equal(table_fx_count(a, NLB_SLOT_STABLE), RING);
	assert_ptr_equal(set(84, "11 12 14", 1)->ring, a->ring);
	assert_true(a->digest == b->digest);
}

/* Another size: a new beginning, but what is remembered counts. */
static void test_size_changes(void **state _unused_)
{
	struct maps_svc *svc;

	TABLE_FX_NEEDED(&fx);
	set(80, "11 12", 1);
	svc = table_fx_set(&fx, VIP, 80, 241, "11 12", 1);
	assert_int_equal(table_fx_count(svc, NLB_SLOT_STABLE), 241);
	table_fx_set(&fx, VIP, 80, 241, "11 12 13", 1);
	svc = table_fx_set(&fx, VIP, 80, RING, "11 12 13", 1);
	assert_int_equal(table_fx_count(svc, NLB_SLOT_LINGER), RING);
	assert_int_equal(table_fx_ring_slots(&fx), EVEN);
	assert_int_equal(table_fx_gone(&fx), 0);
	/* The same when there was no ring for a moment. */
	set(80, "", 1);
	assert_int_equal(table_fx_gone(&fx), 3);
	svc = set(80, "12 13", 1);
	assert_int_equal(table_fx_count(svc, NLB_SLOT_LINGER), RING);
	assert_true(table_fx_is_gone(&fx, svc, 11));
	assert_int_equal(table_fx_gone(&fx), 1);
}

/* What does not fit leaves all as it was, what it had counted as well. */
static void test_no_room(void **state _unused_)
{
	const struct maps_svc_conf none = {};
	struct maps_svc_key key = table_fx_key(VIP, 80);
	char reason[MSG_REASON_LEN];
	struct maps_svc *svc, *other;
	struct maps_ring *ring;

	TABLE_FX_NEEDED(&fx);
	/* 2,000 slots: a ring of 997, but not two more of them. */
	svc = table_fx_set(&fx, VIP, 80, 997, "11 12", 1);
	ring = svc->ring;
	assert_int_equal(table_fx_want(&fx, &key, &none, 997, "11 12 13", &other, reason), -ENOSPC);
	assert_non_null(strstr(reason, "ring-slots (2000) used up"));
	assert_int_equal(table_fx_want(&fx, &key, &none, 996, "11 12 13", &other, reason), -EINVAL);
	assert_int_equal(table_fx_want(&fx, &key, &none, 997, "11 12 12:0", &other, reason),
			 -EINVAL);
	assert_ptr_equal(svc->ring, ring);
	assert_int_equal(ring->refs, 1);
	assert_int_equal(table_fx_ring_slots(&fx), 998);
	assert_int_equal(fx.table.backends.n_used, 2);
	assert_int_equal(table_fx_gone(&fx), 0);
	assert_in_maps(svc);
	table_fx_set(&fx, VIP, 80, 997, "11 12", 0);
}

/* ---- what is used again, and when ---- */

struct uses {
	bool slot[2000], service[33];
	struct addr backend[17];
};

/* Epochs in which something was last given up; 0: never. */
static struct {
	uint64_t slot[2000], service[33], backend[17];
	uint32_t word[2000]; /* what the slot was then */
} given_up;

static uint32_t word(uint32_t slot)
{
	return fx.bpf.slots[slot] & ~NLB_SLOT_USED;
}

static void look(struct uses *u)
{
	memset(u, 0, sizeof(*u));
	for (size_t k = 0; k < fx.table.n_all; k++) {
		const struct maps_svc *svc = fx.table.all[k];
		const struct maps_ring *ring = svc->ring;

		u->service[svc->number] = true;
		for (uint32_t i = 0; ring && i < ring->place.size; i++) {
			u->slot[ring->place.base + i] = true;
			if (ring->gen.old)
				u->slot[ring->gen.old + i - fx.bpf.slots] = true;
		}
	}
	for (uint32_t n = 1; n <= 16; n++)
		memcpy(u->backend[n].b, fx.bpf.backends[n].addr, sizeof(u->backend[n].b));
}

/* After a change: what is in use and was not has rested for a grace period; numbers of backends for two. */
static void check_reuse(struct uses *was)
{
	uint64_t epoch = fx.table.grace.epoch;
	struct uses is;

	look(&is);
	for (uint32_t i = 0; i < 2000; i++) {
		if (was->slot[i] && !is.slot[i]) {
			given_up.slot[i] = epoch;
			given_up.word[i] = word(i);
		}
		/* Or it is a ring that was kept, and is as it was. */
		if (!was->slot[i] && is.slot[i])
			assert_true(given_up.slot[i] < epoch || given_up.word[i] == word(i));
	}
	for (uint32_t n = 1; n <= 32; n++) {
		if (was->service[n] && !is.service[n])
			given_up.service[n] = epoch;
		if (!was->service[n] && is.service[n])
			assert_true(given_up.service[n] < epoch);
	}
	for (uint32_t n = 1; n <= 16; n++) {
		if (addr_cmp(&was->backend[n], &is.backend[n]) != 0 && given_up.backend[n])
			assert_true(given_up.backend[n] + 2 <= epoch);
		if (fx.table.backends.all[n].refs)
			given_up.backend[n] = epoch;
	}
	*was = is;
}

/* Any history, with time going on: nothing is lost, services and maps agree. */
static void test_history(void **state _unused_)
{
	static struct uses uses;
	unsigned int seed = 3;
	uint32_t later = 0;

	TABLE_FX_NEEDED(&fx);
	/* Four services and one number to spare. */
	table_fx_teardown(&fx);
	fx.host.cfg.max_services = 5;
	table_fx_open(&fx);
	table_fx_vip(&fx, VIP);
	memset(&given_up, 0, sizeof(given_up));
	look(&uses);
	for (int i = 0; i < 3000; i++) {
		const struct maps_svc_conf conf = {.flags = rand_r(&seed) % 20 == 0};
		uint16_t port = (uint16_t)(1 + rand_r(&seed) % 4);
		struct maps_svc_key key = table_fx_key(VIP, port);
		char list[128] = "", reason[MSG_REASON_LEN];
		struct maps_svc *svc = table_fx_svc(&fx, VIP, port);
		int len = 0;

		if (svc && rand_r(&seed) % 10 == 0) {
			assert_int_equal(maps_table_svc_del(&fx.table, svc), 0);
			check_reuse(&uses);
			continue;
		}
		for (int n = 11; n < 40; n++)
			if (rand_r(&seed) % 12 == 0 && len < 50)
				len += snprintf(list + len, sizeof(list) - (size_t)len, "%d:%d ", n,
						rand_r(&seed) % 3);
		/* 16 numbers for 29 backends: it may be that one is refused. */
		if (table_fx_want(&fx, &key, &conf, 61, list, &svc, reason) < 0)
			assert_string_equal(reason, "max-backends (16) reached");
		check_reuse(&uses);
		if (i % 10 == 0)
			table_fx_age(&fx, later += 60);
		check_reuse(&uses);
		for (size_t k = 0; k < fx.table.n_all; k++) {
			svc = fx.table.all[k];
			if (svc->ring)
				assert_int_equal(svc->ring->place.base,
						 fx.bpf.services[svc->number].ring.base);
		}
	}
	while (fx.table.n_all)
		assert_int_equal(maps_table_svc_del(&fx.table, fx.table.all[0]), 0);
	assert_int_equal(table_fx_ring_slots(&fx), 0);
	assert_int_equal(fx.table.rings.n_all, 0);
	assert_null(fx.table.rings.by_content);
	assert_int_equal(HASH_CNT(hh_base, fx.table.rings.by_base), fx.table.rings.n_kept);
	assert_int_equal(fx.table.backends.n_used, 0);
	assert_int_equal(table_fx_gone(&fx), 0);
}

/* ---- flows through the program ---- */

#define FLOWS 600u

struct packet {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

/* A packet off a wire, but for the wire. Returns N of the backend 10.0.0.N that it was sent to; 0: none. */
static int send_packet(uint32_t flow, bool syn)
{
	struct packet p = {
		.eth.h_proto = htons(ETH_P_IP),
		.ip = {.version = 4,
		       .ihl = 5,
		       .ttl = 64,
		       .protocol = IPPROTO_TCP,
		       .tot_len = htons(sizeof(p.ip) + sizeof(p.tcp)),
		       .saddr = htonl(0xc6336400 + flow % 200),
		       .daddr = htonl(0xc0000201)},
		.tcp = {.source = htons((uint16_t)(1024 + flow)),
			.dest = htons(80),
			.doff = 5,
			.syn = syn,
			.ack = !syn},
	};
	uint8_t out[sizeof(p) + 64];
	struct xdp_md ctx = {.data_end = sizeof(p), .ingress_ifindex = if_nametoindex("lb0")};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &p, .data_size_in = sizeof(p),
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(fx.bpf.prog_fd, &opts), 0);
	if (opts.retval != XDP_TX && opts.retval != XDP_REDIRECT)
		return 0;
	return out[sizeof(p.eth) + offsetof(struct iphdr, daddr) + 3];
}

struct world {
	int at[FLOWS];	  /* backend of the flow; 0: it has none */
	bool lost[FLOWS]; /* its backend left: what is left of it may go anywhere */
	bool listed[20], enabled[20];
	unsigned int seed;
	uint32_t moved;
};

static uint32_t pick(struct world *w, uint32_t n)
{
	return (uint32_t)rand_r(&w->seed) % n;
}

/* Backends 11 ... 18 come, drain, go. */
static void change(struct world *w)
{
	const struct maps_svc_conf none = {};
	struct maps_svc_key key = table_fx_key(VIP, 80);
	char list[128] = "", reason[MSG_REASON_LEN];
	struct maps_svc *svc;
	int len = 0, n = 11 + (int)pick(w, 8);

	w->listed[n] = pick(w, 3) > 0;
	w->enabled[n] = w->listed[n] && pick(w, 3) > 0;
	for (int i = 11; i < 19; i++)
		if (w->listed[i])
			len += snprintf(list + len, sizeof(list) - (size_t)len, "%d:%d ", i,
					w->enabled[i]);
	for (uint32_t f = 0; f < FLOWS; f++)
		w->lost[f] |= w->at[f] && !w->listed[w->at[f]];
	assert_true(table_fx_want(&fx, &key, &none, RING, list, &svc, reason) >= 0);
}

static void step_flow(struct world *w, uint32_t f)
{
	int to;

	if (!w->at[f] || pick(w, 10) == 0) {
		w->at[f] = send_packet(f, true);
		w->lost[f] = false;
		if (w->at[f])
			assert_true(w->enabled[w->at[f]]);
		return;
	}
	to = send_packet(f, false);
	if (to != w->at[f] && !w->lost[f])
		fail_msg("flow %u of backend %d went to %d", f, w->at[f], to);
	if (to)
		assert_true(w->listed[to]);
	w->moved += to != w->at[f];
	w->at[f] = to;
}

/*
 * Backends come, drain, go and come back; the agent is started again and again; slots age (as
 * if it were later: every flow has sent a packet before). No flow moves but of backends that went.
 */
static void test_flows_stay(void **state _unused_)
{
	struct world w = {.seed = 5};
	uint32_t ages = 0;

	TABLE_FX_NEEDED(&fx);
	table_fx_set(&fx, VIP, 80, RING, "11 12 13", 1);
	for (int i = 11; i < 14; i++)
		w.listed[i] = w.enabled[i] = true;
	for (int i = 0; i < 400; i++) {
		for (uint32_t f = 0; f < FLOWS; f++)
			step_flow(&w, f);
		if (i % 40 == 39)
			maps_rings_age(&fx.table.rings, maps_gen_tick(util_now_ns()) + 300 * ++ages,
				       fx.table.flows.idle, UINT32_MAX);
		else if (i % 40 > 20)
			change(&w);
		if (i % 50 == 25) {
			table_fx_reopen(&fx);
			ages = 0;
		}
	}
	assert_true(w.moved > 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_backend_comes), TEST(test_draining), TEST(test_aging),
		TEST(test_gone_expires),    TEST(test_sharing),

		TEST(test_size_changes),    TEST(test_no_room),	 TEST(test_history),
		TEST(test_flows_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
