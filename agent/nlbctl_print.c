// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The API's answers as tables. What is missing in an answer (from an agent of
 * another version) is shown as "-". Text from the agent is printed with its
 * control characters replaced, as parts of it come from backends.
 */
#include <inttypes.h>
#include <string.h>

#include "jget.h"
#include "nlbctl_table.h"
#include "util.h"

static const char *yesno(struct json_object *o, const char *key)
{
	struct json_object *v = nlbctl_get(o, key);

	if (!v)
		return "-";
	return json_object_get_boolean(v) ? "yes" : "no";
}

/* "2/3" */
static const char *enabled(struct json_object *o, char buf[static NLBCTL_CELL_LEN])
{
	snprintf(buf, NLBCTL_CELL_LEN, "%" PRId64 "/%" PRId64,
		 json_object_get_int64(nlbctl_get(o, "enabled")),
		 json_object_get_int64(nlbctl_get(o, "total")));
	return buf;
}

/* "any" where the agent's JSON and paths have 0. */
static const char *port_text(struct json_object *o, char buf[static NLBCTL_CELL_LEN])
{
	nlbctl_text(o, "port", buf);
	if (strcmp(buf, "0") == 0)
		snprintf(buf, NLBCTL_CELL_LEN, "any");
	return buf;
}

/* ---- answers ---- */

static void print_results(struct json_object *o, FILE *out)
{
	struct json_object *bad = nlbctl_get(o, "last_bad");
	char a[NLBCTL_CELL_LEN], b[NLBCTL_CELL_LEN], c[NLBCTL_CELL_LEN], d[NLBCTL_CELL_LEN];

	if (!json_object_get_boolean(nlbctl_get(o, "ok")))
		fprintf(out, "results     failing: %s: %s\n", nlbctl_text(o, "dir", a),
			nlbctl_text(o, "error", b));
	fprintf(out, "results     %s files, %s results, %s of unknown backends, %s files refused\n",
		nlbctl_text(o, "files", a), nlbctl_text(o, "results", b),
		nlbctl_text(o, "unknown", c), nlbctl_text(o, "bad", d));
	if (bad)
		fprintf(out, "refused     %s: %s\n", nlbctl_text(bad, "file", a),
			nlbctl_text(bad, "reason", b));
}

void nlbctl_print_status(struct json_object *o, FILE *out)
{
	struct json_object *dp = nlbctl_get(o, "dataplane"), *nlbd = nlbctl_get(o, "nlbd");
	struct json_object *sched = nlbctl_get(o, "scheduler"), *vips = nlbctl_get(o, "vips");
	struct json_object *held = nlbctl_get(sched, "held"), *refused = nlbctl_get(o, "refused");
	char a[NLBCTL_CELL_LEN], b[NLBCTL_CELL_LEN], c[NLBCTL_CELL_LEN], d[NLBCTL_CELL_LEN];

	fprintf(out, "node        %s, up %s s\n", nlbctl_text(o, "node", a),
		nlbctl_text(o, "uptime_s", b));
	fprintf(out, "data plane  %s (%s)%s\n", nlbctl_text(dp, "state", a),
		nlbctl_get(dp, "mode") ? nlbctl_text(dp, "mode", b) : nlbctl_text(dp, "reason", b),
		json_object_get_boolean(nlbctl_get(dp, "adopted")) ? ", maps adopted" : "");
	if (json_object_get_boolean(nlbctl_get(nlbd, "connected")))
		fprintf(out, "nlbd        connected%s\n",
			json_object_get_boolean(nlbctl_get(nlbd, "synced")) ? ", in sync" : "");
	else
		fprintf(out, "nlbd        not connected: %s\n", nlbctl_text(nlbd, "error", a));
	if (json_object_get_boolean(nlbctl_get(sched, "ok")))
		fprintf(out, "scheduler   ok, revision %s, %s\n", nlbctl_text(sched, "revision", a),
			nlbctl_text(sched, "url", b));
	else
		fprintf(out, "scheduler   failing, revision %s, %s: %s\n",
			nlbctl_text(sched, "revision", a), nlbctl_text(sched, "url", b),
			nlbctl_text(sched, "error", c));
	if (held)
		fprintf(out, "HELD        revision %s: %s; \"nlbctl accept\" applies it\n",
			nlbctl_text(held, "revision", a), nlbctl_text(held, "reason", b));
	fprintf(out, "VIPs        %s wanted, %s ready, %s announced, %s leaving\n",
		nlbctl_text(vips, "wanted", a), nlbctl_text(vips, "ready", b),
		nlbctl_text(vips, "announced", c), nlbctl_text(vips, "leaving", d));
	fprintf(out, "backends    %s enabled, %s conditions, %s overrides\n",
		nlbctl_text(nlbctl_get(o, "backends"), "enabled", a),
		nlbctl_text(nlbctl_get(o, "backends"), "conditions", b),
		nlbctl_text(nlbctl_get(o, "backends"), "overrides", c));
	if (nlbctl_get(o, "results"))
		print_results(nlbctl_get(o, "results"), out);
	for (size_t i = 0; refused && i < json_object_array_length(refused); i++) {
		struct json_object *r = json_object_array_get_idx(refused, i);

		fprintf(out, "refused     %s: %s\n", nlbctl_text(r, "address", a),
			nlbctl_text(r, "reason", b));
	}
}

