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

#define BE    "'backends':[{'address':'10.0.0.1'}]"
#define QUIC2 "{'config_id':3,'server_id_length':2}"
#define QUIC(quic, backends)                                                                       \
	"{'address':'192.0.2.1','ports':[{'protocol':'udp','port':443,'quic':" quic                \
	",'backends':[" backends "]}]}"

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
		{"{'address':'192.0.2.1/'}", "length of a prefix must be from 8 to 32"},
		{"{'address':'192.0.2.0/x'}", "length of a prefix must be from 8 to 32"},
		{"{'address':'10.0.0.0/7'}", "length of a prefix must be from 8 to 32"},
		{"{'address':'192.0.2.0/33'}", "length of a prefix must be from 8 to 32"},
		{"{'address':'2001:db8::/15'}", "length of a prefix must be from 16 to 128"},
		{"{'address':'2001:db8::/129'}", "length of a prefix must be from 16 to 128"},
		{"{'address':'192.0.2.8/28'}", "bits are set beyond the length"},
		{"{'address':'2001:db8::1/64'}", "bits are set beyond the length"},
		{"{'address':'224.0.0.0/8'}", "cannot be one of a service"},
		{"{'address':'/24'}", "address: not an IPv4 or IPv6 address"},
		{"{'address':'192.0.2.1','unknown':'deny'}", "unknown must be one of: drop, pass"},
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
		{"{'address':'192.0.2.1','ports':[{'protocol':'tcp','port':-1}]}",
		 "port must be a whole number from 0"},
		{"{'address':'192.0.2.1','ports':[{'protocol':'tcp','port':null}]}",
		 "a port lacks its number"},
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
		{"{'address':'10.0.0.0/30','ports':[{'protocol':'tcp','port':80," BE "}]}",
		 "backend 10.0.0.1 is inside the VIP"},
		{"{'address':'192.0.2.1','ports':[{'protocol':'tcp','port':0," BE ",'health':"
		 "{'checks':[{'type':'icmp'},{'type':'https'}]}}]}",
		 "tcp/0: a https check of an all-ports service must name its port"},
		{MODEL_FX_PORT("'affinity':'cookie'," BE), "affinity must be one of: none, source"},
		{MODEL_FX_PORT("'quic':{'config_id':0,'server_id_length':1}," BE),
		 "tcp/80: quic is for udp"},
		{MODEL_FX_PORT("'backends':[{'address':'10.0.0.1','quic_id':'01'}]"),
		 "quic_id, but the port has no quic"},
		{QUIC("{'config_id':1}", ""), "udp/443: quic needs config_id and"},
		{QUIC("{'server_id_length':1}", ""), "quic needs config_id and server_id_length"},
		{QUIC("{'config_id':7,'server_id_length':1}", ""), "config_id must be from 0 to 6"},
		{QUIC("{'config_id':0,'server_id_length':0}", ""), "length must be from 1 to 8"},
		{QUIC("{'config_id':0,'server_id_length':9}", ""), "length must be from 1 to 8"},
		{QUIC("3", ""), "quic must be an object"},
		{QUIC(QUIC2, "{'address':'10.0.0.1','quic_id':'0a'}"),
		 "backend 10.0.0.1: quic_id must be 2 octets in hex"},
		{QUIC(QUIC2, "{'address':'10.0.0.1','quic_id':'0a0b0c'}"), "must be 2 octets"},
		{QUIC(QUIC2, "{'address':'10.0.0.1','quic_id':'0a0g'}"), "must be 2 octets"},
		{QUIC(QUIC2, "{'address':'10.0.0.1','quic_id':'0000'}"), "must not be all zeros"},
		{QUIC(QUIC2, "{'address':'10.0.0.1','quic_id':10}"), "quic_id must be a string"},
		{QUIC(QUIC2, "{'address':'10.0.0.1','quic_id':'0a0b'},"
			     "{'address':'10.0.0.2','quic_id':'0A0B'}"),
		 "two backends have the same quic_id"},
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

/*
 * An IPv4 VIP may have IPv6 backends (4in6), an IPv6 one IPv4 backends (6in4);
 * no backends; and be on its way out.
 */
