/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nlb_config in memory shared with the program, written field by field with
 * whole words. Samples are not ours: whoever captures writes those.
 */
#ifndef NLB_AGENT_MAPS_CONFIG_H
#define NLB_AGENT_MAPS_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "maps_bpf.h"

/*
 * Writes what does not change while the agent runs. The secret is made once for
 * pinned maps, and kept: flows are remembered by it. 0 or -errno.
 */
int maps_config_init(struct maps_bpf *b);

/* The same later on: as it should be already. Returns how many fields were not, or -errno. */
int maps_config_repair(struct maps_bpf *b);

/* Writes outer sources (unspecified: none) and flags. True when something changed. */
bool maps_config_sources(struct nlb_config *c, const struct addr *source4,
			 const struct addr *source6, uint32_t flags);

/* Which lengths VIP prefixes have: how many VIPs of each, by family. */
struct maps_prefixes {
	struct nlb_config *config;
	uint32_t n4[129], n6[129];
};

/* False: this prefix would bring one length more of its family than can be. */
bool maps_prefixes_fit(const struct maps_prefixes *p, const struct addr *a, uint8_t plen);

/* One VIP more or less: to be written. */
void maps_prefixes_add(struct maps_prefixes *p, const struct addr *a, uint8_t plen);
void maps_prefixes_remove(struct maps_prefixes *p, const struct addr *a, uint8_t plen);

/*
 * Writes both lists to nlb_config, the longest first, where they are not so already. Returns
 * how many were not.
 */
int maps_prefixes_write(struct maps_prefixes *p);

/* True for the first address of a prefix of that length, and a length that the family has. */
bool maps_prefix_valid(const struct addr *a, uint8_t plen);

#endif
