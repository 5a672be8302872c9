/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The session with nlbd: a unix stream socket, one JSON object a line, nlbd
 * listens (docs/agent.md, "The socket to nlbd"). This side connects, and
 * connects again whenever the session ends.
 */
#ifndef NLB_AGENT_FEED_H
#define NLB_AGENT_FEED_H

#include <stdbool.h>
#include <stddef.h>

#include "ask.h"
#include "core.h"
#include "loop.h"

#define FEED_LINE_MAX	  65536u       /* from nlbd */
#define FEED_LINE_OUT_MAX (1u << 20)   /* to nlbd */
#define FEED_QUEUE_MAX	  (256u << 20) /* waiting to be sent; past it the session ends */
#define FEED_HEARTBEAT_MS 1000u
#define FEED_SILENCE_MS	  10000u /* without a line from nlbd */
#define FEED_RETRY_MIN_MS 100u
#define FEED_RETRY_MAX_MS 5000u

struct feed;

struct feed_ops {
	/* nlbd answered our hello; or the session is lost. */
	void (*up)(void *user, bool up);
	void (*route)(void *user, const struct addr *vip, uint8_t plen, enum core_route route,
		      const char *reason);
	/* nlbd asks where a packet would go; feed_answer() with the same id is due. */
	void (*ask)(void *user, uint64_t id, const struct msg_ask *q);
	/* nlbd asks how a VIP's backends are; feed_answer_health() is due. */
	void (*health)(void *user, uint64_t id, const struct addr *vip);
	/* After all lines of one read. */
	void (*burst)(void *user);
};

/* path and node must outlive it. Connects when the loop runs. 0 or -errno. */
int feed_new(struct loop *l, const char *path, const char *node, const struct feed_ops *ops,
	     void *user, struct feed **ret);
void feed_free(struct feed *f);

/* Each queues lines; nothing happens while the session is not up. */
void feed_vip(struct feed *f, const struct core_vip *v);
void feed_gone(struct feed *f, const struct addr *vip, uint8_t plen);
void feed_sync(struct feed *f, struct core *c);
void feed_dataplane(struct feed *f, bool up);

/* Sends what is queued, as far as nlbd takes it, before the loop comes round to it. */
void feed_push(struct feed *f);

/* The answer to ops->ask; error, in words, instead of one: ans is NULL then. */
void feed_answer(struct feed *f, uint64_t id, const struct msg_ask *q, const struct msg_answer *ans,
		 const char *error);

/* The answer to ops->health. */
void feed_answer_health(struct feed *f, uint64_t id, const struct core *c, const struct addr *vip);

bool feed_is_up(const struct feed *f);
/* Why there is no session; "" when there is one. */
const char *feed_error(const struct feed *f);

#endif
