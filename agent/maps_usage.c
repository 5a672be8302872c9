// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Numbers and ring slots are the table's to know. How many flows are remembered is counted as they
 * are swept (maps_flow.c), so that it is as of the last minute. What a map weighs is told by
 * the kernel, in the map's fdinfo; where it is not (kernels before 5.14 hide it from a process that
 * gave up root), as much as its elements need is reckoned.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "maps_hop.h"
#include "maps_usage.h"
#include "nlb.skel.h"
#include "util.h"

#define WARN_PERCENT   80u
#define ALARM_PERCENT  95u
#define SLACK_PERCENT  5u
#define FRAGMENTS_STEP 256u

const char *maps_usage_kind_str(unsigned int kind)
{
	static const char *const names[] = {
#define NAME(name, text) [MSG_USAGE_##name] = text,
		MSG_USAGE_KINDS(NAME)
#undef NAME
	};

	return kind < ARRAY_SIZE(names) ? names[kind] : "?";
}

/* ---- what is taken ---- */

static void count_taken(const struct maps_table *t, struct msg_usage *u)
{
	const struct config *cfg = t->bpf->cfg;
	const struct maps_hops *hops = t->backends.hops;
	struct msg_usage_count *k = u->kinds, *slots = &k[MSG_USAGE_RING_SLOTS];

	k[MSG_USAGE_VIPS].used = HASH_COUNT(t->vips);
	k[MSG_USAGE_VIPS].max = cfg->max_vips;
	k[MSG_USAGE_SERVICES].used = t->n_all;
	k[MSG_USAGE_SERVICES].max = cfg->max_services;
	k[MSG_USAGE_BACKENDS].used = t->backends.n_used;
	k[MSG_USAGE_BACKENDS].retired = HASH_COUNT(t->backends.by_addr) - t->backends.n_used;
	k[MSG_USAGE_BACKENDS].max = cfg->max_backends;
	slots->retired = (uint64_t)maps_rings_retired(&t->rings) + t->rings.kept_slots;
	slots->used = t->rings.pool.used - MIN2(slots->retired, (uint64_t)t->rings.pool.used);
	slots->max = cfg->ring_slots;
	k[MSG_USAGE_FLOWS].used = t->flows.live;
	k[MSG_USAGE_FLOWS].max = (uint64_t)t->flows.n * NLB_FLOW_WAYS;
	k[MSG_USAGE_HOPS].used = hops ? HASH_COUNT(hops->by_content) : 0;
	k[MSG_USAGE_HOPS].max = cfg->max_backends;
	k[MSG_USAGE_GONE].used = HASH_COUNT(t->gones.all);
	k[MSG_USAGE_GONE].max = t->bpf->max_gone;
	k[MSG_USAGE_QUIC_IDS].used = t->quic.n;
	k[MSG_USAGE_QUIC_IDS].max = cfg->max_backends;
}

/* Entries come and go meanwhile; what was counted when it ends is good enough. */
static uint64_t count_fragments(int fd, uint32_t max)
{
	struct nlb_frag_key keys[FRAGMENTS_STEP];
	struct nlb_frag values[FRAGMENTS_STEP];
	uint32_t cursor = 0;
	uint64_t n = 0;
	bool begun = false;

	while (n <= max) {
		uint32_t count = FRAGMENTS_STEP;
		int r = bpf_map_lookup_batch(fd, begun ? &cursor : NULL, &cursor, keys, values,
					     &count, NULL);

		n += r < 0 && errno != ENOENT ? 0 : count;
		if (r < 0)
			break;
		begun = true;
	}
	return n;
}

/* ---- what it weighs ---- */

static uint64_t reckon(const struct bpf_map *map)
{
	uint64_t value = (bpf_map__value_size(map) + 7u) & ~7u;

	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		value *= (uint64_t)MAX2(libbpf_num_possible_cpus(), 1);
		break;
	case BPF_MAP_TYPE_RINGBUF:
		value = 1;
		break;
	default:
		break;
	}
	return (value + bpf_map__key_size(map)) * bpf_map__max_entries(map);
}

static uint64_t map_bytes(const struct bpf_map *map)
{
	char path[64], line[128];
	uint64_t bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_map__fd(map));
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %" SCNu64, &bytes) == 1)
			break;
	if (f)
		fclose(f);
	return bytes ? bytes : reckon(map);
}

