// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is said from outside about backends, and what the core makes of it.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core_fixture.h"
#include "log.h"

#define V	  "192.0.2.1"
#define B1	  "10.0.0.1"
#define B2	  "10.0.0.2"
#define TWO	  CORE_FX_BE(B1) "," CORE_FX_BE(B2)
#define UNCHECKED "{'address':'" V "','ports':[{'protocol':'tcp','port':80,'backends':[" TWO "]}]}"

static struct core_result result(const char *backend, bool down, const char *reason)
{
	struct core_result r = {.key = {.port = 80, .protocol = IPPROTO_TCP}, .down = down};

	assert_int_equal(addr_parse(V, &r.key.vip), 0);
	assert_int_equal(addr_parse(backend, &r.key.backend), 0);
	snprintf(r.reason, sizeof(r.reason), "%s", reason);
	return r;
}

static void say(struct core_fx *fx, const char *file, const char *backend, bool down,
		const char *reason)
{
	struct core_result r = result(backend, down, reason);

	core_fx_forget(fx);
	assert_int_equal(core_results_set(fx->core, file, &r, 1, fx->now), 0);
	core_fx_settle(fx);
}

static void silence(struct core_fx *fx, const char *file)
{
	core_fx_forget(fx);
	assert_int_equal(core_results_set(fx->core, file, NULL, 0, fx->now), 0);
	core_fx_settle(fx);
}

static struct core_backend *backend(struct core_fx *fx, const char *addr)
{
	struct core_result r = result(addr, false, "");
	struct core_backend *be = core_backend_by_key(fx->core, &r.key);

	assert_non_null(be);
	return be;
}

static const char *reason_of(struct core_fx *fx, const char *addr)
{
	static char buf[CORE_REASON_LEN];

	core_backend_reason(backend(fx, addr), buf, sizeof(buf));
	return buf;
}

/* Both are up by their own checks. */
static struct core_fx *two_up(void)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, TWO)));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_verdict(fx, B2, MSG_HC_UP);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=2/2"));
	return fx;
}

static void test_out_and_in(void **state _unused_)
{
	struct core_fx *fx = two_up();

	say(fx, "f", B1, true, "disk");
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B2 "]"));
	assert_true(core_fx_said(fx, "vip " V " ready enabled=1/2"));
	assert_string_equal(reason_of(fx, B1), "results: disk");
	assert_int_equal(backend(fx, B1)->state, CORE_BE_DOWN);

	/* Said again: nothing happens. Without a reason, the file's name is one. */
	say(fx, "f", B1, true, "disk");
	assert_string_equal(fx->said, "");
	say(fx, "f", B1, true, "");
	assert_string_equal(reason_of(fx, B1), "results: f");
	assert_int_equal(core_fx_count(fx, "vip"), 1);
	assert_int_equal(core_fx_count(fx, "maps"), 0);

	silence(fx, "f");
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=2 [" B1 "," B2 "]"));
	assert_string_equal(reason_of(fx, B1), "");
	silence(fx, "never said anything");
	core_fx_free(fx);
}

static void test_up_leaves_it_to_the_checks(void **state _unused_)
{
	struct core_fx *fx = two_up();

	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	core_fx_settle(fx);
	say(fx, "f", B1, false, "");
	assert_string_equal(fx->said, "");
	assert_int_equal(backend(fx, B1)->state, CORE_BE_DOWN);
	assert_null(strstr(reason_of(fx, B1), "results"));

	/* Without checks it is what decides. */
	core_fx_model(fx, CORE_FX_DOC("2", UNCHECKED));
	core_fx_settle(fx);
	assert_int_equal(backend(fx, B1)->state, CORE_BE_UP);
	say(fx, "f", B1, true, "");
	assert_int_equal(backend(fx, B1)->state, CORE_BE_DOWN);
	say(fx, "f", B1, false, "");
	assert_int_equal(backend(fx, B1)->state, CORE_BE_UP);
	core_fx_free(fx);
}

/* Down by one of several; the order in which they came does not matter. */
static void test_several_files(void **state _unused_)
{
	static const char *const orders[][3] = {
		{"a", "b", "c"}, {"c", "b", "a"}, {"b", "c", "a"}, {"b", "a", "c"}};

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		struct core_fx *fx = two_up();

		for (size_t j = 0; j < 3; j++)
			say(fx, orders[i][j], B1, orders[i][j][0] != 'a', orders[i][j]);
		assert_string_equal(reason_of(fx, B1), "results: b");
		silence(fx, "b");
		assert_string_equal(reason_of(fx, B1), "results: c");
		assert_int_equal(core_fx_count(fx, "maps"), 0);
		silence(fx, "c");
		assert_int_equal(backend(fx, B1)->state, CORE_BE_UP);
		silence(fx, "a");
		assert_string_equal(fx->said, "");
		core_fx_free(fx);
	}
}

