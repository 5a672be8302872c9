// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * HTTP by sockets that are used again: connect() to AF_UNSPEC resets the connection and makes
 * the socket as new, still watched by epoll. Saves socket(), setsockopt(), close() and epoll_ctl().
 * An event of the connection before may still come; epoll tells the socket's state of now, so
 * the phase is enough to know what it means.
 */
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "bare.h"

enum phase {
	IDLE,
	CONNECTING,
	SENT,
};

struct slot {
	int fd;
	enum phase phase;
	struct slot *next; /* that are idle */
};

static int ep;
static struct slot *slots, *idle;
static uint32_t n_slots;

static void recycled_open(struct bare *b)
{
	ep = epoll_create1(EPOLL_CLOEXEC);
	slots = calloc(b->window, sizeof(*slots));
	if (ep < 0 || !slots)
		bare_fail("epoll_create1");
}

static struct slot *slot_get(void)
{
	struct slot *s = idle;
	struct epoll_event ev = {.events = EPOLLOUT | EPOLLIN | EPOLLET};

	if (s) {
		idle = s->next;
		return s;
	}
	s = &slots[n_slots++];
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ev.data.ptr = s;
	if (s->fd < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &ev) < 0)
		bare_fail("socket");
	return s;
}

static void recycled_start(struct bare *b, uint32_t n)
{
	while (n--) {
		struct sockaddr_in to = world_target(WORLD_FIRST, b->started++, b->port);
		struct slot *s = slot_get();

		if (connect(s->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
			bare_fail("connect");
		s->phase = CONNECTING;
	}
}

static void event(struct bare *b, const struct epoll_event *ev)
{
	struct slot *s = ev->data.ptr;
	uint32_t events = ev->events;
	static const struct sockaddr none = {.sa_family = AF_UNSPEC};
	char answer[4096];
	ssize_t n;

	if (s->phase == CONNECTING && !(events & (EPOLLHUP | EPOLLERR)) && events & EPOLLOUT) {
		if (send(s->fd, bare_request, bare_request_len, MSG_NOSIGNAL) < 0)
			bare_fail("send");
		s->phase = SENT;
		return;
	}
	if (s->phase == IDLE || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = recv(s->fd, answer, sizeof(answer), MSG_DONTWAIT);
	b->ok += n > 12 && memcmp(answer + 9, "200", 3) == 0;
	if (connect(s->fd, &none, sizeof(none)) < 0)
		bare_fail("connect to none");
	s->phase = IDLE;
	s->next = idle;
	idle = s;
	b->ended++;
}

static void recycled_take(struct bare *b, uint64_t wait_ns)
{
	bare_take(b, ep, wait_ns, event);
}

const struct bare_kind bare_recycled = {recycled_open, recycled_start, recycled_take};
