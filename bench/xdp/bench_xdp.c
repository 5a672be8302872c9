// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the XDP program costs per packet; bench/README.md says how it is found
 * out. Rounds over all cases; in each, for each case, the wrapper alone, the
 * floor and the program under test one after the other, so that whatever else
 * the machine does meets all of them alike. A table on standard output, the
 * same as JSON in a file.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "measure.h"
#include "util.h"
#include "world.h"

#define ROUNDS	     61
#define ROUNDS_QUICK 3

/* Net: without the wrapper and the kernel's loop, the same percentile of each. */
struct net {
	struct measure_result nlb, floor;
};

static void usage(void)
{
	fprintf(stderr, "usage: bench_xdp [--quick] [--stages] [--cpu N] [--json FILE]\n");
	exit(2);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		fprintf(stderr, "bench: CPU %d: %s\n", cpu, strerror(errno));
		exit(2);
	}
}

static int prove(void)
{
	for (const struct bench_case *c = cases; c < cases + n_cases; c++)
		if (cases_prove(c, measure_flows()) || measure_prove(c, 0) ||
		    measure_prove(c, c->flows - 1))
			return -1;
	return 0;
}

static struct measure_result minus(struct measure_result a, struct measure_result b)
{
	return (struct measure_result){a.p10 - b.p10, a.median - b.median, a.p90 - b.p90};
}

/* times[case][what] */
static int run_rounds(struct measure_times (*times)[MEASURE_KINDS], int rounds)
{
	for (int r = 0; r < rounds; r++)
		for (size_t i = 0; i < n_cases; i++)
			for (int w = 0; w < MEASURE_KINDS; w++)
				if (measure_run(&cases[i], w, &times[i][w]))
					return -1;
	return 0;
}

static void print_table(const struct net *net, double wrapper, int rounds, int cpu)
{
	uint32_t insns, bytes, floor_insns, floor_bytes;

	measure_size(MEASURE_NLB, &insns, &bytes);
	measure_size(MEASURE_FLOOR, &floor_insns, &floor_bytes);
	printf("program: %u instructions, %u bytes of machine code; floor: %u, %u\n", insns, bytes,
	       floor_insns, floor_bytes);
	printf("ns per packet, net of the wrapper (%.1f); CPU %d, %d rounds of %d x %d packets\n",
	       wrapper, cpu, rounds, MEASURE_BATCHES, BENCH_BATCH);
	printf("%-20s %8s %8s %7s %9s %8s %7s %8s\n", "case", "median", "floor", "ratio", "fast",
	       "floor", "ratio", "p90");
	for (size_t i = 0; i < n_cases; i++)
		printf("%-20s %8.1f %8.1f %6.1fx %9.1f %8.1f %6.1fx %8.1f\n", cases[i].name,
		       net[i].nlb.median, net[i].floor.median,
		       net[i].nlb.median / net[i].floor.median, net[i].nlb.p10, net[i].floor.p10,
		       net[i].nlb.p10 / net[i].floor.p10, net[i].nlb.p90);
}

static int write_json(const char *path, const struct net *net)
{
	FILE *f = fopen(path, "we");
	bool failed;

	if (!f)
		return -errno;
	fprintf(f, "{\"cases\": {\n");
	for (size_t i = 0; i < n_cases; i++)
		fprintf(f,
			"  \"%s\": {\"ns\": %.2f, \"floor_ns\": %.2f, \"p10\": %.2f, "
			"\"p90\": %.2f, \"floor_p10\": %.2f}%s\n",
			cases[i].name, net[i].nlb.median, net[i].floor.median, net[i].nlb.p10,
			net[i].nlb.p90, net[i].floor.p10, i + 1 < n_cases ? "," : "");
	fprintf(f, "}}\n");
	failed = ferror(f);
	if (fclose(f) || failed)
		return -EIO;
	return 0;
}

