// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole parent process, forked, with doubles of everything around it: the two children on
 * their channels, nlbd on its socket, a file as scheduler, and a client of the local API.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "hc_reason.h"
#include "ipc.h"
#include "log.h"
#include "msg.h"
#include "proc.h"
#include "state.h"
#include "temp_dir.h"

#define V	       "192.0.2.1"
#define B1	       "10.0.0.1"
#define GET(p)	       "GET " p " HTTP/1.0\r\n\r\n"
#define DOC(rev, vips) "{\"revision\":" rev ",\"vips\":[" vips "]}"
#define VIP                                                                                        \
	"{\"id\":\"a\",\"address\":\"" V "\",\"ports\":[{\"protocol\":\"tcp\",\"port\":80,"        \
	"\"backends\":[{\"address\":\"" B1 "\"}],\"health\":{\"interval_ms\":1000,"                \
	"\"checks\":[{\"type\":\"tcp\"}]}}]}"

struct fx {
	char *dir;
	struct config cfg;
	struct loop *l;
	pid_t pid;
	struct ipc *maps, *health;
	int nlbd_listener, nlbd;
	char said[1 << 18]; /* to nlbd */
	size_t said_len;
	char answer[65536]; /* of the API */
	struct msg_svc_result pending[16];
	unsigned int n_pending, batches, vip_dels;
	uint64_t last_cond;
	uint8_t initial;
	bool mute_stats;
	uint32_t rate; /* of the samples that the parent wants */
	uint64_t taken;
};

/* Answers, and sends a packet when the capture begins. */
static void sample_set(struct fx *fx, const struct msg_sample_set *set)
{
	struct msg_sample_state st = {.seq = set->seq, .lost = 3};
	struct {
		struct msg_sample s;
		uint8_t data[2];
	} msg = {.s = {.len = 60, .cap_len = 2}, .data = {0xab, 0xcd}};

	fx->rate = set->rate;
	ipc_send(fx->maps, MSG_MAPS_SAMPLE_STATE, &st, sizeof(st));
	if (set->rate)
		ipc_send(fx->maps, MSG_MAPS_SAMPLE, &msg, sizeof(msg.s) + 2);
}

static void maps_frame(struct ipc *ch, uint16_t type, const void *data, size_t len _unused_)
{
	struct fx *fx = ipc_user(ch);
	const struct msg_svc *svc = data;

	if (type == MSG_MAPS_SVC_SET && fx->n_pending < ARRAY_SIZE(fx->pending)) {
		fx->pending[fx->n_pending++] = (struct msg_svc_result){
			.vip = svc->vip,
			.port = svc->port,
			.protocol = svc->protocol,
			.state = svc->n_backends ? MSG_SVC_PROVEN : MSG_SVC_WRITTEN,
			.n_backends = svc->n_backends,
			.generation = svc->generation};
	} else if (type == MSG_MAPS_VIP_DEL) {
		fx->vip_dels++;
	} else if (type == MSG_MAPS_COMMIT) {
		const struct msg_committed done = {.seq = ((const struct msg_batch *)data)->seq};

		for (unsigned int i = 0; i < fx->n_pending; i++)
			ipc_send(ch, MSG_MAPS_SVC_RESULT, &fx->pending[i], sizeof(fx->pending[i]));
		fx->n_pending = 0;
		ipc_send(ch, MSG_MAPS_COMMITTED, &done, sizeof(done));
		fx->batches++;
	} else if (type == MSG_MAPS_STATS_GET && !fx->mute_stats) {
		struct msg_stats_reason r = {.name = "tx", .packets = 77};

		ipc_send(ch, MSG_MAPS_STATS_REASON, &r, sizeof(r));
		ipc_send(ch, MSG_MAPS_STATS_END, data, sizeof(struct msg_batch));
	} else if (type == MSG_MAPS_ASK) {
		struct msg_answer ans = {.seq = ((const struct msg_ask *)data)->seq};

		ipc_send(ch, MSG_MAPS_ANSWER, &ans, sizeof(ans));
	} else if (type == MSG_MAPS_SAMPLE_SET) {
		sample_set(fx, data);
	} else if (type == MSG_MAPS_SAMPLE_TAKEN) {
		fx->taken += ((const struct msg_batch *)data)->seq;
	}
}

static void health_frame(struct ipc *ch, uint16_t type, const void *data, size_t len _unused_)
{
	struct fx *fx = ipc_user(ch);
	const struct msg_hc_cond *cond = data;

	if (type == MSG_HC_SET) {
		fx->last_cond = cond->id;
		fx->initial = cond->initial;
	}
}

