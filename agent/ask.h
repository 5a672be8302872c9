/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parent's questions to the live program: where would this packet go? They
 * come from the local API and from nlbd as names and values, go to the
 * maps child as MSG_MAPS_ASK, and its answer becomes JSON.
 */
#ifndef NLB_AGENT_ASK_H
#define NLB_AGENT_ASK_H

#include "jput.h"
#include "loop.h"
#include "msg.h"

#define ASK_WAIT_MS  900u /* for an answer; nlbd waits a second */
#define ASK_OPEN_MAX 64u  /* questions without an answer yet */
#define ASK_ERR_LEN  160

/* A question being put together: src, sport, vip, dport, protocol, established, interface. */
struct ask_form {
	struct msg_ask msg;
	unsigned int seen; /* which fields, by their place */
	char error[ASK_ERR_LEN];
	const char *field; /* that the error is about */
};

/* Takes one field, as text. 0; -ENOENT: no such field; -EINVAL with error and field set. */
int ask_form_set(struct ask_form *f, const char *name, const char *value);

/* Is the question whole? 0, or -EINVAL with error and field set. */
int ask_form_check(struct ask_form *f);

struct asker;

/* One question on its way; a member of whoever asks. Zeroed when there is none. */
struct ask {
	struct ask *next, **link;
	struct asker *asker;
	struct loop_timer timer;
	struct msg_ask msg;
	/* The last thing that happens to it. NULL: no answer came in time. */
	void (*done)(struct ask *a, const struct msg_answer *ans);
};

struct asker {
	struct loop *loop;
	struct ask *open;
	unsigned int n_open;
	uint64_t seq;
	void (*send)(void *user, uint16_t type, const void *data, size_t len);
	void *user;
};

/* Sends the question. 0; -EBUSY: too many are open; -ENOMEM. */
int ask_start(struct asker *k, struct ask *a, const struct msg_ask *msg,
	      void (*done)(struct ask *a, const struct msg_answer *ans));

/* Nobody waits for it any more. Idempotent; done is not called. */
void ask_cancel(struct ask *a);

/* The agent ends: all that are open are done, without an answer. */
void ask_stop(struct asker *k);

/* MSG_MAPS_ANSWER from the maps child. */
void ask_answer(struct asker *k, const struct msg_answer *ans);

/* The answer in words, into an object. Not for one with an error. */
void ask_write(const struct msg_ask *q, const struct msg_answer *ans, struct jput b);

#endif
