// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A BGP neighbour that does nothing but hear (RFC 4271): it opens the session, keeps it, and
 * takes IPv4 prefixes from UPDATE messages as they come. It announces nothing and forgets all
 * else. So it knows when a neighbour hears of a change, without what he does with it then.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "heard.h"
#include "modes.h"
#include "util.h"

#define BGP_PORT   179
#define BGP_HEAD   19
#define BGP_MAX	   4096
#define BGP_HOLD_S 240
#define CONNECT_MS 50
#define CONNECT_S  30
#define BUFFER_LEN (16 * BGP_MAX)

enum { BGP_OPEN = 1, BGP_UPDATE = 2, BGP_NOTIFICATION = 3, BGP_KEEPALIVE = 4 };

struct speaker {
	int fd;
	uint16_t as;
	struct in_addr id;
	uint8_t in[BUFFER_LEN];
	size_t len;
};

/* ---- what it says ---- */

static int say(struct speaker *s, uint8_t type, const uint8_t *body, size_t len)
{
	uint8_t msg[BGP_MAX];
	uint16_t all = htons((uint16_t)(BGP_HEAD + len));

	memset(msg, 0xff, 16);
	memcpy(msg + 16, &all, 2);
	msg[18] = type;
	if (len)
		memcpy(msg + BGP_HEAD, body, len);
	return send(s->fd, msg, BGP_HEAD + len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Version 4, no parameters but one: IPv4 unicast (RFC 4760). */
static int say_open(struct speaker *s)
{
	static const uint8_t tail[] = {8, 2, 6, 1, 4, 0, 1, 0, 1};
	uint8_t body[9 + sizeof(tail)] = {4, (uint8_t)(s->as >> 8), (uint8_t)s->as, 0, BGP_HOLD_S};

	memcpy(body + 5, &s->id, 4);
	memcpy(body + 9, tail, sizeof(tail));
	return say(s, BGP_OPEN, body, sizeof(body));
}

/* ---- what it hears ---- */

static int take_prefixes(struct heard *h, const uint8_t *at, size_t len, bool has)
{
	while (len) {
		unsigned int plen = at[0], octets = (plen + 7) / 8;
		uint8_t address[4] = {};

		if (plen > 32 || len < 1 + octets)
			return -EBADMSG;
		memcpy(address, at + 1, octets);
		heard_set(h,
			  (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 |
				  (uint32_t)address[2] << 8 | address[3],
			  plen, has);
		at += 1 + octets;
		len -= 1 + octets;
	}
	return 0;
}

static int take_update(struct heard *h, const uint8_t *at, size_t len)
{
	size_t withdrawn, attributes;
	int r;

	if (len < 4)
		return -EBADMSG;
	withdrawn = (size_t)at[0] << 8 | at[1];
	if (len < withdrawn + 4)
		return -EBADMSG;
	attributes = (size_t)at[2 + withdrawn] << 8 | at[3 + withdrawn];
	if (len < withdrawn + attributes + 4)
		return -EBADMSG;
	r = take_prefixes(h, at + 2, withdrawn, false);
	if (r < 0)
		return r;
	return take_prefixes(h, at + 4 + withdrawn + attributes, len - 4 - withdrawn - attributes,
			     true);
}

static int take_message(struct speaker *s, struct heard *h, const uint8_t *msg, size_t len)
{
	switch (msg[18]) {
	case BGP_OPEN:
		return say(s, BGP_KEEPALIVE, NULL, 0);
	case BGP_UPDATE:
		return take_update(h, msg + BGP_HEAD, len - BGP_HEAD);
	case BGP_KEEPALIVE:
		/* His timer serves us both. */
		return say(s, BGP_KEEPALIVE, NULL, 0);
	default:
		fprintf(stderr, "batch: BGP message of type %d, code %d/%d\n", msg[18],
			len > BGP_HEAD ? msg[BGP_HEAD] : 0, len > 20 ? msg[20] : 0);
		return -ECONNABORTED;
	}
}

static int on_readable(struct heard *h, void *user)
{
	struct speaker *s = user;
	ssize_t n = recv(s->fd, s->in + s->len, sizeof(s->in) - s->len, 0);
	size_t at = 0;
	int r = 0;

	if (n <= 0)
		return n < 0 ? -errno : -ECONNRESET;
	s->len += (size_t)n;
	while (r == 0 && s->len - at >= BGP_HEAD) {
		size_t len = (size_t)s->in[at + 16] << 8 | s->in[at + 17];

		if (len < BGP_HEAD || len > BGP_MAX)
			return -EBADMSG;
		if (s->len - at < len)
			break;
		r = take_message(s, h, s->in + at, len);
		at += len;
	}
	s->len -= at;
	memmove(s->in, s->in + at, s->len);
	return r;
}

/* ---- the session ---- */

/* Connects and opens; a neighbour that is not ready for us closes. */
static int try_open(struct speaker *s, const struct sockaddr_in *from, const struct sockaddr_in *to)
{
	const struct timeval patience = {.tv_sec = 1};
	char first;
	ssize_t n;

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || bind(s->fd, (const struct sockaddr *)from, sizeof(*from)) < 0 ||
	    setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(s->fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		return -errno;
	if (say_open(s) < 0)
		return -ECONNRESET;
	n = recv(s->fd, &first, 1, MSG_PEEK);
	return n > 0 ? 0 : -ECONNRESET;
}

static int session(struct speaker *s, const struct sockaddr_in *from, const struct sockaddr_in *to)
{
	const struct itimerspec every = {.it_interval = {.tv_nsec = CONNECT_MS * 1000000},
					 .it_value = {.tv_nsec = CONNECT_MS * 1000000}};
	_cleanup_close_ int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	uint64_t until = util_now_ns() + CONNECT_S * 1000000000ull, n;
	int r;

	if (timer < 0 || timerfd_settime(timer, 0, &every, NULL) < 0)
		return -errno;
	for (;;) {
		r = try_open(s, from, to);
		if (r == 0 || util_now_ns() > until)
			return r;
		if (s->fd >= 0)
			close(TAKE_FD(s->fd));
		if (read(timer, &n, sizeof(n)) < 0)
			return -errno;
	}
}

int speaker_main(const char *local, const char *remote, unsigned int as)
{
	struct sockaddr_in from = {.sin_family = AF_INET}, to = from;
	struct speaker *s = calloc(1, sizeof(*s));
	struct heard *h = calloc(1, sizeof(*h));
	int r = -ENOMEM;

	if (!s || !h)
		goto out;
	s->fd = -1;
	to.sin_port = htons(BGP_PORT);
	r = -EINVAL;
	if (inet_pton(AF_INET, local, &from.sin_addr) != 1 ||
	    inet_pton(AF_INET, remote, &to.sin_addr) != 1 || as > UINT16_MAX)
		goto out;
	s->as = (uint16_t)as;
	s->id = from.sin_addr;
	r = session(s, &from, &to);
	if (r == 0)
		r = heard_serve(h, s->fd, on_readable, s);
	if (s->fd >= 0)
		close(s->fd);
out:
	free(s);
	free(h);
	return r;
}
