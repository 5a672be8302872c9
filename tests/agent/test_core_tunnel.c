// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Conditions through the tunnel, on the core's side: a mark is asked for once for each
 * backend, the health child has a condition while the way is open and not otherwise, and
 * what was known stands when it is shut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core_fixture.h"

#define VIP	  "192.0.2.1"
#define VIP6	  "2001:db8::1"
#define CHECKS(x) "'health':{'interval_ms':1000,'timeout_ms':500,'tunnel':" x ",'checks':["
#define ONE(vip, tunnel, backends, checks)                                                         \
	"{'id':'" vip "','address':'" vip "','desired_revision':1,'ports':[{'protocol':'tcp',"     \
	"'port':80,'backends':[" backends "]," CHECKS(tunnel) checks "]}}]}"
#define TCP  "{'type':'tcp'}"
#define BOTH "{'type':'tcp'},{'type':'http'}"
#define BE   CORE_FX_BE("10.0.0.1")

static struct core_fx *fx;

static int setup(void **state)
{
	(void)state;
	fx = core_fx_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	core_fx_free(fx);
	return 0;
}

static void frame(uint16_t type, const void *data, size_t len)
{
	core_maps_frame(fx->core, type, data, len, fx->now);
	core_fx_run(fx);
}

/* The maps child's answer to the last question. */
static void answer(uint32_t mark, int32_t error)
{
	struct msg_tunnel msg = fx->tunnel;

	msg.mark = mark;
	msg.error = error;
	frame(MSG_MAPS_TUNNEL, &msg, sizeof(msg));
}

static void way(bool up4, bool up6)
{
	struct msg_tunnel_state msg = {.up = {up4, up6}};

	for (int f = 0; f < 2; f++)
		if (!msg.up[f])
			snprintf(msg.reason[f], sizeof(msg.reason[f]), "IPv%d is shut", f ? 6 : 4);
	frame(MSG_MAPS_TUNNEL_STATE, &msg, sizeof(msg));
}

static const struct core_cond *cond_of(const char *vip)
{
	return core_fx_vip(fx, vip)->ports[0].backends[0].uses[0].cond;
}

static void assert_why(const char *vip, const char *why)
{
	const char *have = core_tunnel_why(cond_of(vip));

	assert_true(why ? have && strcmp(have, why) == 0 : !have);
}

static void test_mark_comes_first(void **state)
{
	struct addr vip;

	(void)state;
	way(true, true);
	core_fx_model(fx, CORE_FX_DOC("1", ONE(VIP, "true", BE, BOTH)));
	assert_int_equal(core_fx_count(fx, "maps tunnel_set 10.0.0.1"), 1);
	assert_int_equal(fx->n_conds, 0);
	answer(0x4e400007, 0);
	assert_int_equal(fx->n_conds, 2);
	addr_parse(VIP, &vip);
	for (size_t i = 0; i < fx->n_conds; i++) {
		assert_int_equal(fx->conds[i].mark, 0x4e400007);
		assert_memory_equal(&fx->conds[i].dest, &vip, sizeof(vip));
		assert_int_equal(fx->conds[i].initial, MSG_HC_UNKNOWN);
	}
	assert_why(VIP, NULL);
	core_fx_verdict(fx, "10.0.0.1", MSG_HC_UP);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "vip " VIP " ready enabled=1/1"));

	core_fx_forget(fx);
	core_fx_model(fx, CORE_FX_DOC("2", ONE(VIP, "true", BE, TCP)));
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps tunnel_"), 0);
	assert_int_equal(fx->n_conds, 1);
	core_fx_model(fx, CORE_FX_DOC("3", ONE(VIP, "true", CORE_FX_BE("10.0.0.2"), TCP)));
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps tunnel_del 10.0.0.1"), 1);
	assert_int_equal(core_fx_count(fx, "maps tunnel_set 10.0.0.2"), 1);
}

/* The plain check of a backend and the one through the tunnel are two. */
static void test_not_merged(void **state)
{
	(void)state;
	way(true, true);
	core_fx_model(fx, CORE_FX_DOC("1", ONE(VIP, "true", BE, TCP) "," ONE(
						   "192.0.2.2", "true", BE,
						   TCP) "," ONE("192.0.2.3", "false", BE, TCP)));
	assert_int_equal(core_fx_count(fx, "maps tunnel_set"), 1);
	assert_int_equal(fx->n_conds, 1);
	assert_int_equal(fx->conds[0].mark, 0);
	answer(0x4e400001, 0);
	assert_int_equal(fx->n_conds, 3);
	assert_ptr_not_equal(cond_of(VIP), cond_of("192.0.2.2"));
	assert_ptr_not_equal(cond_of(VIP), cond_of("192.0.2.3"));
}

