// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pinned maps as another agent finds them: all that was there goes on as it was; what
 * is damaged is removed, and nothing else.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
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
#define IDLE 920u

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
	(void)state;
	return table_fx_teardown(&fx);
}

static struct maps_svc *set(uint16_t port, const char *backends, int result)
{
	return table_fx_set(&fx, VIP, port, RING, backends, result);
}

static struct maps_svc *svc_of(uint16_t port)
{
	return table_fx_svc(&fx, VIP, port);
}

static void test_unchanged_is_not_touched(void **state _unused_)
{
	struct nlb_ring place;
	uint32_t number;
	uint64_t digest;

	TABLE_FX_NEEDED(&fx);
	set(80, "11 12 13", 1);
	set(81, "", 1);
	place = svc_of(80)->ring->place;
	number = table_fx_number(&fx, 12);
	digest = svc_of(80)->digest;
	table_fx_reopen(&fx);
	assert_int_equal(svc_of(80)->n_enabled, 3);
	assert_true(svc_of(80)->digest == digest);
	assert_false(svc_of(80)->wanted);
	set(80, "11 12 13", 0);
	assert_memory_equal(&place, &svc_of(80)->ring->place, sizeof(place));
	assert_int_equal(svc_of(80)->members[0].weight, 1);
	assert_int_equal(table_fx_number(&fx, 12), number);
	assert_int_equal(fx.table.backends.n_used, 3);
	assert_int_equal(fx.table.vip_numbers.n, fx.host.cfg.max_vips - 1);
	assert_int_equal(fx.table.svc_numbers.n, fx.host.cfg.max_services - 2);
	assert_null(svc_of(81)->ring);
	/* Weights are not in the maps: others than the ring's make another ring. */
	table_fx_reopen(&fx);
	set(80, "11:3 12 13", 1);
}

/* Slots that changed lately, shared rings, backends that only have flows. */
static void test_generations(void **state _unused_)
{
	struct nlb_ring place;
	uint32_t recent, linger, used = 0;
	uint64_t digest;

	TABLE_FX_NEEDED(&fx);
	set(80, "11 12", 1);
	set(80, "11 12 13", 1);
	set(80, "11 12 13 14", 1);
	set(80, "11:0 12 13", 1);
	set(81, "11 12", 1);
	set(81, "11 12 13", 1);
	set(81, "11 12 13 14", 1);
	set(81, "11:0 12 13", 1);
	recent = table_fx_count(svc_of(80), NLB_SLOT_RECENT);
	linger = table_fx_count(svc_of(80), NLB_SLOT_LINGER);
	assert_true(recent > 0 && linger > 0);
	place = svc_of(80)->ring->place;
	digest = svc_of(80)->digest;
	while (maps_gen_mode(svc_of(80)->ring->gen.slot[used]) != NLB_SLOT_LINGER)
		used++;
	svc_of(80)->ring->gen.slot[used] |= NLB_SLOT_USED;

	table_fx_reopen(&fx);
	assert_ptr_equal(svc_of(80)->ring, svc_of(81)->ring);
	assert_int_equal(svc_of(80)->ring->refs, 2);
	assert_memory_equal(&place, &svc_of(80)->ring->place, sizeof(place));
	assert_int_equal(svc_of(80)->ring->gen.recent, recent);
	assert_int_equal(svc_of(80)->ring->gen.linger, linger);
	assert_true(svc_of(80)->digest == digest);
	assert_int_equal(fx.table.rings.pool.used, 2 * EVEN);
	assert_int_equal(fx.table.rings.n_retired, 0);
	assert_int_equal(svc_of(80)->ring->gen.slot[used] & NLB_SLOT_USED, NLB_SLOT_USED);
	assert_int_equal(svc_of(80)->n_enabled, 2);
	/* Its time begins anew; what the parent says then is what there is. */
	set(80, "11:0 12 13", 0);
	set(81, "11:0 12 13", 0);
	table_fx_age(&fx, IDLE - 120);
	assert_int_equal(table_fx_count(svc_of(80), NLB_SLOT_RECENT), recent);
	for (uint32_t i = 1; i <= 4; i++)
		table_fx_age(&fx, i * IDLE);
	assert_int_equal(table_fx_count(svc_of(80), NLB_SLOT_STABLE), RING);
	table_fx_reopen(&fx);
	assert_null(svc_of(80)->ring->gen.when);
	assert_int_equal(fx.table.rings.pool.used, EVEN);
	set(80, "12 13", 0);
}

