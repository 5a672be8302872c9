// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Changes of backends. A batch may carry tens of thousands, so a change costs one
 * walk over its members and one search in its service, and nothing is
 * computed for an error before there is one.
 */
#include <string.h>

#include "api_change.h"

void api_changes_done(struct api_changes *cs)
{
	free(cs->list);
	cs->list = NULL;
	cs->n = cs->room = 0;
}

static struct api_change *add(struct api_changes *cs)
{
	if (cs->n == cs->room) {
		size_t room = cs->room ? cs->room * 2 : 64;
		struct api_change *more = reallocarray(cs->list, room, sizeof(*more));

		if (!more)
			return NULL;
		cs->list = more;
		cs->room = room;
	}
	cs->list[cs->n] = (struct api_change){};
	return &cs->list[cs->n++];
}

/* ---- reading ---- */

static int read_address(struct json_object *v, struct api_change *c, struct jerr *err)
{
	if (!json_object_is_type(v, json_type_string) ||
	    addr_parse(json_object_get_string(v), &c->addr) < 0)
		return jget_fail_at(err, "address", "address must be an IPv4 or IPv6 address");
	return 0;
}

static int read_admin(struct json_object *v, struct api_change *c, struct jerr *err)
{
	c->no_admin = !v;
	if (!v)
		return 0;
	if (!json_object_is_type(v, json_type_string) ||
	    model_admin_parse(json_object_get_string(v), &c->admin) < 0)
		return jget_fail_at(err, "admin", "admin must be one of: up, drain, down");
	c->has_admin = true;
	return 0;
}

static int read_member(struct json_object *o, const char *key, struct json_object *v,
		       struct api_change *c, struct jerr *err)
{
	uint64_t weight = 0;

	if (strcmp(key, "address") == 0)
		return read_address(v, c, err);
	if (strcmp(key, "admin") == 0)
		return read_admin(v, c, err);
	if (strcmp(key, "weight") == 0) {
		if (jget_u64(o, key, 0, MODEL_WEIGHT_MAX, &weight, err) < 0)
			return -EINVAL;
		c->has_weight = v != NULL;
		c->weight = (uint32_t)weight;
		return 0;
	}
	if (strcmp(key, "quic_id") == 0)
		return jget_str(o, key, 2 * NLB_QUIC_ID_MAX, &c->quic_id, err);
	if (strcmp(key, "remove") == 0)
		return jget_bool(o, key, &c->remove, err);
	return jget_fail_at(err, key, "the field is not known");
}

static int read_change(struct json_object *o, struct api_change *c, struct jerr *err)
{
	if (!json_object_is_type(o, json_type_object))
		return jget_fail(err, "a backend must be an object");
	json_object_object_foreach (o, key, value)
		if (read_member(o, key, value, c, err) < 0)
			return -EINVAL;
	if (addr_is_unspecified(&c->addr))
		return jget_fail_at(err, "address", "address is missing");
	return 0;
}

/* ---- checking ---- */

/* Of a backend that the scheduler owns. The HTTP status of an error, or 0. */
static unsigned int check_override(const struct core_port *p, const struct api_change *c,
				   struct jerr *err)
{
	char id[MODEL_QUIC_ID_STRLEN];
	const char *field = NULL;

	if (!c->be) {
		jget_fail_at(err, "address", "the service has no such backend");
		return 404;
	}
	if (c->remove)
		field = "remove";
	else if (c->has_weight && c->weight != c->be->conf.weight)
		field = "weight";
	else if (c->quic_id &&
		 strcasecmp(c->quic_id, model_quic_id_str(&c->be->conf, p->conf->quic_len, id)))
		field = "quic_id";
	if (field) {
		jget_fail_at(err, field, "the VIP is the scheduler's: only admin can be set here");
		return 409;
	}
	if (!c->has_admin && !c->no_admin) {
		jget_fail_at(err, "admin", "admin is missing");
		return 400;
	}
	return 0;
}

static unsigned int check(struct api_changes *cs, struct core_port *p, struct api_change *c,
			  struct jerr *err)
{
	struct core *core = cs->req->parent->core;

	c->be = core_backend_find(p, &c->addr);
	if (c->be && c->be->mark == core->mark) {
		jget_fail_at(err, "address", "the backend is listed twice");
		return 400;
	}
	if (c->be)
		c->be->mark = core->mark;
	return check_override(p, c, err);
}

static unsigned int read_one(struct api_changes *cs, struct core_port *p, struct json_object *o,
			     struct jerr *err)
{
	struct api_change *c = add(cs);

	if (!c) {
		jget_fail(err, "out of memory");
		return 500;
	}
	return read_change(o, c, err) < 0 ? 400 : check(cs, p, c, err);
}

int api_changes_read(struct api_changes *cs, struct core_port *p, struct json_object *arr,
		     const char *where)
{
	size_t n = json_object_array_length(arr);
	unsigned int status = 0;
	struct api_err err;

	api_err_init(&err);
	for (size_t i = 0; i < n && !status; i++) {
		status = read_one(cs, p, json_object_array_get_idx(arr, i), &err.j);
		if (status)
			jget_under(&err.j, "backends", i);
	}
	if (!status)
		return 0;
	if (where)
		jget_under_object(&err.j, where);
	api_refuse(cs->req, status, &err);
	return -EINVAL;
}

/* ---- making ---- */

int api_changes_make(struct api_changes *cs)
{
	for (size_t i = 0; i < cs->n; i++) {
		struct api_change *c = &cs->list[i];
		int r = c->has_admin ? core_override_put(c->be, c->admin)
				     : core_override_drop(c->be);

		if (r < 0)
			return r;
		cs->n_changed += (size_t)r;
	}
	return 0;
}
