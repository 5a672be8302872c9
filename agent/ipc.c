// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Framed messages over a socket pair.
 *
 * Reading: one growing buffer that holds the unread bytes; frames are handed
 * out in place. Headers are 8 bytes and payloads are padded to 8, so that in
 * place also means aligned. Writing: one growing buffer, drained by a watch
 * for EPOLLOUT that exists only while something waits.
 *
 * A callback may free the channel; `dead` keeps the struct until the outermost
 * call of the channel's own code has returned.
 */
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "ipc.h"
#include "util.h"

#define IPC_ALIGN    8u
#define IPC_READ_MIN 65536u

struct ipc_hdr {
	uint32_t len;
	uint16_t type;
	uint16_t zero;
};

struct ipc_buf {
	uint8_t *data;
	size_t start, end, cap;
};

struct ipc {
	struct loop *loop;
	struct loop_io io;
	int fd;
	const struct ipc_ops *ops;
	void *user;
	struct ipc_buf in, out;
	bool want_out;
	bool busy;
	bool dead;
};

static size_t ipc_padded(size_t len)
{
	return (len + IPC_ALIGN - 1) & ~(size_t)(IPC_ALIGN - 1);
}

/* Makes room for `more` bytes behind end. */
static int buf_reserve(struct ipc_buf *b, size_t more)
{
	size_t used = b->end - b->start, cap;
	uint8_t *data;

	if (b->cap - b->end >= more)
		return 0;
	if (b->start) {
		memmove(b->data, b->data + b->start, used);
		b->start = 0;
		b->end = used;
		if (b->cap - b->end >= more)
			return 0;
	}
	cap = MAX2((size_t)IPC_READ_MIN, b->cap);
	while (cap - used < more)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

int ipc_pair(int ret_fds[static 2])
{
	int fds[2], room = IPC_SOCKET_ROOM;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	/* As much as we may: a batch of thousands of services is to go in one piece. */
	for (int i = 0; i < 2; i++)
		if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
			setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	ret_fds[0] = fds[0];
	ret_fds[1] = fds[1];
	return 0;
}

void *ipc_user(const struct ipc *ch)
{
	return ch->user;
}

static void ipc_destroy(struct ipc *ch)
{
	free(ch->in.data);
	free(ch->out.data);
	free(ch);
}

void ipc_free(struct ipc *ch)
{
	if (!ch || ch->dead)
		return;
	loop_io_del(ch->loop, &ch->io);
	close(ch->fd);
	ch->dead = true;
	if (!ch->busy)
		ipc_destroy(ch);
}

/* The peer is gone, or out of step: no more reads; the owner frees. */
static void ipc_close(struct ipc *ch, int err)
{
	loop_io_del(ch->loop, &ch->io);
	ch->ops->closed(ch, err);
}

/* Delivers the whole frames at hand. Returns how many, or -EPROTO. */
static int ipc_deliver(struct ipc *ch)
{
	int n = 0;

	while (!ch->dead && ch->in.end - ch->in.start >= sizeof(struct ipc_hdr)) {
		const struct ipc_hdr *hdr = (const void *)(ch->in.data + ch->in.start);
		size_t whole;

		if (hdr->zero || hdr->len > IPC_PAYLOAD_MAX)
			return -EPROTO;
		whole = sizeof(*hdr) + ipc_padded(hdr->len);
		if (ch->in.end - ch->in.start < whole)
			break;
		ch->in.start += whole;
		ch->ops->frame(ch, hdr->type, hdr + 1, hdr->len);
		n++;
	}
	return n;
}

static int ipc_read(struct ipc *ch)
{
	int frames = 0;

	for (;;) {
		ssize_t n;
		int r;

		r = buf_reserve(&ch->in, IPC_READ_MIN);
		if (r < 0)
			return r;
		n = read(ch->fd, ch->in.data + ch->in.end, ch->in.cap - ch->in.end);
		if (n == 0)
			return frames ? frames : -EPIPE;
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? frames : -errno;
		ch->in.end += (size_t)n;
		r = ipc_deliver(ch);
		if (r < 0)
			return r;
		frames += r;
		if (ch->dead)
			return frames;
		if (ch->in.start == ch->in.end)
			ch->in.start = ch->in.end = 0;
		/* A sender that never pauses must not keep us from acting. */
		if (frames >= 4096)
			return frames;
	}
}

static void ipc_on_io(struct loop_io *io, uint32_t events)
{
	struct ipc *ch = container_of(io, struct ipc, io);
	int r = 0;

	ch->busy = true;
	if (events & EPOLLOUT)
		r = ipc_flush(ch);
	if (r == 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		r = ipc_read(ch);
		if (r > 0 && !ch->dead && ch->ops->burst)
			ch->ops->burst(ch);
	}
	if (r < 0 && !ch->dead)
		ipc_close(ch, r == -EPIPE || r == -ECONNRESET ? 0 : r);
	ch->busy = false;
	if (ch->dead)
		ipc_destroy(ch);
}

int ipc_new(struct loop *l, int fd, const struct ipc_ops *ops, void *user, struct ipc **ret)
{
	struct ipc *ch = calloc(1, sizeof(*ch));
	int r;

	if (!ch) {
		close(fd);
		return -ENOMEM;
	}
	ch->loop = l;
	ch->fd = fd;
	ch->ops = ops;
	ch->user = user;
	r = loop_io_add(l, &ch->io, fd, EPOLLIN, ipc_on_io);
	if (r < 0) {
		close(fd);
		free(ch);
		return r;
	}
	*ret = ch;
	return 0;
}

static int ipc_want_out(struct ipc *ch, bool want)
{
	int r;

	if (ch->want_out == want || ch->io.fd < 0)
		return 0;
	r = loop_io_mod(ch->loop, &ch->io, EPOLLIN | (want ? EPOLLOUT : 0));
	if (r == 0)
		ch->want_out = want;
	return r;
}

int ipc_flush(struct ipc *ch)
{
	struct ipc_buf *b = &ch->out;

	while (b->start < b->end) {
		ssize_t n = send(ch->fd, b->data + b->start, b->end - b->start, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return ipc_want_out(ch, true);
		if (n < 0)
			return -errno;
		b->start += (size_t)n;
	}
	b->start = b->end = 0;
	return ipc_want_out(ch, false);
}

int ipc_send(struct ipc *ch, uint16_t type, const void *data, size_t len)
{
	struct ipc_hdr hdr = {.len = (uint32_t)len, .type = type};
	size_t whole = sizeof(hdr) + ipc_padded(len);
	struct ipc_buf *b = &ch->out;
	int r;

	if (len > IPC_PAYLOAD_MAX)
		return -EMSGSIZE;
	if (b->end - b->start + whole > IPC_QUEUE_MAX)
		return -ENOBUFS;
	r = buf_reserve(b, whole);
	if (r < 0)
		return r;
	memcpy(b->data + b->end, &hdr, sizeof(hdr));
	if (len)
		memcpy(b->data + b->end + sizeof(hdr), data, len);
	memset(b->data + b->end + sizeof(hdr) + len, 0, whole - sizeof(hdr) - len);
	b->end += whole;
	return ipc_want_out(ch, true);
}