/* All drain: the ring's slots have no backend, but its flows have. */
static void test_all_draining(void **state _unused_)
{
	TABLE_FX_NEEDED(&fx);
	set(80, "11 12", 1);
	set(80, "11:0 12:0", 1);
	table_fx_reopen(&fx);
	assert_int_equal(svc_of(80)->n_members, 2);
	assert_int_equal(svc_of(80)->n_enabled, 0);
	assert_int_equal(fx.table.backends.n_used, 2);
	set(80, "11:0 12:0", 0);
}

static void test_gone(void **state _unused_)
{
	struct nlb_gone_key key = {.service = 1};
	uint32_t value = 1;

	TABLE_FX_NEEDED(&fx);
	table_fx_flows(set(80, "11 12 13", 1));
	set(80, "11 12", 1);
	assert_int_equal(table_fx_gone(&fx), 1);
	/* Of no service, of a backend that nobody knows, of one that is there. */
	key.backend = 9;
	bpf_map_update_elem(fx.bpf.gone_fd, &key, &value, BPF_ANY);
	key.backend = table_fx_number(&fx, 11);
	bpf_map_update_elem(fx.bpf.gone_fd, &key, &value, BPF_ANY);
	key.service = 7;
	bpf_map_update_elem(fx.bpf.gone_fd, &key, &value, BPF_ANY);
	key.service = 1u << 30;
	bpf_map_update_elem(fx.bpf.gone_fd, &key, &value, BPF_ANY);
	table_fx_reopen(&fx);
	assert_int_equal(table_fx_gone(&fx), 1);
	assert_true(table_fx_is_gone(&fx, svc_of(80), 13));
	table_fx_age(&fx, IDLE + 120);
	assert_int_equal(table_fx_gone(&fx), 0);
}

static void test_prefixes_and_all_ports(void **state _unused_)
{
	struct addr a = table_fx_addr("198.51.100.0");

	TABLE_FX_NEEDED(&fx);
	assert_int_equal(maps_table_vip_set(&fx.table, &a, 120, NLB_VIP_F_PASS_UNKNOWN), 0);
	table_fx_set(&fx, "198.51.100.0", 0, RING, "11", 1);
	table_fx_reopen(&fx);
	assert_int_equal(maps_table_vip(&fx.table, &a)->plen, 120);
	assert_int_equal(maps_table_vip(&fx.table, &a)->flags, NLB_VIP_F_PASS_UNKNOWN);
	assert_memory_equal(fx.bpf.config->prefixes4, "\x78\0\0\0\0\0\0", 8);
	assert_int_equal(table_fx_find_svc(&fx, "198.51.100.77", IPPROTO_TCP, 1234),
			 table_fx_svc(&fx, "198.51.100.0", 0)->number);
	assert_int_equal(maps_table_vip_set(&fx.table, &a, 120, 0), 0);
	assert_int_equal(fx.bpf.vips[maps_table_vip(&fx.table, &a)->number].flags,
			 NLB_VIP_F_ALL_TCP);
	assert_int_equal(maps_table_vip_del(&fx.table, maps_table_vip(&fx.table, &a)), 0);
	assert_memory_equal(fx.bpf.config->prefixes4, "\0\0\0\0\0\0\0", 8);
}

