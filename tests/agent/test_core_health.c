// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Verdicts of several checks together, what a backend is before the first, and what is
 * known when the rules change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core_fixture.h"

#define V  "192.0.2.1"
#define B1 "10.0.0.1"
#define B2 "10.0.0.2"

/* One VIP with B1 (and more), and this health object. */
#define DOC(rev, more, health)                                                                     \
	CORE_FX_DOC(rev, "{'address':'" V                                                          \
			 "','ports':[{'protocol':'tcp','port':80,'backends':[" CORE_FX_BE(B1) more \
		    "],'health':{'timeout_ms':500," health "}}]}")
#define THREE "'checks':[{'type':'tcp','port':1},{'type':'tcp','port':2},{'type':'tcp','port':3}]"
#define ONE   "'checks':[{'type':'tcp'}]"

static struct core_backend *backend(struct core_fx *fx)
{
	return &core_fx_vip(fx, V)->ports[0].backends[0];
}

/* The verdict of the check of a port. */
static void verdict(struct core_fx *fx, uint16_t port, enum msg_hc_state state)
{
	for (size_t i = 0; i < fx->n_conds; i++) {
		struct msg_hc_result res = {
			.id = fx->conds[i].id,
			.state = (uint8_t)state,
			.reason = state == MSG_HC_DOWN ? MSG_HC_REFUSED : MSG_HC_OK,
		};

		if (fx->conds[i].port != port)
			continue;
		core_health_results(fx->core, &res, 1, fx->now);
		core_fx_settle(fx);
		return;
	}
	fail_msg("no check of port %u", port);
}

static void expect(struct core_fx *fx, enum core_be_state state)
{
	assert_string_equal(core_be_state_str(backend(fx)->state), core_be_state_str(state));
}

static void test_at_least(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, DOC("1", "", "'policy':'at_least','at_least':2," THREE));
	core_fx_settle(fx);
	expect(fx, CORE_BE_UNKNOWN);
	verdict(fx, 1, MSG_HC_UP);
	expect(fx, CORE_BE_UNKNOWN);
	verdict(fx, 2, MSG_HC_DOWN);
	expect(fx, CORE_BE_UNKNOWN);
	verdict(fx, 3, MSG_HC_UP);
	expect(fx, CORE_BE_UP);
	verdict(fx, 3, MSG_HC_DOWN);
	expect(fx, CORE_BE_DOWN);
	verdict(fx, 2, MSG_HC_UP);
	expect(fx, CORE_BE_UP);
	core_fx_free(fx);
}

/* Two that are down decide before the third has spoken. */
static void test_at_least_down_early(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, DOC("1", "", "'policy':'at_least','at_least':2," THREE));
	core_fx_settle(fx);
	verdict(fx, 1, MSG_HC_DOWN);
	expect(fx, CORE_BE_UNKNOWN);
	verdict(fx, 2, MSG_HC_DOWN);
	expect(fx, CORE_BE_DOWN);
	core_fx_free(fx);
}

/* Another policy over the same checks: they go on, and what they said counts at once. */
static void test_policy_changes(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, DOC("1", "", "'policy':'all'," THREE));
	core_fx_settle(fx);
	verdict(fx, 1, MSG_HC_UP);
	verdict(fx, 2, MSG_HC_UP);
	verdict(fx, 3, MSG_HC_DOWN);
	expect(fx, CORE_BE_DOWN);
	core_fx_forget(fx);
	core_fx_model(fx, DOC("2", "", "'policy':'at_least','at_least':2," THREE));
	core_fx_settle(fx);
	expect(fx, CORE_BE_UP);
	core_fx_model(fx, DOC("3", "", "'policy':'at_least','at_least':3," THREE));
	core_fx_settle(fx);
	expect(fx, CORE_BE_DOWN);
	assert_int_equal(core_fx_count(fx, "hc "), 0);
	core_fx_free(fx);
}

