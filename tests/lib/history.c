// SPDX-License-Identifier: GPL-2.0-or-later
/* A table on its way through a history; see history.h. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "history.h"
#include "maps_fs.h"
#include "util.h"

#define ERAS	      6u
#define PORT	      80u
#define AGE_S	      1000u /* a little more than a flow may be idle */

#define WRONG(s, ...) (snprintf((s)->wrong, sizeof((s)->wrong), __VA_ARGS__), (s)->wrong)

/* ---- the table ---- */

/* Room for all rings twice, with second rings; numbers for the backends of one era only. */
static void set_limits(struct config *cfg)
{
	cfg->ring_slots = 16384;
	cfg->max_backends = HISTORY_POOL;
	cfg->max_services = 2 * HISTORY_SERVICES;
	cfg->max_vips = HISTORY_SERVICES;
}

static void open_table(struct history_side *s)
{
	char dir[MAPS_FS_PATH_LEN];

	table_fx_open(&s->fx);
	maps_fs_layout_dir(&s->fx.host.cfg, dir);
	assert_int_equal(ring_walk_open(&s->walk, dir), 0);
}

void history_open(struct history_side *s, const struct history_side *beside)
{
	struct config *cfg = &s->fx.host.cfg;
	char err[256];

	*s = (struct history_side){};
	if (!beside) {
		table_fx_setup(&s->fx);
		if (!s->fx.possible)
			return;
		table_fx_teardown(&s->fx);
	} else {
		s->fx.host = beside->fx.host;
		s->fx.begun = s->fx.possible = true;
		strcat(cfg->bpf_dir, "2");
		assert_int_equal(maps_fs_prepare(cfg, err, sizeof(err)), 0);
	}
	set_limits(cfg);
	open_table(s);
}

void history_close(struct history_side *s)
{
	maps_stage_clear(&s->stage);
	ring_walk_done(&s->walk);
	table_fx_teardown(&s->fx);
}

void history_restart(struct history_side *s)
{
	ring_walk_done(&s->walk);
	table_fx_close(&s->fx);
	open_table(s);
	assert_true(s->fx.bpf.adopted);
	memset(s->adopted, true, sizeof(s->adopted));
	s->restarts++;
}

void history_age(struct history_side *s, struct rnd *rnd)
{
	s->aged_s += AGE_S * rnd_below(rnd, 2) + 1;
	table_fx_age(&s->fx, s->aged_s);
}

void history_begin(struct history_side *s, uint32_t era)
{
	s->era = era % ERAS;
	memset(s->staged, 0, sizeof(s->staged));
	memset(s->applied, 0, sizeof(s->applied));
}

/* ---- what is wanted ---- */

static struct addr address(const struct history_side *s, size_t backend)
{
	char text[64];

	snprintf(text, sizeof(text), backend % 3 ? "10.9.%u.%zu" : "2001:db8:9:%u::%zx", s->era,
		 backend + 1);
	return table_fx_addr(text);
}

static struct addr vip_of(size_t i)
{
	char text[64];

	snprintf(text, sizeof(text), i % 4 < 2 ? "192.0.2.%zu" : "2001:db8::%zx", i / 2 + 1);
	return table_fx_addr(text);
}

static uint16_t port_of(size_t i)
{
	return (uint16_t)(PORT + i % 2);
}

static struct ring_set set_of(const struct history_side *s, const struct history_want *w,
			      struct maglev_backend *b)
{
	struct ring_set set = {.b = b};

	for (size_t i = 0; i < HISTORY_POOL; i++)
		if (w->weight[i] != HISTORY_NOT)
			b[set.n++] = (struct maglev_backend){address(s, i), (uint32_t)w->weight[i]};
	return set;
}

static void add_frame(struct history_side *s, uint16_t type, const void *data, size_t len)
{
	assert_int_equal(maps_stage_add(&s->stage, type, data, len), 0);
}

static void add_vip(struct history_side *s, uint16_t type, size_t i)
{
	struct msg_vip msg = {.vip = vip_of(i)};

	add_frame(s, type, &msg, sizeof(msg));
}

