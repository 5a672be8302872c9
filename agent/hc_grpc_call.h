/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One call of grpc.health.v1.Health/Check (the gRPC health checking protocol) over HTTP/2 with
 * prior knowledge (RFC 9113, 3.3): bytes in, bytes out, and a verdict. No I/O. The
 * framing is libnghttp2's; what it reads is hostile, and has limits here.
 */
#ifndef NLB_AGENT_HC_GRPC_CALL_H
#define NLB_AGENT_HC_GRPC_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "hc_check.h"
#include "msg.h"

#define HC_GRPC_WIRE_MAX   65536u /* bytes of an answer without a verdict */
#define HC_GRPC_ANSWER_MAX 64u	  /* of the message, with its 5 bytes in front */

struct hc_grpc_call;

/* The call that the check asks for, of a server at `to`. Returns 0 or -ENOMEM. */
int hc_grpc_call_new(const struct hc_check *c, const struct addr *to, struct hc_grpc_call **ret);

/* NULL is legal. */
void hc_grpc_call_free(struct hc_grpc_call *call);

/*
 * What is to be sent next: its length, 0 when there is nothing, -ENOMEM. *ret stays until
 * the next output; it will not be given again.
 */
ssize_t hc_grpc_call_output(struct hc_grpc_call *call, const uint8_t **ret);

/* Takes what has arrived. True when the verdict is known. */
bool hc_grpc_call_input(struct hc_grpc_call *call, const void *data, size_t len);

/* The server closed the connection: sets the verdict. */
void hc_grpc_call_eof(struct hc_grpc_call *call);

/* Is the verdict known? It may be after an output, too: the session has ended itself. */
bool hc_grpc_call_over(const struct hc_grpc_call *call);

/* The verdict, and its detail. */
enum msg_hc_reason hc_grpc_call_verdict(const struct hc_grpc_call *call, uint32_t *ret_detail);

#endif
