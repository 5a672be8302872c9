// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading the maps that an earlier agent left, with which the program went on
 * forwarding all the while. Nothing that is in order is written. What is not
 * (this code never leaves such a thing, but maps can be written by others) is
 * removed, so that the parent's next batch makes it anew.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "maps_table.h"
#include "util.h"

struct adoption {
	struct maps_table *t;
	bool *vip_used, *svc_used;
	uint32_t *seen; /* by backend number: the service that had it last, plus one */
	uint32_t n_seen;
};

/*
 * Calls fn for each entry of a hash map. The next key is fetched before the
 * call, so that fn may remove the entry.
 */
static int each_entry(struct adoption *ad, int fd, size_t key_size, size_t value_size,
		      int (*fn)(struct adoption *ad, const void *key, const void *value))
{
	unsigned char key[32], next[32], value[32];
	int r, more;

	if (key_size > sizeof(key) || value_size > sizeof(value))
		return -EINVAL;
	more = bpf_map_get_next_key(fd, NULL, next) < 0 ? -errno : 0;
	while (more == 0) {
		memcpy(key, next, key_size);
		more = bpf_map_get_next_key(fd, key, next) < 0 ? -errno : 0;
		if (bpf_map_lookup_elem(fd, key, value) < 0)
			return -errno;
		r = fn(ad, key, value);
		if (r < 0)
			return r;
	}
	return more == -ENOENT ? 0 : more;
}

static int discard(int fd, const void *key, const char *what, const struct addr *a)
{
	char text[ADDR_STRLEN];

	log_warning("entry in the pinned maps is not in order, removed", "what=\"%s\" vip=%s", what,
		    addr_str(a, text));
	return bpf_map_delete_elem(fd, key) < 0 ? -errno : 0;
}

static int adopt_vip(struct adoption *ad, const void *key, const void *value)
{
	struct maps_table *t = ad->t;
	struct nlb_vip entry;
	struct maps_vip *vip;
	struct addr a;
	int r;

	memcpy(&entry, value, sizeof(entry));
	memcpy(a.b, key, sizeof(a.b));
	if (entry.index >= t->bpf->cfg->max_vips || ad->vip_used[entry.index] || !addr_is_host(&a))
		return discard(t->bpf->vips_fd, key, "VIP", &a);
	vip = calloc(1, sizeof(*vip));
	if (!vip)
		return -ENOMEM;
	vip->addr = a;
	vip->number = entry.index;
	vip->flags = entry.flags;
	r = maps_table_add_vip(t, vip);
	if (r < 0) {
		free(vip);
		return r;
	}
	ad->vip_used[entry.index] = true;
	return 0;
}

/* The distinct backends of a ring into svc, by address. -EINVAL: not a ring. */
static int adopt_backends(struct adoption *ad, struct maps_svc *svc)
{
	const uint32_t *slots = ad->t->bpf->slots + svc->ring.base;
	const struct maps_backends *backends = &ad->t->backends;
	uint32_t mark = ++ad->n_seen;
	size_t n = 0;

	for (uint32_t i = 0; i < svc->ring.size; i++) {
		uint32_t number = slots[i];

		if (number == NLB_BACKEND_NONE || number > backends->max ||
		    !backends->all[number].known)
			return -EINVAL;
		if (ad->seen[number] == mark)
			continue;
		ad->seen[number] = mark;
		n++;
	}
	svc->numbers = calloc(MAX2(n, (size_t)1), sizeof(*svc->numbers));
	svc->backends = calloc(MAX2(n, (size_t)1), sizeof(*svc->backends));
	if (!svc->numbers || !svc->backends)
		return -ENOMEM;
	for (uint32_t i = 0; svc->n_backends < n; i++) {
		uint32_t number = slots[i];

		if (ad->seen[number] != mark)
			continue;
		ad->seen[number] = 0;
		svc->numbers[svc->n_backends] = number;
		svc->backends[svc->n_backends].addr = backends->all[number].addr;
		svc->n_backends++;
	}
	return 0;
}

static int take_service(struct adoption *ad, struct maps_svc *svc)
{
	struct maps_table *t = ad->t;
	int r;

	svc->ring = t->bpf->ring_of[svc->number];
	if (!svc->ring.size)
		return maps_table_add_svc(t, svc);
	r = maps_rings_adopt(&t->rings, svc->ring);
	if (r < 0)
		return r;
	r = adopt_backends(ad, svc);
	if (r == 0)
		r = maps_table_add_svc(t, svc);
	if (r < 0) {
		maps_rings_retire(&t->rings, svc->ring);
		return r;
	}
	for (size_t i = 0; i < svc->n_backends; i++)
		maps_backends_ref(&t->backends, svc->numbers[i]);
	svc->digest = maps_rings_digest(&t->rings, &t->backends, svc->ring);
	return 0;
}

static int adopt_service(struct adoption *ad, const void *key, const void *value)
{
	struct maps_table *t = ad->t;
	struct nlb_service entry;
	struct maps_svc *svc;
	struct maps_vip *vip;
	struct addr a;
	int r;

	memcpy(&entry, value, sizeof(entry));
	memcpy(a.b, key, sizeof(a.b));
	vip = maps_table_vip(t, &a);
	if (!vip || vip->number != entry.vip_index || entry.number >= t->bpf->cfg->max_services ||
	    ad->svc_used[entry.number])
		return discard(t->bpf->services_fd, key, "service", &a);
	svc = calloc(1, sizeof(*svc));
	if (!svc)
		return -ENOMEM;
	memcpy(&svc->key, key, sizeof(svc->key));
	svc->vip = vip;
	svc->number = entry.number;
	r = take_service(ad, svc);
	if (r == 0) {
		ad->svc_used[entry.number] = true;
		return 0;
	}
	free(svc->backends);
	free(svc->numbers);
	free(svc);
	if (r == -EINVAL || r == -EEXIST)
		return discard(t->bpf->services_fd, key, "ring", &a);
	return r;
}

int maps_adopt(struct maps_table *t)
{
	const struct config *cfg = t->bpf->cfg;
	_cleanup_free_ bool *vip_used = calloc(MAX2(cfg->max_vips, 1u), sizeof(bool));
	_cleanup_free_ bool *svc_used = calloc(MAX2(cfg->max_services, 1u), sizeof(bool));
	_cleanup_free_ uint32_t *seen = calloc(cfg->max_backends + 1u, sizeof(*seen));
	struct adoption ad = {.t = t, .vip_used = vip_used, .svc_used = svc_used, .seen = seen};
	int r;

	if (!vip_used || !svc_used || !seen)
		return -ENOMEM;
	r = each_entry(&ad, t->bpf->vips_fd, sizeof(struct nlb_vip_key), sizeof(struct nlb_vip),
		       adopt_vip);
	if (r == 0)
		r = each_entry(&ad, t->bpf->services_fd, sizeof(struct nlb_svc_key),
			       sizeof(struct nlb_service), adopt_service);
	if (r == 0)
		r = maps_numbers_init(&t->vip_numbers, cfg->max_vips, vip_used);
	if (r == 0)
		r = maps_numbers_init(&t->svc_numbers, cfg->max_services, svc_used);
	return r;
}
