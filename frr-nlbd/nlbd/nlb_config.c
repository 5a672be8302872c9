// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlbd's configuration, as the northbound callbacks fill it: scalars, the vip-pools (one route table
 * an address family, for the longest match) and the overrides of single VIPs (a tree by address).
 * Storing has no effect by itself: nlb_config_changed() in nlb.c makes the core look.
 */

#include <zebra.h>

#include "frrdistance.h"
#include "memory.h"

#include "nlbd/nlb_config.h"
#include "nlbd/nlb_memory.h"

DEFINE_MTYPE_STATIC(NLBD, NLB_OVERRIDE, "NLB VIP override");

static int nlb_override_cmp(const struct nlb_override *a, const struct nlb_override *b)
{
	return ipaddr_cmp(&a->address, &b->address);
}

DECLARE_RBTREE_UNIQ(nlb_overrides, struct nlb_override, item, nlb_override_cmp);

static void config_defaults(struct nlb_config *cfg)
{
	cfg->configured = false;
	strlcpy(cfg->socket, NLB_SOCKET_DEFAULT, sizeof(cfg->socket));
	cfg->hold_time_s = NLB_HOLD_TIME_DEFAULT;
	cfg->distance = ZEBRA_NLB_DISTANCE_DEFAULT;
	cfg->min_enabled = NLB_MIN_ENABLED_DEFAULT;
	cfg->nexthop_ifname[0] = '\0';
}

static void config_lists_clear(struct nlb_config *cfg)
{
	struct nlb_override *override;
	struct route_node *rn;

	while ((override = nlb_overrides_pop(&cfg->overrides)))
		XFREE(MTYPE_NLB_OVERRIDE, override);

	for (size_t i = 0; i < array_size(cfg->pools); i++)
		for (rn = route_top(cfg->pools[i]); rn; rn = route_next(rn)) {
			if (!rn->info)
				continue;
			rn->info = NULL;
			route_unlock_node(rn);
		}
}

void nlb_config_init(struct nlb_config *cfg)
{
	nlb_overrides_init(&cfg->overrides);
	for (size_t i = 0; i < array_size(cfg->pools); i++)
		cfg->pools[i] = route_table_init();
	config_defaults(cfg);
}

void nlb_config_done(struct nlb_config *cfg)
{
	config_lists_clear(cfg);
	for (size_t i = 0; i < array_size(cfg->pools); i++)
		route_table_finish(cfg->pools[i]);
	nlb_overrides_fini(&cfg->overrides);
}

void nlb_config_reset(struct nlb_config *cfg)
{
	config_defaults(cfg);
	config_lists_clear(cfg);
}

void nlb_pool_add(struct nlb_config *cfg, const struct prefix *p)
{
	struct route_node *rn = route_node_get(cfg->pools[p->family == AF_INET6], p);

	/* One reference a pool; route_node_get() has taken one more each time. */
	if (rn->info)
		route_unlock_node(rn);
	rn->info = cfg;
}

void nlb_pool_del(struct nlb_config *cfg, const struct prefix *p)
{
	struct route_node *rn = route_node_lookup(cfg->pools[p->family == AF_INET6], p);

	if (!rn)
		return;
	rn->info = NULL;
	route_unlock_node(rn); /* the lookup's */
	route_unlock_node(rn); /* the pool's */
}

struct nlb_override *nlb_override_find(struct nlb_config *cfg, const struct ipaddr *address)
{
	struct nlb_override key = { .address = *address };

	return nlb_overrides_find(&cfg->overrides, &key);
}

struct nlb_override *nlb_override_get(struct nlb_config *cfg, const struct ipaddr *address)
{
	struct nlb_override *override = nlb_override_find(cfg, address);

	if (!override) {
		override = XCALLOC(MTYPE_NLB_OVERRIDE, sizeof(*override));
		override->address = *address;
		nlb_overrides_add(&cfg->overrides, override);
	}
	return override;
}

void nlb_override_del(struct nlb_config *cfg, const struct ipaddr *address)
{
	struct nlb_override *override = nlb_override_find(cfg, address);

	if (!override)
		return;
	nlb_overrides_del(&cfg->overrides, override);
	XFREE(MTYPE_NLB_OVERRIDE, override);
}

bool nlb_pool_match(const struct nlb_config *cfg, const struct prefix *p)
{
	struct route_node *rn = route_node_match(cfg->pools[p->family == AF_INET6], p);

	if (!rn)
		return false;
	route_unlock_node(rn);
	return true;
}