/* The backends in any order. */
static void add_svc(struct history_side *s, size_t i, const struct history_want *w, struct rnd *rnd)
{
	struct {
		struct msg_svc svc;
		struct msg_backend b[HISTORY_POOL];
	} msg = {.svc = {.vip = vip_of(i),
			 .port = port_of(i),
			 .protocol = IPPROTO_TCP,
			 .ring_size = w->size,
			 .flags = w->affinity ? NLB_SVC_F_AFFINITY : 0}};
	struct maglev_backend b[HISTORY_POOL];
	struct ring_set set = set_of(s, w, b);

	for (size_t k = 0; k < set.n; k++) {
		size_t at = rnd_below(rnd, (uint32_t)k + 1);

		msg.b[k] = msg.b[at];
		msg.b[at] = (struct msg_backend){.addr = b[k].addr, .weight = b[k].weight};
	}
	msg.svc.n_backends = (uint32_t)set.n;
	add_frame(s, MSG_MAPS_SVC_SET, &msg, sizeof(msg.svc) + set.n * sizeof(msg.b[0]));
}

void history_stage(struct history_side *s, size_t i, const struct history_want *want,
		   struct rnd *rnd)
{
	struct msg_svc del = {.vip = vip_of(i), .port = port_of(i), .protocol = IPPROTO_TCP};

	s->staged[i] = *want;
	s->sent[i] = true;
	if (want->exists) {
		add_vip(s, MSG_MAPS_VIP_SET, i);
		add_svc(s, i, want, rnd);
	} else if (s->staged[i ^ 1].exists || rnd_below(rnd, 2)) {
		add_frame(s, MSG_MAPS_SVC_DEL, &del, sizeof(del));
	} else {
		add_vip(s, MSG_MAPS_VIP_DEL, i);
		s->fresh[i] = s->fresh[i ^ 1] = true;
	}
}

void history_stage_flap(struct history_side *s, size_t i, struct rnd *rnd)
{
	add_vip(s, MSG_MAPS_VIP_DEL, i);
	s->fresh[i] = s->fresh[i ^ 1] = true;
	for (int k = 0; k < 2; k++, i ^= 1)
		if (s->staged[i].exists)
			history_stage(s, i, &s->staged[i], rnd);
}

/* ---- as it was, and as it is ---- */

static struct addr backend_at(const struct history_side *s, uint32_t slot)
{
	struct addr a = {};

	if (maps_gen_backend(slot))
		memcpy(a.b, s->walk.backends[maps_gen_backend(slot)].addr, sizeof(a.b));
	return a;
}

static uint32_t number_of(const struct history_side *s, size_t i)
{
	struct addr vip = vip_of(i);

	return ring_walk_find(&s->walk, &vip, IPPROTO_TCP, port_of(i));
}

static void take(const struct history_side *s, size_t i, struct history_snap *ret)
{
	struct nlb_ring ring;
	uint32_t second;

	ret->number = number_of(s, i);
	ret->size = 0;
	ret->word = 0;
	if (!ret->number)
		return;
	ring = s->walk.services[ret->number].ring;
	memcpy(&ret->word, &ring, sizeof(ret->word));
	ret->size = ring.size;
	second = ring.base + ((ring.size + 1) & ~1u);
	for (uint32_t k = 0; k < ring.size; k++) {
		uint32_t slot = s->walk.slots[ring.base + k];

		ret->slot[k].mode = maps_gen_mode(slot);
		ret->slot[k].is = backend_at(s, slot);
		ret->slot[k].old = (struct addr){};
		if (maps_gen_mode(slot) == NLB_SLOT_RECENT)
			ret->slot[k].old = backend_at(s, s->walk.slots[second + k]);
	}
}

/* ---- the rule ---- */

static bool has(const struct ring_set *set, const struct addr *a)
{
	for (size_t i = 0; i < set->n; i++)
		if (addr_cmp(&set->b[i].addr, a) == 0)
			return true;
	return false;
}

/*
 * What docs/dataplane.md says of a slot whose service changed: a former backend that the service
 * still has keeps its flows, by the second ring, as long as it has not been settled whose
 * they are; and no other mode comes of a change.
 */
static const char *check_slot(struct history_side *s, size_t i, uint32_t k,
			      const struct history_snap *was, const struct history_snap *is,
			      const struct ring_set *set)
{
	const struct addr *before = &was->slot[k].is, *old = &was->slot[k].old;
	struct addr none = {}, second = none;
	uint32_t mode = was->slot[k].mode;

	if (mode == NLB_SLOT_RECENT) {
		if (has(set, old) && addr_cmp(old, &is->slot[k].is) != 0)
			second = *old;
		else
			mode = NLB_SLOT_LINGER;
	} else if (addr_cmp(before, &is->slot[k].is) != 0 && has(set, before)) {
		mode = NLB_SLOT_RECENT;
		second = *before;
	}
	if (is->slot[k].mode == mode && addr_cmp(&is->slot[k].old, &second) == 0)
		return NULL;
	return WRONG(s,
		     "service %zu, slot %u: mode %#x should be %#x, or the second backend is wrong",
		     i, k, is->slot[k].mode, mode);
}

