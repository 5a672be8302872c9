// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Conditions: what the health child probes. Two backends (of any service) that
 * ask the same question at the same pace share one. The frame that describes a
 * condition is also its key, by a digest over all of it but the id and the
 * restored verdict; the digest is also what a verdict is stored under on disk.
 */
#include <stdio.h>
#include <string.h>

#include "core_int.h"

static bool cond_digest_eq(const struct htab_node *node, const void *key)
{
	const struct core_cond *a = container_of(node, struct core_cond, by_digest), *b = key;

	return a->msg_len == b->msg_len &&
	       memcmp((const char *)a->msg + sizeof(a->msg->id),
		      (const char *)b->msg + sizeof(b->msg->id),
		      offsetof(struct msg_hc_cond, initial) - sizeof(a->msg->id)) == 0 &&
	       memcmp((const char *)a->msg + offsetof(struct msg_hc_cond, n_status),
		      (const char *)b->msg + offsetof(struct msg_hc_cond, n_status),
		      a->msg_len - offsetof(struct msg_hc_cond, n_status)) == 0;
}

/* The frame without its id, in new memory; its length, or 0. */
static size_t cond_frame(const struct model_port *p, const struct model_check *k,
			 const struct addr *target, struct msg_hc_cond **ret)
{
	const char *strings[] = {k->method, k->path, k->host, k->body, k->sni};
	uint16_t lens[ARRAY_SIZE(strings)];
	size_t len = sizeof(struct msg_hc_cond);
	struct msg_hc_cond *msg;
	char *at;

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		lens[i] = (uint16_t)strlen(strings[i]);
		len += lens[i] + 1u;
	}
	msg = calloc(1, len);
	if (!msg)
		return 0;
	msg->target = *target;
	msg->port = k->port;
	msg->type = (uint8_t)k->type;
	msg->verify_tls = k->verify;
	msg->interval_ms = p->health.interval_ms;
	msg->timeout_ms = p->health.timeout_ms;
	msg->rise = p->health.rise;
	msg->fall = p->health.fall;
	msg->n_status = k->n_status;
	memcpy(msg->status, k->status, k->n_status * sizeof(k->status[0]));
	msg->method_len = lens[0];
	msg->path_len = lens[1];
	msg->host_len = lens[2];
	msg->body_len = lens[3];
	msg->sni_len = lens[4];
	at = (char *)(msg + 1);
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		memcpy(at, strings[i], lens[i] + 1u);
		at += lens[i] + 1u;
	}
	*ret = msg;
	return len;
}

static void cond_free(struct core *c, struct core_cond *cond)
{
	struct msg_hc_del del = {.id = cond->id};

	c->ops->health(c->user, MSG_HC_DEL, &del, sizeof(del));
	htab_del(&c->conds_by_id, &cond->by_id);
	htab_del(&c->conds_by_digest, &cond->by_digest);
	free(cond->msg);
	free(cond);
}

static int cond_new(struct core *c, struct msg_hc_cond *msg, size_t len, uint64_t digest,
		    struct core_cond **ret)
{
	struct core_cond *cond = calloc(1, sizeof(*cond));

	if (!cond)
		return -ENOMEM;
	cond->id = ++c->next_id;
	cond->digest = digest;
	cond->msg = msg;
	cond->msg_len = len;
	if (htab_add(&c->conds_by_id, &cond->by_id, htab_hash(&cond->id, sizeof(cond->id), 0)) < 0)
		goto fail;
	if (htab_add(&c->conds_by_digest, &cond->by_digest, digest) < 0) {
		htab_del(&c->conds_by_id, &cond->by_id);
		goto fail;
	}
	msg->id = cond->id;
	cond->state = (uint8_t)core_verdict_find(c, digest, &msg->target);
	msg->initial = cond->state;
	c->ops->health(c->user, MSG_HC_SET, msg, len);
	*ret = cond;
	return 0;
fail:
	free(cond);
	return -ENOMEM;
}

int core_cond_get(struct core *c, const struct model_port *p, const struct model_check *k,
		  const struct addr *target, struct core_backend *be, struct core_use *use)
{
	struct msg_hc_cond *msg = NULL;
	struct core_cond key, *cond;
	struct htab_node *n;
	size_t len = cond_frame(p, k, target, &msg);
	uint64_t digest;
	int r;

	if (!len)
		return -ENOMEM;
	digest = htab_hash(msg, len, 0);
	key.msg = msg;
	key.msg_len = len;
	n = htab_find(&c->conds_by_digest, digest, cond_digest_eq, &key);
	if (n) {
		cond = container_of(n, struct core_cond, by_digest);
		free(msg);
	} else {
		r = cond_new(c, msg, len, digest, &cond);
		if (r < 0) {
			free(msg);
			return r;
		}
	}
	use->cond = cond;
	use->be = be;
	use->next = cond->uses;
	use->link = &cond->uses;
	if (cond->uses)
		cond->uses->link = &use->next;
	cond->uses = use;
	return 0;
}

void core_use_put(struct core *c, struct core_use *use)
{
	struct core_cond *cond = use->cond;

	if (!cond)
		return;
	*use->link = use->next;
	if (use->next)
		use->next->link = use->link;
	use->cond = NULL;
	if (!cond->uses)
		cond_free(c, cond);
}

bool core_backend_judge(struct core_backend *be)
{
	const struct model_health *h = &be->port->conf->health;
	size_t up = 0, down = 0;
	uint8_t state;

	for (size_t i = 0; i < h->n_checks; i++) {
		up += be->uses[i].cond->state == MSG_HC_UP;
		down += be->uses[i].cond->state == MSG_HC_DOWN;
	}
	if (h->policy == MODEL_POLICY_ANY && up)
		state = MSG_HC_UP;
	else if (h->policy == MODEL_POLICY_ALL && down)
		state = MSG_HC_DOWN;
	else if (up == h->n_checks)
		state = MSG_HC_UP;
	else if (down == h->n_checks)
		state = MSG_HC_DOWN;
	else
		state = MSG_HC_UNKNOWN;
	/*
	 * A check that is new (changed settings) has no verdict yet; until it
	 * has, what was known about the backend stands.
	 */
	if (state == MSG_HC_UNKNOWN || state == be->health)
		return false;
	be->health = state;
	return true;
}

void core_backend_reason(const struct core_backend *be, char *buf, size_t len)
{
	const struct model_health *h = &be->port->conf->health;
	char words[HC_REASON_LEN];

	buf[0] = '\0';
	if (be->state == CORE_BE_DRAIN || be->state == CORE_BE_DISABLED) {
		if (be->has_override)
			snprintf(buf, len, "by the operator");
		else
			snprintf(buf, len,
				 be->conf.admin == MODEL_ADMIN_UP ? "weight 0"
								  : "by the scheduler");
		return;
	}
	if (be->state != CORE_BE_DOWN)
		return;
	for (size_t i = 0; i < h->n_checks; i++) {
		const struct core_cond *cond = be->uses[i].cond;

		if (cond->state != MSG_HC_DOWN)
			continue;
		/* A restored verdict comes without its reason. */
		if (cond->reason == MSG_HC_OK)
			snprintf(words, sizeof(words), "down since before the restart");
		else
			hc_reason_format(words, sizeof(words), cond->reason, cond->detail);
		if (cond->msg->port)
			snprintf(buf, len, "%s/%u: %s", hc_type_str(cond->msg->type),
				 cond->msg->port, words);
		else
			snprintf(buf, len, "%s: %s", hc_type_str(cond->msg->type), words);
		return;
	}
}
