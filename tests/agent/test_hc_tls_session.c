// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * TLS sessions that are resumed, and client certificates: on the wire against a server on
 * loopback that counts, and the ages of a session by two OpenSSL ends in memory, with
 * clocks of the test's own.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hc_certs.h"
#include "hc_fixture.h"
#include "hc_server.h"
#include "hc_tls.h"
#include "util.h"

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall is ok"

static struct hc_certs certs;

static int group_setup(void **state _unused_)
{
	hc_certs_init(&certs);
	return 0;
}

static int group_teardown(void **state _unused_)
{
	hc_certs_done(&certs);
	return 0;
}

/* ---- on the wire ---- */

static void run_until_full_or_resumed(struct hc_world *w, uint64_t n)
{
	const struct hc_tls_stats *st = hc_tls_get_stats(w->tls);
	uint64_t deadline = util_now_ns() + 10000000000ull;

	while (hc_get_stats(w->hc)->ended[MSG_HC_OK] < n) {
		assert_true(util_now_ns() < deadline);
		assert_int_equal(loop_once(w->loop, 100), 0);
	}
	assert_int_equal(st->full + st->resumed, n);
}

/* Six probes of a server; how many of them it resumed. */
static unsigned int resumed_of_six(struct hc_server_spec spec, uint8_t flags)
{
	struct hc_world w;
	struct hc_server *s;
	unsigned int resumed;

	spec.answer = OK_ANSWER;
	spec.cert = certs.good;
	spec.key = certs.key;
	s = hc_server_start(&spec);
	hc_world_init(&w, certs.ca_file);
	hc_world_set(&w, &(struct hc_fixture){.id = 1,
					      .type = MSG_HC_HTTPS,
					      .port = hc_server_port(s),
					      .verify = true,
					      .flags = flags,
					      .body = "ok",
					      .interval_ms = 20,
					      .timeout_ms = 3000});
	run_until_full_or_resumed(&w, 6);
	/* Further ones tell that it takes less time now, or more. */
	assert_in_range(w.n_results, 1, 6);
	for (unsigned int i = 0; i < w.n_results; i++)
		assert_int_equal(w.results[i].reason, MSG_HC_OK);
	if (flags & MSG_HC_F_RESUME) {
		assert_int_equal(hc_tls_get_stats(w.tls)->kept.n, 1);
		assert_in_range(hc_tls_get_stats(w.tls)->kept.bytes, 200, HC_TLS_SESSION_MAX);
	}
	resumed = (unsigned int)hc_tls_get_stats(w.tls)->resumed;
	hc_del(w.hc, 1);
	assert_int_equal(hc_tls_get_stats(w.tls)->kept.n, 0);
	assert_int_equal(hc_tls_get_stats(w.tls)->kept.bytes, 0);
	hc_world_done(&w);
	hc_server_join(s);
	/* The other end says the same. */
	assert_int_equal(hc_server_resumed(s), resumed);
	hc_server_stop(s);
	return resumed;
}

static void test_resumed(void **state _unused_)
{
	struct hc_server_spec spec = {0};

	assert_int_equal(resumed_of_six(spec, MSG_HC_F_RESUME), 5);
	spec.tickets_off = true;
	assert_int_equal(resumed_of_six(spec, MSG_HC_F_RESUME), 5);
	spec.tls13_off = true; /* by session id */
	assert_int_equal(resumed_of_six(spec, MSG_HC_F_RESUME), 5);
	spec.tickets_off = false; /* RFC 5077 */
	assert_int_equal(resumed_of_six(spec, MSG_HC_F_RESUME), 5);
}

static void test_not_resumed_unless_asked_for(void **state _unused_)
{
	assert_int_equal(resumed_of_six((struct hc_server_spec){0}, 0), 0);
	assert_int_equal(resumed_of_six((struct hc_server_spec){.tls13_off = true}, 0), 0);
}

