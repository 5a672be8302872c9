// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Backends: their entries, their hops, and nlb_numbers, by which errors about tunnels are
 * counted.
 *
 * An address is written in place, though slots and flows refer to it: those went to a wrong
 * address before, and another number would move the flows that the backend still has.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "maps_check_int.h"
#include "maps_hop.h"

static void note(struct maps_check *c, enum msg_check_kind kind, int r, const struct addr *a,
		 uint32_t number)
{
	char text[ADDR_STRLEN];

	maps_found_note(&c->found, kind, r, "backend=%s number=%u", addr_str(a, text), number);
}

/* Of a number that nobody uses any more the address counts as well: it may come back. */
static void check_backend(struct maps_check *c, uint32_t number, struct nlb_backend have)
{
	const struct maps_backend *b = &c->table->backends.all[number];
	struct nlb_backend *at = &c->table->bpf->backends[number], want;

	if (!b->known)
		return;
	maps_found_looked(&c->found, MSG_CHECK_BACKENDS);
	want = maps_backends_entry(&b->addr);
	/* The hop is looked at by itself. */
	have.hop = 0;
	if (memcmp(&have, &want, sizeof(want)) == 0)
		return;
	memcpy(at->addr, want.addr, sizeof(at->addr));
	at->zero = 0;
	__atomic_store_n(&at->flags, want.flags, __ATOMIC_RELEASE);
	note(c, MSG_CHECK_BACKENDS, 0, &b->addr, number);
}

int maps_check_backends(struct maps_check *c)
{
	uint32_t max = c->table->backends.max + 1, first = c->pos;
	struct nlb_backend have[MAPS_CHECK_CHUNK];
	int n = maps_check_read(c, c->table->bpf->backends_fd, max, have);

	for (int i = 0; i < n; i++)
		check_backend(c, first + (uint32_t)i, have[i]);
	return n < 0 ? n : c->pos >= max;
}

int maps_check_hops(struct maps_check *c)
{
	struct maps_backends *backends = &c->table->backends;
	uint32_t to = c->pos + MAPS_CHECK_CHUNK;

	for (; backends->hops && c->pos <= backends->max && c->pos < to; c->pos++) {
		const struct maps_backend *b = &backends->all[c->pos];
		int r;

		if (!b->listed)
			continue;
		maps_found_looked(&c->found, MSG_CHECK_HOPS);
		r = maps_hops_repair(backends->hops, c->pos);
		if (r)
			note(c, MSG_CHECK_HOPS, r, &b->addr, c->pos);
	}
	return !backends->hops || c->pos > backends->max;
}

/* ---- nlb_numbers ---- */

/* What should be there for the address; 0: nothing. */
static uint32_t number_of(const struct maps_check *c, const struct addr *a)
{
	const struct maps_backends *t = &c->table->backends;
	const struct maps_backend *b;

	HASH_FIND(hh, t->by_addr, a, sizeof(*a), b);
	return b && b->listed ? (uint32_t)(b - t->all) : 0;
}

int maps_check_numbers(struct maps_check *c)
{
	uint32_t numbers[MAPS_CHECK_CHUNK];
	struct addr keys[MAPS_CHECK_CHUNK];
	int fd = c->table->bpf->numbers_fd, n;
	bool last;

	n = maps_check_read_hash(c, fd, keys, numbers, &last);
	for (int i = 0; i < n; i++) {
		uint32_t want = number_of(c, &keys[i]);
		int r;

		maps_found_looked(&c->found, MSG_CHECK_NUMBERS);
		if (want == numbers[i])
			continue;
		r = want ? bpf_map_update_elem(fd, &keys[i], &want, BPF_ANY)
			 : bpf_map_delete_elem(fd, &keys[i]);
		note(c, MSG_CHECK_NUMBERS, r < 0 ? -errno : 0, &keys[i], numbers[i]);
	}
	return n < 0 ? n : last;
}

int maps_check_numbers_missing(struct maps_check *c)
{
	const struct maps_backends *t = &c->table->backends;
	uint32_t to = c->pos + MAPS_CHECK_CHUNK;

	for (; c->pos <= t->max && c->pos < to; c->pos++) {
		const struct maps_backend *b = &t->all[c->pos];
		uint32_t have;
		int r;

		if (!b->listed || bpf_map_lookup_elem(t->bpf->numbers_fd, b->addr.b, &have) == 0)
			continue;
		r = bpf_map_update_elem(t->bpf->numbers_fd, b->addr.b, &c->pos, BPF_ANY);
		note(c, MSG_CHECK_NUMBERS, r < 0 ? -errno : 0, &b->addr, c->pos);
	}
	return c->pos > t->max;
}
