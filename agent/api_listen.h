/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may connect to the local API; api_listen() itself is in api.h.
 */
#ifndef NLB_AGENT_API_LISTEN_H
#define NLB_AGENT_API_LISTEN_H

#include <stdbool.h>

#include "api.h"

/* By the credentials of the process at the other end; logs a refusal. */
bool api_peer_allowed(int fd, const struct config *cfg);

#endif
