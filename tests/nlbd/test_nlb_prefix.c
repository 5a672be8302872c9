// SPDX-License-Identifier: GPL-2.0-or-later
/* A VIP's prefix: what is taken, how it is written, and the order. */

#include "core_fixture.h"

static void test_text(void **state)
{
	/* What is read -> what is written, NULL: refused. */
	static const char *const rows[][2] = {
		{"192.0.2.1", "192.0.2.1"},
		{"192.0.2.1/32", "192.0.2.1"},
		{"192.0.2.0/28", "192.0.2.0/28"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"2001:db8::1", "2001:db8::1"},
		{"2001:DB8::/032", "2001:db8::/32"},
		{"2001:db8::1/128", "2001:db8::1"},
		{"2001:0db8:0000:0000:0000:0000:0000:0001/128", "2001:db8::1"},
		{"192.0.2.1/28", NULL},
		{"192.0.2.0/33", NULL},
		{"192.0.2.0/", NULL},
		{"192.0.2.0/-1", NULL},
		{"192.0.2.0/ 28", NULL},
		{"192.0.2.0/28x", NULL},
		{"192.0.2.0/28/28", NULL},
		{"192.0.2.0/0028", NULL},
		{"192.0.2/24", NULL},
		{"10/8", NULL},
		{"2001:db8::/129", NULL},
		{"2001:db8::1/64", NULL},
		{"/24", NULL},
		{"", NULL},
		{"2001:0db8:0000:0000:0000:0000:0000:0001:2001:0db8:0000:0000", NULL},
		{"2001:0db8:0000:0000:0000:0000:0000:0001:2001:0db8:0000:0000/64", NULL},
	};

	for (size_t i = 0; i < array_size(rows); i++) {
		char text[NLB_PREFIX_STRLEN];
		struct prefix p;

		if (nlb_prefix_parse(rows[i][0], &p) != (rows[i][1] ? 0 : -EINVAL))
			fail_msg("%s", rows[i][0]);
		if (rows[i][1])
			assert_string_equal(nlb_prefix_str(&p, text, sizeof(text)), rows[i][1]);
	}
}

static void test_order(void **state)
{
	static const char *const sorted[] = {"10.0.0.0/8", "10.0.0.0/9",    "10.0.0.0",
					     "192.0.2.1",  "2001:db8::/32", "2001:db8::/64",
					     "2001:db8::"};

	for (size_t i = 0; i < array_size(sorted); i++) {
		for (size_t j = 0; j < array_size(sorted); j++) {
			struct prefix a = prefix(sorted[i]), b = prefix(sorted[j]);
			int cmp = nlb_prefix_cmp(&a, &b);

			assert_int_equal((cmp > 0) - (cmp < 0), (i > j) - (i < j));
		}
	}
}

static void test_address(void **state)
{
	struct prefix p = prefix("192.0.2.0/28");
	struct ipaddr address = nlb_prefix_address(&p), want = addr("192.0.2.0");

	assert_true(ipaddr_is_same(&address, &want));
	assert_false(nlb_prefix_is_host(&p));
	p = prefix("2001:db8::1");
	address = nlb_prefix_address(&p);
	want = addr("2001:db8::1");
	assert_true(ipaddr_is_same(&address, &want));
	assert_true(nlb_prefix_is_host(&p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
