/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Leaving the program: every packet does so through nlb_count_leave(), once,
 * where it is counted and its reason becomes a verdict.
 */
#ifndef NLB_COUNT_H
#define NLB_COUNT_H

#include "maps.h"
#include "wire.h"

/* What is known of the packet when it leaves. */
struct nlb_run {
	__u32 vip_index;
	__u32 backend; /* NLB_BACKEND_NONE: none was chosen */
	__u32 egress;  /* interface; for NLB_R_TX_REDIRECT and NLB_R_TX_ICMP */
	__u32 mtu;     /* for the inner packet; with NLB_R_TOO_BIG */
	__u16 len;
	__u8 has_vip; /* vip_index is set */
	__u8 asked;   /* the packet is a question: struct nlb_ask */
};

#define NLB_KIND_TX    0
#define NLB_KIND_PASS  1
#define NLB_KIND_DROP  2
#define NLB_KIND_REPLY 3
#define NLB_KIND_TELL  4

/* Bit sets of the reasons of each kind, made at compile time. */
enum nlb_kind_set {
#define NLB_PASS_BIT(name, text, kind) | (NLB_KIND_##kind == NLB_KIND_PASS ? 1u << NLB_R_##name : 0)
	NLB_PASS_SET = 0 NLB_REASONS(NLB_PASS_BIT),
#undef NLB_PASS_BIT
#define NLB_TX_BIT(name, text, kind) | (NLB_KIND_##kind == NLB_KIND_TX ? 1u << NLB_R_##name : 0)
	NLB_TX_SET = 0 NLB_REASONS(NLB_TX_BIT),
#undef NLB_TX_BIT
#define NLB_REPLY_BIT(name, text, kind)                                                            \
	| (NLB_KIND_##kind == NLB_KIND_REPLY ? 1u << NLB_R_##name : 0)
	NLB_REPLY_SET = 0 NLB_REASONS(NLB_REPLY_BIT),
#undef NLB_REPLY_BIT
#define NLB_TELL_BIT(name, text, kind) | (NLB_KIND_##kind == NLB_KIND_TELL ? 1u << NLB_R_##name : 0)
	NLB_TELL_SET = 0 NLB_REASONS(NLB_TELL_BIT),
#undef NLB_TELL_BIT
};

_Static_assert(NLB_R_COUNT <= 31, "the set of a kind is one int");
_Static_assert((int)NLB_R_COUNT <= NLB_REASON_SLOTS, "a slot for each reason");

NLB_INLINE int nlb_is_ask(struct xdp_md *ctx)
{
	const struct nlb_ask *ask = (void *)(long)ctx->data_meta;

	return (const void *)(ask + 1) <= (void *)(long)ctx->data && ask->magic == NLB_ASK_MAGIC;
}

NLB_INLINE void nlb_count_one(void *map, __u32 index, __u16 len, int dropped)
{
	struct nlb_counters *c = bpf_map_lookup_elem(map, &index);

	if (!c)
		return;
	if (dropped) {
		c->dropped++;
		return;
	}
	c->packets++;
	c->bytes += len;
}

NLB_INLINE void nlb_count(const struct nlb_run *run, enum nlb_reason reason)
{
	int sent = !!((1u << reason) & NLB_TX_SET);
	int apart = (1u << reason) & (NLB_PASS_SET | NLB_REPLY_SET);
	struct nlb_reasons *reasons;
	__u32 zero = 0;

	reasons = bpf_map_lookup_elem(&nlb_reasons, &zero);
	if (reasons && (__u32)reason < NLB_REASON_SLOTS)
		reasons->packets[reason]++;
	if (apart)
		return;
	if (run->has_vip)
		nlb_count_one(&nlb_vip_stats, run->vip_index, run->len, !sent);
	if (run->backend != NLB_BACKEND_NONE)
		nlb_count_one(&nlb_be_stats, run->backend, run->len, !sent);
}

NLB_INLINE int nlb_count_leave(struct xdp_md *ctx, const struct nlb_run *run,
			       enum nlb_reason reason)
{
	if (NLB_UNLIKELY(run->asked)) {
		struct nlb_ask *ask = (void *)(long)ctx->data_meta;

		if ((void *)(ask + 1) <= (void *)(long)ctx->data) {
			ask->reason = reason;
			ask->backend = run->backend;
		}
	} else {
		nlb_count(run, reason);
	}
	if (reason == NLB_R_TX)
		return XDP_TX;
	if (reason == NLB_R_TX_REDIRECT)
		return (int)bpf_redirect(run->egress, 0);
	if (reason == NLB_R_TX_ICMP)
		return run->egress == ctx->ingress_ifindex ? XDP_TX
							   : (int)bpf_redirect(run->egress, 0);
	if ((1u << reason) & (NLB_REPLY_SET | NLB_TELL_SET))
		return XDP_TX;
	return (1u << reason) & NLB_PASS_SET ? XDP_PASS : XDP_DROP;
}

#endif
