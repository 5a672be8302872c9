// SPDX-License-Identifier: GPL-2.0-or-later
/* The decision on one VIP, the state that follows, and the names. */

#include "core_fixture.h"

static struct nlb_vip good_vip(void)
{
	struct nlb_vip vip = {.feed = {.enabled = 2, .total = 3, .ready = true}};

	vip.feed.prefix = prefix("192.0.2.1");
	return vip;
}

static const struct nlb_policy good_policy = {
	.configured = true,
	.dataplane_ok = true,
	.in_pool = true,
	.nexthop_ok = true,
	.min_enabled = 2,
};

static void test_decide(void **state)
{
	struct nlb_policy policy = good_policy;
	struct nlb_vip vip = good_vip();

	assert_int_equal(nlb_vip_decide(&vip, &policy), NLB_REASON_NONE);

	/* Each reason by itself, in falling order: every new one hides those before. */
	policy.nexthop_ok = false;
	assert_int_equal(nlb_vip_decide(&vip, &policy), NLB_REASON_NEXTHOP);
	vip.feed.enabled = 1;
	assert_int_equal(nlb_vip_decide(&vip, &policy), NLB_REASON_BACKENDS);
	vip.feed.ready = false;
	assert_int_equal(nlb_vip_decide(&vip, &policy), NLB_REASON_NOT_READY);
	policy.dataplane_ok = false;
	assert_int_equal(nlb_vip_decide(&vip, &policy), NLB_REASON_DATAPLANE);
	policy.shutdown = true;
	assert_int_equal(nlb_vip_decide(&vip, &policy), NLB_REASON_SHUTDOWN);
	policy.in_pool = false;
	assert_int_equal(nlb_vip_decide(&vip, &policy), NLB_REASON_OUTSIDE_POOL);
	policy.agent_lost = true;
	assert_int_equal(nlb_vip_decide(&vip, &policy), NLB_REASON_AGENT_LOST);
	vip.gone = true;
	assert_int_equal(nlb_vip_decide(&vip, &policy), NLB_REASON_GONE);
	policy.configured = false;
	assert_int_equal(nlb_vip_decide(&vip, &policy), NLB_REASON_NOT_CONFIGURED);
}

static void test_derive(void **state)
{
	static const struct {
		enum nlb_reason decision;
		enum nlb_route route;
		enum nlb_vip_state state;
	} rows[] = {
		{NLB_REASON_NONE, NLB_ROUTE_NONE, NLB_VIP_PENDING},
		{NLB_REASON_NONE, NLB_ROUTE_SENT, NLB_VIP_PENDING},
		{NLB_REASON_NONE, NLB_ROUTE_INSTALLED, NLB_VIP_INSTALLED},
		{NLB_REASON_NONE, NLB_ROUTE_REJECTED, NLB_VIP_REJECTED},
		{NLB_REASON_NONE, NLB_ROUTE_REMOVING, NLB_VIP_PENDING},
		{NLB_REASON_BACKENDS, NLB_ROUTE_NONE, NLB_VIP_WITHDRAWN},
		{NLB_REASON_BACKENDS, NLB_ROUTE_SENT, NLB_VIP_WITHDRAWING},
		{NLB_REASON_BACKENDS, NLB_ROUTE_INSTALLED, NLB_VIP_WITHDRAWING},
		{NLB_REASON_BACKENDS, NLB_ROUTE_REJECTED, NLB_VIP_WITHDRAWING},
		{NLB_REASON_BACKENDS, NLB_ROUTE_REMOVING, NLB_VIP_WITHDRAWING},
		{NLB_REASON_OUTSIDE_POOL, NLB_ROUTE_NONE, NLB_VIP_REFUSED},
		{NLB_REASON_SHUTDOWN, NLB_ROUTE_NONE, NLB_VIP_REFUSED},
		{NLB_REASON_OUTSIDE_POOL, NLB_ROUTE_REMOVING, NLB_VIP_WITHDRAWING},
		{NLB_REASON_GONE, NLB_ROUTE_NONE, NLB_VIP_WITHDRAWN},
	};

	for (size_t i = 0; i < array_size(rows); i++) {
		struct nlb_vip vip = good_vip();

		vip.decision = rows[i].decision;
		vip.route = rows[i].route;
		assert_int_equal(nlb_vip_derive(&vip), rows[i].state);
	}
}

static void test_reason(void **state)
{
	struct nlb_vip vip = good_vip();
	char text[NLB_VIP_REASON_LEN];

	assert_int_equal(nlb_vip_reason(&vip, true), NLB_REASON_PENDING);
	assert_int_equal(nlb_vip_reason(&vip, false), NLB_REASON_ZEBRA);
	vip.route = NLB_ROUTE_INSTALLED;
	assert_int_equal(nlb_vip_reason(&vip, true), NLB_REASON_NONE);
	assert_string_equal(nlb_vip_reason_text(&vip, NLB_REASON_NONE, text, sizeof(text)), "");
	vip.route = NLB_ROUTE_REJECTED;
	vip.zebra_reason = NLB_REASON_BETTER_ROUTE;
	assert_int_equal(nlb_vip_reason(&vip, true), NLB_REASON_BETTER_ROUTE);
	vip.fresh = true;
	assert_int_equal(nlb_vip_reason(&vip, true), NLB_REASON_SYNCING);

	vip.feed.reason = (char *)"no answer";
	nlb_vip_reason_text(&vip, NLB_REASON_NOT_READY, text, sizeof(text));
	assert_string_equal(text, "not ready: no answer");
	nlb_vip_reason_text(&vip, NLB_REASON_BACKENDS, text, sizeof(text));
	assert_string_equal(text, "fewer enabled backends than min-enabled-backends");
}

static void test_attr(void **state)
{
	struct nlb_attr a = {.distance = 15, .ifindex = 3}, b = {.distance = 15, .ifindex = 4};

	/* A blackhole has no interface to differ in. */
	assert_true(nlb_attr_same(&a, &b));
	a.nexthop = b.nexthop = NLB_NEXTHOP_INTERFACE;
	assert_false(nlb_attr_same(&a, &b));
	b.ifindex = 3;
	assert_true(nlb_attr_same(&a, &b));
	b.metric = 1;
	assert_false(nlb_attr_same(&a, &b));
	b = a;
	b.tag = 1;
	assert_false(nlb_attr_same(&a, &b));
	b = a;
	b.distance = 16;
	assert_false(nlb_attr_same(&a, &b));
}

/* Every reason has a name of its own and, but for "none", a sentence. */
static void test_names(void **state)
{
	assert_null(nlb_reason_str(NLB_REASON_NONE));
	for (int i = NLB_REASON_NONE; i <= NLB_REASON_REMOVED; i++) {
		assert_non_null(nlb_reason_name(i));
		if (i != NLB_REASON_NONE)
			assert_non_null(nlb_reason_str(i));
		for (int j = NLB_REASON_NONE; j < i; j++)
			assert_string_not_equal(nlb_reason_name(i), nlb_reason_name(j));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decide), cmocka_unit_test(test_derive),
		cmocka_unit_test(test_reason), cmocka_unit_test(test_attr),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
