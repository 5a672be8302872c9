// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ICMP check.
 *
 * Probes under way stand in an array of slots. A request carries the cookie,
 * which tells our replies from another program's and from forged ones, and a
 * token: the slot's number and the serial number of its use, so that a reply to an
 * earlier use of the slot is seen as late. A reply counts when the cookie, the
 * token, the sequence number, the id (a ping socket picks its own, and the
 * kernel compares it) and the source address are those of the request.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "hc_icmp.h"
#include "hc_icmp_msg.h"
#include "hc_icmp_wire.h"
#include "hc_sock.h"
#include "util.h"

#define ICMP_RCVBUF    (4 << 20) /* as much of it as net.core.rmem_max allows */
#define ICMP_READ_MAX  256	 /* replies in one go; then others get their turn */
#define READ_BATCH     32u
#define SEND_BATCH     64u
#define ICMP_SLOTS_MIN 64u

struct hc_icmp_probe {
	struct hc_probe p;
	uint32_t slot;
	bool in_slot;
	bool in_batch; /* not sent yet */
};

/* Requests that go out together. */
struct icmp_batch {
	unsigned int n;
	struct hc_icmp_probe *probes[SEND_BATCH]; /* NULL: over already */
	uint8_t data[SEND_BATCH][HC_ICMP_LEN];
};

struct icmp_sock {
	struct loop_io io;
	struct hc_icmp *ic;
	int fd;	      /* -1 when there is none */
	int err;      /* -errno, then */
	int bound_fd; /* raw IPv6: for those that ask for a device; -1 until one does */
	bool v6;
	bool raw;
	struct icmp_batch batch;
};

struct icmp_slot {
	struct hc_icmp_probe *probe; /* NULL: free */
	uint32_t serial;	     /* of its latest use */
	uint32_t next_free;
};

struct hc_icmp {
	struct loop *loop;
	struct icmp_sock socks[2]; /* IPv4, IPv6 */
	uint64_t cookie;
	uint16_t id;
	struct icmp_slot *slots;
	uint32_t n_slots;
	uint32_t first_free; /* n_slots: none */
	struct hc_icmp_stats stats;
};

/* ---- slots ---- */

static int slots_grow(struct hc_icmp *ic)
{
	uint32_t n = MAX2(ICMP_SLOTS_MIN, ic->n_slots * 2);
	struct icmp_slot *slots = reallocarray(ic->slots, n, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = ic->n_slots; i < n; i++)
		slots[i] = (struct icmp_slot){.next_free = i + 1};
	ic->slots = slots;
	ic->first_free = ic->n_slots;
	ic->n_slots = n;
	return 0;
}

static int slot_take(struct hc_icmp *ic, struct hc_icmp_probe *ip)
{
	struct icmp_slot *s;

	if (ic->first_free == ic->n_slots && slots_grow(ic) < 0)
		return -ENOMEM;
	ip->slot = ic->first_free;
	ip->in_slot = true;
	s = &ic->slots[ip->slot];
	ic->first_free = s->next_free;
	s->probe = ip;
	s->serial++;
	return 0;
}

static void slot_give(struct hc_icmp *ic, struct hc_icmp_probe *ip)
{
	struct icmp_slot *s = &ic->slots[ip->slot];

	s->probe = NULL;
	s->next_free = ic->first_free;
	ic->first_free = ip->slot;
	ip->in_slot = false;
}

static uint64_t slot_token(const struct hc_icmp *ic, uint32_t slot)
{
	return (uint64_t)ic->slots[slot].serial << 32 | slot;
}

/* Both the slot and its use show in it, for those who read a capture. */
static uint16_t token_seq(uint64_t token)
{
	return (uint16_t)(token ^ token >> 32);
}

/* ---- replies ---- */

static void reply(struct icmp_sock *s, const void *data, size_t len,
		  const struct sockaddr_storage *from, uint64_t at_ns)
{
	struct hc_icmp *ic = s->ic;
	struct hc_icmp_probe *ip;
	struct hc_icmp_echo e;
	struct addr src;
	uint32_t slot;
	int r;

	r = hc_icmp_parse(s->v6, s->raw && !s->v6, data, len, &e);
	if (r == -EBADMSG) {
		ic->stats.bad++;
		return;
	}
	slot = (uint32_t)e.token;
	if (r < 0 || e.cookie != ic->cookie || (s->raw && e.id != ic->id) || slot >= ic->n_slots ||
	    e.seq != token_seq(e.token)) {
		ic->stats.foreign++;
		return;
	}
	ip = ic->slots[slot].probe;
	if (!ip || e.token != slot_token(ic, slot)) {
		ic->stats.late++;
		return;
	}
	if (addr_from_sockaddr(from, &src) < 0 || addr_cmp(&src, ip->p.to) != 0) {
		ic->stats.foreign++;
		return;
	}
	ic->stats.matched++;
	ip->p.end_ns = at_ns;
	hc_done(&ip->p, MSG_HC_OK, 0);
}

