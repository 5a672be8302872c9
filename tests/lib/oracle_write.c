// SPDX-License-Identifier: GPL-2.0-or-later
/* The packets that come out, byte by byte; see oracle.h. Checksums are computed anew. */
#include <netinet/in.h>

#include "oracle_int.h"

static uint32_t sum16(const uint8_t *b, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	return sum;
}

static uint32_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* An update of a checksum after a word's change as in RFC 1624, equation 3. */
static void update(uint8_t *check, uint32_t from, uint32_t to)
{
	oracle_put16(check, ~fold((~oracle_get16(check) & 0xffffu) + (~from & 0xffffu) + to));
}

static void append(struct oracle_result *r, const void *bytes, size_t n)
{
	memcpy(r->data + r->len, bytes, n);
	r->len += n;
}

/* All behind the Ethernet header, padding included; returns where it begins. */
static uint8_t *append_packet(struct oracle_result *r, const struct oracle_packet *p)
{
	uint8_t *at = r->data + r->len;

	append(r, p->ip, oracle_left(p, p->ip));
	return at;
}

static void outer_source(const struct nlb_hop *hop, uint32_t hash, uint8_t source[16])
{
	uint8_t wire[4], mask[4];

	memcpy(source, hop->source, 16);
	memcpy(mask, &hop->source_mask, 4);
	oracle_put32(wire, hash);
	for (unsigned int i = 0; i < 4; i++)
		source[12 + i] |= wire[i] & mask[i];
}

static void outer4(const struct oracle_packet *p, const uint8_t source[16], const uint8_t dest[16],
		   uint8_t ttl, struct oracle_result *r)
{
	uint8_t ip[20] = {[0] = 0x45, [1] = p->dsfield, [6] = 0x40, [8] = ttl};

	oracle_put16(ip + 2, p->len + 20);
	ip[9] = p->v4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	memcpy(ip + 12, source + 12, 4);
	memcpy(ip + 16, dest + 12, 4);
	oracle_put16(ip + 10, ~fold(sum16(ip, 20, 0)));
	append(r, ip, 20);
}

static void outer6(const struct oracle_packet *p, const uint8_t source[16], const uint8_t dest[16],
		   uint8_t ttl, struct oracle_result *r)
{
	uint8_t ip[40];

	oracle_put32(ip, 6u << 28 | (uint32_t)p->dsfield << 20 | (p->hash & 0xfffff));
	oracle_put16(ip + 4, p->len);
	ip[6] = p->v4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	ip[7] = ttl;
	memcpy(ip + 8, source, 16);
	memcpy(ip + 24, dest, 16);
	append(r, ip, 40);
}

void oracle_write_tunnel(const struct oracle_packet *p, const struct nlb_hop *hop,
			 const struct nlb_backend *backend, struct oracle_result *r)
{
	uint8_t source[16], *inner;

	outer_source(hop, p->hash, source);
	append(r, hop->eth, hop->eth_len);
	if (backend->flags & NLB_BACKEND_F_V4)
		outer4(p, source, backend->addr, hop->ttl, r);
	else
		outer6(p, source, backend->addr, hop->ttl, r);
	inner = append_packet(r, p);
	if (p->v4) {
		uint16_t from = oracle_get16(inner + 8);

		inner[8]--;
		update(inner + 10, from, oracle_get16(inner + 8));
	} else {
		inner[7]--;
	}
}

/* Back to where it came from, tags and all. */
static void append_back(struct oracle_result *r, const struct oracle_packet *p)
{
	const uint8_t *frame = p->ip - p->l2;

	append(r, frame + 6, 6);
	append(r, frame, 6);
	append(r, frame + 12, p->l2 - 12);
}

void oracle_write_echo(const struct oracle_packet *p, uint8_t ttl, struct oracle_result *r)
{
	uint8_t *ip, *icmp, addr[16];
	uint16_t from;

	append_back(r, p);
	ip = append_packet(r, p);
	icmp = ip + p->l4;
	if (p->v4) {
		memcpy(addr, ip + 12, 4);
		memcpy(ip + 12, ip + 16, 4);
		memcpy(ip + 16, addr, 4);
		from = oracle_get16(ip + 8);
		ip[8] = ttl;
		update(ip + 10, from, oracle_get16(ip + 8));
	} else {
		memcpy(addr, ip + 8, 16);
		memcpy(ip + 8, ip + 24, 16);
		memcpy(ip + 24, addr, 16);
		ip[7] = ttl;
	}
	from = oracle_get16(icmp);
	icmp[0] = p->v4 ? 0 : 129;
	update(icmp + 2, from, oracle_get16(icmp));
}

void oracle_write_tell(const struct oracle_packet *p, uint8_t ttl, bool too_big, uint32_t mtu,
		       struct oracle_result *r)
{
	uint32_t max = p->v4 ? 576 - 28 : 1280 - 48, quoted = p->len < max ? p->len : max;
	uint8_t ip4[20] = {[0] = 0x45, [1] = 0xc0, [6] = 0x40, [8] = ttl, [9] = IPPROTO_ICMP};
	uint8_t ip6[40] = {[0] = 0x60, [6] = IPPROTO_ICMPV6, [7] = ttl};
	uint8_t icmp[8] = {0}, *at;
	uint32_t sum = 0;

	quoted -= quoted % 4;
	append_back(r, p);
	if (p->v4) {
		oracle_put16(ip4 + 2, 28 + quoted);
		memcpy(ip4 + 12, p->ip + 16, 4);
		memcpy(ip4 + 16, p->ip + 12, 4);
		oracle_put16(ip4 + 10, ~fold(sum16(ip4, 20, 0)));
		append(r, ip4, 20);
		icmp[0] = too_big ? 3 : 11;
		icmp[1] = too_big ? 4 : 0;
	} else {
		oracle_put16(ip6 + 4, 8 + quoted);
		memcpy(ip6 + 8, p->ip + 24, 16);
		memcpy(ip6 + 24, p->ip + 8, 16);
		append(r, ip6, 40);
		icmp[0] = too_big ? 2 : 3;
		sum = sum16(ip6 + 8, 32, IPPROTO_ICMPV6 + 8 + quoted);
	}
	if (too_big)
		oracle_put32(icmp + 4, mtu);
	at = r->data + r->len;
	append(r, icmp, 8);
	append(r, p->ip, quoted);
	oracle_put16(at + 2, ~fold(sum16(at, 8 + quoted, sum)));
}