/* Another pace is another condition, which begins with the verdict and what there is of it. */
static void test_interval_changes(void **state _unused_)
{
	static const enum msg_hc_state states[] = {MSG_HC_UP, MSG_HC_DOWN};

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct core_fx *fx = core_fx_new();
		const struct core_cond *cond;
		uint64_t then;

		core_fx_model(fx, DOC("1", "", "'interval_ms':1000," ONE));
		core_fx_settle(fx);
		core_fx_verdict(fx, B1, MSG_HC_UP);
		core_fx_settle(fx);
		core_fx_verdict(fx, B1, states[i]);
		core_fx_settle(fx);
		then = fx->now;
		core_fx_pass(fx, 60000);
		core_fx_forget(fx);
		core_fx_model(fx, DOC("2", "", "'interval_ms':2000,'rise':9,'fall':9," ONE));
		core_fx_settle(fx);
		assert_int_equal(fx->n_conds, 1);
		assert_int_equal(fx->conds[0].interval_ms, 2000);
		assert_int_equal(fx->conds[0].initial, states[i]);
		assert_int_equal(core_fx_count(fx, "maps svc_set"), 0);
		cond = backend(fx)->uses[0].cond;
		assert_int_equal(cond->state, states[i]);
		assert_true(cond->since_ns <= then);
		assert_int_equal(cond->failure.reason, i ? MSG_HC_REFUSED : MSG_HC_OK);
		core_fx_free(fx);
	}
}

/* A check may have a pace of its own: the first round waits for the slowest. */
static void test_own_pace(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, DOC("1", "",
			      "'interval_ms':1000,'checks':[{'type':'icmp','fall':7},{'type':'tcp',"
			      "'interval_ms':4000,'timeout_ms':900}]"));
	core_fx_settle(fx);
	assert_int_equal(fx->n_conds, 2);
	assert_int_equal(fx->conds[0].interval_ms, 1000);
	assert_int_equal(fx->conds[0].fall, 7);
	assert_int_equal(fx->conds[1].interval_ms, 4000);
	assert_int_equal(fx->conds[1].timeout_ms, 900);
	assert_int_equal(fx->conds[1].fall, 3);
	core_fx_pass(fx, 4000 + 900 + CORE_HEALTH_SLACK_MS - 1);
	assert_false(core_fx_vip(fx, V)->ports[0].run.first_done);
	core_fx_pass(fx, 1);
	assert_true(core_fx_vip(fx, V)->ports[0].run.first_done);
	core_fx_free(fx);
}

/* Another question is not answered by the old one's answer; the backend serves on. */
static void test_probe_changes(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, DOC("1", "", ONE));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	core_fx_model(fx, DOC("2", "", "'checks':[{'type':'tcp','dscp':9}]"));
	core_fx_settle(fx);
	assert_int_equal(fx->conds[0].initial, MSG_HC_UNKNOWN);
	expect(fx, CORE_BE_UP);
	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	core_fx_settle(fx);
	expect(fx, CORE_BE_DOWN);
	core_fx_free(fx);
}

/* A check is added: the others keep their conditions, the backend its state, until it speaks. */
static void test_check_is_added(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, DOC("1", "", "'start':'down'," ONE));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	core_fx_forget(fx);
	core_fx_model(fx, DOC("2", "", "'start':'down','checks':[{'type':'tcp'},{'type':'icmp'}]"));
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "hc del"), 0);
	assert_int_equal(core_fx_count(fx, "hc set"), 1);
	assert_int_equal(fx->conds[1].type, MSG_HC_ICMP);
	/* "start" is for backends of which nothing is known. */
	assert_int_equal(fx->conds[1].initial, MSG_HC_UNKNOWN);
	expect(fx, CORE_BE_UP);
	verdict(fx, 0, MSG_HC_DOWN);
	expect(fx, CORE_BE_DOWN);
	core_fx_free(fx);
}

/* The health child counts from the state that it is told to start with. */
static void test_start_is_initial(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, DOC("1", "", "'start':'down'," ONE));
	core_fx_settle(fx);
	assert_int_equal(fx->conds[0].initial, MSG_HC_DOWN);
	expect(fx, CORE_BE_DOWN);
	/* The first success is no rise. */
	core_fx_result(fx, B1, MSG_HC_DOWN, MSG_HC_OK);
	core_fx_settle(fx);
	expect(fx, CORE_BE_DOWN);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	expect(fx, CORE_BE_UP);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/1"));
	core_fx_free(fx);
}

