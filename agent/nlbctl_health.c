// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlbctl health: whether the agent works, as exit status, and how its checks do. With a VIP, each
 * check of its backends. "release" ends a hold.
 */
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "addr.h"
#include "jget.h"
#include "nlbctl_table.h"
#include "util.h"

static int usage(FILE *out)
{
	fputs("usage: nlbctl health [--json]                  exit status 0 when the agent works\n"
	      "       nlbctl health [--json] VIP [PORT|any]   each check of the VIP's backends\n"
	      "       nlbctl health release                   verdicts that are held count now\n",
	      out);
	return out == stdout ? 0 : 2;
}

static uint64_t number(struct json_object *o, const char *key)
{
	uint64_t n = 0;

	if (o)
		jget_u64(o, key, 0, UINT64_MAX, &n, NULL);
	return n;
}

/* us as a cell: "840 us", "12.3 ms", "2.10 s" */
static const char *duration(uint64_t us, char buf[static NLBCTL_CELL_LEN])
{
	if (us < 1000)
		snprintf(buf, NLBCTL_CELL_LEN, "%" PRIu64 " us", us);
	else if (us < 1000000)
		snprintf(buf, NLBCTL_CELL_LEN, "%.1f ms", (double)us / 1e3);
	else
		snprintf(buf, NLBCTL_CELL_LEN, "%.2f s", (double)us / 1e6);
	return buf;
}

