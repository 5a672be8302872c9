// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A shard: gives an engine a clock, a timer, random numbers and the kinds, and
 * passes frames between it and a channel.
 *
 * A frame that makes no sense, or memory that runs out where a condition or
 * result would be lost, ends it with an error, and the process with it.
 */
#include <string.h>
#include <sys/random.h>

#include "hc_shard.h"
#include "hc_tcp.h"
#include "hc_grpc.h"
#include "hc_udp.h"
#include "log.h"
#include "msg.h"
#include "util.h"

#define STATS_MS   1000u
#define CARE_TURNS 10u /* seconds between looks at what is too much, or too late */

/* While this many events come in a tick, they are served once a tick (loop_pace()). */
#define PACE_US	  4000u
#define PACE_BUSY 8u

/* ---- what the engine asks for ---- */

static uint64_t env_now(void *user _unused_)
{
	return util_now_ns();
}

/* splitmix64 (Steele, Lea, Flood 2014): good enough for phases and jitter. */
static uint64_t env_random(void *user)
{
	struct hc_shard *sh = user;
	uint64_t z = (sh->random_state += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static void on_run(struct loop_timer *t)
{
	hc_run(container_of(t, struct hc_shard, run_timer)->hc);
}

static void env_wake_at(void *user, uint64_t at_ns)
{
	struct hc_shard *sh = user;
	int r;

	/* Never for this very round: sockets get their turn in between. */
	r = loop_timer_at(sh->loop, &sh->run_timer, MAX2(at_ns, loop_now_ns(sh->loop) + 1), on_run);
	if (r < 0) {
		log_err("health timer failed, ending", "error=\"%s\"", strerror(-r));
		loop_stop(sh->loop, EXIT_FAILURE);
	}
}

static void env_results(void *user, const struct msg_hc_result *results, size_t n)
{
	struct hc_shard *sh = user;
	int r;

	r = ipc_send(sh->ch, MSG_HC_RESULT, results, n * sizeof(*results));
	if (r == 0)
		r = ipc_flush(sh->ch);
	/* A parent that has gone is noticed, and dealt with, by the channel itself. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET) {
		log_err("health results lost, ending", "error=\"%s\"", strerror(-r));
		loop_stop(sh->loop, EXIT_FAILURE);
	}
}

/* ---- what the parent sends ---- */

static void fail(struct hc_shard *sh, const char *what, int err)
{
	log_err("health child ends", "what=\"%s\" error=\"%s\"", what, strerror(-err));
	loop_stop(sh->loop, EXIT_FAILURE);
}

static void on_set(struct hc_shard *sh, const void *data, size_t len)
{
	const struct msg_hc_cond *m = data;
	const char *what = NULL;
	struct hc_check *check;
	int r;

	r = hc_check_new(data, len, &check, &what);
	if (r == -EINVAL) {
		/* The parent should not have let it through. It stays UNKNOWN, so nothing is
		 * announced because of it; the other conditions must not suffer. */
		log_err("health condition refused, not probing it", "id=%llu field=%s",
			(unsigned long long)m->id, what);
		hc_del(sh->hc, m->id);
		return;
	}
	if (r == 0)
		r = hc_set(sh->hc, &(struct hc_spec){.id = m->id,
						     .target = &m->target,
						     .mark = m->mark,
						     .initial = m->initial,
						     .check = check});
	if (r < 0)
		fail(sh, "condition", r);
}

static void on_del(struct hc_shard *sh, const void *data, size_t len)
{
	const struct msg_hc_del *m = data;

	if (len != sizeof(*m))
		fail(sh, "deletion", -EPROTO);
	else
		hc_del(sh->hc, m->id);
}

static void on_frame(struct ipc *ch, uint16_t type, const void *data, size_t len)
{
	struct hc_shard *sh = ipc_user(ch);

	switch (type) {
	case MSG_HC_SET:
		on_set(sh, data, len);
		break;
	case MSG_HC_DEL:
		on_del(sh, data, len);
		break;
	default:
		fail(sh, "unknown frame", -EPROTO);
	}
}

static void on_closed(struct ipc *ch, int err)
{
	struct hc_shard *sh = ipc_user(ch);

	if (err < 0)
		fail(sh, "channel", err);
	else
		loop_stop(sh->loop, EXIT_SUCCESS);
}

static const struct ipc_ops channel_ops = {
	.frame = on_frame,
	.closed = on_closed,
};

/* ---- figures ---- */

static void stats_fill(struct hc_shard *sh, struct hc_shard_stats *ret)
{
	const struct hc_stats *st = hc_get_stats(sh->hc);
	const struct hc_icmp_stats *icmp = hc_icmp_get_stats(sh->icmp);

	*ret = (struct hc_shard_stats){
		.stats =
			{
				.started = st->started,
				.extended = st->extended,
				.late = st->late,
				.host_held = st->host_held,
				.icmp_sent = icmp->sent,
				.icmp_matched = icmp->matched,
				.icmp_late = icmp->late,
				.icmp_foreign = icmp->foreign,
				.icmp_bad = icmp->bad,
				.conditions = (uint32_t)st->conditions,
				.flying = (uint32_t)st->flying,
				.waiting = (uint32_t)st->waiting,
				.fds = hc_socks_n(sh->socks),
				.budget = sh->conf.hc.budget,
				.hosts = (uint32_t)st->hosts,
				.shards = 1,
			},
	};
	memcpy(ret->stats.ended, st->ended, sizeof(st->ended));
	hc_late_sum(&ret->late, hc_get_late(sh->hc));
}

void hc_shard_sum(struct hc_shard_stats *sum, const struct hc_shard_stats *from)
{
	struct msg_hc_stats *s = &sum->stats;
	const struct msg_hc_stats *f = &from->stats;

	s->started += f->started;
	for (unsigned int i = 0; i < MSG_HC_REASONS; i++)
		s->ended[i] += f->ended[i];
	s->extended += f->extended;
	s->late += f->late;
	s->host_held += f->host_held;
	s->icmp_sent += f->icmp_sent;
	s->icmp_matched += f->icmp_matched;
	s->icmp_late += f->icmp_late;
	s->icmp_foreign += f->icmp_foreign;
	s->icmp_bad += f->icmp_bad;
	s->conditions += f->conditions;
	s->flying += f->flying;
	s->waiting += f->waiting;
	s->fds += f->fds;
	s->budget += f->budget;
	s->hosts += f->hosts;
	s->shards += f->shards;
	for (unsigned int i = 0; i < HC_LATE_BUCKETS; i++)
		sum->late.n[i] += from->late.n[i];
	sum->late.max_us = MAX2(sum->late.max_us, from->late.max_us);
}

void hc_shard_late(struct hc_shard_stats *sum)
{
	sum->stats.late_p50_us = hc_late_quantile_us(&sum->late, 500);
	sum->stats.late_p99_us = hc_late_quantile_us(&sum->late, 990);
	sum->stats.late_max_us = sum->late.max_us;
}

/* Says so when probes wait for descriptors or for this process, not for each one of them. */
static void log_late(struct hc_shard *sh)
{
	const struct hc_stats *st = hc_get_stats(sh->hc);

	if (st->late > sh->late_seen)
		log_warning("health probes are late",
			    "late=%llu waiting=%zu flying=%zu max_ms=%llu",
			    (unsigned long long)(st->late - sh->late_seen), st->waiting, st->flying,
			    (unsigned long long)(st->late_max_ns / 1000000));
	sh->late_seen = st->late;
}

static void on_stats(struct loop_timer *t)
{
	struct hc_shard *sh = container_of(t, struct hc_shard, stats_timer);
	struct hc_shard_stats stats;
	int r;

	stats_fill(sh, &stats);
	if (sh->conf.alone) {
		hc_shard_late(&stats);
		r = ipc_send(sh->ch, MSG_HC_STATS, &stats.stats, sizeof(stats.stats));
	} else {
		r = ipc_send(sh->ch, MSG_HC_SHARD, &stats, sizeof(stats));
	}
	if (r == 0)
		r = loop_timer_in(sh->loop, t, STATS_MS, on_stats);
	if (r < 0) {
		fail(sh, "statistics", r);
		return;
	}
	if (++sh->seconds % CARE_TURNS)
		return;
	log_late(sh);
	hc_socks_trim(sh->socks);
}

/* ---- start and end ---- */

static int kinds_init(struct hc_shard *sh, const char **ret_what)
{
	int r;

	*ret_what = "ICMP";
	r = hc_icmp_new(sh->loop, &sh->icmp);
	if (r < 0)
		return r;
	*ret_what = "sockets";
	r = hc_socks_new(sh->loop, sh->conf.hc.budget, &sh->socks);
	if (r < 0)
		return r;
	*ret_what = "health ca";
	r = hc_tls_new(sh->conf.cfg->hc_ca, &sh->tls);
	if (r == 0 && sh->conf.cfg->hc_cert[0])
		r = hc_tls_client_cert(sh->tls, sh->conf.cfg->hc_cert, sh->conf.cfg->hc_key,
				       ret_what);
	if (r < 0)
		return r;
	sh->http = (struct hc_http){.socks = sh->socks};
	sh->https = (struct hc_http){.socks = sh->socks, .tls = sh->tls};
	hc_register(sh->hc, MSG_HC_ICMP, &hc_icmp_kind, sh->icmp);
	hc_register(sh->hc, MSG_HC_TCP, &hc_tcp_kind, sh->socks);
	hc_register(sh->hc, MSG_HC_HTTP, &hc_http_kind, &sh->http);
	hc_register(sh->hc, MSG_HC_HTTPS, &hc_https_kind, &sh->https);
	hc_register(sh->hc, MSG_HC_UDP, &hc_udp_kind, sh->socks);
	hc_register(sh->hc, MSG_HC_GRPC, &hc_grpc_kind, sh->socks);
	return 0;
}

int hc_shard_init(struct hc_shard *sh, const struct hc_shard_conf *conf, int fd,
		  const char **ret_what)
{
	struct hc_env env = {
		.now_ns = env_now,
		.random = env_random,
		.wake_at = env_wake_at,
		.results = env_results,
		.user = sh,
	};
	int r;

	*sh = (struct hc_shard){.conf = *conf};
	*ret_what = "event loop";
	if (getrandom(&sh->random_state, sizeof(sh->random_state), 0) < 0)
		r = -errno;
	else
		r = loop_new(&sh->loop);
	if (r < 0) {
		close(fd);
		return r;
	}
	loop_pace(sh->loop, PACE_US, PACE_BUSY);
	*ret_what = "channel";
	r = ipc_new(sh->loop, fd, &channel_ops, sh, &sh->ch);
	if (r < 0)
		return r;
	*ret_what = "engine";
	r = hc_new(&env, &conf->hc, &sh->hc);
	if (r == 0)
		r = kinds_init(sh, ret_what);
	if (r < 0)
		return r;
	*ret_what = "timer";
	return loop_timer_in(sh->loop, &sh->stats_timer, STATS_MS, on_stats);
}

/* The engine first: its probes hold on to the rest. */
void hc_shard_done(struct hc_shard *sh)
{
	hc_free(sh->hc);
	hc_socks_free(sh->socks);
	hc_tls_free(sh->tls);
	hc_icmp_free(sh->icmp);
	ipc_free(sh->ch);
	if (sh->loop) {
		loop_timer_del(sh->loop, &sh->run_timer);
		loop_timer_del(sh->loop, &sh->stats_timer);
	}
	loop_free(sh->loop);
}

int hc_shard_run(struct hc_shard *sh)
{
	return loop_run(sh->loop);
}
