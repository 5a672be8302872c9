/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP and HTTPS: one request, and an answer whose status and, where wanted,
 * body are as configured. The context to register a kind with is a struct hc_http.
 */
#ifndef NLB_AGENT_HC_HTTP_H
#define NLB_AGENT_HC_HTTP_H

#include "hc_kind.h"
#include "hc_tls.h"
#include "hc_sock.h"

/* Enough for the longest request that hc_check.h allows. */
#define HC_HTTP_REQUEST_MAX 2048u

struct hc_http {
	struct hc_socks *socks;
	struct hc_tls *tls; /* NULL for HTTP */
};

/* Writes the request for a server at `to`, the same each time; returns its length. */
size_t hc_http_request(const struct hc_check *c, const struct addr *to,
		       char buf[static HC_HTTP_REQUEST_MAX]);

extern const struct hc_kind hc_http_kind;
extern const struct hc_kind hc_https_kind;

#endif
