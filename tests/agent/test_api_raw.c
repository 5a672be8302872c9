// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The API's real server on its socket, and clients that do not keep to HTTP: garbage, half
 * requests, bytes one at a time, pipelining, headers and bodies without end, chunks, early
 * hang-ups. After each of them a proper request is answered, no descriptor is left, and
 * nothing was changed that was not asked for. All on one loop, so nothing has to be slept for.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "api_fixture.h"
#include "rnd.h"
#include "temp_dir.h"

#define ROUNDS	    400
#define DEADLINE_NS 20000000000ull

struct fx {
	struct api_fx *api;
	struct config cfg;
	char *dir;
	unsigned int saves;
	char answer[1 << 16];
	size_t len;
};

static struct fx *the_fx;

/* The end of a round, in small: what was noted is done, and is as good as on disk. */
static void on_round(struct loop_timer *t _unused_)
{
	core_fx_settle(the_fx->api->core);
	core_fx_forget(the_fx->api->core);
	the_fx->saves++;
	api_saved(the_fx->api->p.api, 0);
}

void parent_kick(struct parent *p)
{
	loop_timer_in(p->loop, &p->run, 0, on_round);
}

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));
	int fd = -1;

	assert_non_null(fx);
	the_fx = fx;
	api_fx_setup((void **)&fx->api);
	fx->dir = temp_dir_new();
	fx->cfg = fx->api->core->cfg;
	fx->cfg.user[0] = '\0';
	snprintf(fx->cfg.api_socket, sizeof(fx->cfg.api_socket), "%s",
		 temp_dir_path(fx->dir, "api.sock"));
	fx->api->p.cfg = &fx->cfg;
	assert_int_equal(api_listen(&fx->cfg, &fd), 0);
	assert_int_equal(api_new(&fx->api->p, fd, &fx->api->p.api), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	api_free(fx->api->p.api);
	fx->api->p.api = NULL;
	api_fx_teardown((void **)&fx->api);
	temp_dir_free(fx->dir);
	free(fx);
	return 0;
}

static void step(struct fx *fx)
{
	assert_int_equal(loop_once(fx->api->p.loop, 0), 0);
}

static int client(struct fx *fx)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(sun.sun_path, fx->cfg.api_socket, strlen(fx->cfg.api_socket) + 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	fx->len = 0;
	return fd;
}

/* Takes what there is. False: the server has hung up. */
static bool take(struct fx *fx, int fd)
{
	char rest[4096];
	bool full = fx->len == sizeof(fx->answer) - 1;
	ssize_t n = recv(fd, full ? rest : fx->answer + fx->len,
			 full ? sizeof(rest) : sizeof(fx->answer) - 1 - fx->len, 0);

	if (n > 0 && !full)
		fx->len += (size_t)n;
	fx->answer[fx->len] = '\0';
	return n > 0 || (n < 0 && errno == EAGAIN);
}

