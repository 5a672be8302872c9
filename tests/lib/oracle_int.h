/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the oracle's files share; see oracle.h. */
#ifndef NLB_TESTS_ORACLE_INT_H
#define NLB_TESTS_ORACLE_INT_H

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <string.h>

#include "oracle.h"

static inline uint16_t oracle_get16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline void oracle_put16(uint8_t *b, uint32_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static inline void oracle_put32(uint8_t *b, uint32_t v)
{
	oracle_put16(b, v >> 16);
	oracle_put16(b + 2, v);
}

/* How much of the packet is there behind p, by the frame's end. */
static inline size_t oracle_left(const struct oracle_packet *p, const uint8_t *at)
{
	return at < p->end ? (size_t)(p->end - at) : 0;
}

/*
 * oracle_parse.c. Ethernet and tags, IP header: NLB_R_TX, NLB_R_NOT_IP or NLB_R_MALFORMED_L3. With
 * NLB_R_TX addresses and lengths of *ret are set; lengths as claimed.
 */
enum nlb_reason oracle_parse_ip(const uint8_t *frame, size_t len, struct oracle_packet *ret);

/* All up to the ports. NLB_R_TX: ports are known, or *p is a later fragment. */
enum nlb_reason oracle_parse_l4(struct oracle_packet *p);

/* An ICMP message to the VIP; protocol and ports of *p become those of the flow. NLB_R_TX: so. */
enum nlb_reason oracle_parse_icmp(struct oracle_packet *p);

/* An ICMP error about a packet of ours to a backend, whose address it is; NULL: it is none. */
const uint8_t *oracle_parse_tunnel(const struct oracle_packet *p, uint8_t ret[16]);

bool oracle_is_echo(const struct oracle_packet *p);

/* The sender of p is one host, by address and by MAC address. */
bool oracle_has_sender(const struct oracle_packet *p);

/* oracle_pick.c. Which backend: sets the hash of *p, and service ... mode, events of *r. */
enum nlb_reason oracle_pick(struct oracle *o, struct oracle_packet *p, struct oracle_result *r);

/* oracle_write.c. What comes out. */
void oracle_write_tunnel(const struct oracle_packet *p, const struct nlb_hop *hop,
			 const struct nlb_backend *backend, struct oracle_result *r);
void oracle_write_echo(const struct oracle_packet *p, uint8_t ttl, struct oracle_result *r);
void oracle_write_tell(const struct oracle_packet *p, uint8_t ttl, bool too_big, uint32_t mtu,
		       struct oracle_result *r);

#endif
