// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections of probes, and the sockets that are kept for them.
 *
 * The idle sockets stay in the epoll set, edge-triggered, for all events; those
 * of a socket that no probe holds are ignored. What epoll reports is the state
 * at the time of the report, and no probe starts between a report and its
 * handling (loop.c runs timers after it), so an event is never that of the
 * connection before.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "hc_sock.h"
#include "util.h"

#define SOCK_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

struct hc_socks {
	struct loop *loop;
	unsigned int limit, n;
	/* By family (IPv4, IPv6): the last one used is the first one used again. */
	struct {
		struct hc_sock *first;
		unsigned int n, unused; /* the least that were idle since the last trim */
	} idle[2];
	uint16_t port_from, port_to; /* this node's own ports for connections */
};

/* ---- sockets ---- */

static void sock_free(struct hc_socks *ss, struct hc_sock *s)
{
	int fd = s->io.fd;

	loop_io_del(ss->loop, &s->io);
	close(fd);
	free(s);
	ss->n--;
}

static struct hc_sock *idle_take(struct hc_socks *ss, bool v6)
{
	struct hc_sock *s = ss->idle[v6].first;

	if (!s)
		return NULL;
	ss->idle[v6].first = s->next;
	ss->idle[v6].n--;
	ss->idle[v6].unused = MIN2(ss->idle[v6].unused, ss->idle[v6].n);
	return s;
}

static void idle_put(struct hc_socks *ss, struct hc_sock *s)
{
	s->next = ss->idle[s->v6].first;
	ss->idle[s->v6].first = s;
	ss->idle[s->v6].n++;
}

static void on_io(struct loop_io *io, uint32_t events)
{
	struct hc_sock *s = container_of(io, struct hc_sock, io);

	if (s->probe)
		s->ready(s->probe, events);
}

static int sock_new(struct hc_socks *ss, bool v6, bool udp, struct hc_sock **ret)
{
	_cleanup_close_ int fd = -1;
	struct hc_sock *s;
	int r;

	fd = socket(v6 ? AF_INET6 : AF_INET,
		    (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->v6 = v6;
	r = loop_io_add(ss->loop, &s->io, fd, SOCK_EVENTS, on_io);
	if (r < 0) {
		free(s);
		return r;
	}
	TAKE_FD(fd);
	ss->n++;
	*ret = s;
	return 0;
}

/* One that was kept, or a new one, at the cost of one of the other family if need be. */
static int sock_get(struct hc_socks *ss, bool v6, bool own, bool udp, struct hc_sock **ret)
{
	struct hc_sock *s = own ? NULL : idle_take(ss, v6);

	if (s) {
		*ret = s;
		return 0;
	}
	if (ss->n >= ss->limit) {
		s = idle_take(ss, !v6);
		if (!s)
			s = idle_take(ss, v6);
		if (s)
			sock_free(ss, s);
	}
	return sock_new(ss, v6, udp, ret);
}

/* ---- options ---- */

bool hc_sock_has_options(const struct hc_probe *p)
{
	return p->mark || p->check->dscp || p->check->device[0] ||
	       !addr_is_unspecified(&p->check->source);
}

static int set_u32(int fd, int level, int name, uint32_t value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int bind_source(int fd, const struct addr *source)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(source, 0, &ss);
	/* The port is chosen at connect(), for this destination, and not now for all. */
	int r = set_u32(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);

	if (r == 0 && bind(fd, (struct sockaddr *)&ss, len) < 0)
		r = -errno;
	return r;
}

int hc_sock_options(int fd, const struct hc_probe *p)
{
	const struct hc_check *c = p->check;
	int r = 0;

	if (p->mark)
		r = set_u32(fd, SOL_SOCKET, SO_MARK, p->mark);
	if (r == 0 && c->dscp && addr_is_v4(p->to))
		r = set_u32(fd, IPPROTO_IP, IP_TOS, (uint32_t)c->dscp << 2);
	else if (r == 0 && c->dscp)
		r = set_u32(fd, IPPROTO_IPV6, IPV6_TCLASS, (uint32_t)c->dscp << 2);
	if (r == 0 && c->device[0] &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, c->device, (socklen_t)strlen(c->device)) <
		    0)
		r = -errno;
	if (r == 0 && !addr_is_unspecified(&c->source))
		r = bind_source(fd, &c->source);
	return r;
}

/* Such a socket is closed by close(), which sends a RST only with this. */
static int own_options(int fd, const struct hc_probe *p)
{
	static const struct linger rst = {.l_onoff = 1, .l_linger = 0};

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst)) < 0)
		return -errno;
	return hc_sock_options(fd, p);
}

/* ---- connections ---- */

/*
 * The ACK of a SYN-ACK waits for what is sent next (the kernel calls it ping-pong
 * mode): the request, which then needs no packet of its own before it, or for a
 * half-open check the RST. Not essential, so a failure is none.
 */
static bool ack_waits(const struct hc_check *c)
{
	return c->type == MSG_HC_HTTP || c->type == MSG_HC_HTTPS || c->type == MSG_HC_GRPC ||
	       c->flags & MSG_HC_F_HALF_OPEN;
}

