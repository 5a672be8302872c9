// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The TLS half of an HTTPS check, by OpenSSL. An SSL_CTX holds what is costly
 * and common (the trusted certificates); an SSL holds what is the check's:
 * the name, and whether it is verified. A second SSL_CTX, which trusts by the same store,
 * has the client certificate, so that only those that shall can show it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "hc_sock.h"
#include "hc_tls.h"
#include "util.h"

struct hc_tls {
	SSL_CTX *ctx;
	SSL_CTX *ctx_cert; /* with the client certificate; NULL: there is none */
	struct hc_tls_stats stats;
};

static int load_ca(SSL_CTX *ctx, const char *file)
{
	if (!file[0])
		return SSL_CTX_set_default_verify_paths(ctx) == 1 ? 0 : -ENOMEM;
	if (access(file, R_OK) < 0)
		return -errno;
	return SSL_CTX_load_verify_file(ctx, file) == 1 ? 0 : -EINVAL;
}

static SSL_CTX *make_ctx(struct hc_tls *t)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_app_data(ctx, t) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* An end without close_notify is an end: for a check there is nothing to steal. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* A request is written again from a new buffer; a record that carries no data
	 * returns to the loop, so that a server that sends nothing else holds up nobody. */
	SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	return ctx;
}

int hc_tls_new(const char *ca_file, struct hc_tls **ret)
{
	struct hc_tls *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	ERR_clear_error();
	t->ctx = make_ctx(t);
	if (!t->ctx) {
		hc_tls_free(t);
		return -ENOMEM;
	}
	r = load_ca(t->ctx, ca_file);
	ERR_clear_error();
	if (r < 0) {
		hc_tls_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

void hc_tls_free(struct hc_tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	SSL_CTX_free(t->ctx_cert);
	free(t);
}

/* There is nobody to type a passphrase in: a key that has one is refused. */
static int no_passphrase(char *buf _unused_, int size _unused_, int writing _unused_,
			 void *user _unused_)
{
	return -1;
}

static int load_client_cert(SSL_CTX *ctx, const char *cert_file, const char *key_file,
			    const char **ret_what)
{
	*ret_what = "health cert";
	if (access(cert_file, R_OK) < 0)
		return -errno;
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
		return -EINVAL;
	*ret_what = "health key";
	if (access(key_file, R_OK) < 0)
		return -errno;
	if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
		return ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH
			       ? -EKEYREJECTED
			       : -EINVAL;
	return SSL_CTX_check_private_key(ctx) == 1 ? 0 : -EKEYREJECTED;
}

int hc_tls_client_cert(struct hc_tls *t, const char *cert_file, const char *key_file,
		       const char **ret_what)
{
	SSL_CTX *ctx = make_ctx(t);
	int r;

	*ret_what = "health cert";
	if (!ctx)
		return -ENOMEM;
	SSL_CTX_set1_cert_store(ctx, SSL_CTX_get_cert_store(t->ctx));
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	ERR_clear_error();
	r = load_client_cert(ctx, cert_file, key_file, ret_what);
	ERR_clear_error();
	if (r < 0) {
		SSL_CTX_free(ctx);
		return r;
	}
	t->ctx_cert = ctx;
	return 0;
}

/* "name", "name:port", "192.0.2.1:port", "[2001:db8::1]:port" without the port and brackets. */
static void host_name(const char *host, char ret[static HC_NAME_MAX + 1])
{
	const char *from = host, *to;

	if (host[0] == '[') {
		from++;
		to = strchr(from, ']');
	} else {
		to = strchr(from, ':');
		/* Two colons: an IPv6 address that stands for itself. */
		if (to && strchr(to + 1, ':'))
			to = NULL;
	}
	if (!to)
		to = from + strlen(from);
	memcpy(ret, from, (size_t)(to - from));
	ret[to - from] = '\0';
}

static int set_name(SSL *ssl, const struct hc_probe *p)
{
	const struct hc_check *c = p->check;
	char name[HC_NAME_MAX + 1];
	struct addr a;

	host_name(c->sni[0] ? c->sni : c->host, name);
	if (!name[0] || addr_parse(name, &a) == 0) {
		X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

		if (!name[0])
			a = *p->to;
		if (addr_is_v4(&a))
			return X509_VERIFY_PARAM_set1_ip(param, a.b + 12, 4);
		return X509_VERIFY_PARAM_set1_ip(param, a.b, sizeof(a.b));
	}
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

int hc_tls_open(struct hc_tls *t, int fd, const struct hc_probe *p, SSL **ret)
{
	SSL_CTX *ctx = p->check->flags & MSG_HC_F_CLIENT_CERT ? t->ctx_cert : t->ctx;
	SSL *ssl;

	if (!ctx)
		return -ENOKEY;
	ssl = SSL_new(ctx);
	if (!ssl || SSL_set_fd(ssl, fd) != 1 || set_name(ssl, p) != 1) {
		SSL_free(ssl);
		ERR_clear_error();
		return -ENOMEM;
	}
	SSL_set_verify(ssl, p->check->flags & MSG_HC_F_VERIFY ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
		       NULL);
	SSL_set_connect_state(ssl);
	if (p->check->flags & MSG_HC_F_RESUME) {
		SSL_clear_options(ssl, SSL_OP_NO_TICKET);
		hc_tls_session_lend(&t->stats.kept, (struct hc_tls_session **)p->keep, ssl,
				    hc_tls_now());
	}
	*ret = ssl;
	return 0;
}

/* Why an operation failed for good. */
static void explain(SSL *ssl, int kind, int sys_errno, struct hc_tls_err *ret)
{
	unsigned long e = ERR_peek_error();
	long verdict = SSL_get_verify_result(ssl);

	ret->detail = 0;
	if (kind == SSL_ERROR_SYSCALL && !e && sys_errno) {
		ret->reason = hc_sock_reason(sys_errno, false);
		if (ret->reason == MSG_HC_UNREACHABLE || ret->reason == MSG_HC_LOCAL)
			ret->detail = (uint32_t)sys_errno;
	} else if (kind == SSL_ERROR_SYSCALL && !e) {
		ret->reason = MSG_HC_CLOSED;
	} else if (ERR_GET_LIB(e) == ERR_LIB_SSL &&
		   ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK) {
		ret->reason = MSG_HC_TLS_CERT;
		ret->detail = (uint32_t)verdict;
	} else if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE) {
		ret->reason = MSG_HC_LOCAL;
		ret->detail = ENOMEM;
	} else {
		ret->reason = MSG_HC_TLS;
		ret->detail = ERR_GET_LIB(e) == ERR_LIB_SSL ? (uint32_t)ERR_GET_REASON(e) : 0;
	}
}

static int outcome(SSL *ssl, int r, struct hc_tls_err *ret_err)
{
	int sys_errno = errno, kind = SSL_get_error(ssl, r);

	switch (kind) {
	case SSL_ERROR_WANT_READ:
		return HC_TLS_READ;
	case SSL_ERROR_WANT_WRITE:
		return HC_TLS_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return HC_TLS_EOF;
	default:
		explain(ssl, kind, sys_errno, ret_err);
		ERR_clear_error();
		return HC_TLS_FAILED;
	}
}

/* Old errors in the queue, and an old errno, would be taken for this operation's. */
static void clear_errors(void)
{
	ERR_clear_error();
	errno = 0;
}

static struct hc_tls *tls_of(const SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

int hc_tls_handshake(SSL *ssl, struct hc_tls_err *ret_err)
{
	int r;

	clear_errors();
	r = SSL_do_handshake(ssl);
	if (r != 1)
		return outcome(ssl, r, ret_err);
	if (SSL_session_reused(ssl))
		tls_of(ssl)->stats.resumed++;
	else
		tls_of(ssl)->stats.full++;
	return 0;
}

int hc_tls_send(SSL *ssl, const void *data, size_t len, struct hc_tls_err *ret_err)
{
	int r;

	clear_errors();
	r = SSL_write(ssl, data, (int)len);
	return r > 0 ? r : outcome(ssl, r, ret_err);
}

int hc_tls_recv(SSL *ssl, void *data, size_t len, struct hc_tls_err *ret_err)
{
	int r;

	clear_errors();
	r = SSL_read(ssl, data, (int)len);
	return r > 0 ? r : outcome(ssl, r, ret_err);
}

void hc_tls_remember(SSL *ssl, const struct hc_probe *p)
{
	if (p->check->flags & MSG_HC_F_RESUME)
		hc_tls_session_store(&tls_of(ssl)->stats.kept, (struct hc_tls_session **)p->keep,
				     ssl, p->check->flags & MSG_HC_F_VERIFY, hc_tls_now());
}

void hc_tls_forget(struct hc_tls *t, void *keep)
{
	hc_tls_session_free(&t->stats.kept, keep);
}

const struct hc_tls_stats *hc_tls_get_stats(const struct hc_tls *t)
{
	return &t->stats;
}
