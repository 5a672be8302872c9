// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The health engine: its conditions, as the parent sets and removes them. When
 * they are probed is in hc_run.c, what comes of it in hc_verdict.c.
 *
 * Many conditions ask the same of different backends: such checks are kept once.
 */
#include <errno.h>
#include <string.h>

#include "hc_int.h"
#include "util.h"

/* ---- what many have in common ---- */

static uint64_t check_hash(const struct hc_tab_node *node)
{
	return container_of(node, struct hc_check, node)->hash;
}

/* The one that is kept for all that are equal to this one, which is taken over. */
static struct hc_check *check_share(struct hc *hc, struct hc_check *check)
{
	struct hc_tab_node *node = *hc_tab_chain(&hc->checks, check->hash);

	for (; node; node = node->next) {
		struct hc_check *k = container_of(node, struct hc_check, node);

		if (k->hash != check->hash || !hc_check_same_probe(k, check) ||
		    !hc_check_same_timing(k, check))
			continue;
		hc_check_free(check);
		k->refs++;
		return k;
	}
	check->refs = 1;
	hc_tab_add(&hc->checks, &check->node);
	return check;
}

static void check_put(struct hc *hc, struct hc_check *check)
{
	if (--check->refs)
		return;
	hc_tab_del(&hc->checks, &check->node);
	hc_check_free(check);
}

/* ---- conditions ---- */

static uint64_t id_hash(uint64_t id)
{
	return id * 0x9e3779b97f4a7c15ull;
}

static uint64_t cond_hash(const struct hc_tab_node *node)
{
	return id_hash(container_of(node, struct hc_cond, node)->id);
}

static struct hc_cond *cond_find(const struct hc *hc, uint64_t id)
{
	struct hc_tab_node *node = *hc_tab_chain(&hc->conds, id_hash(id));

	for (; node; node = node->next) {
		struct hc_cond *c = container_of(node, struct hc_cond, node);

		if (c->id == id)
			return c;
	}
	return NULL;
}

int hc_new(const struct hc_env *env, const struct hc_conf *conf, struct hc **ret)
{
	struct hc *hc = calloc(1, sizeof(*hc));

	if (!hc)
		return -ENOMEM;
	hc->env = *env;
	hc->conf = *conf;
	hc->conf.budget = MAX2(conf->budget, 1u);
	hc->wake_ns = UINT64_MAX;
	TAILQ_INIT(&hc->waiting_free);
	TAILQ_INIT(&hc->waiting_fd);
	hc_wheel_init(&hc->wheel, hc_now(hc));
	if (hc_tab_init(&hc->conds, cond_hash) < 0 || hc_tab_init(&hc->checks, check_hash) < 0 ||
	    hc_hosts_init(&hc->hosts, conf->host_rate) < 0) {
		hc_free(hc);
		return -ENOMEM;
	}
	*ret = hc;
	return 0;
}

/* What its kind remembers of it is of no use any more; it has no probe. */
static void forget(struct hc *hc, struct hc_cond *c)
{
	const struct hc_kind *kind = hc_kind_of(hc, c);

	if (c->keep && kind->forget)
		kind->forget(hc->kinds[c->check->type].ctx, c->keep);
	c->keep = NULL;
}

/* It is in no table any more. */
static void cond_free(struct hc *hc, struct hc_cond *c)
{
	hc_quiesce(hc, c);
	forget(hc, c);
	check_put(hc, c->check);
	hc_host_put(&hc->hosts, c->host);
	free(c);
}

void hc_free(struct hc *hc)
{
	if (!hc)
		return;
	for (size_t i = 0; hc->conds.slots && i < (size_t)1 << hc->conds.bits; i++) {
		struct hc_tab_node *node, *next;

		for (node = hc->conds.slots[i]; node; node = next) {
			next = node->next;
			cond_free(hc, container_of(node, struct hc_cond, node));
		}
	}
	hc_tab_done(&hc->conds);
	hc_tab_done(&hc->checks);
	hc_hosts_done(&hc->hosts);
	free(hc);
}

void hc_register(struct hc *hc, enum msg_hc_type type, const struct hc_kind *kind, void *ctx)
{
	hc->kinds[type].kind = kind;
	hc->kinds[type].ctx = ctx;
}

/* Takes check and host over. */
static int cond_new(struct hc *hc, const struct hc_spec *spec, struct hc_check *check,
		    struct hc_host *host)
{
	struct hc_cond *c = calloc(1, sizeof(*c));

	if (!c) {
		check_put(hc, check);
		hc_host_put(&hc->hosts, host);
		return -ENOMEM;
	}
	c->id = spec->id;
	c->check = check;
	c->host = host;
	c->mark = spec->mark;
	c->state = (uint8_t)spec->initial;
	hc_tab_add(&hc->conds, &c->node);
	hc_schedule_first(hc, c);
	return 0;
}

/*
 * A new question makes a new start, but for the state; a new rhythm keeps the probe's
 * turn. Takes check and host over.
 */
static void cond_change(struct hc *hc, struct hc_cond *c, const struct hc_spec *spec,
			struct hc_check *check, struct hc_host *host)
{
	bool same_probe =
		hc_check_same_probe(c->check, check) && c->mark == spec->mark && c->host == host;
	struct hc_check *old_check = c->check;
	struct hc_host *old_host = c->host;
	uint64_t due = c->due_ns;

	if (!same_probe || check != old_check) {
		hc_quiesce(hc, c);
		if (!same_probe)
			forget(hc, c);
		c->check = check;
		c->host = host;
		c->mark = spec->mark;
		if (same_probe) {
			hc_schedule_at(hc, c,
				       MIN2(due, hc_now(hc) + check->interval_ms * HC_MS_NS));
		} else {
			c->run = 0;
			hc_schedule_first(hc, c);
		}
	}
	check_put(hc, old_check);
	hc_host_put(&hc->hosts, old_host);
}

int hc_set(struct hc *hc, const struct hc_spec *spec)
{
	struct hc_cond *c = cond_find(hc, spec->id);
	struct hc_check *check;
	struct hc_host *host;

	if (!hc->kinds[spec->check->type].kind) {
		hc_check_free(spec->check);
		return -ENOTSUP;
	}
	host = hc_host_get(&hc->hosts, spec->target);
	if (!host) {
		hc_check_free(spec->check);
		return -ENOMEM;
	}
	check = check_share(hc, spec->check);
	if (!c)
		return cond_new(hc, spec, check, host);
	cond_change(hc, c, spec, check, host);
	return 0;
}

void hc_del(struct hc *hc, uint64_t id)
{
	struct hc_cond *c = cond_find(hc, id);

	if (!c)
		return;
	hc_tab_del(&hc->conds, &c->node);
	cond_free(hc, c);
}

const struct hc_stats *hc_get_stats(struct hc *hc)
{
	hc->stats.conditions = hc->conds.n;
	hc->stats.hosts = hc->hosts.tab.n;
	hc->stats.checks = hc->checks.n;
	return &hc->stats;
}

const struct hc_late *hc_get_late(struct hc *hc)
{
	hc_late_turn(&hc->late, hc_now(hc));
	return &hc->late;
}
