// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The HTTP and HTTPS checks. A probe goes through its phases: connect, for
 * HTTPS the TLS handshake, send the request, read the answer; one function
 * advances it as far as it gets, on each event of its socket and once more at
 * the deadline. The request is made anew when it could not be written at once:
 * that is rare, and nothing has to be kept for it.
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

#include "hc_http.h"
#include "hc_http_parse.h"
#include "hc_sock.h"
#include "util.h"

/* What is read in one go; then other probes get their turn. */
#define READ_LEN 16384u
#define READ_MAX 4u

enum http_phase {
	HTTP_CONNECT,
	HTTP_HANDSHAKE,
	HTTP_SEND,
	HTTP_ANSWER,
};

struct hc_http_probe {
	struct hc_probe p;
	struct hc_sock *sock; /* NULL when there is none */
	SSL *ssl;	      /* NULL for HTTP, and before the handshake */
	uint8_t phase;	      /* enum http_phase */
	bool cut;	      /* reset before the request was out: is there an answer? */
	uint16_t sent;	      /* bytes of the request */
	uint32_t events;      /* what the socket had to say, not looked at yet */
	struct hc_http_parser parser;
};

static struct hc_http_probe *http_probe(const struct hc_probe *p)
{
	return container_of(p, struct hc_http_probe, p);
}

static char *put(char *at, const char *text)
{
	size_t len = strlen(text);

	memcpy(at, text, len);
	return at + len;
}

static char *put_port(char *at, uint16_t port)
{
	char digits[sizeof(":65535")], *text = digits + sizeof(digits) - 1;

	*text = '\0';
	do
		*--text = (char)('0' + port % 10);
	while (port /= 10);
	*--text = ':';
	return put(at, text);
}

/* Where nothing else is wanted: the address, and the port unless it is the usual one. */
static char *put_host(char *at, const struct hc_check *c, const struct addr *to)
{
	uint16_t usual = c->type == MSG_HC_HTTPS ? 443 : 80;
	char text[ADDR_STRLEN];

	if (c->host[0])
		return put(at, c->host);
	addr_str(to, text);
	if (addr_is_v4(to))
		at = put(at, text);
	else
		at = put(put(put(at, "["), text), "]");
	return c->port == usual ? at : put_port(at, c->port);
}

/* Each part has its limit (hc_check.c), so that the whole has one. */
size_t hc_http_request(const struct hc_check *c, const struct addr *to,
		       char buf[static HC_HTTP_REQUEST_MAX])
{
	char *at = buf;

	at = put(put(put(put(at, c->method), " "), c->path), " HTTP/1.1\r\nHost: ");
	at = put(put_host(at, c, to), "\r\n"
				      "User-Agent: nlb-agent\r\n"
				      "Accept: */*\r\n"
				      "Connection: close\r\n"
				      "\r\n");
	*at = '\0';
	return (size_t)(at - buf);
}

/* What a step came to. */
enum http_step {
	HTTP_NEXT, /* the next may be taken */
	HTTP_WAIT, /* until the socket has more to say */
	HTTP_OVER, /* the probe has ended, and is gone */
};

static enum http_step step_connect(struct hc_http_probe *h)
{
	struct hc_http *ctx = h->p.ctx;
	int r = hc_sock_connected(ctx->socks, h->sock, h->events);

	if (r == -EINPROGRESS)
		return HTTP_WAIT;
	if (r < 0) {
		hc_sock_failed(&h->p, -r, false);
		return HTTP_OVER;
	}
	h->phase = HTTP_SEND;
	if (h->p.check->type != MSG_HC_HTTPS)
		return HTTP_NEXT;
	h->phase = HTTP_HANDSHAKE;
	r = hc_tls_open(ctx->tls, h->sock->io.fd, &h->p, &h->ssl);
	if (r == 0)
		return HTTP_NEXT;
	hc_done(&h->p, MSG_HC_LOCAL, (uint32_t)-r);
	return HTTP_OVER;
}

/* What a TLS operation that did not succeed means for the probe. */
static enum http_step tls_outcome(struct hc_http_probe *h, int r, const struct hc_tls_err *err)
{
	struct hc_http *ctx = h->p.ctx;

	/* Not all need have been read: a record without data ends a read, too. */
	if (r == HC_TLS_READ || r == HC_TLS_WRITE) {
		hc_sock_again(ctx->socks, h->sock, r == HC_TLS_READ ? EPOLLIN : EPOLLOUT);
		return HTTP_WAIT;
	}
	if (r == HC_TLS_EOF)
		hc_done(&h->p, MSG_HC_CLOSED, 0);
	else
		hc_done(&h->p, err->reason, err->detail);
	return HTTP_OVER;
}

static enum http_step step_handshake(struct hc_http_probe *h)
{
	struct hc_tls_err err;
	int r = hc_tls_handshake(h->ssl, &err);

	if (r < 0)
		return tls_outcome(h, r, &err);
	h->phase = HTTP_SEND;
	return HTTP_NEXT;
}

/* Sends once: bytes; below 0, *ret says how it goes on. */
static ssize_t http_send(struct hc_http_probe *h, const void *data, size_t len, enum http_step *ret)
{
	struct hc_tls_err err = {.reason = MSG_HC_OK};
	ssize_t n;

	if (h->ssl)
		n = hc_tls_send(h->ssl, data, len, &err);
	else
		n = send(h->sock->io.fd, data, len, MSG_NOSIGNAL);
	if (n >= 0)
		return n;
	if (h->ssl ? n == HC_TLS_FAILED && err.reason == MSG_HC_RESET
		   : hc_sock_reason(errno, false) == MSG_HC_RESET) {
		h->cut = true;
		h->phase = HTTP_ANSWER;
		*ret = HTTP_NEXT;
	} else if (h->ssl) {
		*ret = tls_outcome(h, (int)n, &err);
	} else if (errno == EAGAIN) {
		*ret = HTTP_WAIT;
	} else {
		hc_sock_failed(&h->p, errno, false);
		*ret = HTTP_OVER;
	}
	return n;
}

