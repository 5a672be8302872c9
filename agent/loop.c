// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The event loop. One epoll instance; timers in a binary min-heap ordered by
 * due time, each knowing its place so that moving or removing one is
 * O(log n); signals through a signalfd that is one more watch.
 *
 * A callback may remove watches whose events wait in the same epoll batch, and
 * the memory of such a watch may be gone by then. So loop_io_del() blanks the
 * entries of the current batch that point to it.
 */
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "loop.h"
#include "util.h"

#define LOOP_BATCH 256

struct loop {
	int epfd;
	int status;
	bool stop;
	uint64_t now_ns;

	struct loop_timer **heap; /* heap[1..n_timers] */
	uint32_t n_timers;
	uint32_t cap_timers;

	struct epoll_event batch[LOOP_BATCH];
	int n_batch;

	struct {
		uint64_t tick_ns, from_ns; /* the length, and the begin, of this count of events */
		unsigned int n, busy;
		bool on;
	} pace;

	struct loop_io sig_io;
	void (*sig_cb)(struct loop *l, int signo);
	void *user;
};

int loop_new(struct loop **ret)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->sig_io.fd = -1;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0) {
		int err = -errno;

		free(l);
		return err;
	}
	l->now_ns = util_now_ns();
	*ret = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	if (l->sig_io.fd >= 0)
		close(l->sig_io.fd);
	for (uint32_t i = 1; i <= l->n_timers; i++)
		l->heap[i]->pos = 0;
	free(l->heap);
	close(l->epfd);
	free(l);
}

void loop_set_user(struct loop *l, void *user)
{
	l->user = user;
}

void *loop_user(const struct loop *l)
{
	return l->user;
}

uint64_t loop_now_ns(const struct loop *l)
{
	return l->now_ns;
}

/* ---- descriptors ---- */

int loop_io_add(struct loop *l, struct loop_io *io, int fd, uint32_t events,
		void (*cb)(struct loop_io *io, uint32_t events))
{
	struct epoll_event ev = {.events = events, .data.ptr = io};

	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	io->fd = fd;
	io->cb = cb;
	return 0;
}

int loop_io_mod(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = io};

	return epoll_ctl(l->epfd, EPOLL_CTL_MOD, io->fd, &ev) < 0 ? -errno : 0;
}

void loop_io_del(struct loop *l, struct loop_io *io)
{
	if (io->fd < 0)
		return;
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, io->fd, NULL);
	io->fd = -1;
	for (int i = 0; i < l->n_batch; i++)
		if (l->batch[i].data.ptr == io)
			l->batch[i].data.ptr = NULL;
}

/* ---- timers ---- */

static void heap_place(struct loop *l, uint32_t pos, struct loop_timer *t)
{
	l->heap[pos] = t;
	t->pos = pos;
}

static void heap_up(struct loop *l, uint32_t pos, struct loop_timer *t)
{
	while (pos > 1 && l->heap[pos / 2]->at_ns > t->at_ns) {
		heap_place(l, pos, l->heap[pos / 2]);
		pos /= 2;
	}
	heap_place(l, pos, t);
}

static void heap_down(struct loop *l, uint32_t pos, struct loop_timer *t)
{
	for (;;) {
		uint32_t child = pos * 2;

		if (child > l->n_timers)
			break;
		if (child < l->n_timers && l->heap[child + 1]->at_ns < l->heap[child]->at_ns)
			child++;
		if (l->heap[child]->at_ns >= t->at_ns)
			break;
		heap_place(l, pos, l->heap[child]);
		pos = child;
	}
	heap_place(l, pos, t);
}

void loop_timer_del(struct loop *l, struct loop_timer *t)
{
	struct loop_timer *last;
	uint32_t pos = t->pos;

	if (!pos)
		return;
	t->pos = 0;
	last = l->heap[l->n_timers--];
	if (last == t)
		return;
	if (pos > 1 && l->heap[pos / 2]->at_ns > last->at_ns)
		heap_up(l, pos, last);
	else
		heap_down(l, pos, last);
}

int loop_timer_at(struct loop *l, struct loop_timer *t, uint64_t at_ns,
		  void (*cb)(struct loop_timer *t))
{
	loop_timer_del(l, t);
	if (l->n_timers + 2 > l->cap_timers) {
		uint32_t cap = MAX2(64u, l->cap_timers * 2);
		struct loop_timer **heap = reallocarray(l->heap, cap, sizeof(*heap));

		if (!heap)
			return -ENOMEM;
		l->heap = heap;
		l->cap_timers = cap;
	}
	t->at_ns = at_ns;
	t->cb = cb;
	heap_up(l, ++l->n_timers, t);
	return 0;
}

