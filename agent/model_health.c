// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A port's "health" object: how often, how many in a row, how several checks make one
 * verdict, and the list of checks (model_check.c has each). Everything that ends up in a
 * request line or a header is checked here, so that the probes never have to.
 */
#include <string.h>

#include "model_int.h"

static const char *const policies[] = {
	[MODEL_POLICY_ALL] = "all",
	[MODEL_POLICY_ANY] = "any",
	[MODEL_POLICY_AT_LEAST] = "at_least",
};

const char *model_policy_str(enum model_policy policy)
{
	return policies[policy];
}

static const char *const starts[] = {
	[MSG_HC_UNKNOWN] = "unknown",
	[MSG_HC_UP] = "up",
	[MSG_HC_DOWN] = "down",
};

struct model_pace model_check_pace(const struct model_health *h, const struct model_check *c)
{
	uint32_t interval = c->interval_ms ? c->interval_ms : h->interval_ms;
	uint32_t timeout = MIN2(h->timeout_ms, interval);

	return (struct model_pace){
		.interval_ms = interval,
		.timeout_ms = c->timeout_ms ? c->timeout_ms : timeout,
		.rise = c->rise ? c->rise : h->rise,
		.fall = c->fall ? c->fall : h->fall,
	};
}

uint64_t model_health_round_ms(const struct model_health *h)
{
	uint64_t longest = 0;

	for (size_t i = 0; i < h->n_checks; i++) {
		struct model_pace pace = model_check_pace(h, &h->checks[i]);

		longest = MAX2(longest, (uint64_t)pace.interval_ms + pace.timeout_ms);
	}
	return longest ? longest : (uint64_t)h->interval_ms + h->timeout_ms;
}

size_t model_health_need(const struct model_health *h)
{
	switch (h->policy) {
	case MODEL_POLICY_ANY:
		return MIN2(h->n_checks, (size_t)1);
	case MODEL_POLICY_AT_LEAST:
		return h->at_least;
	case MODEL_POLICY_ALL:
		break;
	}
	return h->n_checks;
}

static int check_pace(const struct model_health *h, const struct model_check *c, struct jerr *err)
{
	struct model_pace pace = model_check_pace(h, c);

	if (pace.timeout_ms > pace.interval_ms)
		return jget_fail_at(err, "timeout_ms",
				    "timeout_ms of a check must not be above its interval_ms");
	return 0;
}

static int checks_parse(struct json_object *arr, uint16_t port, struct model_health *h,
			struct jerr *err)
{
	size_t n = json_object_array_length(arr);

	h->checks = calloc(MAX2(n, (size_t)1), sizeof(*h->checks));
	if (!h->checks)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int r;

		h->n_checks = i + 1;
		r = model_check_parse(json_object_array_get_idx(arr, i), port, &h->checks[i], err);
		if (r == 0)
			r = check_pace(h, &h->checks[i], err);
		if (r < 0) {
			jget_under(err, "checks", i);
			return r;
		}
	}
	qsort(h->checks, n, sizeof(*h->checks), model_check_cmp);
	for (size_t i = 1; i < n; i++)
		if (model_check_cmp(&h->checks[i - 1], &h->checks[i]) == 0)
			return jget_fail_at(err, "checks", "the same %s check is listed twice",
					    model_check_str(h->checks[i].type));
	return 0;
}

static int policy_parse(struct json_object *o, struct model_health *h, struct jerr *err)
{
	int policy = MODEL_POLICY_ALL;
	uint64_t at_least = 0;

	if (jget_enum(o, "policy", policies, ARRAY_SIZE(policies), &policy, err) < 0 ||
	    jget_u64(o, "at_least", 1, MODEL_CHECKS_MAX, &at_least, err) < 0)
		return -EINVAL;
	if (policy == MODEL_POLICY_AT_LEAST && !at_least)
		return jget_fail_at(err, "at_least", "policy at_least needs at_least");
	if (policy != MODEL_POLICY_AT_LEAST && at_least)
		return jget_fail_at(err, "at_least", "at_least is for policy at_least");
	h->policy = (enum model_policy)policy;
	h->at_least = (uint8_t)at_least;
	return 0;
}

