// SPDX-License-Identifier: GPL-2.0-or-later
/* See core_fixture.h. */

#include <stdarg.h>

#include "core_fixture.h"

#include "printfrr.h"

struct event_loop *master;
struct nlb core;
unsigned int routes_queued;
unsigned int reports_queued;

static char text[4096];

static void on_routes(void)
{
	routes_queued++;
}

static void on_reports(void)
{
	reports_queued++;
}

static const struct nlb_hooks hooks = {
	.routes_queued = on_routes,
	.reports_queued = on_reports,
};

int fixture_setup(void **state)
{
	struct prefix p4 = prefix("192.0.2.0/24"), p6 = prefix("2001:db8::/32");

	nlb_init(&core, &hooks);
	core.cfg.configured = true;
	nlb_pool_add(&core.cfg, &p4);
	nlb_pool_add(&core.cfg, &p6);
	nlb_zebra_connected(&core);
	nlb_dataplane_set(&core, true);
	return 0;
}

int fixture_teardown(void **state)
{
	nlb_done(&core);
	return 0;
}

struct ipaddr addr(const char *str)
{
	struct ipaddr address;

	assert_int_equal(str2ipaddr(str, &address), 0);
	return address;
}

struct prefix prefix(const char *str)
{
	struct prefix p;

	assert_int_equal(str2prefix(str, &p), 1);
	return p;
}

void say_vip(const char *address, uint32_t enabled, bool ready, route_tag_t tag)
{
	struct nlb_feed_vip feed = {
		.prefix = prefix(address),
		.enabled = enabled,
		.total = 3,
		.ready = ready,
		.tag = tag,
	};

	assert_int_equal(nlb_vip_update(&core, &feed), 0);
}

void set(const char *address, ...)
{
	va_list ap;

	nlb_sync_begin(&core);
	va_start(ap, address);
	for (; address; address = va_arg(ap, const char *))
		say_vip(address, 2, true, 0);
	va_end(ap);
	nlb_sync_end(&core);
}

static const char *take(bool answer)
{
	enum nlb_route_op op;
	struct nlb_vip *vip;
	size_t len = 0;

	text[0] = '\0';
	while ((vip = nlb_route_pop(&core, &op))) {
		struct prefix p = vip->feed.prefix;
		char name[NLB_PREFIX_STRLEN];

		len += snprintfrr(text + len, sizeof(text) - len, "%s%c%s", len ? " " : "",
				  op == NLB_ROUTE_ADD ? '+' : '-',
				  nlb_prefix_str(&p, name, sizeof(name)));
		if (answer)
			nlb_route_answer(&core, &p,
					 op == NLB_ROUTE_ADD ? NLB_ANSWER_INSTALLED
							     : NLB_ANSWER_REMOVED);
	}
	return text;
}

const char *drain(void)
{
	return take(true);
}

const char *drain_unanswered(void)
{
	return take(false);
}

const char *reports(void)
{
	char name[NLB_PREFIX_STRLEN];
	struct nlb_report report;
	size_t len = 0;

	text[0] = '\0';
	while (nlb_report_pop(&core, &report))
		len += snprintfrr(text + len, sizeof(text) - len, "%s%s=%s", len ? " " : "",
				  nlb_prefix_str(&report.prefix, name, sizeof(name)), report.state);
	return text;
}

const char *vip_is(const char *address)
{
	struct prefix key = prefix(address);
	struct nlb_vip *vip = nlb_vip_find(&core, &key);

	if (!vip)
		return "none";
	snprintf(text, sizeof(text), "%s/%s", nlb_vip_state_str(vip->state),
		 nlb_reason_name(nlb_vip_reason(vip, core.zebra_up)));
	return text;
}
