// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Show commands of VIPs and of what the agent is asked. Each gathers its facts into one JSON object or prints
 * them as text; both say of a VIP that is not announced why it is not. nlb_vty_agent.c has the
 * others.
 */

#include <zebra.h>

#include "command.h"
#include "json.h"
#include "termtable.h"

#include "nlbd/nlb.h"
#include "nlbd/nlb_ask.h"
#include "nlbd/nlb_prefix.h"
#include "nlbd/nlb_vty.h"
#include "nlbd/nlb_zebra.h"
#include "nlbd/nlb_vty_clippy.c"

static struct nlb *core;

/* Why the VIP is not announced; "" where it is. */
static const char *reason_text(const struct nlb_vip *vip, char *buf, size_t len)
{
	return nlb_vip_reason_text(vip, nlb_vip_reason(vip, nlb_zebra_is_up()), buf, len);
}

/*
 * Answers of the agent
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

/* Ask, and wait. NULL with the answer in *ret_json, or what to tell the user; buf may hold it. */
static const char *ask_agent(const struct nlb_feed_ask *ask, struct json_object **ret_json,
			     char *buf, size_t len)
{
	int ret = nlb_ask(ask, ret_json);

	if (ret == -ENOTCONN)
		return "The agent is not connected";
	if (ret == -EBUSY)
		return "The agent does not read what it is sent";
	if (ret < 0)
		return "No answer from the agent";
	return member(*ret_json, "error", buf, len)[0] ? buf : NULL;
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

static void vip_head(struct vty *vty, const struct nlb_vip *vip)
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
}

static void vip_ports(struct vty *vty, const struct nlb_vip *vip)
{
	char name[NLB_PREFIX_STRLEN];

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
		if (vip) {
			vip_head(vty, vip);
			vip_ports(vty, vip);
		} else {
			vip_table(vty);
		}
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

/* One check of a backend, and its last failure. */
static void check_text(struct vty *vty, struct json_object *check)
{
	struct json_object *failure = part(check, "failure");
	char a[64], b[64], c[64], d[160];
	const char *tunnel = member(check, "tunnel", a, sizeof(a))[0] ? " (tunnel)" : "";
	const char *held = member(check, "held", a, sizeof(a))[0] ? " (held)" : "";

	member(check, "port", b, sizeof(b));
	vty_out(vty, "      %s%s%s%s %s%s for %s s", member(check, "type", a, sizeof(a)),
		b[0] ? "/" : "", b, tunnel, member(check, "state", c, sizeof(c)), held,
		member(check, "since_s", d, sizeof(d)));
	if (member(check, "latency_us", a, sizeof(a))[0])
		vty_out(vty, ", latency %s us", a);
	if (member(check, "result", d, sizeof(d))[0])
		vty_out(vty, ": %s", d);
	vty_out(vty, "\n");
	if (failure)
		vty_out(vty, "        Last failure %s s ago: %s\n",
			member(failure, "age_s", a, sizeof(a)),
			member(failure, "reason", d, sizeof(d)));
}

/* A service's backends and checks, out of the agent's answer. */
static void health_port_text(struct vty *vty, struct json_object *port)
{
	struct json_object *backends = list(port, "backends");
	char a[64], b[64], c[64], d[256];

	member(port, "port", b, sizeof(b));
	vty_out(vty, "  Port %s/%s: %s of ", member(port, "protocol", a, sizeof(a)),
		strmatch(b, "0") ? "any" : b, member(port, "enabled", c, sizeof(c)));
	vty_out(vty, "%s backends enabled\n", member(port, "total", c, sizeof(c)));

	for (size_t i = 0; backends && i < json_object_array_length(backends); i++) {
		struct json_object *backend = json_object_array_get_idx(backends, i);
		struct json_object *checks = list(backend, "checks");

		vty_out(vty, "    %s weight %s %s", member(backend, "address", a, sizeof(a)),
			member(backend, "weight", b, sizeof(b)),
			member(backend, "state", c, sizeof(c)));
		member(backend, "reason", d, sizeof(d));
		vty_out(vty, "%s%s\n", d[0] ? ": " : "", d);
		for (size_t j = 0; checks && j < json_object_array_length(checks); j++)
			check_text(vty, json_object_array_get_idx(checks, j));
	}
}

DEFPY(show_nlb_vip_detail, show_nlb_vip_detail_cmd,
      "show nlb vip <A.B.C.D|X:X::X:X|A.B.C.D/M|X:X::X:X/M>$name detail [json$uj]",
      SHOW_STR NLB_STR "The VIPs of the agent\n"
		       "IPv4 address of one\n"
		       "IPv6 address of one\n"
		       "IPv4 prefix of one\n"
		       "IPv6 prefix of one\n"
		       "With the checks of its backends, as the agent has them now\n" JSON_STR)
{
	struct nlb_vip *vip = vip_named(name);
	struct nlb_feed_ask ask = {};
	struct json_object *answer = NULL, *ports, *json;
	char address[INET6_ADDRSTRLEN + 1], text[160];
	struct ipaddr ip;
	const char *error;

	if (!vip) {
		if (uj)
			vty_json(vty, json_object_new_object());
		else
			vty_out(vty, "%% The agent has no VIP %s\n", name);
		return uj ? CMD_SUCCESS : CMD_WARNING;
	}

	/* The answer is waited for, and the VIP may be another one or gone by then. */
	ip = nlb_prefix_address(&vip->feed.prefix);
	snprintfrr(address, sizeof(address), "%pIA", &ip);
	ask.health = address;
	error = ask_agent(&ask, &answer, text, sizeof(text));
	vip = vip_named(name);

	if (uj) {
		json = json_object_new_object();
		if (vip)
			vip_add(json, vip);
		if (error)
			json_object_string_add(json, "healthError", error);
		else
			json_object_object_add(json, "health", json_object_get(answer));
		vty_json(vty, json);
	} else {
		if (vip)
			vip_head(vty, vip);
		if (vip && error)
			vip_ports(vty, vip);
		ports = list(answer, "ports");
		for (size_t i = 0; !error && ports && i < json_object_array_length(ports); i++)
			health_port_text(vty, json_object_array_get_idx(ports, i));
		if (!error && !strmatch(member(answer, "left_out", text, sizeof(text)), "0"))
			vty_out(vty, "  %s backends are not shown\n", text);
		if (error)
			vty_out(vty, "%% The checks are not shown: %s\n", error);
	}
	json_object_free(answer);
	return error ? CMD_WARNING : CMD_SUCCESS;
}

/*
 * show nlb route
 */

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
	char text[160];
	const char *error = ask_agent(&ask, &json, text, sizeof(text));

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
	install_element(VIEW_NODE, &show_nlb_vip_detail_cmd);
	install_element(VIEW_NODE, &show_nlb_route_cmd);
	nlb_vty_agent_init(nlb);
}
