// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Checks of the maps and their usage, from the request to the maps child and back: what the
 * child is told, who waits for what, and what is answered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api_fixture.h"

#define V API_FX_VIP

/* Runs the loop until the child was told so. */
static void until(struct api_fx *fx, uint16_t type)
{
	for (int i = 0; i < 100 && fx->batch_type != type; i++)
		assert_int_equal(loop_once(fx->p.loop, 10), 0);
	assert_int_equal(fx->batch_type, type);
}

static void report(struct api_fx *fx, uint64_t seq, uint64_t found, uint64_t failed)
{
	struct msg_check msg = {.seq = seq, .took_ns = 5000000};

	msg.kinds[MSG_CHECK_RINGS] = (struct msg_check_count){7, found, found - failed, failed};
	mapcheck_frame(&fx->p.mapcheck, MSG_MAPS_CHECKED, &msg, sizeof(msg));
}

static void test_check(void **state)
{
	struct api_fx *fx = *state;

	core_fx_forget(fx->core);
	assert_int_equal(api_fx_begin(fx, API_POST, "/v1/maps/check", "{}"), API_WAIT);
	assert_int_equal(fx->batch_type, MSG_MAPS_CHECK_BEGIN);
	until(fx, MSG_MAPS_CHECK);
	/* All that was sent was named, as it was sent. */
	assert_true(core_fx_said(fx->core, "maps want_vip " V));
	assert_true(core_fx_said(fx->core, "maps want_svc " V " tcp/80 n=1"));
	assert_int_equal(core_fx_count(fx->core, "maps "), 2);
	/* Of another check, and malformed: nobody's. */
	report(fx, fx->batch.seq + 1, 1, 0);
	mapcheck_frame(&fx->p.mapcheck, MSG_MAPS_CHECKED, &fx->batch, sizeof(fx->batch));
	assert_int_equal(fx->n_resumed, 0);
	report(fx, fx->batch.seq, 3, 1);
	assert_int_equal(fx->n_resumed, 1);
	assert_int_equal(api_fx_take(fx), 200);
	assert_true(api_fx_has(fx, "\"looked\":7,\"found\":3,\"repaired\":2,\"failed\":1,"));
	assert_true(
		api_fx_has(fx, "\"rings\":{\"looked\":7,\"found\":3,\"repaired\":2,\"failed\":1}"));
	/* Late: it does not count twice. */
	report(fx, fx->batch.seq, 3, 1);
	assert_int_equal(fx->p.mapcheck.n_checks, 1);
	assert_int_equal(fx->p.mapcheck.total.kinds[MSG_CHECK_RINGS].found, 3);
}

/* What is on its way, or was refused, may be in the maps or not. */
static void test_unsure(void **state)
{
	struct api_fx *fx = *state;

	fx->core->mute = true;
	core_fx_verdict(fx->core, API_FX_B2, MSG_HC_UP);
	core_fx_settle(fx->core);
	core_fx_forget(fx->core);
	assert_int_equal(api_fx_begin(fx, API_POST, "/v1/maps/check", "{}"), API_WAIT);
	until(fx, MSG_MAPS_CHECK);
	assert_true(core_fx_said(fx->core, "maps want_svc " V " tcp/80 n=0 any"));
	/* The client goes: nobody is resumed. */
	fx->req.cancel(&fx->req);
	report(fx, fx->batch.seq, 0, 0);
	assert_int_equal(fx->n_resumed, 0);
	assert_int_equal(fx->p.mapcheck.n_checks, 1);
}

/* A VIP on its way out of the maps is not named; one that is withdrawn still is. */
static void test_leaving(void **state)
{
	struct api_fx *fx = *state;

	fx->core->cfg.hold_down_ms = 1000;
	core_fx_model(fx->core, CORE_FX_DOC("5", ""));
	core_fx_settle(fx->core);
	core_fx_forget(fx->core);
	core_check_begin(fx->core->core);
	assert_true(core_check_some(fx->core->core, 10));
	assert_true(core_fx_said(fx->core, "maps want_vip " V));
	core_fx_pass(fx->core, 200000);
	core_fx_pass(fx->core, 2000);
	core_fx_forget(fx->core);
	core_check_begin(fx->core->core);
	assert_true(core_check_some(fx->core->core, 10));
	assert_int_equal(core_fx_count(fx->core, "maps want"), 0);
}

static void test_usage(void **state)
{
	struct msg_usage usage = {.rss = 4096, .kept = 77};
	struct api_fx *fx = *state;

	assert_int_equal(api_fx_begin(fx, API_GET, "/v1/maps", ""), API_WAIT);
	assert_int_equal(fx->batch_type, MSG_MAPS_USAGE_GET);
	usage.seq = fx->batch.seq;
	usage.kinds[MSG_USAGE_RING_SLOTS] = (struct msg_usage_count){10, 20, 100, 400};
	mapcheck_frame(&fx->p.mapcheck, MSG_MAPS_USAGE, &usage, sizeof(usage) - 8);
	assert_int_equal(fx->n_resumed, 0);
	mapcheck_frame(&fx->p.mapcheck, MSG_MAPS_USAGE, &usage, sizeof(usage));
	assert_int_equal(fx->n_resumed, 1);
	assert_int_equal(api_fx_take(fx), 200);
	assert_true(api_fx_has(
		fx, "\"ring_slots\":{\"used\":10,\"retired\":20,\"max\":100,\"bytes\":400}"));
	assert_true(api_fx_has(fx, "\"maps\":400,\"kept_rings\":77,\"maps_process\":4096,"));
	assert_true(api_fx_has(fx, "\"check\":{\"interval_s\":0,\"running\":false,\"runs\":0,"));
	/* No answer: those who wait learn it at the end. */
	assert_int_equal(api_fx_begin(fx, API_GET, "/v1/maps", ""), API_WAIT);
	mapcheck_done(&fx->p.mapcheck);
	assert_int_equal(api_fx_take(fx), 504);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, api_fx_setup, api_fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_check),
		TEST(test_unsure),
		TEST(test_leaving),
		TEST(test_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
