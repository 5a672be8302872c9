// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Configuration commands and how configuration is shown. This file is compiled into mgmtd, not into
 * nlbd: a command turns into changes of the YANG tree, which mgmtd hands to nlbd.
 */

#include <zebra.h>

#include "command.h"
#include "if.h"
#include "northbound_cli.h"
#include "prefix.h"

#include "nlbd/nlb_nb.h"
#include "nlbd/nlb_cli_clippy.c"

#define NLB_XPATH "/frr-nlbd:nlb"

#define VIP_HELP  "Settings of one VIP\n"

/*
 * nlb
 */

DEFPY_YANG_NOSH(nlb, nlb_cmd, "nlb", "Network load balancer\n")
{
	int ret;

	nb_cli_enqueue_change(vty, NLB_XPATH, NB_OP_CREATE, NULL);

	ret = nb_cli_apply_changes(vty, NULL);
	if (ret == CMD_SUCCESS)
		VTY_PUSH_XPATH(NLB_NODE, NLB_XPATH);
	return ret;
}

DEFPY_YANG(no_nlb, no_nlb_cmd, "no nlb", NO_STR "Network load balancer\n")
{
	nb_cli_enqueue_change(vty, NLB_XPATH, NB_OP_DESTROY, NULL);

	return nb_cli_apply_changes_clear_pending(vty, NULL);
}

static void show_nlb(struct vty *vty, const struct lyd_node *dnode, bool show_defaults)
{
	vty_out(vty, "!\n");
	vty_out(vty, "nlb\n");
}

static void show_nlb_end(struct vty *vty, const struct lyd_node *dnode)
{
	vty_out(vty, "exit\n");
}

/*
 * agent
 */

DEFPY_YANG(nlb_agent_socket, nlb_agent_socket_cmd, "agent socket PATH",
	   "The agent of this node\n"
	   "Unix socket on which to listen for it\n"
	   "Absolute path\n")
{
	nb_cli_enqueue_change(vty, "./agent/socket", NB_OP_MODIFY, path);

	return nb_cli_apply_changes(vty, NULL);
}

DEFPY_YANG(no_nlb_agent_socket, no_nlb_agent_socket_cmd, "no agent socket [PATH]",
	   NO_STR "The agent of this node\n"
		  "Unix socket on which to listen for it\n"
		  "Absolute path\n")
{
	nb_cli_enqueue_change(vty, "./agent/socket", NB_OP_MODIFY, NULL);

	return nb_cli_apply_changes(vty, NULL);
}

static void show_agent_socket(struct vty *vty, const struct lyd_node *dnode, bool show_defaults)
{
	vty_out(vty, " agent socket %s\n", yang_dnode_get_string(dnode, NULL));
}

DEFPY_YANG(nlb_agent_hold_time, nlb_agent_hold_time_cmd, "agent hold-time (0-86400)$seconds",
	   "The agent of this node\n"
	   "How long routes stay after its loss\n"
	   "Seconds; 0 withdraws them at once\n")
{
	nb_cli_enqueue_change(vty, "./agent/hold-time", NB_OP_MODIFY, seconds_str);

	return nb_cli_apply_changes(vty, NULL);
}

DEFPY_YANG(no_nlb_agent_hold_time, no_nlb_agent_hold_time_cmd,
	   "no agent hold-time [(0-86400)$seconds]",
	   NO_STR "The agent of this node\n"
		  "How long routes stay after its loss\n"
		  "Seconds; 0 withdraws them at once\n")
{
	nb_cli_enqueue_change(vty, "./agent/hold-time", NB_OP_MODIFY, NULL);

	return nb_cli_apply_changes(vty, NULL);
}

static void show_agent_hold_time(struct vty *vty, const struct lyd_node *dnode, bool show_defaults)
{
	vty_out(vty, " agent hold-time %s\n", yang_dnode_get_string(dnode, NULL));
}

/*
 * Routes
 */

DEFPY_YANG(nlb_distance, nlb_distance_cmd, "distance (1-255)",
	   "Administrative distance of the routes\n"
	   "Distance\n")
{
	nb_cli_enqueue_change(vty, "./distance", NB_OP_MODIFY, distance_str);

	return nb_cli_apply_changes(vty, NULL);
}

