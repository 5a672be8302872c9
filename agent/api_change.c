// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Changes of backends. A batch may carry tens of thousands, so a change costs one
 * walk over its members and one search in its service, and nothing is
 * computed for an error before there is one.
 */
#include <string.h>

#include "api_change.h"
#include "model_edit.h"

void api_changes_done(struct api_changes *cs)
{
	for (size_t i = 0; i < cs->n_edits; i++)
		model_vip_done(&cs->edits[i]);
	free(cs->list);
	free(cs->groups);
	free(cs->edits);
	*cs = (struct api_changes)API_CHANGES_INIT(cs->req);
}

/* Room for one more of n elements, zeroed; *array may move. NULL: no memory. */
static void *more(void *array, size_t n, size_t *room, size_t size)
{
	char **at = array, *grown;

	if (n == *room) {
		size_t want = *room ? *room * 2 : 64;

		grown = reallocarray(*at, want, size);
		if (!grown)
			return NULL;
		*at = grown;
		*room = want;
	}
	return memset(*at + n * size, 0, size);
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
		c->has_weight = true;
		c->weight = v ? (uint32_t)weight : 1;
		return 0;
	}
	c->has_quic_id |= strcmp(key, "quic_id") == 0;
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
	else if (c->has_quic_id &&
		 strcasecmp(c->quic_id ? c->quic_id : "",
			    model_quic_id_str(&c->be->conf, p->conf->quic_len, id)))
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

/* Of a local VIP's: may the change be made where the backend stands? */
static bool is_in_place(const struct core_port *p, const struct api_change *c)
{
	char id[MODEL_QUIC_ID_STRLEN];

	if (!c->be)
		return c->remove;
	return !c->remove &&
	       (!c->has_quic_id ||
		strcasecmp(c->quic_id ? c->quic_id : "",
			   model_quic_id_str(&c->be->conf, p->conf->quic_len, id)) == 0);
}

static unsigned int check(struct api_changes *cs, struct api_change_group *g, struct api_change *c,
			  struct jerr *err)
{
	struct core *core = cs->req->parent->core;
	struct core_vip *v = g->port->vip;

	c->be = core_backend_find(g->port, &c->addr);
	if (c->be && c->be->mark == core->mark) {
		jget_fail_at(err, "address", "the backend is listed twice");
		return 400;
	}
	if (c->be)
		c->be->mark = core->mark;
	if (!core_vip_is_local(v))
		return check_override(g->port, c, err);
	g->edits |= !is_in_place(g->port, c);
	return !c->be && !c->remove && model_backend_check_addr(&v->conf, &c->addr, err) < 0 ? 400
											     : 0;
}

static unsigned int read_one(struct api_changes *cs, struct api_change_group *g,
			     struct json_object *o, struct jerr *err)
{
	struct api_change *c = more(&cs->list, cs->n, &cs->room, sizeof(*c));

	if (!c) {
		jget_fail(err, "out of memory");
		return 500;
	}
	cs->n++;
	g->n++;
	return read_change(o, c, err) < 0 ? 400 : check(cs, g, c, err);
}

/* Where in the document a change, or with NULL its service, stands; then the answer. */
static int refuse(struct api_changes *cs, const struct api_change_group *g,
		  const struct api_change *c, unsigned int status, struct api_err *err)
{
	if (c && g->at != API_CHANGES_ONE)
		jget_under(&err->j, "backends", (size_t)(c - cs->list) - g->first);
	if (g->at < API_CHANGES_ONE)
		jget_under(&err->j, "services", g->at);
	api_refuse(cs->req, status, err);
	return -EINVAL;
}

static struct api_change_group *group_new(struct api_changes *cs, struct core_port *p, size_t at)
{
	struct api_change_group *g = more(&cs->groups, cs->n_groups, &cs->groups_room, sizeof(*g));

	if (!g) {
		api_error(cs->req, 500, NULL, "out of memory");
		return NULL;
	}
	cs->n_groups++;
	*g = (struct api_change_group){.port = p, .first = cs->n, .at = at};
	return g;
}

int api_changes_read(struct api_changes *cs, struct core_port *p, struct json_object *arr,
		     size_t at)
{
	struct api_change_group *g = group_new(cs, p, at);
	size_t n = json_object_array_length(arr);
	unsigned int status = 0;
	struct api_err err;

	if (!g)
		return -EINVAL;
	api_err_init(&err);
	for (size_t i = 0; i < n; i++) {
		status = read_one(cs, g, json_object_array_get_idx(arr, i), &err.j);
		if (status)
			return refuse(cs, g, &cs->list[cs->n - 1], status, &err);
	}
	return 0;
}

int api_changes_read_one(struct api_changes *cs, struct core_port *p, struct json_object *o)
{
	struct api_change_group *g = group_new(cs, p, API_CHANGES_ONE);
	unsigned int status;
	struct api_err err;

	if (!g)
		return -EINVAL;
	api_err_init(&err);
	status = read_one(cs, g, o, &err.j);
	return status ? refuse(cs, g, &cs->list[0], status, &err) : 0;
}

