// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The "health" object: defaults, checks, and everything that could end up in a
 * request line or a header.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model_fixture.h"
#include "util.h"

static struct model_health *health_of(struct model *m)
{
	assert_int_equal(m->n_refusals, 0);
	return &m->vips[0].ports[0].health;
}

static void test_defaults(void **state _unused_)
{
	struct model *m = model_fx("{'vips':[" MODEL_FX_CHECK("{'type':'http'}") "]}");
	const struct model_health *h = health_of(m);
	const struct model_check *c = &h->checks[0];

	assert_int_equal(h->policy, MODEL_POLICY_ALL);
	assert_int_equal(h->interval_ms, 5000);
	assert_int_equal(h->timeout_ms, 3000);
	assert_int_equal(h->rise, 2);
	assert_int_equal(h->fall, 3);
	assert_int_equal(h->n_checks, 1);
	assert_int_equal(c->port, 80);
	assert_string_equal(c->method, "GET");
	assert_string_equal(c->path, "/");
	assert_string_equal(c->host, "");
	assert_string_equal(c->body, "");
	assert_int_equal(c->n_status, 1);
	assert_int_equal(c->status[0].from, 200);
	assert_int_equal(c->status[0].to, 299);
	model_free(m);
}

static void test_short_interval_bounds_timeout(void **state _unused_)
{
	struct model *m = model_fx("{'vips':[" MODEL_FX_HEALTH("{'interval_ms':1000}") "]}");

	assert_int_equal(health_of(m)->timeout_ms, 1000);
	model_free(m);
}

static void test_all_of_a_check(void **state _unused_)
{
	struct model *m = model_fx("{'vips':[" MODEL_FX_HEALTH(
		"{'policy':'any','interval_ms':100,'timeout_ms':10,'rise':1,'fall':100,'checks':["
		"{'type':'https','port':8443,'method':'HEAD','path':'/a?b=c%20d','host':'[::1]:1',"
		"'status':'200-299,304,100-599','body':'o \\n k','verify':false,'sni':'a.example'},"
		"{'type':'icmp','port':9,'path':'/x'},{'type':'tcp'}]}") "]}");
	const struct model_health *h = health_of(m);
	const struct model_check *c = &h->checks[2];

	assert_int_equal(h->policy, MODEL_POLICY_ANY);
	assert_int_equal(h->interval_ms, 100);
	assert_int_equal(h->timeout_ms, 10);
	assert_int_equal(h->rise, 1);
	assert_int_equal(h->fall, 100);
	/* Sorted by type; what a type does not use does not count. */
	assert_int_equal(h->checks[0].type, MSG_HC_ICMP);
	assert_int_equal(h->checks[0].port, 0);
	assert_string_equal(h->checks[0].path, "");
	assert_int_equal(h->checks[1].type, MSG_HC_TCP);
	assert_int_equal(h->checks[1].n_status, 0);
	assert_int_equal(c->type, MSG_HC_HTTPS);
	assert_int_equal(c->port, 8443);
	assert_string_equal(c->method, "HEAD");
	assert_string_equal(c->path, "/a?b=c%20d");
	assert_string_equal(c->host, "[::1]:1");
	assert_string_equal(c->body, "o \n k");
	assert_string_equal(c->sni, "a.example");
	assert_false(c->verify);
	assert_int_equal(c->n_status, 3);
	assert_int_equal(c->status[1].from, 304);
	assert_int_equal(c->status[1].to, 304);
	model_free(m);
}

