// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The local API without a socket: every path and method, good and bad bodies.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api_fixture.h"

#define V	 API_FX_VIP
#define B1	 API_FX_B1
#define B2	 API_FX_B2
#define BACKENDS API_FX_BACKENDS

static void test_reading(void **state)
{
	struct api_fx *fx = *state;

	assert_int_equal(api_fx_call(fx, API_GET, "/v1/status", ""), 200);
	assert_true(api_fx_has(fx, "\"node\":\"lb1\""));
	assert_true(api_fx_has(fx, "\"revision\":4"));
	assert_true(api_fx_has(fx, "\"refused\":[{\"id\":\"bad\\\"\",\"address\":\"192.0.2.9\","));
	assert_true(api_fx_has(
		fx,
		"\"vips\":{\"wanted\":1,\"ready\":1,\"announced\":0,\"local\":0,\"leaving\":0}"));
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/vips", ""), 200);
	assert_true(api_fx_has(fx, "{\"vips\":[{\"address\":\"" V "\",\"id\":\"id-" V "\""));
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/vips/" V, ""), 200);
	assert_true(api_fx_has(fx, "\"phase\":\"wanted\",\"state\":\"ready\""));
	assert_true(api_fx_has(
		fx,
		"\"enabled\":1,\"total\":2,\"draining\":0,\"affinity\":\"none\","
		"\"first_round\":true,\"digest\":\"000000000000d001\",\"ring\":{\"state\":\"proven\",\"size\":13313,\"backends\":1,"));
	assert_true(api_fx_has(fx, "\"checks\":[{\"type\":\"tcp\",\"port\":80,\"state\":\"up\""));
	/* An address may be written in any way. */
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/vips/::ffff:" V, ""), 200);
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/vips/" V "/ports/tcp/80", ""), 200);
	assert_int_equal(api_fx_call(fx, API_GET, "/v1//vips/", ""), 200);
	assert_int_equal(api_fx_call(fx, API_GET, BACKENDS, ""), 200);
	assert_int_equal(api_fx_call(fx, API_GET, BACKENDS "/" B2, ""), 200);
	assert_true(api_fx_has(fx,
			       "{\"address\":\"" B2 "\",\"weight\":1,\"state\":\"down\",\"reason\":"
			       "\"tcp/80: "));
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/health", ""), 200);
}

static void test_unhealthy(void **state)
{
	struct api_fx *fx = *state;
	struct msg_dataplane dp = {.up = 0, .reason = "eth0: gone"};

	core_maps_frame(fx->core->core, MSG_MAPS_DATAPLANE, &dp, sizeof(dp), fx->core->now);
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/health", ""), 503);
	assert_true(api_fx_has(fx, "eth0: gone"));
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
		"/v1/vips/" V "/ports/tcp/0",
		BACKENDS "/10.0.0.3",
		BACKENDS "/" B1 "/x",
		"/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p",
	};
	static const char *const wrong[] = {
		"/v1/vips/x",
		"/v1/vips/" V "/ports/sctp/80",
		"/v1/vips/" V "/ports/tcp/65536",
		"/v1/vips/" V "/ports/tcp/8x",
		"/v1/vips/" V "/ports/tcp/+80",
		BACKENDS "/x",
	};
	struct api_fx *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (api_fx_call(fx, API_GET, bad[i], "") != 404)
			fail_msg("%s: %u", bad[i], fx->req.status);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		if (api_fx_call(fx, API_GET, wrong[i], "") != 400 || !api_fx_has(fx, "\"field\""))
			fail_msg("%s: %u", wrong[i], fx->req.status);
}

