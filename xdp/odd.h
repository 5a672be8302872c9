/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is between IP header and ports in few packets: IPv6 extension headers
 * (RFC 8200) and fragments; and packets that lie in more than one buffer. All of
 * it is done with bpf_xdp_load_bytes(), out of the straight way. BPF only.
 */
#ifndef NLB_ODD_H
#define NLB_ODD_H

#include "run.h"

/* More headers, or more bytes of them, no honest packet has. */
#define NLB_EXT_HEADERS 8
#define NLB_EXT_BYTES	2048u

/* A datagram's fragments come within a minute (RFC 1122, RFC 8200), about. */
#define NLB_FRAG_TICKS 15u

struct nlb_ext {
	__u8 next;
	__u8 len;
	__be16 frag; /* fragment header: offset and M */
	__be32 id;
};

/* Past all extension headers: sets pkt->l4 and protocol, and what a fragment header says. */
NLB_INLINE int nlb_odd_walk6(struct xdp_md *ctx)
{
	struct nlb_work *work = nlb_work_get();
	__u32 at = sizeof(struct ipv6hdr);
	struct nlb_packet *pkt;
	__u8 next;

	if (!work)
		return NLB_R_INTERNAL;
	pkt = &work->pkt;
	next = pkt->protocol;
	NLB_UNROLL
	for (int i = 0; i <= NLB_EXT_HEADERS; i++) {
		struct nlb_ext ext;
		__u32 len;

		if (nlb_parse_other(next, 0) != NLB_R_VIP_EXTENSION ||
		    pkt->frag == NLB_FRAG_LATER) {
			pkt->protocol = next;
			pkt->l4 = (__u16)at;
			return NLB_R_TX;
		}
		if (i == NLB_EXT_HEADERS || at > NLB_EXT_BYTES)
			return NLB_R_VIP_EXTENSION;
		if (at + sizeof(ext) > pkt->len)
			return NLB_R_VIP_TRUNCATED;
		if (bpf_xdp_load_bytes(ctx, ETH_HLEN + at, &ext, sizeof(ext)))
			return NLB_R_VIP_TRUNCATED;
		len = ((__u32)ext.len + 1) * 8;
		if (next == IPPROTO_AH)
			len = ((__u32)ext.len + 2) * 4;
		if (next == IPPROTO_FRAGMENT) {
			len = sizeof(ext);
			pkt->frag_id = ext.id;
			pkt->frag_protocol = ext.next;
			if (ext.frag & bpf_htons(NLB_IP6_OFFSET))
				pkt->frag = NLB_FRAG_LATER;
			else if (ext.frag & bpf_htons(NLB_IP6_MF))
				pkt->frag = NLB_FRAG_FIRST;
		}
		next = ext.next;
		at += len;
	}
	return NLB_R_VIP_EXTENSION;
}

/* Ports and flags behind whatever came before them. */
NLB_INLINE enum nlb_reason nlb_odd_ports(struct xdp_md *ctx, struct nlb_packet *pkt)
{
	__u32 min = pkt->protocol == IPPROTO_TCP ? NLB_TCP_MIN : NLB_UDP_MIN;
	__u8 flags = 0;

	if (pkt->protocol != IPPROTO_TCP && pkt->protocol != IPPROTO_UDP)
		return nlb_parse_other(pkt->protocol, pkt->is_v4);
	if ((__u32)pkt->l4 + min > pkt->len)
		return pkt->frag ? NLB_R_VIP_FRAGMENT : NLB_R_VIP_TRUNCATED;
	if (bpf_xdp_load_bytes(ctx, ETH_HLEN + (__u32)pkt->l4, &pkt->ports, sizeof(pkt->ports)))
		return NLB_R_VIP_TRUNCATED;
	if (pkt->protocol == IPPROTO_TCP) {
		if (bpf_xdp_load_bytes(ctx, ETH_HLEN + (__u32)pkt->l4 + NLB_TCP_FLAGS, &flags, 1))
			return NLB_R_VIP_TRUNCATED;
		pkt->tcp_flags = flags;
	}
	pkt->hash = nlb_flow_hash(pkt);
	return NLB_R_TX;
}

