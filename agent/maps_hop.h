/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owner of nlb_hops, and of the word nlb_backend.hop: for each backend that is
 * in use, what goes in front of its packets. Backends with equal headers
 * share a hop. A backend whose way is not known has hop 0, and the program asks
 * the kernel for each packet.
 */
#ifndef NLB_AGENT_MAPS_HOP_H
#define NLB_AGENT_MAPS_HOP_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "hash.h"
#include "maps_bpf.h"
#include "maps_grace.h"
#include "maps_source.h"

#define MAPS_HOP_TTL 64 /* of outer headers */

struct neigh;
struct neigh_hop_info;

struct maps_hop {
	UT_hash_handle hh; /* by content */
	struct nlb_hop content;
	uint32_t number;
	uint32_t refs; /* backends that have it */
};

struct maps_hop_user {
	UT_hash_handle hh; /* by addr; while wanted */
	struct addr addr;
	bool wanted;
	struct maps_hop *hop; /* whose number is in nlb_backends; NULL: 0 is */
};

struct maps_hops {
	const struct maps_bpf *bpf;
	struct maps_grace *grace;
	struct neigh *neigh;
	struct maps_sources sources;
	uint32_t max;		     /* backends, and hops */
	struct maps_hop_user *users; /* [max + 1], by backend number */
	struct maps_hop_user *by_addr;
	struct maps_hop *by_content;
	struct maps_numbers numbers; /* of hops, free ones */
	bool complained;
};

/*
 * Knows the hops that are in the maps already; they stay in use until the
 * first word about their backends. neigh may be NULL: then nobody is asked for the way.
 * Uses bpf->cfg, bpf->hops and bpf->backends, and from the first maps_hops_want()
 * on grace. Returns 0 or -ENOMEM; then *h needs no _done.
 */
int maps_hops_init(struct maps_hops *h, const struct maps_bpf *bpf, struct maps_grace *grace,
		   struct neigh *neigh);

/* The maps stay as they are. */
void maps_hops_done(struct maps_hops *h);

/*
 * The backend of this number is (no longer) in use. Its entry in nlb_backends
 * is written, and has hop 0 or an adopted one. An address has one number at
 * a time. Idempotent; h may be NULL.
 */
void maps_hops_want(struct maps_hops *h, uint32_t number, const struct addr *a);
void maps_hops_unwant(struct maps_hops *h, uint32_t number, const struct addr *a);

/* neigh_ops.path: the way to an address is this one. Addresses not wanted are passed over. */
void maps_hops_path(struct maps_hops *h, const struct addr *target,
		    const struct neigh_hop_info *info);

/* neigh_ops.settled: adopted hops of backends that nobody wants are let go. */
void maps_hops_settled(struct maps_hops *h);

/*
 * The entry of the backend's hop, and the backend's number of it, are what they should be. 0;
 * 1: they were not, and are now; -errno: they could not be made so.
 */
int maps_hops_repair(struct maps_hops *h, uint32_t number);

/* Outer sources may have changed: looks, and if so writes all hops anew. */
void maps_hops_sources(struct maps_hops *h);

#endif
