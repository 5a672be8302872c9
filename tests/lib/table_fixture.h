/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The maps child's table on real maps, without the child: opened in a private
 * namespace (maps_host.h), and read the way the program reads it.
 *
 *	static int setup(void **state) { return table_fx_setup(&fx); }
 *	...
 *	TABLE_FX_NEEDED(&fx);                    // or skip
 *	table_fx_vip(&fx, "192.0.2.1");
 *	svc = table_fx_set(&fx, "192.0.2.1", 80, 251, "1 2 3:2 4:0", 1);
 *	table_fx_reopen(&fx);                    // as an agent that starts again
 *
 * Backends are written as "N" for 10.0.0.N, "N:WEIGHT", 0 being draining.
 */
#ifndef NLB_TESTS_TABLE_FIXTURE_H
#define NLB_TESTS_TABLE_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "maps_bpf.h"
#include "maps_host.h"
#include "maps_table.h"

struct table_fx {
	struct maps_host host;
	struct maps_bpf bpf;
	struct maps_table table;
	bool begun, possible;
};

/* Pinned maps that are new, little as they can be. Always 0. */
int table_fx_setup(struct table_fx *fx);
int table_fx_teardown(struct table_fx *fx);

#define TABLE_FX_NEEDED(fx)                                                                        \
	do {                                                                                       \
		if (!(fx)->possible)                                                               \
			skip();                                                                    \
	} while (0)

void table_fx_close(struct table_fx *fx);
void table_fx_open(struct table_fx *fx);
void table_fx_reopen(struct table_fx *fx); /* and what was there must have been adopted */

struct addr table_fx_addr(const char *text);
struct maps_svc_key table_fx_key(const char *vip, uint16_t port);

void table_fx_vip(struct table_fx *fx, const char *vip);

/* A TCP service; the call must return `result`, 0 or 1. */
struct maps_svc *table_fx_set(struct table_fx *fx, const char *vip, uint16_t port,
			      uint32_t ring_size, const char *backends, int result);

/* The same with all that can be said. */
int table_fx_want(struct table_fx *fx, const struct maps_svc_key *key,
		  const struct maps_svc_conf *conf, uint32_t ring_size, const char *backends,
		  struct maps_svc **ret, char reason[static MSG_REASON_LEN]);

/* As if flows of the service were remembered. */
void table_fx_flows(struct maps_svc *svc);

struct maps_svc *table_fx_svc(struct table_fx *fx, const char *vip, uint16_t port);

/* Number of the backend 10.0.0.n; 0: nobody has it. */
uint32_t table_fx_number(struct table_fx *fx, int n);

/* As the program does it, from the maps alone: 0 when there is none. */
uint32_t table_fx_find_vip(struct table_fx *fx, const char *addr);
uint32_t table_fx_find_svc(struct table_fx *fx, const char *addr, uint8_t protocol, uint16_t port);

/* Seconds later than now. */
void table_fx_age(struct table_fx *fx, uint32_t seconds);

/* Slots of rings that are neither free, nor kept, nor waiting for a grace period. */
uint32_t table_fx_ring_slots(const struct table_fx *fx);

/* How many of the ring's slots are of a mode (NLB_SLOT_...). */
uint32_t table_fx_count(const struct maps_svc *svc, uint32_t mode);

/* Entries of nlb_gone; whether there is this one. */
uint32_t table_fx_gone(struct table_fx *fx);
bool table_fx_is_gone(struct table_fx *fx, const struct maps_svc *svc, int n);

#endif
