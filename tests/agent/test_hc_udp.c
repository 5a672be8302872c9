// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The UDP check on loopback, IPv4 and IPv6. The test is the server: it answers
 * within the same thread, between two rounds of the loop.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "hc_fixture.h"
#include "hc_server.h"
#include "util.h"

struct peer {
	int fd;
	uint16_t port;
	struct sockaddr_storage from; /* of the last request */
	socklen_t from_len;
};

static const char *loopback(bool v6)
{
	return v6 ? "::1" : "127.0.0.1";
}

static int bound_to(const char *address, uint16_t *ret_port)
{
	struct sockaddr_storage ss;
	socklen_t len;
	struct addr a;
	int fd;

	assert_int_equal(addr_parse(address, &a), 0);
	len = addr_to_sockaddr(&a, 0, &ss);
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	*ret_port = ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
						   : ((struct sockaddr_in *)&ss)->sin_port);
	return fd;
}

static struct peer peer_open(bool v6)
{
	struct peer peer = {0};

	peer.fd = bound_to(loopback(v6), &peer.port);
	return peer;
}

/* Runs the loop until a request is there; it must be these bytes. */
static void take_request(struct hc_world *w, struct peer *peer, const void *want, size_t len)
{
	uint64_t deadline = util_now_ns() + 5000000000ull;
	char buf[2048];
	ssize_t n;

	do {
		assert_true(util_now_ns() < deadline);
		assert_int_equal(loop_once(w->loop, 10), 0);
		peer->from_len = sizeof(peer->from);
		n = recvfrom(peer->fd, buf, sizeof(buf), MSG_DONTWAIT,
			     (struct sockaddr *)&peer->from, &peer->from_len);
	} while (n < 0);
	assert_int_equal(n, len);
	assert_memory_equal(buf, want, len);
}

static void answer(int fd, const struct peer *peer, const void *data, size_t len)
{
	assert_int_equal(
		sendto(fd, data, len, 0, (const struct sockaddr *)&peer->from, peer->from_len),
		len);
}

static void begin(struct hc_world *w, bool v6, uint16_t port, const struct hc_fixture *how)
{
	struct hc_fixture f = *how;

	f.type = MSG_HC_UDP;
	f.target = loopback(v6);
	f.port = port;
	f.interval_ms = 60000;
	if (!f.timeout_ms)
		f.timeout_ms = 3000;
	hc_world_init(w, NULL);
	hc_world_set(w, &f);
}

static struct msg_hc_result end(struct hc_world *w)
{
	hc_world_run(w, 1);
	hc_world_done(w);
	return w->results[0];
}

static char big[65507];

static const struct {
	const char *name;
	const char *payload, *want;
	const char *said;
	size_t len;
	uint32_t body_max;
	enum msg_hc_reason reason;
} table[] = {
	{"any answer", "ping", NULL, "pong", 4, 0, MSG_HC_OK},
	{"any answer, an empty one", "ping", NULL, "", 0, 0, MSG_HC_OK},
	{"an empty request", NULL, NULL, "x", 1, 0, MSG_HC_OK},
	{"the wanted one", "ping", "pong", "pong", 4, 0, MSG_HC_OK},
	{"in the middle, behind a NUL", "ping", "pong", "\0pongs", 6, 0, MSG_HC_OK},
	{"another one", "ping", "pong", "pang", 4, 0, MSG_HC_BODY},
	{"cut", "ping", "pong", "pon", 3, 0, MSG_HC_BODY},
	{"an empty one, where one was wanted", "ping", "pong", "", 0, 0, MSG_HC_BODY},
	{"within the limit", "ping", "pong", "12pong", 6, 6, MSG_HC_OK},
	{"beyond the limit", "ping", "pong", "123pong", 7, 6, MSG_HC_BODY},
	{"the longest there is", "ping", "end", big, sizeof(big), 0, MSG_HC_OK},
};

