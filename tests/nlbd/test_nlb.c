// SPDX-License-Identifier: GPL-2.0-or-later
/* The core: from the agent's messages, configuration and zebra's answers to routes and reports. */

#include "core_fixture.h"

#include "nlbd/nlb_orphan.h"

#define A "192.0.2.1"
#define B "192.0.2.2"
#define C "2001:db8::1"

static void answer(const char *host, enum nlb_answer what)
{
	struct prefix p = prefix(host);

	nlb_route_answer(&core, &p, what);
}

static void gone(const char *address)
{
	struct prefix key = prefix(address);

	nlb_vip_gone(&core, &key);
}

/* Nothing is decided before the end of a sync; then all of it is one piece of work. */
static void test_sync(void **state)
{
	nlb_sync_begin(&core);
	say_vip(A, 2, true, 0);
	say_vip(C, 1, true, 0);
	assert_string_equal(drain(), "");
	assert_string_equal(vip_is(A), "withdrawn/syncing");
	nlb_sync_end(&core);
	assert_string_equal(drain(), "+" A " +" C);
	assert_string_equal(reports(), A "=installed " C "=installed");
	assert_string_equal(vip_is(A), "installed/none");
}

/* The same again, and nothing moves; the agent hears of all once more. */
static void test_resync(void **state)
{
	set(A, B, NULL);
	drain();
	reports();
	nlb_session_lost(&core);
	set(A, B, NULL);
	assert_string_equal(drain(), "");
	assert_string_equal(reports(), A "=installed " B "=installed");
}

/* What a sync does not name goes at its end, not before. */
static void test_sync_removes(void **state)
{
	set(A, B, NULL);
	drain();
	reports();
	nlb_sync_begin(&core);
	say_vip(B, 2, true, 0);
	assert_string_equal(drain(), "");
	nlb_sync_end(&core);
	assert_string_equal(drain(), "-" A);
	assert_string_equal(reports(), B "=installed " A "=withdrawn");
	assert_string_equal(vip_is(A), "none");
}

/* A sync that breaks off is none: what it added is forgotten, what was there stays. */
static void test_sync_lost(void **state)
{
	set(A, NULL);
	drain();
	nlb_sync_begin(&core);
	say_vip(B, 2, true, 0);
	nlb_session_lost(&core);
	assert_string_equal(drain(), "");
	assert_string_equal(vip_is(A), "installed/none");
	assert_string_equal(vip_is(B), "none");
}

static void test_gone(void **state)
{
	set(A, NULL);
	drain();
	reports();
	gone(A);
	assert_string_equal(drain_unanswered(), "-" A);
	assert_string_equal(vip_is(A), "withdrawing/gone");
	assert_string_equal(reports(), "");
	answer(A "/32", NLB_ANSWER_REMOVED);
	assert_string_equal(reports(), A "=withdrawn");
	assert_string_equal(vip_is(A), "none");

	/* One that has no route, and one that was never heard of: answered at once. */
	say_vip(B, 0, true, 0);
	reports();
	gone(B);
	gone(C);
	assert_string_equal(drain(), "");
	assert_string_equal(reports(), B "=withdrawn " C "=withdrawn");
}

/* Gone and back before zebra has confirmed: announced again, and the late answer is no harm. */
static void test_gone_and_back(void **state)
{
	set(A, NULL);
	drain();
	reports();
	gone(A);
	assert_string_equal(drain_unanswered(), "-" A);
	say_vip(A, 2, true, 0);
	assert_string_equal(drain_unanswered(), "+" A);
	answer(A "/32", NLB_ANSWER_REMOVED);
	assert_string_equal(vip_is(A), "pending/pending");
	answer(A "/32", NLB_ANSWER_INSTALLED);
	assert_string_equal(vip_is(A), "installed/none");
	assert_string_equal(reports(), A "=installed");
}

/* Ten changes before zebra takes any are one message. */
static void test_coalesced(void **state)
{
	set(A, NULL);
	drain();
	for (route_tag_t tag = 1; tag <= 10; tag++)
		say_vip(A, 2, true, tag);
	assert_string_equal(drain(), "+" A);
	say_vip(A, 0, true, 10);
	say_vip(A, 2, true, 10);
	assert_string_equal(drain(), "");
}

