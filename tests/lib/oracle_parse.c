// SPDX-License-Identifier: GPL-2.0-or-later
/* The oracle's reading of packets; see oracle.h. */
#include <netinet/in.h>

#include "oracle_int.h"

#define HOP_BY_HOP	  0
#define ROUTING		  43
#define FRAGMENT	  44
#define AUTHENTICATION	  51
#define DESTINATION	  60

#define EXTENSIONS_MAX	  8
#define EXTENSIONS_LENGTH 2048

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static enum nlb_reason parse_ip4(const uint8_t *ip, struct oracle_packet *p)
{
	if (oracle_left(p, ip) < 20 || ip[0] >> 4 != 4 || (ip[0] & 15) < 5)
		return NLB_R_MALFORMED_L3;
	p->v4 = true;
	p->l4 = (ip[0] & 15u) * 4;
	p->dsfield = ip[1];
	p->len = oracle_get16(ip + 2);
	p->ttl = ip[8];
	p->protocol = ip[9];
	memcpy(p->src, mapped, 12);
	memcpy(p->src + 12, ip + 12, 4);
	memcpy(p->dst, mapped, 12);
	memcpy(p->dst + 12, ip + 16, 4);
	return NLB_R_TX;
}

static enum nlb_reason parse_ip6(const uint8_t *ip, struct oracle_packet *p)
{
	if (oracle_left(p, ip) < 40 || ip[0] >> 4 != 6 || memcmp(ip + 24, mapped, 12) == 0)
		return NLB_R_MALFORMED_L3;
	p->v4 = false;
	p->l4 = 40;
	p->dsfield = (uint8_t)(oracle_get16(ip) >> 4);
	p->len = 40u + oracle_get16(ip + 4);
	p->protocol = ip[6];
	p->ttl = ip[7];
	memcpy(p->src, ip + 8, 16);
	memcpy(p->dst, ip + 24, 16);
	return NLB_R_TX;
}

enum nlb_reason oracle_parse_ip(const uint8_t *frame, size_t len, struct oracle_packet *ret)
{
	size_t at = 12;

	*ret = (struct oracle_packet){.end = frame + len};
	for (unsigned int tags = 0;; tags++, at += 4) {
		uint16_t type;

		if (len < at + 2)
			return NLB_R_NOT_IP;
		type = oracle_get16(frame + at);
		if (tags < 2 && (type == 0x8100 || type == 0x88a8))
			continue;
		ret->l2 = at + 2;
		ret->ip = frame + at + 2;
		if (type == 0x0800)
			return parse_ip4(ret->ip, ret);
		return type == 0x86dd ? parse_ip6(ret->ip, ret) : NLB_R_NOT_IP;
	}
}

static bool is_extension(uint8_t protocol)
{
	return protocol == HOP_BY_HOP || protocol == ROUTING || protocol == FRAGMENT ||
	       protocol == AUTHENTICATION || protocol == DESTINATION;
}

static void parse_frag4(struct oracle_packet *p)
{
	uint16_t field = oracle_get16(p->ip + 6);

	if (!(field & 0x3fff))
		return;
	p->part = field & 0x1fff ? ORACLE_LATER : ORACLE_FIRST;
	p->frag_protocol = p->protocol;
	memcpy(p->frag_id, p->ip + 4, 2);
}

/* One extension header, at p->l4. */
static enum nlb_reason step_over(struct oracle_packet *p)
{
	const uint8_t *h = p->ip + p->l4;

	if (p->l4 > EXTENSIONS_LENGTH)
		return NLB_R_VIP_EXTENSION;
	if (p->l4 + 8 > p->len)
		return NLB_R_VIP_TRUNCATED;
	if (p->protocol == FRAGMENT) {
		memcpy(p->frag_id, h + 4, 4);
		p->frag_protocol = h[0];
		if (oracle_get16(h + 2) & 0xfff8)
			p->part = ORACLE_LATER;
		else if (h[3] & 1)
			p->part = ORACLE_FIRST;
		p->l4 += 8;
	} else if (p->protocol == AUTHENTICATION) {
		p->l4 += (h[1] + 2u) * 4;
	} else {
		p->l4 += (h[1] + 1u) * 8;
	}
	p->protocol = h[0];
	return NLB_R_TX;
}

static enum nlb_reason parse_extensions(struct oracle_packet *p)
{
	for (unsigned int n = 0; is_extension(p->protocol) && p->part != ORACLE_LATER; n++) {
		enum nlb_reason r = n < EXTENSIONS_MAX ? step_over(p) : NLB_R_VIP_EXTENSION;

		if (r != NLB_R_TX)
			return r;
	}
	return NLB_R_TX;
}

/* The header of TCP or UDP must be there as far as the packet's own length goes. */
static enum nlb_reason parse_ports(struct oracle_packet *p)
{
	const uint8_t *l4 = p->ip + p->l4;
	uint32_t min = p->protocol == IPPROTO_TCP ? 20 : 8;