/* A probe that fails takes the session with it: the next handshake is a full one. */
static void test_failure_drops_the_session(void **state _unused_)
{
	struct hc_server_spec spec = {.answer = OK_ANSWER, .cert = certs.good, .key = certs.key};
	struct hc_fixture f = {.id = 1,
			       .type = MSG_HC_HTTPS,
			       .verify = true,
			       .flags = MSG_HC_F_RESUME,
			       .body = "ok",
			       .interval_ms = 20,
			       .timeout_ms = 3000};
	const struct hc_stats *st;
	struct hc_server *s;
	struct hc_world w;

	hc_world_init(&w, certs.ca_file);
	st = hc_get_stats(w.hc);
	s = hc_server_start(&spec);
	f.port = hc_server_port(s);
	hc_world_set(&w, &f);
	run_until_full_or_resumed(&w, 2);
	assert_int_equal(hc_tls_get_stats(w.tls)->resumed, 1);
	/* The server goes (and its ticket key): refused, and the session is kept for the next. */
	hc_server_stop(s);
	while (!st->ended[MSG_HC_REFUSED])
		assert_int_equal(loop_once(w.loop, 100), 0);
	assert_int_equal(hc_tls_get_stats(w.tls)->kept.n, 1);
	/* One that resumes, but answers with what is not wanted. */
	spec.answer = "HTTP/1.1 503 Out\r\n\r\n";
	s = hc_server_start(&spec);
	f.port = hc_server_port(s);
	hc_world_set(&w, &f); /* another port: another question, nothing kept */
	assert_int_equal(hc_tls_get_stats(w.tls)->kept.n, 0);
	while (st->ended[MSG_HC_STATUS] < 3)
		assert_int_equal(loop_once(w.loop, 100), 0);
	assert_int_equal(hc_tls_get_stats(w.tls)->kept.n, 0);
	assert_int_equal(hc_tls_get_stats(w.tls)->resumed, 1);
	hc_world_done(&w);
	hc_server_stop(s);
}

/* ---- client certificates ---- */

static struct msg_hc_result probe_demanding(bool tls13_off, bool have, uint8_t flags)
{
	struct hc_server_spec spec = {.answer = OK_ANSWER,
				      .cert = certs.good,
				      .key = certs.key,
				      .client_ca = certs.ca,
				      .tls13_off = tls13_off};
	struct hc_server *s = hc_server_start(&spec);
	const char *what = NULL;
	struct hc_world w;

	hc_world_init(&w, certs.ca_file);
	if (have)
		assert_int_equal(hc_tls_client_cert(w.tls, certs.cert_file, certs.key_file, &what),
				 0);
	hc_world_set(&w, &(struct hc_fixture){.id = 1,
					      .type = MSG_HC_HTTPS,
					      .port = hc_server_port(s),
					      .verify = true,
					      .flags = flags,
					      .interval_ms = 60000,
					      .timeout_ms = 3000});
	hc_world_run(&w, 1);
	hc_world_done(&w);
	hc_server_stop(s);
	return w.results[0];
}

static void test_client_certificate(void **state _unused_)
{
	for (int tls13_off = 0; tls13_off < 2; tls13_off++) {
		struct msg_hc_result r;

		r = probe_demanding(tls13_off, true, MSG_HC_F_CLIENT_CERT);
		assert_int_equal(r.reason, MSG_HC_OK);
		/* There is one, but this check does not show it. */
		r = probe_demanding(tls13_off, true, 0);
		assert_int_equal(r.reason, MSG_HC_TLS);
		assert_int_equal(r.detail, tls13_off ? SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE
						     : SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED);
		/* It should be shown, but there is none: our own fault. */
		r = probe_demanding(tls13_off, false, MSG_HC_F_CLIENT_CERT);
		assert_int_equal(r.reason, MSG_HC_LOCAL);
		assert_int_equal(r.detail, ENOKEY);
	}
}

