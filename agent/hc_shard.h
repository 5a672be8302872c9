/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A shard of the health child: an engine (hc.c) with all its kinds, on a loop of
 * its own. It gets conditions as frames from a channel and answers with results
 * there; whether the parent or the router (hc_router.c) is at the other end is the
 * same to it. Shards share nothing but the process.
 */
#ifndef NLB_AGENT_HC_SHARD_H
#define NLB_AGENT_HC_SHARD_H

#include "config.h"
#include "hc.h"
#include "hc_http.h"
#include "hc_icmp.h"
#include "hc_sock.h"
#include "hc_tls.h"
#include "ipc.h"
#include "loop.h"

struct hc_shard_conf {
	const struct config *cfg;
	struct hc_conf hc;
	bool alone; /* at the other end is the parent, which wants MSG_HC_STATS */
};

/* What a shard tells a router once a second, as MSG_HC_SHARD. */
struct hc_shard_stats {
	struct msg_hc_stats stats; /* without late_* */
	struct hc_late_half late;
};

struct hc_shard {
	struct hc_shard_conf conf;
	struct loop *loop;
	struct ipc *ch;
	struct hc *hc;
	struct hc_icmp *icmp;
	struct hc_socks *socks;
	struct hc_tls *tls;
	struct hc_http http, https;
	struct loop_timer run_timer;
	struct loop_timer stats_timer;
	unsigned int seconds;
	uint64_t late_seen;
	uint64_t random_state;
};

/*
 * Takes fd over, on failure too. Returns 0, or -errno with *ret_what naming what
 * could not be had; hc_shard_done() is due in both cases.
 */
int hc_shard_init(struct hc_shard *sh, const struct hc_shard_conf *conf, int fd,
		  const char **ret_what);
void hc_shard_done(struct hc_shard *sh);

/* Until the other end closes; EXIT_SUCCESS, EXIT_FAILURE or -errno. */
int hc_shard_run(struct hc_shard *sh);

/* Adds a shard's figures to a sum; then hc_shard_late() does its quantiles. */
void hc_shard_sum(struct hc_shard_stats *sum, const struct hc_shard_stats *from);
void hc_shard_late(struct hc_shard_stats *sum);

#endif
