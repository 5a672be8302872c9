// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A call of grpc.health.v1.Health/Check. The request is a HealthCheckRequest {string service
 * = 1}, the answer a HealthCheckResponse {enum status = 1} and a grpc-status in the trailers (or in
 * the headers, when there is nothing but a failure). The two messages are so small that they
 * are written and read here.
 *
 * The verdict falls when the stream ends; a server that never ends it has not answered.
 */
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hc_grpc_call.h"
#include "hc_http_parse.h"
#include "util.h"

#define PREFIX_LEN 5u /* of a gRPC message: not compressed, length */
#define NO_STATUS  UINT32_MAX

/* HealthCheckResponse.ServingStatus */
#define SERVING 1u

struct hc_grpc_call {
	nghttp2_session *h2;
	bool decided;
	uint8_t reason; /* enum msg_hc_reason */
	uint32_t detail;
	int32_t stream;
	uint32_t http_status, grpc_status; /* NO_STATUS: not seen */
	uint32_t wire_bytes;
	bool too_long;
	size_t answer_len;
	uint8_t answer[HC_GRPC_ANSWER_MAX];
	size_t request_len, request_at;
	uint8_t request[PREFIX_LEN + 3 + HC_STRING_MAX];
};

static void decide(struct hc_grpc_call *call, enum msg_hc_reason reason, uint32_t detail)
{
	if (call->decided)
		return;
	call->decided = true;
	call->reason = (uint8_t)reason;
	call->detail = detail;
}

/* ---- the messages (protobuf encoding: key, value; both in base 128) ---- */

/* Returns the bytes that a number takes. */
static size_t put_varint(uint8_t *at, uint64_t n)
{
	size_t len = 0;

	for (; n > 127; n >>= 7)
		at[len++] = (uint8_t)(n | 128);
	at[len++] = (uint8_t)n;
	return len;
}

static void make_request(struct hc_grpc_call *call, const char *service)
{
	uint8_t *at = call->request + PREFIX_LEN;
	size_t n = strlen(service);

	if (n) {
		*at++ = 1 << 3 | 2; /* field 1, a string */
		at += put_varint(at, n);
		memcpy(at, service, n);
		at += n;
	}
	call->request_len = (size_t)(at - call->request);
	n = call->request_len - PREFIX_LEN;
	call->request[3] = (uint8_t)(n >> 8);
	call->request[4] = (uint8_t)n;
}

/* Reads a number and moves *at behind it; false when it is cut or too long. */
static bool get_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	uint64_t n = 0;

	for (unsigned int shift = 0; *at < end && shift < 64; shift += 7) {
		uint8_t b = *(*at)++;

		n |= (uint64_t)(b & 127) << shift;
		if (!(b & 128)) {
			*ret = n;
			return true;
		}
	}
	return false;
}

/* Moves *at behind a value that is of no interest. */
static bool skip_value(const uint8_t **at, const uint8_t *end, unsigned int wire_type)
{
	uint64_t n = 0;

	switch (wire_type) {
	case 0:
		return get_varint(at, end, &n);
	case 1:
		n = 8;
		break;
	case 2:
		if (!get_varint(at, end, &n))
			return false;
		break;
	case 5:
		n = 4;
		break;
	default:
		return false;
	}
	if (n > (uint64_t)(end - *at))
		return false;
	*at += n;
	return true;
}

/* The status in a message; false when it is none. Without the field it is 0, UNKNOWN. */
static bool read_answer(const uint8_t *data, size_t len, uint64_t *ret)
{
	const uint8_t *at = data + PREFIX_LEN, *end = data + len;
	uint64_t status = 0, key;

	if (len < PREFIX_LEN || data[0] || data[1] || data[2] ||
	    (size_t)(data[3] << 8 | data[4]) != len - PREFIX_LEN)
		return false;
	while (at < end) {
		if (!get_varint(&at, end, &key))
			return false;
		if (key == (1 << 3 | 0)) {
			if (!get_varint(&at, end, &status))
				return false;
		} else if (!skip_value(&at, end, key & 7)) {
			return false;
		}
	}
	*ret = status;
	return true;
}

