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
		"{'type':'icmp'},{'type':'tcp'}]}") "]}");
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
	assert_int_equal(c->flags, 0);
	assert_int_equal(c->max_body, 65536);
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
		{MODEL_FX_HEALTH("{'policy':'most'}"), "policy must be one of: all, any, at_least"},
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
		{MODEL_FX_CHECK("{'type':'ping'}"),
		 "type must be one of: icmp, tcp, http, https, udp, grpc"},
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
		{MODEL_FX_HEALTH("{'policy':'at_least','checks':[{'type':'tcp'}]}"),
		 "policy at_least needs at_least"},
		{MODEL_FX_HEALTH("{'at_least':1,'checks':[{'type':'tcp'}]}"),
		 "at_least is for policy at_least"},
		{MODEL_FX_HEALTH("{'policy':'at_least','at_least':0,'checks':[{'type':'tcp'}]}"),
		 "at_least must be from 1 to 16"},
		{MODEL_FX_HEALTH("{'policy':'at_least','at_least':2,'checks':[{'type':'tcp'}]}"),
		 "at_least is 2, but there are 1 checks"},
		{MODEL_FX_CHECK("{'type':'tcp','interval_ms':99}"), "interval_ms must be from 100"},
		{MODEL_FX_CHECK("{'type':'tcp','timeout_ms':9}"), "timeout_ms must be from 10"},
		{MODEL_FX_CHECK("{'type':'tcp','rise':0}"), "rise must be from 1 to 100"},
		{MODEL_FX_CHECK("{'type':'tcp','fall':101}"), "fall must be from 1 to 100"},
		{MODEL_FX_CHECK("{'type':'tcp','interval_ms':100,'timeout_ms':101}"),
		 "timeout_ms of a check must not be above its interval_ms"},
		{MODEL_FX_CHECK("{'type':'tcp','timeout_ms':5001}"),
		 "timeout_ms of a check must not be above its interval_ms"},
		{MODEL_FX_HEALTH("{'start':'flapping'}"),
		 "start must be one of: unknown, up, down"},
		{MODEL_FX_HEALTH("{'tunnel':1}"), "tunnel must be true or false"},
		{MODEL_FX_CHECK("{'type':'icmp','port':9}"), "port is not for icmp checks"},
		{MODEL_FX_CHECK("{'type':'tcp','path':'/'}"), "path is not for tcp checks"},
		{MODEL_FX_CHECK("{'type':'udp','body':'x'}"), "body is not for udp checks"},
		{MODEL_FX_CHECK("{'type':'grpc','path':'/'}"), "path is not for grpc checks"},
		{MODEL_FX_CHECK("{'type':'http','payload':'x'}"), "payload is not for http checks"},
		{MODEL_FX_CHECK("{'type':'http','client_cert':true}"),
		 "client_cert is not for http checks"},
		{MODEL_FX_CHECK("{'type':'tcp','resume':false}"), "resume is not for tcp checks"},
		{MODEL_FX_CHECK("{'type':'http','half_open':true}"),
		 "half_open is not for http checks"},
		{MODEL_FX_CHECK("{'type':'tcp','source':'x'}"), "source must be an address"},
		{MODEL_FX_CHECK("{'type':'tcp','source':'224.0.0.1'}"),
		 "source must be an address"},
		{MODEL_FX_CHECK("{'type':'tcp','source':'2001:db8::1'}"),
		 "source is of another family than backend 10.0.0.1"},
		{MODEL_FX_HEALTH("{'tunnel':true,'checks':[{'type':'tcp','source':'::2'}]}"),
		 "source and VIP must be of one family"},
		{MODEL_FX_CHECK("{'type':'tcp','device':'sixteen-letters-'}"),
		 "device is longer than 15 bytes"},
		{MODEL_FX_CHECK("{'type':'tcp','device':'a/b'}"), "device must be the name"},
		{MODEL_FX_CHECK("{'type':'tcp','device':'..'}"), "device must be the name"},
		{MODEL_FX_CHECK("{'type':'tcp','dscp':64}"), "dscp must be from 0 to 63"},
		{MODEL_FX_CHECK("{'type':'http','max_body':1}"),
		 "max_body is of use only with body"},
		{MODEL_FX_CHECK("{'type':'http','body':'x','max_body':0}"),
		 "max_body must be from 1"},
		{MODEL_FX_CHECK("{'type':'http','body':'x','max_body':16777217}"),
		 "max_body must be from 1 to 16777216"},
		{MODEL_FX_CHECK("{'type':'udp','payload':'a','payload_hex':'61'}"),
		 "payload and payload_hex exclude each other"},
		{MODEL_FX_CHECK("{'type':'udp','expect_hex':'f'}"),
		 "expect_hex must be whole octets"},
		{MODEL_FX_CHECK("{'type':'udp','expect_hex':'0g'}"),
		 "expect_hex must be whole octets"},
		{MODEL_FX_CHECK("{'type':'grpc','service':'a b'}"), "service must hold no blanks"},
		{MODEL_FX_CHECK("{'type':'tcp'},{'type':'tcp','port':80}"),
		 "the same tcp check is listed twice"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *why = model_fx_refusal(bad[i].json);

		if (!strstr(why, bad[i].why))
			fail_msg("%s: %s", bad[i].json, why);
	}
}

