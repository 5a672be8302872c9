// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Local VIPs, their services and backends over the local API: what PUT takes is what GET
 * shows, entity tags, whose a VIP is, and errors that change nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api_fixture.h"

#define L     "198.51.100.1"
#define VIP   "/v1/vips/" L
#define PORT  VIP "/ports/tcp/80"
#define BES   PORT "/backends"
#define B1    API_FX_B1
#define B2    API_FX_B2
#define B3    "10.0.0.3"
#define SCHED "/v1/vips/" API_FX_VIP

/* The body has ' for ". */
static unsigned int call(struct api_fx *fx, enum api_method method, const char *path,
			 const char *body)
{
	char *copy = strdup(body);
	unsigned int status;

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	status = api_fx_call(fx, method, path, copy);
	free(copy);
	if (status < 300)
		core_fx_settle(fx->core);
	return status;
}

#define BODY "{'ports':[{'protocol':'tcp','port':80,'backends':[" CORE_FX_BE(B1) "]}]}"

static void put_vip(struct api_fx *fx)
{
	assert_int_equal(call(fx, API_PUT, VIP, BODY), 201);
	assert_int_equal(fx->result, API_SAVED);
	assert_string_equal(fx->text, "{\"status\":\"created\"}\n");
	core_fx_forget(fx->core);
}

static char *config(struct api_fx *fx, const char *path)
{
	char url[256];

	snprintf(url, sizeof(url), "%s?view=config", path);
	assert_int_equal(call(fx, API_GET, url, ""), 200);
	return strdup(fx->text);
}

/* Every resource: its config view is what PUT takes, and changes nothing. */
static void test_config_goes_round(void **state)
{
	static const char *const paths[] = {VIP, PORT, BES "/" B1};
	struct api_fx *fx = *state;
	char etag[API_ETAG_STRLEN];

	put_vip(fx);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		char *have = config(fx, paths[i]), *again;

		memcpy(etag, fx->req.etag, sizeof(etag));
		assert_int_equal(strlen(etag), API_ETAG_STRLEN - 1);
		assert_int_equal(api_fx_call(fx, API_PUT, paths[i], have), 200);
		assert_string_equal(fx->text, "{\"status\":\"unchanged\"}\n");
		assert_string_equal(fx->req.etag, etag);
		assert_int_equal(fx->result, API_DONE);
		again = config(fx, paths[i]);
		assert_string_equal(have, again);
		free(have);
		free(again);
		assert_int_equal(call(fx, API_GET, paths[i], ""), 200);
		assert_string_equal(fx->req.etag, etag);
	}
	core_fx_settle(fx->core);
	assert_string_equal(fx->core->said, "");
	assert_int_equal(call(fx, API_GET, VIP, ""), 200);
	assert_true(api_fx_has(fx, "\"owner\":\"local\""));
	assert_true(api_fx_has(fx, "\"state\":\"ready\""));
}

static void test_vip(void **state)
{
	struct api_fx *fx = *state;

	put_vip(fx);
	assert_int_equal(call(fx, API_PATCH, VIP, "{'tag':7,'unknown':'pass'}"), 200);
	assert_true(api_fx_has(fx, "replaced"));
	assert_true(core_fx_said(fx->core, "maps vip_set " L " pass"));
	assert_int_equal(core_fx_count(fx->core, "maps svc_set"), 0);
	assert_int_equal(call(fx, API_GET, VIP, ""), 200);
	assert_true(api_fx_has(fx, "\"tag\":7,\"unknown\":\"pass\""));
	/* null is the default. */
	assert_int_equal(call(fx, API_PATCH, VIP, "{'tag':null}"), 200);
	assert_int_equal(call(fx, API_GET, VIP, ""), 200);
	assert_true(api_fx_has(fx, "\"tag\":0,\"unknown\":\"pass\""));
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(call(fx, API_DELETE, VIP, ""), 200);
		assert_true(api_fx_has(fx, twice ? "absent" : "deleted"));
	}
	assert_true(core_fx_said(fx->core, "gone " L));
	/* It is shown until it is gone, but there is nothing to change. */
	assert_int_equal(call(fx, API_GET, VIP, ""), 200);
	assert_true(api_fx_has(fx, "\"phase\":\"withdrawing\""));
	assert_int_equal(call(fx, API_GET, VIP "?view=config", ""), 404);
	assert_int_equal(call(fx, API_PATCH, VIP, "{'tag':1}"), 404);
	assert_int_equal(call(fx, API_PUT, PORT, "{'backends':[]}"), 404);
	assert_int_equal(call(fx, API_PUT, VIP, BODY), 201);
}

