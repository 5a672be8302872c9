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
	unsigned int n_resumed;
	/* The last that was sent to the maps child. */
	struct msg_ask ask;
	struct msg_sample_set set;
};

static void on_run(struct loop_timer *t _unused_)
{
}

/* The parent's, in small: that it was called is enough. */
void parent_kick(struct parent *p)
{
	loop_timer_in(p->loop, &p->run, 0, on_run);
}

/* The server's: the answer that was waited for is there. */
void api_resume(struct api_request *req)
{
	struct fx *fx = container_of(req, struct fx, req);

	fx->n_resumed++;
}

static void to_maps(void *user, uint16_t type, const void *data, size_t len)
{
	struct fx *fx = user;

	if (type == MSG_MAPS_ASK) {
		assert_int_equal(len, sizeof(fx->ask));
		memcpy(&fx->ask, data, len);
	} else if (type == MSG_MAPS_SAMPLE_SET) {
		assert_int_equal(len, sizeof(fx->set));
		memcpy(&fx->set, data, len);
	}
}

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	fx->core = core_fx_new();
	fx->p.core = fx->core->core;
	fx->p.cfg = &fx->core->cfg;
	assert_int_equal(loop_new(&fx->p.loop), 0);
	fx->p.asker = (struct asker){.loop = fx->p.loop, .send = to_maps, .user = fx};
	capture_init(&fx->p.capture, fx->p.loop, &api_capture_ops, to_maps, fx);
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
	capture_done(&fx->p.capture);
	core_fx_free(fx->core);
	loop_free(fx->p.loop);
	free(fx);
	return 0;
}

/* Hands a request in. The path may end in ?NAME=VALUE&... */
static enum api_result begin(struct fx *fx, enum api_method method, const char *path,
			     const char *body)
{
	static char copy[512];
	char *save = NULL, *args;

	snprintf(copy, sizeof(copy), "%s", path);
	args = strchr(copy, '?');
	jput_done(&fx->req.out);
	fx->req = (struct api_request){
		.parent = &fx->p,
		.method = method,
		.body = body,
		.body_len = strlen(body),
	};
	if (args)
		*args++ = '\0';
	for (char *a = args ? strtok_r(args, "&", &save) : NULL; a;
	     a = strtok_r(NULL, "&", &save)) {
		char *value = strchr(a, '=');

		*value++ = '\0';
		fx->req.args[fx->req.n_args++] = (struct api_arg){.name = a, .value = value};
	}
	return api_route(&fx->req, copy);
}

/* The status of a request that is done; its answer is in fx->text, and is JSON. */
static unsigned int take(struct fx *fx)
{
	_cleanup_json_ struct json_object *o = NULL;
	size_t len;

	free(fx->text);
	fx->text = jput_text(&fx->req.out, &len);
	assert_non_null(fx->text);
	assert_int_equal(jget_parse(fx->text, len, &o, NULL), 0);
	if (fx->req.status >= 400 && fx->req.parts[1] && strcmp(fx->req.parts[1], "health") != 0)
		assert_true(json_object_object_get_ex(o, "error", NULL));
	return fx->req.status;
}

static unsigned int call(struct fx *fx, enum api_method method, const char *path, const char *body)
{
	assert_int_equal(begin(fx, method, path, body), API_DONE);
	return take(fx);
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
	assert_true(has(
		fx,
		"\"enabled\":1,\"total\":2,\"draining\":0,\"affinity\":\"none\","
		"\"first_round\":true,\"ring\":{\"state\":\"proven\",\"size\":13313,\"backends\":1,"));
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
	struct fx *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (call(fx, API_GET, bad[i], "") != 404)
			fail_msg("%s: %u", bad[i], fx->req.status);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		if (call(fx, API_GET, wrong[i], "") != 400 || !has(fx, "\"field\""))
			fail_msg("%s: %u", wrong[i], fx->req.status);
}