static void test_shut(void **state)
{
	char reason[CORE_REASON_LEN];

	(void)state;
	way(true, true);
	core_fx_model(fx,
		      CORE_FX_DOC("1", ONE(VIP, "true", BE, TCP) "," ONE(VIP6, "true", BE, TCP)));
	answer(0x4e400001, 0);
	core_fx_verdict(fx, "10.0.0.1", MSG_HC_UP);
	core_fx_settle(fx);
	core_fx_forget(fx);
	way(false, true);
	core_fx_pass(fx, 60000);
	/* IPv6 goes on, IPv4 is not probed, and nothing is taken out. */
	assert_int_equal(core_fx_count(fx, "hc del"), 1);
	assert_int_equal(core_fx_count(fx, "maps"), 0);
	assert_why(VIP, "IPv4 is shut");
	assert_why(VIP6, NULL);
	assert_int_equal(cond_of(VIP)->state, MSG_HC_UP);
	assert_int_equal(cond_of(VIP)->reason, MSG_HC_LOCAL);
	way(false, true);
	assert_int_equal(core_fx_count(fx, "hc"), 1);

	core_fx_forget(fx);
	way(true, true);
	assert_int_equal(core_fx_count(fx, "hc set"), 1);
	assert_int_equal(fx->n_conds, 2);
	/* The verdict goes along, so that it takes `fall` failures to turn it. */
	for (size_t i = 0; i < fx->n_conds; i++)
		if (addr_is_v4(&fx->conds[i].dest))
			assert_int_equal(fx->conds[i].initial, MSG_HC_UP);
	core_fx_verdict(fx, "10.0.0.1", MSG_HC_DOWN);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps svc_set"), 2);

	/* One that is down stays it, and why it is not looked at again is said. */
	way(false, true);
	core_backend_reason(&core_fx_vip(fx, VIP)->ports[0].backends[0], reason, sizeof(reason));
	assert_string_equal(reason, "tcp/80: not probed, this node's own fault: IPv4 is shut");
}

/* Shut from the beginning, which may be before the mark's answer or after it. */
static void test_shut_at_first(void **state)
{
	(void)state;
	core_fx_model(fx, CORE_FX_DOC("1", ONE(VIP, "true", BE, TCP)));
	assert_why(VIP, NULL);
	way(false, false);
	answer(0x4e400001, 0);
	assert_int_equal(fx->n_conds, 0);
	assert_why(VIP, "IPv4 is shut");
	way(true, false);
	assert_int_equal(fx->n_conds, 1);
	assert_int_equal(fx->conds[0].initial, MSG_HC_UNKNOWN);
}

static void test_no_mark(void **state)
{
	(void)state;
	way(true, true);
	core_fx_model(fx, CORE_FX_DOC("1", ONE(VIP, "true", BE, TCP)));
	answer(0, -ENOSPC);
	assert_int_equal(fx->n_conds, 0);
	assert_why(VIP, "max-backends reached");
	/* Gone without ever having been probed: the fixture knows of no condition to delete. */
	core_fx_model(fx, CORE_FX_DOC("2", ONE(VIP, "false", BE, TCP)));
	assert_int_equal(fx->n_conds, 1);
	assert_true(core_fx_said(fx, "maps tunnel_del 10.0.0.1"));
	assert_why(VIP, NULL);
}

/* A backend that goes and comes back waits for the answer to its second question. */
static void test_late_answer(void **state)
{
	struct msg_tunnel first;

	(void)state;
	way(true, true);
	core_fx_model(fx, CORE_FX_DOC("1", ONE(VIP, "true", BE, TCP)));
	first = fx->tunnel;
	first.mark = 0x4e400001;
	core_fx_model(fx, CORE_FX_DOC("2", ONE(VIP, "false", BE, TCP)));
	frame(MSG_MAPS_TUNNEL, &first, sizeof(first));
	core_fx_model(fx, CORE_FX_DOC("3", ONE(VIP, "true", BE, TCP)));
	assert_int_equal(fx->n_conds, 0);
	frame(MSG_MAPS_TUNNEL, &first, sizeof(first));
	assert_int_equal(fx->n_conds, 0);
	answer(0x4e400002, 0);
	assert_int_equal(fx->n_conds, 1);
	assert_int_equal(fx->conds[0].mark, 0x4e400002);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mark_comes_first), TEST(test_not_merged), TEST(test_shut),
		TEST(test_shut_at_first),    TEST(test_no_mark),    TEST(test_late_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
