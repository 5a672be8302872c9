// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Echo messages as bytes: round trips, cuts, damage, other messages; against a
 * guard page.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guard.h"
#include "hc_icmp_wire.h"
#include "util.h"

static const struct hc_icmp_echo echo = {
	.id = 0x1234,
	.seq = 0xfedc,
	.cookie = 0x0123456789abcdefull,
	.token = 42,
};

static int parse(bool v6, bool with_ip, const void *data, size_t len, struct hc_icmp_echo *ret)
{
	void *in = guard_copy(data, len);
	int r = hc_icmp_parse(v6, with_ip, in, len, ret);

	guard_free(in, len);
	return r;
}

/* The reply to a request: another type, and for IPv4 the checksum that goes with it. */
static void make_reply(bool v6, uint8_t buf[HC_ICMP_LEN])
{
	uint32_t sum;

	hc_icmp_build(v6, &echo, buf);
	if (v6) {
		buf[0] = 129;
		return;
	}
	assert_int_equal(buf[0], 8);
	buf[0] = 0;
	/* RFC 1624: the type is the high byte of its word. */
	sum = (uint32_t)(buf[2] << 8 | buf[3]) + 0x0800;
	sum = (sum & 0xffff) + (sum >> 16);
	buf[2] = (uint8_t)(sum >> 8);
	buf[3] = (uint8_t)sum;
}

static void expect_echo(const struct hc_icmp_echo *e)
{
	assert_int_equal(e->id, echo.id);
	assert_int_equal(e->seq, echo.seq);
	assert_true(e->cookie == echo.cookie);
	assert_true(e->token == echo.token);
}

static void test_request(void **state _unused_)
{
	struct hc_icmp_echo e;
	uint8_t buf[HC_ICMP_LEN];
	uint32_t sum = 0;

	hc_icmp_build(false, &echo, buf);
	for (size_t i = 0; i < sizeof(buf); i += 2)
		sum += (uint32_t)(buf[i] << 8 | buf[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	assert_int_equal(buf[4] << 8 | buf[5], echo.id);
	assert_int_equal(buf[6] << 8 | buf[7], echo.seq);
	/* Our own request, seen on loopback, is no reply. */
	assert_int_equal(parse(false, false, buf, sizeof(buf), &e), -ENOMSG);
	hc_icmp_build(true, &echo, buf);
	assert_int_equal(buf[0], 128);
	assert_int_equal(parse(true, false, buf, sizeof(buf), &e), -ENOMSG);
}

static void test_reply(void **state _unused_)
{
	struct hc_icmp_echo e;
	uint8_t buf[HC_ICMP_LEN + 1] = {0};

	for (int v6 = 0; v6 < 2; v6++) {
		make_reply(v6, buf);
		assert_int_equal(parse(v6, false, buf, HC_ICMP_LEN, &e), 0);
		expect_echo(&e);
		for (size_t cut = 0; cut < HC_ICMP_LEN; cut++)
			assert_int_equal(parse(v6, false, buf, cut, &e), -EBADMSG);
		assert_int_equal(parse(v6, false, buf, HC_ICMP_LEN + 1, &e), -EBADMSG);
		buf[1] = 1;
		assert_int_equal(parse(v6, false, buf, HC_ICMP_LEN, &e), -EBADMSG);
	}
}

static void test_checksum(void **state _unused_)
{
	struct hc_icmp_echo e;
	uint8_t buf[HC_ICMP_LEN];

	make_reply(false, buf);
	for (size_t i = 1; i < HC_ICMP_LEN; i++) {
		buf[i] ^= 0x10;
		assert_int_equal(parse(false, false, buf, sizeof(buf), &e), -EBADMSG);
		buf[i] ^= 0x10;
	}
	assert_int_equal(parse(false, false, buf, sizeof(buf), &e), 0);
}

static void test_ip_header(void **state _unused_)
{
	uint8_t buf[60 + HC_ICMP_LEN];
	struct hc_icmp_echo e;

	for (unsigned int ihl = 5; ihl <= 15; ihl++) {
		size_t len = ihl * 4 + HC_ICMP_LEN;

		memset(buf, 0, sizeof(buf));
		buf[0] = (uint8_t)(0x40 | ihl);
		make_reply(false, buf + ihl * 4);
		assert_int_equal(parse(false, true, buf, len, &e), 0);
		expect_echo(&e);
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(parse(false, true, buf, cut, &e), -EBADMSG);
	}
	buf[0] = 0x44;
	assert_int_equal(parse(false, true, buf, 16 + HC_ICMP_LEN, &e), -EBADMSG);
	buf[0] = 0x65;
	assert_int_equal(parse(false, true, buf, 20 + HC_ICMP_LEN, &e), -EBADMSG);
}

static void test_garbage(void **state _unused_)
{
	uint8_t buf[96];
	struct hc_icmp_echo e;

	srand(1);
	for (unsigned int i = 0; i < 20000; i++) {
		size_t len = (size_t)rand() % sizeof(buf);

		for (size_t k = 0; k < len; k++)
			buf[k] = (uint8_t)rand();
		if (len && i % 2)
			buf[0] = (uint8_t)(0x40 | (buf[0] & 0xf));
		assert_int_not_equal(parse(false, true, buf, len, &e), 0);
		parse(true, false, buf, len, &e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),	 cmocka_unit_test(test_reply),
		cmocka_unit_test(test_checksum), cmocka_unit_test(test_ip_header),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests_name("hc_icmp_wire", tests, NULL, NULL);
}
