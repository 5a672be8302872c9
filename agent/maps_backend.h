/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Backends have a number each, the same for all services that use the address:
 * rings and remembered flows hold numbers. Here numbers are given out, counted and taken
 * back, and the entries of nlb_backends and nlb_numbers written.
 */
#ifndef NLB_AGENT_MAPS_BACKEND_H
#define NLB_AGENT_MAPS_BACKEND_H

#include <stdint.h>

#include "addr.h"
#include "hash.h"
#include "maps_bpf.h"
#include "maps_flow.h"
#include "maps_gone.h"
#include "maps_grace.h"
#include "maps_quic.h"

struct maps_hops;

/* A backend of one service. */
struct maps_member {
	struct addr addr;
	uint32_t weight; /* 0: draining */
	struct maps_quic_id quic_id;
	uint32_t number; /* while referenced */
};

struct maps_backend {
	UT_hash_handle hh; /* by addr; while known */
	struct addr addr;
	uint64_t hash;	/* of the address: for digests */
	uint64_t epoch; /* in which the last reference went */
	uint32_t birth; /* so many addresses had the number before */
	uint32_t refs;	/* services that have it; 0: may be given to another address */
	bool known;	/* the entry in nlb_backends is this address */
	uint32_t rests; /* without references: tick since when */
	bool flows;	/* there may be flows of it, and entries of nlb_gone */
	bool queued;
	bool listed; /* in nlb_numbers, or noted for it; and its way is kept (maps_hop.h) */
};

struct maps_backends {
	const struct maps_bpf *bpf;
	struct maps_grace *grace;
	struct maps_hops *hops; /* told which numbers are in use; may be NULL */
	struct maps_flows *flows;
	struct maps_gones *gones;
	struct maps_backend *all; /* [max + 1], by number; 0 is not used */
	uint32_t max;
	uint32_t *queue; /* free numbers, first in, first out */
	uint32_t head, n_queue;
	uint32_t n_used;
	uint32_t *listing; /* [max]: numbers noted for nlb_numbers */
	uint32_t n_listing;
	uint32_t now;		      /* tick; as of the last change or look */
	uint32_t rest_at;	      /* where maps_backends_rest() goes on */
	bool *purge;		      /* [max + 1]: numbers whose flows are being cleared */
	struct maps_backend *by_addr; /* those that are known */
};

/* The address's entry in nlb_backends, without a hop. */
struct nlb_backend maps_backends_entry(const struct addr *a);

/* Knows what is in nlb_backends already. 0 or -ENOMEM. */
int maps_backends_init(struct maps_backends *t, const struct maps_bpf *bpf,
		       struct maps_grace *grace, struct maps_hops *hops, struct maps_flows *flows,
		       struct maps_gones *gones);
void maps_backends_done(struct maps_backends *t);

/* When all that is in the maps is adopted: nlb_numbers has what is used, and no more. 0 or -errno. */
int maps_backends_adopted(struct maps_backends *t);

/*
 * One more reference to the address. Its entry in nlb_backends is written when
 * this returns 0, that in nlb_numbers by maps_backends_write(). -ENOSPC: all numbers are
 * in use; -errno.
 */
int maps_backends_get(struct maps_backends *t, const struct addr *a, uint32_t *ret_number);

/* One more reference to a number found in an adopted ring. 0, or -ENOENT. */
int maps_backends_ref(struct maps_backends *t, uint32_t number);

/*
 * The program may go on using the number until a grace period has passed. Backends that go
 * mostly come back: the number's entries stay until MAPS_BACKEND_REST_TICKS are over, or the
 * number is needed.
 */
#define MAPS_BACKEND_REST_TICKS 14u /* a minute */
void maps_backends_put(struct maps_backends *t, uint32_t number);

/* Brings into nlb_numbers what was noted, by one system call. */
void maps_backends_write(struct maps_backends *t);

/* Lets go of what has rested long enough, looking at up to max numbers. */
void maps_backends_rest(struct maps_backends *t, uint32_t now, uint32_t max);

#endif
