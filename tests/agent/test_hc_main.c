// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The health child as a process: frames in, batches out, its privileges, its end.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "hc_fixture.h"
#include "hc_server.h"
#include "ipc.h"
#include "log.h"
#include "proc.h"
#include "util.h"

struct child {
	pid_t pid;
	struct loop *loop;
	struct ipc *ch;
	unsigned int n;
	struct msg_hc_result got[16];
	struct msg_hc_stats stats; /* the last ones */
	bool closed;
};

/* All tests are run with each of these. */
static uint32_t n_shards;

static void on_frame(struct ipc *ch, uint16_t type, const void *data, size_t len)
{
	struct child *c = ipc_user(ch);

	if (type == MSG_HC_STATS) {
		assert_int_equal(len, sizeof(c->stats));
		memcpy(&c->stats, data, len);
		return;
	}
	assert_int_equal(type, MSG_HC_RESULT);
	assert_int_equal(len % sizeof(struct msg_hc_result), 0);
	for (size_t i = 0; i < len / sizeof(struct msg_hc_result); i++)
		if (c->n < ARRAY_SIZE(c->got))
			c->got[c->n++] = ((const struct msg_hc_result *)data)[i];
}

static void on_closed(struct ipc *ch, int err _unused_)
{
	struct child *c = ipc_user(ch);

	c->closed = true;
	ipc_free(ch);
	c->ch = NULL;
}

static const struct ipc_ops ops = {.frame = on_frame, .closed = on_closed};

static void child_start(struct child *c, const char *ca)
{
	struct config cfg = {.hc_shards = n_shards, .hc_max_fds = 1000};
	int fds[2];

	memset(c, 0, sizeof(*c));
	snprintf(cfg.hc_ca, sizeof(cfg.hc_ca), "%s", ca);
	assert_int_equal(ipc_pair(fds), 0);
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (c->pid == 0) {
		close(fds[0]);
		log_set_level(LOG_ERR);
		_exit(hc_main(&cfg, fds[1]));
	}
	close(fds[1]);
	assert_int_equal(loop_new(&c->loop), 0);
	assert_int_equal(ipc_new(c->loop, fds[0], &ops, c, &c->ch), 0);
}

/* Runs the parent's side until so many results, or the end of the child when n is 0. */
static void child_wait(struct child *c, unsigned int n)
{
	uint64_t deadline = util_now_ns() + 10000000000ull;

	while (n ? c->n < n : !c->closed) {
		assert_true(util_now_ns() < deadline);
		assert_false(n && c->closed);
		assert_int_equal(loop_once(c->loop, 100), 0);
	}
}

static int child_end(struct child *c)
{
	int status;

	ipc_free(c->ch);
	loop_free(c->loop);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void child_set(struct child *c, const struct hc_fixture *f)
{
	uint64_t frame[HC_FIXTURE_FRAME_MAX / 8];
	size_t len = hc_fixture_frame(f, frame);

	assert_int_equal(ipc_send(c->ch, MSG_HC_SET, frame, len), 0);
}

static void test_sets_results_and_deletes(void **state _unused_)
{
	struct hc_fixture f = {.type = MSG_HC_TCP, .interval_ms = 20, .timeout_ms = 2000};
	struct msg_hc_del del = {.id = 5};
	bool up = false, down = false;
	struct hc_server *s;
	struct child c;

	/* First: a fork of a process with threads may find the allocator locked. */
	child_start(&c, "");
	s = hc_server_start(&(struct hc_server_spec){.mode = HC_SERVER_HANG});
	f.id = 5;
	f.port = hc_server_port(s);
	child_set(&c, &f);
	f.id = 6;
	f.port = hc_server_free_port(false);
	child_set(&c, &f);
	child_wait(&c, 2);
	for (unsigned int i = 0; i < 2; i++) {
		up |= c.got[i].id == 5 && c.got[i].state == MSG_HC_UP;
		down |= c.got[i].id == 6 && c.got[i].state == MSG_HC_DOWN &&
			c.got[i].reason == MSG_HC_REFUSED;
	}
	assert_true(up && down);

	/* The one that is deleted is not heard of again; the other's change is. */
	assert_int_equal(ipc_send(c.ch, MSG_HC_DEL, &del, sizeof(del)), 0);
	f.port = hc_server_port(s);
	child_set(&c, &f);
	hc_server_join(s);
	child_wait(&c, 3);
	assert_int_equal(c.got[2].id, 6);
	/* Down to up by way of `rise`, or still down for another reason; never unknown. */
	assert_int_not_equal(c.got[2].state, MSG_HC_UNKNOWN);
	assert_int_equal(child_end(&c), 0);
	hc_server_stop(s);
}

/* Of what it may do as root nothing is left but raw sockets. */
static void test_privileges(void **state _unused_)
{
	struct hc_fixture f = {.id = 1, .type = MSG_HC_ICMP, .timeout_ms = 2000};
	char path[64], line[256];
	unsigned int seen = 0;
	struct child c;
	FILE *status;

	if (geteuid() != 0) {
		print_message("skipped: not root\n");
		skip();
	}
	child_start(&c, "");
	child_set(&c, &f);
	child_wait(&c, 1);
	assert_int_equal(c.got[0].state, MSG_HC_UP);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)c.pid);
	status = fopen(path, "re");
	assert_non_null(status);
	while (fgets(line, sizeof(line), status)) {
		unsigned long long caps;

		if (sscanf(line, "CapPrm: %llx", &caps) == 1 ||
		    sscanf(line, "CapEff: %llx", &caps) == 1) {
			assert_true(caps == 1ull << CAP_NET_RAW);
			seen++;
		} else if (sscanf(line, "CapInh: %llx", &caps) == 1) {
			assert_true(caps == 0);
			seen++;
		} else if (strncmp(line, "NoNewPrivs:", 11) == 0) {
			assert_non_null(strchr(line, '1'));
			seen++;
		}
	}
	fclose(status);
	assert_int_equal(seen, 4);
	assert_int_equal(child_end(&c), 0);
}

