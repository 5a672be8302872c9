// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sending end: an AF_PACKET socket past the queueing discipline, and
 * frames that are made once, one for each flow. On veth a packet goes through
 * the XDP program at the other end while the call that sends it returns, on the
 * same CPU, so the rate at which this sends is the rate of the whole way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "traffic.h"

#define FRAME_MAX  1514
#define BATCH	   64u
#define FIRST_PORT 1024u
#define NS_PER_S   1000000000ull
#define NS_PER_MS  1000000ull
#define SLEEP_OVER 20000ull /* ns; a shorter wait is not worth a system call */

struct sender {
	int fd;
	uint8_t *frames;
	struct iovec *iov;
	struct mmsghdr *msgs; /* one for each flow, and the first BATCH ones again */
	uint32_t flows;
	uint32_t next; /* flow */
	size_t len;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static uint32_t sum16(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *b = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	if (len & 1)
		sum += (uint32_t)b[len - 1] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* Checksum of the TCP segment of `len` bytes; addresses: both, as they lie in the IP header. */
static void finish_tcp(struct tcphdr *tcp, size_t len, const void *addresses, size_t addresses_len)
{
	uint32_t sum = IPPROTO_TCP + (uint32_t)len;

	sum = sum16(sum, addresses, addresses_len);
	tcp->check = fold(sum16(sum, tcp, len));
}

static int make_frame(uint8_t *frame, const struct traffic_target *t, const uint8_t *own_mac,
		      uint32_t flow)
{
	struct ethhdr *eth = (struct ethhdr *)frame;
	struct iphdr *ip4 = (struct iphdr *)(eth + 1);
	struct ip6_hdr *ip6 = (struct ip6_hdr *)(eth + 1);
	bool v4 = !strchr(t->vip, ':');
	size_t head = v4 ? sizeof(*ip4) : sizeof(*ip6), len = t->size - head;
	struct tcphdr *tcp = (struct tcphdr *)((uint8_t *)(eth + 1) + head);
	struct ether_addr to;

	if (!ether_aton_r(t->mac, &to))
		return -EINVAL;
	memcpy(eth->h_dest, &to, ETH_ALEN);
	memcpy(eth->h_source, own_mac, ETH_ALEN);
	eth->h_proto = htons(v4 ? ETH_P_IP : ETH_P_IPV6);
	tcp->source = htons((uint16_t)(FIRST_PORT + flow));
	tcp->dest = htons(t->port);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->syn = t->syn;
	tcp->ack = !t->syn;
	tcp->window = htons(1024);
	if (v4) {
		*ip4 = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP};
		ip4->tot_len = htons((uint16_t)t->size);
		ip4->frag_off = htons(IP_DF);
		if (inet_pton(AF_INET, t->source, &ip4->saddr) != 1 ||
		    inet_pton(AF_INET, t->vip, &ip4->daddr) != 1)
			return -EINVAL;
		ip4->check = fold(sum16(0, ip4, sizeof(*ip4)));
		finish_tcp(tcp, len, &ip4->saddr, 8);
	} else {
		ip6->ip6_vfc = 6 << 4;
		ip6->ip6_plen = htons((uint16_t)len);
		ip6->ip6_nxt = IPPROTO_TCP;
		ip6->ip6_hlim = 64;
		if (inet_pton(AF_INET6, t->source, &ip6->ip6_src) != 1 ||
		    inet_pton(AF_INET6, t->vip, &ip6->ip6_dst) != 1)
			return -EINVAL;
		finish_tcp(tcp, len, &ip6->ip6_src, 32);
	}
	return 0;
}

static int open_socket(const char *ifname, uint8_t *ret_mac)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET};
	int fd, one = 1, buffer = 8 << 20, r;
	struct ifreq req = {};

	/* Protocol 0: nothing is received. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	at.sll_ifindex = (int)if_nametoindex(ifname);
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", ifname);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    ioctl(fd, SIOCGIFHWADDR, &req) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	memcpy(ret_mac, req.ifr_hwaddr.sa_data, ETH_ALEN);
	return fd;
}

static int sender_init(struct sender *s, const struct traffic_target *t)
{
	size_t slots = (size_t)t->flows + BATCH;
	uint8_t own_mac[ETH_ALEN];
	int r;

	*s = (struct sender){.flows = t->flows, .len = sizeof(struct ethhdr) + t->size};
	s->fd = open_socket(t->ifname, own_mac);
	if (s->fd < 0)
		return s->fd;
	s->frames = calloc(t->flows, s->len);
	s->iov = calloc(slots, sizeof(*s->iov));
	s->msgs = calloc(slots, sizeof(*s->msgs));
	if (!s->frames || !s->iov || !s->msgs)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->flows; i++) {
		r = make_frame(s->frames + i * s->len, t, own_mac, i);
		if (r < 0)
			return r;
	}
	for (uint32_t i = 0; i < slots; i++) {
		s->iov[i].iov_base = s->frames + i % t->flows * s->len;
		s->iov[i].iov_len = s->len;
		s->msgs[i].msg_hdr.msg_iov = &s->iov[i];
		s->msgs[i].msg_hdr.msg_iovlen = 1;
	}
	return 0;
}

static void sender_done(struct sender *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->frames);
	free(s->iov);
	free(s->msgs);
}

/* Sends up to n; returns how many went, 0 when the interface takes none now, or -errno. */
static int send_some(struct sender *s, uint32_t n)
{
	int r = sendmmsg(s->fd, s->msgs + s->next, n < BATCH ? n : BATCH, 0);

	if (r < 0)
		return errno == ENOBUFS || errno == EAGAIN || errno == EINTR ? 0 : -errno;
	s->next = (s->next + (uint32_t)r) % s->flows;
	return r;
}

