// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The state of the maps as structs, and how a change gets from these into the
 * maps without a packet ever meeting half of it:
 *
 * - A new ring is written to a free place; then the service's word in
 *   nlb_ring_of is stored, which is the switch; then the old ring is retired.
 * - A new service has its ring in nlb_ring_of before its key enters the hash.
 * - An element that leaves a hash map may be reused by the kernel at once for
 *   the next one that enters, while a program still reads the old one. So
 *   nothing enters a hash map in the epoch in which something has left one.
 *
 * Everything that a change needs is allocated before the first write.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "maps_stats.h"
#include "maps_table.h"
#include "util.h"

/* ---- looking up ---- */

void maps_table_key(struct nlb_svc_key *ret, const struct addr *vip, uint8_t protocol,
		    uint16_t port)
{
	*ret = (struct nlb_svc_key){
		.port = {(uint8_t)(port >> 8), (uint8_t)port},
		.protocol = protocol,
	};
	memcpy(ret->vip, vip->b, sizeof(ret->vip));
}

struct maps_vip *maps_table_vip(const struct maps_table *t, const struct addr *a)
{
	struct maps_vip *vip;

	HASH_FIND(hh, t->vips, a, sizeof(*a), vip);
	return vip;
}

struct maps_svc *maps_table_svc(const struct maps_table *t, const struct nlb_svc_key *key)
{
	struct maps_svc *svc;

	HASH_FIND(hh, t->services, key, sizeof(*key), svc);
	return svc;
}

/* ---- the hash maps ---- */

/* To be called before an element enters a hash map. */
static int hash_settle(struct maps_table *t)
{
	return t->hash_epoch >= t->grace.epoch ? maps_grace_wait(&t->grace) : 0;
}

/* An element has left a hash map. */
static void hash_left(struct maps_table *t)
{
	t->hash_epoch = t->grace.epoch;
}

static int hash_put(int fd, const void *key, const void *value, uint64_t flags)
{
	return bpf_map_update_elem(fd, key, value, flags) < 0 ? -errno : 0;
}

static int hash_del(struct maps_table *t, int fd, const void *key)
{
	if (bpf_map_delete_elem(fd, key) < 0 && errno != ENOENT)
		return -errno;
	hash_left(t);
	return 0;
}

/* ---- the structs ---- */

int maps_table_add_vip(struct maps_table *t, struct maps_vip *vip)
{
	HASH_ADD(hh, t->vips, addr, sizeof(vip->addr), vip);
	return HASH_ADDED(hh, vip) ? 0 : -ENOMEM;
}

