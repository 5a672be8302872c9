// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Removal: withdraw before delete (invariant 2), from every direction.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "core_fixture.h"

#define V     "192.0.2.1"
#define W     "192.0.2.2"
#define B1    "10.0.0.1"
#define B2    "10.0.0.2"
#define BOTH  CORE_FX_VIP(V, CORE_FX_BE(B1)) "," CORE_FX_VIP(W, CORE_FX_BE(B1))
#define ONLYW CORE_FX_VIP(W, CORE_FX_BE(B1))

static struct core_fx *two_announced(void)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, CORE_FX_DOC("1", BOTH));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	core_fx_route(fx, V, CORE_ROUTE_INSTALLED);
	core_fx_route(fx, W, CORE_ROUTE_INSTALLED);
	core_fx_settle(fx);
	assert_string_equal(core_fx_state(fx, V), "announced");
	core_fx_forget(fx);
	return fx;
}

static void test_withdraw_then_hold_then_delete(void **state _unused_)
{
	struct core_fx *fx = two_announced();
	_cleanup_jput_ struct jput_doc report = JPUT_INIT;
	_cleanup_free_ char *text = NULL;
	size_t len;

	core_fx_model(fx, CORE_FX_DOC("2", ONLYW));
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "gone " V));
	assert_int_equal(core_fx_count(fx, "maps"), 0);
	assert_int_equal(core_fx_vip(fx, V)->phase, CORE_WITHDRAWING);

	/* No answer, no deletion. */
	core_fx_pass(fx, CORE_WITHDRAW_MS / 2);
	assert_int_equal(core_fx_vip(fx, V)->phase, CORE_WITHDRAWING);
	core_fx_route(fx, V, CORE_ROUTE_WITHDRAWN);
	core_fx_settle(fx);
	assert_int_equal(core_fx_vip(fx, V)->phase, CORE_HOLD_DOWN);
	core_fx_pass(fx, fx->cfg.hold_down_ms - 1);
	assert_int_equal(core_fx_count(fx, "maps"), 0);
	fx->mute = true;
	core_fx_pass(fx, 1);
	assert_true(core_fx_said(fx, "maps vip_del " V));
	assert_true(core_fx_said(fx, "maps commit"));
	assert_string_equal(core_fx_state(fx, V), "down");
	core_fx_answer(fx);
	core_fx_run(fx);
	assert_string_equal(core_fx_state(fx, V), "deleted");

	/* It is forgotten when the scheduler has been told. */
	core_report_write(fx->core, jput_begin(&report));
	text = jput_text(&report, &len);
	assert_non_null(strstr(text, "\"id\":\"id-" V "\""));
	assert_non_null(strstr(text, "\"deleted\""));
	core_report_done(fx->core);
	assert_null(core_fx_vip(fx, V));
	core_fx_free(fx);
}

static void test_health_goes_on_in_hold_down(void **state _unused_)
{
	struct core_fx *fx = two_announced();

	core_fx_model(fx, CORE_FX_DOC("2", ONLYW));
	core_fx_route(fx, V, CORE_ROUTE_WITHDRAWN);
	core_fx_settle(fx);
	core_fx_forget(fx);
	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	core_fx_settle(fx);
	/* Packets still come for a while: dead backends leave its ring too. */
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=0 []"));
	/* But nlbd hears of it no more. */
	assert_int_equal(core_fx_count(fx, "vip " V), 0);
	core_fx_free(fx);
}