static void child_closed(struct ipc *ch, int err _unused_)
{
	struct fx *fx = ipc_user(ch);

	if (ch == fx->maps)
		fx->maps = NULL;
	else
		fx->health = NULL;
	ipc_free(ch);
}

static const struct ipc_ops maps_ops = {.frame = maps_frame, .closed = child_closed};
static const struct ipc_ops health_ops = {.frame = health_frame, .closed = child_closed};

static int setup(void **state)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	log_set_level(LOG_CRIT);
	fx->dir = temp_dir_new();
	fx->nlbd = -1;
	config_init(&fx->cfg);
	fx->cfg.user[0] = '\0';
	fx->cfg.hold_down_ms = 20;
	fx->cfg.sched_retry_ms = 20;
	snprintf(fx->cfg.node_name, sizeof(fx->cfg.node_name), "lb1");
	snprintf(fx->cfg.state_dir, sizeof(fx->cfg.state_dir), "%s", fx->dir);
	snprintf(fx->cfg.sched_url, sizeof(fx->cfg.sched_url), "file:%s/in.json", fx->dir);
	snprintf(fx->cfg.nlbd_socket, sizeof(fx->cfg.nlbd_socket), "%s/nlbd.sock", fx->dir);
	snprintf(fx->cfg.api_socket, sizeof(fx->cfg.api_socket), "%s/api.sock", fx->dir);
	assert_int_equal(loop_new(&fx->l), 0);
	memcpy(sun.sun_path, fx->cfg.nlbd_socket, strlen(fx->cfg.nlbd_socket) + 1);
	fx->nlbd_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fx->nlbd_listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fx->nlbd_listener, 5), 0);
	*state = fx;
	return 0;
}

static void start(struct fx *fx)
{
	int maps[2], health[2];

	assert_int_equal(ipc_pair(maps), 0);
	assert_int_equal(ipc_pair(health), 0);
	fx->pid = fork();
	assert_true(fx->pid >= 0);
	if (fx->pid == 0) {
		close(maps[1]);
		close(health[1]);
		exit(parent_main(&fx->cfg, maps[0], health[0]));
	}
	close(maps[0]);
	close(health[0]);
	assert_int_equal(ipc_new(fx->l, maps[1], &maps_ops, fx, &fx->maps), 0);
	assert_int_equal(ipc_new(fx->l, health[1], &health_ops, fx, &fx->health), 0);
}

/* The parent's exit status; negative for a signal. */
static int stop(struct fx *fx, int signo)
{
	int status = 0;

	if (signo)
		kill(fx->pid, signo);
	assert_int_equal(waitpid(fx->pid, &status, 0), fx->pid);
	fx->pid = 0;
	ipc_free(TAKE_PTR(fx->maps));
	ipc_free(TAKE_PTR(fx->health));
	if (fx->nlbd >= 0)
		close(TAKE_FD(fx->nlbd));
	fx->n_pending = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	if (fx->pid)
		stop(fx, SIGKILL);
	loop_free(fx->l);
	close(fx->nlbd_listener);
	temp_dir_free(fx->dir);
	free(fx);
	return 0;
}

static void nlbd_say(struct fx *fx, const char *line)
{
	send(fx->nlbd, line, strlen(line), MSG_NOSIGNAL);
}

static void step(struct fx *fx)
{
	ssize_t n;

	assert_int_equal(loop_once(fx->l, 5), 0);
	if (fx->nlbd < 0) {
		fx->nlbd = accept4(fx->nlbd_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fx->nlbd >= 0)
			nlbd_say(fx, "{\"hello\":{\"version\":1}}\n");
	}
	while (fx->nlbd >= 0 && (n = recv(fx->nlbd, fx->said + fx->said_len,
					  sizeof(fx->said) - 1 - fx->said_len, 0)) > 0)
		fx->said_len += (size_t)n;
	fx->said[fx->said_len] = '\0';
}

#define UNTIL(fx, cond)                                                                            \
	do {                                                                                       \
		uint64_t end_ = util_now_ns() + 15000000000ull;                                    \
		while (!(cond)) {                                                                  \
			assert_true(util_now_ns() < end_);                                         \
			step(fx);                                                                  \
		}                                                                                  \
	} while (0)

static void forget(struct fx *fx)
{
	fx->said_len = 0;
	fx->said[0] = '\0';
}

static void ready(struct fx *fx, bool adopted)
{
	struct {
		struct msg_svc svc;
		struct msg_backend backend;
	} have = {.svc = {.port = 80, .protocol = 6, .ring_size = 13313, .n_backends = 1}};
	struct msg_dataplane dp = {.up = 1, .native = 1};

	addr_parse(V, &have.svc.vip);
	addr_parse(B1, &have.backend.addr);
	if (adopted)
		ipc_send(fx->maps, MSG_MAPS_HAVE, &have, sizeof(have));
	ipc_send(fx->maps, MSG_MAPS_READY, &dp, sizeof(dp));
}

