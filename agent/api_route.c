// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Paths and methods of the local API. A path is cut into parts; a table of
 * patterns says which parts are fixed and which name a VIP, a service or a
 * backend, which are looked up here, so that a handler gets pointers.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api_int.h"

typedef enum api_result api_handler(struct api_request *req);

static enum api_result stats(struct api_request *req _unused_)
{
	return API_STATS;
}

struct api_path {
	/* Parts: a word, or * for VIP, then protocol and port, then backend. */
	const char *pattern;
	api_handler *handler[API_METHODS];
	size_t body_max;   /* 0: API_BODY_MAX */
	bool has_view;	   /* ?view=config */
	bool own_args;	   /* its handlers look at the arguments */
	bool changes_data; /* its other methods change what the data plane does */
};

#define VIP	 "v1/vips/*"
#define PORT	 VIP "/ports/*/*"
#define BACKENDS PORT "/backends"

static const struct api_path api_paths[] = {
	{.pattern = "v1/health", .handler[API_GET] = api_get_health},
	{.pattern = "v1/health/conditions",
	 .handler[API_GET] = api_get_health_conditions,
	 .own_args = true},
	{.pattern = "v1/health/release", .handler[API_POST] = api_post_health_release},
	{.pattern = "v1/metrics", .handler[API_GET] = api_get_metrics},
	{.pattern = "v1/status", .handler[API_GET] = api_get_status},
	{.pattern = "v1/stats", .handler[API_GET] = stats},
	{.pattern = "v1/route", .handler[API_GET] = api_get_route, .own_args = true},
	{.pattern = "v1/capture",
	 .handler = {[API_GET] = api_get_capture,
		     [API_POST] = api_post_capture,
		     [API_DELETE] = api_delete_capture},
	 .own_args = true},
	{.pattern = "v1/batches", .handler[API_GET] = api_get_batches},
	{.pattern = "v1/maps", .handler[API_GET] = api_get_maps},
	{.pattern = "v1/maps/check", .handler[API_POST] = api_post_maps_check},
	{.pattern = "v1/sync/accept", .handler[API_POST] = api_post_accept},
	{.pattern = "v1/backends",
	 .handler[API_POST] = api_post_backends,
	 .body_max = API_BATCH_MAX,
	 .changes_data = true},
	{.pattern = "v1/vips", .handler[API_GET] = api_get_vips},
	{.pattern = VIP,
	 .handler = {[API_GET] = api_get_vip,
		     [API_PUT] = api_put_vip,
		     [API_PATCH] = api_patch_vip,
		     [API_DELETE] = api_delete_vip},
	 .has_view = true,
	 .changes_data = true},
	{.pattern = PORT,
	 .handler = {[API_GET] = api_get_port,
		     [API_PUT] = api_put_port,
		     [API_PATCH] = api_patch_port,
		     [API_DELETE] = api_delete_port},
	 .has_view = true,
	 .changes_data = true},
	{.pattern = BACKENDS,
	 .handler = {[API_GET] = api_get_backends, [API_PATCH] = api_patch_backends},
	 .changes_data = true},
	{.pattern = BACKENDS "/*",
	 .handler = {[API_GET] = api_get_backend,
		     [API_PUT] = api_put_backend,
		     [API_PATCH] = api_patch_backend,
		     [API_DELETE] = api_delete_backend},
	 .has_view = true,
	 .changes_data = true},
};

enum api_result api_error(struct api_request *req, unsigned int status, const char *field,
			  const char *fmt, ...)
{
	struct jput b;
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	req->status = status;
	b = jput_begin(&req->out);
	jput_str(b, "error", text);
	if (field)
		jput_str(b, "field", field);
	return API_DONE;
}

void api_err_init(struct api_err *e)
{
	*e = (struct api_err){
		.j = {.text = e->why,
		      .len = sizeof(e->why),
		      .field = e->field,
		      .field_len = sizeof(e->field),
		      .strict = true},
	};
}

enum api_result api_refuse(struct api_request *req, unsigned int status, const struct api_err *e)
{
	return api_error(req, status, e->field[0] ? e->field : NULL, "%s",
			 e->why[0] ? e->why : "out of memory");
}

