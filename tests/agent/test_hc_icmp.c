// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ICMP check on loopback, in a network namespace of its own where one can
 * be had: there the kernel can be told to stay silent, so that the test answers
 * in its place, wrongly.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "hc_fixture.h"
#include "hc_icmp_wire.h"
#include "util.h"

#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif

static bool own_netns;

static void write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void kernel_answers(bool yes)
{
	write_file("/proc/sys/net/ipv4/icmp_echo_ignore_all", yes ? "0" : "1");
	write_file("/proc/sys/net/ipv6/icmp/echo_ignore_all", yes ? "0" : "1");
}

static int group_setup(void **state _unused_)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	_cleanup_close_ int fd = -1;

	if (unshare(CLONE_NEWNET) < 0)
		return 0;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return -1;
	own_netns = true;
	return 0;
}

/* True, and the world gone, when there is no way to probe here. */
static bool cannot(struct hc_world *w, bool v6)
{
	int err = hc_icmp_usable(w->icmp, v6);

	if (err == 0)
		return false;
	print_message("skipped: no ICMP%s socket: %s\n", v6 ? "v6" : "", strerror(-err));
	hc_world_done(w);
	return true;
}

static void expect_up(const char *target, bool v6)
{
	struct hc_world w;

	hc_world_init(&w, NULL);
	if (cannot(&w, v6))
		skip();
	hc_world_set(&w, &(struct hc_fixture){.type = MSG_HC_ICMP,
					      .target = target,
					      .timeout_ms = 2000,
					      .interval_ms = 60000});
	hc_world_run(&w, 1);
	assert_int_equal(w.results[0].reason, MSG_HC_OK);
	assert_int_equal(w.results[0].state, MSG_HC_UP);
	assert_int_equal(hc_icmp_get_stats(w.icmp)->matched, 1);
	hc_world_done(&w);
}

static void test_ipv4(void **state _unused_)
{
	expect_up("127.0.0.1", false);
}

static void test_ipv6(void **state _unused_)
{
	expect_up("::1", true);
}

/* More than the slots there are at first, of several targets, over and over. */
static void test_many(void **state _unused_)
{
	struct hc_world w;

	hc_world_init(&w, NULL);
	if (cannot(&w, false))
		skip();
	for (unsigned int i = 1; i <= 200; i++) {
		char target[32];

		snprintf(target, sizeof(target), "127.0.1.%u", i);
		hc_world_set(&w, &(struct hc_fixture){.id = i,
						      .type = MSG_HC_ICMP,
						      .target = target,
						      .timeout_ms = 2000,
						      .interval_ms = 20});
	}
	hc_world_run(&w, 200);
	while (hc_icmp_get_stats(w.icmp)->matched < 1000)
		assert_int_equal(loop_once(w.loop, 100), 0);
	/* All went up, and not one failed. A latency that changed by much is a result, too. */
	assert_true(w.n_results >= 200);
	for (unsigned int i = 0; i < MSG_HC_REASONS; i++)
		assert_true(i == MSG_HC_OK || hc_get_stats(w.hc)->ended[i] == 0);
	assert_int_equal(hc_icmp_get_stats(w.icmp)->late, 0);
	assert_int_equal(hc_icmp_get_stats(w.icmp)->bad, 0);
	hc_world_done(&w);
}

static void test_timeout(void **state _unused_)
{
	static const char *const targets[] = {"127.0.0.1", "::1"};

	if (!own_netns) {
		print_message("skipped: no network namespace of its own\n");
		skip();
	}
	kernel_answers(false);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		struct hc_world w;

		hc_world_init(&w, NULL);
		hc_world_set(&w, &(struct hc_fixture){.type = MSG_HC_ICMP,
						      .target = targets[i],
						      .timeout_ms = 50,
						      .interval_ms = 60000});
		hc_world_run(&w, 1);
		assert_int_equal(w.results[0].reason, MSG_HC_TIMEOUT);
		assert_int_equal(w.results[0].detail, MSG_HC_PHASE_NONE);
		hc_world_done(&w);
	}
	kernel_answers(true);
}

static void test_unreachable(void **state _unused_)
{
	struct msg_hc_result r;

	if (!own_netns) {
		print_message("skipped: no network namespace of its own\n");
		skip();
	}
	r = hc_fixture_probe(&(struct hc_fixture){.type = MSG_HC_ICMP, .target = "192.0.2.1"},
			     NULL);
	assert_int_equal(r.reason, MSG_HC_UNREACHABLE);
	assert_int_equal(r.detail, ENETUNREACH);
}

