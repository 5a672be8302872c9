/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP: the port accepts a connection. Nothing is sent but the handshake and a RST.
 * The context to register it with is the loop.
 */
#ifndef NLB_AGENT_HC_TCP_H
#define NLB_AGENT_HC_TCP_H

#include "hc_kind.h"

extern const struct hc_kind hc_tcp_kind;

#endif