static void test_quic(void **state _unused_)
{
	const struct maps_svc_conf conf = {NLB_SVC_F_QUIC, 3, 3};
	struct maps_svc_key key = table_fx_key(VIP, 443);
	struct nlb_quic_key stale = {.service = 9, .len = 3, .id = {1}};
	char reason[MSG_REASON_LEN];
	struct maps_svc *svc;
	uint32_t number;

	TABLE_FX_NEEDED(&fx);
	key.protocol = IPPROTO_UDP;
	assert_int_equal(table_fx_want(&fx, &key, &conf, RING, "11/123 12 13/789", &svc, reason),
			 1);
	/* 13 drains, and is in no slot any more. */
	assert_int_equal(table_fx_want(&fx, &key, &conf, RING, "11/123 12 13:0/789", &svc, reason),
			 1);
	for (uint32_t i = 1; i <= 3; i++)
		table_fx_age(&fx, i * IDLE);
	assert_int_equal(table_fx_count(svc, NLB_SLOT_STABLE), RING);
	number = table_fx_number(&fx, 13);
	bpf_map_update_elem(fx.bpf.quic_ids_fd, &stale, &number, BPF_ANY);
	stale.service = svc->number;
	stale.len = 4;
	bpf_map_update_elem(fx.bpf.quic_ids_fd, &stale, &number, BPF_ANY);

	table_fx_reopen(&fx);
	svc = maps_table_svc(&fx.table, &key);
	assert_int_equal(svc->conf.quic_config, 3);
	assert_int_equal(svc->n_members, 3);
	assert_int_equal(svc->n_enabled, 2);
	assert_int_equal(table_fx_number(&fx, 13), number);
	assert_int_equal(bpf_map_lookup_elem(fx.bpf.quic_ids_fd, &stale, &number), -ENOENT);
	stale.service = 9;
	stale.len = 3;
	assert_int_equal(bpf_map_lookup_elem(fx.bpf.quic_ids_fd, &stale, &number), -ENOENT);
	assert_int_equal(table_fx_want(&fx, &key, &conf, RING, "11/123 12 13:0/789", &svc, reason),
			 0);
	assert_int_equal(table_fx_want(&fx, &key, &conf, RING, "11/123 12", &svc, reason), 0);
	stale = (struct nlb_quic_key){.service = svc->number, .len = 3, .id = {7, 8, 9}};
	assert_int_equal(bpf_map_lookup_elem(fx.bpf.quic_ids_fd, &stale, &number), -ENOENT);
}

/* Killed between the two writes of a move in a directory: one of the two goes. */
static void test_killed_in_a_move(void **state _unused_)
{
	uint64_t hash = nlb_dir_svc(nlb_svc_key(1, IPPROTO_TCP, 80)), entry = 0, *second;
	uint32_t n = 0;

	TABLE_FX_NEEDED(&fx);
	set(80, "11", 1);
	for (uint32_t b = 0; b < fx.bpf.svc_buckets; b++)
		for (int i = 0; i < NLB_BUCKET_ENTRIES; i++)
			if (fx.bpf.svc_dir[b].entry[i])
				entry = fx.bpf.svc_dir[b].entry[i];
	second = (uint64_t *)&fx.bpf.svc_dir[hash >> 16 & (fx.bpf.svc_buckets - 1)].entry[3];
	*second = entry;
	table_fx_reopen(&fx);
	for (uint32_t b = 0; b < fx.bpf.svc_buckets; b++)
		for (int i = 0; i < NLB_BUCKET_ENTRIES; i++)
			n += fx.bpf.svc_dir[b].entry[i] != 0;
	assert_int_equal(n, 1);
	assert_int_equal(fx.table.n_all, 1);
	assert_int_equal(table_fx_find_svc(&fx, VIP, IPPROTO_TCP, 80), svc_of(80)->number);
}

