// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses: text, classes, order, and sockaddr.
 */
#include <netinet/in.h>
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "addr.h"
#include "util.h"

static struct addr get(const char *text)
{
	struct addr a;

	if (addr_parse(text, &a) < 0)
		fail_msg("%s", text);
	return a;
}

static void test_text(void **state _unused_)
{
	static const char *const same[] = {
		"192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1",
		"::",	     "::1",	"fe80::1",	   "2001:db8:0:1:1:1:1:1"};
	static const char *const bad[] = {
		"",	      "1",	    "1.2.3",	"1.2.3.4.5", "1.2.3.256",
		"1.2.3.4/32", "1.2.3.4:80", "[::1]",	"::1%lo",    "2001:db8::1::",
		":::",	      "fe80::1 ",   " 1.2.3.4", "1.2.3.4 ",  "g::1"};
	char text[ADDR_STRLEN];
	struct addr a;

	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		a = get(same[i]);
		assert_string_equal(addr_str(&a, text), same[i]);
	}
	memset(&a, 0x55, sizeof(a));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (addr_parse(bad[i], &a) != -EINVAL)
			fail_msg("%s", bad[i]);
	assert_int_equal(a.b[3], 0x55);
	/* Mapped text is the IPv4 address; the long form is made short. */
	a = get("::ffff:192.0.2.1");
	assert_true(addr_is_v4(&a));
	assert_string_equal(addr_str(&a, text), "192.0.2.1");
	a = get("2001:0DB8:0000::0001");
	assert_string_equal(addr_str(&a, text), "2001:db8::1");
	assert_false(addr_is_v4(&a));
}

static void test_classes(void **state _unused_)
{
	static const struct {
		const char *text;
		bool host, loopback, unspecified;
	} t[] = {
		{"192.0.2.1", true, false, false},
		{"10.0.0.0", true, false, false},
		{"127.0.0.1", true, true, false},
		{"127.255.0.1", true, true, false},
		{"0.0.0.0", false, false, true},
		{"0.1.2.3", false, false, false},
		{"169.254.1.1", false, false, false},
		{"169.253.1.1", true, false, false},
		{"224.0.0.1", false, false, false},
		{"255.255.255.255", false, false, false},
		{"223.255.255.255", true, false, false},
		{"2001:db8::1", true, false, false},
		{"::1", true, true, false},
		{"::", false, false, true},
		{"ff02::1", false, false, false},
		{"fe80::1", false, false, false},
		{"febf::1", false, false, false},
		{"fec0::1", true, false, false},
		{"fd00::1", true, false, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct addr a = get(t[i].text);

		if (addr_is_host(&a) != t[i].host || addr_is_loopback(&a) != t[i].loopback ||
		    addr_is_unspecified(&a) != t[i].unspecified)
			fail_msg("%s", t[i].text);
	}
}

static void test_order(void **state _unused_)
{
	static const char *const sorted[] = {"::1",	  "0.0.0.0",	 "10.0.0.1",   "10.0.0.2",
					     "192.0.2.1", "2001:db8::1", "2001:db8::2"};

	for (size_t i = 0; i < ARRAY_SIZE(sorted); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(sorted); j++) {
			struct addr a = get(sorted[i]), b = get(sorted[j]);
			int cmp = addr_cmp(&a, &b);

			assert_int_equal((cmp > 0) - (cmp < 0), (i > j) - (i < j));
		}
	}
}

static void test_sockaddr(void **state _unused_)
{
	struct sockaddr_storage ss;
	struct addr a = get("192.0.2.1"), b;

	assert_int_equal(addr_to_sockaddr(&a, 80, &ss), sizeof(struct sockaddr_in));
	assert_int_equal(ss.ss_family, AF_INET);
	assert_int_equal(((struct sockaddr_in *)&ss)->sin_port, htons(80));
	assert_int_equal(addr_from_sockaddr(&ss, &b), 0);
	assert_int_equal(addr_cmp(&a, &b), 0);
	a = get("2001:db8::1");
	assert_int_equal(addr_to_sockaddr(&a, 443, &ss), sizeof(struct sockaddr_in6));
	assert_int_equal(((struct sockaddr_in6 *)&ss)->sin6_port, htons(443));
	assert_int_equal(addr_from_sockaddr(&ss, &b), 0);
	assert_int_equal(addr_cmp(&a, &b), 0);
	ss.ss_family = AF_UNIX;
	assert_int_equal(addr_from_sockaddr(&ss, &b), -EAFNOSUPPORT);
}

