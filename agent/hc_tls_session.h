/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS sessions that are kept to be resumed, one for a condition at most. A
 * resumed session shows no certificate, so it may stand in for a full handshake
 * only for a while: never beyond the day on which the chain that was verified
 * would be refused, and never beyond HC_TLS_FULL_NS.
 */
#ifndef NLB_AGENT_HC_TLS_SESSION_H
#define NLB_AGENT_HC_TLS_SESSION_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* From one full handshake to the next. */
#define HC_TLS_FULL_NS (600 * 1000000000ull)

/* A longer one is not kept: a server can make its tickets as long as 64 KiB. */
#define HC_TLS_SESSION_MAX 8192u

/* All of them together; beyond it handshakes are full ones. */
#define HC_TLS_SESSIONS_MAX (32u << 20)

struct hc_tls_session;

/* What the sessions of one thread take. */
struct hc_tls_sessions {
	size_t n;
	size_t bytes;
};

/* Both clocks: the monotonic one for ages, the other for certificates. */
struct hc_tls_now {
	uint64_t mono_ns;
	time_t wall;
};

struct hc_tls_now hc_tls_now(void);

/*
 * Lets ssl, before its handshake, resume *s. What was lent is not lent again
 * until hc_tls_session_store() has said that it served: *s is freed, and NULL, when
 * it failed, is too old, or can't be used. *s may be NULL.
 */
void hc_tls_session_lend(struct hc_tls_sessions *all, struct hc_tls_session **s, SSL *ssl,
			 struct hc_tls_now now);

/*
 * After a probe that went well: keeps what its server has given, for the next.
 * verified: the chain was verified, and its dates count. Must be the last thing that is
 * done with ssl before SSL_free().
 */
void hc_tls_session_store(struct hc_tls_sessions *all, struct hc_tls_session **s, SSL *ssl,
			  bool verified, struct hc_tls_now now);

/* NULL is legal. */
void hc_tls_session_free(struct hc_tls_sessions *all, struct hc_tls_session *s);

#endif
