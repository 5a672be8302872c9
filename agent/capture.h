/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parent's side of a capture: one at a time. The maps child samples and
 * sends, the samples wait here until the client takes them. A capture that
 * nobody reads for CAPTURE_IDLE_MS ends by itself.
 *
 * idle -> starting -> running -> ending -> idle. Starting and ending wait for
 * the maps child's MSG_MAPS_SAMPLE_STATE.
 */
#ifndef NLB_AGENT_CAPTURE_H
#define NLB_AGENT_CAPTURE_H

#include <stdbool.h>

#include "loop.h"
#include "msg.h"

#define CAPTURE_IDLE_MS	 10000u
#define CAPTURE_REPLY_MS 2000u
#define CAPTURE_DATA_MAX 256u

enum capture_state { CAPTURE_OFF, CAPTURE_STARTING, CAPTURE_RUNNING, CAPTURE_ENDING };

struct capture_packet {
	struct msg_sample s;
	uint8_t data[CAPTURE_DATA_MAX]; /* s.cap_len of them */
};

struct capture_ops {
	/* To who called _start(): it runs, or error says why not (-ETIMEDOUT: no answer). */
	void (*started)(void *who, int error);
	/* To who called _wait(): there are packets, or the time is up, or the capture is over. */
	void (*readable)(void *who);
	/* To who called _end(): it is over. */
	void (*ended)(void *who, uint64_t lost);
};

struct capture {
	struct loop *loop;
	const struct capture_ops *ops;
	/* A frame to the maps child. */
	void (*send)(void *user, uint16_t type, const void *data, size_t len);
	void *user;

	enum capture_state state;
	uint64_t id;	    /* of the capture; also of the request to the maps child */
	uint64_t seq;	    /* of the last request */
	int64_t to_wall_ns; /* CLOCK_REALTIME less CLOCK_MONOTONIC, when it began */
	struct loop_timer reply, idle, reading;
	void *changer; /* who waits for started or ended */
	void *reader;  /* who waits for readable */
	/* MSG_SAMPLE_WINDOW packets, as a ring; NULL: no capture. */
	struct capture_packet *packets;
	size_t first, n;
};

void capture_init(struct capture *c, struct loop *l, const struct capture_ops *ops,
		  void (*send)(void *user, uint16_t type, const void *data, size_t len),
		  void *user);
/* Calls nobody. */
void capture_done(struct capture *c);

/* Begins a capture (set->seq is filled here). 0, -EBUSY: there is one; -ENOMEM. */
int capture_start(struct capture *c, struct msg_sample_set *set, void *who);

/*
 * Waits for packets of capture `id`, at most ms. 1: there are some already, or it
 * is not to be waited; 0: readable will be called; -ENOENT: no such capture; -EBUSY:
 * somebody else waits.
 */
int capture_wait(struct capture *c, uint64_t id, unsigned int ms, void *who);

/* Takes the next packet off the queue; NULL: none. It is valid until the loop goes on. */
const struct capture_packet *capture_next(struct capture *c);

/* After the last capture_next() of a read: n were taken. */
void capture_taken(struct capture *c, size_t n);

/* Ends it. 0: ended will be called; -ENOENT: no such capture; -EBUSY: not now. */
int capture_end(struct capture *c, uint64_t id, void *who);

/* `who` waits no longer. */
void capture_forget(struct capture *c, const void *who);

/* MSG_MAPS_SAMPLE_STATE and MSG_MAPS_SAMPLE; what is malformed is left alone. */
void capture_frame(struct capture *c, uint16_t type, const void *data, size_t len);

#endif
