// SPDX-License-Identifier: GPL-2.0-or-later
/* Writing the maps by hand; see nlb_fill.h. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "addr.h"
#include "nlb_fill.h"
#include "util.h"

#define FLOW_IDLE_TICKS 210 /* 900 s */

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "nlb_fill: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* Buckets for n entries: about one entry each. */
static uint32_t buckets(uint32_t n)
{
	uint32_t b = 16;

	while (b < n)
		b *= 2;
	return b;
}

void nlb_fill_sizes(struct nlb *skel, uint32_t n_services, uint32_t n_backends, uint32_t n_slots)
{
	bpf_map__set_max_entries(skel->maps.nlb_vip_dir, buckets(n_services));
	bpf_map__set_max_entries(skel->maps.nlb_svc_dir, buckets(n_services));
	bpf_map__set_max_entries(skel->maps.nlb_vips, n_services + 1);
	bpf_map__set_max_entries(skel->maps.nlb_vip_stats, n_services + 1);
	bpf_map__set_max_entries(skel->maps.nlb_services, n_services + 1);
	bpf_map__set_max_entries(skel->maps.nlb_svc_stats, n_services + 1);
	bpf_map__set_max_entries(skel->maps.nlb_rings, (n_slots + 1) / 2);
	bpf_map__set_max_entries(skel->maps.nlb_backends, n_backends + 1);
	bpf_map__set_max_entries(skel->maps.nlb_be_stats, n_backends + 1);
	bpf_map__set_max_entries(skel->maps.nlb_hops, n_backends + 1);
	bpf_map__set_max_entries(skel->maps.nlb_numbers, n_backends);
	bpf_map__set_max_entries(skel->maps.nlb_flows, 1u << 17);
}

static void *memory(const struct bpf_map *map)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map);
	void *at = mmap(NULL, (size + page - 1) / page * page, PROT_READ | PROT_WRITE, MAP_SHARED,
			bpf_map__fd(map), 0);

	check(at == MAP_FAILED ? -1 : 0, bpf_map__name(map));
	return at;
}

void nlb_fill_init(struct nlb_fill *f, struct nlb *skel)
{
	*f = (struct nlb_fill){.skel = skel};
	f->config = memory(skel->maps.nlb_config);
	f->vip_dir = memory(skel->maps.nlb_vip_dir);
	f->svc_dir = memory(skel->maps.nlb_svc_dir);
	f->vips = memory(skel->maps.nlb_vips);
	f->services = memory(skel->maps.nlb_services);
	f->backends = memory(skel->maps.nlb_backends);
	f->hops = memory(skel->maps.nlb_hops);
	f->slots = memory(skel->maps.nlb_rings);
	f->flows = memory(skel->maps.nlb_flows);
	*f->config = (struct nlb_config){
		.ttl = 64,
		.secret = 0x0123456789abcdefull,
		.flow_idle = FLOW_IDLE_TICKS,
		.vip_mask = bpf_map__max_entries(skel->maps.nlb_vip_dir) - 1,
		.svc_mask = bpf_map__max_entries(skel->maps.nlb_svc_dir) - 1,
		.flow_mask = bpf_map__max_entries(skel->maps.nlb_flows) - 1,
	};
}

void nlb_fill_hop(struct nlb_fill *f, uint32_t number, const struct nlb_hop *hop)
{
	f->hops[number] = *hop;
}

static struct addr addr_of(const char *text)
{
	struct addr a;

	errno = EINVAL;
	check(addr_parse(text, &a), text);
	return a;
}

void nlb_fill_backend(struct nlb_fill *f, uint32_t number, const char *text, uint32_t hop)
{
	struct addr a = addr_of(text);
	struct nlb_backend b = {.hop = hop, .flags = addr_is_v4(&a) ? NLB_BACKEND_F_V4 : 0};

	memcpy(b.addr, a.b, sizeof(b.addr));
	f->backends[number] = b;
	check(bpf_map_update_elem(bpf_map__fd(f->skel->maps.nlb_numbers), a.b, &number, BPF_ANY),
	      "nlb_numbers");
}

