// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Changing the backends of one service over the local API, and the acceptance of a
 * held VIP list. Every change is checked whole before the first part of it is
 * made, and making it twice is the same as once.
 */
#include <string.h>

#include "api_change.h"

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

static enum api_result done(struct api_request *req, int r)
{
	if (r < 0)
		return api_error(req, 500, NULL, "%s", strerror(-r));
	jput_str(jput_begin(&req->out), "status", "ok");
	return api_changed(req, r > 0);
}

static int parse_admin(struct api_request *req, struct json_object *o, enum model_admin *ret)
{
	static const char *const admins[] = {"up", "drain", "down"};
	static const char *const names[] = {"admin"};
	struct api_err err;
	int admin = -1;

	api_err_init(&err);
	if (jget_known(o, names, ARRAY_SIZE(names), &err.j) < 0 ||
	    jget_enum(o, "admin", admins, ARRAY_SIZE(admins), &admin, &err.j) < 0) {
		api_refuse(req, 400, &err);
		return -EINVAL;
	}
	if (admin < 0) {
		api_error(req, 400, "admin", "admin is missing");
		return -EINVAL;
	}
	*ret = (enum model_admin)admin;
	return 0;
}

enum api_result api_put_backend(struct api_request *req)
{
	_cleanup_json_ struct json_object *o = NULL;
	enum model_admin admin;

	if (api_body(req, &o) < 0 || parse_admin(req, o, &admin) < 0)
		return API_DONE;
	return done(req, core_override_put(req->backend, admin));
}

enum api_result api_delete_backend(struct api_request *req)
{
	return done(req, core_override_drop(req->backend));
}

enum api_result api_patch_backends(struct api_request *req)
{
	struct api_changes cs = API_CHANGES_INIT(req);
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *arr = NULL;
	static const char *const names[] = {"backends"};
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
	if (api_changes_read(&cs, req->port, arr, NULL) == 0) {
		int r = api_changes_make(&cs);

		result = done(req, r < 0 ? r : cs.n_changed > 0);
	}
	api_changes_done(&cs);
	return result;
}

enum api_result api_post_accept(struct api_request *req)
{
	int r = core_accept(req->parent->core, util_now_ns());

	if (r == -ENOENT)
		return api_error(req, 409, NULL, "no VIP list is held");
	return done(req, r);
}
