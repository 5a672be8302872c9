// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Observing over the local API: where a packet would go, and captures. The
 * maps child does the work; a request waits for it.
 */
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "api_int.h"
#include "reason.h"

#define RATE_MAX    1000000u
#define WAIT_MAX_S  30u
#define PACKETS_MAX 512u /* in one answer */
#define BAD_ARG	    "the request has no such argument"
#define API_ERR_LEN 192

static void reset(struct api_request *req)
{
	jput_done(&req->out);
	req->status = 200;
}

/* ---- route ---- */

static void on_answer(struct ask *a, const struct msg_answer *ans)
{
	struct api_request *req = container_of(a, struct api_request, ask);
	char text[MSG_REASON_LEN + 1];

	reset(req);
	if (!ans) {
		api_error(req, 504, NULL, "the maps child does not answer");
	} else if (ans->error) {
		snprintf(text, sizeof(text), "%.*s", MSG_REASON_LEN, ans->text);
		api_error(req, ans->error == -ENODEV ? 409 : 500,
			  ans->error == -ENODEV ? "interface" : NULL, "%s", text);
	} else {
		ask_write(&a->msg, ans, jput_begin(&req->out));
	}
	api_resume(req);
}

static void cancel_ask(struct api_request *req)
{
	ask_cancel(&req->ask);
}

enum api_result api_get_route(struct api_request *req)
{
	struct ask_form form = {};

	for (size_t i = 0; i < req->n_args; i++) {
		int r = ask_form_set(&form, req->args[i].name, req->args[i].value);

		if (r == -ENOENT)
			return api_error(req, 400, req->args[i].name, BAD_ARG);
		if (r < 0)
			return api_error(req, 400, form.field, "%s", form.error);
	}
	if (ask_form_check(&form) < 0)
		return api_error(req, 400, form.field, "%s", form.error);
	if (!core_maps_ready(req->parent->core))
		return api_error(req, 503, NULL, "the data plane is starting");
	req->cancel = cancel_ask;
	if (ask_start(&req->parent->asker, &req->ask, &form.msg, on_answer) < 0)
		return api_error(req, 503, NULL, "too many questions at once");
	return API_WAIT;
}

/* ---- captures ---- */

static void cancel_capture(struct api_request *req)
{
	capture_forget(&req->parent->capture, req);
}

static int parse_reasons(struct api_request *req, struct json_object *arr, uint64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < json_object_array_length(arr); i++) {
		struct json_object *v = json_object_array_get_idx(arr, i);
		uint32_t reason;

		if (!json_object_is_type(v, json_type_string) ||
		    reason_parse(json_object_get_string(v), &reason) < 0) {
			api_error(req, 400, "reasons", "there is no such reason: %.64s",
				  v ? json_object_get_string(v) : "null");
			return -EINVAL;
		}
		*ret |= 1ull << reason;
	}
	return 0;
}

static int parse_capture(struct api_request *req, struct msg_sample_set *ret)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *reasons = NULL;
	char why[API_ERR_LEN] = "";
	struct jerr err = {.text = why, .len = sizeof(why)};
	const char *vip = NULL;
	uint64_t rate = 1;

	*ret = (struct msg_sample_set){.reasons = UINT64_MAX};
	if (api_body(req, &o) < 0)
		return -EINVAL;
	if (jget_u64(o, "rate", 1, RATE_MAX, &rate, &err) < 0) {
		api_error(req, 400, "rate", "%s", why);
		return -EINVAL;
	}
	ret->rate = (uint32_t)rate;
	if (jget_str(o, "vip", ADDR_STRLEN, &vip, &err) < 0 ||
	    (vip && addr_parse(vip, &ret->vip) < 0)) {
		api_error(req, 400, "vip", "%s", why[0] ? why : "vip must be an address");
		return -EINVAL;
	}
	if (jget_array(o, "reasons", 64, &reasons, &err) < 0) {
		api_error(req, 400, "reasons", "%s", why);
		return -EINVAL;
	}
	return reasons ? parse_reasons(req, reasons, &ret->reasons) : 0;
}

static void on_started(void *who, int error)
{
	struct api_request *req = who;

	reset(req);
	if (!error)
		jput_u64(jput_begin(&req->out), "id", req->parent->capture.id);
	else if (error == -ENOENT)
		api_error(req, 404, "vip", "no such VIP in the data plane");
	else if (error == -ETIMEDOUT)
		api_error(req, 504, NULL, "the maps child does not answer");
	else
		api_error(req, 500, NULL, "%s", strerror(-error));
	api_resume(req);
}

enum api_result api_post_capture(struct api_request *req)
{
	struct msg_sample_set set;
	int r;

	if (parse_capture(req, &set) < 0)
		return API_DONE;
	if (!core_maps_ready(req->parent->core))
		return api_error(req, 503, NULL, "the data plane is starting");
	r = capture_start(&req->parent->capture, &set, req);
	if (r == -EBUSY)
		return api_error(req, 409, NULL, "another capture runs");
	if (r < 0)
		return api_error(req, 500, NULL, "%s", strerror(-r));
	req->cancel = cancel_capture;
	return API_WAIT;
}