static void sleep_ns(uint64_t ns)
{
	struct timespec ts = {.tv_nsec = (long)(ns < NS_PER_MS ? ns : NS_PER_MS)};

	nanosleep(&ts, NULL);
}

static int run(struct sender *s, uint64_t pps, uint64_t count, uint64_t ms)
{
	uint64_t start = now_ns(), sent = 0, refused = 0, spent = 0;
	int r;

	while (sent < count && spent < ms * NS_PER_MS) {
		uint64_t due = pps ? spent / 1000 * pps / 1000000 + 1 : count;
		uint64_t left = (due < count ? due : count) - sent;

		if (due <= sent) {
			uint64_t at = sent * NS_PER_S / pps;

			if (at > spent + SLEEP_OVER)
				sleep_ns(at - spent);
		} else {
			r = send_some(s, left < BATCH ? (uint32_t)left : BATCH);
			if (r < 0)
				return r;
			refused += r == 0;
			sent += (uint32_t)r;
		}
		spent = now_ns() - start;
	}
	printf("{\"sent\": %llu, \"refused\": %llu, \"ns\": %llu}\n", (unsigned long long)sent,
	       (unsigned long long)refused, (unsigned long long)spent);
	return 0;
}

int traffic_send(const struct traffic_target *target)
{
	unsigned long long pps, count, ms;
	char line[128];
	struct sender s;
	cpu_set_t cpus;
	int r;

	if (target->flows < 1 || target->flows > 65536 - FIRST_PORT || target->size < 60 ||
	    target->size > FRAME_MAX - sizeof(struct ethhdr))
		return -EINVAL;
	if (target->cpu >= 0) {
		CPU_ZERO(&cpus);
		CPU_SET((size_t)target->cpu, &cpus);
		if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
			return -errno;
	}
	prctl(PR_SET_TIMERSLACK, 1);
	r = sender_init(&s, target);
	while (r == 0 && fgets(line, sizeof(line), stdin))
		r = sscanf(line, "%llu %llu %llu", &pps, &count, &ms) == 3 ? run(&s, pps, count, ms)
									   : -EINVAL;
	sender_done(&s);
	return r;
}
