// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Show commands of the session with the agent, and of numbers. Each gathers its facts into one JSON
 * object or prints them as text.
 */

#include <zebra.h>

#include "command.h"
#include "json.h"

#include "nlbd/nlb.h"
#include "nlbd/nlb_agent.h"
#include "nlbd/nlb_vty.h"
#include "nlbd/nlb_zebra.h"
#include "nlbd/nlb_vty_agent_clippy.c"

static struct nlb *core;

/*
 * show nlb agent
 */

static struct json_object *session_json(const struct nlb_session *session)
{
	struct json_object *json = json_object_new_object();

	json_object_string_add(json, "instance", session->instance);
	json_object_string_add(json, "node", session->node);
	json_object_int_add(json, "pid", session->pid);
	json_object_int_add(json, "uid", session->uid);
	json_object_int_add(json, "uptimeSecs", nlb_age_s(session->since_us));
	json_object_boolean_add(json, "synced", session->synced);
	json_object_int_add(json, "lines", session->stats.lines);
	json_object_int_add(json, "vipMessages", session->stats.vips);
	json_object_int_add(json, "goneMessages", session->stats.gones);
	json_object_int_add(json, "heartbeats", session->stats.heartbeats);
	json_object_int_add(json, "unknownMessages", session->stats.unknown);
	return json;
}

static void agent_json(struct vty *vty, const struct nlb_agent_status *st)
{
	struct json_object *json = json_object_new_object();

	json_object_boolean_add(json, "configured", core->cfg.configured);
	json_object_string_add(json, "socket", core->cfg.socket);
	json_object_boolean_add(json, "listening", st->listening);
	if (st->listen_error)
		json_object_string_add(json, "listenError", st->listen_error);
	json_object_boolean_add(json, "connected", !!st->session);
	if (st->session)
		json_object_object_add(json, "session", session_json(st->session));
	json_object_string_add(json, "dataplane", nlb_dataplane_str(core->dataplane));
	json_object_boolean_add(json, "synced", core->synced);
	json_object_boolean_add(json, "syncing", core->syncing);
	json_object_boolean_add(json, "lost", core->agent_lost);
	json_object_int_add(json, "holdTimeSecs", core->cfg.hold_time_s);
	if (st->holding)
		json_object_int_add(json, "holdTimeLeftSecs", st->hold_left_s);
	json_object_int_add(json, "sessions", st->sessions);
	json_object_int_add(json, "takeovers", st->takeovers);
	json_object_int_add(json, "losses", st->losses);
	json_object_int_add(json, "refused", st->refused);
	json_object_int_add(json, "syncs", st->syncs);
	if (st->last_error[0])
		json_object_string_add(json, "lastError", st->last_error);
	vty_json(vty, json);
}

static void agent_text(struct vty *vty, const struct nlb_agent_status *st)
{
	const struct nlb_session *session = st->session;

	if (!core->cfg.configured) {
		vty_out(vty, "nlb is not configured\n");
		return;
	}

	vty_out(vty, "Socket: %s, %s%s\n", core->cfg.socket,
		st->listening ? "listening" : "not listening: ",
		st->listening || !st->listen_error ? "" : st->listen_error);
	if (session) {
		vty_out(vty, "Agent: connected for %u s, %s\n", nlb_age_s(session->since_us),
			session->synced ? "synced"
			: core->syncing ? "syncing"
					: "not synced");
		vty_out(vty, "  Instance %s of node \"%s\", pid %d, uid %u\n", session->instance,
			session->node, (int)session->pid, (unsigned int)session->uid);
		vty_out(vty,
			"  Lines %" PRIu64 ": vip %" PRIu64 ", gone %" PRIu64 ", heartbeat %" PRIu64
			", unknown %" PRIu64 "\n",
			session->stats.lines, session->stats.vips, session->stats.gones,
			session->stats.heartbeats, session->stats.unknown);
	} else if (core->agent_lost) {
		vty_out(vty, "Agent: lost, all routes are withdrawn\n");
	} else if (st->holding) {
		vty_out(vty, "Agent: lost, routes stay for another %u s\n", st->hold_left_s);
	} else {
		vty_out(vty, "Agent: not connected\n");
	}
	vty_out(vty, "Data plane: %s\n", nlb_dataplane_str(core->dataplane));
	vty_out(vty, "Hold-time: %u s\n", core->cfg.hold_time_s);
	vty_out(vty,
		"Sessions %" PRIu64 ": takeovers %" PRIu64 ", losses %" PRIu64 ", syncs %" PRIu64
		"; connections refused %" PRIu64 "\n",
		st->sessions, st->takeovers, st->losses, st->syncs, st->refused);
	if (st->last_error[0])
		vty_out(vty, "Last error: %s\n", st->last_error);
}

DEFPY(show_nlb_agent, show_nlb_agent_cmd, "show nlb agent [json$uj]",
      SHOW_STR NLB_STR "The session with the agent\n" JSON_STR)
{
	struct nlb_agent_status st;

	nlb_agent_status(&st);
	if (uj)
		agent_json(vty, &st);
	else
		agent_text(vty, &st);
	return CMD_SUCCESS;
}

/*
 * show nlb summary
 */

DEFPY(show_nlb_summary, show_nlb_summary_cmd, "show nlb summary [json$uj]",
      SHOW_STR NLB_STR "Numbers of VIPs and backends\n" JSON_STR)
{
	struct nlb_agent_status st;
	struct nlb_counts counts;

	nlb_agent_status(&st);
	nlb_count(core, &counts);

	if (uj) {
		struct json_object *json = json_object_new_object();

		json_object_boolean_add(json, "configured", core->cfg.configured);
		json_object_boolean_add(json, "agentConnected", !!st.session);
		json_object_boolean_add(json, "zebraConnected", nlb_zebra_is_up());
		json_object_string_add(json, "dataplane", nlb_dataplane_str(core->dataplane));
		json_object_int_add(json, "vips", counts.vips);
		for (size_t i = 0; i < array_size(counts.by_state); i++)
			json_object_int_add(json, nlb_vip_state_str(i), counts.by_state[i]);
		json_object_int_add(json, "ports", counts.ports);
		json_object_int_add(json, "backends", counts.backends);
		json_object_int_add(json, "backendsUp", counts.backends_up);
		vty_json(vty, json);
		return CMD_SUCCESS;
	}

	vty_out(vty, "Agent: %s, data plane: %s, zebra: %s\n",
		st.session ? "connected" : "not connected", nlb_dataplane_str(core->dataplane),
		nlb_zebra_is_up() ? "connected" : "not connected");
	vty_out(vty, "VIPs: %u\n", counts.vips);
	for (size_t i = 0; i < array_size(counts.by_state); i++)
		vty_out(vty, "  %-12s %u\n", nlb_vip_state_str(i), counts.by_state[i]);
	vty_out(vty, "Ports: %u, backends: %u, of which up: %u\n", counts.ports, counts.backends,
		counts.backends_up);
	return CMD_SUCCESS;
}

void nlb_vty_agent_init(struct nlb *nlb)
{
	core = nlb;
	install_element(VIEW_NODE, &show_nlb_agent_cmd);
	install_element(VIEW_NODE, &show_nlb_summary_cmd);
}