DEFPY_YANG(no_nlb_distance, no_nlb_distance_cmd, "no distance [(1-255)]",
	   NO_STR "Administrative distance of the routes\n"
		  "Distance\n")
{
	nb_cli_enqueue_change(vty, "./distance", NB_OP_MODIFY, NULL);

	return nb_cli_apply_changes(vty, NULL);
}

static void show_distance(struct vty *vty, const struct lyd_node *dnode, bool show_defaults)
{
	vty_out(vty, " distance %s\n", yang_dnode_get_string(dnode, NULL));
}

DEFPY_YANG(nlb_min_enabled, nlb_min_enabled_cmd, "min-enabled-backends (1-65535)$number",
	   "Announce a VIP only with this many enabled backends\n"
	   "Number of backends\n")
{
	nb_cli_enqueue_change(vty, "./min-enabled-backends", NB_OP_MODIFY, number_str);

	return nb_cli_apply_changes(vty, NULL);
}

DEFPY_YANG(no_nlb_min_enabled, no_nlb_min_enabled_cmd, "no min-enabled-backends [(1-65535)$number]",
	   NO_STR "Announce a VIP only with this many enabled backends\n"
		  "Number of backends\n")
{
	nb_cli_enqueue_change(vty, "./min-enabled-backends", NB_OP_MODIFY, NULL);

	return nb_cli_apply_changes(vty, NULL);
}

static void show_min_enabled(struct vty *vty, const struct lyd_node *dnode, bool show_defaults)
{
	vty_out(vty, " min-enabled-backends %s\n", yang_dnode_get_string(dnode, NULL));
}

DEFPY_YANG(nlb_nexthop, nlb_nexthop_cmd, "nexthop <blackhole|interface IFNAME$ifname>",
	   "Where the routes point to\n"
	   "Nowhere: the data plane takes the packets before the kernel routes them\n"
	   "An interface\n"
	   "Name of the interface\n")
{
	nb_cli_enqueue_change(vty, "./nexthop-interface", ifname ? NB_OP_MODIFY : NB_OP_DESTROY,
			      ifname);

	return nb_cli_apply_changes(vty, NULL);
}

DEFPY_YANG(no_nlb_nexthop, no_nlb_nexthop_cmd, "no nexthop [<blackhole|interface [IFNAME$ifname]>]",
	   NO_STR "Where the routes point to\n"
		  "Nowhere: the data plane takes the packets before the kernel routes them\n"
		  "An interface\n"
		  "Name of the interface\n")
{
	nb_cli_enqueue_change(vty, "./nexthop-interface", NB_OP_DESTROY, NULL);

	return nb_cli_apply_changes(vty, NULL);
}

static void show_nexthop(struct vty *vty, const struct lyd_node *dnode, bool show_defaults)
{
	vty_out(vty, " nexthop interface %s\n", yang_dnode_get_string(dnode, NULL));
}

/*
 * vip-pool
 */

DEFPY_YANG(nlb_vip_pool, nlb_vip_pool_cmd, "[no] vip-pool <A.B.C.D/M|X:X::X:X/M>$pool",
	   NO_STR "Addresses that may be announced\n"
		  "IPv4 prefix\n"
		  "IPv6 prefix\n")
{
	char xpath[XPATH_MAXLEN];
	struct prefix p;

	/* The model's canonical form has no host bits; a "no" with some must find it. */
	prefix_copy(&p, pool);
	apply_mask(&p);
	snprintfrr(xpath, sizeof(xpath), "./vip-pool[.='%pFX']", &p);
	nb_cli_enqueue_change(vty, xpath, no ? NB_OP_DESTROY : NB_OP_CREATE, NULL);

	return nb_cli_apply_changes(vty, NULL);
}

static void show_vip_pool(struct vty *vty, const struct lyd_node *dnode, bool show_defaults)
{
	vty_out(vty, " vip-pool %s\n", yang_dnode_get_string(dnode, NULL));
}

/*
 * vip
 */

