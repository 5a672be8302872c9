// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests of the parent that only read. Counters are read with one system
 * call a map, and then sent as one frame each VIP, service, backend, reason and
 * event; STATS_END closes the lot.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "maps_observe.h"
#include "maps_route.h"
#include "maps_stats.h"
#include "reason.h"
#include "util.h"

static void send_vips(struct maps_observe *o)
{
	_cleanup_free_ struct nlb_counters *counters = maps_stats_all_vips(o->table);

	if (!counters)
		log_warning("counters cannot be read", "map=vips error=\"%s\"", strerror(errno));
	for (const struct maps_vip *v = o->table->vips; v && counters; v = v->hh.next) {
		const struct nlb_counters *c = &counters[v->number];
		const struct msg_stats_vip msg = {
			.vip = v->addr,
			.vip_plen = v->plen,
			.packets = c->packets,
			.bytes = c->bytes,
			.dropped = c->dropped,
			.flows = c->flows,
		};

		o->send(o->user, MSG_MAPS_STATS_VIP, &msg, sizeof(msg));
	}
}

static void send_services(struct maps_observe *o)
{
	_cleanup_free_ struct nlb_counters *counters = maps_stats_all_services(o->table);

	if (!counters)
		log_warning("counters cannot be read", "map=services error=\"%s\"",
			    strerror(errno));
	for (size_t i = 0; i < o->table->n_all && counters; i++) {
		const struct maps_svc *svc = o->table->all[i];
		const struct nlb_counters *c = &counters[svc->number];
		const struct msg_stats_svc msg = {
			.vip = svc->vip->addr,
			.vip_plen = svc->vip->plen,
			.port = maps_svc_port(&svc->key),
			.protocol = svc->key.protocol,
			.packets = c->packets,
			.bytes = c->bytes,
			.dropped = c->dropped,
			.flows = c->flows,
		};

		o->send(o->user, MSG_MAPS_STATS_SVC, &msg, sizeof(msg));
	}
}

static void send_backends(struct maps_observe *o)
{
	_cleanup_free_ struct nlb_counters *counters = maps_stats_all_backends(o->table);

	if (!counters)
		log_warning("counters cannot be read", "map=backends error=\"%s\"",
			    strerror(errno));
	for (const struct maps_backend *be = o->table->backends.by_addr; be && counters;
	     be = be->hh.next) {
		const struct nlb_counters *c = &counters[be - o->table->backends.all];
		const struct msg_stats_be msg = {
			.addr = be->addr,
			.packets = c->packets,
			.bytes = c->bytes,
			.dropped = c->dropped,
			.flows = c->flows,
			.errors = c->errors,
		};

		if (be->refs)
			o->send(o->user, MSG_MAPS_STATS_BE, &msg, sizeof(msg));
	}
}

static void send_count(struct maps_observe *o, uint16_t type, const char *name, uint64_t packets)
{
	struct msg_stats_reason msg = {.packets = packets};

	snprintf(msg.name, sizeof(msg.name), "%s", name);
	o->send(o->user, type, &msg, sizeof(msg));
}

static void send_reasons(struct maps_observe *o)
{
	struct nlb_reasons reasons;
	int r = maps_stats_reasons(o->table, &reasons);

	if (r < 0) {
		log_warning("counters cannot be read", "map=reasons error=\"%s\"", strerror(-r));
		return;
	}
	for (uint32_t i = 0; i < NLB_R_COUNT; i++)
		send_count(o, MSG_MAPS_STATS_REASON, reason_str(i), reasons.packets[i]);
	for (uint32_t i = 0; i < NLB_E_COUNT; i++)
		send_count(o, MSG_MAPS_STATS_EVENT, reason_event_str(i),
			   reasons.packets[NLB_EVENT_BASE + i]);
}

/* What the program of checks through the tunnel has done, as events. */
static void send_tunnel(struct maps_observe *o)
{
	static const char *const names[] = {
#define TUNNEL_NAME(name, text) text,
		NLB_TUNNEL_RESULTS(TUNNEL_NAME)
#undef TUNNEL_NAME
	};
	uint64_t counts[NLB_T_COUNT];
	int r = maps_tunnel_counts(o->tunnel, counts);

	if (r < 0) {
		log_warning("counters cannot be read", "map=tunnel error=\"%s\"", strerror(-r));
		return;
	}
	for (uint32_t i = 0; i < NLB_T_COUNT; i++)
		send_count(o, MSG_MAPS_STATS_EVENT, names[i], counts[i]);
}

static void send_stats(struct maps_observe *o, const struct msg_batch *batch)
{
	send_vips(o);
	send_services(o);
	send_backends(o);
	send_reasons(o);
	send_tunnel(o);
	o->send(o->user, MSG_MAPS_STATS_END, batch, sizeof(*batch));
}

static void send_answer(struct maps_observe *o, const struct msg_ask *ask)
{
	struct msg_answer answer;

	maps_route_answer(o->table, o->attach, ask, &answer);
	o->send(o->user, MSG_MAPS_ANSWER, &answer, sizeof(answer));
}

static void send_state(struct maps_observe *o, const struct msg_sample_set *set)
{
	struct msg_sample_state state;

	maps_sample_set(&o->sample, set, &state);
	o->send(o->user, MSG_MAPS_SAMPLE_STATE, &state, sizeof(state));
}

int maps_observe_frame(struct maps_observe *o, uint16_t type, const void *data, size_t len)
{
	const struct msg_batch *batch = data;

	switch (type) {
	case MSG_MAPS_STATS_GET:
		if (len != sizeof(*batch))
			return -EPROTO;
		send_stats(o, batch);
		return 0;
	case MSG_MAPS_ASK:
		if (len != sizeof(struct msg_ask))
			return -EPROTO;
		send_answer(o, data);
		return 0;
	case MSG_MAPS_SAMPLE_SET:
		if (len != sizeof(struct msg_sample_set))
			return -EPROTO;
		send_state(o, data);
		return 0;
	case MSG_MAPS_SAMPLE_TAKEN:
		if (len != sizeof(*batch))
			return -EPROTO;
		maps_sample_taken(&o->sample, batch->seq);
		return 0;
	default:
		return -ENOENT;
	}
}

static void send_sample(void *user, const struct msg_sample *msg, size_t len)
{
	struct maps_observe *o = user;

	o->send(o->user, MSG_MAPS_SAMPLE, msg, len);
}

int maps_observe_init(struct maps_observe *o, struct loop *l, const struct maps_table *t,
		      const struct maps_attach *attach, const struct maps_tunnel *tunnel,
		      void (*send)(void *user, uint16_t type, const void *data, size_t len),
		      void *user)
{
	*o = (struct maps_observe){
		.table = t, .attach = attach, .tunnel = tunnel, .send = send, .user = user};
	return maps_sample_init(&o->sample, l, t, t->bpf->samples_fd, t->bpf->config, send_sample,
				o);
}

void maps_observe_done(struct maps_observe *o)
{
	maps_sample_done(&o->sample);
}
