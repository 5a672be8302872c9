// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Local VIPs: a second source besides the scheduler's list. Each is changed by itself
 * and lives in its core_vip, whose owner says whose it is; the list passes over it, and
 * it does not count in the share that a list may remove. It leaves as any VIP does.
 *
 * An address has one owner. While a VIP is wanted by the scheduler it cannot be made
 * local. What the scheduler names when it is local already is refused, and becomes the
 * scheduler's when the local one is deleted.
 */
#include <stdio.h>
#include <string.h>

#include "core_int.h"
#include "log.h"
#include "model_edit.h"

bool core_vip_is_local(const struct core_vip *v)
{
	return v->owner == CORE_OWNER_LOCAL && v->phase == CORE_WANTED;
}

const char *core_owner_str(enum core_owner owner)
{
	static const char *const names[] = {
		[CORE_OWNER_NONE] = "none",
		[CORE_OWNER_SCHEDULER] = "scheduler",
		[CORE_OWNER_LOCAL] = "local",
	};

	return names[owner];
}

size_t core_local_count(const struct core *c)
{
	size_t n = 0;

	for (const struct core_vip *v = c->vips; v; v = v->hh.next)
		n += core_vip_is_local(v);
	return n;
}

/* ---- room ---- */

static void room_begin(const struct core *c, struct core_local_room *room)
{
	room->begun = true;
	/* Those that leave are in the maps until they have left. */
	room->vips = HASH_COUNT(c->vips);
	room->services = c->n_ports;
	room->backends = core_targets_count(c);
	for (const struct core_vip *v = c->vips; v; v = v->hh.next)
		if (v->phase != CORE_DELETED)
			model_lengths_take(&room->lengths, &v->conf.addr, v->conf.plen);
}

static int no_room(char *err, size_t len, const char *what, size_t n, uint32_t max)
{
	snprintf(err, len, "there would be %zu %s, and max-%s is %u", n, what, what, max);
	return -ENOSPC;
}

static int by_addr(const void *a, const void *b)
{
	return addr_cmp(a, b);
}

/* How many addresses of backends the VIP has, each once, that no VIP has yet. */
static size_t new_targets(const struct core *c, const struct model_vip *conf)
{
	_cleanup_free_ struct addr *all = NULL;
	size_t n = 0, room = 0, different = 0;

	for (size_t i = 0; i < conf->n_ports; i++)
		for (size_t j = 0; j < conf->ports[i].n_backends; j++)
			room += !core_target_known(c, &conf->ports[i].backends[j].addr);
	all = room ? calloc(room, sizeof(*all)) : NULL;
	if (!all)
		return room;
	for (size_t i = 0; i < conf->n_ports; i++)
		for (size_t j = 0; j < conf->ports[i].n_backends; j++)
			if (!core_target_known(c, &conf->ports[i].backends[j].addr))
				all[n++] = conf->ports[i].backends[j].addr;
	qsort(all, n, sizeof(*all), by_addr);
	for (size_t i = 0; i < n; i++)
		different += !i || addr_cmp(&all[i - 1], &all[i]) != 0;
	return different;
}

/*
 * Counts what is new; what goes by the same change still has its place in the maps while
 * the new is put beside it.
 */
static void room_add(struct core *c, const struct core_vip *v, const struct model_vip *conf,
		     struct core_local_room *room)
{
	room->vips += !v;
	for (size_t i = 0; i < conf->n_ports; i++) {
		const struct model_port *p = &conf->ports[i];

		if (!v || !core_port_find((struct core_vip *)v, p->protocol, p->port))
			room->services++;
	}
	room->backends += new_targets(c, conf);
}

int core_local_check(struct core *c, const struct model_vip *conf, struct core_local_room *room,
		     char *err, size_t err_len)
{
	const struct core_vip *v = core_vip_find(c, &conf->addr);
	const struct config *cfg = c->cfg;

	if (v && v->phase == CORE_WANTED && v->owner == CORE_OWNER_SCHEDULER) {
		snprintf(err, err_len, "the VIP is the scheduler's");
		return -EEXIST;
	}
	if (!room->begun)
		room_begin(c, room);
	room_add(c, v, conf, room);
	if (room->vips > cfg->max_vips)
		return no_room(err, err_len, "vips", room->vips, cfg->max_vips);
	if (room->services > cfg->max_services)
		return no_room(err, err_len, "services", room->services, cfg->max_services);
	if (room->backends > cfg->max_backends)
		return no_room(err, err_len, "backends", room->backends, cfg->max_backends);
	if (!model_lengths_take(&room->lengths, &conf->addr, conf->plen)) {
		snprintf(err, err_len,
			 "%d other lengths of prefixes are in use, which is the limit",
			 NLB_PREFIXES_MAX);
		return -ENOSPC;
	}
	return 0;
}