/* A reply that lay in the socket while this process did not run: the kernel knows better. */
static void test_latency_of_a_late_reader(void **state _unused_)
{
	static const char *const targets[] = {"127.0.0.1", "::1"};

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		uint64_t sent_by;
		struct hc_world w;

		hc_world_init(&w, NULL);
		if (cannot(&w, i == 1))
			skip();
		hc_world_set(&w, &(struct hc_fixture){.type = MSG_HC_ICMP,
						      .target = targets[i],
						      .timeout_ms = 5000,
						      .interval_ms = 60000});
		while (!hc_icmp_get_stats(w.icmp)->sent)
			assert_int_equal(loop_once(w.loop, 100), 0);
		sent_by = util_now_ns();
		while (util_now_ns() < sent_by + 100000000ull)
			;
		hc_world_run(&w, 1);
		assert_int_equal(w.results[0].reason, MSG_HC_OK);
		assert_in_range(w.results[0].latency_us, 1, 80000);
		hc_world_done(&w);
	}
}

/* ---- how requests leave ---- */

struct seen {
	struct addr from;
	int tos;
	uint32_t mark;
};

static int tap_open(bool v6)
{
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC,
			v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	int on = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
				    v6 ? IPV6_RECVTCLASS : IP_RECVTOS, &on, sizeof(on)),
			 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVMARK, &on, sizeof(on)), 0);
	return fd;
}

/* The request as it came to the other end. */
static struct seen tap_read(int fd, bool v6)
{
	_Alignas(struct cmsghdr) char control[256];
	struct sockaddr_storage from = {0};
	struct seen seen = {0};
	char buf[128];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr m;

	do {
		m = (struct msghdr){.msg_name = &from,
				    .msg_namelen = sizeof(from),
				    .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control,
				    .msg_controllen = sizeof(control)};
		assert_true(recvmsg(fd, &m, 0) >= HC_ICMP_LEN);
	} while (v6 ? (uint8_t)buf[0] != 128 : buf[20] != 8);
	assert_int_equal(addr_from_sockaddr(&from, &seen.from), 0);
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&m); cm; cm = CMSG_NXTHDR(&m, cm)) {
		if (cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SO_MARK)
			memcpy(&seen.mark, CMSG_DATA(cm), sizeof(seen.mark));
		else if (cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == IP_TOS)
			seen.tos = *CMSG_DATA(cm);
		else if (cm->cmsg_level == IPPROTO_IPV6 && cm->cmsg_type == IPV6_TCLASS)
			memcpy(&seen.tos, CMSG_DATA(cm), sizeof(seen.tos));
	}
	return seen;
}

/* With the one capability that the health child has. */
static void net_admin(bool yes)
{
	static const cap_value_t admin[] = {CAP_NET_ADMIN};
	cap_t caps = cap_get_proc();

	assert_non_null(caps);
	assert_int_equal(cap_set_flag(caps, CAP_EFFECTIVE, 1, admin, yes ? CAP_SET : CAP_CLEAR), 0);
	assert_int_equal(cap_set_proc(caps), 0);
	cap_free(caps);
}

static const struct hc_fixture options[] = {
	{.target = "127.0.0.1"},
	{.target = "127.0.0.1", .source = "127.0.0.9"},
	{.target = "127.0.0.1", .dscp = 46},
	{.target = "127.0.0.1", .mark = 0x4e400001},
	{.target = "127.0.0.1", .source = "127.0.0.7", .dscp = 63, .mark = 7, .device = "lo"},
	{.target = "::1"},
	{.target = "::1", .source = "::1", .dscp = 10},
	{.target = "::1", .mark = 0x4e400001},
	{.target = "::1", .source = "::1", .dscp = 63, .mark = 7, .device = "lo"},
};