/* What a prefix and an all-ports QUIC service look like; their paths are as any. */
static void test_options(void **state)
{
	struct fx *fx = *state;

	core_fx_model(
		fx->core,
		"{'revision':5,'vips':[" CORE_FX_VIP(
			V, CORE_FX_BE(B1)) ",{'address':'198.51.100.0/26',"
					   "'unknown':'pass','ports':[{'protocol':'udp','port':0,"
					   "'affinity':'source','quic':{'config_id':2,"
					   "'server_id_length':3},'backends':[{'address':'" B1
					   "','weight':0,'quic_id':'00C0ff'}]}]}]}");
	core_fx_settle(fx->core);
	assert_int_equal(call(fx, API_GET, "/v1/vips/198.51.100.0", ""), 200);
	assert_true(has(fx, "{\"address\":\"198.51.100.0/26\","));
	assert_true(has(fx, "\"unknown\":\"pass\""));
	assert_int_equal(call(fx, API_GET, "/v1/vips/198.51.100.0/ports/udp/0", ""), 200);
	assert_true(has(fx, "\"enabled\":0,\"total\":1,\"draining\":1,\"affinity\":\"source\","
			    "\"quic\":{\"config_id\":2,\"server_id_length\":3}"));
	assert_true(has(fx, "\"in_ring\":false,\"quic_id\":\"00c0ff\""));
	assert_int_equal(call(fx, API_GET, "/v1/vips/198.51.100.1", ""), 404);
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
	assert_true(has(fx, "{\"reasons\":{\"tx\":4,\"xxx"));
	assert_true(has(fx, "\"vips\":[{\"address\":\"" V
			    "\",\"packets\":3,\"bytes\":300,\"flows\":0,\"dropped\":1}]"));
	assert_true(has(fx, "\"events\":{\"tx\":4}"));
	assert_true(has(fx, "\"services\":[{\"vip\":\"192.0.2.0/24"
			    "\",\"protocol\":\"udp\",\"port\":53,\"packets\":5,\"bytes\":0,"
			    "\"flows\":6,\"dropped\":0}]"));
	assert_true(has(fx, "\"backends\":[{\"address\":\"" B1
			    "\",\"packets\":7,\"bytes\":0,\"flows\":0,\"dropped\":0,"
			    "\"errors\":8}]}\n"));
}

#define ASK "/v1/route?src=192.0.2.7&sport=40000&vip=" V "&dport=80&protocol=tcp"

static void answer(struct fx *fx, const struct msg_answer *ans)
{
	struct msg_answer copy = *ans;

	copy.seq = fx->ask.seq;
	ask_answer(&fx->p.asker, &copy);
}

static void test_route(void **state)
{
	struct msg_answer ans = {.reason = 3, .ingress = "eth0"};
	struct fx *fx = *state;

	assert_int_equal(call(fx, API_GET, "/v1/route", ""), 400);
	assert_true(has(fx, "{\"error\":\"src is missing\",\"field\":\"src\"}"));
	assert_int_equal(call(fx, API_GET, ASK "&colour=red", ""), 400);
	assert_true(has(fx, "\"field\":\"colour\""));
	assert_int_equal(call(fx, API_GET, ASK "&interface=", ""), 400);
	assert_true(has(fx, "\"field\":\"interface\""));
	assert_int_equal(call(fx, API_POST, ASK, ""), 405);
	assert_int_equal(begin(fx, API_GET, ASK "&established=true", ""), API_WAIT);
	assert_int_equal(fx->ask.sport, 40000);
	assert_int_equal(fx->ask.established, 1);
	answer(fx, &ans);
	assert_int_equal(fx->n_resumed, 1);
	assert_int_equal(take(fx), 200);
	assert_true(has(fx, "\"verdict\":\"passed\",\"reason\":\"not_vip\""));
	/* It cannot be asked. */
	ans.error = -ENODEV;
	memset(ans.text, 'x', sizeof(ans.text));
	assert_int_equal(begin(fx, API_GET, ASK, ""), API_WAIT);
	answer(fx, &ans);
	assert_int_equal(take(fx), 409);
	assert_true(has(fx, "\"field\":\"interface\""));
	ans.error = -EIO;
	assert_int_equal(begin(fx, API_GET, ASK, ""), API_WAIT);
	answer(fx, &ans);
	assert_int_equal(take(fx), 500);
	/* No answer in time, and nobody who waits for it. */
	assert_int_equal(begin(fx, API_GET, ASK, ""), API_WAIT);
	ask_stop(&fx->p.asker);
	assert_int_equal(take(fx), 504);
	assert_int_equal(begin(fx, API_GET, ASK, ""), API_WAIT);
	fx->req.cancel(&fx->req);
	answer(fx, &ans);
	assert_int_equal(fx->n_resumed, 4);
}

