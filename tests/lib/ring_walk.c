// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading rings through the pinned maps; see ring_walk.h. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "maglev_ref.h"
#include "ring_walk.h"
#include "util.h"

#define HOST 128 /* length of a VIP's prefix that is one address */

/* ---- the maps ---- */

/* Memory of a pinned array, to be read only; how many elements it has. */
static int map_array(struct ring_walk *w, size_t which, const char *dir, const char *name,
		     const void **ret, uint32_t *ret_n)
{
	struct bpf_map_info info = {};
	uint32_t info_len = sizeof(info);
	size_t page = (size_t)sysconf(_SC_PAGESIZE), len;
	_cleanup_close_ int fd = -1;
	char path[512];
	void *at;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &info_len) < 0)
		return -errno;
	len = ((size_t)info.max_entries * info.value_size + page - 1) / page * page;
	at = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	w->memory[which].at = at;
	w->memory[which].len = len;
	*ret = at;
	if (ret_n)
		*ret_n = info.max_entries;
	return 0;
}

int ring_walk_open(struct ring_walk *w, const char *dir)
{
	const struct {
		const char *name;
		const void **at;
		uint32_t *n;
	} maps[RING_WALK_MAPS] = {
		{"nlb_config", (const void **)&w->config, NULL},
		{"nlb_vip_dir", (const void **)&w->vip_dir, NULL},
		{"nlb_svc_dir", (const void **)&w->svc_dir, NULL},
		{"nlb_vips", (const void **)&w->vips, NULL},
		{"nlb_services", (const void **)&w->services, &w->n_services},
		{"nlb_rings", (const void **)&w->slots, &w->n_slots},
		{"nlb_backends", (const void **)&w->backends, &w->n_backends},
	};

	*w = (struct ring_walk){};
	for (size_t i = 0; i < RING_WALK_MAPS; i++) {
		int r = map_array(w, i, dir, maps[i].name, maps[i].at, maps[i].n);

		if (r < 0) {
			ring_walk_done(w);
			return r;
		}
	}
	/* Two slots an element. */
	w->n_slots *= 2;
	return 0;
}

void ring_walk_done(struct ring_walk *w)
{
	for (size_t i = 0; i < RING_WALK_MAPS; i++)
		if (w->memory[i].at)
			munmap(w->memory[i].at, w->memory[i].len);
	*w = (struct ring_walk){};
}

/* ---- finding, as the program does it ---- */

static uint32_t look_up(const struct nlb_bucket *dir, uint32_t mask, uint64_t hash,
			bool (*is)(const struct ring_walk *w, uint32_t number, const void *key),
			const struct ring_walk *w, const void *key)
{
	for (int which = 0; which < 2; which++) {
		const struct nlb_bucket *b = &dir[(which ? hash >> 16 : hash) & mask];

		for (int i = 0; i < NLB_BUCKET_ENTRIES; i++) {
			uint64_t entry = __atomic_load_n(&b->entry[i], __ATOMIC_ACQUIRE);

			if (entry >> 32 == nlb_dir_tag(hash) && is(w, (uint32_t)entry, key))
				return (uint32_t)entry;
		}
	}
	return 0;
}

static bool vip_is(const struct ring_walk *w, uint32_t number, const void *key)
{
	const struct nlb_vip *v = &w->vips[number];

	return memcmp(v->addr, key, sizeof(v->addr)) == 0 && v->plen == HOST;
}

static bool svc_is(const struct ring_walk *w, uint32_t number, const void *key)
{
	return w->services[number].key == *(const uint64_t *)key;
}

uint32_t ring_walk_find(const struct ring_walk *w, const struct addr *vip, uint8_t protocol,
			uint16_t port)
{
	uint64_t word[2], key;
	uint32_t number;

	memcpy(word, vip->b, sizeof(word));
	number = look_up(w->vip_dir, w->config->vip_mask,
			 nlb_dir_vip(be64toh(word[0]), be64toh(word[1]), HOST), vip_is, w, vip->b);
	if (!number)
		return 0;
	key = nlb_svc_key(number, protocol, port);
	return look_up(w->svc_dir, w->config->svc_mask, nlb_dir_svc(key), svc_is, w, &key);
}

/* ---- what is wanted ---- */

static int want_set(struct ring_want *want, const struct ring_set *set)
{
	_cleanup_free_ struct maglev_backend *enabled = calloc(set->n + 1, sizeof(*enabled));
	_cleanup_free_ uint32_t *index = calloc(set->n + 1, sizeof(*index));
	_cleanup_free_ uint32_t *ring = calloc(want->size, sizeof(*ring));
	struct maglev_backend *copy = calloc(set->n + 1, sizeof(*copy));
	size_t n = 0;
	int r;

	want->set[want->n] = (struct ring_set){copy, set->n};
	want->ring[want->n++] = NULL;
	if (!enabled || !index || !ring || !copy)
		return -ENOMEM;
	for (size_t i = 0; i < set->n; i++) {
		copy[i] = set->b[i];
		if (!set->b[i].weight)
			continue;
		index[n] = (uint32_t)i;
		enabled[n++] = set->b[i];
	}
	if (!n)
		return 0;
	r = maglev_ref_build(enabled, n, want->size, ring);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < want->size; i++)
		ring[i] = index[ring[i]];
	want->ring[want->n - 1] = TAKE_PTR(ring);
	return 0;
}