/* What a prefix and an all-ports QUIC service look like; their paths are as any. */
static void test_options(void **state)
{
	struct api_fx *fx = *state;

	core_fx_model(
		fx->core,
		"{'revision':5,'vips':[" CORE_FX_VIP(
			V, CORE_FX_BE(B1)) ",{'address':'198.51.100.0/26',"
					   "'unknown':'pass','ports':[{'protocol':'udp','port':0,"
					   "'affinity':'source','quic':{'config_id':2,"
					   "'server_id_length':3},'backends':[{'address':'" B1
					   "','weight':0,'quic_id':'00C0ff'}]}]}]}");
	core_fx_settle(fx->core);
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/vips/198.51.100.0", ""), 200);
	assert_true(api_fx_has(fx, "{\"address\":\"198.51.100.0/26\","));
	assert_true(api_fx_has(fx, "\"unknown\":\"pass\""));
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/vips/198.51.100.0/ports/udp/0", ""), 200);
	assert_true(api_fx_has(fx,
			       "\"enabled\":0,\"total\":1,\"draining\":1,\"affinity\":\"source\","
			       "\"quic\":{\"config_id\":2,\"server_id_length\":3}"));
	assert_true(api_fx_has(fx, "\"in_ring\":false,\"quic_id\":\"00c0ff\""));
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/vips/198.51.100.1", ""), 404);
}

static void test_methods(void **state)
{
	struct api_fx *fx = *state;

	assert_int_equal(api_fx_call(fx, API_PUT, "/v1/status", ""), 405);
	assert_int_equal(fx->req.allow, 1u << API_GET);
	assert_int_equal(api_fx_call(fx, API_POST, BACKENDS "/" B1, ""), 405);
	assert_int_equal(fx->req.allow,
			 1u << API_GET | 1u << API_PUT | 1u << API_PATCH | 1u << API_DELETE);
	assert_int_equal(api_fx_call(fx, API_DELETE, BACKENDS, ""), 405);
	assert_int_equal(fx->req.allow, 1u << API_GET | 1u << API_PATCH);
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/sync/accept", ""), 405);
}

static void test_put_and_delete(void **state)
{
	struct api_fx *fx = *state;

	core_fx_forget(fx->core);
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(api_fx_call(fx, API_PUT, BACKENDS "/" B1, "{\"admin\":\"down\"}"),
				 200);
		assert_true(fx->p.run.pos != 0);
		core_fx_settle(fx->core);
	}
	assert_int_equal(core_fx_count(fx->core, "maps svc_set"), 1);
	assert_true(core_fx_said(fx->core, "vip " V " ready enabled=0/2"));
	assert_int_equal(api_fx_call(fx, API_GET, BACKENDS "/" B1, ""), 200);
	assert_true(api_fx_has(fx, "\"state\":\"disabled\",\"reason\":\"by the operator\""));
	assert_true(api_fx_has(fx, "\"override\":\"down\",\"in_ring\":false"));
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(api_fx_call(fx, API_DELETE, BACKENDS "/" B1, ""), 200);
		core_fx_settle(fx->core);
	}
	assert_true(core_fx_said(fx->core, "vip " V " ready enabled=1/2"));
	assert_int_equal(api_fx_call(fx, API_PUT, BACKENDS "/10.0.0.9", "{\"admin\":\"down\"}"),
			 404);
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
	struct api_fx *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(put); i++)
		if (api_fx_call(fx, API_PUT, BACKENDS "/" B1, put[i]) != 400)
			fail_msg("%s: %u", put[i], fx->req.status);
	for (size_t i = 0; i < ARRAY_SIZE(patch); i++)
		if (api_fx_call(fx, API_PATCH, BACKENDS, patch[i]) != 400)
			fail_msg("%s: %u", patch[i], fx->req.status);
	/* Not even the part of it that was good. */
	assert_int_equal(core_overrides_count(fx->core->core), 0);
	assert_int_equal(api_fx_call(fx, API_PATCH, BACKENDS,
				     "{\"backends\":[{\"address\":\"" B1 "\",\"admin\":\"down\"},"
				     "{\"address\":\"10.0.0.9\",\"admin\":\"down\"}]}"),
			 404);
	assert_int_equal(core_overrides_count(fx->core->core), 0);
}

