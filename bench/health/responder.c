// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The backends of the health benchmark: one process that answers HTTP and TCP on all addresses
 * of its network namespace, with as little work as there can be, so that the probers are what is
 * measured. One epoll loop. A connection that has its request already when it is accepted is
 * answered and closed without a look at epoll; the answer and the FIN go out in one segment. When
 * nothing happens it looks again and again for a while before it sleeps: a backend is a machine
 * of its own, and to wake it is no cost of the prober's.
 *
 *	responder PORT
 *
 * listens on PORT and, for the ways to die (enum world_fate), on the ports after it. It prints
 * "ready", and for each line on its standard input a line with the time (CLOCK_MONOTONIC, ns),
 * the connections accepted and the requests answered so far:
 *
 *	count    nothing else
 *	die      from now on: refuse, drop, hang
 *	live     all ports answer again
 *
 * A port that drops has a socket filter that lets nothing pass; one that refuses is closed.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "util.h"
#include "world.h"

#define BACKLOG	     65535 /* as many as net.core.somaxconn lets us have */
#define ACCEPT_BATCH 256
#define EVENTS	     512
#define REQUEST_MAX  4096
#define SPIN_NS	     2000000ull
#define FD_MAX	     (1u << 20)

static const char answer[] = "HTTP/1.1 200 OK\r\n"
			     "Content-Type: text/plain\r\n"
			     "Content-Length: 3\r\n"
			     "Connection: close\r\n"
			     "\r\n"
			     "ok\n";

struct responder {
	int ep;
	uint16_t port;
	bool dead;
	int listeners[WORLD_FATES]; /* -1: closed */
	uint64_t accepted, answered;
	bool hangs[FD_MAX]; /* by descriptor */
};

static struct responder rs;

static void fail(const char *what)
{
	fprintf(stderr, "responder: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	if (epoll_ctl(rs.ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		fail("epoll_ctl");
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		fail("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, BACKLOG) < 0)
		fail("listen");
	watch(fd, EPOLLIN);
	return fd;
}

/* Answers what can be answered. Returns false when there is nothing to read yet. */
static bool serve(int fd)
{
	char request[REQUEST_MAX];
	ssize_t n = recv(fd, request, sizeof(request), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n > 0 && rs.hangs[fd])
		return true;
	/* A request of a prober comes in one piece. With MSG_MORE it goes with the FIN. */
	if (n > 4 && memcmp(request + n - 4, "\r\n\r\n", 4) == 0 &&
	    send(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE) > 0)
		rs.answered++;
	close(fd);
	return true;
}

static void take(int listener, bool hangs)
{
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		/* Without a descriptor it stays in the backlog until another connection ends. */
		if (fd < 0)
			return;
		rs.accepted++;
		rs.hangs[fd] = hangs;
		if (hangs || !serve(fd))
			watch(fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
	}
}

static void drop_all(int listener)
{
	struct sock_filter nothing = {.code = BPF_RET | BPF_K, .k = 0};
	struct sock_fprog prog = {.len = 1, .filter = &nothing};

	if (setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		fail("SO_ATTACH_FILTER");
}

static void die(void)
{
	if (rs.dead)
		return;
	rs.dead = true;
	close(rs.listeners[WORLD_REFUSES]);
	rs.listeners[WORLD_REFUSES] = -1;
	drop_all(rs.listeners[WORLD_DROPS]);
}

static void live(void)
{
	int none = 0;

	if (!rs.dead)
		return;
	rs.dead = false;
	rs.listeners[WORLD_REFUSES] = listen_on((uint16_t)(rs.port + WORLD_REFUSES));
	if (setsockopt(rs.listeners[WORLD_DROPS], SOL_SOCKET, SO_DETACH_FILTER, &none,
		       sizeof(none)) < 0)
		fail("SO_DETACH_FILTER");
}

/* The lines of standard input come one at a time, each after the answer to the one before. */
static void command(void)
{
	uint64_t now = util_now_ns();
	char line[64];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (n <= 0)
		exit(0);
	line[n] = '\0';
	if (strcmp(line, "die\n") == 0)
		die();
	else if (strcmp(line, "live\n") == 0)
		live();
	printf("%llu %llu %llu\n", (unsigned long long)now, (unsigned long long)rs.accepted,
	       (unsigned long long)rs.answered);
}

static void event(const struct epoll_event *ev)
{
	int fd = ev->data.fd;

	if (fd == STDIN_FILENO) {
		command();
		return;
	}
	for (int i = 0; i < WORLD_FATES; i++) {
		if (fd != rs.listeners[i])
			continue;
		take(fd, rs.dead && i == WORLD_HANGS);
		return;
	}
	if (rs.hangs[fd] && ev->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		close(fd);
	else
		serve(fd);
}

static void run(void)
{
	struct epoll_event events[EVENTS];
	uint64_t last = util_now_ns();

	for (;;) {
		int n = epoll_wait(rs.ep, events, EVENTS, util_now_ns() - last < SPIN_NS ? 0 : -1);

		if (n < 0 && errno != EINTR)
			fail("epoll_wait");
		for (int i = 0; i < n; i++)
			event(&events[i]);
		if (n > 0)
			last = util_now_ns();
	}
}

int main(int argc, char **argv)
{
	struct rlimit lim;

	if (argc != 2) {
		fputs("responder PORT\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	rs.port = (uint16_t)world_number(argv[1], UINT16_MAX - WORLD_FATES);
	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		fail("getrlimit");
	lim.rlim_cur = MIN2(lim.rlim_max, (rlim_t)FD_MAX);
	if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
		fail("setrlimit");
	rs.ep = epoll_create1(EPOLL_CLOEXEC);
	if (rs.ep < 0)
		fail("epoll_create1");
	for (int i = 0; i < WORLD_FATES; i++)
		rs.listeners[i] = listen_on((uint16_t)(rs.port + i));
	watch(STDIN_FILENO, EPOLLIN);
	puts("ready");
	run();
}
