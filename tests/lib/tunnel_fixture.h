/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node (maps_host.h) whose backends are checked through the tunnel, and sockets that do
 * what probes do. Both VIPs are there, without services, and blackholes in the main table,
 * as nlbd has them.
 *
 *	cmocka_unit_test_setup_teardown(test, tunnel_fx_setup, tunnel_fx_teardown)
 *	...
 *	TUNNEL_FX_NEEDED();                             // or skip
 *	mark = maps_host_tunnel(&tunnel_fx_host, "10.0.0.11");
 *	fd = tunnel_fx_probe(TUNNEL_FX_VIP4, mark, &err);
 */
#ifndef NLB_TESTS_TUNNEL_FIXTURE_H
#define NLB_TESTS_TUNNEL_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "maps_host.h"

#define TUNNEL_FX_VIP4 "192.0.2.1"
#define TUNNEL_FX_VIP6 "2001:db8:f::1"
#define TUNNEL_FX_PORT 80

#define TUNNEL_FX_NEEDED()                                                                         \
	do {                                                                                       \
		if (!tunnel_fx_possible)                                                           \
			skip();                                                                    \
	} while (0)

extern bool tunnel_fx_possible;
extern struct maps_host tunnel_fx_host;

int tunnel_fx_setup(void **state);
int tunnel_fx_teardown(void **state);

/* The maps child, once more, with both VIPs. */
void tunnel_fx_start(void);

/* A socket that connects to the VIP with a mark; *ret_err is 0, or connect()'s errno. */
int tunnel_fx_probe(const char *vip, uint32_t mark, int *ret_err);
int tunnel_fx_probe_error(const char *vip, uint32_t mark);

/* How often the event was counted: "tunnel_check" and the like. */
uint64_t tunnel_fx_count(const char *name);

#endif