static void test_below_admin(void **state _unused_)
{
	struct core_fx *fx = two_up();
	struct core_key key = result(B1, true, "").key;

	assert_int_equal(core_override_set(fx->core, &key, MODEL_ADMIN_DRAIN), 0);
	core_fx_settle(fx);
	assert_true(backend(fx, B1)->draining);
	/* What drains keeps its flows until it is down. */
	say(fx, "f", B1, true, "");
	assert_int_equal(backend(fx, B1)->state, CORE_BE_DRAIN);
	assert_false(backend(fx, B1)->draining);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B2 "]"));
	assert_string_equal(reason_of(fx, B1), "by the operator");

	/* "up" is the operator's word on admin, not on health. */
	assert_int_equal(core_override_set(fx->core, &key, MODEL_ADMIN_UP), 0);
	core_fx_settle(fx);
	assert_int_equal(backend(fx, B1)->state, CORE_BE_DOWN);
	core_fx_free(fx);
}

/* What is said before there is a configuration counts from its beginning. */
static void test_said_before(void **state _unused_)
{
	struct core_fx *fx = core_fx_new();

	say(fx, "f", B1, true, "early");
	assert_int_equal(core_results_unknown(fx->core), 1);
	core_fx_model(fx, CORE_FX_DOC("1", UNCHECKED));
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B2 "]"));
	assert_string_equal(reason_of(fx, B1), "results: early");
	assert_int_equal(core_results_unknown(fx->core), 0);
	/* A new configuration changes nothing in that. */
	core_fx_model(fx, CORE_FX_DOC("2", CORE_FX_VIP(V, TWO)));
	core_fx_settle(fx);
	assert_int_equal(backend(fx, B1)->state, CORE_BE_DOWN);
	core_fx_free(fx);
}

/* A file that changes from one to another: one batch, one ring, and no gap for the rest. */
static void test_replaced(void **state _unused_)
{
	struct core_fx *fx = two_up();
	struct core_result both[] = {result(B1, true, "x"), result(B2, true, "x")};

	assert_int_equal(core_results_set(fx->core, "f", &both[0], 1, fx->now), 0);
	core_fx_settle(fx);
	core_fx_forget(fx);
	assert_int_equal(core_results_set(fx->core, "f", &both[1], 1, fx->now), 0);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps svc_set"), 1);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B1 "]"));

	assert_int_equal(core_results_set(fx->core, "f", both, 2, fx->now), 0);
	core_fx_settle(fx);
	assert_true(core_fx_said(fx, "vip " V " ready enabled=0/2"));
	core_fx_free(fx);
}

static void test_refused_changes_nothing(void **state _unused_)
{
	struct core_fx *fx = two_up();
	struct core_result twice[] = {result(B2, true, ""), result(B1, true, ""),
				      result(B2, false, "")};
	struct core_result one = result(B1, true, "first");

	assert_int_equal(core_results_set(fx->core, "f", twice, 3, fx->now), -EEXIST);
	core_fx_forget(fx);
	core_fx_settle(fx);
	assert_string_equal(fx->said, "");
	assert_int_equal(fx->core->n_results, 0);
	assert_null(fx->core->abouts);

	assert_int_equal(core_results_set(fx->core, "f", &one, 1, fx->now), 0);
	assert_int_equal(core_results_set(fx->core, "f", twice, 3, fx->now), -EEXIST);
	assert_int_equal(core_results_set(fx->core, "g", &one, CORE_RESULTS_MAX, fx->now), -E2BIG);
	core_fx_settle(fx);
	assert_string_equal(reason_of(fx, B1), "results: first");
	assert_int_equal(backend(fx, B2)->state, CORE_BE_UP);
	assert_int_equal(fx->core->n_results, 1);
	core_fx_free(fx);
}

/* Lines on standard error from here on, into a file; from the file, how many there are. */
static FILE *log_file;
static int log_fd;

static void log_begin(void)
{
	log_file = tmpfile();
	log_fd = dup(STDERR_FILENO);
	assert_true(log_file && log_fd >= 0);
	assert_true(dup2(fileno(log_file), STDERR_FILENO) >= 0);
	log_set_level(LOG_INFO);
}

static void log_end(char *last, int len, unsigned int *ret_lines)
{
	log_set_level(LOG_CRIT);
	assert_true(dup2(log_fd, STDERR_FILENO) >= 0);
	close(log_fd);
	rewind(log_file);
	for (*ret_lines = 0; fgets(last, len, log_file); (*ret_lines)++)
		;
	fclose(log_file);
}

