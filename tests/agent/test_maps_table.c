// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table behind the maps: what a reader sees while rings are switched and
 * services come and go, and what is made of pinned maps that are damaged.
 */
#include <bpf/bpf.h>
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

#include "log.h"
#include "maps_bpf.h"
#include "maps_fs.h"
#include "maps_host.h"
#include "maps_prove.h"
#include "maps_stats.h"
#include "maps_table.h"
#include "util.h"

#define RING 251u

static struct maps_host host;
static struct maps_bpf bpf;
static struct maps_table table;
static bool possible;

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct nlb_svc_key key_of(const char *vip, uint16_t port)
{
	struct addr a = addr_of(vip);
	struct nlb_svc_key key;

	maps_table_key(&key, &a, IPPROTO_TCP, port);
	return key;
}

static void open_table(void)
{
	char err[256];

	if (maps_bpf_open(&host.cfg, &bpf, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	assert_int_equal(maps_table_init(&table, &bpf, NULL), 0);
	assert_true(maps_bpf_set_sources(&bpf) >= 0);
}

static void close_table(void)
{
	maps_table_done(&table);
	maps_bpf_done(&bpf);
}

static int setup(void **state)
{
	static bool begun;
	char err[256];

	(void)state;
	if (!begun)
		possible = maps_host_init(&host);
	begun = true;
	if (!possible) {
		print_message("needs root, namespaces and bpffs\n");
		return 0;
	}
	/* So little room that places are used again and again. */
	host.cfg.ring_slots = 1000;
	assert_int_equal(maps_fs_prepare(&host.cfg, err, sizeof(err)), 0);
	open_table();
	return 0;
}

static int teardown(void **state)
{
	char dir[MAPS_FS_PATH_LEN];

	(void)state;
	if (!possible)
		return 0;
	close_table();
	maps_fs_layout_dir(&host.cfg, dir);
	maps_fs_remove_dir(dir);
	host.cfg.max_backends = 16;
	return 0;
}

/* Backends 10.0.0.(10 + first) and the n - 1 after it. */
static int set(const char *vip, uint16_t port, uint32_t size, int first, int n,
	       struct maps_svc **ret)
{
	struct nlb_svc_key key = key_of(vip, port);
	char text[32], reason[MSG_REASON_LEN];
	struct maglev_backend b[9];

	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "10.0.0.%d", 10 + first + i);
		b[i] = (struct maglev_backend){.addr = addr_of(text), .weight = 1};
	}
	return maps_table_svc_set(&table, &key, size, b, (size_t)n, ret, reason);
}

static void test_unchanged_is_not_touched(void **state)
{
	struct addr vip = addr_of("192.0.2.1");
	struct nlb_ring ring;
	struct maps_svc *svc;

	(void)state;
	if (!possible)
		skip();
	assert_int_equal(maps_table_vip_set(&table, &vip, 0), 0);
	assert_int_equal(set("192.0.2.1", 80, RING, 1, 3, &svc), 1);
	ring = svc->ring;
	assert_int_equal(set("192.0.2.1", 80, RING, 1, 3, &svc), 0);
	assert_memory_equal(&ring, &svc->ring, sizeof(ring));
	/* After a restart too, when only the ring itself tells what it is made of. */
	close_table();
	open_table();
	assert_true(bpf.adopted);
	assert_int_equal(set("192.0.2.1", 80, RING, 1, 3, &svc), 0);
	assert_memory_equal(&ring, &svc->ring, sizeof(ring));
	assert_int_equal(svc->backends[0].weight, 1);
	/* One backend changed is another ring, elsewhere. */
	assert_int_equal(set("192.0.2.1", 80, RING, 2, 3, &svc), 1);
	assert_int_not_equal(ring.base, svc->ring.base);
}

static void test_backend_numbers(void **state)
{
	struct addr vip = addr_of("192.0.2.1");
	struct maps_svc *svc;
	uint32_t number;

	(void)state;
	if (!possible)
		skip();
	assert_int_equal(maps_table_vip_set(&table, &vip, 0), 0);
	assert_int_equal(set("192.0.2.1", 80, 13, 1, 1, &svc), 1);
	number = svc->numbers[0];
	/* Gone and back: the same number, so the same counters. */
	assert_int_equal(set("192.0.2.1", 80, 13, 2, 1, &svc), 1);
	assert_int_not_equal(svc->numbers[0], number);
	assert_int_equal(set("192.0.2.1", 80, 13, 1, 1, &svc), 1);
	assert_int_equal(svc->numbers[0], number);
	assert_int_equal(table.backends.n_used, 1);
	close_table();
	open_table();
	assert_int_equal(set("192.0.2.1", 80, 13, 1, 1, &svc), 0);
	assert_int_equal(svc->numbers[0], number);
	assert_int_equal(table.backends.n_used, 1);
}

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

