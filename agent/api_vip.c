// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Local VIPs and their services over the local API: PUT, DELETE and PATCH. Whatever is
 * asked for, the new configuration of the whole VIP is built and checked beside the one
 * that runs, and the core finds out what of it is new.
 */
#include <string.h>

#include "api_int.h"
#include "model_edit.h"

/* ---- what VIPs and services have in common ---- */

int api_local_only(struct api_request *req, const char *field, bool must)
{
	const struct core_vip *v = req->vip;

	if (!v || core_vip_is_local(v) || (!must && v->phase != CORE_WANTED))
		return 0;
	/* What was found in the maps may be taken over by whoever says what it is. */
	if (!must && v->owner == CORE_OWNER_NONE)
		return 0;
	api_error(req, 409, field, "the VIP is not local: its owner is %s",
		  v->owner == CORE_OWNER_NONE ? "not known yet" : "the scheduler");
	return -EEXIST;
}

enum api_result api_local_put(struct api_request *req, const struct model_vip *conf)
{
	struct core_local_room room = {};
	char why[160] = "";
	int r = core_local_check(req->parent->core, conf, &room, why, sizeof(why));

	if (r == -EEXIST)
		return api_error(req, 409, "address", "%s", why);
	if (r < 0)
		return api_error(req, 507, NULL, "%s", why);
	r = core_local_put(req->parent->core, conf, util_now_ns());
	if (r < 0)
		return api_error(req, 500, NULL, "%s", strerror(-r));
	/* All that pointed into the VIP is new. */
	req->vip = core_vip_find(req->parent->core, &req->vip_addr);
	return api_put_done(req, r == CORE_LOCAL_CREATED, r != CORE_LOCAL_UNCHANGED);
}

enum api_result api_put_done(struct api_request *req, bool created, bool changed)
{
	req->port = req->vip && req->n_parts > 5
			    ? core_port_find(req->vip, req->protocol, req->port_no)
			    : NULL;
	req->backend = req->port && req->n_parts > 7
			       ? core_backend_find(req->port, &req->backend_addr)
			       : NULL;
	api_etag_set(req);
	req->status = created ? 201 : 200;
	jput_str(jput_begin(&req->out), "status",
		 created   ? "created"
		 : changed ? "replaced"
			   : "unchanged");
	return api_changed(req, changed);
}

enum api_result api_delete_done(struct api_request *req, bool changed)
{
	req->etag[0] = '\0';
	jput_str(jput_begin(&req->out), "status", changed ? "deleted" : "absent");
	return api_changed(req, changed);
}

/* A member that says what the path says already: it may be left out, but not differ. */
static int same_number(struct api_request *req, struct json_object *o, const char *key,
		       uint64_t value)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !v) {
		json_object_object_add(o, key, json_object_new_uint64(value));
		return 0;
	}
	if (json_object_is_type(v, json_type_int) && json_object_get_uint64(v) == value)
		return 0;
	api_error(req, 400, key, "%s must be the path's", key);
	return -EINVAL;
}

static int same_text(struct api_request *req, struct json_object *o, const char *key,
		     const char *value)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !v) {
		json_object_object_add(o, key, json_object_new_string(value));
		return 0;
	}
	if (json_object_is_type(v, json_type_string) &&
	    strcmp(json_object_get_string(v), value) == 0)
		return 0;
	api_error(req, 400, key, "%s must be the path's", key);
	return -EINVAL;
}

int api_same_address(struct api_request *req, struct json_object *o, const struct addr *want)
{
	char text[ADDR_STRLEN];
	struct json_object *v;
	struct addr a;
	uint8_t plen;

	if (!json_object_object_get_ex(o, "address", &v) || !v) {
		json_object_object_add(o, "address", json_object_new_string(addr_str(want, text)));
		return 0;
	}
	if (json_object_is_type(v, json_type_string) &&
	    addr_prefix_parse(json_object_get_string(v), &a, &plen) == 0 && addr_cmp(&a, want) == 0)
		return 0;
	api_error(req, 400, "address", "address must be the path's");
	return -EINVAL;
}

struct json_object *api_merge(struct json_object *into, struct json_object *patch)
{
	if (!json_object_is_type(patch, json_type_object))
		return json_object_get(patch);
	if (!json_object_is_type(into, json_type_object))
		into = json_object_new_object();
	else
		json_object_get(into);
	json_object_object_foreach (patch, key, value) {
		struct json_object *old = NULL;

		if (!value) {
			json_object_object_del(into, key);
			continue;
		}
		json_object_object_get_ex(into, key, &old);
		json_object_object_add(into, key, api_merge(old, value));
	}
	return into;
}

