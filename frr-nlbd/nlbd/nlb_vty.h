/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nlbd's show commands: nlb_vty.c, and of them those of the session and of numbers: nlb_vty_agent.c. */
#ifndef _FRR_NLB_VTY_H
#define _FRR_NLB_VTY_H

#define NLB_STR "Network load balancer\n"

struct nlb;

/* All of them. */
extern void nlb_vty_init(struct nlb *nlb);

extern void nlb_vty_agent_init(struct nlb *nlb);

#endif /* _FRR_NLB_VTY_H */
