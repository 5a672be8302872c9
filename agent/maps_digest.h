/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The digest of a service: one number that says whether two nodes do the same with its
 * packets. It covers the ring as backend addresses, the set of backends with weights and
 * server ids (draining ones too), flags and QUIC parameters. It depends neither on the order
 * in which backends were named, nor on the numbers that a node gave them, nor on what the
 * service was before: modes of slots are left out.
 */
#ifndef NLB_AGENT_MAPS_DIGEST_H
#define NLB_AGENT_MAPS_DIGEST_H

#include <stdint.h>

struct maps_svc;

/* Of what the service has in the maps; 0: it has no backend. Its members are sorted. */
uint64_t maps_digest(const struct maps_svc *svc);

#endif
