/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * VLAN tags (802.1Q, 802.1ad): up to two are taken off before the packet is
 * parsed, so that all the rest knows one Ethernet header only. What goes on to a
 * backend gets the tags of its hop; what does not gets its own back. BPF only.
 */
#ifndef NLB_VLAN_H
#define NLB_VLAN_H

#include "run.h"

#define NLB_VLAN_HLEN 4u

NLB_INLINE int nlb_vlan_is_tag(__be16 proto)
{
	return proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD);
}

NLB_INLINE int nlb_vlan_tagged(struct xdp_md *ctx)
{
	const struct ethhdr *eth = (void *)(long)ctx->data;

	return (const void *)(eth + 1) <= (void *)(long)ctx->data_end &&
	       nlb_vlan_is_tag(eth->h_proto);
}

/* The two MAC addresses, which are moved when something behind them comes or goes. */
struct nlb_macs {
	__u32 w[3];
};

/* Takes the tags off: how many; -1: there are more than two, or there is no room. */
__noinline int nlb_vlan_strip(struct xdp_md *ctx)
{
	struct nlb_work *work = nlb_work_get();
	__u32 tags[2] = {}, n = 0;
	struct nlb_macs macs;
	__be16 next = 0;

	if (!work || bpf_xdp_load_bytes(ctx, 0, &macs, sizeof(macs)))
		return -1;
	for (int i = 0; i < 2; i++) {
		__u32 at = sizeof(macs) + NLB_VLAN_HLEN * (__u32)i;

		if (bpf_xdp_load_bytes(ctx, at, &tags[i], NLB_VLAN_HLEN) ||
		    bpf_xdp_load_bytes(ctx, at + NLB_VLAN_HLEN, &next, sizeof(next)))
			return -1;
		n++;
		if (!nlb_vlan_is_tag(next))
			break;
	}
	if (nlb_vlan_is_tag(next) || bpf_xdp_adjust_head(ctx, (int)(n * NLB_VLAN_HLEN)))
		return -1;
	bpf_xdp_store_bytes(ctx, 0, &macs, sizeof(macs));
	work->tags[0] = tags[0];
	work->tags[1] = tags[1];
	return (int)n;
}

/* Puts the packet's own tags back. */
__noinline int nlb_vlan_restore(struct xdp_md *ctx, int n)
{
	struct nlb_work *work = nlb_work_get();
	struct nlb_macs macs;
	__u32 tags[2];

	if (!work || n < 1 || n > 2)
		return -1;
	tags[0] = work->tags[0];
	tags[1] = work->tags[1];
	if (bpf_xdp_load_bytes(ctx, 0, &macs, sizeof(macs)) ||
	    bpf_xdp_adjust_head(ctx, -n * (int)NLB_VLAN_HLEN))
		return -1;
	bpf_xdp_store_bytes(ctx, 0, &macs, sizeof(macs));
	bpf_xdp_store_bytes(ctx, sizeof(macs), &tags[0], NLB_VLAN_HLEN);
	if (n > 1)
		bpf_xdp_store_bytes(ctx, sizeof(macs) + NLB_VLAN_HLEN, &tags[1], NLB_VLAN_HLEN);
	return 0;
}

#endif
