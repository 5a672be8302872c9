// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Metrics in Prometheus' text format (version 0.0.4), which OpenMetrics' parsers read as well.
 *
 * Labels are words of ours and addresses of VIPs. How many series there are is bounded: those of a
 * VIP are written for the first METRICS_VIPS of them by address, and how many were left out is a
 * metric itself. Backends and checks have no series of their own; GET /v1/health/conditions
 * has them. The data plane's counters are those that the maps child sends for GET /v1/stats; when
 * it does not answer they are missing, and nlb_dataplane_counters says so.
 */
#include <inttypes.h>
#include <string.h>

#include "api_health.h"

#define METRICS_VIPS 1024u

/* A latency's buckets, in us; each holds those below it too. */
static const uint32_t latency_le[] = {100,    250,    500,     1000,	2500,
				      5000,   10000,  25000,   50000,	100000,
				      250000, 500000, 1000000, 2500000, 5000000};

static void head(struct sbuf *b, const char *name, const char *type, const char *help)
{
	sbuf_printf(b, "# HELP nlb_%s %s\n# TYPE nlb_%s %s\n", name, help, name, type);
}

static void one(struct sbuf *b, const char *name, const char *type, const char *help,
		uint64_t value)
{
	head(b, name, type, help);
	sbuf_printf(b, "nlb_%s %" PRIu64 "\n", name, value);
}

/* A label's value: what would end it is escaped. */
static void label_value(struct sbuf *b, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			sbuf_add(b, "\\", 1);
		if (*text == '\n')
			sbuf_puts(b, "\\n");
		else
			sbuf_add(b, text, 1);
	}
}

static void labelled(struct sbuf *b, const char *name, const char *label, const char *value,
		     uint64_t n)
{
	sbuf_printf(b, "nlb_%s{%s=\"", name, label);
	label_value(b, value);
	sbuf_printf(b, "\"} %" PRIu64 "\n", n);
}

/* us as seconds, which is the unit of metrics. */
static void seconds(struct sbuf *b, const char *series, uint64_t us)
{
	sbuf_printf(b, "nlb_%s %" PRIu64 ".%06" PRIu64 "\n", series, us / 1000000, us % 1000000);
}

/* ---- conditions ---- */

/* A gauge by bucket, as the sum goes up and down: histogram_quantile() takes it. */
static void write_latency(const struct core *c, struct sbuf *b)
{
	uint64_t buckets[ARRAY_SIZE(latency_le)] = {0}, n = 0;
	const char *name = "health_conditions_latency_bucket";

	for (const struct core_cond *cond = c->conds_by_id; cond; cond = cond->by_id.next) {
		if (!cond->probed || !cond->latency_us)
			continue;
		n++;
		for (size_t i = 0; i < ARRAY_SIZE(latency_le); i++)
			buckets[i] += cond->latency_us <= latency_le[i];
	}
	head(b, name, "gauge", "Conditions whose last probe with an answer took no longer.");
	for (size_t i = 0; i < ARRAY_SIZE(latency_le); i++)
		sbuf_printf(b, "nlb_%s{le=\"%u.%06u\"} %" PRIu64 "\n", name,
			    latency_le[i] / 1000000, latency_le[i] % 1000000, buckets[i]);
	sbuf_printf(b, "nlb_%s{le=\"+Inf\"} %" PRIu64 "\n", name, n);
}

static void write_conditions(const struct core *c, struct sbuf *b)
{
	struct api_health_counts n;

	api_health_count(c, &n);
	head(b, "health_conditions", "gauge", "Conditions by state.");
	for (uint8_t i = 0; i <= MSG_HC_DOWN; i++)
		labelled(b, "health_conditions", "state", hc_state_str(i), n.states[i]);
	head(b, "health_conditions_failing", "gauge",
	     "Conditions whose last probe failed, by reason.");
	for (uint8_t i = MSG_HC_OK + 1; i < MSG_HC_REASONS; i++)
		labelled(b, "health_conditions_failing", "reason", hc_reason_str(i), n.failing[i]);
	head(b, "health_conditions_last_failure", "gauge",
	     "Conditions by the reason of their last failure, also when they are well again.");
	for (uint8_t i = MSG_HC_OK + 1; i < MSG_HC_REASONS; i++)
		labelled(b, "health_conditions_last_failure", "reason", hc_reason_str(i),
			 n.failures[i]);
	one(b, "health_conditions_held", "gauge", "Conditions whose verdict DOWN is held.", n.held);
	write_latency(c, b);
}

