// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each job once, whatever the number of threads and jobs; several at a time; no signal
 * in a thread of ours.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "util.h"
#include "workers.h"

#define JOBS 5000u

struct work {
	unsigned int count; /* threads */
	uint8_t done[JOBS];
	pthread_mutex_t lock;
	pthread_cond_t met;
	unsigned int inside;
	bool signals; /* some thread but the first may get one */
};

static void once(void *user, size_t i, unsigned int who)
{
	struct work *w = user;

	assert_true(who < w->count);
	__atomic_add_fetch(&w->done[i], 1, __ATOMIC_RELAXED);
}

static void test_each_once(void **state _unused_)
{
	static const unsigned int counts[] = {0, 1, 2, 5, WORKERS_MAX, WORKERS_MAX + 1};
	static const size_t jobs[] = {0, 1, 2, 3, JOBS, 1, JOBS, 0, 7};

	for (size_t c = 0; c < ARRAY_SIZE(counts); c++) {
		struct workers *w;
		struct work work = {};

		assert_int_equal(workers_new(counts[c], &w), 0);
		work.count = workers_count(w);
		assert_in_range(work.count, 1, WORKERS_MAX);
		for (int round = 0; round < 20; round++) {
			for (size_t j = 0; j < ARRAY_SIZE(jobs); j++) {
				memset(work.done, 0, sizeof(work.done));
				workers_run(w, jobs[j], once, &work);
				for (size_t i = 0; i < JOBS; i++)
					assert_int_equal(work.done[i], i < jobs[j]);
			}
		}
		workers_free(w);
	}
	workers_free(NULL);
}

/* Ends only when as many are inside as there are threads. */
static void meet(void *user, size_t i _unused_, unsigned int who)
{
	struct work *w = user;
	sigset_t set;

	pthread_sigmask(SIG_BLOCK, NULL, &set);
	pthread_mutex_lock(&w->lock);
	w->signals |= who && !sigismember(&set, SIGTERM);
	if (++w->inside == w->count)
		pthread_cond_broadcast(&w->met);
	while (w->inside < w->count)
		pthread_cond_wait(&w->met, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

static void test_together(void **state _unused_)
{
	struct work work = {.lock = PTHREAD_MUTEX_INITIALIZER, .met = PTHREAD_COND_INITIALIZER};
	struct workers *w;

	assert_int_equal(workers_new(4, &w), 0);
	work.count = 4;
	for (int round = 0; round < 50; round++) {
		work.inside = 0;
		workers_run(w, 4, meet, &work);
		assert_int_equal(work.inside, 4);
	}
	assert_false(work.signals);
	workers_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_once),
		cmocka_unit_test(test_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
