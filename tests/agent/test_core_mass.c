// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many backends fail at once: verdicts are held, and what fails one after the other, or is
 * few, goes down as ever. N services of one backend each, 10.0.0.1 ... 10.0.0.N, in simulated time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core_fixture.h"

#define N	 20u
#define INTERVAL 1000u
#define TIMEOUT	 500u
/* From a cause to its first failure at the most: core_mass.c's window. */
#define WINDOW (INTERVAL + INTERVAL / 8 + TIMEOUT + 500)

static const char *be(unsigned int i)
{
	static char text[32];

	snprintf(text, sizeof(text), "10.0.0.%u", i + 1);
	return text;
}

static void model(struct core_fx *fx, unsigned int n, const char *health)
{
	static char json[16384];
	size_t len = 0;

	for (unsigned int i = 0; i < n; i++)
		len += (size_t)snprintf(json + len, sizeof(json) - len,
					"%s{'address':'192.0.2.%u','ports':[{'protocol':'tcp',"
					"'port':80,'backends':[{'address':'%s'}],'health':{%s}}]}",
					i ? "," : "{'revision':1,'vips':[", i + 1, be(i), health);
	snprintf(json + len, sizeof(json) - len, "]}");
	assert_int_equal(core_fx_model(fx, json), CORE_ACCEPTED);
	core_fx_settle(fx);
}

#define HEALTH "'interval_ms':1000,'timeout_ms':500,'checks':[{'type':'tcp'}]"

static void all_up(struct core_fx *fx, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		core_fx_verdict(fx, be(i), MSG_HC_UP);
	core_fx_settle(fx);
}

static struct core_fx *started(void)
{
	struct core_fx *fx = core_fx_new();

	model(fx, N, HEALTH);
	all_up(fx, N);
	core_fx_forget(fx);
	return fx;
}

/* The first of the failures that lead to a verdict, and the last. */
static void fails(struct core_fx *fx, unsigned int i)
{
	core_fx_result(fx, be(i), MSG_HC_UP, MSG_HC_TIMEOUT);
}

static void falls(struct core_fx *fx, unsigned int i)
{
	core_fx_result(fx, be(i), MSG_HC_DOWN, MSG_HC_TIMEOUT);
}

/* The first n of them. */
static void all_fail(struct core_fx *fx, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		fails(fx, i);
}

static void all_fall(struct core_fx *fx, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		falls(fx, i);
}

static unsigned int n_up(struct core_fx *fx)
{
	unsigned int n = 0;

	for (const struct core_vip *v = fx->core->vips; v; v = v->hh.next)
		n += v->phase == CORE_WANTED ? v->n_enabled : 0;
	return n;
}

static bool is_on(const struct core_fx *fx)
{
	return fx->core->mass.begun_ns != 0;
}

/* All fail: it is known before the first verdict, and no ring is touched. */
static void test_all_at_once(void **state _unused_)
{
	struct core_fx *fx = started();

	all_fail(fx, N);
	core_fx_settle(fx);
	assert_true(is_on(fx));
	all_fall(fx, N);
	core_fx_pass(fx, 3600 * 1000);
	assert_int_equal(n_up(fx), N);
	assert_int_equal(fx->core->mass.n_held, N);
	assert_int_equal(core_fx_count(fx, "maps"), 0);
	assert_int_equal(core_fx_count(fx, "vip"), 0);
	assert_int_equal(core_fx_count(fx, "dataplane"), 0);
	core_fx_free(fx);
}

/* Not more than the share: they go down. One more: they are held. */
static void test_boundary(void **state _unused_)
{
	for (unsigned int n = N / 2; n <= N / 2 + 1; n++) {
		struct core_fx *fx = started();

		all_fail(fx, n);
		core_fx_settle(fx);
		all_fall(fx, n);
		core_fx_settle(fx);
		assert_int_equal(is_on(fx), n > N / 2);
		assert_int_equal(n_up(fx), n > N / 2 ? N : N - n);
		core_fx_free(fx);
	}
}

