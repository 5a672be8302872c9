// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The acceptance of models: last good wins (invariant 7), and what the
 * scheduler is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core_fixture.h"
#include "sbuf.h"

#define V  "192.0.2.1"
#define W  "192.0.2.2"
#define B1 "10.0.0.1"

/* n VIPs 192.0.2.1 ... with one backend each, no checks, from number `from` on. */
static char *many(unsigned int revision, unsigned int from, unsigned int n, const char *more)
{
	struct sbuf b = SBUF_INIT;

	sbuf_printf(&b, "{'revision':%u,'vips':[", revision);
	for (unsigned int i = from; i < from + n; i++) {
		sbuf_printf(
			&b,
			"%s{'id':'v%u','address':'192.0.2.%u','ports':[{'protocol':'tcp','port':80,"
			"'backends':[{'address':'10.0.0.1'}]}]}",
			i > from ? "," : "", i, i);
	}
	sbuf_printf(&b, "%s]}", more);
	assert_true(sbuf_ok(&b));
	return b.data;
}

static int give(struct core_fx *fx, unsigned int revision, unsigned int from, unsigned int n)
{
	char *doc = many(revision, from, n, "");
	int r = core_fx_model(fx, doc);

	free(doc);
	core_fx_settle(fx);
	return r;
}

static size_t wanted(struct core_fx *fx)
{
	size_t n = 0;

	for (unsigned int i = 1; i < 255; i++) {
		char text[32];
		struct core_vip *v;

		snprintf(text, sizeof(text), "192.0.2.%u", i);
		v = core_fx_vip(fx, text);
		n += v && v->phase == CORE_WANTED;
	}
	return n;
}

static void test_older_is_held(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	assert_int_equal(give(fx, 5, 1, 2), CORE_ACCEPTED);
	core_fx_forget(fx);
	assert_int_equal(give(fx, 4, 1, 3), CORE_OLDER);
	assert_int_equal(wanted(fx), 2);
	assert_int_equal(core_fx_count(fx, "accepted"), 0);
	assert_int_equal(give(fx, 5, 1, 2), CORE_UNCHANGED);
	assert_int_equal(core_accept(fx->core, fx->now), -ENOENT);
	/* The operator may want it all the same: a scheduler restored from a backup. */
	assert_int_equal(give(fx, 4, 1, 3), CORE_OLDER);
	assert_int_equal(core_accept(fx->core, fx->now), 0);
	assert_int_equal(wanted(fx), 3);
	assert_true(core_fx_said(fx, "accepted 4"));
	core_fx_free(fx);
}

static void test_same_revision_new_content(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	assert_int_equal(give(fx, 5, 1, 2), CORE_ACCEPTED);
	assert_int_equal(give(fx, 5, 1, 3), CORE_ACCEPTED);
	assert_int_equal(wanted(fx), 3);
	/* A file without revisions. */
	assert_int_equal(give(fx, 0, 1, 4), CORE_ACCEPTED);
	assert_int_equal(wanted(fx), 4);
	core_fx_free(fx);
}

static void test_mass_removal_is_held(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	fx->cfg.max_remove_percent = 50;
	fx->cfg.max_remove_min = 3;
	assert_int_equal(give(fx, 1, 1, 20), CORE_ACCEPTED);
	core_fx_forget(fx);
	assert_int_equal(give(fx, 2, 1, 9), CORE_REMOVES);
	assert_int_equal(fx->core->held_removes, 11);
	assert_int_equal(fx->core->held_of, 20);
	assert_int_equal(wanted(fx), 20);
	assert_int_equal(core_fx_count(fx, "gone"), 0);
	assert_int_equal(core_fx_count(fx, "accepted"), 0);
	assert_true(core_fx_count(fx, "report") > 0);

	/* Half is not more than half; and it takes the held one's place. */
	assert_int_equal(give(fx, 3, 1, 10), CORE_ACCEPTED);
	assert_null(fx->core->held);
	assert_int_equal(core_fx_count(fx, "gone"), 10);
	assert_int_equal(wanted(fx), 10);

	/* An empty list is the worst of all. */
	assert_int_equal(give(fx, 4, 1, 0), CORE_REMOVES);
	assert_int_equal(wanted(fx), 10);
	assert_int_equal(core_accept(fx->core, fx->now), 0);
	assert_int_equal(wanted(fx), 0);
	core_fx_free(fx);
}

static void test_few_may_always_go(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	fx->cfg.max_remove_min = 3;
	assert_int_equal(give(fx, 1, 1, 3), CORE_ACCEPTED);
	assert_int_equal(give(fx, 2, 1, 0), CORE_ACCEPTED);
	assert_int_equal(wanted(fx), 0);
	core_fx_free(fx);
}

