// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A file as scheduler: seen when it is whole, whatever way it is replaced.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "log.h"
#include "model.h"
#include "scheduler.h"
#include "temp_dir.h"

struct fx {
	char *dir;
	struct loop *l;
	struct config cfg;
	struct scheduler *s;
	unsigned int documents, reported;
	uint64_t revision;
};

static int on_document(void *user, const char *json, size_t len, uint64_t *ret_revision, char *err,
		       size_t err_len)
{
	struct fx *fx = user;
	struct model *m;
	int r;

	fx->documents++;
	r = model_parse(json, len, &m, err, err_len);
	if (r < 0)
		return r;
	*ret_revision = fx->revision = m->revision;
	model_free(m);
	return 0;
}

static void on_report(void *user _unused_, struct jput b)
{
	jput_array(b, "synced");
}

static void on_reported(void *user)
{
	((struct fx *)user)->reported++;
}

static const struct scheduler_ops ops = {
	.document = on_document,
	.report = on_report,
	.reported = on_reported,
};

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	log_set_level(LOG_CRIT);
	fx->dir = temp_dir_new();
	config_init(&fx->cfg);
	fx->cfg.sched_retry_ms = 10;
	snprintf(fx->cfg.state_dir, sizeof(fx->cfg.state_dir), "%s", fx->dir);
	snprintf(fx->cfg.sched_url, sizeof(fx->cfg.sched_url), "file:%s/vips.json", fx->dir);
	assert_int_equal(loop_new(&fx->l), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	scheduler_free(fx->s);
	loop_free(fx->l);
	temp_dir_free(fx->dir);
	free(fx);
	return 0;
}

static void start(struct fx *fx)
{
	assert_int_equal(scheduler_new(fx->l, &fx->cfg, &ops, fx, &fx->s), 0);
}

static struct scheduler_info info(struct fx *fx)
{
	struct scheduler_info i;

	scheduler_info_get(fx->s, &i);
	return i;
}

#define UNTIL(fx, cond)                                                                            \
	do {                                                                                       \
		uint64_t end_ = util_now_ns() + 10000000000ull;                                    \
		while (!(cond)) {                                                                  \
			assert_true(util_now_ns() < end_);                                         \
			assert_int_equal(loop_once((fx)->l, 10), 0);                               \
		}                                                                                  \
	} while (0)

static void doc(struct fx *fx, unsigned int revision)
{
	char text[64];

	snprintf(text, sizeof(text), "{\"revision\":%u,\"vips\":[]}", revision);
	temp_dir_write(fx->dir, "vips.json", text);
}

static void test_renamed_in(void **state)
{
	struct fx *fx = *state;

	doc(fx, 1);
	start(fx);
	UNTIL(fx, fx->revision == 1);
	assert_true(info(fx).ok);
	for (unsigned int i = 2; i < 10; i++) {
		doc(fx, i);
		UNTIL(fx, fx->revision == i);
	}
	/* Nothing changes: nothing is read. */
	fx->documents = 0;
	temp_dir_write(fx->dir, "other", "x");
	for (int i = 0; i < 10; i++)
		loop_once(fx->l, 5);
	assert_int_equal(fx->documents, 0);
	scheduler_refresh(fx->s);
	UNTIL(fx, fx->documents == 1);
}

static void test_appears_later(void **state)
{
	struct fx *fx = *state;

	start(fx);
	UNTIL(fx, info(fx).failures > 0);
	assert_non_null(strstr(info(fx).error, "No such file"));
	doc(fx, 3);
	UNTIL(fx, fx->revision == 3);
	assert_string_equal(info(fx).error, "");
}

static void test_written_in_place(void **state)
{
	struct fx *fx = *state;
	FILE *f;

	doc(fx, 1);
	start(fx);
	UNTIL(fx, fx->revision == 1);
	fx->documents = 0;
	f = fopen(temp_dir_path(fx->dir, "vips.json"), "we");
	assert_non_null(f);
	fputs("{\"revision\":2,", f);
	fflush(f);
	for (int i = 0; i < 5; i++)
		loop_once(fx->l, 5);
	/* Not before the writer has closed it. */
	assert_int_equal(fx->documents, 0);
	fputs("\"vips\":[]}", f);
	fclose(f);
	UNTIL(fx, fx->revision == 2);
}

static void test_half_written(void **state)
{
	struct fx *fx = *state;

	doc(fx, 1);
	start(fx);
	UNTIL(fx, fx->revision == 1);
	temp_dir_write(fx->dir, "vips.json", "{\"revision\":2,\"vi");
	UNTIL(fx, !info(fx).ok);
	assert_non_null(strstr(info(fx).error, "VIP list refused: the JSON text is cut off"));
	assert_int_equal(fx->revision, 1);
	doc(fx, 2);
	UNTIL(fx, fx->revision == 2);
}

/* As a ConfigMap is mounted: the name is a symbolic link, which is replaced. */
static void test_symlink_switched(void **state)
{
	struct fx *fx = *state;

	temp_dir_write(fx->dir, "one", "{\"revision\":1,\"vips\":[]}");
	temp_dir_write(fx->dir, "two", "{\"revision\":2,\"vips\":[]}");
	assert_int_equal(symlink("one", temp_dir_path(fx->dir, "data")), 0);
	assert_int_equal(symlink("data", temp_dir_path(fx->dir, "vips.json")), 0);
	start(fx);
	UNTIL(fx, fx->revision == 1);
	assert_int_equal(symlink("two", temp_dir_path(fx->dir, "data.new")), 0);
	assert_int_equal(rename(temp_dir_path(fx->dir, "data.new"), temp_dir_path(fx->dir, "data")),
			 0);
	UNTIL(fx, fx->revision == 2);
}

static void test_directory_comes_and_goes(void **state)
{
	struct fx *fx = *state;
	char sub[256];

	snprintf(sub, sizeof(sub), "%s", temp_dir_path(fx->dir, "sub"));
	snprintf(fx->cfg.sched_url, sizeof(fx->cfg.sched_url), "file://%s/vips.json", sub);
	start(fx);
	UNTIL(fx, info(fx).failures > 0);
	for (unsigned int i = 1; i < 4; i++) {
		assert_int_equal(mkdir(sub, 0700), 0);
		doc(fx, i);
		assert_int_equal(rename(temp_dir_path(fx->dir, "vips.json"),
					temp_dir_path(fx->dir, "sub/vips.json")),
				 0);
		UNTIL(fx, fx->revision == i);
		assert_int_equal(unlink(temp_dir_path(fx->dir, "sub/vips.json")), 0);
		assert_int_equal(rmdir(sub), 0);
		UNTIL(fx, !info(fx).ok);
	}
}

static void test_report(void **state)
{
	struct fx *fx = *state;
	char *text;

	doc(fx, 1);
	start(fx);
	scheduler_report(fx->s);
	scheduler_report(fx->s);
	UNTIL(fx, fx->reported > 0);
	assert_int_equal(fx->reported, 1);
	text = temp_dir_read(fx->dir, "status.json");
	assert_string_equal(text, "{\"synced\":[]}\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_renamed_in, setup, teardown),
		cmocka_unit_test_setup_teardown(test_appears_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_written_in_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_symlink_switched, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory_comes_and_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_report, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
