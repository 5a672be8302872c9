// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The local API without a socket: every path and method, good and bad bodies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "api_int.h"
#include "core_fixture.h"

#define V	 "192.0.2.1"
#define B1	 "10.0.0.1"
#define B2	 "10.0.0.2"
#define BACKENDS "/v1/vips/" V "/ports/tcp/80/backends"

struct fx {
	struct core_fx *core;
	struct parent p;
	struct api_request req;
	char *text; /* of its answer */
};

static void on_run(struct loop_timer *t _unused_)
{
}

/* The parent's, in small: that it was called is enough. */
void parent_kick(struct parent *p)
{
	loop_timer_in(p->loop, &p->run, 0, on_run);
}

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	fx->core = core_fx_new();
	fx->p.core = fx->core->core;
	fx->p.cfg = &fx->core->cfg;
	assert_int_equal(loop_new(&fx->p.loop), 0);
	core_fx_model(
		fx->core,
		CORE_FX_DOC(
			"4",
			CORE_FX_VIP(V, CORE_FX_BE(B1) "," CORE_FX_BE(
					       B2)) ","
						    "{'id':'bad\\u0022','address':'192.0.2.9'}"));
	core_fx_verdict(fx->core, B1, MSG_HC_UP);
	core_fx_verdict(fx->core, B2, MSG_HC_DOWN);
	core_fx_settle(fx->core);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	jput_done(&fx->req.out);
	free(fx->text);
	core_fx_free(fx->core);
	loop_free(fx->p.loop);
	free(fx);
	return 0;
}

/* The status of a request; its answer is in fx->text, and is JSON. */
static unsigned int call(struct fx *fx, enum api_method method, const char *path, const char *body)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_json_ struct json_object *o = NULL;
	size_t len;

	jput_done(&fx->req.out);
	free(fx->text);
	fx->req = (struct api_request){
		.parent = &fx->p,
		.method = method,
		.body = body,
		.body_len = strlen(body),
	};
	assert_int_equal(api_route(&fx->req, copy), API_DONE);
	fx->text = jput_text(&fx->req.out, &len);
	assert_non_null(fx->text);
	assert_int_equal(jget_parse(fx->text, len, &o, NULL), 0);
	if (fx->req.status >= 400 && strcmp(path, "/v1/health") != 0)
		assert_true(json_object_object_get_ex(o, "error", NULL));
	return fx->req.status;
}

static bool has(struct fx *fx, const char *text)
{
	return strstr(fx->text, text) != NULL;
}

static void test_reading(void **state)
{
	struct fx *fx = *state;

	assert_int_equal(call(fx, API_GET, "/v1/status", ""), 200);
	assert_true(has(fx, "\"node\":\"lb1\""));
	assert_true(has(fx, "\"revision\":4"));
	assert_true(has(fx, "\"refused\":[{\"id\":\"bad\\\"\",\"address\":\"192.0.2.9\","));
	assert_true(has(fx, "\"vips\":{\"wanted\":1,\"ready\":1,\"announced\":0,\"leaving\":0}"));
	assert_int_equal(call(fx, API_GET, "/v1/vips", ""), 200);
	assert_true(has(fx, "{\"vips\":[{\"address\":\"" V "\",\"id\":\"id-" V "\""));
	assert_int_equal(call(fx, API_GET, "/v1/vips/" V, ""), 200);
	assert_true(has(fx, "\"phase\":\"wanted\",\"state\":\"ready\""));
	assert_true(has(fx, "\"enabled\":1,\"total\":2,\"first_round\":true,\"ring\":{\"state\":"
			    "\"proven\",\"size\":13313,\"backends\":1,"));
	assert_true(has(fx, "\"checks\":[{\"type\":\"tcp\",\"port\":80,\"state\":\"up\""));
	/* An address may be written in any way. */
	assert_int_equal(call(fx, API_GET, "/v1/vips/::ffff:" V, ""), 200);
	assert_int_equal(call(fx, API_GET, "/v1/vips/" V "/ports/tcp/80", ""), 200);
	assert_int_equal(call(fx, API_GET, "/v1//vips/", ""), 200);
	assert_int_equal(call(fx, API_GET, BACKENDS, ""), 200);
	assert_int_equal(call(fx, API_GET, BACKENDS "/" B2, ""), 200);
	assert_true(has(fx, "{\"address\":\"" B2 "\",\"weight\":1,\"state\":\"down\",\"reason\":"
			    "\"tcp/80: "));
	assert_int_equal(call(fx, API_GET, "/v1/health", ""), 200);
}

