/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a condition asks for: the configured half of it, all but whom, decoded
 * from the parent's frame, checked, and never changed afterwards. docs/health.md
 * is the specification of each field.
 */
#ifndef NLB_AGENT_HC_CHECK_H
#define NLB_AGENT_HC_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "hc_tab.h"
#include "msg.h"

#define HC_INTERVAL_MIN_MS 10u
#define HC_INTERVAL_MAX_MS 86400000u
#define HC_TIMEOUT_MAX_MS  3600000u
#define HC_STRING_MAX	   1024u /* path, body */
#define HC_NAME_MAX	   255u	 /* method, host, sni */
#define HC_BODY_MAX	   65536u
#define HC_BODY_LIMIT	   (16u << 20) /* what HC_BODY_MAX may be set to */

struct hc_check {
	/* The engine's own: equal checks are kept once. */
	struct hc_tab_node node;
	uint64_t hash; /* of all that follows */
	uint32_t refs;

	struct addr dest;   /* unspecified: the target itself */
	struct addr source; /* unspecified: the kernel's choice */
	uint16_t port;
	uint8_t type;  /* enum msg_hc_type */
	uint8_t flags; /* enum msg_hc_flag */
	uint8_t dscp;
	uint8_t n_status; /* at least one for HTTP and HTTPS */
	uint16_t rise, fall;
	uint32_t interval_ms;
	uint32_t timeout_ms;
	uint32_t body_max;
	uint16_t body_len, payload_len;
	struct msg_status_range status[MSG_HC_STATUS_RANGES];
	/* Never NULL; method and path have their defaults filled in. */
	const char *method, *path, *host, *body, *sni, *device, *payload;
	/* For the search of body: hc_http_parse.c, hc_match. */
	const uint16_t *body_next;
};

/*
 * Decodes a MSG_HC_SET frame. Returns 0; -EPROTO when the frame's lengths do
 * not add up (parent and child are out of step); -EINVAL for a value outside
 * of its bounds, with *ret_what naming it; -ENOMEM.
 */
int hc_check_new(const void *frame, size_t len, struct hc_check **ret, const char **ret_what);
void hc_check_free(struct hc_check *c);

/* Would both send the same probe and judge its answer alike? Timing does not count. */
bool hc_check_same_probe(const struct hc_check *a, const struct hc_check *b);
bool hc_check_same_timing(const struct hc_check *a, const struct hc_check *b);

bool hc_check_status_ok(const struct hc_check *c, unsigned int status);

#endif
