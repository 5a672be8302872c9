// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Asking the agent.
 *
 * There is one vty command at a time, so there is one question at a time. An answer is matched
 * by its number: one that comes after its question was given up is dropped. The session may end
 * or be replaced while it is waited on, so it is looked up anew after every wait.
 */

#include <zebra.h>

#include "json.h"

#include "nlbd/nlb_agent.h"
#include "nlbd/nlb_ask.h"

static uint32_t asked; /* number of the last question */
static bool waiting;   /* for its answer */
static struct json_object *answer;

void nlb_ask_answered(uint32_t id, struct json_object *body)
{
	if (!waiting || id != asked)
		return;
	waiting = false;
	answer = json_object_get(body);
}

int nlb_ask(const struct nlb_feed_ask *question, struct json_object **ret_answer)
{
	struct nlb_session *session = nlb_agent_session();
	int64_t left_ms, until = nlb_now_us() + NLB_ASK_WAIT_MS * 1000LL;
	char line[NLB_FEED_OUT_MAX];

	if (!session)
		return -ENOTCONN;
	if (!nlb_session_idle(session))
		return -EBUSY;

	/* 0 is no question's number. */
	asked = asked == UINT32_MAX ? 1 : asked + 1;
	waiting = true;
	answer = NULL;
	nlb_session_put(session, line, nlb_feed_print_ask(line, sizeof(line), asked, question));
	nlb_session_flush(session);

	while (waiting && nlb_agent_session() == session) {
		left_ms = (until - nlb_now_us()) / 1000;
		if (left_ms <= 0)
			break;
		nlb_session_wait(session, left_ms);
	}

	if (waiting) {
		waiting = false;
		return nlb_agent_session() == session ? -ETIMEDOUT : -ENOTCONN;
	}
	*ret_answer = answer;
	answer = NULL;
	return 0;
}
