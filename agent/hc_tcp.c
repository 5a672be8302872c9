// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The TCP check: connect, and end the connection with a RST as soon as that is done.
 */
#include <errno.h>

#include "hc_sock.h"
#include "hc_tcp.h"
#include "util.h"

struct hc_tcp_probe {
	struct hc_probe p;
	struct hc_sock *sock; /* NULL when there is none */
};

static struct hc_tcp_probe *tcp_probe(struct hc_probe *p)
{
	return container_of(p, struct hc_tcp_probe, p);
}

static void tcp_ready(struct hc_probe *p, uint32_t events)
{
	int r = hc_sock_connected(p->ctx, tcp_probe(p)->sock, events);

	if (r == -EINPROGRESS)
		return;
	if (r < 0)
		hc_sock_failed(p, -r, false);
	else
		hc_done(p, MSG_HC_OK, 0);
}

static void tcp_look(struct hc_probe *p)
{
	tcp_ready(p, 0);
}

static void tcp_start(struct hc_probe *p)
{
	int r = hc_sock_open(p->ctx, p, tcp_ready, &tcp_probe(p)->sock);

	if (r < 0)
		hc_sock_failed(p, -r, true);
}

static enum msg_hc_phase tcp_phase(const struct hc_probe *p _unused_)
{
	return MSG_HC_PHASE_CONNECT;
}

static void tcp_stop(struct hc_probe *p)
{
	hc_sock_put(p->ctx, tcp_probe(p)->sock);
}

const struct hc_kind hc_tcp_kind = {
	.size = sizeof(struct hc_tcp_probe),
	.n_fds = 1,
	.start = tcp_start,
	.poll = tcp_look,
	.phase = tcp_phase,
	.stop = tcp_stop,
};
