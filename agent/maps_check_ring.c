// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rings. What a ring was when it was written is known by its content hash; what it should have
 * been is computed anew from the service's backends, without those that are kept
 * (maglev_keep.h), which may be what is wrong.
 *
 * Repaired is in place, slot by slot: each stands for itself and is one store, as when it ages,
 * so that a packet meets the wrong slot or the right one, and all services that share the ring have it
 * repaired. A new place might not be free, and every sharer would have to be switched.
 *
 * A slot keeps its mode where that makes sense. RECENT needs a former backend that the
 * service still has: where there is none, flows that are remembered go on (LINGER). A former
 * backend that is another one of the service's cannot be told from the right one; this is counted as
 * not repaired.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "maps_check_int.h"
#include "maps_digest.h"
#include "util.h"

#define KEPT_STEP 16u

static int compute(struct maps_check *c, const struct maps_svc *svc)
{
	_cleanup_(maps_enabled_done) struct maps_enabled e = {};
	uint32_t size = svc->ring->place.size;
	int r = maps_enabled_init(&e, svc->members, svc->n_members);

	if (r < 0)
		return r;
	if (!e.n) {
		memset(c->ring, 0, size * sizeof(*c->ring));
		return 0;
	}
	r = maglev_build(e.b, e.n, size, c->ring);
	if (r == 0)
		maps_enabled_numbers(&e, c->ring, size);
	return r;
}

static void mark_members(struct maps_check *c, const struct maps_svc *svc, bool mark)
{
	for (size_t i = 0; i < svc->n_members; i++)
		c->member[svc->members[i].number] = mark;
}

static bool is_member(const struct maps_check *c, uint32_t number)
{
	return number <= c->table->backends.max && c->member[number];
}

/* The slot as it should be, as near to what it is as can be. */
static uint32_t right_slot(const struct maps_check *c, const struct maps_svc *svc, uint32_t i,
			   uint32_t slot)
{
	const struct maps_gen *g = &svc->ring->gen;
	uint32_t mode = maps_gen_mode(slot);
	/* Nobody knows what it should be as long as the parent has said nothing of the service. */
	uint32_t backend = svc->weights_known ? c->ring[i] : maps_gen_backend(slot);

	/* How many slots have a mode is known apart from the maps. */
	if (!g->recent && !g->linger)
		return NLB_SLOT_STABLE | backend;
	if (mode == NLB_SLOT_MODE ||
	    (mode == NLB_SLOT_RECENT && (!g->recent || !g->old || !is_member(c, g->old[i]))))
		mode = NLB_SLOT_LINGER;
	return mode | (mode == NLB_SLOT_LINGER ? slot & NLB_SLOT_USED : 0) | backend;
}

/* Returns how many slots were wrong. */
static uint32_t repair_slots(struct maps_check *c, const struct maps_svc *svc)
{
	const struct maps_gen *g = &svc->ring->gen;
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < svc->ring->place.size; i++) {
		uint32_t slot = __atomic_load_n(&g->slot[i], __ATOMIC_RELAXED), right;

		right = right_slot(c, svc, i, slot);
		/* The program may have set USED meanwhile: then once more. */
		while (slot != right &&
		       !__atomic_compare_exchange_n(&g->slot[i], &slot, right, false,
						    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
			right = right_slot(c, svc, i, slot);
		wrong += slot != right;
	}
	return wrong;
}

static void note_ring(struct maps_check *c, const struct maps_svc *svc, int r, uint32_t wrong)
{
	char text[ADDR_STRLEN];

	maps_found_note(&c->found, MSG_CHECK_RINGS, r,
			"vip=%s protocol=%u port=%u base=%u slots=%u",
			addr_prefix_str(&svc->vip->addr, svc->vip->plen, text), svc->key.protocol,
			maps_svc_port(&svc->key), svc->ring->place.base, wrong);
}

static void check_ring(struct maps_check *c, struct maps_svc *svc)
{
	struct maps_ring *ring = svc->ring;
	bool spoilt;
	uint32_t wrong;
	int r;

	if (!ring || ring->checked == c->table->check_run)
		return;
	ring->checked = c->table->check_run;
	maps_found_looked(&c->found, MSG_CHECK_RINGS);
	spoilt = !maps_rings_unspoilt(ring);
	r = svc->weights_known ? compute(c, svc) : 0;
	if (r < 0) {
		note_ring(c, svc, r, 0);
		return;
	}
	mark_members(c, svc, true);
	wrong = repair_slots(c, svc);
	mark_members(c, svc, false);
	if (!wrong && !spoilt)
		return;
	maps_rings_repaired(&c->table->rings, ring, maps_gen_tick(util_now_ns()));
	for (size_t i = 0; i < c->table->n_all; i++)
		if (c->table->all[i]->ring == ring)
			c->table->all[i]->digest = maps_digest(c->table->all[i]);
	note_ring(c, svc, wrong ? 0 : -ENODATA, wrong);
}

/* Rings without a service, which may be taken as they are when one wants them. */
int maps_check_kept(struct maps_check *c)
{
	uint32_t looked, dropped;
	bool all = maps_rings_check_kept(&c->table->rings, c->table->check_run, KEPT_STEP, &looked,
					 &dropped);

	c->found.report.kinds[MSG_CHECK_RINGS].looked += looked;
	while (dropped--)
		maps_found_note(&c->found, MSG_CHECK_RINGS, 0, "what=kept");
	return all;
}

int maps_check_rings(struct maps_check *c)
{
	uint32_t max = c->table->bpf->cfg->max_services;

	for (; c->pos <= max; c->pos++) {
		struct maps_svc *svc = c->table->svc_of[c->pos];

		if (!svc || !svc->ring)
			continue;
		/* One ring, one step. */
		check_ring(c, svc);
		c->pos++;
		break;
	}
	return c->pos > max;
}
