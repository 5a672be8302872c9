/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ways by which the agent is told: files renamed into its results directory, and one
 * request to its local API. Both are prepared first, so that the clock starts at the telling.
 */
#ifndef BATCH_WAY_H
#define BATCH_WAY_H

#include "set.h"

struct place {
	int from, to; /* directories of one file system */
};

/* 0 or -errno; on an error nothing is open. */
int place_open(const char *stage_dir, const char *results_dir, struct place *p);
void place_close(struct place *p);

/* Writes the set's files into the stage, where nobody looks. 0 or -errno. */
int place_prepare(const struct place *p, const struct set *s);

/* Renames them in. 0 or -errno. */
int place_now(const struct place *p, const struct set *s);

struct post {
	char *text; /* the whole request */
	size_t len;
	int fd;
};

/*
 * Makes the request: POST /v1/backends with all backends of the set; admin is "down" for those
 * that are down, and null, the end of an override, for the others. 0 or -errno.
 */
int post_prepare(const struct set *s, struct post *p);

/* Connects and sends. 0 or -errno. */
int post_now(struct post *p, const char *socket_path);

/*
 * Looks for the answer; with wait, until it comes, or 30 s. Returns 0 when it is 200;
 * -EAGAIN: not there yet; -EREMOTEIO: another one, which is printed; -errno.
 */
int post_answer(struct post *p, bool wait);
void post_free(struct post *p);

#endif