/* Fewer than the least number never count, whatever their share. */
static void test_minimum(void **state _unused_)
{
	for (unsigned int n = 9; n <= 10; n++) {
		struct core_fx *fx = core_fx_new();

		model(fx, n, HEALTH);
		all_up(fx, n);
		all_fall(fx, n);
		core_fx_settle(fx);
		assert_int_equal(is_on(fx), n == 10);
		assert_int_equal(n_up(fx), n == 10 ? 10 : 0);
		core_fx_free(fx);
	}
}

static void test_off(void **state _unused_)
{
	struct core_fx *fx = started();

	fx->cfg.mass_percent = 100;
	all_fall(fx, N);
	core_fx_settle(fx);
	assert_false(is_on(fx));
	assert_int_equal(n_up(fx), 0);
	core_fx_free(fx);
}

/* With fall 1 verdicts come before it is known: those of the event are taken back. */
static void test_taken_back(void **state _unused_)
{
	struct core_fx *fx = started();

	/* Long before: it is down, and stays down. */
	falls(fx, 0);
	core_fx_pass(fx, 10 * WINDOW);
	for (unsigned int i = 1; i <= N / 2 - 1; i++) {
		falls(fx, i);
		core_fx_pass(fx, 50);
	}
	assert_int_equal(n_up(fx), N / 2);
	assert_false(is_on(fx));
	falls(fx, N / 2);
	core_fx_pass(fx, 200);
	assert_true(is_on(fx));
	assert_int_equal(n_up(fx), N - 1);
	/* The store on disk says so too. */
	assert_true(core_fx_said(fx, "verdicts"));
	assert_int_equal(core_fx_vip(fx, "192.0.2.2")->ports[0].backends[0].uses[0].cond->state,
			 MSG_HC_UP);
	assert_int_equal(core_fx_vip(fx, "192.0.2.1")->ports[0].backends[0].state, CORE_BE_DOWN);
	core_fx_free(fx);
}

/* One after the other, further apart than a probe's window: each goes down. */
static void test_slow_death(void **state _unused_)
{
	struct core_fx *fx = started();

	for (unsigned int i = 0; i < N; i++) {
		fails(fx, i);
		core_fx_pass(fx, WINDOW / 8);
		falls(fx, i);
		core_fx_pass(fx, WINDOW / 8);
	}
	assert_false(is_on(fx));
	assert_int_equal(n_up(fx), 0);
	core_fx_free(fx);
}

/* The failures of one moment, as the probes find them: over an interval and a timeout. */
static void test_over_an_interval(void **state _unused_)
{
	struct core_fx *fx = started();

	for (unsigned int i = 0; i < N; i++) {
		fails(fx, i);
		core_fx_pass(fx, (INTERVAL + TIMEOUT) / N);
	}
	assert_true(is_on(fx));
	assert_int_equal(n_up(fx), N);
	core_fx_free(fx);
}

/* Slow checks and fast ones find out about one moment at different times. */
static void test_slow_checks(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	static char json[16384];
	size_t len = 0;

	for (unsigned int i = 0; i < N; i++)
		len += (size_t)snprintf(
			json + len, sizeof(json) - len,
			"%s{'address':'192.0.2.%u','ports':[{'protocol':'tcp','port':80,"
			"'backends':[{'address':'%s'}],'health':{'interval_ms':%u,"
			"'timeout_ms':500,'checks':[{'type':'tcp'}]}}]}",
			i ? "," : "{'vips':[", i + 1, be(i), i < 8 ? 1000 : 60000);
	snprintf(json + len, sizeof(json) - len, "]}");
	core_fx_model(fx, json);
	core_fx_settle(fx);
	all_up(fx, N);
	/* The eight fast ones are down before the slow ones are asked again. */
	all_fail(fx, 8);
	core_fx_pass(fx, 2000);
	all_fall(fx, 8);
	core_fx_pass(fx, 30000);
	assert_int_equal(n_up(fx), N - 8);
	for (unsigned int i = 8; i < 10; i++)
		fails(fx, i);
	core_fx_pass(fx, 200);
	assert_false(is_on(fx));
	fails(fx, 10);
	core_fx_pass(fx, 200);
	assert_true(is_on(fx));
	assert_int_equal(n_up(fx), N);
	core_fx_free(fx);
}