static void test_odd_but_good(void **state _unused_)
{
	struct model *m =
		model_fx("{'vips':[{'address':'192.0.2.1','ports':[{'protocol':'tcp','port':65535,"
			 "'maglev_size':1048573,'backends':[{'address':'2001:db8::9'},{'address':"
			 "'127.0.0.1'}]},{'protocol':'udp','port':65535,'backends':[]}]},"
			 "{'address':'192.0.2.2','deletion':true},{'address':'2001:db8::1','ports':"
			 "[{'protocol':'tcp','port':80," BE "}]}]}");

	assert_int_equal(m->n_vips, 3);
	assert_true(addr_is_v4(&m->vips[2].ports[0].backends[0].addr));
	assert_int_equal(m->vips[0].n_ports, 2);
	assert_true(m->vips[1].deletion);
	assert_int_equal(m->vips[1].n_ports, 0);
	model_free(m);
}

static void test_prefix_vips(void **state _unused_)
{
	struct model *m = model_fx("{'vips':[{'address':'192.0.2.0/28','deletion':true},"
				   "{'address':'198.51.100.1/32','deletion':true},"
				   "{'address':'10.0.0.0/8','deletion':true},"
				   "{'address':'2001::/16','deletion':true},"
				   "{'address':'2001:db8::1/128','deletion':true}]}");

	assert_int_equal(m->n_refusals, 0);
	assert_int_equal(m->vips[0].plen, 104);
	assert_int_equal(m->vips[1].plen, 124);
	assert_int_equal(m->vips[2].plen, ADDR_PLEN_HOST);
	assert_int_equal(m->vips[3].plen, 16);
	assert_int_equal(m->vips[4].plen, ADDR_PLEN_HOST);
	model_free(m);
	/* The address alone is the key. */
	assert_non_null(strstr(model_fx_err("{'vips':[{'address':'192.0.2.0/28'},"
					    "{'address':'192.0.2.0/29'}]}"),
			       "192.0.2.0 is listed twice"));
	assert_non_null(strstr(model_fx_err("{'vips':[{'address':'192.0.2.0/28'},"
					    "{'address':'192.0.2.0/99'}]}"),
			       "192.0.2.0 is listed twice"));
	/* It is known from a refusal too, however wrong the length. */
	m = model_fx("{'vips':[{'address':'192.0.2.0/99'}]}");
	assert_true(m->refusals[0].known);
	assert_string_equal(m->refusals[0].address, "192.0.2.0/99");
	model_free(m);
}

static void test_service_options(void **state _unused_)
{
	struct model *m = model_fx(
		"{'vips':[{'address':'192.0.2.1','unknown':'pass','ports':[{'protocol':'tcp',"
		"'port':0,'affinity':'source'," BE ",'health':{'checks':[{'type':'icmp'},"
		"{'type':'tcp','port':22}]}},{'protocol':'tcp','port':80,'affinity':'none'," BE
		"},{'protocol':'udp','port':443,'quic':" QUIC2 ",'backends':[{'address':'10.0.0.1',"
		"'quic_id':'0a1B'},{'address':'10.0.0.2'},{'address':'10.0.0.3'}]}]}]}");
	const struct model_vip *v = &m->vips[0];

	assert_int_equal(m->n_refusals, 0);
	assert_true(v->pass_unknown);
	assert_int_equal(v->ports[0].port, 0);
	assert_true(v->ports[0].affinity);
	assert_int_equal(v->ports[0].health.checks[1].port, 22);
	assert_int_equal(v->ports[1].port, 80);
	assert_false(v->ports[1].affinity);
	assert_int_equal(v->ports[1].quic_len, 0);
	assert_int_equal(v->ports[2].quic_len, 2);
	assert_int_equal(v->ports[2].quic_config, 3);
	assert_memory_equal(v->ports[2].backends[0].quic_id, "\x0a\x1b\0\0\0\0\0", 8);
	assert_memory_equal(v->ports[2].backends[1].quic_id, "\0\0\0\0\0\0\0", 8);
	model_free(m);
	m = model_fx("{'vips':[" MODEL_FX_PORT(BE) "]}");
	assert_false(m->vips[0].pass_unknown);
	assert_false(m->vips[0].ports[0].affinity);
	assert_int_equal(m->vips[0].plen, ADDR_PLEN_HOST);
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
		cmocka_unit_test(test_prefix_vips),
		cmocka_unit_test(test_service_options),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_small_reason),
		cmocka_unit_test(test_long_texts_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