/* ---- changing ---- */

static void say(const struct core_vip *v, const char *what)
{
	char text[ADDR_STRLEN];

	log_notice("local VIP", "vip=%s services=%zu change=%s",
		   addr_prefix_str(&v->conf.addr, v->conf.plen, text), v->n_ports, what);
}

/* The VIP becomes local: new, or out of the scheduler's or nobody's hands. */
static int adopt(struct core *c, struct core_vip *v, const struct model_vip *conf)
{
	enum core_owner was = v->owner;
	int r = 0;

	/* First: the overrides of a scheduler's VIP do not count for it. */
	v->owner = CORE_OWNER_LOCAL;
	if (!v->configured || was != CORE_OWNER_LOCAL || !model_vip_equal(&v->conf, conf))
		r = core_vip_configure(v, conf);
	if (r < 0) {
		v->owner = was;
		return r;
	}
	v->refusal = NULL;
	memcpy(v->conf.id, conf->id, sizeof(v->conf.id));
	if (v->phase != CORE_WANTED)
		core_revive(v);
	if (c->model)
		core_overrides_prune(c);
	return CORE_LOCAL_CREATED;
}

static int replace(struct core_vip *v, const struct model_vip *conf)
{
	int r;

	if (!model_vip_equal(&v->conf, conf)) {
		r = core_vip_configure(v, conf);
		return r < 0 ? r : CORE_LOCAL_REPLACED;
	}
	if (strcmp(v->conf.id, conf->id) == 0)
		return CORE_LOCAL_UNCHANGED;
	memcpy(v->conf.id, conf->id, sizeof(v->conf.id));
	v->told_dirty = true;
	core_vip_dirty(v);
	return CORE_LOCAL_REPLACED;
}

int core_local_put(struct core *c, const struct model_vip *conf, uint64_t now_ns)
{
	struct core_vip *v = core_vip_find(c, &conf->addr);
	bool is_new = !v;
	int r;

	c->now = now_ns;
	if (!v) {
		r = core_vip_new(c, &conf->addr, &v);
		if (r < 0)
			return r;
	}
	r = core_vip_is_local(v) ? replace(v, conf) : adopt(c, v, conf);
	if (r < 0) {
		if (is_new)
			core_vip_free(v);
		return r;
	}
	if (r == CORE_LOCAL_UNCHANGED)
		return r;
	c->local_dirty = c->report_dirty = true;
	say(v, r == CORE_LOCAL_CREATED ? "created" : "replaced");
	return r;
}

int core_local_delete(struct core *c, const struct addr *vip, uint64_t now_ns)
{
	struct core_vip *v = core_vip_find(c, vip);
	const struct model_vip *want = c->model ? model_find(c->model, vip) : NULL;

	c->now = now_ns;
	if (!v || !core_vip_is_local(v))
		return -ENOENT;
	say(v, want && !want->deletion ? "handed over" : "deleted");
	c->local_dirty = c->report_dirty = true;
	if (!want) {
		core_withdraw(v);
		return 0;
	}
	v->owner = CORE_OWNER_SCHEDULER;
	/* Other configuration: what the list says is not what runs. */
	return core_vip_want(c, want);
}

int core_backend_set(struct core_backend *be, uint32_t weight, enum model_admin admin)
{
	struct core_port *p = be->port;
	struct core_vip *v = p->vip;
	struct model_backend *conf = &v->conf.ports[p - v->ports].backends[be - p->backends];

	if (conf->weight == weight && conf->admin == admin)
		return 0;
	conf->weight = be->conf.weight = weight;
	conf->admin = be->conf.admin = admin;
	core_backend_touch(be);
	v->core->local_dirty = true;
	return 1;
}

/* ---- on disk ---- */

int core_local_load(struct core *c, struct model *m, uint64_t now_ns)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < m->n_vips; i++)
		r = core_local_put(c, &m->vips[i], now_ns);
	model_free(m);
	c->local_dirty = false;
	core_sync_wait(c);
	return r < 0 ? r : 0;
}

static void write_vip(const struct core_vip *v, struct jput b)
{
	struct jput ports;

	model_vip_write_own(&v->conf, b);
	ports = jput_array(b, "ports");
	for (size_t i = 0; i < v->n_ports; i++)
		model_port_write(&v->conf.ports[i], NULL, jput_object(ports, NULL));
}

void core_local_write(const struct core *c, struct jput b)
{
	for (const struct core_vip *v = c->vips; v; v = v->hh.next)
		if (core_vip_is_local(v))
			write_vip(v, jput_object(b, NULL));
}
