/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * ICMP and ICMPv6 that is addressed to a VIP. An error (RFC 792, RFC 4443)
 * quotes the packet that it is about: here one that a backend sent, from the
 * VIP to a client. Turned round, its addresses and ports are those of the
 * client's packets, and so lead to the backend that has the flow. An echo
 * request is made its own answer where it lies. What does not fit a tunnel, or
 * has no hop left for it, is answered by an error, as by the router that this node is.
 */
#ifndef NLB_ICMP_H
#define NLB_ICMP_H

#include "csum.h"
#include "hash.h"
#include "parse.h"
#include "wire.h"

struct nlb_icmp {
	__u8 type;
	__u8 code;
	__sum16 check;
	__be32 rest; /* what it holds depends on the type */
};

/* The two families' types; the names in the kernel's headers cannot be had together. */
#define NLB_ICMP4_ECHO_REPLY	0
#define NLB_ICMP4_UNREACHABLE	3
#define NLB_ICMP4_ECHO		8
#define NLB_ICMP4_FRAG_NEEDED	4 /* a code */
#define NLB_ICMP4_TIME_EXCEEDED 11
#define NLB_ICMP4_PARAMETER	12
#define NLB_ICMP6_UNREACHABLE	1
#define NLB_ICMP6_TOO_BIG	2
#define NLB_ICMP6_TIME_EXCEEDED 3
#define NLB_ICMP6_PARAMETER	4
#define NLB_ICMP6_ECHO		128
#define NLB_ICMP6_ECHO_REPLY	129

/* Errors quote the IP header and at least this much of what follows it (RFC 792). */
#define NLB_ICMP_QUOTE_L4 8u

/* No error of ours is longer than 576 bytes (RFC 1812) or 1,280 (RFC 4443) with its headers. */
#define NLB_ICMP4_QUOTE_MAX 548u
#define NLB_ICMP6_QUOTE_MAX 1232u

/* Smaller ones need not be believed (RFC 791, RFC 8201). */
#define NLB_ICMP4_MTU_MIN 68u
#define NLB_ICMP6_MTU_MIN 1280u

/* Neither redirects nor source quenches: those are not for a backend. */
NLB_INLINE int nlb_icmp_is_error(const struct nlb_icmp *icmp, int is_v4)
{
	if (is_v4)
		return icmp->type == NLB_ICMP4_UNREACHABLE ||
		       icmp->type == NLB_ICMP4_TIME_EXCEEDED || icmp->type == NLB_ICMP4_PARAMETER;
	return icmp->type >= NLB_ICMP6_UNREACHABLE && icmp->type <= NLB_ICMP6_PARAMETER;
}

/* Instead of memcmp(), which the compiler would call as a function. */
NLB_INLINE int nlb_icmp_same(const struct in6_addr *a, const struct in6_addr *b)
{
	__u32 x[4], y[4];

	__builtin_memcpy(x, a, 16);
	__builtin_memcpy(y, b, 16);
	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]));
}

/*
 * What is quoted was sent from the VIP: turned round, it is what the client
 * sends. l4: of the quoted packet.
 */
NLB_INLINE void nlb_icmp_turn(const __u8 *l4, __u8 protocol, struct nlb_packet *pkt)
{
	__u8 turned[4] = {l4[2], l4[3], l4[0], l4[1]};

	pkt->protocol = protocol;
	pkt->quoted = 1;
	__builtin_memcpy(&pkt->ports, turned, 4);
	pkt->hash = nlb_flow_hash(pkt);
}

/*
 * To be called when nlb_parse4() or nlb_parse6() gave NLB_R_VIP_ICMP, for the
 * same l3 and pkt. NLB_R_TX: an error, and addresses, ports, protocol and hash of
 * *pkt are now those of the flow that it quotes. NLB_R_VIP_ICMP: no error.
 * NLB_R_VIP_ICMP_TRUNCATED: too little of it is there to say.
 * NLB_R_VIP_ICMP_QUOTE: what it quotes is nothing that a VIP's backend sent.
 */