static void write_mass(const struct core *c, struct sbuf *b)
{
	one(b, "mass_failure", "gauge", "1 while too many backends fail at once.",
	    c->mass.begun_ns != 0);
	one(b, "mass_failures_total", "counter", "Times that too many backends failed at once.",
	    c->mass.n_events);
	one(b, "backends_checked", "gauge", "Addresses of backends that have checks.",
	    c->mass.n_checked);
	one(b, "backends_failing", "gauge", "Of these, by the last probe of each check.",
	    c->mass.n_failing);
}

/* ---- the engine ---- */

static void write_late(const struct msg_hc_stats *s, struct sbuf *b)
{
	head(b, "health_late_seconds", "summary",
	     "How late probes started, of those of the last 10 to 20 seconds.");
	seconds(b, "health_late_seconds{quantile=\"0.5\"}", s->late_p50_us);
	seconds(b, "health_late_seconds{quantile=\"0.99\"}", s->late_p99_us);
	seconds(b, "health_late_seconds{quantile=\"1\"}", s->late_max_us);
	one(b, "health_probes_late_total", "counter",
	    "Probes that started more than 100 ms after they were due.", s->late);
}

static void write_icmp(const struct msg_hc_stats *s, struct sbuf *b)
{
	head(b, "health_icmp_total", "counter", "ICMP messages of checks.");
	labelled(b, "health_icmp_total", "kind", "sent", s->icmp_sent);
	labelled(b, "health_icmp_total", "kind", "matched", s->icmp_matched);
	labelled(b, "health_icmp_total", "kind", "late", s->icmp_late);
	labelled(b, "health_icmp_total", "kind", "foreign", s->icmp_foreign);
	labelled(b, "health_icmp_total", "kind", "bad", s->icmp_bad);
}

static void write_engine(const struct msg_hc_stats *s, struct sbuf *b)
{
	one(b, "health_probes_started_total", "counter", "Probes.", s->started);
	head(b, "health_probes_ended_total", "counter", "Probes by how they ended.");
	for (uint8_t i = 0; i < MSG_HC_REASONS; i++)
		labelled(b, "health_probes_ended_total", "reason", hc_reason_str(i), s->ended[i]);
	one(b, "health_probes_flying", "gauge", "Probes under way.", s->flying);
	one(b, "health_probes_waiting", "gauge", "Probes that are due and wait.", s->waiting);
	one(b, "health_descriptors", "gauge", "Descriptors that probes hold.", s->fds);
	one(b, "health_descriptors_budget", "gauge", "Descriptors that probes may hold.",
	    s->budget);
	one(b, "health_hosts", "gauge", "Addresses that are probed.", s->hosts);
	one(b, "health_probes_host_held_total", "counter",
	    "Probes that were put off by the cap for their host.", s->host_held);
	one(b, "health_probes_extended_total", "counter",
	    "Probes that got more time because the agent was kept from running.", s->extended);
	write_late(s, b);
	write_icmp(s, b);
}

/* ---- VIPs ---- */

static int by_addr(const void *a, const void *b)
{
	return addr_cmp(&(*(const struct core_vip *const *)a)->conf.addr,
			&(*(const struct core_vip *const *)b)->conf.addr);
}

static void vip_series(struct sbuf *b, const char *name, const struct core_vip *v, uint64_t n)
{
	char text[ADDR_STRLEN];

	labelled(b, name, "vip", addr_prefix_str(&v->conf.addr, v->conf.plen, text), n);
}

