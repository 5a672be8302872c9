/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conditions for tests of the health engine: a spec with names for its fields,
 * made into the frame that the parent would send, and into a check.
 *
 *	struct hc_check *c = hc_fixture_check(&(struct hc_fixture){
 *		.type = MSG_HC_HTTP, .target = "127.0.0.1", .port = 80, .body = "ok"});
 *
 * Whatever is 0 or NULL has the default given here.
 */
#ifndef NLB_TESTS_HC_FIXTURE_H
#define NLB_TESTS_HC_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hc.h"
#include "hc_check.h"
#include "hc_http.h"
#include "hc_icmp.h"
#include "hc_sock.h"
#include "loop.h"
#include "msg.h"

#define HC_FIXTURE_FRAME_MAX 8192

struct hc_fixture {
	uint64_t id;
	enum msg_hc_type type;
	const char *target;	   /* "127.0.0.1" */
	uint16_t port;		   /* 80 but for ICMP */
	const char *dest, *source; /* none */
	uint32_t mark;
	bool verify;
	uint8_t flags; /* others than verify's */
	uint8_t dscp;
	uint32_t body_max;
	uint32_t interval_ms; /* 1000 */
	uint32_t timeout_ms;  /* 200 */
	uint16_t rise, fall;  /* 2, 3 */
	uint8_t initial;
	uint8_t n_status;
	struct msg_status_range status[MSG_HC_STATUS_RANGES];
	const char *method, *path, *host, *body, *sni, *device, *payload; /* "" */
};

/* The frame of a MSG_HC_SET, 8-byte aligned; returns its length. */
size_t hc_fixture_frame(const struct hc_fixture *f, uint64_t buf[static HC_FIXTURE_FRAME_MAX / 8]);

/* Fails the test when hc_check_new() refuses it. */
struct hc_check *hc_fixture_check(const struct hc_fixture *f);

/* hc_set() of it. */
int hc_fixture_set(struct hc *hc, const struct hc_fixture *f);

/* A loop and an engine with all its kinds. */
struct hc_world {
	struct loop *loop;
	struct hc *hc;
	struct hc_icmp *icmp;
	struct hc_socks *socks;
	struct hc_tls *tls;
	struct hc_http http, https;
	struct loop_timer timer;
	unsigned int n_results;
	struct msg_hc_result results[64]; /* the first of them */
};

/* ca_file: as for hc_tls_new(); NULL: without HTTPS. First probes start at once. */
void hc_world_init(struct hc_world *w, const char *ca_file);
void hc_world_done(struct hc_world *w);
void hc_world_set(struct hc_world *w, const struct hc_fixture *f);

/* Runs until there are so many results; fails the test when that takes 10 s. */
void hc_world_run(struct hc_world *w, unsigned int n_results);

/* One probe in a world of its own: what came of it. */
struct msg_hc_result hc_fixture_probe(const struct hc_fixture *f, const char *ca_file);

#endif