/* All answer again: nothing was touched, and what is seen from then on counts. */
static void test_recovery(void **state _unused_)
{
	struct core_fx *fx = started();

	all_fall(fx, N);
	core_fx_settle(fx);
	core_fx_pass(fx, 60000);
	core_fx_forget(fx);
	/* The child says DOWN until they have risen. */
	for (unsigned int i = 0; i < N; i++)
		core_fx_result(fx, be(i), MSG_HC_DOWN, MSG_HC_OK);
	core_fx_pass(fx, WINDOW);
	assert_int_equal(n_up(fx), N);
	all_up(fx, N);
	core_fx_pass(fx, WINDOW);
	assert_false(is_on(fx));
	assert_int_equal(fx->core->mass.n_held, 0);
	assert_int_equal(n_up(fx), N);
	assert_int_equal(core_fx_count(fx, "maps"), 0);
	falls(fx, 3);
	core_fx_settle(fx);
	assert_int_equal(n_up(fx), N - 1);
	core_fx_free(fx);
}

/* It is over when fewer than half of the share fail; those get one window more. */
static void test_recovery_of_most(void **state _unused_)
{
	struct core_fx *fx = started();

	all_fall(fx, N);
	core_fx_settle(fx);
	/* A quarter is half of the share, and not below it. */
	for (unsigned int i = N / 4; i < N; i++)
		core_fx_verdict(fx, be(i), MSG_HC_UP);
	core_fx_pass(fx, 3600 * 1000);
	assert_true(is_on(fx));
	assert_int_equal(n_up(fx), N);
	core_fx_verdict(fx, be(0), MSG_HC_UP);
	core_fx_settle(fx);
	/* One that recovers within the window never goes down. */
	core_fx_pass(fx, WINDOW - 1);
	assert_int_equal(n_up(fx), N);
	core_fx_verdict(fx, be(1), MSG_HC_UP);
	core_fx_settle(fx);
	core_fx_pass(fx, 1);
	assert_int_equal(n_up(fx), N - (N / 4 - 2));
	assert_false(is_on(fx));
	/* They are no news for another one. */
	core_fx_pass(fx, 10 * WINDOW);
	assert_false(is_on(fx));
	core_fx_free(fx);
}

/* In the last window there is nothing that holds a new death. */
static void test_death_while_calm(void **state _unused_)
{
	struct core_fx *fx = started();

	all_fall(fx, N);
	core_fx_settle(fx);
	for (unsigned int i = 1; i < N; i++)
		core_fx_verdict(fx, be(i), MSG_HC_UP);
	core_fx_settle(fx);
	assert_true(is_on(fx));
	core_fx_pass(fx, WINDOW / 2);
	falls(fx, 5);
	core_fx_settle(fx);
	assert_int_equal(n_up(fx), N - 1);
	core_fx_free(fx);
}

static void test_release(void **state _unused_)
{
	struct core_fx *fx = started();

	assert_int_equal(core_mass_release(fx->core, fx->now), -ENOENT);
	all_fall(fx, N);
	core_fx_settle(fx);
	assert_int_equal(n_up(fx), N);
	core_fx_result(fx, be(7), MSG_HC_DOWN, MSG_HC_OK);
	assert_int_equal(core_mass_release(fx->core, fx->now), 0);
	core_fx_settle(fx);
	/* The one that answers again stays. */
	assert_int_equal(n_up(fx), 1);
	assert_false(is_on(fx));
	/* The same failures do not begin another. */
	core_fx_pass(fx, WINDOW);
	assert_false(is_on(fx));
	/* ... and it fails again before it has risen. */
	falls(fx, 7);
	core_fx_settle(fx);
	assert_int_equal(n_up(fx), 0);
	core_fx_free(fx);
}

static void test_limit(void **state _unused_)
{
	struct core_fx *fx = started();

	fx->cfg.mass_max_s = 60;
	all_fall(fx, N);
	core_fx_settle(fx);
	core_fx_pass(fx, 59999);
	assert_int_equal(n_up(fx), N);
	assert_true(core_due(fx->core) <= fx->now + CORE_MS);
	core_fx_pass(fx, 1);
	assert_int_equal(n_up(fx), 0);
	assert_false(is_on(fx));
	core_fx_free(fx);
}

