/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the packet tests' balancer share; see xdp_world.h. */
#ifndef NLB_TESTS_XDP_WORLD_INT_H
#define NLB_TESTS_XDP_WORLD_INT_H

/* Ends the program when r < 0. */
void xdp_world_must(int r, const char *what);

/* xdp_world_net.c: interfaces, addresses, routes, neighbours. */
void xdp_world_network(void);

#endif