/* A changed attribute replaces the route; it is never out meanwhile. */
static void test_replace(void **state)
{
	struct ipaddr key = addr(A);

	set(A, NULL);
	drain();
	reports();
	say_vip(A, 2, true, 9);
	assert_string_equal(drain_unanswered(), "+" A);
	assert_string_equal(vip_is(A), "installed/none");
	assert_int_equal(nlb_vip_find_address(&core, &key)->sent.tag, 9);
	assert_string_equal(reports(), "");
}

static void test_override(void **state)
{
	struct ipaddr key = addr(A);
	struct nlb_override *override;

	set(A, NULL);
	say_vip(A, 2, true, 5);
	drain();
	override = nlb_override_get(&core.cfg, &key);
	override->tag = 7;
	override->has_metric = true;
	override->metric = 70;
	nlb_config_changed(&core);
	assert_string_equal(drain(), "+" A);
	assert_int_equal(nlb_vip_find_address(&core, &key)->sent.tag, 7);
	assert_int_equal(nlb_vip_find_address(&core, &key)->sent.metric, 70);
	override->shutdown = true;
	nlb_config_changed(&core);
	assert_string_equal(drain(), "-" A);
	assert_string_equal(vip_is(A), "refused/shutdown");
	nlb_override_del(&core.cfg, &key);
	nlb_config_changed(&core);
	assert_string_equal(drain(), "+" A);
	assert_int_equal(nlb_vip_find_address(&core, &key)->sent.tag, 5);
	assert_int_equal(nlb_vip_find_address(&core, &key)->sent.metric, 0);
}

static void test_pools(void **state)
{
	struct prefix p4 = prefix("192.0.2.0/24"), p25 = prefix("192.0.2.0/25");

	set(A, "192.0.2.200", "198.51.100.1", C, NULL);
	assert_string_equal(drain(), "+" A " +192.0.2.200 +" C);
	assert_string_equal(vip_is("198.51.100.1"), "refused/outside-pool");
	/* Twice the same pool is one; an overlapping one does not hide the other. */
	nlb_pool_add(&core.cfg, &p4);
	nlb_pool_add(&core.cfg, &p25);
	nlb_pool_del(&core.cfg, &p4);
	nlb_config_changed(&core);
	assert_string_equal(drain(), "-192.0.2.200");
	nlb_pool_del(&core.cfg, &p4);
	nlb_pool_del(&core.cfg, &p25);
	nlb_config_changed(&core);
	assert_string_equal(drain(), "-" A);
}

static void test_dataplane(void **state)
{
	set(A, B, NULL);
	drain();
	reports();
	nlb_dataplane_set(&core, false);
	assert_string_equal(drain(), "-" A " -" B);
	assert_string_equal(reports(), A "=withdrawn " B "=withdrawn");
	assert_string_equal(vip_is(A), "withdrawn/dataplane-down");
	nlb_dataplane_set(&core, true);
	assert_string_equal(drain(), "+" A " +" B);

	/* Bad news does not wait for a sync's end; good news does. */
	nlb_sync_begin(&core);
	nlb_dataplane_set(&core, false);
	assert_string_equal(drain(), "-" A " -" B);
	nlb_dataplane_set(&core, true);
	assert_string_equal(drain(), "");
	say_vip(A, 2, true, 0);
	nlb_sync_end(&core);
	assert_string_equal(drain(), "+" A);
}

static void test_hold(void **state)
{
	set(A, NULL);
	drain();
	nlb_session_lost(&core);
	assert_string_equal(drain(), "");
	nlb_hold_expired(&core);
	assert_string_equal(drain(), "-" A);
	assert_string_equal(vip_is(A), "withdrawn/agent-lost");
	set(A, NULL);
	assert_string_equal(drain(), "+" A);
}

/* The hold-time ends while a new session is in its sync: its end brings all back. */
static void test_hold_in_sync(void **state)
{
	set(A, NULL);
	drain();
	nlb_session_lost(&core);
	nlb_sync_begin(&core);
	say_vip(A, 2, true, 0);
	say_vip(B, 2, true, 0);
	nlb_hold_expired(&core);
	assert_string_equal(drain(), "-" A);
	nlb_sync_end(&core);
	assert_string_equal(drain(), "+" A " +" B);
}