/* Sends in pieces of at most `piece` bytes; stops when the server hangs up. */
static void send_all(struct fx *fx, int fd, const char *data, size_t len, size_t piece)
{
	uint64_t end = util_now_ns() + DEADLINE_NS;
	size_t at = 0;

	while (at < len) {
		ssize_t n = send(fd, data + at, MIN2(piece, len - at), MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return;
		at += n > 0 ? (size_t)n : 0;
		step(fx);
		if (!take(fx, fd))
			return;
		assert_true(util_now_ns() < end);
	}
}

/* Reads until `text` is there, or, with NULL, until the server hangs up. */
static void await(struct fx *fx, int fd, const char *text)
{
	uint64_t end = util_now_ns() + DEADLINE_NS;

	while (!(text && strstr(fx->answer, text))) {
		bool open = take(fx, fd);

		if (!open && !text)
			return;
		if (!open && !strstr(fx->answer, text))
			fail_msg("hung up without %s: %s", text, fx->answer);
		step(fx);
		assert_true(util_now_ns() < end);
	}
}

static void talk(struct fx *fx, const char *request, const char *answer)
{
	int fd = client(fx);

	send_all(fx, fd, request, strlen(request), SIZE_MAX);
	await(fx, fd, answer);
	close(fd);
}

static void still_works(struct fx *fx)
{
	talk(fx, "GET /v1/health HTTP/1.0\r\n\r\n", "{\"status\":\"ok\",");
}

static size_t descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* The server notices a hang-up only when it is asked to look. */
static void no_descriptor_left(struct fx *fx, size_t before)
{
	uint64_t end = util_now_ns() + DEADLINE_NS;

	while (descriptors() > before) {
		step(fx);
		assert_true(util_now_ns() < end);
	}
}

#define PUT_LOCAL "PUT /v1/vips/198.51.100.1 HTTP/1.1\r\nHost: a\r\n"
#define BODY	  "{\"ports\":[{\"protocol\":\"tcp\",\"port\":80,\"backends\":[]}]}"

static void test_bytes_one_at_a_time(void **state)
{
	static const char request[] = PUT_LOCAL "Content-Length: 54\r\n\r\n" BODY;
	struct fx *fx = *state;
	int fd = client(fx);

	assert_int_equal(strlen(BODY), 54);
	send_all(fx, fd, request, strlen(request), 1);
	await(fx, fd, "{\"status\":\"created\"}");
	assert_non_null(strstr(fx->answer, " 201 Created\r\n"));
	assert_non_null(strstr(fx->answer, "ETag: \""));
	close(fd);
	/* Over HTTP, what the header says counts. */
	talk(fx, PUT_LOCAL "If-None-Match: *\r\nContent-Length: 54\r\n\r\n" BODY, " 412 ");
	talk(fx, PUT_LOCAL "Content-Type: text/plain\r\nContent-Length: 54\r\n\r\n" BODY, " 415 ");
	talk(fx, "HEAD /v1/vips/198.51.100.1 HTTP/1.1\r\nHost: a\r\n\r\n", "ETag: \"");
	talk(fx, "OPTIONS /v1/vips HTTP/1.1\r\nHost: a\r\n\r\n", "Allow: GET\r\n");
}

static void test_chunked(void **state)
{
	struct fx *fx = *state;
	size_t n;
	int fd;

	talk(fx, PUT_LOCAL "Transfer-Encoding: chunked\r\n\r\n36\r\n" BODY "\r\n0\r\n\r\n",
	     "created");
	/* A body without an announced length, and without an end. */
	fd = client(fx);
	send_all(fx, fd, PUT_LOCAL "Transfer-Encoding: chunked\r\n\r\n",
		 strlen(PUT_LOCAL "Transfer-Encoding: chunked\r\n\r\n"), SIZE_MAX);
	for (n = 0; n < 40; n++) {
		static char chunk[32768 + 16];

		memset(chunk, ' ', sizeof(chunk));
		memcpy(chunk, "8000\r\n", 6);
		memcpy(chunk + 6 + 32768, "\r\n", 2);
		send_all(fx, fd, chunk, 32768 + 8, SIZE_MAX);
	}
	send_all(fx, fd, "0\r\n\r\n", 5, SIZE_MAX);
	await(fx, fd, " 413 ");
	close(fd);
	still_works(fx);
}

static void test_pipelined(void **state)
{
	static const char one[] =
		"GET /v1/vips/" API_FX_VIP " HTTP/1.1\r\nHost: a\r\n\r\n"
		"PUT " API_FX_BACKENDS "/" API_FX_B1 " HTTP/1.1\r\nHost: a\r\n"
		"Content-Length: 16\r\n\r\n{\"admin\":\"down\"}"
		"GET /v1/nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	struct fx *fx = *state;
	int fd = client(fx);

	send_all(fx, fd, one, strlen(one), SIZE_MAX);
	await(fx, fd, NULL);
	assert_non_null(strstr(fx->answer, "\"owner\":\"scheduler\""));
	assert_non_null(strstr(fx->answer, "{\"status\":\"replaced\"}"));
	assert_non_null(strstr(fx->answer, "no such path"));
	close(fd);
	assert_int_equal(core_overrides_count(fx->api->core->core), 1);
}

static void test_early_413(void **state)
{
	struct fx *fx = *state;

	/* Not one byte of the body has to be there. */
	talk(fx, PUT_LOCAL "Content-Length: 1048577\r\n\r\n", " 413 ");
	talk(fx, "POST /v1/backends HTTP/1.1\r\nHost: a\r\nContent-Length: 16777217\r\n\r\n",
	     " 413 ");
	talk(fx, PUT_LOCAL "Content-Length: 99999999999999999999999\r\n\r\n", " 4");
	talk(fx, PUT_LOCAL "Content-Length: -1\r\n\r\n", " 4");
	still_works(fx);
}

static void test_headers_without_end(void **state)
{
	static char line[8192];
	struct fx *fx = *state;
	int fd = client(fx);

	memset(line, 'x', sizeof(line));
	memcpy(line, "X: ", 3);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	send_all(fx, fd, "GET / HTTP/1.1\r\n", 16, SIZE_MAX);
	for (int i = 0; i < 64; i++)
		send_all(fx, fd, line, sizeof(line), SIZE_MAX);
	await(fx, fd, NULL);
	assert_non_null(strstr(fx->answer, " 431 "));
	close(fd);
	still_works(fx);
}

/* Many at once that never finish; the next one is served all the same. */
static void test_half_requests(void **state)
{
	struct fx *fx = *state;
	size_t before = descriptors();
	int fds[API_CONNECTIONS - 1];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		static const char *const halves[] = {"", "GE", "GET /v1/vips HTTP/1.1\r\nHost",
						     PUT_LOCAL "Content-Length: 54\r\n\r\n{\"po"};
		const char *half = halves[i % ARRAY_SIZE(halves)];

		fds[i] = client(fx);
		send_all(fx, fds[i], half, strlen(half), SIZE_MAX);
	}
	still_works(fx);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	no_descriptor_left(fx, before);
	assert_int_equal(core_local_count(fx->api->core->core), 0);
	still_works(fx);
}

