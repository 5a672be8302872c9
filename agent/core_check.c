// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Telling the maps child, for a check, what it should have: each VIP and service as it was last
 * sent, not as it is wanted by now; what is not sent yet comes by the next batch. Where the last word
 * was refused, or has no answer yet, or the service was found in the maps and nothing was said about it,
 * it is named as one that may be there in whatever form.
 *
 * The walk is over the list of VIPs, some at a time. One that is freed meanwhile moves the
 * walk on (core_vip_free()); new ones are at the end.
 */
#include "core_int.h"

static bool may_be_anything(const struct core_port *p)
{
	return !p->run.sent || p->run.failed || p->run.waiting || core_port_unsent(p);
}

static void name_service(const struct core_port *p)
{
	struct core *c = p->vip->core;
	size_t len = core_svc_msg_len(p);
	_cleanup_free_ struct msg_svc *svc = may_be_anything(p) ? NULL : malloc(len);
	const struct msg_svc any = {
		.vip = p->vip->conf.addr,
		.port = p->conf->port,
		.protocol = p->conf->protocol,
		.flags = MSG_WANT_ANY,
	};

	if (svc)
		core_svc_msg(p, svc);
	c->ops->maps(c->user, MSG_MAPS_WANT_SVC, svc ? svc : &any, svc ? len : sizeof(any));
}

static void name_vip(struct core_vip *v)
{
	struct core *c = v->core;
	struct msg_vip msg = {.vip = v->conf.addr, .flags = MSG_WANT_ANY, .plen = v->conf.plen};

	if (v->phase == CORE_DELETING || v->phase == CORE_DELETED || (!v->in_maps && !v->adopted))
		return;
	if (v->in_maps && !v->set_again) {
		msg.flags = v->maps_flags;
		msg.plen = v->maps_plen;
	}
	c->ops->maps(c->user, MSG_MAPS_WANT_VIP, &msg, sizeof(msg));
	for (size_t i = 0; i < v->n_ports; i++)
		if (v->ports[i].run.sent || v->ports[i].run.adopted)
			name_service(&v->ports[i]);
}

void core_check_begin(struct core *c)
{
	c->check_at = c->vips;
}

bool core_check_some(struct core *c, size_t max)
{
	for (; c->check_at && max; max--) {
		name_vip(c->check_at);
		c->check_at = c->check_at->hh.next;
	}
	return !c->check_at;
}