static enum http_step step_send(struct hc_http_probe *h)
{
	char request[HC_HTTP_REQUEST_MAX];
	size_t len = hc_http_request(h->p.check, h->p.to, request);

	while (h->sent < len) {
		enum http_step ret = HTTP_WAIT;
		ssize_t n = http_send(h, request + h->sent, len - h->sent, &ret);

		if (n < 0)
			return ret;
		h->sent += (uint16_t)n;
	}
	h->phase = HTTP_ANSWER;
	/* Only one who did not wait for the request has answered already. */
	return h->ssl || h->events & (EPOLLIN | EPOLLRDHUP) ? HTTP_NEXT : HTTP_WAIT;
}

/* Reads once: bytes, 0 at the end; below 0, *ret says how it goes on. */
static ssize_t http_read(struct hc_http_probe *h, void *buf, size_t len, enum http_step *ret)
{
	struct hc_tls_err err = {.reason = MSG_HC_RESET};
	ssize_t n;

	if (h->ssl)
		n = hc_tls_recv(h->ssl, buf, len, &err);
	else
		n = recv(h->sock->io.fd, buf, len, 0);
	if (n <= 0 && h->cut && (n != HC_TLS_FAILED || err.reason == MSG_HC_RESET)) {
		/* It hung up without a word. */
		hc_done(&h->p, MSG_HC_RESET, 0);
		*ret = HTTP_OVER;
		return -1;
	}
	if (h->ssl) {
		if (n == HC_TLS_EOF)
			return 0;
		if (n < 0)
			*ret = tls_outcome(h, (int)n, &err);
		return n;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		*ret = HTTP_WAIT;
	} else if (n < 0) {
		hc_sock_failed(&h->p, errno, false);
		*ret = HTTP_OVER;
	}
	return n;
}

static enum http_step step_answer(struct hc_http_probe *h)
{
	struct hc_http *ctx = h->p.ctx;
	struct hc_http_parser *ps = &h->parser;
	uint8_t buf[READ_LEN];

	for (unsigned int i = 0; i < READ_MAX; i++) {
		enum http_step ret = HTTP_WAIT;
		ssize_t n = http_read(h, buf, sizeof(buf), &ret);

		if (n < 0)
			return ret;
		if (n == 0)
			hc_http_eof(ps);
		else if (!hc_http_feed(ps, buf, (size_t)n)) {
			if (h->cut)
				continue;
			/* All there was; what comes next, an end too, is a new event. */
			if (!h->ssl && (size_t)n < sizeof(buf) && !(h->events & EPOLLRDHUP))
				return HTTP_WAIT;
			continue;
		}
		if (h->ssl && ps->reason == MSG_HC_OK)
			hc_tls_remember(h->ssl, &h->p);
		hc_done(&h->p, ps->reason, ps->detail);
		return HTTP_OVER;
	}
	/* There may be more, which is no new event: it is asked for. */
	hc_sock_again(ctx->socks, h->sock, EPOLLIN);
	return HTTP_WAIT;
}

static void http_ready(struct hc_probe *p, uint32_t events)
{
	static enum http_step (*const steps[])(struct hc_http_probe * h) = {
		[HTTP_CONNECT] = step_connect,
		[HTTP_HANDSHAKE] = step_handshake,
		[HTTP_SEND] = step_send,
		[HTTP_ANSWER] = step_answer,
	};
	struct hc_http_probe *h = http_probe(p);
	enum http_step r;

	h->events = events;
	do {
		r = steps[h->phase](h);
	} while (r == HTTP_NEXT);
}

/* As if there were something to read: there may be. */
static void http_look(struct hc_probe *p)
{
	http_ready(p, http_probe(p)->phase == HTTP_CONNECT ? 0 : EPOLLIN | EPOLLOUT);
}

static void http_start(struct hc_probe *p)
{
	struct hc_http_probe *h = http_probe(p);
	struct hc_http *ctx = p->ctx;
	int r;

	h->phase = HTTP_CONNECT;
	hc_http_parser_init(&h->parser, p->check);
	r = hc_sock_open(ctx->socks, p, http_ready, &h->sock);
	if (r < 0)
		hc_sock_failed(p, -r, true);
}

static enum msg_hc_phase http_phase(const struct hc_probe *p)
{
	switch (http_probe(p)->phase) {
	case HTTP_CONNECT:
		return MSG_HC_PHASE_CONNECT;
	case HTTP_HANDSHAKE:
		return MSG_HC_PHASE_TLS;
	default:
		return MSG_HC_PHASE_ANSWER;
	}
}

static void http_stop(struct hc_probe *p)
{
	struct hc_http_probe *h = http_probe(p);
	struct hc_http *ctx = p->ctx;

	SSL_free(h->ssl);
	hc_sock_put(ctx->socks, h->sock);
}

const struct hc_kind hc_http_kind = {
	.size = sizeof(struct hc_http_probe),
	.n_fds = 1,
	.start = http_start,
	.poll = http_look,
	.phase = http_phase,
	.stop = http_stop,
};

static void https_forget(void *ctx, void *keep)
{
	hc_tls_forget(((struct hc_http *)ctx)->tls, keep);
}

/* The same but for the context, which has the TLS half, and for what that keeps. */
const struct hc_kind hc_https_kind = {
	.size = sizeof(struct hc_http_probe),
	.n_fds = 1,
	.start = http_start,
	.poll = http_look,
	.phase = http_phase,
	.stop = http_stop,
	.forget = https_forget,
};