static int cut(struct api_request *req, char *path)
{
	char *save = NULL;

	req->n_parts = 0;
	if (path[0] != '/')
		return -EINVAL;
	for (char *part = strtok_r(path, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		if (req->n_parts == API_PARTS_MAX)
			return -EINVAL;
		req->parts[req->n_parts++] = part;
	}
	return 0;
}

static bool matches(const struct api_request *req, const char *pattern)
{
	size_t i = 0;

	for (const char *p = pattern; *p; i++) {
		size_t len = strcspn(p, "/");

		if (i == req->n_parts)
			return false;
		if (!(len == 1 && *p == '*') &&
		    (strlen(req->parts[i]) != len || strncmp(req->parts[i], p, len) != 0))
			return false;
		p += len;
		if (*p == '/')
			p++;
	}
	return i == req->n_parts;
}

static int parse_port(const char *text, uint16_t *ret)
{
	unsigned int n;
	int used = 0;

	if (text[0] < '0' || text[0] > '9' || sscanf(text, "%5u%n", &n, &used) != 1 || text[used] ||
	    n > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)n;
	return 0;
}

/* A part of the path that is named and not there. Only PUT and DELETE go on without the last. */
static int missing(struct api_request *req, size_t last, const char *field, const char *what)
{
	if (req->n_parts == last + 1 && (req->method == API_PUT || req->method == API_DELETE))
		return 0;
	api_error(req, 404, field, "%s", what);
	return -ENOENT;
}

/* What a path says of the configuration must be about one: a VIP that leaves has none. */
static bool is_config(const struct api_request *req)
{
	if (req->method == API_GET && !api_wants_config(req))
		return true;
	return req->vip->owner == CORE_OWNER_LOCAL ? req->vip->phase == CORE_WANTED
						   : req->vip->configured;
}

static int look_up_vip(struct api_request *req)
{
	if (addr_parse(req->parts[2], &req->vip_addr) < 0) {
		api_error(req, 400, "vip", "not an address");
		return -EINVAL;
	}
	req->vip = core_vip_find(req->parent->core, &req->vip_addr);
	if (req->vip && !is_config(req))
		req->vip = NULL;
	return req->vip ? 0 : missing(req, 2, "vip", "no such VIP");
}

static int look_up_port(struct api_request *req)
{
	if (model_protocol_parse(req->parts[4], &req->protocol) < 0) {
		api_error(req, 400, "protocol", "must be tcp or udp");
		return -EINVAL;
	}
	if (parse_port(req->parts[5], &req->port_no) < 0) {
		api_error(req, 400, "port", "must be from 0 to 65535");
		return -EINVAL;
	}
	req->port = core_port_find(req->vip, req->protocol, req->port_no);
	return req->port ? 0 : missing(req, 5, "port", "the VIP has no such service");
}

static int look_up_backend(struct api_request *req)
{
	if (addr_parse(req->parts[7], &req->backend_addr) < 0) {
		api_error(req, 400, "backend", "not an address");
		return -EINVAL;
	}
	req->backend = core_backend_find(req->port, &req->backend_addr);
	return req->backend ? 0 : missing(req, 7, "backend", "the service has no such backend");
}

/* Parts 2, 4, 5 and 7 name things. 0, or < 0 after an answer was written. */
static int look_up(struct api_request *req)
{
	int r = 0;

	if (req->n_parts < 3 || strcmp(req->parts[1], "vips") != 0)
		return 0;
	r = look_up_vip(req);
	if (r == 0 && req->n_parts > 5)
		r = look_up_port(req);
	if (r == 0 && req->n_parts > 7)
		r = look_up_backend(req);
	return r;
}

static int check_args(struct api_request *req, const struct api_path *path)
{
	if (path->own_args || !req->n_args)
		return 0;
	for (size_t i = 0; i < req->n_args; i++) {
		if (!path->has_view || req->method != API_GET || i ||
		    strcmp(req->args[i].name, "view") != 0) {
			api_error(req, 400, req->args[i].name, "the request has no such argument");
			return -EINVAL;
		}
	}
	if (api_wants_config(req))
		return 0;
	api_error(req, 400, "view", "view must be config");
	return -EINVAL;
}

/* A body is JSON, and says so or nothing. */
static int check_type(struct api_request *req)
{
	static const char *const types[] = {"application/json", "application/merge-patch+json"};
	size_t n = req->method == API_PATCH ? 2 : 1;
	const char *type = req->content_type;

	if (!type || !req->body_len)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (strcspn(type, "; \t") == strlen(types[i]) &&
		    strncasecmp(type, types[i], strlen(types[i])) == 0)
			return 0;
	api_error(req, 415, "Content-Type", "the body must be application/json");
	return -EINVAL;
}

/* Cuts path up. NULL: there is no such one. */
static const struct api_path *find(struct api_request *req, char *path)
{
	if (cut(req, path) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(api_paths); i++)
		if (matches(req, api_paths[i].pattern))
			return &api_paths[i];
	return NULL;
}

size_t api_body_max(const char *url)
{
	_cleanup_free_ char *path = strdup(url);
	struct api_request req = {};
	const struct api_path *found = path ? find(&req, path) : NULL;

	return found && found->body_max ? found->body_max : API_BODY_MAX;
}

enum api_result api_route(struct api_request *req, char *path)
{
	const struct api_path *found = find(req, path);

	if (!found)
		return api_error(req, 404, NULL, "no such path");
	if (req->method == API_OTHER || !found->handler[req->method]) {
		for (unsigned int m = 0; m < API_METHODS; m++)
			if (found->handler[m])
				req->allow |= 1u << m;
		return api_error(req, 405, NULL, "the method is not allowed here");
	}
	req->status = 200;
	if (check_args(req, found) < 0 || check_type(req) < 0)
		return API_DONE;
	if (found->changes_data && req->method != API_GET && !core_maps_ready(req->parent->core))
		return api_error(req, 503, NULL, "the data plane is starting");
	if (look_up(req) < 0)
		return API_DONE;
	if (found->changes_data && req->method != API_GET)
		core_tick(req->parent->core, util_now_ns());
	return found->handler[req->method](req);
}