static void test_port(void **state)
{
	struct api_fx *fx = *state;

	put_vip(fx);
	assert_int_equal(call(fx, API_PUT, VIP "/ports/udp/0", "{'backends':[" CORE_FX_BE(B2) "]}"),
			 201);
	assert_true(api_fx_has(fx, "created"));
	assert_true(core_fx_said(fx->core, "maps svc_set " L " udp/0 n=1 [" B2 "]"));
	/* The other one is not touched. */
	assert_int_equal(core_fx_count(fx->core, "maps svc_set"), 1);
	core_fx_forget(fx->core);
	assert_int_equal(call(fx, API_PATCH, VIP "/ports/udp/0", "{'affinity':'source'}"), 200);
	assert_true(core_fx_said(fx->core, "maps svc_set " L " udp/0 n=1 [" B2 "] affinity"));
	assert_int_equal(call(fx, API_GET, VIP "/ports/udp/0", ""), 200);
	assert_true(api_fx_has(fx, "\"affinity\":\"source\""));
	for (int twice = 0; twice < 2; twice++)
		assert_int_equal(call(fx, API_DELETE, VIP "/ports/udp/0", ""), 200);
	assert_true(core_fx_said(fx->core, "maps svc_del " L " udp/0"));
	assert_int_equal(call(fx, API_DELETE, PORT, ""), 409);
	assert_true(api_fx_has(fx, "\"field\":\"port\""));
}

static void test_backend(void **state)
{
	struct api_fx *fx = *state;

	put_vip(fx);
	assert_int_equal(call(fx, API_PUT, BES "/" B2, "{'weight':5}"), 201);
	assert_true(core_fx_said(fx->core, "maps svc_set " L " tcp/80 n=2 [" B1 "," B2 "]"));
	assert_int_equal(call(fx, API_PATCH, BES "/" B2, "{'admin':'down'}"), 200);
	assert_true(core_fx_said(fx->core, "maps svc_set " L " tcp/80 n=1 [" B1 "]"));
	assert_int_equal(call(fx, API_GET, BES "/" B2 "?view=config", ""), 200);
	assert_string_equal(fx->text, "{\"address\":\"" B2 "\",\"weight\":5,\"admin\":\"down\"}\n");
	/* PUT: what is not named is at its default. */
	assert_int_equal(call(fx, API_PUT, BES "/" B2, "{}"), 200);
	assert_int_equal(call(fx, API_GET, BES "/" B2 "?view=config", ""), 200);
	assert_string_equal(fx->text, "{\"address\":\"" B2 "\",\"weight\":1,\"admin\":\"up\"}\n");
	for (int twice = 0; twice < 2; twice++)
		assert_int_equal(call(fx, API_DELETE, BES "/" B2, ""), 200);
	assert_int_equal(call(fx, API_GET, BES "/" B2, ""), 404);
	assert_int_equal(core_overrides_count(fx->core->core), 0);
}

static void test_many_backends(void **state)
{
	struct api_fx *fx = *state;

	put_vip(fx);
	assert_int_equal(call(fx, API_PATCH, BES,
			      "{'backends':[{'address':'" B1 "','remove':true},{'address':'" B2
			      "','weight':3},{'address':'" B3 "'},"
			      "{'address':'10.0.0.9','remove':true}]}"),
			 200);
	assert_true(core_fx_said(fx->core, "maps svc_set " L " tcp/80 n=2 [" B2 "," B3 "]"));
	/* Through the batch, both kinds of VIP at once. */
	core_fx_forget(fx->core);
	assert_int_equal(call(fx, API_POST, "/v1/backends",
			      "{'services':[{'vip':'" L
			      "','protocol':'tcp','port':80,'backends':[{'address':'" B2
			      "','admin':'down'},{'address':'" B1 "'}]},{'vip':'" API_FX_VIP
			      "','protocol':'tcp','port':80,'backends':[{'address':'" B1
			      "','admin':'drain'}]}]}"),
			 200);
	assert_true(api_fx_has(fx, "\"changed\":3"));
	assert_true(core_fx_said(fx->core, "maps svc_set " L " tcp/80 n=2 [" B1 "," B3 "]"));
	assert_true(core_fx_said(fx->core, "maps svc_set " API_FX_VIP " tcp/80 n=0 [~" B1 "]"));
	assert_int_equal(core_fx_count(fx->core, "maps commit"), 1);
	assert_int_equal(core_overrides_count(fx->core->core), 1);
}

