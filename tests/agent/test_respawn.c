// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The supervisor: starts again what failed, passes signals on, and leaves
 * nothing behind. Each test forks a supervisor; the "agent" below writes a
 * byte into a pipe whenever it starts.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "log.h"
#include "respawn.h"
#include "util.h"

static int started[2];

/* The config's user tells the agent what to do. */
static int agent(const struct config *cfg)
{
	static const char byte = '.';
	sigset_t mask;
	int signo;

	if (write(started[1], &byte, 1) != 1)
		return 99;
	if (strcmp(cfg->user, "fail") == 0)
		return 3;
	if (strcmp(cfg->user, "done") == 0)
		return 0;
	if (strcmp(cfg->user, "crash") == 0)
		raise(SIGKILL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	if (strcmp(cfg->user, "orphan") == 0 && fork() == 0) {
		/* Outlives its parent, until the supervisor ends it. */
		sigwait(&mask, &signo);
		_exit(0);
	}
	if (strcmp(cfg->user, "orphan") == 0)
		return 3;
	while (sigwait(&mask, &signo) == 0 && signo == SIGHUP)
		if (write(started[1], &byte, 1) != 1)
			return 99;
	return 0;
}

static pid_t supervise(const char *what)
{
	struct config cfg = {0};
	pid_t pid;

	memcpy(cfg.user, what, strlen(what) + 1);
	assert_int_equal(pipe(started), 0);
	log_set_level(LOG_CRIT);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(started[0]);
		_exit(respawn_run(agent, &cfg));
	}
	close(started[1]);
	return pid;
}

/* Waits for n bytes; false at the end of the pipe or after 10 s. */
static bool starts(int n)
{
	struct pollfd p = {.fd = started[0], .events = POLLIN};
	char byte;

	while (n-- > 0)
		if (poll(&p, 1, 10000) != 1 || read(started[0], &byte, 1) != 1)
			return false;
	return true;
}

static int end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* Nobody holds the pipe any more. */
	assert_false(starts(1000));
	close(started[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void test_starts_again(void **state _unused_)
{
	static const char *const how[] = {"fail", "crash"};

	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		pid_t pid = supervise(how[i]);

		assert_true(starts(3));
		kill(pid, SIGTERM);
		end(pid);
	}
}

static void test_clean_end_is_the_end(void **state _unused_)
{
	pid_t pid = supervise("done");

	assert_true(starts(1));
	assert_int_equal(end(pid), 0);
}

static void test_signals_are_passed_on(void **state _unused_)
{
	pid_t pid = supervise("wait");

	assert_true(starts(1));
	kill(pid, SIGHUP);
	assert_true(starts(1));
	kill(pid, SIGTERM);
	assert_int_equal(end(pid), 0);
}

/* A signal to end, in the pause between two starts or while one is ending. */
static void test_ends_in_pause(void **state _unused_)
{
	pid_t pid = supervise("fail");
	int status;

	assert_true(starts(3));
	kill(pid, SIGTERM);
	status = end(pid);
	assert_true(status == 3 || status == 0);
}

/* What an agent that failed left running is ended before the next one starts. */
static void test_orphans(void **state _unused_)
{
	pid_t pid = supervise("orphan");

	assert_true(starts(2));
	kill(pid, SIGTERM);
	end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_again),
		cmocka_unit_test(test_clean_end_is_the_end),
		cmocka_unit_test(test_signals_are_passed_on),
		cmocka_unit_test(test_ends_in_pause),
		cmocka_unit_test(test_orphans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