NLB_INLINE enum nlb_reason nlb_icmp_error4(const void *l3, const void *end, struct nlb_packet *pkt)
{
	const struct iphdr *ip = l3, *quote;
	const struct nlb_icmp *icmp;
	__u32 hdr_len, quote_len;
	const __u8 *l4;

	if ((const void *)(ip + 1) > end)
		return NLB_R_INTERNAL;
	hdr_len = (__u32)ip->ihl * 4;
	icmp = (const void *)((const __u8 *)l3 + hdr_len);
	if (pkt->len < hdr_len + sizeof(*icmp) || (const void *)(icmp + 1) > end)
		return NLB_R_VIP_ICMP_TRUNCATED;
	if (!nlb_icmp_is_error(icmp, 1))
		return NLB_R_VIP_ICMP;
	quote = (const void *)(icmp + 1);
	if (pkt->len < hdr_len + sizeof(*icmp) + sizeof(*quote) + NLB_ICMP_QUOTE_L4 ||
	    (const void *)(quote + 1) > end)
		return NLB_R_VIP_ICMP_TRUNCATED;
	if (quote->version != 4 || quote->ihl < 5 || quote->saddr != ip->daddr ||
	    quote->frag_off & bpf_htons(NLB_IP_OFFSET) ||
	    (quote->protocol != IPPROTO_TCP && quote->protocol != IPPROTO_UDP))
		return NLB_R_VIP_ICMP_QUOTE;
	quote_len = (__u32)quote->ihl * 4;
	l4 = (const __u8 *)quote + quote_len;
	if (pkt->len < hdr_len + sizeof(*icmp) + quote_len + NLB_ICMP_QUOTE_L4 ||
	    l4 + 4 > (const __u8 *)end)
		return NLB_R_VIP_ICMP_TRUNCATED;
	pkt->src = nlb_ip_v4(quote->daddr);
	nlb_icmp_turn(l4, quote->protocol, pkt);
	return NLB_R_TX;
}

/* A fragment header in the quote is stepped over if the fragment is the first. */
NLB_INLINE enum nlb_reason nlb_icmp_error6(const void *l3, const void *end, struct nlb_packet *pkt)
{
	const struct ipv6hdr *ip = l3, *quote;
	const struct nlb_icmp *icmp = (const void *)(ip + 1);
	__u32 need = sizeof(*ip) + sizeof(*icmp);
	const __u8 *l4;
	__u8 protocol;

	if (pkt->len < need || (const void *)(icmp + 1) > end)
		return NLB_R_VIP_ICMP_TRUNCATED;
	if (!nlb_icmp_is_error(icmp, 0))
		return NLB_R_VIP_ICMP;
	quote = (const void *)(icmp + 1);
	l4 = (const void *)(quote + 1);
	need += sizeof(*quote) + NLB_ICMP_QUOTE_L4;
	if (pkt->len < need || l4 + NLB_ICMP_QUOTE_L4 > (const __u8 *)end)
		return NLB_R_VIP_ICMP_TRUNCATED;
	if (quote->version != 6 || !nlb_icmp_same(&quote->saddr, &ip->daddr))
		return NLB_R_VIP_ICMP_QUOTE;
	protocol = quote->nexthdr;
	if (protocol == IPPROTO_FRAGMENT) {
		/* Next header, reserved, 13 bits of offset. */
		if (l4[2] || l4[3] & 0xf8)
			return NLB_R_VIP_ICMP_QUOTE;
		protocol = l4[0];
		l4 += 8;
		need += 8;
		if (pkt->len < need || l4 + 4 > (const __u8 *)end)
			return NLB_R_VIP_ICMP_TRUNCATED;
	}
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return NLB_R_VIP_ICMP_QUOTE;
	pkt->src = nlb_ip_v6(&quote->daddr);
	nlb_icmp_turn(l4, protocol, pkt);
	return NLB_R_TX;
}

/*
 * 1: an error about a packet that went out in a tunnel of ours, as far as the quote can
 * tell; *ret is the tunnel's far end. len: of the IP packet. The caller knows whether that is a backend.
 */
