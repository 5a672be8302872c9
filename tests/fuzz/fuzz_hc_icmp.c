// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzz entry of the reading of echo replies. The first byte of the input chooses the
 * family and whether an IPv4 header stands before the message. What is taken for a
 * reply must be one to the letter: written again as a request, and turned into its
 * reply, it is the same message; and no other length of it is one.
 *
 * tests/agent/test_hc_icmp_fuzz.c replays the corpus, and runs without a fuzzer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hc_icmp_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The message within what arrived, by a reading of its own. */
static const uint8_t *message(bool with_ip, const uint8_t *data, size_t size, size_t *ret_len)
{
	size_t skip = with_ip ? (size_t)(data[0] & 15) * 4 : 0;

	*ret_len = size - skip;
	return data + skip;
}

static uint32_t word(const uint8_t *at)
{
	return (uint32_t)(at[0] << 8 | at[1]);
}

/* RFC 1071: the sum over a message with its checksum. */
static uint32_t sum(const uint8_t *at, size_t len)
{
	uint32_t s = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		s += word(at + i);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static void expect_reply(bool v6, const uint8_t *at, size_t len, const struct hc_icmp_echo *e)
{
	uint8_t again[HC_ICMP_LEN];

	if (len != HC_ICMP_LEN || at[0] != (v6 ? 129 : 0) || at[1] != 0)
		abort();
	if (!v6 && sum(at, len) != 0xffff)
		abort();
	hc_icmp_build(v6, e, again);
	/* All but type and checksum. */
	if (memcmp(again + 4, at + 4, HC_ICMP_LEN - 4) != 0)
		abort();
	if (word(at + 4) != e->id || word(at + 6) != e->seq)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hc_icmp_echo e = {0}, other;
	bool v6, with_ip;
	size_t len;
	int r;

	if (!size)
		return 0;
	v6 = data[0] & 1;
	with_ip = !v6 && data[0] & 2;
	data++;
	size--;
	r = hc_icmp_parse(v6, with_ip, data, size, &e);
	if (r != 0 && r != -ENOMSG && r != -EBADMSG)
		abort();
	if (r == 0) {
		const uint8_t *at = message(with_ip, data, size, &len);

		expect_reply(v6, at, len, &e);
		if (hc_icmp_parse(v6, with_ip, data, size - 1, &other) == 0)
			abort();
	}
	return 0;
}