static void test_quic_ids(void **state)
{
	struct api_fx *fx = *state;

	assert_int_equal(call(fx, API_PUT, VIP,
			      "{'ports':[{'protocol':'udp','port':443,'quic':{'config_id':1,"
			      "'server_id_length':2},'backends':[{'address':'" B1
			      "','quic_id':'aa01'}]}]}"),
			 201);
	assert_int_equal(call(fx, API_PUT, VIP "/ports/udp/443/backends/" B2, "{'quic_id':'AA01'}"),
			 400);
	assert_true(api_fx_has(fx, "two backends have the same quic_id"));
	assert_int_equal(call(fx, API_PUT, VIP "/ports/udp/443/backends/" B2, "{'quic_id':'aa02'}"),
			 201);
	assert_int_equal(call(fx, API_PATCH, VIP "/ports/udp/443/backends/" B1, "{'quic_id':null}"),
			 200);
	assert_true(core_fx_said(fx->core,
				 "maps svc_set " L " udp/443 n=2 [" B1 "," B2 "=aa02] quic=1/2"));
}

static void test_preconditions(void **state)
{
	struct api_fx *fx = *state;
	char etag[API_ETAG_STRLEN], list[200];

	fx->if_match = "*";
	assert_int_equal(call(fx, API_PUT, VIP, BODY), 412);
	assert_true(api_fx_has(fx, "\"field\":\"If-Match\""));
	fx->if_match = NULL;
	fx->if_none_match = "*";
	assert_int_equal(call(fx, API_PUT, VIP, BODY), 201);
	assert_int_equal(call(fx, API_PUT, VIP, BODY), 412);
	assert_true(api_fx_has(fx, "\"field\":\"If-None-Match\""));
	fx->if_none_match = NULL;
	memcpy(etag, fx->req.etag, sizeof(etag));
	snprintf(list, sizeof(list), "\"x\", %s", etag);
	fx->if_match = list;
	assert_int_equal(call(fx, API_PATCH, VIP, "{'tag':1}"), 200);
	assert_string_not_equal(fx->req.etag, etag);
	/* Somebody was faster. */
	assert_int_equal(call(fx, API_PATCH, VIP, "{'tag':2}"), 412);
	assert_int_equal(call(fx, API_DELETE, VIP, ""), 412);
	assert_int_equal(call(fx, API_PUT, BES "/" B1, "{}"), 412);
	assert_int_equal(call(fx, API_PATCH, BES, "{'backends':[]}"), 412);
	/* A weak tag never matches there; and a part of a tag is none. */
	fx->if_match = NULL;
	assert_int_equal(call(fx, API_GET, VIP, ""), 200);
	memcpy(etag, fx->req.etag, sizeof(etag));
	snprintf(list, sizeof(list), "W/%s", etag);
	fx->if_match = list;
	assert_int_equal(call(fx, API_DELETE, VIP, ""), 412);
	fx->if_match = NULL;
	fx->if_none_match = list;
	assert_int_equal(call(fx, API_GET, VIP, ""), 200);
	assert_int_equal(api_fx_begin(fx, API_GET, VIP "?view=config", ""), API_DONE);
	assert_int_equal(fx->req.status, 304);
	fx->if_none_match = "\"x\"";
	assert_int_equal(call(fx, API_GET, VIP "?view=config", ""), 200);
}

