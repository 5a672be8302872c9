// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Documents, VIPs and ports: what is taken, what is refused, and in which
 * words.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model_fixture.h"
#include "sbuf.h"

#define BE "'backends':[{'address':'10.0.0.1'}]"

static void test_whole(void **state _unused_)
{
	struct model *m = model_fx(
		"{'revision':42,'vips':[{'id':'abc','address':'2001:db8::1','desired_revision':7,"
		"'synced_revision':6,'tag':100,'ports':[{'protocol':'udp','port':53,"
		"'maglev_size':251,'backends':[{'address':'2001:db8:1::2','weight':3,"
		"'admin':'drain'},{'address':'2001:db8:1::1'}]}]}],'else':[1,{}]}");
	const struct model_vip *v = &m->vips[0];
	const struct model_port *p = &v->ports[0];
	char text[ADDR_STRLEN];

	assert_int_equal(m->revision, 42);
	assert_int_equal(m->n_vips, 1);
	assert_int_equal(m->n_refusals, 0);
	assert_string_equal(v->id, "abc");
	assert_string_equal(addr_str(&v->addr, text), "2001:db8::1");
	assert_int_equal(v->desired_revision, 7);
	assert_int_equal(v->synced_revision, 6);
	assert_int_equal(v->tag, 100);
	assert_false(v->deletion);
	assert_int_equal(p->protocol, IPPROTO_UDP);
	assert_int_equal(p->port, 53);
	assert_int_equal(p->ring_size, 251);
	assert_int_equal(p->n_backends, 2);
	assert_string_equal(addr_str(&p->backends[0].addr, text), "2001:db8:1::1");
	assert_int_equal(p->backends[0].weight, 1);
	assert_int_equal(p->backends[0].admin, MODEL_ADMIN_UP);
	assert_int_equal(p->backends[1].weight, 3);
	assert_int_equal(p->backends[1].admin, MODEL_ADMIN_DRAIN);
	assert_int_equal(p->health.n_checks, 0);
	model_free(m);
}

static void test_defaults(void **state _unused_)
{
	struct model *m = model_fx("{'vips':[" MODEL_FX_PORT(BE) "]}");

	assert_int_equal(m->revision, 0);
	assert_int_equal(m->vips[0].ports[0].ring_size, MODEL_RING_DEFAULT);
	assert_int_equal(m->vips[0].tag, 0);
	assert_string_equal(m->vips[0].id, "");
	model_free(m);
}

