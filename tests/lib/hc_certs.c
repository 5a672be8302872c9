// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Making certificates with OpenSSL: P-256 keys, because they take no time.
 */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hc_certs.h"

#define DAY_S	   86400l
#define GOOD_NAMES "DNS:good.example,IP:127.0.0.1,IP:::1"

static void add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(x, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

/* By itself when issuer is NULL; an authority when names is NULL. */
static X509 *make(const char *cn, const char *names, EVP_PKEY *key, X509 *issuer,
		  EVP_PKEY *issuer_key, long end_s)
{
	static long serial = 1;
	X509 *x = X509_new();
	X509_NAME *name;

	assert_non_null(x);
	name = X509_get_subject_name(x);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x), -30 * DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(x), end_s);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : name);
	add_ext(x, issuer ? issuer : x, NID_basic_constraints,
		names ? "critical,CA:FALSE" : "critical,CA:TRUE");
	if (names)
		add_ext(x, issuer ? issuer : x, NID_subject_alt_name, names);
	assert_true(X509_sign(x, issuer_key, EVP_sha256()) > 0);
	return x;
}

void hc_certs_init(struct hc_certs *c)
{
	char exe[480];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	FILE *f;

	assert_true(n > 0);
	exe[n] = '\0';
	memset(c, 0, sizeof(*c));
	snprintf(c->ca_file, sizeof(c->ca_file), "%s.%d.ca.pem", exe, (int)getpid());
	c->ca_key = EVP_EC_gen("P-256");
	c->key = EVP_EC_gen("P-256");
	assert_true(c->ca_key && c->key);
	c->ca = make("test authority", NULL, c->ca_key, NULL, c->ca_key, 30 * DAY_S);
	c->good = make("good.example", GOOD_NAMES, c->key, c->ca, c->ca_key, 30 * DAY_S);
	c->wrong_name = make("good.example", "DNS:other.example,IP:192.0.2.1", c->key, c->ca,
			     c->ca_key, 30 * DAY_S);
	c->expired = make("good.example", GOOD_NAMES, c->key, c->ca, c->ca_key, -DAY_S);
	c->self_signed = make("good.example", GOOD_NAMES, c->key, NULL, c->key, 30 * DAY_S);
	c->wildcard =
		make("good.example", "DNS:*.good.example", c->key, c->ca, c->ca_key, 30 * DAY_S);
	f = fopen(c->ca_file, "we");
	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, c->ca), 1);
	assert_int_equal(fclose(f), 0);
}

void hc_certs_done(struct hc_certs *c)
{
	unlink(c->ca_file);
	X509_free(c->ca);
	X509_free(c->good);
	X509_free(c->wrong_name);
	X509_free(c->expired);
	X509_free(c->self_signed);
	X509_free(c->wildcard);
	EVP_PKEY_free(c->ca_key);
	EVP_PKEY_free(c->key);
}
