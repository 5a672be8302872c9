// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The floor: the least that a prober by epoll can do. For each probe of HTTP socket, SO_LINGER 0,
 * connect, one epoll_ctl (edge-triggered, for writing and reading at once), send, recv, close;
 * for TCP the same without send and recv. No timeout, no reason, no state, no memory to speak of:
 * an answer is an answer. bare_icmp.c is the same for ICMP.
 * To compare, HTTP in two other ways: bare_recycled.c and bare_uring.c.
 *
 *	bare KIND N PORT WINDOW            all at once, at most WINDOW under way
 *	bare KIND N PORT WINDOW RATE TICK  RATE a second; TICK ms: see below
 *
 * Connects go out in batches of 64. With a rate, TICK 0 starts each probe when it is due and
 * takes each answer when it comes; else the program sleeps from tick to tick, and then takes
 * what came and starts what is due.
 *
 * Prints one line of JSON.
 */
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "bare.h"

#define BATCH  64
#define EVENTS 512

static int ep;
static bool is_http;
const char bare_request[] = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
const size_t bare_request_len = sizeof(bare_request) - 1;

void bare_fail(const char *what)
{
	fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void start(struct bare *b)
{
	static const struct linger reset = {.l_onoff = 1};
	struct sockaddr_in to = world_target(WORLD_FIRST, b->started++, b->port);
	struct epoll_event ev = {.events = EPOLLOUT | EPOLLET | (is_http ? EPOLLIN : 0)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		bare_fail("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0)
		bare_fail("SO_LINGER");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		bare_fail("connect");
	ev.data.fd = fd;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		bare_fail("epoll_ctl");
}

static void event(struct bare *b, const struct epoll_event *ev)
{
	char answer[4096];
	int fd = ev->data.fd;

	if (is_http && !(ev->events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		if (send(fd, bare_request, bare_request_len, MSG_NOSIGNAL) < 0)
			bare_fail("send");
		return;
	}
	if (is_http) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);

		b->ok += n > 12 && memcmp(answer + 9, "200", 3) == 0;
	} else {
		b->ok += !(ev->events & (EPOLLHUP | EPOLLERR));
	}
	close(fd);
	b->ended++;
}

static void tcp_open(struct bare *b _unused_)
{
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0)
		bare_fail("epoll_create1");
}

static void tcp_start(struct bare *b, uint32_t n)
{
	while (n--)
		start(b);
}

void bare_take(struct bare *b, int epfd, uint64_t wait_ns, bare_event_fn *on_event)
{
	struct epoll_event events[EVENTS];
	int n;

	do {
		struct timespec ts = bare_timespec(wait_ns);

		n = epoll_pwait2(epfd, events, EVENTS, &ts, NULL);
		if (n < 0 && errno != EINTR)
			bare_fail("epoll_pwait2");
		if (n == 0 && wait_ns == BARE_WAIT_NS)
			bare_fail("no answer");
		for (int i = 0; i < n; i++)
			on_event(b, &events[i]);
		wait_ns = 0;
	} while (n == EVENTS);
}

static void tcp_take(struct bare *b, uint64_t wait_ns)
{
	bare_take(b, ep, wait_ns, event);
}

static const struct bare_kind tcp_kind = {tcp_open, tcp_start, tcp_take};

/* How many may start now. */
static uint32_t room(const struct bare *b)
{
	return MIN2(b->n - b->started, b->window - (b->started - b->ended));
}

static void all_at_once(struct bare *b, const struct bare_kind *kind)
{
	while (b->ended < b->n) {
		uint32_t n = MIN2(room(b), (uint32_t)BATCH);

		kind->start(b, n);
		kind->take(b, n ? 0 : BARE_WAIT_NS);
	}
}

/* The time of the next round: of the next tick, or of the next probe. */
static uint64_t next_round(const struct bare *b, uint64_t begun, uint64_t now)
{
	uint64_t tick = b->tick_ms * 1000000ull;

	if (tick)
		return begun + ((now - begun) / tick + 1) * tick;
	return begun + (uint64_t)(b->started + 1) * 1000000000ull / b->rate;
}

static void paced(struct bare *b, const struct bare_kind *kind)
{
	uint64_t begun = util_now_ns(), now = begun;

	while (b->ended < b->n) {
		uint64_t at = next_round(b, begun, now), due;
		struct timespec ts = bare_timespec(at);

		if (b->tick_ms)
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		kind->take(b, b->tick_ms || at < now ? 0 : at - now);
		now = util_now_ns();
		due = (now - begun) * b->rate / 1000000000;
		if (due > b->started)
			kind->start(b, MIN2(room(b), (uint32_t)(due - b->started)));
	}
}

static void raise_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		bare_fail("getrlimit");
	lim.rlim_cur = lim.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
		bare_fail("setrlimit");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		const struct bare_kind *kind;
	} others[] = {{"icmp", &bare_icmp}, {"recycled", &bare_recycled}, {"uring", &bare_uring}};
	const struct bare_kind *kind = &tcp_kind;
	struct bare b = {0};
	uint64_t begun;

	if (argc != 5 && argc != 7) {
		fputs("bare http|tcp|icmp|recycled|uring N PORT WINDOW [RATE TICK]\n", stderr);
		return 2;
	}
	is_http = strcmp(argv[1], "http") == 0;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strcmp(argv[1], others[i].name) == 0)
			kind = others[i].kind;
	b.n = world_number(argv[2], WORLD_MAX);
	b.port = (uint16_t)world_number(argv[3], UINT16_MAX);
	b.window = world_number(argv[4], WORLD_MAX);
	if (argc == 7) {
		b.rate = world_number(argv[5], WORLD_MAX);
		b.tick_ms = world_number(argv[6], 1000);
	}
	raise_limit();
	kind->open(&b);
	begun = util_now_ns();
	if (b.rate)
		paced(&b, kind);
	else
		all_at_once(&b, kind);
	printf("{\"wall_s\": %.6f, \"ok\": %u, \"timeouts\": 0, \"failed\": %u}\n",
	       (double)(util_now_ns() - begun) / 1e9, b.ok, b.n - b.ok);
	return 0;
}
