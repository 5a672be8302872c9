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
#include "maps_backend.h"
#include "maps_bpf.h"
#include "maps_config.h"
#include "maps_dir.h"
#include "maps_flow.h"
#include "maps_gone.h"
#include "maps_grace.h"
#include "maps_quic.h"
#include "maps_ring.h"
#include "msg.h"

#define MAPS_PLEN_HOST 128

struct maps_vip {
	UT_hash_handle hh; /* by addr */
	struct addr addr;  /* of a prefix: the first */
	uint8_t plen;	   /* of a 16-byte address; MAPS_PLEN_HOST: one address */
	uint32_t number;
	uint32_t flags; /* those that were asked for: NLB_VIP_F_PASS_UNKNOWN */
	struct maps_svc *services;
	uint32_t wanted_run; /* maps_check.h: the last check in which the parent named it */
};

/* How far a service is proven; kept by maps_prove.c. */
struct maps_proof {
	enum msg_svc_state state; /* as last reported */
	char reason[MSG_REASON_LEN];
	uint64_t due_ns;   /* of the next proof */
	uint32_t wait_ms;  /* until then, when it fails again */
	uint32_t failures; /* in a row */
};

struct maps_svc_key {
	uint8_t vip[16];
	uint8_t port[2]; /* network order; 0: all ports */
	uint8_t protocol;
	uint8_t zero;
};

/* What a service number stands for as long as it is in use. */
struct maps_svc_conf {
	uint32_t flags; /* NLB_SVC_F_* */
	uint8_t quic_config, quic_len;
};

/* A service as it should be. */
struct maps_svc_want {
	struct maps_svc_conf conf;
	uint32_t ring_size;
	size_t n;
	struct maps_member *members; /* in any order; numbers do not count */
};

struct maps_svc {
	UT_hash_handle hh; /* by key */
	struct maps_svc_key key;
	struct maps_svc_conf conf;
	struct maps_vip *vip;
	struct maps_svc *next; /* of the same VIP */
	size_t pos;	       /* in maps_table.all */
	uint32_t number;
	struct maps_ring *ring;	     /* NULL: there is no backend */
	uint64_t digest;	     /* maps_digest() */
	uint64_t generation;	     /* the parent's, of the last SVC_SET that succeeded */
	bool wanted;		     /* there was one; false: adopted only */
	bool weights_known;	     /* false: adopted, and the members are what the ring shows */
	size_t n_members, n_enabled; /* enabled: with a weight */
	struct maps_member *members; /* by address */
	uint32_t flows_until;	     /* tick; whatever its ring is, some may be remembered */
	struct maps_proof proof;
	uint32_t wanted_run; /* as of a VIP */
};

/* The member has a server id by which its service leads to it. */
static inline bool maps_member_has_id(const struct maps_svc_conf *conf, const struct maps_member *m)
{
	return conf->flags & NLB_SVC_F_QUIC && !maps_quic_id_none(&m->quic_id);
}

/* Host order; 0: all ports. */
static inline uint16_t maps_svc_port(const struct maps_svc_key *key)
{
	return (uint16_t)(key->port[0] << 8 | key->port[1]);
}

struct maps_table {
	struct maps_bpf *bpf;
	struct maps_grace grace;
	struct maps_flows flows;
	struct maps_gones gones;
	struct maps_quic quic;
	struct maps_backends backends;
	struct maps_rings rings;
	struct maps_dir vip_dir, svc_dir;
	struct maps_prefixes prefixes;
	struct maps_numbers vip_numbers, svc_numbers;
	struct maps_vip *vips;
	struct maps_svc *services;
	struct maps_vip **vip_of; /* [max_vips + 1], by number; NULL: nobody's */
	struct maps_svc **svc_of; /* [max_services + 1] */
	struct maps_svc **all;	  /* services in no order */
	size_t n_all, cap_all;
	uint32_t check_run; /* number of the last check: what is made meanwhile is wanted */
};

/*
 * Takes over what the maps hold (nothing, when they are new). What does not
 * fit together is removed from them and logged. Returns 0 or -errno.
 */
int maps_table_init(struct maps_table *t, struct maps_bpf *bpf, struct maps_hops *hops);
void maps_table_done(struct maps_table *t);

void maps_table_key(struct maps_svc_key *ret, const struct addr *vip, uint8_t protocol,
		    uint16_t port);
struct maps_vip *maps_table_vip(const struct maps_table *t, const struct addr *a);
struct maps_svc *maps_table_svc(const struct maps_table *t, const struct maps_svc_key *key);

/*
 * Creates the VIP or changes its flags. 0; -EEXIST: it is there with another
 * prefix length; -EINVAL: no prefix; -ENOSPC: no number, no room in the directory, or a prefix
 * length too many; -errno.
 */
int maps_table_vip_set(struct maps_table *t, const struct addr *a, uint8_t plen, uint32_t flags);

/* Removes the VIP and its services. 0 or -errno. */
int maps_table_vip_del(struct maps_table *t, struct maps_vip *vip);

/*
 * Makes the service what is wanted; with no members it has no ring. One
 * that is so already is not touched. Sorts the members.
 * Returns 1 when the program goes by something else than before, else 0; or
 * -errno, with reason saying what stands in the way, in words.
 */
int maps_table_svc_set(struct maps_table *t, const struct maps_svc_key *key,
		       const struct maps_svc_want *want, struct maps_svc **ret,
		       char reason[static MSG_REASON_LEN]);
int maps_table_svc_del(struct maps_table *t, struct maps_svc *svc);

struct maps_svc_op {
	struct maps_svc_key key;
	struct maps_svc_want want;
	/* As maps_table_svc_set() answers; svc is NULL if there is none. */
	struct maps_svc *svc;
	int result;
	char reason[MSG_REASON_LEN];
};

/*
 * Many services, each key once. All that can be done together is; but each service is
 * switched by itself, and one that fails does not keep the others from it.
 */
void maps_table_svc_set_many(struct maps_table *t, struct maps_svc_op *ops, size_t n);

/*
 * What time does: slots of rings age, idle flows are forgotten. To be called about
 * once a second; does a bounded portion.
 */
void maps_table_age(struct maps_table *t, uint64_t now_ns);

/* For maps_adopt.c and maps_table_svc.c. */

/* Lists the struct, whose number is set. 0 or -ENOMEM; then nothing is listed. */
int maps_table_add_vip(struct maps_table *t, struct maps_vip *vip);
int maps_table_add_svc(struct maps_table *t, struct maps_svc *svc);

/* Takes it off all lists and frees it; what it refers to is not touched. */
void maps_table_forget_svc(struct maps_table *t, struct maps_svc *svc);

/* Writes the VIP's flags, its own and those of its services. */
void maps_table_vip_flags(struct maps_table *t, const struct maps_vip *vip);

/* Entries as they should be in nlb_vips and nlb_services. */
struct nlb_vip maps_table_vip_entry(const struct maps_vip *vip);
struct nlb_service maps_table_svc_entry(const struct maps_svc *svc);

/* Points the service to this ring, by one store. */
void maps_table_store_ring(struct maps_table *t, uint32_t number, struct nlb_ring ring);

uint64_t maps_table_vip_hash(const struct nlb_vip *vip);
struct maps_member *maps_table_member(const struct maps_svc *svc, const struct addr *a);
int maps_table_member_cmp(const void *a, const void *b);
int maps_adopt(struct maps_table *t);

#endif
