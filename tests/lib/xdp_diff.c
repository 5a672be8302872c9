// SPDX-License-Identifier: GPL-2.0-or-later
/* Program against oracle; see xdp_diff.h. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util.h"
#include "xdp_diff.h"
#include "xdp_world.h"

#define TRIES	   3
#define ONE_BUFFER 3400 /* less than what BPF_PROG_TEST_RUN puts into the first */

static struct oracle oracle;
static uint64_t ticks;

static uint64_t tick(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec) >> NLB_FLOW_TICK_SHIFT;
}

void xdp_diff_reset(unsigned int options)
{
	bool no_source = options & XDP_DIFF_NO_SOURCE;
	const struct xdp_maps *maps = xdp_world_maps();
	struct nlb_fill *fill = xdp_world_fill();

	oracle = (struct oracle){
		.maps = maps,
		.ifindex = if_nametoindex("in0"),
		.route = xdp_world_route,
		.no_echo = options & XDP_DIFF_DRAINED,
		.no_error = options & XDP_DIFF_DRAINED,
	};
	xdp_world_sources(no_source ? NULL : XDP_WORLD_SOURCE4,
			  no_source ? NULL : XDP_WORLD_SOURCE6);
	xdp_world_flags(options & XDP_DIFF_NO_ECHO ? NLB_CONFIG_F_NO_ECHO : 0);
	xdp_maps_forget(fill);
	memcpy(fill->slots, maps->slots, sizeof(maps->slots));
	xdp_world_due(options & XDP_DIFF_DRAINED ? UINT64_MAX / 2 : 0);
	ticks = tick();
}

static const char *reason_name(uint32_t reason)
{
	static const char *const names[] = {
#define NAME(name, text, kind) text,
		NLB_REASONS(NAME)
#undef NAME
	};

	return reason < ARRAY_SIZE(names) ? names[reason] : "?";
}

#define DIFFERS(what, got, wanted)                                                                 \
	(snprintf(err, err_len, "%s: %llu, but the oracle says %llu (%s)", what,                   \
		  (unsigned long long)(got), (unsigned long long)(wanted),                         \
		  reason_name(want->reason)),                                                      \
	 true)

static bool packet_differs(const struct xdp_world_result *got, const struct oracle_result *want,
			   char *err, size_t err_len)
{
	if (got->verdict != want->verdict)
		return DIFFERS("verdict", got->verdict, want->verdict);
	if (got->verdict == XDP_DROP)
		return false;
	if (got->len != want->len)
		return DIFFERS("length", got->len, want->len);
	for (size_t i = 0; i < got->len; i++)
		if (got->data[i] != want->data[i]) {
			char what[32];

			snprintf(what, sizeof(what), "byte %zu", i);
			return DIFFERS(what, got->data[i], want->data[i]);
		}
	return false;
}

static bool answer_differs(const struct nlb_ask *got, const struct oracle_result *want, char *err,
			   size_t err_len)
{
	if (got->reason != want->reason) {
		snprintf(err, err_len, "reason %s, but the oracle says %s",
			 reason_name(got->reason), reason_name(want->reason));
		return true;
	}
	if (got->vip != want->vip)
		return DIFFERS("vip", got->vip, want->vip);
	if (got->service != want->service)
		return DIFFERS("service", got->service, want->service);
	if (got->backend != want->backend)
		return DIFFERS("backend", got->backend, want->backend);
	if (got->slot != want->slot)
		return DIFFERS("slot", got->slot, want->slot);
	if (got->mode != want->mode)
		return DIFFERS("mode", got->mode, want->mode);
	if (got->hop != want->hop)
		return DIFFERS("hop", got->hop, want->hop);
	if (got->flags != want->flags)
		return DIFFERS("flags", got->flags, want->flags);
	return false;
}

static void reasons(uint64_t ret[NLB_REASON_SLOTS])
{
	int fd = bpf_map__fd(xdp_world_skel()->maps.nlb_reasons);
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct nlb_reasons *values = calloc((size_t)cpus, sizeof(*values));
	uint32_t zero = 0;

	if (!values || bpf_map_lookup_elem(fd, &zero, values))
		abort();
	memset(ret, 0, NLB_REASON_SLOTS * sizeof(*ret));
	for (int c = 0; c < cpus; c++)
		for (size_t r = 0; r < NLB_REASON_SLOTS; r++)
			ret[r] += values[c].packets[r];
}

/* What the packet should have added to the counters. */
static void expect(struct xdp_world_counts *c, const struct oracle_result *want)
{
	xdp_world_add(c, &(struct xdp_world_leave){
				 .reason = want->reason,
				 .vip = want->vip,
				 .service = want->service,
				 .backend = want->backend,
				 .len = want->ip_len,
				 .opens = want->opens,
			 });
	for (unsigned int e = 0; e < NLB_E_COUNT; e++)
		c->reasons[NLB_EVENT_BASE + e] += want->events >> e & 1;
	if (want->tunnel_error)
		c->backends[want->tunnel_error].errors++;
}

static bool reasons_differ(const uint64_t *got, const uint64_t *wanted,
			   const struct oracle_result *want, char *err, size_t err_len)
{
	for (size_t i = 0; i < NLB_REASON_SLOTS; i++) {
		char what[64];

		if (got[i] == wanted[i])
			continue;
		if (i < NLB_EVENT_BASE)
			snprintf(what, sizeof(what), "counter %s", reason_name((uint32_t)i));
		else
			snprintf(what, sizeof(what), "event %zu", i - NLB_EVENT_BASE);
		return DIFFERS(what, got[i], wanted[i]);
	}
	return false;
}

