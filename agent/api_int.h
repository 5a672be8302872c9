/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the files api*.c only: one request, and who handles it.
 */
#ifndef NLB_AGENT_API_INT_H
#define NLB_AGENT_API_INT_H

#include "api.h"
#include "core_int.h"
#include "jget.h"
#include "jput.h"
#include "parent.h"

#define API_PARTS_MAX 10

enum api_method {
	API_GET,
	API_PUT,
	API_PATCH,
	API_POST,
	API_DELETE,
	API_METHODS,
};

/* Where the answer comes from. */
enum api_result {
	API_DONE,  /* status and out are filled */
	API_STATS, /* when the maps child has sent its counters */
};

struct api_request {
	struct parent *parent;
	enum api_method method;
	const char *body; /* NUL-terminated */
	size_t body_len;

	/* Filled by api_route(). */
	const char *parts[API_PARTS_MAX]; /* of the path */
	size_t n_parts;
	struct core_vip *vip;
	struct core_port *port;
	struct core_backend *backend;

	unsigned int status;
	unsigned int allow; /* bits 1 << enum api_method, for 405 */
	struct jput_doc out;
};

/*
 * Finds path (which is cut up in place) and runs its handler. Fills
 * req->status and req->out, unless it returns API_STATS.
 */
enum api_result api_route(struct api_request *req, char *path);

/* {"error": ..., "field": ...} with this status; field may be NULL. */
enum api_result api_error(struct api_request *req, unsigned int status, const char *field,
			  const char *fmt, ...) _printf_(4, 5);

/* api_get.c */
enum api_result api_get_health(struct api_request *req);
enum api_result api_get_status(struct api_request *req);
enum api_result api_get_vips(struct api_request *req);
enum api_result api_get_vip(struct api_request *req);
enum api_result api_get_port(struct api_request *req);
enum api_result api_get_backends(struct api_request *req);
enum api_result api_get_backend(struct api_request *req);

/* api_put.c */
enum api_result api_put_backend(struct api_request *req);
enum api_result api_delete_backend(struct api_request *req);
enum api_result api_patch_backends(struct api_request *req);
enum api_result api_post_accept(struct api_request *req);

/* The counters as they come in, frame by frame; true after the last one. */
struct api_stats {
	struct jput_doc doc;
	struct jput reasons, vips; /* of doc */
};
bool api_stats_add(struct api_stats *s, uint16_t type, const void *data, size_t len);

#endif