static void verdict(struct fx *fx, enum msg_hc_state state)
{
	struct msg_hc_result res = {.id = fx->last_cond, .state = (uint8_t)state};

	res.reason = state == MSG_HC_DOWN ? MSG_HC_REFUSED : MSG_HC_OK;
	ipc_send(fx->health, MSG_HC_RESULT, &res, sizeof(res));
}

/* One request to the API; its answer is in fx->answer. */
static void api(struct fx *fx, const char *request)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	uint64_t end = util_now_ns() + 15000000000ull;
	size_t len = 0;
	ssize_t n;

	memcpy(sun.sun_path, fx->cfg.api_socket, strlen(fx->cfg.api_socket) + 1);
	UNTIL(fx, connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	while ((n = recv(fd, fx->answer + len, sizeof(fx->answer) - 1 - len, 0)) != 0) {
		assert_true(util_now_ns() < end);
		if (n > 0)
			len += (size_t)n;
		else
			step(fx);
	}
	fx->answer[len] = '\0';
	close(fd);
}

/* Started, with one VIP that is ready. */
static void running(struct fx *fx)
{
	temp_dir_write(fx->dir, "in.json", DOC("1", VIP));
	start(fx);
	ready(fx, false);
	UNTIL(fx, fx->last_cond);
	verdict(fx, MSG_HC_UP);
	UNTIL(fx, strstr(fx->said, "\"enabled\":1,\"total\":1,\"ready\":true"));
	nlbd_say(fx, "{\"route\":{\"address\":\"" V "\",\"state\":\"installed\"}}\n");
}

static void test_start_to_end(void **state)
{
	struct fx *fx = *state;
	char *status = NULL;

	running(fx);
	/* The order of a session. */
	assert_true(strstr(fx->said, "\"hello\"") < strstr(fx->said, "{\"dataplane\":\"ok\"}"));
	assert_true(strstr(fx->said, "{\"dataplane\":\"ok\"}") < strstr(fx->said, "\"begin\""));
	UNTIL(fx, (free(status), status = temp_dir_read(fx->dir, STATE_STATUS)) &&
			  strstr(status, "\"announced\""));
	free(status);
	forget(fx);
	temp_dir_write(fx->dir, "in.json", DOC("2", ""));
	UNTIL(fx, strstr(fx->said, "{\"gone\":{\"address\":\"" V "\"}}"));
	assert_int_equal(fx->vip_dels, 0);
	nlbd_say(fx, "{\"route\":{\"address\":\"" V "\",\"state\":\"withdrawn\"}}\n");
	UNTIL(fx, fx->vip_dels == 1);
	assert_int_equal(stop(fx, SIGTERM), 0);
}

/* Killed, and started again with the scheduler away: nothing is less than before. */
static void test_kill_and_restart(void **state)
{
	struct fx *fx = *state;
	char *text = NULL;

	running(fx);
	UNTIL(fx,
	      (free(text), text = temp_dir_read(fx->dir, STATE_VERDICTS)) && strstr(text, ":1}"));
	free(text);
	assert_int_equal(stop(fx, SIGKILL), -SIGKILL);
	unlink(temp_dir_path(fx->dir, "in.json"));
	forget(fx);
	fx->last_cond = 0;
	start(fx);
	ready(fx, true);
	UNTIL(fx, strstr(fx->said, "{\"sync\":\"end\"}"));
	assert_non_null(strstr(fx->said, "\"enabled\":1,\"total\":1,\"ready\":true"));
	assert_null(strstr(fx->said, "\"ready\":false"));
	assert_int_equal(fx->initial, MSG_HC_UP);
	api(fx, GET("/v1/status"));
	assert_non_null(strstr(fx->answer, "\"ok\":false,\"error\":\""));
	assert_int_equal(stop(fx, SIGTERM), 0);
}

/* New maps: verdicts count only when the agent before us has ended just now. */
static void test_verdicts_with_new_maps(void **state)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - 100}};
	struct fx *fx = *state;

	running(fx);
	for (int old = 0; old < 2; old++) {
		assert_int_equal(stop(fx, SIGTERM), 0);
		if (old)
			utimensat(AT_FDCWD, temp_dir_path(fx->dir, STATE_VERDICTS), times, 0);
		fx->last_cond = 0;
		start(fx);
		ready(fx, false);
		UNTIL(fx, fx->last_cond);
		assert_int_equal(fx->initial, old ? MSG_HC_UNKNOWN : MSG_HC_UP);
	}
}

