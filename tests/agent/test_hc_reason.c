// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each reason has its words, and details are told.
 */
#include <errno.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "hc_http_parse.h"
#include "hc_reason.h"
#include "msg.h"
#include "util.h"

static void test_words_are_there_and_differ(void **state _unused_)
{
	for (uint8_t i = 0; i < MSG_HC_REASONS; i++) {
		assert_non_null(hc_reason_str(i));
		for (uint8_t k = 0; k < i; k++)
			assert_string_not_equal(hc_reason_str(i), hc_reason_str(k));
	}
	assert_string_equal(hc_reason_str(MSG_HC_REASONS), "unknown");
	assert_string_equal(hc_reason_str(255), "unknown");
	assert_string_equal(hc_state_str(MSG_HC_DOWN), "down");
	assert_string_equal(hc_state_str(9), "unknown");
	assert_string_equal(hc_type_str(MSG_HC_HTTPS), "https");
	assert_string_equal(hc_type_str(9), "unknown");
}

static void test_phrases(void **state _unused_)
{
	static const struct {
		uint8_t reason;
		uint32_t detail;
		const char *text;
	} table[] = {
		{MSG_HC_OK, 0, "ok"},
		{MSG_HC_TIMEOUT, MSG_HC_PHASE_NONE, "timeout"},
		{MSG_HC_TIMEOUT, MSG_HC_PHASE_TLS, "timeout in the TLS handshake"},
		{MSG_HC_TIMEOUT, 77, "timeout"},
		{MSG_HC_REFUSED, 0, "connection refused"},
		{MSG_HC_UNREACHABLE, EHOSTUNREACH, "unreachable: No route to host"},
		{MSG_HC_STATUS, 503, "status 503"},
		{MSG_HC_BAD_ANSWER, HC_HTTP_BAD_PROTOCOL, "bad answer: not HTTP/1"},
		{MSG_HC_BAD_ANSWER, 999, "bad answer: no reason known"},
		{MSG_HC_TLS, SSL_R_WRONG_VERSION_NUMBER,
		 "TLS handshake failed: wrong version number"},
		{MSG_HC_TLS, 0, "TLS handshake failed: no reason known"},
		{MSG_HC_TLS_CERT, X509_V_ERR_CERT_HAS_EXPIRED, "certificate has expired"},
		{MSG_HC_BAD_ANSWER, HC_HTTP_BAD_H2, "bad answer: not HTTP/2"},
		{MSG_HC_GRPC_STATUS, 12, "grpc-status 12"},
		{MSG_HC_NOT_SERVING, 2, "gRPC health: NOT_SERVING"},
		{MSG_HC_NOT_SERVING, 4, "gRPC health: another status"},
		{MSG_HC_LOCAL, EMFILE, "not probed, this node's own fault: Too many open files"},
		{255, 1, "unknown"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char buf[HC_REASON_LEN];

		assert_string_equal(
			hc_reason_format(buf, sizeof(buf), table[i].reason, table[i].detail),
			table[i].text);
	}
}

static void test_cut(void **state _unused_)
{
	char buf[8];

	for (uint8_t i = 0; i < MSG_HC_REASONS; i++) {
		memset(buf, 'x', sizeof(buf));
		hc_reason_format(buf, 6, i, 1);
		assert_non_null(memchr(buf, '\0', 6));
		assert_int_equal(buf[6], 'x');
		hc_reason_format(buf, 1, i, 1);
		assert_int_equal(buf[0], '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_are_there_and_differ),
		cmocka_unit_test(test_phrases),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests_name("hc_reason", tests, NULL, NULL);
}
