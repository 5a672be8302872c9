/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where would this packet go? The answer to MSG_MAPS_ASK, by the live program. */
#ifndef NLB_AGENT_MAPS_ROUTE_H
#define NLB_AGENT_MAPS_ROUTE_H

#include "maps_attach.h"
#include "maps_table.h"
#include "msg.h"

/* Fills *ret, whatever happens: what cannot be asked is an answer with an error. */
void maps_route_answer(const struct maps_table *t, const struct maps_attach *attach,
		       const struct msg_ask *ask, struct msg_answer *ret);

#endif
