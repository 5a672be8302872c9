// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is kept on disk: whole files or none, and nothing believed that is not
 * in order.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core_fixture.h"
#include "model_fixture.h"
#include "state.h"
#include "temp_dir.h"

#define V  "192.0.2.1"
#define B1 "10.0.0.1"
#define B2 "10.0.0.2"

static int setup(void **state)
{
	*state = temp_dir_new();
	return 0;
}

static int teardown(void **state)
{
	temp_dir_free(*state);
	return 0;
}

static void test_write_and_read(void **state)
{
	const char *dir = *state;
	char *data = NULL;
	struct stat st;
	size_t len;

	assert_int_equal(state_write(dir, "x", "first", 5, true), 0);
	assert_int_equal(state_write(dir, "x", "second\0.", 8, false), 0);
	assert_int_equal(state_read(temp_dir_path(dir, "x"), 8, &data, &len), 0);
	assert_int_equal(len, 8);
	assert_memory_equal(data, "second\0.", 9);
	free(data);
	assert_int_equal(state_read(temp_dir_path(dir, "x"), 7, &data, &len), -E2BIG);
	assert_int_equal(state_read(temp_dir_path(dir, "y"), 7, &data, &len), -ENOENT);
	assert_int_equal(state_read(dir, 7, &data, &len), -EISDIR);
	assert_int_equal(stat(temp_dir_path(dir, "x"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	/* Nothing is left beside it. */
	assert_int_equal(stat(temp_dir_path(dir, "x.new"), &st), -1);
	assert_int_equal(state_write("/nonexistent", "x", "", 0, true), -ENOENT);
	/* Read in pieces: the size in the inode of /proc files is 0. */
	assert_int_equal(state_read("/proc/self/status", 1 << 20, &data, &len), 0);
	assert_non_null(strstr(data, "Pid:"));
	free(data);
}

static void test_failed_write_keeps_the_old(void **state)
{
	const char *dir = *state;
	char *text;

	assert_int_equal(state_write(dir, "x", "old", 3, true), 0);
	/* Where the new one would be written, there is a directory. */
	assert_int_equal(mkdir(temp_dir_path(dir, "x.new"), 0700), 0);
	assert_int_equal(state_write(dir, "x", "new", 3, true), -EISDIR);
	text = temp_dir_read(dir, "x");
	assert_string_equal(text, "old");
	free(text);
	assert_int_equal(rmdir(temp_dir_path(dir, "x.new")), 0);
}

static void test_vips(void **state)
{
	const char *dir = *state;
	struct model *m = model_fx("{'revision':9,'vips':[" CORE_FX_VIP(V, CORE_FX_BE(B1)) "]}");
	struct model *n = NULL;
	char err[256];

	assert_int_equal(state_vips_load(dir, &n, err, sizeof(err)), -ENOENT);
	assert_int_equal(state_vips_save(dir, m), 0);
	assert_int_equal(state_vips_load(dir, &n, err, sizeof(err)), 0);
	assert_int_equal(n->revision, 9);
	assert_true(model_vip_equal(&m->vips[0], &n->vips[0]));
	model_free(m);
	model_free(n);
	temp_dir_write(dir, STATE_VIPS, "{\"revision\":9,\"vips\":[{");
	assert_int_equal(state_vips_load(dir, &n, err, sizeof(err)), -EINVAL);
	assert_string_equal(err, "the JSON text is cut off");
}

/* Local VIPs, through the file and back: those, and only those. */
static void test_local(void **state)
{
	const char *dir = *state;
	struct core_fx *fx = core_fx_new(), *again = core_fx_new();
	struct model *m = model_fx("{'vips':[" CORE_FX_VIP(V, CORE_FX_BE(B1)) "]}");
	char err[256];

	assert_int_equal(state_local_load(dir, &m, err, sizeof(err)), -ENOENT);
	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP("192.0.2.2", CORE_FX_BE(B1))));
	assert_int_equal(core_local_put(fx->core, &m->vips[0], fx->now), CORE_LOCAL_CREATED);
	model_free(m);
	assert_int_equal(state_local_save(dir, fx->core), 0);
	assert_int_equal(state_local_load(dir, &m, err, sizeof(err)), 0);
	assert_int_equal(m->n_vips, 1);
	assert_true(model_vip_equal(&m->vips[0], &core_fx_vip(fx, V)->conf));
	assert_int_equal(core_local_load(again->core, m, again->now), 0);
	assert_int_equal(core_local_count(again->core), 1);
	assert_null(core_fx_vip(again, "192.0.2.2"));
	temp_dir_write(dir, STATE_LOCAL, "{\"vips\":3}");
	assert_int_equal(state_local_load(dir, &m, err, sizeof(err)), -EINVAL);
	core_fx_free(fx);
	core_fx_free(again);
}

/* A core that has one VIP with an override and a verdict, saved. */
static struct core_fx *used_core(const char *dir)
{
	struct core_fx *fx = core_fx_new();
	struct core_key key = {.port = 80, .protocol = 6};

	addr_parse(V, &key.vip);
	addr_parse(B1, &key.backend);
	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, CORE_FX_BE(B1) "," CORE_FX_BE(B2))));
	assert_int_equal(core_override_set(fx->core, &key, MODEL_ADMIN_DRAIN), 0);
	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	core_fx_settle(fx);
	assert_int_equal(state_overrides_save(dir, fx->core), 0);
	assert_int_equal(state_verdicts_save(dir, fx->core), 0);
	return fx;
}

