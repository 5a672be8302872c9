// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Numbers of backends. A number without references keeps its address until it
 * is needed for another, so that a backend which goes and comes back has the
 * same number, counters, and flows. It is needed last of all free ones, and not before
 *
 * - a grace period has passed since its last reference went: nothing new is
 *   remembered of it from then on;
 * - its flows are cleared, wherever they are remembered, and its entries of nlb_gone
 *   are removed: done for many numbers at once, in one walk over the flows;
 * - another grace period has passed, in which programs end that had read such a flow.
 *
 * Its entry in nlb_numbers, and the way that is kept for it, go earlier: after a minute. So
 * backends that go down and come up together cost no system call each.
 *
 * The queue may hold a number that was taken up again in the meantime; it is
 * passed over when its turn comes.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "log.h"
#include "maglev.h"
#include "maps_backend.h"
#include "maps_hop.h"
#include "maps_stats.h"
#include "util.h"

/* The least that is purged at once, where there are so many: a walk costs the same for all. */
#define PURGE_MIN 64u

static struct maps_backend *find(const struct maps_backends *t, const struct addr *a)
{
	struct maps_backend *b;

	HASH_FIND(hh, t->by_addr, a, sizeof(*a), b);
	return b;
}

static void enqueue(struct maps_backends *t, uint32_t number)
{
	if (t->all[number].queued)
		return;
	t->queue[(t->head + t->n_queue++) % t->max] = number;
	t->all[number].queued = true;
}

static uint32_t dequeue(struct maps_backends *t)
{
	uint32_t number = t->queue[t->head];

	t->head = (t->head + 1) % t->max;
	t->n_queue--;
	t->all[number].queued = false;
	return number;
}

static int know(struct maps_backends *t, uint32_t number, const struct addr *a)
{
	struct maps_backend *b = &t->all[number];

	b->addr = *a;
	b->hash = maglev_hash(a, 0);
	HASH_ADD(hh, t->by_addr, addr, sizeof(*a), b);
	b->known = HASH_ADDED(hh, b);
	return b->known ? 0 : -ENOMEM;
}

/* An entry that this code could have written. */
static bool entry_valid(const struct nlb_backend *e, const struct addr *a)
{
	return addr_is_host(a) && e->flags == (addr_is_v4(a) ? NLB_BACKEND_F_V4 : 0);
}

int maps_backends_init(struct maps_backends *t, const struct maps_bpf *bpf,
		       struct maps_grace *grace, struct maps_hops *hops, struct maps_flows *flows,
		       struct maps_gones *gones)
{
	*t = (struct maps_backends){.bpf = bpf,
				    .grace = grace,
				    .hops = hops,
				    .flows = flows,
				    .gones = gones,
				    .max = bpf->cfg->max_backends};
	t->all = calloc(t->max + 1u, sizeof(*t->all));
	t->queue = calloc(MAX2(t->max, 1u), sizeof(*t->queue));
	t->purge = calloc(t->max + 1u, sizeof(*t->purge));
	t->listing = calloc(MAX2(t->max, 1u), sizeof(*t->listing));
	if (!t->all || !t->queue || !t->purge || !t->listing)
		return -ENOMEM;
	/* Unused numbers go first, so that those with a past stay known. */
	for (int known = 0; known <= 1; known++) {
		for (uint32_t i = 1; i <= t->max; i++) {
			const struct nlb_backend *e = &bpf->backends[i];
			struct addr a;

			memcpy(a.b, e->addr, sizeof(a.b));
			if (entry_valid(e, &a) != (bool)known)
				continue;
			if (known && !find(t, &a) && know(t, i, &a) < 0)
				return -ENOMEM;
			/* An address, even one that is no backend's any more, may have flows. */
			t->all[i].flows = !addr_is_unspecified(&a);
			enqueue(t, i);
		}
	}
	return 0;
}

void maps_backends_done(struct maps_backends *t)
{
	HASH_CLEAR(hh, t->by_addr);
	free(t->queue);
	free(t->all);
	free(t->purge);
	free(t->listing);
	*t = (struct maps_backends){};
}

/*
 * Clears the flows of the numbers that are next: at least half of those that wait, since
 * many of them will be asked for when one is.
 */
static int purge(struct maps_backends *t)
{
	uint32_t want = MAX2(PURGE_MIN, t->n_queue / 2), n = 0, i;
	int r;

	for (i = 0; i < t->n_queue && n < want; i++) {
		uint32_t number = t->queue[(t->head + i) % t->max];
		const struct maps_backend *b = &t->all[number];

		t->purge[number] = !b->refs && b->flows && b->epoch < t->grace->epoch;
		n += t->purge[number];
	}
	maps_flows_purge(t->flows, t->purge, t->max);
	r = maps_frags_purge(t->bpf->fragments_fd, t->purge, t->max);
	if (r == 0)
		r = maps_gones_purge(t->gones, t->purge, t->max);
	if (r == 0)
		r = maps_grace_wait(t->grace);
	while (i--) {
		uint32_t number = t->queue[(t->head + i) % t->max];

		if (r == 0 && t->purge[number])
			t->all[number].flows = false;
		t->purge[number] = false;
	}
	return r;
}