static enum msg_usage_kind kind_of(const char *map)
{
	static const struct {
		const char *map;
		enum msg_usage_kind kind;
	} kinds[] = {
		{"nlb_vip_dir", MSG_USAGE_VIPS},	{"nlb_vips", MSG_USAGE_VIPS},
		{"nlb_vip_stats", MSG_USAGE_VIPS},	{"nlb_svc_dir", MSG_USAGE_SERVICES},
		{"nlb_services", MSG_USAGE_SERVICES},	{"nlb_svc_stats", MSG_USAGE_SERVICES},
		{"nlb_backends", MSG_USAGE_BACKENDS},	{"nlb_be_stats", MSG_USAGE_BACKENDS},
		{"nlb_numbers", MSG_USAGE_BACKENDS},	{"nlb_rings", MSG_USAGE_RING_SLOTS},
		{"nlb_flows", MSG_USAGE_FLOWS},		{"nlb_hops", MSG_USAGE_HOPS},
		{"nlb_gone", MSG_USAGE_GONE},		{"nlb_quic_ids", MSG_USAGE_QUIC_IDS},
		{"nlb_fragments", MSG_USAGE_FRAGMENTS},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(map, kinds[i].map) == 0)
			return kinds[i].kind;
	return MSG_USAGE_OTHER;
}

void maps_usage_memory(uint64_t *ret_rss, uint64_t *ret_shared)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), rss = 0, shared = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%*u %" SCNu64 " %" SCNu64, &rss, &shared) != 2)
		rss = shared = 0;
	if (f)
		fclose(f);
	*ret_rss = rss * page;
	*ret_shared = shared * page;
}

void maps_usage_get(const struct maps_table *t, struct msg_usage *ret)
{
	struct bpf_map *map;

	*ret = (struct msg_usage){.kept = t->rings.keep.bytes};
	count_taken(t, ret);
	ret->kinds[MSG_USAGE_FRAGMENTS].max =
		bpf_map__max_entries(t->bpf->skel->maps.nlb_fragments);
	ret->kinds[MSG_USAGE_FRAGMENTS].used = count_fragments(
		t->bpf->fragments_fd, (uint32_t)ret->kinds[MSG_USAGE_FRAGMENTS].max);
	bpf_object__for_each_map(map, t->bpf->skel->obj)
	{
		ret->kinds[kind_of(bpf_map__name(map))].bytes += map_bytes(map);
	}
	maps_usage_memory(&ret->rss, &ret->shared);
}

/* ---- limits that come near ---- */

uint8_t maps_usage_level(uint64_t used, uint64_t max, uint8_t was)
{
	uint64_t warn = WARN_PERCENT - (was >= 1 ? SLACK_PERCENT : 0);
	uint64_t alarm = ALARM_PERCENT - (was >= 2 ? SLACK_PERCENT : 0);

	if (!max)
		return 0;
	if (used * 100 >= alarm * max)
		return 2;
	return used * 100 >= warn * max ? 1 : 0;
}

void maps_usage_watch(struct maps_usage *u, const struct maps_table *t)
{
	/* A backend has no hop only while there is none of another: that limit cannot be reached. */
	static const enum msg_usage_kind watched[] = {
		MSG_USAGE_VIPS,	 MSG_USAGE_SERVICES, MSG_USAGE_BACKENDS, MSG_USAGE_RING_SLOTS,
		MSG_USAGE_FLOWS, MSG_USAGE_GONE,     MSG_USAGE_QUIC_IDS,
	};
	struct msg_usage now = {};

	count_taken(t, &now);
	for (size_t i = 0; i < ARRAY_SIZE(watched); i++) {
		const struct msg_usage_count *k = &now.kinds[watched[i]];
		uint8_t *was = &u->level[watched[i]];
		uint8_t level = maps_usage_level(k->used, k->max, *was);

		if (level != *was)
			log_event(level > *was ? LOG_WARNING : LOG_NOTICE,
				  level > *was ? "a limit comes near" : "a limit is far again",
				  "what=%s used=%" PRIu64 " of=%" PRIu64 " percent=%" PRIu64,
				  maps_usage_kind_str(watched[i]), k->used, k->max,
				  k->used * 100 / k->max);
		*was = level;
	}
}
