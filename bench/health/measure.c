// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a program on one CPU and says what it used: the line of JSON that the program printed,
 * and behind it one of ours. A small program does this, for the memory that the kernel reports of
 * a process counts what its parent had when it was forked.
 *
 *	measure CPU PROGRAM [ARG]...
 */
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

static void fail(const char *what)
{
	fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void child(const char *cpu, char **argv)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(world_number(cpu, CPU_SETSIZE - 1), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
		fail("sched_setaffinity");
	execv(argv[0], argv);
	fail(argv[0]);
}

static double seconds(const struct timeval *tv)
{
	return (double)tv->tv_sec + (double)tv->tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	struct rusage used;
	int status;
	pid_t pid;

	if (argc < 3) {
		fputs("measure CPU PROGRAM [ARG]...\n", stderr);
		return 2;
	}
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0)
		child(argv[1], argv + 2);
	if (wait4(pid, &status, 0, &used) < 0)
		fail("wait4");
	printf("{\"user_s\": %.6f, \"sys_s\": %.6f, \"rss_kb\": %ld}\n", seconds(&used.ru_utime),
	       seconds(&used.ru_stime), used.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
