// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The API's answers as tables. What is missing in an answer (from an agent of
 * another version) is shown as "-". Text from the agent is printed with its
 * control characters replaced, as parts of it come from backends.
 */
#include <inttypes.h>
#include <string.h>

#include "jget.h"
#include "nlbctl.h"
#include "util.h"

#define CELL_LEN 160
#define COLS_MAX 8

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? v : NULL;
}

static const char *text(struct json_object *o, const char *key, char buf[static CELL_LEN])
{
	struct json_object *v = get(o, key);

	snprintf(buf, CELL_LEN, "%s", v ? json_object_get_string(v) : "-");
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return buf;
}

static const char *yesno(struct json_object *o, const char *key)
{
	struct json_object *v = get(o, key);

	if (!v)
		return "-";
	return json_object_get_boolean(v) ? "yes" : "no";
}

/* "2/3" */
static const char *enabled(struct json_object *o, char buf[static CELL_LEN])
{
	snprintf(buf, CELL_LEN, "%" PRId64 "/%" PRId64, json_object_get_int64(get(o, "enabled")),
		 json_object_get_int64(get(o, "total")));
	return buf;
}

/* "any" where the agent's JSON and paths have 0. */
static const char *port_text(struct json_object *o, char buf[static CELL_LEN])
{
	text(o, "port", buf);
	if (strcmp(buf, "0") == 0)
		snprintf(buf, CELL_LEN, "any");
	return buf;
}

/* ---- tables: cells are collected, widths found, lines printed ---- */

struct table {
	size_t n_cols, n_cells, cap;
	char (*cells)[CELL_LEN];
};

static void table_add(struct table *t, const char *cell)
{
	if (t->n_cells == t->cap) {
		size_t cap = MAX2(t->cap * 2, (size_t)64);
		void *cells = reallocarray(t->cells, cap, sizeof(*t->cells));

		if (!cells)
			return;
		t->cells = cells;
		t->cap = cap;
	}
	snprintf(t->cells[t->n_cells++], CELL_LEN, "%s", cell);
}

static void table_begin(struct table *t, const char *const *heads, size_t n)
{
	*t = (struct table){0};
	t->n_cols = MIN2(n, (size_t)COLS_MAX);
	for (size_t i = 0; i < t->n_cols; i++)
		table_add(t, heads[i]);
}

static void table_end(struct table *t, FILE *out)
{
	size_t width[COLS_MAX] = {0};

	for (size_t i = 0; i < t->n_cells; i++)
		width[i % t->n_cols] = MAX2(width[i % t->n_cols], strlen(t->cells[i]));
	for (size_t i = 0; i < t->n_cells; i++) {
		if ((i + 1) % t->n_cols)
			fprintf(out, "%-*s  ", (int)width[i % t->n_cols], t->cells[i]);
		else
			fprintf(out, "%s\n", t->cells[i]);
	}
	free(t->cells);
}

/* ---- answers ---- */

static void print_results(struct json_object *o, FILE *out)
{
	struct json_object *bad = get(o, "last_bad");
	char a[CELL_LEN], b[CELL_LEN], c[CELL_LEN], d[CELL_LEN];

	if (!json_object_get_boolean(get(o, "ok")))
		fprintf(out, "results     failing: %s: %s\n", text(o, "dir", a),
			text(o, "error", b));
	fprintf(out, "results     %s files, %s results, %s of unknown backends, %s files refused\n",
		text(o, "files", a), text(o, "results", b), text(o, "unknown", c),
		text(o, "bad", d));
	if (bad)
		fprintf(out, "refused     %s: %s\n", text(bad, "file", a), text(bad, "reason", b));
}

void nlbctl_print_status(struct json_object *o, FILE *out)
{
	struct json_object *dp = get(o, "dataplane"), *nlbd = get(o, "nlbd");
	struct json_object *sched = get(o, "scheduler"), *vips = get(o, "vips");
	struct json_object *held = get(sched, "held"), *refused = get(o, "refused");
	char a[CELL_LEN], b[CELL_LEN], c[CELL_LEN], d[CELL_LEN];

	fprintf(out, "node        %s, up %s s\n", text(o, "node", a), text(o, "uptime_s", b));
	fprintf(out, "data plane  %s (%s)%s\n", text(dp, "state", a),
		get(dp, "mode") ? text(dp, "mode", b) : text(dp, "reason", b),
		json_object_get_boolean(get(dp, "adopted")) ? ", maps adopted" : "");
	if (json_object_get_boolean(get(nlbd, "connected")))
		fprintf(out, "nlbd        connected%s\n",
			json_object_get_boolean(get(nlbd, "synced")) ? ", in sync" : "");
	else
		fprintf(out, "nlbd        not connected: %s\n", text(nlbd, "error", a));
	if (json_object_get_boolean(get(sched, "ok")))
		fprintf(out, "scheduler   ok, revision %s, %s\n", text(sched, "revision", a),
			text(sched, "url", b));
	else
		fprintf(out, "scheduler   failing, revision %s, %s: %s\n",
			text(sched, "revision", a), text(sched, "url", b), text(sched, "error", c));
	if (held)
		fprintf(out, "HELD        revision %s: %s; \"nlbctl accept\" applies it\n",
			text(held, "revision", a), text(held, "reason", b));
	fprintf(out, "VIPs        %s wanted, %s ready, %s announced, %s leaving\n",
		text(vips, "wanted", a), text(vips, "ready", b), text(vips, "announced", c),
		text(vips, "leaving", d));
	fprintf(out, "backends    %s enabled, %s conditions, %s overrides\n",
		text(get(o, "backends"), "enabled", a), text(get(o, "backends"), "conditions", b),
		text(get(o, "backends"), "overrides", c));
	if (get(o, "results"))
		print_results(get(o, "results"), out);
	for (size_t i = 0; refused && i < json_object_array_length(refused); i++) {
		struct json_object *r = json_object_array_get_idx(refused, i);

		fprintf(out, "refused     %s: %s\n", text(r, "address", a), text(r, "reason", b));
	}
}

