/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the balancer's maps hold, as plain arrays: from it both the maps of a
 * loaded program are filled (xdp_maps_load()) and the oracle answers (oracle.h).
 * All remembered flows share one bucket, so that a few of them fill it.
 *
 *	struct xdp_maps m;
 *
 *	xdp_maps_init(&m);
 *	vip = xdp_maps_vip(&m, "192.0.2.10", 0);
 *	b = xdp_maps_backend(&m, "10.0.0.11", 0);
 *	svc = xdp_maps_service(&m, vip, IPPROTO_TCP, 80, 0);
 *	xdp_maps_ring(&m, svc, 2, (uint32_t[]){b, b}, NULL);
 *
 * Anything that does not fit ends the program: tests are to be written so that it does.
 */
#ifndef NLB_TESTS_XDP_MAPS_H
#define NLB_TESTS_XDP_MAPS_H

#include <stddef.h>
#include <stdint.h>

#include "nlb_fill.h"
#include "xdp/nlb_shared.h"

/* Entries of the arrays; number 0 is never used. */
#define XDP_MAPS_VIPS	  32u
#define XDP_MAPS_SERVICES 256u
#define XDP_MAPS_BACKENDS 256u
#define XDP_MAPS_HOPS	  32u
#define XDP_MAPS_SLOTS	  1024u
#define XDP_MAPS_GONE	  16u
#define XDP_MAPS_QUIC	  32u
struct xdp_maps {
	struct nlb_config config;
	struct nlb_vip vips[XDP_MAPS_VIPS];
	struct nlb_service services[XDP_MAPS_SERVICES];
	struct nlb_backend backends[XDP_MAPS_BACKENDS];
	struct nlb_hop hops[XDP_MAPS_HOPS];
	uint32_t slots[XDP_MAPS_SLOTS];
	struct nlb_gone_key gone[XDP_MAPS_GONE];
	struct {
		struct nlb_quic_key key;
		uint32_t backend;
	} quic[XDP_MAPS_QUIC];
	/* How many of each there are; of what has numbers, the next number. */
	uint32_t n_vips, n_services, n_backends, n_hops, n_slots, n_gone, n_quic;
};

void xdp_maps_init(struct xdp_maps *m);

/* An address, or a prefix as "ADDR/LEN". Its number. */
uint32_t xdp_maps_vip(struct xdp_maps *m, const char *text, uint32_t flags);

/* Port 0: all ports; the VIP's flag is set. The service's number; its ring has size 0. */
uint32_t xdp_maps_service(struct xdp_maps *m, uint32_t vip, uint8_t protocol, uint16_t port,
			  uint32_t flags);

uint32_t xdp_maps_backend(struct xdp_maps *m, const char *text, uint32_t hop);

/* `size` words, modes included; and of the second ring, or NULL. */
void xdp_maps_ring(struct xdp_maps *m, uint32_t svc, uint32_t size, const uint32_t *slots,
		   const uint32_t *second);

/*
 * n_tags VLAN tags, the outer one of type 0x88a8 if there are two; v4: what
 * follows is IPv4. source may be a prefix: the bits behind it are the flow's.
 */
struct xdp_maps_hop {
	uint8_t dmac[6], smac[6];
	uint16_t tags[2];
	unsigned int n_tags;
	uint32_t ifindex;
	uint32_t mtu;
	uint8_t ttl;
	const char *source;
};

uint32_t xdp_maps_hop(struct xdp_maps *m, const struct xdp_maps_hop *hop);

void xdp_maps_quic(struct xdp_maps *m, uint32_t svc, const void *id, uint32_t len,
		   uint32_t backend);

/* The program with maps of these sizes; NULL when it cannot be loaded. */
struct nlb *xdp_maps_open(void);

/* Writes all of it, into maps that hold nothing yet. */
void xdp_maps_load(const struct xdp_maps *m, struct nlb_fill *f);

/* config alone. */
void xdp_maps_config(const struct xdp_maps *m, struct nlb_fill *f);

/* Empties what the program remembers: flows and fragments. */
void xdp_maps_forget(struct nlb_fill *f);

#endif
