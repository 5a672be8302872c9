/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TCP connection that the kinds above ICMP begin with, and what an errno
 * means for a verdict.
 */
#ifndef NLB_AGENT_HC_SOCK_H
#define NLB_AGENT_HC_SOCK_H

#include "hc_check.h"
#include "hc_kind.h"
#include "loop.h"

/*
 * Opens a non-blocking socket that closes with a RST, and starts to connect it
 * to where the probe goes. Returns 0 with *ret_fd, whether or not it is connected
 * yet, or -errno from this node's own stack.
 */
int hc_sock_connect(const struct hc_probe *p, int *ret_fd);

/* 0 once connected, -EINPROGRESS while under way, or -errno from the network. */
int hc_sock_connected(int fd);

/*
 * The reason for an errno (> 0). `sync`: it came from socket(), connect() or
 * sendto() itself, where EACCES and the like are our own firewall's; else it
 * came in from the network.
 */
enum msg_hc_reason hc_sock_reason(int err, bool sync);

/* hc_done() with that reason and, where it has one, its detail. */
void hc_sock_failed(struct hc_probe *p, int err, bool sync);

#endif