static void test_prefixes(void **state _unused_)
{
	static const struct {
		const char *text, *out; /* NULL: no prefix */
		uint8_t plen;
		bool clean;
	} t[] = {
		{"192.0.2.1", "192.0.2.1", 128, true},
		{"192.0.2.1/32", "192.0.2.1", 128, true},
		{"192.0.2.0/28", "192.0.2.0/28", 124, true},
		{"192.0.2.8/28", "192.0.2.8/28", 124, false},
		{"10.0.0.0/7", "10.0.0.0/7", 103, true},
		{"0.0.0.0/0", "0.0.0.0/0", 96, true},
		{"192.0.2.0/33", NULL, 0, false},
		{"192.0.2.0/", NULL, 0, false},
		{"192.0.2.0/+1", NULL, 0, false},
		{"192.0.2.0/24x", NULL, 0, false},
		{"192.0.2.0/ 24", NULL, 0, false},
		{"/24", NULL, 0, false},
		{"2001:db8::/32", "2001:db8::/32", 32, true},
		{"2001:db8::1/128", "2001:db8::1", 128, true},
		{"2001:db8::8000/113", "2001:db8::8000/113", 113, true},
		{"2001:db8::8000/112", "2001:db8::8000/112", 112, false},
		{"2001:db8::/129", NULL, 0, false},
		{"2001:db8::/1280", NULL, 0, false},
		/* Longer than any. */
		{"2001:0db8:0000:0000:0000:0000:0000:0000000000000000000000000000000/64", NULL, 0,
		 false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct addr a;
		uint8_t plen = 7;
		char text[ADDR_STRLEN];
		int r = addr_prefix_parse(t[i].text, &a, &plen);

		if (r != (t[i].out ? 0 : -EINVAL))
			fail_msg("%s: %d", t[i].text, r);
		if (!t[i].out) {
			assert_int_equal(plen, 7);
			continue;
		}
		assert_int_equal(plen, t[i].plen);
		assert_string_equal(addr_prefix_str(&a, plen, text), t[i].out);
		assert_int_equal(addr_is_prefix(&a, plen), t[i].clean);
	}
}

static void test_same_prefix(void **state _unused_)
{
	struct addr a = get("192.0.2.16"), b = get("192.0.2.31"), c = get("2001:db8::");

	assert_true(addr_same_prefix(&a, &b, 124));
	assert_false(addr_same_prefix(&a, &b, 125));
	assert_true(addr_same_prefix(&a, &b, 120));
	assert_false(addr_same_prefix(&a, &b, 128));
	assert_true(addr_same_prefix(&a, &a, 128));
	assert_false(addr_same_prefix(&a, &c, 16));
	assert_true(addr_same_prefix(&a, &c, 0));
}

/* The same as the C library's, for each octet in each place. */
static void test_str_of_v4(void **state _unused_)
{
	for (unsigned int i = 0; i < 256 * 4; i++) {
		uint32_t ip = htonl((i & 0xff) << (i >> 8) * 8 | 0x01000001u << (i >> 8) % 3);
		struct sockaddr_storage ss = {0};
		struct sockaddr_in *sin = (struct sockaddr_in *)&ss;
		char buf[ADDR_STRLEN], want[INET_ADDRSTRLEN];
		struct addr a;

		sin->sin_family = AF_INET;
		sin->sin_addr.s_addr = ip;
		assert_int_equal(addr_from_sockaddr(&ss, &a), 0);
		assert_string_equal(addr_str(&a, buf), inet_ntop(AF_INET, &ip, want, sizeof(want)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_str_of_v4),   cmocka_unit_test(test_text),
		cmocka_unit_test(test_classes),	    cmocka_unit_test(test_order),
		cmocka_unit_test(test_sockaddr),    cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_same_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
