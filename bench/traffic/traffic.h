/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two ends of the traffic check: packets of many flows to one VIP, sent by
 * an interface at a rate, and the count of those that come to the backends.
 * Each is a mode of the program `traffic`, which takes commands on standard
 * input and answers each with a line of JSON.
 */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

struct traffic_target {
	const char *ifname;
	const char *source; /* addresses as text, of one family */
	const char *vip;
	const char *mac; /* whom to send to */
	uint16_t port;
	uint32_t flows; /* TCP packets with the ports from 1024 on, in turn */
	uint32_t size;	/* of an IP packet */
	int cpu;	/* -1: any */
	bool syn;	/* SYNs, instead of ACKs */
};

/*
 * Commands "PPS COUNT MS": sends COUNT packets at that rate (0: as fast as may
 * be), but for no longer than that. Answer: {"sent": accepted by the interface,
 * "refused": tries that were not, and were repeated, "ns": time it took}.
 * Returns 0 at the end of input, or -errno.
 */
int traffic_send(const struct traffic_target *target);

/*
 * Takes tunnels to the VIP off the interface until the end of input. Any
 * command is answered with {"packets", "bytes", "moved", "other", "backends":
 * {"NUMBER": packets}}, the sums since the start.
 */
int traffic_count(const char *ifname, const char *vip);

#endif
