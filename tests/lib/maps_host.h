/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node for tests of the maps child: interfaces in a private namespace, a
 * configuration, and the child itself, forked, with the test as its parent.
 *
 *	struct maps_host h;
 *
 *	maps_host_init(&h);            // namespaces, lb0 (peer: lb1), config
 *	maps_host_start(&h);           // forks maps_main(), waits for READY
 *	maps_host_vip(&h, "192.0.2.1");
 *	maps_host_svc(&h, "192.0.2.1", 80, 7, (const char *[]){"10.0.0.11", NULL});
 *	maps_host_commit(&h);          // waits for COMMITTED; results in h.results
 *	maps_host_kill(&h);            // SIGKILL; maps_host_stop() hangs up instead
 *
 * lb0 is 10.0.0.1/24 and fd00::1/64; 10.0.0.11 ... 10.0.0.19 and fd00::11 ...
 * fd00::19 are permanent neighbours.
 */
#ifndef NLB_TESTS_MAPS_HOST_H
#define NLB_TESTS_MAPS_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "ipc.h"
#include "loop.h"
#include "msg.h"

#define MAPS_HOST_RESULTS 64

struct maps_host {
	struct config cfg;
	struct loop *loop;
	struct ipc *child;
	pid_t pid;
	uint64_t seq;
	uint64_t generation;

	/* What came from the child since the last start or commit. */
	bool ready, committed, closed;
	struct msg_committed done; /* of the last commit */
	struct msg_dataplane dataplane;
	unsigned int n_dataplane;
	size_t n_have;
	struct msg_svc have[MAPS_HOST_RESULTS];
	size_t n_results;
	struct msg_svc_result results[MAPS_HOST_RESULTS];
	/* Answer to maps_host_stats(). */
	bool stats_end;
	size_t n_vip_stats;
	struct msg_stats_vip vip_stats[MAPS_HOST_RESULTS];
	size_t n_svc_stats;
	struct msg_stats_svc svc_stats[MAPS_HOST_RESULTS];
	size_t n_be_stats;
	struct msg_stats_be be_stats[MAPS_HOST_RESULTS];
	uint64_t reasons[64];
	size_t n_reasons, n_events;
	struct msg_stats_reason events[64];
	/* Answer to maps_host_ask() and to maps_host_sample(); samples that came since. */
	bool answered, sampling;
	struct msg_answer answer;
	struct msg_sample_state sample_state;
	unsigned int n_samples;
	struct msg_sample sample; /* the last */
	/* Reports of checks, and of the usage. */
	bool checked, used;
	struct msg_check check;
	struct msg_usage usage;
	/* Answer to maps_host_tunnel(), and what was said about the way. */
	bool tunneled;
	struct msg_tunnel tunnel;
	unsigned int n_tunnel_states;
	struct msg_tunnel_state tunnel_state;
};

/* False: the machine does not allow it, skip. */
bool maps_host_init(struct maps_host *h);

/* Returns when READY is there (or the child hung up: h->ready is false then). */
void maps_host_start(struct maps_host *h);
void maps_host_start_nowait(struct maps_host *h);
void maps_host_kill(struct maps_host *h);

/* Hangs up and waits. Returns the exit status. */
int maps_host_stop(struct maps_host *h);

void maps_host_vip(struct maps_host *h, const char *vip);
void maps_host_vip_del(struct maps_host *h, const char *vip);
void maps_host_svc(struct maps_host *h, const char *vip, uint16_t port, uint32_t ring_size,
		   const char *const *backends);
void maps_host_svc_del(struct maps_host *h, const char *vip, uint16_t port);
void maps_host_commit(struct maps_host *h);
void maps_host_stats(struct maps_host *h);

/* seq is filled in. */
void maps_host_ask(struct maps_host *h, struct msg_ask ask);
void maps_host_sample(struct maps_host *h, struct msg_sample_set set);

/* Has a backend get a mark, and returns it; 0: there is none, h->tunnel.error says why. */
uint32_t maps_host_tunnel(struct maps_host *h, const char *backend);
void maps_host_tunnel_del(struct maps_host *h, const char *backend);

/* The descriptor of a pinned map. */
int maps_host_map_fd(const struct maps_host *h, const char *name);

/* Runs the loop until *flag, at most 10 s. Fails the test otherwise. */
void maps_host_wait(struct maps_host *h, const bool *flag);

/* Runs the loop for some time: for what must not happen. */
void maps_host_linger(struct maps_host *h, unsigned int ms);

/* The latest result for a service; NULL when there is none. */
const struct msg_svc_result *maps_host_result(const struct maps_host *h, const char *vip,
					      uint16_t port);

/* Waits until the latest result for the service has this state. */
void maps_host_wait_state(struct maps_host *h, const char *vip, uint16_t port,
			  enum msg_svc_state state);

#endif
