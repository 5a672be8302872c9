// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Conditions: what the health child probes. Two backends (of any service) that
 * ask the same question at the same pace share one. The frame that describes a
 * condition is also its key, all of it but the id and the restored verdict at
 * its beginning; on disk a verdict is stored under a digest of that key. So a check whose options
 * change is another condition. It takes over what is known if only the pace has changed.
 */
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "core_int.h"

#define FRAME_KEY offsetof(struct msg_hc_cond, target)

/* The frame without its id, in new memory; its length, or 0. */
static size_t cond_frame(const struct core_backend *be, const struct model_check *k,
			 struct msg_hc_cond **ret)
{
	const struct core_port *p = be->port;
	const struct model_health *h = &p->conf->health;
	const struct model_pace pace = model_check_pace(h, k);
	const char *strings[] = {k->method, k->path,   k->host,	  k->body,
				 k->sni,    k->device, k->payload};
	uint16_t lens[ARRAY_SIZE(strings)];
	size_t len = sizeof(struct msg_hc_cond);
	struct msg_hc_cond *msg;
	char *at;

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		lens[i] = strings[i] == k->body	     ? k->body_len
			  : strings[i] == k->payload ? k->payload_len
						     : (uint16_t)strlen(strings[i]);
		len += lens[i] + 1u;
	}
	msg = calloc(1, len);
	if (!msg)
		return 0;
	msg->target = be->conf.addr;
	if (h->tunnel)
		msg->dest = p->vip->conf.addr;
	msg->source = k->source;
	msg->port = k->port;
	msg->type = (uint8_t)k->type;
	msg->flags = k->flags;
	msg->dscp = k->dscp;
	msg->body_max = k->max_body;
	msg->start = (uint8_t)h->start;
	msg->interval_ms = pace.interval_ms;
	msg->timeout_ms = pace.timeout_ms;
	msg->rise = pace.rise;
	msg->fall = pace.fall;
	msg->n_status = k->n_status;
	memcpy(msg->status, k->status, k->n_status * sizeof(k->status[0]));
	msg->method_len = lens[0];
	msg->path_len = lens[1];
	msg->host_len = lens[2];
	msg->body_len = lens[3];
	msg->sni_len = lens[4];
	msg->device_len = lens[5];
	msg->payload_len = lens[6];
	at = (char *)(msg + 1);
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		memcpy(at, strings[i], lens[i] + 1u);
		at += lens[i] + 1u;
	}
	*ret = msg;
	return len;
}

void core_cond_send(struct core *c, struct core_cond *cond)
{
	if (cond->sent)
		return;
	cond->sent = true;
	c->ops->health(c->user, MSG_HC_SET, cond->msg, cond->len);
}

void core_cond_take_back(struct core *c, struct core_cond *cond)
{
	struct msg_hc_del del = {.id = cond->id};

	if (!cond->sent)
		return;
	cond->sent = false;
	cond->msg->initial = cond->state;
	c->ops->health(c->user, MSG_HC_DEL, &del, sizeof(del));
}

static void cond_free(struct core *c, struct core_cond *cond)
{
	core_cond_take_back(c, cond);
	core_tunnel_remove(c, cond);
	HASH_DELETE(by_id, c->conds_by_id, cond);
	HASH_DELETE(by_frame, c->conds_by_frame, cond);
	core_mass_forget(c, cond);
	free(cond->msg);
	free(cond);
}

static uint64_t frame_digest(const struct msg_hc_cond *msg, size_t len)
{
	unsigned char sha[SHA256_DIGEST_LENGTH];
	uint64_t digest;

	SHA256((const unsigned char *)msg + FRAME_KEY, len - FRAME_KEY, sha);
	memcpy(&digest, sha, sizeof(digest));
	return digest;
}

/* What the probe is, without how often it is made and what its results come to. */
static struct msg_hc_cond probe_of(const struct msg_hc_cond *msg)
{
	struct msg_hc_cond probe = *msg;

