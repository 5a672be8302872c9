/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A few threads that do a list of equal, independent jobs, so that rings are computed on
 * all CPUs. The caller works too, and returns when the last job is done: nothing runs
 * between two calls.
 */
#ifndef NLB_AGENT_WORKERS_H
#define NLB_AGENT_WORKERS_H

#include <stddef.h>

#define WORKERS_MAX 32u

struct workers;

/*
 * n threads in all, the caller's among them; 0: as many as CPUs that this process may use.
 * They are started by the first call that has work for them, with all signals blocked.
 * 0 or -ENOMEM.
 */
int workers_new(unsigned int n, struct workers **ret);
void workers_free(struct workers *w); /* NULL is legal */

/* How many there are; `who` below is less than this. */
unsigned int workers_count(const struct workers *w);

/*
 * Calls job(user, i, who) once for each i in [0, n), in no order, from several threads at
 * once; who tells them apart. With one job, or if no thread can be started, all by the
 * caller.
 */
void workers_run(struct workers *w, size_t n, void (*job)(void *user, size_t i, unsigned int who),
		 void *user);

#endif
