/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Leaving the program: every packet does so through nlb_leave(), once, where it
 * is counted and its reason becomes a verdict. BPF only.
 */
#ifndef NLB_COUNT_H
#define NLB_COUNT_H

#include "run.h"

#define NLB_KIND_TX    0
#define NLB_KIND_PASS  1
#define NLB_KIND_DROP  2
#define NLB_KIND_REPLY 3
#define NLB_KIND_TELL  4

/* Bit sets of the reasons of each kind, made at compile time. */
#define NLB_SET_BIT(name, kind, of)	| (NLB_KIND_##kind == NLB_KIND_##of ? 1ull << NLB_R_##name : 0)
#define NLB_TX_BIT(name, text, kind)	NLB_SET_BIT(name, kind, TX)
#define NLB_PASS_BIT(name, text, kind)	NLB_SET_BIT(name, kind, PASS)
#define NLB_REPLY_BIT(name, text, kind) NLB_SET_BIT(name, kind, REPLY)
#define NLB_TELL_BIT(name, text, kind)	NLB_SET_BIT(name, kind, TELL)

#define NLB_TX_SET			(0 NLB_REASONS(NLB_TX_BIT))
#define NLB_PASS_SET			(0 NLB_REASONS(NLB_PASS_BIT))
#define NLB_REPLY_SET			(0 NLB_REASONS(NLB_REPLY_BIT))
#define NLB_TELL_SET			(0 NLB_REASONS(NLB_TELL_BIT))

_Static_assert((int)NLB_R_COUNT <= NLB_EVENT_BASE, "a slot for each reason");
_Static_assert((int)NLB_EVENT_BASE + NLB_E_COUNT <= NLB_REASON_SLOTS, "and for each event");

NLB_INLINE int nlb_in_set(enum nlb_reason reason, __u64 set)
{
	return (int)(set >> reason & 1);
}

NLB_INLINE int nlb_is_ask(struct xdp_md *ctx)
{
	const struct nlb_ask *ask = (void *)(long)ctx->data_meta;

	return (const void *)(ask + 1) <= (void *)(long)ctx->data && ask->magic == NLB_ASK_MAGIC;
}

NLB_INLINE void nlb_count_sent(void *map, __u32 number, const struct nlb_run *run)
{
	struct nlb_counters *c = bpf_map_lookup_elem(map, &number);

	if (!c)
		return;
	c->packets++;
	c->bytes += run->len;
	c->flows += run->opens;
}

NLB_INLINE void nlb_count_dropped(void *map, __u32 number)
{
	struct nlb_counters *c = bpf_map_lookup_elem(map, &number);

	if (c)
		c->dropped++;
}

NLB_INLINE void nlb_count(const struct nlb_run *run, enum nlb_reason reason)
{
	struct nlb_reasons *reasons;
	__u32 zero = 0;

	reasons = bpf_map_lookup_elem(&nlb_reasons, &zero);
	/* A mask, because Linux 6.1's verifier forgets a check when clang copies the register. */
	if (reasons)
		reasons->packets[(__u32)reason & (NLB_REASON_SLOTS - 1)]++;
	if (nlb_in_set(reason, NLB_TX_SET)) {
		nlb_count_sent(&nlb_vip_stats, run->vip, run);
		nlb_count_sent(&nlb_svc_stats, run->service, run);
		nlb_count_sent(&nlb_be_stats, run->backend, run);
	} else if (!nlb_in_set(reason, NLB_PASS_SET | NLB_REPLY_SET)) {
		if (run->vip)
			nlb_count_dropped(&nlb_vip_stats, run->vip);
		if (run->service)
			nlb_count_dropped(&nlb_svc_stats, run->service);
		if (run->backend)
			nlb_count_dropped(&nlb_be_stats, run->backend);
	}
}

/* A copy of the packet as it leaves, to who asked for it. */
__noinline int nlb_sample(struct xdp_md *ctx, __u32 reason)
{
	const struct nlb_config *cfg = nlb_config_get();
	const struct nlb_work *work = nlb_work_get();
	const struct nlb_run *run;
	struct nlb_sample *s;
	__u32 len;

	if (!cfg || !work)
		return 0;
	run = &work->run;
	if (!(cfg->sample_reasons >> (reason & 63) & 1) ||
	    (cfg->sample_vip && cfg->sample_vip != run->vip) ||
	    (cfg->sample_rate > 1 && bpf_get_prandom_u32() % cfg->sample_rate))
		return 0;
	s = bpf_ringbuf_reserve(&nlb_samples, sizeof(*s), 0);
	if (!s) {
		nlb_event(run, NLB_E_SAMPLE_LOST);
		return 0;
	}
	len = (__u32)bpf_xdp_get_buff_len(ctx);
	*s = (struct nlb_sample){
		.time_ns = bpf_ktime_get_ns(),
		.ifindex = ctx->ingress_ifindex,
		.vip = run->vip,
		.backend = run->backend,
		.len = len,
		.reason = (__u16)reason,
	};
	if (len > NLB_SAMPLE_MAX)
		len = NLB_SAMPLE_MAX;
	len = nlb_bounded(len, NLB_SAMPLE_MAX);
	if (bpf_xdp_load_bytes(ctx, 0, s->data, len) == 0)
		s->cap_len = (__u16)len;
	bpf_ringbuf_submit(s, 0);
	return 0;
}

__noinline int nlb_answer(struct xdp_md *ctx, __u32 reason)
{
	struct nlb_ask *ask = (void *)(long)ctx->data_meta;
	const struct nlb_work *work = nlb_work_get();
	const struct nlb_run *run;

	if (!work || (void *)(ask + 1) > (void *)(long)ctx->data)
		return 0;
	run = &work->run;
	ask->reason = (__u8)reason;
	ask->mode = run->mode;
	ask->flags = run->flags;
	ask->vip = run->vip;
	ask->service = run->service;
	ask->slot = run->slot;
	ask->backend = run->backend;
	ask->hop = run->hop;
	return 0;
}

NLB_INLINE int nlb_leave(struct xdp_md *ctx, const struct nlb_run *run,
			 const struct nlb_config *cfg, enum nlb_reason reason)
{
	if (!run->asked)
		nlb_count(run, reason);
	if (NLB_UNLIKELY(run->asked || cfg->sample_rate)) {
		struct nlb_work *work = nlb_work_get();

		if (work)
			work->run = *run;
		if (run->asked)
			nlb_answer(ctx, reason);
		else
			nlb_sample(ctx, reason);
	}
	if (reason == NLB_R_TX)
		return XDP_TX;
	if (reason == NLB_R_NOT_VIP)
		return XDP_PASS;
	if (nlb_in_set(reason, NLB_TX_SET) && run->egress != ctx->ingress_ifindex)
		return (int)bpf_redirect(run->egress, 0);
	if (nlb_in_set(reason, NLB_TX_SET | NLB_REPLY_SET | NLB_TELL_SET))
		return XDP_TX;
	return nlb_in_set(reason, NLB_PASS_SET) ? XDP_PASS : XDP_DROP;
}

#endif
