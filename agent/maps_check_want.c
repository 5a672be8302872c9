// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the parent wants against the table. It names VIPs and services over several rounds of
 * its loop, between batches, and each is compared as it comes. Frames come in the order of sending, so
 * that a thing named is what the parent has as of that frame. What is in the stage is not: it
 * waits for a commit, and is left alone.
 *
 * What the table has and was not named in this run goes. That which was made since the run
 * began counts as named (maps_table.check_run): the parent was past it perhaps.
 *
 * Setting is by way of a stage, as in any batch, and what is so already is not touched. Whether
 * a service was as it should be is told by its digest.
 */
#include <errno.h>
#include <string.h>

#include "maps_check_int.h"

static bool vip_is_staged(const struct maps_check *c, const struct addr *a)
{
	const struct maps_stage_vip *vip;

	HASH_FIND(hh, c->stage->vips, a, sizeof(*a), vip);
	return vip;
}

static bool is_staged(const struct maps_check *c, const struct maps_svc_key *key)
{
	const struct maps_stage_svc *svc;
	struct addr a;

	memcpy(a.b, key->vip, sizeof(a.b));
	HASH_FIND(hh, c->stage->services, key, sizeof(*key), svc);
	return svc || vip_is_staged(c, &a);
}

/* What became of the one service that was set. */
struct outcome {
	struct maps_check *c;
	int err;
};

static void on_set(const struct msg_svc *msg, struct maps_svc *svc, int err,
		   const char *reason _unused_, void *user)
{
	struct outcome *out = user;

	out->err = err;
	if (err < 0)
		return;
	svc->generation = msg->generation;
	svc->wanted = true;
}

/* Applies one frame as a batch of its own. */
static int apply(struct maps_check *c, uint16_t type, const void *data, size_t len)
{
	struct outcome out = {.c = c};
	int r = maps_stage_add(&c->repair, type, data, len);

	if (r == 0)
		maps_stage_apply(&c->repair, c->table, on_set, &out);
	else
		maps_stage_clear(&c->repair);
	return r < 0 ? r : out.err;
}

static void want_vip(struct maps_check *c, const struct msg_vip *msg)
{
	struct maps_vip *vip = maps_table_vip(c->table, &msg->vip);
	uint8_t plen = msg->plen ? msg->plen : MAPS_PLEN_HOST;
	char text[ADDR_STRLEN];
	int r;

	maps_found_looked(&c->found, MSG_CHECK_WANTED);
	if (vip)
		vip->wanted_run = c->table->check_run;
	if (msg->flags == MSG_WANT_ANY || vip_is_staged(c, &msg->vip) ||
	    (vip && vip->plen == plen && vip->flags == msg->flags))
		return;
	r = apply(c, MSG_MAPS_VIP_SET, msg, sizeof(*msg));
	/* The stage logs what fails, and says no more. */
	if (r == 0 && !maps_table_vip(c->table, &msg->vip))
		r = -ENOSPC;
	maps_found_note(&c->found, MSG_CHECK_WANTED, r, "what=%s vip=%s",
			vip ? "differs" : "missing", addr_prefix_str(&msg->vip, plen, text));
}

static int want_svc(struct maps_check *c, const struct msg_svc *msg, size_t len)
{
	struct maps_svc_key key;
	struct maps_svc *svc;
	char text[ADDR_STRLEN];
	uint64_t before;
	bool was_there;
	int r;

	maps_table_key(&key, &msg->vip, msg->protocol, msg->port);
	svc = maps_table_svc(c->table, &key);
	was_there = svc;
	before = svc ? svc->digest : 0;
	maps_found_looked(&c->found, MSG_CHECK_WANTED);
	if (svc)
		svc->wanted_run = c->table->check_run;
	if (msg->flags == MSG_WANT_ANY || is_staged(c, &key))
		return 0;
	r = apply(c, MSG_MAPS_SVC_SET, msg, len);
	if (r == -EPROTO)
		return r;
	svc = maps_table_svc(c->table, &key);
	/* The table is as wanted; what the maps have is looked at in the next parts. */
	if (r == -EIO && svc) {
		svc->generation = msg->generation;
		r = 0;
	}
	if (r >= 0 && was_there && svc->digest == before)
		return 0;
	maps_found_note(&c->found, MSG_CHECK_WANTED, r, "what=%s vip=%s protocol=%u port=%u",
			was_there ? "differs" : "missing", addr_str(&msg->vip, text), msg->protocol,
			msg->port);
	if (r >= 0)
		c->ops->set(c->user, svc);
	return 0;
}

int maps_check_want(struct maps_check *c, uint16_t type, const void *data, size_t len)
{
	if (!c->named)
		return -EPROTO;
	if (type == MSG_MAPS_WANT_SVC)
		return len < sizeof(struct msg_svc) ? -EPROTO : want_svc(c, data, len);
	if (len != sizeof(struct msg_vip))
		return -EPROTO;
	want_vip(c, data);
	return 0;
}

/* ---- what nobody wants ---- */

static void drop_service(struct maps_check *c, struct maps_svc *svc)
{
	struct maps_svc_key key = svc->key;
	char text[ADDR_STRLEN];
	struct addr a = svc->vip->addr;

	maps_found_note(&c->found, MSG_CHECK_WANTED, maps_table_svc_del(c->table, svc),
			"what=unwanted vip=%s protocol=%u port=%u", addr_str(&a, text),
			key.protocol, maps_svc_port(&key));
}

int maps_check_unwanted(struct maps_check *c)
{
	struct maps_table *t = c->table;
	struct maps_vip *vip, *next;

	if (!c->named)
		return 1;
	/* The last one takes the place of one that goes. */
	for (size_t i = t->n_all; i-- > 0;)
		if (t->all[i]->wanted_run != t->check_run && !is_staged(c, &t->all[i]->key))
			drop_service(c, t->all[i]);
	for (vip = t->vips; vip; vip = next) {
		char text[ADDR_STRLEN];
		struct addr a = vip->addr;

		next = vip->hh.next;
		/* One whose services are wanted is. */
		if (vip->wanted_run == t->check_run || vip_is_staged(c, &a) || vip->services)
			continue;
		maps_found_note(&c->found, MSG_CHECK_WANTED, maps_table_vip_del(t, vip),
				"what=unwanted vip=%s", addr_str(&a, text));
	}
	return 1;
}