void nlbctl_print_vips(struct json_object *o, FILE *out)
{
	static const char *const heads[] = {"VIP", "STATE", "ROUTE", "ENABLED", "PORTS", "REASON"};
	struct json_object *vips = get(o, "vips");
	struct table t;

	table_begin(&t, heads, ARRAY_SIZE(heads));
	for (size_t i = 0; vips && i < json_object_array_length(vips); i++) {
		struct json_object *v = json_object_array_get_idx(vips, i);
		struct json_object *ports = get(v, "ports");
		char buf[CELL_LEN];

		table_add(&t, text(v, "address", buf));
		table_add(&t, text(v, "state", buf));
		table_add(&t, text(v, "route", buf));
		table_add(&t, enabled(v, buf));
		snprintf(buf, sizeof(buf), "%zu", ports ? json_object_array_length(ports) : 0);
		table_add(&t, buf);
		table_add(&t, text(v, "reason", buf));
	}
	table_end(&t, out);
}

static void print_backend_table(struct json_object *arr, FILE *out)
{
	static const char *const heads[] = {"BACKEND", "STATE",	  "WEIGHT", "HEALTH",
					    "ADMIN",   "IN RING", "REASON"};
	struct table t;

	table_begin(&t, heads, ARRAY_SIZE(heads));
	for (size_t i = 0; arr && i < json_object_array_length(arr); i++) {
		struct json_object *be = json_object_array_get_idx(arr, i);
		char buf[CELL_LEN];

		table_add(&t, text(be, "address", buf));
		table_add(&t, text(be, "state", buf));
		table_add(&t, text(be, "weight", buf));
		table_add(&t, text(be, "health", buf));
		if (get(be, "override"))
			snprintf(buf, sizeof(buf), "%s (operator)",
				 json_object_get_string(get(be, "override")));
		else
			text(be, "admin", buf);
		table_add(&t, buf);
		table_add(&t, yesno(be, "in_ring"));
		table_add(&t, text(be, "reason", buf));
	}
	table_end(&t, out);
}

void nlbctl_print_backends(struct json_object *o, FILE *out)
{
	print_backend_table(get(o, "backends"), out);
}

void nlbctl_print_vip(struct json_object *o, FILE *out)
{
	struct json_object *ports = get(o, "ports");
	char a[CELL_LEN], b[CELL_LEN], c[CELL_LEN], d[CELL_LEN];

	fprintf(out, "VIP         %s\n", text(o, "address", a));
	fprintf(out, "state       %s", text(o, "state", a));
	if (get(o, "reason"))
		fprintf(out, ": %s", text(o, "reason", b));
	fprintf(out, "\nroute       %s", text(o, "route", a));
	if (get(o, "route_reason"))
		fprintf(out, ": %s", text(o, "route_reason", b));
	fprintf(out, "\nid          %s, revision %s, tag %s, phase %s\n", text(o, "id", a),
		text(o, "revision", b), text(o, "tag", c), text(o, "phase", d));
	if (get(o, "unknown"))
		fprintf(out, "no service  %s\n", text(o, "unknown", a));
	for (size_t i = 0; ports && i < json_object_array_length(ports); i++) {
		struct json_object *p = json_object_array_get_idx(ports, i);
		struct json_object *ring = get(p, "ring"), *quic = get(p, "quic");

		fprintf(out, "\n%s/%s      enabled %s, ring %s (%s slots, generation %s)",
			text(p, "protocol", a), port_text(p, b), enabled(p, c),
			json_object_get_string(get(ring, "state")), text(ring, "size", d),
			json_object_get_string(get(ring, "generation")));
		if (get(ring, "reason"))
			fprintf(out, ": %s", text(ring, "reason", a));
		if (json_object_get_int64(get(p, "draining")))
			fprintf(out, ", %s draining", text(p, "draining", a));
		if (strcmp(text(p, "affinity", a), "source") == 0)
			fputs(", by source address", out);
		if (quic)
			fprintf(out, ", by QUIC server id (config %s, %s octets)",
				text(quic, "config_id", a), text(quic, "server_id_length", b));
		fputs("\n", out);
		print_backend_table(get(p, "backends"), out);
	}
}

