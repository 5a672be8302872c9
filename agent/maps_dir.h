/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Directories: nlb_vip_dir and nlb_svc_dir, from a key's hash to a number
 * (nlb_shared.h says how they are laid out). The program reads them while they
 * are written here; what is present is found at every moment.
 *
 * Nothing here knows keys. Numbers are unique in a directory, and the owner can
 * tell the hash of each number that is in it.
 */
#ifndef NLB_AGENT_MAPS_DIR_H
#define NLB_AGENT_MAPS_DIR_H

#include <stdbool.h>
#include <stdint.h>

#include "xdp/nlb_shared.h"

struct maps_dir {
	struct nlb_bucket *buckets;
	uint32_t mask; /* number of buckets less one; that is a power of two */
	/* The hash of a number that is in the directory. */
	uint64_t (*hash)(const void *user, uint32_t number);
	/* Waits until nobody can be using what was read before the call. 0 or -errno. */
	int (*settle)(void *user);
	void *user;
};

/* Buckets for so many entries: a power of two, one entry a bucket or less. */
uint32_t maps_dir_buckets(uint32_t max);

/*
 * Puts a number in. What the number stands for must be written by then.
 * Returns 0; -ENOSPC: no room in its buckets, nor by moving others; or
 * what settle() returned. What was in there stays in there in any case.
 */
int maps_dir_insert(struct maps_dir *d, uint64_t hash, uint32_t number);

/* Puts `number` in the place of `old`, which has the same hash. 0, or -ENOENT. */
int maps_dir_replace(struct maps_dir *d, uint64_t hash, uint32_t old, uint32_t number);

/* 0, or -ENOENT. Readers may be using the number until they are waited for. */
int maps_dir_remove(struct maps_dir *d, uint64_t hash, uint32_t number);

/* True when the number is where a reader with this hash looks for it. */
bool maps_dir_has(const struct maps_dir *d, uint64_t hash, uint32_t number);

/* How many entries of the hash and number there are where a reader looks: 1, if it is in. */
uint32_t maps_dir_count(const struct maps_dir *d, uint64_t hash, uint32_t number);

/* Clears one entry, whatever it is. */
void maps_dir_clear(struct maps_dir *d, uint32_t bucket, uint32_t entry);

/*
 * For adopting: calls keep() with the tag and number of each entry, and its
 * bucket; the entry stays when it returns true, and is cleared when not.
 * Returns how many were cleared.
 */
uint32_t maps_dir_filter(struct maps_dir *d,
			 bool (*keep)(void *user, uint32_t bucket, uint64_t entry), void *user);

/* True when an entry in this bucket is one of the hash and number. */
bool maps_dir_fits(const struct maps_dir *d, uint32_t bucket, uint64_t entry, uint64_t hash,
		   uint32_t number);

#endif
