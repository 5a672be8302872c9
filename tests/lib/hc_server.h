/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A backend on loopback that behaves, or does not. One thread, one connection
 * after the other, until it is stopped.
 *
 *	struct hc_server *s = hc_server_start(&(struct hc_server_spec){
 *		.mode = HC_SERVER_ANSWER, .answer = "HTTP/1.1 200 OK\r\n\r\n"});
 *	... probe hc_server_port(s) ...
 *	hc_server_stop(s);
 */
#ifndef NLB_TESTS_HC_SERVER_H
#define NLB_TESTS_HC_SERVER_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hc_server_mode {
	HC_SERVER_ANSWER, /* reads the request, answers, closes */
	HC_SERVER_STAY,	  /* reads the request, answers, keeps the connection */
	HC_SERVER_HANG,	  /* accepts, and says nothing */
	HC_SERVER_RESET,  /* reads the request, answers, resets */
	HC_SERVER_SPEAK,  /* answers without a request, keeps the connection */
	HC_SERVER_DRIP,	  /* one byte of the answer each 10 ms, over and over */
	HC_SERVER_FLOOD,  /* the answer once, then `again` as fast as it goes */
};

struct hc_server_spec {
	enum hc_server_mode mode;
	bool v6;
	const char *answer;
	size_t answer_len; /* 0: up to its NUL */
	const char *again;
	/* With these it speaks TLS; they stay the caller's. */
	X509 *cert;
	EVP_PKEY *key;
	bool tls13_off;	  /* at most TLS 1.2 */
	bool tls_old;	  /* at most TLS 1.1 */
	bool tickets_off; /* sessions are kept by their id, here */
	X509 *client_ca;  /* a client must show a certificate by it */
};

struct hc_server;

/* Never NULL: the test fails instead. */
struct hc_server *hc_server_start(const struct hc_server_spec *spec);
uint16_t hc_server_port(const struct hc_server *s);

/* What the last connection brought. Only after hc_server_join(). */
const char *hc_server_request(const struct hc_server *s);
const char *hc_server_sni(const struct hc_server *s); /* "" when there was none */
unsigned int hc_server_accepted(const struct hc_server *s);
unsigned int hc_server_resumed(const struct hc_server *s); /* TLS sessions, of all */

/* Ends the thread; the struct stays until stop. */
void hc_server_join(struct hc_server *s);
void hc_server_stop(struct hc_server *s);

/* A port on which nobody listens. */
uint16_t hc_server_free_port(bool v6);

#endif