static void test_patch(void **state)
{
	struct api_fx *fx = *state;

	core_fx_forget(fx->core);
	assert_int_equal(api_fx_call(fx, API_PATCH, BACKENDS,
				     "{\"backends\":[{\"address\":\"" B1 "\",\"admin\":\"drain\"},"
				     "{\"address\":\"" B2 "\",\"admin\":\"down\"}]}"),
			 200);
	core_fx_settle(fx->core);
	assert_int_equal(core_fx_count(fx->core, "maps svc_set"), 1);
	assert_int_equal(core_overrides_count(fx->core->core), 2);
	assert_int_equal(api_fx_call(fx, API_PATCH, BACKENDS,
				     "{\"backends\":[{\"address\":\"" B1 "\",\"admin\":null}]}"),
			 200);
	core_fx_settle(fx->core);
	assert_int_equal(core_overrides_count(fx->core->core), 1);
	assert_int_equal(api_fx_call(fx, API_PATCH, BACKENDS, "{\"backends\":[]}"), 200);
}

static void test_accept(void **state)
{
	struct api_fx *fx = *state;

	assert_int_equal(api_fx_call(fx, API_POST, "/v1/sync/accept", ""), 409);
	fx->core->cfg.max_remove_min = 0;
	assert_int_equal(core_fx_model(fx->core, "{'revision':5,'vips':[]}"), CORE_REMOVES);
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/status", ""), 200);
	assert_true(api_fx_has(
		fx, "\"held\":{\"revision\":5,\"reason\":\"removes too many VIPs at once\","
		    "\"removes\":1,\"of\":1}"));
	assert_int_equal(api_fx_call(fx, API_POST, "/v1/sync/accept", "{}"), 200);
	core_fx_settle(fx->core);
	assert_true(core_fx_said(fx->core, "gone " V));
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/vips/" V, ""), 200);
	assert_true(api_fx_has(fx, "\"phase\":\"withdrawing\""));
}

static void test_stats_are_asked_for(void **state)
{
	struct api_fx *fx = *state;
	struct msg_stats_vip v = {.vip_plen = 128, .packets = 3, .bytes = 300, .dropped = 1};
	struct msg_stats_reason r = {.name = "tx", .packets = 4};
	struct msg_stats_svc svc = {
		.vip_plen = 120, .protocol = 17, .port = 53, .packets = 5, .flows = 6};
	struct msg_stats_be be = {.packets = 7, .errors = 8};
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
	assert_false(api_stats_add(&s, MSG_MAPS_STATS_EVENT, &r, sizeof(r)));
	addr_parse("192.0.2.0", &svc.vip);
	addr_parse(B1, &be.addr);
	assert_false(api_stats_add(&s, MSG_MAPS_STATS_SVC, &svc, sizeof(svc)));
	assert_false(api_stats_add(&s, MSG_MAPS_STATS_BE, &be, sizeof(be)));
	/* A name that fills its field. */
	memset(r.name, 'x', sizeof(r.name));
	assert_false(api_stats_add(&s, MSG_MAPS_STATS_REASON, &r, sizeof(r)));
	assert_true(api_stats_add(&s, MSG_MAPS_STATS_END, &end, sizeof(end)));
	fx->text = jput_text(&s.doc, &len);
	jput_done(&s.doc);
	assert_true(api_fx_has(fx, "{\"reasons\":{\"tx\":4,\"xxx"));
	assert_true(api_fx_has(fx, "\"vips\":[{\"address\":\"" V
				   "\",\"packets\":3,\"bytes\":300,\"flows\":0,\"dropped\":1}]"));
	assert_true(api_fx_has(fx, "\"events\":{\"tx\":4}"));
	assert_true(api_fx_has(fx, "\"services\":[{\"vip\":\"192.0.2.0/24"
				   "\",\"protocol\":\"udp\",\"port\":53,\"packets\":5,\"bytes\":0,"
				   "\"flows\":6,\"dropped\":0}]"));
	assert_true(api_fx_has(fx, "\"backends\":[{\"address\":\"" B1
				   "\",\"packets\":7,\"bytes\":0,\"flows\":0,\"dropped\":0,"
				   "\"errors\":8}]}\n"));
}

#define ASK "/v1/route?src=192.0.2.7&sport=40000&vip=" V "&dport=80&protocol=tcp"

