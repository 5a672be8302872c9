// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Batches and readiness: what is announced, when, and what the maps child is
 * asked for (invariants 1 and 4).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "core_fixture.h"

#define V   "192.0.2.1"
#define B1  "10.0.0.1"
#define B2  "10.0.0.2"

#define TWO CORE_FX_BE(B1) "," CORE_FX_BE(B2)

static void test_ready_only_when_proven(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	fx->mute = true;
	assert_int_equal(core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, TWO))), CORE_ACCEPTED);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "sync"));
	assert_true(core_fx_said(fx, "vip " V " not enabled=0/2"));
	assert_int_equal(core_fx_count(fx, "maps"), 0);

	/* One verdict is not a round. */
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps"), 0);
	core_fx_verdict(fx, B2, MSG_HC_UP);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps vip_set " V));
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=2 [" B1 "," B2 "]"));
	assert_true(core_fx_said(fx, "maps commit"));
	assert_int_equal(core_fx_count(fx, "vip " V " ready"), 0);

	core_fx_answer(fx);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=2/2"));
	core_fx_free(fx);
}

static void test_written_is_not_proven(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	fx->result = MSG_SVC_WRITTEN;
	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, CORE_FX_BE(B1))));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps svc_set"), 1);
	assert_int_equal(core_fx_count(fx, "vip " V " ready"), 0);
	assert_string_equal(core_fx_state(fx, V), "failed");
	assert_string_equal(core_fx_vip(fx, V)->why, "tcp/80: no room");

	/* It is tried again, by and by, and then it works. */
	fx->result = MSG_SVC_PROVEN;
	core_fx_pass(fx, CORE_RETRY_MIN_MS - 1);
	assert_int_equal(core_fx_count(fx, "maps svc_set"), 1);
	core_fx_pass(fx, 1);
	assert_int_equal(core_fx_count(fx, "maps svc_set"), 2);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/1"));
	core_fx_free(fx);
}

/* A ring that could not be replaced goes on being announced. */
static void test_failed_update_keeps_ring(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, TWO)));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_verdict(fx, B2, MSG_HC_UP);
	core_fx_settle(fx);
	fx->result = MSG_SVC_FAILED;
	core_fx_forget(fx);
	core_fx_verdict(fx, B2, MSG_HC_DOWN);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B1 "]"));
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/2"));
	assert_int_equal(core_fx_count(fx, "vip " V " not"), 0);
	assert_string_equal(core_fx_state(fx, V), "failed");
	core_fx_free(fx);
}

static void test_round_is_bounded(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, TWO)));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_pass(fx, 1000 + 500 + CORE_HEALTH_SLACK_MS - 1);
	assert_int_equal(core_fx_count(fx, "maps svc_set"), 0);
	assert_true(core_due(fx->core) <= fx->now + CORE_MS);
	core_fx_pass(fx, 1);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B1 "]"));
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/2"));
	core_fx_free(fx);
}

static void test_all_down_and_back(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	const char *p;

	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, CORE_FX_BE(B1))));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	core_fx_forget(fx);
	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	core_fx_settle(fx);
	/* nlbd first, then the ring. */
	p = strstr(fx->said, "vip " V " ready enabled=0/1");
	assert_non_null(p);
	assert_non_null(strstr(p, "maps svc_set " V " tcp/80 n=0 []"));
	assert_string_equal(core_fx_state(fx, V), "down");

	/* Back: not announced before the new ring is proven. */
	core_fx_forget(fx);
	fx->mute = true;
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "vip " V " not enabled=1/1"));
	fx->mute = false;
	core_fx_answer(fx);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/1"));
	core_fx_free(fx);
}

/* Changes while a batch is under way make one more batch, not many. */
static void test_one_batch_at_a_time(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, TWO)));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_verdict(fx, B2, MSG_HC_UP);
	fx->mute = true;
	core_fx_run(fx);
	assert_int_equal(core_fx_count(fx, "maps commit"), 1);
	core_fx_forget(fx);
	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	core_fx_run(fx);
	core_fx_verdict(fx, B2, MSG_HC_DOWN);
	core_fx_run(fx);
	core_fx_verdict(fx, B2, MSG_HC_UP);
	core_fx_run(fx);
	assert_int_equal(core_fx_count(fx, "maps"), 0);
	core_fx_answer(fx);
	core_fx_run(fx);
	assert_int_equal(core_fx_count(fx, "maps svc_set"), 1);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B2 "]"));
	assert_int_equal(core_fx_count(fx, "maps commit"), 1);
	core_fx_free(fx);
}

