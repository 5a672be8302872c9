// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The results directory: what its files say together, however they come and go.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "log.h"
#include "results.h"
#include "results_file.h"
#include "temp_dir.h"

#define LINE(n, state) "192.0.2.1 tcp 80 10.0.0." n " " state "\n"

/* What the core was told, by file. */
struct heard {
	char file[64];
	struct core_result r[4];
	size_t n;
};

struct fx {
	char *dir, *bad, *away;
	struct loop *l;
	struct results *r;
	struct heard heard[16];
	unsigned int n_heard, says, bursts;
	int answer;	   /* to the next say */
	const char *sneak; /* replaces the file that is being read */
};

/* As a program does it: written elsewhere, on the same file system. */
static void place(struct fx *fx, const char *name, const char *text)
{
	temp_dir_write(fx->away, name, text);
	assert_int_equal(rename(temp_dir_path(fx->away, name), temp_dir_path(fx->dir, name)), 0);
}

static int on_say(void *user, const char *file, const struct core_result *r, size_t n)
{
	struct fx *fx = user;
	unsigned int i = 0;
	int answer = fx->answer;

	fx->says++;
	fx->answer = 0;
	if (fx->sneak)
		place(fx, file, TAKE_PTR(fx->sneak));
	if (answer < 0)
		return answer;
	while (i < fx->n_heard && strcmp(fx->heard[i].file, file) != 0)
		i++;
	if (!n) {
		if (i < fx->n_heard)
			fx->heard[i] = fx->heard[--fx->n_heard];
		return 0;
	}
	assert_true(i < ARRAY_SIZE(fx->heard) && n <= ARRAY_SIZE(fx->heard[i].r));
	if (i == fx->n_heard)
		fx->n_heard++;
	snprintf(fx->heard[i].file, sizeof(fx->heard[i].file), "%s", file);
	memcpy(fx->heard[i].r, r, n * sizeof(*r));
	fx->heard[i].n = n;
	return 0;
}

static void on_burst(void *user)
{
	((struct fx *)user)->bursts++;
}

static const struct results_ops ops = {.say = on_say, .burst = on_burst};

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	log_set_level(LOG_CRIT);
	fx->dir = temp_dir_new();
	fx->away = temp_dir_new();
	fx->bad = strdup(temp_dir_path(fx->dir, "bad"));
	assert_non_null(fx->bad);
	assert_int_equal(loop_new(&fx->l), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	results_free(fx->r);
	loop_free(fx->l);
	if (access(fx->bad, F_OK) == 0)
		temp_dir_free(fx->bad);
	else
		free(fx->bad);
	temp_dir_free(fx->dir);
	temp_dir_free(fx->away);
	free(fx);
	return 0;
}

static void start(struct fx *fx)
{
	results_free(fx->r);
	fx->r = NULL;
	fx->n_heard = 0;
	assert_int_equal(results_new(fx->l, fx->dir, &ops, fx, &fx->r), 0);
}

