/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the timing wrapper (wrap.bpf.c) and the benchmark that drives it both know. */
#ifndef NLB_BENCH_SHARED_H
#define NLB_BENCH_SHARED_H

#include <linux/types.h>

/*
 * Length of every frame. All of it is written before each packet, so it is the
 * longest packet of all cases; shorter ones are padded behind their IP length.
 */
#define BENCH_FRAME	80

#define BENCH_BATCH	1024 /* packets between two looks at the clock */
#define BENCH_STAMPS	64   /* looks at the clock that one run can hold */

#define BENCH_FLOWS_MAX 2000000 /* of all cases together */

/* Where a flow differs from the case's first packet. */
enum bench_kind {
	BENCH_SAME, /* nowhere: one flow */
	BENCH_IP4,  /* addresses, IP checksum, source port */
	BENCH_IP6,  /* last 32 bits of the source, source port */
};

struct bench_flow {
	__be32 src;
	__be32 dst; /* IPv4 only */
	__be16 sport;
	__sum16 check; /* IPv4 only */
	__u32 zero;
};

/* Written by the driver before a run; iterations, next and stamps by the wrapper. */
struct bench_run {
	__u64 iterations;
	__u64 failed; /* packets that could not be restored or handed over */
	__u64 kind;   /* enum bench_kind */
	__u32 base;   /* where the flows of the case begin in bench_flows */
	__u32 flows;
	__u32 next; /* flow, from base on */
	__u32 zero;
	__u64 head[BENCH_FRAME / 8];
	__u64 stamps[BENCH_STAMPS]; /* ns, before packet n * BENCH_BATCH */
};

#endif