static void test_client_certificate_files(void **state _unused_)
{
	const char *cert = certs.cert_file, *key = certs.key_file;
	const struct {
		const char *cert, *key, *what;
		int r;
	} rows[] = {
		{"/nonexistent/c.pem", key, "health cert", -ENOENT},
		{cert, "/nonexistent/k.pem", "health key", -ENOENT},
		{"/dev/null", key, "health cert", -EINVAL},
		{key, key, "health cert", -EINVAL},
		{cert, "/dev/null", "health key", -EINVAL},
		{cert, cert, "health key", -EINVAL},
		{certs.ca_file, key, "health key", -EKEYREJECTED},
		{cert, key, NULL, 0},
	};
	struct hc_tls *t;

	assert_int_equal(hc_tls_new(certs.ca_file, &t), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *what = NULL;
		int r = hc_tls_client_cert(t, rows[i].cert, rows[i].key, &what);

		if (r != rows[i].r || (r < 0 && strcmp(what, rows[i].what) != 0))
			fail_msg("row %zu: %d, %s", i, r, what);
		assert_int_equal(ERR_peek_error(), 0);
	}
	hc_tls_free(t);
}

/* Nobody is asked for a passphrase: the test would hang, or read its standard input. */
static void test_key_with_a_passphrase(void **state _unused_)
{
	const char *what = NULL;
	struct hc_tls *t;
	char file[600];
	FILE *f;

	snprintf(file, sizeof(file), "%s.locked", certs.key_file);
	f = fopen(file, "we");
	assert_non_null(f);
	assert_int_equal(
		PEM_write_PKCS8PrivateKey(f, certs.key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL),
		1);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(hc_tls_new(certs.ca_file, &t), 0);
	assert_int_equal(hc_tls_client_cert(t, certs.cert_file, file, &what), -EINVAL);
	assert_string_equal(what, "health key");
	hc_tls_free(t);
	unlink(file);
}

/* ---- ages ---- */

/* Two ends of a connection in memory. */
struct pair {
	SSL_CTX *client_ctx, *server_ctx;
	SSL *client, *server;
};

