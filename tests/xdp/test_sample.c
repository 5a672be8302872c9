// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Samples in nlb_samples: which packets are taken, what is in them, and that a full
 * buffer costs samples and nothing else. The way out is as without samples.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include <linux/bpf.h>
#include <net/if.h>

#include "pkt.h"
#include "util.h"
#include "xdp_case.h"

#define CLIENT4 "198.51.100.7"

static struct ring_buffer *ring;
static struct nlb_sample last;
static unsigned int samples;

static int keep(void *user, void *data, size_t len)
{
	(void)user;
	assert_int_equal(len, sizeof(last));
	memcpy(&last, data, sizeof(last));
	samples++;
	return 0;
}

/* As many as there are now; the last one stays in `last`. */
static unsigned int take(void)
{
	if (!ring)
		ring = ring_buffer__new(bpf_map__fd(xdp_world_skel()->maps.nlb_samples), keep, NULL,
					NULL);
	assert_non_null(ring);
	samples = 0;
	assert_true(ring_buffer__consume(ring) >= 0);
	return samples;
}

static void want(uint32_t rate, uint64_t reasons, uint32_t vip)
{
	struct nlb_config *cfg = xdp_world_fill()->config;

	cfg->sample_rate = rate;
	cfg->sample_reasons = reasons;
	cfg->sample_vip = vip;
	take();
}

static void send_one(const char *dst, uint16_t port, size_t payload, enum xdp_world_meta meta,
		     struct xdp_world_result *ret)
{
	struct pkt p = {};

	pkt_eth(&p, ETH_P_IP);
	pkt_ip4(&p, CLIENT4, dst, IPPROTO_TCP);
	pkt_tcp(&p, 5555, port);
	pkt_fill(&p, payload);
	pkt_finish(&p);
	xdp_world_run(&p, "in0", meta, ret);
}

#define BIT(r) (1ull << NLB_R_##r)

/* As it left, whatever became of it. */
static void test_content(void **state _unused_)
{
	static const struct {
		const char *dst;
		uint16_t port;
		size_t payload;
		enum nlb_reason reason;
	} packets[] = {
		{XDP_WORLD_VIP4, 110, 0, NLB_R_TX},
		{XDP_WORLD_VIP4, 111, 10, NLB_R_TX_REDIRECT},
		{XDP_WORLD_VIP4, 112, 1000, NLB_R_TX},
		{XDP_WORLD_VIP4, 8080, 0, NLB_R_VIP_NO_SERVICE},
		{XDP_WORLD_VIP4, 84, 1000, NLB_R_NO_BACKEND},
		{"192.0.2.99", 80, 0, NLB_R_NOT_VIP},
	};
	static struct xdp_world_result r;
	struct timespec ts;

	for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
		bool sent = packets[i].reason <= NLB_R_TX_REDIRECT;
		size_t len;

		want(1, UINT64_MAX, 0);
		send_one(packets[i].dst, packets[i].port, packets[i].payload, XDP_WORLD_PLAIN, &r);
		clock_gettime(CLOCK_MONOTONIC, &ts);
		assert_int_equal(take(), 1);
		len = r.verdict == XDP_DROP ? last.len : r.len;
		assert_int_equal(last.reason, packets[i].reason);
		assert_int_equal(last.vip, xdp_world_vip(packets[i].dst));
		assert_int_equal(last.backend, sent ? xdp_world_backend(packets[i].port) : 0);
		assert_int_equal(last.ifindex, if_nametoindex("in0"));
		assert_int_equal(last.len, len);
		assert_int_equal(last.cap_len, len < NLB_SAMPLE_MAX ? len : NLB_SAMPLE_MAX);
		assert_true(last.time_ns / 1000000000 <= (uint64_t)ts.tv_sec &&
			    last.time_ns / 1000000000 + 5 > (uint64_t)ts.tv_sec);
		assert_int_equal(last.zero, 0);
		if (r.verdict != XDP_DROP)
			assert_memory_equal(last.data, r.data, last.cap_len);
	}
	want(0, 0, 0);
}

