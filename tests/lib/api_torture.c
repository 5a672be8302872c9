// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random requests; the header is the manual. Addresses, services and backends come from
 * small pools, so that requests meet each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api_torture.h"

#define PICK(r, list) ((list)[rnd_below(r, ARRAY_SIZE(list))])

static const char *const vips[] = {API_FX_VIP, "198.51.100.1", "198.51.100.2", "198.51.100.64",
				   "2001:db8::1"};
static const char *const services[] = {"tcp/80", "udp/443", "udp/0", "tcp/8080"};
static const char *const backends[] = {API_FX_B1, API_FX_B2, "10.0.0.3", "2001:db8:1::1"};

/* What the mutations begin with. %s: a backend's address. */
static const char *const vip_bodies[] = {
	"{\"ports\":[{\"protocol\":\"tcp\",\"port\":80,\"backends\":[{\"address\":\"%s\"}]}]}",
	"{\"id\":\"a\",\"tag\":7,\"unknown\":\"pass\",\"ports\":[{\"protocol\":\"tcp\",\"port\":80,"
	"\"maglev_size\":251,\"affinity\":\"source\",\"backends\":[{\"address\":\"%s\",\"weight\":3,"
	"\"admin\":\"drain\"},{\"address\":\"10.0.0.9\"}],\"health\":{\"policy\":\"any\",\"rise\":1,"
	"\"checks\":[{\"type\":\"icmp\"},{\"type\":\"https\",\"sni\":\"a\",\"verify\":false}]}},"
	"{\"protocol\":\"udp\",\"port\":443,\"quic\":{\"config_id\":1,\"server_id_length\":2},"
	"\"backends\":[{\"address\":\"10.0.0.8\",\"quic_id\":\"aa01\"}]}]}",
	"{\"address\":\"198.51.100.64/28\",\"ports\":[{\"protocol\":\"udp\",\"port\":0,"
	"\"backends\":[{\"address\":\"%s\"}]}]}",
};
static const char *const port_bodies[] = {
	"{\"backends\":[{\"address\":\"%s\"},{\"address\":\"10.0.0.7\",\"weight\":0}]}",
	"{\"maglev_size\":101,\"backends\":[],\"health\":{\"interval_ms\":500,\"timeout_ms\":100,"
	"\"checks\":[{\"type\":\"tcp\",\"port\":81}]}}",
	"{\"quic\":{\"config_id\":0,\"server_id_length\":1},\"backends\":[{\"address\":\"%s\","
	"\"quic_id\":\"c0\"}]}",
};
static const char *const backend_bodies[] = {
	"{\"admin\":\"down\"}",
	"{\"weight\":9,\"admin\":\"up\"}",
	"{\"admin\":null}",
	"{\"quic_id\":\"ab\"}",
	"{}",
};
static const char *const change_bodies[] = {
	"{\"backends\":[{\"address\":\"%s\",\"admin\":\"down\"}]}",
	"{\"backends\":[{\"address\":\"%s\",\"remove\":true},{\"address\":\"10.0.0.6\","
	"\"weight\":2,\"quic_id\":null}]}",
	"{\"backends\":[{\"address\":\"" API_FX_B1
	"\",\"admin\":\"drain\"},{\"address\":\"" API_FX_B2 "\",\"admin\":\"up\",\"weight\":1}]}",
	"{\"backends\":[]}",
};
static const char *const batch_bodies[] = {
	"{\"services\":[{\"vip\":\"198.51.100.1\",\"protocol\":\"tcp\",\"port\":80,\"backends\":[{"
	"\"address\":\"%s\",\"admin\":\"up\"}]}]}",
	"{\"services\":[{\"vip\":\"198.51.100.1\",\"protocol\":\"tcp\",\"port\":80,\"backends\":[{"
	"\"address\":\"%s\",\"weight\":5}]},{\"vip\":\"" API_FX_VIP "\",\"protocol\":\"tcp\","
	"\"port\":80,\"backends\":[{\"address\":\"" API_FX_B1 "\",\"admin\":\"drain\"}]},{\"vip\":"
	"\"198.51.100.1\",\"protocol\":\"udp\",\"port\":443,\"backends\":[{\"address\":\"10.0.0.5\","
	"\"quic_id\":\"aa02\"}]}]}",
};