static void pair_init(struct pair *p, X509 *cert)
{
	memset(p, 0, sizeof(*p));
	p->client_ctx = SSL_CTX_new(TLS_client_method());
	p->server_ctx = SSL_CTX_new(TLS_server_method());
	assert_true(p->client_ctx && p->server_ctx);
	assert_int_equal(SSL_CTX_use_certificate(p->server_ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(p->server_ctx, certs.key), 1);
	assert_int_equal(SSL_CTX_load_verify_file(p->client_ctx, certs.ca_file), 1);
	SSL_CTX_set_verify(p->client_ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(p->client_ctx, SSL_SESS_CACHE_OFF);
}

static void pair_open(struct pair *p)
{
	BIO *a, *b;

	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	p->client = SSL_new(p->client_ctx);
	p->server = SSL_new(p->server_ctx);
	assert_true(p->client && p->server);
	SSL_set_bio(p->client, a, a);
	SSL_set_bio(p->server, b, b);
	SSL_set_connect_state(p->client);
	SSL_set_accept_state(p->server);
}

/* The handshake, and a byte so that the client has read its tickets. */
static bool pair_talk(struct pair *p)
{
	char byte = 0;

	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(p->client);
		SSL_do_handshake(p->server);
	}
	assert_int_equal(SSL_write(p->server, "x", 1), 1);
	assert_int_equal(SSL_read(p->client, &byte, 1), 1);
	return SSL_session_reused(p->client);
}

static void pair_close(struct pair *p)
{
	SSL_free(p->client);
	SSL_free(p->server);
	p->client = p->server = NULL;
}

static void pair_done(struct pair *p)
{
	SSL_CTX_free(p->client_ctx);
	SSL_CTX_free(p->server_ctx);
}

/* One connection at a time; resumed? */
static bool connection(struct pair *p, struct hc_tls_sessions *all, struct hc_tls_session **s,
		       bool verified, struct hc_tls_now now)
{
	bool resumed;

	pair_open(p);
	hc_tls_session_lend(all, s, p->client, now);
	resumed = pair_talk(p);
	hc_tls_session_store(all, s, p->client, verified, now);
	pair_close(p);
	return resumed;
}

static void test_full_handshake_every_ten_minutes(void **state _unused_)
{
	struct hc_tls_now now = hc_tls_now(), later = now;
	struct hc_tls_sessions all = {0};
	struct hc_tls_session *s = NULL;
	struct pair p;

	pair_init(&p, certs.good);
	assert_false(connection(&p, &all, &s, true, now));
	/* Being resumed does not make it younger. */
	for (int minute = 1; minute < 10; minute++) {
		later.mono_ns = now.mono_ns + (uint64_t)minute * 60000000000ull;
		assert_true(connection(&p, &all, &s, true, later));
	}
	later.mono_ns = now.mono_ns + HC_TLS_FULL_NS - 1;
	assert_true(connection(&p, &all, &s, true, later));
	later.mono_ns++;
	assert_false(connection(&p, &all, &s, true, later));
	later.mono_ns += HC_TLS_FULL_NS - 1;
	assert_true(connection(&p, &all, &s, true, later));
	hc_tls_session_free(&all, s);
	assert_int_equal(all.n, 0);
	assert_int_equal(all.bytes, 0);
	pair_done(&p);
}

static void test_chain_that_ends_soon(void **state _unused_)
{
	struct hc_tls_now now = hc_tls_now(), later = now;
	struct hc_tls_sessions all = {0};
	struct hc_tls_session *s = NULL;
	struct pair p;

	pair_init(&p, certs.soon);
	assert_false(connection(&p, &all, &s, true, now));
	later.wall = now.wall + 7000;
	assert_true(connection(&p, &all, &s, true, later));
	later.wall = now.wall + 7300;
	assert_false(connection(&p, &all, &s, true, later));
	hc_tls_session_free(&all, s);
	s = NULL;
	/* To a check that does not verify, dates say nothing. */
	assert_false(connection(&p, &all, &s, false, now));
	assert_true(connection(&p, &all, &s, false, later));
	hc_tls_session_free(&all, s);
	pair_done(&p);
}

/* Lent, but not given back: the probe failed. */
static void test_lent_once(void **state _unused_)
{
	struct hc_tls_now now = hc_tls_now();
	struct hc_tls_sessions all = {0};
	struct hc_tls_session *s = NULL;
	struct pair p;

	pair_init(&p, certs.good);
	assert_false(connection(&p, &all, &s, true, now));
	assert_int_equal(all.n, 1);
	pair_open(&p);
	hc_tls_session_lend(&all, &s, p.client, now);
	assert_non_null(s);
	pair_close(&p);
	pair_open(&p);
	hc_tls_session_lend(&all, &s, p.client, now);
	assert_null(s);
	assert_false(pair_talk(&p));
	pair_close(&p);
	assert_int_equal(all.n, 0);
	assert_int_equal(all.bytes, 0);
	pair_done(&p);
}

static void test_memory_is_bounded(void **state _unused_)
{
	struct hc_tls_sessions all = {.n = 1, .bytes = HC_TLS_SESSIONS_MAX - 100};
	struct hc_tls_now now = hc_tls_now();
	struct hc_tls_session *s = NULL;
	struct pair p;

	pair_init(&p, certs.good);
	assert_false(connection(&p, &all, &s, true, now));
	assert_null(s);
	assert_int_equal(all.n, 1);
	assert_int_equal(all.bytes, HC_TLS_SESSIONS_MAX - 100);
	pair_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resumed),
		cmocka_unit_test(test_not_resumed_unless_asked_for),
		cmocka_unit_test(test_failure_drops_the_session),
		cmocka_unit_test(test_client_certificate),
		cmocka_unit_test(test_client_certificate_files),
		cmocka_unit_test(test_key_with_a_passphrase),
		cmocka_unit_test(test_full_handshake_every_ten_minutes),
		cmocka_unit_test(test_chain_that_ends_soon),
		cmocka_unit_test(test_lent_once),
		cmocka_unit_test(test_memory_is_bounded),
	};

	return cmocka_run_group_tests_name("hc_tls_session", tests, group_setup, group_teardown);
}