/* ---- what nghttp2 tells ---- */

/* The stream has ended: what was it? */
static void judge(struct hc_grpc_call *call)
{
	uint64_t status;

	if (call->http_status != 200)
		decide(call, MSG_HC_STATUS, call->http_status);
	else if (call->grpc_status == NO_STATUS)
		decide(call, MSG_HC_BAD_ANSWER, HC_HTTP_BAD_GRPC);
	else if (call->grpc_status)
		decide(call, MSG_HC_GRPC_STATUS, call->grpc_status);
	else if (call->too_long || !read_answer(call->answer, call->answer_len, &status))
		decide(call, MSG_HC_BAD_ANSWER, HC_HTTP_BAD_GRPC);
	else if (status != SERVING)
		decide(call, MSG_HC_NOT_SERVING, (uint32_t)MIN2(status, (uint64_t)UINT32_MAX));
	else
		decide(call, MSG_HC_OK, 0);
}

/* A number of at most 9 digits, or NO_STATUS. */
static uint32_t number(const uint8_t *s, size_t len)
{
	uint32_t n = 0;

	if (!len || len > 9)
		return NO_STATUS;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return NO_STATUS;
		n = n * 10 + (uint32_t)(s[i] - '0');
	}
	return n;
}

static bool named(const uint8_t *name, size_t len, const char *wanted)
{
	return len == strlen(wanted) && memcmp(name, wanted, len) == 0;
}

static int on_header(nghttp2_session *h2 _unused_, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len,
		     uint8_t flags _unused_, void *user)
{
	struct hc_grpc_call *call = user;

	if (frame->hd.stream_id != call->stream)
		return 0;
	if (named(name, name_len, ":status"))
		call->http_status = number(value, value_len);
	else if (named(name, name_len, "grpc-status"))
		call->grpc_status = number(value, value_len);
	return 0;
}

static int on_data(nghttp2_session *h2 _unused_, uint8_t flags _unused_, int32_t stream,
		   const uint8_t *data, size_t len, void *user)
{
	struct hc_grpc_call *call = user;
	size_t n = MIN2(len, sizeof(call->answer) - call->answer_len);

	if (stream != call->stream)
		return 0;
	memcpy(call->answer + call->answer_len, data, n);
	call->answer_len += n;
	call->too_long |= n < len;
	return 0;
}

static int on_frame(nghttp2_session *h2 _unused_, const nghttp2_frame *frame, void *user)
{
	struct hc_grpc_call *call = user;

	if (frame->hd.stream_id == call->stream && frame->hd.flags & NGHTTP2_FLAG_END_STREAM &&
	    (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS))
		judge(call);
	else if (frame->hd.type == NGHTTP2_RST_STREAM && frame->hd.stream_id == call->stream)
		decide(call, MSG_HC_RESET, 0);
	else if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.last_stream_id < call->stream)
		decide(call, MSG_HC_CLOSED, 0);
	return 0;
}

/* ---- the call ---- */

static ssize_t read_request(nghttp2_session *h2 _unused_, int32_t stream _unused_, uint8_t *buf,
			    size_t len, uint32_t *flags, nghttp2_data_source *source,
			    void *user _unused_)
{
	struct hc_grpc_call *call = source->ptr;
	size_t n = MIN2(len, call->request_len - call->request_at);

	memcpy(buf, call->request + call->request_at, n);
	call->request_at += n;
	if (call->request_at == call->request_len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){.name = (uint8_t *)name,
			    .value = (uint8_t *)value,
			    .namelen = strlen(name),
			    .valuelen = strlen(value)};
}