static void answer(struct api_fx *fx, const struct msg_answer *ans)
{
	struct msg_answer copy = *ans;

	copy.seq = fx->ask.seq;
	ask_answer(&fx->p.asker, &copy);
}

static void test_route(void **state)
{
	struct msg_answer ans = {.reason = 3, .ingress = "eth0"};
	struct api_fx *fx = *state;

	assert_int_equal(api_fx_call(fx, API_GET, "/v1/route", ""), 400);
	assert_true(api_fx_has(fx, "{\"error\":\"src is missing\",\"field\":\"src\"}"));
	assert_int_equal(api_fx_call(fx, API_GET, ASK "&colour=red", ""), 400);
	assert_true(api_fx_has(fx, "\"field\":\"colour\""));
	assert_int_equal(api_fx_call(fx, API_GET, ASK "&interface=", ""), 400);
	assert_true(api_fx_has(fx, "\"field\":\"interface\""));
	assert_int_equal(api_fx_call(fx, API_POST, ASK, ""), 405);
	assert_int_equal(api_fx_begin(fx, API_GET, ASK "&established=true", ""), API_WAIT);
	assert_int_equal(fx->ask.sport, 40000);
	assert_int_equal(fx->ask.established, 1);
	answer(fx, &ans);
	assert_int_equal(fx->n_resumed, 1);
	assert_int_equal(api_fx_take(fx), 200);
	assert_true(api_fx_has(fx, "\"verdict\":\"passed\",\"reason\":\"not_vip\""));
	/* It cannot be asked. */
	ans.error = -ENODEV;
	memset(ans.text, 'x', sizeof(ans.text));
	assert_int_equal(api_fx_begin(fx, API_GET, ASK, ""), API_WAIT);
	answer(fx, &ans);
	assert_int_equal(api_fx_take(fx), 409);
	assert_true(api_fx_has(fx, "\"field\":\"interface\""));
	ans.error = -EIO;
	assert_int_equal(api_fx_begin(fx, API_GET, ASK, ""), API_WAIT);
	answer(fx, &ans);
	assert_int_equal(api_fx_take(fx), 500);
	/* No answer in time, and nobody who waits for it. */
	assert_int_equal(api_fx_begin(fx, API_GET, ASK, ""), API_WAIT);
	ask_stop(&fx->p.asker);
	assert_int_equal(api_fx_take(fx), 504);
	assert_int_equal(api_fx_begin(fx, API_GET, ASK, ""), API_WAIT);
	fx->req.cancel(&fx->req);
	answer(fx, &ans);
	assert_int_equal(fx->n_resumed, 4);
}

static void sample(struct api_fx *fx)
{
	struct {
		struct msg_sample s;
		uint8_t data[3];
	} msg = {.s = {.reason = 1, .len = 1500, .cap_len = 3, .ifindex = 1, .vip_plen = 128},
		 .data = {1, 0xab, 0}};

	addr_parse(V, &msg.s.vip);
	addr_parse(B1, &msg.s.backend);
	capture_frame(&fx->p.capture, MSG_MAPS_SAMPLE, &msg, sizeof(msg.s) + 3);
}

static void sampling(struct api_fx *fx, int error, uint64_t lost)
{
	struct msg_sample_state st = {.seq = fx->set.seq, .error = error, .lost = lost};

	capture_frame(&fx->p.capture, MSG_MAPS_SAMPLE_STATE, &st, sizeof(st));
}

