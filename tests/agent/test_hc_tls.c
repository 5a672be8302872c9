// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The HTTPS check: certificates that are good, and each way of not being so;
 * handshakes that fail; names. The certificates are made when the test starts.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hc_certs.h"
#include "hc_fixture.h"
#include "hc_http_parse.h"
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

static struct msg_hc_result probe(struct hc_server *s, const struct hc_fixture *how)
{
	struct hc_fixture f = *how;

	f.type = MSG_HC_HTTPS;
	f.port = hc_server_port(s);
	if (!f.timeout_ms)
		f.timeout_ms = 3000;
	return hc_fixture_probe(&f, certs.ca_file);
}

/* A server with this certificate; one probe; the server is ended. */
static struct msg_hc_result against(X509 *cert, const struct hc_fixture *how, char sni[256])
{
	struct hc_server_spec spec = {
		.answer = OK_ANSWER,
		.cert = cert,
		.key = certs.key,
		.v6 = how->target && strchr(how->target, ':'),
	};
	struct hc_server *s = hc_server_start(&spec);
	struct msg_hc_result r = probe(s, how);

	hc_server_join(s);
	if (sni)
		snprintf(sni, 256, "%s", hc_server_sni(s));
	hc_server_stop(s);
	return r;
}

static void expect(struct msg_hc_result r, enum msg_hc_reason reason, uint32_t detail)
{
	if (r.reason != reason || r.detail != detail)
		fail_msg("reason %d detail %u, not %d %u", r.reason, r.detail, reason, detail);
}

static void test_good_by_name(void **state _unused_)
{
	char sni[256];

	expect(against(certs.good,
		       &(struct hc_fixture){.verify = true, .sni = "good.example", .body = "is ok"},
		       sni),
	       MSG_HC_OK, 0);
	assert_string_equal(sni, "good.example");
	/* The Host is the name when there is no other, without its port. */
	expect(against(certs.good,
		       &(struct hc_fixture){.verify = true, .host = "good.example:8443"}, sni),
	       MSG_HC_OK, 0);
	assert_string_equal(sni, "good.example");
	expect(against(certs.wildcard,
		       &(struct hc_fixture){.verify = true, .host = "a.good.example"}, sni),
	       MSG_HC_OK, 0);
}

static void test_good_by_address(void **state _unused_)
{
	char sni[256];

	expect(against(certs.good, &(struct hc_fixture){.verify = true}, sni), MSG_HC_OK, 0);
	/* RFC 6066: no addresses in the SNI. */
	assert_string_equal(sni, "");
	expect(against(certs.good, &(struct hc_fixture){.verify = true, .target = "::1"}, sni),
	       MSG_HC_OK, 0);
	assert_string_equal(sni, "");
	expect(against(certs.good, &(struct hc_fixture){.verify = true, .host = "[::1]:443"}, sni),
	       MSG_HC_OK, 0);
	assert_string_equal(sni, "");
	expect(against(certs.good, &(struct hc_fixture){.verify = true, .sni = "192.0.2.9"}, sni),
	       MSG_HC_TLS_CERT, X509_V_ERR_IP_ADDRESS_MISMATCH);
	assert_string_equal(sni, "");
}