/* Invariant 1: not before the first health round, also where backends start as up. */
static void test_start_up_awaits_the_round(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, DOC("1", "," CORE_FX_BE(B2), "'start':'up'," ONE));
	core_fx_settle(fx);
	assert_int_equal(fx->conds[0].initial, MSG_HC_UP);
	expect(fx, CORE_BE_UP);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	/* A probe that could not be made is none. */
	core_fx_result(fx, B2, MSG_HC_UP, MSG_HC_LOCAL);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps svc_set"), 0);
	assert_int_equal(core_fx_count(fx, "vip " V " ready"), 0);
	/* It need not be a success: "fall" has to come first. */
	core_fx_result(fx, B2, MSG_HC_UP, MSG_HC_REFUSED);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=2/2"));
	core_fx_free(fx);
}

static void test_start_up_round_is_bounded(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, DOC("1", "", "'interval_ms':1000,'start':'up'," ONE));
	core_fx_settle(fx);
	core_fx_pass(fx, 1000 + 500 + CORE_HEALTH_SLACK_MS - 1);
	assert_int_equal(core_fx_count(fx, "vip " V " ready"), 0);
	core_fx_pass(fx, 1);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/1"));
	core_fx_free(fx);
}

/* A ring that was found in the maps is not emptied because nothing is known yet. */
static void test_start_down_spares_adopted_ring(void **state _unused_)
{
	struct core_fx *fx = core_fx_cold();

	core_fx_have(fx, V, 6, 80, B1);
	core_fx_ready(fx);
	core_feed(fx->core, true, fx->now);
	core_fx_model(fx, DOC("1", "", "'start':'down'," ONE));
	core_fx_settle(fx);
	assert_int_equal(fx->conds[0].initial, MSG_HC_UNKNOWN);
	expect(fx, CORE_BE_UNKNOWN);
	assert_int_equal(core_fx_count(fx, "maps svc_set"), 0);
	core_fx_free(fx);
}

/* A verdict from disk is more than where one starts. */
static void test_restored_before_start(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	uint64_t digest;

	core_fx_model(fx, DOC("1", "", "'start':'down'," ONE));
	core_fx_settle(fx);
	digest = backend(fx)->uses[0].cond->digest;
	core_fx_free(fx);

	fx = core_fx_new();
	assert_int_equal(core_verdict_load(fx->core, digest, MSG_HC_UP), 0);
	core_fx_model(fx, DOC("1", "", "'start':'down'," ONE));
	core_fx_settle(fx);
	assert_int_equal(fx->conds[0].initial, MSG_HC_UP);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/1"));
	core_fx_free(fx);
}

/* Services that start in different ways share no condition; equal ones do. */
static void test_start_is_not_merged(void **state _unused_)
{
#define SVC(port, start)                                                                           \
	"{'protocol':'tcp','port':" port                                                           \
	",'backends':[" CORE_FX_BE(B1) "],'health':{'start':'" start                               \
				       "','checks':[{'type':'icmp'}]}}"
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, CORE_FX_DOC("1", "{'address':'" V "','ports':[" SVC("80", "up") "," SVC(
						   "81", "unknown") "," SVC("82", "up") "]}"));
	core_fx_settle(fx);
	assert_int_equal(fx->n_conds, 2);
	core_fx_free(fx);
#undef SVC
}

/* The last failure is there when all is well again. */
static void test_failure_is_kept(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	const struct core_cond *cond;
	uint64_t then;

	core_fx_model(fx, DOC("1", "", ONE));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	cond = backend(fx)->uses[0].cond;
	assert_int_equal(cond->failure.at_ns, 0);
	core_fx_result(fx, B1, MSG_HC_UP, MSG_HC_TIMEOUT);
	then = fx->now;
	core_fx_pass(fx, 1000);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	assert_int_equal(cond->reason, MSG_HC_OK);
	assert_int_equal(cond->failure.reason, MSG_HC_TIMEOUT);
	assert_int_equal(cond->failure.at_ns, then);
	expect(fx, CORE_BE_UP);
	core_fx_free(fx);
}