/* Many at once are not a line each. */
static void test_log_is_bounded(void **state _unused_)
{
	static char doc[16384], last[512];
	struct core_result r[CORE_LOG_BACKENDS + 1];
	struct core_fx *fx = core_fx_new();
	size_t len = 0, n = ARRAY_SIZE(r);
	unsigned int lines;

	len += (size_t)snprintf(doc, sizeof(doc),
				"{'vips':[{'address':'" V "','ports':[{'protocol':'tcp',"
				"'port':80,'backends':[");
	for (size_t i = 0; i < n; i++) {
		char addr[ADDR_STRLEN];

		snprintf(addr, sizeof(addr), "10.0.1.%zu", i + 1);
		len += (size_t)snprintf(doc + len, sizeof(doc) - len, "%s{'address':'%s'}",
					i ? "," : "", addr);
		r[i] = result(addr, true, "");
	}
	snprintf(doc + len, sizeof(doc) - len, "]}]}]}");
	core_fx_model(fx, doc);
	core_run(fx->core, fx->now);

	log_begin();
	assert_int_equal(core_results_set(fx->core, "f", r, n - 1, fx->now), 0);
	core_run(fx->core, fx->now);
	log_end(last, sizeof(last), &lines);
	assert_int_equal(lines, n - 1);

	/* In the same second: one line for all of them. */
	log_begin();
	assert_int_equal(core_results_set(fx->core, "f", NULL, 0, fx->now), 0);
	core_run(fx->core, fx->now);
	log_end(last, sizeof(last), &lines);
	assert_int_equal(lines, 1);
	assert_non_null(strstr(last, "changed=100 logged=0"));

	fx->now += 1000 * CORE_MS;
	log_begin();
	assert_int_equal(core_results_set(fx->core, "f", r, n, fx->now), 0);
	core_run(fx->core, fx->now);
	log_end(last, sizeof(last), &lines);
	/* The last one says that every backend is out, the one before what was left out. */
	assert_int_equal(lines, n - 1 + 2);
	core_fx_free(fx);
}

#define SOURCES	 3
#define BACKENDS 4

/* What the files say comes to the same whatever was said before. */
static void test_histories(void **state _unused_)
{
	static const char *const names[SOURCES] = {"a", "b", "c"};
	static const char *const addrs[BACKENDS] = {B1, B2, "10.0.0.3", "10.0.0.4"};
	enum { NOTHING, UP, DOWN } said[SOURCES][BACKENDS] = {};
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, CORE_FX_DOC("1", "{'address':'" V "','ports':[{'protocol':'tcp',"
					   "'port':80,'backends':[" TWO
					   ",{'address':'10.0.0.3'},{'address':'10.0.0.4'}]}]}"));
	srand(1);
	for (unsigned int i = 0; i < 3000; i++) {
		struct core_result r[BACKENDS];
		int source = rand() % SOURCES;
		size_t n = 0;

		for (int b = 0; b < BACKENDS; b++) {
			/* Often the same backends as before, so that they are changed in place. */
			if (rand() % 4 == 0)
				said[source][b] = NOTHING;
			if (said[source][b] != NOTHING || rand() % 4 == 0)
				said[source][b] = rand() % 2 ? UP : DOWN;
			if (said[source][b] != NOTHING)
				r[n++] = result(addrs[b], said[source][b] == DOWN, "");
		}
		assert_int_equal(core_results_set(fx->core, names[source], r, n, fx->now), 0);
		core_fx_settle(fx);
		core_fx_forget(fx);
		for (int b = 0; b < BACKENDS; b++) {
			const char *why = "";

			for (int s = SOURCES - 1; s >= 0; s--)
				if (said[s][b] == DOWN)
					why = names[s];
			assert_int_equal(backend(fx, addrs[b])->state,
					 why[0] ? CORE_BE_DOWN : CORE_BE_UP);
			assert_string_equal(core_results_reason(backend(fx, addrs[b])), why);
		}
	}
	core_fx_free(fx);
}

static void test_shown(void **state _unused_)
{
	struct core_fx *fx = two_up();
	struct jput_doc doc = JPUT_INIT;
	size_t len;
	char *text;

	say(fx, "f", B1, true, "disk");
	say(fx, "g", B1, false, "");
	core_results_write(backend(fx, B1), jput_begin(&doc));
	text = jput_text(&doc, &len);
	assert_string_equal(text, "{\"results\":[{\"file\":\"g\",\"state\":\"up\"},"
				  "{\"file\":\"f\",\"state\":\"down\",\"reason\":\"disk\"}]}\n");
	free(text);
	core_results_write(backend(fx, B2), jput_begin(&doc));
	text = jput_text(&doc, &len);
	assert_string_equal(text, "{}\n");
	free(text);
	jput_done(&doc);
	core_fx_free(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_out_and_in),
		cmocka_unit_test(test_up_leaves_it_to_the_checks),
		cmocka_unit_test(test_several_files),
		cmocka_unit_test(test_below_admin),
		cmocka_unit_test(test_said_before),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_refused_changes_nothing),
		cmocka_unit_test(test_log_is_bounded),
		cmocka_unit_test(test_histories),
		cmocka_unit_test(test_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
