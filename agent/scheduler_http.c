// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An HTTP server as scheduler (http:, https:, or HTTP over a unix socket).
 * libcurl's multi interface hangs on our loop: curl says which sockets it wants
 * watched and when it wants to be called. There are two transfers: a GET that
 * the server holds back until there is news (long poll, with ETag), and a POST
 * of the status.
 *
 *   GET  /v1/nodes/{node}/vips[?wait=30s&revision=N]
 *   POST /v1/nodes/{node}/status
 */
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "model.h"
#include "sbuf.h"
#include "scheduler_int.h"

#define HTTP_CONNECT_S	  5L
#define HTTP_TIMEOUT_S	  20L
#define HTTP_ANSWER_MAX	  65536u /* to a report; it is not read */
#define HTTP_ETAG_LEN	  256
#define HTTP_LIVE_TIMEOUT 5L

struct scheduler_http;

struct http_socket {
	struct loop_io io;
	struct scheduler_http *http;
};

struct http_call {
	CURL *easy;
	struct curl_slist *headers;
	struct sbuf body; /* of the answer */
	size_t max;
	bool busy, too_long;
	char error[CURL_ERROR_SIZE];
};

struct scheduler_http {
	struct scheduler *sched;
	CURLM *multi;
	struct loop_timer timer;
	struct http_call get, post;
	char base[CONFIG_PATH_LEN + 128];
	char unix_path[CONFIG_PATH_LEN];
	char etag[HTTP_ETAG_LEN];
	bool have_document;
	uint64_t started_ns;
	uint32_t waited_s; /* asked for in the request that is under way */
};

static void http_done(struct scheduler_http *h);

/* ---- curl on our loop ---- */

static void http_on_io(struct loop_io *io, uint32_t events)
{
	struct http_socket *hs = container_of(io, struct http_socket, io);
	struct scheduler_http *h = hs->http;
	int flags = 0, running;

	if (events & (EPOLLIN | EPOLLHUP))
		flags |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		flags |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		flags |= CURL_CSELECT_ERR;
	curl_multi_socket_action(h->multi, io->fd, flags, &running);
	http_done(h);
}

static void http_on_timer(struct loop_timer *t)
{
	struct scheduler_http *h = container_of(t, struct scheduler_http, timer);
	int running;

	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	http_done(h);
}

static int http_timer_cb(CURLM *multi _unused_, long ms, void *user)
{
	struct scheduler_http *h = user;

	if (ms < 0)
		loop_timer_del(h->sched->loop, &h->timer);
	else if (loop_timer_in(h->sched->loop, &h->timer, (uint64_t)ms, http_on_timer) < 0)
		return -1;
	return 0;
}

static int http_socket_cb(CURL *easy _unused_, curl_socket_t fd, int what, void *user, void *sock)
{
	struct scheduler_http *h = user;
	struct http_socket *hs = sock;
	uint32_t events = 0;

	if (what == CURL_POLL_REMOVE) {
		if (hs) {
			loop_io_del(h->sched->loop, &hs->io);
			curl_multi_assign(h->multi, fd, NULL);
			free(hs);
		}
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	if (hs)
		return loop_io_mod(h->sched->loop, &hs->io, events) < 0 ? -1 : 0;
	hs = calloc(1, sizeof(*hs));
	if (!hs)
		return -1;
	hs->http = h;
	hs->io = LOOP_IO_INIT;
	if (loop_io_add(h->sched->loop, &hs->io, fd, events, http_on_io) < 0) {
		free(hs);
		return -1;
	}
	curl_multi_assign(h->multi, fd, hs);
	return 0;
}

/* ---- transfers ---- */

static size_t http_on_body(char *data, size_t size, size_t n, void *user)
{
	struct http_call *call = user;

	if (call->body.len + size * n > call->max) {
		call->too_long = true;
		return 0;
	}
	sbuf_add(&call->body, data, size * n);
	return sbuf_ok(&call->body) ? size * n : 0;
}

static size_t http_on_header(char *data, size_t size, size_t n, void *user)
{
	struct scheduler_http *h = user;
	size_t len = size * n;

	if (len > 5 && strncasecmp(data, "etag:", 5) == 0) {
		const char *p = data + 5, *end = data + len;

		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		while (end > p && (unsigned char)end[-1] <= ' ')
			end--;
		/* One that is too long is of no use cut; without it we just ask again. */
		if ((size_t)(end - p) < sizeof(h->etag))
			snprintf(h->etag, sizeof(h->etag), "%.*s", (int)(end - p), p);
	}
	return len;
}

static void http_set_up(struct scheduler_http *h, struct http_call *call, const char *url)
{
	const struct config *cfg = h->sched->cfg;
	CURL *e = call->easy;

	curl_easy_reset(e);
	curl_slist_free_all(call->headers);
	call->headers = NULL;
	sbuf_reset(&call->body);
	call->too_long = false;
	call->error[0] = '\0';
	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_PRIVATE, call);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "nlb-agent");
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, HTTP_CONNECT_S);
	curl_easy_setopt(e, CURLOPT_TIMEOUT, HTTP_TIMEOUT_S);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->error);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, http_on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	if (h->unix_path[0])
		curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, h->unix_path);
	if (cfg->sched_ca[0])
		curl_easy_setopt(e, CURLOPT_CAINFO, cfg->sched_ca);
	if (cfg->sched_cert[0]) {
		curl_easy_setopt(e, CURLOPT_SSLCERT, cfg->sched_cert);
		curl_easy_setopt(e, CURLOPT_SSLKEY, cfg->sched_key);
	}
}

