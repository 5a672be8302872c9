// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long a ring takes, against the least that anything that makes one can take: writing
 * the table once (memset) and hashing each address twice. For each case ROUNDS rounds,
 * all ways in turn, each round with other addresses:
 *
 *	least	the two together
 *	plain	maglev_ref_build(): the definition, one look at one slot
 *	build	maglev_build()
 *	kept	maglev_keep_build() of a set that is kept
 *
 * The median of each. What the three give is compared: a difference ends the run.
 *
 *	bench_ring [--json FILE]
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "maglev_keep.h"
#include "maglev_ref.h"
#include "util.h"

#define ROUNDS	     61u
#define BACKENDS_MAX 1000u
#define RING_MAX     65537u

enum way { LEAST, PLAIN, BUILD, KEPT, N_WAYS };

static const char *const way_name[N_WAYS] = {"least", "plain", "build", "kept"};

static const struct {
	uint32_t size, n;
} cases[] = {{13313, 10}, {13313, 100}, {65537, 10}, {65537, 100}, {65537, 1000}};

static struct maglev_backend backends[BACKENDS_MAX];
static uint32_t slots[N_WAYS][RING_MAX];
static double us[N_WAYS][ROUNDS];
static volatile uint64_t sink; /* what is computed for the time that it takes */

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int double_cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void check(int r, const char *what)
{
	if (r == 0)
		return;
	fprintf(stderr, "bench_ring: cannot %s: %s\n", what, strerror(-r));
	exit(1);
}

/* 10.ROUND.x.y */
static void make_backends(uint32_t n, uint32_t round)
{
	for (uint32_t i = 0; i < n; i++) {
		backends[i] = (struct maglev_backend){.weight = 1};
		memcpy(backends[i].addr.b, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a", 13);
		backends[i].addr.b[13] = (uint8_t)round;
		backends[i].addr.b[14] = (uint8_t)(i >> 8);
		backends[i].addr.b[15] = (uint8_t)i;
	}
}

/* Returns the hashes' sum, so that none is left out. */
static uint64_t least(uint32_t n, uint32_t size)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		sum += maglev_hash(&backends[i].addr, 1) % size;
		sum += maglev_hash(&backends[i].addr, 2) % (size - 1);
	}
	memset(slots[LEAST], (int)(sum & 0xff), size * sizeof(slots[0][0]));
	return sum;
}

static void run(enum way way, struct maglev_keep *keep, uint32_t n, uint32_t size)
{
	switch (way) {
	case LEAST:
		sink = least(n, size) + slots[LEAST][size / 2];
		break;
	case PLAIN:
		check(maglev_ref_build(backends, n, size, slots[PLAIN]), "compute a ring");
		break;
	case BUILD:
		check(maglev_build(backends, n, size, slots[BUILD]), "compute a ring");
		break;
	case KEPT:
		check(maglev_keep_build(keep, backends, n, size, slots[KEPT]), "take a ring");
		break;
	case N_WAYS:
		break;
	}
}

/* Leaves us[] sorted. */
static void measure(uint32_t n, uint32_t size)
{
	struct maglev_keep keep;

	maglev_keep_init(&keep, SIZE_MAX);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		make_backends(n, round);
		check(maglev_keep_build(&keep, backends, n, size, slots[KEPT]), "keep a ring");
		for (int way = 0; way < N_WAYS; way++) {
			double begin = now_us();

			run((enum way)way, &keep, n, size);
			us[way][round] = now_us() - begin;
		}
		for (int way = BUILD; way < N_WAYS; way++)
			if (memcmp(slots[way], slots[PLAIN], size * sizeof(slots[0][0])))
				check(-EBADMSG, "make the same ring in all ways");
	}
	if (keep.found != ROUNDS)
		check(-ENOENT, "find what is kept");
	maglev_keep_done(&keep);
	for (int way = 0; way < N_WAYS; way++)
		qsort(us[way], ROUNDS, sizeof(us[0][0]), double_cmp);
}

static void report(FILE *json, uint32_t n, uint32_t size, bool first)
{
	printf("%8u %8u", size, n);
	fprintf(json, "%s\n  {\"size\": %u, \"backends\": %u", first ? "" : ",", size, n);
	for (int way = 0; way < N_WAYS; way++) {
		double median = us[way][ROUNDS / 2];

		printf("  %8.2f (%6.1f)", median, median / us[LEAST][ROUNDS / 2]);
		fprintf(json, ", \"%s_us\": %.3f", way_name[way], median);
	}
	printf("\n");
	fprintf(json, "}");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", required_argument, NULL, 'j'}, {}};
	const char *path = "/dev/null";
	FILE *json;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o != 'j')
			return 2;
		path = optarg;
	}
	json = fopen(path, "we");
	if (!json) {
		fprintf(stderr, "bench_ring: cannot open %s: %m\n", path);
		return 1;
	}
	printf("us per ring, median of %u (times the least)\n%8s %8s", ROUNDS, "slots", "backends");
	for (int way = 0; way < N_WAYS; way++)
		printf("  %17s", way_name[way]);
	printf("\n");
	fprintf(json, "{\"rings\": [");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		measure(cases[i].n, cases[i].size);
		report(json, cases[i].n, cases[i].size, i == 0);
	}
	fprintf(json, "\n]}\n");
	if (fclose(json))
		check(-errno, "write the results");
	return 0;
}
