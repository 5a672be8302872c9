/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Certificates for tests, made when they run: an authority of our own, in a
 * file next to the test's program, and servers' certificates by it.
 */
#ifndef NLB_TESTS_HC_CERTS_H
#define NLB_TESTS_HC_CERTS_H

#include <openssl/types.h>

struct hc_certs {
	char ca_file[512];   /* PEM, as the others */
	char cert_file[512]; /* a client's certificate, by the authority */
	char key_file[512];  /* its key */
	EVP_PKEY *ca_key;
	X509 *ca;
	EVP_PKEY *key;	   /* of all servers */
	X509 *good;	   /* good.example, 127.0.0.1, ::1; by the authority */
	X509 *wrong_name;  /* other.example, 192.0.2.1 */
	X509 *expired;	   /* as good, but over since yesterday */
	X509 *not_yet;	   /* as good, but from tomorrow on */
	X509 *soon;	   /* as good, but for two hours only */
	X509 *self_signed; /* as good, but by itself */
	X509 *wildcard;	   /* *.good.example */
};

/* Fails the test when something goes wrong. */
void hc_certs_init(struct hc_certs *c);
void hc_certs_done(struct hc_certs *c);

#endif
