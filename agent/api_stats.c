// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The data plane's counters as JSON, put together from the frames in which
 * the maps child sends them.
 */
#include <string.h>

#include "api_int.h"

static void begin(struct api_stats *s)
{
	struct jput b = jput_begin(&s->doc);

	s->reasons = jput_object(b, "reasons");
	s->events = jput_object(b, "events");
	s->vips = jput_array(b, "vips");
	s->services = jput_array(b, "services");
	s->backends = jput_array(b, "backends");
}

static void add_name(struct jput b, const struct msg_stats_reason *r)
{
	char name[sizeof(r->name) + 1];

	memcpy(name, r->name, sizeof(r->name));
	name[sizeof(r->name)] = '\0';
	jput_u64(b, name, r->packets);
}

static void add_vip(struct jput b, const struct msg_stats_vip *v)
{
	jput_prefix(b, "address", &v->vip, v->vip_plen);
	jput_u64(b, "packets", v->packets);
	jput_u64(b, "bytes", v->bytes);
	jput_u64(b, "flows", v->flows);
	jput_u64(b, "dropped", v->dropped);
}

static void add_svc(struct jput b, const struct msg_stats_svc *s)
{
	jput_prefix(b, "vip", &s->vip, s->vip_plen);
	jput_str(b, "protocol", model_protocol_str(s->protocol));
	jput_u64(b, "port", s->port);
	jput_u64(b, "packets", s->packets);
	jput_u64(b, "bytes", s->bytes);
	jput_u64(b, "flows", s->flows);
	jput_u64(b, "dropped", s->dropped);
}

static void add_backend(struct jput b, const struct msg_stats_be *be)
{
	jput_addr(b, "address", &be->addr);
	jput_u64(b, "packets", be->packets);
	jput_u64(b, "bytes", be->bytes);
	jput_u64(b, "flows", be->flows);
	jput_u64(b, "dropped", be->dropped);
	jput_u64(b, "errors", be->errors);
}

bool api_stats_add(struct api_stats *s, uint16_t type, const void *data, size_t len)
{
	if (!s->doc.root)
		begin(s);
	if (type == MSG_MAPS_STATS_VIP && len == sizeof(struct msg_stats_vip))
		add_vip(jput_object(s->vips, NULL), data);
	else if (type == MSG_MAPS_STATS_SVC && len == sizeof(struct msg_stats_svc))
		add_svc(jput_object(s->services, NULL), data);
	else if (type == MSG_MAPS_STATS_BE && len == sizeof(struct msg_stats_be))
		add_backend(jput_object(s->backends, NULL), data);
	else if (type == MSG_MAPS_STATS_REASON && len == sizeof(struct msg_stats_reason))
		add_name(s->reasons, data);
	else if (type == MSG_MAPS_STATS_EVENT && len == sizeof(struct msg_stats_reason))
		add_name(s->events, data);
	return type == MSG_MAPS_STATS_END;
}
