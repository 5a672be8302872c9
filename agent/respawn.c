// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The supervisor: blocks the signals that matter and waits for them with
 * sigtimedwait(), so that there is no handler and nothing to race with.
 */
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "log.h"
#include "respawn.h"

struct respawn {
	sigset_t mask, before;
	pid_t pid;   /* 0: none runs */
	pid_t group; /* of the last one and its children */
	int status;
	bool stopping, orphans;
};

static int respawn_start(struct respawn *r, int (*run)(const struct config *cfg),
			 const struct config *cfg)
{
	r->pid = fork();
	if (r->pid < 0) {
		r->pid = 0;
		return -errno;
	}
	r->group = r->pid;
	if (r->pid == 0) {
		setpgid(0, 0);
		sigprocmask(SIG_SETMASK, &r->before, NULL);
		_exit(run(cfg));
	}
	return 0;
}

static void respawn_reap(struct respawn *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != r->pid)
			continue;
		r->pid = 0;
		r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	r->orphans = pid == 0;
}

/* Waits for one signal; until_ns 0: as long as it takes. */
static void respawn_wait(struct respawn *r, uint64_t until_ns)
{
	uint64_t now = util_now_ns(), left = until_ns > now ? until_ns - now : 0;
	struct timespec ts = {
		.tv_sec = (time_t)(left / 1000000000),
		.tv_nsec = (long)(left % 1000000000),
	};
	int signo = sigtimedwait(&r->mask, NULL, until_ns ? &ts : NULL);

	if (signo == SIGTERM || signo == SIGINT)
		r->stopping = true;
	if ((signo == SIGTERM || signo == SIGINT || signo == SIGHUP) && r->pid)
		kill(r->pid, signo);
	respawn_reap(r);
}

/* The children of an agent that died end by themselves; a new one waits for that. */
static void respawn_settle(struct respawn *r)
{
	uint64_t until = util_now_ns() + RESPAWN_SETTLE_MS * 1000000ull;

	respawn_reap(r);
	while (r->orphans && util_now_ns() < until)
		respawn_wait(r, until);
	if (r->orphans)
		kill(-r->group, SIGKILL);
}

int respawn_run(int (*run)(const struct config *cfg), const struct config *cfg)
{
	struct respawn r = {0};
	uint64_t pause_ms = RESPAWN_MIN_MS, started, until;

	log_set_proc("respawn");
	/* Orphans of the agent come to us, and not to process 1. */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	sigemptyset(&r.mask);
	sigaddset(&r.mask, SIGTERM);
	sigaddset(&r.mask, SIGINT);
	sigaddset(&r.mask, SIGHUP);
	sigaddset(&r.mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &r.mask, &r.before);
	while (!r.stopping) {
		int err = respawn_start(&r, run, cfg);

		if (err < 0) {
			log_err("cannot fork", "error=\"%s\"", strerror(-err));
			r.status = 1;
		}
		started = util_now_ns();
		while (r.pid)
			respawn_wait(&r, 0);
		respawn_settle(&r);
		if (r.stopping || r.status == 0)
			break;
		if (util_now_ns() - started > RESPAWN_STEADY_MS * 1000000ull)
			pause_ms = RESPAWN_MIN_MS;
		log_err("the agent ended; starting it again", "status=%d pause_ms=%u", r.status,
			(unsigned int)pause_ms);
		until = util_now_ns() + pause_ms * 1000000;
		while (!r.stopping && util_now_ns() < until)
			respawn_wait(&r, until);
		pause_ms = MIN2(pause_ms * 2, (uint64_t)RESPAWN_MAX_MS);
	}
	return r.stopping && r.status > 128 ? 0 : r.status;
}
