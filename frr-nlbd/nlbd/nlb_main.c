// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlbd: announces the VIPs of this load balancer node.
 *
 * An agent on the same machine says over a unix socket which VIPs there are and how they do
 * (nlb_feed, nlb_session, nlb_agent); the core decides which of them may be announced (nlb,
 * nlb_vip); zebra is told a route for each (nlb_zebra), which bgpd redistributes.
 * Configuration comes from mgmtd (nlb_nb*, with its commands in nlb_cli, compiled into mgmtd), and
 * is never touched by VIPs that come and go.
 */

#include <zebra.h>

#include <lib/version.h>
#include "libfrr.h"
#include "if.h"
#include "mgmt_be_client.h"
#include "vrf.h"

#include "nlbd/nlb.h"
#include "nlbd/nlb_agent.h"
#include "nlbd/nlb_debug.h"
#include "nlbd/nlb_nb.h"
#include "nlbd/nlb_vty.h"
#include "nlbd/nlb_zebra.h"

static zebra_capabilities_t nlb_caps[] = {};

static struct zebra_privs_t nlb_privs = {
#if defined(FRR_USER) && defined(FRR_GROUP)
	.user = FRR_USER,
	.group = FRR_GROUP,
#endif
#ifdef VTY_GROUP
	.vty_group = VTY_GROUP,
#endif
	.caps_p = nlb_caps,
	.cap_num_p = array_size(nlb_caps),
	.cap_num_i = 0,
};

struct event_loop *master;

static struct mgmt_be_client *mgmt_be_client;

static const struct nlb_hooks nlb_hooks = {
	.routes_queued = nlb_zebra_routes_queued,
	.reports_queued = nlb_agent_reports_queued,
};

static struct nlb nlb;

static void sighup(void)
{
	zlog_info("SIGHUP received and ignored: mgmtd holds the configuration");
}

/* Routes are left to graceful restart: a stopped nlbd is expected back. */
static void sigint(void)
{
	zlog_notice("Terminating on signal");

	nb_oper_cancel_all_walks();
	mgmt_be_client_destroy(mgmt_be_client);
	mgmt_be_client = NULL;

	nlb_agent_done();
	nlb_zebra_done();
	nlb_nb_done();
	nlb_done(&nlb);
	vrf_terminate();
	frr_fini();

	exit(0);
}

static void sigusr1(void)
{
	zlog_rotate();
}

static struct frr_signal_t nlb_signals[] = {
	{ .signal = SIGHUP, .handler = &sighup },
	{ .signal = SIGUSR1, .handler = &sigusr1 },
	{ .signal = SIGINT, .handler = &sigint },
	{ .signal = SIGTERM, .handler = &sigint },
};

static const struct frr_yang_module_info *const nlbd_yang_modules[] = {
	&frr_backend_info,
	&frr_interface_info,
	&frr_nlbd_info,
	&frr_vrf_info,
};

/* clang-format off */
FRR_DAEMON_INFO(nlbd, NLB,
	.vty_port = NLB_VTY_PORT,
	.proghelp = "Announces the VIPs of a network load balancer node.",

	.signals = nlb_signals,
	.n_signals = array_size(nlb_signals),

	.privs = &nlb_privs,

	.yang_modules = nlbd_yang_modules,
	.n_yang_modules = array_size(nlbd_yang_modules),

	/* mgmtd reads the configuration file. */
	.flags = FRR_NO_SPLIT_CONFIG,
);
/* clang-format on */

static void options(int argc, char **argv)
{
	int opt;

	while ((opt = frr_getopt(argc, argv, NULL)) != EOF)
		if (opt)
			frr_help_exit(1);
}

int main(int argc, char **argv)
{
	frr_preinit(&nlbd_di, argc, argv);
	frr_opt_add("", (struct option[]){ {} }, "");
	options(argc, argv);
	master = frr_init();

	vrf_init(NULL, NULL, NULL, NULL);
	nlb_init(&nlb, &nlb_hooks);
	nlb_debug_init();
	nlb_vty_init(&nlb);
	nlb_agent_init(&nlb);
	nlb_zebra_init(&nlb, &nlb_privs);
	nlb_nb_init(&nlb);
	mgmt_be_client = mgmt_be_client_create("nlbd", NULL, 0, master);

	/* "write" in vtysh needs a name, though nothing is read from it (FRR_NO_SPLIT_CONFIG). */
	host_config_set(config_default);

	frr_config_fork();
	frr_run(master);

	/* Not reached. */
	return 0;
}
