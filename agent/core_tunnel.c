// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Conditions that are probed through the tunnel: those whose frame has a `dest`, the VIP.
 * The maps child gives each backend of such a condition a mark by which a probe names it
 * (maps_tunnel.c), and says whether probes get into the tunnel at all.
 *
 * A probe that would not get there tells nothing about the backend. So the health child
 * has such a condition only while its mark is there and the way is open. Meanwhile the
 * verdict stands as it is, and the reason that is shown is this node's.
 */
#include <stdio.h>
#include <string.h>

#include "core_int.h"
#include "log.h"

/* A backend of conditions that are probed through the tunnel. */
struct core_tunnel {
	UT_hash_handle hh; /* by addr */
	const struct core *core;
	struct addr addr;
	bool answered;
	struct msg_tunnel answer; /* when it is; before, .seq is that of the question */
	struct core_cond *conds;
};

/* What a family is in struct msg_tunnel_state. */
static int family_of(const struct core_cond *cond)
{
	return addr_is_v4(&cond->msg->dest) ? 0 : 1;
}

const char *core_tunnel_why(const struct core_cond *cond)
{
	const struct core_tunnel *t = cond->tunnel;
	const struct msg_tunnel_state *state;

	if (!t || !t->answered)
		return NULL;
	state = &t->core->tunnel_state;
	if (!t->answer.mark)
		return t->answer.error == -ENOSPC ? "max-backends reached"
						  : strerror(-t->answer.error);
	if (!state->up[family_of(cond)])
		return state->reason[family_of(cond)];
	return NULL;
}

static void update(struct core *c, struct core_cond *cond)
{
	const struct core_tunnel *t = cond->tunnel;

	if (!t->answered)
		return;
	if (!core_tunnel_why(cond)) {
		cond->msg->mark = t->answer.mark;
		core_cond_send(c, cond);
		return;
	}
	core_cond_take_back(c, cond);
	cond->reason = MSG_HC_LOCAL;
	cond->detail = 0;
}

int core_tunnel_add(struct core *c, struct core_cond *cond)
{
	struct core_tunnel *t;

	HASH_FIND(hh, c->tunnels, &cond->msg->target, sizeof(struct addr), t);
	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return -ENOMEM;
		t->core = c;
		t->addr = cond->msg->target;
		HASH_ADD(hh, c->tunnels, addr, sizeof(t->addr), t);
		if (!HASH_ADDED(hh, t)) {
			free(t);
			return -ENOMEM;
		}
		t->answer.seq = ++c->next_tunnel;
		t->answer.backend = t->addr;
		c->ops->maps(c->user, MSG_MAPS_TUNNEL_SET, &t->answer, sizeof(t->answer));
	}
	cond->tunnel = t;
	cond->tunnel_next = t->conds;
	cond->tunnel_link = &t->conds;
	if (t->conds)
		t->conds->tunnel_link = &cond->tunnel_next;
	t->conds = cond;
	update(c, cond);
	return 0;
}

void core_tunnel_remove(struct core *c, struct core_cond *cond)
{
	struct core_tunnel *t = cond->tunnel;
	struct msg_tunnel msg = {};

	if (!t)
		return;
	*cond->tunnel_link = cond->tunnel_next;
	if (cond->tunnel_next)
		cond->tunnel_next->tunnel_link = cond->tunnel_link;
	cond->tunnel = NULL;
	if (t->conds)
		return;
	msg.backend = t->addr;
	c->ops->maps(c->user, MSG_MAPS_TUNNEL_DEL, &msg, sizeof(msg));
	HASH_DELETE(hh, c->tunnels, t);
	free(t);
}

static void answer(struct core *c, const struct msg_tunnel *msg)
{
	struct core_tunnel *t;

	HASH_FIND(hh, c->tunnels, &msg->backend, sizeof(msg->backend), t);
	/* Of a backend that went and came back, the answer to the first question comes, too. */
	if (!t || t->answer.seq != msg->seq)
		return;
	t->answered = true;
	t->answer = *msg;
	for (struct core_cond *cond = t->conds; cond; cond = cond->tunnel_next)
		update(c, cond);
}

/* One line for each turn, and for VIPs of a family only when one is checked this way. */
static void tell(const struct core *c, int family, uint32_t n, const struct msg_tunnel_state *old)
{
	const struct msg_tunnel_state *now = &c->tunnel_state;
	const char *name = family ? "IPv6" : "IPv4";

	if (!n || (now->up[family] && (old->up[family] || !old->reason[family][0])))
		return;
	if (now->up[family])
		log_notice("checks through the tunnel are made again", "vips=%s checks=%u", name,
			   n);
	else
		log_err("checks through the tunnel are not made, their verdicts stay",
			"vips=%s checks=%u reason=\"%s\"", name, n, now->reason[family]);
}

static void state(struct core *c, const struct msg_tunnel_state *msg)
{
	const struct msg_tunnel_state old = c->tunnel_state;
	uint32_t n[2] = {};

	c->tunnel_state = *msg;
	for (int f = 0; f < 2; f++)
		c->tunnel_state.reason[f][MSG_REASON_LEN - 1] = '\0';
	for (struct core_tunnel *t = c->tunnels; t; t = t->hh.next) {
		for (struct core_cond *cond = t->conds; cond; cond = cond->tunnel_next) {
			n[family_of(cond)]++;
			update(c, cond);
		}
	}
	for (int f = 0; f < 2; f++)
		tell(c, f, n[f], &old);
}

bool core_tunnel_frame(struct core *c, uint16_t type, const void *data, size_t len)
{
	if (type == MSG_MAPS_TUNNEL && len == sizeof(struct msg_tunnel))
		answer(c, data);
	else if (type == MSG_MAPS_TUNNEL_STATE && len == sizeof(struct msg_tunnel_state))
		state(c, data);
	else
		return false;
	return true;
}