void nlbctl_print_vips(struct json_object *o, FILE *out)
{
	static const char *const heads[] = {"VIP", "STATE", "ROUTE", "ENABLED", "PORTS", "REASON"};
	struct json_object *vips = nlbctl_get(o, "vips");
	struct nlbctl_table t;

	nlbctl_table_begin(&t, heads, ARRAY_SIZE(heads));
	for (size_t i = 0; vips && i < json_object_array_length(vips); i++) {
		struct json_object *v = json_object_array_get_idx(vips, i);
		struct json_object *ports = nlbctl_get(v, "ports");
		char buf[NLBCTL_CELL_LEN];

		nlbctl_table_add(&t, nlbctl_text(v, "address", buf));
		nlbctl_table_add(&t, nlbctl_text(v, "state", buf));
		nlbctl_table_add(&t, nlbctl_text(v, "route", buf));
		nlbctl_table_add(&t, enabled(v, buf));
		snprintf(buf, sizeof(buf), "%zu", ports ? json_object_array_length(ports) : 0);
		nlbctl_table_add(&t, buf);
		nlbctl_table_add(&t, nlbctl_text(v, "reason", buf));
	}
	nlbctl_table_end(&t, out);
}

static void print_backend_table(struct json_object *arr, FILE *out)
{
	static const char *const heads[] = {"BACKEND", "STATE",	  "WEIGHT", "HEALTH",
					    "ADMIN",   "IN RING", "REASON"};
	struct nlbctl_table t;

	nlbctl_table_begin(&t, heads, ARRAY_SIZE(heads));
	for (size_t i = 0; arr && i < json_object_array_length(arr); i++) {
		struct json_object *be = json_object_array_get_idx(arr, i);
		char buf[NLBCTL_CELL_LEN];

		nlbctl_table_add(&t, nlbctl_text(be, "address", buf));
		nlbctl_table_add(&t, nlbctl_text(be, "state", buf));
		nlbctl_table_add(&t, nlbctl_text(be, "weight", buf));
		nlbctl_table_add(&t, nlbctl_text(be, "health", buf));
		if (nlbctl_get(be, "override"))
			snprintf(buf, sizeof(buf), "%s (operator)",
				 json_object_get_string(nlbctl_get(be, "override")));
		else
			nlbctl_text(be, "admin", buf);
		nlbctl_table_add(&t, buf);
		nlbctl_table_add(&t, yesno(be, "in_ring"));
		nlbctl_table_add(&t, nlbctl_text(be, "reason", buf));
	}
	nlbctl_table_end(&t, out);
}

void nlbctl_print_backends(struct json_object *o, FILE *out)
{
	print_backend_table(nlbctl_get(o, "backends"), out);
}

