/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routes that zebra holds in nlbd's name and that this nlbd has not sent: an earlier one has, and
 * zebra keeps them (graceful restart). They stay until it is known which of them are still wanted.
 */
#ifndef _FRR_NLB_ORPHAN_H
#define _FRR_NLB_ORPHAN_H

#include "nlbd/nlb.h"

extern void nlb_orphan_init(struct nlb *nlb);
extern void nlb_orphan_done(struct nlb *nlb);

/* zebra shows a route of nlbd's. Remembered unless this nlbd has sent it. */
extern void nlb_orphan_found(struct nlb *nlb, const struct prefix *p);

/*
 * The next route that has to be deleted, in *ret_prefix; false when there is none. Those that
 * have been sent anew since are forgotten on the way. To be called once it is known that what is
 * wanted has been sent: nlb_authoritative(), or the time to wait for that is over.
 */
extern bool nlb_orphan_pop(struct nlb *nlb, struct prefix *ret_prefix);

/* Forget all: a new connection to zebra tells anew. */
extern void nlb_orphan_clear(struct nlb *nlb);

extern size_t nlb_orphan_count(const struct nlb *nlb);

#endif /* _FRR_NLB_ORPHAN_H */
