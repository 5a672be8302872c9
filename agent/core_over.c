// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What outlives a restart besides the model: the operator's overrides of
 * backends, and the last verdicts. Both are tables by key; an override stays
 * as long as the configuration has its backend, a verdict as long as somebody
 * may still ask for it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core_int.h"
#include "log.h"

_Static_assert(sizeof(struct core_key) == 36, "a key has no padding");

struct core_override {
	UT_hash_handle hh;
	struct core_key key;
	enum model_admin admin;
};

struct core_stored {
	UT_hash_handle hh;
	uint64_t digest;
	enum msg_hc_state state;
};

struct core_serving {
	UT_hash_handle hh;
	struct addr addr;
};

static struct core_override *override_get(const struct core *c, const struct core_key *key)
{
	struct core_override *o;

	HASH_FIND(hh, c->overrides, key, sizeof(*key), o);
	return o;
}

bool core_override_find(const struct core *c, const struct core_key *key, enum model_admin *ret)
{
	struct core_override *o = override_get(c, key);

	if (o)
		*ret = o->admin;
	return o != NULL;
}

int core_override_load(struct core *c, const struct core_key *key, enum model_admin admin)
{
	struct core_override *o = override_get(c, key);

	if (o) {
		o->admin = admin;
		return 0;
	}
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->key = *key;
	o->admin = admin;
	HASH_ADD(hh, c->overrides, key, sizeof(*key), o);
	if (!HASH_ADDED(hh, o)) {
		free(o);
		return -ENOMEM;
	}
	return 0;
}

struct core_backend *core_backend_by_key(const struct core *c, const struct core_key *key)
{
	struct core_vip *v = core_vip_find(c, &key->vip);
	struct core_port *p = v ? core_port_find(v, key->protocol, key->port) : NULL;

	return p ? core_backend_find(p, &key->backend) : NULL;
}

static struct core_key key_of(const struct core_backend *be)
{
	const struct core_port *p = be->port;

	return (struct core_key){
		.vip = p->vip->conf.addr,
		.backend = be->conf.addr,
		.port = p->conf->port,
		.protocol = p->conf->protocol,
	};
}

void core_backend_touch(struct core_backend *be)
{
	be->port->dirty = true;
	be->port->vip->told_dirty = true;
	core_vip_dirty(be->port->vip);
}

static void changed(struct core_backend *be, const char *admin)
{
	const struct core_port *p = be->port;
	struct core *c = p->vip->core;
	char vip[ADDR_STRLEN], backend[ADDR_STRLEN];

	core_backend_touch(be);
	c->overrides_dirty = true;
	if (!core_log_one(c, &c->overridden))
		return;
	log_notice("operator overrides backend", "vip=%s service=%s/%u backend=%s admin=%s",
		   addr_str(&p->vip->conf.addr, vip), model_protocol_str(p->conf->protocol),
		   p->conf->port, addr_str(&be->conf.addr, backend), admin);
}

int core_override_put(struct core_backend *be, enum model_admin admin)
{
	struct core_key key = key_of(be);
	int r;

	if (be->has_override && be->override == admin)
		return 0;
	r = core_override_load(be->port->vip->core, &key, admin);
	if (r < 0)
		return r;
	be->has_override = true;
	be->override = admin;
	changed(be, model_admin_str(admin));
	return 1;
}

static void override_free(struct core *c, struct core_override *o)
{
	HASH_DELETE(hh, c->overrides, o);
	free(o);
}

int core_override_drop(struct core_backend *be)
{
	struct core *c = be->port->vip->core;
	struct core_key key = key_of(be);
	struct core_override *o = override_get(c, &key);

	if (!o)
		return 0;
	override_free(c, o);
	be->has_override = false;
	changed(be, "scheduler");
	return 1;
}

int core_override_set(struct core *c, const struct core_key *key, enum model_admin admin)
{
	struct core_backend *be = core_backend_by_key(c, key);
	int r;

	if (!be)
		return -ENOENT;
	r = core_override_put(be, admin);
	return r < 0 ? r : 0;
}

