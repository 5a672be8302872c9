/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the numbers of the maps stand for: the way back from an answer or a sample. */
#ifndef NLB_AGENT_MAPS_NAMES_H
#define NLB_AGENT_MAPS_NAMES_H

#include "maps_table.h"

/* Each returns false, and leaves *ret alone, when there is none of that number. */
bool maps_names_vip(const struct maps_table *t, uint32_t number, struct addr *ret,
		    uint8_t *ret_plen);
bool maps_names_backend(const struct maps_table *t, uint32_t number, struct addr *ret);

/* The service of an asked flow; port 0: of all ports. */
bool maps_names_svc(const struct maps_table *t, uint32_t number, uint8_t *ret_protocol,
		    uint16_t *ret_port);

/* The interface of a hop; 0 when there is none. */
uint32_t maps_names_hop(const struct maps_table *t, uint32_t number);

#endif
