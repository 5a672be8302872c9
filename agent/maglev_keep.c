// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A kept ring is its set, sorted by address, and for each slot the place of the backend in
 * it, as a byte if there are at most 256 backends, else as two. The key is a sum over the
 * set, so that it can be looked up in any order.
 *
 * uthash walks in the order of adding: taking a ring out and adding it again when it is
 * used puts those first that have not been used for longest.
 */
#include <string.h>

#include "maglev_keep.h"
#include "util.h"

#define NARROW_MAX 256u

struct maglev_kept {
	UT_hash_handle hh;
	struct {
		uint64_t set;
		uint32_t n, size;
	} key;
	size_t bytes;
	uint64_t digest;
	struct maglev_backend *set;
	void *places; /* uint8_t or uint16_t, [size] */
};

/* They are compared as bytes. */
_Static_assert(sizeof(struct maglev_backend) == sizeof(struct addr) + sizeof(uint32_t),
	       "no padding");

/* A set in order. */
struct sorted {
	const struct maglev_backend *set;
	struct maglev_backend *own_set; /* NULL: it was in order */
	uint32_t *index;		/* of set[i] in the caller's; NULL: the same */
};

struct indexed {
	struct maglev_backend b;
	uint32_t index;
};

static int indexed_cmp(const void *a, const void *b)
{
	const struct indexed *x = a, *y = b;

	return addr_cmp(&x->b.addr, &y->b.addr);
}

static void sorted_done(struct sorted *s)
{
	free(s->own_set);
	free(s->index);
}

static int sorted_init(struct sorted *s, const struct maglev_backend *b, size_t n)
{
	_cleanup_free_ struct indexed *all = NULL;
	size_t i = 1;

	*s = (struct sorted){.set = b};
	while (i < n && addr_cmp(&b[i - 1].addr, &b[i].addr) < 0)
		i++;
	if (i >= n)
		return 0;
	all = calloc(n, sizeof(*all));
	s->set = s->own_set = calloc(n, sizeof(*s->own_set));
	s->index = calloc(n, sizeof(*s->index));
	if (!all || !s->own_set || !s->index)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		all[i] = (struct indexed){.b = b[i], .index = (uint32_t)i};
	qsort(all, n, sizeof(*all), indexed_cmp);
	for (i = 0; i < n; i++) {
		s->own_set[i] = all[i].b;
		s->index[i] = all[i].index;
	}
	return 0;
}

static uint64_t set_hash(const struct maglev_backend *b, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += maglev_hash(&b[i].addr, b[i].weight);
	return sum;
}

static struct maglev_kept *lookup(const struct maglev_keep *k, const struct maglev_backend *b,
				  size_t n, uint32_t size)
{
	struct maglev_kept like = {}, *kept;

	like.key.set = set_hash(b, n);
	like.key.n = (uint32_t)n;
	like.key.size = size;
	HASH_FIND(hh, k->by_set, &like.key, sizeof(like.key), kept);
	return kept;
}

static void kept_free(struct maglev_kept *kept)
{
	free(kept->set);
	free(kept->places);
	free(kept);
}

static void forget(struct maglev_keep *k, struct maglev_kept *kept)
{
	HASH_DELETE(hh, k->by_set, kept);
	k->bytes -= kept->bytes;
	kept_free(kept);
}

/* As the one used last. */
static void list(struct maglev_keep *k, struct maglev_kept *kept)
{
	kept->hh = (UT_hash_handle){};
	HASH_ADD(hh, k->by_set, key, sizeof(kept->key), kept);
	if (HASH_ADDED(hh, kept)) {
		k->bytes += kept->bytes;
		return;
	}
	kept_free(kept);
}

/* The compiler makes vector instructions of these two (mk/c.mk asks it to). */
static __attribute__((noinline)) void widen8(uint32_t *restrict to, const uint8_t *restrict from,
					     uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		to[i] = from[i];
}

static __attribute__((noinline)) void widen16(uint32_t *restrict to, const uint16_t *restrict from,
					      uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		to[i] = from[i];
}

/* At each place, what the caller wants for it; NULL: the place. */
static void copy_out(const struct maglev_kept *kept, const uint32_t *of_place, uint32_t *ret_slots)
{
	const uint8_t *narrow = kept->places;
	const uint16_t *wide = kept->places;
	bool is_narrow = kept->key.n <= NARROW_MAX;
	uint32_t size = kept->key.size;

	if (!of_place) {
		if (is_narrow)
			widen8(ret_slots, narrow, size);
		else
			widen16(ret_slots, wide, size);
		return;
	}
	for (uint32_t i = 0; i < size; i++)
		ret_slots[i] = of_place[is_narrow ? narrow[i] : wide[i]];
}

