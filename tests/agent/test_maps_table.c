// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table behind the maps: what the program finds in them, what a reader
 * sees while rings are switched and services come and go, which numbers are used again when.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "maps_ask.h"
#include "reason.h"
#include "maps_stats.h"
#include "table_fixture.h"
#include "util.h"

#define RING 251u
#define VIP  "192.0.2.1"

static struct table_fx fx;

static int setup(void **state)
{
	(void)state;
	return table_fx_setup(&fx);
}

static int teardown(void **state)
{
	(void)state;
	return table_fx_teardown(&fx);
}

static struct maps_svc *set(uint16_t port, const char *backends, int result)
{
	return table_fx_set(&fx, VIP, port, RING, backends, result);
}

/* ---- VIPs and services ---- */

static void test_unchanged_is_not_touched(void **state _unused_)
{
	struct maps_ring *ring;
	struct maps_svc *svc;

	TABLE_FX_NEEDED(&fx);
	table_fx_vip(&fx, VIP);
	svc = set(80, "11 12 13", 1);
	ring = svc->ring;
	assert_ptr_equal(set(80, "13 11 12", 0)->ring, ring);
	/* One backend changed is another ring, elsewhere. */
	assert_ptr_not_equal(set(80, "12 13 14", 1)->ring, ring);
}

static void test_prefixes(void **state _unused_)
{
	static const struct {
		const char *addr;
		uint8_t plen;
	} vips[] = {{"192.0.2.0", 120},	   {"192.0.2.16", 124}, {"192.0.2.16", 128},
		    {"198.51.0.0", 112},   {"2001:db8::", 32},	{"2001:db8:1::", 48},
		    {"2001:db8:1::7", 128}};
	struct addr a;

	TABLE_FX_NEEDED(&fx);
	for (size_t i = 0; i < ARRAY_SIZE(vips); i++) {
		a = table_fx_addr(vips[i].addr);
		/* The same address with another length is the same VIP, or none. */
		assert_int_equal(maps_table_vip_set(&fx.table, &a, vips[i].plen, 0),
				 i == 2 ? -EEXIST : 0);
	}
	assert_int_equal(table_fx_find_vip(&fx, "192.0.2.1"), 1);
	assert_int_equal(table_fx_find_vip(&fx, "192.0.2.15"), 1);
	assert_int_equal(table_fx_find_vip(&fx, "192.0.2.16"), 2);
	assert_int_equal(table_fx_find_vip(&fx, "192.0.2.31"), 2);
	assert_int_equal(table_fx_find_vip(&fx, "192.0.2.32"), 1);
	assert_int_equal(table_fx_find_vip(&fx, "192.0.3.1"), 0);
	assert_int_equal(table_fx_find_vip(&fx, "198.51.100.1"), 3);
	assert_int_equal(table_fx_find_vip(&fx, "2001:db8:ffff::1"), 4);
	assert_int_equal(table_fx_find_vip(&fx, "2001:db8:1::6"), 5);
	assert_int_equal(table_fx_find_vip(&fx, "2001:db8:1::7"), 6);
	assert_memory_equal(fx.bpf.config->prefixes4, "\x7c\x78\x70\0\0\0\0", 8);
	assert_memory_equal(fx.bpf.config->prefixes6, "\x30\x20\0\0\0\0\0", 8);
	/* When the last one of a length goes, so does the length. */
	a = table_fx_addr("192.0.2.16");
	assert_int_equal(maps_table_vip_del(&fx.table, maps_table_vip(&fx.table, &a)), 0);
	assert_int_equal(table_fx_find_vip(&fx, "192.0.2.16"), 1);
	assert_memory_equal(fx.bpf.config->prefixes4, "\x78\x70\0\0\0\0\0", 8);
}

