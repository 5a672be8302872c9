/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the benchmark's VIPs someone has a route to, as he hears it: from the kernel
 * (routes.c) or from a BGP neighbour (speaker.c). One loop for both, over what he hears and
 * standard input, where a command "N" waits until he has N of them, or for HEARD_S. Answer:
 * {"have": so many, "first_ns", "last_ns": when the first and the last that changed since the
 * command before was heard of; 0: none}. Times are of CLOCK_MONOTONIC.
 */
#ifndef BATCH_HEARD_H
#define BATCH_HEARD_H

#include <stdbool.h>
#include <stdint.h>

#define HEARD_S	  30
#define HEARD_NET 0xc6120000u /* 198.18.0.0/15, in host order */
#define HEARD_MAX 0x20000u

struct heard {
	bool has[HEARD_MAX];
	uint32_t have;
	uint64_t first_ns, last_ns;
};

/* A route to address/plen (host order) is there, or not. What is not a VIP is left alone. */
void heard_set(struct heard *h, uint32_t address, unsigned int plen, bool has);

/*
 * Until the end of input. on_readable is called when fd is; an error of its ends it. Returns 0
 * or -errno.
 */
int heard_serve(struct heard *h, int fd, int (*on_readable)(struct heard *h, void *user),
		void *user);

#endif
