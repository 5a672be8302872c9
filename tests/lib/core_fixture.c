// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The doubles around a core; the header is the manual.
 */
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <cmocka.h>

#include "core_fixture.h"
#include "hc_check.h"
#include "log.h"

static void say(struct core_fx *fx, const char *fmt, ...) _printf_(2, 3);
static void say(struct core_fx *fx, const char *fmt, ...)
{
	char line[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < sizeof(line) - 1);
	line[n++] = '\n';
	fx->said = realloc(fx->said, fx->said_len + (size_t)n + 1);
	assert_non_null(fx->said);
	memcpy(fx->said + fx->said_len, line, (size_t)n);
	fx->said_len += (size_t)n;
	fx->said[fx->said_len] = '\0';
}

static void say_quic_id(const struct msg_backend *be, uint8_t quic_len, char *list, size_t size)
{
	struct model_backend b = {};
	char id[MODEL_QUIC_ID_STRLEN];

	memcpy(b.quic_id, be->quic_id, sizeof(b.quic_id));
	if (model_quic_id_str(&b, quic_len, id)[0])
		snprintf(list + strlen(list), size - strlen(list), "=%s", id);
}

static void on_svc_set(struct core_fx *fx, const struct msg_svc *svc, size_t len)
{
	const struct msg_backend *be = (const void *)(svc + 1);
	struct msg_svc_result *res = &fx->pending[fx->n_pending++];
	char vip[ADDR_STRLEN], text[ADDR_STRLEN], list[2048] = "", quic[32] = "";
	uint32_t n = 0;

	assert_true(fx->n_pending < ARRAY_SIZE(fx->pending));
	assert_int_equal(len, sizeof(*svc) + svc->n_backends * sizeof(*be));
	for (uint32_t i = 0; i < svc->n_backends; i++) {
		n += be[i].weight > 0;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s%s", i ? "," : "",
			 be[i].weight ? "" : "~", addr_str(&be[i].addr, text));
		say_quic_id(&be[i], svc->quic_len, list, sizeof(list));
	}
	if (svc->flags & NLB_SVC_F_QUIC)
		snprintf(quic, sizeof(quic), " quic=%u/%u", svc->quic_config, svc->quic_len);
	say(fx, "maps svc_set %s %s/%u n=%u [%s]%s%s", addr_str(&svc->vip, vip),
	    model_protocol_str(svc->protocol), svc->port, n, list,
	    svc->flags & NLB_SVC_F_AFFINITY ? " affinity" : "", quic);
	*res = (struct msg_svc_result){
		.vip = svc->vip,
		.port = svc->port,
		.protocol = svc->protocol,
		.state = n ? fx->result : MSG_SVC_WRITTEN,
		.n_backends = n,
		.generation = svc->generation,
		.digest = svc->n_backends ? 0xd000 + svc->n_backends : 0,
	};
	if (res->state != MSG_SVC_PROVEN && n)
		snprintf(res->reason, sizeof(res->reason), "no room");
}

static void on_maps(void *user, uint16_t type, const void *data, size_t len)
{
	const struct msg_svc *svc = data;
	const struct msg_tunnel *tunnel = data;
	const struct msg_vip *v = data;
	struct core_fx *fx = user;
	char vip[ADDR_STRLEN];

	switch (type) {
	case MSG_MAPS_VIP_SET:
		assert_int_equal(len, sizeof(*v));
		say(fx, "maps vip_set %s%s", addr_prefix_str(&v->vip, v->plen, vip),
		    v->flags & NLB_VIP_F_PASS_UNKNOWN ? " pass" : "");
		break;
	case MSG_MAPS_VIP_DEL:
		assert_int_equal(len, sizeof(*v));
		say(fx, "maps vip_del %s", addr_str(&v->vip, vip));
		break;
	case MSG_MAPS_SVC_SET:
		on_svc_set(fx, svc, len);
		break;
	case MSG_MAPS_SVC_DEL:
		say(fx, "maps svc_del %s %s/%u", addr_str(&svc->vip, vip),
		    model_protocol_str(svc->protocol), svc->port);
		break;
	case MSG_MAPS_WANT_VIP:
		say(fx, "maps want_vip %s%s", addr_str(&v->vip, vip),
		    v->flags == MSG_WANT_ANY ? " any" : "");
		break;
	case MSG_MAPS_WANT_SVC:
		assert_int_equal(len, sizeof(*svc) + svc->n_backends * sizeof(struct msg_backend));
		say(fx, "maps want_svc %s %s/%u n=%u%s", addr_str(&svc->vip, vip),
		    model_protocol_str(svc->protocol), svc->port, svc->n_backends,
		    svc->flags == MSG_WANT_ANY ? " any" : "");
		break;
	case MSG_MAPS_COMMIT:
		/* One batch at a time. */
		assert_false(fx->has_batch);
		fx->has_batch = true;
		fx->batch = ((const struct msg_batch *)data)->seq;
		say(fx, "maps commit");
		break;
	case MSG_MAPS_TUNNEL_SET:
	case MSG_MAPS_TUNNEL_DEL:
		assert_int_equal(len, sizeof(*tunnel));
		say(fx, "maps tunnel_%s %s", type == MSG_MAPS_TUNNEL_SET ? "set" : "del",
		    addr_str(&tunnel->backend, vip));
		fx->tunnel = *tunnel;
		break;
	default:
		fail_msg("frame %u to the maps child", type);
	}
}

