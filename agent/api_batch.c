// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * POST /v1/backends: changes of backends of many services at once, all or
 * nothing:
 *
 *	{"services": [{"vip": "192.0.2.1", "protocol": "tcp", "port": 80,
 *		       "backends": [{"address": "10.0.0.1", "admin": "down"}]}]}
 *
 * What one request brings is one batch for the maps child.
 */
#include <string.h>

#include "api_change.h"

#define SERVICES_MAX 65536u

/* The service's key, as it stands in the document. */
static int read_key(struct json_object *o, struct addr *vip, uint8_t *protocol, uint16_t *port,
		    struct json_object **backends, struct jerr *err)
{
	static const char *const names[] = {"vip", "protocol", "port", "backends"};
	const char *text = NULL, *proto = NULL;
	uint64_t number = UINT64_MAX;

	if (!json_object_is_type(o, json_type_object))
		return jget_fail(err, "a service must be an object");
	if (jget_known(o, names, ARRAY_SIZE(names), err) < 0 ||
	    jget_str(o, "vip", ADDR_STRLEN, &text, err) < 0 ||
	    jget_str(o, "protocol", 16, &proto, err) < 0 ||
	    jget_u64(o, "port", 0, UINT16_MAX, &number, err) < 0 ||
	    jget_array(o, "backends", MODEL_BACKENDS_MAX, backends, err) < 0)
		return -EINVAL;
	if (!text || addr_parse(text, vip) < 0)
		return jget_fail_at(err, "vip", "vip must be an IPv4 or IPv6 address");
	if (!proto || model_protocol_parse(proto, protocol) < 0)
		return jget_fail_at(err, "protocol", "protocol must be tcp or udp");
	if (number == UINT64_MAX)
		return jget_fail_at(err, "port", "port is missing");
	if (!*backends)
		return jget_fail_at(err, "backends", "backends is missing");
	*port = (uint16_t)number;
	return 0;
}

/* The HTTP status of an error, or 0. */
static unsigned int read_service(struct api_request *req, struct json_object *o,
				 struct core_port **ret, struct json_object **backends,
				 struct jerr *err)
{
	struct core *c = req->parent->core;
	struct core_vip *v;
	struct core_port *p;
	struct addr vip = {};
	uint8_t protocol = 0;
	uint16_t port = 0;

	if (read_key(o, &vip, &protocol, &port, backends, err) < 0)
		return 400;
	v = core_vip_find(c, &vip);
	if (v && v->owner == CORE_OWNER_LOCAL && !core_vip_is_local(v))
		v = NULL;
	p = v ? core_port_find(v, protocol, port) : NULL;
	if (!p) {
		jget_fail_at(err, v ? "port" : "vip",
			     v ? "the VIP has no such service" : "no such VIP");
		return 404;
	}
	if (p->mark == c->mark) {
		jget_fail(err, "the service is listed twice");
		return 400;
	}
	p->mark = c->mark;
	*ret = p;
	return 0;
}

static int read_services(struct api_changes *cs, struct json_object *services)
{
	struct api_err err;
	size_t n = json_object_array_length(services);

	api_err_init(&err);
	for (size_t i = 0; i < n; i++) {
		struct json_object *backends = NULL;
		struct core_port *p;
		unsigned int status = read_service(cs->req, json_object_array_get_idx(services, i),
						   &p, &backends, &err.j);

		if (status) {
			jget_under(&err.j, "services", i);
			api_refuse(cs->req, status, &err);
			return -EINVAL;
		}
		if (api_changes_read(cs, p, backends, i) < 0)
			return -EINVAL;
	}
	return 0;
}

static enum api_result answer(struct api_request *req, size_t n_services,
			      const struct api_changes *cs)
{
	struct jput b = jput_begin(&req->out);

	jput_str(b, "status", "ok");
	jput_u64(b, "services", n_services);
	jput_u64(b, "backends", cs->n);
	jput_u64(b, "changed", cs->n_changed);
	return api_changed(req, cs->n_changed > 0);
}

enum api_result api_post_backends(struct api_request *req)
{
	static const char *const names[] = {"services"};
	struct api_changes cs = API_CHANGES_INIT(req);
	struct json_object *services = NULL;
	struct api_err err;
	enum api_result result = API_DONE;
	int r;

	/* To free it takes as long as all that is done here: that can wait. */
	if (api_body(req, &req->doc) < 0)
		return API_DONE;
	api_err_init(&err);
	if (jget_known(req->doc, names, ARRAY_SIZE(names), &err.j) < 0 ||
	    jget_array(req->doc, "services", SERVICES_MAX, &services, &err.j) < 0)
		return api_refuse(req, 400, &err);
	if (!services)
		return api_error(req, 400, "services", "services is missing");
	core_mark_next(req->parent->core);
	if (read_services(&cs, services) == 0 && api_changes_check(&cs) == 0) {
		r = api_changes_make(&cs);
		result = r < 0 ? api_error(req, 500, NULL, "%s", strerror(-r))
			       : answer(req, json_object_array_length(services), &cs);
	}
	api_changes_done(&cs);
	return result;
}