static void test_capture_body(void **state)
{
	static const struct {
		const char *body, *field;
	} bad[] = {
		{"", NULL},
		{"[]", NULL},
		{"{\"rate\":0}", "rate"},
		{"{\"rate\":1000001}", "rate"},
		{"{\"vip\":\"x\"}", "vip"},
		{"{\"vip\":7}", "vip"},
		{"{\"reasons\":\"tx\"}", "reasons"},
		{"{\"reasons\":[\"tx\",\"nonsense\"]}", "reasons"},
		{"{\"reasons\":[null]}", "reasons"},
	};
	struct api_fx *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (api_fx_call(fx, API_POST, "/v1/capture", bad[i].body) != 400)
			fail_msg("%s", bad[i].body);
		if (bad[i].field)
			assert_true(api_fx_has(fx, bad[i].field));
	}
	assert_int_equal(api_fx_begin(fx, API_POST, "/v1/capture",
				      "{\"rate\":5,\"vip\":\"" V
				      "\",\"reasons\":[\"tx\",\"not_ip\"]}"),
			 API_WAIT);
	assert_int_equal(fx->set.rate, 5);
	assert_int_equal(fx->set.reasons, 1 | 4);
	assert_true(addr_is_v4(&fx->set.vip));
	sampling(fx, -ENOENT, 0);
	assert_int_equal(api_fx_take(fx), 404);
	assert_true(api_fx_has(fx, "\"field\":\"vip\""));
	assert_int_equal(api_fx_begin(fx, API_POST, "/v1/capture", "{}"), API_WAIT);
	assert_int_equal(fx->set.rate, 1);
	assert_true(fx->set.reasons == UINT64_MAX && addr_is_unspecified(&fx->set.vip));
	sampling(fx, -EOPNOTSUPP, 0);
	assert_int_equal(api_fx_take(fx), 500);
}

static void test_capture(void **state)
{
	struct api_fx *fx = *state;
	char path[64];
	uint64_t id;

	assert_int_equal(api_fx_call(fx, API_GET, "/v1/capture", ""), 400);
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/capture?id=1", ""), 404);
	assert_int_equal(api_fx_begin(fx, API_POST, "/v1/capture", "{}"), API_WAIT);
	sampling(fx, 0, 0);
	assert_int_equal(api_fx_take(fx), 200);
	id = fx->p.capture.id;
	snprintf(path, sizeof(path), "{\"id\":%u}\n", (unsigned int)id);
	assert_string_equal(fx->text, path);
	assert_int_equal(api_fx_call(fx, API_POST, "/v1/capture", "{}"), 409);
	snprintf(path, sizeof(path), "/v1/capture?id=%u&wait=1s", (unsigned int)id);
	sample(fx);
	assert_int_equal(api_fx_call(fx, API_GET, path, ""), 200);
	assert_true(api_fx_has(fx, "{\"running\":true,\"packets\":[{\"time_ns\":"));
	assert_true(api_fx_has(fx, "\"verdict\":\"sent\",\"reason\":\"tx_redirect\",\"vip\":\"" V
				   "\",\"backend\":\"" B1 "\""));
	assert_true(api_fx_has(fx, "\"length\":1500,\"data\":\"01ab00\"}]}"));
	/* Nothing there: it waits, for the next packet or for the end. */
	assert_int_equal(api_fx_begin(fx, API_GET, path, ""), API_WAIT);
	sample(fx);
	assert_int_equal(api_fx_take(fx), 200);
	assert_true(api_fx_has(fx, "\"data\":\"01ab00\""));
	assert_int_equal(api_fx_begin(fx, API_GET, path, ""), API_WAIT);
	fx->req.cancel(&fx->req);
	snprintf(path, sizeof(path), "/v1/capture?id=%u", (unsigned int)id);
	assert_int_equal(api_fx_begin(fx, API_DELETE, path, ""), API_WAIT);
	sampling(fx, 0, 9);
	assert_int_equal(api_fx_take(fx), 200);
	assert_string_equal(fx->text, "{\"lost\":9}\n");
	assert_int_equal(api_fx_call(fx, API_DELETE, path, ""), 404);
	assert_int_equal(api_fx_call(fx, API_DELETE, "/v1/capture?id=1&wait=1s", ""), 400);
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/capture?id=x", ""), 400);
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/capture?id=1&wait=31s", ""), 400);
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/capture?id=1&wait=1", ""), 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reading, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_options, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_unhealthy, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_not_found, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_methods, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_put_and_delete, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_bad_bodies, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_patch, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_accept, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_stats_are_asked_for, api_fx_setup,
						api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_route, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_capture_body, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_capture, api_fx_setup, api_fx_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
