// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * POST /v1/backends: all or nothing over many services, errors that name their place,
 * and 20,000 backends of 2,000 services in a few milliseconds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api_fixture.h"
#include "sbuf.h"

#define V  API_FX_VIP
#define W  "192.0.2.2"
#define B1 API_FX_B1
#define B2 API_FX_B2

#define SERVICE(vip, backends)                                                                     \
	"{'vip':'" vip "','protocol':'tcp','port':80,'backends':[" backends "]}"
#define BE(addr, more) "{'address':'" addr "'" more "}"
#define DOWN	       ",'admin':'down'"

/* The body has ' for ". */
static unsigned int post(struct api_fx *fx, const char *body)
{
	char *copy = strdup(body);
	unsigned int status;

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	status = api_fx_call(fx, API_POST, "/v1/backends", copy);
	free(copy);
	return status;
}

static size_t overrides(struct api_fx *fx)
{
	return core_overrides_count(fx->core->core);
}

static void two_vips(struct api_fx *fx)
{
	core_fx_model(
		fx->core,
		CORE_FX_DOC("5", CORE_FX_VIP(V, CORE_FX_BE(B1) "," CORE_FX_BE(B2)) "," CORE_FX_VIP(
					 W, CORE_FX_BE(B1))));
	core_fx_settle(fx->core);
	core_fx_forget(fx->core);
}

static void test_many_services(void **state)
{
	static const char body[] = "{'services':[" SERVICE(
		V, BE(B1, DOWN) "," BE(B2, DOWN)) "," SERVICE(W, BE(B1, ",'admin':'drain'")) "]}";
	struct api_fx *fx = *state;
	uint64_t before = util_now_ns();

	two_vips(fx);
	assert_int_equal(post(fx, body), 200);
	assert_int_equal(fx->result, API_SAVED);
	/* The batch says when its changes came: that is now. */
	assert_true(fx->core->core->now >= before);
	assert_string_equal(fx->text,
			    "{\"status\":\"ok\",\"services\":2,\"backends\":3,\"changed\":3}\n");
	core_fx_settle(fx->core);
	assert_int_equal(overrides(fx), 3);
	/* One batch for the maps child. */
	assert_int_equal(core_fx_count(fx->core, "maps commit"), 1);
	assert_int_equal(core_fx_count(fx->core, "maps svc_set"), 2);
	assert_int_equal(core_fx_count(fx->core, "overrides"), 1);
	/* The same again is nothing. */
	core_fx_forget(fx->core);
	assert_int_equal(post(fx, body), 200);
	assert_int_equal(fx->result, API_DONE);
	assert_true(api_fx_has(fx, "\"changed\":0"));
	core_fx_settle(fx->core);
	assert_int_equal(core_fx_count(fx->core, "maps"), 0);
	assert_int_equal(core_fx_count(fx->core, "overrides"), 0);
	assert_int_equal(post(fx, "{'services':[" SERVICE(V, BE(B1, ",'admin':null")) "]}"), 200);
	assert_int_equal(overrides(fx), 2);
	assert_int_equal(post(fx, "{'services':[]}"), 200);
}

struct bad {
	const char *body;
	unsigned int status;
	const char *field;
};

static void test_errors_name_their_place(void **state)
{
	static const struct bad bad[] = {
		{"[]", 400, NULL},
		{"{}", 400, "services"},
		{"{'services':{}}", 400, "services"},
		{"{'services':[],'x':1}", 400, "x"},
		{"{'services':[3]}", 400, "services[0]"},
		{"{'services':[{}]}", 400, "services[0].vip"},
		{"{'services':[{'vip':3}]}", 400, "services[0].vip"},
		{"{'services':[{'vip':'" V "','protocol':'sctp'}]}", 400, "services[0].protocol"},
		{"{'services':[{'vip':'" V "','protocol':'tcp'}]}", 400, "services[0].port"},
		{"{'services':[{'vip':'" V "','protocol':'tcp','port':80}]}", 400,
		 "services[0].backends"},
		{"{'services':[{'vip':'" V "','protocol':'tcp','port':80,'backend':[]}]}", 400,
		 "services[0].backend"},
		{"{'services':[" SERVICE("192.0.2.77", "") "]}", 404, "services[0].vip"},
		{"{'services':[{'vip':'" V "','protocol':'udp','port':80,'backends':[]}]}", 404,
		 "services[0].port"},
		{"{'services':[" SERVICE(V, "") "," SERVICE(V, "") "]}", 400, "services[1]"},
		{"{'services':[" SERVICE(V, "3") "]}", 400, "services[0].backends[0]"},
		{"{'services':[" SERVICE(V, "{}") "]}", 400, "services[0].backends[0].address"},
		{"{'services':[" SERVICE(V, BE(B1, DOWN) "," BE("x", DOWN)) "]}", 400,
		 "services[0].backends[1].address"},
		{"{'services':[" SERVICE(V, BE(B1, DOWN) "," BE(B1, DOWN)) "]}", 400,
		 "services[0].backends[1].address"},
		{"{'services':[" SERVICE(V, BE(B1, "")) "]}", 400, "services[0].backends[0].admin"},
		{"{'services':[" SERVICE(V, BE(B1, ",'admin':'off'")) "]}", 400,
		 "services[0].backends[0].admin"},
		{"{'services':[" SERVICE(V, BE(B1, ",'colour':'red'")) "]}", 400,
		 "services[0].backends[0].colour"},
		{"{'services':[" SERVICE(V, BE(B1, ",'weight':1001")) "]}", 400,
		 "services[0].backends[0].weight"},
		{"{'services':[" SERVICE(V, BE(B1, DOWN)) "," SERVICE(W, BE("10.0.0.9", DOWN)) "]}",
		 404, "services[1].backends[0].address"},
		{"{'services':[" SERVICE(V, BE(B1, ",'weight':7")) "]}", 409,
		 "services[0].backends[0].weight"},
		{"{'services':[" SERVICE(V, BE(B1, ",'remove':true")) "]}", 409,
		 "services[0].backends[0].remove"},
	};
	struct api_fx *fx = *state;
	char field[96];

	two_vips(fx);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (post(fx, bad[i].body) != bad[i].status)
			fail_msg("%s: %u %s", bad[i].body, fx->req.status, fx->text);
		snprintf(field, sizeof(field), "\"field\":\"%s\"", bad[i].field);
		if (bad[i].field && !api_fx_has(fx, field))
			fail_msg("%s: %s", bad[i].body, fx->text);
	}
	/* Not even the parts of them that were good. */
	assert_int_equal(overrides(fx), 0);
	core_fx_settle(fx->core);
	assert_int_equal(core_fx_count(fx->core, "maps"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many_services, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_errors_name_their_place, api_fx_setup,
						api_fx_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
