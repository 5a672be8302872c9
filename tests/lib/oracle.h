/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A second opinion on every packet: what the balancer's program should do with
 * it, worked out from docs/dataplane.md, xdp/nlb_shared.h and the RFCs by plain C
 * that shares nothing with xdp/ but those numbers and structs. Packets are read and written byte by byte,
 * nothing is optimized.
 *
 *	struct oracle o = {.maps = &maps, .ifindex = in, .route = route};
 *
 *	oracle_run(&o, frame, len, &r);		r.reason, r.verdict, r.data ...
 *
 * It remembers flows and fragments from one packet to the next, as the program
 * does, but knows no time: whoever compares the two has to do it within one tick
 * of the program's clock. Flows must all share one bucket (xdp_maps.h).
 */
#ifndef NLB_TESTS_ORACLE_H
#define NLB_TESTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xdp_maps.h"

#define ORACLE_FRAME_MAX 9900
#define ORACLE_FRAGMENTS 64

/* The kernel's answer for a backend whose hop is not known. */
struct oracle_way {
	enum nlb_reason reason; /* NLB_R_TX: it has a way */
	uint32_t ifindex;
	uint32_t mtu; /* of the outer packet */
	uint8_t dmac[6], smac[6];
};

/* An IP packet as long as its header says. */
struct oracle_packet {
	const uint8_t *ip;  /* where it begins */
	const uint8_t *end; /* of the frame */
	size_t l2;	    /* bytes in front of it */
	bool v4;
	uint8_t src[16], dst[16];
	uint32_t len, l4;
	uint8_t protocol, ttl, dsfield;
	uint16_t sport, dport;
	uint8_t tcp_flags;
	bool quoted; /* an ICMP error: protocol and ports are those of the quoted packet, turned */
	enum { ORACLE_WHOLE, ORACLE_FIRST, ORACLE_LATER } part;
	uint8_t frag_protocol;
	uint8_t frag_id[4]; /* IPv4: the first two */
	uint32_t hash;
};

struct oracle_flow {
	bool used;
	uint8_t class;
	struct oracle_packet key; /* addresses, ports, protocol */
	uint32_t backend;
};

struct oracle_fragment {
	bool used;
	struct oracle_packet key; /* addresses, frag_... */
	uint32_t service, backend, hash;
};

struct oracle {
	const struct xdp_maps *maps;
	uint32_t ifindex; /* by which packets come in */
	/* Nothing may be answered any more. */
	bool no_echo, no_error;
	/* Nothing is remembered: the packet is a question. */
	bool ask;
	void (*route)(const uint8_t backend[16], struct oracle_way *ret);
	struct oracle_flow flows[NLB_FLOW_WAYS];
	struct oracle_fragment fragments[ORACLE_FRAGMENTS];
	unsigned int n_fragments;
};

struct oracle_result {
	enum nlb_reason reason;
	uint32_t verdict;
	uint64_t events; /* bit 1 << enum nlb_event */
	/* As struct nlb_ask has them. */
	uint32_t vip, service, slot, backend, hop, mode, flags;
	uint32_t ip_len;
	bool opens;	       /* a TCP SYN */
	uint32_t tunnel_error; /* backend; 0: none */
	uint32_t used_slot;    /* one more than the slot of maps->slots that is marked as used */
	uint8_t data[ORACLE_FRAME_MAX];
	size_t len; /* of data; of what is dropped 0 */
};

void oracle_run(struct oracle *o, const uint8_t *frame, size_t len, struct oracle_result *ret);

/* Forgets flows and fragments. */
void oracle_forget(struct oracle *o);

/* The hash of slots, of the flow that *p is of; no_ports: of its addresses alone. */
uint32_t oracle_hash(const struct oracle_packet *p, bool no_ports);

/* The same of addresses as text; protocol 0: of the addresses alone. */
uint32_t oracle_hash_text(const char *src, const char *dst, uint16_t sport, uint16_t dport,
			  uint8_t protocol);

#endif