int ring_want_init(struct ring_want *want, uint32_t size, const struct ring_set *sets, size_t n)
{
	*want = (struct ring_want){.size = size};
	for (size_t i = 0; i < n && i < RING_WANT_MAX; i++) {
		int r = want_set(want, &sets[i]);

		if (r < 0) {
			ring_want_done(want);
			return r;
		}
	}
	return n > RING_WANT_MAX ? -E2BIG : 0;
}

void ring_want_done(struct ring_want *want)
{
	for (size_t i = 0; i < want->n; i++) {
		free(want->set[i].b);
		free(want->ring[i]);
	}
	*want = (struct ring_want){};
}

/* ---- walking ---- */

static uint64_t load_word(const struct ring_walk *w, uint32_t service)
{
	return __atomic_load_n((const uint64_t *)&w->services[service].ring, __ATOMIC_ACQUIRE);
}

static bool backend_is(const struct ring_walk *w, uint32_t number, const struct addr *a)
{
	return memcmp(w->backends[number].addr, a->b, sizeof(a->b)) == 0;
}

/* Whether slot i of the ring of a set has this backend. */
static bool slot_fits(const struct ring_walk *w, const struct ring_want *want, size_t set,
		      uint32_t i, uint32_t number)
{
	if (!want->ring[set])
		return number == NLB_BACKEND_NONE;
	return number != NLB_BACKEND_NONE &&
	       backend_is(w, number, &want->set[set].b[want->ring[set][i]].addr);
}

static bool is_member(const struct ring_walk *w, const struct ring_set *set, uint32_t number)
{
	for (size_t i = 0; i < set->n; i++)
		if (number != NLB_BACKEND_NONE && backend_is(w, number, &set->b[i].addr))
			return true;
	return false;
}

/* The second ring's backends are members of the set, draining ones too. */
static enum ring_walk_result match_second(const struct ring_walk *w, struct nlb_ring ring,
					  const struct ring_set *set, struct ring_seen *seen)
{
	const uint32_t *slot = w->slots + ring.base;
	uint64_t second = (uint64_t)ring.base + ((ring.size + 1) & ~1u);

	for (uint32_t i = 0; i < ring.size; i++) {
		uint32_t s = __atomic_load_n(&slot[i], __ATOMIC_RELAXED);

		if ((s & NLB_SLOT_MODE) != NLB_SLOT_RECENT)
			continue;
		seen->slot = i;
		if (second + i >= w->n_slots)
			return RING_WALK_RANGE;
		seen->recent++;
		seen->number = __atomic_load_n(&w->slots[second + i], __ATOMIC_RELAXED);
		if (seen->number >= w->n_backends)
			return RING_WALK_RANGE;
		if (!is_member(w, set, seen->number))
			return RING_WALK_SECOND;
	}
	return RING_WALK_SAME;
}

/* The sets, as bits, of whose rings all slots are. */
static enum ring_walk_result match_slots(const struct ring_walk *w, struct nlb_ring ring,
					 const struct ring_want *want, struct ring_seen *seen)
{
	uint32_t left = (1u << want->n) - 1;

	for (uint32_t i = 0; i < ring.size; i++) {
		uint32_t s = __atomic_load_n(&w->slots[ring.base + i], __ATOMIC_RELAXED);
		uint32_t number = s & NLB_SLOT_BACKEND, fit = 0;

		seen->slot = i;
		seen->number = number;
		if (number >= w->n_backends)
			return RING_WALK_RANGE;
		for (size_t k = 0; k < want->n; k++)
			fit |= (uint32_t)slot_fits(w, want, k, i, number) << k;
		if (!fit)
			return RING_WALK_FOREIGN;
		left &= fit;
		if (!left)
			return RING_WALK_HALF;
	}
	/* Sets may have one ring, if they differ in who drains: any of them will do then. */
	for (size_t k = want->n; k--;) {
		if (!(left & 1u << k))
			continue;
		seen->set = k;
		seen->recent = 0;
		if (match_second(w, ring, &want->set[k], seen) == RING_WALK_SAME)
			return RING_WALK_SAME;
	}
	return RING_WALK_SECOND;
}

enum ring_walk_result ring_walk_match(const struct ring_walk *w, uint32_t service,
				      const struct ring_want *want, struct ring_seen *seen)
{
	union {
		uint64_t word;
		struct nlb_ring ring;
	} u;
	enum ring_walk_result result;

	*seen = (struct ring_seen){};
	if (!service || service >= w->n_services)
		return RING_WALK_RANGE;
	u.word = seen->word = load_word(w, service);
	if (!u.ring.size)
		result = RING_WALK_EMPTY;
	else if (u.ring.size != want->size)
		result = RING_WALK_SIZE;
	else if ((uint64_t)u.ring.base + u.ring.size > w->n_slots)
		result = RING_WALK_RANGE;
	else
		result = match_slots(w, u.ring, want, seen);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return load_word(w, service) == u.word ? result : RING_WALK_CHANGED;
}

const char *ring_walk_str(enum ring_walk_result result)
{
	static const char *const names[] = {
		[RING_WALK_SAME] = "same",
		[RING_WALK_CHANGED] = "changed meanwhile",
		[RING_WALK_EMPTY] = "no ring",
		[RING_WALK_SIZE] = "another size",
		[RING_WALK_HALF] = "half switched",
		[RING_WALK_FOREIGN] = "a foreign backend",
		[RING_WALK_SECOND] = "a foreign backend in the second ring",
		[RING_WALK_RANGE] = "beyond the map",
	};

	return names[result];
}