void nlbctl_print_vip(struct json_object *o, FILE *out)
{
	struct json_object *ports = nlbctl_get(o, "ports");
	char a[NLBCTL_CELL_LEN], b[NLBCTL_CELL_LEN], c[NLBCTL_CELL_LEN], d[NLBCTL_CELL_LEN];

	fprintf(out, "VIP         %s\n", nlbctl_text(o, "address", a));
	fprintf(out, "state       %s", nlbctl_text(o, "state", a));
	if (nlbctl_get(o, "reason"))
		fprintf(out, ": %s", nlbctl_text(o, "reason", b));
	fprintf(out, "\nroute       %s", nlbctl_text(o, "route", a));
	if (nlbctl_get(o, "route_reason"))
		fprintf(out, ": %s", nlbctl_text(o, "route_reason", b));
	fprintf(out, "\nid          %s, revision %s, tag %s, phase %s\n", nlbctl_text(o, "id", a),
		nlbctl_text(o, "revision", b), nlbctl_text(o, "tag", c),
		nlbctl_text(o, "phase", d));
	if (nlbctl_get(o, "unknown"))
		fprintf(out, "no service  %s\n", nlbctl_text(o, "unknown", a));
	for (size_t i = 0; ports && i < json_object_array_length(ports); i++) {
		struct json_object *p = json_object_array_get_idx(ports, i);
		struct json_object *ring = nlbctl_get(p, "ring"), *quic = nlbctl_get(p, "quic");

		fprintf(out, "\n%s/%s      enabled %s, ring %s (%s slots, generation %s)",
			nlbctl_text(p, "protocol", a), port_text(p, b), enabled(p, c),
			json_object_get_string(nlbctl_get(ring, "state")),
			nlbctl_text(ring, "size", d),
			json_object_get_string(nlbctl_get(ring, "generation")));
		if (nlbctl_get(ring, "reason"))
			fprintf(out, ": %s", nlbctl_text(ring, "reason", a));
		if (json_object_get_int64(nlbctl_get(p, "draining")))
			fprintf(out, ", %s draining", nlbctl_text(p, "draining", a));
		if (strcmp(nlbctl_text(p, "affinity", a), "source") == 0)
			fputs(", by source address", out);
		if (quic)
			fprintf(out, ", by QUIC server id (config %s, %s octets)",
				nlbctl_text(quic, "config_id", a),
				nlbctl_text(quic, "server_id_length", b));
		fputs("\n", out);
		print_backend_table(nlbctl_get(p, "backends"), out);
	}
}

/* One line for each element: what it is, then its counters. */
static void print_counters(struct json_object *arr, const char *const *heads,
			   const char *const *keys, size_t n, FILE *out)
{
	char buf[NLBCTL_CELL_LEN];
	struct nlbctl_table t;

	nlbctl_table_begin(&t, heads, n);
	for (size_t i = 0; arr && i < json_object_array_length(arr); i++)
		for (size_t k = 0; k < n; k++)
			nlbctl_table_add(
				&t, nlbctl_text(json_object_array_get_idx(arr, i), keys[k], buf));
	nlbctl_table_end(&t, out);
	fputs("\n", out);
}

static void print_counts(struct json_object *o, const char *const heads[2], FILE *out)
{
	struct nlbctl_table t;

	if (!o)
		return;
	nlbctl_table_begin(&t, heads, 2);
	json_object_object_foreach (o, name, count) {
		nlbctl_table_add(&t, name);
		nlbctl_table_add(&t, json_object_get_string(count));
	}
	nlbctl_table_end(&t, out);
}

void nlbctl_print_stats(struct json_object *o, FILE *out)
{
	static const char *const vip_heads[] = {"VIP", "PACKETS", "BYTES", "FLOWS", "DROPPED"};
	static const char *const vip_keys[] = {"address", "packets", "bytes", "flows", "dropped"};
	static const char *const svc_heads[] = {"VIP",	 "PROTO", "PORT",   "PACKETS",
						"BYTES", "FLOWS", "DROPPED"};
	static const char *const svc_keys[] = {"vip",	"protocol", "port",   "packets",
					       "bytes", "flows",    "dropped"};
	static const char *const be_heads[] = {"BACKEND", "PACKETS", "BYTES",
					       "FLOWS",	  "DROPPED", "ERRORS"};
	static const char *const be_keys[] = {"address", "packets", "bytes",
					      "flows",	 "dropped", "errors"};
	static const char *const reason_heads[] = {"REASON", "PACKETS"};
	static const char *const event_heads[] = {"EVENT", "PACKETS"};

	print_counters(nlbctl_get(o, "vips"), vip_heads, vip_keys, ARRAY_SIZE(vip_heads), out);
	print_counters(nlbctl_get(o, "services"), svc_heads, svc_keys, ARRAY_SIZE(svc_heads), out);
	print_counters(nlbctl_get(o, "backends"), be_heads, be_keys, ARRAY_SIZE(be_heads), out);
	print_counts(nlbctl_get(o, "reasons"), reason_heads, out);
	if (nlbctl_get(o, "events"))
		fputs("\n", out);
	print_counts(nlbctl_get(o, "events"), event_heads, out);
}

