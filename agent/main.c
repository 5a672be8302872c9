// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlb-agent: reads the configuration, forks the maps child and the health
 * child while it still has all its privileges, and becomes the parent process
 * (agent/proc.h says which of them may do what).
 *
 *   nlb-agent [-c FILE] [--respawn]
 *   nlb-agent -t [-c FILE]     checks the file and exits
 */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "config.h"
#include "ipc.h"
#include "log.h"
#include "proc.h"
#include "respawn.h"

#define NLB_VERSION    "0.1"
#define DEFAULT_CONFIG "/etc/nlb/agent.conf"
#define KEEP_MEMORY    (32 << 20)

static void usage(FILE *out)
{
	fputs("usage: nlb-agent [-c FILE] [-t] [-V] [--respawn]\n"
	      "  -c FILE     configuration (" DEFAULT_CONFIG ")\n"
	      "  -t          check the configuration and exit\n"
	      "  -V          print the version and exit\n"
	      "  --respawn   start the agent again whenever it ends with an error\n",
	      out);
}

/* The limit that the health child needs for its probes; no error where it is. */
static void raise_nofile(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return;
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
}

struct child {
	const char *name;
	int (*main)(const struct config *cfg, int fd);
	int parent_fd;
};

/* Returns 0 or -errno in the parent; does not return in the child. */
static int fork_child(struct child *c, const struct config *cfg, int other_fd)
{
	int fds[2], r;
	pid_t pid;

	r = ipc_pair(fds);
	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0) {
		r = -errno;
		close(fds[0]);
		close(fds[1]);
		return r;
	}
	if (pid == 0) {
		close(fds[0]);
		/* An end held here too would hide the parent's death from its sibling. */
		if (other_fd >= 0)
			close(other_fd);
		prctl(PR_SET_NAME, c->name, 0, 0, 0);
		log_set_proc(c->name);
		_exit(c->main(cfg, fds[1]));
	}
	close(fds[1]);
	c->parent_fd = fds[0];
	return 0;
}

static int run_agent(const struct config *cfg)
{
	struct child maps = {"nlb-maps", maps_main, -1}, health = {"nlb-health", hc_main, -1};
	int r;

	r = fork_child(&maps, cfg, -1);
	if (r == 0)
		r = fork_child(&health, cfg, maps.parent_fd);
	if (r < 0) {
		log_err("cannot fork", "error=\"%s\"", strerror(-r));
		return 1;
	}
	return parent_main(cfg, maps.parent_fd, health.parent_fd);
}

/*
 * Memory of a large batch is wanted again for the next one. To give it back to the kernel each
 * time, page by page, would take as long as the batch.
 */
static void keep_memory(void)
{
	mallopt(M_TRIM_THRESHOLD, KEEP_MEMORY);
	mallopt(M_MMAP_THRESHOLD, KEEP_MEMORY / 4);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"test", no_argument, NULL, 't'},
		{"version", no_argument, NULL, 'V'},	  {"help", no_argument, NULL, 'h'},
		{"respawn", no_argument, NULL, 'r'},	  {0},
	};
	const char *path = DEFAULT_CONFIG;
	bool test = false, respawn = false;
	struct config cfg;
	char err[1024];
	int opt;

	while ((opt = getopt_long(argc, argv, "c:tVh", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case 't':
			test = true;
			break;
		case 'r':
			respawn = true;
			break;
		case 'V':
			puts("nlb-agent " NLB_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind != argc) {
		usage(stderr);
		return 2;
	}
	if (config_load(path, &cfg, err, sizeof(err)) < 0) {
		fprintf(stderr, "nlb-agent: %s\n", err);
		return 2;
	}
	if (test) {
		printf("%s: ok\n", path);
		return 0;
	}
	log_set_level(cfg.log_level);
	keep_memory();
	signal(SIGPIPE, SIG_IGN);
	raise_nofile();
	return respawn ? respawn_run(run_agent, &cfg) : run_agent(&cfg);
}
