// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The health child: a process with CAP_NET_RAW and nothing else, because it is
 * the one that reads what backends send. It gives the engine (hc.c) a clock, a
 * timer and the kinds, and passes frames between it and the parent.
 *
 * It ends when the parent's end of the channel is closed; without a parent
 * there is nobody to tell. A frame that makes no sense, or memory that runs out
 * where a condition or result would be lost, ends it with an error: the parent
 * then ends too, and both start again from what is on disk and in the kernel.
 */
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "hc.h"
#include "hc_http.h"
#include "hc_icmp.h"
#include "hc_tcp.h"
#include "hc_tls.h"
#include "ipc.h"
#include "log.h"
#include "loop.h"
#include "msg.h"
#include "privs.h"
#include "proc.h"
#include "util.h"

/* Left for the channel, epoll, the ICMP sockets, standard error and a library's moment. */
#define FDS_KEPT      32u
#define LATE_CHECK_MS 10000u

struct hc_proc {
	struct loop *loop;
	struct ipc *ch;
	struct hc *hc;
	struct hc_icmp *icmp;
	struct hc_socks *socks;
	struct hc_tls *tls;
	struct hc_http http, https;
	struct loop_timer run_timer;
	struct loop_timer late_timer;
	uint64_t late_seen;
	uint64_t random_state;
};

/* ---- what the engine asks for ---- */

static uint64_t env_now(void *user _unused_)
{
	return util_now_ns();
}

/* splitmix64 (Steele, Lea, Flood 2014): good enough for phases and jitter. */
static uint64_t env_random(void *user)
{
	struct hc_proc *pr = user;
	uint64_t z = (pr->random_state += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static void on_run(struct loop_timer *t)
{
	hc_run(container_of(t, struct hc_proc, run_timer)->hc);
}

static void env_wake_at(void *user, uint64_t at_ns)
{
	struct hc_proc *pr = user;
	int r;

	/* Never for this very round: sockets get their turn in between. */
	r = loop_timer_at(pr->loop, &pr->run_timer, MAX2(at_ns, loop_now_ns(pr->loop) + 1), on_run);
	if (r < 0) {
		log_err("health timer failed, ending", "error=\"%s\"", strerror(-r));
		loop_stop(pr->loop, EXIT_FAILURE);
	}
}

static void env_results(void *user, const struct msg_hc_result *results, size_t n)
{
	struct hc_proc *pr = user;
	int r;

	r = ipc_send(pr->ch, MSG_HC_RESULT, results, n * sizeof(*results));
	if (r == 0)
		r = ipc_flush(pr->ch);
	/* A parent that has gone is noticed, and dealt with, by the channel itself. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET) {
		log_err("health results lost, ending", "error=\"%s\"", strerror(-r));
		loop_stop(pr->loop, EXIT_FAILURE);
	}
}

/* ---- what the parent sends ---- */

static void fail(struct hc_proc *pr, const char *what, int err)
{
	log_err("health child ends", "what=\"%s\" error=\"%s\"", what, strerror(-err));
	loop_stop(pr->loop, EXIT_FAILURE);
}

static void on_set(struct hc_proc *pr, const void *data, size_t len)
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
		hc_del(pr->hc, m->id);
		return;
	}
	if (r == 0)
		r = hc_set(pr->hc, &(struct hc_spec){.id = m->id,
						     .target = &m->target,
						     .mark = m->mark,
						     .initial = m->initial,
						     .check = check});
	if (r < 0)
		fail(pr, "condition", r);
}

static void on_del(struct hc_proc *pr, const void *data, size_t len)
{
	const struct msg_hc_del *m = data;

	if (len != sizeof(*m))
		fail(pr, "deletion", -EPROTO);
	else
		hc_del(pr->hc, m->id);
}

static void on_frame(struct ipc *ch, uint16_t type, const void *data, size_t len)
{
	struct hc_proc *pr = ipc_user(ch);

	switch (type) {
	case MSG_HC_SET:
		on_set(pr, data, len);
		break;
	case MSG_HC_DEL:
		on_del(pr, data, len);
		break;
	default:
		fail(pr, "unknown frame", -EPROTO);
	}
}

static void on_closed(struct ipc *ch, int err)
{
	struct hc_proc *pr = ipc_user(ch);

	if (err < 0)
		fail(pr, "channel", err);
	else
		loop_stop(pr->loop, EXIT_SUCCESS);
}

static const struct ipc_ops channel_ops = {
	.frame = on_frame,
	.closed = on_closed,
};

/* Says so when probes wait for descriptors or for this process, not for each one of them. */
static void on_late_check(struct loop_timer *t)
{
	struct hc_proc *pr = container_of(t, struct hc_proc, late_timer);
	const struct hc_stats *st = hc_get_stats(pr->hc);

	if (st->late > pr->late_seen)
		log_warning("health probes are late",
			    "late=%llu waiting=%zu flying=%zu max_ms=%llu",
			    (unsigned long long)(st->late - pr->late_seen), st->waiting, st->flying,
			    (unsigned long long)(st->late_max_ns / 1000000));
	pr->late_seen = st->late;
	if (loop_timer_in(pr->loop, t, LATE_CHECK_MS, on_late_check) < 0)
		fail(pr, "timer", -ENOMEM);
}

/* ---- start and end ---- */

/* As many descriptors as the system lets us have; returns how many probes may hold. */
static unsigned int raise_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return 1;
	if (lim.rlim_cur < lim.rlim_max) {
		rlim_t before = lim.rlim_cur;

		lim.rlim_cur = lim.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
			lim.rlim_cur = before;
	}
	return lim.rlim_cur > FDS_KEPT * 2
		       ? (unsigned int)MIN2(lim.rlim_cur - FDS_KEPT, (rlim_t)1 << 20)
		       : FDS_KEPT;
}