static int sock_connect(const struct hc_sock *s, const struct hc_probe *p)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(p->to, p->check->port, &ss);
	int r = s->own ? own_options(s->io.fd, p) : 0;

	if (r < 0)
		return r;
	if (ack_waits(p->check))
		set_u32(s->io.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	if (connect(s->io.fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS)
		return -errno;
	return 0;
}

int hc_sock_open(struct hc_socks *ss, struct hc_probe *p,
		 void (*ready)(struct hc_probe *p, uint32_t events), struct hc_sock **ret)
{
	bool udp = p->check->type == MSG_HC_UDP, own = udp || hc_sock_has_options(p);
	struct hc_sock *s = NULL;
	int r;

	r = sock_get(ss, !addr_is_v4(p->to), own, udp, &s);
	if (r < 0)
		return r;
	s->own = own;
	r = sock_connect(s, p);
	if (r < 0) {
		hc_sock_put(ss, s);
		return r;
	}
	s->probe = p;
	s->ready = ready;
	*ret = s;
	return 0;
}

void hc_sock_put(struct hc_socks *ss, struct hc_sock *s)
{
	static const struct sockaddr none = {.sa_family = AF_UNSPEC};

	if (!s)
		return;
	s->probe = NULL;
	if (s->own || connect(s->io.fd, &none, sizeof(none)) < 0 ||
	    (s->narrow && loop_io_mod(ss->loop, &s->io, SOCK_EVENTS) < 0)) {
		sock_free(ss, s);
		return;
	}
	s->narrow = false;
	idle_put(ss, s);
}

void hc_sock_again(struct hc_socks *ss, struct hc_sock *s, uint32_t event)
{
	/* Setting the events makes epoll look at the socket; with EPOLLOUT among them there
	 * would always be one. A failure shows at the deadline. */
	loop_io_mod(ss->loop, &s->io, event | EPOLLRDHUP | EPOLLET);
	s->narrow = true;
}

/*
 * A connect to a port of this very host without a listener can be given that
 * port as its own, and then meets itself (simultaneous open, RFC 9293, 3.5).
 */
static int meets_itself(int fd)
{
	struct sockaddr_storage own = {0}, peer = {0};
	socklen_t own_len = sizeof(own), peer_len = sizeof(peer);

	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0)
		return errno == ENOTCONN ? -EINPROGRESS : -errno;
	if (getsockname(fd, (struct sockaddr *)&own, &own_len) < 0)
		return -errno;
	if (own_len == peer_len && memcmp(&own, &peer, own_len) == 0)
		return -ECONNREFUSED;
	return 0;
}

int hc_sock_connected(const struct hc_socks *ss, const struct hc_sock *s, uint32_t events)
{
	uint16_t port = s->probe->check->port;
	socklen_t err_len = sizeof(int);
	int err = 0;

	if (events & EPOLLOUT && !(events & (EPOLLERR | EPOLLHUP)) &&
	    (port < ss->port_from || port > ss->port_to))
		return 0;
	if (getsockopt(s->io.fd, SOL_SOCKET, SO_ERROR, &err, &err_len) < 0)
		return -errno;
	if (err)
		return -err;
	return meets_itself(s->io.fd);
}

/* ---- all of them ---- */

/* Ports of connections that may be a server's here as well; all, if we cannot know. */
static void read_ports(struct hc_socks *ss)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	unsigned int from = 0, to = UINT16_MAX;

	if (f && fscanf(f, "%u %u", &from, &to) != 2) {
		from = 0;
		to = UINT16_MAX;
	}
	if (f)
		fclose(f);
	ss->port_from = (uint16_t)from;
	ss->port_to = (uint16_t)to;
}

int hc_socks_new(struct loop *l, unsigned int limit, struct hc_socks **ret)
{
	struct hc_socks *ss = calloc(1, sizeof(*ss));

	if (!ss)
		return -ENOMEM;
	ss->loop = l;
	ss->limit = MAX2(limit, 1u);
	read_ports(ss);
	*ret = ss;
	return 0;
}

void hc_socks_trim(struct hc_socks *ss)
{
	for (unsigned int v6 = 0; v6 < 2; v6++) {
		for (unsigned int n = ss->idle[v6].unused; n; n--)
			sock_free(ss, idle_take(ss, v6));
		ss->idle[v6].unused = ss->idle[v6].n;
	}
}

void hc_socks_free(struct hc_socks *ss)
{
	struct hc_sock *s;

	if (!ss)
		return;
	for (unsigned int v6 = 0; v6 < 2; v6++)
		while ((s = idle_take(ss, v6)))
			sock_free(ss, s);
	free(ss);
}

unsigned int hc_socks_n(const struct hc_socks *ss)
{
	return ss->n;
}

/* ---- what an errno means ---- */

enum msg_hc_reason hc_sock_reason(int err, bool sync)
{
	switch (err) {
	case ECONNREFUSED:
		return MSG_HC_REFUSED;
	case ETIMEDOUT:
		return MSG_HC_TIMEOUT;
	case ECONNRESET:
	case ECONNABORTED:
	case EPIPE:
		return MSG_HC_RESET;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
		return MSG_HC_UNREACHABLE;
	case ENETDOWN:
	case ENOMEM:
	case ENOBUFS:
		return MSG_HC_LOCAL;
	default:
		return sync ? MSG_HC_LOCAL : MSG_HC_UNREACHABLE;
	}
}

void hc_sock_failed(struct hc_probe *p, int err, bool sync)
{
	enum msg_hc_reason reason = hc_sock_reason(err, sync);
	uint32_t detail = 0;

	if (reason == MSG_HC_UNREACHABLE || reason == MSG_HC_LOCAL)
		detail = (uint32_t)err;
	else if (reason == MSG_HC_TIMEOUT)
		detail = MSG_HC_PHASE_CONNECT;
	hc_done(p, reason, detail);
}