static void test_bad_documents(void **state _unused_)
{
	static const struct {
		const char *json, *why;
	} bad[] = {
		{"", "cut off"},
		{"   ", "cut off"},
		{"{", "cut off"},
		{"{'vips':[", "cut off"},
		{"{'vips':[]}x", "not JSON"},
		{"{'vips':[]}{}", "not JSON"},
		{"nonsense", "not JSON"},
		{"{'vips':[],}", "not JSON"},
		{"[]", "must be an object"},
		{"null", "must be an object"},
		{"3", "must be an object"},
		{"{}", "vips is missing"},
		{"{'vips':null}", "vips is missing"},
		{"{'vips':{}}", "vips must be an array"},
		{"{'revision':-1,'vips':[]}", "revision must be"},
		{"{'revision':'1','vips':[]}", "revision must be"},
		{"{'revision':1.5,'vips':[]}", "revision must be"},
		{"{'vips':[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}", "not JSON"},
		{"{'vips':[" MODEL_FX_PORT(BE) "," MODEL_FX_PORT(BE) "]}",
		 "192.0.2.1 is listed twice"},
		/* Twice, though written in another way, and though both are bad. */
		{"{'vips':[{'address':'2001:db8::1'},{'address':'2001:0db8:0::1'}]}",
		 "2001:db8::1 is listed twice"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *why = model_fx_err(bad[i].json);

		if (!strstr(why, bad[i].why))
			fail_msg("%s: %s", bad[i].json, why);
	}
}

static void test_bad_vips(void **state _unused_)
{
	static const struct {
		const char *json, *why;
	} bad[] = {
		{"3", "a VIP must be an object"},
		{"null", "a VIP must be an object"},
		{"{}", "address is missing"},
		{"{'address':3}", "address must be a string"},
		{"{'address':'192.0.2'}", "address: not an IPv4 or IPv6 address"},
		{"{'address':'192.0.2.1/32'}", "address: not an"},
		{"{'address':'192.0.2.1\\u0000'}", "address holds a NUL"},
		{"{'address':'0.0.0.0'}", "cannot be one of a service"},
		{"{'address':'127.0.0.1'}", "cannot be one of a service"},
		{"{'address':'224.0.0.1'}", "cannot be one of a service"},
		{"{'address':'fe80::1'}", "cannot be one of a service"},
		{"{'address':'192.0.2.1'}", "ports is missing or empty"},
		{"{'address':'192.0.2.1','ports':[]}", "ports is missing or empty"},
		{"{'address':'192.0.2.1','ports':{}}", "ports must be an array"},
		{"{'address':'192.0.2.1','ports':[3]}", "a port must be an object"},
		{"{'address':'192.0.2.1','id':3}", "id must be a string"},
		{"{'address':'192.0.2.1','deletion':1}", "deletion must be true or false"},
		{"{'address':'192.0.2.1','tag':4294967296}", "tag must be from 0 to 4294967295"},
		{"{'address':'192.0.2.1','desired_revision':-1}", "desired_revision must be"},
		{"{'address':'192.0.2.1','ports':[{'port':80}]}", "protocol of a port must be"},
		{"{'address':'192.0.2.1','ports':[{'protocol':'sctp'}]}",
		 "protocol of a port must"},
		{"{'address':'192.0.2.1','ports':[{'protocol':'tcp'}]}", "a port lacks its number"},
		{"{'address':'192.0.2.1','ports':[{'protocol':'tcp','port':0}]}",
		 "port must be from"},
		{"{'address':'192.0.2.1','ports':[{'protocol':'tcp','port':65536}]}",
		 "port must be from"},
		{"{'address':'192.0.2.1','ports':[{'protocol':'tcp','port':80," BE
		 "},{'protocol':'tcp','port':80," BE "}]}",
		 "tcp/80 is listed twice"},
		{MODEL_FX_PORT("'x':1"), "tcp/80: backends is missing"},
		{MODEL_FX_PORT("'backends':{}"), "tcp/80: backends must be an array"},
		{MODEL_FX_PORT("'backends':[1]"), "tcp/80: a backend must be an object"},
		{MODEL_FX_PORT("'backends':[{}]"), "tcp/80: a backend lacks address"},
		{MODEL_FX_PORT("'backends':[{'address':'x'}]"),
		 "tcp/80: backend x: not an address"},
		{MODEL_FX_PORT("'backends':[{'address':'0.0.0.0'}]"), "not an address of a host"},
		{MODEL_FX_PORT("'backends':[{'address':'192.0.2.1'}]"), "is the VIP itself"},
		{MODEL_FX_PORT("'backends':[{'address':'10.0.0.1'},{'address':'10.0.0.1'}]"),
		 "tcp/80: backend 10.0.0.1 is listed twice"},
		{MODEL_FX_PORT("'backends':[{'address':'10.0.0.1','weight':-1}]"),
		 "tcp/80: backend 10.0.0.1: weight must be"},
		{MODEL_FX_PORT("'backends':[{'address':'10.0.0.1','weight':1001}]"),
		 "weight must be from 0 to 1000"},
		{MODEL_FX_PORT("'backends':[{'address':'10.0.0.1','admin':'off'}]"),
		 "admin must be one of: up, drain, down"},
		{MODEL_FX_PORT("'maglev_size':13312," BE), "13312 is not a prime number"},
		{MODEL_FX_PORT("'maglev_size':1," BE), "maglev_size must be from"},
		{MODEL_FX_PORT("'maglev_size':1048583," BE), "maglev_size must be from"},
		{MODEL_FX_PORT("'maglev_size':2,'backends':[{'address':'10.0.0.1'},"
			       "{'address':'10.0.0.2'}]"),
		 "must be above the number of backends"},
		{"{'address':'2001:db8::1','ports':[{'protocol':'tcp','port':80," BE "}]}",
		 "an IPv6 VIP needs IPv6 backends"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *why = model_fx_refusal(bad[i].json);

		if (!strstr(why, bad[i].why))
			fail_msg("%s: %s", bad[i].json, why);
	}
}

/* One that is bad leaves the others alone, and is reported with what it said. */
static void test_refusal_is_alone(void **state _unused_)
{
	struct model *m = model_fx("{'vips':[" MODEL_FX_PORT(
		BE) ",{'id':'bad','desired_revision':9,"
		    "'address':'192.0.2.2'},{'address':'2001:db8::5','ports':[{"
		    "'protocol':'tcp','port':1,'backends':[]}]}]}");

	assert_int_equal(m->n_vips, 2);
	assert_int_equal(m->n_refusals, 1);
	assert_string_equal(m->refusals[0].id, "bad");
	assert_string_equal(m->refusals[0].address, "192.0.2.2");
	assert_int_equal(m->refusals[0].desired_revision, 9);
	model_free(m);
}

/* An IPv4 VIP may have IPv6 backends (4in6), no backends, and be on its way out. */
static void test_odd_but_good(void **state _unused_)
{
	struct model *m =
		model_fx("{'vips':[{'address':'192.0.2.1','ports':[{'protocol':'tcp','port':65535,"
			 "'maglev_size':1048573,'backends':[{'address':'2001:db8::9'},{'address':"
			 "'127.0.0.1'}]},{'protocol':'udp','port':65535,'backends':[]}]},"
			 "{'address':'192.0.2.2','deletion':true}]}");

	assert_int_equal(m->n_vips, 2);
	assert_int_equal(m->vips[0].n_ports, 2);
	assert_true(m->vips[1].deletion);
	assert_int_equal(m->vips[1].n_ports, 0);
	model_free(m);
}

/* n elements 10.0.x.y between head and tail, parsed. */
static int parse_list(const char *head, const char *more, const char *tail, unsigned int n,
		      struct model **ret, char *err, size_t err_len)
{
	_cleanup_sbuf_ struct sbuf b = SBUF_INIT;

	sbuf_puts(&b, head);
	for (unsigned int i = 0; i < n; i++) {
		sbuf_printf(&b, "%s{'address':'10.0.%u.%u'%s}", i ? "," : "", i >> 8, i & 255,
			    more);
	}
	sbuf_puts(&b, tail);
	assert_true(sbuf_ok(&b));
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] == '\'')
			b.data[i] = '"';
	return model_parse(b.data, b.len, ret, err, err_len);
}

