// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every program of ours is taken by the running kernel's verifier. A program
 * that is not fails its test, with the end of what the verifier said; how much
 * work the verifier had is printed for the others (it gives up at a million
 * instructions).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define OBJECTS_MAX 16
#define LOG_SIZE    (16 << 20)
#define LOG_TAIL    6000
#define LOG_STATS   4 /* BPF_LOG_STATS: the summary alone */

static char *log_buf;

static int log_libbpf(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, fmt, args) : 0;
}

/* The program's verifier statistics, as "# name: processed ..." */
static void print_stats(const char *path, const struct bpf_program *prog)
{
	const char *stats = strstr(log_buf, "processed ");

	if (stats)
		printf("# %s %s: %.*s\n", strrchr(path, '/') + 1, bpf_program__name(prog),
		       (int)strcspn(stats, "\n"), stats);
}

static void print_tail(const char *path)
{
	size_t len = strlen(log_buf);
	char *line, *save = NULL;

	printf("# %s is refused:\n", path);
	for (line = strtok_r(log_buf + (len > LOG_TAIL ? len - LOG_TAIL : 0), "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		printf("#   %s\n", line);
}

static int load(const char *path, uint32_t level)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *prog;
	int r;

	if (!obj)
		return -errno;
	log_buf[0] = '\0';
	bpf_object__for_each_program(prog, obj)
	{
		bpf_program__set_log_buf(prog, log_buf, LOG_SIZE);
		bpf_program__set_log_level(prog, level);
	}
	r = bpf_object__load(obj);
	if (r == 0)
		bpf_object__for_each_program(prog, obj) print_stats(path, prog);
	bpf_object__close(obj);
	return r;
}

static void is_taken(void **state)
{
	const char *path = *state;

	if (load(path, LOG_STATS) == 0)
		return;
	/* Once more, with everything that the verifier says. */
	if (load(path, 1) != 0)
		print_tail(path);
	fail();
}

int main(void)
{
	const char *build = getenv("NLB_BUILD");
	struct CMUnitTest tests[OBJECTS_MAX] = {};
	struct utsname host;
	char pattern[512];
	glob_t found;
	size_t n;
	int r;

	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root\n");
		return 0;
	}
	snprintf(pattern, sizeof(pattern), "%s/xdp/*.bpf.o", build ? build : "build");
	if (glob(pattern, 0, NULL, &found) != 0 || found.gl_pathc > OBJECTS_MAX) {
		fprintf(stderr, "test_load: %s: no objects, or too many\n", pattern);
		return 2;
	}
	log_buf = malloc(LOG_SIZE);
	if (!log_buf)
		return 2;
	libbpf_set_print(log_libbpf);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	uname(&host);
	printf("# Linux %s\n", host.release);
	for (n = 0; n < found.gl_pathc; n++)
		tests[n] = (struct CMUnitTest){
			.name = strrchr(found.gl_pathv[n], '/') + 1,
			.test_func = is_taken,
			.initial_state = found.gl_pathv[n],
		};
	r = _cmocka_run_group_tests("load", tests, n, NULL, NULL);
	globfree(&found);
	free(log_buf);
	return r;
}
