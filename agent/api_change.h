/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many changes of backends as one: read and checked whole, then made. What the
 * requests about one backend, one service and many services have in common.
 *
 * A change is {"address", "admin", ...} about one backend of a service. Of a VIP of
 * the scheduler only "admin" can be changed, as the operator's override, which
 * "admin": null ends.
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
	const char *quic_id; /* of the document; NULL: not given */
};

struct api_changes {
	struct api_request *req;
	struct api_change *list;
	size_t n, room;
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
 * Reads the changes of one service's backends out of arr and checks them; `where` is
 * put in front of the field that an error names ("services[3]", or NULL). 0, or
 * -EINVAL after an answer was written: nothing may be made then.
 */
int api_changes_read(struct api_changes *cs, struct core_port *p, struct json_object *arr,
		     const char *where);

/* Makes all of them. 0 or -ENOMEM. */
int api_changes_make(struct api_changes *cs);

#endif