static void test_zebra_answers(void **state)
{
	set(A, NULL);
	assert_string_equal(drain_unanswered(), "+" A);
	assert_string_equal(vip_is(A), "pending/pending");
	assert_string_equal(reports(), "");
	answer(A "/32", NLB_ANSWER_BETTER);
	assert_string_equal(vip_is(A), "rejected/better-route");
	assert_string_equal(reports(), A "=rejected");
	answer(A "/32", NLB_ANSWER_INSTALLED);
	assert_string_equal(reports(), A "=installed");
	answer(A "/32", NLB_ANSWER_REMOVED);
	assert_string_equal(vip_is(A), "rejected/removed");
	answer(A "/32", NLB_ANSWER_FAILED);
	assert_string_equal(vip_is(A), "rejected/install-failed");
	assert_string_equal(reports(), A "=rejected");

	/* zebra has nothing in the kernel, so that it does not confirm the delete. */
	gone(A);
	assert_string_equal(drain_unanswered(), "-" A);
	assert_string_equal(reports(), A "=withdrawn");

	/* Answers on what is not ours. */
	answer("192.0.2.0/24", NLB_ANSWER_INSTALLED);
	answer("198.51.100.9/32", NLB_ANSWER_INSTALLED);
	assert_string_equal(reports(), "");
}

/* zebra starts anew: all that is wanted is sent again, what was on its way out is out. */
static void test_zebra_restart(void **state)
{
	set(A, B, C, NULL);
	drain();
	reports();
	gone(B);
	drain_unanswered();
	nlb_zebra_connected(&core);
	assert_string_equal(drain(), "+" A " +" C);
	assert_string_equal(vip_is(B), "withdrawn/gone");
	/* The agent has heard that A and C are installed, and they are. */
	assert_string_equal(reports(), B "=withdrawn");
	assert_string_equal(vip_is(B), "none");
}

/* A delete that is never confirmed does not hold the agent up for ever. */
static void test_remove_expires(void **state)
{
	struct ipaddr key = addr(A);

	set(A, NULL);
	drain();
	reports();
	assert_int_equal(nlb_remove_expire(&core), -1);
	gone(A);
	drain_unanswered();
	assert_in_range(nlb_remove_expire(&core), 1, NLB_REMOVE_TIMEOUT_US);
	assert_string_equal(reports(), "");
	nlb_vip_find_address(&core, &key)->removing_since_us -= NLB_REMOVE_TIMEOUT_US;
	assert_int_equal(nlb_remove_expire(&core), -1);
	assert_string_equal(reports(), A "=withdrawn");
}

/* Microseconds, as its name says: monotime() gives seconds. */
static void test_clock(void **state)
{
	struct timespec ts;
	int64_t before, now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	before = ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
	now = nlb_now_us();
	assert_in_range(now, before, before + 60 * 1000000LL);
	assert_int_equal(nlb_age_s(now - 5500000), 5);
}

static void test_nexthop(void **state)
{
	struct ipaddr key = addr(A);

	set(A, NULL);
	drain();
	strlcpy(core.cfg.nexthop_ifname, "eth0", sizeof(core.cfg.nexthop_ifname));
	nlb_nexthop_set(&core, false, 0);
	assert_string_equal(drain(), "-" A);
	assert_string_equal(vip_is(A), "withdrawn/nexthop-down");
	nlb_nexthop_set(&core, true, 42);
	assert_string_equal(drain(), "+" A);
	assert_int_equal(nlb_vip_find_address(&core, &key)->sent.ifindex, 42);
	nlb_nexthop_set(&core, true, 43);
	assert_string_equal(drain(), "+" A);
}

/* "no nlb": everything goes, nothing is remembered. */
static void test_unconfigured(void **state)
{
	set(A, B, NULL);
	drain();
	nlb_config_reset(&core.cfg);
	nlb_config_changed(&core);
	assert_string_equal(drain(), "-" A " -" B);
	nlb_report_drop(&core);
	assert_null(nlb_vip_first(&core));
	assert_false(nlb_authoritative(&core));
	assert_int_equal(core.dataplane, NLB_DATAPLANE_UNKNOWN);
}