static void write_packet(const struct capture *c, const struct capture_packet *p, struct jput b)
{
	static const char digits[] = "0123456789abcdef";
	char hex[2 * CAPTURE_DATA_MAX + 1], name[IF_NAMESIZE];
	size_t n = 0;

	for (size_t i = 0; i < p->s.cap_len; i++) {
		hex[n++] = digits[p->data[i] >> 4];
		hex[n++] = digits[p->data[i] & 15];
	}
	hex[n] = '\0';
	jput_u64(b, "time_ns", p->s.time_ns + (uint64_t)c->to_wall_ns);
	jput_str(b, "verdict", reason_verdict_str(p->s.reason));
	jput_str(b, "reason", reason_str(p->s.reason));
	if (!addr_is_unspecified(&p->s.vip))
		jput_prefix(b, "vip", &p->s.vip, p->s.vip_plen);
	if (!addr_is_unspecified(&p->s.backend))
		jput_addr(b, "backend", &p->s.backend);
	if (if_indextoname(p->s.ifindex, name))
		jput_str(b, "interface", name);
	jput_u64(b, "length", p->s.len);
	jput_str(b, "data", hex);
}

static void write_packets(struct api_request *req)
{
	struct capture *c = &req->parent->capture;
	const struct capture_packet *p;
	struct jput b, arr;
	size_t n = 0;

	reset(req);
	b = jput_begin(&req->out);
	jput_bool(b, "running", c->state == CAPTURE_RUNNING);
	arr = jput_array(b, "packets");
	while (n < PACKETS_MAX && (p = capture_next(c))) {
		write_packet(c, p, jput_object(arr, NULL));
		n++;
	}
	capture_taken(c, n);
}

static void on_readable(void *who)
{
	struct api_request *req = who;

	write_packets(req);
	api_resume(req);
}

static int parse_wait(const char *text, unsigned int *ret_ms)
{
	unsigned int s;
	int used = 0;

	if (text[0] < '0' || text[0] > '9' || sscanf(text, "%2us%n", &s, &used) != 1 || !used ||
	    text[used] || s > WAIT_MAX_S)
		return -EINVAL;
	*ret_ms = s * 1000;
	return 0;
}

/* id=N, and for reading wait=Ns. -EINVAL after an answer was written. */
static int parse_args(struct api_request *req, uint64_t *ret_id, unsigned int *ret_ms)
{
	bool seen = false;

	for (size_t i = 0; i < req->n_args; i++) {
		const char *name = req->args[i].name, *value = req->args[i].value;
		int used = 0;

		if (strcmp(name, "id") == 0 && value[0] >= '0' && value[0] <= '9' &&
		    sscanf(value, "%19" SCNu64 "%n", ret_id, &used) == 1 && !value[used]) {
			seen = true;
		} else if (!ret_ms || strcmp(name, "wait") != 0 || parse_wait(value, ret_ms) < 0) {
			api_error(req, 400, name,
				  strcmp(name, "id") == 0     ? "id must be a number"
				  : strcmp(name, "wait") == 0 ? "wait must be 0s to 30s"
							      : BAD_ARG);
			return -EINVAL;
		}
	}
	if (seen)
		return 0;
	api_error(req, 400, "id", "id is missing");
	return -EINVAL;
}

static enum api_result refuse(struct api_request *req, int r)
{
	if (r == -ENOENT)
		return api_error(req, 404, "id",
				 "no such capture: it has ended, or nobody read it");
	if (r == -EBUSY)
		return api_error(req, 409, NULL, "another request waits for this capture");
	return api_error(req, 500, NULL, "%s", strerror(-r));
}

enum api_result api_get_capture(struct api_request *req)
{
	unsigned int ms = 0;
	uint64_t id = 0;
	int r;

	if (parse_args(req, &id, &ms) < 0)
		return API_DONE;
	r = capture_wait(&req->parent->capture, id, ms, req);
	if (r < 0)
		return refuse(req, r);
	if (r == 1) {
		write_packets(req);
		return API_DONE;
	}
	req->cancel = cancel_capture;
	return API_WAIT;
}

static void on_ended(void *who, uint64_t lost)
{
	struct api_request *req = who;

	reset(req);
	jput_u64(jput_begin(&req->out), "lost", lost);
	api_resume(req);
}

enum api_result api_delete_capture(struct api_request *req)
{
	uint64_t id = 0;
	int r;

	if (parse_args(req, &id, NULL) < 0)
		return API_DONE;
	r = capture_end(&req->parent->capture, id, req);
	if (r < 0)
		return refuse(req, r);
	req->cancel = cancel_capture;
	return API_WAIT;
}

const struct capture_ops api_capture_ops = {
	.started = on_started,
	.readable = on_readable,
	.ended = on_ended,
};
