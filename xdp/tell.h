/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * ICMP that the program sends itself: the answer to an echo request, and the
 * errors "too big" and "time exceeded" to the sender of a packet that cannot go
 * on. All of it is limited in rate. BPF only.
 */
#ifndef NLB_TELL_H
#define NLB_TELL_H

#include "icmp.h"
#include "run.h"

/* Asked: the answer is the same, but nothing is taken from the bucket. */
NLB_INLINE int nlb_may_reply(const struct nlb_run *run, __u32 what)
{
	struct nlb_limit *limit = bpf_map_lookup_elem(&nlb_limits, &what);

	return limit && nlb_icmp_allow(&limit->due, bpf_ktime_get_ns(), !run->asked);
}

/* An echo request becomes its answer. NLB_R_VIP_ICMP: it is none, or is not to be answered. */
NLB_INLINE enum nlb_reason nlb_echo(struct xdp_md *ctx, const struct nlb_packet *pkt,
				    const struct nlb_run *run)
{
	const struct nlb_config *cfg = nlb_config_get();
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	void *l3 = data + ETH_HLEN;

	if (!(pkt->is_v4 ? nlb_icmp_is_echo4(l3, end, pkt->len)
			 : nlb_icmp_is_echo6(l3, end, pkt->len)))
		return NLB_R_VIP_ICMP;
	if (!cfg)
		return NLB_R_INTERNAL;
	if (cfg->flags & NLB_CONFIG_F_NO_ECHO || !nlb_icmp_unicast_eth(data))
		return NLB_R_VIP_ICMP;
	if (!nlb_may_reply(run, NLB_LIMIT_ECHO))
		return NLB_R_VIP_ICMP_LIMIT;
	if (pkt->is_v4) {
		struct iphdr *ip = l3;

		if ((void *)(ip + 1) + sizeof(struct nlb_icmp) > end)
			return NLB_R_INTERNAL;
		nlb_icmp_echo4(ip, (void *)(ip + 1), (__u8)cfg->ttl);
	} else {
		struct ipv6hdr *ip = l3;

		if ((void *)(ip + 1) + sizeof(struct nlb_icmp) > end)
			return NLB_R_INTERNAL;
		nlb_icmp_echo6(ip, (void *)(ip + 1), (__u8)cfg->ttl);
	}
	nlb_icmp_swap_eth(data);
	return NLB_R_TX_REPLY;
}

/* Whether the sender can be told that the packet does not fit, or has no hop left. */
NLB_INLINE int nlb_may_tell(struct xdp_md *ctx, const struct nlb_packet *pkt,
			    const struct nlb_run *run, int too_big)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	const struct ipv6hdr *ip6 = data + ETH_HLEN;
	const struct iphdr *ip4 = data + ETH_HLEN;

	/* An error is not answered by another, a fragment only if it is the first (RFC 1812). */
	if ((void *)(ip4 + 1) > end || pkt->quoted || pkt->frag == NLB_FRAG_LATER ||
	    !nlb_icmp_unicast_eth(data))
		return 0;
	/* The path's MTU is not known, or less than a header. */
	if (too_big && run->mtu >= pkt->len)
		return 0;
	if (pkt->is_v4) {
		if (too_big &&
		    (run->mtu < NLB_ICMP4_MTU_MIN || !(ip4->frag_off & bpf_htons(NLB_IP_DF))))
			return 0;
		return nlb_icmp_host4(ip4->saddr);
	}
	if (too_big && run->mtu < NLB_ICMP6_MTU_MIN)
		return 0;
	return (void *)(ip6 + 1) <= end && nlb_icmp_host6(&ip6->saddr);
}

/* All is in its place but the headers of the error. */
NLB_INLINE int nlb_finish_tell4(struct xdp_md *ctx, __u32 quote_len, __u8 ttl,
				const struct nlb_icmp_kind *kind)
{
	void *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = (void *)(long)ctx->data + ETH_HLEN;
	struct nlb_icmp *icmp = (void *)(ip + 1);
	struct iphdr *quote = (void *)(icmp + 1);

	if ((void *)(quote + 1) > end)
		return -1;
	nlb_icmp_tell4(ip, quote, quote_len, ttl, kind);
	icmp->check =
		nlb_csum_fold(nlb_icmp_sum(icmp, end, (sizeof(*icmp) + NLB_ICMP4_QUOTE_MAX) / 4));
	return 0;
}