/* ---- mutations ---- */

static struct json_object *scalar(struct rnd *r)
{
	static const char *const words[] = {"",	   "up",       "10.0.0.1", "198.51.100.1",
					    "tcp", "\xc3\xa9", "null",	   "AA01",
					    "0",   "icmp"};

	switch (rnd_below(r, 7)) {
	case 0:
		return NULL;
	case 1:
		return json_object_new_boolean(rnd_below(r, 2) == 0);
	case 2:
		return json_object_new_int64((int64_t)rnd_below(r, 3) - 1);
	case 3:
		return json_object_new_uint64(rnd_next(r));
	case 4:
		return json_object_new_double(0.5);
	case 5:
		return rnd_below(r, 2) ? json_object_new_array() : json_object_new_object();
	default:
		return json_object_new_string(PICK(r, words));
	}
}

static const char *random_key(struct rnd *r, struct json_object *o)
{
	uint32_t at = rnd_below(r, (uint32_t)json_object_object_length(o) + 1);
	static char key[128];

	snprintf(key, sizeof(key), "new");
	json_object_object_foreach (o, k, v) {
		(void)v;
		if (!at--)
			snprintf(key, sizeof(key), "%s", k);
	}
	return key;
}

static void mutate(struct rnd *r, struct json_object *o);

static void mutate_object(struct rnd *r, struct json_object *o)
{
	const char *key = random_key(r, o);
	struct json_object *v = NULL;

	json_object_object_get_ex(o, key, &v);
	if (v && !json_object_is_type(v, json_type_string) && rnd_below(r, 3))
		mutate(r, v);
	else if (rnd_below(r, 4) == 0)
		json_object_object_del(o, key);
	else
		json_object_object_add(o, key, scalar(r));
}

static void mutate_array(struct rnd *r, struct json_object *o)
{
	size_t n = json_object_array_length(o);
	struct json_object *v = n ? json_object_array_get_idx(o, rnd_below(r, (uint32_t)n)) : NULL;

	if (v && rnd_below(r, 3))
		mutate(r, v);
	else if (v && rnd_below(r, 2) && n < 8)
		json_object_array_add(o, json_object_get(v));
	else if (n && rnd_below(r, 2))
		json_object_array_del_idx(o, rnd_below(r, (uint32_t)n), 1);
	else
		json_object_array_add(o, scalar(r));
}

static void mutate(struct rnd *r, struct json_object *o)
{
	if (json_object_is_type(o, json_type_object))
		mutate_object(r, o);
	else if (json_object_is_type(o, json_type_array))
		mutate_array(r, o);
	else if (json_object_is_type(o, json_type_int))
		json_object_set_int64(o, (int64_t)rnd_below(r, 70000) - 10);
}

/* A body from a template; half of them changed, some no JSON any more. To be freed. */
static char *body(struct rnd *r, const char *template)
{
	_cleanup_json_ struct json_object *o = NULL;
	char text[2048], *copy;

	snprintf(text, sizeof(text), "%s", template);
	if (strstr(template, "%s")) {
		size_t at = (size_t)(strstr(template, "%s") - template);

		snprintf(text + at, sizeof(text) - at, "%s%s", PICK(r, backends),
			 template + at + 2);
	}
	assert_int_equal(jget_parse(text, strlen(text), &o, NULL), 0);
	for (uint32_t n = rnd_below(r, 2) ? rnd_below(r, 4) : 0; n; n--)
		mutate(r, o);
	copy = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	assert_non_null(copy);
	if (copy[0] && rnd_below(r, 16) == 0)
		copy[rnd_below(r, (uint32_t)strlen(copy))] = (char)(1 + rnd_below(r, 255));
	return copy;
}

/* ---- what must hold ---- */

/* The configuration of all VIPs, with what is in force. To be freed. */
static char *snapshot(struct api_fx *fx)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;
	struct jput all = jput_array(jput_begin(&doc), "vips");
	char *text;
	size_t len;

	for (struct core_vip *v = fx->core->core->vips; v; v = v->hh.next) {
		struct api_request req = {.parent = &fx->p, .vip = v};
		struct jput b = jput_object(all, NULL);

		jput_str(b, "owner", core_owner_str(v->owner));
		jput_str(b, "phase", core_phase_str(v->phase));
		api_config_write(&req, b);
	}
	text = jput_text(&doc, &len);
	assert_non_null(text);
	return text;
}