static void write_vips(const struct core *c, struct sbuf *b)
{
	size_t n = 0, all;
	_cleanup_free_ const struct core_vip **vips =
		calloc(HASH_COUNT(c->vips) + 1u, sizeof(struct core_vip *));

	if (!vips)
		return;
	for (const struct core_vip *v = c->vips; v; v = v->hh.next)
		if (v->configured)
			vips[n++] = v;
	qsort(vips, n, sizeof(struct core_vip *), by_addr);
	all = n;
	n = MIN2(n, (size_t)METRICS_VIPS);
	one(b, "vips", "gauge", "VIPs.", all);
	one(b, "vips_left_out", "gauge", "VIPs that have no series of their own here.", all - n);
	head(b, "vip_ready", "gauge", "1 when the VIP may be announced.");
	for (size_t i = 0; i < n; i++)
		vip_series(b, "vip_ready", vips[i], vips[i]->ready);
	head(b, "vip_announced", "gauge", "1 while the VIP's route is in.");
	for (size_t i = 0; i < n; i++)
		vip_series(b, "vip_announced", vips[i], vips[i]->route == CORE_ROUTE_INSTALLED);
	head(b, "vip_backends", "gauge", "Backends of the VIP's services.");
	for (size_t i = 0; i < n; i++)
		vip_series(b, "vip_backends", vips[i], vips[i]->n_total);
	head(b, "vip_backends_enabled", "gauge", "Of these, that get new flows.");
	for (size_t i = 0; i < n; i++)
		vip_series(b, "vip_backends_enabled", vips[i], vips[i]->n_enabled);
}

static void write_backends(const struct core *c, struct sbuf *b)
{
	uint64_t n[CORE_BE_DISABLED + 1] = {0};

	for (const struct core_vip *v = c->vips; v; v = v->hh.next)
		for (size_t i = 0; i < v->n_ports; i++)
			for (size_t j = 0; j < v->ports[i].n_backends; j++)
				n[v->ports[i].backends[j].state]++;
	head(b, "backends", "gauge", "Backends, in each service, by state.");
	for (unsigned int i = 0; i < ARRAY_SIZE(n); i++)
		labelled(b, "backends", "state", core_be_state_str((enum core_be_state)i), n[i]);
}

/* ---- the data plane ---- */

static void write_counters(struct json_object *stats, const char *key, const char *name,
			   const char *label, const char *help, struct sbuf *b)
{
	struct json_object *counts;

	if (!json_object_object_get_ex(stats, key, &counts))
		return;
	head(b, name, "counter", help);
	json_object_object_foreach (counts, what, count)
		labelled(b, name, label, what, json_object_get_uint64(count));
}

/* stats: the answer to GET /v1/stats; NULL: there is none. */
static void on_stats(struct api_request *req, struct json_object *stats)
{
	const struct parent *p = req->parent;
	const struct core *c = p->core;
	struct sbuf *b = &req->text;

	one(b, "dataplane_counters", "gauge", "1 when the data plane's counters are here.",
	    stats != NULL);
	one(b, "uptime_seconds", "gauge", "Since the agent was started.",
	    (util_now_ns() - p->started_ns) / 1000000000);
	one(b, "dataplane_up", "gauge", "1 while the program is attached.", c->dataplane_up);
	write_mass(c, b);
	write_conditions(c, b);
	if (p->hc.at_ns)
		write_engine(&p->hc.stats, b);
	write_backends(c, b);
	write_vips(c, b);
	if (stats) {
		write_counters(stats, "reasons", "packets_total", "reason",
			       "Packets by the reason for which they left the program.", b);
		write_counters(stats, "events", "events_total", "event", "Events in the program.",
			       b);
	}
	if (!sbuf_ok(b))
		api_error(req, 500, NULL, "out of memory");
}

enum api_result api_get_metrics(struct api_request *req)
{
	req->on_stats = on_stats;
	return API_STATS;
}