static int submit(struct hc_grpc_call *call, const char *authority)
{
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HC_HTTP_HEAD_MAX},
	};
	const nghttp2_nv headers[] = {
		header(":method", "POST"),
		header(":scheme", "http"),
		header(":path", "/grpc.health.v1.Health/Check"),
		header(":authority", authority),
		header("content-type", "application/grpc"),
		header("te", "trailers"),
		header("user-agent", "nlb-agent"),
	};
	nghttp2_data_provider body = {.source.ptr = call, .read_callback = read_request};

	if (nghttp2_submit_settings(call->h2, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings)))
		return -ENOMEM;
	call->stream =
		nghttp2_submit_request(call->h2, NULL, headers, ARRAY_SIZE(headers), &body, NULL);
	return call->stream < 0 ? -ENOMEM : 0;
}

static int open_session(struct hc_grpc_call *call)
{
	nghttp2_session_callbacks *callbacks;
	int r;

	if (nghttp2_session_callbacks_new(&callbacks))
		return -ENOMEM;
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	r = nghttp2_session_client_new(&call->h2, callbacks, call);
	nghttp2_session_callbacks_del(callbacks);
	return r ? -ENOMEM : 0;
}

int hc_grpc_call_new(const struct hc_check *c, const struct addr *to, struct hc_grpc_call **ret)
{
	struct hc_grpc_call *call = calloc(1, sizeof(*call));
	char target[ADDR_STRLEN], authority[HC_NAME_MAX + 1];

	if (!call)
		return -ENOMEM;
	call->http_status = call->grpc_status = NO_STATUS;
	addr_str(to, target);
	if (c->host[0])
		snprintf(authority, sizeof(authority), "%s", c->host);
	else
		snprintf(authority, sizeof(authority), addr_is_v4(to) ? "%s:%u" : "[%s]:%u", target,
			 c->port);
	make_request(call, c->path);
	if (open_session(call) < 0 || submit(call, authority) < 0) {
		hc_grpc_call_free(call);
		return -ENOMEM;
	}
	*ret = call;
	return 0;
}

void hc_grpc_call_free(struct hc_grpc_call *call)
{
	if (!call)
		return;
	nghttp2_session_del(call->h2);
	free(call);
}

ssize_t hc_grpc_call_output(struct hc_grpc_call *call, const uint8_t **ret)
{
	ssize_t n = nghttp2_session_mem_send(call->h2, ret);

	/* Upon an error of the server's nghttp2 says goodbye, and reads no more. */
	if (n == 0 && !nghttp2_session_want_read(call->h2))
		decide(call, MSG_HC_BAD_ANSWER, HC_HTTP_BAD_H2);
	return n < 0 ? -ENOMEM : n;
}

bool hc_grpc_call_input(struct hc_grpc_call *call, const void *data, size_t len)
{
	ssize_t n = nghttp2_session_mem_recv(call->h2, data, len);

	call->wire_bytes += (uint32_t)MIN2(len, (size_t)HC_GRPC_WIRE_MAX);
	if (n == NGHTTP2_ERR_NOMEM)
		decide(call, MSG_HC_LOCAL, ENOMEM);
	else if (n < 0)
		decide(call, MSG_HC_BAD_ANSWER, HC_HTTP_BAD_H2);
	else if (call->wire_bytes > HC_GRPC_WIRE_MAX)
		decide(call, MSG_HC_BAD_ANSWER, HC_HTTP_BAD_SIZE);
	return call->decided;
}

void hc_grpc_call_eof(struct hc_grpc_call *call)
{
	const uint8_t *out;

	/* Had nghttp2 found an error, and not said so yet? */
	while (hc_grpc_call_output(call, &out) > 0)
		;
	decide(call, MSG_HC_CLOSED, 0);
}

bool hc_grpc_call_over(const struct hc_grpc_call *call)
{
	return call->decided;
}

enum msg_hc_reason hc_grpc_call_verdict(const struct hc_grpc_call *call, uint32_t *ret_detail)
{
	*ret_detail = call->detail;
	return call->reason;
}
