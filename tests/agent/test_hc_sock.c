// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sockets of probes: which are used again, what is kept, and what a check
 * with options of its own gets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "hc_fixture.h"
#include "hc_sock.h"
#include "util.h"

static struct {
	struct loop *loop;
	struct hc_socks *socks;
	int listener;
	uint16_t port;
	uint32_t events; /* what ready() was told, in all */
	unsigned int calls;
} fx;

/* A listener for both families. */
static void listen_anywhere(void)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
	socklen_t len = sizeof(sin6);
	int off = 0;

	fx.listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fx.listener >= 0);
	assert_int_equal(setsockopt(fx.listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)), 0);
	assert_int_equal(bind(fx.listener, (struct sockaddr *)&sin6, len), 0);
	assert_int_equal(listen(fx.listener, 64), 0);
	assert_int_equal(getsockname(fx.listener, (struct sockaddr *)&sin6, &len), 0);
	fx.port = ntohs(sin6.sin6_port);
}

static int setup(void **state _unused_)
{
	memset(&fx, 0, sizeof(fx));
	assert_int_equal(loop_new(&fx.loop), 0);
	assert_int_equal(hc_socks_new(fx.loop, 4, &fx.socks), 0);
	listen_anywhere();
	return 0;
}

static int teardown(void **state _unused_)
{
	hc_socks_free(fx.socks);
	loop_free(fx.loop);
	close(fx.listener);
	return 0;
}

static void ready(struct hc_probe *p _unused_, uint32_t events)
{
	fx.events |= events;
	fx.calls++;
}

struct conn {
	struct hc_probe p;
	struct addr to;
	struct hc_sock *sock;
	int peer; /* the server's end */
};

