// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The parent process: it holds no capability, and wires scheduler, core,
 * children, nlbd and the local API together on one loop. Whatever a round of
 * the loop brings is noted in the core; core_run() acts on all of it at the
 * end of the round.
 *
 * The order of a start: the maps child opens (or adopts) the maps and says
 * READY; the last good VIP list from disk is applied; then the scheduler is
 * asked. The local API answers from the beginning.
 *
 * Crash-only: when a child's channel closes, the agent ends, and whoever
 * supervises it starts it again; maps and programs are pinned, and what has to
 * be known again is on disk.
 */
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"
#include "parent.h"
#include "privs.h"
#include "proc.h"

/* ---- the core's way out ---- */

static void child_send(struct parent *p, struct ipc *ch, const char *who, uint16_t type,
		       const void *data, size_t len)
{
	int r;

	/* At the end, when the core is taken apart, there is nobody to tell. */
	if (!ch)
		return;
	r = ipc_send(ch, type, data, len);
	if (r == 0)
		return;
	/* The two would be out of step from here on. */
	log_err("cannot send to a child; ending", "child=%s error=\"%s\"", who, strerror(-r));
	loop_stop(p->loop, 1);
}

static void out_maps(void *user, uint16_t type, const void *data, size_t len)
{
	struct parent *p = user;

	child_send(p, p->maps, "maps", type, data, len);
}

static void out_health(void *user, uint16_t type, const void *data, size_t len)
{
	struct parent *p = user;

	child_send(p, p->health, "health", type, data, len);
}

static void out_sync(void *user)
{
	struct parent *p = user;

	if (p->feed)
		feed_sync(p->feed, p->core);
}

static void out_vip(void *user, const struct core_vip *v)
{
	struct parent *p = user;

	if (p->feed)
		feed_vip(p->feed, v);
}

static void out_gone(void *user, const struct addr *vip, uint8_t plen)
{
	struct parent *p = user;

	if (p->feed)
		feed_gone(p->feed, vip, plen);
}

static void out_dataplane(void *user, bool up)
{
	struct parent *p = user;

	if (p->feed)
		feed_dataplane(p->feed, up);
}

static void out_report(void *user)
{
	struct parent *p = user;

	if (p->sched)
		scheduler_report(p->sched);
}

static void out_accepted(void *user, const struct model *m)
{
	parent_state_accepted(user, m);
}

static void out_verdicts(void *user)
{
	parent_state_verdicts(user);
}

static void out_overrides(void *user)
{
	struct parent *p = user;

	p->unsaved |= PARENT_OVERRIDES;
}

static void out_local(void *user)
{
	struct parent *p = user;

	p->unsaved |= PARENT_LOCAL;
}

static const struct core_ops core_out = {
	.maps = out_maps,
	.health = out_health,
	.sync = out_sync,
	.vip = out_vip,
	.gone = out_gone,
	.dataplane = out_dataplane,
	.report = out_report,
	.accepted = out_accepted,
	.verdicts = out_verdicts,
	.overrides = out_overrides,
	.local = out_local,
};

static void on_run(struct loop_timer *t)
{
	struct parent *p = container_of(t, struct parent, run);
	uint64_t due;

	core_run(p->core, util_now_ns());
	ipc_flush(p->maps);
	ipc_flush(p->health);
	if (p->feed && p->unsaved)
		feed_push(p->feed);
	/* Rings and routes are on their way; those who asked for the change wait for the disk. */
	parent_state_save(p);
	due = core_due(p->core);
	/* A session that broke while it was written to has asked for another round. */
	if (p->run.pos)
		due = MIN2(due, p->run.at_ns);
	if (due != UINT64_MAX)
		loop_timer_at(p->loop, &p->run, due, on_run);
}

void parent_kick(struct parent *p)
{
	loop_timer_at(p->loop, &p->run, loop_now_ns(p->loop), on_run);
}

/* ---- the scheduler ---- */

static int take_model(struct parent *p, struct model *m)
{
	int r = core_model(p->core, m, util_now_ns());

	if (r < 0) {
		log_err("out of memory; ending", "part=%s", "core");
		loop_stop(p->loop, 1);
		return r;
	}
	parent_kick(p);
	return 0;
}

