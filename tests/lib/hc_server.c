// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The backend of the health tests: a thread that accepts and plays its part.
 * Every wait is a poll() on the socket and on the stop descriptor together,
 * so that it ends at once when told to.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "addr.h"
#include "hc_server.h"
#include "util.h"

#define DRIP_MS 10

struct hc_server {
	struct hc_server_spec spec;
	SSL_CTX *ctx;
	pthread_t thread;
	bool joined;
	int stop_fd;
	int listen_fd;
	uint16_t port;
	unsigned int accepted, resumed;
	char request[4096];
	char sni[256];
};

struct conn {
	struct hc_server *s;
	int fd;
	SSL *ssl;
};

/* True when the socket is ready, false when it is time to stop (or ms have passed). */
static bool wait_for(struct hc_server *s, int fd, short events, int ms)
{
	struct pollfd fds[2] = {{.fd = s->stop_fd, .events = POLLIN}, {.fd = fd, .events = events}};

	poll(fds, 2, ms);
	return !(fds[0].revents & POLLIN) && fds[1].revents;
}

static bool stopped(struct hc_server *s)
{
	struct pollfd pfd = {.fd = s->stop_fd, .events = POLLIN};

	return poll(&pfd, 1, 0) > 0;
}

static bool tls_accept(struct conn *c)
{
	c->ssl = SSL_new(c->s->ctx);
	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
		return false;
	for (;;) {
		int r = SSL_accept(c->ssl), e = SSL_get_error(c->ssl, r);
		const char *name = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);

		if (name)
			strncpy(c->s->sni, name, sizeof(c->s->sni) - 1);
		if (r == 1) {
			c->s->resumed += (unsigned int)SSL_session_reused(c->ssl);
			return true;
		}
		if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
			return false;
		if (!wait_for(c->s, c->fd, e == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, -1))
			return false;
	}
}

/* Up to the empty line, or as far as the client goes. */
static void read_request(struct conn *c)
{
	size_t have = 0;

	while (have < sizeof(c->s->request) - 1 && !strstr(c->s->request, "\r\n\r\n")) {
		char *at = c->s->request + have;
		size_t room = sizeof(c->s->request) - 1 - have;
		ssize_t n;

		if (c->ssl)
			n = SSL_read(c->ssl, at, (int)room);
		else
			n = recv(c->fd, at, room, 0);
		if (n > 0) {
			have += (size_t)n;
			c->s->request[have] = '\0';
			continue;
		}
		if (n == 0 && !c->ssl)
			return;
		if (!wait_for(c->s, c->fd, POLLIN, -1))
			return;
		if (c->ssl && SSL_get_error(c->ssl, (int)n) != SSL_ERROR_WANT_READ)
			return;
	}
}

static bool write_all(struct conn *c, const char *data, size_t len)
{
	while (len) {
		ssize_t n;

		if (c->ssl)
			n = SSL_write(c->ssl, data, (int)len);
		else
			n = send(c->fd, data, len, MSG_NOSIGNAL);
		if (n > 0) {
			data += n;
			len -= (size_t)n;
			continue;
		}
		if (!c->ssl && errno != EAGAIN)
			return false;
		if (c->ssl && SSL_get_error(c->ssl, (int)n) != SSL_ERROR_WANT_WRITE)
			return false;
		if (!wait_for(c->s, c->fd, POLLOUT, -1))
			return false;
	}
	return true;
}

/* Until the client goes, or the test ends. */
static void stay(struct conn *c)
{
	wait_for(c->s, c->fd, POLLRDHUP, -1);
}

static void drip(struct conn *c, const char *answer, size_t len)
{
	for (size_t i = 0; len; i = (i + 1) % len) {
		if (!write_all(c, answer + i, 1))
			return;
		if (wait_for(c->s, c->fd, POLLRDHUP, DRIP_MS) || stopped(c->s))
			return;
	}
}