static struct addr flow_to(const char *vip, uint16_t sport)
{
	struct nlb_svc_key key = key_of(vip, 80);
	struct maps_answer ans;

	assert_int_equal(maps_prove_ask(bpf.prog_fd, &key, if_nametoindex("lb0"), sport, &ans), 0);
	assert_true(ans.sent);
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
	struct nlb_svc_key key = key_of("192.0.2.1", 80), passing = key_of("192.0.2.1", 81);
	struct addr only = addr_of("10.0.0.19");
	uint32_t ifindex = if_nametoindex("lb0");
	struct maps_answer ans = {};

	for (uint16_t f = 0; !__atomic_load_n(&seen->stop, __ATOMIC_RELAXED); f++) {
		int ring;

		f %= FLOWS;
		seen->packets++;
		if (maps_prove_ask(bpf.prog_fd, &key, ifindex, f, &ans) < 0)
			ans.sent = false;
		for (ring = 0; ring < 3; ring++)
			if (ans.sent && addr_cmp(&ans.to, &way[ring][f]) == 0)
				break;
		if (ring < 3)
			seen->by_ring[ring]++;
		else
			wrong(seen, &ans);
		if (maps_prove_ask(bpf.prog_fd, &passing, ifindex, f, &ans) < 0)
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
	static const int n[] = {3, 3, 2};
	struct maps_svc *svc;

	assert_int_equal(set("192.0.2.1", 80, sizes[i], 1 + 3 * i, n[i], &svc), 1);
}

static void test_reader_never_sees_half(void **state)
{
	struct addr vip = addr_of("192.0.2.1"), way[3][FLOWS];
	uint64_t until;
	struct seen *seen;
	struct maps_svc *svc;
	int status;
	pid_t pid;

	(void)state;
	if (!possible)
		skip();
	/* Fewer numbers than addresses: those are used again and again, too. */
	close_table();
	host.cfg.max_backends = 7;
	open_table();
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(seen, MAP_FAILED);
	assert_int_equal(maps_table_vip_set(&table, &vip, 0), 0);
	for (int i = 0; i < 3; i++) {
		set_ring(i);
		for (uint16_t f = 0; f < FLOWS; f++)
			way[i][f] = flow_to("192.0.2.1", f);
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
		struct nlb_svc_key passing = key_of("192.0.2.1", 81);

		set_ring(i % 3);
		if (i % 2)
			assert_int_equal(set("192.0.2.1", 81, 5, 9, 1, &svc), 1);
		else if ((svc = maps_table_svc(&table, &passing)))
			assert_int_equal(maps_table_svc_del(&table, svc), 0);
	}
	__atomic_store_n(&seen->stop, 1, __ATOMIC_RELAXED);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	if (seen->wrong) {
		char text[ADDR_STRLEN];

		fail_msg("%llu of %llu went wrong, the last to %s by %s",
			 (unsigned long long)seen->wrong, (unsigned long long)seen->packets,
			 addr_str(&seen->to, text), maps_prove_reason_str(seen->reason));
	}
	/* It did look, at all of them. */
	assert_true(seen->by_ring[0] && seen->by_ring[1] && seen->by_ring[2] && seen->passing);
	munmap(seen, sizeof(*seen));
}

/* Maps that somebody else wrote to: what makes no sense goes, the rest stays. */
static void test_damaged_maps(void **state)
{
	struct addr vip = addr_of("192.0.2.1"), other = addr_of("192.0.2.2");
	struct nlb_service entry = {.number = 0, .vip_index = 0};
	struct nlb_vip vip_entry = {.index = 0};
	struct nlb_svc_key key;
	struct maps_svc *svc;

	(void)state;
	if (!possible)
		skip();
	assert_int_equal(maps_table_vip_set(&table, &vip, 0), 0);
	for (uint16_t port = 80; port < 86; port++)
		assert_int_equal(set("192.0.2.1", port, 13, 1, 2, &svc), 1);
	/* 81: no such ring. 82: the ring of 83. 84: a number that no backend has. 85: sound. */
	key = key_of("192.0.2.1", 81);
	bpf.ring_of[maps_table_svc(&table, &key)->number].base = 0xfffffff0;
	key = key_of("192.0.2.1", 83);
	svc = maps_table_svc(&table, &key);
	key = key_of("192.0.2.1", 82);
	bpf.ring_of[maps_table_svc(&table, &key)->number] = svc->ring;
	key = key_of("192.0.2.1", 84);
	bpf.slots[maps_table_svc(&table, &key)->ring.base + 3] = 77;
	/* A second VIP and a service with numbers that are taken; a service without a VIP. */
	assert_int_equal(bpf_map_update_elem(bpf.vips_fd, other.b, &vip_entry, BPF_ANY), 0);
	key = key_of("192.0.2.1", 90);
	assert_int_equal(bpf_map_update_elem(bpf.services_fd, &key, &entry, BPF_ANY), 0);
	key = key_of("192.0.2.3", 80);
	entry.number = 9;
	assert_int_equal(bpf_map_update_elem(bpf.services_fd, &key, &entry, BPF_ANY), 0);
	close_table();
	open_table();
	/* Of two that claim the same, one stays; which, is the hash table's order. */
	assert_int_equal(HASH_COUNT(table.vips), 1);
	assert_true(table.n_all <= 3);
	if (maps_table_vip(&table, &vip)) {
		assert_int_equal(table.n_all, 3);
		key = key_of("192.0.2.1", 85);
		assert_non_null(maps_table_svc(&table, &key));
	}
	/* And all can be written again. */
	assert_int_equal(maps_table_vip_set(&table, &vip, 0), 0);
	for (uint16_t port = 80; port < 86; port++)
		assert_true(set("192.0.2.1", port, 13, 1, 2, &svc) >= 0);
	assert_int_equal(table.backends.n_used, 2);
}

/* However many numbers there are, none is lost. */
static void test_coming_and_going(void **state)
{
	struct nlb_counters *stats;

	(void)state;
	if (!possible)
		skip();
	for (int i = 0; i < 100; i++) {
		struct addr vip = addr_of(i % 2 ? "192.0.2.1" : "2001:db8::1");
		struct maps_svc *svc;

		assert_int_equal(maps_table_vip_set(&table, &vip, 0), 0);
		assert_int_equal(maps_table_vip_set(&table, &vip, NLB_VIP_F_PASS_UNKNOWN), 0);
		assert_int_equal(
			set(i % 2 ? "192.0.2.1" : "2001:db8::1", 80, 101, 1 + i % 8, 1, &svc), 1);
		stats = maps_stats_all_vips(&table);
		assert_non_null(stats);
		assert_int_equal(stats[maps_table_vip(&table, &vip)->number].packets, 0);
		free(stats);
		assert_int_equal(maps_table_vip_del(&table, maps_table_vip(&table, &vip)), 0);
	}
	assert_int_equal(table.n_all, 0);
	assert_int_equal(HASH_COUNT(table.vips), 0);
	assert_int_equal(table.backends.n_used, 0);
	assert_int_equal(table.vip_numbers.n, host.cfg.max_vips);
	assert_int_equal(table.svc_numbers.n, host.cfg.max_services);
}

static uint32_t config_flags(void)
{
	struct nlb_config cfg;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf.config_fd, &zero, &cfg), 0);
	return cfg.flags;
}

static void test_echo_flag(void **state _unused_)
{
	uint32_t echo = host.cfg.echo;

	if (!possible)
		return;
	host.cfg.echo = 0;
	assert_true(maps_bpf_set_sources(&bpf) >= 0);
	assert_int_equal(config_flags(), NLB_CONFIG_F_NO_ECHO);
	host.cfg.echo = 1;
	assert_int_equal(maps_bpf_set_sources(&bpf), 1);
	assert_int_equal(config_flags(), 0);
	host.cfg.echo = echo;
	assert_true(maps_bpf_set_sources(&bpf) >= 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unchanged_is_not_touched), TEST(test_backend_numbers),
		TEST(test_reader_never_sees_half),   TEST(test_damaged_maps),
		TEST(test_coming_and_going),	     TEST(test_echo_flag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
