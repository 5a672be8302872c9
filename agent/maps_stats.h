/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program's counters, summed over the CPUs. */
#ifndef NLB_AGENT_MAPS_STATS_H
#define NLB_AGENT_MAPS_STATS_H

#include <stdint.h>

#include "maps_table.h"
#include "xdp/nlb_shared.h"

/* Sets the counters under one number of nlb_vip_stats and the like to 0. 0 or -errno. */
int maps_stats_clear(int map_fd, uint32_t number);

/* Packets by reason, and events from NLB_EVENT_BASE on. 0 or -errno. */
int maps_stats_reasons(const struct maps_table *t, struct nlb_reasons *ret);

/*
 * Counters of all VIPs, services or backends, by number, in a new array of
 * max_... + 1: one system call however many there are. NULL when out of memory or refused.
 */
struct nlb_counters *maps_stats_all_vips(const struct maps_table *t);
struct nlb_counters *maps_stats_all_services(const struct maps_table *t);
struct nlb_counters *maps_stats_all_backends(const struct maps_table *t);

#endif
