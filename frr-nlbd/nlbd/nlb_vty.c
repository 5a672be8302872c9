// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Show commands. Each gathers its facts into one JSON object or prints them as text; both say of a
 * VIP that is not announced why it is not.
 */

#include <zebra.h>

#include "command.h"
#include "json.h"
#include "termtable.h"

#include "nlbd/nlb.h"
#include "nlbd/nlb_agent.h"
#include "nlbd/nlb_ask.h"
#include "nlbd/nlb_prefix.h"
#include "nlbd/nlb_vty.h"
#include "nlbd/nlb_zebra.h"
#include "nlbd/nlb_vty_clippy.c"

#define NLB_STR "Network load balancer\n"

static struct nlb *core;

/* Why the VIP is not announced; "" where it is. */
static const char *reason_text(const struct nlb_vip *vip, char *buf, size_t len)
{
	return nlb_vip_reason_text(vip, nlb_vip_reason(vip, nlb_zebra_is_up()), buf, len);
}

/*
 * show nlb vip
 */

static struct json_object *port_json(const struct nlb_port *port)
{
	struct json_object *json = json_object_new_object();
	struct json_object *backends = json_object_new_object();

	json_object_int_add(json, "enabled", port->enabled);
	json_object_int_add(json, "total", port->total);
	if (port->digest)
		json_object_string_add(json, "digest", port->digest);
	for (size_t i = 0; i < port->n_backends; i++) {
		const struct nlb_backend *backend = &port->backends[i];
		struct json_object *entry = json_object_new_object();

		json_object_int_add(entry, "weight", backend->weight);
		json_object_string_add(entry, "state", nlb_backend_state_str(backend->state));
		if (backend->reason)
			json_object_string_add(entry, "reason", backend->reason);
		json_object_object_addf(backends, entry, "%pIA", &backend->address);
	}
	json_object_object_add(json, "backends", backends);
	return json;
}

static struct json_object *vip_json(const struct nlb_vip *vip)
{
	const struct nlb_attr *attr = nlb_vip_attr(vip);
	enum nlb_reason reason = nlb_vip_reason(vip, nlb_zebra_is_up());
	struct json_object *json = json_object_new_object();
	struct json_object *ports = json_object_new_object();
	char text[NLB_VIP_REASON_LEN];

	json_object_string_add(json, "state", nlb_vip_state_str(vip->state));
	json_object_string_add(json, "reason", nlb_reason_name(reason));
	if (reason)
		json_object_string_add(json, "reasonText",
				       nlb_vip_reason_text(vip, reason, text, sizeof(text)));
	json_object_boolean_add(json, "ready", vip->feed.ready);
	json_object_int_add(json, "enabled", vip->feed.enabled);
	json_object_int_add(json, "total", vip->feed.total);
	if (attr) {
		json_object_int_add(json, "distance", attr->distance);
		json_object_int_add(json, "metric", attr->metric);
		json_object_int_add(json, "tag", attr->tag);
	}
	json_object_int_add(json, "revision", vip->feed.revision);
	if (vip->feed.id)
		json_object_string_add(json, "id", vip->feed.id);
	json_object_int_add(json, "changes", vip->changes);
	json_object_int_add(json, "sinceSecs", nlb_age_s(vip->changed_us));

	for (size_t i = 0; i < vip->feed.n_ports; i++) {
		const struct nlb_port *port = &vip->feed.ports[i];

		json_object_object_add(ports, nlb_service_str(port, text, sizeof(text)),
				       port_json(port));
	}
	json_object_object_add(json, "ports", ports);
	return json;
}

