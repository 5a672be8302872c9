// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Conditions and single probes for tests; see the header.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "hc_fixture.h"
#include "hc_grpc.h"
#include "hc_tcp.h"
#include "hc_tls.h"
#include "hc_udp.h"
#include "util.h"

static uint16_t put(char **at, const char *s)
{
	size_t len = s ? strlen(s) : 0;

	if (len)
		memcpy(*at, s, len);
	(*at)[len] = '\0';
	*at += len + 1;
	return (uint16_t)len;
}

size_t hc_fixture_frame(const struct hc_fixture *f, uint64_t buf[static HC_FIXTURE_FRAME_MAX / 8])
{
	struct msg_hc_cond *m = (struct msg_hc_cond *)buf;
	char *at = (char *)(m + 1);

	memset(m, 0, sizeof(*m));
	m->id = f->id;
	if (f->dest)
		assert_int_equal(addr_parse(f->dest, &m->dest), 0);
	if (f->source)
		assert_int_equal(addr_parse(f->source, &m->source), 0);
	assert_int_equal(addr_parse(f->target ? f->target : "127.0.0.1", &m->target), 0);
	m->port = f->type == MSG_HC_ICMP ? 0 : f->port ? f->port : 80;
	m->type = (uint8_t)f->type;
	m->flags = f->flags | (f->verify ? MSG_HC_F_VERIFY : 0);
	m->dscp = f->dscp;
	m->body_max = f->body_max;
	m->interval_ms = f->interval_ms ? f->interval_ms : 1000;
	m->timeout_ms = f->timeout_ms ? f->timeout_ms : 200;
	m->rise = f->rise ? f->rise : 2;
	m->fall = f->fall ? f->fall : 3;
	m->initial = f->initial;
	m->n_status = f->n_status;
	memcpy(m->status, f->status, sizeof(m->status));
	m->method_len = put(&at, f->method);
	m->path_len = put(&at, f->path);
	m->host_len = put(&at, f->host);
	m->body_len = put(&at, f->body);
	m->sni_len = put(&at, f->sni);
	m->device_len = put(&at, f->device);
	m->payload_len = put(&at, f->payload);
	return (size_t)(at - (char *)buf);
}

struct hc_check *hc_fixture_check(const struct hc_fixture *f)
{
	uint64_t frame[HC_FIXTURE_FRAME_MAX / 8];
	size_t len = hc_fixture_frame(f, frame);
	struct hc_check *c = NULL;
	const char *what = "";

	if (hc_check_new(frame, len, &c, &what) < 0)
		fail_msg("check refused: %s", what);
	return c;
}

int hc_fixture_set(struct hc *hc, const struct hc_fixture *f)
{
	struct addr target;

	assert_int_equal(addr_parse(f->target ? f->target : "127.0.0.1", &target), 0);
	return hc_set(hc, &(struct hc_spec){.id = f->id,
					    .target = &target,
					    .mark = f->mark,
					    .initial = f->initial,
					    .check = hc_fixture_check(f)});
}

/* ---- a world ---- */

static uint64_t world_now(void *user _unused_)
{
	return util_now_ns();
}

static uint64_t world_random(void *user _unused_)
{
	return 0; /* the first probe at once */
}

static void world_run(struct loop_timer *t)
{
	hc_run(container_of(t, struct hc_world, timer)->hc);
}

static void world_wake_at(void *user, uint64_t at_ns)
{
	struct hc_world *w = user;

	assert_int_equal(loop_timer_at(w->loop, &w->timer, at_ns, world_run), 0);
}

static void world_results(void *user, const struct msg_hc_result *results, size_t n)
{
	struct hc_world *w = user;

	for (size_t i = 0; i < n; i++, w->n_results++)
		if (w->n_results < ARRAY_SIZE(w->results))
			w->results[w->n_results] = results[i];
}

void hc_world_init(struct hc_world *w, const char *ca_file)
{
	struct hc_env env = {
		.now_ns = world_now,
		.random = world_random,
		.wake_at = world_wake_at,
		.results = world_results,
		.user = w,
	};

	memset(w, 0, sizeof(*w));
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(loop_new(&w->loop), 0);
	assert_int_equal(hc_new(&env, &(struct hc_conf){.budget = 16}, &w->hc), 0);
	assert_int_equal(hc_icmp_new(w->loop, &w->icmp), 0);
	assert_int_equal(hc_socks_new(w->loop, 16, &w->socks), 0);
	w->http = w->https = (struct hc_http){.socks = w->socks};
	hc_register(w->hc, MSG_HC_ICMP, &hc_icmp_kind, w->icmp);
	hc_register(w->hc, MSG_HC_TCP, &hc_tcp_kind, w->socks);
	hc_register(w->hc, MSG_HC_HTTP, &hc_http_kind, &w->http);
	hc_register(w->hc, MSG_HC_UDP, &hc_udp_kind, w->socks);
	hc_register(w->hc, MSG_HC_GRPC, &hc_grpc_kind, w->socks);
	if (!ca_file)
		return;
	assert_int_equal(hc_tls_new(ca_file, &w->tls), 0);
	w->https.tls = w->tls;
	hc_register(w->hc, MSG_HC_HTTPS, &hc_https_kind, &w->https);
}

void hc_world_done(struct hc_world *w)
{
	hc_free(w->hc);
	hc_socks_free(w->socks);
	hc_tls_free(w->tls);
	hc_icmp_free(w->icmp);
	loop_timer_del(w->loop, &w->timer);
	loop_free(w->loop);
}

void hc_world_set(struct hc_world *w, const struct hc_fixture *f)
{
	assert_int_equal(hc_fixture_set(w->hc, f), 0);
}

void hc_world_run(struct hc_world *w, unsigned int n_results)
{
	uint64_t deadline = util_now_ns() + 10000000000ull;

	while (w->n_results < n_results) {
		assert_true(util_now_ns() < deadline);
		assert_int_equal(loop_once(w->loop, 100), 0);
	}
}

struct msg_hc_result hc_fixture_probe(const struct hc_fixture *f, const char *ca_file)
{
	struct hc_fixture own = *f;
	struct hc_world w;

	own.interval_ms = 60000;
	hc_world_init(&w, f->type == MSG_HC_HTTPS && !ca_file ? "" : ca_file);
	hc_world_set(&w, &own);
	hc_world_run(&w, 1);
	hc_world_done(&w);
	return w.results[0];
}
