// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Replays the corpus of tests/fuzz/fuzz_packet.c through program and oracle, as it is and
 * cut after every packet, and some thousand generated packets, always the same.
 * What the fuzzer once found stays found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz_corpus.h"
#include "util.h"
#include "xdp_case.h"
#include "xdp_diff.h"

#include "../fuzz/packet_gen.c"

#define SEQUENCES 400
#define PACKETS	  32

static void run(uint8_t *data, size_t len)
{
	char err[256] = "";

	if (xdp_diff_run(data, len, err, sizeof(err)) == XDP_DIFF_OTHER)
		fail_msg("%s", err);
}

static void test_corpus(void **state _unused_)
{
	fuzz_corpus_replay("tests/fuzz/corpus/packet", 30, run);
}

static void test_generated(void **state _unused_)
{
	struct rnd r = {1};
	struct packet_focus f;
	char err[256] = "";
	struct pkt p;

	for (unsigned int s = 0; s < SEQUENCES; s++) {
		enum xdp_diff d = XDP_DIFF_SAME;

		packet_gen_focus(&r, &f);
		xdp_diff_reset(s % 8);
		for (unsigned int n = 0; n < PACKETS && d == XDP_DIFF_SAME; n++) {
			packet_gen(&r, &f, &p);
			if (n % 2)
				packet_gen_spoil(&r, &p);
			d = xdp_diff_frame(p.data, p.len, s % 16 == 0, err, sizeof(err));
		}
		if (d == XDP_DIFF_OTHER)
			fail_msg("%s", err);
	}
}

/* If the maps are not what the oracle believes, there are differences. */
static void test_can_fail(void **state _unused_)
{
	struct nlb_fill *fill = xdp_world_fill();
	uint32_t b = xdp_world_backend(110);
	char err[256] = "";
	struct pkt p = {};

	pkt_eth(&p, ETH_P_IP);
	pkt_ip4(&p, "198.51.100.7", XDP_WORLD_VIP4, IPPROTO_TCP);
	pkt_tcp(&p, 5555, 110);
	pkt_finish(&p);
	xdp_diff_reset(0);
	fill->backends[b].addr[15] ^= 1;
	assert_int_equal(xdp_diff_frame(p.data, p.len, true, err, sizeof(err)), XDP_DIFF_OTHER);
	assert_non_null(strstr(err, "byte"));
	fill->backends[b].addr[15] ^= 1;
	assert_int_equal(xdp_diff_frame(p.data, p.len, true, err, sizeof(err)), XDP_DIFF_SAME);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
		cmocka_unit_test(test_generated),
		cmocka_unit_test(test_can_fail),
	};

	return xdp_case_main(tests, ARRAY_SIZE(tests));
}