static const char *check_modes(struct history_side *s, size_t i, const struct history_snap *is,
			       const struct ring_set *set)
{
	const struct history_snap *was = &s->before[i];
	bool first = !was->number || !was->size || was->size != is->size || s->fresh[i];

	for (uint32_t k = 0; k < is->size; k++) {
		const char *wrong = NULL;

		s->recent += is->slot[k].mode == NLB_SLOT_RECENT;
		if (!first)
			wrong = check_slot(s, i, k, was, is, set);
		else if (is->slot[k].mode != is->slot[0].mode ||
			 is->slot[k].mode == NLB_SLOT_RECENT)
			wrong = WRONG(s, "service %zu, slot %u: mode %#x of a first ring", i, k,
				      is->slot[k].mode);
		if (wrong)
			return wrong;
	}
	return NULL;
}

/* ---- one service ---- */

static bool same_want(const struct history_want *a, const struct history_want *b)
{
	return a->exists == b->exists && a->affinity == b->affinity && a->size == b->size &&
	       memcmp(a->weight, b->weight, sizeof(a->weight)) == 0;
}

static const char *check_ring(struct history_side *s, size_t i, const struct ring_set *set,
			      uint32_t number)
{
	enum ring_walk_result result, wanted = set->n ? RING_WALK_SAME : RING_WALK_EMPTY;
	struct ring_want want;
	struct ring_seen seen;
	const struct maps_ring *ring;
	uint64_t digest = 0;

	assert_int_equal(ring_want_init(&want, s->applied[i].size, set, 1), 0);
	if (want.ring[0])
		assert_int_equal(maglev_digest(set->b, set->n, want.size, want.ring[0], &digest),
				 0);
	result = ring_walk_match(&s->walk, number, &want, &seen);
	ring_want_done(&want);
	s->rings++;
	if (result != wanted)
		return WRONG(s, "service %zu, slot %u: %s (%zu backends)", i, seen.slot,
			     ring_walk_str(result), set->n);
	ring = s->fx.table.svc_of[number]->ring;
	if ((ring ? ring->digest : 0) != digest)
		return WRONG(s, "service %zu: digest %016llx of the ring of %zu backends", i,
			     (unsigned long long)(ring ? ring->digest : 0), set->n);
	return NULL;
}

static const char *check_service(struct history_side *s, size_t i, bool changed)
{
	const struct history_want *w = &s->applied[i];
	struct maglev_backend b[HISTORY_POOL];
	struct ring_set set = set_of(s, w, b);
	struct history_snap is;
	const char *wrong;

	take(s, i, &is);
	if (!w->exists || !is.number)
		return w->exists == !!is.number ? NULL : WRONG(s, "service %zu: there, or not", i);
	wrong = check_ring(s, i, &set, is.number);
	if (wrong)
		return wrong;
	if (!changed && !s->adopted[i] &&
	    (is.word != s->before[i].word || is.number != s->before[i].number))
		return WRONG(s, "service %zu did not change, but was touched", i);
	return check_modes(s, i, &is, &set);
}

/* ---- all that is counted ---- */

static uint32_t extent(uint32_t size)
{
	return (size + 1) & ~1u;
}

static uint32_t slots_of(const struct maps_ring *ring)
{
	return extent(ring->place.size) * (ring->gen.old ? 2 : 1);
}

static const char *check_pool(struct history_side *s)
{
	const struct maps_rings *r = &s->fx.table.rings;
	uint32_t used = 0, kept = 0, n_kept = 0, retired = 0;

	for (size_t i = 0; i < r->n_all; i++) {
		uint32_t refs = 0;

		used += slots_of(r->all[i]);
		for (size_t k = 0; k < s->fx.table.n_all; k++)
			refs += s->fx.table.all[k]->ring == r->all[i];
		if (!refs || refs != r->all[i]->refs)
			return WRONG(s, "a ring has %u references, not %u", r->all[i]->refs, refs);
	}
	for (const struct maps_ring *ring = r->kept; ring; ring = ring->next) {
		kept += slots_of(ring);
		n_kept++;
		if (ring->refs)
			return WRONG(s, "a ring that is kept has %u references", ring->refs);
	}
	for (size_t i = 0; i < r->n_retired; i++)
		retired += extent(r->retired[i].size);
	if (kept != r->kept_slots || n_kept != r->n_kept)
		return WRONG(s, "%u slots of %u rings kept, not %u of %u", r->kept_slots, r->n_kept,
			     kept, n_kept);
	if (r->pool.used != used + kept + retired)
		return WRONG(s, "%u slots used: %u + %u kept + %u retired", r->pool.used, used,
			     kept, retired);
	return NULL;
}