/* What the core says, the health child understands. */
static void takes_check(const void *data, size_t len)
{
	struct hc_check *check = NULL;
	const char *what = "";
	int r = hc_check_new(data, len, &check, &what);

	if (r < 0)
		fail_msg("the health child refuses a condition: %d %s", r, what);
	hc_check_free(check);
}

static void on_health(void *user, uint16_t type, const void *data, size_t len)
{
	const struct msg_hc_cond *cond = data;
	const struct msg_hc_del *del = data;
	struct core_fx *fx = user;
	char target[ADDR_STRLEN];

	if (type == MSG_HC_SET) {
		assert_true(len > sizeof(*cond) && fx->n_conds < ARRAY_SIZE(fx->conds));
		takes_check(data, len);
		for (size_t i = 0; i < fx->n_conds; i++)
			assert_int_not_equal(fx->conds[i].id, cond->id);
		fx->conds[fx->n_conds++] = *cond;
		say(fx, "hc set %s:%u %s", addr_str(&cond->target, target), cond->port,
		    hc_type_str(cond->type));
		return;
	}
	assert_int_equal(type, MSG_HC_DEL);
	for (size_t i = 0; i < fx->n_conds; i++) {
		if (fx->conds[i].id != del->id)
			continue;
		fx->conds[i] = fx->conds[--fx->n_conds];
		say(fx, "hc del");
		return;
	}
	fail_msg("a condition is deleted that was never set");
}

static void say_vip(const struct core_vip *v, void *arg)
{
	char text[ADDR_STRLEN];

	say(arg, "vip %s %s enabled=%u/%u", addr_prefix_str(&v->conf.addr, v->conf.plen, text),
	    v->ready ? "ready" : "not", v->n_enabled, v->n_total);
}

static void on_sync(void *user)
{
	struct core_fx *fx = user;

	say(fx, "sync");
	core_each_vip(fx->core, say_vip, fx);
}

static void on_vip(void *user, const struct core_vip *v)
{
	say_vip(v, user);
}

static void on_gone(void *user, const struct addr *vip, uint8_t plen)
{
	char text[ADDR_STRLEN];

	say(user, "gone %s", addr_prefix_str(vip, plen, text));
}

static void on_dataplane(void *user, bool up)
{
	say(user, "dataplane %s", up ? "ok" : "down");
}

static void on_report(void *user)
{
	say(user, "report");
}

static void on_accepted(void *user, const struct model *m)
{
	say(user, "accepted %u", (unsigned int)m->revision);
}

static void on_verdicts(void *user)
{
	say(user, "verdicts");
}

static void on_overrides(void *user)
{
	say(user, "overrides");
}

static void on_local(void *user)
{
	say(user, "local");
}

static const struct core_ops fx_ops = {
	.maps = on_maps,
	.health = on_health,
	.sync = on_sync,
	.vip = on_vip,
	.gone = on_gone,
	.dataplane = on_dataplane,
	.report = on_report,
	.accepted = on_accepted,
	.verdicts = on_verdicts,
	.overrides = on_overrides,
	.local = on_local,
};

struct core_fx *core_fx_cold(void)
{
	struct core_fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	log_set_level(LOG_CRIT);
	config_init(&fx->cfg);
	snprintf(fx->cfg.node_name, sizeof(fx->cfg.node_name), "lb1");
	fx->now = 1000000000000ull;
	fx->result = MSG_SVC_PROVEN;
	core_fx_forget(fx);
	assert_int_equal(core_new(&fx->cfg, &fx_ops, fx, &fx->core), 0);
	return fx;
}

void core_fx_have(struct core_fx *fx, const char *vip, uint8_t protocol, uint16_t port,
		  const char *backend)
{
	struct {
		struct msg_svc svc;
		struct msg_backend backend;
	} msg = {.svc = {.port = port, .protocol = protocol, .ring_size = 13313}};
	size_t len = sizeof(msg.svc);

	assert_int_equal(addr_parse(vip, &msg.svc.vip), 0);
	if (backend) {
		assert_int_equal(addr_parse(backend, &msg.backend.addr), 0);
		msg.svc.n_backends = 1;
		len = sizeof(msg);
	}
	core_maps_frame(fx->core, MSG_MAPS_HAVE, &msg, len, fx->now);
}

