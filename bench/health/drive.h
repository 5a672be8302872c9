/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parent's side of a health child under measurement: see drive.c. */
#ifndef NLB_BENCH_HEALTH_DRIVE_H
#define NLB_BENCH_HEALTH_DRIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hc_check.h"
#include "ipc.h"
#include "loop.h"
#include "msg.h"
#include "world.h"

struct drive_options {
	uint32_t n;
	const char *mix; /* a letter a condition, over and over: TCP, HTTP, HTTPS (s), ICMP */
	uint16_t port;	 /* the first of the responder's */
	uint32_t interval_ms, timeout_ms;
	uint16_t rise, fall;
	uint32_t doomed; /* one of so many is to die; 0: none */
	uint32_t cpu;	 /* of the child */
	bool batch;	 /* all are due at once */
	bool idle;	 /* none is due soon: what the conditions cost by themselves */
};

/* What is known of one condition; its id is its place in the array plus one. */
struct drive_cond {
	uint8_t type;  /* enum msg_hc_type */
	uint8_t fate;  /* enum world_fate */
	uint8_t state; /* enum msg_hc_state, as reported last */
	bool reported;
	uint64_t verdict_ns; /* of the first report since the death that it is down; 0: none */
};

/* The child's lateness: the worst that it told since the last mark. */
struct drive_late {
	uint32_t p50_us, p99_us, max_us;
};

struct drive {
	struct drive_options opt;
	struct loop *loop;
	struct ipc *ch;
	struct loop_io input;
	pid_t pid;
	struct drive_cond *conds;
	uint64_t begun_ns; /* before the first frame was sent */
	uint64_t death_ns; /* 0: nobody has died */
	uint32_t reported;
	uint32_t states[MSG_HC_DOWN + 1];
	uint64_t reasons[MSG_HC_REASONS]; /* of all results so far */
	uint64_t false_failures;	  /* of them, of backends that live */
	struct msg_hc_stats stats;	  /* the last ones */
	struct drive_late late;
};

/* The conditions: their frames, sent; a batch of results. */
int drive_conds_send(struct drive *d);
void drive_conds_results(struct drive *d, const struct msg_hc_result *res, size_t n);

void drive_report_stats(struct drive *d, const struct msg_hc_stats *stats);

/* One line of JSON each. _end() waits for the child; -EIO when it did not end well. */
void drive_report_mark(struct drive *d, const char *event);
void drive_report_verdicts(const struct drive *d);
int drive_report_end(const struct drive *d);

#endif