static void goes_round(struct api_fx *fx, const char *path)
{
	_cleanup_free_ char *before = snapshot(fx), *after = NULL, *config = NULL;
	char url[256];

	snprintf(url, sizeof(url), "%s?view=config", path);
	if (api_fx_call(fx, API_GET, url, "") != 200)
		fail_msg("%s: %u %s", url, fx->req.status, fx->text);
	config = strdup(fx->text);
	/* An override that says what the scheduler says is one all the same. */
	if (api_fx_call(fx, API_PUT, path, config) != 200 ||
	    (!api_fx_has(fx, "unchanged") && !strstr(path, API_FX_VIP "/")))
		fail_msg("PUT %s %s: %u %s", path, config, fx->req.status, fx->text);
	after = snapshot(fx);
	assert_string_equal(before, after);
}

/* ---- requests ---- */

static enum api_method make_request(struct rnd *r, char path[static 256], char **ret_body)
{
	char vip[128], port[192], be[256];
	enum api_method method = PICK(
		r, ((const enum api_method[]){API_PUT, API_PATCH, API_PUT, API_PATCH, API_DELETE}));

	snprintf(vip, sizeof(vip), "/v1/vips/%s", PICK(r, vips));
	snprintf(port, sizeof(port), "%s/ports/%s", vip, PICK(r, services));
	snprintf(be, sizeof(be), "%s/backends/%s", port, PICK(r, backends));
	switch (rnd_below(r, 6)) {
	case 0:
		snprintf(path, 256, "%s", vip);
		*ret_body = body(r, PICK(r, vip_bodies));
		/* Else there would be little left to change. */
		return method == API_DELETE && rnd_below(r, 4) ? API_PUT : method;
	case 1:
		snprintf(path, 256, "%s", port);
		*ret_body = body(r, PICK(r, port_bodies));
		return method;
	case 2:
	case 3:
		snprintf(path, 256, "%s", be);
		*ret_body = body(r, PICK(r, backend_bodies));
		return method;
	case 4:
		snprintf(path, 256, "%s/backends", port);
		*ret_body = body(r, PICK(r, change_bodies));
		return API_PATCH;
	default:
		snprintf(path, 256, "/v1/backends");
		*ret_body = body(r, PICK(r, batch_bodies));
		return API_POST;
	}
}

void api_torture_once(struct api_torture *t, struct api_fx *fx)
{
	static const char *const tags[] = {"*", "\"0\"", "W/\"x\", \"", ",,\"", ""};
	_cleanup_free_ char *before = snapshot(fx), *after = NULL, *text = NULL;
	char path[256];
	enum api_method method = make_request(&t->rnd, path, &text);
	unsigned int status;

	fx->if_match = rnd_below(&t->rnd, 16) ? NULL : PICK(&t->rnd, tags);
	fx->if_none_match = rnd_below(&t->rnd, 16) ? NULL : PICK(&t->rnd, tags);
	status = api_fx_call(fx, method, path, text);
	fx->if_match = fx->if_none_match = NULL;
	t->requests++;
	if (status >= 400) {
		t->refused++;
		after = snapshot(fx);
		if (status >= 500 && status != 507)
			fail_msg("%d %s %s: %u %s", method, path, text, status, fx->text);
		if (strcmp(before, after) != 0)
			fail_msg("%d %s %s: %u %s, but %s became %s", method, path, text, status,
				 fx->text, before, after);
	} else {
		t->good++;
		t->by_method[method]++;
		if (method != API_DELETE && method != API_POST && !strstr(path, "/backends"))
			goes_round(fx, path);
		else if ((method == API_PUT || method == API_PATCH) && strstr(path, "/backends/"))
			goes_round(fx, path);
	}
	core_fx_settle(fx->core);
	core_fx_forget(fx->core);
	if (rnd_below(&t->rnd, 64) == 0)
		core_fx_pass(fx->core, 200000);
}
