// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The event loop: order of timers, watches that vanish during their batch, and
 * signals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "loop.h"
#include "util.h"

#define MS 1000000ull

struct fx {
	struct loop *l;
	struct fx_timer {
		struct loop_timer t;
		struct fx *fx;
		int id;
	} timers[500];
	int fired[500], n_fired;
	struct fx_io {
		struct loop_io io;
		struct fx *fx;
		int id;
	} ios[3];
	int seen[3];
	int signo;
};

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	assert_int_equal(loop_new(&fx->l), 0);
	for (int i = 0; i < 500; i++) {
		fx->timers[i].fx = fx;
		fx->timers[i].id = i;
	}
	for (int i = 0; i < 3; i++) {
		fx->ios[i].io = LOOP_IO_INIT;
		fx->ios[i].fx = fx;
		fx->ios[i].id = i;
	}
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	loop_free(fx->l);
	free(fx);
	return 0;
}

static void on_timer(struct loop_timer *t)
{
	struct fx_timer *ft = container_of(t, struct fx_timer, t);

	assert_int_equal(t->pos, 0);
	ft->fx->fired[ft->fx->n_fired++] = ft->id;
}

static void test_timers_in_order(void **state)
{
	struct fx *fx = *state;
	uint64_t now = util_now_ns();
	uint64_t last = 0;

	srand(7);
	for (int i = 0; i < 500; i++)
		assert_int_equal(loop_timer_at(fx->l, &fx->timers[i].t,
					       now - 1000 * MS + (uint64_t)(rand() % 1000) * 1000,
					       on_timer),
				 0);
	/* Some move, some go. */
	for (int i = 0; i < 500; i += 7)
		loop_timer_at(fx->l, &fx->timers[i].t, now - 2000 * MS + (uint64_t)i, on_timer);
	for (int i = 3; i < 500; i += 7)
		loop_timer_del(fx->l, &fx->timers[i].t);
	loop_timer_del(fx->l, &fx->timers[3].t);
	assert_int_equal(loop_once(fx->l, 0), 0);
	assert_int_equal(fx->n_fired, 500 - 71);
	for (int i = 0; i < fx->n_fired; i++) {
		assert_true(fx->timers[fx->fired[i]].t.at_ns >= last);
		last = fx->timers[fx->fired[i]].t.at_ns;
		assert_int_not_equal(fx->fired[i] % 7, 3);
	}
	assert_int_equal(fx->fired[0], 0);
}

static void test_timer_waits(void **state)
{
	struct fx *fx = *state;
	uint64_t start = util_now_ns();

	loop_timer_in(fx->l, &fx->timers[0].t, 20, on_timer);
	assert_int_equal(loop_once(fx->l, 0), 0);
	assert_int_equal(fx->n_fired, 0);
	while (!fx->n_fired)
		assert_int_equal(loop_once(fx->l, -1), 0);
	assert_true(util_now_ns() - start >= 20 * MS);
}

static void on_again(struct loop_timer *t)
{
	struct fx_timer *ft = container_of(t, struct fx_timer, t);

	ft->fx->n_fired++;
	loop_timer_in(ft->fx->l, t, 0, on_again);
}

/* A timer that arms itself for "now" does not keep the round going. */
static void test_timer_cannot_starve(void **state)
{
	struct fx *fx = *state;

	loop_timer_in(fx->l, &fx->timers[0].t, 0, on_again);
	for (int i = 1; i <= 5; i++) {
		assert_int_equal(loop_once(fx->l, 100), 0);
		assert_int_equal(fx->n_fired, i);
	}
}

static void on_delete_others(struct loop_io *io, uint32_t events)
{
	struct fx_io *fi = container_of(io, struct fx_io, io);

	assert_true(events & EPOLLIN);
	fi->fx->seen[fi->id]++;
	for (int i = 0; i < 3; i++)
		loop_io_del(fi->fx->l, &fi->fx->ios[i].io);
}