NLB_INLINE int nlb_finish_tell6(struct xdp_md *ctx, __u32 quote_len, __u8 ttl,
				const struct nlb_icmp_kind *kind)
{
	void *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip = (void *)(long)ctx->data + ETH_HLEN;
	struct nlb_icmp *icmp = (void *)(ip + 1);
	struct ipv6hdr *quote = (void *)(icmp + 1);
	__u64 sum = bpf_htonl((__u32)sizeof(*icmp) + quote_len) + (__u64)bpf_htonl(IPPROTO_ICMPV6);

	if ((void *)(quote + 1) > end)
		return -1;
	nlb_icmp_tell6(ip, quote, quote_len, ttl, kind);
	/* The pseudo header's addresses lie right in front. */
	sum += nlb_icmp_sum(&ip->saddr, end, (32 + sizeof(*icmp) + NLB_ICMP6_QUOTE_MAX) / 4);
	icmp->check = nlb_csum_fold(sum);
	return 0;
}

NLB_INLINE void nlb_tell_kind(struct nlb_icmp_kind *ret, int is_v4, int too_big, __u32 mtu)
{
	*ret = (struct nlb_icmp_kind){.rest = too_big ? bpf_htonl(mtu & 0xffff) : 0};
	if (is_v4) {
		ret->type = too_big ? NLB_ICMP4_UNREACHABLE : NLB_ICMP4_TIME_EXCEEDED;
		ret->code = too_big ? NLB_ICMP4_FRAG_NEEDED : 0;
	} else {
		ret->type = too_big ? NLB_ICMP6_TOO_BIG : NLB_ICMP6_TIME_EXCEEDED;
	}
}

/*
 * `why`: NLB_R_TOO_BIG (run->mtu would fit) or NLB_R_VIP_TTL. The sender is told, by
 * an error that the packet is made into: it is cut to what is quoted, whole
 * words of it. Returns `why` when nobody is told.
 */
__noinline int nlb_tell(struct xdp_md *ctx, int why)
{
	const struct nlb_work *work = nlb_work_get();
	const struct nlb_config *cfg = nlb_config_get();
	int too_big = why == NLB_R_TOO_BIG, wrong;
	const struct nlb_packet *pkt;
	const struct nlb_run *run;
	struct nlb_icmp_kind kind;
	__u32 max, quote_len;
	struct ethhdr eth;
	long frame_len;
	void *data;

	if (!work)
		return NLB_R_INTERNAL;
	pkt = &work->pkt;
	run = &work->run;
	max = pkt->is_v4 ? NLB_ICMP4_QUOTE_MAX : NLB_ICMP6_QUOTE_MAX;
	frame_len = (void *)(long)ctx->data_end - (void *)(long)ctx->data;
	/* Or the compiler subtracts half pointers, which the verifier does not like. */
	asm volatile("" : "+r"(frame_len));
	/* No more than lies in the first buffer, if there are several. */
	if (frame_len < ETH_HLEN)
		return why;
	if (max > frame_len - ETH_HLEN)
		max = (__u32)(frame_len - ETH_HLEN);
	quote_len = (pkt->len < max ? pkt->len : max) & ~3u;
	if (!cfg || !nlb_may_tell(ctx, pkt, run, too_big) || !nlb_may_reply(run, NLB_LIMIT_ERROR))
		return why;
	nlb_tell_kind(&kind, pkt->is_v4, too_big, run->mtu);
	frame_len = (long)bpf_xdp_get_buff_len(ctx);
	if (bpf_xdp_adjust_tail(ctx, (int)(ETH_HLEN + quote_len) - (int)frame_len))
		return why;
	data = (void *)(long)ctx->data;
	if (data + ETH_HLEN > (void *)(long)ctx->data_end)
		return NLB_R_INTERNAL;
	__builtin_memcpy(&eth, data, sizeof(eth));
	nlb_icmp_swap_eth(&eth);
	if (bpf_xdp_adjust_head(
		    ctx, -(int)(sizeof(struct nlb_icmp) +
				(pkt->is_v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)))))
		return why;
	data = (void *)(long)ctx->data;
	if (data + ETH_HLEN > (void *)(long)ctx->data_end)
		return NLB_R_INTERNAL;
	__builtin_memcpy(data, &eth, sizeof(eth));
	if (pkt->is_v4)
		wrong = nlb_finish_tell4(ctx, quote_len, (__u8)cfg->ttl, &kind);
	else
		wrong = nlb_finish_tell6(ctx, quote_len, (__u8)cfg->ttl, &kind);
	if (wrong)
		return NLB_R_INTERNAL;
	return too_big ? NLB_R_TX_TOO_BIG : NLB_R_TX_TTL;
}

#endif