static void test_overrides_and_verdicts(void **state)
{
	const char *dir = *state;
	struct core_fx *fx = core_fx_new();
	struct core_backend *be;

	assert_int_equal(state_overrides_load(dir, fx->core), -ENOENT);
	assert_int_equal(state_verdicts_load(dir, fx->core, 0), -ENOENT);
	core_fx_free(used_core(dir));
	assert_int_equal(state_overrides_load(dir, fx->core), 0);
	assert_int_equal(state_verdicts_load(dir, fx->core, 0), 0);
	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, CORE_FX_BE(B1) "," CORE_FX_BE(B2))));
	core_fx_settle(fx);
	be = core_fx_vip(fx, V)->ports[0].backends;
	assert_true(be[0].has_override);
	assert_int_equal(be[0].override, MODEL_ADMIN_DRAIN);
	assert_int_equal(be[0].health, MSG_HC_DOWN);
	assert_false(be[1].has_override);
	assert_int_equal(be[1].health, MSG_HC_UNKNOWN);
	core_fx_free(fx);
}

static void test_verdicts_of_another_boot(void **state)
{
	const char *dir = *state;
	struct core_fx *fx = used_core(dir);
	char *text = temp_dir_read(dir, STATE_VERDICTS);
	char *boot = strstr(text, "\"boot\":\"") + strlen("\"boot\":\"");

	boot[0] = boot[0] == '0' ? '1' : '0';
	temp_dir_write(dir, STATE_VERDICTS, text);
	assert_int_equal(state_verdicts_load(dir, fx->core, 0), -ESTALE);
	free(text);
	core_fx_free(fx);
}

static void test_verdicts_grow_old(void **state)
{
	const char *dir = *state;
	struct core_fx *fx = used_core(dir);
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - 100}};

	assert_int_equal(state_verdicts_load(dir, fx->core, 60), 0);
	core_verdicts_forget(fx->core);
	assert_int_equal(utimensat(AT_FDCWD, temp_dir_path(dir, STATE_VERDICTS), times, 0), 0);
	assert_int_equal(state_verdicts_load(dir, fx->core, 60), -ESTALE);
	assert_int_equal(state_verdicts_load(dir, fx->core, 0), 0);
	core_fx_free(fx);
}

static void test_nonsense_is_not_believed(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"overrides\":{},\"boot\":3}",
		"{\"overrides\":[3]}",
		"{\"overrides\":[{}]}",
		"{\"overrides\":[{\"vip\":\"x\",\"protocol\":\"tcp\",\"port\":80,"
		"\"backend\":\"10.0.0.1\",\"admin\":\"up\"}]}",
		"{\"overrides\":[{\"vip\":\"192.0.2.1\",\"protocol\":\"tcp\",\"port\":80,"
		"\"backend\":\"10.0.0.1\",\"admin\":\"off\"}]}",
		"{\"overrides\":[{\"vip\":\"192.0.2.1\",\"protocol\":\"tcp\","
		"\"backend\":\"10.0.0.1\",\"admin\":\"up\"}]}",
	};
	const char *dir = *state;
	struct core_fx *fx = core_fx_new();

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		temp_dir_write(dir, STATE_OVERRIDES, bad[i]);
		temp_dir_write(dir, STATE_VERDICTS, bad[i]);
		assert_int_equal(state_overrides_load(dir, fx->core), -EINVAL);
		assert_int_equal(state_verdicts_load(dir, fx->core, 0), -EINVAL);
	}
	assert_int_equal(core_overrides_count(fx->core), 0);
	/* Port 0 is not nonsense: the service for all ports. */
	temp_dir_write(dir, STATE_OVERRIDES,
		       "{\"overrides\":[{\"vip\":\"192.0.2.1\",\"protocol\":\"tcp\",\"port\":0,"
		       "\"backend\":\"10.0.0.1\",\"admin\":\"drain\"}]}");
	assert_int_equal(state_overrides_load(dir, fx->core), 0);
	assert_int_equal(core_overrides_count(fx->core), 1);
	core_fx_free(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_write_and_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failed_write_keeps_the_old, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vips, setup, teardown),
		cmocka_unit_test_setup_teardown(test_local, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overrides_and_verdicts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_verdicts_of_another_boot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_verdicts_grow_old, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense_is_not_believed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
