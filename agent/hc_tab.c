// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Chained hash tables that double when there are more members than slots.
 */
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "hc_tab.h"
#include "util.h"

#define BITS_MIN 6
#define BITS_MAX 24

int hc_tab_init(struct hc_tab *t, uint64_t (*hash)(const struct hc_tab_node *node))
{
	*t = (struct hc_tab){.bits = BITS_MIN, .hash = hash};
	t->slots = calloc((size_t)1 << BITS_MIN, sizeof(struct hc_tab_node *));
	return t->slots ? 0 : -ENOMEM;
}

void hc_tab_done(struct hc_tab *t)
{
	free(t->slots);
	t->slots = NULL;
}

struct hc_tab_node **hc_tab_chain(const struct hc_tab *t, uint64_t hash)
{
	return &t->slots[hash >> (64 - t->bits)];
}

static void link_in(struct hc_tab *t, struct hc_tab_node *node)
{
	struct hc_tab_node **at = hc_tab_chain(t, t->hash(node));

	node->next = *at;
	*at = node;
}

static void grow(struct hc_tab *t)
{
	size_t n = (size_t)1 << t->bits;
	struct hc_tab_node **old = t->slots;
	struct hc_tab_node **slots = calloc(n * 2, sizeof(struct hc_tab_node *));

	if (!slots)
		return;
	t->slots = slots;
	t->bits++;
	for (size_t i = 0; i < n; i++) {
		struct hc_tab_node *node, *next;

		for (node = old[i]; node; node = next) {
			next = node->next;
			link_in(t, node);
		}
	}
	free(old);
}

void hc_tab_add(struct hc_tab *t, struct hc_tab_node *node)
{
	link_in(t, node);
	if (++t->n > (size_t)1 << t->bits && t->bits < BITS_MAX)
		grow(t);
}

void hc_tab_del(struct hc_tab *t, struct hc_tab_node *node)
{
	struct hc_tab_node **at = hc_tab_chain(t, t->hash(node));

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	t->n--;
}

uint64_t hc_tab_hash(const void *data, size_t len)
{
	return XXH3_64bits(data, len);
}