int core_override_clear(struct core *c, const struct core_key *key)
{
	struct core_backend *be = core_backend_by_key(c, key);

	if (!be)
		return -ENOENT;
	core_override_drop(be);
	return 0;
}

void core_overrides_prune(struct core *c)
{
	struct core_override *o, *next;

	for (o = c->overrides; o; o = next) {
		const struct core_backend *be = core_backend_by_key(c, &o->key);

		next = o->hh.next;
		if (be && be->port->vip->owner != CORE_OWNER_LOCAL)
			continue;
		override_free(c, o);
		c->overrides_dirty = true;
	}
}

size_t core_overrides_count(const struct core *c)
{
	return HASH_COUNT(c->overrides);
}

static void write_override(const struct core_override *o, struct jput b)
{
	jput_addr(b, "vip", &o->key.vip);
	jput_str(b, "protocol", model_protocol_str(o->key.protocol));
	jput_u64(b, "port", o->key.port);
	jput_addr(b, "backend", &o->key.backend);
	jput_str(b, "admin", model_admin_str(o->admin));
}

void core_overrides_write(struct core *c, struct jput b)
{
	for (const struct core_override *o = c->overrides; o; o = o->hh.next)
		write_override(o, jput_object(b, NULL));
}

/* ---- verdicts ---- */

int core_verdict_load(struct core *c, uint64_t digest, enum msg_hc_state state)
{
	struct core_stored *s;

	HASH_FIND(hh, c->verdicts, &digest, sizeof(digest), s);
	if (s) {
		s->state = state;
		return 0;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->digest = digest;
	s->state = state;
	HASH_ADD(hh, c->verdicts, digest, sizeof(digest), s);
	if (!HASH_ADDED(hh, s)) {
		free(s);
		return -ENOMEM;
	}
	return 0;
}

static bool serving_has(const struct core *c, const struct addr *a)
{
	const struct core_serving *s;

	HASH_FIND(hh, c->serving, a, sizeof(*a), s);
	return s != NULL;
}

int core_serving_add(struct core *c, const struct addr *backend)
{
	struct core_serving *s;

	if (serving_has(c, backend))
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->addr = *backend;
	HASH_ADD(hh, c->serving, addr, sizeof(*backend), s);
	if (!HASH_ADDED(hh, s)) {
		free(s);
		return -ENOMEM;
	}
	return 0;
}

/*
 * The rings are the truth: they were switched after the last verdict that
 * counted. The file may be a verdict behind, if the agent was killed in
 * between, and then a backend that serves would be taken out for being "down",
 * or one that was taken out put back. A stored verdict that the adopted rings
 * contradict is not used; the first probe decides, and until then the ring stays.
 */
enum msg_hc_state core_verdict_find(const struct core *c, uint64_t digest,
				    const struct addr *target)
{
	const struct core_stored *s;

	HASH_FIND(hh, c->verdicts, &digest, sizeof(digest), s);
	if (!s || (c->any_adopted && (s->state == MSG_HC_UP) != serving_has(c, target)))
		return MSG_HC_UNKNOWN;
	return s->state;
}

void core_verdicts_forget(struct core *c)
{
	while (c->verdicts) {
		struct core_stored *s = c->verdicts;

		HASH_DELETE(hh, c->verdicts, s);
		free(s);
	}
	while (c->serving) {
		struct core_serving *s = c->serving;

		HASH_DELETE(hh, c->serving, s);
		free(s);
	}
}

void core_verdicts_write(struct core *c, struct jput b)
{
	char digest[17];

	for (const struct core_cond *cond = c->conds_by_id; cond; cond = cond->by_id.next) {
		if (cond->state == MSG_HC_UNKNOWN)
			continue;
		snprintf(digest, sizeof(digest), "%016" PRIx64, cond->digest);
		jput_u64(b, digest, cond->state);
	}
}

void core_overrides_done(struct core *c)
{
	while (c->overrides)
		override_free(c, c->overrides);
	core_verdicts_forget(c);
}