static void vip_detail(struct vty *vty, const struct nlb_vip *vip)
{
	const struct nlb_attr *attr = nlb_vip_attr(vip);
	char text[NLB_VIP_REASON_LEN], name[NLB_PREFIX_STRLEN];

	reason_text(vip, text, sizeof(text));
	vty_out(vty, "VIP %s\n", nlb_prefix_str(&vip->feed.prefix, name, sizeof(name)));
	vty_out(vty, "  State: %s for %u s, %u changes\n", nlb_vip_state_str(vip->state),
		nlb_age_s(vip->changed_us), vip->changes);
	if (text[0])
		vty_out(vty, "  Not announced: %s\n", text);
	if (attr)
		vty_out(vty, "  Route: distance %u, metric %u, tag %u, nexthop %s\n",
			attr->distance, attr->metric, attr->tag,
			attr->nexthop == NLB_NEXTHOP_BLACKHOLE ? "blackhole"
							       : core->cfg.nexthop_ifname);
	vty_out(vty, "  Agent: %s, %u of %u backends enabled, revision %" PRIu64 "%s%s\n",
		vip->feed.ready ? "ready" : "not ready", vip->feed.enabled, vip->feed.total,
		vip->feed.revision, vip->feed.id ? ", id " : "", vip->feed.id ? vip->feed.id : "");

	for (size_t i = 0; i < vip->feed.n_ports; i++) {
		const struct nlb_port *port = &vip->feed.ports[i];

		vty_out(vty, "  Port %s: %u of %u backends enabled%s%s\n",
			nlb_service_str(port, name, sizeof(name)), port->enabled, port->total,
			port->digest ? ", digest " : "", port->digest ? port->digest : "");
		for (size_t j = 0; j < port->n_backends; j++) {
			const struct nlb_backend *backend = &port->backends[j];

			vty_out(vty, "    %pIA weight %u %s%s%s\n", &backend->address,
				backend->weight, nlb_backend_state_str(backend->state),
				backend->reason ? ": " : "",
				backend->reason ? backend->reason : "");
		}
	}
}

static void vip_table(struct vty *vty)
{
	struct ttable *tt = ttable_new(&ttable_styles[TTSTYLE_BLANK]);
	char text[NLB_VIP_REASON_LEN], name[NLB_PREFIX_STRLEN];
	const struct nlb_vip *vip;
	char *out;

	ttable_add_row(tt, "VIP|State|Enabled|Tag|Metric|Not announced because");
	tt->style.cell.rpad = 2;
	tt->style.corner = ' ';
	ttable_restyle(tt);

	for (vip = nlb_vip_first(core); vip; vip = nlb_vip_next(core, (struct nlb_vip *)vip)) {
		const struct nlb_attr *attr = nlb_vip_attr(vip);

		ttable_add_row(tt, "%s|%s|%u/%u|%u|%u|%s",
			       nlb_prefix_str(&vip->feed.prefix, name, sizeof(name)),
			       nlb_vip_state_str(vip->state), vip->feed.enabled, vip->feed.total,
			       attr ? attr->tag : 0, attr ? attr->metric : 0,
			       reason_text(vip, text, sizeof(text)));
	}

	out = ttable_dump(tt, "\n");
	vty_out(vty, "%s", out);
	XFREE(MTYPE_TMP_TTABLE, out);
	ttable_del(tt);
}

static void vip_add(struct json_object *json, const struct nlb_vip *vip)
{
	char name[NLB_PREFIX_STRLEN];

	json_object_object_add(json, nlb_prefix_str(&vip->feed.prefix, name, sizeof(name)),
			       vip_json(vip));
}

/* By its address, or by all of its prefix. */
static struct nlb_vip *vip_named(const char *name)
{
	struct ipaddr address;
	struct prefix p;

	if (str2ipaddr(name, &address) == 0)
		return nlb_vip_find_address(core, &address);
	return nlb_prefix_parse(name, &p) == 0 ? nlb_vip_find(core, &p) : NULL;
}

DEFPY(show_nlb_vip, show_nlb_vip_cmd,
      "show nlb vip [<A.B.C.D|X:X::X:X|A.B.C.D/M|X:X::X:X/M>$name] [json$uj]",
      SHOW_STR NLB_STR "The VIPs of the agent\n"
		       "IPv4 address of one\n"
		       "IPv6 address of one\n"
		       "IPv4 prefix of one\n"
		       "IPv6 prefix of one\n" JSON_STR)
{
	struct json_object *json;
	struct nlb_vip *vip = NULL;

	if (name) {
		vip = vip_named(name);
		if (!vip && !uj) {
			vty_out(vty, "%% The agent has no VIP %s\n", name);
			return CMD_WARNING;
		}
	}

	if (!uj) {
		if (vip)
			vip_detail(vty, vip);
		else
			vip_table(vty);
		return CMD_SUCCESS;
	}

	json = json_object_new_object();
	if (vip)
		vip_add(json, vip);
	else if (!name)
		for (vip = nlb_vip_first(core); vip; vip = nlb_vip_next(core, vip))
			vip_add(json, vip);
	vty_json(vty, json);
	return CMD_SUCCESS;
}

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

/*
 * show nlb route
 */

/* A value as text, "" where there is none; without control characters. */
static const char *shown(struct json_object *val, char *buf, size_t len)
{
	buf[0] = '\0';
	if (val)
		strlcpy(buf, json_object_get_string(val), len);
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return buf;
}