/* Everything that is new of old types, and the types that are new. */
static void test_options(void **state _unused_)
{
	struct model *m = model_fx("{'vips':[" MODEL_FX_HEALTH(
		"{'policy':'at_least','at_least':2,'start':'down','tunnel':true,'checks':["
		"{'type':'https','client_cert':true,'resume':true,'body':'x','max_body':99},"
		"{'type':'tcp','half_open':true,'source':'10.0.0.9','device':'eth0.5','dscp':46},"
		"{'type':'udp','payload':'ping','expect_hex':'00ff'},"
		"{'type':'grpc','service':'a.B','host':'g.example'}]}") "]}");
	const struct model_health *h = health_of(m);
	const struct model_check *c = h->checks;
	struct addr source;

	assert_int_equal(h->policy, MODEL_POLICY_AT_LEAST);
	assert_int_equal(h->at_least, 2);
	assert_int_equal(model_health_need(h), 2);
	assert_int_equal(h->start, MSG_HC_DOWN);
	assert_true(h->tunnel);
	assert_int_equal(c[0].type, MSG_HC_TCP);
	assert_int_equal(c[0].flags, MSG_HC_F_HALF_OPEN);
	assert_int_equal(addr_parse("10.0.0.9", &source), 0);
	assert_int_equal(addr_cmp(&c[0].source, &source), 0);
	assert_string_equal(c[0].device, "eth0.5");
	assert_int_equal(c[0].dscp, 46);
	assert_int_equal(c[1].type, MSG_HC_HTTPS);
	assert_int_equal(c[1].flags, MSG_HC_F_VERIFY | MSG_HC_F_CLIENT_CERT | MSG_HC_F_RESUME);
	assert_int_equal(c[1].max_body, 99);
	assert_int_equal(c[2].type, MSG_HC_UDP);
	assert_string_equal(c[2].payload, "ping");
	assert_int_equal(c[2].body_len, 2);
	assert_memory_equal(c[2].body, "\0\377", 3);
	assert_int_equal(c[3].type, MSG_HC_GRPC);
	assert_string_equal(c[3].path, "a.B");
	assert_string_equal(c[3].host, "g.example");
	model_free(m);
}

/* A check at its own pace; what it does not say is the service's. */
static void test_pace(void **state _unused_)
{
	struct model *m = model_fx("{'vips':[" MODEL_FX_HEALTH(
		"{'interval_ms':4000,'timeout_ms':2000,'rise':4,'fall':5,'checks':[{'type':'icmp'},"
		"{'type':'tcp','interval_ms':1000,'fall':1},"
		"{'type':'http','interval_ms':9000,'timeout_ms':7000,'rise':1}]}") "]}");
	const struct model_health *h = health_of(m);
	static const struct model_pace wanted[] = {
		{4000, 2000, 4, 5}, {1000, 1000, 4, 1}, {9000, 7000, 1, 5}};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct model_pace pace = model_check_pace(h, &h->checks[i]);

		assert_memory_equal(&pace, &wanted[i], sizeof(pace));
	}
	assert_int_equal(model_health_round_ms(h), 16000);
	model_free(m);
	m = model_fx("{'vips':[" MODEL_FX_HEALTH("{}") "]}");
	assert_int_equal(model_health_round_ms(health_of(m)), 8000);
	model_free(m);
}

/* What http has no use for is dropped and not refused: both forms are one probe. */
static void test_https_options_of_http(void **state _unused_)
{
	struct model *m = model_fx(
		"{'vips':[" MODEL_FX_CHECK("{'type':'http','verify':true,'sni':'a.example'}") "]}");

	assert_int_equal(health_of(m)->checks[0].flags, 0);
	assert_string_equal(health_of(m)->checks[0].sni, "");
	model_free(m);
	assert_non_null(strstr(model_fx_refusal(MODEL_FX_CHECK(
				       "{'type':'http','sni':'a.example'},{'type':'http'}")),
			       "the same http check is listed twice"));
}

/* Two that differ in one option are two: each of these, and none, in one list. */
static void test_each_option_counts(void **state _unused_)
{
	static const char *const options[] = {
		"'source':'10.0.0.9'",
		"'device':'eth0'",
		"'dscp':1",
		"'half_open':true",
		"'type':'udp'",
		"'type':'udp','payload':'a'",
		"'type':'udp','payload_hex':'6100'",
		"'type':'udp','expect':'a'",
		"'type':'grpc'",
		"'type':'grpc','service':'a'",
		"'type':'http','body':'x','max_body':7",
		"'type':'http','body':'x'",
		"'type':'https'",
		"'type':'https','resume':true",
		"'type':'https','client_cert':true",
	};
	char json[2048] = "{'vips':[{'address':'192.0.2.1','ports':[{'protocol':'tcp','port':80,"
			  "'backends':[],'health':{'checks':[{'type':'tcp'}";
	struct model *m;
	size_t len = strlen(json);

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		len += (size_t)snprintf(json + len, sizeof(json) - len, ",{%s%s}",
					strncmp(options[i], "'type'", 6) ? "'type':'tcp'," : "",
					options[i]);
	snprintf(json + len, sizeof(json) - len, "]}}]}]}");
	m = model_fx(json);
	assert_int_equal(health_of(m)->n_checks, 16);
	model_free(m);
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
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_https_options_of_http),
		cmocka_unit_test(test_each_option_counts),
		cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
