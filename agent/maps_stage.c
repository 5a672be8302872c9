// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Collecting a batch and applying it. The order of applying is not that of
 * arrival: services that exist and stay get their new rings first; then goes what is to
 * go; then comes what is new, which may need the room that was made.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "maps_stage.h"
#include "util.h"

/* The list with room for one more pointer, wherever it is then; or NULL. */
static void *reserve(void *list, size_t n, size_t *cap)
{
	size_t more = MAX2((size_t)64, *cap * 2);

	if (n < *cap)
		return list;
	list = reallocarray(list, more, sizeof(void *));
	if (list)
		*cap = more;
	return list;
}

static struct maps_stage_vip *find_vip(const struct maps_stage *s, const struct addr *a)
{
	struct maps_stage_vip *op;

	HASH_FIND(hh, s->vips, a, sizeof(*a), op);
	return op;
}

static struct maps_stage_vip *vip_op(struct maps_stage *s, const struct addr *a)
{
	struct maps_stage_vip *op = find_vip(s, a), **list;

	if (op)
		return op;
	list = reserve(s->vip_ops, s->n_vips, &s->cap_vips);
	if (!list)
		return NULL;
	s->vip_ops = list;
	op = calloc(1, sizeof(*op));
	if (!op)
		return NULL;
	op->addr = *a;
	HASH_ADD(hh, s->vips, addr, sizeof(*a), op);
	if (!HASH_ADDED(hh, op)) {
		free(op);
		return NULL;
	}
	s->vip_ops[s->n_vips++] = op;
	return op;
}

static struct maps_stage_svc *svc_op(struct maps_stage *s, const struct msg_svc *msg)
{
	struct maps_stage_svc *op, **list;
	struct maps_svc_key key;

	maps_table_key(&key, &msg->vip, msg->protocol, msg->port);
	HASH_FIND(hh, s->services, &key, sizeof(key), op);
	if (op)
		return op;
	list = reserve(s->svc_ops, s->n_svcs, &s->cap_svcs);
	if (!list)
		return NULL;
	s->svc_ops = list;
	op = calloc(1, sizeof(*op));
	if (!op)
		return NULL;
	op->key = key;
	HASH_ADD(hh, s->services, key, sizeof(key), op);
	if (!HASH_ADDED(hh, op)) {
		free(op);
		return NULL;
	}
	s->svc_ops[s->n_svcs++] = op;
	return op;
}

static void svc_op_free(struct maps_stage_svc *op)
{
	if (!op)
		return;
	free(op->members);
	free(op);
}

void maps_stage_clear(struct maps_stage *s)
{
	HASH_CLEAR(hh, s->vips);
	HASH_CLEAR(hh, s->services);
	for (size_t i = 0; i < s->n_vips; i++)
		free(s->vip_ops[i]);
	for (size_t i = 0; i < s->n_svcs; i++)
		svc_op_free(s->svc_ops[i]);
	free(s->vip_ops);
	free(s->svc_ops);
	*s = (struct maps_stage){};
}

/* What was staged for the services of a VIP that goes has no meaning any more. */
static void drop_services(struct maps_stage *s, const struct addr *vip)
{
	for (size_t i = 0; i < s->n_svcs; i++) {
		struct maps_stage_svc *op = s->svc_ops[i];

		if (!op || addr_cmp(&op->msg.vip, vip) != 0)
			continue;
		HASH_DELETE(hh, s->services, op);
		svc_op_free(op);
		s->svc_ops[i] = NULL;
	}
}

static int add_vip(struct maps_stage *s, uint16_t type, const struct msg_vip *msg)
{
	struct maps_stage_vip *op = vip_op(s, &msg->vip);

	if (!op)
		return -ENOMEM;
	op->set = type == MSG_MAPS_VIP_SET;
	if (op->set) {
		op->flags = msg->flags;
		op->plen = msg->plen ? msg->plen : MAPS_PLEN_HOST;
		return 0;
	}
	op->del = true;
	drop_services(s, &msg->vip);
	return 0;
}

static int add_svc(struct maps_stage *s, uint16_t type, const struct msg_svc *msg, size_t len)
{
	const struct msg_backend *b = (const void *)(msg + 1);
	struct maps_member *members = NULL;
	struct maps_stage_svc *op;

	if (len != sizeof(*msg) + (uint64_t)msg->n_backends * sizeof(*b) ||
	    (type == MSG_MAPS_SVC_DEL && msg->n_backends))
		return -EPROTO;
	if (msg->n_backends) {
		members = calloc(msg->n_backends, sizeof(*members));
		if (!members)
			return -ENOMEM;
		for (uint32_t i = 0; i < msg->n_backends; i++) {
			members[i] = (struct maps_member){.addr = b[i].addr, .weight = b[i].weight};
			memcpy(members[i].quic_id.b, b[i].quic_id, sizeof(b[i].quic_id));
		}
	}
	op = svc_op(s, msg);
	if (!op) {
		free(members);
		return -ENOMEM;
	}
	free(op->members);
	op->members = members;
	op->msg = *msg;
	op->del = type == MSG_MAPS_SVC_DEL;
	return 0;
}

