/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Timing one case: the program under test, the floor, and the wrapper alone. */
#ifndef NLB_BENCH_MEASURE_H
#define NLB_BENCH_MEASURE_H

#include <stddef.h>

#include "cases.h"

#define MEASURE_BATCHES 8 /* timed ones, a run */

enum measure_what {
	MEASURE_NULL,
	MEASURE_FLOOR,
	MEASURE_NLB,
	MEASURE_KINDS,
	/* The program under test, cut off behind each of its stages (stages.bpf.c). */
	MEASURE_PARSE = MEASURE_KINDS,
	MEASURE_VIP,
	MEASURE_SERVICE,
	MEASURE_SLOT,
	MEASURE_SEND,
	MEASURE_ALL,
};

/* One program's times in one case: ns a packet, gross, one a batch. */
struct measure_times {
	double *ns;
	size_t n;
};

struct measure_result {
	double p10, median, p90;
};

/* Loads wrapper and floor. Ends the process with a message when that fails. */
void measure_init(void);

/* Loads the stages, onto the maps of the program under test. As measure_init(). */
void measure_stages_init(void);

/* Memory for BENCH_FLOWS_MAX flows, the wrapper's own. */
struct bench_flow *measure_flows(void);

/*
 * One run: warm up, then MEASURE_BATCHES times are added to *t, for which there
 * must be room. Returns 0, or -1 with a message on standard error when a
 * packet did not fare as the case says.
 */
int measure_run(const struct bench_case *c, enum measure_what what, struct measure_times *t);

/* The packet that the wrapper makes of flow k is the one of cases_packet(). 0 or -1. */
int measure_prove(const struct bench_case *c, uint32_t k);

/* Size of a program: BPF instructions after verification, bytes of machine code. */
void measure_size(enum measure_what what, uint32_t *ret_insns, uint32_t *ret_bytes);

/* Sorts the times. */
void measure_result(struct measure_times *t, struct measure_result *ret);

#endif