static void test_limits(void **state _unused_)
{
	const char *head = "{'vips':[{'address':'192.0.2.1','ports':[{'protocol':'tcp','port':80,"
			   "'backends':[";
	struct model *m;
	char err[256];

	assert_int_equal(parse_list(head, "", "]}]}]}", MODEL_BACKENDS_MAX, &m, err, sizeof(err)),
			 0);
	assert_int_equal(m->n_refusals, 0);
	assert_int_equal(m->vips[0].ports[0].n_backends, MODEL_BACKENDS_MAX);
	model_free(m);
	assert_int_equal(
		parse_list(head, "", "]}]}]}", MODEL_BACKENDS_MAX + 1, &m, err, sizeof(err)), 0);
	assert_int_equal(m->n_refusals, 1);
	assert_string_equal(m->refusals[0].reason,
			    "tcp/80: backends holds more than 4096 elements");
	model_free(m);

	head = "{'vips':[";
	assert_int_equal(
		parse_list(head, ",'deletion':true", "]}", MODEL_VIPS_MAX, &m, err, sizeof(err)),
		0);
	assert_int_equal(m->n_vips, MODEL_VIPS_MAX);
	model_free(m);
	assert_int_equal(parse_list(head, ",'deletion':true", "]}", MODEL_VIPS_MAX + 1, &m, err,
				    sizeof(err)),
			 -EINVAL);
	assert_string_equal(err, "vips holds more than 16384 elements");
}

/* The reason's buffer may be small, or none. */
static void test_small_reason(void **state _unused_)
{
	struct model *m;
	char err[8];

	assert_int_equal(model_parse("{}", 2, &m, err, sizeof(err)), -EINVAL);
	assert_string_equal(err, "vips is");
	assert_int_equal(model_parse("{}", 2, &m, err, 0), -EINVAL);
}

static void test_long_texts_are_cut(void **state _unused_)
{
	struct model *m = model_fx(
		"{'vips':[{'id':'x','address':'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaa\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4'}]}");

	/* Not in the middle of a character. */
	assert_int_equal(strlen(m->refusals[0].address), 62);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_bad_documents),
		cmocka_unit_test(test_bad_vips),
		cmocka_unit_test(test_refusal_is_alone),
		cmocka_unit_test(test_odd_but_good),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_small_reason),
		cmocka_unit_test(test_long_texts_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
