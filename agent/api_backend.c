// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Changing the backends of one service over the local API, and the acceptance of a
 * held VIP list. Every change is checked whole before the first part of it is
 * made, and making it twice is the same as once.
 */
#include <string.h>

#include "api_change.h"
#include "model_edit.h"

#define API_ERR_LEN 192

int api_body(struct api_request *req, struct json_object **ret)
{
	char why[API_ERR_LEN] = "";
	struct jerr err = {.text = why, .len = sizeof(why)};

	if (jget_parse(req->body, req->body_len, ret, &err) < 0) {
		api_error(req, 400, NULL, "%s", why[0] ? why : "not JSON");
		return -EINVAL;
	}
	if (!json_object_is_type(*ret, json_type_object)) {
		api_error(req, 400, NULL, "the body must be an object");
		return -EINVAL;
	}
	return 0;
}

enum api_result api_changed(struct api_request *req, bool changed)
{
	parent_kick(req->parent);
	/* What was changed just before may not be on disk yet; then this must wait too. */
	return changed || core_is_unsaved(req->parent->core) || req->parent->unsaved ? API_SAVED
										     : API_DONE;
}

/* Makes what was read and checked. The result for the handler to return. */
static enum api_result make(struct api_request *req, struct api_changes *cs)
{
	bool created = req->n_parts > 7 && !req->backend;
	int r = api_changes_make(cs);

	if (r < 0)
		return api_error(req, 500, NULL, "%s", strerror(-r));
	req->vip = core_vip_find(req->parent->core, &req->vip_addr);
	return api_put_done(req, created, cs->n_changed > 0);
}

/* One backend as the body says; what the body does not name stays. */
static enum api_result change_backend(struct api_request *req, struct json_object *o)
{
	struct api_changes cs = API_CHANGES_INIT(req);
	enum api_result result = API_DONE;

	core_mark_next(req->parent->core);
	if (api_same_address(req, o, &req->backend_addr) == 0 &&
	    api_changes_read_one(&cs, req->port, o) == 0 && api_changes_check(&cs) == 0 &&
	    api_precondition(req, req->backend != NULL) == 0)
		result = make(req, &cs);
	api_changes_done(&cs);
	return result;
}

/* What PUT does not name is at its default. */
static void put_defaults(const struct api_request *req, struct json_object *o)
{
	static const char *const names[] = {"admin", "weight", "quic_id"};

	if (!core_vip_is_local(req->vip))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!json_object_object_get_ex(o, names[i], NULL))
			json_object_object_add(o, names[i], NULL);
}

enum api_result api_put_backend(struct api_request *req)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *admin = NULL;

	if (api_body(req, &o) < 0)
		return API_DONE;
	if (json_object_object_get_ex(o, "remove", NULL))
		return api_error(req, 400, "remove", "the field is not known");
	if (!core_vip_is_local(req->vip) && !json_object_object_get_ex(o, "admin", &admin))
		return api_error(req, 400, "admin", "admin is missing");
	if (!core_vip_is_local(req->vip) && !admin)
		return api_error(req, 400, "admin", "admin must be one of: up, drain, down");
	put_defaults(req, o);
	return change_backend(req, o);
}

enum api_result api_patch_backend(struct api_request *req)
{
	_cleanup_json_ struct json_object *o = NULL;

	if (api_body(req, &o) < 0)
		return API_DONE;
	if (json_object_object_get_ex(o, "remove", NULL))
		return api_error(req, 400, "remove", "the field is not known");
	return change_backend(req, o);
}

static enum api_result remove_backend(struct api_request *req)
{
	_cleanup_(model_vip_done) struct model_vip edit = {};
	enum api_result result;

	if (!req->backend)
		return api_delete_done(req, false);
	if (api_edit_begin(req, &edit) < 0)
		return API_DONE;
	model_port_remove_backend(&edit.ports[req->port - req->vip->ports], &req->backend_addr);
	result = api_local_put(req, &edit);
	return req->status < 300 ? api_delete_done(req, true) : result;
}

enum api_result api_delete_backend(struct api_request *req)
{
	if (!req->backend && !core_vip_is_local(req->vip))
		return api_error(req, 404, "backend", "the service has no such backend");
	if (api_precondition(req, req->backend != NULL) < 0)
		return API_DONE;
	if (core_vip_is_local(req->vip))
		return remove_backend(req);
	return api_delete_done(req, core_override_drop(req->backend) > 0);
}

enum api_result api_patch_backends(struct api_request *req)
{
	static const char *const names[] = {"backends"};
	struct api_changes cs = API_CHANGES_INIT(req);
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *arr = NULL;
	enum api_result result = API_DONE;
	struct api_err err;

	if (api_body(req, &o) < 0)
		return API_DONE;
	api_err_init(&err);
	if (jget_known(o, names, ARRAY_SIZE(names), &err.j) < 0 ||
	    jget_array(o, "backends", MODEL_BACKENDS_MAX, &arr, &err.j) < 0)
		return api_refuse(req, 400, &err);
	if (!arr)
		return api_error(req, 400, "backends", "backends is missing");
	core_mark_next(req->parent->core);
	if (api_changes_read(&cs, req->port, arr, API_CHANGES_LIST) == 0 &&
	    api_changes_check(&cs) == 0 && api_precondition(req, true) == 0)
		result = make(req, &cs);
	api_changes_done(&cs);
	return result;
}

enum api_result api_post_accept(struct api_request *req)
{
	int r = core_accept(req->parent->core, util_now_ns());

	if (r == -ENOENT)
		return api_error(req, 409, NULL, "no VIP list is held");
	if (r < 0)
		return api_error(req, 500, NULL, "%s", strerror(-r));
	jput_str(jput_begin(&req->out), "status", "ok");
	return api_changed(req, false);
}
