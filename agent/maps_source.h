/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Outer source addresses of the tunnels: what the configuration says, else
 * the first interface's first address.
 */
#ifndef NLB_AGENT_MAPS_SOURCE_H
#define NLB_AGENT_MAPS_SOURCE_H

#include <stdint.h>

#include "addr.h"

struct config;

struct maps_source {
	struct addr addr; /* unspecified: there is none; of a prefix: its first address */
	uint32_t mask;	  /* network order: bits of the last four bytes that flows fill in */
};

struct maps_sources {
	struct maps_source v4, v6;
};

/* Looks at the interface's addresses where the configuration names none. */
void maps_source_get(const struct config *cfg, struct maps_sources *ret);

/* The one to be used where there is no flow to choose by: of a prefix, its first host. */
struct addr maps_source_one(const struct maps_source *s);

#endif
