// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzzes the loaded program against the oracle: sequences of generated packets, and
 * those of the corpus, as they are and spoilt, for FUZZ_SECONDS (60) of time. Any
 * difference is a failure; the sequence that led to it is written to a file in
 * FUZZ_OUT, which becomes part of the corpus when the fault is found (tests/xdp/test_fuzz_replay.c
 * replays that).
 *
 *	fuzz_packet			from the top of the tree
 *	fuzz_packet FILE ...		replay files instead
 *
 * NLB_SEED gives the random numbers; without it they are new in every run.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "packet_gen.h"
#include "util.h"
#include "xdp_diff.h"
#include "xdp_world.h"

#define CORPUS	   "tests/fuzz/corpus/packet"
#define CORPUS_MAX 256
#define SEQUENCE   32 /* packets */
#define SHARE	   64 /* one of so many sequences has all its counters compared */

struct sequence {
	uint8_t bytes[XDP_DIFF_SEQUENCE_MAX];
	size_t len;
};

static struct sequence *corpus[CORPUS_MAX];
static uint32_t n_corpus;

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* 0: it did not fit, which ends a sequence. */
static int append(struct sequence *s, const struct pkt *p)
{
	if (s->len + 2 + p->len > sizeof(s->bytes))
		return 0;
	s->bytes[s->len] = (uint8_t)(p->len >> 8);
	s->bytes[s->len + 1] = (uint8_t)p->len;
	memcpy(s->bytes + s->len + 2, p->data, p->len);
	s->len += 2 + p->len;
	return 1;
}

static int report(const struct sequence *s, const char *err)
{
	const char *dir = getenv("FUZZ_OUT");
	char path[256];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/fuzz-packet-XXXXXX", dir ? dir : ".");
	fd = mkstemp(path);
	fprintf(stderr, "%s\n", err);
	if (fd < 0 || write(fd, s->bytes, s->len) != (ssize_t)s->len)
		perror(path);
	else
		fprintf(stderr, "the packets that led to it: %s\n", path);
	return 1;
}

static int load(int dir, const char *path, struct sequence *ret)
{
	_cleanup_close_ int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret->bytes, sizeof(ret->bytes));

	if (n < 0) {
		perror(path);
		return -1;
	}
	ret->len = (size_t)n;
	return 0;
}

/* The corpus may be missing: then nothing is spoilt but what is generated. */
static void load_corpus(void)
{
	DIR *d = opendir(CORPUS);
	struct dirent *e;

	while (d && n_corpus < CORPUS_MAX && (e = readdir(d))) {
		struct sequence *s;

		if (e->d_name[0] == '.')
			continue;
		s = malloc(sizeof(*s));
		if (!s || load(dirfd(d), e->d_name, s)) {
			free(s);
			break;
		}
		corpus[n_corpus++] = s;
	}
	if (d)
		closedir(d);
}

static int replay(const char *path)
{
	static struct sequence s;
	char err[256];

	if (load(AT_FDCWD, path, &s))
		return 1;
	if (xdp_diff_run(s.bytes, s.len, err, sizeof(err)) != XDP_DIFF_OTHER)
		return 0;
	fprintf(stderr, "%s: %s\n", path, err);
	return 1;
}

/* Where the packets of a sequence come from: a file of the corpus, or the generator. */
struct source {
	struct rnd *r;
	struct packet_focus focus;
	const struct sequence *from; /* NULL: generated */
	size_t at;
};

/* 0: there is no more. */
static int next_packet(struct source *src, struct pkt *p)
{
	size_t n;

	if (!src->from) {
		packet_gen(src->r, &src->focus, p);
		return 1;
	}
	if (src->from->len - src->at < 2)
		return 0;
	n = (size_t)(src->from->bytes[src->at] << 8 | src->from->bytes[src->at + 1]);
	src->at += 2;
	if (n < XDP_DIFF_FRAME_MIN || n > XDP_DIFF_FRAME_MAX || n > src->from->len - src->at)
		return 0;
	*p = (struct pkt){.len = n};
	memcpy(p->data, src->from->bytes + src->at, n);
	src->at += n;
	return 1;
}

/* One sequence. The number of packets; -1: a difference. */
static int run_sequence(struct rnd *r, bool full)
{
	static struct sequence s;
	struct source src = {.r = r, .at = 1};
	struct pkt p;
	char err[256];

	if (n_corpus && !rnd_below(r, 4))
		src.from = corpus[rnd_below(r, n_corpus)];
	packet_gen_focus(r, &src.focus);
	s.bytes[0] = rnd_below(r, 4) ? 0 : (uint8_t)rnd_below(r, 8);
	s.len = 1;
	xdp_diff_reset(s.bytes[0]);
	for (int n = 0; n < SEQUENCE; n++) {
		enum xdp_diff d;

		if (!next_packet(&src, &p))
			return n;
		if (!rnd_below(r, 3))
			packet_gen_spoil(r, &p);
		if (!append(&s, &p))
			return n;
		d = xdp_diff_frame(p.data, p.len, full, err, sizeof(err));
		if (d == XDP_DIFF_LATE)
			return n;
		if (d == XDP_DIFF_OTHER) {
			report(&s, err);
			return -1;
		}
	}
	return SEQUENCE;
}

/* What came up, so that one sees what did not. Questions are not counted. */
static void print_counters(void)
{
	static const char *const names[NLB_REASON_SLOTS] = {
#define NAME(name, text, kind) [NLB_R_##name] = (text),
		NLB_REASONS(NAME)
#undef NAME
#define NAME(name, text) [NLB_EVENT_BASE + NLB_E_##name] = (text),
			NLB_EVENTS(NAME)
#undef NAME
	};
	static struct xdp_world_counts counts;

	xdp_world_counts(&counts);
	for (size_t i = 0; i < NLB_REASON_SLOTS; i++)
		if (names[i])
			printf("  %-20s %llu\n", names[i], (unsigned long long)counts.reasons[i]);
}

int main(int argc, char **argv)
{
	const char *limit = getenv("FUZZ_SECONDS"), *seed = getenv("NLB_SEED");
	struct rnd r = {seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL)};
	double from, until;
	uint64_t packets = 0;
	int failed = 0;

	if (!xdp_world_up()) {
		puts("fuzz_packet: needs root, namespaces and bpffs: skipped");
		return 0;
	}
	for (int i = 1; i < argc; i++)
		failed |= replay(argv[i]);
	if (argc > 1)
		return failed;
	load_corpus();
	printf("fuzz_packet: %u sequences in the corpus, NLB_SEED=%llu\n", n_corpus,
	       (unsigned long long)r.state);
	from = seconds();
	until = from + (limit ? strtod(limit, NULL) : 60);
	for (uint64_t i = 0; seconds() < until; i++) {
		int n = run_sequence(&r, i % SHARE == 0);

		failed = n < 0;
		if (failed)
			break;
		packets += (uint64_t)n;
	}
	while (n_corpus)
		free(corpus[--n_corpus]);
	if (failed)
		return 1;
	printf("fuzz_packet: %llu packets without a difference, %.0f a second\n",
	       (unsigned long long)packets, (double)packets / (seconds() - from));
	print_counters();
	return 0;
}
