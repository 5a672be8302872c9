// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What outlives a restart besides the model: the operator's overrides of
 * backends, and the last verdicts. Both are tables by key; an override stays
 * as long as the configuration has its backend, a verdict as long as somebody
 * may still ask for it.
 */
#include <inttypes.h>
#include <string.h>

#include "core_int.h"
#include "log.h"

struct core_override {
	struct htab_node node;
	struct core_key key;
	enum model_admin admin;
};

struct core_stored {
	struct htab_node node; /* .hash is the digest */
	enum msg_hc_state state;
};

struct core_serving {
	struct htab_node node;
	struct addr addr;
};

static uint64_t key_hash(const struct core_key *k)
{
	uint64_t h = htab_hash(&k->vip, sizeof(k->vip), k->port);

	return htab_hash(&k->backend, sizeof(k->backend), h ^ k->protocol);
}

static bool key_eq(const struct htab_node *node, const void *key)
{
	const struct core_key *a = &container_of(node, struct core_override, node)->key, *b = key;

	return addr_cmp(&a->vip, &b->vip) == 0 && addr_cmp(&a->backend, &b->backend) == 0 &&
	       a->port == b->port && a->protocol == b->protocol;
}

static struct core_override *override_get(const struct core *c, const struct core_key *key)
{
	struct htab_node *n = htab_find(&c->overrides, key_hash(key), key_eq, key);

	return n ? container_of(n, struct core_override, node) : NULL;
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
	if (htab_add(&c->overrides, &o->node, key_hash(key)) < 0) {
		free(o);
		return -ENOMEM;
	}
	return 0;
}

static struct core_backend *find_backend(const struct core *c, const struct core_key *key)
{
	struct core_vip *v = core_vip_find(c, &key->vip);
	struct core_port *p = v ? core_port_find(v, key->protocol, key->port) : NULL;

	return p ? core_backend_find(p, &key->backend) : NULL;
}

static void touch(struct core *c, struct core_backend *be)
{
	be->port->dirty = true;
	be->port->vip->told_dirty = true;
	core_vip_dirty(be->port->vip);
	c->overrides_dirty = true;
}

int core_override_set(struct core *c, const struct core_key *key, enum model_admin admin)
{
	struct core_backend *be = find_backend(c, key);
	char vip[ADDR_STRLEN], backend[ADDR_STRLEN];
	int r;

	if (!be)
		return -ENOENT;
	if (be->has_override && be->override == admin)
		return 0;
	r = core_override_load(c, key, admin);
	if (r < 0)
		return r;
	be->has_override = true;
	be->override = admin;
	touch(c, be);
	log_notice("operator overrides backend", "vip=%s service=%s/%u backend=%s admin=%s",
		   addr_str(&key->vip, vip), model_protocol_str(key->protocol), key->port,
		   addr_str(&key->backend, backend), model_admin_str(admin));
	return 0;
}

static void override_free(struct core *c, struct core_override *o)
{
	htab_del(&c->overrides, &o->node);
	free(o);
}

int core_override_clear(struct core *c, const struct core_key *key)
{
	struct core_backend *be = find_backend(c, key);
	struct core_override *o = override_get(c, key);
	char vip[ADDR_STRLEN], backend[ADDR_STRLEN];

	if (!be)
		return -ENOENT;
	if (!o)
		return 0;
	override_free(c, o);
	be->has_override = false;
	touch(c, be);
	log_notice("operator's override removed", "vip=%s service=%s/%u backend=%s",
		   addr_str(&key->vip, vip), model_protocol_str(key->protocol), key->port,
		   addr_str(&key->backend, backend));
	return 0;
}

static void prune_one(struct htab_node *node, void *arg)
{
	struct core_override *o = container_of(node, struct core_override, node);
	struct core *c = arg;

	if (find_backend(c, &o->key))
		return;
	override_free(c, o);
	c->overrides_dirty = true;
}

void core_overrides_prune(struct core *c)
{
	htab_each(&c->overrides, prune_one, c);
}

static void write_override(struct htab_node *node, void *arg)
{
	const struct core_override *o = container_of(node, struct core_override, node);
	struct sbuf *b = arg;

	sbuf_item(b);
	sbuf_puts(b, "{");
	sbuf_kv_addr(b, "vip", &o->key.vip);
	sbuf_kv_str(b, "protocol", model_protocol_str(o->key.protocol));
	sbuf_kv_u64(b, "port", o->key.port);
	sbuf_kv_addr(b, "backend", &o->key.backend);
	sbuf_kv_str(b, "admin", model_admin_str(o->admin));
	sbuf_puts(b, "}");
}

void core_overrides_write(struct core *c, struct sbuf *b)
{
	htab_each(&c->overrides, write_override, b);
}

/* ---- verdicts ---- */

static bool digest_eq(const struct htab_node *node _unused_, const void *key _unused_)
{
	return true; /* the digest is the hash, which the table has compared */
}

int core_verdict_load(struct core *c, uint64_t digest, enum msg_hc_state state)
{
	struct core_stored *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->state = state;
	if (htab_add(&c->verdicts, &s->node, digest) < 0) {
		free(s);
		return -ENOMEM;
	}
	return 0;
}

static bool serving_eq(const struct htab_node *node, const void *key)
{
	return addr_cmp(&container_of(node, struct core_serving, node)->addr, key) == 0;
}

static bool serving_has(const struct core *c, const struct addr *a)
{
	return htab_find(&c->serving, htab_hash(a, sizeof(*a), 0), serving_eq, a) != NULL;
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
	if (htab_add(&c->serving, &s->node, htab_hash(backend, sizeof(*backend), 0)) < 0) {
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
	struct htab_node *n = htab_find(&c->verdicts, digest, digest_eq, NULL);
	enum msg_hc_state state;

	if (!n)
		return MSG_HC_UNKNOWN;
	state = container_of(n, struct core_stored, node)->state;
	if (c->any_adopted && (state == MSG_HC_UP) != serving_has(c, target))
		return MSG_HC_UNKNOWN;
	return state;
}

void core_verdicts_forget(struct core *c)
{
	struct htab_node *n;

	while ((n = htab_any(&c->verdicts))) {
		htab_del(&c->verdicts, n);
		free(container_of(n, struct core_stored, node));
	}
	htab_done(&c->verdicts);
	while ((n = htab_any(&c->serving))) {
		htab_del(&c->serving, n);
		free(container_of(n, struct core_serving, node));
	}
	htab_done(&c->serving);
}

static void write_verdict(struct htab_node *node, void *arg)
{
	const struct core_cond *cond = container_of(node, struct core_cond, by_id);
	struct sbuf *b = arg;

	if (cond->state == MSG_HC_UNKNOWN)
		return;
	sbuf_item(b);
	sbuf_printf(b, "\"%016" PRIx64 "\":%u", cond->digest, cond->state);
}

void core_verdicts_write(struct core *c, struct sbuf *b)
{
	htab_each(&c->conds_by_id, write_verdict, b);
}

void core_overrides_done(struct core *c)
{
	struct htab_node *n;

	while ((n = htab_any(&c->overrides)))
		override_free(c, container_of(n, struct core_override, node));
	htab_done(&c->overrides);
	core_verdicts_forget(c);
}
