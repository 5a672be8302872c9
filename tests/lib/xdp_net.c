// SPDX-License-Identifier: GPL-2.0-or-later
/* Private namespaces for a test; see xdp_net.h. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "xdp_net.h"

#define WORDS_MAX 32

static void die(const char *what, const char *detail)
{
	fprintf(stderr, "xdp_net: %s: %s: %s\n", what, detail, strerror(errno));
	exit(2);
}

const char *xdp_net_enter(void)
{
	static char dir[] = "/mnt/bpf";

	if (geteuid() != 0)
		return NULL;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		return NULL;
	/* What is mounted from here on is seen by this process only. */
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("mount", "/");
	if (mount("tmpfs", "/mnt", "tmpfs", 0, NULL) < 0)
		die("mount", "/mnt");
	/* Named namespaces that a test makes are its own, too. */
	if (mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
		die("mount", "/run");
	if (mkdir(dir, 0755) < 0 || mount("bpf", dir, "bpf", 0, NULL) < 0)
		return NULL;
	xdp_net_run("ip link set lo up");
	return dir;
}

static int run(char *line)
{
	char *argv[WORDS_MAX + 1] = {};
	char *save = NULL;
	size_t n = 0;
	int status;
	pid_t pid;

	for (char *w = strtok_r(line, " ", &save); w && n < WORDS_MAX;
	     w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	pid = fork();
	if (pid < 0)
		die("fork", argv[0]);
	if (pid == 0) {
		/* Standard output is the test's report. */
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0)
		die("waitpid", argv[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

void xdp_net_run(const char *fmt, ...)
{
	char line[512], copy[512];
	va_list ap;
	int status;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	memcpy(copy, line, sizeof(copy));
	status = run(copy);
	if (status != 0) {
		fprintf(stderr, "xdp_net: \"%s\": exit status %d\n", line, status);
		exit(2);
	}
}

int xdp_net_try(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	return run(line);
}

void xdp_net_sysctl(const char *name, const char *value)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die("sysctl", name);
	close(fd);
}