static const char *check_backends(struct history_side *s)
{
	const struct maps_backends *b = &s->fx.table.backends;
	uint32_t refs[HISTORY_POOL + 1] = {}, n_used = 0;

	for (size_t i = 0; i < s->fx.table.n_all; i++)
		for (size_t k = 0; k < s->fx.table.all[i]->n_members; k++)
			refs[s->fx.table.all[i]->members[k].number]++;
	for (uint32_t n = 1; n <= b->max; n++) {
		n_used += refs[n] > 0;
		if (refs[n] != b->all[n].refs)
			return WRONG(s, "backend %u has %u references, not %u", n, b->all[n].refs,
				     refs[n]);
	}
	if (n_used != b->n_used)
		return WRONG(s, "%u backends in use, not %u", b->n_used, n_used);
	return NULL;
}

static const char *check_counts(struct history_side *s)
{
	const struct maps_table *t = &s->fx.table;
	const struct config *cfg = &s->fx.host.cfg;
	const char *wrong = check_pool(s);

	if (!wrong)
		wrong = check_backends(s);
	if (!wrong && t->vip_numbers.n + HASH_COUNT(t->vips) != cfg->max_vips)
		wrong = WRONG(s, "%zu numbers of VIPs are free", t->vip_numbers.n);
	if (!wrong && t->svc_numbers.n + t->n_all != cfg->max_services)
		wrong = WRONG(s, "%zu numbers of services are free", t->svc_numbers.n);
	return wrong;
}

/* ---- a batch ---- */

static void on_report(const struct msg_svc *msg _unused_, struct maps_svc *svc _unused_, int err,
		      const char *reason, void *user)
{
	struct history_side *s = user;

	if (err < 0)
		(void)WRONG(s, "refused: %s", reason);
}

const char *history_apply(struct history_side *s)
{
	bool changed[HISTORY_SERVICES];
	const char *wrong = NULL;

	for (size_t i = 0; i < HISTORY_SERVICES; i++) {
		changed[i] = s->fresh[i] || !same_want(&s->applied[i], &s->staged[i]);
		take(s, i, &s->before[i]);
	}
	s->wrong[0] = '\0';
	maps_stage_apply(&s->stage, &s->fx.table, on_report, s);
	s->batches++;
	if (s->wrong[0])
		return s->wrong;
	memcpy(s->applied, s->staged, sizeof(s->applied));
	for (size_t i = 0; i < HISTORY_SERVICES && !wrong; i++)
		wrong = check_service(s, i, changed[i]);
	for (size_t i = 0; i < HISTORY_SERVICES; i++)
		s->adopted[i] &= !s->sent[i];
	memset(s->fresh, 0, sizeof(s->fresh));
	memset(s->sent, 0, sizeof(s->sent));
	return wrong ? wrong : check_counts(s);
}

/* ---- at the end ---- */

const char *history_compare(struct history_side *a, struct history_side *b)
{
	for (size_t i = 0; i < HISTORY_SERVICES; i++) {
		const struct history_side *sides[] = {a, b};
		uint64_t digest[2] = {};

		for (int k = 0; k < 2; k++) {
			uint32_t number = number_of(sides[k], i);

			if (number)
				digest[k] = sides[k]->fx.table.svc_of[number]->digest;
		}
		if (digest[0] != digest[1] || !same_want(&a->applied[i], &b->applied[i]))
			return WRONG(a, "service %zu: digests %016llx and %016llx", i,
				     (unsigned long long)digest[0], (unsigned long long)digest[1]);
	}
	return NULL;
}

const char *history_left(struct history_side *s)
{
	const struct maps_table *t = &s->fx.table;

	if (t->n_all || t->rings.n_all || t->backends.n_used)
		return WRONG(s, "%zu services, %zu rings, %u backends are left", t->n_all,
			     t->rings.n_all, t->backends.n_used);
	if (table_fx_gone(&s->fx))
		return WRONG(s, "%u entries of nlb_gone are left", table_fx_gone(&s->fx));
	return check_counts(s);
}
