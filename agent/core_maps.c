// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the maps child says. At start it lists the services that it found in
 * pinned maps (HAVE); each becomes a VIP and a port of which nothing but the
 * key is known, and which stays untouched until a model says what to do with
 * it. The backends of their rings are remembered for the check of the stored
 * verdicts (core_over.c). Then come results of what was sent, and the state of the program.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core_int.h"
#include "log.h"

/* reason comes from another process of ours, but is bounded all the same. */
static void copy_reason(char dst[static MSG_REASON_LEN], const char *src)
{
	size_t n = strnlen(src, MSG_REASON_LEN - 1);

	memcpy(dst, src, n);
	dst[n] = '\0';
}

static int adopt(struct core *c, const struct msg_svc *have, size_t len)
{
	const struct msg_backend *backends = (const struct msg_backend *)(have + 1);
	struct core_vip *v = core_vip_find(c, &have->vip);
	struct model_port *conf;
	struct core_port *ports;
	int r;

	/* A list of our own services is pointless once a model runs. */
	if (c->maps_ready || len != sizeof(*have) + have->n_backends * sizeof(*backends))
		return -EPROTO;
	for (uint32_t i = 0; i < have->n_backends; i++) {
		r = core_serving_add(c, &backends[i].addr);
		if (r < 0)
			return r;
	}
	if (!v) {
		r = core_vip_new(c, &have->vip, &v);
		if (r < 0)
			return r;
	}
	conf = reallocarray(v->conf.ports, v->n_ports + 1, sizeof(*conf));
	if (!conf)
		return -ENOMEM;
	v->conf.ports = conf;
	ports = reallocarray(v->ports, v->n_ports + 1, sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	v->ports = ports;
	conf[v->n_ports] = (struct model_port){
		.protocol = have->protocol,
		.port = have->port,
		.ring_size = have->ring_size,
	};
	ports[v->n_ports] = (struct core_port){.vip = v, .run = {.adopted = true}};
	v->n_ports++;
	c->n_ports++;
	v->conf.n_ports = v->n_ports;
	for (size_t i = 0; i < v->n_ports; i++)
		ports[i].conf = &conf[i];
	v->adopted = true;
	c->any_adopted = true;
	return 0;
}

/*
 * Digests are for comparing nodes. They change with every backend that comes or goes, so
 * that they are told a little later: lines for nlbd on which a route waits come first.
 */
static void note_digest(struct core_port *p, uint64_t digest)
{
	struct core_vip *v = p->vip;
	struct core *c = v->core;

	if (p->run.digest == digest)
		return;
	p->run.digest = digest;
	v->digest_dirty = true;
	if (!c->digests_at)
		c->digests_at = c->now + CORE_DIGEST_MS * CORE_MS;
}

static void result(struct core *c, const struct msg_svc_result *res)
{
	struct core_vip *v = core_vip_find(c, &res->vip);
	struct core_port *p = v ? core_port_find(v, res->protocol, res->port) : NULL;
	struct core_port_run *run;
	char text[ADDR_STRLEN];

	/* Deleted or sent again since. */
	if (!p || p->run.generation != res->generation)
		return;
	run = &p->run;
	note_digest(p, res->digest);
	/* A ring that was not written leaves the one before it live. */
	for (size_t i = 0; i < p->n_backends && res->state != MSG_SVC_FAILED; i++)
		p->backends[i].in_ring = p->backends[i].ring_weight > 0;
	run->waiting = false;
	run->broken = false;
	run->failed = false;
	if (res->state == MSG_SVC_PROVEN || (res->state == MSG_SVC_WRITTEN && !res->n_backends)) {
		run->live = res->n_backends;
		run->proven = res->n_backends > 0;
		run->retry_ms = 0;
		run->reason[0] = '\0';
	} else {
		run->failed = true;
		copy_reason(run->reason, res->reason);
		if (res->state == MSG_SVC_WRITTEN) {
			run->live = res->n_backends;
			run->proven = false;
			run->broken = true;
		}
		v->set_again = true;
		run->retry_ms = run->retry_ms ? MIN2(run->retry_ms * 2, CORE_RETRY_MAX_MS)
					      : CORE_RETRY_MIN_MS;
		run->retry_at = c->now + CORE_MS * run->retry_ms;
		log_err("service not in the data plane",
			"vip=%s service=%s/%u reason=\"%s\" proven=%s retry_ms=%u",
			addr_str(&res->vip, text), model_protocol_str(res->protocol), res->port,
			run->reason, run->proven ? "earlier" : "no", run->retry_ms);
		c->report_dirty = true;
	}
	core_vip_dirty(v);
}

/* What failed for want of a program is tried again at once. */
static void retry_failed(struct core_vip *v)
{
	for (size_t i = 0; i < v->n_ports; i++) {
		if (!v->ports[i].run.failed)
			continue;
		v->ports[i].ring_dirty = true;
		v->ports[i].run.retry_ms = 0;
		core_vip_dirty(v);
	}
}

static void dataplane(struct core *c, const struct msg_dataplane *dp)
{
	bool up = dp->up;

	for (struct core_vip *v = c->vips; v && up && !c->dataplane_up; v = v->hh.next)
		retry_failed(v);

	c->dataplane_native = dp->native;
	copy_reason(c->dataplane_reason, dp->reason);
	if (up)
		log_notice("data plane", "state=up mode=%s", dp->native ? "native" : "generic");
	else
		log_err("data plane", "state=down reason=\"%s\"", c->dataplane_reason);
	c->dataplane_up = up;
	c->report_dirty = true;
	if (c->feed_up)
		c->ops->dataplane(c->user, core_dataplane_ok(c));
}

void core_maps_frame(struct core *c, uint16_t type, const void *data, size_t len, uint64_t now_ns)
{
	const struct msg_committed *done = data;

	c->now = now_ns;
	if (type == MSG_MAPS_HAVE && len >= sizeof(struct msg_svc)) {
		if (adopt(c, data, len) < 0)
			log_warning("adopted service ignored", "type=%u", type);
	} else if (type == MSG_MAPS_READY && len == sizeof(struct msg_dataplane)) {
		c->maps_ready = true;
		dataplane(c, data);
	} else if (type == MSG_MAPS_DATAPLANE && len == sizeof(struct msg_dataplane)) {
		dataplane(c, data);
	} else if (type == MSG_MAPS_SVC_RESULT && len == sizeof(struct msg_svc_result)) {
		result(c, data);
	} else if (type == MSG_MAPS_COMMITTED && len == sizeof(*done)) {
		if (done->seq != c->seq)
			return;
		core_batch_done(c, done);
	} else if (!core_tunnel_frame(c, type, data, len)) {
		log_warning("unexpected frame from the maps child", "type=%u length=%zu", type,
			    len);
	}
}