static void test_filter(void **state _unused_)
{
	static struct xdp_world_result r;

	want(1, BIT(TX), 0);
	send_one(XDP_WORLD_VIP4, 8080, 0, XDP_WORLD_PLAIN, &r);
	assert_int_equal(take(), 0);
	send_one(XDP_WORLD_VIP4, 110, 0, XDP_WORLD_PLAIN, &r);
	assert_int_equal(take(), 1);

	want(1, UINT64_MAX, xdp_world_vip(XDP_WORLD_VIP4_ALL));
	send_one(XDP_WORLD_VIP4, 110, 0, XDP_WORLD_PLAIN, &r);
	send_one("192.0.2.99", 110, 0, XDP_WORLD_PLAIN, &r);
	assert_int_equal(take(), 0);
	send_one(XDP_WORLD_VIP4_ALL, 80, 0, XDP_WORLD_PLAIN, &r);
	assert_int_equal(take(), 1);
	assert_int_equal(last.vip, xdp_world_vip(XDP_WORLD_VIP4_ALL));

	want(1, 0, 0);
	send_one(XDP_WORLD_VIP4, 110, 0, XDP_WORLD_PLAIN, &r);
	assert_int_equal(take(), 0);

	want(0, UINT64_MAX, 0);
	send_one(XDP_WORLD_VIP4, 110, 0, XDP_WORLD_PLAIN, &r);
	assert_int_equal(take(), 0);
}

/* A question is not a packet. */
static void test_ask(void **state _unused_)
{
	static struct xdp_world_result r;

	want(1, UINT64_MAX, 0);
	send_one(XDP_WORLD_VIP4, 110, 0, XDP_WORLD_ASK, &r);
	assert_int_equal(take(), 0);
	want(0, 0, 0);
}

/* One of ten: binomial, so that these bounds are more than six deviations away. */
static void test_rate(void **state _unused_)
{
	static struct xdp_world_result r;
	unsigned int n = 0;

	want(10, UINT64_MAX, 0);
	for (int i = 0; i < 2000; i++) {
		send_one(XDP_WORLD_VIP4, 110, 0, XDP_WORLD_PLAIN, &r);
		n += take();
	}
	assert_true(n > 110 && n < 300);
	want(0, 0, 0);
}

static void test_full(void **state _unused_)
{
	uint32_t room = bpf_map__max_entries(xdp_world_skel()->maps.nlb_samples);
	unsigned int too_many = room / sizeof(struct nlb_sample) + 10;
	static struct xdp_world_counts before, after;
	static struct xdp_world_result r;
	uint64_t lost;

	want(1, UINT64_MAX, 0);
	xdp_world_counts(&before);
	for (unsigned int i = 0; i < too_many; i++) {
		send_one(XDP_WORLD_VIP4, 110, 0, XDP_WORLD_PLAIN, &r);
		assert_int_equal(r.verdict, XDP_TX);
	}
	xdp_world_counts(&after);
	lost = after.reasons[NLB_EVENT_BASE + NLB_E_SAMPLE_LOST] -
	       before.reasons[NLB_EVENT_BASE + NLB_E_SAMPLE_LOST];
	assert_int_equal(after.reasons[NLB_R_TX] - before.reasons[NLB_R_TX], too_many);
	assert_true(lost >= 10);
	assert_int_equal(take(), too_many - lost);
	/* And on it goes. */
	send_one(XDP_WORLD_VIP4, 110, 0, XDP_WORLD_PLAIN, &r);
	assert_int_equal(take(), 1);
	want(0, 0, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content), cmocka_unit_test(test_filter),
		cmocka_unit_test(test_ask),	cmocka_unit_test(test_rate),
		cmocka_unit_test(test_full),
	};
	int failed = xdp_case_main(tests, ARRAY_SIZE(tests));

	ring_buffer__free(ring);
	return failed;
}
