// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The TCP check against real sockets on loopback, IPv4 and IPv6.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "hc_fixture.h"
#include "hc_server.h"
#include "hc_sock.h"
#include "util.h"

static const char *loopback(bool v6)
{
	return v6 ? "::1" : "127.0.0.1";
}

static struct msg_hc_result probe(bool v6, uint16_t port, uint32_t timeout_ms)
{
	return hc_fixture_probe(&(struct hc_fixture){.type = MSG_HC_TCP,
						     .target = loopback(v6),
						     .port = port,
						     .timeout_ms = timeout_ms},
				NULL);
}

static void test_open_port(void **state _unused_)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct hc_server *s =
			hc_server_start(&(struct hc_server_spec){.mode = HC_SERVER_HANG, .v6 = v6});
		struct msg_hc_result r = probe(v6, hc_server_port(s), 1000);

		assert_int_equal(r.reason, MSG_HC_OK);
		assert_int_equal(r.state, MSG_HC_UP);
		assert_in_range(r.latency_us, 1, 1000000);
		hc_server_stop(s);
	}
}

static void test_refused(void **state _unused_)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct msg_hc_result r = probe(v6, hc_server_free_port(v6), 1000);

		assert_int_equal(r.reason, MSG_HC_REFUSED);
		assert_int_equal(r.state, MSG_HC_DOWN);
	}
}

/* A backlog that is full: the kernel drops the SYN. */
static void test_timeout(void **state _unused_)
{
	int fds[3], fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct msg_hc_result r;
	struct addr a;

	assert_int_equal(addr_parse("127.0.0.1", &a), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, addr_to_sockaddr(&a, 0, &ss)), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		assert_true(connect(fds[i], (struct sockaddr *)&ss, len) == 0 ||
			    errno == EINPROGRESS);
	}
	r = probe(false, ntohs(((struct sockaddr_in *)&ss)->sin_port), 60);
	assert_int_equal(r.reason, MSG_HC_TIMEOUT);
	assert_int_equal(r.detail, MSG_HC_PHASE_CONNECT);
	assert_int_equal(r.state, MSG_HC_DOWN);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	close(fd);
}

static void test_closes_with_a_reset(void **state _unused_)
{
	struct sockaddr_storage ss;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
	socklen_t len = sizeof(ss);
	struct msg_hc_result r;
	struct addr a;
	char ch;

	assert_int_equal(addr_parse("127.0.0.1", &a), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, addr_to_sockaddr(&a, 0, &ss)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	r = probe(false, ntohs(((struct sockaddr_in *)&ss)->sin_port), 1000);
	assert_int_equal(r.reason, MSG_HC_OK);
	peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(peer >= 0);
	assert_int_equal(read(peer, &ch, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	close(peer);
	close(fd);
}

/* Connecting to a closed port of its own host from that very port is no success. */
static void test_does_not_meet_itself(void **state _unused_)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr a;
	struct hc_check check = {0};
	struct hc_probe p = {.check = &check};
	const struct hc_sock s = {.io.fd = fd, .probe = &p};
	struct hc_world w;

	hc_world_init(&w, NULL);
	assert_int_equal(addr_parse("127.0.0.1", &a), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, addr_to_sockaddr(&a, 0, &ss)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	check.port = ntohs(((struct sockaddr_in *)&ss)->sin_port);
	assert_int_equal(hc_sock_connected(w.socks, &s, 0), -EINPROGRESS);
	assert_true(connect(fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS);
	assert_int_equal(hc_sock_connected(w.socks, &s, 0), -ECONNREFUSED);
	/* Also where epoll has seen a connection: the port is one that a client may have. */
	assert_int_equal(hc_sock_connected(w.socks, &s, EPOLLOUT), -ECONNREFUSED);
	close(fd);
	hc_world_done(&w);
}

static void no_call(struct hc_probe *p _unused_, uint32_t events _unused_)
{
}

static void test_no_descriptor_is_no_verdict(void **state _unused_)
{
	struct hc_server *s = hc_server_start(&(struct hc_server_spec){.mode = HC_SERVER_HANG});
	struct rlimit lim, low;
	struct msg_hc_result r;
	struct hc_check *c = hc_fixture_check(&(struct hc_fixture){.type = MSG_HC_TCP});
	struct hc_probe p = {.check = c, .to = &(struct addr){.b = {[15] = 1}}};
	struct hc_sock *sock = NULL;
	struct hc_world w;

	hc_world_init(&w, NULL);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	low = lim;
	low.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(hc_sock_open(w.socks, &p, no_call, &sock), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
	assert_null(sock);
	assert_int_equal(hc_socks_n(w.socks), 0);
	hc_world_done(&w);
	hc_check_free(c);

	r = probe(false, hc_server_port(s), 1000);
	assert_int_equal(r.reason, MSG_HC_OK);
	hc_server_stop(s);
}

static void test_reasons_of_errnos(void **state _unused_)
{
	static const struct {
		int err;
		enum msg_hc_reason sync, async;
	} table[] = {
		{ECONNREFUSED, MSG_HC_REFUSED, MSG_HC_REFUSED},
		{ECONNRESET, MSG_HC_RESET, MSG_HC_RESET},
		{EPIPE, MSG_HC_RESET, MSG_HC_RESET},
		{ETIMEDOUT, MSG_HC_TIMEOUT, MSG_HC_TIMEOUT},
		{EHOSTUNREACH, MSG_HC_UNREACHABLE, MSG_HC_UNREACHABLE},
		{ENETUNREACH, MSG_HC_UNREACHABLE, MSG_HC_UNREACHABLE},
		{EMFILE, MSG_HC_LOCAL, MSG_HC_UNREACHABLE},
		{ENOMEM, MSG_HC_LOCAL, MSG_HC_LOCAL},
		{ENOBUFS, MSG_HC_LOCAL, MSG_HC_LOCAL},
		{ENETDOWN, MSG_HC_LOCAL, MSG_HC_LOCAL},
		{EADDRNOTAVAIL, MSG_HC_LOCAL, MSG_HC_UNREACHABLE},
		{EACCES, MSG_HC_LOCAL, MSG_HC_UNREACHABLE},
		{EPERM, MSG_HC_LOCAL, MSG_HC_UNREACHABLE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		assert_int_equal(hc_sock_reason(table[i].err, true), table[i].sync);
		assert_int_equal(hc_sock_reason(table[i].err, false), table[i].async);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_port),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_closes_with_a_reset),
		cmocka_unit_test(test_does_not_meet_itself),
		cmocka_unit_test(test_no_descriptor_is_no_verdict),
		cmocka_unit_test(test_reasons_of_errnos),
	};

	return cmocka_run_group_tests_name("hc_tcp", tests, NULL, NULL);
}
