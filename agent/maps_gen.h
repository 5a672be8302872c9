/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Generations of a ring: which slots of the next one are STABLE, RECENT or
 * LINGER (nlb_shared.h says what that means to a packet), so that no flow moves
 * but those of backends that are gone. Pure functions over arrays.
 *
 * A slot's history in words. It begins STABLE. When its backend changes while the
 * former one still may have flows, it is RECENT: flows from before are led
 * to the former backend (the second ring's), and remembered as they show up. After
 * as long as a flow may be idle, all of them are remembered or dead: LINGER, in
 * which only what is remembered goes elsewhere. When that has not happened for
 * as long again, nothing remembered is left: STABLE. For the program forgets there what is
 * remembered to go to the slot's own backend; so a flow that begins in a STABLE slot never
 * meets an entry of an earlier one with the same addresses and ports.
 */
#ifndef NLB_AGENT_MAPS_GEN_H
#define NLB_AGENT_MAPS_GEN_H

#include <stdbool.h>
#include <stdint.h>

#include "xdp/nlb_shared.h"

/* A tick is 2^NLB_FLOW_TICK_SHIFT ns of CLOCK_MONOTONIC; unlike a flow's, it does not wrap. */
static inline uint32_t maps_gen_tick(uint64_t now_ns)
{
	return (uint32_t)(now_ns >> NLB_FLOW_TICK_SHIFT);
}

static inline uint32_t maps_gen_mode(uint32_t slot)
{
	return slot & NLB_SLOT_MODE;
}

static inline uint32_t maps_gen_backend(uint32_t slot)
{
	return slot & NLB_SLOT_BACKEND;
}

/*
 * A ring's slots. Of `old`, only those count whose slot is RECENT; of times, not those of the
 * STABLE. A slot's time is the tick since which its mode holds, or of the last look at it.
 */
struct maps_gen {
	uint32_t *slot;
	uint32_t *old;	/* the second ring: the backend before; may be NULL if none is RECENT */
	uint32_t *when; /* times; what is earlier than `since` counts as that */
	uint32_t since;
	bool flat;		 /* all times are `since`; `when` says nothing and may be NULL */
	uint32_t recent, linger; /* how many there are */
};

static inline uint32_t maps_gen_when(const struct maps_gen *g, uint32_t i)
{
	return g->flat || g->when[i] < g->since ? g->since : g->when[i];
}

/*
 * Makes the generation after prev. `cur` is the new ring of backend numbers,
 * of `size` slots as prev's; alive[number] says which backends the service has,
 * draining ones too, and never NLB_BACKEND_NONE. prev NULL: there was none, and all slots
 * are of mode `first`: LINGER if flows may be remembered all the same, else STABLE. The
 * arrays of ret are the caller's, of `size` elements, none of them prev's or NULL; `old` and
 * `when` are filled where they count.
 */
void maps_gen_next(const struct maps_gen *prev, uint32_t size, const uint32_t *cur,
		   const bool *alive, uint32_t now, uint32_t first, struct maps_gen *ret);

/*
 * Ages slots [from, to) in place, under the program's eyes: RECENT for `idle`
 * ticks becomes LINGER; LINGER not used in `idle` ticks becomes STABLE. A time
 * ahead of now counts as now. g must not be flat, unless maps_gen_due() says no. Returns how many slots changed their mode;
 * g->recent and g->linger follow.
 */
uint32_t maps_gen_age(struct maps_gen *g, uint32_t from, uint32_t to, uint32_t now, uint32_t idle);

/* False: none of the slots is old enough to age, as far as `since` says. */
bool maps_gen_due(const struct maps_gen *g, uint32_t now, uint32_t idle);

/* Not flat from now on; the caller has set g->when, of `size` elements. */
void maps_gen_unflatten(struct maps_gen *g, uint32_t size);

/* g is to stay for another ring of the same content as well: it ages as the later one does. */
void maps_gen_merge(struct maps_gen *g, const struct maps_gen *other, uint32_t size);

/*
 * Reads slots that are in the maps: counts modes; all times are now. False: a slot has no mode that there
 * is, or ok() is not true of a number in it. NLB_BACKEND_NONE is not asked of.
 */
bool maps_gen_adopt(struct maps_gen *g, uint32_t size, uint32_t now,
		    bool (*ok)(void *user, uint32_t number), void *user);

/* Hash of all that counts, USED apart; and whether two rings are the same in all that counts. */
uint64_t maps_gen_hash(const struct maps_gen *g, uint32_t size);
bool maps_gen_equal(const struct maps_gen *a, const struct maps_gen *b, uint32_t size);

#endif