static const char *age(uint64_t s, char buf[static NLBCTL_CELL_LEN])
{
	if (s < 3600)
		snprintf(buf, NLBCTL_CELL_LEN, "%" PRIu64 " s", s);
	else if (s < 86400)
		snprintf(buf, NLBCTL_CELL_LEN, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(buf, NLBCTL_CELL_LEN, "%" PRIu64 "d%02" PRIu64 "h", s / 86400,
			 s / 3600 % 24);
	return buf;
}

/* ---- the node ---- */

static void print_alarm(struct json_object *o, FILE *out)
{
	char a[NLBCTL_CELL_LEN], b[NLBCTL_CELL_LEN];

	fprintf(out,
		"ALARM       %" PRIu64 " of %" PRIu64
		" backends fail at once, for %s; this node's uplink is suspected\n",
		number(o, "failing"), number(o, "of"), age(number(o, "age_s"), a));
	fprintf(out, "            policy %s, %" PRIu64 " verdicts held%s%s\n",
		nlbctl_text(o, "policy", b), number(o, "held"),
		json_object_get_boolean(nlbctl_get(o, "recovering")) ? ", recovering" : "",
		number(o, "held") ? "; \"nlbctl health release\" ends that" : "");
}

static void print_counts(struct json_object *o, const char *what, FILE *out)
{
	bool first = true;

	if (!o)
		return;
	fprintf(out, "%-12s", what);
	json_object_object_foreach (o, name, count) {
		if (!json_object_get_uint64(count))
			continue;
		fprintf(out, "%s%s %" PRIu64, first ? "" : ", ", name,
			json_object_get_uint64(count));
		first = false;
	}
	fputs(first ? "none\n" : "\n", out);
}

static void print_engine(struct json_object *o, FILE *out)
{
	char a[NLBCTL_CELL_LEN], b[NLBCTL_CELL_LEN], c[NLBCTL_CELL_LEN];

	fprintf(out,
		"probes      %" PRIu64 "/s, %" PRIu64 " under way, %" PRIu64
		" due and waiting, %" PRIu64 " of %" PRIu64 " descriptors\n",
		number(o, "probes_per_s"), number(o, "flying"), number(o, "waiting"),
		number(o, "descriptors"), number(o, "budget"));
	fprintf(out,
		"lateness    p50 %s, p99 %s, max %s; %" PRIu64
		" more than 100 ms since the start\n",
		duration(number(o, "late_p50_us"), a), duration(number(o, "late_p99_us"), b),
		duration(number(o, "late_max_us"), c), number(o, "late"));
	fprintf(out,
		"engine      %" PRIu64 " shards, %" PRIu64 " hosts, %" PRIu64
		" probes put off for their host, %" PRIu64 " got more time\n",
		number(o, "shards"), number(o, "hosts"), number(o, "host_held"),
		number(o, "extended"));
	print_counts(nlbctl_get(o, "ended"), "ended", out);
	print_counts(nlbctl_get(o, "icmp"), "icmp", out);
}

static void print_health(struct json_object *o, FILE *out)
{
	struct json_object *conds = nlbctl_get(o, "conditions");
	struct json_object *backends = nlbctl_get(o, "backends");
	char a[NLBCTL_CELL_LEN], b[NLBCTL_CELL_LEN];

	if (nlbctl_get(o, "reason"))
		fprintf(out, "%s: %s\n", nlbctl_text(o, "status", a), nlbctl_text(o, "reason", b));
	else
		fprintf(out, "%s\n", nlbctl_text(o, "status", a));
	if (nlbctl_get(o, "alarm"))
		print_alarm(nlbctl_get(o, "alarm"), out);
	if (conds)
		fprintf(out,
			"conditions  %" PRIu64 ": %" PRIu64 " up, %" PRIu64 " down, %" PRIu64
			" unknown; the last probe of %" PRIu64 " failed, %" PRIu64 " held\n",
			number(conds, "total"), number(conds, "up"), number(conds, "down"),
			number(conds, "unknown"), number(conds, "failing"), number(conds, "held"));
	if (backends)
		fprintf(out, "backends    %" PRIu64 " addresses checked, %" PRIu64 " failing\n",
			number(backends, "checked"), number(backends, "failing"));
	if (nlbctl_get(o, "engine"))
		print_engine(nlbctl_get(o, "engine"), out);
}

/* ---- a VIP ---- */

static void add_check(struct nlbctl_table *t, struct json_object *o)
{
	struct json_object *failure = nlbctl_get(o, "failure");
	char a[NLBCTL_CELL_LEN], b[NLBCTL_CELL_LEN], c[2 * NLBCTL_CELL_LEN];
	uint64_t port = number(o, "service_port");
	const char *tunnel;

	if (port)
		snprintf(c, sizeof(c), "%.8s/%" PRIu64, nlbctl_text(o, "protocol", a), port);
	else
		snprintf(c, sizeof(c), "%.8s/any", nlbctl_text(o, "protocol", a));
	nlbctl_table_add(t, c);
	nlbctl_table_add(t, nlbctl_text(o, "backend", a));
	tunnel = nlbctl_get(o, "tunnel") ? " (tunnel)" : "";
	if (nlbctl_get(o, "port"))
		snprintf(c, sizeof(c), "%.8s/%" PRIu64 "%s", nlbctl_text(o, "type", a),
			 number(o, "port"), tunnel);
	else
		snprintf(c, sizeof(c), "%.8s%s", nlbctl_text(o, "type", a), tunnel);
	nlbctl_table_add(t, c);
	snprintf(c, sizeof(c), "%s%s", nlbctl_text(o, "state", a),
		 nlbctl_get(o, "held") ? " (held)" : "");
	nlbctl_table_add(t, c);
	nlbctl_table_add(t, age(number(o, "since_s"), a));
	nlbctl_table_add(t, number(o, "latency_us") ? duration(number(o, "latency_us"), a) : "-");
	nlbctl_table_add(t, nlbctl_text(o, "result", a));
	if (failure)
		snprintf(c, sizeof(c), "%s ago: %s", age(number(failure, "age_s"), a),
			 nlbctl_text(failure, "reason", b));
	nlbctl_table_add(t, failure ? c : "-");
}

static void print_checks(struct json_object *o, FILE *out)
{
	static const char *const heads[] = {"SERVICE", "BACKEND", "CHECK",  "STATE",
					    "SINCE",   "LATENCY", "RESULT", "LAST FAILURE"};
	struct json_object *list = nlbctl_get(o, "conditions");
	struct nlbctl_table t;

	nlbctl_table_begin(&t, heads, ARRAY_SIZE(heads));
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		add_check(&t, json_object_array_get_idx(list, i));
	nlbctl_table_end(&t, out);
	if (number(o, "left_out"))
		fprintf(out, "%" PRIu64 " more\n", number(o, "left_out"));
}

static int show_vip(struct nlbctl *ctl, const char *vip, const char *port)
{
	char path[256], text[ADDR_STRLEN];
	struct addr a;
	uint8_t plen;
	int used = 0;
	unsigned int n = 0;

	if (addr_prefix_parse(vip, &a, &plen) < 0) {
		fprintf(stderr, "nlbctl: not an address: %s\n", vip);
		return 2;
	}
	if (port && strcmp(port, "any") != 0 &&
	    (port[0] < '0' || port[0] > '9' || sscanf(port, "%5u%n", &n, &used) != 1 ||
	     port[used])) {
		fprintf(stderr, "nlbctl: not a port: %s\n", port);
		return 2;
	}
	snprintf(path, sizeof(path), "/v1/health/conditions?vip=%s&limit=65536",
		 addr_str(&a, text));
	if (port)
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "&port=%u", n);
	return nlbctl_request(ctl, "GET", path, NULL) < 0 ? 1 : nlbctl_show(ctl, print_checks);
}

int nlbctl_health(struct nlbctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int opt;

	optind = 0;
	while ((opt = getopt_long(argc, argv, "s:jh", options, NULL)) != -1) {
		if (opt == 's')
			ctl->socket = optarg;
		else if (opt == 'j')
			ctl->json = true;
		else
			return usage(opt == 'h' ? stdout : stderr);
	}
	argc -= optind;
	argv += optind;
	if (argc == 1 && strcmp(argv[0], "release") == 0) {
		if (nlbctl_request(ctl, "POST", "/v1/health/release", "{}") < 0)
			return 1;
		return nlbctl_show(ctl, nlbctl_print_ok);
	}
	if (argc == 1 || argc == 2)
		return show_vip(ctl, argv[0], argc == 2 ? argv[1] : NULL);
	if (argc)
		return usage(stderr);
	return nlbctl_request(ctl, "GET", "/v1/health", NULL) < 0 ? 1
								  : nlbctl_show(ctl, print_health);
}