int maps_stage_add(struct maps_stage *s, uint16_t type, const void *data, size_t len)
{
	switch (type) {
	case MSG_MAPS_VIP_SET:
	case MSG_MAPS_VIP_DEL:
		return len == sizeof(struct msg_vip) ? add_vip(s, type, data) : -EPROTO;
	case MSG_MAPS_SVC_SET:
	case MSG_MAPS_SVC_DEL:
		return len >= sizeof(struct msg_svc) ? add_svc(s, type, data, len) : -EPROTO;
	default:
		return -EPROTO;
	}
}

static void log_failure(const char *what, const struct addr *vip, int err)
{
	char text[ADDR_STRLEN];

	log_err("change of the maps failed", "change=\"%s\" vip=%s error=\"%s\"", what,
		addr_str(vip, text), strerror(-err));
}

static struct maps_svc_op table_op(const struct maps_stage_svc *op)
{
	return (struct maps_svc_op){
		.key = op->key,
		.want = {.conf = {.flags = op->msg.flags,
				  .quic_config = op->msg.quic_config,
				  .quic_len = op->msg.quic_len},
			 .ring_size = op->msg.ring_size,
			 .n = op->msg.n_backends,
			 .members = op->members},
	};
}

static bool vip_goes(const struct maps_stage *s, const struct addr *vip)
{
	const struct maps_stage_vip *op = find_vip(s, vip);

	return op && op->del;
}

static void apply_removals(struct maps_stage *s, struct maps_table *t)
{
	for (size_t i = 0; i < s->n_svcs; i++) {
		const struct maps_stage_svc *op = s->svc_ops[i];
		struct maps_svc *svc = op && op->del ? maps_table_svc(t, &op->key) : NULL;
		int r = svc ? maps_table_svc_del(t, svc) : 0;

		if (r < 0)
			log_failure("remove service", &op->msg.vip, r);
	}
	for (size_t i = 0; i < s->n_vips; i++) {
		const struct maps_stage_vip *op = s->vip_ops[i];
		struct maps_vip *vip = op->del ? maps_table_vip(t, &op->addr) : NULL;
		int r = vip ? maps_table_vip_del(t, vip) : 0;

		if (r < 0)
			log_failure("remove VIP", &op->addr, r);
	}
}

/* A VIP of another length is another VIP: the old one goes with its services. */
static void find_replaced(struct maps_stage *s, const struct maps_table *t)
{
	for (size_t i = 0; i < s->n_vips; i++) {
		struct maps_stage_vip *op = s->vip_ops[i];
		const struct maps_vip *vip = maps_table_vip(t, &op->addr);

		op->del |= op->set && vip && vip->plen != op->plen;
	}
}

/* Sets services that are there already, or all others. */
static void apply_sets(struct maps_stage *s, struct maps_table *t, bool there,
		       maps_stage_report *report, void *user)
{
	_cleanup_free_ struct maps_svc_op *ops = calloc(MAX2(s->n_svcs, (size_t)1), sizeof(*ops));
	_cleanup_free_ size_t *index = calloc(MAX2(s->n_svcs, (size_t)1), sizeof(*index));
	size_t n = 0;

	/* The second call takes what the first left. */
	for (size_t i = 0; (!ops || !index) && !there && i < s->n_svcs; i++)
		if (s->svc_ops[i] && !s->svc_ops[i]->del)
			report(&s->svc_ops[i]->msg, maps_table_svc(t, &s->svc_ops[i]->key), -ENOMEM,
			       "out of memory", user);
	if (!ops || !index)
		return;
	for (size_t i = 0; i < s->n_svcs; i++) {
		const struct maps_stage_svc *op = s->svc_ops[i];

		if (!op || op->del)
			continue;
		if (there && (vip_goes(s, &op->msg.vip) || !maps_table_svc(t, &op->key)))
			continue;
		index[n] = i;
		ops[n++] = table_op(op);
	}
	maps_table_svc_set_many(t, ops, n);
	for (size_t i = 0; i < n; i++) {
		struct maps_stage_svc *op = s->svc_ops[index[i]];

		report(&op->msg, ops[i].svc, ops[i].result, ops[i].reason, user);
		HASH_DELETE(hh, s->services, op);
		svc_op_free(op);
		s->svc_ops[index[i]] = NULL;
	}
}

void maps_stage_apply(struct maps_stage *s, struct maps_table *t, maps_stage_report *report,
		      void *user)
{
	find_replaced(s, t);
	apply_sets(s, t, true, report, user);
	apply_removals(s, t);
	for (size_t i = 0; i < s->n_vips; i++) {
		const struct maps_stage_vip *op = s->vip_ops[i];
		int r = op->set ? maps_table_vip_set(t, &op->addr, op->plen, op->flags) : 0;

		if (r < 0)
			log_failure("set VIP", &op->addr, r);
	}
	apply_sets(s, t, false, report, user);
	maps_stage_clear(s);
}