static void test_bad_prefixes(void **state _unused_)
{
	struct addr a;

	TABLE_FX_NEEDED(&fx);
	a = table_fx_addr("192.0.2.1");
	assert_int_equal(maps_table_vip_set(&fx.table, &a, 127, 0), -EINVAL);
	assert_int_equal(maps_table_vip_set(&fx.table, &a, 129, 0), -EINVAL);
	assert_int_equal(maps_table_vip_set(&fx.table, &a, 0, 0), -EINVAL);
	a = table_fx_addr("128.0.0.0");
	assert_int_equal(maps_table_vip_set(&fx.table, &a, 96, 0), -EINVAL);
	assert_int_equal(maps_table_vip_set(&fx.table, &a, 97, 0), 0);
	/* Eight lengths, not nine, and hosts besides; the other family has its own eight. */
	for (uint8_t i = 0; i < 8; i++) {
		a = table_fx_addr("10.0.0.0");
		a.b[13] = (uint8_t)(i + 1);
		assert_int_equal(maps_table_vip_set(&fx.table, &a, (uint8_t)(112 + i), 0),
				 i < 7 ? 0 : -ENOSPC);
	}
	assert_int_equal(maps_table_vip_set(&fx.table, &a, 112, 0), 0);
	a = table_fx_addr("10.1.0.1");
	assert_int_equal(maps_table_vip_set(&fx.table, &a, 128, 0), 0);
	a = table_fx_addr("2001:db8::");
	assert_int_equal(maps_table_vip_set(&fx.table, &a, 120, 0), 0);
}

static void test_all_ports(void **state _unused_)
{
	const struct maps_svc_conf none = {};
	struct maps_svc_key udp = table_fx_key(VIP, 0);
	char reason[MSG_REASON_LEN];
	struct maps_svc *all, *web, *any;

	TABLE_FX_NEEDED(&fx);
	table_fx_vip(&fx, VIP);
	web = set(80, "11", 1);
	all = set(0, "12", 1);
	assert_int_equal(table_fx_find_svc(&fx, VIP, IPPROTO_TCP, 80), web->number);
	assert_int_equal(table_fx_find_svc(&fx, VIP, IPPROTO_TCP, 81), all->number);
	assert_int_equal(table_fx_find_svc(&fx, VIP, IPPROTO_UDP, 81), 0);
	udp.protocol = IPPROTO_UDP;
	assert_int_equal(table_fx_want(&fx, &udp, &none, RING, "13", &any, reason), 1);
	assert_int_equal(table_fx_find_svc(&fx, VIP, IPPROTO_UDP, 81), any->number);
	/* The VIP's own flags change beside. */
	assert_int_equal(maps_table_vip_set(&fx.table, &all->vip->addr, 128,
					    NLB_VIP_F_PASS_UNKNOWN | NLB_VIP_F_ALL_TCP),
			 0);
	assert_int_equal(fx.bpf.vips[1].flags,
			 NLB_VIP_F_PASS_UNKNOWN | NLB_VIP_F_ALL_TCP | NLB_VIP_F_ALL_UDP);
	assert_int_equal(maps_table_svc_del(&fx.table, all), 0);
	assert_int_equal(table_fx_find_svc(&fx, VIP, IPPROTO_TCP, 81), 0);
	assert_int_equal(fx.bpf.vips[1].flags, NLB_VIP_F_PASS_UNKNOWN | NLB_VIP_F_ALL_UDP);
}

/* Flags and QUIC parameters are of a number: another number, the same ring and flows. */
static void test_flags(void **state _unused_)
{
	struct maps_svc_conf conf = {.flags = NLB_SVC_F_AFFINITY};
	struct maps_svc_key key = table_fx_key(VIP, 80);
	char reason[MSG_REASON_LEN];
	struct maps_svc *svc, *other;
	struct maps_ring *ring;

	TABLE_FX_NEEDED(&fx);
	table_fx_vip(&fx, VIP);
	table_fx_flows(set(80, "11 12 13", 1));
	svc = set(80, "11 12", 1);
	assert_true(table_fx_is_gone(&fx, svc, 13));
	ring = svc->ring;
	assert_int_equal(svc->number, 1);
	assert_int_equal(table_fx_want(&fx, &key, &conf, RING, "11 12", &other, reason), 1);
	assert_ptr_equal(svc, other);
	assert_int_equal(svc->number, 2);
	assert_ptr_equal(svc->ring, ring);
	assert_int_equal(table_fx_find_svc(&fx, VIP, IPPROTO_TCP, 80), 2);
	assert_int_equal(fx.bpf.services[2].flags, NLB_SVC_F_AFFINITY);
	assert_true(table_fx_is_gone(&fx, svc, 13));
	assert_int_equal(table_fx_gone(&fx), 1);
	assert_int_equal(table_fx_want(&fx, &key, &conf, RING, "11 12", &other, reason), 0);
	/* Flags and backends at once. */
	conf.flags = 0;
	assert_int_equal(table_fx_want(&fx, &key, &conf, RING, "11 13", &other, reason), 1);
	assert_int_equal(svc->number, 3);
	assert_true(table_fx_is_gone(&fx, svc, 12));
	assert_int_equal(table_fx_gone(&fx), 1);
	/* Only UDP has QUIC. */
	conf = (struct maps_svc_conf){NLB_SVC_F_QUIC, 1, 4};
	assert_int_equal(table_fx_want(&fx, &key, &conf, RING, "11 13", &other, reason), -EINVAL);
	assert_int_equal(table_fx_find_svc(&fx, VIP, IPPROTO_TCP, 80), 3);
	assert_int_equal(fx.table.svc_numbers.n, fx.host.cfg.max_services - 1);
}

