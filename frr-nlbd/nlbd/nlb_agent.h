/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's side of nlbd: the listening socket, which session counts, and the hold-time after
 * its loss. Translates messages into calls of the core (nlb.h) and the core's news into lines.
 */
#ifndef _FRR_NLB_AGENT_H
#define _FRR_NLB_AGENT_H

#include "nlbd/nlb.h"
#include "nlbd/nlb_session.h"

/* A session that is up but not synced when the hold-time ends gets this much longer, once. */
#define NLB_AGENT_SYNC_GRACE_S 30

struct nlb_agent_status {
	bool listening;
	const char *listen_error;	   /* why not; NULL: no error */
	const struct nlb_session *session; /* NULL: no agent */
	bool holding;
	uint32_t hold_left_s; /* while holding */
	uint64_t sessions;    /* accepted hellos */
	uint64_t takeovers;   /* of these, with another session still up */
	uint64_t losses;
	uint64_t refused; /* connections ended before a good hello */
	uint64_t syncs;
	const char *last_error; /* why the last session ended; "": none has */
};

extern void nlb_agent_init(struct nlb *nlb);
extern void nlb_agent_done(void);

/* Follow the configuration: listen, move, or stop and forget the agent. */
extern void nlb_agent_config_changed(void);

/* The core's reports_queued hook. */
extern void nlb_agent_reports_queued(void);

/* The session that counts; NULL: no agent is connected. */
extern struct nlb_session *nlb_agent_session(void);

extern void nlb_agent_status(struct nlb_agent_status *ret_status);

#endif /* _FRR_NLB_AGENT_H */
