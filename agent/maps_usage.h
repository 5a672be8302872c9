/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much of the maps' room is taken, and what they weigh. The maps child looks once a second,
 * and says in the log when a limit comes near, once: at 80 % and at 95 %.
 */
#ifndef NLB_AGENT_MAPS_USAGE_H
#define NLB_AGENT_MAPS_USAGE_H

#include <stddef.h>
#include <stdint.h>

#include "maps_table.h"
#include "msg.h"

struct maps_usage {
	uint8_t level[MSG_USAGE_COUNT]; /* as last said: 0, 1 (80 %), 2 (95 %) */
};

/* "vips"; for numbers that are no kind, "?". */
const char *maps_usage_kind_str(unsigned int kind);

/*
 * The level for so much of max, after `was`: up at 80 and 95 %, and down 5 % below, so that it does
 * not go to and fro. max 0: there is no limit.
 */
uint8_t maps_usage_level(uint64_t used, uint64_t max, uint8_t was);

/* All of it; seq is the caller's. Reads nlb_fragments, and what the kernel says of each map. */
void maps_usage_get(const struct maps_table *t, struct msg_usage *ret);

/* Looks at what has a limit of the configuration's, and logs where a level changed. */
void maps_usage_watch(struct maps_usage *u, const struct maps_table *t);

/* Memory of this process in bytes, and how much of it is shared; 0: not known. */
void maps_usage_memory(uint64_t *ret_rss, uint64_t *ret_shared);

#endif