int maps_table_add_svc(struct maps_table *t, struct maps_svc *svc)
{
	if (t->n_all == t->cap_all) {
		size_t cap = MAX2((size_t)64, t->cap_all * 2);
		struct maps_svc **grown = reallocarray(t->all, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->all = grown;
		t->cap_all = cap;
	}
	HASH_ADD(hh, t->services, key, sizeof(svc->key), svc);
	if (!HASH_ADDED(hh, svc))
		return -ENOMEM;
	svc->pos = t->n_all;
	t->all[t->n_all++] = svc;
	svc->next = svc->vip->services;
	svc->vip->services = svc;
	return 0;
}

static void svc_free(struct maps_svc *svc)
{
	free(svc->backends);
	free(svc->numbers);
	free(svc);
}

static void svc_forget(struct maps_table *t, struct maps_svc *svc)
{
	struct maps_svc **at = &svc->vip->services;

	while (*at != svc)
		at = &(*at)->next;
	*at = svc->next;
	t->all[svc->pos] = t->all[--t->n_all];
	t->all[svc->pos]->pos = svc->pos;
	HASH_DELETE(hh, t->services, svc);
	svc_free(svc);
}

static void vip_free(struct maps_table *t, struct maps_vip *vip)
{
	HASH_DELETE(hh, t->vips, vip);
	free(vip);
}

int maps_table_init(struct maps_table *t, struct maps_bpf *bpf, struct neigh *neigh)
{
	int r;

	*t = (struct maps_table){.bpf = bpf};
	r = maps_grace_init(&t->grace);
	if (r == 0)
		r = maps_backends_init(&t->backends, bpf, &t->grace, neigh);
	if (r == 0)
		r = maps_rings_init(&t->rings, bpf, &t->grace);
	if (r == 0)
		r = maps_adopt(t);
	/* What the last agent had taken out may still be in use by a program. */
	if (r == 0)
		r = maps_grace_wait(&t->grace);
	if (r < 0)
		maps_table_done(t);
	return r;
}

void maps_table_done(struct maps_table *t)
{
	HASH_CLEAR(hh, t->services);
	for (size_t i = 0; i < t->n_all; i++)
		svc_free(t->all[i]);
	free(t->all);
	while (t->vips)
		vip_free(t, t->vips);
	maps_numbers_done(&t->vip_numbers);
	maps_numbers_done(&t->svc_numbers);
	maps_rings_done(&t->rings);
	maps_backends_done(&t->backends);
	maps_grace_done(&t->grace);
	*t = (struct maps_table){};
}

/* ---- VIPs ---- */

static int vip_new(struct maps_table *t, const struct addr *a, uint32_t flags)
{
	struct maps_vip *vip = calloc(1, sizeof(*vip));
	struct nlb_vip value = {.flags = flags};
	int r;

	if (!vip)
		return -ENOMEM;
	vip->addr = *a;
	vip->flags = flags;
	r = maps_numbers_get(&t->vip_numbers, &t->grace, &vip->number);
	if (r < 0) {
		free(vip);
		return r;
	}
	value.index = vip->number;
	r = maps_table_add_vip(t, vip);
	if (r < 0) {
		maps_numbers_put(&t->vip_numbers, &t->grace, vip->number);
		free(vip);
		return r;
	}
	r = maps_stats_clear(t->bpf->vip_stats_fd, vip->number);
	if (r == 0)
		r = hash_settle(t);
	if (r == 0)
		r = hash_put(t->bpf->vips_fd, a->b, &value, BPF_NOEXIST);
	if (r == 0)
		return 0;
	maps_numbers_put(&t->vip_numbers, &t->grace, vip->number);
	vip_free(t, vip);
	return r;
}

int maps_table_vip_set(struct maps_table *t, const struct addr *a, uint32_t flags)
{
	struct maps_vip *vip = maps_table_vip(t, a);
	struct nlb_vip value = {.flags = flags};
	int r;

	if (!vip)
		return vip_new(t, a, flags);
	if (vip->flags == flags)
		return 0;
	/* Replacing makes the old element free, as removing does. */
	value.index = vip->number;
	r = hash_settle(t);
	if (r == 0)
		r = hash_put(t->bpf->vips_fd, a->b, &value, BPF_EXIST);
	if (r < 0)
		return r;
	hash_left(t);
	vip->flags = flags;
	return 0;
}

int maps_table_vip_del(struct maps_table *t, struct maps_vip *vip)
{
	int r;

	while (vip->services) {
		r = maps_table_svc_del(t, vip->services);
		if (r < 0)
			return r;
	}
	r = hash_del(t, t->bpf->vips_fd, vip->addr.b);
	if (r < 0)
		return r;
	maps_numbers_put(&t->vip_numbers, &t->grace, vip->number);
	vip_free(t, vip);
	return 0;
}

/* ---- services ---- */

/* The switch. */
static void store_ring(struct maps_table *t, uint32_t number, struct nlb_ring ring)
{
	union {
		struct nlb_ring ring;
		uint64_t word;
	} u = {.ring = ring};

	_Static_assert(sizeof(u.ring) == sizeof(u.word), "one store");
	__atomic_store_n((uint64_t *)&t->bpf->ring_of[number], u.word, __ATOMIC_RELEASE);
}

static void put_backends(struct maps_table *t, const uint32_t *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		maps_backends_put(&t->backends, numbers[i]);
}

/* References to all, or to none. */
static int get_backends(struct maps_table *t, const struct maglev_backend *b, size_t n,
			uint32_t *numbers)
{
	for (size_t i = 0; i < n; i++) {
		int r = maps_backends_get(&t->backends, &b[i].addr, &numbers[i]);

		if (r < 0) {
			put_backends(t, numbers, i);
			return r;
		}
	}
	return 0;
}

static int backend_cmp(const void *a, const void *b)
{
	const struct maglev_backend *x = a, *y = b;

	return addr_cmp(&x->addr, &y->addr);
}

static bool same_backends(const struct maps_svc *svc, const struct maglev_backend *b, size_t n,
			  uint32_t ring_size)
{
	if (svc->n_backends != n || svc->ring.size != (n ? ring_size : 0))
		return false;
	for (size_t i = 0; i < n; i++)
		if (addr_cmp(&svc->backends[i].addr, &b[i].addr) != 0 ||
		    svc->backends[i].weight != b[i].weight)
			return false;
	return true;
}

/* A new set of backends, with its numbers, on its way into a service. */
struct change {
	struct maglev_backend *backends;
	uint32_t *numbers;
	size_t n;
	struct nlb_ring ring;
	bool held; /* the backends are referenced */
};

static void change_done(struct maps_table *t, struct change *c)
{
	if (c->held)
		put_backends(t, c->numbers, c->n);
	free(c->backends);
	free(c->numbers);
}

static int change_init(struct maps_table *t, struct change *c, const struct maglev_backend *b,
		       size_t n, char reason[static MSG_REASON_LEN])
{
	int r;

	*c = (struct change){.n = n};
	c->backends = calloc(MAX2(n, (size_t)1), sizeof(*c->backends));
	c->numbers = calloc(MAX2(n, (size_t)1), sizeof(*c->numbers));
	if (!c->backends || !c->numbers) {
		change_done(t, c);
		return -ENOMEM;
	}
	if (n)
		memcpy(c->backends, b, n * sizeof(*b));
	r = get_backends(t, b, n, c->numbers);
	if (r < 0) {
		snprintf(reason, MSG_REASON_LEN,
			 r == -ENOSPC ? "max-backends (%u) reached" : "no backend number (of %u)",
			 t->backends.max);
		change_done(t, c);
		return r;
	}
	c->held = true;
	return 0;
}

/* The service takes over what the change holds; what it had goes. */
static void change_apply(struct maps_table *t, struct change *c, struct maps_svc *svc)
{
	put_backends(t, svc->numbers, svc->n_backends);
	free(svc->numbers);
	free(svc->backends);
	svc->backends = TAKE_PTR(c->backends);
	svc->numbers = TAKE_PTR(c->numbers);
	svc->n_backends = c->n;
	c->held = false;
	svc->ring = c->ring;
	svc->digest = maps_rings_digest(&t->rings, &t->backends, svc->ring);
}

static int change_ring(struct maps_table *t, struct change *c, const struct maps_svc *old,
		       uint32_t size, char reason[static MSG_REASON_LEN])
{
	int r;

	if (!c->n)
		return 0;
	r = maps_rings_compute(&t->rings, c->backends, c->numbers, c->n, size);
	if (r < 0) {
		snprintf(reason, MSG_REASON_LEN, "no ring of %u slots for %zu backends: %s", size,
			 c->n, strerror(-r));
		return r;
	}
	if (old && maps_rings_same(&t->rings, old->ring, size)) {
		c->ring = old->ring;
		return 0;
	}
	r = maps_rings_write(&t->rings, size, &c->ring);
	if (r == -ENOSPC)
		snprintf(reason, MSG_REASON_LEN, "ring-slots (%u) used up: %u in use, %u wanted",
			 t->rings.pool.slots, t->rings.pool.used, size);
	return r;
}

static int svc_new(struct maps_table *t, const struct nlb_svc_key *key, struct maps_vip *vip,
		   struct change *c, struct maps_svc **ret, char reason[static MSG_REASON_LEN])
{
	struct maps_svc *svc = calloc(1, sizeof(*svc));
	struct nlb_service value = {.vip_index = vip->number};
	int r;

	if (!svc)
		return -ENOMEM;
	svc->key = *key;
	svc->vip = vip;
	r = maps_numbers_get(&t->svc_numbers, &t->grace, &svc->number);
	if (r < 0) {
		if (r == -ENOSPC)
			snprintf(reason, MSG_REASON_LEN, "max-services (%u) reached",
				 t->bpf->cfg->max_services);
		free(svc);
		return r;
	}
	value.number = svc->number;
	store_ring(t, svc->number, c->ring);
	r = hash_settle(t);
	if (r == 0)
		r = maps_table_add_svc(t, svc);
	if (r < 0) {
		maps_numbers_put(&t->svc_numbers, &t->grace, svc->number);
		svc_free(svc);
		return r;
	}
	r = hash_put(t->bpf->services_fd, key, &value, BPF_NOEXIST);
	if (r < 0) {
		maps_numbers_put(&t->svc_numbers, &t->grace, svc->number);
		svc_forget(t, svc);
		return r;
	}
	change_apply(t, c, svc);
	*ret = svc;
	return 0;
}

/* What the kernel says is in the maps, against what should be. */
static int read_back(const struct maps_table *t, const struct maps_svc *svc)
{
	const struct nlb_ring *ring = &t->bpf->ring_of[svc->number];
	struct nlb_service value;
	struct nlb_vip vip;

	if (bpf_map_lookup_elem(t->bpf->vips_fd, svc->key.vip, &vip) < 0 ||
	    bpf_map_lookup_elem(t->bpf->services_fd, &svc->key, &value) < 0)
		return -errno;
	if (vip.index != svc->vip->number || value.number != svc->number ||
	    value.vip_index != svc->vip->number || ring->base != svc->ring.base ||
	    ring->size != svc->ring.size)
		return -EIO;
	for (size_t i = 0; i < svc->n_backends; i++)
		if (memcmp(t->bpf->backends[svc->numbers[i]].addr, svc->backends[i].addr.b,
			   sizeof(svc->backends[i].addr.b)) != 0)
			return -EIO;
	return 0;
}

static int svc_apply(struct maps_table *t, const struct nlb_svc_key *key, struct change *c,
		     struct maps_svc *svc, struct maps_svc **ret,
		     char reason[static MSG_REASON_LEN])
{
	struct maps_vip *vip;
	struct nlb_ring old;
	struct addr a;

	if (!svc) {
		memcpy(a.b, key->vip, sizeof(a.b));
		vip = maps_table_vip(t, &a);
		if (vip)
			return svc_new(t, key, vip, c, ret, reason);
		if (t->vip_numbers.n)
			snprintf(reason, MSG_REASON_LEN, "the VIP is not set");
		else
			snprintf(reason, MSG_REASON_LEN, "max-vips (%u) reached",
				 t->bpf->cfg->max_vips);
		return -ENOENT;
	}
	old = svc->ring;
	*ret = svc;
	if (old.base != c->ring.base || old.size != c->ring.size) {
		store_ring(t, svc->number, c->ring);
		maps_rings_retire(&t->rings, old);
	}
	change_apply(t, c, svc);
	return 0;
}

int maps_table_svc_set(struct maps_table *t, const struct nlb_svc_key *key, uint32_t ring_size,
		       struct maglev_backend *b, size_t n, struct maps_svc **ret,
		       char reason[static MSG_REASON_LEN])
{
	struct maps_svc *svc = maps_table_svc(t, key);
	struct nlb_ring old = svc ? svc->ring : (struct nlb_ring){};
	struct change c;
	int r;

	reason[0] = '\0';
	if (n)
		qsort(b, n, sizeof(*b), backend_cmp);
	if (svc && same_backends(svc, b, n, ring_size)) {
		*ret = svc;
		r = 0;
		goto check;
	}
	r = change_init(t, &c, b, n, reason);
	if (r == 0) {
		r = change_ring(t, &c, svc, ring_size, reason);
		if (r == 0) {
			r = svc_apply(t, key, &c, svc, ret, reason);
			if (r < 0 && c.ring.size)
				maps_rings_retire(&t->rings, c.ring);
		}
		change_done(t, &c);
	}
	if (r == 0)
		r = !svc || old.base != (*ret)->ring.base || old.size != (*ret)->ring.size;
check:
	if (r >= 0) {
		int err = read_back(t, *ret);

		if (err < 0) {
			snprintf(reason, MSG_REASON_LEN, "the maps read back differently");
			r = err;
		}
	}
	if (r < 0 && !reason[0])
		snprintf(reason, MSG_REASON_LEN, "writing the maps: %s", strerror(-r));
	return r;
}

int maps_table_svc_del(struct maps_table *t, struct maps_svc *svc)
{
	int r = hash_del(t, t->bpf->services_fd, &svc->key);

	if (r < 0)
		return r;
	maps_rings_retire(&t->rings, svc->ring);
	put_backends(t, svc->numbers, svc->n_backends);
	maps_numbers_put(&t->svc_numbers, &t->grace, svc->number);
	svc_forget(t, svc);
	return 0;
}