/* ---- new configurations ---- */

/* The VIP's new configuration, begun if this is the first to ask. NULL: no memory. */
static struct model_vip *edit_of(struct api_changes *cs, struct core_vip *v)
{
	uint32_t mark = cs->req->parent->core->mark;
	struct model_vip *edit;

	if (v->mark == mark)
		return &cs->edits[v->mark_at];
	edit = more(&cs->edits, cs->n_edits, &cs->edits_room, sizeof(*edit));
	if (!edit || model_vip_copy(&v->conf, edit) < 0)
		return NULL;
	v->mark = mark;
	v->mark_at = (uint32_t)cs->n_edits++;
	return edit;
}

/* The backend as it shall be. */
static int changed_backend(const struct api_change *c, const struct model_port *p,
			   struct model_backend *ret, struct jerr *err)
{
	const struct model_backend *have = model_port_find(p, &c->addr);

	*ret = have ? *have : (struct model_backend){.addr = c->addr, .weight = 1};
	if (c->has_weight)
		ret->weight = c->weight;
	if (c->has_admin || c->no_admin)
		ret->admin = c->has_admin ? c->admin : MODEL_ADMIN_UP;
	return c->has_quic_id ? model_quic_id_parse(c->quic_id, p, ret, err) : 0;
}

static unsigned int edit_one(const struct api_change *c, struct model_port *p, bool *ret_changed,
			     struct jerr *err)
{
	const struct model_backend *have = model_port_find(p, &c->addr);
	struct model_backend be;

	if (c->remove) {
		*ret_changed = model_port_remove_backend(p, &c->addr);
		return 0;
	}
	/* Of those that are there, check() has found doubles. */
	if (have && !c->be) {
		jget_fail_at(err, "address", "the backend is listed twice");
		return 400;
	}
	if (changed_backend(c, p, &be, err) < 0)
		return 400;
	*ret_changed = !have || !model_backend_equal(have, &be);
	if (model_port_set_backend(p, &be) == 0)
		return 0;
	jget_fail(err, "out of memory");
	return 500;
}

static int edit_group(struct api_changes *cs, const struct api_change_group *g)
{
	struct core_vip *v = g->port->vip;
	struct model_vip *edit = edit_of(cs, v);
	struct model_port *p;
	struct api_err err;

	api_err_init(&err);
	if (!edit)
		return refuse(cs, g, NULL, 500, &err);
	p = &edit->ports[g->port - v->ports];
	for (size_t i = g->first; i < g->first + g->n; i++) {
		bool is_changed = false;
		unsigned int status = edit_one(&cs->list[i], p, &is_changed, &err.j);

		if (status)
			return refuse(cs, g, &cs->list[i], status, &err);
		cs->n_changed += is_changed;
	}
	return model_port_check(edit, p, &err.j) < 0 ? refuse(cs, g, NULL, 400, &err) : 0;
}

int api_changes_check(struct api_changes *cs)
{
	struct core_local_room room = {};
	struct api_err err;

	/* One service that needs a new configuration makes one for the whole VIP. */
	for (size_t i = 0; i < cs->n_groups; i++)
		if (cs->groups[i].edits && !edit_of(cs, cs->groups[i].port->vip))
			return refuse(cs, &cs->groups[i], NULL, 500, &(struct api_err){});
	for (size_t i = 0; i < cs->n_groups; i++) {
		struct api_change_group *g = &cs->groups[i];

		g->edits = g->port->vip->mark == cs->req->parent->core->mark;
		if (g->edits && edit_group(cs, g) < 0)
			return -EINVAL;
	}
	for (size_t i = 0; i < cs->n_edits; i++) {
		api_err_init(&err);
		if (core_local_check(cs->req->parent->core, &cs->edits[i], &room, err.why,
				     sizeof(err.why)) < 0) {
			api_refuse(cs->req, 507, &err);
			return -EINVAL;
		}
	}
	return 0;
}

/* ---- making ---- */

static int make_one(const struct api_change *c)
{
	const struct model_backend *conf;

	/* A removal of what is not there. */
	if (!c->be)
		return 0;
	if (!core_vip_is_local(c->be->port->vip))
		return c->has_admin ? core_override_put(c->be, c->admin)
				    : core_override_drop(c->be);
	conf = &c->be->conf;
	return core_backend_set(c->be, c->has_weight ? c->weight : conf->weight,
				c->has_admin  ? c->admin
				: c->no_admin ? MODEL_ADMIN_UP
					      : conf->admin);
}

int api_changes_make(struct api_changes *cs)
{
	int r;

	for (size_t i = 0; i < cs->n_groups; i++) {
		const struct api_change_group *g = &cs->groups[i];

		for (size_t j = g->first; !g->edits && j < g->first + g->n; j++) {
			r = make_one(&cs->list[j]);
			if (r < 0)
				return r;
			cs->n_changed += (size_t)r;
		}
	}
	for (size_t i = 0; i < cs->n_edits; i++) {
		r = core_local_put(cs->req->parent->core, &cs->edits[i], util_now_ns());
		if (r < 0)
			return r;
	}
	return 0;
}
