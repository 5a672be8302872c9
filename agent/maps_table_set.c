// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many services set at once. Each step of a change (maps_table_svc.c) is taken for all of
 * them: so that rings are computed on all CPUs, and nlb_gone and nlb_numbers written by a few
 * system calls.
 *
 * Rings of all are made before the first of the old ones goes. Where there is no room for
 * that, those that found none are tried again once the others have switched.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "maps_change.h"
#include "util.h"

struct setting {
	struct maps_svc_op *op;
	struct maps_change change;
	struct nlb_ring before; /* where the program was led */
	uint32_t number;
	size_t want; /* index of its ring; SIZE_MAX: none */
	bool waits;  /* for room */
};

/* ---- reading back ---- */

/*
 * Of few services as the kernel has it; of many as it lies in memory that the map shares with
 * us, since a system call for each took longer than all the rest. maps_check.c asks the
 * kernel for all of them now and then.
 */
#define ASK_MAX 32u

static int read_entry(int fd, uint32_t number, const void *shared, void *ret, size_t size)
{
	if (shared)
		memcpy(ret, (const char *)shared + number * size, size);
	else if (bpf_map_lookup_elem(fd, &number, ret) < 0)
		return -errno;
	return 0;
}

/* What is in the maps, against what should be. */
static int read_back(const struct maps_table *t, const struct maps_svc *svc, bool many)
{
	const struct maps_bpf *bpf = t->bpf;
	struct nlb_ring ring = maps_ring_place(svc->ring);
	uint64_t key = maps_change_key_word(&svc->key, svc->vip);
	struct nlb_service entry;
	struct nlb_vip vip;
	int r;

	r = read_entry(bpf->vips_fd, svc->vip->number, many ? bpf->vips : NULL, &vip, sizeof(vip));
	if (r == 0)
		r = read_entry(bpf->services_fd, svc->number, many ? bpf->services : NULL, &entry,
			       sizeof(entry));
	if (r < 0)
		return r;
	if (memcmp(vip.addr, svc->vip->addr.b, sizeof(vip.addr)) != 0 ||
	    vip.plen != svc->vip->plen ||
	    !maps_dir_has(&t->vip_dir, maps_table_vip_hash(&vip), svc->vip->number) ||
	    !maps_dir_has(&t->svc_dir, nlb_dir_svc(key), svc->number) || entry.key != key ||
	    entry.vip != svc->vip->number || entry.flags != svc->conf.flags ||
	    entry.ring.base != ring.base || entry.ring.size != ring.size)
		return -EIO;
	for (size_t i = 0; i < svc->n_members; i++) {
		const struct maps_member *m = &svc->members[i];

		if (memcmp(bpf->backends[m->number].addr, m->addr.b, sizeof(m->addr.b)) != 0)
			return -EIO;
	}
	return 0;
}

/* ---- the steps ---- */

static int find_vip(const struct maps_table *t, const struct maps_svc_key *key,
		    struct maps_vip **ret, char reason[static MSG_REASON_LEN])
{
	struct addr a;

	memcpy(a.b, key->vip, sizeof(a.b));
	*ret = maps_table_vip(t, &a);
	if (*ret)
		return 0;
	if (t->vip_numbers.n)
		snprintf(reason, MSG_REASON_LEN, "the VIP is not set");
	else
		snprintf(reason, MSG_REASON_LEN, "max-vips (%u) reached", t->bpf->cfg->max_vips);
	return -ENOENT;
}

/* Step 1. 1: there is something to change; 0: there is not; -errno. */
static int begin(struct maps_table *t, struct setting *s, uint32_t now)
{
	struct maps_svc_op *op = s->op;
	struct maps_svc *svc = maps_table_svc(t, &op->key);
	int r;

	s->change = (struct maps_change){.key = &op->key, .old = svc, .now = now};
	s->before = maps_ring_place(svc ? svc->ring : NULL);
	s->number = svc ? svc->number : 0;
	s->want = SIZE_MAX;
	op->svc = svc;
	if (op->want.n)
		qsort(op->want.members, op->want.n, sizeof(*op->want.members),
		      maps_table_member_cmp);
	r = maps_change_check(&op->key, &op->want, &s->change.conf, op->reason);
	if (r == 0)
		r = find_vip(t, &op->key, &s->change.vip, op->reason);
	if (r < 0)
		return r;
	if (svc && maps_change_none(svc, &s->change.conf, &op->want))
		return 0;
	r = maps_change_members(t, &s->change, &op->want, op->reason);
	return r < 0 ? r : 1;
}

/* Step 2's result. False: the service stays as it is, for now or for good. */
static bool take_ring(struct maps_table *t, struct setting *s, const struct maps_ring_want *want)
{
	struct maps_svc_op *op = s->op;

	s->change.ring = want->ring;
	op->result = want->err;
	if (want->err == 0)
		return true;
	s->waits = want->err == -ENOSPC;
	if (s->waits)
		snprintf(op->reason, MSG_REASON_LEN,
			 "ring-slots (%u) used up: %u in use, %u wanted", t->rings.pool.slots,
			 t->rings.pool.used - t->rings.kept_slots, want->size);
	else
		snprintf(op->reason, MSG_REASON_LEN, "no ring of %u slots for %zu backends: %s",
			 want->size, want->n, strerror(-want->err));
	return false;
}