/* zebra may drop what an earlier nlbd left only when this one knows what it wants. */
static void test_authoritative(void **state)
{
	core.dataplane = NLB_DATAPLANE_UNKNOWN;
	assert_false(nlb_authoritative(&core));
	set(A, NULL);
	assert_false(nlb_authoritative(&core));
	assert_string_equal(drain(), "");
	routes_queued = 0;
	nlb_dataplane_set(&core, false);
	assert_true(nlb_authoritative(&core));
	assert_true(routes_queued > 0);

	/* An empty set is one, and asks to be looked at. */
	nlb_config_reset(&core.cfg);
	nlb_config_changed(&core);
	core.cfg.configured = true;
	nlb_dataplane_set(&core, true);
	routes_queued = 0;
	set(NULL);
	assert_true(nlb_authoritative(&core));
	assert_true(routes_queued > 0);
}

static void test_limit(void **state)
{
	struct nlb_feed_vip feed = {};
	uint32_t n;

	nlb_sync_begin(&core);
	for (n = 0; n < NLB_VIPS_MAX; n++) {
		feed.prefix = prefix("10.0.0.0/32");
		feed.prefix.u.prefix4.s_addr = htonl(0x0a000000 + n);
		assert_int_equal(nlb_vip_update(&core, &feed), 0);
	}
	feed.prefix.u.prefix4.s_addr = htonl(0x0a000000 + n);
	assert_int_equal(nlb_vip_update(&core, &feed), -ENOSPC);
	/* One that is known may still change. */
	feed.prefix.u.prefix4.s_addr = htonl(0x0a000000);
	assert_int_equal(nlb_vip_update(&core, &feed), 0);
}

static void test_walk_and_count(void **state)
{
	struct prefix key = prefix("192.0.2.1");
	struct nlb_counts counts;

	set(B, A, C, "198.51.100.1", NULL);
	drain();
	assert_true(prefix_same(&nlb_vip_first(&core)->feed.prefix, &key));
	assert_ptr_equal(nlb_vip_after(&core, &key), nlb_vip_next(&core, nlb_vip_first(&core)));
	key = prefix("192.0.2.0");
	assert_ptr_equal(nlb_vip_after(&core, &key), nlb_vip_first(&core));
	key = prefix("ffff::");
	assert_null(nlb_vip_after(&core, &key));
	nlb_count(&core, &counts);
	assert_int_equal(counts.vips, 4);
	assert_int_equal(counts.by_state[NLB_VIP_INSTALLED], 3);
	assert_int_equal(counts.by_state[NLB_VIP_REFUSED], 1);
}

#define NET28 "192.0.2.0/28"
#define NET27 "192.0.2.0/27"

static struct nlb_vip *by_address(const char *text)
{
	struct ipaddr address = addr(text);

	return nlb_vip_find_address(&core, &address);
}

/* A prefix is announced whole; it, all of it, must be in a pool. */
static void test_prefix(void **state)
{
	set(NET28, "192.0.2.16", "192.0.0.0/16", "2001:db8:1::/64", NULL);
	assert_string_equal(drain(), "+192.0.2.0/28 +192.0.2.16 +2001:db8:1::/64");
	assert_string_equal(vip_is("192.0.0.0/16"), "refused/outside-pool");
	assert_string_equal(reports(), "192.0.0.0/16=refused 192.0.2.0/28=installed "
				       "192.0.2.16=installed 2001:db8:1::/64=installed");
	assert_ptr_equal(by_address("192.0.2.0"), nlb_vip_next(&core, nlb_vip_first(&core)));
	assert_null(by_address("192.0.2.1"));
	assert_string_equal(vip_is("192.0.2.0"), "none");
	gone(NET28);
	assert_string_equal(drain(), "-192.0.2.0/28");
	assert_string_equal(reports(), "192.0.2.0/28=withdrawn");
	assert_null(by_address("192.0.2.0"));
}