static uint32_t quic(const struct maps_svc *svc, const char *id)
{
	struct nlb_quic_key key = {.service = svc->number, .len = (uint32_t)strlen(id)};
	uint32_t number;

	for (int i = 0; id[i]; i++)
		key.id[i] = (uint8_t)(id[i] - '0');
	return bpf_map_lookup_elem(fx.bpf.quic_ids_fd, &key, &number) == 0 ? number : 0;
}

static void test_quic(void **state _unused_)
{
	struct maps_svc_conf conf = {NLB_SVC_F_QUIC, 3, 3};
	struct maps_svc_key key = table_fx_key(VIP, 443);
	char reason[MSG_REASON_LEN];
	struct maps_svc *svc;

	TABLE_FX_NEEDED(&fx);
	table_fx_vip(&fx, VIP);
	key.protocol = IPPROTO_UDP;
	assert_int_equal(table_fx_want(&fx, &key, &conf, RING, "11/123 12/456 13", &svc, reason),
			 1);
	assert_int_equal(fx.bpf.services[svc->number].quic_config, 3);
	assert_int_equal(fx.bpf.services[svc->number].quic_len, 3);
	assert_int_equal(quic(svc, "123"), table_fx_number(&fx, 11));
	assert_int_equal(quic(svc, "456"), table_fx_number(&fx, 12));
	/* Ids change hands, one backend drains and keeps its own, one goes. */
	assert_int_equal(
		table_fx_want(&fx, &key, &conf, RING, "11/456 12/123 13:0/777", &svc, reason), 1);
	assert_int_equal(quic(svc, "456"), table_fx_number(&fx, 11));
	assert_int_equal(quic(svc, "123"), table_fx_number(&fx, 12));
	assert_int_equal(quic(svc, "777"), table_fx_number(&fx, 13));
	assert_int_equal(table_fx_want(&fx, &key, &conf, RING, "11/456", &svc, reason), 1);
	assert_int_equal(quic(svc, "456"), table_fx_number(&fx, 11));
	assert_int_equal(quic(svc, "123"), 0);
	assert_int_equal(quic(svc, "777"), 0);
	/* Nothing but the id changes: no other ring, but it is there. */
	assert_int_equal(table_fx_want(&fx, &key, &conf, RING, "11/888", &svc, reason), 0);
	assert_int_equal(quic(svc, "456"), 0);
	assert_int_equal(quic(svc, "888"), table_fx_number(&fx, 11));
	/* Another number. */
	conf.quic_config = 4;
	assert_int_equal(table_fx_want(&fx, &key, &conf, RING, "11/888 12/999", &svc, reason), 1);
	assert_int_equal(quic(svc, "888"), table_fx_number(&fx, 11));
	assert_int_equal(quic(svc, "999"), table_fx_number(&fx, 12));
	assert_int_equal(maps_table_svc_del(&fx.table, svc), 0);
	for (uint32_t n = 1; n <= fx.host.cfg.max_services; n++) {
		struct maps_svc any = {.number = n};

		assert_int_equal(quic(&any, "888") + quic(&any, "999") + quic(&any, "456"), 0);
	}
}

/* ---- backends ---- */

