// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlb_gone and its mirror: a hash by key, in the order of time, and a list for each
 * service. The mirror never lacks what is in the map: an entry comes there first, and
 * leaves it last. The map is written by batches, since a change of many backends would be as many
 * system calls.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "maps_gone.h"
#include "util.h"

int maps_gones_init(struct maps_gones *g, int fd, uint32_t max_services)
{
	*g = (struct maps_gones){.fd = fd, .max_services = max_services};
	g->of_service = calloc(max_services + 1u, sizeof(*g->of_service));
	return g->of_service ? 0 : -ENOMEM;
}

static void unlink_service(struct maps_gones *g, struct maps_gone *e)
{
	if (e->prev)
		e->prev->next = e->next;
	else
		g->of_service[e->key.service] = e->next;
	if (e->next)
		e->next->prev = e->prev;
}

static void forget(struct maps_gones *g, struct maps_gone *e)
{
	HASH_DELETE(hh, g->all, e);
	unlink_service(g, e);
	free(e);
}

void maps_gones_done(struct maps_gones *g)
{
	while (g->all)
		forget(g, g->all);
	free(g->of_service);
	free(g->adding.key);
	free(g->removing.key);
	*g = (struct maps_gones){};
}

static struct maps_gone *find(const struct maps_gones *g, const struct nlb_gone_key *key)
{
	struct maps_gone *e;

	HASH_FIND(hh, g->all, key, sizeof(*key), e);
	return e;
}

/* The mirror's part. */
static int note(struct maps_gones *g, const struct nlb_gone_key *key, uint32_t since)
{
	struct maps_gone *e = calloc(1, sizeof(*e)), **head = &g->of_service[key->service];

	if (!e)
		return -ENOMEM;
	e->key = *key;
	e->since = since;
	HASH_ADD(hh, g->all, key, sizeof(e->key), e);
	if (!HASH_ADDED(hh, e)) {
		free(e);
		return -ENOMEM;
	}
	e->next = *head;
	if (*head)
		(*head)->prev = e;
	*head = e;
	return 0;
}

static int list_add(struct maps_gone_list *l, const struct nlb_gone_key *key)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct nlb_gone_key *grown = reallocarray(l->key, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->key = grown;
		l->cap = cap;
	}
	l->key[l->n++] = *key;
	return 0;
}

static void forget_keys(struct maps_gones *g, const struct nlb_gone_key *key, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct maps_gone *e = find(g, &key[i]);

		if (e)
			forget(g, e);
	}
}

/* Removes the list's keys from the map, and those from the mirror that are gone from there. */
static int write_removals(struct maps_gones *g, struct maps_gone_list *l)
{
	size_t done = 0;
	int r = 0;

	while (done < l->n && r == 0) {
		uint32_t n = (uint32_t)(l->n - done);

		/* It stops at one that is not there, which is as well. */
		r = bpf_map_delete_batch(g->fd, l->key + done, &n, NULL) < 0 ? -errno : 0;
		if (r == -ENOENT) {
			n++;
			r = 0;
		}
		forget_keys(g, l->key + done, n);
		done += n;
	}
	l->n = 0;
	return r;
}

static size_t write_additions(struct maps_gones *g, struct maps_gone_list *l)
{
	uint32_t n = (uint32_t)l->n, *ones = malloc(l->n * sizeof(*ones));
	size_t lost;

	for (size_t i = 0; i < l->n; i++) {
		struct maps_gone *e = find(g, &l->key[i]);

		if (e)
			e->noted = 0;
		if (ones)
			ones[i] = 1;
	}
	if (!ones)
		n = 0;
	else if (bpf_map_update_batch(g->fd, l->key, ones, &n, NULL) == 0)
		n = (uint32_t)l->n;
	free(ones);
	lost = l->n - n;
	forget_keys(g, l->key + n, lost);
	l->n = 0;
	return lost;
}

int maps_gones_write(struct maps_gones *g, size_t *ret_lost)
{
	int r = g->removing.n ? write_removals(g, &g->removing) : 0;

	*ret_lost = 0;
	if (r < 0) {
		forget_keys(g, g->adding.key, g->adding.n);
		g->adding.n = 0;
	} else if (g->adding.n) {
		*ret_lost = write_additions(g, &g->adding);
	}
	return r;
}

