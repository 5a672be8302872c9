// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Watches the rings of a running agent, or of none, through the pinned maps (ring_walk.h):
 *
 *	ringwatch DIR          the directory of one layout's maps
 *
 * Commands are lines on standard input; each is answered with a line.
 *
 *	want ADDR tcp|udp PORT SIZE SET[|SET...] [fixed] [empty] [absent]
 *		watch that service. SET: "ADDR[/WEIGHT],...", or "-" for no backend. Its ring must
 *		always be one of these sets'; fixed: moreover never switched; empty: or there
 *		may be no ring; absent: or no service. Answer: "ok"
 *	check ADDR tcp|udp PORT SIZE SET
 *		is this what it has, now? Answer: "same", or what there is instead
 *	watch	walk all services again and again from now on. Answer: "ok"
 *	?	Answer: {"walks", "switched", "late", "wrong", "first", "seen": [[walks by set]...]}
 *
 * A walk that found something wrong and took longer than LATE_NS may have been overtaken by a
 * grace period, in which a place was used again; it is counted as late, not as wrong.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring_walk.h"
#include "util.h"

#define LATE_NS	     300000ull
#define SERVICES_MAX 256u
#define LINE_MAX_LEN 65536

struct service {
	char name[96];
	struct addr vip;
	uint8_t protocol;
	uint16_t port;
	struct ring_want want;
	bool fixed, empty, absent;
	uint64_t word; /* fixed: as first seen */
	uint64_t seen[RING_WANT_MAX];
};

struct watch {
	struct ring_walk walk;
	struct service *services;
	size_t n;
	bool on;
	uint64_t walks, switched, late, wrong;
	char first[256];
};

/* ---- parsing ---- */

