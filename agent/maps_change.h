/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One service on its way to what is wanted of it: the steps of maps_table_svc.c, for
 * maps_table_set.c.
 */
#ifndef NLB_AGENT_MAPS_CHANGE_H
#define NLB_AGENT_MAPS_CHANGE_H

#include "maps_table.h"

/* A new set of members, and what it holds until the service has it; then, what that had. */
struct maps_change {
	const struct maps_svc_key *key;
	struct maps_svc_conf conf;
	struct maps_vip *vip;
	struct maps_svc *old; /* NULL: the service is new */
	struct maps_member *members;
	size_t n, n_held; /* held: so many are referenced */
	struct maps_ring *ring;
	uint32_t number; /* of the service, from maps_change_prepare() on */
	uint32_t now;	 /* tick */
};

/* *ret: of want's configuration what matters. 0; -EINVAL: what is wanted makes no sense. */
int maps_change_check(const struct maps_svc_key *key, const struct maps_svc_want *want,
		      struct maps_svc_conf *ret, char reason[static MSG_REASON_LEN]);

/* True when the service is what is wanted. Members are sorted. */
bool maps_change_none(const struct maps_svc *svc, const struct maps_svc_conf *conf,
		      const struct maps_svc_want *want);

/* Step 1. maps_change_done() is to be called, whatever is returned. 0 or -errno. */
int maps_change_members(struct maps_table *t, struct maps_change *c,
			const struct maps_svc_want *want, char reason[static MSG_REASON_LEN]);

/* What step 2 is to make, if there are members. */
struct maps_ring_want maps_change_ring(const struct maps_table *t, const struct maps_change *c,
				       uint32_t size);

/*
 * Step 3, up to entries of nlb_gone that are noted only: maps_gones_write() comes between this
 * and the next; and after that again. 0, or -errno and nothing is done.
 */
int maps_change_prepare(struct maps_table *t, struct maps_change *c,
			char reason[static MSG_REASON_LEN]);
void maps_change_undo(struct maps_table *t, struct maps_change *c);

/* Step 4. 0; or -errno, and step 3 is undone. Cannot fail for a service that keeps its number. */
int maps_change_apply(struct maps_table *t, struct maps_change *c, struct maps_svc **ret,
		      char reason[static MSG_REASON_LEN]);

/* Step 5. */
void maps_change_done(struct maps_table *t, struct maps_change *c);

/* nlb_service.key. */
uint64_t maps_change_key_word(const struct maps_svc_key *key, const struct maps_vip *vip);

#endif