/* nlbd hears that the data plane is down, and when enough answer again, that it is not. */
static void test_withdraw(void **state _unused_)
{
	struct core_fx *fx = started();

	fx->cfg.mass_policy = CONFIG_MASS_WITHDRAW;
	all_fall(fx, N);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "dataplane down"));
	assert_true(core_fx_said(fx, "report"));
	assert_string_equal(core_fx_state(fx, "192.0.2.1"), "failed");
	assert_int_equal(n_up(fx), N);
	/* A new session hears the same. */
	core_feed(fx->core, false, fx->now);
	core_fx_forget(fx);
	core_feed(fx->core, true, fx->now);
	assert_true(core_fx_said(fx, "dataplane down"));
	assert_false(core_fx_said(fx, "dataplane ok"));
	all_up(fx, N);
	assert_true(core_fx_said(fx, "dataplane ok"));
	core_fx_free(fx);
}

static void test_ignore(void **state _unused_)
{
	struct core_fx *fx = started();

	fx->cfg.mass_policy = CONFIG_MASS_IGNORE;
	all_fall(fx, N);
	core_fx_settle(fx);
	assert_true(is_on(fx));
	assert_int_equal(n_up(fx), 0);
	assert_false(core_fx_said(fx, "dataplane down"));
	all_up(fx, N);
	core_fx_pass(fx, WINDOW);
	assert_false(is_on(fx));
	assert_int_equal(fx->core->mass.n_events, 1);
	core_fx_free(fx);
}

/* What is down, or was never up, is no new failure, and does not count among all either. */
static void test_old_failures(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	model(fx, N, HEALTH);
	for (unsigned int i = 0; i < N; i++)
		core_fx_verdict(fx, be(i), i < 9 ? MSG_HC_DOWN : MSG_HC_UP);
	core_fx_pass(fx, 10 * WINDOW);
	assert_false(is_on(fx));
	assert_int_equal(n_up(fx), 11);
	/* Ten of the eleven that worked. */
	for (unsigned int i = 9; i < N - 1; i++)
		fails(fx, i);
	core_fx_settle(fx);
	assert_true(is_on(fx));
	core_fx_free(fx);
}

/* An address that answers in one of its services is no failure: this node reaches it. */
static void test_address_with_two_services(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();
	static char json[16384];
	size_t len = 0;

	for (unsigned int i = 0; i < N; i++)
		len += (size_t)snprintf(
			json + len, sizeof(json) - len,
			"%s{'address':'192.0.2.%u','ports':["
			"{'protocol':'tcp','port':80,'backends':[{'address':'%s'}],'health':{" HEALTH
			"}},{'protocol':'tcp','port':443,'backends':[{'address':'%s'}],'health':{" HEALTH
			"}}]}",
			i ? "," : "{'vips':[", i + 1, be(i), be(i));
	snprintf(json + len, sizeof(json) - len, "]}");
	core_fx_model(fx, json);
	core_fx_settle(fx);
	all_up(fx, N);
	assert_int_equal(n_up(fx), 2 * N);
	for (size_t i = 0; i < fx->n_conds; i++) {
		struct msg_hc_result res = {
			.id = fx->conds[i].id, .state = MSG_HC_DOWN, .reason = MSG_HC_REFUSED};

		if (fx->conds[i].port == 443)
			core_health_results(fx->core, &res, 1, fx->now);
	}
	core_fx_settle(fx);
	assert_false(is_on(fx));
	assert_int_equal(n_up(fx), N);
	/* Both: it is. */
	all_fail(fx, N);
	core_fx_settle(fx);
	assert_true(is_on(fx));
	core_fx_free(fx);
}

/* This node's network says so itself; that is never a verdict, but an alarm. */
static void test_local_failures(void **state _unused_)
{
	static const uint32_t errors[] = {ENETUNREACH, ENOMEM};

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
		struct core_fx *fx = started();

		for (size_t i = 0; i < fx->n_conds; i++) {
			struct msg_hc_result res = {.id = fx->conds[i].id,
						    .state = MSG_HC_UP,
						    .reason = MSG_HC_LOCAL,
						    .detail = errors[e]};

			core_health_results(fx->core, &res, 1, fx->now);
		}
		core_fx_settle(fx);
		assert_int_equal(is_on(fx), errors[e] == ENETUNREACH);
		assert_int_equal(n_up(fx), N);
		core_fx_free(fx);
	}
}

