// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The TCP check: connect, and close with a RST as soon as that is done.
 */
#include <errno.h>

#include "hc_sock.h"
#include "hc_tcp.h"
#include "util.h"

struct hc_tcp_probe {
	struct hc_probe p;
	struct loop_io io;
	int fd; /* -1 when there is none */
};

static struct hc_tcp_probe *tcp_probe(struct hc_probe *p)
{
	return container_of(p, struct hc_tcp_probe, p);
}

static void tcp_look(struct hc_probe *p)
{
	int r = hc_sock_connected(tcp_probe(p)->fd);

	if (r == -EINPROGRESS)
		return;
	if (r < 0)
		hc_sock_failed(p, -r, false);
	else
		hc_done(p, MSG_HC_OK, 0);
}

static void tcp_on_io(struct loop_io *io, uint32_t events _unused_)
{
	tcp_look(&container_of(io, struct hc_tcp_probe, io)->p);
}

static void tcp_start(struct hc_probe *p)
{
	struct hc_tcp_probe *t = tcp_probe(p);
	int r;

	t->io = LOOP_IO_INIT;
	t->fd = -1;
	r = hc_sock_connect(p, &t->fd);
	if (r == 0)
		r = loop_io_add(p->ctx, &t->io, t->fd, EPOLLOUT, tcp_on_io);
	if (r < 0)
		hc_sock_failed(p, -r, true);
}

static enum msg_hc_phase tcp_phase(const struct hc_probe *p _unused_)
{
	return MSG_HC_PHASE_CONNECT;
}

static void tcp_stop(struct hc_probe *p)
{
	struct hc_tcp_probe *t = tcp_probe(p);

	loop_io_del(p->ctx, &t->io);
	if (t->fd >= 0)
		close(t->fd);
}

const struct hc_kind hc_tcp_kind = {
	.size = sizeof(struct hc_tcp_probe),
	.n_fds = 1,
	.start = tcp_start,
	.poll = tcp_look,
	.phase = tcp_phase,
	.stop = tcp_stop,
};