int api_merged_body(struct api_request *req, struct json_object **ret)
{
	_cleanup_json_ struct json_object *patch = NULL, *have = NULL;

	if (api_body(req, &patch) < 0)
		return -EINVAL;
	have = api_config_get(req);
	if (!have) {
		api_error(req, 500, NULL, "out of memory");
		return -ENOMEM;
	}
	*ret = api_merge(have, patch);
	return 0;
}

/* ---- VIPs ---- */

static enum api_result put_vip(struct api_request *req, struct json_object *o)
{
	_cleanup_(model_vip_done) struct model_vip conf = {};
	struct api_err err;

	api_err_init(&err);
	if (api_same_address(req, o, &req->vip_addr) < 0)
		return API_DONE;
	if (model_vip_parse(o, &conf, &err.j) < 0)
		return api_refuse(req, err.why[0] ? 400 : 500, &err);
	if (api_local_only(req, "address", false) < 0 ||
	    api_precondition(req, req->vip && core_vip_is_local(req->vip)) < 0)
		return API_DONE;
	return api_local_put(req, &conf);
}

enum api_result api_put_vip(struct api_request *req)
{
	_cleanup_json_ struct json_object *o = NULL;

	return api_body(req, &o) < 0 ? API_DONE : put_vip(req, o);
}

enum api_result api_patch_vip(struct api_request *req)
{
	_cleanup_json_ struct json_object *o = NULL;

	if (api_local_only(req, "address", true) < 0 || api_merged_body(req, &o) < 0)
		return API_DONE;
	return put_vip(req, o);
}

enum api_result api_delete_vip(struct api_request *req)
{
	bool there = req->vip && core_vip_is_local(req->vip);
	int r;

	if (api_local_only(req, "address", false) < 0 || api_precondition(req, there) < 0)
		return API_DONE;
	r = there ? core_local_delete(req->parent->core, &req->vip_addr, util_now_ns()) : 0;
	if (r < 0)
		return api_error(req, 500, NULL, "%s", strerror(-r));
	return api_delete_done(req, there);
}

/* ---- services ---- */

/* A copy of the VIP to work on. 0, or -EINVAL after an answer. */
int api_edit_begin(struct api_request *req, struct model_vip *ret)
{
	if (model_vip_copy(&req->vip->conf, ret) == 0)
		return 0;
	api_error(req, 500, NULL, "out of memory");
	return -EINVAL;
}

static enum api_result put_port(struct api_request *req, struct json_object *o)
{
	_cleanup_(model_vip_done) struct model_vip edit = {};
	_cleanup_(model_port_done) struct model_port port = {};
	bool created = !req->port;
	struct api_err err;
	enum api_result result;

	api_err_init(&err);
	if (same_text(req, o, "protocol", model_protocol_str(req->protocol)) < 0 ||
	    same_number(req, o, "port", req->port_no) < 0)
		return API_DONE;
	if (model_port_parse(o, &req->vip->conf, &port, &err.j) < 0)
		return api_refuse(req, err.why[0] ? 400 : 500, &err);
	if (api_precondition(req, req->port != NULL) < 0 || api_edit_begin(req, &edit) < 0)
		return API_DONE;
	if (created && edit.n_ports == MODEL_PORTS_MAX)
		return api_error(req, 507, "port", "a VIP has at most %u services",
				 MODEL_PORTS_MAX);
	if (model_vip_set_port(&edit, &port) < 0)
		return api_error(req, 500, NULL, "out of memory");
	result = api_local_put(req, &edit);
	if (req->status == 200 && created) {
		req->status = 201;
		jput_str(jput_begin(&req->out), "status", "created");
	}
	return result;
}

enum api_result api_put_port(struct api_request *req)
{
	_cleanup_json_ struct json_object *o = NULL;

	if (api_local_only(req, "vip", true) < 0 || api_body(req, &o) < 0)
		return API_DONE;
	return put_port(req, o);
}

enum api_result api_patch_port(struct api_request *req)
{
	_cleanup_json_ struct json_object *o = NULL;

	if (api_local_only(req, "vip", true) < 0 || api_merged_body(req, &o) < 0)
		return API_DONE;
	return put_port(req, o);
}

enum api_result api_delete_port(struct api_request *req)
{
	_cleanup_(model_vip_done) struct model_vip edit = {};
	enum api_result result;

	if (api_local_only(req, "vip", true) < 0 || api_precondition(req, req->port != NULL) < 0)
		return API_DONE;
	if (!req->port)
		return api_delete_done(req, false);
	if (req->vip->n_ports == 1)
		return api_error(req, 409, "port",
				 "it is the VIP's only service: delete the VIP instead");
	if (api_edit_begin(req, &edit) < 0)
		return API_DONE;
	model_vip_remove_port(&edit, req->protocol, req->port_no);
	result = api_local_put(req, &edit);
	return req->status < 300 ? api_delete_done(req, true) : result;
}
