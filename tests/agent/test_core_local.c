// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Local VIPs beside the scheduler's: whose an address is, what each may do to the
 * other, and what both share.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core_fixture.h"
#include "model_fixture.h"

#define V  "192.0.2.1"
#define W  "192.0.2.2"
#define B1 "10.0.0.1"
#define B2 "10.0.0.2"
#define B3 "10.0.0.3"

static char why[160];

static int check(struct core_fx *fx, const char *vip)
{
	struct core_local_room room = {};
	char doc[4096];
	struct model *m;
	int r;

	snprintf(doc, sizeof(doc), "{'vips':[%s]}", vip);
	m = model_fx(doc);
	r = core_local_check(fx->core, &m->vips[0], &room, why, sizeof(why));
	model_free(m);
	return r;
}

static int put(struct core_fx *fx, const char *vip)
{
	char doc[4096];
	struct model *m;
	int r;

	snprintf(doc, sizeof(doc), "{'vips':[%s]}", vip);
	m = model_fx(doc);
	assert_int_equal(check(fx, vip), 0);
	r = core_local_put(fx->core, &m->vips[0], fx->now);
	model_free(m);
	return r;
}

static int delete (struct core_fx *fx, const char *vip)
{
	struct addr a;

	assert_int_equal(addr_parse(vip, &a), 0);
	return core_local_delete(fx->core, &a, fx->now);
}

/* What the scheduler is told. */
static char *report(struct core_fx *fx)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;
	char *text;
	size_t len;

	core_report_write(fx->core, jput_begin(&doc));
	text = jput_text(&doc, &len);
	assert_non_null(text);
	return text;
}

static void assert_reported(struct core_fx *fx, const char *part, bool is)
{
	char *text = report(fx);

	if ((strstr(text, part) != NULL) != is)
		fail_msg("%s: %s", part, text);
	free(text);
}

static void test_without_a_list(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	assert_int_equal(put(fx, CORE_FX_VIP(V, CORE_FX_BE(B1))), CORE_LOCAL_CREATED);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B1 "]"));
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/1"));
	assert_true(core_fx_said(fx, "local"));
	assert_int_equal(core_fx_count(fx, "sync"), 1);
	assert_int_equal(core_local_count(fx->core), 1);
	core_fx_forget(fx);
	/* Equal configuration is nothing. */
	assert_int_equal(put(fx, CORE_FX_VIP(V, CORE_FX_BE(B1))), CORE_LOCAL_UNCHANGED);
	core_fx_settle(fx);
	assert_string_equal(fx->said, "");
	assert_int_equal(put(fx, CORE_FX_VIP(V, CORE_FX_BE(B1) "," CORE_FX_BE(B2))),
			 CORE_LOCAL_REPLACED);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "local"));
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/2"));
	/* It leaves as any VIP does; then nothing of it is left. */
	core_fx_route(fx, V, CORE_ROUTE_INSTALLED);
	assert_int_equal(delete (fx, V), 0);
	assert_int_equal(delete (fx, V), -ENOENT);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "gone " V));
	assert_int_equal(core_fx_count(fx, "maps vip_del"), 0);
	core_fx_route(fx, V, CORE_ROUTE_WITHDRAWN);
	core_fx_pass(fx, fx->cfg.hold_down_ms + 1);
	assert_true(core_fx_said(fx, "maps vip_del " V));
	assert_null(core_fx_vip(fx, V));
	assert_int_equal(core_targets_count(fx->core), 0);
	assert_int_equal(fx->core->n_ports, 0);
	core_fx_free(fx);
}

/* The list passes over local VIPs, whatever it says. */
static void test_list_leaves_local_alone(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	fx->cfg.max_remove_min = 0;
	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, CORE_FX_BE(B1))));
	put(fx, CORE_FX_VIP(W, CORE_FX_BE(B2)));
	core_fx_settle(fx);
	core_fx_forget(fx);
	/* One of one, and not one of two. */
	assert_int_equal(core_fx_model(fx, "{'revision':2,'vips':[]}"), CORE_REMOVES);
	assert_int_equal(fx->core->held_of, 1);
	assert_int_equal(core_accept(fx->core, fx->now), 0);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "gone " V));
	assert_int_equal(core_fx_count(fx, "gone " W), 0);
	assert_int_equal(core_fx_vip(fx, W)->phase, CORE_WANTED);
	/* Nor is it the scheduler's to hear of. */
	assert_reported(fx, W, false);
	core_fx_free(fx);
}