DEFPY_YANG_NOSH(nlb_vip, nlb_vip_cmd, "vip <A.B.C.D|X:X::X:X>$address",
		VIP_HELP "IPv4 address of the VIP\n"
			 "IPv6 address of the VIP\n")
{
	char xpath[XPATH_MAXLEN], canon[INET6_ADDRSTRLEN];
	int ret;

	sockunion2str(address, canon, sizeof(canon));
	snprintf(xpath, sizeof(xpath), NLB_XPATH "/vip[address='%s']", canon);
	nb_cli_enqueue_change(vty, xpath, NB_OP_CREATE, NULL);

	ret = nb_cli_apply_changes(vty, NULL);
	if (ret == CMD_SUCCESS)
		VTY_PUSH_XPATH(NLB_VIP_NODE, xpath);
	return ret;
}

DEFPY_YANG(no_nlb_vip, no_nlb_vip_cmd, "no vip <A.B.C.D|X:X::X:X>$address",
	   NO_STR VIP_HELP "IPv4 address of the VIP\n"
			   "IPv6 address of the VIP\n")
{
	char xpath[XPATH_MAXLEN], canon[INET6_ADDRSTRLEN];

	sockunion2str(address, canon, sizeof(canon));
	snprintf(xpath, sizeof(xpath), NLB_XPATH "/vip[address='%s']", canon);
	nb_cli_enqueue_change(vty, xpath, NB_OP_DESTROY, NULL);

	return nb_cli_apply_changes(vty, NULL);
}

static void show_vip(struct vty *vty, const struct lyd_node *dnode, bool show_defaults)
{
	vty_out(vty, " vip %s\n", yang_dnode_get_string(dnode, "address"));
}

static void show_vip_end(struct vty *vty, const struct lyd_node *dnode)
{
	vty_out(vty, " exit\n");
}

DEFPY_YANG(nlb_vip_shutdown, nlb_vip_shutdown_cmd, "[no] shutdown",
	   NO_STR "Do not announce this VIP\n")
{
	nb_cli_enqueue_change(vty, "./shutdown", NB_OP_MODIFY, no ? "false" : "true");

	return nb_cli_apply_changes(vty, NULL);
}

static void show_vip_shutdown(struct vty *vty, const struct lyd_node *dnode, bool show_defaults)
{
	vty_out(vty, "  %sshutdown\n", yang_dnode_get_bool(dnode, NULL) ? "" : "no ");
}

DEFPY_YANG(nlb_vip_tag, nlb_vip_tag_cmd, "tag (1-4294967295)",
	   "Tag of the route, instead of the agent's\n"
	   "Tag\n")
{
	nb_cli_enqueue_change(vty, "./tag", NB_OP_MODIFY, tag_str);

	return nb_cli_apply_changes(vty, NULL);
}

DEFPY_YANG(no_nlb_vip_tag, no_nlb_vip_tag_cmd, "no tag [(1-4294967295)]",
	   NO_STR "Tag of the route, instead of the agent's\n"
		  "Tag\n")
{
	nb_cli_enqueue_change(vty, "./tag", NB_OP_DESTROY, NULL);

	return nb_cli_apply_changes(vty, NULL);
}

static void show_vip_tag(struct vty *vty, const struct lyd_node *dnode, bool show_defaults)
{
	vty_out(vty, "  tag %s\n", yang_dnode_get_string(dnode, NULL));
}

DEFPY_YANG(nlb_vip_metric, nlb_vip_metric_cmd, "metric (0-4294967295)",
	   "Metric of the route\n"
	   "Metric\n")
{
	nb_cli_enqueue_change(vty, "./metric", NB_OP_MODIFY, metric_str);

	return nb_cli_apply_changes(vty, NULL);
}

DEFPY_YANG(no_nlb_vip_metric, no_nlb_vip_metric_cmd, "no metric [(0-4294967295)]",
	   NO_STR "Metric of the route\n"
		  "Metric\n")
{
	nb_cli_enqueue_change(vty, "./metric", NB_OP_DESTROY, NULL);

	return nb_cli_apply_changes(vty, NULL);
}

