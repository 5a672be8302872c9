/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What traffic.bpf.c counts, and count.c reads. */
#ifndef TRAFFIC_SHARED_H
#define TRAFFIC_SHARED_H

#include <linux/types.h>

/* A backend's number is the last byte of its address. */
#define TRAFFIC_BACKENDS 256
#define TRAFFIC_FLOWS	 65536 /* by the client's port */

struct traffic_backend {
	__u64 packets;
	__u64 bytes; /* of the inner IP packets */
};

struct traffic_odd {
	__u64 moved; /* a flow's packet that came to another backend than the one before */
	__u64 other; /* in a tunnel, but not to the VIP */
};

#endif