int loop_timer_in(struct loop *l, struct loop_timer *t, uint64_t ms,
		  void (*cb)(struct loop_timer *t))
{
	return loop_timer_at(l, t, util_now_ns() + ms * 1000000ull, cb);
}

/*
 * Runs what was due when the round began. A timer that a callback arms for
 * "now" waits for the next round, so that timers cannot starve descriptors.
 */
static void loop_run_timers(struct loop *l)
{
	uint64_t now = l->now_ns;

	while (l->n_timers && l->heap[1]->at_ns <= now && !l->stop) {
		struct loop_timer *t = l->heap[1];

		loop_timer_del(l, t);
		t->cb(t);
	}
}

static int loop_timeout(const struct loop *l, int max_wait_ms)
{
	uint64_t now, wait;

	if (!l->n_timers)
		return max_wait_ms;
	now = util_now_ns();
	if (l->heap[1]->at_ns <= now)
		return 0;
	/* Rounded up: a wake-up before the time would only spin. */
	wait = (l->heap[1]->at_ns - now + 999999) / 1000000;
	wait = MIN2(wait, 3600000ull);
	if (max_wait_ms >= 0 && wait > (uint64_t)max_wait_ms)
		return max_wait_ms;
	return (int)wait;
}

/* ---- running ---- */

static void on_signal(struct loop_io *io, uint32_t events _unused_)
{
	struct loop *l = container_of(io, struct loop, sig_io);
	struct signalfd_siginfo si;

	while (io->fd >= 0 && read(io->fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		l->sig_cb(l, (int)si.ssi_signo);
}

int loop_signals(struct loop *l, const sigset_t *mask, void (*cb)(struct loop *l, int signo))
{
	int fd, r;

	if (sigprocmask(SIG_BLOCK, mask, NULL) < 0)
		return -errno;
	fd = signalfd(-1, mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = loop_io_add(l, &l->sig_io, fd, EPOLLIN, on_signal);
	if (r < 0) {
		close(fd);
		return r;
	}
	l->sig_cb = cb;
	return 0;
}

void loop_pace(struct loop *l, uint32_t tick_us, unsigned int busy)
{
	l->pace.tick_ns = tick_us * 1000ull;
	l->pace.busy = busy;
}

/* Lets events gather until a tick after the last look, or until the next timer. */
static void pace_wait(const struct loop *l)
{
	uint64_t until = l->now_ns + l->pace.tick_ns;
	struct timespec ts;

	if (!l->pace.on)
		return;
	if (l->n_timers)
		until = MIN2(until, l->heap[1]->at_ns);
	if (until <= util_now_ns())
		return;
	ts.tv_sec = (time_t)(until / 1000000000);
	ts.tv_nsec = (long)(until % 1000000000);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void pace_count(struct loop *l, unsigned int n)
{
	uint64_t passed = l->now_ns - l->pace.from_ns;

	l->pace.n += n;
	/* A full batch: there are more, and they have waited long enough. */
	if (n == LOOP_BATCH)
		l->pace.on = false;
	if (passed < l->pace.tick_ns)
		return;
	/* Twice: a count is of a little more than a tick, and it should not go to and fro. */
	l->pace.on = n < LOOP_BATCH && l->pace.tick_ns &&
		     l->pace.n * l->pace.tick_ns * 2 >= l->pace.busy * passed;
	l->pace.n = 0;
	l->pace.from_ns = l->now_ns;
}

int loop_once(struct loop *l, int max_wait_ms)
{
	int n;

	pace_wait(l);
	n = epoll_wait(l->epfd, l->batch, LOOP_BATCH, loop_timeout(l, max_wait_ms));
	if (n < 0 && errno != EINTR)
		return -errno;
	l->now_ns = util_now_ns();
	l->n_batch = MAX2(n, 0);
	pace_count(l, (unsigned int)l->n_batch);
	for (int i = 0; i < l->n_batch && !l->stop; i++) {
		struct loop_io *io = l->batch[i].data.ptr;

		if (io)
			io->cb(io, l->batch[i].events);
	}
	l->n_batch = 0;
	loop_run_timers(l);
	return 0;
}

int loop_run(struct loop *l)
{
	l->stop = false;
	while (!l->stop) {
		int r = loop_once(l, -1);

		if (r < 0)
			return r;
	}
	return l->status;
}

void loop_stop(struct loop *l, int status)
{
	l->stop = true;
	l->status = status;
}
