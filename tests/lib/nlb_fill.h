/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing the maps of the program by hand, for tests and benchmarks that want
 * neither agent nor scheduler between themselves and the program. Every call
 * ends the process with a message when it fails.
 *
 *	struct nlb_fill f;
 *
 *	skel = nlb__open();
 *	nlb_fill_sizes(skel, 64, 256, 1 << 16);
 *	nlb__load(skel);
 *	nlb_fill_init(&f, skel);
 *	nlb_fill_hop(&f, 1, &(struct nlb_hop){...});
 *	nlb_fill_backend(&f, 1, "10.0.0.11", 1);
 *	vip = nlb_fill_vip(&f, "192.0.2.10", 128, 0);
 *	svc = nlb_fill_service(&f, vip, IPPROTO_TCP, 80, 0);
 *	f.services[svc].ring = nlb_fill_ring(&f, slots, NULL, 65537);
 */
#ifndef NLB_TESTS_NLB_FILL_H
#define NLB_TESTS_NLB_FILL_H

#include <stdint.h>

#include "nlb.skel.h"
#include "xdp/nlb_shared.h"

struct nlb_fill {
	struct nlb *skel;
	/* The maps' memory, by number. */
	struct nlb_config *config;
	struct nlb_bucket *vip_dir, *svc_dir;
	struct nlb_vip *vips;
	struct nlb_service *services;
	struct nlb_backend *backends;
	struct nlb_hop *hops;
	uint32_t *slots;
	struct nlb_flow_bucket *flows;
	uint32_t n_vips, n_services; /* numbers given so far: 1 ... */
	uint32_t n_slots;	     /* slots used so far */
};

/* Numbers up to and including n_services, n_backends; VIPs as many as services. Before load. */
void nlb_fill_sizes(struct nlb *skel, uint32_t n_services, uint32_t n_backends, uint32_t n_slots);

/* After load. TTL 64, flows forgotten after 900 s, no outer source but those of hops. */
void nlb_fill_init(struct nlb_fill *f, struct nlb *skel);

void nlb_fill_hop(struct nlb_fill *f, uint32_t number, const struct nlb_hop *hop);

/* hop: number, or 0 to have the kernel asked. */
void nlb_fill_backend(struct nlb_fill *f, uint32_t number, const char *addr, uint32_t hop);

/* plen: of a 16-byte address; 128 of a host's. Returns the number. */
uint32_t nlb_fill_vip(struct nlb_fill *f, const char *addr, uint8_t plen, uint32_t flags);

/* port 0: all ports. Returns the number; the ring is empty. */
uint32_t nlb_fill_service(struct nlb_fill *f, uint32_t vip, uint8_t protocol, uint16_t port,
			  uint32_t flags);

/* A new ring of these slots; second may be NULL. */
struct nlb_ring nlb_fill_ring(struct nlb_fill *f, const uint32_t *slots, const uint32_t *second,
			      uint32_t size);

/* The switch, as the agent does it. */
void nlb_fill_switch(struct nlb_fill *f, uint32_t service, struct nlb_ring ring);

#endif
