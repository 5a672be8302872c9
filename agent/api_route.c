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
	size_t body_max; /* 0: API_BODY_MAX */
};

#define VIP	 "v1/vips/*"
#define PORT	 VIP "/ports/*/*"
#define BACKENDS PORT "/backends"

static const struct api_path api_paths[] = {
	{.pattern = "v1/health", .handler[API_GET] = api_get_health},
	{.pattern = "v1/status", .handler[API_GET] = api_get_status},
	{.pattern = "v1/stats", .handler[API_GET] = stats},
	{.pattern = "v1/route", .handler[API_GET] = api_get_route},
	{.pattern = "v1/capture",
	 .handler = {[API_GET] = api_get_capture,
		     [API_POST] = api_post_capture,
		     [API_DELETE] = api_delete_capture}},
	{.pattern = "v1/batches", .handler[API_GET] = api_get_batches},
	{.pattern = "v1/sync/accept", .handler[API_POST] = api_post_accept},
	{.pattern = "v1/backends",
	 .handler[API_POST] = api_post_backends,
	 .body_max = API_BATCH_MAX},
	{.pattern = "v1/vips", .handler[API_GET] = api_get_vips},
	{.pattern = VIP, .handler[API_GET] = api_get_vip},
	{.pattern = PORT, .handler[API_GET] = api_get_port},
	{.pattern = BACKENDS,
	 .handler = {[API_GET] = api_get_backends, [API_PATCH] = api_patch_backends}},
	{.pattern = BACKENDS "/*",
	 .handler = {[API_GET] = api_get_backend,
		     [API_PUT] = api_put_backend,
		     [API_DELETE] = api_delete_backend}},
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

/* Parts 2, 4, 5 and 7 name things. False after an answer was written. */
static bool look_up(struct api_request *req)
{
	struct addr a;
	uint8_t protocol;
	uint16_t port;

	if (req->n_parts < 3 || strcmp(req->parts[1], "vips") != 0)
		return true;
	if (addr_parse(req->parts[2], &a) < 0) {
		api_error(req, 400, "vip", "not an address");
		return false;
	}
	req->vip = core_vip_find(req->parent->core, &a);
	if (!req->vip) {
		api_error(req, 404, "vip", "no such VIP");
		return false;
	}
	if (req->n_parts < 6)
		return true;
	if (model_protocol_parse(req->parts[4], &protocol) < 0) {
		api_error(req, 400, "protocol", "must be tcp or udp");
		return false;
	}
	if (parse_port(req->parts[5], &port) < 0) {
		api_error(req, 400, "port", "must be from 0 to 65535");
		return false;
	}
	req->port = core_port_find(req->vip, protocol, port);
	if (!req->port) {
		api_error(req, 404, "port", "the VIP has no such service");
		return false;
	}
	if (req->n_parts < 8)
		return true;
	if (addr_parse(req->parts[7], &a) < 0) {
		api_error(req, 400, "backend", "not an address");
		return false;
	}
	req->backend = core_backend_find(req->port, &a);
	if (!req->backend) {
		api_error(req, 404, "backend", "the service has no such backend");
		return false;
	}
	return true;
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
	if (!look_up(req))
		return API_DONE;
	return found->handler[req->method](req);
}