	if (p->protocol == (p->v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return p->part == ORACLE_WHOLE ? NLB_R_VIP_ICMP : NLB_R_VIP_FRAGMENT;
	if (p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP)
		return NLB_R_VIP_PROTOCOL;
	if (p->l4 + min > p->len)
		return p->part == ORACLE_WHOLE ? NLB_R_VIP_TRUNCATED : NLB_R_VIP_FRAGMENT;
	p->sport = oracle_get16(l4);
	p->dport = oracle_get16(l4 + 2);
	p->tcp_flags = p->protocol == IPPROTO_TCP ? l4[13] : 0;
	return NLB_R_TX;
}

enum nlb_reason oracle_parse_l4(struct oracle_packet *p)
{
	enum nlb_reason r = NLB_R_TX;

	if (p->len > 0xffff || p->len > oracle_left(p, p->ip) || p->len < p->l4)
		return NLB_R_VIP_TRUNCATED;
	if (p->v4)
		parse_frag4(p);
	else
		r = parse_extensions(p);
	if (r != NLB_R_TX || p->part == ORACLE_LATER)
		return r;
	return parse_ports(p);
}

static bool is_error(const struct oracle_packet *p, uint8_t type)
{
	if (p->v4)
		return type == 3 || type == 11 || type == 12;
	return type >= 1 && type <= 4;
}

/* The quoted packet's header; p is the error. */
static enum nlb_reason parse_quote(struct oracle_packet *p, const uint8_t *quote, uint32_t left)
{
	uint32_t l4 = p->v4 ? (quote[0] & 15u) * 4 : 40;
	uint8_t protocol = p->v4 ? quote[9] : quote[6];

	if (p->v4) {
		if (quote[0] >> 4 != 4 || l4 < 20 || memcmp(quote + 12, p->dst + 12, 4) ||
		    oracle_get16(quote + 6) & 0x1fff)
			return NLB_R_VIP_ICMP_QUOTE;
	} else if (quote[0] >> 4 != 6 || memcmp(quote + 8, p->dst, 16)) {
		return NLB_R_VIP_ICMP_QUOTE;
	} else if (protocol == FRAGMENT) {
		if (oracle_get16(quote + 42) & 0xfff8)
			return NLB_R_VIP_ICMP_QUOTE;
		protocol = quote[40];
		l4 += 8;
	}
	/* Whose it is, is told by the header in front already. */
	if (p->v4 && protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return NLB_R_VIP_ICMP_QUOTE;
	if (left < l4 + 8)
		return NLB_R_VIP_ICMP_TRUNCATED;
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return NLB_R_VIP_ICMP_QUOTE;
	p->protocol = protocol;
	p->dport = oracle_get16(quote + l4);
	p->sport = oracle_get16(quote + l4 + 2);
	if (p->v4) {
		memcpy(p->src + 12, quote + 16, 4);
	} else {
		memcpy(p->src, quote + 24, 16);
	}
	p->quoted = true;
	return NLB_R_TX;
}

enum nlb_reason oracle_parse_icmp(struct oracle_packet *p)
{
	const uint8_t *icmp = p->ip + p->l4;
	uint32_t left = p->len - p->l4;

	if (left < 8)
		return NLB_R_VIP_ICMP_TRUNCATED;
	if (!is_error(p, icmp[0]))
		return NLB_R_VIP_ICMP;
	left -= 8;
	if (left < (p->v4 ? 20u : 40u) + 8)
		return NLB_R_VIP_ICMP_TRUNCATED;
	return parse_quote(p, icmp + 8, left);
}

bool oracle_is_echo(const struct oracle_packet *p)
{
	const uint8_t *icmp = p->ip + p->l4;

	return icmp[0] == (p->v4 ? 8 : 128) && icmp[1] == 0 && p->l4 == (p->v4 ? 20u : 40u) &&
	       oracle_has_sender(p);
}

bool oracle_has_sender(const struct oracle_packet *p)
{
	const uint8_t *frame = p->ip - p->l2, *src = p->ip + (p->v4 ? 12 : 8);
	static const uint8_t zero[12];

	if ((frame[0] | frame[6]) & 1)
		return false;
	if (p->v4)
		return src[0] != 0 && src[0] != 127 && src[0] < 224;
	return src[0] != 0xff && memcmp(src, zero, 12) != 0;
}

const uint8_t *oracle_parse_tunnel(const struct oracle_packet *p, uint8_t ret[16])
{
	const uint8_t *icmp = p->ip + p->l4, *quote = icmp + 8;
	uint32_t left = p->len - p->l4;
	uint8_t protocol;

	if (left < 8 + (p->v4 ? 20u : 40u) || !is_error(p, icmp[0]) ||
	    quote[0] >> 4 != (p->v4 ? 4 : 6))
		return NULL;
	protocol = p->v4 ? quote[9] : quote[6];
	if (protocol != IPPROTO_IPIP && protocol != IPPROTO_IPV6)
		return NULL;
	if (p->v4) {
		memcpy(ret, mapped, 12);
		memcpy(ret + 12, quote + 16, 4);
		return memcmp(quote + 12, p->dst + 12, 4) ? NULL : ret;
	}
	memcpy(ret, quote + 24, 16);
	return memcmp(quote + 8, p->dst, 16) ? NULL : ret;
}