static void test_revived(void **state _unused_)
{
	struct core_fx *fx = two_announced();

	for (int phase = CORE_WITHDRAWING; phase <= CORE_DELETED; phase++) {
		core_fx_model(fx, CORE_FX_DOC("0", ONLYW));
		core_fx_settle(fx);
		if (phase >= CORE_HOLD_DOWN)
			core_fx_route(fx, V, CORE_ROUTE_WITHDRAWN);
		if (phase == CORE_DELETING)
			fx->mute = true;
		if (phase >= CORE_DELETING)
			core_fx_pass(fx, fx->cfg.hold_down_ms);
		assert_int_equal(core_fx_vip(fx, V)->phase, phase);
		core_fx_forget(fx);
		core_fx_model(fx, CORE_FX_DOC("0", BOTH));
		fx->mute = false;
		core_fx_settle(fx);
		if (fx->has_batch) {
			core_fx_answer(fx);
			core_fx_settle(fx);
		}
		assert_int_equal(core_fx_vip(fx, V)->phase, CORE_WANTED);
		assert_true(core_fx_said(fx, "vip " V " ready enabled=1/1"));
		if (phase >= CORE_DELETING)
			assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B1 "]"));
		else
			assert_int_equal(core_fx_count(fx, "maps"), 0);
		/* Nothing is left that would delete it later. */
		core_fx_pass(fx, 1000000);
		assert_int_equal(core_fx_vip(fx, V)->phase, CORE_WANTED);
	}
	core_fx_free(fx);
}

static void test_deletion_flag(void **state _unused_)
{
	struct core_fx *fx = two_announced();
	const char *doc = CORE_FX_DOC("2", "{'id':'id-" V "','address':'" V
					   "','desired_revision':8,'deletion':true}," ONLYW);

	core_fx_model(fx, doc);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "gone " V));
	core_fx_route(fx, V, CORE_ROUTE_WITHDRAWN);
	core_fx_pass(fx, fx->cfg.hold_down_ms);
	core_fx_pass(fx, fx->cfg.hold_down_ms);
	assert_string_equal(core_fx_state(fx, V), "deleted");
	assert_int_equal(core_fx_vip(fx, V)->conf.desired_revision, 8);
	/* Reported for as long as the scheduler lists it. */
	core_report_done(fx->core);
	core_report_done(fx->core);
	assert_string_equal(core_fx_state(fx, V), "deleted");
	core_fx_free(fx);
}

static void test_no_answer_from_nlbd(void **state _unused_)
{
	struct core_fx *fx = two_announced();

	core_fx_model(fx, CORE_FX_DOC("2", ONLYW));
	core_fx_settle(fx);
	core_fx_pass(fx, CORE_WITHDRAW_MS);
	assert_int_equal(core_fx_vip(fx, V)->phase, CORE_HOLD_DOWN);
	core_fx_free(fx);
}

static void test_nlbd_is_away(void **state _unused_)
{
	struct core_fx *fx = two_announced();

	core_feed(fx->core, false, fx->now);
	core_fx_model(fx, CORE_FX_DOC("2", ONLYW));
	core_fx_pass(fx, CORE_WITHDRAW_LOST_MS - 1);
	assert_int_equal(core_fx_vip(fx, V)->phase, CORE_WITHDRAWING);
	assert_int_equal(core_fx_count(fx, "gone"), 0);
	/* It comes back: the full set without V, and the question again. */
	core_feed(fx->core, true, fx->now);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "sync"));
	assert_true(core_fx_said(fx, "gone " V));
	assert_int_equal(core_fx_count(fx, "vip " V), 0);
	core_fx_pass(fx, 2);
	assert_int_equal(core_fx_vip(fx, V)->phase, CORE_WITHDRAWING);
	core_fx_route(fx, V, CORE_ROUTE_WITHDRAWN);
	assert_int_equal(core_fx_vip(fx, V)->phase, CORE_HOLD_DOWN);
	core_fx_free(fx);
}

static void test_nlbd_stays_away(void **state _unused_)
{
	struct core_fx *fx = two_announced();

	core_feed(fx->core, false, fx->now);
	core_fx_model(fx, CORE_FX_DOC("2", ONLYW));
	core_fx_pass(fx, CORE_WITHDRAW_LOST_MS);
	assert_int_equal(core_fx_vip(fx, V)->phase, CORE_HOLD_DOWN);
	core_fx_free(fx);
}

static void test_without_nlbd(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_feed(fx->core, false, fx->now);
	fx->cfg.nlbd_socket[0] = '\0';
	core_fx_model(fx, CORE_FX_DOC("1", BOTH));
	core_fx_settle(fx);
	core_fx_model(fx, CORE_FX_DOC("2", ONLYW));
	core_fx_settle(fx);
	assert_int_equal(core_fx_vip(fx, V)->phase, CORE_HOLD_DOWN);
	core_fx_free(fx);
}

