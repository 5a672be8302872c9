// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the maps child is told of backends that drain, of services' options
 * and of prefixes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "core_fixture.h"

#define V   "192.0.2.1"
#define B1  "10.0.0.1"
#define B2  "10.0.0.2"

#define TWO CORE_FX_BE(B1) "," CORE_FX_BE(B2)

/* ---- draining ---- */

static struct core_key key_of(const char *backend)
{
	struct core_key key = {.port = 80, .protocol = 6};

	assert_int_equal(addr_parse(V, &key.vip), 0);
	assert_int_equal(addr_parse(backend, &key.backend), 0);
	return key;
}

static struct core_fx *two_up(void)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, TWO)));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_verdict(fx, B2, MSG_HC_UP);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=2 [" B1 "," B2 "]"));
	core_fx_forget(fx);
	return fx;
}

/* A ring that there was no room for: what is shown is the one before it. */
static void test_refused(void **state _unused_)
{
	struct core_key key = key_of(B1);
	struct core_fx *fx = two_up();
	struct core_port *p = &core_fx_vip(fx, V)->ports[0];

	assert_true(p->backends[0].in_ring && p->backends[1].in_ring);
	core_override_set(fx->core, &key, MODEL_ADMIN_DOWN);
	core_fx_settle(fx);
	assert_false(p->backends[0].in_ring);
	fx->result = MSG_SVC_FAILED;
	core_override_clear(fx->core, &key);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=2 [" B1 "," B2 "]"));
	assert_false(p->backends[0].in_ring);
	assert_true(p->backends[1].in_ring);
	fx->result = MSG_SVC_PROVEN;
	core_fx_pass(fx, CORE_RETRY_MAX_MS);
	assert_true(p->backends[0].in_ring);
	core_fx_free(fx);
}

/* It keeps its flows until its checks fail, or it is taken out. */
static void test_drain(void **state _unused_)
{
	struct core_key key = key_of(B1);
	struct core_fx *fx = two_up();
	struct core_port *p = &core_fx_vip(fx, V)->ports[0];

	core_override_set(fx->core, &key, MODEL_ADMIN_DRAIN);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [~" B1 "," B2 "]"));
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/2"));
	assert_int_equal(p->n_draining, 1);
	assert_int_equal(p->run.live, 1);

	core_fx_forget(fx);
	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B2 "]"));
	assert_int_equal(p->n_draining, 0);
	assert_int_equal(p->backends[0].state, CORE_BE_DRAIN);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [~" B1 "," B2 "]"));

	core_fx_forget(fx);
	core_override_set(fx->core, &key, MODEL_ADMIN_DOWN);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B2 "]"));
	core_override_clear(fx->core, &key);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=2 [" B1 "," B2 "]"));
	/* Nothing is sent for what did not change. */
	core_fx_forget(fx);
	core_vip_dirty(core_fx_vip(fx, V));
	p->dirty = true;
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps"), 0);
	core_fx_free(fx);
}

/* From the scheduler: weight 0, and the backend's leaving while it drains. */
static void test_drain_by_weight(void **state _unused_)
{
	struct core_fx *fx = two_up();

	core_fx_model(fx, CORE_FX_DOC("2", CORE_FX_VIP(V, "{'address':'" B1
							  "','weight':0}," CORE_FX_BE(B2))));
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [~" B1 "," B2 "]"));
	core_fx_forget(fx);
	core_fx_model(fx, CORE_FX_DOC("3", CORE_FX_VIP(V, CORE_FX_BE(B2))));
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B2 "]"));
	core_fx_free(fx);
}

/* All drain: not announced, and the flows go on. */
static void test_all_drain(void **state _unused_)
{
	struct core_key key1 = key_of(B1), key2 = key_of(B2);
	struct core_fx *fx = two_up();
	struct core_port *p = &core_fx_vip(fx, V)->ports[0];

	core_override_set(fx->core, &key1, MODEL_ADMIN_DRAIN);
	core_override_set(fx->core, &key2, MODEL_ADMIN_DRAIN);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=0 [~" B1 ",~" B2 "]"));
	assert_true(core_fx_said(fx, "vip " V " ready enabled=0/2"));
	assert_string_equal(core_fx_state(fx, V), "down");
	assert_int_equal(p->run.live, 0);
	assert_false(p->run.proven);
	assert_false(p->run.failed);

	/* Back: announced when the new ring is proven. */
	core_fx_forget(fx);
	fx->mute = true;
	core_override_clear(fx->core, &key1);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "vip " V " not enabled=1/2"));
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B1 ",~" B2 "]"));
	fx->mute = false;
	core_fx_answer(fx);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/2"));
	core_fx_free(fx);
}

/* ---- options of VIPs and services ---- */

#define OPTIONS(vip, port, be)                                                                     \
	"{'vips':[{'address':'" V "'" vip ",'ports':[{'protocol':'udp','port':0" port              \
	",'backends':[{'address':'" B1 "'" be "}]}]}]}"

