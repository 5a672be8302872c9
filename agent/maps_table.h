/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is in the maps: VIPs, services, and the rings and backends that they
 * use. All writing to the maps goes through here. Each call leaves the
 * maps in a state that a packet can meet, and when it fails, as they were.
 */
#ifndef NLB_AGENT_MAPS_TABLE_H
#define NLB_AGENT_MAPS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"
#include "maglev.h"
#include "maps_backend.h"
#include "maps_bpf.h"
#include "maps_grace.h"
#include "maps_ring.h"
#include "msg.h"

struct maps_vip {
	UT_hash_handle hh; /* by addr */
	struct addr addr;
	uint32_t number; /* in nlb_vip_stats */
	uint32_t flags;
	struct maps_svc *services;
};

/* How far a service is proven; kept by maps_prove.c. */
struct maps_proof {
	enum msg_svc_state state; /* as last reported */
	char reason[MSG_REASON_LEN];
	uint64_t due_ns;   /* of the next proof */
	uint32_t wait_ms;  /* until then, when it fails again */
	uint32_t failures; /* in a row */
};

struct maps_svc {
	UT_hash_handle hh; /* by key */
	struct nlb_svc_key key;
	struct maps_vip *vip;
	struct maps_svc *next; /* of the same VIP */
	size_t pos;	       /* in maps_table.all */
	uint32_t number;       /* in nlb_ring_of */
	struct nlb_ring ring;
	uint64_t digest;
	uint64_t generation; /* the parent's, of the last SVC_SET that succeeded */
	bool wanted;	     /* there was one; false: adopted only */
	/* What the ring was made of, by address; weight 0: adopted, not known. */
	size_t n_backends;
	struct maglev_backend *backends;
	uint32_t *numbers;
	struct maps_proof proof;
};

struct maps_table {
	struct maps_bpf *bpf;
	struct maps_grace grace;
	struct maps_backends backends;
	struct maps_rings rings;
	struct maps_numbers vip_numbers, svc_numbers;
	struct maps_vip *vips;
	struct maps_svc *services;
	struct maps_svc **all; /* services in no order */
	size_t n_all, cap_all;
	uint64_t hash_epoch; /* in which an element last left one of the hash maps */
};

/*
 * Takes over what the maps hold (nothing, when they are new). What does not
 * fit together is removed from them and logged. Returns 0 or -errno.
 */
int maps_table_init(struct maps_table *t, struct maps_bpf *bpf, struct neigh *neigh);
void maps_table_done(struct maps_table *t);

void maps_table_key(struct nlb_svc_key *ret, const struct addr *vip, uint8_t protocol,
		    uint16_t port);
struct maps_vip *maps_table_vip(const struct maps_table *t, const struct addr *a);
struct maps_svc *maps_table_svc(const struct maps_table *t, const struct nlb_svc_key *key);

/* Creates the VIP or changes its flags. 0, -ENOSPC or -errno. */
int maps_table_vip_set(struct maps_table *t, const struct addr *a, uint32_t flags);

/* Removes the VIP and its services. 0, -ENOENT or -errno. */
int maps_table_vip_del(struct maps_table *t, struct maps_vip *vip);

/*
 * Gives the service exactly these backends (which may be none), in any order.
 * A service that has them already is not touched. Sorts b.
 * Returns 1 when the maps were changed, 0 when they were right already; or
 * -errno, with reason saying what stands in the way, in words.
 */
int maps_table_svc_set(struct maps_table *t, const struct nlb_svc_key *key, uint32_t ring_size,
		       struct maglev_backend *b, size_t n, struct maps_svc **ret,
		       char reason[static MSG_REASON_LEN]);
int maps_table_svc_del(struct maps_table *t, struct maps_svc *svc);

/* For maps_adopt.c. The struct is on the table's lists when it returns 0. */
int maps_table_add_vip(struct maps_table *t, struct maps_vip *vip);
int maps_table_add_svc(struct maps_table *t, struct maps_svc *svc);
int maps_adopt(struct maps_table *t);

#endif