static void test_answers(void **state _unused_)
{
	memcpy(big + sizeof(big) - 3, "end", 3);
	for (size_t i = 0; i < ARRAY_SIZE(table) * 2; i++) {
		const char *payload = table[i / 2].payload;
		struct peer peer = peer_open(i % 2);
		struct msg_hc_result r;
		struct hc_world w;

		begin(&w, i % 2, peer.port,
		      &(struct hc_fixture){.payload = payload,
					   .body = table[i / 2].want,
					   .body_max = table[i / 2].body_max});
		take_request(&w, &peer, payload ? payload : "", payload ? strlen(payload) : 0);
		answer(peer.fd, &peer, table[i / 2].said, table[i / 2].len);
		r = end(&w);
		if (r.reason != table[i / 2].reason || r.detail)
			fail_msg("%s: %d/%u", table[i / 2].name, r.reason, r.detail);
		close(peer.fd);
	}
}

static void test_refused(void **state _unused_)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct peer peer = peer_open(v6);
		struct hc_world w;

		close(peer.fd);
		begin(&w, v6, peer.port, &(struct hc_fixture){.payload = "x"});
		assert_int_equal(end(&w).reason, MSG_HC_REFUSED);
	}
}

static void test_timeout(void **state _unused_)
{
	struct peer peer = peer_open(false);
	struct msg_hc_result r;
	struct hc_world w;

	begin(&w, false, peer.port, &(struct hc_fixture){.payload = "x", .timeout_ms = 60});
	r = end(&w);
	assert_int_equal(r.reason, MSG_HC_TIMEOUT);
	assert_int_equal(r.detail, MSG_HC_PHASE_ANSWER);
	close(peer.fd);
}

/* From another port or address than was asked: nobody's answer. */
static void test_foreign_answers(void **state _unused_)
{
	struct peer peer = peer_open(false);
	struct msg_hc_result r;
	uint16_t port;
	struct hc_world w;
	int other_port = bound_to("127.0.0.1", &port), other_host = bound_to("127.0.0.2", &port);

	begin(&w, false, peer.port, &(struct hc_fixture){.payload = "x", .body = "right"});
	take_request(&w, &peer, "x", 1);
	answer(other_port, &peer, "right", 5);
	answer(other_host, &peer, "right", 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_once(w.loop, 5), 0);
	assert_int_equal(hc_get_stats(w.hc)->flying, 1);
	assert_int_equal(w.n_results, 0);
	/* The first from the right one counts, though the second is what was wanted. */
	answer(peer.fd, &peer, "wrong", 5);
	answer(peer.fd, &peer, "right", 5);
	r = end(&w);
	assert_int_equal(r.reason, MSG_HC_BODY);
	close(peer.fd);
	close(other_port);
	close(other_host);
}

static void test_no_way(void **state _unused_)
{
	struct msg_hc_result r;

	/* An address that this host has not: our own fault, no verdict. */
	r = hc_fixture_probe(&(struct hc_fixture){.type = MSG_HC_UDP, .source = "192.0.2.77"},
			     NULL);
	assert_int_equal(r.reason, MSG_HC_LOCAL);
	assert_int_equal(r.detail, EADDRNOTAVAIL);
	r = hc_fixture_probe(&(struct hc_fixture){.type = MSG_HC_UDP, .device = "nosuch0"}, NULL);
	assert_int_equal(r.reason, MSG_HC_LOCAL);
	assert_int_equal(r.detail, ENODEV);
}

/* More at once than descriptors: late, not failed; and no socket is left. */
static void test_many(void **state _unused_)
{
	struct peer peer = peer_open(false);
	struct hc_world w;

	begin(&w, false, peer.port, &(struct hc_fixture){.id = 1, .payload = "0"});
	for (uint64_t id = 2; id <= 50; id++)
		hc_world_set(&w, &(struct hc_fixture){.id = id,
						      .type = MSG_HC_UDP,
						      .port = peer.port,
						      .payload = "0",
						      .interval_ms = 60000,
						      .timeout_ms = 3000});
	for (unsigned int i = 0; i < 50; i++) {
		take_request(&w, &peer, "0", 1);
		answer(peer.fd, &peer, "1", 1);
	}
	hc_world_run(&w, 50);
	assert_int_equal(hc_get_stats(w.hc)->ended[MSG_HC_OK], 50);
	assert_int_equal(hc_socks_n(w.socks), 0);
	hc_world_done(&w);
	close(peer.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_timeout), cmocka_unit_test(test_foreign_answers),
		cmocka_unit_test(test_no_way),	cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("hc_udp", tests, NULL, NULL);
}
