// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A scripted HTTP server, on libmicrohttpd with a thread for each connection,
 * so that one request can be held while others are answered.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "http_fixture.h"
#include "util.h"

#define REQUESTS_MAX 1024
#define ARGS_MAX     512

struct http_fx {
	struct MHD_Daemon *mhd;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int status, post_status;
	uint64_t answers; /* changes with each new answer */
	char *etag, *body;
	bool hold, ending;
	uint16_t port;
	char *requests[REQUESTS_MAX];
	size_t n_requests;
};

struct call {
	char body[65536];
	size_t len;
};

/* Arguments, in the order in which they came. */
static enum MHD_Result add_arg(void *user, enum MHD_ValueKind kind _unused_, const char *name,
			       const char *value)
{
	char *text = user;
	size_t len = strlen(text);

	snprintf(text + len, ARGS_MAX - len, "%s%s=%s", len ? "&" : "?", name, value ? value : "");
	return MHD_YES;
}

static void keep_request(struct http_fx *h, struct MHD_Connection *conn, const char *method,
			 const char *url, const struct call *call)
{
	const char *tag = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "If-None-Match");
	char *text = malloc(sizeof(call->body) + 1024), args[ARGS_MAX] = "";

	if (!text || h->n_requests == REQUESTS_MAX)
		abort();
	MHD_get_connection_values(conn, MHD_GET_ARGUMENT_KIND, add_arg, args);
	snprintf(text, sizeof(call->body) + 1024, "%s %s%s%s%s\n%s", method, url, args,
		 tag ? " If-None-Match: " : "", tag ? tag : "", call->body);
	h->requests[h->n_requests++] = text;
}

static enum MHD_Result answer(struct http_fx *h, struct MHD_Connection *conn, unsigned int status)
{
	bool body = status != 304 && h->body;
	struct MHD_Response *resp = MHD_create_response_from_buffer(
		body ? strlen(h->body) : 0, body ? h->body : "", MHD_RESPMEM_MUST_COPY);
	enum MHD_Result r;

	if (h->etag)
		MHD_add_response_header(resp, "ETag", h->etag);
	r = MHD_queue_response(conn, status, resp);
	MHD_destroy_response(resp);
	return r;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *conn, const char *url,
				  const char *method, const char *version _unused_,
				  const char *data, size_t *len, void **state)
{
	struct http_fx *h = user;
	struct call *call = *state;
	enum MHD_Result r;
	uint64_t before;

	if (!call) {
		*state = calloc(1, sizeof(*call));
		return *state ? MHD_YES : MHD_NO;
	}
	if (*len) {
		if (call->len + *len >= sizeof(call->body))
			return MHD_NO;
		memcpy(call->body + call->len, data, *len);
		call->len += *len;
		*len = 0;
		return MHD_YES;
	}
	pthread_mutex_lock(&h->lock);
	keep_request(h, conn, method, url, call);
	before = h->answers;
	while (h->hold && !h->ending && h->answers == before &&
	       MHD_lookup_connection_value(conn, MHD_GET_ARGUMENT_KIND, "wait"))
		pthread_cond_wait(&h->changed, &h->lock);
	r = answer(h, conn, strcmp(method, "POST") == 0 ? h->post_status : h->status);
	pthread_mutex_unlock(&h->lock);
	return r;
}

static void on_completed(void *user _unused_, struct MHD_Connection *conn _unused_, void **state,
			 enum MHD_RequestTerminationCode how _unused_)
{
	free(*state);
	*state = NULL;
}

static int listen_unix(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(strlen(path) < sizeof(sun.sun_path));
	memcpy(sun.sun_path, path, strlen(path) + 1);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static int listen_tcp(uint16_t *ret_port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(sin);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*ret_port = ntohs(sin.sin_port);
	return fd;
}

struct http_fx *http_fx_new(const char *unix_path, const char *cert, const char *key)
{
	struct http_fx *h = calloc(1, sizeof(*h));
	unsigned int flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION;
	int fd;

	assert_non_null(h);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->changed, NULL);
	h->status = h->post_status = 200;
	fd = unix_path ? listen_unix(unix_path) : listen_tcp(&h->port);
	if (cert)
		h->mhd = MHD_start_daemon(flags | MHD_USE_TLS, 0, NULL, NULL, on_request, h,
					  MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED,
					  on_completed, NULL, MHD_OPTION_HTTPS_MEM_CERT, cert,
					  MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_END);
	else
		h->mhd = MHD_start_daemon(flags, 0, NULL, NULL, on_request, h,
					  MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED,
					  on_completed, NULL, MHD_OPTION_END);
	assert_non_null(h->mhd);
	return h;
}

void http_fx_free(struct http_fx *h)
{
	pthread_mutex_lock(&h->lock);
	h->ending = true;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	MHD_stop_daemon(h->mhd);
	for (size_t i = 0; i < h->n_requests; i++)
		free(h->requests[i]);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	free(h->etag);
	free(h->body);
	free(h);
}

uint16_t http_fx_port(const struct http_fx *h)
{
	return h->port;
}

void http_fx_answer(struct http_fx *h, unsigned int status, const char *etag, const char *body)
{
	pthread_mutex_lock(&h->lock);
	free(h->etag);
	free(h->body);
	h->etag = etag ? strdup(etag) : NULL;
	h->body = body ? strdup(body) : NULL;
	h->status = status;
	h->answers++;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

void http_fx_post_status(struct http_fx *h, unsigned int status)
{
	pthread_mutex_lock(&h->lock);
	h->post_status = status;
	pthread_mutex_unlock(&h->lock);
}

void http_fx_hold(struct http_fx *h, bool hold)
{
	pthread_mutex_lock(&h->lock);
	h->hold = hold;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

size_t http_fx_count(struct http_fx *h)
{
	size_t n;

	pthread_mutex_lock(&h->lock);
	n = h->n_requests;
	pthread_mutex_unlock(&h->lock);
	return n;
}

char *http_fx_request(struct http_fx *h, size_t i)
{
	char *text = NULL;

	pthread_mutex_lock(&h->lock);
	if (i < h->n_requests)
		text = strdup(h->requests[i]);
	pthread_mutex_unlock(&h->lock);
	return text;
}
