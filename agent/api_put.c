// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Changing things over the local API: the operator's overrides of backends,
 * and the acceptance of a held VIP list. Every change is checked whole before
 * the first part of it is made, and making it twice is the same as once.
 */
#include <string.h>

#include "api_int.h"

#define API_ERR_LEN 192

static struct core_key key_of(const struct core_backend *be)
{
	const struct core_port *p = be->port;

	return (struct core_key){
		.vip = p->vip->conf.addr,
		.backend = be->conf.addr,
		.port = p->conf->port,
		.protocol = p->conf->protocol,
	};
}

int api_body(struct api_request *req, struct json_object **ret)
{
	char why[API_ERR_LEN] = "";
	struct jerr err = {why, sizeof(why)};

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

static int parse_admin(struct api_request *req, struct json_object *o, enum model_admin *ret)
{
	static const char *const admins[] = {"up", "drain", "down"};
	char why[API_ERR_LEN] = "";
	struct jerr err = {why, sizeof(why)};
	int admin = -1;

	if (jget_enum(o, "admin", admins, ARRAY_SIZE(admins), &admin, &err) < 0) {
		api_error(req, 400, "admin", "%s", why);
		return -EINVAL;
	}
	if (admin < 0) {
		api_error(req, 400, "admin", "admin is missing");
		return -EINVAL;
	}
	*ret = (enum model_admin)admin;
	return 0;
}

static enum api_result changed(struct api_request *req, int r)
{
	if (r < 0)
		return api_error(req, 500, NULL, "%s", strerror(-r));
	parent_kick(req->parent);
	req->status = 200;
	jput_str(jput_begin(&req->out), "status", "ok");
	return API_DONE;
}

enum api_result api_put_backend(struct api_request *req)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct core_key key = key_of(req->backend);
	enum model_admin admin;

	if (api_body(req, &o) < 0 || parse_admin(req, o, &admin) < 0)
		return API_DONE;
	return changed(req, core_override_set(req->parent->core, &key, admin));
}

enum api_result api_delete_backend(struct api_request *req)
{
	struct core_key key = key_of(req->backend);

	return changed(req, core_override_clear(req->parent->core, &key));
}

struct change {
	struct core_key key;
	enum model_admin admin;
	bool clear;
};

/* {"address": ..., "admin": "up|drain|down"}, or null to end the override. */
static int parse_change(struct api_request *req, struct json_object *o, struct change *c)
{
	char why[API_ERR_LEN] = "";
	struct jerr err = {why, sizeof(why)};
	const char *address = NULL;
	struct core_backend *be;
	struct json_object *admin;
	struct addr a;

	if (!json_object_is_type(o, json_type_object)) {
		api_error(req, 400, "backends", "each must be an object");
		return -EINVAL;
	}
	if (jget_str(o, "address", ADDR_STRLEN, &address, &err) < 0 || !address ||
	    addr_parse(address, &a) < 0) {
		api_error(req, 400, "address", "%s", why[0] ? why : "not an address");
		return -EINVAL;
	}
	be = core_backend_find(req->port, &a);
	if (!be) {
		api_error(req, 404, "address", "the service has no backend %s", address);
		return -EINVAL;
	}
	c->key = key_of(be);
	c->clear = json_object_object_get_ex(o, "admin", &admin) && !admin;
	return c->clear ? 0 : parse_admin(req, o, &c->admin);
}

enum api_result api_patch_backends(struct api_request *req)
{
	_cleanup_free_ struct change *changes = NULL;
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *arr = NULL;
	char why[API_ERR_LEN] = "";
	struct jerr err = {why, sizeof(why)};
	size_t n;
	int r = 0;

	if (api_body(req, &o) < 0)
		return API_DONE;
	if (jget_array(o, "backends", MODEL_BACKENDS_MAX, &arr, &err) < 0 || !arr)
		return api_error(req, 400, "backends", "%s", why[0] ? why : "backends is missing");
	n = json_object_array_length(arr);
	changes = calloc(n + 1, sizeof(*changes));
	if (!changes)
		return api_error(req, 500, NULL, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (parse_change(req, json_object_array_get_idx(arr, i), &changes[i]) < 0)
			return API_DONE;
	for (size_t i = 0; i < n && r == 0; i++) {
		if (changes[i].clear)
			r = core_override_clear(req->parent->core, &changes[i].key);
		else
			r = core_override_set(req->parent->core, &changes[i].key, changes[i].admin);
	}
	return changed(req, r);
}

enum api_result api_post_accept(struct api_request *req)
{
	int r = core_accept(req->parent->core, util_now_ns());

	if (r == -ENOENT)
		return api_error(req, 409, NULL, "no VIP list is held");
	return changed(req, r);
}