/* What the caller wants at each place of the sorted set; *own is to be freed. NULL: the place. */
static const uint32_t *place_values(const struct sorted *s, size_t n, const uint32_t *value,
				    uint32_t **own, int *err)
{
	*err = 0;
	if (!s->index || !value)
		return s->index ? s->index : value;
	*own = malloc(n * sizeof(**own));
	if (!*own) {
		*err = -ENOMEM;
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		(*own)[i] = value[s->index[i]];
	return *own;
}

static void copy_in(struct maglev_kept *kept, const uint32_t *place_of, const uint32_t *slots)
{
	uint8_t *narrow = kept->places;
	uint16_t *wide = kept->places;

	for (uint32_t i = 0; i < kept->key.size; i++) {
		uint32_t place = place_of ? place_of[slots[i]] : slots[i];

		if (kept->key.n <= NARROW_MAX)
			narrow[i] = (uint8_t)place;
		else
			wide[i] = (uint16_t)place;
	}
}

void maglev_keep_init(struct maglev_keep *k, size_t max_bytes)
{
	*k = (struct maglev_keep){.max_bytes = max_bytes};
}

void maglev_keep_done(struct maglev_keep *k)
{
	while (k->by_set)
		forget(k, k->by_set);
	*k = (struct maglev_keep){};
}

bool maglev_keep_find(struct maglev_keep *k, const struct maglev_backend *b, size_t n,
		      uint32_t size, const uint32_t *value, uint32_t *ret_slots,
		      uint64_t *ret_digest)
{
	_cleanup_(sorted_done) struct sorted s = {};
	_cleanup_free_ uint32_t *own = NULL;
	struct maglev_kept *kept = NULL;
	const uint32_t *values;
	int err = 0;

	if (n > 0 && n <= MAGLEV_KEEP_BACKENDS_MAX)
		kept = lookup(k, b, n, size);
	if (kept)
		err = sorted_init(&s, b, n);
	if (!kept || err < 0 || memcmp(s.set, kept->set, n * sizeof(*s.set))) {
		k->missed++;
		return false;
	}
	values = place_values(&s, n, value, &own, &err);
	if (err < 0)
		return false;
	copy_out(kept, values, ret_slots);
	*ret_digest = kept->digest;
	k->found++;
	HASH_DELETE(hh, k->by_set, kept);
	k->bytes -= kept->bytes;
	list(k, kept);
	return true;
}

/* Of a set in order, and not listed yet. place_of: see copy_in(). */
static struct maglev_kept *kept_new(const struct sorted *s, const uint32_t *place_of, uint32_t n,
				    uint32_t size, const uint32_t *slots)
{
	size_t width = n <= NARROW_MAX ? sizeof(uint8_t) : sizeof(uint16_t);
	struct maglev_kept *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return NULL;
	kept->set = calloc(n, sizeof(*kept->set));
	kept->places = calloc(size, width);
	if (!kept->set || !kept->places) {
		kept_free(kept);
		return NULL;
	}
	memcpy(kept->set, s->set, n * sizeof(*kept->set));
	kept->key.set = set_hash(s->set, n);
	kept->key.n = n;
	kept->key.size = size;
	kept->bytes = sizeof(*kept) + n * sizeof(*kept->set) + size * width;
	copy_in(kept, place_of, slots);
	return kept;
}

void maglev_keep_add(struct maglev_keep *k, const struct maglev_backend *b, size_t n, uint32_t size,
		     const uint32_t *slots, uint64_t digest)
{
	_cleanup_(sorted_done) struct sorted s = {};
	_cleanup_free_ uint32_t *place_of = NULL;
	struct maglev_kept *kept, *old;

	if (n == 0 || n > MAGLEV_KEEP_BACKENDS_MAX || sorted_init(&s, b, n) < 0)
		return;
	if (s.index) {
		place_of = calloc(n, sizeof(*place_of));
		if (!place_of)
			return;
		for (uint32_t i = 0; i < n; i++)
			place_of[s.index[i]] = i;
	}
	kept = kept_new(&s, place_of, (uint32_t)n, size, slots);
	if (!kept)
		return;
	kept->digest = digest;
	if (kept->bytes > k->max_bytes) {
		kept_free(kept);
		return;
	}
	old = lookup(k, b, n, size);
	if (old)
		forget(k, old);
	while (k->by_set && k->bytes + kept->bytes > k->max_bytes)
		forget(k, k->by_set);
	list(k, kept);
}

int maglev_keep_build(struct maglev_keep *k, const struct maglev_backend *b, size_t n,
		      uint32_t size, uint32_t *ret_slots)
{
	uint64_t digest;
	int r;

	if (maglev_keep_find(k, b, n, size, NULL, ret_slots, &digest))
		return 0;
	r = maglev_build(b, n, size, ret_slots);
	if (r == 0)
		r = maglev_digest(b, n, size, ret_slots, &digest);
	if (r == 0)
		maglev_keep_add(k, b, n, size, ret_slots, digest);
	return r;
}