static void test_scheduler_names_a_local_one(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	put(fx, CORE_FX_VIP(V, CORE_FX_BE(B1)));
	core_fx_settle(fx);
	core_fx_forget(fx);
	core_fx_model(fx, CORE_FX_DOC("1", "{'id':'sched','address':'" V
					   "','desired_revision':9,'ports':[{'protocol':'tcp',"
					   "'port':80,'backends':[" CORE_FX_BE(B3) "]}]}"));
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps"), 0);
	assert_reported(fx,
			"{\"id\":\"sched\",\"address\":\"" V
			"\",\"revision\":9,\"state\":\"failed\",\"reason\":\"the address is a "
			"local VIP of this node",
			true);
	/* When it goes, the scheduler has it, and no route was away. */
	assert_int_equal(delete (fx, V), 0);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "gone"), 0);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B3 "]"));
	assert_int_equal(core_fx_vip(fx, V)->owner, CORE_OWNER_SCHEDULER);
	assert_reported(fx, "local VIP", false);
	assert_int_equal(check(fx, CORE_FX_VIP(V, CORE_FX_BE(B1))), -EEXIST);
	assert_string_equal(why, "the VIP is the scheduler's");
	core_fx_free(fx);
}

static void test_scheduler_deletes_a_local_one(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	put(fx, CORE_FX_VIP(V, CORE_FX_BE(B1)));
	core_fx_model(fx, "{'revision':1,'vips':[{'id':'x','address':'" V "','deletion':true}]}");
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "gone"), 0);
	assert_reported(fx, "\"state\":\"deleted\"", true);
	assert_int_equal(delete (fx, V), 0);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "gone " V));
	core_fx_route(fx, V, CORE_ROUTE_WITHDRAWN);
	core_fx_pass(fx, fx->cfg.hold_down_ms + 1);
	assert_reported(fx, "\"state\":\"deleted\"", true);
	core_fx_free(fx);
}

/* One that the scheduler is giving up may be taken over on its way out. */
static void test_takes_over_a_leaving_one(void **state _unused_)
{
	struct core_key key = {.port = 80, .protocol = 6};
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, CORE_FX_BE(B1)) "," CORE_FX_VIP(
						   W, CORE_FX_BE(B1))));
	core_fx_verdict(fx, B1, MSG_HC_UP);
	addr_parse(V, &key.vip);
	addr_parse(B1, &key.backend);
	assert_int_equal(core_override_set(fx->core, &key, MODEL_ADMIN_DOWN), 0);
	core_fx_settle(fx);
	core_fx_model(fx, CORE_FX_DOC("2", CORE_FX_VIP(W, CORE_FX_BE(B1))));
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "gone " V));
	core_fx_forget(fx);
	assert_int_equal(put(fx, CORE_FX_VIP(V, CORE_FX_BE(B1))), CORE_LOCAL_CREATED);
	core_fx_settle(fx);
	/* An override of the scheduler's VIP is nothing to the local one. */
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/1"));
	assert_int_equal(core_overrides_count(fx->core), 0);
	core_fx_pass(fx, 200000);
	assert_int_equal(core_fx_count(fx, "maps vip_del"), 0);
	core_fx_free(fx);
}

static void test_change_in_place(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	struct core_backend *be;

	put(fx, CORE_FX_VIP(V, CORE_FX_BE(B1) "," CORE_FX_BE(B2)));
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_verdict(fx, B2, MSG_HC_UP);
	core_fx_settle(fx);
	core_fx_forget(fx);
	be = &core_fx_vip(fx, V)->ports[0].backends[0];
	assert_int_equal(core_backend_set(be, 1, MODEL_ADMIN_DOWN), 1);
	assert_int_equal(core_backend_set(be, 1, MODEL_ADMIN_DOWN), 0);
	core_fx_settle(fx);
	assert_ptr_equal(be, &core_fx_vip(fx, V)->ports[0].backends[0]);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B2 "]"));
	assert_int_equal(core_fx_count(fx, "hc"), 0);
	/* The configuration says so too. */
	assert_int_equal(
		put(fx, CORE_FX_VIP(V, "{'address':'" B1 "','admin':'down'}," CORE_FX_BE(B2))),
		CORE_LOCAL_UNCHANGED);
	core_fx_free(fx);
}

