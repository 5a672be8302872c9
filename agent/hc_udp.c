// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The UDP check: sends the payload, and takes the first datagram from the target for
 * its answer. The socket is connected, so the kernel passes on no other's, and the port is
 * one that it chose for this probe alone. Nothing is sent again: UDP may lose a
 * datagram, and that is what `fall` is for.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "hc_sock.h"
#include "hc_udp.h"
#include "util.h"

#define ANSWER_LEN 65536u /* no datagram is longer */

struct hc_udp_probe {
	struct hc_probe p;
	struct hc_sock *sock; /* NULL when there is none */
};

static struct hc_udp_probe *udp_probe(struct hc_probe *p)
{
	return container_of(p, struct hc_udp_probe, p);
}

static bool wanted(const struct hc_check *c, const uint8_t *answer, size_t len)
{
	return !c->body_len || memmem(answer, MIN2(len, (size_t)c->body_max), c->body, c->body_len);
}

static void udp_look(struct hc_probe *p)
{
	uint8_t answer[ANSWER_LEN];
	ssize_t n = recv(udp_probe(p)->sock->io.fd, answer, sizeof(answer), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		hc_sock_failed(p, errno, false);
	else
		hc_done(p, wanted(p->check, answer, (size_t)n) ? MSG_HC_OK : MSG_HC_BODY, 0);
}

static void udp_ready(struct hc_probe *p, uint32_t events _unused_)
{
	udp_look(p);
}

/*
 * Without it a connected UDP socket hears of a closed port, but not of a host or network
 * that can't be reached (RFC 1122, 4.1.3.3 wants both). Not essential.
 */
static void hear_errors(const struct hc_sock *s)
{
	int on = 1;

	if (s->v6)
		setsockopt(s->io.fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	else
		setsockopt(s->io.fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
}

static void udp_start(struct hc_probe *p)
{
	struct hc_udp_probe *u = udp_probe(p);
	const struct hc_check *c = p->check;
	int r = hc_sock_open(p->ctx, p, udp_ready, &u->sock);

	if (r < 0) {
		hc_sock_failed(p, -r, true);
		return;
	}
	hear_errors(u->sock);
	if (send(u->sock->io.fd, c->payload, c->payload_len, 0) < 0)
		hc_sock_failed(p, errno, true);
}

static enum msg_hc_phase udp_phase(const struct hc_probe *p _unused_)
{
	return MSG_HC_PHASE_ANSWER;
}

static void udp_stop(struct hc_probe *p)
{
	hc_sock_put(p->ctx, udp_probe(p)->sock);
}

const struct hc_kind hc_udp_kind = {
	.size = sizeof(struct hc_udp_probe),
	.n_fds = 1,
	.start = udp_start,
	.poll = udp_look,
	.phase = udp_phase,
	.stop = udp_stop,
};
