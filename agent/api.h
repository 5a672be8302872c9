/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local API: HTTP on a unix socket (docs/api.md, docs/openapi.yaml).
 * api.c is the server (libmicrohttpd on our loop, who may connect);
 * api_route.c knows paths and methods; all else works on plain structs, so that a
 * test needs no socket: api_get.c, api_health.c, api_metrics.c and api_stats.c show, api_config.c is about
 * configuration and its entity tags, api_vip.c changes VIPs and services, api_backend.c,
 * api_batch.c and api_change.c backends, api_observe.c asks and captures.
 */
#ifndef NLB_AGENT_API_H
#define NLB_AGENT_API_H

#include <stddef.h>
#include <stdint.h>

#include "capture.h"
#include "config.h"
#include "msg.h"

struct api;
struct parent;

#define API_BODY_MAX	(1u << 20)  /* of a request's body */
#define API_BATCH_MAX	(16u << 20) /* ... of a batch over many services */
#define API_CONNECTIONS 64u

/*
 * Binds cfg->api_socket, mode 0660, of cfg->user and cfg->api_group: while the
 * process may still choose an owner. *ret_fd is -1 when there is to be no API.
 * Returns 0 or -errno (-EADDRINUSE: another agent answers there).
 */
int api_listen(const struct config *cfg, int *ret_fd);

/* Serves on listen_fd, which it takes over; -1: does nothing. 0 or -errno. */
int api_new(struct parent *p, int listen_fd, struct api **ret);
void api_free(struct api *a);

/* For capture_init(): a capture's clients are requests. */
extern const struct capture_ops api_capture_ops;

/* All changes are on disk; or could not be saved, for which err (-errno) says why. */
void api_saved(struct api *a, int err);

/* The health engine's figures, as they come. */
void api_health_stats(struct parent *p, const struct msg_hc_stats *s);

/* A MSG_MAPS_STATS_* frame from the maps child. */
void api_stats(struct api *a, uint16_t type, const void *data, size_t len);

#endif