/* The next number that is nobody's, and that no program can be using. */
static int take_number(struct maps_backends *t, uint32_t *ret)
{
	while (t->n_queue) {
		struct maps_backend *b = &t->all[t->queue[t->head]];
		int r;

		if (b->refs) {
			dequeue(t);
			continue;
		}
		if (b->epoch >= t->grace->epoch) {
			r = maps_grace_wait(t->grace);
			if (r < 0)
				return r;
		}
		if (b->flows) {
			r = purge(t);
			if (r < 0)
				return r;
		}
		*ret = dequeue(t);
		return 0;
	}
	return -ENOSPC;
}

/* Takes the address's entries away. */
static void unlist(struct maps_backends *t, uint32_t number)
{
	struct maps_backend *b = &t->all[number];

	/* Only errors about the tunnel are counted by it. */
	bpf_map_delete_elem(t->bpf->numbers_fd, b->addr.b);
	maps_hops_unwant(t->hops, number, &b->addr);
	b->listed = false;
}

struct nlb_backend maps_backends_entry(const struct addr *a)
{
	struct nlb_backend entry = {.flags = addr_is_v4(a) ? NLB_BACKEND_F_V4 : 0};

	memcpy(entry.addr, a->b, sizeof(entry.addr));
	return entry;
}

static int assign(struct maps_backends *t, const struct addr *a, uint32_t *ret_number)
{
	struct maps_backend *b;
	uint32_t number;
	int r;

	r = take_number(t, &number);
	if (r < 0)
		return r;
	b = &t->all[number];
	if (b->listed)
		unlist(t, number);
	if (b->known)
		HASH_DELETE(hh, t->by_addr, b);
	b->known = false;
	t->bpf->backends[number] = maps_backends_entry(a);
	/* Of a map that nobody used before, all counters are 0. */
	r = t->bpf->adopted || b->birth ? maps_stats_clear(t->bpf->be_stats_fd, number) : 0;
	b->birth++;
	if (r == 0)
		r = know(t, number, a);
	if (r < 0) {
		enqueue(t, number);
		return r;
	}
	*ret_number = number;
	return 0;
}

static void ref(struct maps_backends *t, uint32_t number)
{
	struct maps_backend *b = &t->all[number];

	if (b->refs++)
		return;
	b->flows = true;
	t->n_used++;
	if (b->listed)
		return;
	b->listed = true;
	if (t->n_listing == t->max)
		maps_backends_write(t);
	t->listing[t->n_listing++] = number;
	maps_hops_want(t->hops, number, &b->addr);
}

int maps_backends_get(struct maps_backends *t, const struct addr *a, uint32_t *ret_number)
{
	const struct maps_backend *b = find(t, a);
	uint32_t number;
	int r;

	if (b) {
		number = (uint32_t)(b - t->all);
	} else {
		r = assign(t, a, &number);
		if (r < 0)
			return r;
	}
	ref(t, number);
	*ret_number = number;
	return 0;
}

int maps_backends_ref(struct maps_backends *t, uint32_t number)
{
	if (number == NLB_BACKEND_NONE || number > t->max || !t->all[number].known)
		return -ENOENT;
	ref(t, number);
	return 0;
}

void maps_backends_put(struct maps_backends *t, uint32_t number)
{
	struct maps_backend *b = &t->all[number];

	if (--b->refs)
		return;
	t->n_used--;
	b->epoch = t->grace->epoch;
	b->rests = t->now;
	enqueue(t, number);
}

void maps_backends_write(struct maps_backends *t)
{
	uint32_t n = t->n_listing;
	struct addr *keys = n ? malloc(n * sizeof(*keys)) : NULL;

	for (uint32_t i = 0; keys && i < n; i++)
		keys[i] = t->all[t->listing[i]].addr;
	if (n &&
	    (!keys || bpf_map_update_batch(t->bpf->numbers_fd, keys, t->listing, &n, NULL) < 0))
		log_warning("errors about tunnels of some backends will not be counted",
			    "backends=%u error=\"%s\"", t->n_listing - (keys ? n : 0),
			    strerror(keys ? errno : ENOMEM));
	free(keys);
	t->n_listing = 0;
}

void maps_backends_rest(struct maps_backends *t, uint32_t now, uint32_t max)
{
	t->now = MAX2(t->now, now);
	for (max = MIN2(max, t->max); max; max--) {
		const struct maps_backend *b;

		t->rest_at = t->rest_at % t->max + 1;
		b = &t->all[t->rest_at];
		if (b->listed && !b->refs && now > b->rests &&
		    now - b->rests >= MAPS_BACKEND_REST_TICKS)
			unlist(t, t->rest_at);
	}
}

int maps_backends_adopted(struct maps_backends *t)
{
	struct addr key, next;
	int more;

	maps_backends_write(t);
	more = bpf_map_get_next_key(t->bpf->numbers_fd, NULL, &next) < 0 ? -errno : 0;
	while (more == 0) {
		const struct maps_backend *b;
		uint32_t number;

		key = next;
		more = bpf_map_get_next_key(t->bpf->numbers_fd, &key, &next) < 0 ? -errno : 0;
		b = find(t, &key);
		if (b && b->refs && bpf_map_lookup_elem(t->bpf->numbers_fd, &key, &number) == 0 &&
		    number == (uint32_t)(b - t->all))
			continue;
		if (bpf_map_delete_elem(t->bpf->numbers_fd, &key) < 0 && errno != ENOENT)
			return -errno;
	}
	return more == -ENOENT ? 0 : more;
}