/* A new list in between: another pace, one VIP less. Nothing falls by it. */
static void test_model_in_between(void **state _unused_)
{
	struct core_fx *fx = started();

	all_fall(fx, N);
	core_fx_settle(fx);
	core_fx_forget(fx);
	fx->cfg.max_remove_percent = 100;
	model(fx, N - 1, "'interval_ms':2000,'timeout_ms':500,'checks':[{'type':'tcp'}]");
	assert_true(is_on(fx));
	assert_int_equal(n_up(fx), N - 1);
	for (size_t i = 0; i < fx->n_conds; i++)
		if (fx->conds[i].interval_ms == 2000)
			assert_int_equal(fx->conds[i].initial, MSG_HC_UP);
	all_fall(fx, N - 1);
	core_fx_pass(fx, 60000);
	assert_int_equal(n_up(fx), N - 1);
	assert_int_equal(core_fx_count(fx, "maps svc_set"), 0);
	core_fx_free(fx);
}

/* Operator and results directory are not held. */
static void test_operator_is_not_held(void **state _unused_)
{
	struct core_fx *fx = started();
	struct core_result down = {.key = {.port = 80, .protocol = 6}, .down = true};
	struct core_key key = {.port = 80, .protocol = 6};

	all_fall(fx, N);
	core_fx_settle(fx);
	assert_int_equal(addr_parse("192.0.2.1", &key.vip), 0);
	assert_int_equal(addr_parse("10.0.0.1", &key.backend), 0);
	assert_int_equal(core_override_set(fx->core, &key, MODEL_ADMIN_DOWN), 0);
	assert_int_equal(addr_parse("192.0.2.2", &down.key.vip), 0);
	assert_int_equal(addr_parse("10.0.0.2", &down.key.backend), 0);
	assert_int_equal(core_results_set(fx->core, "x", &down, 1, fx->now), 0);
	core_fx_settle(fx);
	assert_int_equal(n_up(fx), N - 2);
	core_fx_free(fx);
}

/* The agent ends in between, and starts again with the rings and the verdicts that it wrote. */
static void test_restart(void **state _unused_)
{
	struct core_fx *fx = started();
	uint64_t digests[N];

	all_fall(fx, N);
	core_fx_settle(fx);
	for (unsigned int i = 0; i < N; i++) {
		char vip[ADDR_STRLEN];
		const struct core_cond *cond;

		snprintf(vip, sizeof(vip), "192.0.2.%u", i + 1);
		cond = core_fx_vip(fx, vip)->ports[0].backends[0].uses[0].cond;
		assert_int_equal(cond->state, MSG_HC_UP);
		digests[i] = cond->digest;
	}
	core_fx_free(fx);

	fx = core_fx_cold();
	for (unsigned int i = 0; i < N; i++) {
		char vip[ADDR_STRLEN];

		snprintf(vip, sizeof(vip), "192.0.2.%u", i + 1);
		core_fx_have(fx, vip, 6, 80, be(i));
		assert_int_equal(core_verdict_load(fx->core, digests[i], MSG_HC_UP), 0);
	}
	core_fx_ready(fx);
	core_feed(fx->core, true, fx->now);
	model(fx, N, HEALTH);
	core_verdicts_forget(fx->core);
	assert_int_equal(n_up(fx), N);
	all_fail(fx, N);
	core_fx_settle(fx);
	assert_true(is_on(fx));
	all_fall(fx, N);
	core_fx_pass(fx, 60000);
	assert_int_equal(n_up(fx), N);
	core_fx_free(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_boundary),
		cmocka_unit_test(test_minimum),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_taken_back),
		cmocka_unit_test(test_slow_death),
		cmocka_unit_test(test_over_an_interval),
		cmocka_unit_test(test_slow_checks),
		cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_recovery_of_most),
		cmocka_unit_test(test_death_while_calm),
		cmocka_unit_test(test_release),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_withdraw),
		cmocka_unit_test(test_ignore),
		cmocka_unit_test(test_old_failures),
		cmocka_unit_test(test_address_with_two_services),
		cmocka_unit_test(test_local_failures),
		cmocka_unit_test(test_model_in_between),
		cmocka_unit_test(test_operator_is_not_held),
		cmocka_unit_test(test_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
