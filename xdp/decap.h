/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The other end of the tunnel: what an outer header must look like to be taken
 * off, and what of it goes into the inner one (RFC 6040, section 4.2: ECN).
 */
#ifndef NLB_DECAP_H
#define NLB_DECAP_H

#include "csum.h"
#include "wire.h"

#define NLB_ECN_MASK 3u
#define NLB_ECN_NOT  0u
#define NLB_ECN_ECT1 1u
#define NLB_ECN_ECT0 2u
#define NLB_ECN_CE   3u

/* Three ways to look at a packet: left alone, unwrapped, not acceptable. */
enum nlb_decap_result { NLB_DECAP_PASS, NLB_DECAP_DONE, NLB_DECAP_DROP, NLB_DECAP_RESULTS };

struct nlb_tunnel {
	__u8 source[16]; /* outer */
	__u8 inner_v4;
	__u8 ecn; /* outer */
	__u32 outer_len;
	__u32 inner_len; /* what the outer header says */
};

NLB_INLINE enum nlb_decap_result nlb_decap_inner(__u8 protocol, struct nlb_tunnel *t)
{
	if (protocol != IPPROTO_IPIP && protocol != IPPROTO_IPV6)
		return NLB_DECAP_PASS;
	t->inner_v4 = protocol == IPPROTO_IPIP;
	return NLB_DECAP_DONE;
}

/*
 * NLB_DECAP_DONE: a tunnel, described in *t. Fragments of a tunnel packet are
 * left to the kernel: the balancer sends none (DF).
 */
NLB_INLINE enum nlb_decap_result nlb_decap_outer4(const void *l3, const void *end,
						  struct nlb_tunnel *t)
{
	const struct iphdr *ip = l3;
	__u32 len;

	if ((const void *)(ip + 1) > end || ip->version != 4 || ip->ihl != 5)
		return NLB_DECAP_PASS;
	if (ip->frag_off & bpf_htons(NLB_IP_MF | NLB_IP_OFFSET))
		return NLB_DECAP_PASS;
	if (nlb_decap_inner(ip->protocol, t) == NLB_DECAP_PASS)
		return NLB_DECAP_PASS;
	len = bpf_ntohs(ip->tot_len);
	if (len < sizeof(*ip) || len > (const __u8 *)end - (const __u8 *)l3 || nlb_csum_ip4(ip))
		return NLB_DECAP_DROP;
	nlb_v4_mapped(t->source, ip->saddr);
	t->ecn = ip->tos & NLB_ECN_MASK;
	t->outer_len = sizeof(*ip);
	t->inner_len = len - (__u32)sizeof(*ip);
	return NLB_DECAP_DONE;
}

NLB_INLINE enum nlb_decap_result nlb_decap_outer6(const void *l3, const void *end,
						  struct nlb_tunnel *t)
{
	const struct ipv6hdr *ip = l3;

	if ((const void *)(ip + 1) > end || ip->version != 6)
		return NLB_DECAP_PASS;
	if (nlb_decap_inner(ip->nexthdr, t) == NLB_DECAP_PASS)
		return NLB_DECAP_PASS;
	t->inner_len = bpf_ntohs(ip->payload_len);
	t->outer_len = sizeof(*ip);
	if (t->outer_len + t->inner_len > (const __u8 *)end - (const __u8 *)l3)
		return NLB_DECAP_DROP;
	__builtin_memcpy(t->source, &ip->saddr, 16);
	t->ecn = ip->flow_lbl[0] >> 4 & NLB_ECN_MASK;
	return NLB_DECAP_DONE;
}

/*
 * The inner header's ECN from both: -1 for the combination that must be
 * dropped (congestion marked on a packet whose ends don't know the mark).
 */
NLB_INLINE int nlb_decap_ecn(__u8 inner, __u8 outer)
{
	if (outer == NLB_ECN_CE)
		return inner == NLB_ECN_NOT ? -1 : (int)NLB_ECN_CE;
	if (inner == NLB_ECN_ECT0 && outer == NLB_ECN_ECT1)
		return NLB_ECN_ECT1;
	return inner;
}

/* Checks the inner header and sets its ECN. */
NLB_INLINE enum nlb_decap_result nlb_decap_fix4(void *l3, const void *end,
						const struct nlb_tunnel *t)
{
	struct iphdr *ip = l3;
	__be16 from, to;
	int ecn;

	if ((const void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5 ||
	    bpf_ntohs(ip->tot_len) > t->inner_len)
		return NLB_DECAP_DROP;
	ecn = nlb_decap_ecn(ip->tos & NLB_ECN_MASK, t->ecn);
	if (ecn < 0)
		return NLB_DECAP_DROP;
	__builtin_memcpy(&from, ip, 2);
	ip->tos = (__u8)((ip->tos & ~NLB_ECN_MASK) | (__u8)ecn);
	__builtin_memcpy(&to, ip, 2);
	ip->check = nlb_csum_replace(ip->check, from, to);
	return NLB_DECAP_DONE;
}

NLB_INLINE enum nlb_decap_result nlb_decap_fix6(void *l3, const void *end,
						const struct nlb_tunnel *t)
{
	struct ipv6hdr *ip = l3;
	int ecn;

	if ((const void *)(ip + 1) > end || ip->version != 6 ||
	    sizeof(*ip) + bpf_ntohs(ip->payload_len) > t->inner_len)
		return NLB_DECAP_DROP;
	ecn = nlb_decap_ecn(ip->flow_lbl[0] >> 4 & NLB_ECN_MASK, t->ecn);
	if (ecn < 0)
		return NLB_DECAP_DROP;
	ip->flow_lbl[0] = (__u8)((ip->flow_lbl[0] & ~(NLB_ECN_MASK << 4)) | (__u32)ecn << 4);
	return NLB_DECAP_DONE;
}

#endif