static int timing_parse(struct json_object *o, struct model_health *h, struct jerr *err)
{
	uint64_t interval = MODEL_INTERVAL_DEFAULT, timeout = 0;
	uint64_t rise = MODEL_RISE_DEFAULT, fall = MODEL_FALL_DEFAULT;

	if (o &&
	    (jget_u64(o, "interval_ms", MODEL_INTERVAL_MIN, MODEL_INTERVAL_MAX, &interval, err) <
		     0 ||
	     jget_u64(o, "timeout_ms", MODEL_TIMEOUT_MIN, MODEL_INTERVAL_MAX, &timeout, err) < 0 ||
	     jget_u64(o, "rise", 1, MODEL_COUNT_MAX, &rise, err) < 0 ||
	     jget_u64(o, "fall", 1, MODEL_COUNT_MAX, &fall, err) < 0))
		return -EINVAL;
	if (!timeout)
		timeout = MIN2((uint64_t)MODEL_TIMEOUT_DEFAULT, interval);
	if (timeout > interval)
		return jget_fail_at(err, "timeout_ms", "timeout_ms must not be above interval_ms");
	h->interval_ms = (uint32_t)interval;
	h->timeout_ms = (uint32_t)timeout;
	h->rise = (uint16_t)rise;
	h->fall = (uint16_t)fall;
	return 0;
}

int model_health_parse(struct json_object *o, uint16_t port, struct model_health *h,
		       struct jerr *err)
{
	static const char *const names[] = {"policy", "at_least",    "start",
					    "tunnel", "interval_ms", "timeout_ms",
					    "rise",   "fall",	     "checks"};
	struct json_object *checks = NULL;
	int start = MSG_HC_UNKNOWN, r = 0;

	if (timing_parse(o, h, err) < 0)
		return -EINVAL;
	if (!o)
		return 0;
	if (jget_known(o, names, ARRAY_SIZE(names), err) < 0 || policy_parse(o, h, err) < 0 ||
	    jget_enum(o, "start", starts, ARRAY_SIZE(starts), &start, err) < 0 ||
	    jget_bool(o, "tunnel", &h->tunnel, err) < 0 ||
	    jget_array(o, "checks", MODEL_CHECKS_MAX, &checks, err) < 0)
		return -EINVAL;
	h->start = (enum msg_hc_state)start;
	if (checks)
		r = checks_parse(checks, port, h, err);
	if (r == 0 && h->at_least > h->n_checks)
		return jget_fail_at(err, "at_least", "at_least is %u, but there are %zu checks",
				    h->at_least, h->n_checks);
	return r;
}

int model_health_check_source(const struct model_vip *v, const struct model_port *p,
			      struct jerr *err)
{
	const struct model_health *h = &p->health;
	char text[ADDR_STRLEN];

	for (size_t i = 0; i < h->n_checks; i++) {
		const struct addr *source = &h->checks[i].source;

		if (addr_is_unspecified(source))
			continue;
		if (h->tunnel && addr_is_v4(source) != addr_is_v4(&v->addr))
			return jget_fail_at(err, "source",
					    "source and VIP must be of one family (tunnel)");
		for (size_t j = 0; !h->tunnel && j < p->n_backends; j++)
			if (addr_is_v4(source) != addr_is_v4(&p->backends[j].addr))
				return jget_fail_at(err, "source",
						    "source is of another family than backend %s",
						    addr_str(&p->backends[j].addr, text));
	}
	return 0;
}

void model_health_done(struct model_health *h)
{
	for (size_t i = 0; i < h->n_checks; i++)
		model_check_done(&h->checks[i]);
	free(h->checks);
	h->checks = NULL;
	h->n_checks = 0;
}

int model_health_copy(const struct model_health *h, struct model_health *ret)
{
	*ret = *h;
	ret->n_checks = 0;
	ret->checks = calloc(MAX2(h->n_checks, (size_t)1), sizeof(*ret->checks));
	if (!ret->checks)
		return -ENOMEM;
	for (size_t i = 0; i < h->n_checks; i++) {
		ret->n_checks++;
		if (model_check_copy(&h->checks[i], &ret->checks[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

bool model_health_equal(const struct model_health *a, const struct model_health *b)
{
	if (a->policy != b->policy || a->at_least != b->at_least || a->start != b->start ||
	    a->tunnel != b->tunnel || a->interval_ms != b->interval_ms ||
	    a->timeout_ms != b->timeout_ms || a->rise != b->rise || a->fall != b->fall ||
	    a->n_checks != b->n_checks)
		return false;
	for (size_t i = 0; i < a->n_checks; i++)
		if (model_check_cmp(&a->checks[i], &b->checks[i]) != 0)
			return false;
	return true;
}

void model_health_write(const struct model_health *h, struct jput b)
{
	struct jput checks;

	jput_str(b, "policy", model_policy_str(h->policy));
	if (h->policy == MODEL_POLICY_AT_LEAST)
		jput_u64(b, "at_least", h->at_least);
	jput_str(b, "start", starts[h->start]);
	jput_bool(b, "tunnel", h->tunnel);
	jput_u64(b, "interval_ms", h->interval_ms);
	jput_u64(b, "timeout_ms", h->timeout_ms);
	jput_u64(b, "rise", h->rise);
	jput_u64(b, "fall", h->fall);
	checks = jput_array(b, "checks");
	for (size_t i = 0; i < h->n_checks; i++)
		model_check_write(&h->checks[i], jput_object(checks, NULL));
}