static void http_cancel(struct scheduler_http *h, struct http_call *call)
{
	if (call->busy)
		curl_multi_remove_handle(h->multi, call->easy);
	call->busy = false;
}

static bool http_begin(struct scheduler_http *h, struct http_call *call)
{
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
	call->busy = curl_multi_add_handle(h->multi, call->easy) == CURLM_OK;
	return call->busy;
}

static void http_fetch(struct scheduler *s)
{
	struct scheduler_http *h = s->impl;
	char url[sizeof(h->base) + 128], header[HTTP_ETAG_LEN + 32];

	http_cancel(h, &h->get);
	h->waited_s = h->have_document ? s->cfg->sched_wait_s : 0;
	if (h->waited_s)
		snprintf(url, sizeof(url), "%s/vips?wait=%us&revision=%" PRIu64, h->base,
			 h->waited_s, s->revision);
	else
		snprintf(url, sizeof(url), "%s/vips", h->base);
	http_set_up(h, &h->get, url);
	curl_easy_setopt(h->get.easy, CURLOPT_HEADERFUNCTION, http_on_header);
	curl_easy_setopt(h->get.easy, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(h->get.easy, CURLOPT_TIMEOUT, HTTP_TIMEOUT_S + (long)h->waited_s);
	/* A peer that vanished during a long poll is found by TCP. */
	curl_easy_setopt(h->get.easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(h->get.easy, CURLOPT_TCP_KEEPIDLE, HTTP_LIVE_TIMEOUT);
	curl_easy_setopt(h->get.easy, CURLOPT_TCP_KEEPINTVL, HTTP_LIVE_TIMEOUT);
	h->get.headers = curl_slist_append(h->get.headers, "Accept: application/json");
	if (h->have_document && h->etag[0]) {
		snprintf(header, sizeof(header), "If-None-Match: %s", h->etag);
		h->get.headers = curl_slist_append(h->get.headers, header);
	}
	h->started_ns = util_now_ns();
	if (!http_begin(h, &h->get))
		scheduler_fetched(s, "out of memory", 0);
}

static void http_report(struct scheduler *s, const char *json, size_t len)
{
	struct scheduler_http *h = s->impl;
	char url[sizeof(h->base) + 128];

	snprintf(url, sizeof(url), "%s/status", h->base);
	http_set_up(h, &h->post, url);
	curl_easy_setopt(h->post.easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	curl_easy_setopt(h->post.easy, CURLOPT_COPYPOSTFIELDS, json);
	h->post.headers = curl_slist_append(h->post.headers, "Content-Type: application/json");
	/* No "Expect: 100-continue": it costs a round trip, or a second. */
	h->post.headers = curl_slist_append(h->post.headers, "Expect:");
	if (!http_begin(h, &h->post))
		scheduler_reported(s, "out of memory");
}

/* ---- their ends ---- */

/* "" for a usable answer, else what went wrong, in buf. */
static const char *http_error(struct http_call *call, CURLcode code, long status, char *buf,
			      size_t len)
{
	buf[0] = '\0';
	if (call->too_long)
		snprintf(buf, len, "the answer is longer than %zu bytes", call->max);
	else if (code != CURLE_OK)
		snprintf(buf, len, "%s", call->error[0] ? call->error : curl_easy_strerror(code));
	else if (status != 304 && (status < 200 || status > 299))
		snprintf(buf, len, "it answers with status %ld", status);
	return buf;
}

static void http_got(struct scheduler_http *h, CURLcode code, long status)
{
	struct scheduler *s = h->sched;
	uint64_t took_ms = (util_now_ns() - h->started_ns) / 1000000, before = s->revision;
	uint64_t next = s->cfg->sched_retry_ms;
	char error[256];

	if (http_error(&h->get, code, status, error, sizeof(error))[0]) {
		scheduler_fetched(s, error, 0);
		return;
	}
	if (status != 304) {
		if (scheduler_document(s, h->get.body.data ? h->get.body.data : "",
				       h->get.body.len) < 0) {
			/* It is as good as unseen. */
			h->etag[0] = '\0';
			scheduler_fetched(s, s->error, 0);
			return;
		}
		h->have_document = true;
	}
	sbuf_done(&h->get.body);
	/* A server that does not hold requests back is asked at a walking pace. */
	if (s->cfg->sched_wait_s &&
	    (!h->waited_s || s->revision != before || took_ms >= h->waited_s * 500ull))
		next = 0;
	scheduler_fetched(s, "", next);
}

static void http_posted(struct scheduler_http *h, CURLcode code, long status)
{
	char error[256];

	scheduler_reported(h->sched, http_error(&h->post, code, status, error, sizeof(error)));
}

static void http_done(struct scheduler_http *h)
{
	struct CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(h->multi, &left))) {
		CURL *easy = msg->easy_handle;
		CURLcode code = msg->data.result;
		struct http_call *call;
		long status = 0;

		if (msg->msg != CURLMSG_DONE)
			continue;
		call = easy == h->get.easy ? &h->get : &h->post;
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		http_cancel(h, call);
		if (call == &h->get)
			http_got(h, code, status);
		else
			http_posted(h, code, status);
	}
}

/* ---- life cycle ---- */

static void http_stop(struct scheduler *s)
{
	struct scheduler_http *h = s->impl;
	struct http_call *calls[2];

	if (!h)
		return;
	calls[0] = &h->get;
	calls[1] = &h->post;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		http_cancel(h, calls[i]);
		if (calls[i]->easy)
			curl_easy_cleanup(calls[i]->easy);
		curl_slist_free_all(calls[i]->headers);
		sbuf_done(&calls[i]->body);
	}
	if (h->multi)
		curl_multi_cleanup(h->multi);
	loop_timer_del(s->loop, &h->timer);
	free(h);
	s->impl = NULL;
	curl_global_cleanup();
}

