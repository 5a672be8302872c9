// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Walking over nlb_flows in memory shared with the program: 8 MB for the
 * default of a million flows, which is some milliseconds for a whole round.
 */
#include <bpf/bpf.h>
#include <errno.h>

#include "maps_flow.h"
#include "util.h"

#define NS_PER_S  1000000000ull
#define FRAGS_MAX 65536 /* entries looked at: more than nlb_fragments has */
/* An entry may be of a tick that began after `now` was taken; that is not 1,023 ticks old. */
#define AHEAD_TICKS 8u

uint32_t maps_flows_buckets(uint32_t max_flows)
{
	uint32_t n = 1;

	while ((uint64_t)n * NLB_FLOW_WAYS < max_flows)
		n *= 2;
	return n;
}

uint32_t maps_flows_ticks(uint32_t seconds)
{
	uint64_t ns = seconds * NS_PER_S, tick = 1ull << NLB_FLOW_TICK_SHIFT;

	return (uint32_t)((ns + tick - 1) / tick) + 1;
}

static bool idle(const struct maps_flows *f, uint64_t flow, uint32_t tick)
{
	uint32_t age = (tick - NLB_FLOW_TICK(flow)) & (NLB_FLOW_TICKS - 1);

	return age > f->idle && age < NLB_FLOW_TICKS - AHEAD_TICKS;
}

static uint32_t clear(uint64_t *at, uint64_t flow)
{
	return __atomic_compare_exchange_n(at, &flow, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static uint64_t *flows(const struct maps_flows *f, uint32_t bucket)
{
	_Static_assert(sizeof(f->buckets->flow[0]) == sizeof(uint64_t), "one word");
	return (uint64_t *)f->buckets[bucket].flow;
}

static uint32_t sweep_bucket(struct maps_flows *f, uint32_t bucket, uint32_t tick)
{
	uint64_t *at = flows(f, bucket);
	uint32_t cleared = 0;

	for (int i = 0; i < NLB_FLOW_WAYS; i++) {
		uint64_t flow = __atomic_load_n(&at[i], __ATOMIC_RELAXED);

		if (flow && idle(f, flow, tick))
			cleared += clear(&at[i], flow);
		else if (flow)
			f->counting++;
	}
	return cleared;
}

uint32_t maps_flows_sweep(struct maps_flows *f, uint64_t now_ns, uint32_t max)
{
	uint32_t tick = (uint32_t)(now_ns >> NLB_FLOW_TICK_SHIFT), cleared = 0;
	uint64_t due, bucket_ns = MAPS_FLOWS_ROUND_S * NS_PER_S / f->n;

	if (!f->swept_ns || now_ns < f->swept_ns)
		f->swept_ns = now_ns;
	due = (now_ns - f->swept_ns) / bucket_ns;
	/* What remains of a bucket's time counts the next time, what is too much does not. */
	f->swept_ns = due > max ? now_ns : f->swept_ns + due * bucket_ns;
	due = MIN2(due, (uint64_t)max);
	for (uint64_t i = 0; i < due; i++) {
		cleared += sweep_bucket(f, f->next, tick);
		f->next = (f->next + 1) & (f->n - 1);
		if (f->next)
			continue;
		f->live = f->counting;
		f->counting = 0;
	}
	return cleared;
}

uint32_t maps_flows_purge(struct maps_flows *f, const bool *gone, uint32_t n)
{
	uint32_t cleared = 0;

	for (uint32_t b = 0; b < f->n; b++) {
		uint64_t *at = flows(f, b);

		for (int i = 0; i < NLB_FLOW_WAYS; i++) {
			uint64_t flow = __atomic_load_n(&at[i], __ATOMIC_RELAXED);

			/* The program may write another flow meanwhile, but none of these. */
			while (flow && NLB_FLOW_BACKEND(flow) <= n &&
			       gone[NLB_FLOW_BACKEND(flow)]) {
				cleared += clear(&at[i], flow);
				flow = __atomic_load_n(&at[i], __ATOMIC_RELAXED);
			}
		}
	}
	return cleared;
}

int maps_frags_purge(int fd, const bool *gone, uint32_t n)
{
	struct nlb_frag_key key, next;
	struct nlb_frag frag;
	int more;

	/*
	 * Entries come and go meanwhile, and the walk begins anew when the one that it is at goes.
	 * None is of use for longer than a datagram takes, so that it may end anywhere.
	 */
	more = bpf_map_get_next_key(fd, NULL, &next) < 0 ? -errno : 0;
	for (int i = 0; more == 0 && i < FRAGS_MAX; i++) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) < 0 ? -errno : 0;
		if (bpf_map_lookup_elem(fd, &key, &frag) < 0 || frag.backend > n ||
		    !gone[frag.backend])
			continue;
		if (bpf_map_delete_elem(fd, &key) < 0 && errno != ENOENT)
			return -errno;
	}
	return more == -ENOENT ? 0 : MIN2(more, 0);
}