static void show_vip_metric(struct vty *vty, const struct lyd_node *dnode, bool show_defaults)
{
	vty_out(vty, "  metric %s\n", yang_dnode_get_string(dnode, NULL));
}

/*
 * Installation
 */

static struct cmd_node nlb_node = {
	.name = "nlb",
	.node = NLB_NODE,
	.parent_node = CONFIG_NODE,
	.prompt = "%s(config-nlb)# ",
};

static struct cmd_node nlb_vip_node = {
	.name = "nlb vip",
	.node = NLB_VIP_NODE,
	.parent_node = NLB_NODE,
	.prompt = "%s(config-nlb-vip)# ",
};

void nlb_cli_init(void)
{
	install_node(&nlb_node);
	install_node(&nlb_vip_node);
	install_default(NLB_NODE);
	install_default(NLB_VIP_NODE);

	install_element(CONFIG_NODE, &nlb_cmd);
	install_element(CONFIG_NODE, &no_nlb_cmd);

	install_element(NLB_NODE, &nlb_agent_socket_cmd);
	install_element(NLB_NODE, &no_nlb_agent_socket_cmd);
	install_element(NLB_NODE, &nlb_agent_hold_time_cmd);
	install_element(NLB_NODE, &no_nlb_agent_hold_time_cmd);
	install_element(NLB_NODE, &nlb_distance_cmd);
	install_element(NLB_NODE, &no_nlb_distance_cmd);
	install_element(NLB_NODE, &nlb_min_enabled_cmd);
	install_element(NLB_NODE, &no_nlb_min_enabled_cmd);
	install_element(NLB_NODE, &nlb_nexthop_cmd);
	install_element(NLB_NODE, &no_nlb_nexthop_cmd);
	install_element(NLB_NODE, &nlb_vip_pool_cmd);
	install_element(NLB_NODE, &nlb_vip_cmd);
	install_element(NLB_NODE, &no_nlb_vip_cmd);

	install_element(NLB_VIP_NODE, &nlb_vip_shutdown_cmd);
	install_element(NLB_VIP_NODE, &nlb_vip_tag_cmd);
	install_element(NLB_VIP_NODE, &no_nlb_vip_tag_cmd);
	install_element(NLB_VIP_NODE, &nlb_vip_metric_cmd);
	install_element(NLB_VIP_NODE, &no_nlb_vip_metric_cmd);
}

/* clang-format off */
const struct frr_yang_module_info frr_nlbd_cli_info = {
	.name = "frr-nlbd",
	.ignore_cfg_cbs = true,
	.nodes = {
		{
			.xpath = NLB_XPATH,
			.cbs = {
				.cli_show = show_nlb,
				.cli_show_end = show_nlb_end,
			},
		},
		{
			.xpath = NLB_XPATH "/agent/socket",
			.cbs.cli_show = show_agent_socket,
		},
		{
			.xpath = NLB_XPATH "/agent/hold-time",
			.cbs.cli_show = show_agent_hold_time,
		},
		{
			.xpath = NLB_XPATH "/distance",
			.cbs.cli_show = show_distance,
		},
		{
			.xpath = NLB_XPATH "/min-enabled-backends",
			.cbs.cli_show = show_min_enabled,
		},
		{
			.xpath = NLB_XPATH "/nexthop-interface",
			.cbs.cli_show = show_nexthop,
		},
		{
			.xpath = NLB_XPATH "/vip-pool",
			.cbs.cli_show = show_vip_pool,
		},
		{
			.xpath = NLB_XPATH "/vip",
			.cbs = {
				.cli_show = show_vip,
				.cli_show_end = show_vip_end,
			},
		},
		{
			.xpath = NLB_XPATH "/vip/shutdown",
			.cbs.cli_show = show_vip_shutdown,
		},
		{
			.xpath = NLB_XPATH "/vip/tag",
			.cbs.cli_show = show_vip_tag,
		},
		{
			.xpath = NLB_XPATH "/vip/metric",
			.cbs.cli_show = show_vip_metric,
		},
		{
			.xpath = NULL,
		},
	},
};
/* clang-format on */
