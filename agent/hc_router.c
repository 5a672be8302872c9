// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The router between the parent and the shards. Each shard is a thread at the
 * other end of a channel like the parent's own; frames are passed on as they are.
 * A shard that ends before the parent does takes the process with it.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "hc_router.h"
#include "log.h"
#include "util.h"

#define STATS_MS 1000u

struct router_shard {
	struct router *router;
	struct hc_shard shard;
	struct ipc *ch; /* the router's end */
	pthread_t thread;
	bool running;
	struct hc_shard_stats stats; /* the last it sent */
};

struct router {
	struct loop *loop;
	struct ipc *parent;
	struct loop_timer stats_timer;
	unsigned int n;
	struct router_shard *shards;
};

static void fail(struct router *ro, const char *what, int err)
{
	log_err("health child ends", "what=\"%s\" error=\"%s\"", what, strerror(-err));
	loop_stop(ro->loop, EXIT_FAILURE);
}

/* ---- from the parent ---- */

static void to_shard(struct router *ro, struct router_shard *rs, uint16_t type, const void *data,
		     size_t len)
{
	int r = ipc_send(rs->ch, type, data, len);

	if (r < 0)
		fail(ro, "shard", r);
}

static void parent_frame(struct ipc *ch, uint16_t type, const void *data, size_t len)
{
	struct router *ro = ipc_user(ch);
	const struct msg_hc_cond *m = data;

	if (type == MSG_HC_SET && len >= sizeof(*m)) {
		uint64_t hash = hc_tab_hash(m->target.b, sizeof(m->target.b));

		to_shard(ro, &ro->shards[hash % ro->n], type, data, len);
		return;
	}
	/* Who has it is not known here; the others ignore it. */
	for (unsigned int i = 0; i < ro->n; i++)
		to_shard(ro, &ro->shards[i], type, data, len);
}

static void parent_closed(struct ipc *ch, int err)
{
	struct router *ro = ipc_user(ch);

	if (err < 0)
		fail(ro, "channel", err);
	else
		loop_stop(ro->loop, EXIT_SUCCESS);
}

/* ---- from the shards ---- */

static void shard_frame(struct ipc *ch, uint16_t type, const void *data, size_t len)
{
	struct router_shard *rs = ipc_user(ch);
	struct router *ro = rs->router;
	int r = 0;

	if (type == MSG_HC_SHARD) {
		memcpy(&rs->stats, data, sizeof(rs->stats));
		return;
	}
	r = ipc_send(ro->parent, type, data, len);
	if (r == 0)
		r = ipc_flush(ro->parent);
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		fail(ro, "results", r);
}

static void shard_closed(struct ipc *ch, int err)
{
	struct router_shard *rs = ipc_user(ch);

	fail(rs->router, "a shard has ended", err < 0 ? err : -EPIPE);
}

static void on_stats(struct loop_timer *t)
{
	struct router *ro = container_of(t, struct router, stats_timer);
	struct hc_shard_stats sum = {0};
	int r;

	for (unsigned int i = 0; i < ro->n; i++)
		hc_shard_sum(&sum, &ro->shards[i].stats);
	hc_shard_late(&sum);
	r = ipc_send(ro->parent, MSG_HC_STATS, &sum.stats, sizeof(sum.stats));
	if (r == 0)
		r = loop_timer_in(ro->loop, t, STATS_MS, on_stats);
	if (r < 0)
		fail(ro, "statistics", r);
}

static const struct ipc_ops parent_ops = {
	.frame = parent_frame,
	.closed = parent_closed,
};

static const struct ipc_ops shard_ops = {
	.frame = shard_frame,
	.closed = shard_closed,
};

/* ---- start and end ---- */

static void *shard_thread(void *user)
{
	struct router_shard *rs = user;
	int r = hc_shard_run(&rs->shard);

	if (r < 0)
		log_err("health shard ends", "error=\"%s\"", strerror(-r));
	/* Its end of the channel closes, which is how the router hears of it. */
	hc_shard_done(&rs->shard);
	return NULL;
}

static int shard_start(struct router *ro, struct router_shard *rs, const struct hc_shard_conf *conf,
		       const char **ret_what)
{
	struct hc_shard_conf own = *conf;
	int fds[2], r;

	rs->router = ro;
	own.alone = false;
	own.hc.budget = MAX2(conf->hc.budget / ro->n, 1u);
	if (own.hc.start_rate)
		own.hc.start_rate = MAX2(own.hc.start_rate / ro->n, 1u);
	*ret_what = "channel";
	r = ipc_pair(fds);
	if (r < 0)
		return r;
	r = ipc_new(ro->loop, fds[0], &shard_ops, rs, &rs->ch);
	if (r < 0) {
		close(fds[1]);
		return r;
	}
	r = hc_shard_init(&rs->shard, &own, fds[1], ret_what);
	if (r == 0) {
		*ret_what = "thread";
		r = -pthread_create(&rs->thread, NULL, shard_thread, rs);
	}
	if (r < 0)
		hc_shard_done(&rs->shard);
	else
		rs->running = true;
	return r;
}

static void router_done(struct router *ro)
{
	for (unsigned int i = 0; ro->shards && i < ro->n; i++) {
		ipc_free(ro->shards[i].ch);
		if (ro->shards[i].running)
			pthread_join(ro->shards[i].thread, NULL);
	}
	free(ro->shards);
	ipc_free(ro->parent);
	if (ro->loop)
		loop_timer_del(ro->loop, &ro->stats_timer);
	loop_free(ro->loop);
}

static int router_init(struct router *ro, const struct hc_shard_conf *conf, int fd,
		       const char **ret_what)
{
	int r;

	*ret_what = "event loop";
	r = loop_new(&ro->loop);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_what = "channel";
	r = ipc_new(ro->loop, fd, &parent_ops, ro, &ro->parent);
	if (r < 0)
		return r;
	ro->shards = calloc(ro->n, sizeof(*ro->shards));
	if (!ro->shards)
		return -ENOMEM;
	for (unsigned int i = 0; i < ro->n; i++) {
		r = shard_start(ro, &ro->shards[i], conf, ret_what);
		if (r < 0)
			return r;
	}
	*ret_what = "timer";
	return loop_timer_in(ro->loop, &ro->stats_timer, STATS_MS, on_stats);
}

int hc_router_run(const struct hc_shard_conf *conf, unsigned int n, int fd, const char **ret_what)
{
	struct router ro = {.n = n};
	int r = router_init(&ro, conf, fd, ret_what);

	if (r == 0)
		r = loop_run(ro.loop);
	router_done(&ro);
	return r;
}
