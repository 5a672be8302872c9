// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How many lengths of prefixes there may be: who is refused, and that it does
 * not depend on the order of the document nor take away what runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model_fixture.h"
#include "sbuf.h"

#define VIP(address) "{'address':'" address "','deletion':true}"

/* Prefixes 10.N.0.0/LEN with the lengths from..to, in turn or backwards; and more. */
static struct model *lengths(unsigned int from, unsigned int to, const char *more, bool backwards)
{
	_cleanup_sbuf_ struct sbuf b = SBUF_INIT;

	sbuf_puts(&b, "{'vips':[");
	for (unsigned int i = from; i <= to; i++) {
		unsigned int len = backwards ? to - (i - from) : i;

		sbuf_printf(&b, "{'address':'10.%u.0.0/%u','deletion':true}%s", len, len,
			    i < to ? "," : "");
	}
	sbuf_printf(&b, "%s]}", more);
	assert_true(sbuf_ok(&b));
	return model_fx(b.data);
}

static void test_limit(void **state _unused_)
{
	for (int backwards = 0; backwards < 2; backwards++) {
		struct model *m = lengths(17, 25,
					  "," VIP("10.99.0.0/20") "," VIP("10.0.0.1") "," VIP(
						  "2001:db8::/32") "," VIP("10.100.0.0/25"),
					  backwards);

		/* Both of the ninth length, which have the highest addresses. */
		assert_int_equal(m->n_refusals, 2);
		for (int i = 0; i < 2; i++)
			assert_non_null(strstr(m->refusals[i].reason,
					       "8 other lengths of IPv4 prefixes are in use"));
		assert_string_equal(m->refusals[0].address, "10.25.0.0/25");
		assert_string_equal(m->refusals[1].address, "10.100.0.0/25");
		/* A host, a length that is there already, and the other family. */
		assert_int_equal(m->n_vips, 11);
		model_free(m);
	}
}

static bool has(const struct model *m, const char *address)
{
	const struct model_vip *v;
	struct addr a;
	uint8_t plen;

	assert_int_equal(addr_prefix_parse(address, &a, &plen), 0);
	v = model_find(m, &a);
	return v && v->plen == plen;
}

/* A new one of a ninth length does not push out what runs, be its address lower. */
static void test_what_runs_stays(void **state _unused_)
{
	struct model *have = lengths(17, 24, "", false);
	struct model *m = lengths(17, 24, "," VIP("10.1.0.0/30"), false);

	/* By the document alone, 10.24.0.0/24 would go. */
	assert_true(has(m, "10.1.0.0/30"));
	assert_false(has(m, "10.24.0.0/24"));
	assert_int_equal(model_keep_refused(m, have), 0);
	assert_true(has(m, "10.24.0.0/24"));
	assert_false(has(m, "10.1.0.0/30"));
	assert_int_equal(m->n_vips, 8);
	assert_int_equal(m->n_refusals, 2);
	model_free(m);

	/* One whose length changes to a ninth keeps the one that it has. */
	m = lengths(18, 24, "," VIP("10.17.0.0/30") "," VIP("10.1.0.0/17"), false);
	assert_int_equal(m->n_refusals, 1);
	assert_int_equal(model_keep_refused(m, have), 0);
	assert_true(has(m, "10.24.0.0/24"));
	assert_true(has(m, "10.17.0.0/17"));
	assert_true(has(m, "10.1.0.0/17"));
	model_free(m);

	/* It has room when another goes. */
	m = lengths(18, 24, "," VIP("10.1.0.0/30"), false);
	assert_int_equal(model_keep_refused(m, have), 0);
	assert_int_equal(m->n_refusals, 0);
	assert_true(has(m, "10.1.0.0/30"));
	model_free(m);
	model_free(have);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_what_runs_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
