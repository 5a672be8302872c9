/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entry points of the three processes. Each takes the forked process over and
 * returns its exit status. fd is the child's end of the channel to the parent
 * (agent/ipc.h); a child ends when its parent's end is closed.
 */
#ifndef NLB_AGENT_PROC_H
#define NLB_AGENT_PROC_H

#include "config.h"

/*
 * CAP_BPF and CAP_NET_ADMIN (and CAP_PERFMON until the program is loaded):
 * XDP attach, maps, rings. Drops every other privilege itself.
 */
int maps_main(const struct config *cfg, int fd);

/* CAP_NET_RAW: the probes. Drops every other privilege itself. */
int hc_main(const struct config *cfg, int fd);

/* No capability: everything else. The descriptors are the parent's ends. */
int parent_main(const struct config *cfg, int maps_fd, int hc_fd);

#endif