/* Maps that somebody else wrote to: what makes no sense goes, the rest stays. */
static void test_damaged_maps(void **state _unused_)
{
	uint64_t *word;
	uint32_t vip2;
	uint16_t port;

	TABLE_FX_NEEDED(&fx);
	table_fx_vip(&fx, "192.0.2.2");
	vip2 = table_fx_find_vip(&fx, "192.0.2.2");
	for (port = 80; port < 92; port++)
		table_fx_set(&fx, VIP, port, 13, port % 2 ? "11 12" : "12 13", 1);
	table_fx_set(&fx, "192.0.2.2", 80, 13, "11", 1);
	for (port = 80; port < 92; port++) {
		struct nlb_service *e = &fx.bpf.services[svc_of(port)->number];

		switch (port) {
		case 80:
			e->ring.base = 0xfffffff0; /* no such place */
			break;
		case 81:
			e->ring.base++; /* odd */
			break;
		case 82:
			e->ring.size = 11;
			break;
		case 83:
			e->key++; /* not what the directory means */
			break;
		case 84:
			e->vip = 16;
			break;
		case 85:
			e->flags = 0x80;
			break;
		case 86:
			e->vip = vip2; /* not the key's */
			break;
		case 87:
			e->flags = NLB_SVC_F_QUIC; /* without a length */
			break;
		}
	}
	/* Entries of directories without a number that there is. */
	word = (uint64_t *)&fx.bpf.svc_dir[0].entry[3];
	*word = 5ull << 32 | 0x7fffffff;
	word = (uint64_t *)&fx.bpf.vip_dir[1].entry[3];
	*word = 5ull << 32 | 3;
	word = (uint64_t *)&fx.bpf.vip_dir[0].entry[3];
	*word = 5ull << 32;
	/* A VIP that is not what its entry says, with a service. */
	fx.bpf.vips[vip2].addr[15] ^= 1;
	table_fx_reopen(&fx);

	assert_int_equal(HASH_COUNT(fx.table.vips), 1);
	for (port = 80; port < 92; port++) {
		if (port == 82 && svc_of(82)) {
			/* Which of two that share a place is right is not known. */
			assert_int_equal(svc_of(82)->ring->place.size, 11);
			continue;
		}
		if (port < 88)
			assert_null(svc_of(port));
		else if (port % 2)
			assert_non_null(svc_of(port));
	}
	assert_int_equal(table_fx_find_svc(&fx, VIP, IPPROTO_TCP, 83), 0);
	/* And all can be written again. */
	table_fx_vip(&fx, "192.0.2.2");
	for (port = 80; port < 92; port++) {
		const struct maps_svc_conf none = {};
		struct maps_svc_key key = table_fx_key(VIP, port);
		char reason[MSG_REASON_LEN];
		struct maps_svc *svc;

		assert_true(table_fx_want(&fx, &key, &none, 13, "11 12", &svc, reason) >= 0);
		assert_int_equal(table_fx_find_svc(&fx, VIP, IPPROTO_TCP, port), svc->number);
	}
	assert_int_equal(fx.table.backends.n_used, 2);
}

static void test_damaged_slots(void **state _unused_)
{
	static const uint32_t bad[] = {77, NLB_SLOT_MODE | 1, NLB_SLOT_RECENT | 1, 0x10000001};
	struct nlb_ring place;

	TABLE_FX_NEEDED(&fx);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		set(80, "11 12", 1);
		place = svc_of(80)->ring->place;
		fx.bpf.slots[place.base + 3] = bad[i];
		/* No backend in the second ring, where RECENT looks for one. */
		fx.bpf.slots[place.base + EVEN + 3] = 0;
		table_fx_reopen(&fx);
		assert_null(svc_of(80));
		assert_int_equal(fx.table.rings.n_all, 0);
		assert_int_equal(fx.table.rings.pool.used, 0);
		assert_int_equal(fx.table.backends.n_used, 0);
		assert_int_equal(table_fx_number(&fx, 11), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unchanged_is_not_touched),
		TEST(test_generations),
		TEST(test_all_draining),
		TEST(test_gone),
		TEST(test_prefixes_and_all_ports),
		TEST(test_quic),
		TEST(test_killed_in_a_move),
		TEST(test_damaged_maps),
		TEST(test_damaged_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
