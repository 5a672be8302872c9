/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the files that show health over the local API: api_get.c, api_health.c,
 * api_metrics.c.
 */
#ifndef NLB_AGENT_API_HEALTH_H
#define NLB_AGENT_API_HEALTH_H

#include "api_int.h"

struct api_health_counts {
	uint32_t n;
	uint32_t states[MSG_HC_DOWN + 1];
	uint32_t held;
	uint32_t fine;			   /* the last probe succeeded */
	uint32_t failing[MSG_HC_REASONS];  /* by the end of the last probe; OK: or there was none */
	uint32_t failures[MSG_HC_REASONS]; /* by the last failure, long ago or not */
};

/* Over all conditions. */
void api_health_count(const struct core *c, struct api_health_counts *ret);

#endif
