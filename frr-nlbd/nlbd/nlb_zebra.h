/* SPDX-License-Identifier: GPL-2.0-or-later */
/* zebra's side of nlbd: routes out, answers and interfaces in, graceful restart. */
#ifndef _FRR_NLB_ZEBRA_H
#define _FRR_NLB_ZEBRA_H

#include "nlbd/nlb.h"

/*
 * zebra keeps the routes of an nlbd that is gone for the agent's hold-time, but at least this
 * long: nlbd is expected to be restarted, whatever is thought of the agent.
 */
#define NLB_ZEBRA_STALE_MIN_S 60

extern void nlb_zebra_init(struct nlb *nlb, struct zebra_privs_t *privs);
extern void nlb_zebra_done(void);

/* The core's routes_queued hook. */
extern void nlb_zebra_routes_queued(void);

/* Follow the configuration: nexthop interface, stale time. */
extern void nlb_zebra_config_changed(void);

extern bool nlb_zebra_is_up(void);

#endif /* _FRR_NLB_ZEBRA_H */