static void test_many_changes_one_service_set(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, TWO) "," CORE_FX_VIP("192.0.2.2", TWO)));
	core_fx_settle(fx);
	/* Both VIPs probe the same backends: two conditions, not four. */
	assert_int_equal(fx->n_conds, 2);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_verdict(fx, B2, MSG_HC_UP);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps svc_set"), 2);
	assert_int_equal(core_fx_count(fx, "maps commit"), 1);
	assert_string_equal(core_fx_state(fx, "192.0.2.2"), "ready");
	core_fx_free(fx);
}

static void test_weight_and_admin(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	struct core_vip *v;

	core_fx_model(
		fx,
		CORE_FX_DOC("1", CORE_FX_VIP(V, "{'address':'" B1 "','weight':0},{'address':'" B2
						"','admin':'down'},{'address':'10.0.0.3',"
						"'admin':'drain'},{'address':'10.0.0.4'}")));
	core_fx_settle(fx);
	/* Only the last could be enabled, so only it is waited for. */
	core_fx_verdict(fx, "10.0.0.4", MSG_HC_UP);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [~" B1 ",~10.0.0.3,10.0.0.4]"));
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/4"));
	v = core_fx_vip(fx, V);
	assert_int_equal(v->ports[0].backends[0].state, CORE_BE_DRAIN);
	assert_int_equal(v->ports[0].backends[1].state, CORE_BE_DISABLED);
	assert_int_equal(v->ports[0].backends[2].state, CORE_BE_DRAIN);
	assert_int_equal(v->ports[0].backends[3].state, CORE_BE_UP);
	core_fx_free(fx);
}

#define PORT(n, check)                                                                             \
	"{'protocol':'tcp','port':" n                                                              \
	",'backends':[" CORE_FX_BE(B1) "],'health':{'checks':[" check "]}}"
#define ONE   "{'type':'tcp','port':81}"
#define OTHER "{'type':'tcp','port':82}"

/* A port that is added does not take the route away from the one that works. */
static void test_new_port_keeps_ready(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx,
		      "{'revision':1,'vips':[{'address':'" V "','ports':[" PORT("80", ONE) "]}]}");
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/1"));
	core_fx_forget(fx);
	core_fx_model(fx, "{'revision':2,'vips':[{'address':'" V
			  "','ports':[" PORT("80", ONE) "," PORT("443", OTHER) "]}]}");
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "vip " V " not"), 0);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=2/2"));
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/443 n=1 [" B1 "]"));

	/* And a port that goes is taken out of the maps at once. */
	core_fx_model(fx, "{'revision':3,'vips':[{'address':'" V
			  "','ports':[" PORT("443", OTHER) "]}]}");
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_del " V " tcp/80"));
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/1"));
	assert_int_equal(fx->n_conds, 1);
	core_fx_free(fx);
}

/* Changed settings of a check: the verdict stands until the new check has one. */
static void test_changed_check_keeps_verdict(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx,
		      "{'revision':1,'vips':[{'address':'" V "','ports':[" PORT("80", ONE) "]}]}");
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	core_fx_forget(fx);
	core_fx_model(fx, "{'revision':2,'vips':[{'address':'" V
			  "','ports':[" PORT("80", OTHER) "]}]}");
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "hc set " B1 ":82 tcp"));
	assert_true(core_fx_said(fx, "hc del"));
	assert_int_equal(core_fx_count(fx, "maps"), 0);
	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=0 []"));
	core_fx_free(fx);
}

static void test_policies(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	struct msg_hc_result res = {.state = MSG_HC_DOWN, .reason = MSG_HC_TIMEOUT};

	core_fx_model(fx, "{'vips':[{'address':'" V
			  "','ports':[{'protocol':'udp','port':53,'backends':["
			  "{'address':'" B1 "'}],'health':{'policy':'any','checks':[" ONE "," OTHER
			  "]}}]},{'address':'192.0.2.2','ports':[{'protocol':'udp','port':53,"
			  "'backends':[{'address':'" B1
			  "'}],'health':{'policy':'all','checks':[" ONE "," OTHER "]}}]}]}");
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	assert_string_equal(core_fx_state(fx, V), "ready");
	assert_string_equal(core_fx_state(fx, "192.0.2.2"), "ready");
	res.id = fx->conds[0].id;
	core_health_results(fx->core, &res, 1, fx->now);
	core_fx_settle(fx);
	assert_string_equal(core_fx_state(fx, V), "ready");
	assert_string_equal(core_fx_state(fx, "192.0.2.2"), "down");
	res.id = fx->conds[1].id;
	core_health_results(fx->core, &res, 1, fx->now);
	core_fx_settle(fx);
	assert_string_equal(core_fx_state(fx, V), "down");
	core_fx_free(fx);
}

