/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words for why a probe failed, for logs, the API and nlbctl. Any process
 * may use them; there is no state.
 */
#ifndef NLB_AGENT_HC_REASON_H
#define NLB_AGENT_HC_REASON_H

#include <stddef.h>
#include <stdint.h>

#define HC_REASON_LEN 128

/* How the words for MSG_HC_LOCAL begin. */
#define HC_REASON_LOCAL "not probed, this node's own fault: "

/* One lower-case word for an enum msg_hc_reason, "unknown" for any other value. */
const char *hc_reason_str(uint8_t reason);

/*
 * A phrase for people, with the detail: "status 503", "certificate has expired".
 * Cuts to len, always terminates (len >= 1), and returns buf.
 */
const char *hc_reason_format(char *buf, size_t len, uint8_t reason, uint32_t detail);

/* "unknown", "up", "down" for an enum msg_hc_state. */
const char *hc_state_str(uint8_t state);

/* "icmp", "tcp", "http", "https", "udp", "grpc" for an enum msg_hc_type. */
const char *hc_type_str(uint8_t type);

#endif
