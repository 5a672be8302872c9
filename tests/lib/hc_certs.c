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
		  EVP_PKEY *issuer_key, long begin_s, long end_s)
{
	static long serial = 1;
	X509 *x = X509_new();
	X509_NAME *name;

	assert_non_null(x);
	name = X509_get_subject_name(x);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x), begin_s);
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

/* Next to the test's program, so that two tests don't share it. */
static void file_name(char ret[512], const char *what)
{
	char exe[400];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	assert_true(n > 0);
	exe[n] = '\0';
	snprintf(ret, 512, "%s.%d.%s.pem", exe, (int)getpid(), what);
}

static void write_pem(const char *file, X509 *x, EVP_PKEY *key)
{
	FILE *f = fopen(file, "we");

	assert_non_null(f);
	if (x)
		assert_int_equal(PEM_write_X509(f, x), 1);
	if (key)
		assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(fclose(f), 0);
}

/* A server's, by the authority. */
static X509 *by_ca(const struct hc_certs *c, const char *names, long begin_s, long end_s)
{
	return make("good.example", names, c->key, c->ca, c->ca_key, begin_s, end_s);
}

void hc_certs_init(struct hc_certs *c)
{
	const long past = -30 * DAY_S, future = 30 * DAY_S;

	memset(c, 0, sizeof(*c));
	file_name(c->ca_file, "ca");
	file_name(c->cert_file, "client");
	file_name(c->key_file, "client-key");
	c->ca_key = EVP_EC_gen("P-256");
	c->key = EVP_EC_gen("P-256");
	assert_true(c->ca_key && c->key);
	c->ca = make("test authority", NULL, c->ca_key, NULL, c->ca_key, past, future);
	c->good = by_ca(c, GOOD_NAMES, past, future);
	c->wrong_name = by_ca(c, "DNS:other.example,IP:192.0.2.1", past, future);
	c->expired = by_ca(c, GOOD_NAMES, past, -DAY_S);
	c->not_yet = by_ca(c, GOOD_NAMES, DAY_S, future);
	c->soon = by_ca(c, GOOD_NAMES, past, 7200);
	c->self_signed = make("good.example", GOOD_NAMES, c->key, NULL, c->key, past, future);
	c->wildcard = by_ca(c, "DNS:*.good.example", past, future);
	write_pem(c->ca_file, c->ca, NULL);
	write_pem(c->cert_file, c->good, NULL);
	write_pem(c->key_file, NULL, c->key);
}

void hc_certs_done(struct hc_certs *c)
{
	unlink(c->ca_file);
	unlink(c->cert_file);
	unlink(c->key_file);
	X509_free(c->ca);
	X509_free(c->good);
	X509_free(c->wrong_name);
	X509_free(c->expired);
	X509_free(c->not_yet);
	X509_free(c->soon);
	X509_free(c->self_signed);
	X509_free(c->wildcard);
	EVP_PKEY_free(c->ca_key);
	EVP_PKEY_free(c->key);
}