static int proc_init(struct hc_proc *pr, const struct config *cfg, int fd, const char **ret_what)
{
	struct hc_env env = {
		.now_ns = env_now,
		.random = env_random,
		.wake_at = env_wake_at,
		.results = env_results,
		.user = pr,
	};
	unsigned int budget = raise_limit();
	struct hc_conf conf = {.budget = budget, .start_rate = 20000};
	int r;

	*ret_what = "event loop";
	if (getrandom(&pr->random_state, sizeof(pr->random_state), 0) < 0)
		r = -errno;
	else
		r = loop_new(&pr->loop);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_what = "channel";
	r = ipc_new(pr->loop, fd, &channel_ops, pr, &pr->ch);
	if (r < 0)
		return r;
	*ret_what = "engine";
	r = hc_new(&env, &conf, &pr->hc);
	if (r < 0)
		return r;
	*ret_what = "ICMP";
	r = hc_icmp_new(pr->loop, &pr->icmp);
	if (r < 0)
		return r;
	*ret_what = "sockets";
	r = hc_socks_new(pr->loop, budget, &pr->socks);
	if (r < 0)
		return r;
	*ret_what = "health ca";
	r = hc_tls_new(cfg->hc_ca, &pr->tls);
	if (r < 0)
		return r;
	pr->http = (struct hc_http){.socks = pr->socks};
	pr->https = (struct hc_http){.socks = pr->socks, .tls = pr->tls};
	hc_register(pr->hc, MSG_HC_ICMP, &hc_icmp_kind, pr->icmp);
	hc_register(pr->hc, MSG_HC_TCP, &hc_tcp_kind, pr->socks);
	hc_register(pr->hc, MSG_HC_HTTP, &hc_http_kind, &pr->http);
	hc_register(pr->hc, MSG_HC_HTTPS, &hc_https_kind, &pr->https);
	*ret_what = "timer";
	r = loop_timer_in(pr->loop, &pr->late_timer, LATE_CHECK_MS, on_late_check);
	if (r < 0)
		return r;
	log_info("health child is up", "budget=%u icmp=%d icmp6=%d", budget,
		 hc_icmp_usable(pr->icmp, false) == 0, hc_icmp_usable(pr->icmp, true) == 0);
	return 0;
}

/* The engine first: its probes hold on to the rest. */
static void proc_done(struct hc_proc *pr)
{
	hc_free(pr->hc);
	hc_socks_free(pr->socks);
	hc_tls_free(pr->tls);
	hc_icmp_free(pr->icmp);
	ipc_free(pr->ch);
	if (pr->loop) {
		loop_timer_del(pr->loop, &pr->run_timer);
		loop_timer_del(pr->loop, &pr->late_timer);
	}
	loop_free(pr->loop);
}

/*
 * The parent decides when the agent ends. A SIGINT from the terminal or a SIGTERM
 * from the service manager reaches the whole group; were the children to
 * go at once, the parent would take an orderly end for a crash.
 */
static void signals_init(void)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

int hc_main(const struct config *cfg, int fd)
{
	static const cap_value_t keep[] = {CAP_NET_RAW};
	struct hc_proc pr = {0};
	const char *what = "privileges";
	int r;

	log_set_proc("health");
	signals_init();
	r = privs_drop(cfg->user, keep, ARRAY_SIZE(keep));
	if (r < 0)
		close(fd);
	else
		r = proc_init(&pr, cfg, fd, &what);
	if (r < 0)
		log_err("health child cannot start", "what=\"%s\" error=\"%s\"", what,
			strerror(-r));
	else
		r = loop_run(pr.loop);
	proc_done(&pr);
	return r < 0 ? EXIT_FAILURE : r;
}