static int http_start(struct scheduler *s)
{
	const struct config *cfg = s->cfg;
	const char *origin = cfg->sched_url;
	struct scheduler_http *h = calloc(1, sizeof(*h));
	size_t len;

	if (!h)
		return -ENOMEM;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(h);
		return -ENOMEM;
	}
	s->impl = h;
	h->sched = s;
	h->get.max = MODEL_DOCUMENT_MAX;
	h->post.max = HTTP_ANSWER_MAX;
	if (strncmp(origin, "unix:", 5) == 0) {
		snprintf(h->unix_path, sizeof(h->unix_path), "%s", origin + 5);
		origin = "http://localhost";
	}
	len = strlen(origin);
	while (len && origin[len - 1] == '/')
		len--;
	snprintf(h->base, sizeof(h->base), "%.*s/v1/nodes/%s", (int)len, origin, cfg->node_name);
	h->multi = curl_multi_init();
	h->get.easy = curl_easy_init();
	h->post.easy = curl_easy_init();
	if (!h->multi || !h->get.easy || !h->post.easy)
		return -ENOMEM;
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, http_socket_cb);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, http_timer_cb);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	return 0;
}

const struct scheduler_kind scheduler_http_kind = {
	.start = http_start,
	.stop = http_stop,
	.fetch = http_fetch,
	.report = http_report,
};
