// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Verdicts, and their way to the parent.
 *
 * UNKNOWN becomes what the first result says, so that a node that boots is ready
 * fast. From then on, and from the start with a restored verdict, UP turns DOWN
 * after `fall` failures in a row and DOWN turns UP after `rise` successes in a
 * row; one result to the contrary starts the count anew. MSG_HC_LOCAL (no
 * descriptor, no memory, no route of our own) is no result.
 */
#include <string.h>

#include "hc_int.h"
#include "hc_reason.h"
#include "log.h"
#include "util.h"

#define LOCAL_LOG_NS (10000 * HC_MS_NS)

/* A latency alone is told when it has doubled or halved, and that not too often. */
#define TOLD_MIN_US  5000u
#define TOLD_MAX     1000u
#define TOLD_TURN_NS (1000 * HC_MS_NS)

void hc_flush(struct hc *hc)
{
	size_t n = hc->n_results;

	if (!n)
		return;
	hc->n_results = 0;
	hc->stats.batches++;
	hc->env.results(hc->env.user, hc->results, n);
}

static void report(struct hc *hc, struct hc_cond *c, uint64_t now)
{
	if (!hc->n_results)
		hc->flush_ns = now + HC_BATCH_NS;
	hc->results[hc->n_results++] = (struct msg_hc_result){
		.id = c->id,
		.state = c->state,
		.reason = c->reason,
		.detail = c->detail,
		.latency_us = c->latency_us,
	};
	c->reported = true;
	c->told_us = c->latency_us;
	if (hc->n_results == HC_BATCH_MAX)
		hc_flush(hc);
}

/* Counts a result; the state it leads to. */
static uint8_t count(struct hc_cond *c, bool ok)
{
	uint8_t says = ok ? MSG_HC_UP : MSG_HC_DOWN;

	if (c->state == says) {
		c->run = 0;
		return says;
	}
	if (c->state != MSG_HC_UNKNOWN && ++c->run < (ok ? c->check->rise : c->check->fall))
		return c->state;
	c->run = 0;
	return says;
}

static bool latency_is_news(struct hc *hc, const struct hc_cond *c, uint64_t now)
{
	uint32_t less = MIN2(c->latency_us, c->told_us), more = MAX2(c->latency_us, c->told_us);

	if (more - less < TOLD_MIN_US || more / 2 < less)
		return false;
	if (now - hc->told_ns >= TOLD_TURN_NS) {
		hc->told_ns = now;
		hc->told = 0;
	}
	return hc->told++ < TOLD_MAX;
}

void hc_judge(struct hc *hc, struct hc_cond *c, enum msg_hc_reason reason, uint32_t detail,
	      uint64_t now)
{
	uint8_t state = count(c, reason == MSG_HC_OK);

	if (c->reported && state == c->state && reason == c->reason && detail == c->detail &&
	    !latency_is_news(hc, c, now))
		return;
	c->state = state;
	c->reason = (uint8_t)reason;
	c->detail = detail;
	report(hc, c, now);
}

static void log_local(struct hc *hc, const struct hc_cond *c, uint32_t err, uint64_t now)
{
	char target[ADDR_STRLEN];

	if (hc->local_logged_ns && now - hc->local_logged_ns < LOCAL_LOG_NS) {
		hc->local_hushed++;
		return;
	}
	hc->local_logged_ns = now;
	log_warning("health probe could not be made, trying again",
		    "type=%s target=%s port=%u error=\"%s\" more=%llu", hc_type_str(c->check->type),
		    addr_str(&c->host->addr, target), c->check->port, strerror((int)err),
		    (unsigned long long)hc->local_hushed);
	hc->local_hushed = 0;
}

void hc_local_fault(struct hc *hc, struct hc_cond *c, uint32_t err, uint64_t now)
{
	hc->stats.ended[MSG_HC_LOCAL]++;
	log_local(hc, c, err, now);
	if (c->reported && c->reason == MSG_HC_LOCAL && c->detail == err)
		return;
	c->reason = MSG_HC_LOCAL;
	c->detail = err;
	report(hc, c, now);
}