static void play(struct conn *c)
{
	const struct hc_server_spec *spec = &c->s->spec;
	const char *answer = spec->answer ? spec->answer : "";
	struct linger rst = {.l_onoff = 1};

	if (spec->mode == HC_SERVER_HANG) {
		stay(c);
		return;
	}
	if (spec->cert && !tls_accept(c))
		return;
	if (spec->mode != HC_SERVER_SPEAK)
		read_request(c);
	if (spec->mode == HC_SERVER_DRIP) {
		drip(c, answer, strlen(answer));
		return;
	}
	if (!write_all(c, answer, spec->answer_len ? spec->answer_len : strlen(answer)))
		return;
	switch (spec->mode) {
	case HC_SERVER_RESET:
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst));
		break;
	case HC_SERVER_FLOOD:
		while (write_all(c, spec->again, strlen(spec->again)) && !stopped(c->s))
			;
		break;
	case HC_SERVER_STAY:
	case HC_SERVER_SPEAK:
		stay(c);
		break;
	default:
		break;
	}
}

static void *serve(void *arg)
{
	struct hc_server *s = arg;

	while (wait_for(s, s->listen_fd, POLLIN, -1)) {
		struct conn c = {.s = s};

		c.fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (c.fd < 0)
			continue;
		s->accepted++;
		s->request[0] = '\0';
		s->sni[0] = '\0';
		play(&c);
		/* An end in good order, or OpenSSL forgets the session. */
		if (c.ssl)
			SSL_set_shutdown(c.ssl, SSL_SENT_SHUTDOWN);
		SSL_free(c.ssl);
		close(c.fd);
	}
	return NULL;
}

static int open_listener(bool v6, int backlog, uint16_t *ret_port)
{
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr a;

	assert_true(fd >= 0);
	assert_int_equal(addr_parse(v6 ? "::1" : "127.0.0.1", &a), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, addr_to_sockaddr(&a, 0, &ss)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	*ret_port = ntohs(v6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
			     : ((struct sockaddr_in *)&ss)->sin_port);
	if (backlog)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static SSL_CTX *make_ctx(const struct hc_server_spec *spec)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	assert_non_null(ctx);
	assert_int_equal(SSL_CTX_use_certificate(ctx, spec->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, spec->key), 1);
	SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (spec->tls13_off)
		SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	if (spec->tickets_off)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	if (spec->client_ca) {
		const unsigned char id = 1; /* without one it resumes no client's session */

		assert_int_equal(SSL_CTX_set_session_id_context(ctx, &id, sizeof(id)), 1);
		X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), spec->client_ca);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	if (spec->tls_old) {
		SSL_CTX_set_security_level(ctx, 0);
		SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
		SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	}
	return ctx;
}

struct hc_server *hc_server_start(const struct hc_server_spec *spec)
{
	struct hc_server *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->spec = *spec;
	if (spec->cert)
		s->ctx = make_ctx(spec);
	s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(s->stop_fd >= 0);
	s->listen_fd = open_listener(spec->v6, 16, &s->port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	return s;
}

uint16_t hc_server_port(const struct hc_server *s)
{
	return s->port;
}

const char *hc_server_request(const struct hc_server *s)
{
	return s->request;
}

const char *hc_server_sni(const struct hc_server *s)
{
	return s->sni;
}

unsigned int hc_server_accepted(const struct hc_server *s)
{
	return s->accepted;
}

unsigned int hc_server_resumed(const struct hc_server *s)
{
	return s->resumed;
}

void hc_server_join(struct hc_server *s)
{
	if (s->joined)
		return;
	assert_int_equal(eventfd_write(s->stop_fd, 1), 0);
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	s->joined = true;
}

void hc_server_stop(struct hc_server *s)
{
	hc_server_join(s);
	close(s->listen_fd);
	close(s->stop_fd);
	SSL_CTX_free(s->ctx);
	free(s);
}

uint16_t hc_server_free_port(bool v6)
{
	uint16_t port;

	close(open_listener(v6, 0, &port));
	return port;
}