/* An override is a change of the configuration in force. */
static void test_scheduler_vip(void **state)
{
	struct api_fx *fx = *state;
	char etag[API_ETAG_STRLEN];

	assert_int_equal(call(fx, API_GET, SCHED, ""), 200);
	assert_true(api_fx_has(fx, "\"owner\":\"scheduler\""));
	memcpy(etag, fx->req.etag, sizeof(etag));
	fx->if_match = etag;
	assert_int_equal(call(fx, API_PATCH, API_FX_BACKENDS "/" B1, "{'admin':'down'}"), 412);
	fx->if_match = NULL;
	assert_int_equal(call(fx, API_PATCH, API_FX_BACKENDS "/" B1, "{'admin':'down'}"), 200);
	assert_int_equal(call(fx, API_GET, SCHED, ""), 200);
	assert_string_not_equal(fx->req.etag, etag);
	assert_int_equal(call(fx, API_PATCH, API_FX_BACKENDS "/" B1, "{'admin':null}"), 200);
	assert_int_equal(call(fx, API_GET, SCHED, ""), 200);
	assert_string_equal(fx->req.etag, etag);
	/* The whole document is fine, as long as nothing else in it is new. */
	assert_int_equal(call(fx, API_PUT, API_FX_BACKENDS "/" B1,
			      "{'address':'" B1 "','weight':1,'admin':'down'}"),
			 200);
	assert_int_equal(call(fx, API_DELETE, API_FX_BACKENDS "/" B1, ""), 200);
	assert_int_equal(core_overrides_count(fx->core->core), 0);
}

struct bad {
	enum api_method method;
	const char *path, *body;
	unsigned int status;
	const char *field;
};

#define PORT_IN(more) "{'ports':[{'protocol':'tcp','port':80" more "}]}"

static const struct bad bad[] = {
	{API_PUT, VIP, "", 400, NULL},
	{API_PUT, VIP, "[]", 400, NULL},
	{API_PUT, VIP, "{}", 400, "ports"},
	{API_PUT, VIP, "{'ports':[]}", 400, "ports"},
	{API_PUT, VIP, "{'ports':[3]}", 400, "ports[0]"},
	{API_PUT, VIP, "{'address':'192.0.2.200','ports':[]}", 400, "address"},
	{API_PUT, "/v1/vips/127.0.0.1", BODY, 400, "address"},
	{API_PUT, "/v1/vips/x", BODY, 400, "vip"},
	{API_PUT, VIP, "{'deletion':true,'ports':[]}", 400, "deletion"},
	{API_PUT, VIP, "{'tag':-1,'ports':[]}", 400, "tag"},
	{API_PUT, VIP, PORT_IN(""), 400, "ports[0].backends"},
	{API_PUT, VIP, PORT_IN(",'backend':[]"), 400, "ports[0].backend"},
	{API_PUT, VIP, PORT_IN(",'backends':[],'maglev_size':4"), 400, "ports[0].maglev_size"},
	{API_PUT, VIP, PORT_IN(",'backends':[{}]"), 400, "ports[0].backends[0].address"},
	{API_PUT, VIP, PORT_IN(",'backends':[{'address':'" L "'}]"), 400,
	 "ports[0].backends[0].address"},
	{API_PUT, VIP, PORT_IN(",'backends':[{'address':'" B1 "','weigth':1}]"), 400,
	 "ports[0].backends[0].weigth"},
	{API_PUT, VIP, PORT_IN(",'backends':[{'address':'" B1 "','weight':'1'}]"), 400,
	 "ports[0].backends[0].weight"},
	{API_PUT, VIP, PORT_IN(",'backends':[],'health':{'checks':[{'type':'tcp'},{'typ':1}]}"),
	 400, "ports[0].health.checks[1].type"},
	{API_PUT, VIP, PORT_IN(",'backends':[],'health':{'rise':0}"), 400, "ports[0].health.rise"},
	{API_PUT, VIP, PORT_IN(",'backends':[],'quic':{'config_id':9}"), 400, "ports[0].quic"},
	{API_PUT, SCHED, BODY, 409, "address"},
	{API_PATCH, SCHED, "{'tag':1}", 409, "address"},
	{API_DELETE, SCHED, "", 409, "address"},
	{API_PUT, SCHED "/ports/tcp/81", "{'backends':[]}", 409, "vip"},
	{API_PATCH, SCHED "/ports/tcp/80", "{'maglev_size':101}", 409, "vip"},
	{API_DELETE, SCHED "/ports/tcp/80", "", 409, "vip"},
	{API_PUT, API_FX_BACKENDS "/" B3, "{'admin':'up'}", 404, "address"},
	{API_PATCH, API_FX_BACKENDS "/" B1, "{'weight':2}", 409, "weight"},
	{API_PUT, API_FX_BACKENDS "/" B1, "{'admin':'up','remove':true}", 400, "remove"},
	{API_PUT, BES "/" B1, "{'admin':'up'}", 404, "vip"},
	{API_PUT, VIP, BODY, 201, NULL},
	{API_PUT, VIP "/ports/tcp/81", "{'port':82,'backends':[]}", 400, "port"},
	{API_PUT, VIP "/ports/tcp/81", "{'protocol':'udp','backends':[]}", 400, "protocol"},
	{API_PUT, VIP "/ports/tcp/81", "{'backends':[{'address':'x'}]}", 400,
	 "backends[0].address"},
	{API_PATCH, VIP "/ports/tcp/81", "{}", 404, "port"},
	{API_PATCH, PORT, "{'maglev_size':4}", 400, "maglev_size"},
	{API_PATCH, PORT, "{'health':3}", 400, "health"},
	{API_PUT, BES "/" L, "{}", 400, "address"},
	{API_PUT, BES "/" B2, "{'address':'" B3 "'}", 400, "address"},
	{API_PUT, BES "/" B2, "{'quic_id':'aa'}", 400, "quic_id"},
	{API_PATCH, BES "/" B2, "{'weight':1}", 404, "backend"},
	{API_PATCH, BES "/" B1, "{'weight':-1}", 400, "weight"},
	{API_PATCH, BES "/" B1, "{'colour':'red'}", 400, "colour"},
	{API_PATCH, BES, "{'backends':[{'address':'" B2 "'},{'address':'" B2 "'}]}", 400,
	 "backends[1].address"},
	{API_PATCH, BES, "{'backends':[{'address':'" B2 "'},{'address':'" L "'}]}", 400,
	 "backends[1].address"},
	{API_GET, VIP "?view=all", "", 400, "view"},
	{API_GET, VIP "?vew=config", "", 400, "vew"},
	{API_PUT, VIP "?view=config", BODY, 400, "view"},
};

