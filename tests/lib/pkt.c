// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The packet builder; see pkt.h. Shares no code with what it tests: the
 * checksum is the textbook's.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "pkt.h"

static void *append(struct pkt *p, enum pkt_kind kind, size_t n)
{
	void *at = p->data + p->len;

	assert(p->len + n <= PKT_MAX && p->n_layers < PKT_LAYERS);
	memset(at, 0, n);
	p->layers[p->n_layers].kind = kind;
	p->layers[p->n_layers].at = p->len;
	p->n_layers++;
	p->len += n;
	return at;
}

struct ethhdr *pkt_eth(struct pkt *p, uint16_t proto)
{
	struct ethhdr *eth = append(p, PKT_RAW, sizeof(*eth));

	p->n_layers = 0;
	memcpy(eth->h_dest, "\x02\0\0\0\0\x01", 6);
	memcpy(eth->h_source, "\x02\0\0\0\0\x02", 6);
	eth->h_proto = htons(proto);
	return eth;
}

void *pkt_vlan(struct pkt *p, uint16_t vid, uint16_t proto)
{
	uint16_t *tag = append(p, PKT_RAW, 4);

	tag[0] = htons(vid);
	tag[1] = htons(proto);
	return tag;
}

struct iphdr *pkt_ip4(struct pkt *p, const char *src, const char *dst, uint8_t protocol)
{
	struct iphdr *ip = append(p, PKT_IP4, sizeof(*ip));

	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = protocol;
	assert(inet_pton(AF_INET, src, &ip->saddr) == 1);
	assert(inet_pton(AF_INET, dst, &ip->daddr) == 1);
	return ip;
}

void pkt_ip4_options(struct pkt *p, unsigned int words)
{
	struct iphdr *ip = (void *)(p->data + p->layers[p->n_layers - 1].at);

	assert(p->layers[p->n_layers - 1].kind == PKT_IP4 && p->len + 4u * words <= PKT_MAX);
	memset(p->data + p->len, 1, 4u * words);
	p->len += 4u * words;
	ip->ihl = (uint8_t)(5 + words) & 15;
}

struct ipv6hdr *pkt_ip6(struct pkt *p, const char *src, const char *dst, uint8_t nexthdr)
{
	struct ipv6hdr *ip = append(p, PKT_IP6, sizeof(*ip));

	ip->version = 6;
	ip->hop_limit = 64;
	ip->nexthdr = nexthdr;
	assert(inet_pton(AF_INET6, src, &ip->saddr) == 1);
	assert(inet_pton(AF_INET6, dst, &ip->daddr) == 1);
	return ip;
}

struct tcphdr *pkt_tcp(struct pkt *p, uint16_t sport, uint16_t dport)
{
	struct tcphdr *tcp = append(p, PKT_TCP, sizeof(*tcp));

	tcp->source = htons(sport);
	tcp->dest = htons(dport);
	tcp->doff = 5;
	tcp->ack = 1;
	tcp->window = htons(1000);
	return tcp;
}

struct udphdr *pkt_udp(struct pkt *p, uint16_t sport, uint16_t dport)
{
	struct udphdr *udp = append(p, PKT_UDP, sizeof(*udp));

	udp->source = htons(sport);
	udp->dest = htons(dport);
	return udp;
}

void *pkt_raw(struct pkt *p, size_t n)
{
	return append(p, PKT_RAW, n);
}

void pkt_fill(struct pkt *p, size_t n)
{
	assert(p->len + n <= PKT_MAX);
	for (size_t i = 0; i < n; i++)
		p->data[p->len + i] = (uint8_t)(i * 7 + 3);
	p->len += n;
}

uint32_t pkt_sum(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *b = data;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	return sum;
}

uint16_t pkt_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* Sum of the pseudo header of the IP header at `at` and len bytes of payload. */
static uint32_t pseudo(const struct pkt *p, enum pkt_kind kind, size_t at, uint32_t len,
		       uint8_t protocol)
{
	const uint8_t *ip = p->data + at;

	if (kind == PKT_IP4)
		return pkt_sum(ip + 12, 8, len + protocol);
	return pkt_sum(ip + 8, 32, len + protocol);
}

static void finish_l4(struct pkt *p, size_t k)
{
	size_t at = p->layers[k].at;
	uint32_t len = (uint32_t)(p->len - at), sum;
	struct tcphdr *tcp = (void *)(p->data + at);
	struct udphdr *udp = (void *)(p->data + at);

	if (k == 0 || (p->layers[k - 1].kind != PKT_IP4 && p->layers[k - 1].kind != PKT_IP6))
		return;
	if (p->layers[k].kind == PKT_TCP) {
		sum = pseudo(p, p->layers[k - 1].kind, p->layers[k - 1].at, len, IPPROTO_TCP);
		tcp->check = pkt_fold(pkt_sum(tcp, len, sum));
	} else {
		udp->len = htons((uint16_t)len);
		sum = pseudo(p, p->layers[k - 1].kind, p->layers[k - 1].at, len, IPPROTO_UDP);
		udp->check = pkt_fold(pkt_sum(udp, len, sum));
	}
}

void pkt_finish(struct pkt *p)
{
	for (size_t k = p->n_layers; k-- > 0;) {
		size_t at = p->layers[k].at;
		struct iphdr *ip4 = (void *)(p->data + at);
		struct ipv6hdr *ip6 = (void *)(p->data + at);

		switch (p->layers[k].kind) {
		case PKT_TCP:
		case PKT_UDP:
			finish_l4(p, k);
			break;
		case PKT_IP4:
			ip4->tot_len = htons((uint16_t)(p->len - at));
			ip4->check = 0;
			ip4->check = pkt_fold(pkt_sum(ip4, ip4->ihl * 4u, 0));
			break;
		case PKT_IP6:
			ip6->payload_len = htons((uint16_t)(p->len - at - sizeof(*ip6)));
			break;
		default:
			break;
		}
	}
}

void pkt_icmp_check(struct pkt *p, const void *ip, uint8_t *icmp)
{
	uint32_t len = (uint32_t)(p->len - (size_t)(icmp - p->data)), sum = 0;
	uint16_t check;

	if (*(const uint8_t *)ip >> 4 == 6)
		sum = pkt_sum((const uint8_t *)ip + 8, 32, len + IPPROTO_ICMPV6);
	memset(icmp + 2, 0, 2);
	check = pkt_fold(pkt_sum(icmp, len, sum));
	memcpy(icmp + 2, &check, 2);
}

void *pkt_layer(struct pkt *p, size_t k)
{
	assert(k < p->n_layers);
	return p->data + p->layers[k].at;
}