NLB_INLINE void nlb_frag_key_of(const struct nlb_packet *pkt, struct nlb_frag_key *ret)
{
	__builtin_memcpy(ret->src, &pkt->src, 16);
	__builtin_memcpy(ret->dst, &pkt->dst, 16);
	ret->id = pkt->frag_id;
	ret->protocol = pkt->frag_protocol;
}

NLB_INLINE __u32 nlb_frag_now(void)
{
	return (__u32)(bpf_ktime_get_coarse_ns() >> NLB_FLOW_TICK_SHIFT);
}

/* The first fragment goes to run->backend: those that follow are to as well. */
NLB_INLINE void nlb_frag_remember(const struct nlb_packet *pkt, const struct nlb_run *run)
{
	struct nlb_frag entry = {
		.service = run->service,
		.backend = run->backend,
		.hash = pkt->hash,
		.tick = nlb_frag_now(),
	};
	struct nlb_frag_key key;

	if (run->asked)
		return;
	nlb_frag_key_of(pkt, &key);
	bpf_map_update_elem(&nlb_fragments, &key, &entry, BPF_ANY);
}

/* A later fragment: where the first went. NLB_R_VIP_FRAGMENT: it did not come by here. */
NLB_INLINE enum nlb_reason nlb_frag_follow(struct nlb_packet *pkt, struct nlb_run *run)
{
	const struct nlb_frag *entry;
	struct nlb_frag_key key;

	nlb_frag_key_of(pkt, &key);
	entry = bpf_map_lookup_elem(&nlb_fragments, &key);
	if (!entry || nlb_frag_now() - entry->tick > NLB_FRAG_TICKS)
		return NLB_R_VIP_FRAGMENT;
	run->service = entry->service;
	run->backend = entry->backend;
	pkt->hash = entry->hash;
	run->flags |= NLB_ASK_F_FRAG;
	nlb_event(run, NLB_E_FRAGMENT);
	return NLB_R_TX;
}

/*
 * A packet in several buffers (a jumbo frame): the parsers saw the first of them, and
 * not as much in it as the IP header claims. 1: all of it is there.
 */
NLB_INLINE int nlb_odd_is_long(struct xdp_md *ctx, const struct nlb_packet *pkt)
{
	long first = (void *)(long)ctx->data_end - (void *)(long)ctx->data;
	long all = (long)bpf_xdp_get_buff_len(ctx);

	/* Or the compiler subtracts half pointers, which the verifier does not like. */
	asm volatile("" : "+r"(first));
	return all > first && ETH_HLEN + (long)pkt->len <= all && pkt->l4 <= pkt->len;
}

/*
 * The packet of nlb_work, for a VIP, that the straight parsers gave `why` for. NLB_R_TX: ports
 * and hash are known, or, of a later fragment, run->backend is. NLB_R_VIP_ICMP as it was.
 */
__noinline int nlb_odd(struct xdp_md *ctx, int why)
{
	struct nlb_work *work = nlb_work_get();
	struct nlb_packet *pkt;
	enum nlb_reason r;

	if (!work)
		return NLB_R_INTERNAL;
	pkt = &work->pkt;
	if (why == NLB_R_VIP_TRUNCATED) {
		if (!nlb_odd_is_long(ctx, pkt))
			return why;
		why = NLB_R_TX;
		if (pkt->frag)
			why = NLB_R_VIP_FRAGMENT;
		else if (nlb_parse_other(pkt->protocol, pkt->is_v4) == NLB_R_VIP_EXTENSION)
			why = NLB_R_VIP_EXTENSION;
	}
	if (why == NLB_R_VIP_EXTENSION) {
		r = (enum nlb_reason)nlb_odd_walk6(ctx);
		if (r != NLB_R_TX)
			return r;
		if (pkt->frag == NLB_FRAG_NONE &&
		    nlb_parse_other(pkt->protocol, 0) == NLB_R_VIP_ICMP)
			return NLB_R_VIP_ICMP;
	} else if (why != NLB_R_VIP_FRAGMENT && why != NLB_R_TX) {
		return why;
	}
	if (pkt->frag == NLB_FRAG_LATER)
		return nlb_frag_follow(pkt, &work->run);
	r = nlb_odd_ports(ctx, pkt);
	/* Nothing but TCP and UDP is put together again at a backend. */
	return r == NLB_R_VIP_ICMP && pkt->frag ? NLB_R_VIP_FRAGMENT : r;
}

#endif
