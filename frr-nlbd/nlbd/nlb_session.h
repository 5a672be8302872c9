/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection of an agent: bytes in, messages up; lines down, bytes out. Knows the framing and
 * the dead-peer timer, and nothing of VIPs or of other connections.
 */
#ifndef _FRR_NLB_SESSION_H
#define _FRR_NLB_SESSION_H

#include "buffer.h"
#include "frrevent.h"
#include "typesafe.h"

#include "nlbd/nlb_feed.h"

/* A session without a line for this long is lost. The agent's heartbeat is due every second. */
#define NLB_SESSION_DEAD_S 10

struct nlb_session;

struct nlb_session_ops {
	/* A message. NULL: go on; else the session ends with this (static) text as its error. */
	const char *(*message)(struct nlb_session *session, struct nlb_feed_msg *msg);
	/* The output buffer is empty: more may be put. */
	void (*writable)(struct nlb_session *session);
	/* The session has ended by itself and is freed after this call. error: why. */
	void (*ended)(struct nlb_session *session, const char *error);
};

struct nlb_session_stats {
	uint64_t lines;
	uint64_t vips;
	uint64_t gones;
	uint64_t unknown;
	uint64_t heartbeats;
};

PREDECL_DLIST(nlb_sessions);

struct nlb_session {
	struct nlb_sessions_item item; /* the owner's list */
	const struct nlb_session_ops *ops;
	int fd;
	pid_t pid; /* of the peer */
	uid_t uid;

	/* The owner's: after a good hello, and after the end of its first sync. */
	bool greeted;
	bool synced;
	char instance[NLB_FEED_NAME_MAX + 1];
	char node[NLB_FEED_NAME_MAX + 1];
	int64_t since_us; /* monotonic */

	/* Input: rx_len bytes in rx, of which rx_seen hold no newline. */
	char *rx;
	size_t rx_size;
	size_t rx_len;
	size_t rx_seen;

	struct buffer *tx;
	bool tx_empty;
	bool heartbeat_due; /* heartbeat to be answered when tx is empty */
	uint64_t heartbeat_seq;

	struct event *t_read;
	struct event *t_write;
	struct event *t_dead;

	struct nlb_session_stats stats;
};

/* Takes the connected, non-blocking descriptor fd. */
extern struct nlb_session *nlb_session_new(int fd, const struct nlb_session_ops *ops);

/* Close and free; error (may be NULL) is sent to the peer as far as it takes it at once. */
extern void nlb_session_free(struct nlb_session *session, const char *error);

/* Queue a line. Only from ops->message and ops->writable, or while nlb_session_idle(). */
extern void nlb_session_put(struct nlb_session *session, const char *line, size_t len);
extern void nlb_session_flush(struct nlb_session *session);

/* Wait until there is input or output to do, at most so long, and do it. The session may end by it. */
extern void nlb_session_wait(struct nlb_session *session, int timeout_ms);

/* Is the output buffer empty? */
extern bool nlb_session_idle(const struct nlb_session *session);

#endif /* _FRR_NLB_SESSION_H */