/* ---- what was found in pinned maps ---- */

static void test_adopted_unwanted(void **state _unused_)
{
	struct core_fx *fx = core_fx_cold();

	core_fx_have(fx, V, 6, 80, B1);
	core_fx_have(fx, W, 6, 80, B1);
	core_fx_have(fx, W, 6, 443, B1);
	core_fx_ready(fx);
	core_feed(fx->core, true, fx->now);
	core_fx_settle(fx);
	/* Without a model nothing is touched and nothing is said. */
	core_fx_pass(fx, 3600000);
	assert_int_equal(core_fx_count(fx, "maps"), 0);
	assert_int_equal(core_fx_count(fx, "sync"), 0);

	assert_int_equal(core_fx_model(fx, CORE_FX_DOC("2", ONLYW)), CORE_ACCEPTED);
	core_fx_settle(fx);
	/* The service that is wanted no more goes; the ring that is waits for verdicts. */
	assert_true(core_fx_said(fx, "maps svc_del " W " tcp/443"));
	assert_int_equal(core_fx_count(fx, "maps svc_set"), 0);
	assert_int_equal(core_fx_count(fx, "sync"), 0);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "sync"));
	assert_true(core_fx_said(fx, "vip " W " ready enabled=1/1"));
	assert_int_equal(core_fx_count(fx, "vip " W " not"), 0);
	assert_true(core_fx_said(fx, "gone " V));
	core_fx_route(fx, V, CORE_ROUTE_WITHDRAWN);
	core_fx_pass(fx, fx->cfg.hold_down_ms);
	assert_true(core_fx_said(fx, "maps vip_del " V));
	core_fx_free(fx);
}

static void test_adopted_with_verdicts(void **state _unused_)
{
	struct core_fx *first = two_announced(), *fx = core_fx_cold();
	uint64_t digest = first->core->conds_by_id->digest;

	core_fx_free(first);
	core_fx_have(fx, V, 6, 80, B1);
	core_fx_have(fx, W, 6, 80, B1);
	core_fx_ready(fx);
	core_feed(fx->core, true, fx->now);
	assert_int_equal(core_verdict_load(fx->core, digest, MSG_HC_UP), 0);
	core_fx_model(fx, CORE_FX_DOC("1", BOTH));
	core_fx_settle(fx);
	assert_int_equal(fx->n_conds, 1);
	assert_int_equal(fx->conds[0].initial, MSG_HC_UP);
	/* No waiting for a round, and nlbd never hears "not ready". */
	assert_int_equal(core_fx_count(fx, "vip " V " ready enabled=1/1"), 1);
	assert_int_equal(core_fx_count(fx, "vip " V " not"), 0);
	core_fx_free(fx);
}

/* The file was a verdict behind when the agent was killed: the ring knows better. */
static void test_adopted_with_stale_verdicts(void **state _unused_)
{
	struct core_fx *first = two_announced(), *fx = core_fx_cold();
	uint64_t digest = first->core->conds_by_id->digest;

	core_fx_free(first);
	core_fx_have(fx, V, 6, 80, B1);
	core_fx_have(fx, W, 6, 80, B1);
	core_fx_ready(fx);
	core_feed(fx->core, true, fx->now);
	assert_int_equal(core_verdict_load(fx->core, digest, MSG_HC_DOWN), 0);
	core_fx_model(fx, CORE_FX_DOC("1", BOTH));
	core_fx_settle(fx);
	assert_int_equal(fx->conds[0].initial, MSG_HC_UNKNOWN);
	assert_int_equal(core_fx_count(fx, "maps svc_set " V), 0);
	core_fx_free(fx);

	/* And the other way round: taken out of the ring, but "up" in the file. */
	fx = core_fx_cold();
	core_fx_have(fx, V, 6, 80, NULL);
	core_fx_ready(fx);
	core_feed(fx->core, true, fx->now);
	assert_int_equal(core_verdict_load(fx->core, digest, MSG_HC_UP), 0);
	core_fx_model(fx, CORE_FX_DOC("1", BOTH));
	core_fx_settle(fx);
	assert_int_equal(fx->conds[0].initial, MSG_HC_UNKNOWN);
	assert_int_equal(core_fx_count(fx, "maps svc_set " V), 0);
	core_fx_free(fx);
}