static void sample(struct fx *fx)
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

static void sampling(struct fx *fx, int error, uint64_t lost)
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
	struct fx *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (call(fx, API_POST, "/v1/capture", bad[i].body) != 400)
			fail_msg("%s", bad[i].body);
		if (bad[i].field)
			assert_true(has(fx, bad[i].field));
	}
	assert_int_equal(begin(fx, API_POST, "/v1/capture",
			       "{\"rate\":5,\"vip\":\"" V "\",\"reasons\":[\"tx\",\"not_ip\"]}"),
			 API_WAIT);
	assert_int_equal(fx->set.rate, 5);
	assert_int_equal(fx->set.reasons, 1 | 4);
	assert_true(addr_is_v4(&fx->set.vip));
	sampling(fx, -ENOENT, 0);
	assert_int_equal(take(fx), 404);
	assert_true(has(fx, "\"field\":\"vip\""));
	assert_int_equal(begin(fx, API_POST, "/v1/capture", "{}"), API_WAIT);
	assert_int_equal(fx->set.rate, 1);
	assert_true(fx->set.reasons == UINT64_MAX && addr_is_unspecified(&fx->set.vip));
	sampling(fx, -EOPNOTSUPP, 0);
	assert_int_equal(take(fx), 500);
}

static void test_capture(void **state)
{
	struct fx *fx = *state;
	char path[64];
	uint64_t id;

	assert_int_equal(call(fx, API_GET, "/v1/capture", ""), 400);
	assert_int_equal(call(fx, API_GET, "/v1/capture?id=1", ""), 404);
	assert_int_equal(begin(fx, API_POST, "/v1/capture", "{}"), API_WAIT);
	sampling(fx, 0, 0);
	assert_int_equal(take(fx), 200);
	id = fx->p.capture.id;
	snprintf(path, sizeof(path), "{\"id\":%u}\n", (unsigned int)id);
	assert_string_equal(fx->text, path);
	assert_int_equal(call(fx, API_POST, "/v1/capture", "{}"), 409);
	snprintf(path, sizeof(path), "/v1/capture?id=%u&wait=1s", (unsigned int)id);
	sample(fx);
	assert_int_equal(call(fx, API_GET, path, ""), 200);
	assert_true(has(fx, "{\"running\":true,\"packets\":[{\"time_ns\":"));
	assert_true(has(fx, "\"verdict\":\"sent\",\"reason\":\"tx_redirect\",\"vip\":\"" V
			    "\",\"backend\":\"" B1 "\""));
	assert_true(has(fx, "\"length\":1500,\"data\":\"01ab00\"}]}"));
	/* Nothing there: it waits, for the next packet or for the end. */
	assert_int_equal(begin(fx, API_GET, path, ""), API_WAIT);
	sample(fx);
	assert_int_equal(take(fx), 200);
	assert_true(has(fx, "\"data\":\"01ab00\""));
	assert_int_equal(begin(fx, API_GET, path, ""), API_WAIT);
	fx->req.cancel(&fx->req);
	snprintf(path, sizeof(path), "/v1/capture?id=%u", (unsigned int)id);
	assert_int_equal(begin(fx, API_DELETE, path, ""), API_WAIT);
	sampling(fx, 0, 9);
	assert_int_equal(take(fx), 200);
	assert_string_equal(fx->text, "{\"lost\":9}\n");
	assert_int_equal(call(fx, API_DELETE, path, ""), 404);
	assert_int_equal(call(fx, API_DELETE, "/v1/capture?id=1&wait=1s", ""), 400);
	assert_int_equal(call(fx, API_GET, "/v1/capture?id=x", ""), 400);
	assert_int_equal(call(fx, API_GET, "/v1/capture?id=1&wait=31s", ""), 400);
	assert_int_equal(call(fx, API_GET, "/v1/capture?id=1&wait=1", ""), 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reading, setup, teardown),
		cmocka_unit_test_setup_teardown(test_options, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unhealthy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_methods, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put_and_delete, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_bodies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_patch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_accept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stats_are_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_route, setup, teardown),
		cmocka_unit_test_setup_teardown(test_capture_body, setup, teardown),
		cmocka_unit_test_setup_teardown(test_capture, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
