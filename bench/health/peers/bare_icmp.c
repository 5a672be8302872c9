// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bare prober's ICMP: one raw socket that takes echo replies only, 64 requests by one
 * sendmmsg(), 64 replies by one recvmmsg(). A reply is told by its number and not looked at again.
 */
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "bare.h"

#define BATCH	  64
#define REPLY_LEN 128
#define ROOM	  (8 << 20)
/* linux/icmp.h, which can't be had beside netinet/ip_icmp.h */
#define ICMP_FILTER_OPT 1

static int raw;

static void icmp_open(struct bare *b)
{
	uint32_t filter = ~(1u << ICMP_ECHOREPLY);
	int room = ROOM;

	raw = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (raw < 0 || setsockopt(raw, SOL_RAW, ICMP_FILTER_OPT, &filter, sizeof(filter)) < 0)
		bare_fail("raw socket");
	if (setsockopt(raw, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		bare_fail("SO_RCVBUFFORCE");
	b->window = MIN2(b->window, (uint32_t)BATCH);
}

static uint16_t checksum(const struct icmphdr *h)
{
	const uint16_t *word = (const void *)h;
	uint32_t sum = 0;

	for (size_t i = 0; i < sizeof(*h) / 2; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static void icmp_start(struct bare *b, uint32_t n)
{
	struct mmsghdr msgs[BATCH] = {0};
	struct sockaddr_in to[BATCH];
	struct icmphdr echo[BATCH];
	struct iovec iov[BATCH];
	int sent;

	n = MIN2(n, (uint32_t)BATCH);
	if (!n)
		return;
	for (uint32_t i = 0; i < n; i++) {
		to[i] = world_target(WORLD_FIRST, b->started + i, 0);
		echo[i] = (struct icmphdr){.type = ICMP_ECHO};
		echo[i].un.echo.id = htons((uint16_t)getpid());
		echo[i].un.echo.sequence = htons((uint16_t)(b->started + i));
		echo[i].checksum = checksum(&echo[i]);
		iov[i] = (struct iovec){&echo[i], sizeof(echo[i])};
		msgs[i].msg_hdr.msg_name = &to[i];
		msgs[i].msg_hdr.msg_namelen = sizeof(to[i]);
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	sent = sendmmsg(raw, msgs, n, 0);
	if (sent < 0)
		bare_fail("sendmmsg");
	b->started += (uint32_t)sent;
}

static void icmp_take(struct bare *b, uint64_t wait_ns)
{
	static uint8_t replies[BATCH][REPLY_LEN];
	struct pollfd poll_fd = {.fd = raw, .events = POLLIN};
	struct mmsghdr msgs[BATCH] = {0};
	struct timespec wait = bare_timespec(wait_ns);
	struct iovec iov[BATCH];
	int n;

	if (wait_ns && ppoll(&poll_fd, 1, &wait, NULL) <= 0) {
		if (wait_ns == BARE_WAIT_NS)
			bare_fail("no reply");
		return;
	}
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){replies[i], REPLY_LEN};
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	do {
		n = recvmmsg(raw, msgs, BATCH, MSG_DONTWAIT, NULL);
		if (n < 0 && errno != EAGAIN)
			bare_fail("recvmmsg");
		for (int i = 0; i < n; i++) {
			const struct icmphdr *h = (const void *)(replies[i] + 20);

			if (h->un.echo.id != htons((uint16_t)getpid()))
				continue;
			b->ok++;
			b->ended++;
		}
	} while (n == BATCH);
}

const struct bare_kind bare_icmp = {icmp_open, icmp_start, icmp_take};
