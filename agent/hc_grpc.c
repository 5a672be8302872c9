// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The gRPC check: a connection, and on it one call (hc_grpc_call.c). What the call wants to
 * send that the socket does not take at once is kept here; it is a request and answers
 * to the server's settings and pings, a few hundred bytes.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "hc_grpc.h"
#include "hc_grpc_call.h"
#include "hc_sock.h"
#include "util.h"

#define READ_LEN 16384u
#define READ_MAX 4u /* then others get their turn */

struct hc_grpc_probe {
	struct hc_probe p;
	struct hc_sock *sock;	   /* NULL when there is none */
	struct hc_grpc_call *call; /* NULL before the connection */
	const uint8_t *out;	   /* the call's own; what is left to send */
	size_t out_len;
};

static struct hc_grpc_probe *grpc_probe(const struct hc_probe *p)
{
	return container_of(p, struct hc_grpc_probe, p);
}

/* True when it is connected and has its call; false: not yet, or over. */
static bool connected(struct hc_grpc_probe *g, uint32_t events)
{
	int r;

	if (g->call)
		return true;
	r = hc_sock_connected(g->p.ctx, g->sock, events);
	if (r == -EINPROGRESS)
		return false;
	if (r < 0) {
		hc_sock_failed(&g->p, -r, false);
		return false;
	}
	r = hc_grpc_call_new(g->p.check, g->p.to, &g->call);
	if (r < 0)
		hc_done(&g->p, MSG_HC_LOCAL, (uint32_t)-r);
	return r == 0;
}

static void over(struct hc_grpc_probe *g)
{
	uint32_t detail;
	enum msg_hc_reason reason = hc_grpc_call_verdict(g->call, &detail);

	hc_done(&g->p, reason, detail);
}

/* Sends what there is; false when the probe is over. A reset shows when it is read. */
static bool flush(struct hc_grpc_probe *g)
{
	for (;;) {
		ssize_t n;

		if (!g->out_len) {
			n = hc_grpc_call_output(g->call, &g->out);
			if (n < 0) {
				hc_done(&g->p, MSG_HC_LOCAL, (uint32_t)-n);
				return false;
			}
			if (n == 0 && !hc_grpc_call_over(g->call))
				return true;
			if (n == 0) {
				over(g);
				return false;
			}
			g->out_len = (size_t)n;
		}
		n = send(g->sock->io.fd, g->out, g->out_len, MSG_NOSIGNAL);
		if (n < 0)
			return true;
		g->out += n;
		g->out_len -= (size_t)n;
	}
}

/* The connection has ended, by an errno or in good order. What was read before says more. */
static void ended(struct hc_grpc_probe *g, int err)
{
	uint32_t detail;

	hc_grpc_call_eof(g->call);
	if (err && hc_grpc_call_verdict(g->call, &detail) == MSG_HC_CLOSED)
		hc_sock_failed(&g->p, err, false);
	else
		over(g);
}

/* Reads what has come, and sends what that calls for: settings, pings, a goodbye. */
static void fill(struct hc_grpc_probe *g)
{
	uint8_t buf[READ_LEN];

	for (unsigned int i = 0; i < READ_MAX; i++) {
		ssize_t n = recv(g->sock->io.fd, buf, sizeof(buf), 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			ended(g, n < 0 ? errno : 0);
			return;
		}
		if (hc_grpc_call_input(g->call, buf, (size_t)n)) {
			over(g);
			return;
		}
		if (!flush(g))
			return;
	}
	/* There may be more, which is no new event. */
	hc_sock_again(g->p.ctx, g->sock, EPOLLIN);
}

static void grpc_ready(struct hc_probe *p, uint32_t events)
{
	struct hc_grpc_probe *g = grpc_probe(p);

	if (connected(g, events) && flush(g))
		fill(g);
}

static void grpc_look(struct hc_probe *p)
{
	grpc_ready(p, grpc_probe(p)->call ? EPOLLIN | EPOLLOUT : 0);
}

static void grpc_start(struct hc_probe *p)
{
	int r = hc_sock_open(p->ctx, p, grpc_ready, &grpc_probe(p)->sock);

	if (r < 0)
		hc_sock_failed(p, -r, true);
}

static enum msg_hc_phase grpc_phase(const struct hc_probe *p)
{
	return grpc_probe(p)->call ? MSG_HC_PHASE_ANSWER : MSG_HC_PHASE_CONNECT;
}

static void grpc_stop(struct hc_probe *p)
{
	struct hc_grpc_probe *g = grpc_probe(p);

	hc_grpc_call_free(g->call);
	hc_sock_put(p->ctx, g->sock);
}

const struct hc_kind hc_grpc_kind = {
	.size = sizeof(struct hc_grpc_probe),
	.n_fds = 1,
	.start = grpc_start,
	.poll = grpc_look,
	.phase = grpc_phase,
	.stop = grpc_stop,
};
