/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the files api*.c only: one request, and who handles it.
 */
#ifndef NLB_AGENT_API_INT_H
#define NLB_AGENT_API_INT_H

#include "api.h"
#include "ask.h"
#include "core_int.h"
#include "jget.h"
#include "jput.h"
#include "parent.h"
#include "sbuf.h"

#define API_PARTS_MAX 10

enum api_method {
	API_GET,
	API_PUT,
	API_PATCH,
	API_POST,
	API_DELETE,
	API_METHODS,
	API_OTHER = API_METHODS, /* allowed nowhere */
};

/* Where the answer comes from. */
enum api_result {
	API_DONE,  /* status and out are filled */
	API_SAVED, /* status and out are filled, and count when what changed is on disk */
	API_STATS, /* when the maps child has sent its counters */
	API_WAIT,  /* when api_resume() is called; it can be called off by req->cancel */
};

#define API_ARGS_MAX	8
#define API_ETAG_BYTES	16
#define API_ETAG_STRLEN (2 * API_ETAG_BYTES + 3)

/* NAME=VALUE behind the path's question mark. */
struct api_arg {
	const char *name, *value;
};

struct api_request {
	struct parent *parent;
	enum api_method method;
	const char *body; /* NUL-terminated */
	size_t body_len;
	struct api_arg args[API_ARGS_MAX];
	size_t n_args;
	const char *if_match, *if_none_match, *content_type; /* headers; NULL: none */

	/* Filled by api_route(). */
	const char *parts[API_PARTS_MAX]; /* of the path */
	size_t n_parts;
	struct addr vip_addr, backend_addr;
	uint16_t port_no;
	uint8_t protocol;
	/* What the path names; for PUT and DELETE the last of it may be missing: NULL. */
	struct core_vip *vip;
	struct core_port *port;
	struct core_backend *backend;

	unsigned int status;
	unsigned int allow; /* bits 1 << enum api_method, for 405 */
	struct jput_doc out;
	struct json_object *doc;    /* a large body; freed when the answer was sent */
	struct sbuf text;	    /* the answer, when it is text and no JSON */
	char etag[API_ETAG_STRLEN]; /* "": none */

	/* API_STATS: makes an answer of the counters; NULL: they did not come. NULL: they are it. */
	void (*on_stats)(struct api_request *req, struct json_object *stats);
	/* API_WAIT: nobody may call api_resume() any more. */
	void (*cancel)(struct api_request *req);
	struct ask ask;
	struct mapcheck_wait check;
};

/*
 * Finds path (which is cut up in place) and runs its handler. Fills
 * req->status and req->out, unless it returns API_STATS.
 */
enum api_result api_route(struct api_request *req, char *path);

/* The answer is there: status and out are filled. Never from within the handler. */
void api_resume(struct api_request *req);

/* Parses the body, which must be an object; else an answer was written. 0 or -EINVAL. */
int api_body(struct api_request *req, struct json_object **ret);

/* What is wrong with a request, and where: for functions that take a struct jerr. */
struct api_err {
	struct jerr j; /* strict */
	char why[192];
	char field[JGET_FIELD_LEN];
};
void api_err_init(struct api_err *e);
enum api_result api_refuse(struct api_request *req, unsigned int status, const struct api_err *e);

/*
 * A change was noted in the core, or all was so already: the result for the handler to
 * return, which has filled the answer.
 */
enum api_result api_changed(struct api_request *req, bool changed);

/* How long a body may be for url; what is too long for it is refused before it is read. */
size_t api_body_max(const char *url);

/* {"error": ..., "field": ...} with this status; field may be NULL. */
enum api_result api_error(struct api_request *req, unsigned int status, const char *field,
			  const char *fmt, ...) _printf_(4, 5);

/* api_get.c */
enum api_result api_get_status(struct api_request *req);
enum api_result api_get_vips(struct api_request *req);
enum api_result api_get_vip(struct api_request *req);
enum api_result api_get_port(struct api_request *req);
enum api_result api_get_backends(struct api_request *req);
enum api_result api_get_backend(struct api_request *req);

/* api_health.c */
enum api_result api_get_health(struct api_request *req);
enum api_result api_get_health_conditions(struct api_request *req);
enum api_result api_post_health_release(struct api_request *req);

/* api_metrics.c */
enum api_result api_get_metrics(struct api_request *req);

/* api_config.c: the configuration of what the path names (backend, else port, else VIP) */
void api_config_write(const struct api_request *req, struct jput b);
struct json_object *api_config_get(const struct api_request *req); /* NULL: no memory */
void api_etag_set(struct api_request *req);
enum api_result api_config_view(struct api_request *req);
bool api_wants_config(const struct api_request *req); /* ?view=config */
/* If-Match and If-None-Match of a change. 0, or -EINVAL after a 412. */
int api_precondition(struct api_request *req, bool there);

/* api_vip.c */
enum api_result api_put_vip(struct api_request *req);
enum api_result api_patch_vip(struct api_request *req);
enum api_result api_delete_vip(struct api_request *req);
enum api_result api_put_port(struct api_request *req);
enum api_result api_patch_port(struct api_request *req);
enum api_result api_delete_port(struct api_request *req);
/* 0, or -EEXIST after a 409: somebody else's; must: one that is nobody's is not enough. */
int api_local_only(struct api_request *req, const char *field, bool must);
/* Checks and makes it. The result for the handler to return. */
enum api_result api_local_put(struct api_request *req, const struct model_vip *conf);
/* Answers, with the new entity tag, and api_changed(). */
enum api_result api_put_done(struct api_request *req, bool created, bool changed);
enum api_result api_delete_done(struct api_request *req, bool changed);
/* Each 0, or -EINVAL after an answer. */
int api_same_address(struct api_request *req, struct json_object *o, const struct addr *want);
int api_merged_body(struct api_request *req, struct json_object **ret); /* PATCH: RFC 7396 */
int api_edit_begin(struct api_request *req, struct model_vip *ret);
/* RFC 7396; `into` may be changed. A new reference. */
struct json_object *api_merge(struct json_object *into, struct json_object *patch);

/* api_backend.c */
enum api_result api_put_backend(struct api_request *req);
enum api_result api_patch_backend(struct api_request *req);
enum api_result api_delete_backend(struct api_request *req);
enum api_result api_patch_backends(struct api_request *req);
enum api_result api_post_accept(struct api_request *req);

/* api_batch.c */
enum api_result api_post_backends(struct api_request *req);

/* api_batches.c */
enum api_result api_get_batches(struct api_request *req);

/* api_observe.c */

enum api_result api_get_route(struct api_request *req);
enum api_result api_post_capture(struct api_request *req);
enum api_result api_get_capture(struct api_request *req);
enum api_result api_delete_capture(struct api_request *req);

/* api_maps.c */
enum api_result api_get_maps(struct api_request *req);
enum api_result api_post_maps_check(struct api_request *req);

/* api_stats.c: the counters as they come in, frame by frame; true after the last one. */
struct api_stats {
	struct jput_doc doc;
	struct jput reasons, events, vips, services, backends; /* of doc */
};
bool api_stats_add(struct api_stats *s, uint16_t type, const void *data, size_t len);

#endif
