// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The model as a data structure: order, equality, copies, and what is kept of
 * an earlier one.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model_fixture.h"

#define A                                                                                          \
	"{'id':'a','address':'192.0.2.1','ports':[{'protocol':'tcp','port':80,'backends':["        \
	"{'address':'10.0.0.2'},{'address':'10.0.0.1'}],'health':{'checks':[{'type':'tcp'},"       \
	"{'type':'icmp'}]}},{'protocol':'udp','port':53,'backends':[]}]}"
#define A_TURNED                                                                                   \
	"{'ports':[{'port':53,'backends':[],'protocol':'udp'},{'health':{'checks':[{'type':"       \
	"'icmp'},{'type':'tcp'}]},'backends':[{'address':'10.0.0.1'},{'address':'10.0.0.2'}],"     \
	"'protocol':'tcp','port':80}],'address':'192.0.2.1','id':'a'}"
#define B "{'id':'b','address':'2001:db8::1','deletion':true}"
#define C "{'id':'c','address':'192.0.2.0','deletion':true}"

static char *write_model(const struct model *m)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;
	size_t len;
	char *text;

	model_write(m, jput_begin(&doc));
	text = jput_text(&doc, &len);
	assert_non_null(text);
	return text;
}

/* Same input in any order, same model (invariant 5). */
static void test_order_does_not_count(void **state _unused_)
{
	struct model *m = model_fx("{'vips':[" A "," B "," C "]}");
	struct model *n = model_fx("{'vips':[" B "," C "," A_TURNED "]}");
	_cleanup_free_ char *x = NULL, *y = NULL;

	assert_int_equal(m->n_vips, 3);
	assert_string_equal(m->vips[0].id, "c");
	assert_string_equal(m->vips[1].id, "a");
	assert_string_equal(m->vips[2].id, "b");
	x = write_model(m);
	y = write_model(n);
	assert_string_equal(x, y);
	for (size_t i = 0; i < m->n_vips; i++)
		assert_true(model_vip_equal(&m->vips[i], &n->vips[i]));
	model_free(m);
	model_free(n);
}