static void test_unhealthy(void **state)
{
	struct fx *fx = *state;
	struct msg_dataplane dp = {.up = 0, .reason = "eth0: gone"};

	core_maps_frame(fx->core->core, MSG_MAPS_DATAPLANE, &dp, sizeof(dp), fx->core->now);
	assert_int_equal(call(fx, API_GET, "/v1/health", ""), 503);
	assert_true(has(fx, "eth0: gone"));
}

static void test_not_found(void **state)
{
	static const char *const bad[] = {
		"/",
		"",
		"/v1",
		"/v2/status",
		"/v1/statu",
		"/v1/status/x",
		"v1/status",
		"/v1/vips/192.0.2.2",
		"/v1/vips/" V "/ports",
		"/v1/vips/" V "/ports/tcp",
		"/v1/vips/" V "/ports/udp/80",
		"/v1/vips/" V "/ports/tcp/81",
		BACKENDS "/10.0.0.3",
		BACKENDS "/" B1 "/x",
		"/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p",
	};
	static const char *const wrong[] = {
		"/v1/vips/x",
		"/v1/vips/" V "/ports/sctp/80",
		"/v1/vips/" V "/ports/tcp/0",
		"/v1/vips/" V "/ports/tcp/65536",
		"/v1/vips/" V "/ports/tcp/8x",
		"/v1/vips/" V "/ports/tcp/+80",
		BACKENDS "/x",
	};
	struct fx *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (call(fx, API_GET, bad[i], "") != 404)
			fail_msg("%s: %u", bad[i], fx->req.status);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		if (call(fx, API_GET, wrong[i], "") != 400 || !has(fx, "\"field\""))
			fail_msg("%s: %u", wrong[i], fx->req.status);
}

static void test_methods(void **state)
{
	struct fx *fx = *state;

	assert_int_equal(call(fx, API_PUT, "/v1/status", ""), 405);
	assert_int_equal(fx->req.allow, 1u << API_GET);
	assert_int_equal(call(fx, API_POST, BACKENDS "/" B1, ""), 405);
	assert_int_equal(fx->req.allow, 1u << API_GET | 1u << API_PUT | 1u << API_DELETE);
	assert_int_equal(call(fx, API_DELETE, BACKENDS, ""), 405);
	assert_int_equal(fx->req.allow, 1u << API_GET | 1u << API_PATCH);
	assert_int_equal(call(fx, API_GET, "/v1/sync/accept", ""), 405);
}

static void test_put_and_delete(void **state)
{
	struct fx *fx = *state;

	core_fx_forget(fx->core);
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(call(fx, API_PUT, BACKENDS "/" B1, "{\"admin\":\"down\"}"), 200);
		assert_true(fx->p.run.pos != 0);
		core_fx_settle(fx->core);
	}
	assert_int_equal(core_fx_count(fx->core, "maps svc_set"), 1);
	assert_true(core_fx_said(fx->core, "vip " V " ready enabled=0/2"));
	assert_int_equal(call(fx, API_GET, BACKENDS "/" B1, ""), 200);
	assert_true(has(fx, "\"state\":\"disabled\",\"reason\":\"by the operator\""));
	assert_true(has(fx, "\"override\":\"down\",\"in_ring\":false"));
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(call(fx, API_DELETE, BACKENDS "/" B1, ""), 200);
		core_fx_settle(fx->core);
	}
	assert_true(core_fx_said(fx->core, "vip " V " ready enabled=1/2"));
	assert_int_equal(call(fx, API_PUT, BACKENDS "/10.0.0.9", "{\"admin\":\"down\"}"), 404);
}

static void test_bad_bodies(void **state)
{
	static const char *const put[] = {
		"",
		"{",
		"[]",
		"3",
		"null",
		"{}",
		"{\"admin\":3}",
		"{\"admin\":\"off\"}",
		"{\"admin\":\"down\"}x",
		"{\"admin\":null}",
	};
	static const char *const patch[] = {
		"",
		"{}",
		"[]",
		"{\"backends\":{}}",
		"{\"backends\":[3]}",
		"{\"backends\":[{}]}",
		"{\"backends\":[{\"address\":\"x\",\"admin\":\"up\"}]}",
		"{\"backends\":[{\"address\":\"" B1 "\"}]}",
		"{\"backends\":[{\"address\":\"" B1 "\",\"admin\":\"off\"}]}",
		"{\"backends\":[{\"address\":\"" B1 "\",\"admin\":\"down\"},{\"address\":3}]}",
	};
	struct fx *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(put); i++)
		if (call(fx, API_PUT, BACKENDS "/" B1, put[i]) != 400)
			fail_msg("%s: %u", put[i], fx->req.status);
	for (size_t i = 0; i < ARRAY_SIZE(patch); i++)
		if (call(fx, API_PATCH, BACKENDS, patch[i]) != 400)
			fail_msg("%s: %u", patch[i], fx->req.status);
	/* Not even the part of it that was good. */
	assert_int_equal(core_overrides_count(fx->core->core), 0);
	assert_int_equal(call(fx, API_PATCH, BACKENDS,
			      "{\"backends\":[{\"address\":\"" B1 "\",\"admin\":\"down\"},"
			      "{\"address\":\"10.0.0.9\",\"admin\":\"down\"}]}"),
			 404);
	assert_int_equal(core_overrides_count(fx->core->core), 0);
}

