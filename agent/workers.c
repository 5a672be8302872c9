// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One round of work is a number of jobs, of which each thread takes the next that nobody has.
 * A round is begun by its serial number under the lock, and has ended when every thread
 * that took part has said so; then its pointers are of no meaning any more.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "util.h"
#include "workers.h"

struct worker {
	struct workers *all;
	pthread_t thread;
	unsigned int who;
};

struct workers {
	pthread_mutex_t lock;
	pthread_cond_t begin, end;
	unsigned int count, started; /* the caller is not started */
	unsigned int busy;	     /* threads that have not ended this round */
	uint64_t round;
	bool ending;
	void (*job)(void *user, size_t i, unsigned int who);
	void *user;
	size_t n, next;
	struct worker threads[WORKERS_MAX];
};

static void work(struct workers *w, unsigned int who)
{
	size_t i;

	while ((i = __atomic_fetch_add(&w->next, 1, __ATOMIC_RELAXED)) < w->n)
		w->job(w->user, i, who);
}

static void *run(void *arg)
{
	struct worker *me = arg;
	struct workers *w = me->all;
	uint64_t round = 0;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (w->round == round && !w->ending)
			pthread_cond_wait(&w->begin, &w->lock);
		if (w->ending)
			break;
		round = w->round;
		pthread_mutex_unlock(&w->lock);
		work(w, me->who);
		pthread_mutex_lock(&w->lock);
		if (--w->busy == 0)
			pthread_cond_signal(&w->end);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static unsigned int cpus(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n > 0 ? (unsigned int)n : 1;
}

int workers_new(unsigned int n, struct workers **ret)
{
	struct workers *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->count = MIN2(n ? n : cpus(), WORKERS_MAX);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->begin, NULL);
	pthread_cond_init(&w->end, NULL);
	*ret = w;
	return 0;
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	pthread_cond_broadcast(&w->begin);
	pthread_mutex_unlock(&w->lock);
	for (unsigned int i = 0; i < w->started; i++)
		pthread_join(w->threads[i].thread, NULL);
	pthread_cond_destroy(&w->begin);
	pthread_cond_destroy(&w->end);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

unsigned int workers_count(const struct workers *w)
{
	return w->count;
}

/* Signals are for the loop of the process. A thread too few is slower, no more. */
static void start(struct workers *w)
{
	sigset_t all, before;
	int r = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (w->started + 1 < w->count && r == 0) {
		struct worker *me = &w->threads[w->started];

		*me = (struct worker){.all = w, .who = w->started + 1};
		r = pthread_create(&me->thread, NULL, run, me);
		w->started += r == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r) {
		log_warning("fewer threads than CPUs", "threads=%u error=\"%s\"", w->started + 1,
			    strerror(r));
		w->count = w->started + 1;
	}
}

void workers_run(struct workers *w, size_t n, void (*job)(void *user, size_t i, unsigned int who),
		 void *user)
{
	bool alone = n < 2;

	if (!alone && w->started + 1 < w->count)
		start(w);
	pthread_mutex_lock(&w->lock);
	w->job = job;
	w->user = user;
	w->n = n;
	w->next = 0;
	if (!alone && w->started) {
		w->busy = w->started;
		w->round++;
		pthread_cond_broadcast(&w->begin);
	}
	pthread_mutex_unlock(&w->lock);
	work(w, 0);
	pthread_mutex_lock(&w->lock);
	while (w->busy)
		pthread_cond_wait(&w->end, &w->lock);
	pthread_mutex_unlock(&w->lock);
}
