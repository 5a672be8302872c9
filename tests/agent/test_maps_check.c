// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The check of the maps against the table: each kind of thing is spoilt in the live maps, found,
 * and put right; and at random, many at once.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "maps_check.h"
#include "rnd.h"
#include "table_fixture.h"
#include "util.h"

#define RING 251u
#define VIP  "192.0.2.1"
#define VIP2 "192.0.2.2"

static struct table_fx fx;
static struct maps_check check;
static struct maps_stage stage;
static struct loop *loop;

/* Two VIPs; a ring that changed lately, one that two share, one of QUIC. */
static void fill(void)
{
	struct maps_svc_conf quic = {NLB_SVC_F_QUIC, 3, 3};
	struct maps_svc_key key = table_fx_key(VIP, 443);
	char reason[MSG_REASON_LEN];
	struct maps_svc *svc;

	table_fx_vip(&fx, VIP);
	table_fx_vip(&fx, VIP2);
	table_fx_set(&fx, VIP, 80, RING, "11 12 13 14", 1);
	table_fx_flows(table_fx_svc(&fx, VIP, 80));
	table_fx_set(&fx, VIP, 80, RING, "11 12 13 15:2 16", 1);
	table_fx_set(&fx, VIP2, 80, RING, "11 12:3", 1);
	table_fx_set(&fx, VIP2, 81, RING, "11 12:3", 1);
	key.protocol = IPPROTO_UDP;
	assert_int_equal(table_fx_want(&fx, &key, &quic, RING, "11/123 12/456 13", &svc, reason),
			 1);
}

static int setup(void **state _unused_)
{
	table_fx_setup(&fx);
	if (!fx.possible)
		return 0;
	table_fx_teardown(&fx);
	fx.host.cfg.ring_slots = 8000;
	table_fx_open(&fx);
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(maps_check_init(&check, loop, &fx.table, &stage, NULL, NULL), 0);
	fill();
	return 0;
}

static int teardown(void **state _unused_)
{
	if (fx.possible) {
		maps_check_done(&check);
		loop_free(loop);
	}
	return table_fx_teardown(&fx);
}

/* A whole check. Returns its sums. */
static struct msg_check_count run(void)
{
	maps_check_begin(&check, 1);
	while (!maps_check_slice(&check, 0))
		;
	return maps_found_sum(&check.found.report);
}

/* Finds so many things, of this kind only, and repairs them; then there is nothing more. */
static void finds(enum msg_check_kind kind, uint64_t n)
{
	struct msg_check_count sum = run(), of = check.found.report.kinds[kind];

	if (sum.found != n || of.found != n || sum.repaired != n) {
		for (unsigned int i = 0; i < MSG_CHECK_COUNT; i++)
			print_message("%s: %d found, %d failed\n", maps_found_kind_str(i),
				      (int)check.found.report.kinds[i].found,
				      (int)check.found.report.kinds[i].failed);
		fail_msg("%d of %s expected", (int)n, maps_found_kind_str(kind));
	}
	assert_int_equal(run().found, 0);
}

/* ---- nothing wrong ---- */

static void test_nothing(void **state _unused_)
{
	struct msg_check_count sum;

	TABLE_FX_NEEDED(&fx);
	sum = run();
	assert_int_equal(sum.found, 0);
	for (unsigned int i = MSG_CHECK_CONFIG; i < MSG_CHECK_COUNT; i++)
		if (i != MSG_CHECK_HOPS)
			assert_true(check.found.report.kinds[i].looked > 0);
	assert_int_equal(check.found.report.kinds[MSG_CHECK_VIPS].looked, 2);
	assert_int_equal(check.found.report.kinds[MSG_CHECK_SERVICES].looked, 4);
	/* What was adopted is as right as what was written. */
	table_fx_reopen(&fx);
	assert_int_equal(run().found, 0);
}

/* ---- one thing wrong ---- */

