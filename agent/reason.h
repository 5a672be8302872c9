/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names for people of the numbers in xdp/nlb_shared.h: why a packet left the
 * program, what befell it on its way, and how lately its slot changed.
 */
#ifndef NLB_AGENT_REASON_H
#define NLB_AGENT_REASON_H

#include <stdint.h>

/* Of enum nlb_reason, and of enum nlb_event; "unknown" past the last. */
const char *reason_str(uint32_t reason);
const char *reason_event_str(uint32_t event);

/* Returns 0, or -EINVAL: no reason has this name. */
int reason_parse(const char *name, uint32_t *ret);

/* What became of the packet: "sent", "passed", "dropped", "answered", "sender told". */
const char *reason_verdict_str(uint32_t reason);

/* Mode of a slot, as struct nlb_ask has it: "stable", "recent", "linger". */
const char *reason_mode_str(uint32_t mode);

#endif
