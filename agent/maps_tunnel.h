/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Health checks through the tunnel, as far as they need capabilities: marks that name a
 * backend to the program nlb_tunnel (xdp/nlb_tunnel.bpf.c), and the rules and routes that
 * bring a probe there (maps_tunnel_net.h). They are there while a mark is in use.
 */
#ifndef NLB_AGENT_MAPS_TUNNEL_H
#define NLB_AGENT_MAPS_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "hash.h"
#include "maps_backend.h"
#include "maps_tunnel_net.h"
#include "msg.h"
#include "xdp/nlb_shared.h"

struct nlb_tunnel; /* the skeleton */

/* A backend that has a mark. */
struct maps_tunnel_mark {
	UT_hash_handle hh; /* by addr */
	struct addr addr;
	uint32_t number; /* a reference to it */
};

struct maps_tunnel {
	const struct config *cfg;
	struct maps_backends *backends;
	struct nlb_tunnel *skel; /* NULL: the kernel does not take it, or nothing was opened */
	int load_error;
	struct maps_tunnel_net net;
	bool net_open;
	int sock_fd; /* for questions about interfaces */
	struct maps_tunnel_mark *marks;
	struct maps_tunnel_way way[2]; /* that the family's route has; ifindex 0: there is none */
	bool installed;		       /* there may be rules and routes of ours */
	struct msg_tunnel_state state;
	void (*send)(void *user, uint16_t type, const void *data, size_t len);
	void *user;
};

/*
 * Loads the program onto the maps of b. Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON. A kernel that
 * does not take it is no error: checks through the tunnel are not made then, and say so.
 */
void maps_tunnel_load(struct maps_tunnel *t, const struct maps_bpf *b);

/*
 * After _load. Removes what an earlier agent has left. send: frames to the parent. 0 or
 * -errno; _done is legal either way, and on a zeroed struct.
 */
int maps_tunnel_init(struct maps_tunnel *t, const struct config *cfg,
		     struct maps_backends *backends,
		     void (*send)(void *user, uint16_t type, const void *data, size_t len),
		     void *user);

/* Removes rules and routes: there is nobody any more who would probe. */
void maps_tunnel_done(struct maps_tunnel *t);

/* One frame of the parent's. 0; -ENOENT: it is for somebody else; -EPROTO: it is malformed. */
int maps_tunnel_frame(struct maps_tunnel *t, uint16_t type, const void *data, size_t len);

/*
 * Looks whether rules and routes are there, where marks are in use, and puts back what is not.
 * From time to time, and when interfaces or addresses changed.
 */
void maps_tunnel_check(struct maps_tunnel *t);

/* What the program has counted. 0 or -errno. */
int maps_tunnel_counts(const struct maps_tunnel *t, uint64_t ret[static NLB_T_COUNT]);

#endif