static void test_watch_deleted_in_batch(void **state)
{
	struct fx *fx = *state;
	int fds[3];

	for (int i = 0; i < 3; i++) {
		fds[i] = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_int_equal(
			loop_io_add(fx->l, &fx->ios[i].io, fds[i], EPOLLIN, on_delete_others), 0);
	}
	assert_int_equal(loop_once(fx->l, 0), 0);
	assert_int_equal(fx->seen[0] + fx->seen[1] + fx->seen[2], 1);
	loop_io_del(fx->l, &fx->ios[0].io);
	assert_int_equal(loop_once(fx->l, 0), 0);
	assert_int_equal(fx->seen[0] + fx->seen[1] + fx->seen[2], 1);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void on_seen(struct loop_io *io, uint32_t events _unused_)
{
	struct fx_io *fi = container_of(io, struct fx_io, io);

	fi->fx->seen[fi->id]++;
}

static void test_watch_mod(void **state)
{
	struct fx *fx = *state;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_int_equal(loop_io_add(fx->l, &fx->ios[0].io, fd, EPOLLIN, on_seen), 0);
	loop_once(fx->l, 0);
	assert_int_equal(fx->seen[0], 0);
	assert_int_equal(loop_io_mod(fx->l, &fx->ios[0].io, EPOLLOUT), 0);
	loop_once(fx->l, 0);
	assert_int_equal(fx->seen[0], 1);
	loop_io_del(fx->l, &fx->ios[0].io);
	close(fd);
	assert_true(loop_io_add(fx->l, &fx->ios[1].io, fd, EPOLLIN, on_seen) == -EBADF);
	assert_int_equal(fx->ios[1].io.fd, -1);
}

static void on_signal(struct loop *l, int signo)
{
	((struct fx *)loop_user(l))->signo = signo;
	loop_stop(l, 7);
}

static void test_signal_and_status(void **state)
{
	struct fx *fx = *state;
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	loop_set_user(fx->l, fx);
	assert_int_equal(loop_signals(fx->l, &mask, on_signal), 0);
	raise(SIGUSR1);
	assert_int_equal(loop_run(fx->l), 7);
	assert_int_equal(fx->signo, SIGUSR1);
}

static void on_pace(struct loop_io *io, uint32_t events _unused_)
{
	container_of(io, struct fx_io, io)->fx->seen[0]++;
}

/* While there is much to do it is done in ticks; timers do not wait for them. */
static void test_pace(void **state)
{
	struct fx *fx = *state;
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t before;

	loop_pace(fx->l, 20000, 1);
	/* Level-triggered and never read: always something to do. */
	assert_int_equal(loop_io_add(fx->l, &fx->ios[0].io, fd, EPOLLIN, on_pace), 0);
	before = util_now_ns();
	while (util_now_ns() - before < 25 * MS)
		assert_int_equal(loop_once(fx->l, 100), 0);
	/* The measure has been taken. */
	assert_int_equal(loop_once(fx->l, 100), 0);
	for (int i = 0; i < 3; i++) {
		before = loop_now_ns(fx->l);
		assert_int_equal(loop_once(fx->l, 100), 0);
		assert_true(loop_now_ns(fx->l) - before >= 20 * MS);
	}
	before = loop_now_ns(fx->l);
	assert_int_equal(loop_timer_at(fx->l, &fx->timers[0].t, before + 5 * MS, on_timer), 0);
	assert_int_equal(loop_once(fx->l, 100), 0);
	assert_int_equal(fx->n_fired, 1);
	assert_true(loop_now_ns(fx->l) - before >= 5 * MS);
	/* Nothing to do any more: then it waits for the next event, not for a tick. */
	loop_io_del(fx->l, &fx->ios[0].io);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_timers_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer_cannot_starve, setup, teardown),
		cmocka_unit_test_setup_teardown(test_watch_deleted_in_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_watch_mod, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signal_and_status, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