static int in_document(void *user, const char *json, size_t len, uint64_t *ret_revision, char *err,
		       size_t err_len)
{
	struct parent *p = user;
	struct model *m;
	int r;

	r = model_parse(json, len, &m, err, err_len);
	if (r < 0)
		return r;
	*ret_revision = m->revision;
	return take_model(p, m);
}

static void in_report(void *user, struct jput b)
{
	struct parent *p = user;

	core_report_write(p->core, b);
}

static void in_reported(void *user)
{
	struct parent *p = user;

	core_report_done(p->core);
}

static const struct scheduler_ops scheduler_in = {
	.document = in_document,
	.report = in_report,
	.reported = in_reported,
};

/* ---- nlbd ---- */

static void in_up(void *user, bool up)
{
	struct parent *p = user;

	core_feed(p->core, up, util_now_ns());
	parent_kick(p);
}

static void in_route(void *user, const struct addr *vip, uint8_t plen, enum core_route route,
		     const char *reason)
{
	struct parent *p = user;

	core_route_set(p->core, vip, plen, route, reason, util_now_ns());
}

/* A question of nlbd's, until its answer is there. */
struct nlbd_ask {
	struct ask ask;
	struct parent *parent;
	uint64_t id;
};

static void on_nlbd_answer(struct ask *ask, const struct msg_answer *ans)
{
	struct nlbd_ask *a = container_of(ask, struct nlbd_ask, ask);
	struct feed *feed = a->parent->feed;
	char text[MSG_REASON_LEN + 1] = "the maps child does not answer";

	if (ans && ans->error)
		snprintf(text, sizeof(text), "%.*s", MSG_REASON_LEN, ans->text);
	if (feed)
		feed_answer(feed, a->id, &ask->msg, ans && !ans->error ? ans : NULL, text);
	free(a);
}

static void in_ask(void *user, uint64_t id, const struct msg_ask *q)
{
	struct parent *p = user;
	struct nlbd_ask *a;

	if (!core_maps_ready(p->core)) {
		feed_answer(p->feed, id, NULL, NULL, "the data plane is starting");
		return;
	}
	a = calloc(1, sizeof(*a));
	if (a) {
		a->parent = p;
		a->id = id;
		if (ask_start(&p->asker, &a->ask, q, on_nlbd_answer) == 0)
			return;
	}
	free(a);
	feed_answer(p->feed, id, NULL, NULL, "too many questions at once");
}

static void in_health(void *user, uint64_t id, const struct addr *vip)
{
	struct parent *p = user;

	feed_answer_health(p->feed, id, p->core, vip);
}

static void in_burst(void *user)
{
	parent_kick(user);
}

static const struct feed_ops feed_in = {
	.up = in_up,
	.route = in_route,
	.ask = in_ask,
	.health = in_health,
	.burst = in_burst,
};

/* ---- the results directory ---- */

static int in_say(void *user, const char *file, const struct core_result *res, size_t n)
{
	struct parent *p = user;

	return core_results_set(p->core, file, res, n, util_now_ns());
}

static const struct results_ops results_in = {
	.say = in_say,
	.burst = in_burst,
};

/* ---- the children ---- */

/* Without a scheduler the list is empty. What an earlier one left goes the way of all VIPs. */
static int no_scheduler(struct parent *p)
{
	struct model *m = calloc(1, sizeof(*m));

	return m ? take_model(p, m) : -ENOMEM;
}

/* The maps are open: now there is something to configure. */
static int maps_are_ready(struct parent *p)
{
	int r;

	parent_state_verdicts_load(p);
	if (p->boot_local) {
		r = core_local_load(p->core, TAKE_PTR(p->boot_local), util_now_ns());
		if (r < 0)
			return r;
		parent_kick(p);
	}
	if (p->boot) {
		log_notice("starting with the last good VIP list", "revision=%" PRIu64,
			   p->boot->revision);
		r = take_model(p, TAKE_PTR(p->boot));
		if (r < 0)
			return r;
	}
	core_verdicts_forget(p->core);
	mapcheck_start(&p->mapcheck);
	if (p->cfg->sched_none)
		return no_scheduler(p);
	return scheduler_new(p->loop, p->cfg, &scheduler_in, p, &p->sched);
}

