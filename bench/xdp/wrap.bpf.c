// SPDX-License-Identifier: GPL-2.0
/*
 * The timing wrapper. BPF_PROG_TEST_RUN with a repeat count hands the same
 * buffer to the program again and again, as the program left it. So the
 * program given to it is this one: it takes back what the program under test
 * did to the buffer, writes the next flow's packet, and tail-calls the
 * program under test, whose return ends the iteration.
 *
 * Every BENCH_BATCH packets it reads the clock; one read costs some 30 ns, or
 * 0.03 ns a packet. What the wrapper and the kernel's loop cost is measured by
 * the same wrapper in front of a program that does nothing (bench_null).
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bench_shared.h"

#define IP4_CHECK 24
#define IP4_SRC	  26
#define IP4_DST	  30
#define IP4_SPORT 34
#define IP6_SRC	  34 /* its last 32 bits */
#define IP6_SPORT 54

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} bench_progs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BENCH_FLOWS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct bench_flow);
} bench_flows SEC(".maps");

struct bench_run bench_run;

static __always_inline int fail(void)
{
	bench_run.failed++;
	return XDP_ABORTED;
}

/* -1: no such flow. */
static __always_inline int write_flow(__u8 *data)
{
	__u32 k = bench_run.base + bench_run.next;
	const struct bench_flow *flow = bpf_map_lookup_elem(&bench_flows, &k);

	if (!flow)
		return -1;
	bench_run.next = bench_run.next + 1 < bench_run.flows ? bench_run.next + 1 : 0;
	if (bench_run.kind == BENCH_IP4) {
		__builtin_memcpy(data + IP4_CHECK, &flow->check, 2);
		*(__be32 *)(data + IP4_SRC) = flow->src;
		*(__be32 *)(data + IP4_DST) = flow->dst;
		*(__be16 *)(data + IP4_SPORT) = flow->sport;
	} else {
		*(__be32 *)(data + IP6_SRC) = flow->src;
		*(__be16 *)(data + IP6_SPORT) = flow->sport;
	}
	return 0;
}

SEC("xdp.frags")
int bench_wrap(struct xdp_md *ctx)
{
	__u64 i = bench_run.iterations;
	__u64 *words;
	long grown;

	if (i % BENCH_BATCH == 0)
		bench_run.stamps[i / BENCH_BATCH % BENCH_STAMPS] = bpf_ktime_get_ns();
	/* Called even for 0, so that a program which adjusts nothing is charged the same. */
	grown = (long)ctx->data_end - (long)ctx->data - BENCH_FRAME;
	if (bpf_xdp_adjust_head(ctx, (int)grown))
		return fail();
	words = (__u64 *)(long)ctx->data;
	if ((void *)words + BENCH_FRAME > (void *)(long)ctx->data_end)
		return fail();
#pragma unroll
	for (int w = 0; w < BENCH_FRAME / 8; w++)
		words[w] = bench_run.head[w];
	if (bench_run.kind != BENCH_SAME && write_flow((__u8 *)words))
		return fail();
	/*
	 * A full barrier: the packet is in the cache, not in the store buffer, when
	 * the program under test begins, as it is after a network card wrote it.
	 */
	__sync_fetch_and_add(&bench_run.iterations, 1);
	bpf_tail_call_static(ctx, &bench_progs, 0);
	return fail();
}

SEC("xdp.frags")
int bench_null(struct xdp_md *ctx __attribute__((unused)))
{
	return XDP_TX;
}

char _license[] SEC("license") = "GPL";
