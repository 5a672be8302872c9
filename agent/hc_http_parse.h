/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answer to an HTTP check, read piece by piece as it arrives. No I/O and
 * no allocation; it stops as soon as the verdict is known. What it reads is
 * hostile until shown otherwise: each part has a limit. The body's is the check's
 * own, body_max: the wanted text must be within that much.
 */
#ifndef NLB_AGENT_HC_HTTP_PARSE_H
#define NLB_AGENT_HC_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hc_check.h"
#include "msg.h"

#define HC_HTTP_LINE_MAX   8192u   /* status line, header, chunk size */
#define HC_HTTP_HEADER_MAX 128u	   /* headers and trailers */
#define HC_HTTP_HEAD_MAX   32768u  /* all of them together */
#define HC_HTTP_EXTRA_MAX  196608u /* what is not body: headers, interim answers, chunk sizes */
#define HC_HTTP_KEEP	   160u	   /* what is kept of a line; none of interest is longer */

/* What is wrong with an answer: the detail of MSG_HC_BAD_ANSWER. */
enum hc_http_bad {
	HC_HTTP_BAD_NONE,
	HC_HTTP_BAD_PROTOCOL, /* no HTTP/1 status line */
	HC_HTTP_BAD_HEADER,   /* a line that is no header */
	HC_HTTP_BAD_LINE,     /* a line beyond its limit */
	HC_HTTP_BAD_HEAD,     /* too many headers, or too much of them */
	HC_HTTP_BAD_LENGTH,   /* Content-Length is no number, or there are two */
	HC_HTTP_BAD_CHUNK,
	HC_HTTP_BAD_SIZE, /* more bytes than a body of body_max and EXTRA_MAX without a verdict */
	HC_HTTP_BAD_H2,	  /* no HTTP/2, or broken */
	HC_HTTP_BAD_GRPC, /* HTTP/2, but no answer to a gRPC call */
};

/* A phrase for an enum hc_http_bad. */
const char *hc_http_bad_str(uint32_t bad);

struct hc_http_parser {
	const struct hc_check *check;
	enum msg_hc_reason reason; /* the verdict, once feed has returned true */
	uint32_t detail;

	uint8_t state; /* private from here on */
	bool chunked, has_length, until_close, cr;
	uint16_t status;
	uint16_t matched; /* bytes of the wanted text that the body ends with */
	uint16_t n_headers;
	uint32_t line_len; /* of the line being read, without its end */
	uint32_t head_bytes;
	uint32_t wire_bytes;
	uint32_t body_bytes;
	uint64_t left; /* of the body or chunk */
	char line[HC_HTTP_KEEP + 1];
};

/* check must stay while the parser is used. */
void hc_http_parser_init(struct hc_http_parser *ps, const struct hc_check *check);

/* Takes the next bytes. True when the verdict is in reason and detail; feed no more then. */
bool hc_http_feed(struct hc_http_parser *ps, const void *data, size_t len);

/* The server closed the connection: sets the verdict. */
void hc_http_eof(struct hc_http_parser *ps);

#endif