static void test_backend_numbers(void **state _unused_)
{
	struct maps_svc *svc;
	uint32_t number;

	TABLE_FX_NEEDED(&fx);
	table_fx_vip(&fx, VIP);
	table_fx_flows(set(80, "11", 1));
	number = table_fx_number(&fx, 11);
	assert_true(number > 0);
	/* Gone and back: the same number, so the same counters. */
	svc = set(80, "12", 1);
	assert_int_not_equal(table_fx_number(&fx, 12), number);
	assert_true(table_fx_is_gone(&fx, svc, 11));
	/* It rests for a minute, for if it comes back there is nothing to do. */
	table_fx_age(&fx, 50);
	assert_int_equal(table_fx_number(&fx, 11), number);
	table_fx_age(&fx, 70);
	assert_int_equal(table_fx_number(&fx, 11), 0);
	set(80, "11", 1);
	assert_false(table_fx_is_gone(&fx, svc, 11));
	assert_true(table_fx_is_gone(&fx, svc, 12));
	assert_int_equal(table_fx_number(&fx, 11), number);
	assert_int_equal(fx.table.backends.n_used, 1);
}

static uint64_t flow_of(uint32_t backend)
{
	uint32_t tick = maps_gen_tick(util_now_ns());

	return 0x12345678ull << 32 | (tick & (NLB_FLOW_TICKS - 1)) << 22 | NLB_FLOW_OPEN << 20 |
	       backend;
}

/* A number is another backend's only when no flow, datagram or nlb_gone knows it. */
static void test_numbers_are_purged(void **state _unused_)
{
	struct nlb_frag_key frag_key = {.id = 1};
	struct nlb_frag frag = {.service = 1};
	struct maps_svc *stay, *svc;
	uint32_t old, kept;
	char text[16];

	TABLE_FX_NEEDED(&fx);
	table_fx_vip(&fx, VIP);
	stay = set(443, "50 51", 1);
	table_fx_flows(stay);
	svc = set(80, "51", 1);
	old = table_fx_number(&fx, 51);
	kept = table_fx_number(&fx, 50);
	fx.bpf.flows[3].flow[1] = flow_of(old);
	fx.bpf.flows[5].flow[7] = flow_of(kept);
	frag.backend = old;
	assert_int_equal(bpf_map_update_elem(fx.bpf.fragments_fd, &frag_key, &frag, BPF_ANY), 0);
	frag_key.id = 2;
	frag.backend = kept;
	assert_int_equal(bpf_map_update_elem(fx.bpf.fragments_fd, &frag_key, &frag, BPF_ANY), 0);
	/* It leaves one service, then the other: from now on it is nobody's. */
	set(443, "50", 1);
	assert_true(table_fx_is_gone(&fx, stay, 51));
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "%d", 60 + i);
		svc = set(80, text, 1);
		if (svc->members[0].number != old)
			continue;
		/* It has become this one's. */
		assert_true(fx.bpf.flows[3].flow[1] == 0);
		assert_true(fx.bpf.flows[5].flow[7] != 0);
		frag_key.id = 1;
		assert_int_equal(bpf_map_lookup_elem(fx.bpf.fragments_fd, &frag_key, &frag),
				 -ENOENT);
		frag_key.id = 2;
		assert_int_equal(bpf_map_lookup_elem(fx.bpf.fragments_fd, &frag_key, &frag), 0);
		assert_false(table_fx_is_gone(&fx, stay, 60 + i));
		return;
	}
	fail_msg("16 numbers were enough for 22 backends");
}

/* However many numbers there are, none is lost. */
static void test_coming_and_going(void **state _unused_)
{
	struct nlb_counters *stats;
	char text[16];

	TABLE_FX_NEEDED(&fx);
	for (int i = 0; i < 100; i++) {
		const char *vip = i % 2 ? VIP : "2001:db8::1";
		struct addr a = table_fx_addr(vip);

		assert_int_equal(maps_table_vip_set(&fx.table, &a, 128, 0), 0);
		assert_int_equal(maps_table_vip_set(&fx.table, &a, 128, NLB_VIP_F_PASS_UNKNOWN), 0);
		snprintf(text, sizeof(text), "%d", 10 + i);
		table_fx_set(&fx, vip, 80, 101, text, 1);
		assert_int_not_equal(table_fx_find_svc(&fx, vip, IPPROTO_TCP, 80), 0);
		stats = maps_stats_all_vips(&fx.table);
		assert_non_null(stats);
		assert_int_equal(stats[maps_table_vip(&fx.table, &a)->number].packets, 0);
		free(stats);
		assert_int_equal(maps_table_vip_del(&fx.table, maps_table_vip(&fx.table, &a)), 0);
		assert_int_equal(table_fx_find_vip(&fx, vip), 0);
	}
	assert_int_equal(fx.table.n_all, 0);
	assert_int_equal(HASH_COUNT(fx.table.vips), 0);
	assert_int_equal(fx.table.backends.n_used, 0);
	assert_int_equal(fx.table.rings.n_all, 0);
	assert_int_equal(fx.table.vip_numbers.n, fx.host.cfg.max_vips);
	assert_int_equal(fx.table.svc_numbers.n, fx.host.cfg.max_services);
	assert_int_equal(table_fx_gone(&fx), 0);
}