static void conn_open(struct conn *c, struct hc_fixture f)
{
	uint64_t deadline = util_now_ns() + 10000000000ull;

	f.port = fx.port;
	memset(c, 0, sizeof(*c));
	assert_int_equal(addr_parse(f.target ? f.target : "127.0.0.1", &c->to), 0);
	c->p.check = hc_fixture_check(&f);
	c->p.target = c->p.to = &c->to;
	fx.events = 0;
	assert_int_equal(hc_sock_open(fx.socks, &c->p, ready, &c->sock), 0);
	while (hc_sock_connected(fx.socks, c->sock, fx.events) == -EINPROGRESS) {
		assert_true(util_now_ns() < deadline);
		assert_int_equal(loop_once(fx.loop, 100), 0);
	}
	assert_int_equal(hc_sock_connected(fx.socks, c->sock, 0), 0);
	c->peer = accept4(fx.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(c->peer >= 0);
}

/* Ends it, which the server must see as a reset. */
static void conn_close(struct conn *c)
{
	char ch;

	hc_sock_put(fx.socks, c->sock);
	assert_int_equal(read(c->peer, &ch, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	close(c->peer);
	hc_check_free((struct hc_check *)c->p.check);
}

static const struct hc_fixture tcp4 = {.type = MSG_HC_TCP};
static const struct hc_fixture tcp6 = {.type = MSG_HC_TCP, .target = "::1"};

static void test_one_socket_after_another(void **state _unused_)
{
	const struct hc_sock *first = NULL;
	struct conn c;

	for (unsigned int i = 0; i < 5; i++) {
		conn_open(&c, tcp4);
		if (!first)
			first = c.sock;
		assert_ptr_equal(c.sock, first);
		assert_false(c.sock->own);
		conn_close(&c);
		assert_int_equal(hc_socks_n(fx.socks), 1);
	}
}

/* What a socket says while nobody holds it is nobody's. */
static void test_idle_sockets_are_quiet(void **state _unused_)
{
	struct conn c;
	unsigned int calls;

	conn_open(&c, tcp4);
	conn_close(&c);
	calls = fx.calls;
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(loop_once(fx.loop, 1), 0);
	assert_int_equal(fx.calls, calls);
	/* Nor does the next one hear of it. */
	conn_open(&c, tcp4);
	assert_false(fx.events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP));
	conn_close(&c);
}

/* Four may be open; the fifth of the other family takes the place of an idle one. */
static void test_families_share_the_limit(void **state _unused_)
{
	struct conn c[4];

	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		conn_open(&c[i], tcp4);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		conn_close(&c[i]);
	assert_int_equal(hc_socks_n(fx.socks), 4);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		conn_open(&c[i], tcp6);
	assert_int_equal(hc_socks_n(fx.socks), 4);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		conn_close(&c[i]);
}

static void test_trim_keeps_what_is_needed(void **state _unused_)
{
	struct conn c[3];

	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		conn_open(&c[i], tcp4);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		conn_close(&c[i]);
	hc_socks_trim(fx.socks);
	assert_int_equal(hc_socks_n(fx.socks), 3);
	/* Two of the three were needed since. */
	conn_open(&c[0], tcp4);
	conn_open(&c[1], tcp4);
	conn_close(&c[0]);
	conn_close(&c[1]);
	hc_socks_trim(fx.socks);
	assert_int_equal(hc_socks_n(fx.socks), 2);
	hc_socks_trim(fx.socks);
	assert_int_equal(hc_socks_n(fx.socks), 0);
}

/* One who has not taken all is called again, and once; the socket is as before afterwards. */
static void test_again(void **state _unused_)
{
	struct conn c;

	conn_open(&c, tcp4);
	assert_int_equal(write(c.peer, "ab", 2), 2);
	fx.events = 0;
	while (!(fx.events & EPOLLIN))
		assert_int_equal(loop_once(fx.loop, 100), 0);
	fx.calls = 0;
	assert_int_equal(loop_once(fx.loop, 1), 0);
	assert_int_equal(fx.calls, 0);
	hc_sock_again(fx.socks, c.sock, EPOLLIN);
	assert_int_equal(loop_once(fx.loop, 100), 0);
	assert_int_equal(fx.calls, 1);
	conn_close(&c);
	conn_open(&c, tcp4);
	while (!(fx.events & EPOLLOUT))
		assert_int_equal(loop_once(fx.loop, 100), 0);
	conn_close(&c);
	assert_int_equal(hc_socks_n(fx.socks), 1);
}

static void test_source(void **state _unused_)
{
	struct hc_fixture f = tcp4;
	struct sockaddr_in6 sin6;
	socklen_t len = sizeof(sin6);
	char text[INET6_ADDRSTRLEN];
	struct conn c;

	f.source = "127.0.0.9";
	conn_open(&c, f);
	assert_true(c.sock->own);
	assert_int_equal(getpeername(c.peer, (struct sockaddr *)&sin6, &len), 0);
	inet_ntop(AF_INET6, &sin6.sin6_addr, text, sizeof(text));
	assert_string_equal(text, "::ffff:127.0.0.9");
	conn_close(&c);
	/* Not kept: the next one would have that source, too. */
	assert_int_equal(hc_socks_n(fx.socks), 0);
}

static int get_int(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void test_dscp(void **state _unused_)
{
	struct hc_fixture f = tcp4;
	struct conn c;

	f.dscp = 46;
	conn_open(&c, f);
	assert_int_equal(get_int(c.sock->io.fd, IPPROTO_IP, IP_TOS), 46 << 2);
	conn_close(&c);
	f = tcp6;
	f.dscp = 10;
	conn_open(&c, f);
	assert_int_equal(get_int(c.sock->io.fd, IPPROTO_IPV6, IPV6_TCLASS), 10 << 2);
	conn_close(&c);
}

static void test_device(void **state _unused_)
{
	struct hc_fixture f = tcp4;
	char name[32] = "";
	socklen_t len = sizeof(name);
	struct conn c;

	f.device = "lo";
	conn_open(&c, f);
	assert_int_equal(getsockopt(c.sock->io.fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len), 0);
	assert_string_equal(name, "lo");
	conn_close(&c);
}

/* A device that is not there is this node's fault, and costs no descriptor. */
static void test_no_such_device(void **state _unused_)
{
	struct hc_fixture f = tcp4;
	struct hc_check *check;
	struct addr to;
	struct hc_sock *sock = NULL;
	struct hc_probe p = {.to = &to};

	f.device = "no-such-device";
	p.check = check = hc_fixture_check(&f);
	assert_int_equal(addr_parse("127.0.0.1", &to), 0);
	assert_int_equal(hc_sock_open(fx.socks, &p, ready, &sock), -ENODEV);
	assert_null(sock);
	assert_int_equal(hc_socks_n(fx.socks), 0);
	hc_check_free(check);
}

/* Half open: the server's application never hears of it. */
static void test_half_open(void **state _unused_)
{
	struct hc_fixture f = {.type = MSG_HC_TCP, .port = fx.port, .flags = MSG_HC_F_HALF_OPEN};
	struct msg_hc_result r;

	r = hc_fixture_probe(&f, NULL);
	assert_int_equal(r.reason, MSG_HC_OK);
	assert_int_equal(fcntl(fx.listener, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(accept4(fx.listener, NULL, NULL, SOCK_CLOEXEC), -1);
	assert_int_equal(errno, EAGAIN);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_one_socket_after_another),
		T(test_idle_sockets_are_quiet),
		T(test_families_share_the_limit),
		T(test_trim_keeps_what_is_needed),
		T(test_again),
		T(test_source),
		T(test_dscp),
		T(test_device),
		T(test_no_such_device),
		T(test_half_open),
	};

	return cmocka_run_group_tests_name("hc_sock", tests, NULL, NULL);
}