static const char *member(struct json_object *json, const char *key, char *buf, size_t len)
{
	struct json_object *val = NULL;

	json_object_object_get_ex(json, key, &val);
	return shown(val, buf, len);
}

static struct json_object *part(struct json_object *json, const char *key)
{
	struct json_object *val = NULL;

	json_object_object_get_ex(json, key, &val);
	return json_object_is_type(val, json_type_object) ? val : NULL;
}

static struct json_object *list(struct json_object *json, const char *key)
{
	struct json_object *val = NULL;

	json_object_object_get_ex(json, key, &val);
	return json_object_is_type(val, json_type_array) ? val : NULL;
}

static void route_text(struct vty *vty, struct json_object *json)
{
	struct json_object *service = part(json, "service"), *outer = part(json, "outer");
	struct json_object *egress = part(json, "egress"), *why, *vlans;
	char a[128], b[128], c[128];

	vty_out(vty, "Verdict: %s (%s)\n", member(json, "verdict", a, sizeof(a)),
		member(json, "reason", b, sizeof(b)));
	if (member(json, "vip", a, sizeof(a))[0])
		vty_out(vty, "  VIP %s\n", a);
	if (service)
		vty_out(vty, "  Service %s/%s\n", member(service, "protocol", a, sizeof(a)),
			member(service, "port", b, sizeof(b)));
	if (member(json, "backend", a, sizeof(a))[0])
		vty_out(vty, "  Backend %s, slot %s (%s)\n", a, member(json, "slot", b, sizeof(b)),
			member(json, "mode", c, sizeof(c)));
	if (outer)
		vty_out(vty, "  Outer header %s -> %s, TTL %s\n",
			member(outer, "source", a, sizeof(a)),
			member(outer, "destination", b, sizeof(b)),
			member(outer, "ttl", c, sizeof(c)));
	if (egress) {
		vty_out(vty, "  Out by %s to %s", member(egress, "interface", a, sizeof(a)),
			member(egress, "mac", b, sizeof(b)));
		vlans = list(egress, "vlans");
		for (size_t i = 0; vlans && i < json_object_array_length(vlans); i++)
			vty_out(vty, ", VLAN %s",
				shown(json_object_array_get_idx(vlans, i), a, sizeof(a)));
		vty_out(vty, "\n");
	}
	why = list(json, "why");
	for (size_t i = 0; why && i < json_object_array_length(why); i++)
		vty_out(vty, "  Because %s\n",
			shown(json_object_array_get_idx(why, i), a, sizeof(a)));
}

DEFPY(show_nlb_route, show_nlb_route_cmd,
      "show nlb route <A.B.C.D|X:X::X:X>$src (0-65535)$sport <A.B.C.D|X:X::X:X>$vip (0-65535)$dport <tcp|udp>$protocol [established$established] [json$uj]",
      SHOW_STR NLB_STR
      "Where a packet would go, as the live data plane says\n"
      "IPv4 source address\n"
      "IPv6 source address\n"
      "Source port\n"
      "IPv4 destination address\n"
      "IPv6 destination address\n"
      "Destination port\n"
      "TCP\n"
      "UDP\n"
      "Of a TCP flow that is there already, instead of its first packet\n" JSON_STR)
{
	const struct nlb_feed_ask ask = {
		.src = src_str,
		.vip = vip_str,
		.sport = sport,
		.dport = dport,
		.protocol = protocol,
		.established = !!established,
	};
	struct json_object *json = NULL;
	const char *error = NULL;
	char text[160];
	int ret = nlb_ask(&ask, &json);

	if (ret == -ENOTCONN)
		error = "The agent is not connected";
	else if (ret == -EBUSY)
		error = "The agent does not read what it is sent";
	else if (ret < 0)
		error = "No answer from the agent";
	else if (member(json, "error", text, sizeof(text))[0])
		error = text;

	if (error && uj) {
		json_object_free(json);
		json = json_object_new_object();
		json_object_string_add(json, "error", error);
	}
	if (uj) {
		vty_json(vty, json);
		return error ? CMD_WARNING : CMD_SUCCESS;
	}
	if (error)
		vty_out(vty, "%% %s\n", error);
	else
		route_text(vty, json);
	json_object_free(json);
	return error ? CMD_WARNING : CMD_SUCCESS;
}

void nlb_vty_init(struct nlb *nlb)
{
	core = nlb;
	install_element(VIEW_NODE, &show_nlb_vip_cmd);
	install_element(VIEW_NODE, &show_nlb_agent_cmd);
	install_element(VIEW_NODE, &show_nlb_summary_cmd);
	install_element(VIEW_NODE, &show_nlb_route_cmd);
}
