// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Health over the local API: the node, the engine, each check, and metrics.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api_fixture.h"

#define V  API_FX_VIP
#define B1 API_FX_B1
#define B2 API_FX_B2

static void figures(struct api_fx *fx, uint64_t started)
{
	struct msg_hc_stats s = {
		.started = started,
		.ended = {[MSG_HC_OK] = 40, [MSG_HC_STATUS] = 2},
		.conditions = 2,
		.flying = 3,
		.fds = 5,
		.budget = 1000,
		.late_p50_us = 700,
		.late_p99_us = 2000000,
		.late_max_us = 2500001,
		.icmp_foreign = 9,
		.shards = 2,
	};

	api_health_stats(&fx->p, &s);
}

static void test_node(void **state)
{
	struct api_fx *fx = *state;

	assert_int_equal(api_fx_call(fx, API_GET, "/v1/health", ""), 200);
	assert_true(api_fx_has(fx, "{\"status\":\"ok\",\"conditions\":{\"total\":2,\"unknown\":0,"
				   "\"up\":1,\"down\":1,\"failing\":1,\"held\":0},"
				   "\"backends\":{\"checked\":2,\"failing\":1}}"));
	figures(fx, 42);
	fx->p.hc.at_ns -= 2000000000;
	figures(fx, 142);
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/health", ""), 200);
	assert_true(api_fx_has(fx, "\"started\":142,\"flying\":3,\"waiting\":0,\"descriptors\":5,"
				   "\"budget\":1000,"));
	assert_true(fx->p.hc.per_s >= 49 && fx->p.hc.per_s <= 50);
	assert_true(api_fx_has(fx, "\"late_p50_us\":700,\"late_p99_us\":2000000,"
				   "\"late_max_us\":2500001"));
	assert_true(api_fx_has(fx, "\"ended\":{\"ok\":40,\"timeout\":0,"));
	assert_true(api_fx_has(fx, "\"foreign\":9"));
	/* The child has started anew: no rate is better than a wrong one. */
	figures(fx, 1);
	assert_true(fx->p.hc.per_s <= 50);
}

static void test_alarm(void **state)
{
	struct api_fx *fx = *state;

	assert_int_equal(api_fx_call(fx, API_POST, "/v1/health/release", "{}"), 409);
	fx->core->cfg.mass_min = 1;
	core_fx_result(fx->core, B1, MSG_HC_DOWN, MSG_HC_TIMEOUT);
	core_fx_settle(fx->core);
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/health", ""), 200);
	assert_true(api_fx_has(fx, "{\"status\":\"ok\",\"alarm\":{\"kind\":\"mass-failure\","
				   "\"policy\":\"hold\",\"failing\":1,\"of\":1,\"held\":1,"));
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/health/conditions?state=up", ""), 200);
	assert_true(api_fx_has(fx, "\"state\":\"up\",\"held\":true"));
	assert_true(api_fx_has(fx, "\"result\":\"timeout"));
	assert_int_equal(api_fx_call(fx, API_POST, "/v1/health/release", "{}"), 200);
	core_fx_settle(fx->core);
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/health", ""), 200);
	assert_false(api_fx_has(fx, "alarm"));
	assert_true(api_fx_has(fx, "\"up\":0,\"down\":2"));
}

static void test_conditions(void **state)
{
	static const struct {
		const char *args;
		int total, left_out;
	} t[] = {
		{"", 2, 0},
		{"?vip=" V, 2, 0},
		{"?vip=" V "&port=80", 2, 0},
		{"?vip=" V "&port=81", 0, 0},
		{"?vip=" V "&limit=1", 2, 1},
		{"?limit=0", 2, 2},
		{"?state=up", 1, 0},
		{"?state=down", 1, 0},
		{"?state=unknown", 0, 0},
		{"?state=failing", 1, 0},
	};
	struct api_fx *fx = *state;
	char url[128], end[64];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		snprintf(url, sizeof(url), "/v1/health/conditions%s", t[i].args);
		assert_int_equal(api_fx_call(fx, API_GET, url, ""), 200);
		snprintf(end, sizeof(end), "],\"total\":%d,\"left_out\":%d}", t[i].total,
			 t[i].left_out);
		if (!api_fx_has(fx, end))
			fail_msg("%s: %s", url, fx->text);
	}
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/health/conditions?state=down", ""), 200);
	assert_true(api_fx_has(fx, "{\"vip\":\"" V
				   "\",\"protocol\":\"tcp\",\"service_port\":80,\"backend\":\"" B2
				   "\",\"type\":\"tcp\",\"port\":80,\"state\":\"down\","));
	assert_true(api_fx_has(fx, "\"failure\":{\"kind\":\"refused\",\"reason\":"
				   "\"connection refused\",\"age_s\":"));
}

static void test_bad_arguments(void **state)
{
	static const char *const bad[] = {"vip=x",     "port=65536", "port=",	    "port=-1",
					  "state=odd", "limit=-1",   "limit=70000", "view=config"};
	struct api_fx *fx = *state;
	char url[128], field[32];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(url, sizeof(url), "/v1/health/conditions?%s", bad[i]);
		assert_int_equal(api_fx_call(fx, API_GET, url, ""), 400);
		snprintf(field, sizeof(field), "\"field\":\"%.*s\"", (int)strcspn(bad[i], "="),
			 bad[i]);
		assert_true(api_fx_has(fx, field));
	}
	assert_int_equal(api_fx_call(fx, API_GET, "/v1/health/conditions?vip=192.0.2.77", ""), 404);
}

/* ---- metrics ---- */

