/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * From bytes to what a packet's service and flow are told by. The parsers know
 * no map: they say what would have to be done with the packet if it were for a
 * VIP, and the caller finds out whether it is. What is out of the ordinary
 * (fragments, extension headers) is left to odd.h.
 *
 * A length is believed from the IP header only, and only if that many bytes
 * are there: behind them may be padding (Ethernet's minimum) that is not part
 * of the packet.
 */
#ifndef NLB_PARSE_H
#define NLB_PARSE_H

#include "hash.h"
#include "wire.h"

enum nlb_frag_part { NLB_FRAG_NONE, NLB_FRAG_FIRST, NLB_FRAG_LATER };

struct nlb_packet {
	struct nlb_ip src, dst;
	__u32 hash;
	__u32 ports; /* as they lie in the packet: source, then destination */
	__u16 len;   /* of the IP packet, by its own header, that header included */
	__u16 l4;    /* where the transport header begins, from the IP header on */
	__u8 protocol;
	__u8 dsfield; /* DSCP and ECN */
	__u8 ttl;
	__u8 is_v4;
	__u8 tcp_flags; /* 0 of what is not TCP */
	__u8 quoted;	/* an ICMP error: ports and hash are those of the flow that it quotes */
	__u8 frag;	/* enum nlb_frag_part */
	__u8 frag_protocol;
	__u32 frag_id;
};

/* In host order. */
NLB_INLINE __u16 nlb_dport(__u32 ports)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return bpf_ntohs((__be16)(ports >> 16));
#else
	return (__u16)ports;
#endif
}

/* A SYN; one that is a RST as well is nobody's wish for a connection. */
NLB_INLINE int nlb_tcp_opens(__u8 flags)
{
	return (flags & (NLB_TCP_SYN | NLB_TCP_ACK | NLB_TCP_RST)) == NLB_TCP_SYN;
}

/* The hash by which the flow's slot is found. */
NLB_INLINE __u32 nlb_flow_hash(const struct nlb_packet *pkt)
{
	if (pkt->is_v4)
		return nlb_hash4(&pkt->src, &pkt->dst, pkt->ports, pkt->protocol);
	return nlb_hash6(&pkt->src, &pkt->dst, pkt->ports, pkt->protocol);
}

/* What it means that the transport header is of no kind that has ports. */
NLB_INLINE enum nlb_reason nlb_parse_other(__u8 protocol, int is_v4)
{
	switch (protocol) {
	case IPPROTO_ICMP:
		return is_v4 ? NLB_R_VIP_ICMP : NLB_R_VIP_PROTOCOL;
	case IPPROTO_ICMPV6:
		return is_v4 ? NLB_R_VIP_PROTOCOL : NLB_R_VIP_ICMP;
	case IPPROTO_FRAGMENT:
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
		return is_v4 ? NLB_R_VIP_PROTOCOL : NLB_R_VIP_EXTENSION;
	default:
		return NLB_R_VIP_PROTOCOL;
	}
}

/* Ports and flags, once it is known that the IP packet holds `l4_len` bytes from l4 on. */
NLB_INLINE enum nlb_reason nlb_parse_ports(const void *l4, const void *end, __u32 l4_len,
					   struct nlb_packet *pkt)
{
	if (NLB_LIKELY(pkt->protocol == IPPROTO_TCP)) {
		if (l4_len < NLB_TCP_MIN ||
		    (const __u8 *)l4 + NLB_TCP_FLAGS + 1 > (const __u8 *)end)
			return NLB_R_VIP_TRUNCATED;
		pkt->tcp_flags = ((const __u8 *)l4)[NLB_TCP_FLAGS];
	} else if (pkt->protocol == IPPROTO_UDP) {
		if (l4_len < NLB_UDP_MIN || (const __u8 *)l4 + 4 > (const __u8 *)end)
			return NLB_R_VIP_TRUNCATED;
	} else {
		return nlb_parse_other(pkt->protocol, pkt->is_v4);
	}
	pkt->ports = *(const nlb_u32a *)l4;
	return NLB_R_TX;
}

/*
 * Both parsers return NLB_R_TX when pkt is complete; NLB_R_MALFORMED_L3 when
 * there is no IP header to speak of; else the reason that holds if pkt->dst is
 * a VIP (all but ports, hash and tcp_flags are set then).
 */
NLB_INLINE enum nlb_reason nlb_parse4(const void *l3, const void *end, struct nlb_packet *pkt)
{
	const struct iphdr *ip = l3;
	enum nlb_reason r;
	__u32 hdr_len;

	if ((const void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return NLB_R_MALFORMED_L3;
	hdr_len = (__u32)ip->ihl * 4;
	pkt->src = nlb_ip_v4(ip->saddr);
	pkt->dst = nlb_ip_v4(ip->daddr);
	pkt->protocol = ip->protocol;
	pkt->len = bpf_ntohs(ip->tot_len);
	pkt->l4 = (__u16)hdr_len;
	pkt->dsfield = ip->tos;
	pkt->ttl = ip->ttl;
	pkt->is_v4 = 1;
	if (NLB_UNLIKELY(ip->frag_off & bpf_htons(NLB_IP_MF | NLB_IP_OFFSET))) {
		pkt->frag =
			ip->frag_off & bpf_htons(NLB_IP_OFFSET) ? NLB_FRAG_LATER : NLB_FRAG_FIRST;
		pkt->frag_id = ip->id;
		pkt->frag_protocol = ip->protocol;
	}
	if (NLB_UNLIKELY(pkt->len < hdr_len || pkt->len > (const __u8 *)end - (const __u8 *)l3))
		return NLB_R_VIP_TRUNCATED;
	if (NLB_UNLIKELY(pkt->frag))
		return NLB_R_VIP_FRAGMENT;
	r = nlb_parse_ports((const __u8 *)l3 + hdr_len, end, pkt->len - hdr_len, pkt);
	if (r == NLB_R_TX)
		pkt->hash = nlb_hash4(&pkt->src, &pkt->dst, pkt->ports, pkt->protocol);
	return r;
}

NLB_INLINE enum nlb_reason nlb_parse6(const void *l3, const void *end, struct nlb_packet *pkt)
{
	const struct ipv6hdr *ip = l3;
	enum nlb_reason r;
	__u32 len;

	if ((const void *)(ip + 1) > end || ip->version != 6)
		return NLB_R_MALFORMED_L3;
	pkt->dst = nlb_ip_v6(&ip->daddr);
	/* On the wire an IPv4-mapped address is nobody's; here it would be an IPv4 VIP's. */
	if (nlb_ip_is_v4(&pkt->dst))
		return NLB_R_MALFORMED_L3;
	pkt->src = nlb_ip_v6(&ip->saddr);
	pkt->protocol = ip->nexthdr;
	pkt->l4 = sizeof(*ip);
	pkt->dsfield = (__u8)(bpf_ntohl(*(const nlb_u32a *)ip) >> 20);
	pkt->ttl = ip->hop_limit;
	pkt->is_v4 = 0;
	len = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	pkt->len = len > 0xffff ? 0 : (__u16)len;
	if (NLB_UNLIKELY(len > 0xffff || len > (const __u8 *)end - (const __u8 *)l3))
		return NLB_R_VIP_TRUNCATED;
	r = nlb_parse_ports(ip + 1, end, len - (__u32)sizeof(*ip), pkt);
	if (r == NLB_R_TX)
		pkt->hash = nlb_hash6(&pkt->src, &pkt->dst, pkt->ports, pkt->protocol);
	return r;
}

#endif
