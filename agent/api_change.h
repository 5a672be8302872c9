/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many changes of backends as one: read and checked whole, then made. What the
 * requests about one backend, one service and many services have in common.
 *
 * A change is {"address", "admin", ...} about one backend of a service. Of a VIP of
 * the scheduler only "admin" can be changed, as the operator's override, which
 * "admin": null ends. Of a local VIP the backend itself is changed: what is not
 * named stays as it is (null: becomes the default), one that is not there is added, and
 * "remove": true takes it away.
 *
 * Weight and admin of a backend that is there are changed where they stand. All else
 * changes the VIP's configuration, once for all changes of a request.
 */
#ifndef NLB_AGENT_API_CHANGE_H
#define NLB_AGENT_API_CHANGE_H

#include "api_int.h"

struct api_change {
	struct core_backend *be;
	struct addr addr;
	enum model_admin admin;
	uint32_t weight;
	bool has_admin, no_admin; /* "admin": ..., or null */
	bool has_weight;
	bool remove;
	bool has_quic_id;
	const char *quic_id; /* of the document; NULL: none */
};

/* The changes of one service: n from `first` on. */
struct api_change_group {
	struct core_port *port;
	size_t first, n;
	size_t at; /* place in the "services" of the document */
	bool edits;
};

/* ... that has no "services": one list of backends, or one backend alone. */
#define API_CHANGES_LIST SIZE_MAX
#define API_CHANGES_ONE	 (SIZE_MAX - 1)

struct api_changes {
	struct api_request *req;
	struct api_change *list;
	size_t n, room;
	struct api_change_group *groups;
	size_t n_groups, groups_room;
	struct model_vip *edits; /* new configurations; a VIP's mark_at is its place */
	size_t n_edits, edits_room;
	size_t n_changed; /* by api_changes_make() */
};

#define API_CHANGES_INIT(r)                                                                        \
	{                                                                                          \
		.req = (r)                                                                         \
	}

/* More than this in one request are refused: as many as a node can have. */
#define API_CHANGES_MAX (1u << 20)

void api_changes_done(struct api_changes *cs);

/*
 * Reads the changes of one service's backends; `at` is the service's place in the document's
 * "services", for errors. core_mark_next() comes before the first. 0, or -EINVAL after
 * an answer was written: nothing may be made then.
 */
int api_changes_read(struct api_changes *cs, struct core_port *p, struct json_object *arr,
		     size_t at);

/* One change of one backend by itself; else the same. */
int api_changes_read_one(struct api_changes *cs, struct core_port *p, struct json_object *o);

/* After the last: builds and checks what is not changed in place. 0, or -EINVAL as above. */
int api_changes_check(struct api_changes *cs);

/* Makes all of them. 0 or -ENOMEM. */
int api_changes_make(struct api_changes *cs);

#endif