static bool is_name(const char *from, const char *to)
{
	for (; from < to; from++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_", *from))
			return false;
	return true;
}

/* The format, line by line: every series stands below the HELP and TYPE of its name. */
static void check_format(const char *text)
{
	char name[128] = "", type[32] = "", copy[256];

	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		size_t len = strcspn(line, "\n"), n = strcspn(line, "{ ");

		assert_true(len < sizeof(copy) && line[len] == '\n');
		memcpy(copy, line, len);
		copy[len] = '\0';
		if (strncmp(copy, "# HELP ", 7) == 0) {
			assert_int_equal(sscanf(copy, "# HELP %127s", name), 1);
			assert_true(strncmp(name, "nlb_", 4) == 0);
			type[0] = '\0';
		} else if (strncmp(copy, "# TYPE ", 7) == 0) {
			char again[128];

			assert_int_equal(sscanf(copy, "# TYPE %127s %31s", again, type), 2);
			assert_string_equal(again, name);
			/* Counters, and nothing else, say so by their names. */
			n = strlen(name);
			assert_int_equal(strcmp(type, "counter") == 0,
					 n > 6 && strcmp(name + n - 6, "_total") == 0);
		} else {
			assert_true(type[0] && is_name(copy, copy + n));
			assert_true(strlen(name) == n && strncmp(copy, name, n) == 0);
			assert_non_null(strrchr(copy, ' '));
			assert_true(strspn(strrchr(copy, ' ') + 1, "0123456789.") > 0);
		}
	}
}

static void has_line(const char *text, const char *line)
{
	char with_end[256];

	snprintf(with_end, sizeof(with_end), "\n%s\n", line);
	if (!strstr(text, with_end))
		fail_msg("no \"%s\" in:\n%s", line, text);
}

static const char *scrape(struct api_fx *fx, struct json_object *stats)
{
	sbuf_done(&fx->req.text);
	assert_int_equal(api_fx_begin(fx, API_GET, "/v1/metrics", ""), API_STATS);
	fx->req.on_stats(&fx->req, stats);
	assert_int_equal(fx->req.status, 200);
	check_format(fx->req.text.data);
	return fx->req.text.data;
}

static void test_metrics(void **state)
{
	_cleanup_json_ struct json_object *stats =
		json_tokener_parse("{\"reasons\":{\"tx\":7,\"od\\\"d\\n\\\\\":1},\"events\":{}}");
	struct api_fx *fx = *state;
	const char *text = scrape(fx, NULL);

	has_line(text, "nlb_health_conditions{state=\"up\"} 1");
	has_line(text, "nlb_health_conditions_failing{reason=\"refused\"} 1");
	has_line(text, "nlb_health_conditions_last_failure{reason=\"refused\"} 1");
	has_line(text, "nlb_mass_failure 0");
	has_line(text, "nlb_backends{state=\"down\"} 1");
	has_line(text, "nlb_vip_backends_enabled{vip=\"" V "\"} 1");
	has_line(text, "nlb_vips 1");
	assert_null(strstr(text, "nlb_health_probes_started_total"));
	assert_null(strstr(text, "nlb_packets_total"));

	figures(fx, 42);
	text = scrape(fx, stats);
	has_line(text, "nlb_dataplane_counters 1");
	has_line(text, "nlb_health_probes_started_total 42");
	has_line(text, "nlb_health_probes_ended_total{reason=\"status\"} 2");
	has_line(text, "nlb_health_late_seconds{quantile=\"0.99\"} 2.000000");
	has_line(text, "nlb_health_late_seconds{quantile=\"1\"} 2.500001");
	has_line(text, "nlb_packets_total{reason=\"tx\"} 7");
	has_line(text, "nlb_packets_total{reason=\"od\\\"d\\n\\\\\"} 1");
	sbuf_done(&fx->req.text);
}

/* Each latency is in its bucket and in all above. */
static void test_latency_buckets(void **state)
{
	struct api_fx *fx = *state;
	const char *text;

	fx->core->core->conds_by_id->latency_us = 1000;
	text = scrape(fx, NULL);
	has_line(text, "nlb_health_conditions_latency_bucket{le=\"0.000500\"} 0");
	has_line(text, "nlb_health_conditions_latency_bucket{le=\"0.001000\"} 1");
	has_line(text, "nlb_health_conditions_latency_bucket{le=\"5.000000\"} 1");
	has_line(text, "nlb_health_conditions_latency_bucket{le=\"+Inf\"} 1");
	sbuf_done(&fx->req.text);
}

/* So many VIPs have series of their own, and no more. */
static void test_bounded(void **state)
{
	struct api_fx *fx = *state;
	struct model_vip vip = {.plen = ADDR_PLEN_HOST};
	const char *text, *last;

	for (unsigned int i = 0; i < 1030; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "198.18.%u.%u", i / 250, i % 250 + 1);
		assert_int_equal(addr_parse(addr, &vip.addr), 0);
		assert_true(core_local_put(fx->core->core, &vip, fx->core->now) >= 0);
	}
	text = scrape(fx, NULL);
	has_line(text, "nlb_vips 1031");
	has_line(text, "nlb_vips_left_out 7");
	last = strstr(text, "# HELP nlb_vip_announced");
	assert_non_null(last);
	for (size_t i = 0; i < 1024; i++)
		last = strstr(last + 1, "nlb_vip_announced{");
	assert_non_null(last);
	assert_null(strstr(last + 1, "nlb_vip_announced{"));
	sbuf_done(&fx->req.text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, api_fx_setup, api_fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_node),	  TEST(test_alarm),   TEST(test_conditions),
		TEST(test_bad_arguments), TEST(test_metrics), TEST(test_latency_buckets),
		TEST(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
