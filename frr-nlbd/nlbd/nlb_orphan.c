// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Routes of an earlier nlbd.
 *
 * zebra cleans up after a graceful restart by itself, but compares times in whole seconds: a route
 * that was installed in the very second in which nlbd died is never cleaned up, and if nlbd never
 * comes back none is. So nlbd looks for itself what zebra holds (nlb_zebra.c subscribes to its own
 * route type), and deletes what it does not want.
 */

#include <zebra.h>

#include "memory.h"

#include "nlbd/nlb_debug.h"
#include "nlbd/nlb_memory.h"
#include "nlbd/nlb_orphan.h"

DEFINE_MTYPE_STATIC(NLBD, NLB_ORPHAN, "NLB orphaned route");

struct nlb_orphan {
	struct nlb_orphans_item item;
	struct prefix prefix;
};

static int nlb_orphan_cmp(const struct nlb_orphan *a, const struct nlb_orphan *b)
{
	return prefix_cmp(&a->prefix, &b->prefix);
}

DECLARE_RBTREE_UNIQ(nlb_orphans, struct nlb_orphan, item, nlb_orphan_cmp);

void nlb_orphan_init(struct nlb *nlb)
{
	nlb_orphans_init(&nlb->orphans);
}

void nlb_orphan_done(struct nlb *nlb)
{
	nlb_orphan_clear(nlb);
	nlb_orphans_fini(&nlb->orphans);
}

/* Has this nlbd told zebra of the route? */
static bool orphan_is_adopted(struct nlb *nlb, const struct prefix *p)
{
	struct nlb_vip *vip = nlb_vip_find(nlb, p);

	return vip && vip->route != NLB_ROUTE_NONE;
}

void nlb_orphan_found(struct nlb *nlb, const struct prefix *p)
{
	struct nlb_orphan *orphan;

	if (orphan_is_adopted(nlb, p))
		return;

	orphan = XCALLOC(MTYPE_NLB_ORPHAN, sizeof(*orphan));
	prefix_copy(&orphan->prefix, p);
	if (nlb_orphans_add(&nlb->orphans, orphan))
		XFREE(MTYPE_NLB_ORPHAN, orphan);
	else
		DEBUGD(&nlb_dbg_zebra, "zebra: %pFX is of an earlier nlbd", p);
}

bool nlb_orphan_pop(struct nlb *nlb, struct prefix *ret_prefix)
{
	struct nlb_orphan *orphan;
	struct prefix p;

	while ((orphan = nlb_orphans_pop(&nlb->orphans))) {
		prefix_copy(&p, &orphan->prefix);
		XFREE(MTYPE_NLB_ORPHAN, orphan);
		if (orphan_is_adopted(nlb, &p))
			continue;
		prefix_copy(ret_prefix, &p);
		return true;
	}
	return false;
}

void nlb_orphan_clear(struct nlb *nlb)
{
	struct nlb_orphan *orphan;

	while ((orphan = nlb_orphans_pop(&nlb->orphans)))
		XFREE(MTYPE_NLB_ORPHAN, orphan);
}

size_t nlb_orphan_count(const struct nlb *nlb)
{
	return nlb_orphans_count(&nlb->orphans);
}
