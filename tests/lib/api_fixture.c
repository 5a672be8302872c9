// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The local API for tests; the header is the manual.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api_fixture.h"

static void on_run(struct loop_timer *t _unused_)
{
}

/* The parent's, in small: that it was called is enough. */
__attribute__((weak)) void parent_kick(struct parent *p)
{
	loop_timer_in(p->loop, &p->run, 0, on_run);
}

/* The server's: the answer that was waited for is there. */
__attribute__((weak)) void api_resume(struct api_request *req)
{
	struct api_fx *fx = container_of(req, struct api_fx, req);

	fx->n_resumed++;
}

static void to_maps(void *user, uint16_t type, const void *data, size_t len)
{
	struct api_fx *fx = user;

	if (type == MSG_MAPS_ASK) {
		assert_int_equal(len, sizeof(fx->ask));
		memcpy(&fx->ask, data, len);
	} else if (type == MSG_MAPS_CHECK_BEGIN || type == MSG_MAPS_CHECK ||
		   type == MSG_MAPS_USAGE_GET) {
		assert_int_equal(len, sizeof(fx->batch));
		memcpy(&fx->batch, data, len);
		fx->batch_type = type;
	} else if (type == MSG_MAPS_SAMPLE_SET) {
		assert_int_equal(len, sizeof(fx->set));
		memcpy(&fx->set, data, len);
	}
}

int api_fx_setup(void **state)
{
	struct api_fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	fx->core = core_fx_new();
	fx->p.core = fx->core->core;
	fx->p.cfg = &fx->core->cfg;
	assert_int_equal(loop_new(&fx->p.loop), 0);
	fx->p.asker = (struct asker){.loop = fx->p.loop, .send = to_maps, .user = fx};
	mapcheck_init(&fx->p.mapcheck, fx->p.loop, fx->p.core, 0, to_maps, fx);
	capture_init(&fx->p.capture, fx->p.loop, &api_capture_ops, to_maps, fx);
	core_fx_model(
		fx->core,
		CORE_FX_DOC(
			"4",
			CORE_FX_VIP(
				API_FX_VIP,
				CORE_FX_BE(API_FX_B1) "," CORE_FX_BE(
					API_FX_B2)) ","
						    "{'id':'bad\\u0022','address':'192.0.2.9'}"));
	core_fx_verdict(fx->core, API_FX_B1, MSG_HC_UP);
	core_fx_verdict(fx->core, API_FX_B2, MSG_HC_DOWN);
	core_fx_settle(fx->core);
	*state = fx;
	return 0;
}

int api_fx_teardown(void **state)
{
	struct api_fx *fx = *state;

	jput_done(&fx->req.out);
	json_object_put(fx->req.doc);
	free(fx->text);
	mapcheck_done(&fx->p.mapcheck);
	capture_done(&fx->p.capture);
	core_fx_free(fx->core);
	loop_free(fx->p.loop);
	free(fx);
	return 0;
}

enum api_result api_fx_begin(struct api_fx *fx, enum api_method method, const char *path,
			     const char *body)
{
	static char copy[512];
	char *save = NULL, *args;

	snprintf(copy, sizeof(copy), "%s", path);
	args = strchr(copy, '?');
	jput_done(&fx->req.out);
	json_object_put(fx->req.doc);
	fx->req = (struct api_request){
		.parent = &fx->p,
		.method = method,
		.body = body,
		.body_len = strlen(body),
		.if_match = fx->if_match,
		.if_none_match = fx->if_none_match,
		.content_type = fx->content_type,
	};
	if (args)
		*args++ = '\0';
	for (char *a = args ? strtok_r(args, "&", &save) : NULL; a;
	     a = strtok_r(NULL, "&", &save)) {
		char *value = strchr(a, '=');

		*value++ = '\0';
		fx->req.args[fx->req.n_args++] = (struct api_arg){.name = a, .value = value};
	}
	return api_route(&fx->req, copy);
}

unsigned int api_fx_take(struct api_fx *fx)
{
	_cleanup_json_ struct json_object *o = NULL;
	size_t len;

	free(fx->text);
	fx->text = jput_text(&fx->req.out, &len);
	assert_non_null(fx->text);
	assert_int_equal(jget_parse(fx->text, len, &o, NULL), 0);
	if (fx->req.status >= 400 && fx->req.parts[1] && strcmp(fx->req.parts[1], "health") != 0)
		assert_true(json_object_object_get_ex(o, "error", NULL));
	return fx->req.status;
}

unsigned int api_fx_call(struct api_fx *fx, enum api_method method, const char *path,
			 const char *body)
{
	fx->result = api_fx_begin(fx, method, path, body);
	assert_true(fx->result == API_DONE || fx->result == API_SAVED);
	return api_fx_take(fx);
}

bool api_fx_has(const struct api_fx *fx, const char *text)
{
	return strstr(fx->text, text) != NULL;
}