static void test_patch(void **state)
{
	struct fx *fx = *state;

	core_fx_forget(fx->core);
	assert_int_equal(call(fx, API_PATCH, BACKENDS,
			      "{\"backends\":[{\"address\":\"" B1 "\",\"admin\":\"drain\"},"
			      "{\"address\":\"" B2 "\",\"admin\":\"down\"}]}"),
			 200);
	core_fx_settle(fx->core);
	assert_int_equal(core_fx_count(fx->core, "maps svc_set"), 1);
	assert_int_equal(core_overrides_count(fx->core->core), 2);
	assert_int_equal(call(fx, API_PATCH, BACKENDS,
			      "{\"backends\":[{\"address\":\"" B1 "\",\"admin\":null}]}"),
			 200);
	core_fx_settle(fx->core);
	assert_int_equal(core_overrides_count(fx->core->core), 1);
	assert_int_equal(call(fx, API_PATCH, BACKENDS, "{\"backends\":[]}"), 200);
}

static void test_accept(void **state)
{
	struct fx *fx = *state;

	assert_int_equal(call(fx, API_POST, "/v1/sync/accept", ""), 409);
	fx->core->cfg.max_remove_min = 0;
	assert_int_equal(core_fx_model(fx->core, "{'revision':5,'vips':[]}"), CORE_REMOVES);
	assert_int_equal(call(fx, API_GET, "/v1/status", ""), 200);
	assert_true(has(fx, "\"held\":{\"revision\":5,\"reason\":\"removes too many VIPs at once\","
			    "\"removes\":1,\"of\":1}"));
	assert_int_equal(call(fx, API_POST, "/v1/sync/accept", "{}"), 200);
	core_fx_settle(fx->core);
	assert_true(core_fx_said(fx->core, "gone " V));
	assert_int_equal(call(fx, API_GET, "/v1/vips/" V, ""), 200);
	assert_true(has(fx, "\"phase\":\"withdrawing\""));
}

static void test_stats_are_asked_for(void **state)
{
	struct fx *fx = *state;
	struct msg_stats_vip v = {.packets = 3, .bytes = 300, .dropped = 1};
	struct msg_stats_reason r = {.name = "tx", .packets = 4};
	struct msg_batch end = {.seq = 1};
	struct api_stats s = {0};
	char path[] = "/v1/stats";
	size_t len;

	fx->req = (struct api_request){.parent = &fx->p, .method = API_GET, .body = ""};
	assert_int_equal(api_route(&fx->req, path), API_STATS);
	addr_parse(V, &v.vip);
	assert_false(api_stats_add(&s, MSG_MAPS_STATS_VIP, &v, sizeof(v)));
	assert_false(api_stats_add(&s, MSG_MAPS_STATS_VIP, &v, 3));
	assert_false(api_stats_add(&s, MSG_MAPS_STATS_REASON, &r, sizeof(r)));
	/* A name that fills its field. */
	memset(r.name, 'x', sizeof(r.name));
	assert_false(api_stats_add(&s, MSG_MAPS_STATS_REASON, &r, sizeof(r)));
	assert_true(api_stats_add(&s, MSG_MAPS_STATS_END, &end, sizeof(end)));
	fx->text = jput_text(&s.doc, &len);
	jput_done(&s.doc);
	assert_true(has(fx, "{\"reasons\":{\"tx\":4,\"xxx"));
	assert_true(has(fx, "\"vips\":[{\"address\":\"" V
			    "\",\"packets\":3,\"bytes\":300,\"dropped\":1}]}\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reading, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unhealthy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_methods, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put_and_delete, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_bodies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_patch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_accept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stats_are_asked_for, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
