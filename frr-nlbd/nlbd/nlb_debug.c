// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Debugging switches. lib/debug.c keeps, shows and writes them; the commands are here. Northbound
 * calls have FRR's own "debug northbound".
 */

#include <zebra.h>

#include "command.h"

#include "nlbd/nlb_debug.h"
#include "nlbd/nlb_debug_clippy.c"

struct debug nlb_dbg_agent = { 0, "debug nlb agent", "NLB agent" };
struct debug nlb_dbg_vip = { 0, "debug nlb vip", "NLB VIP" };
struct debug nlb_dbg_zebra = { 0, "debug nlb zebra", "NLB zebra" };

DEFPY(debug_nlb, debug_nlb_cmd, "[no] debug nlb [{agent$agent|vip$vip|zebra$zebra}]",
      NO_STR DEBUG_STR "Network load balancer\n"
		       "Agent sessions and their messages\n"
		       "Decisions on VIPs\n"
		       "Routes sent to zebra and its answers\n")
{
	uint32_t mode = DEBUG_NODE2MODE(vty->node);
	bool all = !agent && !vip && !zebra;

	if (all || agent)
		DEBUG_MODE_SET(&nlb_dbg_agent, mode, !no);
	if (all || vip)
		DEBUG_MODE_SET(&nlb_dbg_vip, mode, !no);
	if (all || zebra)
		DEBUG_MODE_SET(&nlb_dbg_zebra, mode, !no);
	return CMD_SUCCESS;
}

/* vtysh has a "show debugging" of its own, which asks each daemon for this one. */
DEFUN_NOSH(show_debugging_nlb_all, show_debugging_nlb_all_cmd, "show debugging", SHOW_STR DEBUG_STR)
{
	vty_out(vty, "NLB debugging status:\n");
	cmd_show_lib_debugs(vty);
	return CMD_SUCCESS;
}

DEFPY(show_debugging_nlb, show_debugging_nlb_cmd, "show debugging nlb",
      SHOW_STR DEBUG_STR "Network load balancer\n")
{
	vty_out(vty, "NLB debugging status:\n");
	debug_status_write(vty);
	return CMD_SUCCESS;
}

void nlb_debug_init(void)
{
	debug_install(&nlb_dbg_agent);
	debug_install(&nlb_dbg_vip);
	debug_install(&nlb_dbg_zebra);

	install_element(ENABLE_NODE, &debug_nlb_cmd);
	install_element(CONFIG_NODE, &debug_nlb_cmd);
	install_element(ENABLE_NODE, &show_debugging_nlb_all_cmd);
	install_element(ENABLE_NODE, &show_debugging_nlb_cmd);
}
