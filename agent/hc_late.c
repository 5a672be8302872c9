// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The lateness histogram. A bucket is one of the eight parts between two powers
 * of two; below 8 us there is one for each microsecond.
 */
#include <string.h>

#include "hc_late.h"
#include "util.h"

static unsigned int bucket_of(uint32_t us)
{
	unsigned int top;

	if (us < 8)
		return us;
	top = 31u - (unsigned int)__builtin_clz(us);
	return (top - 2) * 8 + (us >> (top - 3) & 7);
}

/* The greatest value that falls into it. */
static uint32_t bucket_max(unsigned int bucket)
{
	unsigned int top = bucket / 8 + 2;

	if (bucket < 8)
		return bucket;
	return (uint32_t)(((uint64_t)(8 + bucket % 8 + 1) << (top - 3)) - 1);
}

void hc_late_turn(struct hc_late *l, uint64_t now_ns)
{
	if (now_ns < l->turn_ns)
		return;
	/* After a long pause both are old. */
	if (now_ns - l->turn_ns >= HC_LATE_TURN_NS)
		memset(l->halves, 0, sizeof(l->halves));
	l->now ^= 1;
	l->halves[l->now] = (struct hc_late_half){0};
	l->turn_ns = now_ns + HC_LATE_TURN_NS;
}

void hc_late_add(struct hc_late *l, uint64_t now_ns, uint64_t late_ns)
{
	uint32_t us = (uint32_t)MIN2(late_ns / 1000, (uint64_t)UINT32_MAX);
	struct hc_late_half *h;

	hc_late_turn(l, now_ns);
	h = &l->halves[l->now];
	h->n[bucket_of(us)]++;
	h->max_us = MAX2(h->max_us, us);
}

void hc_late_sum(struct hc_late_half *sum, const struct hc_late *from)
{
	for (unsigned int k = 0; k < 2; k++) {
		const struct hc_late_half *h = &from->halves[k];

		for (unsigned int i = 0; i < HC_LATE_BUCKETS; i++)
			sum->n[i] += h->n[i];
		sum->max_us = MAX2(sum->max_us, h->max_us);
	}
}

uint32_t hc_late_quantile_us(const struct hc_late_half *sum, unsigned int per_mille)
{
	uint64_t total = 0, want, seen = 0;

	for (unsigned int i = 0; i < HC_LATE_BUCKETS; i++)
		total += sum->n[i];
	want = (total * per_mille + 999) / 1000;
	for (unsigned int i = 0; i < HC_LATE_BUCKETS && want; i++) {
		seen += sum->n[i];
		if (seen >= want)
			return MIN2(bucket_max(i), sum->max_us);
	}
	return 0;
}
