/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nlbd's debugging switches: "debug nlb <agent|vip|zebra>". */
#ifndef _FRR_NLB_DEBUG_H
#define _FRR_NLB_DEBUG_H

#include "debug.h"

extern struct debug nlb_dbg_agent; /* sessions and their messages */
extern struct debug nlb_dbg_vip;   /* decisions on VIPs */
extern struct debug nlb_dbg_zebra; /* routes sent, answers received */

extern void nlb_debug_init(void);

#endif /* _FRR_NLB_DEBUG_H */