/* "192.0.2.1:80", "[2001:db8::1]:80" */
static const char *endpoint(struct json_object *o, const char *addr, const char *port,
			    char buf[static NLBCTL_CELL_LEN])
{
	char a[NLBCTL_CELL_LEN], p[NLBCTL_CELL_LEN];
	const char *format;

	nlbctl_text(o, addr, a);
	nlbctl_text(o, port, p);
	format = strchr(a, ':') ? "[%.64s]:%.8s" : "%.64s:%.8s";
	snprintf(buf, NLBCTL_CELL_LEN, format, a, p);
	return buf;
}

static void print_way(struct json_object *o, FILE *out)
{
	struct json_object *outer = nlbctl_get(o, "outer"), *egress = nlbctl_get(o, "egress");
	struct json_object *vlans = nlbctl_get(egress, "vlans");
	char a[NLBCTL_CELL_LEN], b[NLBCTL_CELL_LEN], c[NLBCTL_CELL_LEN];

	if (nlbctl_get(o, "backend"))
		fprintf(out, "backend    %s, slot %s (%s)\n", nlbctl_text(o, "backend", a),
			nlbctl_text(o, "slot", b), nlbctl_text(o, "mode", c));
	if (outer)
		fprintf(out, "outer      %s -> %s, TTL %s\n", nlbctl_text(outer, "source", a),
			nlbctl_text(outer, "destination", b), nlbctl_text(outer, "ttl", c));
	if (egress)
		fprintf(out, "egress     %s to %s", nlbctl_text(egress, "interface", a),
			nlbctl_text(egress, "mac", b));
	for (size_t i = 0; vlans && i < json_object_array_length(vlans); i++)
		fprintf(out, ", VLAN %d", json_object_get_int(json_object_array_get_idx(vlans, i)));
	if (egress)
		fputs("\n", out);
}

void nlbctl_print_route(struct json_object *o, FILE *out)
{
	struct json_object *flow = nlbctl_get(o, "flow"), *svc = nlbctl_get(o, "service"),
			   *why = nlbctl_get(o, "why");
	char a[NLBCTL_CELL_LEN], b[NLBCTL_CELL_LEN], c[NLBCTL_CELL_LEN], d[NLBCTL_CELL_LEN];
	bool tcp = strcmp(nlbctl_text(flow, "protocol", c), "tcp") == 0;

	fprintf(out, "flow       %s -> %s %s%s, in by %s\n", endpoint(flow, "src", "sport", a),
		endpoint(flow, "dst", "dport", b), c,
		!tcp							   ? ""
		: json_object_get_boolean(nlbctl_get(flow, "established")) ? " (established)"
									   : " (new)",
		nlbctl_text(flow, "interface", d));
	fprintf(out, "verdict    %s: %s\n", nlbctl_text(o, "verdict", a),
		nlbctl_text(o, "reason", b));
	if (nlbctl_get(o, "vip"))
		fprintf(out, "VIP        %s\n", nlbctl_text(o, "vip", a));
	if (svc)
		fprintf(out, "service    %s/%s\n", nlbctl_text(svc, "protocol", a),
			json_object_get_int(nlbctl_get(svc, "port")) ? nlbctl_text(svc, "port", b)
								     : "all ports");
	print_way(o, out);
	for (size_t i = 0; why && i < json_object_array_length(why); i++) {
		snprintf(a, sizeof(a), "%s",
			 json_object_get_string(json_object_array_get_idx(why, i)));
		fprintf(out, "because    %s\n", a);
	}
}

void nlbctl_print_ok(struct json_object *o _unused_, FILE *out)
{
	fputs("ok\n", out);
}

void nlbctl_print_batch(struct json_object *o, FILE *out)
{
	uint64_t changed = 0;

	jget_u64(o, "changed", 0, UINT64_MAX, &changed, NULL);
	fprintf(out, "ok, %llu changed\n", (unsigned long long)changed);
}