static int compare64(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The same flows, in whatever order; which one is which is not known to the oracle. */
static bool flows_differ(const struct oracle_result *want, char *err, size_t err_len)
{
	uint64_t got[NLB_FLOW_WAYS], wanted[NLB_FLOW_WAYS];

	for (unsigned int i = 0; i < NLB_FLOW_WAYS; i++) {
		const struct oracle_flow *f = &oracle.flows[i];
		uint64_t word = xdp_world_fill()->flows[0].flow[i];

		got[i] = NLB_FLOW_CLASS(word) << 20 | NLB_FLOW_BACKEND(word);
		wanted[i] = f->used ? (uint32_t)f->class << 20 | f->backend : 0;
	}
	qsort(got, NLB_FLOW_WAYS, sizeof(*got), compare64);
	qsort(wanted, NLB_FLOW_WAYS, sizeof(*wanted), compare64);
	for (unsigned int i = 0; i < NLB_FLOW_WAYS; i++)
		if (got[i] != wanted[i])
			return DIFFERS("a flow that is remembered", got[i], wanted[i]);
	return false;
}

static bool slots_differ(const struct oracle_result *want, char *err, size_t err_len)
{
	uint32_t *slots = xdp_world_fill()->slots;
	const uint32_t *were = xdp_world_maps()->slots;

	for (uint32_t i = 0; i < XDP_MAPS_SLOTS; i++) {
		uint32_t wanted = were[i] | (want->used_slot == i + 1 ? NLB_SLOT_USED : 0);

		if (slots[i] != wanted)
			return DIFFERS("a slot", slots[i], wanted);
		slots[i] = were[i];
	}
	return false;
}

static bool asked_differs(const uint8_t *frame, size_t len, char *err, size_t err_len)
{
	static struct oracle_result want;
	static struct xdp_world_result got;

	oracle.ask = true;
	oracle_run(&oracle, frame, len, &want);
	oracle.ask = false;
	/* No router quotes as much: the program does not look at such an error. */
	if (want.reason == NLB_R_TUNNEL_ERROR && len > ONE_BUFFER)
		return false;
	xdp_world_run_frame(frame, len, oracle.ifindex, XDP_WORLD_ASK, &got);
	return answer_differs(&got.ask, &want, err, err_len) ||
	       packet_differs(&got, &want, err, err_len);
}

static bool plain_differs(const uint8_t *frame, size_t len, bool full, char *err, size_t err_len)
{
	static struct xdp_world_counts before, after;
	static struct oracle_result result;
	static struct xdp_world_result got;
	const struct oracle_result *want = &result;

	if (full)
		xdp_world_counts(&before);
	else
		reasons(before.reasons);
	oracle_run(&oracle, frame, len, &result);
	if (want->reason == NLB_R_TUNNEL_ERROR && len > ONE_BUFFER)
		return false;
	xdp_world_run_frame(frame, len, oracle.ifindex, XDP_WORLD_PLAIN, &got);
	if (full)
		xdp_world_counts(&after);
	else
		reasons(after.reasons);
	expect(&before, want);
	if (packet_differs(&got, want, err, err_len) ||
	    reasons_differ(after.reasons, before.reasons, want, err, err_len) ||
	    flows_differ(want, err, err_len) || slots_differ(want, err, err_len))
		return true;
	if (full && memcmp(&before, &after, sizeof(before)))
		return DIFFERS("counters of VIP, service or backend", 0, 0);
	/* There is always room in the buckets of ICMP. */
	if (want->reason == NLB_R_TX_REPLY || want->reason == NLB_R_TX_TOO_BIG ||
	    want->reason == NLB_R_TX_TTL)
		xdp_world_due(0);
	return false;
}

enum xdp_diff xdp_diff_frame(const uint8_t *frame, size_t len, bool full, char *err, size_t err_len)
{
	bool differs;

	if (len < XDP_DIFF_FRAME_MIN || len > XDP_DIFF_FRAME_MAX)
		return XDP_DIFF_SAME;
	differs = asked_differs(frame, len, err, err_len) ||
		  plain_differs(frame, len, full, err, err_len);
	if (tick() != ticks)
		return XDP_DIFF_LATE;
	return differs ? XDP_DIFF_OTHER : XDP_DIFF_SAME;
}

static enum xdp_diff run_once(const uint8_t *sequence, size_t len, char *err, size_t err_len)
{
	size_t at = 1;

	if (!len)
		return XDP_DIFF_SAME;
	xdp_diff_reset(sequence[0]);
	while (len - at >= 2) {
		size_t n = (size_t)(sequence[at] << 8 | sequence[at + 1]);
		enum xdp_diff d;

		at += 2;
		if (n > len - at)
			n = len - at;
		d = xdp_diff_frame(sequence + at, n, true, err, err_len);
		if (d != XDP_DIFF_SAME)
			return d;
		at += n;
	}
	return XDP_DIFF_SAME;
}

enum xdp_diff xdp_diff_run(const uint8_t *sequence, size_t len, char *err, size_t err_len)
{
	enum xdp_diff d = XDP_DIFF_LATE;

	for (int i = 0; i < TRIES && d == XDP_DIFF_LATE; i++)
		d = run_once(sequence, len, err, err_len);
	return d;
}
