/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kinds of the bare prober share: see bare.c. */
#ifndef NLB_BENCH_HEALTH_BARE_H
#define NLB_BENCH_HEALTH_BARE_H

#include <stdint.h>

#include "util.h"
#include "world.h"

#define BARE_WAIT_NS 10000000000ull /* for an answer; none comes later on one machine */

struct bare {
	uint32_t n; /* probes to be made */
	uint32_t window;
	uint32_t rate; /* a second; 0: as fast as it goes */
	uint32_t tick_ms;
	uint16_t port;
	uint32_t started, ended, ok;
};

struct bare_kind {
	void (*open)(struct bare *b);
	/* Starts so many probes. */
	void (*start)(struct bare *b, uint32_t n);
	/* Takes the answers there are; waits at most so long for the first. */
	void (*take)(struct bare *b, uint64_t wait_ns);
};

extern const struct bare_kind bare_icmp;

/* HTTP in other ways than the plain one, to compare. */
extern const struct bare_kind bare_recycled, bare_uring;

extern const char bare_request[];
extern const size_t bare_request_len;

static inline struct timespec bare_timespec(uint64_t ns)
{
	return (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

struct epoll_event;
typedef void bare_event_fn(struct bare *b, const struct epoll_event *ev);

/* What a kind with an epoll set does for take(). */
void bare_take(struct bare *b, int epfd, uint64_t wait_ns, bare_event_fn *on_event);

void bare_fail(const char *what) __attribute__((noreturn));

#endif
