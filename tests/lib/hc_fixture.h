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

#include "hc_check.h"
#include "msg.h"

#define HC_FIXTURE_FRAME_MAX 8192

struct hc_fixture {
	uint64_t id;
	enum msg_hc_type type;
	const char *target; /* "127.0.0.1" */
	uint16_t port;	    /* 80 but for ICMP */
	bool verify;
	uint32_t interval_ms; /* 1000 */
	uint32_t timeout_ms;  /* 200 */
	uint16_t rise, fall;  /* 2, 3 */
	uint8_t initial;
	uint8_t n_status;
	struct msg_status_range status[MSG_HC_STATUS_RANGES];
	const char *method, *path, *host, *body, *sni; /* "" */
};

/* The frame of a MSG_HC_SET, 8-byte aligned; returns its length. */
size_t hc_fixture_frame(const struct hc_fixture *f, uint64_t buf[static HC_FIXTURE_FRAME_MAX / 8]);

/* Fails the test when hc_check_new() refuses it. */
struct hc_check *hc_fixture_check(const struct hc_fixture *f);

/* One real probe, in a loop and an engine of its own: what came of it. */
struct msg_hc_result hc_fixture_probe(const struct hc_fixture *f, const char *ca_file);

#endif