/* Verdicts that never come do not keep nlbd waiting for ever, and empty no ring. */
static void test_adopted_without_verdicts(void **state _unused_)
{
	struct core_fx *fx = core_fx_cold();

	core_fx_have(fx, V, 6, 80, B1);
	core_fx_ready(fx);
	core_feed(fx->core, true, fx->now);
	core_fx_model(fx, CORE_FX_DOC("1", BOTH));
	core_fx_settle(fx);
	core_fx_pass(fx, 1500 + CORE_HEALTH_SLACK_MS - 1);
	assert_int_equal(core_fx_count(fx, "sync"), 0);
	core_fx_pass(fx, 1);
	assert_int_equal(core_fx_count(fx, "sync"), 1);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=0/1"));
	assert_int_equal(core_fx_count(fx, "maps svc_set " V), 0);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B1 "]"));
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/1"));
	core_fx_free(fx);
}

/* What is known of one backend is no reason to take the others out of its ring. */
static void test_adopted_knows_a_part(void **state _unused_)
{
	struct core_fx *fx = core_fx_cold();

	core_fx_have(fx, V, 6, 80, B1);
	core_fx_ready(fx);
	core_feed(fx->core, true, fx->now);
	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, CORE_FX_BE(B1) "," CORE_FX_BE(B2))));
	core_fx_settle(fx);
	core_fx_verdict(fx, B2, MSG_HC_UP);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps svc_set " V), 0);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps svc_set " V), 1);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=2 [" B1 "," B2 "]"));
	core_fx_free(fx);
}

/* Once the round has had its time, what is known counts. */
static void test_adopted_round_has_its_time(void **state _unused_)
{
	struct core_fx *fx = core_fx_cold();

	core_fx_have(fx, V, 6, 80, B1);
	core_fx_ready(fx);
	core_feed(fx->core, true, fx->now);
	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, CORE_FX_BE(B1) "," CORE_FX_BE(B2))));
	core_fx_verdict(fx, B2, MSG_HC_UP);
	core_fx_pass(fx, 1500 + CORE_HEALTH_SLACK_MS);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B2 "]"));
	core_fx_free(fx);
}

/* Nor do results that never come. */
static void test_adopted_without_results(void **state _unused_)
{
	struct core_fx *fx = core_fx_cold();

	core_fx_have(fx, V, 6, 80, B1);
	core_fx_ready(fx);
	core_feed(fx->core, true, fx->now);
	fx->mute = true;
	core_fx_model(fx, CORE_FX_DOC("1", BOTH));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_pass(fx, 1500 + CORE_HEALTH_SLACK_MS);
	assert_int_equal(core_fx_count(fx, "sync"), 0);
	assert_true(core_due(fx->core) <= fx->now + CORE_MAPS_SLACK_MS * CORE_MS);
	core_fx_pass(fx, CORE_MAPS_SLACK_MS);
	assert_int_equal(core_fx_count(fx, "sync"), 1);
	core_fx_free(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_withdraw_then_hold_then_delete),
		cmocka_unit_test(test_health_goes_on_in_hold_down),
		cmocka_unit_test(test_revived),
		cmocka_unit_test(test_deletion_flag),
		cmocka_unit_test(test_no_answer_from_nlbd),
		cmocka_unit_test(test_nlbd_is_away),
		cmocka_unit_test(test_nlbd_stays_away),
		cmocka_unit_test(test_without_nlbd),
		cmocka_unit_test(test_adopted_unwanted),
		cmocka_unit_test(test_adopted_with_verdicts),
		cmocka_unit_test(test_adopted_with_stale_verdicts),
		cmocka_unit_test(test_adopted_without_verdicts),
		cmocka_unit_test(test_adopted_knows_a_part),
		cmocka_unit_test(test_adopted_round_has_its_time),
		cmocka_unit_test(test_adopted_without_results),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