NLB_INLINE int nlb_icmp_tunnel4(const void *l3, const void *end, __u32 len, struct nlb_ip *ret)
{
	const struct iphdr *ip = l3, *quote;
	const struct nlb_icmp *icmp;

	if ((const void *)(ip + 1) > end)
		return 0;
	icmp = (const void *)((const __u8 *)l3 + (__u32)ip->ihl * 4);
	quote = (const void *)(icmp + 1);
	if (len < (__u32)ip->ihl * 4 + sizeof(*icmp) + sizeof(*quote) ||
	    (const void *)(quote + 1) > end || !nlb_icmp_is_error(icmp, 1) || quote->version != 4 ||
	    quote->saddr != ip->daddr ||
	    (quote->protocol != IPPROTO_IPIP && quote->protocol != IPPROTO_IPV6))
		return 0;
	*ret = nlb_ip_v4(quote->daddr);
	return 1;
}

NLB_INLINE int nlb_icmp_tunnel6(const void *l3, const void *end, __u32 len, struct nlb_ip *ret)
{
	const struct ipv6hdr *ip = l3, *quote;
	const struct nlb_icmp *icmp = (const void *)(ip + 1);

	quote = (const void *)(icmp + 1);
	if (len < sizeof(*ip) + sizeof(*icmp) + sizeof(*quote) || (const void *)(quote + 1) > end ||
	    !nlb_icmp_is_error(icmp, 0) || quote->version != 6 ||
	    !nlb_icmp_same(&quote->saddr, &ip->daddr) ||
	    (quote->nexthdr != IPPROTO_IPIP && quote->nexthdr != IPPROTO_IPV6))
		return 0;
	*ret = nlb_ip_v6(&quote->daddr);
	return 1;
}

/* One host may be answered at the source address (RFC 1122, 3.2.2; RFC 4443, 2.4 e). */
NLB_INLINE int nlb_icmp_host4(__be32 addr)
{
	__u32 first = bpf_ntohl(addr) >> 24;

	return first != 0 && first != 127 && first < 224;
}

NLB_INLINE int nlb_icmp_host6(const struct in6_addr *addr)
{
	__u32 words[4];

	__builtin_memcpy(words, addr, sizeof(words));
	/* Neither ::/96, which holds the unspecified and the loopback address, nor a group. */
	return (words[0] | words[1] | words[2]) && addr->s6_addr[0] != 0xff;
}

/* Sets the byte at `at` and takes the checksum along; its 16-bit word begins at `word`. */
NLB_INLINE void nlb_icmp_set_byte(__sum16 *check, void *word, __u8 *at, __u8 value)
{
	__be16 from, to;

	__builtin_memcpy(&from, word, 2);
	*at = value;
	__builtin_memcpy(&to, word, 2);
	*check = nlb_csum_replace(*check, from, to);
}

NLB_INLINE void nlb_icmp_swap_eth(struct ethhdr *eth)
{
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
}

/* Both ends are one host's, so that an answer goes to whoever sent the packet. */
NLB_INLINE int nlb_icmp_unicast_eth(const struct ethhdr *eth)
{
	return !((eth->h_dest[0] | eth->h_source[0]) & 1);
}

/*
 * 1: an echo request that may be answered. `len`: of the IP packet. Requests
 * with IPv4 options are not: some of those would have to be answered, too.
 */
NLB_INLINE int nlb_icmp_is_echo4(const void *l3, const void *end, __u32 len)
{
	const struct iphdr *ip = l3;
	const struct nlb_icmp *icmp = (const void *)(ip + 1);

	return (const void *)(icmp + 1) <= end && len >= sizeof(*ip) + sizeof(*icmp) &&
	       ip->ihl == 5 && icmp->type == NLB_ICMP4_ECHO && icmp->code == 0 &&
	       nlb_icmp_host4(ip->saddr);
}

NLB_INLINE int nlb_icmp_is_echo6(const void *l3, const void *end, __u32 len)
{
	const struct ipv6hdr *ip = l3;
	const struct nlb_icmp *icmp = (const void *)(ip + 1);

	return (const void *)(icmp + 1) <= end && len >= sizeof(*ip) + sizeof(*icmp) &&
	       icmp->type == NLB_ICMP6_ECHO && icmp->code == 0 && nlb_icmp_host6(&ip->saddr);
}