/* A batch of what has arrived; how many messages, below READ_BATCH when that was all. */
static unsigned int read_batch(struct icmp_sock *s)
{
	/* An IPv4 header with all its options, and one byte to tell a longer one. */
	uint8_t data[READ_BATCH][60 + HC_ICMP_LEN + 1];
	_Alignas(struct cmsghdr) uint8_t control[READ_BATCH][HC_ICMP_CONTROL_LEN];
	struct sockaddr_storage from[READ_BATCH];
	struct iovec iov[READ_BATCH];
	struct mmsghdr mm[READ_BATCH];
	int64_t ahead;
	int n;

	for (unsigned int i = 0; i < READ_BATCH; i++) {
		iov[i] = (struct iovec){.iov_base = data[i], .iov_len = sizeof(data[i])};
		mm[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
						.msg_namelen = sizeof(from[i]),
						.msg_iov = &iov[i],
						.msg_iovlen = 1,
						.msg_control = control[i],
						.msg_controllen = sizeof(control[i])};
	}
	do {
		n = recvmmsg(s->fd, mm, READ_BATCH, MSG_DONTWAIT, NULL);
	} while (n < 0 && errno == EINTR);
	ahead = n > 0 ? hc_icmp_clocks() : 0;
	for (int i = 0; i < n; i++)
		reply(s, data[i], mm[i].msg_len, &from[i], hc_icmp_stamp(&mm[i].msg_hdr, ahead));
	return n < 0 ? 0 : (unsigned int)n;
}

/* Bounded: whoever floods us with replies must not keep the other checks waiting. */
static void icmp_read(struct icmp_sock *s)
{
	for (unsigned int i = 0; i < ICMP_READ_MAX && s->fd >= 0; i += READ_BATCH)
		if (read_batch(s) < READ_BATCH)
			return;
}

static void icmp_on_io(struct loop_io *io, uint32_t events _unused_)
{
	icmp_read(container_of(io, struct icmp_sock, io));
}

/* ---- probes ---- */

static struct hc_icmp_probe *icmp_probe(struct hc_probe *p)
{
	return container_of(p, struct hc_icmp_probe, p);
}

static struct icmp_sock *sock_of(const struct hc_probe *p)
{
	struct hc_icmp *ic = p->ctx;

	return &ic->socks[!addr_is_v4(p->to)];
}

/* One that the kernel would not take alone is not the others' fault. */
static void batch_send(struct icmp_sock *s)
{
	struct icmp_batch *b = &s->batch;
	struct mmsghdr mm[SEND_BATCH] = {0};
	struct sockaddr_storage to[SEND_BATCH];
	struct iovec iov[SEND_BATCH];
	struct hc_icmp_probe *probes[SEND_BATCH];
	unsigned int n = 0;

	for (unsigned int i = 0; i < b->n; i++) {
		struct hc_icmp_probe *ip = b->probes[i];

		if (!ip)
			continue;
		ip->in_batch = false;
		probes[n] = ip;
		iov[n] = (struct iovec){.iov_base = b->data[i], .iov_len = HC_ICMP_LEN};
		mm[n].msg_hdr.msg_name = &to[n];
		mm[n].msg_hdr.msg_namelen = addr_to_sockaddr(ip->p.to, 0, &to[n]);
		mm[n].msg_hdr.msg_iov = &iov[n];
		mm[n].msg_hdr.msg_iovlen = 1;
		n++;
	}
	b->n = 0;
	for (unsigned int i = 0; i < n;) {
		int sent = sendmmsg(s->fd, mm + i, n - i, 0);

		if (sent < 0)
			hc_sock_failed(&probes[i]->p, errno, true);
		else
			s->ic->stats.sent += (unsigned int)sent;
		i += sent < 0 ? 1 : (unsigned int)sent;
	}
}

static void icmp_flush(void *ctx)
{
	struct hc_icmp *ic = ctx;

	for (unsigned int i = 0; i < ARRAY_SIZE(ic->socks); i++)
		if (ic->socks[i].batch.n)
			batch_send(&ic->socks[i]);
}

static void batch_add(struct icmp_sock *s, struct hc_icmp_probe *ip, const struct hc_icmp_echo *e)
{
	struct icmp_batch *b = &s->batch;

	if (b->n == SEND_BATCH)
		batch_send(s);
	hc_icmp_build(s->v6, e, b->data[b->n]);
	b->probes[b->n++] = ip;
	ip->in_batch = true;
}

