/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP: one datagram, and an answer to it. The context to register the kind with
 * is a struct hc_socks.
 */
#ifndef NLB_AGENT_HC_UDP_H
#define NLB_AGENT_HC_UDP_H

#include "hc_kind.h"

extern const struct hc_kind hc_udp_kind;

#endif
