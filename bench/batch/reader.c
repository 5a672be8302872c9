// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What reading alone takes: a child runs the agent's own reader (agent/results.c) on its loop
 * and passes on, for each burst, how many files it has read; the parent renames files in, as
 * watch.c does, and waits until all were. Between them is a pipe.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "log.h"
#include "modes.h"
#include "results.h"
#include "util.h"
#include "way.h"

struct burst {
	uint64_t files, at_ns;
};

struct reader {
	uint64_t files;
	int to_parent;
};

static int on_say(void *user, const char *file _unused_, const struct core_result *r _unused_,
		  size_t n _unused_)
{
	struct reader *reader = user;

	reader->files++;
	return 0;
}

static void on_burst(void *user)
{
	struct reader *reader = user;
	const struct burst b = {reader->files, util_now_ns()};

	reader->files = 0;
	/* The parent is gone: so are we. */
	if (write(reader->to_parent, &b, sizeof(b)) != sizeof(b))
		_exit(1);
}

static const struct results_ops ops = {.say = on_say, .burst = on_burst};

static int child_main(const char *dir, int to_parent)
{
	struct reader reader = {.to_parent = to_parent};
	struct results *results;
	struct loop *loop;
	int r;

	log_set_level(LOG_WARNING);
	r = loop_new(&loop);
	if (r == 0)
		r = results_new(loop, dir, &ops, &reader, &results);
	return r == 0 ? loop_run(loop) : r;
}

static int change(const struct place *place, const char *dir, int from_child)
{
	_cleanup_(set_free) struct set s = {};
	uint64_t begin, told, read_files = 0;
	struct burst b = {};
	int r;

	r = set_load(dir, &s);
	if (r == 0)
		r = place_prepare(place, &s);
	if (r < 0)
		return r;
	begin = util_now_ns();
	r = place_now(place, &s);
	told = util_now_ns();
	while (r == 0 && read_files < s.n_files) {
		if (read(from_child, &b, sizeof(b)) != sizeof(b))
			return -EPIPE;
		read_files += b.files;
	}
	if (r == 0)
		printf("{\"ms\": %.3f, \"told_ms\": %.3f}\n", (double)(b.at_ns - begin) / 1e6,
		       (double)(told - begin) / 1e6);
	return r;
}

static int parent_main(const char *results_dir, const char *stage_dir, int from_child)
{
	struct place place;
	struct burst b;
	char line[512];
	int r;

	/* The first burst says that the directory is watched. */
	if (read(from_child, &b, sizeof(b)) != sizeof(b))
		return -EPIPE;
	r = place_open(stage_dir, results_dir, &place);
	if (r < 0)
		return r;
	while (r == 0 && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		r = change(&place, line, from_child);
	}
	place_close(&place);
	return r;
}

int reader_main(const char *results_dir, const char *stage_dir)
{
	int ends[2], r;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		close(ends[0]);
		_exit(child_main(results_dir, ends[1]) ? 1 : 0);
	}
	close(ends[1]);
	r = parent_main(results_dir, stage_dir, ends[0]);
	close(ends[0]);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return r;
}
