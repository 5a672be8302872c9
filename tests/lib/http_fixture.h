/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An HTTP server for tests, in threads of its own: keeps the requests that it
 * got, and answers as it is told.
 *
 *	struct http_fx *h = http_fx_new(path, NULL, NULL);	a unix socket
 *	h = http_fx_new(NULL, cert_pem, key_pem);		TLS on 127.0.0.1:http_fx_port(h)
 *	http_fx_answer(h, 200, "\"tag\"", "{...}");	to each GET from now on
 *	http_fx_hold(h, true);				requests with wait= are not answered
 *	char *r = http_fx_request(h, 0);		"GET /path?wait=1s If-None-Match: x\nbody"
 *	http_fx_free(h);
 */
#ifndef NLB_TESTS_HTTP_FIXTURE_H
#define NLB_TESTS_HTTP_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_fx;

struct http_fx *http_fx_new(const char *unix_path, const char *cert, const char *key);
void http_fx_free(struct http_fx *h);
uint16_t http_fx_port(const struct http_fx *h);

/* etag may be NULL. Wakes requests that are held: they get this answer. */
void http_fx_answer(struct http_fx *h, unsigned int status, const char *etag, const char *body);
void http_fx_post_status(struct http_fx *h, unsigned int status);
void http_fx_hold(struct http_fx *h, bool hold);

size_t http_fx_count(struct http_fx *h);
/* To be freed; NULL when there is no such request yet. */
char *http_fx_request(struct http_fx *h, size_t i);

#endif