/* A SIGTERM to the whole group is the parent's business. */
static void test_signals_are_the_parents(void **state _unused_)
{
	struct hc_fixture f = {.id = 1, .type = MSG_HC_TCP};
	struct child c;

	child_start(&c, "");
	f.port = hc_server_free_port(false);
	child_set(&c, &f);
	child_wait(&c, 1);
	assert_int_equal(kill(c.pid, SIGTERM), 0);
	assert_int_equal(kill(c.pid, SIGINT), 0);
	f.id = 2;
	child_set(&c, &f);
	child_wait(&c, 2);
	assert_int_equal(child_end(&c), 0);
}

/* One bad condition must not take the others with it. */
static void test_condition_out_of_bounds(void **state _unused_)
{
	struct hc_fixture f = {.id = 1, .type = MSG_HC_HTTP, .method = "DELETE"};
	struct child c;

	child_start(&c, "");
	child_set(&c, &f);
	f = (struct hc_fixture){.id = 2, .type = MSG_HC_TCP};
	f.port = hc_server_free_port(false);
	child_set(&c, &f);
	child_wait(&c, 1);
	assert_int_equal(c.got[0].id, 2);
	assert_int_equal(child_end(&c), 0);
}

static void test_frames_out_of_step_end_it(void **state _unused_)
{
	static const struct {
		uint16_t type;
		size_t len;
	} bad[] = {{MSG_HC_SET, 8}, {MSG_HC_DEL, 16}, {MSG_HC_RESULT, 0}, {999, 0}};
	uint64_t zero[2] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct child c;

		child_start(&c, "");
		assert_int_equal(ipc_send(c.ch, bad[i].type, zero, bad[i].len), 0);
		child_wait(&c, 0);
		assert_int_equal(child_end(&c), 1);
	}
}

static void test_no_ca_no_start(void **state _unused_)
{
	struct child c;

	child_start(&c, "/nonexistent/ca.pem");
	child_wait(&c, 0);
	assert_int_equal(child_end(&c), 1);
}

/* Conditions are dealt out by their targets, and their figures are one sum. */
static void test_figures(void **state _unused_)
{
	struct hc_server *s = hc_server_start(&(struct hc_server_spec){.mode = HC_SERVER_HANG});
	struct hc_fixture f = {.type = MSG_HC_TCP, .port = hc_server_port(s), .interval_ms = 60000};
	uint64_t deadline = util_now_ns() + 10000000000ull;
	char target[32];
	struct child c;

	child_start(&c, "");
	f.target = target;
	for (f.id = 1; f.id <= 16; f.id++) {
		snprintf(target, sizeof(target), "127.0.0.%u", (unsigned int)f.id);
		child_set(&c, &f);
	}
	child_wait(&c, 16);
	while (c.stats.conditions != 16 || c.stats.ended[MSG_HC_REFUSED] != 15) {
		assert_true(util_now_ns() < deadline);
		assert_int_equal(loop_once(c.loop, 100), 0);
	}
	assert_int_equal(c.stats.shards, n_shards);
	/* The server is at the first address only. */
	assert_int_equal(c.stats.ended[MSG_HC_OK], 1);
	assert_int_equal(c.stats.hosts, 16);
	assert_int_equal(c.stats.started, 16);
	assert_int_equal(c.stats.flying, 0);
	assert_in_range(c.stats.budget, 1000 - n_shards, 1000);
	assert_in_range(c.stats.fds, 1, 16);
	assert_true(c.stats.late_p50_us <= c.stats.late_p99_us);
	assert_true(c.stats.late_p99_us <= c.stats.late_max_us);
	assert_int_equal(child_end(&c), 0);
	hc_server_stop(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets_results_and_deletes),
		cmocka_unit_test(test_privileges),
		cmocka_unit_test(test_signals_are_the_parents),
		cmocka_unit_test(test_condition_out_of_bounds),
		cmocka_unit_test(test_frames_out_of_step_end_it),
		cmocka_unit_test(test_no_ca_no_start),
		cmocka_unit_test(test_figures),
	};

	int r;

	n_shards = 1;
	r = cmocka_run_group_tests_name("hc_main", tests, NULL, NULL);
	n_shards = 3;
	return r + cmocka_run_group_tests_name("hc_main, 3 shards", tests, NULL, NULL);
}
