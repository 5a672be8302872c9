/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local API without a socket, on a core with doubles (core_fixture.h):
 *
 *	fx->core		one VIP of the scheduler, API_FX_VIP tcp/80, with two backends,
 *				of which the first is up; the node's revision is 4
 *	api_fx_call(fx, API_GET, "/v1/vips", "")	the status; the answer is fx->text
 *	api_fx_has(fx, "\"state\":\"up\"")		is that in it?
 *
 * The parent's and the server's functions that the API calls are doubles here, in so far
 * as a test does not link the real ones.
 */
#ifndef NLB_TESTS_API_FIXTURE_H
#define NLB_TESTS_API_FIXTURE_H

#include "api_int.h"
#include "core_fixture.h"

#define API_FX_VIP	"192.0.2.1"
#define API_FX_B1	"10.0.0.1"
#define API_FX_B2	"10.0.0.2"
#define API_FX_BACKENDS "/v1/vips/" API_FX_VIP "/ports/tcp/80/backends"

struct api_fx {
	struct core_fx *core;
	struct parent p;
	struct api_request req;
	/* For the next requests; NULL: they have none. */
	const char *if_match, *if_none_match, *content_type;
	char *text; /* of the last answer */
	enum api_result result;
	unsigned int n_resumed;
	/* The last that was sent to the maps child. */
	struct msg_ask ask;
	struct msg_sample_set set;
	struct msg_batch batch; /* of CHECK_BEGIN, CHECK, USAGE_GET */
	uint16_t batch_type;
};

/* For cmocka: *state is a struct api_fx. */
int api_fx_setup(void **state);
int api_fx_teardown(void **state);

/* Hands a request in. The path may end in ?NAME=VALUE&... */
enum api_result api_fx_begin(struct api_fx *fx, enum api_method method, const char *path,
			     const char *body);
/* The status of a request that is done; its answer is in fx->text, and is JSON. */
unsigned int api_fx_take(struct api_fx *fx);

/* Both, for a request that is answered at once, or when its change is on disk. */
unsigned int api_fx_call(struct api_fx *fx, enum api_method method, const char *path,
			 const char *body);

bool api_fx_has(const struct api_fx *fx, const char *text);

#endif
