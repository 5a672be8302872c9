// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlb_gone and its mirror: a hash by key, in the order of time, and a list for each
 * service. The map comes first in each change, so that the mirror never
 * lacks what is in there.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "maps_gone.h"
#include "util.h"

int maps_gones_init(struct maps_gones *g, int fd, uint32_t max_services)
{
	*g = (struct maps_gones){.fd = fd, .max_services = max_services};
	g->of_service = calloc(max_services + 1u, sizeof(*g->of_service));
	return g->of_service ? 0 : -ENOMEM;
}

static void forget(struct maps_gones *g, struct maps_gone *e)
{
	HASH_DELETE(hh, g->all, e);
	if (e->prev)
		e->prev->next = e->next;
	else
		g->of_service[e->key.service] = e->next;
	if (e->next)
		e->next->prev = e->prev;
	free(e);
}

void maps_gones_done(struct maps_gones *g)
{
	while (g->all)
		forget(g, g->all);
	free(g->of_service);
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

static int remove_entry(struct maps_gones *g, struct maps_gone *e)
{
	if (bpf_map_delete_elem(g->fd, &e->key) < 0 && errno != ENOENT)
		return -errno;
	forget(g, e);
	return 0;
}

int maps_gones_set(struct maps_gones *g, uint32_t service, uint32_t backend, uint32_t now)
{
	struct nlb_gone_key key = {.service = service, .backend = backend};
	struct maps_gone *e = find(g, &key);
	uint32_t value = 1;
	int r;

	if (e) {
		/* It is the youngest now. */
		forget(g, e);
	} else if (bpf_map_update_elem(g->fd, &key, &value, BPF_ANY) < 0) {
		return -errno;
	}
	r = note(g, &key, now);
	if (r < 0)
		bpf_map_delete_elem(g->fd, &key);
	return r;
}

int maps_gones_clear(struct maps_gones *g, uint32_t service, uint32_t backend)
{
	struct nlb_gone_key key = {.service = service, .backend = backend};
	struct maps_gone *e = find(g, &key);

	return e ? remove_entry(g, e) : 0;
}

int maps_gones_clear_service(struct maps_gones *g, uint32_t service)
{
	while (g->of_service[service]) {
		int r = remove_entry(g, g->of_service[service]);

		if (r < 0)
			return r;
	}
	return 0;
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
	struct maps_gone *e, *next;

	for (e = g->all; e; e = next) {
		int r;

		next = e->hh.next;
		if (e->key.backend > n || !gone[e->key.backend])
			continue;
		r = remove_entry(g, e);
		if (r < 0)
			return r;
	}
	return 0;
}

void maps_gones_expire(struct maps_gones *g, uint32_t now, uint32_t idle, uint32_t max)
{
	for (; max && g->all && now > g->all->since && now - g->all->since > idle; max--)
		if (remove_entry(g, g->all) < 0)
			return;
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