/* Requests with bytes changed, cut anywhere, hung up on at once or after a look. */
static void test_garbage(void **state)
{
	static const char *const requests[] = {
		"GET /v1/vips/" API_FX_VIP "?view=config HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /v1/backends HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n{\"services\":[]}",
		"PATCH /v1/vips/%31 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
		"\r\n",
		"DELETE /v1/vips/198.51.100.9 HTTP/1.1\r\nIf-Match: \"x\"\r\nHost: a\r\n\r\n",
		"GET /v1/%00%ff/..//?&&=&a=%zz HTTP/1.1\r\nHost: a\r\n\r\n",
	};
	struct rnd r = {rnd_seed()};
	struct fx *fx = *state;
	size_t before = descriptors();
	char data[512];

	for (int i = 0; i < ROUNDS; i++) {
		const char *request = requests[rnd_below(&r, ARRAY_SIZE(requests))];
		size_t len = strlen(request);
		int fd = client(fx);

		memcpy(data, request, len);
		for (uint32_t n = rnd_below(&r, 4); n; n--)
			data[rnd_below(&r, (uint32_t)len)] = (char)rnd_below(&r, 256);
		if (rnd_below(&r, 4) == 0)
			rnd_bytes(&r, data, len);
		if (rnd_below(&r, 2))
			len = rnd_below(&r, (uint32_t)len + 1);
		send_all(fx, fd, data, len, 1 + rnd_below(&r, 64));
		if (rnd_below(&r, 2))
			shutdown(fd, SHUT_WR);
		step(fx);
		close(fd);
		if (i % 50 == 0)
			still_works(fx);
	}
	no_descriptor_left(fx, before);
	still_works(fx);
	assert_int_equal(core_local_count(fx->api->core->core), 0);
}

/* The client of a change does not wait for its answer: the change is made, once. */
static void test_hang_up_on_a_change(void **state)
{
	static const char request[] = PUT_LOCAL "Content-Length: 54\r\n\r\n" BODY;
	struct fx *fx = *state;
	size_t before = descriptors();
	int fd = client(fx);

	send_all(fx, fd, request, strlen(request), SIZE_MAX);
	close(fd);
	no_descriptor_left(fx, before);
	still_works(fx);
	assert_int_equal(core_local_count(fx->api->core->core), 1);
}

/* Changes that come together are saved together, and each is answered after that. */
static void test_many_at_once(void **state)
{
	struct fx *fx = *state;
	char request[256];
	int fds[32];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = client(fx);
		snprintf(request, sizeof(request),
			 "PUT /v1/vips/198.51.100.%zu HTTP/1.1\r\nHost: a\r\n"
			 "Content-Length: 54\r\n\r\n" BODY,
			 i + 1);
		assert_int_equal(send(fds[i], request, strlen(request), 0), strlen(request));
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fx->len = 0;
		fx->answer[0] = '\0';
		await(fx, fds[i], "created");
		close(fds[i]);
	}
	assert_int_equal(core_local_count(fx->api->core->core), ARRAY_SIZE(fds));
	assert_in_range(fx->saves, 1, ARRAY_SIZE(fds) / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bytes_one_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chunked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pipelined, setup, teardown),
		cmocka_unit_test_setup_teardown(test_early_413, setup, teardown),
		cmocka_unit_test_setup_teardown(test_headers_without_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hang_up_on_a_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_at_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