static void test_options(void **state _unused_)
{
	if (!own_netns) {
		print_message("skipped: no network namespace of its own\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		bool v6 = strchr(options[i].target, ':');
		struct hc_fixture f = options[i];
		int tap = tap_open(v6);
		struct msg_hc_result r;
		struct seen seen;
		struct addr from;

		f.type = MSG_HC_ICMP;
		f.timeout_ms = 2000;
		net_admin(false);
		r = hc_fixture_probe(&f, NULL);
		net_admin(true);
		if (r.reason != MSG_HC_OK)
			fail_msg("row %zu: %d/%u", i, r.reason, r.detail);
		seen = tap_read(tap, v6);
		close(tap);
		assert_int_equal(addr_parse(f.source ? f.source : f.target, &from), 0);
		if (addr_cmp(&from, &seen.from) != 0 || seen.tos != f.dscp << 2 ||
		    seen.mark != f.mark)
			fail_msg("row %zu: tos %d mark %u", i, seen.tos, seen.mark);
	}
}

static void test_options_that_cannot_be(void **state _unused_)
{
	static const struct {
		struct hc_fixture f;
		uint32_t detail;
	} rows[] = {
		{{.target = "127.0.0.1", .source = "192.0.2.77"}, EADDRNOTAVAIL},
		{{.target = "::1", .source = "2001:db8::77"}, EADDRNOTAVAIL},
		{{.target = "127.0.0.1", .device = "nosuch0"}, ENODEV},
		{{.target = "::1", .device = "nosuch0"}, ENODEV},
	};

	if (!own_netns) {
		print_message("skipped: no network namespace of its own\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct hc_fixture f = rows[i].f;
		struct msg_hc_result r;

		f.type = MSG_HC_ICMP;
		r = hc_fixture_probe(&f, NULL);
		if (r.reason != MSG_HC_LOCAL || r.detail != rows[i].detail)
			fail_msg("row %zu: %d/%u", i, r.reason, r.detail);
	}
}

/* ---- replies that are not from whom they should be ---- */

static uint16_t sum16(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)(data[i] << 8 | data[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* A reply from an address, with the bytes of a request. */
static void forge(int fd, const char *from, const uint8_t request[HC_ICMP_LEN])
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	uint8_t buf[HC_ICMP_LEN];
	uint16_t sum;

	memcpy(buf, request, sizeof(buf));
	buf[0] = buf[2] = buf[3] = 0;
	sum = sum16(buf, sizeof(buf));
	buf[2] = (uint8_t)(sum >> 8);
	buf[3] = (uint8_t)sum;
	assert_int_equal(inet_pton(AF_INET, from, &sin.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &sin.sin_addr), 1);
	assert_int_equal(sendto(fd, buf, sizeof(buf), 0, (struct sockaddr *)&sin, sizeof(sin)),
			 sizeof(buf));
}

static void run_until(struct hc_world *w, const uint64_t *count, uint64_t n)
{
	uint64_t deadline = util_now_ns() + 5000000000ull;

	while (*count < n) {
		assert_true(util_now_ns() < deadline);
		assert_int_equal(loop_once(w->loop, 100), 0);
	}
}

static void test_forged_and_late(void **state _unused_)
{
	uint8_t buf[128], request[HC_ICMP_LEN], other[HC_ICMP_LEN];
	const struct hc_icmp_stats *st;
	struct hc_world w;
	int fd, tap;

	if (!own_netns) {
		print_message("skipped: no network namespace of its own\n");
		skip();
	}
	kernel_answers(false);
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	tap = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	assert_true(fd >= 0 && tap >= 0);
	hc_world_init(&w, NULL);
	st = hc_icmp_get_stats(w.icmp);
	hc_world_set(&w, &(struct hc_fixture){.type = MSG_HC_ICMP,
					      .target = "127.0.0.1",
					      .timeout_ms = 5000,
					      .interval_ms = 60000});
	run_until(&w, &st->sent, 1);
	assert_int_equal(recv(tap, buf, sizeof(buf), 0), 20 + HC_ICMP_LEN);
	memcpy(request, buf + 20, sizeof(request));

	/* From an address that was not asked. */
	forge(fd, "127.0.0.9", request);
	run_until(&w, &st->foreign, 1);
	/* With another id: not even seen, or it would count before those that follow. */
	memcpy(other, request, sizeof(other));
	other[4] ^= 0xff;
	forge(fd, "127.0.0.1", other);
	/* With another cookie, sequence number. */
	for (size_t i = 0; i < 2; i++) {
		static const size_t at[] = {8, 6};

		memcpy(other, request, sizeof(other));
		other[at[i]] ^= 0xff;
		forge(fd, "127.0.0.1", other);
		run_until(&w, &st->foreign, 2 + i);
	}
	/* For another use of the slot (host order: a byte of the serial number). */
	memcpy(other, request, sizeof(other));
	other[16 + 4] ^= 0x02;
	other[7] ^= 0x02;
	forge(fd, "127.0.0.1", other);
	run_until(&w, &st->late, 1);
	assert_int_equal(w.n_results, 0);
	assert_int_equal(st->matched, 0);

	/* The true one; and once more, which is late. */
	forge(fd, "127.0.0.1", request);
	hc_world_run(&w, 1);
	assert_int_equal(w.results[0].reason, MSG_HC_OK);
	forge(fd, "127.0.0.1", request);
	run_until(&w, &st->late, 2);
	assert_int_equal(st->matched, 1);
	assert_int_equal(st->foreign, 3);
	assert_int_equal(st->bad, 0);
	hc_world_done(&w);
	close(fd);
	close(tap);
	kernel_answers(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_latency_of_a_late_reader),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_options_that_cannot_be),
		cmocka_unit_test(test_forged_and_late),
	};

	return cmocka_run_group_tests_name("hc_icmp", tests, group_setup, NULL);
}
