/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking the agent where a packet would go, or how a VIP's backends are. A show command is waited for by its user, so the
 * question waits too, for a second at most; other lines of the agent are taken meanwhile as they come.
 */
#ifndef _FRR_NLB_ASK_H
#define _FRR_NLB_ASK_H

#include "nlbd/nlb_feed.h"

#define NLB_ASK_WAIT_MS 1000

/*
 * Returns 0 with the answer, which the caller frees: what the agent says as JSON, of which
 * "error" alone is a refusal. -ENOTCONN: no agent is connected; -EBUSY: it does not read what it
 * is sent; -ETIMEDOUT: it did not answer.
 */
extern int nlb_ask(const struct nlb_feed_ask *question, struct json_object **ret_answer);

/* An answer has come; the one that is waited for is kept. */
extern void nlb_ask_answered(uint32_t id, struct json_object *body);

#endif /* _FRR_NLB_ASK_H */