	probe.id = 0;
	probe.mark = probe.interval_ms = probe.timeout_ms = 0;
	probe.rise = probe.fall = 0;
	probe.initial = probe.start = 0;
	return probe;
}

static bool is_same_probe(const struct core_cond *a, const struct core_cond *b)
{
	struct msg_hc_cond x = probe_of(a->msg), y = probe_of(b->msg);

	return a->len == b->len && memcmp(&x, &y, sizeof(x)) == 0 &&
	       memcmp(a->msg + 1, b->msg + 1, a->len - sizeof(x)) == 0;
}

/* What was found out by the same probe, at another pace, is known of this one. */
static void inherit(struct core_cond *cond, const struct core_backend *old)
{
	for (size_t i = 0; i < old->port->conf->health.n_checks; i++) {
		const struct core_cond *from = old->uses[i].cond;

		if (!is_same_probe(cond, from))
			continue;
		cond->state = from->state;
		cond->reason = from->reason;
		cond->detail = from->detail;
		cond->probed = from->probed;
		cond->failing = from->failing;
		cond->fell = from->fell;
		cond->latency_us = from->latency_us;
		cond->since_ns = from->since_ns;
		cond->failing_ns = from->failing_ns;
		cond->failure = from->failure;
		return;
	}
}

/*
 * Before the first probe. "start" is for backends of which nothing is known: not for a new
 * check of one that serves, nor where rings that were found in the maps know better.
 */
static void set_initial(struct core *c, struct core_cond *cond, const struct core_backend *be,
			const struct core_backend *old)
{
	const struct core_port_run *run = &be->port->run;

	cond->since_ns = c->now;
	cond->state = (uint8_t)core_verdict_find(c, cond->digest, &cond->msg->target);
	cond->probed = cond->state != MSG_HC_UNKNOWN;
	if (!cond->probed && old)
		inherit(cond, old);
	if (cond->state == MSG_HC_UNKNOWN && !(old && old->health != MSG_HC_UNKNOWN) &&
	    !(run->adopted && !run->sent))
		cond->state = cond->msg->start;
	cond->msg->initial = cond->state;
}

static int cond_new(struct core *c, struct msg_hc_cond *msg, size_t len,
		    const struct core_backend *be, const struct core_backend *old,
		    struct core_cond **ret)
{
	struct core_cond *cond = calloc(1, sizeof(*cond));

	if (!cond)
		return -ENOMEM;
	cond->id = ++c->next_id;
	cond->digest = frame_digest(msg, len);
	cond->msg = msg;
	cond->len = len;
	HASH_ADD(by_id, c->conds_by_id, id, sizeof(cond->id), cond);
	if (!HASH_ADDED(by_id, cond))
		goto fail;
	HASH_ADD_KEYPTR(by_frame, c->conds_by_frame, (char *)msg + FRAME_KEY, len - FRAME_KEY,
			cond);
	if (!HASH_ADDED(by_frame, cond)) {
		HASH_DELETE(by_id, c->conds_by_id, cond);
		goto fail;
	}
	msg->id = cond->id;
	set_initial(c, cond, be, old);
	if (addr_is_unspecified(&msg->dest)) {
		core_cond_send(c, cond);
	} else if (core_tunnel_add(c, cond) < 0) {
		HASH_DELETE(by_id, c->conds_by_id, cond);
		HASH_DELETE(by_frame, c->conds_by_frame, cond);
		goto fail;
	}
	*ret = cond;
	return 0;
fail:
	free(cond);
	return -ENOMEM;
}

int core_cond_get(struct core *c, const struct model_check *k, struct core_backend *be,
		  const struct core_backend *old, struct core_use *use)
{
	struct msg_hc_cond *msg = NULL;
	size_t len = cond_frame(be, k, &msg);
	struct core_cond *cond;
	int r;

	if (!len)
		return -ENOMEM;
	HASH_FIND(by_frame, c->conds_by_frame, (char *)msg + FRAME_KEY, len - FRAME_KEY, cond);
	if (cond) {
		free(msg);
	} else {
		r = cond_new(c, msg, len, be, old, &cond);
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
