// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hash table of two choices (Pagh and Rodler, "Cuckoo Hashing", 2004) with
 * buckets of four entries, so roomy that an entry hardly ever has to move. When
 * both its buckets are full, the nearest free place is searched breadth first, and the
 * entries on the way there are moved, the last one first.
 *
 * A reader looks into the first bucket, then into the second. An entry that moves
 * is copied; then readers are waited for, because one that had looked into the
 * new place before the copy may be about to look into the old one; then its old
 * place is overwritten.
 */
#include <errno.h>

#include "maps_dir.h"
#include "util.h"

/* Places that a search may look at: four full levels below two buckets are 680. */
#define SEARCH_MAX 700

uint32_t maps_dir_buckets(uint32_t max)
{
	uint32_t n = 2;

	while (n < max && n < 1u << 31)
		n *= 2;
	return n;
}

static uint64_t entry_of(uint64_t hash, uint32_t number)
{
	return (uint64_t)nlb_dir_tag(hash) << 32 | number;
}

static uint32_t bucket_of(const struct maps_dir *d, uint64_t hash, int which)
{
	return (uint32_t)(which ? hash >> 16 : hash) & d->mask;
}

static uint64_t load(const uint64_t *entry)
{
	return __atomic_load_n(entry, __ATOMIC_ACQUIRE);
}

static void store(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

/* The map's element has kernel types. */
static uint64_t *entries(const struct maps_dir *d, uint32_t bucket)
{
	_Static_assert(sizeof(d->buckets->entry[0]) == sizeof(uint64_t), "one word");
	return (uint64_t *)d->buckets[bucket].entry;
}

static uint64_t *find(const struct maps_dir *d, uint64_t hash, uint32_t number)
{
	uint64_t want = entry_of(hash, number);

	for (int which = 0; which < 2; which++) {
		uint64_t *e = entries(d, bucket_of(d, hash, which));

		for (int i = 0; i < NLB_BUCKET_ENTRIES; i++)
			if (load(&e[i]) == want)
				return &e[i];
	}
	return NULL;
}

/* A place that a search came by, and whence. */
struct step {
	uint64_t *place;
	int from; /* index of the step whose entry would move here; -1: the new entry */
};

static bool seen(const struct step *steps, int n, const uint64_t *place)
{
	for (int i = 0; i < n; i++)
		if (steps[i].place == place)
			return true;
	return false;
}

/* Adds the places of a bucket. Returns the index of a free one, or -1. */
static int look(const struct maps_dir *d, struct step *steps, int *n, uint32_t bucket, int from)
{
	uint64_t *e = entries(d, bucket);

	if (*n + NLB_BUCKET_ENTRIES > SEARCH_MAX || seen(steps, *n, e))
		return -1;
	for (int i = 0; i < NLB_BUCKET_ENTRIES; i++) {
		steps[*n] = (struct step){.place = &e[i], .from = from};
		if (!e[i])
			return *n;
		(*n)++;
	}
	return -1;
}

/* Frees a place of the two buckets by moving entries. 0, -ENOSPC or -errno. */
static int make_room(struct maps_dir *d, uint64_t hash, uint64_t **ret)
{
	struct step steps[SEARCH_MAX];
	int n = 0, at;

	at = look(d, steps, &n, bucket_of(d, hash, 0), -1);
	if (at < 0)
		at = look(d, steps, &n, bucket_of(d, hash, 1), -1);
	for (int i = 0; i < n && at < 0; i++) {
		uint64_t moving = d->hash(d->user, (uint32_t)*steps[i].place);

		at = look(d, steps, &n, bucket_of(d, moving, 0), i);
		if (at < 0)
			at = look(d, steps, &n, bucket_of(d, moving, 1), i);
	}
	if (at < 0)
		return -ENOSPC;
	while (steps[at].from >= 0) {
		int from = steps[at].from;
		int r;

		store(steps[at].place, *steps[from].place);
		r = d->settle(d->user);
		if (r < 0) {
			/* Readers may have seen either: both are true. */
			store(steps[at].place, 0);
			return r;
		}
		at = from;
		/* For a moment nothing new is there: the place counts as free. */
		store(steps[at].place, 0);
	}
	*ret = steps[at].place;
	return 0;
}

int maps_dir_insert(struct maps_dir *d, uint64_t hash, uint32_t number)
{
	uint64_t *place;
	int r;

	r = make_room(d, hash, &place);
	if (r < 0)
		return r;
	store(place, entry_of(hash, number));
	return 0;
}

int maps_dir_replace(struct maps_dir *d, uint64_t hash, uint32_t old, uint32_t number)
{
	uint64_t *place = find(d, hash, old);

	if (!place)
		return -ENOENT;
	store(place, entry_of(hash, number));
	return 0;
}

int maps_dir_remove(struct maps_dir *d, uint64_t hash, uint32_t number)
{
	uint64_t *place = find(d, hash, number);

	if (!place)
		return -ENOENT;
	store(place, 0);
	return 0;
}

bool maps_dir_has(const struct maps_dir *d, uint64_t hash, uint32_t number)
{
	return find(d, hash, number) != NULL;
}

uint32_t maps_dir_count(const struct maps_dir *d, uint64_t hash, uint32_t number)
{
	uint32_t first = bucket_of(d, hash, 0), n = 0;
	uint64_t want = entry_of(hash, number);

	for (int which = 0; which < 2; which++) {
		uint32_t bucket = bucket_of(d, hash, which);

		for (int i = 0; i < NLB_BUCKET_ENTRIES; i++)
			if (!(which && bucket == first) && load(&entries(d, bucket)[i]) == want)
				n++;
	}
	return n;
}

void maps_dir_clear(struct maps_dir *d, uint32_t bucket, uint32_t entry)
{
	store(&entries(d, bucket)[entry], 0);
}

bool maps_dir_fits(const struct maps_dir *d, uint32_t bucket, uint64_t entry, uint64_t hash,
		   uint32_t number)
{
	return entry == entry_of(hash, number) &&
	       (bucket == bucket_of(d, hash, 0) || bucket == bucket_of(d, hash, 1));
}

uint32_t maps_dir_filter(struct maps_dir *d,
			 bool (*keep)(void *user, uint32_t bucket, uint64_t entry), void *user)
{
	uint32_t cleared = 0;

	for (uint32_t b = 0; b <= d->mask; b++) {
		uint64_t *e = entries(d, b);

		for (int i = 0; i < NLB_BUCKET_ENTRIES; i++) {
			if (!e[i] || keep(user, b, e[i]))
				continue;
			store(&e[i], 0);
			cleared++;
		}
	}
	return cleared;
}
