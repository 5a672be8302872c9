/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small packet builder. Headers are appended one after the other; the
 * returned pointer is to the header just written and may be used to spoil it:
 *
 *	struct pkt p = {};
 *
 *	pkt_eth(&p, ETH_P_IP);
 *	pkt_ip4(&p, "198.51.100.1", "192.0.2.10", IPPROTO_TCP)->tos = 0x2e;
 *	pkt_tcp(&p, 1234, 80);
 *	pkt_fill(&p, 100);
 *	pkt_finish(&p);
 *
 * pkt_finish() sets the lengths and checksums of all IP, TCP and UDP headers,
 * as far as nobody has written to them: set a field to what it must not be
 * after pkt_finish(). Headers may be nested (IP in IP).
 */
#ifndef NLB_TESTS_PKT_H
#define NLB_TESTS_PKT_H

#include <netinet/in.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>
#include <stdint.h>

#define PKT_MAX	   9600
#define PKT_LAYERS 32

enum pkt_kind {
	PKT_RAW,
	PKT_IP4,
	PKT_IP6,
	PKT_TCP,
	PKT_UDP,
};

struct pkt {
	/* So that what follows the Ethernet header is aligned, as drivers do it. */
	_Alignas(8) uint8_t align[2];
	uint8_t data[PKT_MAX];
	size_t len;
	size_t n_layers;
	struct {
		enum pkt_kind kind;
		size_t at;
	} layers[PKT_LAYERS];
};

/* Destination 02:00:00:00:00:01, source 02:00:00:00:00:02. */
struct ethhdr *pkt_eth(struct pkt *p, uint16_t proto);

/* An 802.1Q tag; to be called between pkt_eth() and the next header. */
void *pkt_vlan(struct pkt *p, uint16_t vid, uint16_t proto);

/* TTL 64, no options, not fragmented. */
struct iphdr *pkt_ip4(struct pkt *p, const char *src, const char *dst, uint8_t protocol);

/* 4 * words bytes of no-operation options behind the last IPv4 header. */
void pkt_ip4_options(struct pkt *p, unsigned int words);

struct ipv6hdr *pkt_ip6(struct pkt *p, const char *src, const char *dst, uint8_t nexthdr);
struct tcphdr *pkt_tcp(struct pkt *p, uint16_t sport, uint16_t dport);
struct udphdr *pkt_udp(struct pkt *p, uint16_t sport, uint16_t dport);

/* n bytes of zeros, for headers that have no function here. */
void *pkt_raw(struct pkt *p, size_t n);

/* n bytes of a pattern. */
void pkt_fill(struct pkt *p, size_t n);

void pkt_finish(struct pkt *p);

/*
 * The checksum of the ICMP or ICMPv6 message that goes from `icmp` to the end of the
 * packet; ip: the header in front of it. After pkt_finish(), before padding.
 */
void pkt_icmp_check(struct pkt *p, const void *ip, uint8_t *icmp);

/* Where the k-th header (0: the first after pkt_eth()) begins. */
void *pkt_layer(struct pkt *p, size_t k);

/* Internet checksum over len bytes, computed byte by byte, from `sum` on. */
uint32_t pkt_sum(const void *data, size_t len, uint32_t sum);
uint16_t pkt_fold(uint32_t sum);

#endif
