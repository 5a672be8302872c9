/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nlbd's show commands. */
#ifndef _FRR_NLB_VTY_H
#define _FRR_NLB_VTY_H

struct nlb;

extern void nlb_vty_init(struct nlb *nlb);

#endif /* _FRR_NLB_VTY_H */