static void test_stats(void **state _unused_)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct nlb_counters *values = calloc((size_t)cpus, sizeof(*values));
	uint32_t last = fx.host.cfg.max_services;
	struct nlb_counters *all;

	TABLE_FX_NEEDED(&fx);
	assert_non_null(values);
	for (int i = 0; i < cpus; i++)
		values[i] = (struct nlb_counters){1, 2, 3, 4, 5};
	assert_int_equal(bpf_map_update_elem(fx.bpf.svc_stats_fd, &last, values, BPF_ANY), 0);
	last = fx.host.cfg.max_backends;
	assert_int_equal(bpf_map_update_elem(fx.bpf.be_stats_fd, &last, values, BPF_ANY), 0);
	all = maps_stats_all_services(&fx.table);
	assert_non_null(all);
	assert_int_equal(all[fx.host.cfg.max_services].flows, 3 * cpus);
	assert_int_equal(all[1].packets, 0);
	free(all);
	all = maps_stats_all_backends(&fx.table);
	assert_non_null(all);
	assert_int_equal(all[last].errors, 5 * cpus);
	assert_int_equal(all[last].dropped, 4 * cpus);
	free(all);
	assert_int_equal(maps_stats_clear(fx.bpf.be_stats_fd, last), 0);
}

/* ---- a reader ---- */

/* What a reader found, in memory shared with it. */
struct seen {
	uint64_t packets;
	uint64_t by_ring[3]; /* flows that went where this ring sends them */
	uint64_t passing;    /* to the service that comes and goes, while it was there */
	uint64_t wrong;
	uint32_t reason; /* of the last wrong one, and where it went */
	struct addr to;
	uint32_t stop;
};

#define FLOWS	     16
#define SWITCHING_NS 3000000000ull

static struct maps_flow tcp_flow(uint16_t dport, uint16_t sport)
{
	return (struct maps_flow){
		.src = table_fx_addr("192.0.2.1"),
		.dst = table_fx_addr(VIP),
		.sport = sport,
		.dport = dport,
		.protocol = IPPROTO_TCP,
	};
}

static struct addr flow_to(uint16_t sport)
{
	struct maps_flow flow = tcp_flow(80, sport);
	struct maps_answer ans;

	assert_int_equal(maps_ask(fx.bpf.prog_fd, &flow, if_nametoindex("lb0"), &ans), 0);
	if (!ans.sent)
		fail_msg("%s", reason_str(ans.ask.reason));
	return ans.to;
}

static void wrong(struct seen *seen, const struct maps_answer *ans)
{
	seen->wrong++;
	seen->reason = ans->ask.reason;
	seen->to = ans->to;
}

/*
 * Packets through the program until told to stop. A flow must go where it goes
 * by one of the three rings; the service that comes and goes must be missing
 * or send to its only backend.
 */
static void reader(struct seen *seen, struct addr (*way)[FLOWS])
{
	struct maps_flow flow = tcp_flow(80, 0), passing = tcp_flow(81, 0);
	struct addr only = table_fx_addr("10.0.0.19");
	uint32_t ifindex = if_nametoindex("lb0");
	struct maps_answer ans = {};

	for (uint16_t f = 0; !__atomic_load_n(&seen->stop, __ATOMIC_RELAXED); f++) {
		int ring;

		f %= FLOWS;
		seen->packets++;
		flow.sport = passing.sport = f;
		if (maps_ask(fx.bpf.prog_fd, &flow, ifindex, &ans) < 0)
			ans.sent = false;
		for (ring = 0; ring < 3; ring++)
			if (ans.sent && addr_cmp(&ans.to, &way[ring][f]) == 0)
				break;
		if (ring < 3)
			seen->by_ring[ring]++;
		else
			wrong(seen, &ans);
		if (maps_ask(fx.bpf.prog_fd, &passing, ifindex, &ans) < 0)
			wrong(seen, &ans);
		else if (ans.sent && addr_cmp(&ans.to, &only) == 0)
			seen->passing++;
		else if (ans.sent || ans.ask.reason != NLB_R_VIP_NO_SERVICE)
			wrong(seen, &ans);
	}
}