static void test_removal_check_can_be_off(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	fx->cfg.max_remove_percent = 100;
	assert_int_equal(give(fx, 1, 1, 40), CORE_ACCEPTED);
	assert_int_equal(give(fx, 2, 1, 0), CORE_ACCEPTED);
	core_fx_free(fx);
}

/* A deletion flag is a removal too. */
static void test_deletion_flags_count(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	fx->cfg.max_remove_min = 0;
	assert_int_equal(give(fx, 1, 1, 3), CORE_ACCEPTED);
	assert_int_equal(core_fx_model(fx, "{'revision':2,'vips':["
					   "{'address':'192.0.2.1','deletion':true},"
					   "{'address':'192.0.2.2','deletion':true},"
					   "{'address':'192.0.2.3','deletion':true}]}"),
			 CORE_REMOVES);
	assert_int_equal(wanted(fx), 3);
	core_fx_free(fx);
}

/* What was found in the maps counts as something that can be lost. */
static void test_adopted_count(void **state _unused_)
{
	struct core_fx *fx = core_fx_cold();

	fx->cfg.max_remove_min = 1;
	core_fx_have(fx, V, 6, 80, B1);
	core_fx_have(fx, W, 6, 80, B1);
	core_fx_ready(fx);
	assert_int_equal(give(fx, 1, 1, 0), CORE_REMOVES);
	assert_int_equal(wanted(fx), 2);
	core_fx_free(fx);
}

static void test_refused_vip_keeps_running(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	_cleanup_jput_ struct jput_doc report = JPUT_INIT;
	_cleanup_free_ char *text = NULL;
	size_t len;
	char *doc;

	assert_int_equal(give(fx, 1, 1, 2), CORE_ACCEPTED);
	core_fx_forget(fx);
	/* .1 now has a bad port; .3 is new and bad. */
	doc = many(2, 2, 1,
		   ",{'id':'v1','address':'192.0.2.1','desired_revision':9,'ports':[{'protocol':"
		   "'sctp'}]},{'id':'v3','address':'192.0.2.3','desired_revision':4}");
	assert_int_equal(core_fx_model(fx, doc), CORE_ACCEPTED);
	free(doc);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "gone"), 0);
	assert_int_equal(core_fx_count(fx, "maps"), 0);
	assert_int_equal(wanted(fx), 2);
	assert_string_equal(core_fx_state(fx, V), "failed");
	core_report_write(fx->core, jput_begin(&report));
	text = jput_text(&report, &len);
	assert_non_null(strstr(text, "{\"id\":\"v1\",\"address\":\"192.0.2.1\",\"revision\":9,"
				     "\"state\":\"failed\",\"reason\":\"protocol of a port"));
	assert_non_null(strstr(text, "{\"id\":\"v3\",\"address\":\"192.0.2.3\",\"revision\":4,"
				     "\"state\":\"failed\",\"reason\":\"ports is missing"));
	assert_null(strstr(strstr(text, "\"v1\"") + 1, "\"v1\""));

	/* A prefix that is wrong is known by its address. */
	doc = many(2, 2, 1,
		   ",{'id':'v1','address':'192.0.2.1/31'},{'id':'v9','address':"
		   "'192.0.2.8/29'}");
	assert_int_equal(core_fx_model(fx, doc), CORE_ACCEPTED);
	free(doc);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "gone"), 0);
	assert_string_equal(core_fx_state(fx, V), "failed");
	free(TAKE_PTR(text));
	core_report_write(fx->core, jput_begin(&report));
	text = jput_text(&report, &len);
	assert_non_null(strstr(text,
			       "\"address\":\"192.0.2.1\",\"revision\":0,\"state\":\"failed\","
			       "\"reason\":\"address: bits are set"));
	assert_non_null(strstr(text, "\"address\":\"192.0.2.8/29\",\"revision\":0,"));

	/* Repaired. */
	assert_int_equal(give(fx, 3, 1, 3), CORE_ACCEPTED);
	assert_string_equal(core_fx_state(fx, V), "ready");
	assert_int_equal(wanted(fx), 3);
	core_fx_free(fx);
}

static void test_report_states(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, CORE_FX_BE(B1))));
	core_fx_settle(fx);
	assert_string_equal(core_fx_state(fx, V), "down");
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	assert_string_equal(core_fx_state(fx, V), "ready");
	core_fx_forget(fx);
	core_fx_route(fx, V, CORE_ROUTE_INSTALLED);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "report"));
	assert_string_equal(core_fx_state(fx, V), "announced");
	core_fx_route(fx, V, CORE_ROUTE_REFUSED);
	assert_string_equal(core_fx_state(fx, V), "failed");
	core_fx_route(fx, V, CORE_ROUTE_INSTALLED);
	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	core_fx_settle(fx);
	assert_string_equal(core_fx_state(fx, V), "down");
	core_fx_free(fx);
}

