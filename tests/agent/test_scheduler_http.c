// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An HTTP server as scheduler: long poll, ETag, back-off, the report, TLS.
 */
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hc_certs.h"
#include "http_fixture.h"
#include "log.h"
#include "model.h"
#include "sbuf.h"
#include "scheduler.h"
#include "temp_dir.h"

struct fx {
	char *dir;
	struct loop *l;
	struct config cfg;
	struct http_fx *h;
	struct scheduler *s;
	char last[4096]; /* document */
	unsigned int documents, reported;
	uint64_t revision;
};

static int on_document(void *user, const char *json, size_t len, uint64_t *ret_revision, char *err,
		       size_t err_len)
{
	struct fx *fx = user;
	struct model *m;
	int r;

	fx->documents++;
	snprintf(fx->last, sizeof(fx->last), "%.*s", (int)len, json);
	r = model_parse(json, len, &m, err, err_len);
	if (r < 0)
		return r;
	*ret_revision = fx->revision = m->revision;
	model_free(m);
	return 0;
}

static void on_report(void *user _unused_, struct jput b)
{
	jput_u64(b, "revision", 1);
	jput_array(b, "synced");
}

static void on_reported(void *user)
{
	((struct fx *)user)->reported++;
}

static const struct scheduler_ops ops = {
	.document = on_document,
	.report = on_report,
	.reported = on_reported,
};

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	log_set_level(LOG_CRIT);
	fx->dir = temp_dir_new();
	config_init(&fx->cfg);
	snprintf(fx->cfg.node_name, sizeof(fx->cfg.node_name), "lb1");
	fx->cfg.sched_retry_ms = 10;
	assert_int_equal(loop_new(&fx->l), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	if (fx->h)
		http_fx_hold(fx->h, false);
	scheduler_free(fx->s);
	if (fx->h)
		http_fx_free(fx->h);
	loop_free(fx->l);
	temp_dir_free(fx->dir);
	free(fx);
	return 0;
}

static void serve(struct fx *fx)
{
	const char *path = temp_dir_path(fx->dir, "http.sock");

	fx->h = http_fx_new(path, NULL, NULL);
	snprintf(fx->cfg.sched_url, sizeof(fx->cfg.sched_url), "unix:%s", path);
}

static void start(struct fx *fx)
{
	assert_int_equal(scheduler_new(fx->l, &fx->cfg, &ops, fx, &fx->s), 0);
}

#define UNTIL(fx, cond)                                                                            \
	do {                                                                                       \
		uint64_t end_ = util_now_ns() + 15000000000ull;                                    \
		while (!(cond)) {                                                                  \
			assert_true(util_now_ns() < end_);                                         \
			assert_int_equal(loop_once((fx)->l, 10), 0);                               \
		}                                                                                  \
	} while (0)

static void expect_request(struct fx *fx, size_t i, const char *want)
{
	char *got;

	UNTIL(fx, http_fx_count(fx->h) > i);
	got = http_fx_request(fx->h, i);
	if (strncmp(got, want, strlen(want)) != 0)
		fail_msg("request %zu: %s instead of %s", i, got, want);
	free(got);
}

static struct scheduler_info info(struct fx *fx)
{
	struct scheduler_info i;

	scheduler_info_get(fx->s, &i);
	return i;
}

static void test_long_poll(void **state)
{
	struct fx *fx = *state;

	serve(fx);
	http_fx_hold(fx->h, true);
	http_fx_answer(fx->h, 200, "\"one\"", "{\"revision\":1,\"vips\":[]}");
	start(fx);
	expect_request(fx, 0, "GET /v1/nodes/lb1/vips\n");
	/* It has one; it asks again at once, and waits. */
	expect_request(fx, 1,
		       "GET /v1/nodes/lb1/vips?wait=30s&revision=1 If-None-Match: \"one\"\n");
	assert_int_equal(fx->documents, 1);
	assert_true(info(fx).ok);
	http_fx_answer(fx->h, 200, "\"two\"", "{\"revision\":2,\"vips\":[]}");
	UNTIL(fx, fx->revision == 2);
	expect_request(fx, 2,
		       "GET /v1/nodes/lb1/vips?wait=30s&revision=2 If-None-Match: \"two\"\n");
	/* SIGHUP does not wait for the answer. */
	scheduler_refresh(fx->s);
	expect_request(fx, 3, "GET /v1/nodes/lb1/vips?wait=30s&revision=2");
}

/* A server that answers 304 at once is not asked in a tight loop. */
static void test_server_without_long_poll(void **state)
{
	struct fx *fx = *state;
	uint64_t start_ns;
	size_t n;

	fx->cfg.sched_retry_ms = 100;
	serve(fx);
	http_fx_answer(fx->h, 200, "\"one\"", "{\"revision\":1,\"vips\":[]}");
	start(fx);
	UNTIL(fx, fx->documents == 1);
	http_fx_answer(fx->h, 304, "\"one\"", NULL);
	start_ns = util_now_ns();
	n = http_fx_count(fx->h);
	UNTIL(fx, http_fx_count(fx->h) >= n + 4);
	assert_true(util_now_ns() - start_ns > 200000000);
	assert_true(info(fx).ok);
	assert_int_equal(fx->documents, 1);
}