static void test_vips(void **state _unused_)
{
	struct nlb_vip *entry;

	TABLE_FX_NEEDED(&fx);
	entry = &fx.bpf.vips[table_fx_find_vip(&fx, VIP)];
	entry->flags = NLB_VIP_F_PASS_UNKNOWN;
	finds(MSG_CHECK_VIPS, 1);
	assert_int_equal(entry->flags, 0);
	entry->addr[15]++;
	assert_int_equal(table_fx_find_vip(&fx, VIP), 0);
	finds(MSG_CHECK_VIPS, 1);
	assert_int_equal(table_fx_find_vip(&fx, VIP), entry - fx.bpf.vips);
	entry->plen = 120;
	finds(MSG_CHECK_VIPS, 1);
}

static void test_services(void **state _unused_)
{
	const struct maps_svc *svc;
	struct nlb_service *entry;

	TABLE_FX_NEEDED(&fx);
	svc = table_fx_svc(&fx, VIP, 80);
	entry = &fx.bpf.services[svc->number];
	entry->ring = (struct nlb_ring){};
	finds(MSG_CHECK_SERVICES, 1);
	assert_int_equal(entry->ring.base, svc->ring->place.base);
	memset(entry, 0, sizeof(*entry));
	assert_int_equal(table_fx_find_svc(&fx, VIP, IPPROTO_TCP, 80), 0);
	finds(MSG_CHECK_SERVICES, 1);
	assert_int_equal(table_fx_find_svc(&fx, VIP, IPPROTO_TCP, 80), svc->number);
	entry->flags ^= NLB_SVC_F_AFFINITY;
	finds(MSG_CHECK_SERVICES, 1);
	assert_int_equal(entry->flags, 0);
}

/* The word of a number, in a directory. */
static uint64_t *word_of(const struct maps_dir *dir, uint32_t number)
{
	for (uint32_t b = 0; b <= dir->mask; b++)
		for (int i = 0; i < NLB_BUCKET_ENTRIES; i++)
			if ((uint32_t)dir->buckets[b].entry[i] == number)
				return (uint64_t *)&dir->buckets[b].entry[i];
	fail_msg("%u is not in the directory", number);
	return NULL;
}

static uint64_t *free_word(const struct maps_dir *dir, uint32_t bucket)
{
	for (int i = 0; i < NLB_BUCKET_ENTRIES; i++)
		if (!dir->buckets[bucket].entry[i])
			return (uint64_t *)&dir->buckets[bucket].entry[i];
	fail_msg("bucket %u is full", bucket);
	return NULL;
}

static void spoil_dir(struct maps_dir *dir, enum msg_check_kind kind, uint32_t number)
{
	uint64_t *word = word_of(dir, number), was = *word;
	uint32_t bucket = (uint32_t)((char *)word - (char *)dir->buckets) / sizeof(*dir->buckets);

	*word = 0;
	finds(kind, 1);
	assert_true(*word_of(dir, number) == was);
	/* Twice. */
	*free_word(dir, bucket) = was;
	finds(kind, 1);
	/* Where nobody looks for it. */
	*free_word(dir, (bucket + 1) & dir->mask) = was ^ 1ull << 40;
	finds(kind, 1);
	/* Of a number that is nobody's, and one that cannot be. */
	*free_word(dir, bucket) = (was & ~0xffffffffull) | 9;
	finds(kind, 1);
	*free_word(dir, bucket) = was | 0xffffffffull;
	finds(kind, 1);
	/* Another tag: one too many, and one missing. */
	word = word_of(dir, number);
	*word ^= 1ull << 50;
	finds(kind, 2);
	assert_true(*word_of(dir, number) == was);
}

static void test_directories(void **state _unused_)
{
	TABLE_FX_NEEDED(&fx);
	spoil_dir(&fx.table.vip_dir, MSG_CHECK_VIP_DIR, table_fx_find_vip(&fx, VIP));
	spoil_dir(&fx.table.svc_dir, MSG_CHECK_SVC_DIR, table_fx_svc(&fx, VIP, 80)->number);
}

