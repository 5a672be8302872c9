// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Timing; see measure.h. A run is one BPF_PROG_TEST_RUN of the wrapper
 * (wrap.bpf.c), which looks at the clock every BENCH_BATCH packets. The time of
 * the system call itself means nothing: it waits for RCU grace periods.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "floor.skel.h"
#include "measure.h"
#include "stages.skel.h"
#include "util.h"
#include "wrap.skel.h"

/* Untimed batches first: tables and predictors are then as in steady traffic. */
#define WARM_ONE  1
#define WARM_MANY 16

_Static_assert(WARM_MANY + MEASURE_BATCHES < BENCH_STAMPS, "a place for each look at the clock");

static struct wrap *wrap;
static struct floor_bpf *floors;
static struct stages *stages;
static struct bench_flow *flows;
static uint32_t next[64]; /* by case: where the next run goes on */

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(2);
}

void measure_init(void)
{
	wrap = wrap__open_and_load();
	check(wrap ? 0 : -1, "load the wrapper");
	floors = floor_bpf__open_and_load();
	check(floors ? 0 : -1, "load the floor");
	flows = mmap(NULL, BENCH_FLOWS_MAX * sizeof(*flows), PROT_READ | PROT_WRITE, MAP_SHARED,
		     bpf_map__fd(wrap->maps.bench_flows), 0);
	check(flows == MAP_FAILED ? -1 : 0, "map the flows");
	check(n_cases <= ARRAY_SIZE(next) ? 0 : -1, "too many cases");
}

void measure_stages_init(void)
{
	struct bpf_map *map;

	stages = stages__open();
	check(stages ? 0 : -1, "open the stages");
	bpf_object__for_each_map(map, stages->obj)
		check(bpf_map__reuse_fd(map, world_map_fd(bpf_map__name(map))), "share maps");
	check(stages__load(stages), "load the stages");
}

struct bench_flow *measure_flows(void)
{
	return flows;
}

static int prog_fd(const struct bench_case *c, enum measure_what what)
{
	if (what == MEASURE_NULL)
		return bpf_program__fd(wrap->progs.bench_null);
	if (what == MEASURE_NLB)
		return world_prog_fd();
	switch (what) {
	case MEASURE_PARSE:
		return bpf_program__fd(stages->progs.bench_parse);
	case MEASURE_VIP:
		return bpf_program__fd(stages->progs.bench_vip);
	case MEASURE_SERVICE:
		return bpf_program__fd(stages->progs.bench_service);
	case MEASURE_SLOT:
		return bpf_program__fd(stages->progs.bench_slot);
	case MEASURE_SEND:
		return bpf_program__fd(stages->progs.bench_send);
	default:
		break;
	}
	/* The floor encapsulates whatever comes: in the family of the packet, or of the backend. */
	if (c->outer == 6 || (!c->outer && strchr(c->dst, ':')))
		return bpf_program__fd(floors->progs.bench_floor6);
	return bpf_program__fd(floors->progs.bench_floor4);
}

static void prepare(const struct bench_case *c, enum measure_what what, uint32_t flow)
{
	struct bench_run *run = &wrap->bss->bench_run;
	uint32_t zero = 0;
	int fd = prog_fd(c, what);

	check(bpf_map_update_elem(bpf_map__fd(wrap->maps.bench_progs), &zero, &fd, BPF_ANY),
	      "name the program under test");
	memset(run, 0, sizeof(*run));
	run->kind = c->kind;
	run->base = c->base;
	run->flows = c->flows;
	run->next = flow;
	memcpy(run->head, c->head, sizeof(run->head));
}

/* `out` has room for two frames, or is NULL. Returns the verdict, or -1. */
static int run_wrapper(const struct bench_case *c, int repeat, uint8_t *out, uint32_t *ret_len)
{
	struct xdp_md ctx = {.data_end = BENCH_FRAME, .ingress_ifindex = world_ifindex()};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = c->head, .data_size_in = BENCH_FRAME,
		    .data_out = out, .data_size_out = out ? 2 * BENCH_FRAME : 0, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = repeat);

	if (bpf_prog_test_run_opts(bpf_program__fd(wrap->progs.bench_wrap), &opts)) {
		fprintf(stderr, "bench: %s: test run: %s\n", c->name, strerror(errno));
		return -1;
	}
	if (ret_len)
		*ret_len = opts.data_size_out;
	return (int)opts.retval;
}

int measure_run(const struct bench_case *c, enum measure_what what, struct measure_times *t)
{
	static const char *const names[] = {"null program", "floor",  "program under test",
					    "parse",	    "VIP",    "service",
					    "slot",	    "headers"};
	int warm = c->flows > 1 ? WARM_MANY : WARM_ONE;
	/* One more packet, before which the last look at the clock is taken. */
	int packets = (warm + MEASURE_BATCHES) * BENCH_BATCH + 1;
	int want = what == MEASURE_NLB && !c->outer ? XDP_PASS : XDP_TX;
	const struct bench_run *run = &wrap->bss->bench_run;
	uint64_t counted;
	int verdict;

	if (what == MEASURE_NLB && c->change)
		world_change(c->change);
	prepare(c, what, next[c - cases]);
	counted = world_count(c->reason);
	verdict = run_wrapper(c, packets, NULL, NULL);
	counted = world_count(c->reason) - counted;
	if (verdict < 0)
		return -1;
	if (verdict != want || run->failed || run->iterations != (uint64_t)packets ||
	    (what == MEASURE_NLB && counted != (uint64_t)packets)) {
		fprintf(stderr,
			"bench: %s, %s: verdict %d, %llu of %d packets run, %llu failed, %llu "
			"counted as they should be\n",
			c->name, names[what], verdict, (unsigned long long)run->iterations, packets,
			(unsigned long long)run->failed, (unsigned long long)counted);
		return -1;
	}
	/* All three see the same flows in a round. */
	if (what == MEASURE_NLB)
		next[c - cases] = run->next;
	for (int b = warm; b < warm + MEASURE_BATCHES; b++)
		t->ns[t->n++] = (double)(run->stamps[b + 1] - run->stamps[b]) / BENCH_BATCH;
	return 0;
}

int measure_prove(const struct bench_case *c, uint32_t k)
{
	uint8_t want[BENCH_FRAME], got[2 * BENCH_FRAME];
	uint32_t len = 0;

	cases_packet(c, flows, k, want);
	/* By the null program, since what it leaves is what it was given. */
	prepare(c, MEASURE_NULL, k);
	if (run_wrapper(c, 1, got, &len) == XDP_TX && len == BENCH_FRAME &&
	    memcmp(want, got, BENCH_FRAME) == 0)
		return 0;
	fprintf(stderr, "bench: %s, flow %u: the wrapper makes another packet of it\n", c->name, k);
	return -1;
}

void measure_size(enum measure_what what, uint32_t *ret_insns, uint32_t *ret_bytes)
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info);

	/* The first case is IPv4 in IPv4. */
	check(bpf_obj_get_info_by_fd(prog_fd(&cases[0], what), &info, &len), "program's size");
	*ret_insns = info.xlated_prog_len / (uint32_t)sizeof(struct bpf_insn);
	*ret_bytes = info.jited_prog_len;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void measure_result(struct measure_times *t, struct measure_result *ret)
{
	qsort(t->ns, t->n, sizeof(*t->ns), by_value);
	ret->p10 = t->ns[t->n / 10];
	ret->median = t->ns[t->n / 2];
	ret->p90 = t->ns[t->n * 9 / 10];
}