static void test_equality_sees_everything(void **state _unused_)
{
#define BASE_BE	   "'backends':[{'address':'10.0.0.1'}]"
#define BASE_CHECK "'health':{'checks':[{'type':'http'}]}"
	static const char *const different[] = {
		MODEL_FX_PORT(BASE_BE "," BASE_CHECK),
		MODEL_FX_PORT(BASE_BE),
		MODEL_FX_PORT("'backends':[]," BASE_CHECK),
		MODEL_FX_PORT("'backends':[{'address':'10.0.0.2'}]," BASE_CHECK),
		MODEL_FX_PORT("'backends':[{'address':'10.0.0.1','weight':2}]," BASE_CHECK),
		MODEL_FX_PORT("'backends':[{'address':'10.0.0.1','admin':'down'}]," BASE_CHECK),
		MODEL_FX_PORT("'maglev_size':251," BASE_BE "," BASE_CHECK),
		MODEL_FX_PORT("'affinity':'source'," BASE_BE "," BASE_CHECK),
		MODEL_FX_QUIC("1", "2", ""),
		MODEL_FX_QUIC("2", "2", ""),
		MODEL_FX_QUIC("1", "3", ""),
		MODEL_FX_QUIC("1", "2", ",'quic_id':'0001'"),
		MODEL_FX_QUIC("1", "2", ",'quic_id':'0002'"),
		"{'address':'192.0.2.1','unknown':'pass','ports':[{'protocol':'tcp','port':80," BASE_BE
		"," BASE_CHECK "}]}",
		"{'address':'192.0.2.1','ports':[{'protocol':'tcp','port':0," BASE_BE
		",'health':{'checks':[{'type':'http','port':80}]}}]}",
		"{'address':'192.0.2.0','ports':[{'protocol':'tcp','port':80," BASE_BE
		"," BASE_CHECK "}]}",
		"{'address':'192.0.2.0/28','ports':[{'protocol':'tcp','port':80," BASE_BE
		"," BASE_CHECK "}]}",
		"{'address':'192.0.2.0/29','ports':[{'protocol':'tcp','port':80," BASE_BE
		"," BASE_CHECK "}]}",
		MODEL_FX_HEALTH("{'policy':'any','checks':[{'type':'http'}]}"),
		MODEL_FX_HEALTH("{'interval_ms':6000,'checks':[{'type':'http'}]}"),
		MODEL_FX_HEALTH("{'timeout_ms':2000,'checks':[{'type':'http'}]}"),
		MODEL_FX_HEALTH("{'rise':3,'checks':[{'type':'http'}]}"),
		MODEL_FX_HEALTH("{'fall':4,'checks':[{'type':'http'}]}"),
		MODEL_FX_CHECK("{'type':'tcp'}"),
		MODEL_FX_CHECK("{'type':'https'}"),
		MODEL_FX_CHECK("{'type':'https','verify':false}"),
		MODEL_FX_CHECK("{'type':'https','sni':'x'}"),
		MODEL_FX_CHECK("{'type':'http','port':81}"),
		MODEL_FX_CHECK("{'type':'http','method':'HEAD'}"),
		MODEL_FX_CHECK("{'type':'http','path':'/x'}"),
		MODEL_FX_CHECK("{'type':'http','host':'x'}"),
		MODEL_FX_CHECK("{'type':'http','body':'x'}"),
		MODEL_FX_CHECK("{'type':'http','status':'200'}"),
		MODEL_FX_CHECK("{'type':'http','status':'200-299,300'}"),
		"{'address':'192.0.2.1','tag':1,'ports':[{'protocol':'tcp','port':80," BASE_BE
		"," BASE_CHECK "}]}",
		"{'address':'192.0.2.1','deletion':true,'ports':[{'protocol':'tcp','port':80," BASE_BE
		"," BASE_CHECK "}]}",
		"{'address':'192.0.2.1','ports':[{'protocol':'udp','port':80," BASE_BE
		"," BASE_CHECK "}]}",
		"{'address':'192.0.2.1','ports':[{'protocol':'tcp','port':81," BASE_BE
		",'health':{'checks':[{'type':'http','port':80}]}}]}",
		"{'address':'192.0.2.2','ports':[{'protocol':'tcp','port':80," BASE_BE
		"," BASE_CHECK "}]}",
	};
	struct model *m[ARRAY_SIZE(different)];

	for (size_t i = 0; i < ARRAY_SIZE(different); i++) {
		char doc[1024];

		snprintf(doc, sizeof(doc), "{'vips':[%s]}", different[i]);
		m[i] = model_fx(doc);
		assert_int_equal(m[i]->n_vips, 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(different); i++)
		for (size_t j = 0; j < ARRAY_SIZE(different); j++)
			if (model_vip_equal(&m[i]->vips[0], &m[j]->vips[0]) != (i == j))
				fail_msg("%s and %s", different[i], different[j]);
	for (size_t i = 0; i < ARRAY_SIZE(different); i++)
		model_free(m[i]);
}

static void test_find(void **state _unused_)
{
	struct model *m = model_fx("{'vips':[" A "," B "," C "]}");
	struct addr a;

	for (size_t i = 0; i < m->n_vips; i++)
		assert_ptr_equal(model_find(m, &m->vips[i].addr), &m->vips[i]);
	assert_int_equal(addr_parse("192.0.2.2", &a), 0);
	assert_null(model_find(m, &a));
	model_free(m);
	m = model_fx("{'vips':[]}");
	assert_null(model_find(m, &a));
	model_free(m);
	model_free(NULL);
}

static void test_copy(void **state _unused_)
{
	struct model *m = model_fx("{'vips':[" A "]}");
	struct model_vip copy;

	assert_int_equal(model_vip_copy(&m->vips[0], &copy), 0);
	assert_true(model_vip_equal(&m->vips[0], &copy));
	assert_string_equal(copy.id, "a");
	assert_ptr_not_equal(copy.ports, m->vips[0].ports);
	model_free(m);
	assert_int_equal(copy.ports[0].backends[1].weight, 1);
	assert_string_equal(copy.ports[0].health.checks[1].path, "");
	model_vip_done(&copy);
}

static void test_keep_refused(void **state _unused_)
{
	struct model *have = model_fx("{'vips':[" A "," B "," C "]}");
	/* a is bad, b bad and without a legible address, c gone, d new and bad. */
	struct model *m = model_fx("{'vips':[{'id':'a','address':'192.0.2.1'},"
				   "{'id':'b','address':'nonsense'},"
				   "{'id':'d','address':'192.0.2.9'}]}");

	assert_int_equal(m->n_vips, 0);
	assert_int_equal(model_keep_refused(m, have), 0);
	assert_int_equal(m->n_vips, 2);
	assert_true(model_vip_equal(&m->vips[0], &have->vips[1]));
	assert_true(model_vip_equal(&m->vips[1], &have->vips[2]));
	assert_int_equal(m->n_refusals, 3);
	model_free(m);

	/* By id it is one that the document has under its own address. */
	m = model_fx("{'vips':[{'id':'c','address':'nonsense'}," C "]}");
	assert_int_equal(model_keep_refused(m, have), 0);
	assert_int_equal(m->n_vips, 1);
	model_free(m);
	model_free(have);
}

static void test_written_reads_back(void **state _unused_)
{
	struct model *m =
		model_fx("{'revision':18446744073709551615,'vips':[" A "," B
			 ",{'address':'203.0.113.0/26','unknown':'pass','ports':[{'protocol':'udp',"
			 "'port':0,'affinity':'source','quic':{'config_id':6,'server_id_length':8},"
			 "'backends':[{'address':'10.0.0.1','quic_id':'00ff000000000001'},"
			 "{'address':'10.0.0.2'}],'health':{'checks':[{'type':'tcp','port':9}]}}]}"
			 ",{'id':'q\\u0022\\\\\\n\\u00e4','address':'198.51.100.1','ports':[{"
			 "'protocol':'tcp','port':443,'backends':[{'address':'10.0.0.1',"
			 "'weight':0,'admin':'drain'}],'health':{'checks':[{'type':'https',"
			 "'body':'\\t','verify':false,'status':'200,301-302'}]}}]}]}");
	_cleanup_free_ char *x = NULL, *y = NULL;
	struct model *n;
	char err[256];

	x = write_model(m);
	assert_int_equal(model_parse(x, strlen(x), &n, err, sizeof(err)), 0);
	y = write_model(n);
	assert_string_equal(x, y);
	assert_int_equal(n->revision, UINT64_MAX);
	assert_int_equal(n->n_vips, 4);
	assert_int_equal(n->n_refusals, 0);
	assert_string_equal(n->vips[1].id, "q\"\\\n\xc3\xa4");
	for (size_t i = 0; i < n->n_vips; i++)
		assert_true(model_vip_equal(&m->vips[i], &n->vips[i]));
	model_free(m);
	model_free(n);
}

static void test_names(void **state _unused_)
{
	enum model_admin admin;
	uint8_t protocol;

	for (int i = MODEL_ADMIN_UP; i <= MODEL_ADMIN_DOWN; i++) {
		assert_int_equal(model_admin_parse(model_admin_str((enum model_admin)i), &admin),
				 0);
		assert_int_equal(admin, i);
	}
	assert_int_equal(model_admin_parse("off", &admin), -EINVAL);
	assert_int_equal(model_protocol_parse("udp", &protocol), 0);
	assert_string_equal(model_protocol_str(protocol), "udp");
	assert_int_equal(model_protocol_parse("TCP", &protocol), -EINVAL);
	assert_string_equal(model_policy_str(MODEL_POLICY_ANY), "any");
	assert_string_equal(model_check_str(MSG_HC_HTTPS), "https");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_does_not_count),
		cmocka_unit_test(test_equality_sees_everything),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_keep_refused),
		cmocka_unit_test(test_written_reads_back),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
