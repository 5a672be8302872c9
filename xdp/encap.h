/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The headers in front of the packet on its way to a backend, and the one
 * change to the packet itself. Every byte of a header is written. The fields
 * are documented one by one in docs/dataplane.md.
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
	__u8 ttl; /* of the outer header */
};

NLB_INLINE __u8 nlb_encap_protocol(const struct nlb_encap *e)
{
	return e->inner_v4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

/* RFC 2003 (4in4), RFC 4213 (6in4); DSCP and ECN by RFC 6040's normal mode. */
NLB_INLINE void nlb_encap_ip4(struct iphdr *ip, const struct nlb_encap *e, const __u8 src[4],
			      const __u8 dst[4])
{
	struct iphdr out = {
		.version = 4,
		.ihl = 5,
		.tos = e->dsfield,
		.tot_len = bpf_htons((__u16)(e->inner_len + sizeof(out))),
		/* Never fragmented, so the identification means nothing (RFC 6864). */
		.id = 0,
		.frag_off = bpf_htons(NLB_IP_DF),
		.ttl = e->ttl,
		.protocol = nlb_encap_protocol(e),
	};

	__builtin_memcpy(&out.saddr, src, 4);
	__builtin_memcpy(&out.daddr, dst, 4);
	out.check = nlb_csum_ip4(&out);
	*ip = out;
}

/* Traffic class and flow label of an outer IPv6 header. */
NLB_INLINE __be32 nlb_encap_flow(const struct nlb_encap *e)
{
	return bpf_htonl((__u32)e->dsfield << 20 | (e->hash & 0xfffff));
}

/* RFC 2473; the flow label carries the flow's hash (RFC 6438). */
NLB_INLINE void nlb_encap_ip6(struct ipv6hdr *ip, const struct nlb_encap *e, const __u8 src[16],
			      const __u8 dst[16])
{
	__be32 first = nlb_encap_flow(e) | bpf_htonl(0x60000000u);

	__builtin_memcpy(ip, &first, 4);
	ip->payload_len = bpf_htons((__u16)e->inner_len);
	ip->nexthdr = nlb_encap_protocol(e);
	ip->hop_limit = e->ttl;
	__builtin_memcpy(&ip->saddr, src, 16);
	__builtin_memcpy(&ip->daddr, dst, 16);
}

NLB_INLINE void nlb_encap_eth(struct ethhdr *eth, const __u8 dst[6], const __u8 src[6], __u16 proto)
{
	__builtin_memcpy(eth->h_dest, dst, 6);
	__builtin_memcpy(eth->h_source, src, 6);
	eth->h_proto = bpf_htons(proto);
}

/* One hop less, as RFC 2003 (3.1) and RFC 2473 (3.1) want of a forwarder. ttl > 1. */
NLB_INLINE void nlb_encap_hop4(struct iphdr *ip)
{
	__be16 from, to;

	__builtin_memcpy(&from, &ip->ttl, 2);
	ip->ttl--;
	__builtin_memcpy(&to, &ip->ttl, 2);
	ip->check = nlb_csum_replace(ip->check, from, to);
}

NLB_INLINE void nlb_encap_hop6(struct ipv6hdr *ip)
{
	ip->hop_limit--;
}

#endif