/* Those of s[0 .. n) that have members get their ring; returns how many are left to go on. */
static size_t make_rings(struct maps_table *t, struct setting **s, size_t n,
			 struct maps_ring_want *wants, uint32_t now)
{
	size_t n_wants = 0, left = 0;

	for (size_t i = 0; i < n; i++) {
		if (!s[i]->change.n)
			continue;
		s[i]->want = n_wants;
		wants[n_wants++] = maps_change_ring(t, &s[i]->change, s[i]->op->want.ring_size);
	}
	maps_rings_make(&t->rings, wants, n_wants, now);
	for (size_t i = 0; i < n; i++)
		if (s[i]->want == SIZE_MAX || take_ring(t, s[i], &wants[s[i]->want]))
			s[left++] = s[i];
	return left;
}

/* 0 or -errno, as maps_gones_write(). */
static int write_gones(struct maps_table *t)
{
	size_t lost;
	int r = maps_gones_write(&t->gones, &lost);

	/* Better than no change at all. */
	if (lost)
		log_warning("flows of backends that left a service stay with them",
			    "backends=%zu reason=\"nlb_gone is full\"", lost);
	return r;
}

/* Step 3; returns how many are left. */
static size_t prepare(struct maps_table *t, struct setting **s, size_t n)
{
	size_t left = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		struct maps_svc_op *op = s[i]->op;

		op->result = maps_change_prepare(t, &s[i]->change, op->reason);
		if (op->result == 0)
			s[left++] = s[i];
	}
	r = write_gones(t);
	for (size_t i = 0; i < left && r < 0; i++) {
		maps_change_undo(t, &s[i]->change);
		s[i]->op->result = r;
	}
	return r < 0 ? 0 : left;
}

/* Steps 2 to 5 of s[0 .. n). */
static void change(struct maps_table *t, struct setting **s, size_t n, struct maps_ring_want *wants,
		   uint32_t now)
{
	n = make_rings(t, s, n, wants, now);
	n = prepare(t, s, n);
	for (size_t i = 0; i < n; i++) {
		struct maps_svc_op *op = s[i]->op;

		op->result = maps_change_apply(t, &s[i]->change, &op->svc, op->reason);
		maps_change_done(t, &s[i]->change);
	}
	/* Of services that have lost all backends; nothing is to be removed. */
	write_gones(t);
}

static void finish(const struct maps_table *t, struct setting *s, bool many)
{
	struct maps_svc_op *op = s->op;
	struct nlb_ring after;
	int r;

	if (op->result == 0) {
		after = maps_ring_place(op->svc->ring);
		op->result = op->svc->number != s->number || after.base != s->before.base ||
			     after.size != s->before.size;
		r = read_back(t, op->svc, many);
		if (r < 0) {
			snprintf(op->reason, MSG_REASON_LEN, "the maps read back differently");
			op->result = r;
		}
	}
	if (op->result < 0 && !op->reason[0])
		snprintf(op->reason, MSG_REASON_LEN, "writing the maps: %s", strerror(-op->result));
}

static size_t those_that_wait(struct setting *all, size_t n, struct setting **s)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		if (!all[i].waits)
			continue;
		all[i].waits = false;
		s[left++] = &all[i];
	}
	return left;
}

void maps_table_svc_set_many(struct maps_table *t, struct maps_svc_op *ops, size_t n)
{
	_cleanup_free_ struct setting *all = calloc(MAX2(n, (size_t)1), sizeof(*all));
	_cleanup_free_ struct setting **s = calloc(MAX2(n, (size_t)1), sizeof(*s));
	_cleanup_free_ struct maps_ring_want *wants = calloc(MAX2(n, (size_t)1), sizeof(*wants));
	uint32_t now = maps_gen_tick(util_now_ns());
	size_t left = 0, before;

	t->backends.now = now;
	for (size_t i = 0; i < n; i++) {
		ops[i].reason[0] = '\0';
		ops[i].result = -ENOMEM;
		ops[i].svc = NULL;
		if (!all || !s || !wants)
			continue;
		all[i].op = &ops[i];
		ops[i].result = begin(t, &all[i], now);
		if (ops[i].result == 1)
			s[left++] = &all[i];
	}
	if (!all || !s || !wants)
		return;
	maps_backends_write(&t->backends);
	do {
		before = left;
		change(t, s, left, wants, now);
		left = those_that_wait(all, n, s);
	} while (left && left < before);
	for (size_t i = 0; i < n; i++) {
		maps_change_done(t, &all[i].change);
		finish(t, &all[i], n > ASK_MAX);
	}
}

int maps_table_svc_set(struct maps_table *t, const struct maps_svc_key *key,
		       const struct maps_svc_want *want, struct maps_svc **ret,
		       char reason[static MSG_REASON_LEN])
{
	struct maps_svc_op op = {.key = *key, .want = *want};

	maps_table_svc_set_many(t, &op, 1);
	memcpy(reason, op.reason, MSG_REASON_LEN);
	*ret = op.svc;
	return op.result;
}
