// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Keeping of TLS sessions. They are kept in the form that OpenSSL writes, not as its
 * structs: one to two kilobytes, whose number is known to the byte, instead of a parsed
 * certificate and its parts for each condition.
 */
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "hc_tls_session.h"
#include "util.h"

struct hc_tls_session {
	uint64_t full_by_ns; /* monotonic: when the next handshake must be a full one */
	time_t not_after;    /* ... and the same by the chain's dates; 0: they don't count */
	bool lent;
	uint32_t len;
	uint8_t der[];
};

struct hc_tls_now hc_tls_now(void)
{
	return (struct hc_tls_now){.mono_ns = util_now_ns(), .wall = time(NULL)};
}

static size_t size_of(const struct hc_tls_session *s)
{
	return sizeof(*s) + s->len;
}

void hc_tls_session_free(struct hc_tls_sessions *all, struct hc_tls_session *s)
{
	if (!s)
		return;
	all->n--;
	all->bytes -= size_of(s);
	free(s);
}

static bool usable(const struct hc_tls_session *s, struct hc_tls_now now)
{
	return !s->lent && now.mono_ns < s->full_by_ns &&
	       (!s->not_after || now.wall < s->not_after);
}

static bool resume(const struct hc_tls_session *s, SSL *ssl)
{
	const unsigned char *at = s->der;
	SSL_SESSION *session = d2i_SSL_SESSION(NULL, &at, s->len);
	bool set = session && SSL_set_session(ssl, session) == 1;

	SSL_SESSION_free(session);
	return set;
}

void hc_tls_session_lend(struct hc_tls_sessions *all, struct hc_tls_session **s, SSL *ssl,
			 struct hc_tls_now now)
{
	if (!*s)
		return;
	if (usable(*s, now) && resume(*s, ssl)) {
		(*s)->lent = true;
		return;
	}
	hc_tls_session_free(all, *s);
	*s = NULL;
}

/* When the first certificate of the verified chain ends; 1, long ago, if that can't be said. */
static time_t chain_end(SSL *ssl)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
	time_t end = 0;

	for (int i = 0; i < sk_X509_num(chain); i++) {
		struct tm tm;
		time_t t;

		if (ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(chain, i)), &tm) != 1)
			return 1;
		t = timegm(&tm);
		if (!end || t < end)
			end = t;
	}
	return end ? end : 1;
}

/* The session in bytes; NULL when it can't be resumed, is too long, or for want of memory. */
static struct hc_tls_session *encode(SSL_SESSION *session)
{
	struct hc_tls_session *s;
	unsigned char *at;
	int len;

	if (!session || !SSL_SESSION_is_resumable(session))
		return NULL;
	len = i2d_SSL_SESSION(session, NULL);
	if (len <= 0 || (unsigned int)len > HC_TLS_SESSION_MAX)
		return NULL;
	s = calloc(1, sizeof(*s) + (size_t)len);
	if (!s)
		return NULL;
	at = s->der;
	s->len = (uint32_t)i2d_SSL_SESSION(session, &at);
	return s;
}

void hc_tls_session_store(struct hc_tls_sessions *all, struct hc_tls_session **s, SSL *ssl,
			  bool verified, struct hc_tls_now now)
{
	struct hc_tls_session *old = *s, *new;
	SSL_SESSION *session = SSL_get1_session(ssl);

	/* Or SSL_free() would mark the session as one that must not be resumed. */
	SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	new = encode(session);
	SSL_SESSION_free(session);
	if (new &&SSL_session_reused(ssl) && old) {
		/* No certificate was seen: what the full handshake allowed goes on. */
		new->full_by_ns = old->full_by_ns;
		new->not_after = old->not_after;
	} else if (new) {
		new->full_by_ns = now.mono_ns + HC_TLS_FULL_NS;
		new->not_after = verified ? chain_end(ssl) : 0;
	}
	hc_tls_session_free(all, old);
	*s = NULL;
	if (new && all->bytes + size_of(new) > HC_TLS_SESSIONS_MAX) {
		free(new);
		return;
	}
	if (!new)
		return;
	all->n++;
	all->bytes += size_of(new);
	*s = new;
}
