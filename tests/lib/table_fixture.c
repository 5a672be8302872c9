// SPDX-License-Identifier: GPL-2.0-or-later
/* See table_fixture.h. */
#include <bpf/bpf.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "maps_fs.h"
#include "table_fixture.h"
#include "util.h"

#define MEMBERS_MAX 64

void table_fx_open(struct table_fx *fx)
{
	char err[256];

	if (maps_bpf_open(&fx->host.cfg, &fx->bpf, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	assert_int_equal(maps_table_init(&fx->table, &fx->bpf, NULL), 0);
	maps_bpf_set_sources(&fx->bpf);
}

void table_fx_close(struct table_fx *fx)
{
	maps_table_done(&fx->table);
	maps_bpf_done(&fx->bpf);
}

void table_fx_reopen(struct table_fx *fx)
{
	table_fx_close(fx);
	table_fx_open(fx);
	assert_true(fx->bpf.adopted);
}

int table_fx_setup(struct table_fx *fx)
{
	char err[256];

	if (!fx->begun)
		fx->possible = maps_host_init(&fx->host);
	fx->begun = true;
	if (!fx->possible) {
		print_message("needs root, namespaces and bpffs\n");
		return 0;
	}
	/* So little room that places are used again and again. */
	fx->host.cfg.ring_slots = 2000;
	fx->host.cfg.max_backends = 16;
	assert_int_equal(maps_fs_prepare(&fx->host.cfg, err, sizeof(err)), 0);
	table_fx_open(fx);
	return 0;
}

int table_fx_teardown(struct table_fx *fx)
{
	char dir[MAPS_FS_PATH_LEN];

	if (!fx->possible)
		return 0;
	table_fx_close(fx);
	maps_fs_layout_dir(&fx->host.cfg, dir);
	maps_fs_remove_dir(dir);
	return 0;
}

struct addr table_fx_addr(const char *text)
{
	struct addr a = {};

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

struct maps_svc_key table_fx_key(const char *vip, uint16_t port)
{
	struct addr a = table_fx_addr(vip);
	struct maps_svc_key key;

	maps_table_key(&key, &a, IPPROTO_TCP, port);
	return key;
}

void table_fx_vip(struct table_fx *fx, const char *vip)
{
	struct addr a = table_fx_addr(vip);

	assert_int_equal(maps_table_vip_set(&fx->table, &a, MAPS_PLEN_HOST, 0), 0);
}

static struct addr backend(int n)
{
	char text[32];

	snprintf(text, sizeof(text), "10.0.0.%d", n);
	return table_fx_addr(text);
}

static size_t parse(const char *backends, struct maps_member *m)
{
	size_t n = 0;

	while (*backends) {
		char *end;

		assert_true(n < MEMBERS_MAX);
		m[n] = (struct maps_member){.addr = backend((int)strtol(backends, &end, 10)),
					    .weight = 1};
		if (*end == ':')
			m[n].weight = (uint32_t)strtoul(end + 1, &end, 10);
		/* "/HH...": a server id of so many bytes, each given by one digit. */
		if (*end == '/')
			for (int i = 0; *++end && *end != ' '; i++)
				m[n].quic_id.b[i] = (uint8_t)(*end - '0');
		backends = end + strspn(end, " ");
		n++;
	}
	return n;
}

int table_fx_want(struct table_fx *fx, const struct maps_svc_key *key,
		  const struct maps_svc_conf *conf, uint32_t ring_size, const char *backends,
		  struct maps_svc **ret, char reason[static MSG_REASON_LEN])
{
	struct maps_member members[MEMBERS_MAX];
	const struct maps_svc_want want = {
		.conf = *conf,
		.ring_size = ring_size,
		.n = parse(backends, members),
		.members = members,
	};

	return maps_table_svc_set(&fx->table, key, &want, ret, reason);
}

struct maps_svc *table_fx_set(struct table_fx *fx, const char *vip, uint16_t port,
			      uint32_t ring_size, const char *backends, int result)
{
	const struct maps_svc_conf conf = {};
	struct maps_svc_key key = table_fx_key(vip, port);
	char reason[MSG_REASON_LEN];
	struct maps_svc *svc;
	int r = table_fx_want(fx, &key, &conf, ring_size, backends, &svc, reason);

	if (r != result)
		fail_msg("setting %s:%u to %s returns %d: %s", vip, port, backends, r, reason);
	return svc;
}

struct maps_svc *table_fx_svc(struct table_fx *fx, const char *vip, uint16_t port)
{
	struct maps_svc_key key = table_fx_key(vip, port);

	return maps_table_svc(&fx->table, &key);
}

void table_fx_flows(struct maps_svc *svc)
{
	svc->flows_until = UINT32_MAX;
}

uint32_t table_fx_number(struct table_fx *fx, int n)
{
	struct addr a = backend(n);
	uint32_t number;

	return bpf_map_lookup_elem(fx->bpf.numbers_fd, a.b, &number) == 0 ? number : 0;
}

/* ---- as the program does it ---- */

static uint32_t find(const struct nlb_bucket *dir, uint32_t mask, uint64_t hash,
		     bool (*is)(const struct table_fx *fx, uint32_t number, const void *key),
		     const struct table_fx *fx, const void *key)
{
	for (int which = 0; which < 2; which++) {
		const struct nlb_bucket *b = &dir[(which ? hash >> 16 : hash) & mask];

		for (int i = 0; i < NLB_BUCKET_ENTRIES; i++)
			if (b->entry[i] >> 32 == nlb_dir_tag(hash) &&
			    is(fx, (uint32_t)b->entry[i], key))
				return (uint32_t)b->entry[i];
	}
	return 0;
}

static bool vip_is(const struct table_fx *fx, uint32_t number, const void *key)
{
	const struct nlb_vip *a = &fx->bpf.vips[number], *b = key;

	return memcmp(a->addr, b->addr, sizeof(a->addr)) == 0 && a->plen == b->plen;
}

static bool svc_is(const struct table_fx *fx, uint32_t number, const void *key)
{
	return fx->bpf.services[number].key == *(const uint64_t *)key;
}

static uint32_t find_prefix(struct table_fx *fx, const struct addr *a, uint8_t plen)
{
	struct nlb_vip key = {.plen = plen};
	uint64_t word[2];

	for (int bit = 0; bit < plen; bit++)
		key.addr[bit / 8] |= a->b[bit / 8] & (0x80 >> bit % 8);
	memcpy(word, key.addr, sizeof(word));
	return find(fx->bpf.vip_dir, fx->bpf.config->vip_mask,
		    nlb_dir_vip(be64toh(word[0]), be64toh(word[1]), plen), vip_is, fx, &key);
}

uint32_t table_fx_find_vip(struct table_fx *fx, const char *addr)
{
	struct addr a = table_fx_addr(addr);
	const uint8_t *plens =
		addr_is_v4(&a) ? fx->bpf.config->prefixes4 : fx->bpf.config->prefixes6;
	uint32_t number = find_prefix(fx, &a, 128);

	for (int i = 0; !number && i < NLB_PREFIXES_MAX && plens[i]; i++)
		number = find_prefix(fx, &a, plens[i]);
	return number;
}

uint32_t table_fx_find_svc(struct table_fx *fx, const char *addr, uint8_t protocol, uint16_t port)
{
	uint32_t vip = table_fx_find_vip(fx, addr), number;
	uint32_t all = protocol == IPPROTO_TCP ? NLB_VIP_F_ALL_TCP : NLB_VIP_F_ALL_UDP;
	uint64_t key = nlb_svc_key(vip, protocol, port);

	if (!vip)
		return 0;
	number =
		find(fx->bpf.svc_dir, fx->bpf.config->svc_mask, nlb_dir_svc(key), svc_is, fx, &key);
	if (number || !(fx->bpf.vips[vip].flags & all))
		return number;
	key = nlb_svc_key(vip, protocol, 0);
	return find(fx->bpf.svc_dir, fx->bpf.config->svc_mask, nlb_dir_svc(key), svc_is, fx, &key);
}

void table_fx_age(struct table_fx *fx, uint32_t seconds)
{
	maps_table_age(&fx->table, util_now_ns() + seconds * 1000000000ull);
}

uint32_t table_fx_ring_slots(const struct table_fx *fx)
{
	const struct maps_rings *r = &fx->table.rings;

	return r->pool.used - r->kept_slots - maps_rings_retired(r);
}

uint32_t table_fx_count(const struct maps_svc *svc, uint32_t mode)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < svc->ring->place.size; i++)
		n += maps_gen_mode(svc->ring->gen.slot[i]) == mode;
	return n;
}

uint32_t table_fx_gone(struct table_fx *fx)
{
	struct nlb_gone_key key, next;
	uint32_t n = 0;
	int more = bpf_map_get_next_key(fx->bpf.gone_fd, NULL, &next);

	for (; more == 0; n++) {
		key = next;
		more = bpf_map_get_next_key(fx->bpf.gone_fd, &key, &next);
	}
	assert_int_equal(n, HASH_COUNT(fx->table.gones.all));
	return n;
}

bool table_fx_is_gone(struct table_fx *fx, const struct maps_svc *svc, int n)
{
	struct nlb_gone_key key = {.service = svc->number};
	struct addr a = backend(n);
	uint32_t value;

	for (uint32_t i = 1; i <= fx->table.backends.max; i++)
		if (memcmp(fx->bpf.backends[i].addr, a.b, sizeof(a.b)) == 0)
			key.backend = i;
	return bpf_map_lookup_elem(fx->bpf.gone_fd, &key, &value) == 0;
}
