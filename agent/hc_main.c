// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The health child: a process with CAP_NET_RAW and nothing else, because it is
 * the one that reads what backends send. With one CPU to run on it is one shard
 * at the parent's channel, with more a router and a shard for each.
 *
 * It ends when the parent's end of the channel is closed; without a parent
 * there is nobody to tell. Whatever would lose a condition or a result ends it
 * with an error: the parent then ends too, and both start again from what is on
 * disk and in the kernel.
 */
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "hc_router.h"
#include "hc_shard.h"
#include "log.h"
#include "privs.h"
#include "proc.h"
#include "util.h"

/* Left for channels, epoll, the ICMP sockets, standard error and a library's moment. */
#define FDS_KEPT       32u
#define FDS_KEPT_SHARD 8u

#define SHARDS_MAX     8u /* where the configuration does not say */

/* As many descriptors as the system lets us have; returns how many probes may hold. */
static unsigned int raise_limit(unsigned int kept)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return 1;
	if (lim.rlim_cur < lim.rlim_max) {
		rlim_t before = lim.rlim_cur;

		lim.rlim_cur = lim.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
			lim.rlim_cur = before;
	}
	return lim.rlim_cur > kept * 2 ? (unsigned int)MIN2(lim.rlim_cur - kept, (rlim_t)1 << 20)
				       : kept;
}

/* One for each CPU that this process may run on. */
static unsigned int shards_by_cpu(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return MIN2(MAX2((unsigned int)CPU_COUNT(&set), 1u), SHARDS_MAX);
}

/*
 * The parent decides when the agent ends. A SIGINT from the terminal or a SIGTERM
 * from the service manager reaches the whole group; were the children to
 * go at once, the parent would take an orderly end for a crash.
 */
static void signals_init(void)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

static int run(const struct config *cfg, int fd, const char **ret_what)
{
	unsigned int n = cfg->hc_shards ? cfg->hc_shards : shards_by_cpu();
	struct hc_shard_conf conf = {
		.cfg = cfg,
		.hc =
			{
				.budget = raise_limit(FDS_KEPT + n * FDS_KEPT_SHARD),
				.start_rate = cfg->hc_start_rate,
				.host_rate = cfg->hc_host_rate,
			},
		.alone = true,
	};
	struct hc_shard shard;
	int r;

	if (cfg->hc_max_fds)
		conf.hc.budget = MIN2(conf.hc.budget, cfg->hc_max_fds);
	log_info("health child starts", "shards=%u budget=%u", n, conf.hc.budget);
	if (n > 1)
		return hc_router_run(&conf, n, fd, ret_what);
	r = hc_shard_init(&shard, &conf, fd, ret_what);
	if (r == 0)
		r = hc_shard_run(&shard);
	hc_shard_done(&shard);
	return r;
}

int hc_main(const struct config *cfg, int fd)
{
	static const cap_value_t keep[] = {CAP_NET_RAW};
	const char *what = "privileges";
	int r;

	log_set_proc("health");
	signals_init();
	r = privs_drop(cfg->user, keep, ARRAY_SIZE(keep));
	if (r < 0)
		close(fd);
	else
		r = run(cfg, fd, &what);
	if (r < 0)
		log_err("health child cannot start", "what=\"%s\" error=\"%s\"", what,
			strerror(-r));
	return r < 0 ? EXIT_FAILURE : r;
}
