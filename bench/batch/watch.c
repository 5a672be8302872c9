// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tells the agent of a change and watches its rings until the last one is switched: one
 * process, one clock. It looks every POLL_NS, which is how exact the times are, and sleeps in
 * between: the agent needs the CPUs.
 */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "modes.h"
#include "rings.h"
#include "util.h"
#include "way.h"

#define POLL_NS	   100000
#define DEADLINE_S 60

struct watch {
	struct rings rings;
	struct place place;
	struct set set; /* of the last change */
	const char *api_socket;
};

struct times {
	uint64_t begin, told, first, last;
};

static double ms(uint64_t from, uint64_t to)
{
	return (double)(to - from) / 1e6;
}

static void nap(void)
{
	const struct timespec ts = {.tv_nsec = POLL_NS};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

/* post: where to look for a refusal; may be NULL. */
static int until_switched(struct watch *w, struct post *post, struct times *t)
{
	size_t all = w->rings.set->n_svcs, left;

	for (;;) {
		left = rings_left(&w->rings);
		t->last = util_now_ns();
		if (left < all && !t->first)
			t->first = t->last;
		if (!left)
			return 0;
		if (t->last - t->begin > DEADLINE_S * 1000000000ull) {
			fprintf(stderr, "batch: %zu of %zu rings were not switched\n", left, all);
			return -ETIMEDOUT;
		}
		if (post && post_answer(post, false) == -EREMOTEIO)
			return -EREMOTEIO;
		nap();
	}
}

static int by_files(struct watch *w, const struct set *s, struct times *t)
{
	int r = place_prepare(&w->place, s);

	if (r < 0)
		return r;
	t->begin = util_now_ns();
	r = place_now(&w->place, s);
	t->told = util_now_ns();
	return r < 0 ? r : until_switched(w, NULL, t);
}

static int by_api(struct watch *w, const struct set *s, struct times *t)
{
	_cleanup_(post_free) struct post post = {.fd = -1};
	int r = post_prepare(s, &post);

	if (r < 0)
		return r;
	t->begin = util_now_ns();
	r = post_now(&post, w->api_socket);
	t->told = util_now_ns();
	if (r == 0)
		r = until_switched(w, &post, t);
	return r < 0 ? r : post_answer(&post, true);
}

static int change(struct watch *w, const char *way, const char *dir)
{
	struct times t = {};
	int r;

	set_free(&w->set);
	r = set_load(dir, &w->set);
	if (r == 0)
		r = rings_begin(&w->rings, &w->set);
	if (r == 0)
		r = strcmp(way, "api") == 0 ? by_api(w, &w->set, &t) : by_files(w, &w->set, &t);
	if (r == 0)
		printf("{\"ms\": %.3f, \"told_ms\": %.3f, \"first_ms\": %.3f, "
		       "\"begin_ns\": %llu}\n",
		       ms(t.begin, t.last), ms(t.begin, t.told), ms(t.begin, t.first),
		       (unsigned long long)t.begin);
	return r;
}

static int check(struct watch *w, bool slots)
{
	if (!w->set.n_svcs)
		return -EINVAL;
	if (!rings_right(&w->rings, slots)) {
		fprintf(stderr, "batch: a ring is not what the files say\n");
		return -EBADMSG;
	}
	printf("{\"right\": %zu}\n", w->set.n_svcs);
	return 0;
}

static int command(struct watch *w, const char *line)
{
	char what[8], arg[400];
	int n = sscanf(line, "%7s %399s", what, arg);

	if (n >= 1 && strcmp(what, "check") == 0)
		return check(w, n == 2);
	if (n == 2 && (strcmp(what, "files") == 0 || strcmp(what, "api") == 0))
		return change(w, what, arg);
	return -EINVAL;
}

int watch_main(const char *bpf_dir, const char *results_dir, const char *stage_dir,
	       const char *api_socket)
{
	struct watch w = {.api_socket = api_socket};
	char line[512];
	int r;

	prctl(PR_SET_TIMERSLACK, 1);
	r = place_open(stage_dir, results_dir, &w.place);
	if (r < 0)
		return r;
	r = rings_open(bpf_dir, &w.rings);
	while (r == 0 && fgets(line, sizeof(line), stdin))
		r = command(&w, line);
	rings_close(&w.rings);
	set_free(&w.set);
	place_close(&w.place);
	return r;
}
