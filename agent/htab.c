// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Chained hash table with embedded links. Full hashes are kept in the links,
 * so that growing never asks the user for them and most of a chain is passed
 * over without a comparison.
 */
#include <errno.h>
#include <stdlib.h>

#include "htab.h"

#define HTAB_MIN 64u

void htab_done(struct htab *t)
{
	free(t->chains);
	*t = (struct htab){0};
}

static int htab_grow(struct htab *t)
{
	size_t n = t->n_chains ? t->n_chains * 2 : HTAB_MIN;
	struct htab_node **chains = calloc(n, sizeof(struct htab_node *));

	if (!chains)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_chains; i++) {
		while (t->chains[i]) {
			struct htab_node *node = t->chains[i];

			t->chains[i] = node->next;
			node->next = chains[node->hash & (n - 1)];
			chains[node->hash & (n - 1)] = node;
		}
	}
	free(t->chains);
	t->chains = chains;
	t->n_chains = n;
	return 0;
}

int htab_add(struct htab *t, struct htab_node *node, uint64_t hash)
{
	struct htab_node **chain;

	/* A table that cannot grow any more only gets slower. */
	if (t->n >= t->n_chains && htab_grow(t) < 0 && !t->chains)
		return -ENOMEM;
	chain = &t->chains[hash & (t->n_chains - 1)];
	node->hash = hash;
	node->next = *chain;
	*chain = node;
	t->n++;
	return 0;
}

void htab_del(struct htab *t, struct htab_node *node)
{
	struct htab_node **at;

	if (!t->chains)
		return;
	for (at = &t->chains[node->hash & (t->n_chains - 1)]; *at; at = &(*at)->next) {
		if (*at != node)
			continue;
		*at = node->next;
		node->next = NULL;
		t->n--;
		return;
	}
}

struct htab_node *htab_find(const struct htab *t, uint64_t hash, htab_eq *eq, const void *key)
{
	struct htab_node *node;

	if (!t->chains)
		return NULL;
	for (node = t->chains[hash & (t->n_chains - 1)]; node; node = node->next)
		if (node->hash == hash && eq(node, key))
			return node;
	return NULL;
}

struct htab_node *htab_any(const struct htab *t)
{
	for (size_t i = 0; i < t->n_chains; i++)
		if (t->chains[i])
			return t->chains[i];
	return NULL;
}

void htab_each(const struct htab *t, void (*fn)(struct htab_node *node, void *arg), void *arg)
{
	for (size_t i = 0; i < t->n_chains; i++) {
		struct htab_node *node = t->chains[i], *next;

		for (; node; node = next) {
			next = node->next;
			fn(node, arg);
		}
	}
}

uint64_t htab_hash(const void *data, size_t len, uint64_t seed)
{
	const unsigned char *p = data;
	uint64_t h = seed ^ 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdull;
	h ^= h >> 33;
	return h;
}