static void test_no_checks_is_up(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, "{'vips':[{'address':'" V "','ports':[{'protocol':'udp','port':53,"
			  "'backends':[{'address':'" B1 "'}]}]}]}");
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/1"));
	core_fx_free(fx);
}

static void test_dataplane_down_is_said_at_once(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	struct msg_dataplane dp = {.up = 0, .reason = "eth0: detached"};

	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, CORE_FX_BE(B1))));
	core_fx_settle(fx);
	core_maps_frame(fx->core, MSG_MAPS_DATAPLANE, &dp, sizeof(dp), fx->now);
	assert_true(core_fx_said(fx, "dataplane down"));
	assert_string_equal(core_fx_state(fx, V), "failed");
	dp.up = 1;
	core_maps_frame(fx->core, MSG_MAPS_DATAPLANE, &dp, sizeof(dp), fx->now);
	assert_true(core_fx_said(fx, "dataplane ok"));
	core_fx_free(fx);
}

/* What could not be proven without a program is tried again when there is one. */
static void test_dataplane_up_retries(void **state _unused_)
{
	struct core_fx *fx = core_fx_cold();
	struct msg_dataplane dp = {.up = 0, .reason = "eth0: no such interface"};

	core_maps_frame(fx->core, MSG_MAPS_READY, &dp, sizeof(dp), fx->now);
	fx->result = MSG_SVC_FAILED;
	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, CORE_FX_BE(B1))));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	assert_false(core_fx_vip(fx, V)->ready);
	fx->result = MSG_SVC_PROVEN;
	dp.up = 1;
	core_maps_frame(fx->core, MSG_MAPS_DATAPLANE, &dp, sizeof(dp), fx->now);
	core_fx_settle(fx);
	assert_true(core_fx_vip(fx, V)->ready);
	core_fx_free(fx);
}

static void test_new_session_gets_everything(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, CORE_FX_BE(B1))));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	core_feed(fx->core, false, fx->now);
	core_fx_forget(fx);
	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "vip"), 0);
	core_feed(fx->core, true, fx->now);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "dataplane ok"));
	assert_true(core_fx_said(fx, "sync"));
	assert_int_equal(core_fx_count(fx, "vip " V " ready enabled=0/1"), 1);
	core_fx_free(fx);
}

static void test_override(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	struct core_key key = {.port = 80, .protocol = 6};

	addr_parse(V, &key.vip);
	addr_parse(B1, &key.backend);
	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, TWO)));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_verdict(fx, B2, MSG_HC_UP);
	core_fx_settle(fx);
	assert_int_equal(core_override_set(fx->core, &key, MODEL_ADMIN_DOWN), 0);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B2 "]"));
	assert_true(core_fx_said(fx, "overrides"));

	/* It stands when the scheduler says something else, and goes with the backend. */
	core_fx_forget(fx);
	core_fx_model(fx, CORE_FX_DOC("2", CORE_FX_VIP(V, TWO "," CORE_FX_BE("10.0.0.3"))));
	core_fx_settle(fx);
	assert_true(core_fx_vip(fx, V)->ports[0].backends[0].has_override);
	assert_int_equal(core_override_clear(fx->core, &key), 0);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=2 [" B1 "," B2 "]"));
	assert_int_equal(core_override_set(fx->core, &key, MODEL_ADMIN_DRAIN), 0);
	core_fx_model(fx, CORE_FX_DOC("3", CORE_FX_VIP(V, CORE_FX_BE(B2))));
	core_fx_settle(fx);
	assert_int_equal(core_overrides_count(fx->core), 0);
	assert_int_equal(core_override_set(fx->core, &key, MODEL_ADMIN_UP), -ENOENT);
	core_fx_free(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ready_only_when_proven),
		cmocka_unit_test(test_written_is_not_proven),
		cmocka_unit_test(test_failed_update_keeps_ring),
		cmocka_unit_test(test_round_is_bounded),
		cmocka_unit_test(test_all_down_and_back),
		cmocka_unit_test(test_one_batch_at_a_time),
		cmocka_unit_test(test_many_changes_one_service_set),
		cmocka_unit_test(test_weight_and_admin),
		cmocka_unit_test(test_new_port_keeps_ready),
		cmocka_unit_test(test_changed_check_keeps_verdict),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_no_checks_is_up),
		cmocka_unit_test(test_dataplane_down_is_said_at_once),
		cmocka_unit_test(test_dataplane_up_retries),
		cmocka_unit_test(test_new_session_gets_everything),
		cmocka_unit_test(test_override),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