/* Three rings of different sizes and backends, in turn. */
static void set_ring(int i)
{
	static const uint32_t sizes[] = {RING, 241, 127};
	static const char *const backends[] = {"11 12 13", "14 15 16", "17 18"};

	table_fx_set(&fx, VIP, 80, sizes[i], backends[i], 1);
}

static void test_reader_never_sees_half(void **state _unused_)
{
	struct addr way[3][FLOWS];
	struct seen *seen;
	uint64_t until;
	int status;
	pid_t pid;

	TABLE_FX_NEEDED(&fx);
	/* Fewer numbers than addresses: those are used again and again, too; places as well. */
	table_fx_teardown(&fx);
	fx.host.cfg.max_backends = 7;
	fx.host.cfg.ring_slots = 1000;
	table_fx_open(&fx);
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(seen, MAP_FAILED);
	table_fx_vip(&fx, VIP);
	for (int i = 0; i < 3; i++) {
		set_ring(i);
		for (uint16_t f = 0; f < FLOWS; f++)
			way[i][f] = flow_to(f);
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* A test that fails must not leave it behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		reader(seen, way);
		_exit(0);
	}
	until = util_now_ns() + SWITCHING_NS;
	/* As often as can be: what goes wrong does so within some tens of nanoseconds. */
	for (int i = 0; i < 50 || util_now_ns() < until; i++) {
		struct maps_svc *svc;

		set_ring(i % 3);
		if (i % 2)
			table_fx_set(&fx, VIP, 81, 5, "19", 1);
		else if ((svc = table_fx_svc(&fx, VIP, 81)))
			assert_int_equal(maps_table_svc_del(&fx.table, svc), 0);
	}
	__atomic_store_n(&seen->stop, 1, __ATOMIC_RELAXED);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	if (seen->wrong) {
		char text[ADDR_STRLEN];

		fail_msg("%llu of %llu went wrong, the last to %s by %s",
			 (unsigned long long)seen->wrong, (unsigned long long)seen->packets,
			 addr_str(&seen->to, text), reason_str(seen->reason));
	}
	/* It did look, at all of them. */
	assert_true(seen->by_ring[0] && seen->by_ring[1] && seen->by_ring[2] && seen->passing);
	munmap(seen, sizeof(*seen));
}

static void test_echo_flag(void **state _unused_)
{
	struct nlb_config *c = fx.bpf.config;
	uint64_t secret;

	TABLE_FX_NEEDED(&fx);
	secret = c->secret;
	assert_true(secret != 0);
	c->sample_rate = 77;
	fx.host.cfg.echo = 0;
	assert_true(maps_bpf_set_sources(&fx.bpf) >= 0);
	assert_int_equal(c->flags, NLB_CONFIG_F_NO_ECHO);
	fx.host.cfg.echo = 1;
	assert_int_equal(maps_bpf_set_sources(&fx.bpf), 1);
	assert_int_equal(maps_bpf_set_sources(&fx.bpf), 0);
	assert_int_equal(c->flags, 0);
	assert_int_equal(c->ttl, 64);
	assert_int_equal(c->flow_idle, maps_flows_ticks(900));
	assert_memory_equal(c->source4, "\x0a\0\0\x01", 4);
	/* What is not the agent's, or made once, stays. */
	assert_int_equal(c->sample_rate, 77);
	table_fx_reopen(&fx);
	assert_true(fx.bpf.config->secret == secret);
	assert_int_equal(fx.bpf.config->sample_rate, 77);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unchanged_is_not_touched),
		TEST(test_prefixes),
		TEST(test_bad_prefixes),
		TEST(test_all_ports),
		TEST(test_flags),
		TEST(test_quic),
		TEST(test_backend_numbers),
		TEST(test_numbers_are_purged),
		TEST(test_coming_and_going),
		TEST(test_stats),
		TEST(test_reader_never_sees_half),
		TEST(test_echo_flag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
