// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Building and reading of echo messages. A raw IPv4 socket gets its packets
 * before the kernel has looked at the ICMP checksum, so it is checked here; for
 * ICMPv6 the kernel does it (RFC 3542, 3.1).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include "hc_icmp_wire.h"

/* What follows the type, code and checksum. */
struct wire {
	uint8_t type, code;
	uint16_t checksum;
	uint16_t id, seq;
	uint64_t cookie, token;
};

_Static_assert(sizeof(struct wire) == HC_ICMP_LEN, "no padding on the wire");

/* RFC 1071, over an even number of bytes. */
static uint16_t checksum(const struct wire *w)
{
	uint16_t words[HC_ICMP_LEN / 2];
	uint32_t sum = 0;

	memcpy(words, w, sizeof(words));
	for (size_t i = 0; i < HC_ICMP_LEN / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return (uint16_t)~sum;
}

void hc_icmp_build(bool v6, const struct hc_icmp_echo *e, uint8_t buf[static HC_ICMP_LEN])
{
	struct wire w = {
		.type = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO,
		.id = htons(e->id),
		.seq = htons(e->seq),
		.cookie = e->cookie,
		.token = e->token,
	};

	if (!v6)
		w.checksum = checksum(&w);
	memcpy(buf, &w, sizeof(w));
}

int hc_icmp_parse(bool v6, bool with_ip, const void *data, size_t len, struct hc_icmp_echo *ret)
{
	const uint8_t *at = data;
	struct wire w;

	if (with_ip) {
		size_t ihl;

		if (len < sizeof(struct iphdr))
			return -EBADMSG;
		ihl = (at[0] & 0x0fu) * 4u;
		if (at[0] >> 4 != 4 || ihl < sizeof(struct iphdr) || ihl > len)
			return -EBADMSG;
		at += ihl;
		len -= ihl;
	}
	if (len < 1)
		return -EBADMSG;
	if (at[0] != (v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY))
		return -ENOMSG;
	if (len != sizeof(w))
		return -EBADMSG;
	memcpy(&w, at, sizeof(w));
	if (w.code != 0 || (!v6 && checksum(&w) != 0))
		return -EBADMSG;
	ret->id = ntohs(w.id);
	ret->seq = ntohs(w.seq);
	ret->cookie = w.cookie;
	ret->token = w.token;
	return 0;
}