static void test_backends(void **state _unused_)
{
	uint32_t number;

	TABLE_FX_NEEDED(&fx);
	number = table_fx_number(&fx, 13);
	fx.bpf.backends[number].addr[15] = 99;
	finds(MSG_CHECK_BACKENDS, 1);
	assert_int_equal(fx.bpf.backends[number].addr[15], 13);
	fx.bpf.backends[number].flags = 0;
	finds(MSG_CHECK_BACKENDS, 1);
	/* One that no service has any more, and which may come back. */
	number = fx.table.backends.max + 1;
	for (uint32_t i = 1; i <= fx.table.backends.max; i++)
		if (fx.table.backends.all[i].known && !fx.table.backends.all[i].refs)
			number = i;
	assert_true(number <= fx.table.backends.max);
	fx.bpf.backends[number].addr[15] = 98;
	finds(MSG_CHECK_BACKENDS, 1);
}

static void test_numbers(void **state _unused_)
{
	struct addr a = table_fx_addr("10.0.0.13"), other = table_fx_addr("10.0.0.77");
	int fd = fx.bpf.numbers_fd;
	uint32_t number = 5, have;

	TABLE_FX_NEEDED(&fx);
	assert_int_equal(bpf_map_update_elem(fd, &other, &number, BPF_ANY), 0);
	finds(MSG_CHECK_NUMBERS, 1);
	assert_int_equal(bpf_map_delete_elem(fd, &a), 0);
	finds(MSG_CHECK_NUMBERS, 1);
	number = 16;
	assert_int_equal(bpf_map_update_elem(fd, &a, &number, BPF_ANY), 0);
	finds(MSG_CHECK_NUMBERS, 1);
	assert_int_equal(bpf_map_lookup_elem(fd, &a, &have), 0);
	assert_int_equal(have, table_fx_number(&fx, 13));
}

static void test_gone(void **state _unused_)
{
	const struct maps_svc *svc;
	struct nlb_gone_key key;
	uint32_t one = 1;

	TABLE_FX_NEEDED(&fx);
	svc = table_fx_svc(&fx, VIP, 80);
	assert_true(table_fx_is_gone(&fx, svc, 14));
	key = (struct nlb_gone_key){svc->number, table_fx_number(&fx, 11)};
	assert_int_equal(bpf_map_update_elem(fx.bpf.gone_fd, &key, &one, BPF_ANY), 0);
	finds(MSG_CHECK_GONE, 1);
	key = fx.table.gones.all->key;
	assert_int_equal(bpf_map_delete_elem(fx.bpf.gone_fd, &key), 0);
	finds(MSG_CHECK_GONE, 1);
	assert_true(table_fx_is_gone(&fx, svc, 14));
}

static void test_quic_ids(void **state _unused_)
{
	struct nlb_quic_key key = {.len = 3, .id = {1, 2, 3}};
	uint32_t number, have;
	int fd = fx.bpf.quic_ids_fd;

	TABLE_FX_NEEDED(&fx);
	key.service = table_fx_find_svc(&fx, VIP, IPPROTO_UDP, 443);
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &number), 0);
	assert_int_equal(bpf_map_delete_elem(fd, &key), 0);
	finds(MSG_CHECK_QUIC_IDS, 1);
	have = number + 1;
	assert_int_equal(bpf_map_update_elem(fd, &key, &have, BPF_ANY), 0);
	finds(MSG_CHECK_QUIC_IDS, 1);
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &have), 0);
	assert_int_equal(have, number);
	key.id[2] = 9;
	assert_int_equal(bpf_map_update_elem(fd, &key, &have, BPF_ANY), 0);
	finds(MSG_CHECK_QUIC_IDS, 1);
}

static void test_config(void **state _unused_)
{
	struct nlb_layout layout = {.magic = 1};
	uint32_t zero = 0;

	TABLE_FX_NEEDED(&fx);
	fx.bpf.config->ttl = 3;
	finds(MSG_CHECK_CONFIG, 1);
	assert_int_equal(fx.bpf.config->ttl, 64);
	fx.bpf.config->prefixes4[0] = 120;
	finds(MSG_CHECK_CONFIG, 1);
	fx.bpf.config->source4[0] = 99;
	finds(MSG_CHECK_CONFIG, 1);
	fx.bpf.config->svc_mask = 1;
	finds(MSG_CHECK_CONFIG, 1);
	assert_int_equal(bpf_map_update_elem(fx.bpf.layout_fd, &zero, &layout, BPF_ANY), 0);
	finds(MSG_CHECK_CONFIG, 1);
	table_fx_reopen(&fx);
}