/* Every option gets through: the fixture has the health child's decoder take each frame. */
static void test_all_options(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	const struct msg_hc_cond *m = fx->conds;
	struct addr source;

	core_fx_model(
		fx, DOC("1", "",
			"'start':'up','checks':["
			"{'type':'icmp','source':'10.9.9.9','device':'eth0','dscp':63},"
			"{'type':'tcp','half_open':true},"
			"{'type':'http','body':'x','max_body':16777216,'status':'100-599'},"
			"{'type':'https','client_cert':true,'resume':true,'sni':'a','host':'b:1'},"
			"{'type':'udp','payload_hex':'000102','expect_hex':'ff00'},{'type':'udp'},"
			"{'type':'grpc','service':'a.B/c','host':'g'},{'type':'grpc','port':1}]"));
	core_fx_settle(fx);
	assert_int_equal(fx->n_conds, 8);
	assert_int_equal(addr_parse("10.9.9.9", &source), 0);
	assert_int_equal(addr_cmp(&m[0].source, &source), 0);
	assert_int_equal(m[0].dscp, 63);
	assert_int_equal(m[0].device_len, 4);
	assert_int_equal(m[0].start, MSG_HC_UP);
	assert_int_equal(m[1].flags, MSG_HC_F_HALF_OPEN);
	assert_int_equal(m[2].body_max, 16777216);
	assert_int_equal(m[2].body_len, 1);
	assert_int_equal(m[3].flags, MSG_HC_F_VERIFY | MSG_HC_F_CLIENT_CERT | MSG_HC_F_RESUME);
	/* Sorted by what they hold: the one without comes first. */
	assert_int_equal(m[5].payload_len, 3);
	assert_int_equal(m[5].body_len, 2);
	assert_int_equal(m[7].type, MSG_HC_GRPC);
	core_fx_free(fx);
}

/* All that is said of a VIP's checks fits into a line to nlbd, and says what it left out. */
static void test_checks_are_bounded(void **state _unused_)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;
	_cleanup_free_ char *text = NULL;
	struct core_fx *fx = core_fx_new();
	static char json[200000];
	size_t len, n = 0;
	struct addr vip;

	len = (size_t)snprintf(json, sizeof(json),
			       "{'vips':[{'address':'" V "','ports':[{'protocol':'tcp','port':80,"
			       "'health':{'checks':[{'type':'tcp'}]},'backends':[");
	for (unsigned int i = 0; i < 1000; i++)
		len += (size_t)snprintf(json + len, sizeof(json) - len,
					"%s{'address':'10.0.%u.%u'}", i ? "," : "", i / 250,
					i % 250 + 1);
	snprintf(json + len, sizeof(json) - len, "]}]}]}");
	core_fx_model(fx, json);
	core_fx_settle(fx);
	assert_int_equal(addr_parse(V, &vip), 0);
	assert_int_equal(core_checks_write(fx->core, &vip, fx->now, jput_begin(&doc)), 0);
	text = jput_text(&doc, &len);
	assert_non_null(text);
	assert_true(len < (1u << 20) - 64);
	for (const char *p = text; (p = strstr(p, "\"checks\":[{")); p++)
		n++;
	assert_true(n == 749 || n == 750);
	snprintf(json, sizeof(json), "\"total\":1000,");
	assert_non_null(strstr(text, json));
	snprintf(json, sizeof(json), "\"left_out\":%zu}", 1000 - n);
	assert_non_null(strstr(text, json));
	core_fx_free(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_least),
		cmocka_unit_test(test_at_least_down_early),
		cmocka_unit_test(test_policy_changes),
		cmocka_unit_test(test_interval_changes),
		cmocka_unit_test(test_own_pace),
		cmocka_unit_test(test_probe_changes),
		cmocka_unit_test(test_check_is_added),
		cmocka_unit_test(test_start_is_initial),
		cmocka_unit_test(test_start_up_awaits_the_round),
		cmocka_unit_test(test_start_up_round_is_bounded),
		cmocka_unit_test(test_start_down_spares_adopted_ring),
		cmocka_unit_test(test_restored_before_start),
		cmocka_unit_test(test_start_is_not_merged),
		cmocka_unit_test(test_failure_is_kept),
		cmocka_unit_test(test_checks_are_bounded),
		cmocka_unit_test(test_all_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