#define QUIC ",'quic':{'config_id':1,'server_id_length':2}"

static void test_service_options(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	core_fx_model(fx, OPTIONS("", "", ""));
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps vip_set " V));
	assert_true(core_fx_said(fx, "maps svc_set " V " udp/0 n=1 [" B1 "]"));

	core_fx_model(fx, OPTIONS("", ",'affinity':'source'", ""));
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " udp/0 n=1 [" B1 "] affinity"));
	core_fx_model(fx, OPTIONS("", QUIC, ""));
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " udp/0 n=1 [" B1 "] quic=1/2"));
	core_fx_model(fx, OPTIONS("", QUIC, ",'quic_id':'0102'"));
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " udp/0 n=1 [" B1 "=0102] quic=1/2"));

	/* The route stays; and a VIP's flags change without touching the service. */
	core_fx_forget(fx);
	core_fx_model(fx, OPTIONS(",'unknown':'pass'", QUIC, ",'quic_id':'0102'"));
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps vip_set " V " pass"));
	assert_int_equal(core_fx_count(fx, "maps"), 2);
	assert_int_equal(core_fx_count(fx, "vip " V " not"), 0);
	core_fx_free(fx);
}

#define NET(len, more)                                                                             \
	"{'vips':[{'address':'192.0.2.0" len "'" more ",'ports':[{'protocol':'tcp','port':80,"     \
	"'backends':[{'address':'" B1 "'}]}]}]}"

/* Another length is another prefix: taken back, replaced, proven, announced. */
static void test_prefix(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	const char *vip, *set, *svc;
	struct core_vip *v;

	core_fx_model(fx, NET("/28", ""));
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps vip_set 192.0.2.0/28"));
	assert_true(core_fx_said(fx, "vip 192.0.2.0/28 ready enabled=1/1"));
	core_fx_route(fx, "192.0.2.0/28", CORE_ROUTE_INSTALLED);
	assert_string_equal(core_fx_state(fx, "192.0.2.0"), "announced");

	core_fx_forget(fx);
	fx->mute = true;
	core_fx_model(fx, NET("/27", ""));
	core_fx_settle(fx);
	vip = strstr(fx->said, "vip 192.0.2.0/27 not enabled=1/1\n");
	set = strstr(fx->said, "maps vip_set 192.0.2.0/27\n");
	svc = strstr(fx->said, "maps svc_set 192.0.2.0 tcp/80 n=1 [" B1 "]\n");
	assert_true(vip && vip < set && set < svc);
	/* What is said of the old one is not news. */
	v = core_fx_vip(fx, "192.0.2.0");
	core_fx_route(fx, "192.0.2.0/28", CORE_ROUTE_WITHDRAWN);
	assert_int_equal(v->route, CORE_ROUTE_INSTALLED);
	core_fx_route(fx, "192.0.2.0/27", CORE_ROUTE_WITHDRAWN);
	assert_int_equal(v->route, CORE_ROUTE_WITHDRAWN);
	fx->mute = false;
	core_fx_answer(fx);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "vip 192.0.2.0/27 ready enabled=1/1"));

	core_fx_model(fx, NET("/27", ",'deletion':true"));
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "gone 192.0.2.0/27"));
	core_fx_free(fx);
}

/* The length changes while the old one's batch is with the maps child. */
static void test_prefix_in_flight(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	fx->mute = true;
	core_fx_model(fx, NET("/28", ""));
	core_fx_settle(fx);
	core_fx_model(fx, NET("/27", ""));
	core_fx_settle(fx);
	core_fx_forget(fx);
	core_fx_answer(fx);
	core_fx_settle(fx);
	/* The old one's proof does not count for the new one. */
	assert_int_equal(core_fx_count(fx, "vip 192.0.2.0/27 ready"), 0);
	assert_true(core_fx_said(fx, "maps vip_set 192.0.2.0/27"));
	fx->mute = false;
	core_fx_answer(fx);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "vip 192.0.2.0/27 ready enabled=1/1"));
	core_fx_free(fx);
}

/* With a service that could not be written the VIP is sent again: it may be what lacks. */
static void test_failed_service_sends_vip_again(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	fx->result = MSG_SVC_FAILED;
	core_fx_model(fx, OPTIONS("", "", ""));
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps vip_set"), 1);
	fx->result = MSG_SVC_PROVEN;
	core_fx_pass(fx, CORE_RETRY_MIN_MS);
	assert_int_equal(core_fx_count(fx, "maps vip_set"), 2);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/1"));
	core_fx_free(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_drain_by_weight),
		cmocka_unit_test(test_all_drain),
		cmocka_unit_test(test_service_options),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_prefix_in_flight),
		cmocka_unit_test(test_failed_service_sends_vip_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