static void test_equal_model_says_nothing(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	assert_int_equal(give(fx, 1, 1, 5), CORE_ACCEPTED);
	core_fx_forget(fx);
	assert_int_equal(give(fx, 2, 1, 5), CORE_ACCEPTED);
	assert_int_equal(core_fx_count(fx, "maps"), 0);
	assert_int_equal(core_fx_count(fx, "vip"), 0);
	assert_true(core_fx_said(fx, "accepted 2"));
	core_fx_free(fx);
}

/* A new revision of an equal VIP: nlbd and scheduler hear of it, the maps don't. */
static void test_new_revision_is_told(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, "{'vips':[{'address':'" V "','desired_revision':1,'ports':[{"
			  "'protocol':'tcp','port':80,'backends':[]}]}]}");
	core_fx_settle(fx);
	core_fx_forget(fx);
	core_fx_model(fx, "{'vips':[{'address':'" V "','desired_revision':2,'ports':[{"
			  "'protocol':'tcp','port':80,'backends':[]}]}]}");
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=0/0"));
	assert_int_equal(core_fx_count(fx, "maps"), 0);
	assert_int_equal(core_fx_vip(fx, V)->conf.desired_revision, 2);
	core_fx_free(fx);
}

static void test_odd_frames_do_no_harm(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	struct msg_svc_result res = {.port = 80, .protocol = 6, .state = MSG_SVC_PROVEN};
	struct msg_hc_result hc = {.id = 4711, .state = MSG_HC_UP};
	struct msg_committed batch = {.seq = 99};

	core_maps_frame(fx->core, MSG_MAPS_SVC_RESULT, &res, sizeof(res), fx->now);
	core_maps_frame(fx->core, MSG_MAPS_SVC_RESULT, &res, 3, fx->now);
	core_maps_frame(fx->core, MSG_MAPS_COMMITTED, &batch, sizeof(batch), fx->now);
	core_maps_frame(fx->core, 4711, NULL, 0, fx->now);
	core_fx_have(fx, V, 6, 80, B1);
	assert_null(core_fx_vip(fx, V));
	core_health_results(fx->core, &hc, 1, fx->now);
	core_fx_route(fx, W, CORE_ROUTE_INSTALLED);
	core_fx_settle(fx);
	core_fx_free(fx);
}

static void test_feed_line(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;
	char *line;
	size_t len;

	core_fx_model(fx, "{'vips':[{'id':'x','address':'" V "','tag':7,'desired_revision':3,"
			  "'ports':[{'protocol':'tcp','port':80,'backends':[{'address':'" B1
			  "','weight':2}]}]}]}");
	core_fx_settle(fx);
	core_feed_write(core_fx_vip(fx, V), true, jput_begin(&doc));
	line = jput_text(&doc, &len);
	assert_string_equal(line,
			    "{\"vip\":{\"address\":\"" V "\",\"enabled\":1,\"total\":1,"
			    "\"ready\":true,\"tag\":7,\"revision\":3,\"id\":\"x\",\"ports\":[{"
			    "\"protocol\":\"tcp\",\"port\":80,\"enabled\":1,\"total\":1,"
			    "\"digest\":\"000000000000d001\","
			    "\"backends\":[{\"address\":\"" B1
			    "\",\"weight\":2,\"state\":\"up\"}]}]}}\n");
	assert_int_equal(len, strlen(line));
	free(line);
	core_feed_write(core_fx_vip(fx, V), false, jput_begin(&doc));
	line = jput_text(&doc, &len);
	assert_null(strstr(line, "backends"));
	free(line);
	core_fx_free(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_older_is_held),
		cmocka_unit_test(test_same_revision_new_content),
		cmocka_unit_test(test_mass_removal_is_held),
		cmocka_unit_test(test_few_may_always_go),
		cmocka_unit_test(test_removal_check_can_be_off),
		cmocka_unit_test(test_deletion_flags_count),
		cmocka_unit_test(test_adopted_count),
		cmocka_unit_test(test_refused_vip_keeps_running),
		cmocka_unit_test(test_report_states),
		cmocka_unit_test(test_equal_model_says_nothing),
		cmocka_unit_test(test_new_revision_is_told),
		cmocka_unit_test(test_odd_frames_do_no_harm),
		cmocka_unit_test(test_feed_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
