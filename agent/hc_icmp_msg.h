/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes with an echo message besides its bytes: how a request leaves (source,
 * device, DSCP, mark), told to the kernel for each message because one socket serves all
 * targets, and when a reply came.
 */
#ifndef NLB_AGENT_HC_ICMP_MSG_H
#define NLB_AGENT_HC_ICMP_MSG_H

#include <sys/socket.h>

#include "hc_kind.h"

#define HC_ICMP_CONTROL_LEN 128u

/*
 * Sends a request of len bytes by fd, an ICMP socket of the target's family. Returns 0
 * or -errno: -ENODEV when there is no such device, -EADDRNOTAVAIL when the source is none
 * of this node's.
 */
int hc_icmp_send(int fd, const struct hc_probe *p, const void *data, size_t len);

/*
 * The same by *fd, a raw IPv6 socket that only sends and is opened at its first use (-1
 * before it). It is bound to the check's device each time: for ICMPv6 an index in a message is
 * no more than a wish when there is a source, too (ip6_route_output_flags() in the kernel).
 */
int hc_icmp_send_bound(int *fd, const struct hc_probe *p, const void *data, size_t len);

/*
 * A raw socket gets a copy of each reply to this host. This one gets only those with this
 * id, not other programs' and not those of the other threads. Returns 0 or -errno.
 */
int hc_icmp_filter(int fd, bool v6, uint16_t id);

/* Asks for the time of each message. Returns 0 or -errno. */
int hc_icmp_stamps(int fd);

/*
 * The time that the kernel gave a message, on the monotonic clock; 0: none. ahead: of the
 * wall clock to the monotonic one, as hc_icmp_clocks() has just found it.
 */
int64_t hc_icmp_clocks(void);
uint64_t hc_icmp_stamp(struct msghdr *m, int64_t ahead);

#endif
