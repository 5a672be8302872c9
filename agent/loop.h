/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop of each of the agent's processes: epoll for descriptors, a
 * binary heap for timers, signalfd for signals. No threads. Watches and timers
 * are members of the caller's structs (container_of in the callback), so the
 * loop allocates nothing per event and a pending event is found where it
 * belongs. Any callback may add or remove any watch or timer, its own too.
 */
#ifndef NLB_AGENT_LOOP_H
#define NLB_AGENT_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;

struct loop_io {
	int fd; /* -1 when not watched */
	void (*cb)(struct loop_io *io, uint32_t events);
};

struct loop_timer {
	uint64_t at_ns; /* due, on the monotonic clock */
	uint32_t pos;	/* 1-based place in the heap; 0 when not armed */
	void (*cb)(struct loop_timer *t);
};

#define LOOP_IO_INIT ((struct loop_io){.fd = -1})

/* Returns 0 or -errno. */
int loop_new(struct loop **ret);
void loop_free(struct loop *l);

/*
 * Watches fd for EPOLL* events (level-triggered unless EPOLLET is given).
 * io must stay where it is until loop_io_del(). Returns 0 or -errno.
 */
int loop_io_add(struct loop *l, struct loop_io *io, int fd, uint32_t events,
		void (*cb)(struct loop_io *io, uint32_t events));
int loop_io_mod(struct loop *l, struct loop_io *io, uint32_t events);

/* Ends the watch; the descriptor stays open and is the caller's. Idempotent. */
void loop_io_del(struct loop *l, struct loop_io *io);

/*
 * Arms (or moves) a one-shot timer. It must be zeroed before its first use.
 * Returns 0, or -ENOMEM when the heap could not grow.
 */
int loop_timer_at(struct loop *l, struct loop_timer *t, uint64_t at_ns,
		  void (*cb)(struct loop_timer *t));
int loop_timer_in(struct loop *l, struct loop_timer *t, uint64_t ms,
		  void (*cb)(struct loop_timer *t));
void loop_timer_del(struct loop *l, struct loop_timer *t);

/* Blocks the signals in mask and hands each to cb instead. Once per loop. */
int loop_signals(struct loop *l, const sigset_t *mask, void (*cb)(struct loop *l, int signo));

/*
 * For many short connections: while tick_us brings `busy` events or more, they are
 * looked for once in tick_us instead of at once, so that one wake-up serves many.
 * An event is then late by tick_us at most; timers are on time.
 */
void loop_pace(struct loop *l, uint32_t tick_us, unsigned int busy);

/* Runs until loop_stop(); returns the status given there, or -errno. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l, int status);

/* The time at which the current round of callbacks began. */
uint64_t loop_now_ns(const struct loop *l);

/* One round: waits at most max_wait_ms (-1: until something is due). For tests. */
int loop_once(struct loop *l, int max_wait_ms);

/* The loop's user pointer: for signal callbacks, which have no member to go by. */
void loop_set_user(struct loop *l, void *user);
void *loop_user(const struct loop *l);

#endif
