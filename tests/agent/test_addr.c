// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses: text, classes, order, and sockaddr.
 */
#include <netinet/in.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_sockaddr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
