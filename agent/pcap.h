/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing packets in the two formats that Wireshark reads: pcap (with
 * nanoseconds) and pcapng (draft-ietf-opsawg-pcapng), which has room for an
 * interface's name and a comment. Link type is Ethernet, byte order the host's.
 */
#ifndef NLB_AGENT_PCAP_H
#define NLB_AGENT_PCAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sbuf.h"

#define PCAP_INTERFACES_MAX 32
#define PCAP_NAME_LEN	    16

struct pcap {
	struct sbuf *out; /* what is written goes to its end; the caller's */
	bool ng;
	/* pcapng: interfaces are announced when they are first met. */
	char names[PCAP_INTERFACES_MAX][PCAP_NAME_LEN];
	unsigned int n_names;
};

struct pcap_packet {
	uint64_t time_ns; /* since 1970 */
	const uint8_t *data;
	uint32_t cap_len; /* of data */
	uint32_t len;	  /* of the packet when it was whole */
	/* pcapng only; the interface may be "", the comment NULL. */
	const char *interface;
	const char *comment;
};

/* Writes the head of a file. */
void pcap_begin(struct pcap *p, struct sbuf *out, bool ng);

void pcap_write(struct pcap *p, const struct pcap_packet *pkt);

#endif
