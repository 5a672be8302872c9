/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parent sent since its last commit, one operation per VIP and per
 * service: a later one takes the place of an earlier one, so that each
 * service is changed at most once per batch.
 */
#ifndef NLB_AGENT_MAPS_STAGE_H
#define NLB_AGENT_MAPS_STAGE_H

#include <stdbool.h>

#include "hash.h"
#include "maps_table.h"
#include "msg.h"

struct maps_stage_vip {
	UT_hash_handle hh; /* by addr */
	struct addr addr;
	bool del; /* remove it, with all its services, first */
	bool set; /* then (again) have it */
	uint32_t flags;
	uint8_t plen;
};

struct maps_stage_svc {
	UT_hash_handle hh; /* by key */
	struct maps_svc_key key;
	struct msg_svc msg;
	bool del;
	struct maps_member *members; /* msg.n_backends of them */
};

struct maps_stage {
	struct maps_stage_vip *vips;
	struct maps_stage_svc *services;
	/* In the order of arrival; an entry may be NULL. */
	struct maps_stage_vip **vip_ops;
	struct maps_stage_svc **svc_ops;
	size_t n_vips, cap_vips, n_svcs, cap_svcs;
};

void maps_stage_clear(struct maps_stage *s);

/*
 * Takes one frame of the parent's. Returns 0; -EPROTO when the frame is not
 * what its type says (the parent is out of step); -ENOMEM.
 */
int maps_stage_add(struct maps_stage *s, uint16_t type, const void *data, size_t len);

typedef void maps_stage_report(const struct msg_svc *msg, struct maps_svc *svc, int err,
			       const char *reason, void *user);

/*
 * Applies all to the table and clears the stage. Calls report for each
 * service that was to be set: err is 0 or above as from maps_table_svc_set(),
 * and svc the service, or below with svc NULL if it does not exist.
 */
void maps_stage_apply(struct maps_stage *s, struct maps_table *t, maps_stage_report *report,
		      void *user);

#endif