/* ---- rings ---- */

static uint32_t slot_of_mode(const struct maps_ring *ring, uint32_t mode)
{
	for (uint32_t i = 0; i < ring->place.size; i++)
		if (maps_gen_mode(ring->gen.slot[i]) == mode)
			return i;
	fail_msg("no slot of mode %x", mode);
	return 0;
}

static void test_rings(void **state _unused_)
{
	struct maps_ring *ring;
	uint32_t at, was;

	TABLE_FX_NEEDED(&fx);
	/* Shared by two: both are right again. */
	ring = table_fx_svc(&fx, VIP2, 80)->ring;
	assert_ptr_equal(ring, table_fx_svc(&fx, VIP2, 81)->ring);
	was = ring->gen.slot[7];
	ring->gen.slot[7] = was == table_fx_number(&fx, 11) ? table_fx_number(&fx, 12)
							    : table_fx_number(&fx, 11);
	finds(MSG_CHECK_RINGS, 1);
	assert_int_equal(ring->gen.slot[7], was);
	/* A mode that a ring without a past cannot have; a number that is nobody's. */
	ring->gen.slot[8] |= NLB_SLOT_RECENT;
	ring->gen.slot[9] = NLB_SLOT_BACKEND;
	finds(MSG_CHECK_RINGS, 1);
	assert_int_equal(table_fx_count(table_fx_svc(&fx, VIP2, 80), NLB_SLOT_STABLE), RING);
	/* USED is the program's to set. */
	table_fx_age(&fx, 950);
	ring = table_fx_svc(&fx, VIP, 80)->ring;
	at = slot_of_mode(ring, NLB_SLOT_LINGER);
	ring->gen.slot[at] |= NLB_SLOT_USED;
	assert_int_equal(run().found, 0);
	/* All of it; as much as can be is what it was. */
	for (uint32_t i = 0; i < RING; i++)
		ring->gen.slot[i] = 0;
	finds(MSG_CHECK_RINGS, 1);
	assert_ptr_equal(table_fx_svc(&fx, VIP, 80)->ring, ring);
	table_fx_set(&fx, VIP2, 82, RING, "11 12 13 15:2 16", 1);
	for (uint32_t i = 0; i < RING; i++)
		assert_int_equal(maps_gen_backend(ring->gen.slot[i]),
				 maps_gen_backend(table_fx_svc(&fx, VIP2, 82)->ring->gen.slot[i]));
}

/* The backend before is nowhere else: one that is not the service's is let go, another is not seen. */
static void test_second_ring(void **state _unused_)
{
	struct maps_ring *ring;
	uint32_t at;

	TABLE_FX_NEEDED(&fx);
	table_fx_set(&fx, VIP2, 90, RING, "11 12", 1);
	table_fx_set(&fx, VIP2, 90, RING, "11 12 13", 1);
	ring = table_fx_svc(&fx, VIP2, 90)->ring;
	at = slot_of_mode(ring, NLB_SLOT_RECENT);
	ring->gen.old[at] = NLB_SLOT_BACKEND;
	finds(MSG_CHECK_RINGS, 1);
	assert_int_equal(maps_gen_mode(ring->gen.slot[at]), NLB_SLOT_LINGER);
	at = slot_of_mode(ring, NLB_SLOT_RECENT);
	ring->gen.old[at] = maps_gen_backend(ring->gen.slot[at]);
	assert_int_equal(run().failed, 1);
	assert_int_equal(run().found, 0);
}

/* A ring that waits for being wanted again is not taken as it is when it is spoilt. */
static void test_kept_ring(void **state _unused_)
{
	struct nlb_ring place;
	struct maps_svc *svc;

	TABLE_FX_NEEDED(&fx);
	svc = table_fx_set(&fx, VIP2, 90, RING, "11", 1);
	place = svc->ring->place;
	assert_int_equal(maps_table_svc_del(&fx.table, svc), 0);
	assert_int_equal(run().found, 0);
	fx.bpf.slots[place.base + 3] = table_fx_number(&fx, 12);
	finds(MSG_CHECK_RINGS, 1);
	svc = table_fx_set(&fx, VIP2, 90, RING, "11", 1);
	assert_int_equal(svc->ring->gen.slot[3], table_fx_number(&fx, 11));
}