/* What was asked for and changes nothing. False: it is for the core. */
static bool observe_frame(struct parent *p, uint16_t type, const void *data, size_t len)
{
	switch (type) {
	case MSG_MAPS_STATS_VIP:
	case MSG_MAPS_STATS_SVC:
	case MSG_MAPS_STATS_BE:
	case MSG_MAPS_STATS_REASON:
	case MSG_MAPS_STATS_EVENT:
	case MSG_MAPS_STATS_END:
		api_stats(p->api, type, data, len);
		return true;
	case MSG_MAPS_ANSWER:
		if (len == sizeof(struct msg_answer))
			ask_answer(&p->asker, data);
		return true;
	case MSG_MAPS_CHECKED:
	case MSG_MAPS_USAGE:
		mapcheck_frame(&p->mapcheck, type, data, len);
		return true;
	case MSG_MAPS_SAMPLE_STATE:
	case MSG_MAPS_SAMPLE:
		capture_frame(&p->capture, type, data, len);
		return true;
	default:
		return false;
	}
}

static void on_maps_frame(struct ipc *ch, uint16_t type, const void *data, size_t len)
{
	struct parent *p = ipc_user(ch);
	bool was_ready = core_maps_ready(p->core);
	int r;

	if (observe_frame(p, type, data, len))
		return;
	core_maps_frame(p->core, type, data, len, util_now_ns());
	if (was_ready || !core_maps_ready(p->core))
		return;
	r = maps_are_ready(p);
	if (r < 0) {
		log_err("cannot start", "part=scheduler error=\"%s\"", strerror(-r));
		loop_stop(p->loop, 1);
	}
}

static void on_health_frame(struct ipc *ch, uint16_t type, const void *data, size_t len)
{
	struct parent *p = ipc_user(ch);

	if (type == MSG_HC_RESULT && len % sizeof(struct msg_hc_result) == 0)
		core_health_results(p->core, data, len / sizeof(struct msg_hc_result),
				    util_now_ns());
	else if (type == MSG_HC_STATS && len == sizeof(struct msg_hc_stats))
		api_health_stats(p, data);
	else
		log_warning("unexpected frame from the health child", "type=%u length=%zu", type,
			    len);
}

static void on_burst(struct ipc *ch)
{
	parent_kick(ipc_user(ch));
}

static void on_closed(struct ipc *ch, int err)
{
	struct parent *p = ipc_user(ch);

	log_err("a child process is gone; ending, the data plane stays as it is",
		"child=%s error=\"%s\"", ch == p->maps ? "maps" : "health",
		err ? strerror(-err) : "exited");
	loop_stop(p->loop, 1);
}

static const struct ipc_ops maps_in = {
	.frame = on_maps_frame,
	.burst = on_burst,
	.closed = on_closed,
};

static const struct ipc_ops health_in = {
	.frame = on_health_frame,
	.burst = on_burst,
	.closed = on_closed,
};

/* ---- start and end ---- */

static void on_signal(struct loop *l, int signo)
{
	struct parent *p = loop_user(l);

	if (signo == SIGHUP) {
		log_notice(
			"asking for the VIP list again",
			"signal=HUP note=\"a change of the configuration file needs a restart\"");
		if (p->sched)
			scheduler_refresh(p->sched);
		return;
	}
	log_notice("ending; routes and data plane stay", "signal=%s",
		   signo == SIGTERM ? "TERM" : "INT");
	loop_stop(l, 0);
}

/* As root: the directory exists and is the user's whom we are about to become. */
static int own_dir(const char *path, const char *user)
{
	struct passwd pw, *found = NULL;
	char buf[4096];

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (geteuid() != 0 || !user[0])
		return 0;
	if (getpwnam_r(user, &pw, buf, sizeof(buf), &found) != 0 || !found)
		return -ENOENT;
	return chown(path, pw.pw_uid, pw.pw_gid) < 0 ? -errno : 0;
}

static int make_dir(const char *path, const char *user, const char *what)
{
	int r = own_dir(path, user);

	if (r < 0)
		log_err("cannot make a directory", "of=\"%s\" dir=%s error=\"%s\"", what, path,
			strerror(-r));
	return r;
}