/*
 * The request becomes the reply. Swapping addresses leaves all checksums as
 * they are; a request whose checksum is wrong gets a reply whose is as well.
 */
NLB_INLINE void nlb_icmp_echo4(struct iphdr *ip, struct nlb_icmp *icmp, __u8 ttl)
{
	__be32 addr = ip->saddr;

	ip->saddr = ip->daddr;
	ip->daddr = addr;
	nlb_icmp_set_byte(&ip->check, &ip->ttl, &ip->ttl, ttl);
	nlb_icmp_set_byte(&icmp->check, icmp, &icmp->type, NLB_ICMP4_ECHO_REPLY);
}

NLB_INLINE void nlb_icmp_echo6(struct ipv6hdr *ip, struct nlb_icmp *icmp, __u8 ttl)
{
	struct in6_addr addr = ip->saddr;

	ip->saddr = ip->daddr;
	ip->daddr = addr;
	ip->hop_limit = ttl;
	nlb_icmp_set_byte(&icmp->check, icmp, &icmp->type, NLB_ICMP6_ECHO_REPLY);
}

/*
 * A token bucket in one word: when the bucket will be full again, less the
 * burst. 1: one more may be sent at `now` (both in ns); *due is moved on then.
 */
NLB_INLINE int nlb_icmp_allow(__u64 *due, __u64 now, int spend)
{
	__u64 from = *due > now ? *due : now;

	if (from - now > NLB_ICMP_BURST_NS)
		return 0;
	if (spend)
		*due = from + NLB_ICMP_INTERVAL_NS;
	return 1;
}

/* An error that this node makes: what differs between them. */
struct nlb_icmp_kind {
	__u8 type;
	__u8 code;
	__be32 rest;
};

/*
 * The headers in front of the quote. The ICMP checksum is left 0, for the
 * caller to set once all is in its place. The precedence is that of network
 * control (RFC 1812, 4.3.2.5).
 */
NLB_INLINE void nlb_icmp_tell4(struct iphdr *ip, const struct iphdr *quote, __u32 quote_len,
			       __u8 ttl, const struct nlb_icmp_kind *kind)
{
	struct nlb_icmp icmp = {.type = kind->type, .code = kind->code, .rest = kind->rest};
	struct iphdr out = {
		.version = 4,
		.ihl = 5,
		.tos = 0xc0,
		.tot_len = bpf_htons((__u16)(sizeof(out) + sizeof(icmp) + quote_len)),
		.frag_off = bpf_htons(NLB_IP_DF),
		.ttl = ttl,
		.protocol = IPPROTO_ICMP,
		.saddr = quote->daddr,
		.daddr = quote->saddr,
	};

	out.check = nlb_csum_ip4(&out);
	*ip = out;
	__builtin_memcpy(ip + 1, &icmp, sizeof(icmp));
}

NLB_INLINE void nlb_icmp_tell6(struct ipv6hdr *ip, const struct ipv6hdr *quote, __u32 quote_len,
			       __u8 ttl, const struct nlb_icmp_kind *kind)
{
	struct nlb_icmp icmp = {.type = kind->type, .code = kind->code, .rest = kind->rest};
	__be32 first = bpf_htonl(0x60000000u);

	__builtin_memcpy(ip, &first, 4);
	ip->payload_len = bpf_htons((__u16)(sizeof(icmp) + quote_len));
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = ttl;
	ip->saddr = quote->daddr;
	ip->daddr = quote->saddr;
	__builtin_memcpy(ip + 1, &icmp, sizeof(icmp));
}

/* Sum of the words of four bytes from `from` to `end`, of which there are at most `max`. */
NLB_INLINE __u64 nlb_icmp_sum(const void *from, const void *end, __u32 max)
{
	const __u32 *word = from;
	__u64 sum = 0;

	for (__u32 i = 0; i < max; i++, word++) {
		if ((const void *)(word + 1) > end)
			break;
		sum += *word;
	}
	return sum;
}

#endif
