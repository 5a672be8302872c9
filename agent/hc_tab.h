/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hash tables of the health engine: chains, 8 bytes in the struct and 8 to
 * 16 in the table for each member, where uthash takes 56. With 140,000
 * conditions that counts. Whoever looks something up walks the chain.
 */
#ifndef NLB_AGENT_HC_TAB_H
#define NLB_AGENT_HC_TAB_H

#include <stddef.h>
#include <stdint.h>

struct hc_tab_node {
	struct hc_tab_node *next;
};

struct hc_tab {
	struct hc_tab_node **slots;
	unsigned int bits;
	size_t n;
	/* Of the key; all 64 bits must be good. */
	uint64_t (*hash)(const struct hc_tab_node *node);
};

/* Returns 0 or -ENOMEM. */
int hc_tab_init(struct hc_tab *t, uint64_t (*hash)(const struct hc_tab_node *node));

/* The members stay the caller's. Legal on a zeroed table. */
void hc_tab_done(struct hc_tab *t);

/* Where the chain of those begins that may have this hash. */
struct hc_tab_node **hc_tab_chain(const struct hc_tab *t, uint64_t hash);

/* Without memory the table does not grow, and gets slower. */
void hc_tab_add(struct hc_tab *t, struct hc_tab_node *node);
void hc_tab_del(struct hc_tab *t, struct hc_tab_node *node);

/* A hash of bytes (XXH3 of Debian's libxxhash-dev). */
uint64_t hc_tab_hash(const void *data, size_t len);

#endif