/* ---- at random ---- */

static struct rnd rnd;

static uint32_t any(uint32_t n)
{
	return rnd_below(&rnd, n);
}

static void spoil(void)
{
	struct maps_svc *svc = fx.table.all[any((uint32_t)fx.table.n_all)];
	uint64_t noise = rnd_next(&rnd);
	uint32_t number;
	struct addr a;

	switch (any(8)) {
	case 0:
		svc->ring->gen.slot[any(svc->ring->place.size)] = (uint32_t)noise;
		break;
	case 1:
		memcpy((char *)&fx.bpf.services[svc->number] +
			       any(sizeof(struct nlb_service) / 4) * 4,
		       &noise, 4);
		break;
	case 2:
		memcpy((char *)&fx.bpf.vips[svc->vip->number] + any(sizeof(struct nlb_vip) / 4) * 4,
		       &noise, 4);
		break;
	case 3:
		fx.bpf.svc_dir[any(fx.bpf.svc_buckets)].entry[any(4)] = any(2) ? noise : 0;
		break;
	case 4:
		fx.bpf.vip_dir[any(fx.bpf.vip_buckets)].entry[any(4)] = any(2) ? noise : 0;
		break;
	case 5:
		number = svc->members[any((uint32_t)svc->n_members)].number;
		memcpy(fx.bpf.backends[number].addr, &noise, 4);
		break;
	case 6:
		a = svc->members[any((uint32_t)svc->n_members)].addr;
		bpf_map_delete_elem(fx.bpf.numbers_fd, &a);
		break;
	default:
		number = any(20);
		bpf_map_update_elem(fx.bpf.gone_fd, &noise, &number, BPF_ANY);
	}
}

/* What the program goes by, all but modes. */
static void assert_as_wanted(const struct maps_svc *svc)
{
	char vip[ADDR_STRLEN];
	uint16_t port = (uint16_t)(svc->key.port[0] << 8 | svc->key.port[1]);
	struct nlb_service want = maps_table_svc_entry(svc);

	addr_str(&svc->vip->addr, vip);
	assert_int_equal(table_fx_find_svc(&fx, vip, svc->key.protocol, port), svc->number);
	assert_memory_equal(&fx.bpf.services[svc->number], &want, sizeof(want));
	for (size_t i = 0; i < svc->n_members; i++)
		assert_memory_equal(fx.bpf.backends[svc->members[i].number].addr,
				    svc->members[i].addr.b, 16);
}

static void test_random(void **state _unused_)
{
	uint32_t before[4][RING];
	uint64_t found = 0;

	TABLE_FX_NEEDED(&fx);
	rnd.state = rnd_seed();
	assert_int_equal(fx.table.n_all, 4);
	for (size_t i = 0; i < 4; i++)
		for (uint32_t k = 0; k < RING; k++)
			before[i][k] = maps_gen_backend(fx.table.all[i]->ring->gen.slot[k]);
	for (int round = 0; round < 200; round++) {
		struct msg_check_count sum;

		for (uint32_t n = any(20); n; n--)
			spoil();
		sum = run();
		assert_int_equal(sum.failed, 0);
		found += sum.found;
		assert_int_equal(run().found, 0);
		for (size_t i = 0; i < 4; i++) {
			assert_as_wanted(fx.table.all[i]);
			for (uint32_t k = 0; k < RING; k++)
				assert_int_equal(
					maps_gen_backend(fx.table.all[i]->ring->gen.slot[k]),
					before[i][k]);
		}
	}
	assert_true(found > 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing),	TEST(test_vips),	TEST(test_services),
		TEST(test_directories), TEST(test_backends),	TEST(test_numbers),
		TEST(test_gone),	TEST(test_quic_ids),	TEST(test_config),
		TEST(test_rings),	TEST(test_second_ring), TEST(test_kept_ring),
		TEST(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