void core_fx_ready(struct core_fx *fx)
{
	struct msg_dataplane dp = {.up = 1, .native = 1};

	core_maps_frame(fx->core, MSG_MAPS_READY, &dp, sizeof(dp), fx->now);
}

struct core_fx *core_fx_new(void)
{
	struct core_fx *fx = core_fx_cold();

	core_fx_ready(fx);
	core_feed(fx->core, true, fx->now);
	core_fx_forget(fx);
	return fx;
}

void core_fx_free(struct core_fx *fx)
{
	core_free(fx->core);
	assert_int_equal(fx->n_conds, 0);
	free(fx->said);
	free(fx);
}

int core_fx_model(struct core_fx *fx, const char *json)
{
	char *copy = strdup(json), err[256];
	struct model *m;
	int r;

	assert_non_null(copy);
	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	r = model_parse(copy, strlen(copy), &m, err, sizeof(err));
	if (r < 0)
		fail_msg("%s", err);
	free(copy);
	r = core_model(fx->core, m, fx->now);
	assert_true(r >= 0);
	return r;
}

void core_fx_verdict(struct core_fx *fx, const char *target, enum msg_hc_state state)
{
	core_fx_result(fx, target, state, state == MSG_HC_DOWN ? MSG_HC_REFUSED : MSG_HC_OK);
}

void core_fx_result(struct core_fx *fx, const char *target, enum msg_hc_state state,
		    enum msg_hc_reason reason)
{
	struct addr a;
	size_t n = 0;

	assert_int_equal(addr_parse(target, &a), 0);
	for (size_t i = 0; i < fx->n_conds; i++) {
		struct msg_hc_result res = {
			.id = fx->conds[i].id,
			.state = (uint8_t)state,
			.reason = (uint8_t)reason,
		};

		if (addr_cmp(&fx->conds[i].target, &a) != 0)
			continue;
		core_health_results(fx->core, &res, 1, fx->now);
		n++;
	}
	assert_true(n > 0);
}

void core_fx_route(struct core_fx *fx, const char *vip, enum core_route route)
{
	struct addr a;
	uint8_t plen;

	assert_int_equal(addr_prefix_parse(vip, &a, &plen), 0);
	core_route_set(fx->core, &a, plen, route, "", fx->now);
}

void core_fx_run(struct core_fx *fx)
{
	core_run(fx->core, fx->now);
}

void core_fx_answer(struct core_fx *fx)
{
	struct msg_committed done = {.seq = fx->batch, .services = (uint32_t)fx->n_pending};

	assert_true(fx->has_batch);
	fx->has_batch = false;
	/* It takes its time, so that the next batch can go when this one is done. */
	fx->now += CORE_GATHER_MS * CORE_MS;
	for (size_t i = 0; i < fx->n_pending; i++)
		core_maps_frame(fx->core, MSG_MAPS_SVC_RESULT, &fx->pending[i],
				sizeof(fx->pending[i]), fx->now);
	fx->n_pending = 0;
	core_maps_frame(fx->core, MSG_MAPS_COMMITTED, &done, sizeof(done), fx->now);
}

void core_fx_settle(struct core_fx *fx)
{
	core_fx_run(fx);
	for (int i = 0; fx->has_batch && !fx->mute; i++) {
		assert_true(i < 100);
		core_fx_answer(fx);
		core_fx_run(fx);
	}
}

void core_fx_pass(struct core_fx *fx, uint64_t ms)
{
	fx->now += ms * CORE_MS;
	core_fx_settle(fx);
}

bool core_fx_said(const struct core_fx *fx, const char *line)
{
	size_t len = strlen(line);

	for (const char *p = fx->said; *p; p = strchr(p, '\n') + 1)
		if (strncmp(p, line, len) == 0 && p[len] == '\n')
			return true;
	return false;
}

size_t core_fx_count(const struct core_fx *fx, const char *prefix)
{
	size_t n = 0;

	for (const char *p = fx->said; *p; p = strchr(p, '\n') + 1)
		n += strncmp(p, prefix, strlen(prefix)) == 0;
	return n;
}

void core_fx_forget(struct core_fx *fx)
{
	free(fx->said);
	fx->said = strdup("");
	fx->said_len = 0;
	assert_non_null(fx->said);
}

struct core_vip *core_fx_vip(struct core_fx *fx, const char *vip)
{
	struct addr a;

	assert_int_equal(addr_parse(vip, &a), 0);
	return core_vip_find(fx->core, &a);
}

const char *core_fx_state(struct core_fx *fx, const char *vip)
{
	struct core_vip *v = core_fx_vip(fx, vip);
	const char *reason;

	return v ? core_report_state(v, &reason) : "none";
}