static void test_errors_back_off(void **state)
{
	struct fx *fx = *state;

	serve(fx);
	http_fx_answer(fx->h, 500, NULL, "{\"revision\":1,\"vips\":[]}");
	start(fx);
	UNTIL(fx, info(fx).failures >= 3);
	assert_int_equal(fx->documents, 0);
	assert_string_equal(info(fx).error, "it answers with status 500");
	http_fx_answer(fx->h, 200, "\"a\"", "{\"revision\":1,");
	UNTIL(fx, strstr(info(fx).error, "VIP list refused: the JSON text is cut off"));
	/* Refused ones are not remembered as seen. */
	http_fx_answer(fx->h, 200, "\"a\"", "{\"revision\":1,\"vips\":[]}");
	UNTIL(fx, info(fx).ok);
	assert_int_equal(fx->revision, 1);
	http_fx_answer(fx->h, 302, NULL, NULL);
	UNTIL(fx, strstr(info(fx).error, "status 302"));
}

static void test_nobody_there(void **state)
{
	struct fx *fx = *state;

	snprintf(fx->cfg.sched_url, sizeof(fx->cfg.sched_url), "unix:%s",
		 temp_dir_path(fx->dir, "none.sock"));
	start(fx);
	UNTIL(fx, info(fx).failures >= 2);
	assert_true(info(fx).error[0] != '\0');
}

static void test_report(void **state)
{
	struct fx *fx = *state;
	char *got;
	size_t i = 0;

	fx->cfg.sched_wait_s = 1;
	serve(fx);
	http_fx_hold(fx->h, true);
	http_fx_post_status(fx->h, 503);
	http_fx_answer(fx->h, 200, NULL, "{\"revision\":1,\"vips\":[]}");
	start(fx);
	UNTIL(fx, fx->documents == 1);
	/* Three changes, one report, tried until it is taken. */
	scheduler_report(fx->s);
	scheduler_report(fx->s);
	scheduler_report(fx->s);
	for (got = NULL; !got || strncmp(got, "POST", 4) != 0; i++) {
		free(got);
		UNTIL(fx, http_fx_count(fx->h) > i);
		got = http_fx_request(fx->h, i);
	}
	assert_string_equal(got, "POST /v1/nodes/lb1/status\n{\"revision\":1,\"synced\":[]}\n");
	free(got);
	assert_int_equal(fx->reported, 0);
	http_fx_post_status(fx->h, 204);
	UNTIL(fx, fx->reported == 1);
	assert_int_equal(info(fx).reports, 1);
}

static void test_too_long(void **state)
{
	struct fx *fx = *state;

	/* Of a report's answer nothing is wanted; it is cut off at 64 KiB. */
	serve(fx);
	start(fx);
	{
		_cleanup_sbuf_ struct sbuf b = SBUF_INIT;

		for (int i = 0; i < 70000; i++)
			sbuf_puts(&b, "x");
		http_fx_answer(fx->h, 200, NULL, b.data);
	}
	UNTIL(fx, strstr(info(fx).error, "not JSON"));
	scheduler_report(fx->s);
	UNTIL(fx, info(fx).failures > 8);
	assert_int_equal(fx->reported, 0);
}

static char *pem_of(X509 *cert, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *text;
	long len;

	if (cert)
		assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	else
		assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	len = BIO_get_mem_data(bio, &data);
	text = strndup(data, (size_t)len);
	BIO_free(bio);
	return text;
}

static void test_tls(void **state)
{
	struct fx *fx = *state;
	struct hc_certs certs;
	char *cert, *key;

	hc_certs_init(&certs);
	cert = pem_of(certs.good, NULL);
	key = pem_of(NULL, certs.key);
	fx->h = http_fx_new(NULL, cert, key);
	http_fx_answer(fx->h, 200, NULL, "{\"revision\":5,\"vips\":[]}");
	snprintf(fx->cfg.sched_url, sizeof(fx->cfg.sched_url), "https://127.0.0.1:%u",
		 http_fx_port(fx->h));
	/* An authority that we do not trust. */
	start(fx);
	UNTIL(fx, info(fx).failures >= 2);
	assert_int_equal(fx->documents, 0);
	assert_non_null(strstr(info(fx).error, "certificate"));
	scheduler_free(TAKE_PTR(fx->s));
	/* One that we do. */
	snprintf(fx->cfg.sched_ca, sizeof(fx->cfg.sched_ca), "%.500s", certs.ca_file);
	start(fx);
	UNTIL(fx, fx->revision == 5);
	scheduler_free(TAKE_PTR(fx->s));
	/* Another host's certificate. */
	http_fx_free(TAKE_PTR(fx->h));
	free(cert);
	cert = pem_of(certs.wrong_name, NULL);
	fx->h = http_fx_new(NULL, cert, key);
	snprintf(fx->cfg.sched_url, sizeof(fx->cfg.sched_url), "https://127.0.0.1:%u",
		 http_fx_port(fx->h));
	start(fx);
	UNTIL(fx, info(fx).failures >= 2);
	assert_int_equal(http_fx_count(fx->h), 0);
	free(cert);
	free(key);
	hc_certs_done(&certs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_long_poll, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_without_long_poll, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors_back_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_report, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tls, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
