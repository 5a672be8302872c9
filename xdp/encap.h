/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The headers in front of the packet on its way to a backend, and the one
 * change to the packet itself. Every byte of a header is written, in the widest
 * stores that there are. The fields are documented one by one in
 * docs/dataplane.md.
 */
#ifndef NLB_ENCAP_H
#define NLB_ENCAP_H

#include "csum.h"
#include "wire.h"

/* What the outer header takes over from the inner packet. */
struct nlb_encap {
	__u32 inner_len; /* outer length must fit 16 bits: the caller has checked */
	__u32 hash;
	__u8 inner_v4;
	__u8 dsfield;
};

NLB_INLINE __u8 nlb_encap_protocol(int inner_v4)
{
	return inner_v4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

/* The last four bytes of the outer source: the flow's hash where the hop leaves bits free. */
NLB_INLINE __u32 nlb_encap_source(const struct nlb_hop *hop, __u32 hash)
{
	const nlb_u32a *source = (const void *)hop->source;

	return source[3] | (bpf_htonl(hash) & hop->source_mask);
}

/* RFC 2003 (4in4), RFC 4213 (6in4); DSCP and ECN by RFC 6040's normal mode. */
NLB_INLINE void nlb_encap_ip4(void *ip, const struct nlb_encap *e, const struct nlb_hop *hop,
			      __be32 dst)
{
	nlb_u32a *to = ip;
	__u32 len = e->inner_len + (__u32)sizeof(struct iphdr);
	__u32 w[5];

	w[0] = bpf_htonl(0x45000000u | (__u32)e->dsfield << 16 | (len & 0xffff));
	/* Never fragmented, so the identification means nothing (RFC 6864). */
	w[1] = bpf_htonl(NLB_IP_DF);
	w[2] = bpf_htonl((__u32)hop->ttl << 24 | (__u32)nlb_encap_protocol(e->inner_v4) << 16);
	w[3] = nlb_encap_source(hop, e->hash);
	w[4] = dst;
	/* The checksum is the third word's second half in memory. */
	w[2] |= nlb_csum_second(nlb_csum_fold((__u64)w[0] + w[1] + w[2] + w[3] + w[4]));
	NLB_UNROLL
	for (int i = 0; i < 5; i++)
		to[i] = w[i];
}

/* Traffic class and flow label of an outer IPv6 header. */
NLB_INLINE __be32 nlb_encap_flow(const struct nlb_encap *e)
{
	return bpf_htonl((__u32)e->dsfield << 20 | (e->hash & 0xfffff));
}

/* RFC 2473; the flow label carries the flow's hash (RFC 6438). dst: 16 bytes. */
NLB_INLINE void nlb_encap_ip6(void *ip, const struct nlb_encap *e, const struct nlb_hop *hop,
			      const void *dst)
{
	const nlb_u32a *source = (const void *)hop->source, *to = dst;
	nlb_u32a *w = ip;

	w[0] = nlb_encap_flow(e) | bpf_htonl(0x60000000u);
	w[1] = bpf_htonl(e->inner_len << 16 | (__u32)nlb_encap_protocol(e->inner_v4) << 8 |
			 hop->ttl);
	w[2] = source[0];
	w[3] = source[1];
	w[4] = source[2];
	w[5] = nlb_encap_source(hop, e->hash);
	w[6] = to[0];
	w[7] = to[1];
	w[8] = to[2];
	w[9] = to[3];
}

/* An Ethernet header without a tag. */
NLB_INLINE void nlb_encap_eth(void *eth, const struct nlb_hop *hop)
{
	const nlb_u32a *from = (const void *)hop->eth;
	nlb_u32a *to = eth;

	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	*(nlb_u16a *)(to + 3) = *(const nlb_u16a *)(from + 3);
}

/* One hop less, as RFC 2003 (3.1) and RFC 2473 (3.1) want of a forwarder. ttl > 1. */
NLB_INLINE void nlb_encap_hop4(struct iphdr *ip)
{
	/* TTL is the upper byte of its word: one less is 0x0100 more in the checksum (RFC 1624). */
	__u32 check = (__u32)ip->check + bpf_htons(0x0100);

	ip->ttl--;
	ip->check = (__sum16)(check + (check >= 0xffff));
}

NLB_INLINE void nlb_encap_hop6(struct ipv6hdr *ip)
{
	ip->hop_limit--;
}

#endif
