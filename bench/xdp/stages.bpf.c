// SPDX-License-Identifier: GPL-2.0
/*
 * The straight way of the program under test, cut off behind each of its
 * stages: the same code, from the same headers. What a stage found is kept alive
 * for the compiler, and the packet sent back. The time of one less the time of the
 * one before is what the stage costs.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "count.h"
#include "pick.h"
#include "send.h"

#define KEEP(x) asm volatile("" : : "r"((__u64)(x)))

enum stage { PARSE, VIP, SERVICE, SLOT, SEND };

static __always_inline int family(struct xdp_md *ctx, const struct nlb_config *cfg, const void *l3,
				  const void *end, const int is_v4, const enum stage last)
{
	const struct nlb_service *svc;
	struct nlb_packet pkt = {};
	struct nlb_run run = {};

	if ((is_v4 ? nlb_parse4(l3, end, &pkt) : nlb_parse6(l3, end, &pkt)) != NLB_R_TX)
		return XDP_ABORTED;
	KEEP(pkt.hash);
	KEEP(pkt.dst.w[1]);
	KEEP(pkt.tcp_flags);
	if (last == PARSE)
		return XDP_TX;
	run.vip = nlb_vip_find(&pkt.dst, is_v4, cfg, &run.vip_flags);
	if (!run.vip)
		return XDP_ABORTED;
	KEEP(run.vip);
	if (last == VIP)
		return XDP_TX;
	run.len = pkt.len;
	svc = nlb_svc_find(run.vip, run.vip_flags, pkt.protocol, nlb_dport(pkt.ports),
			   cfg->svc_mask, &run.service);
	if (!svc || svc->flags || pkt.ttl <= 1)
		return XDP_ABORTED;
	KEEP(run.service);
	if (last == SERVICE)
		return XDP_TX;
	if (nlb_pick(svc, &pkt, &run, 1) != NLB_R_TX)
		return XDP_ABORTED;
	KEEP(run.backend);
	if (last == SLOT)
		return XDP_TX;
	return nlb_send(ctx, &pkt, &run) == NLB_R_TX ? XDP_TX : XDP_ABORTED;
}

static __always_inline int stages(struct xdp_md *ctx, const enum stage last)
{
	const struct nlb_config *cfg = nlb_config_get();
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = data;

	if (!cfg || nlb_is_ask(ctx) || (const void *)(eth + 1) > end)
		return XDP_ABORTED;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return family(ctx, cfg, eth + 1, end, 1, last);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return family(ctx, cfg, eth + 1, end, 0, last);
	return XDP_ABORTED;
}

SEC("xdp.frags")
int bench_parse(struct xdp_md *ctx)
{
	return stages(ctx, PARSE);
}

SEC("xdp.frags")
int bench_vip(struct xdp_md *ctx)
{
	return stages(ctx, VIP);
}

SEC("xdp.frags")
int bench_service(struct xdp_md *ctx)
{
	return stages(ctx, SERVICE);
}

SEC("xdp.frags")
int bench_slot(struct xdp_md *ctx)
{
	return stages(ctx, SLOT);
}

SEC("xdp.frags")
int bench_send(struct xdp_md *ctx)
{
	return stages(ctx, SEND);
}

char _license[] SEC("license") = "GPL";
