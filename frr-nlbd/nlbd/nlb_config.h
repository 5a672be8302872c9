/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nlbd's configuration: what is stored, and lookups in it. No I/O, no effect by itself. */
#ifndef _FRR_NLB_CONFIG_H
#define _FRR_NLB_CONFIG_H

#include "typesafe.h"
#include "ipaddr.h"
#include "prefix.h"
#include "table.h"
#include "if.h"
#include "zclient.h"

/* In effect until the model's own defaults (yang/frr-nlbd.yang) come with the first "nlb". */
#define NLB_SOCKET_DEFAULT	"/var/run/frr/nlbd-agent.sock"
#define NLB_HOLD_TIME_DEFAULT	60
#define NLB_MIN_ENABLED_DEFAULT 1

PREDECL_RBTREE_UNIQ(nlb_overrides);

/* Configuration of one VIP: "vip ADDRESS" under "nlb". */
struct nlb_override {
	struct nlb_overrides_item item;
	struct ipaddr address;
	bool shutdown;
	route_tag_t tag; /* 0: the agent's */
	bool has_metric;
	uint32_t metric;
};

struct nlb_config {
	bool configured; /* "nlb" is there */
	char socket[108];
	uint32_t hold_time_s;
	uint8_t distance;
	uint32_t min_enabled;
	char nexthop_ifname[IFNAMSIZ]; /* "": blackhole */
	struct route_table *pools[2];  /* IPv4, IPv6; node->info set: a vip-pool */
	struct nlb_overrides_head overrides;
};

extern void nlb_config_init(struct nlb_config *cfg);
extern void nlb_config_done(struct nlb_config *cfg);

/* All back to the defaults, unconfigured: "no nlb". */
extern void nlb_config_reset(struct nlb_config *cfg);

extern void nlb_pool_add(struct nlb_config *cfg, const struct prefix *p);
extern void nlb_pool_del(struct nlb_config *cfg, const struct prefix *p);
/* Does a pool hold the prefix? */
extern bool nlb_pool_match(const struct nlb_config *cfg, const struct prefix *p);

/* The override of a VIP: made where there is none, or NULL where there is none. */
extern struct nlb_override *nlb_override_get(struct nlb_config *cfg, const struct ipaddr *address);
extern struct nlb_override *nlb_override_find(struct nlb_config *cfg, const struct ipaddr *address);
extern void nlb_override_del(struct nlb_config *cfg, const struct ipaddr *address);

#endif /* _FRR_NLB_CONFIG_H */
