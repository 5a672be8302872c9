/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash table of structs that carry their own link. The table owns nothing
 * but its array of chains, and doubles it as it fills.
 */
#ifndef NLB_AGENT_HTAB_H
#define NLB_AGENT_HTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct htab_node {
	struct htab_node *next;
	uint64_t hash;
};

struct htab {
	struct htab_node **chains; /* a power of two of them, or NULL */
	size_t n_chains, n;
};

/* True when node holds what key describes. */
typedef bool htab_eq(const struct htab_node *node, const void *key);

void htab_done(struct htab *t); /* frees the array only */

/* 0 or -ENOMEM. The caller has made sure that the key is not there yet. */
int htab_add(struct htab *t, struct htab_node *node, uint64_t hash);
void htab_del(struct htab *t, struct htab_node *node);
struct htab_node *htab_find(const struct htab *t, uint64_t hash, htab_eq *eq, const void *key);

/* The first one, for emptying a table; NULL when there is none. */
struct htab_node *htab_any(const struct htab *t);

/* Calls fn for each; fn may free the node that it is given, but not add any. */
void htab_each(const struct htab *t, void (*fn)(struct htab_node *node, void *arg), void *arg);

/* FNV-1a, finished so that the low bits are good; `seed` chains several. */
uint64_t htab_hash(const void *data, size_t len, uint64_t seed);

#endif