static void test_room(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	fx->cfg.max_vips = 2;
	fx->cfg.max_services = 2;
	fx->cfg.max_backends = 2;
	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, CORE_FX_BE(B1))));
	put(fx, CORE_FX_VIP(W, CORE_FX_BE(B1)));
	assert_int_equal(check(fx, CORE_FX_VIP("192.0.2.3", CORE_FX_BE(B1))), -ENOSPC);
	assert_string_equal(why, "there would be 3 vips, and max-vips is 2");
	/* What is there may be replaced. */
	assert_int_equal(check(fx, CORE_FX_VIP(W, CORE_FX_BE(B1) "," CORE_FX_BE(B2))), 0);
	assert_int_equal(
		check(fx, CORE_FX_VIP(W, CORE_FX_BE(B1) "," CORE_FX_BE(B2) "," CORE_FX_BE(B3))),
		-ENOSPC);
	assert_string_equal(why, "there would be 3 backends, and max-backends is 2");
	/* One address in two services is one. */
	assert_int_equal(check(fx,
			       "{'address':'" W "','ports':[{'protocol':'tcp','port':80,"
			       "'backends':[" CORE_FX_BE(B2) "]},{'protocol':'tcp','port':81,"
							     "'backends':[" CORE_FX_BE(B2) "]}]}"),
			 -ENOSPC);
	assert_string_equal(why, "there would be 3 services, and max-services is 2");
	fx->cfg.max_services = 3;
	assert_int_equal(check(fx,
			       "{'address':'" W "','ports':[{'protocol':'tcp','port':80,"
			       "'backends':[" CORE_FX_BE(B2) "]},{'protocol':'tcp','port':81,"
							     "'backends':[" CORE_FX_BE(B2) "]}]}"),
			 0);
	fx->cfg.max_services = 2;
	fx->cfg.max_vips = 3;
	assert_int_equal(check(fx, CORE_FX_VIP("192.0.2.3", CORE_FX_BE(B1))), -ENOSPC);
	assert_string_equal(why, "there would be 3 services, and max-services is 2");
	core_fx_free(fx);
}

#define PREFIX(addr)                                                                               \
	"{'id':'p','address':'" addr "','ports':[{'protocol':'tcp','port':80,'backends':[]}]}"

/* The lengths of prefixes are one budget for both. */
static void test_prefixes(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	char vip[256];

	for (int i = 0; i < NLB_PREFIXES_MAX - 1; i++) {
		snprintf(vip, sizeof(vip), PREFIX("10.%d.0.0/%d"), i, 16 + i);
		assert_int_equal(put(fx, vip), CORE_LOCAL_CREATED);
	}
	core_fx_model(fx, CORE_FX_DOC("1", PREFIX("203.0.113.0/28") "," PREFIX("203.0.113.64/29")));
	core_fx_settle(fx);
	assert_string_equal(core_fx_state(fx, "203.0.113.0"), "down");
	assert_string_equal(core_fx_state(fx, "203.0.113.64"), "none");
	assert_reported(fx, "7 other lengths", false);
	assert_reported(fx, "8 other lengths", true);
	assert_int_equal(check(fx, PREFIX("198.51.100.0/30")), -ENOSPC);
	assert_int_equal(check(fx, PREFIX("198.51.100.0/28")), 0);
	core_fx_free(fx);
}

/* From disk, into maps that have them already: no route is touched. */
static void test_adopted(void **state _unused_)
{
	struct core_fx *fx = core_fx_cold();

	core_fx_have(fx, V, 6, 80, B1);
	core_fx_ready(fx);
	core_feed(fx->core, true, fx->now);
	assert_int_equal(core_local_load(fx->core,
					 model_fx("{'vips':[" CORE_FX_VIP(V, CORE_FX_BE(B1)) "]}"),
					 fx->now),
			 0);
	core_fx_settle(fx);
	/* The full set waits for the first verdict. */
	assert_int_equal(core_fx_count(fx, "sync"), 0);
	assert_int_equal(core_fx_count(fx, "local"), 0);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "sync"), 1);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/1"));
	core_fx_free(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_list),
		cmocka_unit_test(test_list_leaves_local_alone),
		cmocka_unit_test(test_scheduler_names_a_local_one),
		cmocka_unit_test(test_scheduler_deletes_a_local_one),
		cmocka_unit_test(test_takes_over_a_leaving_one),
		cmocka_unit_test(test_change_in_place),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_adopted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
