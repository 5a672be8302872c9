/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Server ids of QUIC-LB (nlb_quic_ids): by which the program finds the backend that a
 * connection id names. Which backends a service has is the table's to know.
 */
#ifndef NLB_AGENT_MAPS_QUIC_H
#define NLB_AGENT_MAPS_QUIC_H

#include <stdbool.h>
#include <stdint.h>

#include "maps_grace.h"
#include "xdp/nlb_shared.h"

struct maps_quic {
	int fd;
	struct maps_grace *grace;
	uint32_t n;    /* entries */
	uint64_t left; /* epoch in which an element last left the map */
};

/* A server id as it is configured: right-padded with 0; all 0 is none. */
struct maps_quic_id {
	uint8_t b[NLB_QUIC_ID_MAX];
};

bool maps_quic_id_none(const struct maps_quic_id *id);

/*
 * Such packets go to that backend from now on. Waits for a grace period when something
 * left the map in this one. 0; -E2BIG: the map is full; -errno.
 */
int maps_quic_put(struct maps_quic *q, uint32_t service, uint32_t len,
		  const struct maps_quic_id *id, uint32_t backend);

/* Unless the id is another backend's by now. 0, or -errno: then it stays. */
int maps_quic_del(struct maps_quic *q, uint32_t service, uint32_t len,
		  const struct maps_quic_id *id, uint32_t backend);

/*
 * Calls fn for each entry; the entry is removed when it returns false. Returns how
 * many were, or -errno.
 */
int maps_quic_filter(struct maps_quic *q,
		     bool (*fn)(void *user, const struct nlb_quic_key *key, uint32_t backend),
		     void *user);

#endif