/* What needs the privileges that we start with; then they are given up. */
static int prepare(const struct config *cfg, int *ret_api_fd)
{
	char run_dir[CONFIG_PATH_LEN];
	const char *slash = strrchr(cfg->api_socket, '/');
	int r;

	r = make_dir(cfg->state_dir, cfg->user, "state");
	/* Of the others, one that was there already keeps its owner: it may be shared. */
	if (r == 0 && cfg->results_dir[0] && access(cfg->results_dir, F_OK) < 0)
		r = make_dir(cfg->results_dir, cfg->user, "results");
	if (r == 0 && slash && slash != cfg->api_socket) {
		snprintf(run_dir, sizeof(run_dir), "%.*s", (int)(slash - cfg->api_socket),
			 cfg->api_socket);
		if (access(run_dir, F_OK) < 0)
			r = make_dir(run_dir, cfg->user, "the API's socket");
	}
	if (r < 0)
		return r;
	r = api_listen(cfg, ret_api_fd);
	if (r < 0) {
		log_err("socket of the local API", "socket=%s error=\"%s\"", cfg->api_socket,
			strerror(-r));
		return r;
	}
	r = privs_drop(cfg->user, NULL, 0);
	if (r < 0)
		log_err("cannot give privileges up", "user=\"%s\" error=\"%s\"", cfg->user,
			strerror(-r));
	return r;
}

static int parent_start(struct parent *p, int *maps_fd, int *hc_fd, int *api_fd)
{
	sigset_t mask;
	int r;

	r = loop_new(&p->loop);
	if (r < 0)
		return r;
	loop_set_user(p->loop, p);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	r = loop_signals(p->loop, &mask, on_signal);
	if (r == 0)
		r = core_new(p->cfg, &core_out, p, &p->core);
	if (r < 0)
		return r;
	parent_state_load(p);
	p->asker = (struct asker){.loop = p->loop, .send = out_maps, .user = p};
	mapcheck_init(&p->mapcheck, p->loop, p->core, p->cfg->check_interval_s, out_maps, p);
	capture_init(&p->capture, p->loop, &api_capture_ops, out_maps, p);
	r = ipc_new(p->loop, TAKE_FD(*maps_fd), &maps_in, p, &p->maps);
	if (r == 0)
		r = ipc_new(p->loop, TAKE_FD(*hc_fd), &health_in, p, &p->health);
	/* Before there are backends: one that is said to be down is never up for a moment. */
	if (r == 0 && p->cfg->results_dir[0])
		r = results_new(p->loop, p->cfg->results_dir, &results_in, p, &p->results);
	if (r == 0)
		r = api_new(p, TAKE_FD(*api_fd), &p->api);
	if (r == 0 && p->cfg->nlbd_socket[0])
		r = feed_new(p->loop, p->cfg->nlbd_socket, p->cfg->node_name, &feed_in, p,
			     &p->feed);
	return r;
}

static void parent_done(struct parent *p)
{
	parent_state_done(p);
	api_free(p->api);
	mapcheck_done(&p->mapcheck);
	capture_done(&p->capture);
	ask_stop(&p->asker);
	feed_free(p->feed);
	results_free(p->results);
	scheduler_free(p->sched);
	ipc_free(p->maps);
	ipc_free(p->health);
	p->maps = p->health = NULL;
	core_free(p->core);
	model_free(p->boot_local);
	model_free(p->boot);
	loop_free(p->loop);
}

int parent_main(const struct config *cfg, int maps_fd, int hc_fd)
{
	struct parent p = {.cfg = cfg, .started_ns = util_now_ns()};
	_cleanup_close_ int maps = maps_fd;
	_cleanup_close_ int hc = hc_fd;
	_cleanup_close_ int api = -1;
	int r;

	log_set_proc("parent");
	r = prepare(cfg, &api);
	if (r < 0)
		return 1;
	r = parent_start(&p, &maps, &hc, &api);
	if (r < 0) {
		log_err("cannot start", "error=\"%s\"", strerror(-r));
		parent_done(&p);
		return 1;
	}
	log_notice("agent started", "node=%s scheduler=%s", cfg->node_name, cfg->sched_url);
	r = loop_run(p.loop);
	parent_done(&p);
	return r < 0 ? 1 : r;
}
