// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Conditions and single probes for tests; see the header.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "hc.h"
#include "hc_fixture.h"
#include "hc_http.h"
#include "hc_icmp.h"
#include "hc_tcp.h"
#include "hc_tls.h"
#include "loop.h"
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
	assert_int_equal(addr_parse(f->target ? f->target : "127.0.0.1", &m->target), 0);
	m->port = f->type == MSG_HC_ICMP ? 0 : f->port ? f->port : 80;
	m->type = (uint8_t)f->type;
	m->verify_tls = f->verify;
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

/* ---- one real probe ---- */

struct world {
	struct loop *loop;
	struct hc *hc;
	struct loop_timer timer;
	bool done;
	struct msg_hc_result result;
};

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
	hc_run(container_of(t, struct world, timer)->hc);
}

static void world_wake_at(void *user, uint64_t at_ns)
{
	struct world *w = user;

	assert_int_equal(loop_timer_at(w->loop, &w->timer, at_ns, world_run), 0);
}

static void world_results(void *user, const struct msg_hc_result *results, size_t n _unused_)
{
	struct world *w = user;

	if (!w->done)
		w->result = results[0];
	w->done = true;
}

struct msg_hc_result hc_fixture_probe(const struct hc_fixture *f, const char *ca_file)
{
	struct world w = {0};
	struct hc_env env = {
		.now_ns = world_now,
		.random = world_random,
		.wake_at = world_wake_at,
		.results = world_results,
		.user = &w,
	};
	struct hc_fixture own = *f;
	struct hc_icmp *icmp = NULL;
	struct hc_tls *tls = NULL;
	struct hc_http http, https;
	uint64_t deadline;

	signal(SIGPIPE, SIG_IGN);
	own.interval_ms = 60000;
	assert_int_equal(loop_new(&w.loop), 0);
	assert_int_equal(hc_new(&env, 16, &w.hc), 0);
	http = https = (struct hc_http){.loop = w.loop};
	if (f->type == MSG_HC_ICMP)
		assert_int_equal(hc_icmp_new(w.loop, &icmp), 0);
	if (f->type == MSG_HC_HTTPS) {
		assert_int_equal(hc_tls_new(ca_file ? ca_file : "", &tls), 0);
		https.tls = tls;
	}
	hc_register(w.hc, MSG_HC_ICMP, &hc_icmp_kind, icmp);
	hc_register(w.hc, MSG_HC_TCP, &hc_tcp_kind, w.loop);
	hc_register(w.hc, MSG_HC_HTTP, &hc_http_kind, &http);
	hc_register(w.hc, MSG_HC_HTTPS, &hc_https_kind, &https);
	assert_int_equal(hc_set(w.hc, 1, hc_fixture_check(&own), MSG_HC_UNKNOWN), 0);
	deadline = util_now_ns() + 10000000000ull;
	while (!w.done && util_now_ns() < deadline)
		assert_int_equal(loop_once(w.loop, 100), 0);
	assert_true(w.done);
	hc_free(w.hc);
	hc_tls_free(tls);
	hc_icmp_free(icmp);
	loop_timer_del(w.loop, &w.timer);
	loop_free(w.loop);
	return w.result;
}