static void test_spoiled_state(void **state)
{
	struct fx *fx = *state;

	temp_dir_write(fx->dir, STATE_VIPS, "{\"revision\":1,");
	temp_dir_write(fx->dir, STATE_OVERRIDES, "nonsense");
	temp_dir_write(fx->dir, STATE_VERDICTS, "");
	running(fx);
}

static void test_a_child_dies(void **state)
{
	struct fx *fx = *state;

	running(fx);
	ipc_free(TAKE_PTR(fx->health));
	assert_int_equal(stop(fx, 0), 1);
	start(fx);
	ipc_free(TAKE_PTR(fx->maps));
	assert_int_equal(stop(fx, 0), 1);
}

static void test_sighup_reads_again(void **state)
{
	struct fx *fx = *state;

	running(fx);
	forget(fx);
	/* An edit in place that nobody closed: only a signal tells. */
	kill(fx->pid, SIGHUP);
	temp_dir_write(fx->dir, "in.json",
		       DOC("2", VIP ",{\"address\":\"192.0.2.2\",\"ports\":[{"
				    "\"protocol\":\"udp\",\"port\":53,"
				    "\"backends\":[]}]}"));
	kill(fx->pid, SIGHUP);
	UNTIL(fx, strstr(fx->said, "192.0.2.2"));
}

static void test_api(void **state)
{
	struct fx *fx = *state;
	char request[256];

	running(fx);
	api(fx, GET("/v1/health"));
	assert_non_null(strstr(fx->answer, " 200 OK\r\n"));
	assert_non_null(strstr(fx->answer, "Content-Type: application/json\r\n"));
	api(fx, GET("/v1/nothing"));
	assert_non_null(strstr(fx->answer, " 404 "));
	api(fx, "DELETE /v1/status HTTP/1.0\r\n\r\n");
	assert_non_null(strstr(fx->answer, " 405 "));
	assert_non_null(strstr(fx->answer, "Allow: GET\r\n"));
	api(fx, "BREW /v1/status HTTP/1.0\r\n\r\n");
	assert_non_null(strstr(fx->answer, " 405 "));
	api(fx, GET("/v1/stats"));
	assert_non_null(strstr(fx->answer, "{\"reasons\":{\"tx\":77},\"events\":{},\"vips\":[],"));
	forget(fx);
	snprintf(request, sizeof(request),
		 "PUT /v1/vips/" V "/ports/tcp/80/backends/" B1 " HTTP/1.0\r\n"
		 "Content-Length: 16\r\n\r\n{\"admin\":\"down\"}");
	api(fx, request);
	assert_non_null(strstr(fx->answer, " 200 OK\r\n"));
	UNTIL(fx, strstr(fx->said, "\"state\":\"disabled\""));
}

#define ASK "src=192.0.2.7&sport=40000&vip=" V "&dport=80&protocol=tcp"

static void test_asking(void **state)
{
	struct fx *fx = *state;

	running(fx);
	api(fx, GET("/v1/route?" ASK));
	assert_non_null(strstr(fx->answer, " 200 OK\r\n"));
	assert_non_null(strstr(fx->answer, "\"verdict\":\"sent\",\"reason\":\"tx\""));
	api(fx, GET("/v1/route?" ASK "&sport=x"));
	assert_non_null(strstr(fx->answer, " 400 "));
	assert_non_null(strstr(fx->answer, "sport is given twice"));
	/* More than there are fields. */
	api(fx, GET("/v1/route?" ASK "&a=1&b=2&c=3&d=4"));
	assert_non_null(strstr(fx->answer, " 400 "));
	forget(fx);
	nlbd_say(fx, "{\"ask\":{\"id\":5,\"src\":\"192.0.2.7\",\"sport\":1,\"vip\":\"" V
		     "\",\"dport\":80,\"protocol\":\"udp\"}}\n");
	UNTIL(fx, strstr(fx->said, "{\"answer\":{\"id\":5,\"flow\":{"));
	assert_int_equal(stop(fx, SIGTERM), 0);
}

