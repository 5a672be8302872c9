/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * From bytes to the key of a service. The parsers know no map: they say what
 * would have to be done with the packet if it were for a VIP, and the caller
 * finds out whether it is.
 *
 * A length is believed from the IP header only, and only if that many bytes
 * are there: behind them may be padding (Ethernet's minimum) that is not part
 * of the packet.
 */
#ifndef NLB_PARSE_H
#define NLB_PARSE_H

#include "hash.h"
#include "wire.h"

struct nlb_packet {
	struct nlb_svc_key key;
	__u32 hash;
	__u16 len;    /* of the IP packet, by its own header, that header included */
	__u8 dsfield; /* DSCP and ECN */
	__u8 ttl;
	__u8 is_v4;
};

/* Ports, once it is known that the IP packet holds `l4_len` bytes from l4 on. */
NLB_INLINE enum nlb_reason nlb_parse_ports(const void *l4, const void *end, __u32 l4_len,
					   struct nlb_packet *pkt, __u32 *ret_ports)
{
	__u32 min;

	switch (pkt->key.protocol) {
	case IPPROTO_TCP:
		min = NLB_TCP_MIN;
		break;
	case IPPROTO_UDP:
		min = NLB_UDP_MIN;
		break;
	case IPPROTO_ICMP:
		return pkt->is_v4 ? NLB_R_VIP_ICMP : NLB_R_VIP_PROTOCOL;
	case IPPROTO_ICMPV6:
		return pkt->is_v4 ? NLB_R_VIP_PROTOCOL : NLB_R_VIP_ICMP;
	case IPPROTO_FRAGMENT:
		return pkt->is_v4 ? NLB_R_VIP_PROTOCOL : NLB_R_VIP_FRAGMENT;
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
		return pkt->is_v4 ? NLB_R_VIP_PROTOCOL : NLB_R_VIP_EXTENSION;
	default:
		return NLB_R_VIP_PROTOCOL;
	}
	if (l4_len < min || (const __u8 *)l4 + 4 > (const __u8 *)end)
		return NLB_R_VIP_TRUNCATED;
	__builtin_memcpy(ret_ports, l4, 4);
	__builtin_memcpy(pkt->key.port, (const __u8 *)l4 + 2, 2);
	return NLB_R_TX;
}

/*
 * Both parsers return NLB_R_TX when pkt is complete; NLB_R_MALFORMED_L3 when
 * there is no IP header to speak of; else the reason that holds if key.vip is
 * a VIP (key.vip, len as claimed, ttl and is_v4 are set then).
 */
NLB_INLINE enum nlb_reason nlb_parse4(const void *l3, const void *end, struct nlb_packet *pkt)
{
	const struct iphdr *ip = l3;
	enum nlb_reason r;
	__u32 hdr_len, ports;

	if ((const void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return NLB_R_MALFORMED_L3;
	hdr_len = (__u32)ip->ihl * 4;
	nlb_v4_mapped(pkt->key.vip, ip->daddr);
	pkt->key.protocol = ip->protocol;
	pkt->len = bpf_ntohs(ip->tot_len);
	pkt->dsfield = ip->tos;
	pkt->ttl = ip->ttl;
	pkt->is_v4 = 1;
	if (ip->frag_off & bpf_htons(NLB_IP_MF | NLB_IP_OFFSET))
		return NLB_R_VIP_FRAGMENT;
	if (pkt->len < hdr_len || pkt->len > (const __u8 *)end - (const __u8 *)l3)
		return NLB_R_VIP_TRUNCATED;
	r = nlb_parse_ports((const __u8 *)l3 + hdr_len, end, pkt->len - hdr_len, pkt, &ports);
	if (r == NLB_R_TX)
		pkt->hash = nlb_hash4(ip->saddr, ip->daddr, ports, ip->protocol);
	return r;
}

NLB_INLINE enum nlb_reason nlb_parse6(const void *l3, const void *end, struct nlb_packet *pkt)
{
	const struct ipv6hdr *ip = l3;
	enum nlb_reason r;
	__u32 len, ports;

	if ((const void *)(ip + 1) > end || ip->version != 6)
		return NLB_R_MALFORMED_L3;
	/* On the wire an IPv4-mapped address is nobody's; here it would be an IPv4 VIP's. */
	if (nlb_is_v4_mapped(&ip->daddr))
		return NLB_R_MALFORMED_L3;
	__builtin_memcpy(pkt->key.vip, &ip->daddr, 16);
	pkt->key.protocol = ip->nexthdr;
	pkt->dsfield = (__u8)(ip->priority << 4 | ip->flow_lbl[0] >> 4);
	pkt->ttl = ip->hop_limit;
	pkt->is_v4 = 0;
	len = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	pkt->len = (__u16)len;
	if (len > 0xffff || len > (const __u8 *)end - (const __u8 *)l3)
		return NLB_R_VIP_TRUNCATED;
	r = nlb_parse_ports(ip + 1, end, len - (__u32)sizeof(*ip), pkt, &ports);
	if (r == NLB_R_TX)
		pkt->hash = nlb_hash6(&ip->saddr, &ip->daddr, ports, ip->nexthdr);
	return r;
}

#endif
