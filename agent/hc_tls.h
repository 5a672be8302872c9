/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS on a connected, non-blocking socket, as a client that checks whom it
 * talks to. Nothing is remembered from one connection to the next: a resumed
 * session would skip the certificate.
 *
 * The process must ignore SIGPIPE: OpenSSL writes to the socket by itself.
 */
#ifndef NLB_AGENT_HC_TLS_H
#define NLB_AGENT_HC_TLS_H

#include <openssl/types.h>
#include <stddef.h>

#include "hc_kind.h"
#include "msg.h"

struct hc_tls;

/* What an operation came to, below 0; above it is a number of bytes. */
enum hc_tls_result {
	HC_TLS_READ = -1,   /* again, when the socket can be read */
	HC_TLS_WRITE = -2,  /* again, when it can be written */
	HC_TLS_EOF = -3,    /* the server has closed */
	HC_TLS_FAILED = -4, /* *ret_err says why */
};

struct hc_tls_err {
	enum msg_hc_reason reason;
	uint32_t detail;
};

/*
 * ca_file: PEM, whom to trust; "" for the system's. Returns 0; -ENOENT and the
 * like when it cannot be read; -EINVAL when it holds no certificate; -ENOMEM.
 */
int hc_tls_new(const char *ca_file, struct hc_tls **ret);
void hc_tls_free(struct hc_tls *t);

/*
 * A session for the probe on fd, which stays the caller's. The certificate
 * must be good for the check's sni, else its host, else the target's address;
 * sni and host are sent (RFC 6066, 3) when they are names. Returns 0 or -ENOMEM.
 * Freed by SSL_free().
 */
int hc_tls_open(struct hc_tls *t, int fd, const struct hc_probe *p, SSL **ret);

/* 0 when it is through. */
int hc_tls_handshake(SSL *ssl, struct hc_tls_err *ret_err);
int hc_tls_send(SSL *ssl, const void *data, size_t len, struct hc_tls_err *ret_err);
int hc_tls_recv(SSL *ssl, void *data, size_t len, struct hc_tls_err *ret_err);

#endif