/* One capture over HTTP, from its beginning to its end. */
static void test_capture(void **state)
{
	struct fx *fx = *state;
	unsigned int id = 0;
	char request[256];

	running(fx);
	api(fx, "POST /v1/capture HTTP/1.0\r\nContent-Length: 10\r\n\r\n{\"rate\":4}");
	assert_non_null(strstr(fx->answer, " 200 OK\r\n"));
	assert_int_equal(sscanf(strstr(fx->answer, "{\"id\":"), "{\"id\":%u}", &id), 1);
	assert_int_equal(fx->rate, 4);
	snprintf(request, sizeof(request), "GET /v1/capture?id=%u&wait=5s HTTP/1.0\r\n\r\n", id);
	api(fx, request);
	assert_non_null(strstr(fx->answer, "\"length\":60,\"data\":\"abcd\"}]}"));
	UNTIL(fx, fx->taken == 1);
	/* Nothing comes: the time is up, and the capture goes on. */
	snprintf(request, sizeof(request), "GET /v1/capture?id=%u&wait=1s HTTP/1.0\r\n\r\n", id);
	api(fx, request);
	assert_non_null(strstr(fx->answer, "{\"running\":true,\"packets\":[]}"));
	snprintf(request, sizeof(request), "DELETE /v1/capture?id=%u HTTP/1.0\r\n\r\n", id);
	api(fx, request);
	assert_non_null(strstr(fx->answer, "{\"lost\":3}"));
	assert_int_equal(fx->rate, 0);
}

/* The agent ends while a client waits: it is told, and nothing is left behind. */
static void test_end_while_waiting(void **state)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct fx *fx = *state;
	char request[128];
	unsigned int id = 0;
	size_t len = 0;
	int fd;

	running(fx);
	api(fx, "POST /v1/capture HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}");
	assert_int_equal(sscanf(strstr(fx->answer, "{\"id\":"), "{\"id\":%u}", &id), 1);
	snprintf(request, sizeof(request), "GET /v1/capture?id=%u&wait=30s HTTP/1.0\r\n\r\n", id);
	api(fx, request);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	memcpy(sun.sun_path, fx->cfg.api_socket, strlen(fx->cfg.api_socket) + 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	/* Another request, answered: the one before it is waiting by now. */
	api(fx, GET("/v1/health"));
	kill(fx->pid, SIGTERM);
	UNTIL(fx, ({
		      ssize_t n = recv(fd, fx->answer + len, sizeof(fx->answer) - 1 - len, 0);

		      if (n > 0)
			      len += (size_t)n;
		      n == 0;
	      }));
	close(fd);
	assert_int_equal(stop(fx, 0), 0);
}

static void test_api_stats_are_late(void **state)
{
	struct fx *fx = *state;

	running(fx);
	fx->mute_stats = true;
	api(fx, GET("/v1/stats"));
	assert_non_null(strstr(fx->answer, " 504 "));
	fx->mute_stats = false;
	api(fx, GET("/v1/stats"));
	assert_non_null(strstr(fx->answer, "\"tx\":77"));
}

static void test_api_long_body(void **state)
{
	static char request[(2 << 20) + 256];
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct fx *fx = *state;
	size_t at = 0, len = 0, total;
	int fd;

	running(fx);
	snprintf(request, sizeof(request),
		 "PUT /v1/vips/" V "/ports/tcp/80/backends/" B1
		 " HTTP/1.0\r\nContent-Length: %u\r\n\r\n",
		 2u << 20);
	total = strlen(request) + (2u << 20);
	memset(request + strlen(request), ' ', 2u << 20);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	memcpy(sun.sun_path, fx->cfg.api_socket, strlen(fx->cfg.api_socket) + 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	UNTIL(fx, ({
		      ssize_t n = at < total ? send(fd, request + at, total - at, MSG_NOSIGNAL) : 0;

		      if (n > 0)
			      at += (size_t)n;
		      n = recv(fd, fx->answer + len, sizeof(fx->answer) - 1 - len, 0);
		      if (n > 0)
			      len += (size_t)n;
		      n == 0;
	      }));
	fx->answer[len] = '\0';
	assert_non_null(strstr(fx->answer, " 413 "));
	close(fd);
}

/* Two agents on one API socket: the second one does not start. */
static void test_second_agent(void **state)
{
	struct fx *fx = *state;
	int status = 0, idle[2];
	pid_t pid;

	running(fx);
	assert_int_equal(ipc_pair(idle), 0);
	pid = fork();
	if (pid == 0)
		exit(parent_main(&fx->cfg, idle[0], dup(idle[0])));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 1);
	close(idle[0]);
	close(idle[1]);
	api(fx, GET("/v1/health"));
	assert_non_null(strstr(fx->answer, " 200 OK\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_start_to_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kill_and_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_verdicts_with_new_maps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spoiled_state, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_child_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sighup_reads_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_api, setup, teardown),
		cmocka_unit_test_setup_teardown(test_api_stats_are_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_asking, setup, teardown),
		cmocka_unit_test_setup_teardown(test_capture, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_while_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_api_long_body, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_agent, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
