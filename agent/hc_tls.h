/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS on a connected, non-blocking socket, as a client that checks whom it
 * talks to. Nothing is remembered from one connection to the next, unless the check
 * asks for it (MSG_HC_F_RESUME): a resumed session skips the certificate.
 *
 * A struct hc_tls belongs to one thread.
 *
 * The process must ignore SIGPIPE: OpenSSL writes to the socket by itself.
 */
#ifndef NLB_AGENT_HC_TLS_H
#define NLB_AGENT_HC_TLS_H

#include <openssl/types.h>
#include <stddef.h>

#include "hc_kind.h"
#include "hc_tls_session.h"
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

struct hc_tls_stats {
	uint64_t full;	  /* handshakes that went well, and showed the certificate */
	uint64_t resumed; /* ... that resumed a session */
	struct hc_tls_sessions kept;
};

/*
 * ca_file: PEM, whom to trust; "" for the system's. Returns 0; -ENOENT and the
 * like when it cannot be read; -EINVAL when it holds no certificate; -ENOMEM.
 */
int hc_tls_new(const char *ca_file, struct hc_tls **ret);
void hc_tls_free(struct hc_tls *t);

/*
 * Loads the certificate (with its chain, if any) and the key that are shown to servers
 * which ask for them, by checks with MSG_HC_F_CLIENT_CERT. PEM, the key without a
 * passphrase. Returns 0; -ENOENT and the like when one cannot be read; -EINVAL when it
 * isn't what it should be; -EKEYREJECTED when they don't belong together; -ENOMEM.
 * *ret_what names the culprit on failure: "health cert" or "health key". Once, before any hc_tls_open().
 */
int hc_tls_client_cert(struct hc_tls *t, const char *cert_file, const char *key_file,
		       const char **ret_what);

/*
 * A session for the probe on fd, which stays the caller's. The certificate
 * must be good for the check's sni, else its host, else the target's address;
 * sni and host are sent (RFC 6066, 3) when they are names. With MSG_HC_F_RESUME it
 * resumes what *p->keep holds. Returns 0; -ENOMEM; -ENOKEY when the check wants a client
 * certificate and there is none. Freed by SSL_free().
 */
int hc_tls_open(struct hc_tls *t, int fd, const struct hc_probe *p, SSL **ret);

/* 0 when it is through. */
int hc_tls_handshake(SSL *ssl, struct hc_tls_err *ret_err);
int hc_tls_send(SSL *ssl, const void *data, size_t len, struct hc_tls_err *ret_err);
int hc_tls_recv(SSL *ssl, void *data, size_t len, struct hc_tls_err *ret_err);

/*
 * The probe went well: with MSG_HC_F_RESUME its session is left in *p->keep. The last
 * thing to be done with ssl before SSL_free(). A session that isn't remembered after it was
 * resumed is not resumed again.
 */
void hc_tls_remember(SSL *ssl, const struct hc_probe *p);

/* Frees what a condition's keep holds. */
void hc_tls_forget(struct hc_tls *t, void *keep);

const struct hc_tls_stats *hc_tls_get_stats(const struct hc_tls *t);

#endif