static void test_bad(void **state _unused_)
{
	static const struct {
		const char *json, *why;
	} bad[] = {
		{MODEL_FX_HEALTH("3"), "tcp/80: health must be an object"},
		{MODEL_FX_HEALTH("{'policy':'most'}"), "policy must be one of: all, any"},
		{MODEL_FX_HEALTH("{'interval_ms':99}"), "interval_ms must be from 100 to 3600000"},
		{MODEL_FX_HEALTH("{'interval_ms':3600001}"), "interval_ms must be"},
		{MODEL_FX_HEALTH("{'timeout_ms':9}"), "timeout_ms must be"},
		{MODEL_FX_HEALTH("{'timeout_ms':5001}"),
		 "timeout_ms must not be above interval_ms"},
		{MODEL_FX_HEALTH("{'rise':0}"), "rise must be from 1 to 100"},
		{MODEL_FX_HEALTH("{'fall':101}"), "fall must be from 1 to 100"},
		{MODEL_FX_HEALTH("{'checks':{}}"), "checks must be an array"},
		{MODEL_FX_CHECK("3"), "a check must be an object"},
		{MODEL_FX_CHECK("{}"), "a check lacks type"},
		{MODEL_FX_CHECK("{'type':'ping'}"), "type must be one of: icmp, tcp, http, https"},
		{MODEL_FX_CHECK("{'type':'tcp','port':0}"), "port must be from 1 to 65535"},
		{MODEL_FX_CHECK("{'type':'http','method':'POST'}"), "method must be GET or HEAD"},
		{MODEL_FX_CHECK("{'type':'http','method':'GET / HTTP/1.1\\r\\nX'}"), "method"},
		{MODEL_FX_CHECK("{'type':'http','path':'x'}"), "path must begin with /"},
		{MODEL_FX_CHECK("{'type':'http','path':''}"), "path must begin with /"},
		{MODEL_FX_CHECK("{'type':'http','path':'/ HTTP/1.1'}"), "path"},
		{MODEL_FX_CHECK("{'type':'http','path':'/\\r\\nX: y'}"), "path"},
		{MODEL_FX_CHECK("{'type':'http','path':'/\\u00e4'}"), "path"},
		{MODEL_FX_CHECK("{'type':'http','host':'a b'}"), "host must be"},
		{MODEL_FX_CHECK("{'type':'http','host':'a\\r\\nX: y'}"), "host must be"},
		{MODEL_FX_CHECK("{'type':'https','sni':'a/b'}"), "sni must be a host name"},
		{MODEL_FX_CHECK("{'type':'http','body':'a\\u0000b'}"), "body holds a NUL"},
		{MODEL_FX_CHECK("{'type':'http','verify':'no'}"), "verify must be true or false"},
		{MODEL_FX_CHECK("{'type':'http','status':''}"), "status must be"},
		{MODEL_FX_CHECK("{'type':'http','status':'99'}"), "status must be"},
		{MODEL_FX_CHECK("{'type':'http','status':'600'}"), "status must be"},
		{MODEL_FX_CHECK("{'type':'http','status':'2000'}"), "status must be"},
		{MODEL_FX_CHECK("{'type':'http','status':'299-200'}"), "status must be"},
		{MODEL_FX_CHECK("{'type':'http','status':'200,'}"), "status must be"},
		{MODEL_FX_CHECK("{'type':'http','status':'200-'}"), "status must be"},
		{MODEL_FX_CHECK("{'type':'http','status':'-200'}"), "status must be"},
		{MODEL_FX_CHECK("{'type':'http','status':'+200'}"), "status must be"},
		{MODEL_FX_CHECK("{'type':'http','status':' 200'}"), "status must be"},
		{MODEL_FX_CHECK("{'type':'http','status':'200- 299'}"), "status must be"},
		{MODEL_FX_CHECK("{'type':'http','status':'200,201,202,203,204,205,206,207,208'}"),
		 "more than 8 ranges"},
		{MODEL_FX_CHECK("{'type':'tcp'},{'type':'tcp','port':80}"),
		 "the same tcp check is listed twice"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *why = model_fx_refusal(bad[i].json);

		if (!strstr(why, bad[i].why))
			fail_msg("%s: %s", bad[i].json, why);
	}
}

static void test_longest(void **state _unused_)
{
	char path[MODEL_STRING_MAX + 2], json[4096];
	struct model *m;

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	for (size_t len = MODEL_STRING_MAX; len <= MODEL_STRING_MAX + 1; len++) {
		snprintf(json, sizeof(json), MODEL_FX_CHECK("{'type':'http','path':'%.*s'}"),
			 (int)len, path);
		if (len > MODEL_STRING_MAX) {
			assert_non_null(strstr(model_fx_refusal(json), "path is longer than 1024"));
			continue;
		}
		snprintf(json, sizeof(json),
			 "{'vips':[" MODEL_FX_CHECK("{'type':'http','path':'%.*s'}") "]}", (int)len,
			 path);
		m = model_fx(json);
		assert_int_equal(strlen(health_of(m)->checks[0].path), len);
		model_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_short_interval_bounds_timeout),
		cmocka_unit_test(test_all_of_a_check),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