/* One line for each element: what it is, then its counters. */
static void print_counters(struct json_object *arr, const char *const *heads,
			   const char *const *keys, size_t n, FILE *out)
{
	char buf[CELL_LEN];
	struct table t;

	table_begin(&t, heads, n);
	for (size_t i = 0; arr && i < json_object_array_length(arr); i++)
		for (size_t k = 0; k < n; k++)
			table_add(&t, text(json_object_array_get_idx(arr, i), keys[k], buf));
	table_end(&t, out);
	fputs("\n", out);
}

static void print_counts(struct json_object *o, const char *const heads[2], FILE *out)
{
	struct table t;

	if (!o)
		return;
	table_begin(&t, heads, 2);
	json_object_object_foreach (o, name, count) {
		table_add(&t, name);
		table_add(&t, json_object_get_string(count));
	}
	table_end(&t, out);
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

	print_counters(get(o, "vips"), vip_heads, vip_keys, ARRAY_SIZE(vip_heads), out);
	print_counters(get(o, "services"), svc_heads, svc_keys, ARRAY_SIZE(svc_heads), out);
	print_counters(get(o, "backends"), be_heads, be_keys, ARRAY_SIZE(be_heads), out);
	print_counts(get(o, "reasons"), reason_heads, out);
	if (get(o, "events"))
		fputs("\n", out);
	print_counts(get(o, "events"), event_heads, out);
}

/* "192.0.2.1:80", "[2001:db8::1]:80" */
static const char *endpoint(struct json_object *o, const char *addr, const char *port,
			    char buf[static CELL_LEN])
{
	char a[CELL_LEN], p[CELL_LEN];
	const char *format;

	text(o, addr, a);
	text(o, port, p);
	format = strchr(a, ':') ? "[%.64s]:%.8s" : "%.64s:%.8s";
	snprintf(buf, CELL_LEN, format, a, p);
	return buf;
}

static void print_way(struct json_object *o, FILE *out)
{
	struct json_object *outer = get(o, "outer"), *egress = get(o, "egress");
	struct json_object *vlans = get(egress, "vlans");
	char a[CELL_LEN], b[CELL_LEN], c[CELL_LEN];

	if (get(o, "backend"))
		fprintf(out, "backend    %s, slot %s (%s)\n", text(o, "backend", a),
			text(o, "slot", b), text(o, "mode", c));
	if (outer)
		fprintf(out, "outer      %s -> %s, TTL %s\n", text(outer, "source", a),
			text(outer, "destination", b), text(outer, "ttl", c));
	if (egress)
		fprintf(out, "egress     %s to %s", text(egress, "interface", a),
			text(egress, "mac", b));
	for (size_t i = 0; vlans && i < json_object_array_length(vlans); i++)
		fprintf(out, ", VLAN %d", json_object_get_int(json_object_array_get_idx(vlans, i)));
	if (egress)
		fputs("\n", out);
}

void nlbctl_print_route(struct json_object *o, FILE *out)
{
	struct json_object *flow = get(o, "flow"), *svc = get(o, "service"), *why = get(o, "why");
	char a[CELL_LEN], b[CELL_LEN], c[CELL_LEN], d[CELL_LEN];
	bool tcp = strcmp(text(flow, "protocol", c), "tcp") == 0;

	fprintf(out, "flow       %s -> %s %s%s, in by %s\n", endpoint(flow, "src", "sport", a),
		endpoint(flow, "dst", "dport", b), c,
		!tcp						    ? ""
		: json_object_get_boolean(get(flow, "established")) ? " (established)"
								    : " (new)",
		text(flow, "interface", d));
	fprintf(out, "verdict    %s: %s\n", text(o, "verdict", a), text(o, "reason", b));
	if (get(o, "vip"))
		fprintf(out, "VIP        %s\n", text(o, "vip", a));
	if (svc)
		fprintf(out, "service    %s/%s\n", text(svc, "protocol", a),
			json_object_get_int(get(svc, "port")) ? text(svc, "port", b) : "all ports");
	print_way(o, out);
	for (size_t i = 0; why && i < json_object_array_length(why); i++) {
		snprintf(a, sizeof(a), "%s",
			 json_object_get_string(json_object_array_get_idx(why, i)));
		fprintf(out, "because    %s\n", a);
	}
}

void nlbctl_print_health(struct json_object *o, FILE *out)
{
	char a[CELL_LEN], b[CELL_LEN];

	if (get(o, "reason"))
		fprintf(out, "%s: %s\n", text(o, "status", a), text(o, "reason", b));
	else
		fprintf(out, "%s\n", text(o, "status", a));
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