static void test_certificates_that_are_refused(void **state _unused_)
{
	const struct hc_fixture by_name = {.verify = true, .sni = "good.example"};
	const struct hc_fixture by_address = {.verify = true};
	const struct hc_fixture part = {.verify = true, .sni = "a.b.good.example"};

	expect(against(certs.expired, &by_name, NULL), MSG_HC_TLS_CERT,
	       X509_V_ERR_CERT_HAS_EXPIRED);
	expect(against(certs.not_yet, &by_name, NULL), MSG_HC_TLS_CERT,
	       X509_V_ERR_CERT_NOT_YET_VALID);
	expect(against(certs.self_signed, &by_name, NULL), MSG_HC_TLS_CERT,
	       X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
	expect(against(certs.wrong_name, &by_name, NULL), MSG_HC_TLS_CERT,
	       X509_V_ERR_HOSTNAME_MISMATCH);
	expect(against(certs.wrong_name, &by_address, NULL), MSG_HC_TLS_CERT,
	       X509_V_ERR_IP_ADDRESS_MISMATCH);
	expect(against(certs.wildcard, &part, NULL), MSG_HC_TLS_CERT, X509_V_ERR_HOSTNAME_MISMATCH);
}

static void test_without_verification(void **state _unused_)
{
	const struct hc_fixture f = {.sni = "good.example"};

	expect(against(certs.expired, &f, NULL), MSG_HC_OK, 0);
	expect(against(certs.self_signed, &f, NULL), MSG_HC_OK, 0);
	expect(against(certs.wrong_name, &f, NULL), MSG_HC_OK, 0);
}

static void test_authority_that_is_not_trusted(void **state _unused_)
{
	struct hc_server *s = hc_server_start(&(struct hc_server_spec){
		.answer = OK_ANSWER, .cert = certs.good, .key = certs.key});
	struct hc_fixture f = {.type = MSG_HC_HTTPS,
			       .port = hc_server_port(s),
			       .verify = true,
			       .timeout_ms = 3000};

	/* The system's, which does not know ours. */
	expect(hc_fixture_probe(&f, ""), MSG_HC_TLS_CERT,
	       X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
	hc_server_stop(s);
}

static void test_versions(void **state _unused_)
{
	struct hc_server_spec spec = {
		.answer = OK_ANSWER, .cert = certs.good, .key = certs.key, .tls13_off = true};
	struct hc_server *s = hc_server_start(&spec);
	struct msg_hc_result r;

	expect(probe(s, &(struct hc_fixture){.verify = true, .body = "ok"}), MSG_HC_OK, 0);
	hc_server_stop(s);

	spec.tls_old = true;
	s = hc_server_start(&spec);
	r = probe(s, &(struct hc_fixture){.verify = true});
	assert_int_equal(r.reason, MSG_HC_TLS);
	assert_int_not_equal(r.detail, 0);
	hc_server_stop(s);
}

static const struct {
	const char *name;
	struct hc_server_spec server;
	bool tls;
	enum msg_hc_reason reason;
	uint32_t detail;
} table[] = {
	{.name = "plain HTTP",
	 .server = {.answer = "HTTP/1.1 400 Bad Request\r\n\r\n", .mode = HC_SERVER_SPEAK},
	 .reason = MSG_HC_TLS,
	 .detail = SSL_R_WRONG_VERSION_NUMBER},
	{.name = "garbage",
	 .server = {.answer = "\x16\x03\x03\x01\x02garbage", .mode = HC_SERVER_SPEAK},
	 .reason = MSG_HC_TIMEOUT,
	 .detail = MSG_HC_PHASE_TLS},
	{.name = "accepts and hangs",
	 .server = {.mode = HC_SERVER_HANG},
	 .reason = MSG_HC_TIMEOUT,
	 .detail = MSG_HC_PHASE_TLS},
	{.name = "dripping garbage",
	 .server = {.answer = "\x16\x03\x03\x3f\x02x", .mode = HC_SERVER_DRIP},
	 .reason = MSG_HC_TIMEOUT,
	 .detail = MSG_HC_PHASE_TLS},
	{.name = "closes in TLS", .server = {.answer = ""}, .tls = true, .reason = MSG_HC_CLOSED},
	{.name = "resets in TLS",
	 .server = {.mode = HC_SERVER_RESET},
	 .tls = true,
	 .reason = MSG_HC_RESET},
	{.name = "503 in TLS",
	 .server = {.answer = "HTTP/1.1 503 Out\r\n\r\n"},
	 .tls = true,
	 .reason = MSG_HC_STATUS,
	 .detail = 503},
	{.name = "handshake, then silence",
	 .server = {.answer = "", .mode = HC_SERVER_STAY},
	 .tls = true,
	 .reason = MSG_HC_TIMEOUT,
	 .detail = MSG_HC_PHASE_ANSWER},
	{.name = "a byte a record, for ever",
	 .server = {.answer = "HTTP/1.1 200 OK\r\nA: ", .mode = HC_SERVER_DRIP},
	 .tls = true,
	 .reason = MSG_HC_TIMEOUT,
	 .detail = MSG_HC_PHASE_ANSWER},
	{.name = "endless headers in TLS",
	 .server = {.answer = "HTTP/1.1 200 OK\r\n", .again = "A: b\r\n", .mode = HC_SERVER_FLOOD},
	 .tls = true,
	 .reason = MSG_HC_BAD_ANSWER,
	 .detail = HC_HTTP_BAD_HEAD},
};

static void test_servers(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct hc_server_spec spec = table[i].server;
		struct hc_server *s;
		struct msg_hc_result r;

		if (table[i].tls) {
			spec.cert = certs.good;
			spec.key = certs.key;
		}
		s = hc_server_start(&spec);
		r = probe(s, &(struct hc_fixture){
				     .verify = true,
				     .timeout_ms = table[i].reason == MSG_HC_TIMEOUT ? 150 : 3000,
			     });
		if (r.reason != table[i].reason || r.detail != table[i].detail)
			fail_msg("%s: %d/%u", table[i].name, r.reason, r.detail);
		hc_server_stop(s);
	}
}

static void test_ca_files(void **state _unused_)
{
	struct hc_tls *t = NULL;

	assert_int_equal(hc_tls_new("/nonexistent/ca.pem", &t), -ENOENT);
	assert_int_equal(hc_tls_new("/dev/null", &t), -EINVAL);
	assert_null(t);
	assert_int_equal(hc_tls_new(certs.ca_file, &t), 0);
	hc_tls_free(t);
	hc_tls_free(NULL);
	/* Nothing is left behind that a later operation could take for its own. */
	assert_int_equal(ERR_peek_error(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_by_name),
		cmocka_unit_test(test_good_by_address),
		cmocka_unit_test(test_certificates_that_are_refused),
		cmocka_unit_test(test_without_verification),
		cmocka_unit_test(test_authority_that_is_not_trusted),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_ca_files),
	};

	return cmocka_run_group_tests_name("hc_tls", tests, group_setup, group_teardown);
}