/* As an operator does it: not hidden, not renamed. */
static void echo(struct fx *fx, const char *name, const char *text)
{
	int fd = open(temp_dir_path(fx->dir, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void take_away(struct fx *fx, const char *name)
{
	assert_int_equal(unlink(temp_dir_path(fx->dir, name)), 0);
}

/* All events that there are; with a bad file there are some of our own. */
static void run(struct fx *fx)
{
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_once(fx->l, 0), 0);
}

static const struct heard *heard(struct fx *fx, const char *file)
{
	for (unsigned int i = 0; i < fx->n_heard; i++)
		if (strcmp(fx->heard[i].file, file) == 0)
			return &fx->heard[i];
	return NULL;
}

static bool is_down(struct fx *fx, const char *file)
{
	const struct heard *h = heard(fx, file);

	assert_non_null(h);
	return h->r[0].down;
}

static struct results_info info(const struct fx *fx)
{
	struct results_info i;

	results_info_get(fx->r, &i);
	return i;
}

static void test_come_and_go(void **state)
{
	struct fx *fx = *state;

	start(fx);
	echo(fx, "a", LINE("1", "down disk"));
	run(fx);
	assert_true(is_down(fx, "a"));
	assert_string_equal(heard(fx, "a")->r[0].reason, "disk");
	place(fx, "b",
	      "{\"results\":[{\"vip\":\"192.0.2.1\",\"protocol\":\"tcp\",\"port\":80,"
	      "\"backend\":\"10.0.0.1\",\"state\":\"down\"}]}");
	run(fx);
	assert_true(is_down(fx, "b"));
	place(fx, "a", LINE("1", "up") LINE("2", "down"));
	run(fx);
	assert_false(is_down(fx, "a"));
	assert_int_equal(heard(fx, "a")->n, 2);
	assert_int_equal(info(fx).results, 3);
	assert_int_equal(info(fx).files, 2);

	take_away(fx, "a");
	assert_int_equal(rename(temp_dir_path(fx->dir, "b"), temp_dir_path(fx->away, "b")), 0);
	run(fx);
	assert_int_equal(fx->n_heard, 0);
	assert_int_equal(info(fx).results, 0);
	assert_int_equal(info(fx).files, 0);
}

/* A restart finds what there is; files that went meanwhile are not there. */
static void test_restart(void **state)
{
	struct fx *fx = *state;

	place(fx, "a", LINE("1", "down"));
	place(fx, "b", LINE("2", "down"));
	start(fx);
	assert_int_equal(fx->n_heard, 2);
	results_free(TAKE_PTR(fx->r));
	take_away(fx, "a");
	start(fx);
	assert_int_equal(fx->n_heard, 1);
	assert_true(is_down(fx, "b"));
}

/* However often they change in one round, each file is read once. */
static void test_flood_coalesces(void **state)
{
	struct fx *fx = *state;

	start(fx);
	fx->bursts = fx->says = 0;
	for (int i = 0; i < 200; i++) {
		place(fx, "a", i % 2 ? LINE("1", "up") : LINE("1", "down"));
		place(fx, "b", LINE("2", "down"));
	}
	assert_int_equal(loop_once(fx->l, 0), 0);
	assert_int_equal(fx->bursts, 1);
	assert_int_equal(fx->says, 2);
	assert_int_equal(info(fx).reads, 2);
	assert_false(is_down(fx, "a"));
	assert_true(is_down(fx, "b"));
}

static void test_left_alone(void **state)
{
	struct fx *fx = *state;

	start(fx);
	echo(fx, ".a.tmp", "no sense at all");
	assert_int_equal(mkdir(fx->bad, 0755), 0);
	run(fx);
	assert_int_equal(fx->n_heard, 0);
	assert_int_equal(info(fx).bad, 0);
	assert_int_equal(access(temp_dir_path(fx->dir, ".a.tmp"), F_OK), 0);
	/* A hidden one that is renamed is whole. */
	echo(fx, ".a.tmp", LINE("1", "down"));
	assert_int_equal(rename(temp_dir_path(fx->dir, ".a.tmp"), temp_dir_path(fx->dir, "a")), 0);
	run(fx);
	assert_true(is_down(fx, "a"));
}

static void test_bad_file(void **state)
{
	struct fx *fx = *state;

	start(fx);
	place(fx, "good", LINE("2", "down"));
	place(fx, "a", LINE("1", "down"));
	run(fx);
	place(fx, "a", LINE("1", "up") "garbage\n");
	run(fx);
	/* Set aside; what it said before stands. */
	assert_int_equal(access(temp_dir_path(fx->dir, "a"), F_OK), -1);
	assert_int_equal(access(temp_dir_path(fx->bad, "a"), F_OK), 0);
	assert_true(is_down(fx, "a"));
	assert_true(is_down(fx, "good"));
	assert_int_equal(info(fx).bad, 1);
	assert_string_equal(info(fx).bad_name, "a");
	assert_non_null(strstr(info(fx).bad_reason, "line 2"));

	/* ... until there is a good one. */
	place(fx, "a", LINE("1", "up"));
	run(fx);
	assert_false(is_down(fx, "a"));
	assert_string_equal(info(fx).bad_name, "a");
	take_away(fx, "a");
	run(fx);
	assert_null(heard(fx, "a"));

	/* One that said nothing before leaves nothing behind. */
	place(fx, "new", "garbage\n");
	run(fx);
	assert_int_equal(info(fx).bad, 2);
	assert_int_equal(info(fx).files, 1);
}

static void test_bad_at_start(void **state)
{
	struct fx *fx = *state;

	place(fx, "a", "garbage\n");
	place(fx, "b", LINE("1", "down"));
	start(fx);
	run(fx);
	assert_int_equal(info(fx).bad, 1);
	assert_int_equal(fx->n_heard, 1);
	assert_int_equal(access(temp_dir_path(fx->bad, "a"), F_OK), 0);
}

static void test_not_files(void **state)
{
	struct fx *fx = *state;
	int fd;

	start(fx);
	place(fx, "target", LINE("1", "down"));
	assert_int_equal(symlink("target", temp_dir_path(fx->away, "link")), 0);
	assert_int_equal(rename(temp_dir_path(fx->away, "link"), temp_dir_path(fx->dir, "link")),
			 0);
	run(fx);
	assert_int_equal(info(fx).bad, 1);
	assert_string_equal(info(fx).bad_reason, "it is a symbolic link");

	assert_int_equal(mkfifo(temp_dir_path(fx->away, "fifo"), 0644), 0);
	assert_int_equal(rename(temp_dir_path(fx->away, "fifo"), temp_dir_path(fx->dir, "fifo")),
			 0);
	run(fx);
	assert_int_equal(info(fx).bad, 2);
	assert_string_equal(info(fx).bad_reason, "it is no regular file");

	fd = open(temp_dir_path(fx->dir, "large"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, RESULTS_FILE_MAX + 1), 0);
	close(fd);
	run(fx);
	assert_int_equal(info(fx).bad, 3);
	assert_string_equal(info(fx).bad_reason, "it is larger than 16 MiB");
	assert_int_equal(fx->n_heard, 1);
}

static void test_owner(void **state)
{
	struct fx *fx = *state;

	if (geteuid() != 0) {
		print_message("needs root: gives a file away\n");
		skip();
	}
	start(fx);
	temp_dir_write(fx->away, "a", LINE("1", "down"));
	assert_int_equal(chown(temp_dir_path(fx->away, "a"), 65534, 65534), 0);
	assert_int_equal(rename(temp_dir_path(fx->away, "a"), temp_dir_path(fx->dir, "a")), 0);
	run(fx);
	assert_int_equal(fx->n_heard, 0);
	assert_string_equal(info(fx).bad_reason,
			    "it belongs neither to root nor to the agent's user");
}

/* What the core refuses is a bad file too; what fails for a moment is tried again. */
static void test_core_refuses(void **state)
{
	struct fx *fx = *state;

	start(fx);
	fx->answer = -EEXIST;
	place(fx, "a", LINE("1", "down") LINE("1", "up"));
	run(fx);
	assert_string_equal(info(fx).bad_reason, "it names a backend of a service twice");
	fx->answer = -E2BIG;
	place(fx, "a", LINE("1", "down"));
	run(fx);
	assert_non_null(strstr(info(fx).bad_reason, "too many results"));

	fx->answer = -ENOMEM;
	place(fx, "b", LINE("1", "down"));
	run(fx);
	assert_int_equal(fx->n_heard, 0);
	assert_int_equal(info(fx).bad, 2);
	for (int i = 0; i < 20 && !fx->n_heard; i++)
		assert_int_equal(loop_once(fx->l, 200), 0);
	assert_true(is_down(fx, "b"));
}

/* A good file that comes while the bad one is set aside is not set aside in its place. */
static void test_replaced_meanwhile(void **state)
{
	struct fx *fx = *state;

	start(fx);
	fx->sneak = LINE("2", "down");
	fx->answer = -EEXIST;
	place(fx, "a", LINE("1", "up") LINE("1", "up"));
	run(fx);
	assert_int_equal(info(fx).bad, 1);
	assert_true(is_down(fx, "a"));
	assert_int_equal(access(temp_dir_path(fx->dir, "a"), F_OK), 0);
	assert_int_equal(access(temp_dir_path(fx->bad, "a"), F_OK), -1);
}

/* It is not there, comes, is moved away with its files, and another takes its place. */
static void test_directory_is_replaced(void **state)
{
	struct fx *fx = *state;
	char *other = strdup(temp_dir_path(fx->away, "other"));

	assert_non_null(other);
	assert_int_equal(rmdir(fx->dir), 0);
	start(fx);
	assert_string_equal(info(fx).error, "No such file or directory");
	assert_int_equal(mkdir(fx->dir, 0755), 0);
	place(fx, "a", LINE("1", "down"));
	for (int i = 0; i < 20 && !fx->n_heard; i++)
		assert_int_equal(loop_once(fx->l, 200), 0);
	assert_true(is_down(fx, "a"));
	assert_string_equal(info(fx).error, "");

	assert_int_equal(rename(fx->dir, other), 0);
	run(fx);
	assert_string_equal(info(fx).error, "No such file or directory");
	assert_true(is_down(fx, "a"));
	assert_int_equal(mkdir(fx->dir, 0755), 0);
	place(fx, "b", LINE("2", "down"));
	for (int i = 0; i < 20 && !heard(fx, "b"); i++)
		assert_int_equal(loop_once(fx->l, 200), 0);
	assert_true(is_down(fx, "b"));
	assert_null(heard(fx, "a"));
	temp_dir_free(other);
}

/* Events were lost: everything is looked at. */
static void test_overflow(void **state)
{
	struct fx *fx = *state;
	uint64_t scans;
	unsigned int max = 16384;
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

	if (f) {
		if (fscanf(f, "%u", &max) != 1)
			max = 16384;
		fclose(f);
	}
	start(fx);
	place(fx, "gone", LINE("1", "down"));
	run(fx);
	scans = info(fx).scans;
	/* Two names in turn, so that the kernel cannot merge the events. */
	for (unsigned int i = 0; i <= max / 2; i++) {
		echo(fx, "x", "");
		echo(fx, "y", "");
	}
	take_away(fx, "gone");
	place(fx, "late", LINE("2", "down"));
	run(fx);
	assert_true(info(fx).scans > scans);
	assert_null(heard(fx, "gone"));
	assert_true(is_down(fx, "late"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood_coalesces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_at_start, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_core_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replaced_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overflow, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