/* The address is the VIP's name: another length takes its place. */
static void test_prefix_length_changes(void **state)
{
	set(NET28, NULL);
	drain();
	reports();
	say_vip(NET27, 2, false, 0);
	assert_string_equal(vip_is(NET28), "withdrawing/gone");
	/* Two for a moment; the one that stays is the one. */
	assert_int_equal(by_address("192.0.2.0")->feed.prefix.prefixlen, 27);
	assert_string_equal(drain(), "-192.0.2.0/28");
	assert_string_equal(reports(), "192.0.2.0/27=withdrawn 192.0.2.0/28=withdrawn");
	assert_string_equal(vip_is(NET28), "none");
	say_vip(NET27, 2, true, 0);
	assert_string_equal(drain(), "+192.0.2.0/27");

	/* And back before the first is confirmed. */
	say_vip(NET28, 2, true, 0);
	assert_string_equal(drain_unanswered(), "+192.0.2.0/28 -192.0.2.0/27");
	say_vip(NET27, 2, true, 0);
	assert_string_equal(drain(), "+192.0.2.0/27 -192.0.2.0/28");
	assert_string_equal(vip_is(NET27), "installed/none");

	/* Within a sync, at its end; even if it names both. */
	set(NET27, NET28, NULL);
	assert_string_equal(drain(), "-192.0.2.0/27 +192.0.2.0/28");
	reports();
	assert_string_equal(vip_is(NET27), "none");
}

/* Without its length it is still the same VIP. */
static void test_gone_by_address(void **state)
{
	set(NET28, NULL);
	drain();
	reports();
	gone("192.0.2.0");
	assert_string_equal(drain(), "-192.0.2.0/28");
	assert_string_equal(reports(), "192.0.2.0/28=withdrawn");
	gone("192.0.2.0");
	assert_string_equal(reports(), "192.0.2.0=withdrawn");
}

/* An override is of the address, of whatever length. */
static void test_prefix_override(void **state)
{
	struct ipaddr address = addr("192.0.2.0");

	set(NET28, NULL);
	drain();
	nlb_override_get(&core.cfg, &address)->shutdown = true;
	nlb_config_changed(&core);
	assert_string_equal(drain(), "-192.0.2.0/28");
	assert_string_equal(vip_is(NET28), "refused/shutdown");
}

/* Routes of an earlier nlbd: those sent anew are not touched, the others are named once. */
static void test_orphans(void **state)
{
	struct prefix a = prefix(A "/32"), b = prefix(B "/32"), c = prefix(C "/128"), p;

	nlb_orphan_found(&core, &a);
	nlb_orphan_found(&core, &b);
	nlb_orphan_found(&core, &b);
	nlb_orphan_found(&core, &c);
	assert_int_equal(nlb_orphan_count(&core), 3);
	set(A, C, NULL);
	say_vip(C, 0, true, 0);
	drain();
	nlb_orphan_found(&core, &a);
	assert_true(nlb_orphan_pop(&core, &p));
	assert_true(prefix_same(&p, &b));
	assert_true(nlb_orphan_pop(&core, &p));
	assert_true(prefix_same(&p, &c));
	assert_false(nlb_orphan_pop(&core, &p));
	nlb_orphan_found(&core, &b);
	nlb_orphan_clear(&core);
	assert_int_equal(nlb_orphan_count(&core), 0);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_sync),
		CASE(test_resync),
		CASE(test_sync_removes),
		CASE(test_sync_lost),
		CASE(test_gone),
		CASE(test_gone_and_back),
		CASE(test_coalesced),
		CASE(test_replace),
		CASE(test_override),
		CASE(test_pools),
		CASE(test_dataplane),
		CASE(test_hold),
		CASE(test_hold_in_sync),
		CASE(test_zebra_answers),
		CASE(test_zebra_restart),
		CASE(test_remove_expires),
		CASE(test_clock),
		CASE(test_nexthop),
		CASE(test_unconfigured),
		CASE(test_authoritative),
		CASE(test_limit),
		CASE(test_walk_and_count),
		CASE(test_orphans),
		CASE(test_prefix),
		CASE(test_prefix_length_changes),
		CASE(test_gone_by_address),
		CASE(test_prefix_override),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