static void batch_drop(struct icmp_sock *s, const struct hc_icmp_probe *ip)
{
	for (unsigned int i = 0; i < s->batch.n; i++)
		if (s->batch.probes[i] == ip)
			s->batch.probes[i] = NULL;
}

static void icmp_start(struct hc_probe *p)
{
	struct hc_icmp_probe *ip = icmp_probe(p);
	struct icmp_sock *s = sock_of(p);
	struct hc_icmp *ic = p->ctx;
	uint8_t buf[HC_ICMP_LEN];
	struct hc_icmp_echo e = {.id = ic->id, .cookie = ic->cookie};
	int r;

	if (s->fd < 0) {
		hc_done(p, MSG_HC_LOCAL, (uint32_t)-s->err);
		return;
	}
	if (slot_take(ic, ip) < 0) {
		hc_done(p, MSG_HC_LOCAL, ENOMEM);
		return;
	}
	e.token = slot_token(ic, ip->slot);
	e.seq = token_seq(e.token);
	if (!hc_sock_has_options(p)) {
		batch_add(s, ip, &e);
		return;
	}
	hc_icmp_build(s->v6, &e, buf);
	if (p->check->device[0] && s->v6 && s->raw)
		r = hc_icmp_send_bound(&s->bound_fd, p, buf, sizeof(buf));
	else
		r = hc_icmp_send(s->fd, p, buf, sizeof(buf));
	if (r < 0) {
		hc_sock_failed(p, -r, true);
		return;
	}
	ic->stats.sent++;
}

static void icmp_poll(struct hc_probe *p)
{
	icmp_read(sock_of(p));
}

static void icmp_stop(struct hc_probe *p)
{
	struct hc_icmp_probe *ip = icmp_probe(p);

	if (ip->in_batch)
		batch_drop(sock_of(p), ip);
	if (ip->in_slot)
		slot_give(p->ctx, ip);
}

const struct hc_kind hc_icmp_kind = {
	.size = sizeof(struct hc_icmp_probe),
	.n_fds = 0,
	.start = icmp_start,
	.flush = icmp_flush,
	.poll = icmp_poll,
	.stop = icmp_stop,
};

/* ---- sockets ---- */

static int icmp_open(struct icmp_sock *s)
{
	int family = s->v6 ? AF_INET6 : AF_INET, proto = s->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	int size = ICMP_RCVBUF, r;

	s->raw = true;
	s->fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, proto);
	if (s->fd < 0 && errno == EPERM) {
		s->raw = false;
		s->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, proto);
	}
	if (s->fd < 0)
		return -errno;
	/* Not essential: with the default size a burst of replies may be cut. */
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	/* Nor is the time of a reply: then it is that of the reading. */
	hc_icmp_stamps(s->fd);
	r = s->raw ? hc_icmp_filter(s->fd, s->v6, s->ic->id) : 0;
	if (r == 0)
		r = loop_io_add(s->ic->loop, &s->io, s->fd, EPOLLIN, icmp_on_io);
	if (r < 0) {
		close(s->fd);
		s->fd = -1;
	}
	return r;
}

int hc_icmp_new(struct loop *l, struct hc_icmp **ret)
{
	struct hc_icmp *ic = calloc(1, sizeof(*ic));

	if (!ic)
		return -ENOMEM;
	if (getrandom(&ic->cookie, sizeof(ic->cookie), 0) != sizeof(ic->cookie) ||
	    getrandom(&ic->id, sizeof(ic->id), 0) != sizeof(ic->id)) {
		free(ic);
		return -EIO;
	}
	ic->loop = l;
	for (unsigned int i = 0; i < ARRAY_SIZE(ic->socks); i++) {
		struct icmp_sock *s = &ic->socks[i];

		s->ic = ic;
		s->v6 = i == 1;
		s->bound_fd = -1;
		s->io = LOOP_IO_INIT;
		s->err = icmp_open(s);
	}
	*ret = ic;
	return 0;
}

void hc_icmp_free(struct hc_icmp *ic)
{
	if (!ic)
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(ic->socks); i++) {
		loop_io_del(ic->loop, &ic->socks[i].io);
		if (ic->socks[i].fd >= 0)
			close(ic->socks[i].fd);
		if (ic->socks[i].bound_fd >= 0)
			close(ic->socks[i].bound_fd);
	}
	free(ic->slots);
	free(ic);
}

int hc_icmp_usable(const struct hc_icmp *ic, bool v6)
{
	return ic->socks[v6].err;
}

const struct hc_icmp_stats *hc_icmp_get_stats(const struct hc_icmp *ic)
{
	return &ic->stats;
}
