/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gRPC: the server's own word on its health, or on that of one of its services. In
 * cleartext. The context to register the kind with is a struct hc_socks.
 */
#ifndef NLB_AGENT_HC_GRPC_H
#define NLB_AGENT_HC_GRPC_H

#include "hc_kind.h"

extern const struct hc_kind hc_grpc_kind;

#endif
