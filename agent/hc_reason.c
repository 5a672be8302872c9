// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reasons in words. The certificate's and the handshake's come from OpenSSL,
 * an errno's from the C library, so that one can search for them.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "hc_http_parse.h"
#include "hc_reason.h"
#include "msg.h"
#include "util.h"

static const char *const reason_words[MSG_HC_REASONS] = {
	[MSG_HC_OK] = "ok",
	[MSG_HC_TIMEOUT] = "timeout",
	[MSG_HC_REFUSED] = "refused",
	[MSG_HC_UNREACHABLE] = "unreachable",
	[MSG_HC_RESET] = "reset",
	[MSG_HC_CLOSED] = "closed",
	[MSG_HC_STATUS] = "status",
	[MSG_HC_BODY] = "body",
	[MSG_HC_BAD_ANSWER] = "bad-answer",
	[MSG_HC_TLS] = "tls",
	[MSG_HC_TLS_CERT] = "certificate",
	[MSG_HC_GRPC_STATUS] = "grpc-status",
	[MSG_HC_NOT_SERVING] = "not-serving",
	[MSG_HC_LOCAL] = "local",
};

static const char *const phase_words[] = {
	[MSG_HC_PHASE_NONE] = "timeout",
	[MSG_HC_PHASE_CONNECT] = "timeout while connecting",
	[MSG_HC_PHASE_TLS] = "timeout in the TLS handshake",
	[MSG_HC_PHASE_ANSWER] = "timeout while waiting for the answer",
};

/* grpc.health.v1.HealthCheckResponse.ServingStatus */
static const char *const serving_words[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};

static const char *const state_words[] = {
	[MSG_HC_UNKNOWN] = "unknown",
	[MSG_HC_UP] = "up",
	[MSG_HC_DOWN] = "down",
};

static const char *const type_words[] = {
	[MSG_HC_ICMP] = "icmp",	  [MSG_HC_TCP] = "tcp", [MSG_HC_HTTP] = "http",
	[MSG_HC_HTTPS] = "https", [MSG_HC_UDP] = "udp", [MSG_HC_GRPC] = "grpc",
};

const char *hc_reason_str(uint8_t reason)
{
	return reason < MSG_HC_REASONS ? reason_words[reason] : "unknown";
}

const char *hc_state_str(uint8_t state)
{
	return state < ARRAY_SIZE(state_words) ? state_words[state] : "unknown";
}

const char *hc_type_str(uint8_t type)
{
	return type < ARRAY_SIZE(type_words) ? type_words[type] : "unknown";
}

const char *hc_reason_format(char *buf, size_t len, uint8_t reason, uint32_t detail)
{
	const char *text = NULL;

	switch (reason) {
	case MSG_HC_TIMEOUT:
		text = phase_words[detail < ARRAY_SIZE(phase_words) ? detail : 0];
		break;
	case MSG_HC_REFUSED:
		text = "connection refused";
		break;
	case MSG_HC_UNREACHABLE:
		snprintf(buf, len, "unreachable: %s", strerror((int)detail));
		return buf;
	case MSG_HC_RESET:
		text = "connection reset";
		break;
	case MSG_HC_CLOSED:
		text = "connection closed before the answer was whole";
		break;
	case MSG_HC_STATUS:
		snprintf(buf, len, "status %u", detail);
		return buf;
	case MSG_HC_BODY:
		text = "the wanted text is not in the body";
		break;
	case MSG_HC_BAD_ANSWER:
		snprintf(buf, len, "bad answer: %s", hc_http_bad_str(detail));
		return buf;
	case MSG_HC_TLS:
		/* The parent may never have used TLS; a second time it costs nothing. */
		OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, NULL);
		if (detail)
			text = ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, detail));
		snprintf(buf, len, "TLS handshake failed: %s", text ? text : "no reason known");
		return buf;
	case MSG_HC_TLS_CERT:
		text = X509_verify_cert_error_string((long)detail);
		break;
	case MSG_HC_GRPC_STATUS:
		snprintf(buf, len, "grpc-status %u", detail);
		return buf;
	case MSG_HC_NOT_SERVING:
		snprintf(buf, len, "gRPC health: %s",
			 detail < ARRAY_SIZE(serving_words) ? serving_words[detail]
							    : "another status");
		return buf;
	case MSG_HC_LOCAL:
		snprintf(buf, len, HC_REASON_LOCAL "%s", strerror((int)detail));
		return buf;
	default:
		text = hc_reason_str(reason);
	}
	snprintf(buf, len, "%s", text);
	return buf;
}