/* Of some cases: what each stage of the straight way adds. */
static int profile(int rounds)
{
	static const char *const cases_of[] = {"tcp4_ack_1", "tcp4_ack_100k", "tcp6_ack_1",
					       "vips_1000"};
	static const char *const names[] = {"parse, hash", "VIP",	   "service",
					    "slot",	   "hop, headers", "counters"};
	static const enum measure_what what[] = {MEASURE_NULL,	  MEASURE_PARSE, MEASURE_VIP,
						 MEASURE_SERVICE, MEASURE_SLOT,	 MEASURE_SEND,
						 MEASURE_NLB};
	size_t n = (size_t)rounds * MEASURE_BATCHES;
	_cleanup_free_ double *all = calloc(ARRAY_SIZE(what) * n, sizeof(*all));

	if (!all)
		return -ENOMEM;
	measure_stages_init();
	printf("%-16s %-14s %8s %8s %8s %8s\n", "case", "up to", "fast", "adds", "insns", "bytes");
	for (size_t c = 0; c < n_cases; c++) {
		struct measure_times times[ARRAY_SIZE(what)];
		struct measure_result before, r;
		bool wanted = false;

		for (size_t i = 0; i < ARRAY_SIZE(cases_of); i++)
			wanted |= strcmp(cases[c].name, cases_of[i]) == 0;
		if (!wanted)
			continue;
		for (size_t w = 0; w < ARRAY_SIZE(what); w++)
			times[w] = (struct measure_times){.ns = all + w * n};
		for (int k = 0; k < rounds; k++)
			for (size_t w = 0; w < ARRAY_SIZE(what); w++)
				if (measure_run(&cases[c], what[w], &times[w]))
					return -EPROTO;
		measure_result(&times[0], &before);
		for (size_t w = 1; w < ARRAY_SIZE(what); w++) {
			uint32_t insns, bytes;

			measure_size(what[w], &insns, &bytes);
			measure_result(&times[w], &r);
			printf("%-16s %-14s %8.1f %8.1f %8u %8u\n", cases[c].name, names[w - 1],
			       r.p10 - times[0].ns[times[0].n / 10], r.p10 - before.p10, insns,
			       bytes);
			before = r;
		}
	}
	return 0;
}

static int measure(int rounds, int cpu, const char *json)
{
	_cleanup_free_ struct measure_times(*times)[MEASURE_KINDS] =
		calloc(n_cases, sizeof(*times));
	size_t n = (size_t)rounds * MEASURE_BATCHES;
	_cleanup_free_ double *all = calloc(n_cases * MEASURE_KINDS * n, sizeof(*all));
	_cleanup_free_ struct net *net = calloc(n_cases, sizeof(*net));
	struct measure_result r[MEASURE_KINDS];
	double wrapper = 0;
	int err;

	if (!times || !all || !net)
		return -ENOMEM;
	for (size_t i = 0; i < n_cases; i++)
		for (size_t w = 0; w < MEASURE_KINDS; w++)
			times[i][w].ns = &all[(i * MEASURE_KINDS + w) * n];
	if (run_rounds(times, rounds))
		return -EPROTO;
	for (size_t i = 0; i < n_cases; i++) {
		for (int w = 0; w < MEASURE_KINDS; w++)
			measure_result(&times[i][w], &r[w]);
		net[i].nlb = minus(r[MEASURE_NLB], r[MEASURE_NULL]);
		net[i].floor = minus(r[MEASURE_FLOOR], r[MEASURE_NULL]);
		wrapper = i ? MIN2(wrapper, r[MEASURE_NULL].p10) : r[MEASURE_NULL].p10;
	}
	print_table(net, wrapper, rounds, cpu);
	err = json ? write_json(json, net) : 0;
	if (err)
		fprintf(stderr, "bench: %s: %s\n", json, strerror(-err));
	return err;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"quick", no_argument, NULL, 'q'},
		{"stages", no_argument, NULL, 's'},
		{"cpu", required_argument, NULL, 'c'},
		{"json", required_argument, NULL, 'j'},
		{},
	};
	int rounds = ROUNDS, cpu = sched_getcpu(), opt;
	const char *json = NULL;
	bool stages = false;
	char *end;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (opt == 'q') {
			rounds = ROUNDS_QUICK;
		} else if (opt == 's') {
			stages = true;
		} else if (opt == 'j') {
			json = optarg;
		} else if (opt == 'c') {
			cpu = (int)strtol(optarg, &end, 10);
			if (*end || end == optarg || cpu < 0 || cpu >= CPU_SETSIZE)
				usage();
		} else {
			usage();
		}
	}
	if (optind < argc)
		usage();
	if (cpu < 0)
		cpu = 0;
	if (!world_up()) {
		fprintf(stderr, "bench: needs root: network namespaces and BPF\n");
		return 77;
	}
	pin(cpu);
	measure_init();
	cases_make(measure_flows());
	if (prove())
		return 1;
	return (stages ? profile(rounds) : measure(rounds, cpu, json)) ? 1 : 0;
}
