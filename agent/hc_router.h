/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The health child with several shards: a thread for each, and this one between
 * them and the parent. Conditions of one target address are always of one shard,
 * so that the cap on probes of a host holds.
 */
#ifndef NLB_AGENT_HC_ROUTER_H
#define NLB_AGENT_HC_ROUTER_H

#include "hc_shard.h"

/*
 * Runs n shards (at least 1) until the parent closes its end of fd, which is taken
 * over. conf is what they have in all. Returns an exit status, or -errno with
 * *ret_what.
 */
int hc_router_run(const struct hc_shard_conf *conf, unsigned int n, int fd, const char **ret_what);

#endif