static int parse_set(char *text, struct ring_set *ret)
{
	char *save = NULL;
	size_t n = 1;

	*ret = (struct ring_set){};
	if (strcmp(text, "-") == 0)
		return 0;
	for (const char *p = text; *p; p++)
		n += *p == ',';
	ret->b = calloc(n, sizeof(*ret->b));
	if (!ret->b)
		return -ENOMEM;
	for (char *one = strtok_r(text, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		struct maglev_backend *b = &ret->b[ret->n++];
		char *weight = strrchr(one, '/');

		b->weight = 1;
		if (weight) {
			*weight = '\0';
			b->weight = (uint32_t)strtoul(weight + 1, NULL, 10);
		}
		if (addr_parse(one, &b->addr) < 0)
			return -EINVAL;
	}
	return 0;
}

static int parse_sets(char *text, uint32_t size, struct ring_want *ret)
{
	struct ring_set sets[RING_WANT_MAX] = {};
	char *save = NULL;
	size_t n = 0;
	int r = 0;

	for (char *one = strtok_r(text, "|", &save); one && r == 0;
	     one = strtok_r(NULL, "|", &save))
		r = n < RING_WANT_MAX ? parse_set(one, &sets[n++]) : -E2BIG;
	if (r == 0)
		r = ring_want_init(ret, size, sets, n);
	for (size_t i = 0; i < n; i++)
		free(sets[i].b);
	return r;
}

/* "ADDR tcp|udp PORT SIZE SETS FLAGS" */
static int parse_service(char *text, struct service *ret)
{
	const char *word[4];
	char *save = NULL, *sets;
	const char *flag;

	*ret = (struct service){};
	for (size_t i = 0; i < ARRAY_SIZE(word); i++) {
		word[i] = strtok_r(i ? NULL : text, " ", &save);
		if (!word[i])
			return -EINVAL;
	}
	sets = strtok_r(NULL, " ", &save);
	if (!sets || addr_parse(word[0], &ret->vip) < 0)
		return -EINVAL;
	ret->protocol = strcmp(word[1], "udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP;
	ret->port = (uint16_t)strtoul(word[2], NULL, 10);
	snprintf(ret->name, sizeof(ret->name), "%s %s/%s", word[0], word[1], word[2]);
	while ((flag = strtok_r(NULL, " ", &save))) {
		ret->fixed |= strcmp(flag, "fixed") == 0;
		ret->empty |= strcmp(flag, "empty") == 0;
		ret->absent |= strcmp(flag, "absent") == 0;
	}
	return parse_sets(sets, (uint32_t)strtoul(word[3], NULL, 10), &ret->want);
}

/* ---- watching ---- */

static void count_wrong(struct watch *w, const struct service *s, const char *what,
			const struct ring_seen *seen, uint64_t ns)
{
	if (ns > LATE_NS) {
		w->late++;
		return;
	}
	if (!w->wrong++)
		snprintf(w->first, sizeof(w->first), "%s: %s, slot %u, backend number %u", s->name,
			 what, seen->slot, seen->number);
}

static void watch_one(struct watch *w, struct service *s)
{
	uint64_t start = util_now_ns(), ns;
	uint32_t number = ring_walk_find(&w->walk, &s->vip, s->protocol, s->port);
	struct ring_seen seen = {};
	enum ring_walk_result result = RING_WALK_EMPTY;

	w->walks++;
	if (number)
		result = ring_walk_match(&w->walk, number, &s->want, &seen);
	ns = util_now_ns() - start;
	if (result == RING_WALK_CHANGED)
		w->switched++;
	if (!number && !s->absent)
		count_wrong(w, s, "there is no such service", &seen, ns);
	else if (number && s->fixed && s->word && s->word != seen.word)
		count_wrong(w, s, "switched without need", &seen, 0);
	else if (result == RING_WALK_SAME)
		s->seen[seen.set]++;
	else if (result != RING_WALK_CHANGED &&
		 !(result == RING_WALK_EMPTY && (s->empty || s->absent)))
		count_wrong(w, s, ring_walk_str(result), &seen, ns);
	if (result == RING_WALK_SAME && !s->word)
		s->word = seen.word;
}

static void report(const struct watch *w)
{
	printf("{\"walks\": %llu, \"switched\": %llu, \"late\": %llu, \"wrong\": %llu, \"first\": "
	       "\"%s\", \"seen\": [",
	       (unsigned long long)w->walks, (unsigned long long)w->switched,
	       (unsigned long long)w->late, (unsigned long long)w->wrong, w->first);
	for (size_t i = 0; i < w->n; i++) {
		printf("%s[", i ? ", " : "");
		for (size_t k = 0; k < w->services[i].want.n; k++)
			printf("%s%llu", k ? ", " : "", (unsigned long long)w->services[i].seen[k]);
		printf("]");
	}
	printf("]}\n");
}

/* ---- commands ---- */

static void check(struct watch *w, char *text)
{
	struct ring_seen seen = {};
	struct service s;
	uint32_t number;

	if (parse_service(text, &s) < 0) {
		printf("cannot be understood\n");
	} else {
		enum ring_walk_result result = RING_WALK_EMPTY;

		number = ring_walk_find(&w->walk, &s.vip, s.protocol, s.port);
		if (number)
			result = ring_walk_match(&w->walk, number, &s.want, &seen);
		if (result == RING_WALK_SAME ||
		    (number && result == RING_WALK_EMPTY && !s.want.ring[0]))
			printf("same\n");
		else
			printf("%s, slot %u, backend number %u\n",
			       number ? ring_walk_str(result) : "no such service", seen.slot,
			       seen.number);
	}
	ring_want_done(&s.want);
}

static void want(struct watch *w, char *text)
{
	struct service *s = &w->services[w->n];

	if (w->n < SERVICES_MAX && parse_service(text, s) == 0) {
		w->n++;
		printf("ok\n");
		return;
	}
	if (w->n < SERVICES_MAX)
		ring_want_done(&s->want);
	printf("cannot be understood\n");
}

static void command(struct watch *w, char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "want ", 5) == 0) {
		want(w, line + 5);
	} else if (strncmp(line, "check ", 6) == 0) {
		check(w, line + 6);
	} else if (strcmp(line, "watch") == 0) {
		w->on = true;
		printf("ok\n");
	} else {
		report(w);
	}
	fflush(stdout);
}

static int run(struct watch *w)
{
	static char line[LINE_MAX_LEN];
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	/* A line at a time, so that poll() knows of all that is left. */
	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		int r = poll(&in, 1, w->on ? 0 : -1);

		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0) {
			if (!fgets(line, sizeof(line), stdin))
				return 0;
			command(w, line);
		}
		for (size_t i = 0; w->on && i < w->n; i++)
			watch_one(w, &w->services[i]);
	}
}

int main(int argc, char **argv)
{
	struct watch w = {};
	int r = -ENOMEM;

	if (argc != 2) {
		fprintf(stderr, "usage: ringwatch DIR\n");
		return 2;
	}
	w.services = calloc(SERVICES_MAX, sizeof(*w.services));
	if (w.services)
		r = ring_walk_open(&w.walk, argv[1]);
	if (r == 0)
		r = run(&w);
	if (r < 0)
		fprintf(stderr, "ringwatch: %s: %s\n", argv[1], strerror(-r));
	for (size_t i = 0; i < w.n; i++)
		ring_want_done(&w.services[i].want);
	ring_walk_done(&w.walk);
	free(w.services);
	return r < 0 ? 1 : 0;
}