static void test_errors(void **state)
{
	struct api_fx *fx = *state;
	char field[96];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (call(fx, bad[i].method, bad[i].path, bad[i].body) != bad[i].status)
			fail_msg("%s %s: %u %s", bad[i].path, bad[i].body, fx->req.status,
				 fx->text);
		snprintf(field, sizeof(field), "\"field\":\"%s\"", bad[i].field);
		if (bad[i].field && !api_fx_has(fx, field))
			fail_msg("%s %s: %s", bad[i].path, bad[i].body, fx->text);
		if (bad[i].status < 300)
			core_fx_forget(fx->core);
	}
	core_fx_settle(fx->core);
	assert_string_equal(fx->core->said, "");
	assert_int_equal(core_local_count(fx->core->core), 1);
}

static void test_types_and_room(void **state)
{
	struct api_fx *fx = *state;

	fx->content_type = "text/plain";
	assert_int_equal(call(fx, API_PUT, VIP, BODY), 415);
	fx->content_type = "Application/JSON; charset=utf-8";
	assert_int_equal(call(fx, API_PUT, VIP, BODY), 201);
	fx->content_type = "application/merge-patch+json";
	assert_int_equal(call(fx, API_PATCH, VIP, "{'tag':5}"), 200);
	assert_int_equal(call(fx, API_PUT, VIP, BODY), 415);
	fx->content_type = NULL;
	fx->core->cfg.max_vips = 2;
	assert_int_equal(call(fx, API_PUT, "/v1/vips/198.51.100.9", BODY), 507);
	assert_true(api_fx_has(fx, "max-vips is 2"));
	fx->core->cfg.max_backends = 2;
	assert_int_equal(call(fx, API_PATCH, BES, "{'backends':[" CORE_FX_BE(B3) "]}"), 507);
	fx->core->core->maps_ready = false;
	assert_int_equal(call(fx, API_PUT, VIP, BODY), 503);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_config_goes_round, api_fx_setup,
						api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_vip, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_port, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_backend, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_many_backends, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_quic_ids, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_preconditions, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_scheduler_vip, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_errors, api_fx_setup, api_fx_teardown),
		cmocka_unit_test_setup_teardown(test_types_and_room, api_fx_setup, api_fx_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