/* As the youngest. */
static int renew(struct maps_gones *g, struct maps_gone *e, uint32_t now)
{
	e->since = now;
	if (!e->hh.next)
		return 0;
	HASH_DELETE(hh, g->all, e);
	e->hh = (UT_hash_handle){};
	HASH_ADD(hh, g->all, key, sizeof(e->key), e);
	if (HASH_ADDED(hh, e))
		return 0;
	/* The mirror must not lack what is in the map. */
	bpf_map_delete_elem(g->fd, &e->key);
	unlink_service(g, e);
	free(e);
	return -ENOMEM;
}

int maps_gones_set(struct maps_gones *g, uint32_t service, uint32_t backend, uint32_t now)
{
	struct nlb_gone_key key = {.service = service, .backend = backend};
	struct maps_gone *e = find(g, &key);
	int r;

	if (e)
		return renew(g, e, now);
	r = list_add(&g->adding, &key);
	if (r < 0)
		return r;
	r = note(g, &key, now);
	if (r < 0)
		g->adding.n--;
	else
		find(g, &key)->noted = g->adding.n;
	return r;
}

/* It was noted to be added, which is not to be. */
static void unnote(struct maps_gones *g, struct maps_gone *e)
{
	const struct nlb_gone_key *last = &g->adding.key[--g->adding.n];

	if (e->noted <= g->adding.n) {
		struct maps_gone *moved = find(g, last);

		g->adding.key[e->noted - 1] = *last;
		if (moved)
			moved->noted = e->noted;
	}
	forget(g, e);
}

int maps_gones_clear(struct maps_gones *g, uint32_t service, uint32_t backend)
{
	struct nlb_gone_key key = {.service = service, .backend = backend};
	struct maps_gone *e = find(g, &key);

	if (!e)
		return 0;
	if (!e->noted)
		return list_add(&g->removing, &key);
	unnote(g, e);
	return 0;
}

int maps_gones_clear_service(struct maps_gones *g, uint32_t service)
{
	struct maps_gone_list l = {};
	struct maps_gone *e, *next;
	int r = 0;

	for (e = g->of_service[service]; e && r == 0; e = next) {
		next = e->next;
		if (e->noted)
			unnote(g, e);
		else
			r = list_add(&l, &e->key);
	}
	if (r == 0)
		r = write_removals(g, &l);
	free(l.key);
	return r;
}

int maps_gones_copy(struct maps_gones *g, uint32_t from, uint32_t to)
{
	for (const struct maps_gone *e = g->of_service[from]; e; e = e->next) {
		int r = maps_gones_set(g, to, e->key.backend, e->since);

		if (r < 0)
			return r;
	}
	return 0;
}

int maps_gones_purge(struct maps_gones *g, const bool *gone, uint32_t n)
{
	struct maps_gone_list l = {};
	int r = 0;

	for (const struct maps_gone *e = g->all; e && r == 0; e = e->hh.next)
		if (e->key.backend <= n && gone[e->key.backend])
			r = list_add(&l, &e->key);
	if (r == 0)
		r = write_removals(g, &l);
	free(l.key);
	return r;
}

void maps_gones_expire(struct maps_gones *g, uint32_t now, uint32_t idle, uint32_t max)
{
	struct maps_gone_list l = {};

	for (const struct maps_gone *e = g->all;
	     e && l.n < max && now > e->since && now - e->since > idle; e = e->hh.next)
		if (list_add(&l, &e->key) < 0)
			break;
	write_removals(g, &l);
	free(l.key);
}

int maps_gones_adopt(struct maps_gones *g, uint32_t now,
		     bool (*fits)(void *user, const struct nlb_gone_key *key), void *user)
{
	struct nlb_gone_key key, next;
	int more, removed = 0, r;

	more = bpf_map_get_next_key(g->fd, NULL, &next) < 0 ? -errno : 0;
	while (more == 0) {
		key = next;
		more = bpf_map_get_next_key(g->fd, &key, &next) < 0 ? -errno : 0;
		if (key.service <= g->max_services && fits(user, &key)) {
			r = find(g, &key) ? 0 : note(g, &key, now);
			if (r < 0)
				return r;
			continue;
		}
		if (bpf_map_delete_elem(g->fd, &key) < 0 && errno != ENOENT)
			return -errno;
		removed++;
	}
	return more == -ENOENT ? removed : more;
}
