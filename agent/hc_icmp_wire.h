/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Echo requests and replies as bytes (RFC 792, RFC 4443 section 4). No I/O, no
 * state: what a raw socket delivers comes from anybody.
 */
#ifndef NLB_AGENT_HC_ICMP_WIRE_H
#define NLB_AGENT_HC_ICMP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Header, cookie and token. */
#define HC_ICMP_LEN 24

struct hc_icmp_echo {
	uint16_t id, seq; /* host order */
	uint64_t cookie;  /* random, the same for all requests of a process */
	uint64_t token;	  /* which probe */
};

/* The IPv6 checksum is left to the kernel. */
void hc_icmp_build(bool v6, const struct hc_icmp_echo *e, uint8_t buf[static HC_ICMP_LEN]);

/*
 * Reads an echo reply of the size that we send. with_ip: an IPv4 header
 * stands before it, as on a raw socket. Returns 0, -ENOMSG when it is some
 * other message, -EBADMSG when it is cut, damaged or not of that size.
 */
int hc_icmp_parse(bool v6, bool with_ip, const void *data, size_t len, struct hc_icmp_echo *ret);

#endif