static void enter(struct nlb_bucket *dir, uint32_t mask, uint64_t hash, uint32_t number)
{
	uint64_t entry = (uint64_t)nlb_dir_tag(hash) << 32 | number;
	uint32_t at[2] = {(uint32_t)hash & mask, (uint32_t)(hash >> 16) & mask};

	for (int i = 0; i < 2 * NLB_BUCKET_ENTRIES; i++) {
		__u64 *e = &dir[at[i % 2]].entry[i / 2];

		if (*e)
			continue;
		__atomic_store_n(e, entry, __ATOMIC_RELEASE);
		return;
	}
	errno = ENOSPC;
	check(-1, "directory");
}

/* Lengths of prefixes, the longest first. */
static void add_prefix(uint8_t *list, uint8_t plen)
{
	size_t i = 0;

	while (i < NLB_PREFIXES_MAX && list[i] > plen)
		i++;
	if (i < NLB_PREFIXES_MAX && list[i] == plen)
		return;
	errno = ENOSPC;
	check(list[NLB_PREFIXES_MAX - 1] ? -1 : 0, "prefixes");
	memmove(&list[i + 1], &list[i], NLB_PREFIXES_MAX - 1 - i);
	list[i] = plen;
}

uint32_t nlb_fill_vip(struct nlb_fill *f, const char *text, uint8_t plen, uint32_t flags)
{
	struct addr a = addr_of(text);
	uint32_t number = ++f->n_vips;
	uint64_t w[2];

	memcpy(w, a.b, sizeof(w));
	f->vips[number] = (struct nlb_vip){.flags = flags, .plen = plen};
	memcpy(f->vips[number].addr, a.b, sizeof(a.b));
	if (plen != 128)
		add_prefix(addr_is_v4(&a) ? f->config->prefixes4 : f->config->prefixes6, plen);
	enter(f->vip_dir, f->config->vip_mask, nlb_dir_vip(be64toh(w[0]), be64toh(w[1]), plen),
	      number);
	return number;
}

uint32_t nlb_fill_service(struct nlb_fill *f, uint32_t vip, uint8_t protocol, uint16_t port,
			  uint32_t flags)
{
	uint64_t key = nlb_svc_key(vip, protocol, port);
	uint32_t number = ++f->n_services;

	f->services[number] = (struct nlb_service){.key = key, .vip = vip, .flags = flags};
	if (!port)
		f->vips[vip].flags |=
			protocol == IPPROTO_TCP ? NLB_VIP_F_ALL_TCP : NLB_VIP_F_ALL_UDP;
	enter(f->svc_dir, f->config->svc_mask, nlb_dir_svc(key), number);
	return number;
}

struct nlb_ring nlb_fill_ring(struct nlb_fill *f, const uint32_t *slots, const uint32_t *second,
			      uint32_t size)
{
	struct nlb_ring ring = {.base = f->n_slots, .size = size};
	uint32_t even = (size + 1) & ~1u;

	errno = ENOSPC;
	check(f->n_slots + even * (second ? 2 : 1) >
			      2 * bpf_map__max_entries(f->skel->maps.nlb_rings)
		      ? -1
		      : 0,
	      "nlb_rings");
	memcpy(f->slots + ring.base, slots, size * sizeof(*slots));
	f->n_slots += even;
	if (second) {
		memcpy(f->slots + f->n_slots, second, size * sizeof(*second));
		f->n_slots += even;
	}
	return ring;
}

void nlb_fill_switch(struct nlb_fill *f, uint32_t service, struct nlb_ring ring)
{
	uint64_t word;

	memcpy(&word, &ring, sizeof(word));
	__atomic_store_n((uint64_t *)&f->services[service].ring, word, __ATOMIC_RELEASE);
}
