// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Control messages of echo requests and replies. A mark by control message needs
 * CAP_NET_RAW only (since Linux 5.17), and so does binding to a device by an index.
 */
#include <errno.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "hc_icmp_msg.h"
#include "util.h"

/* <linux/icmp.h> has these, but does not go together with the C library's headers. */
#ifndef ICMP_FILTER
#define ICMP_FILTER 1
#endif

#define ECHO_ID_AT 4 /* in the ICMP header */

struct control {
	_Alignas(struct cmsghdr) char buf[HC_ICMP_CONTROL_LEN];
	size_t len;
};

static void put(struct control *ct, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *cm = (struct cmsghdr *)(ct->buf + ct->len);

	cm->cmsg_level = level;
	cm->cmsg_type = type;
	cm->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cm), data, len);
	ct->len += CMSG_SPACE(len);
}

/* The index of the check's device, 0 when it has none; -ENODEV. */
static int device_index(int fd, const struct hc_check *c)
{
	struct ifreq ifr = {0};

	if (!c->device[0])
		return 0;
	memcpy(ifr.ifr_name, c->device, strnlen(c->device, IFNAMSIZ - 1));
	return ioctl(fd, SIOCGIFINDEX, &ifr) < 0 ? -errno : ifr.ifr_ifindex;
}

static void put_pktinfo(struct control *ct, bool v6, const struct addr *source, int index)
{
	if (v6) {
		struct in6_pktinfo info = {.ipi6_ifindex = (unsigned int)index};

		memcpy(&info.ipi6_addr, source->b, sizeof(info.ipi6_addr));
		put(ct, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	} else {
		struct in_pktinfo info = {.ipi_ifindex = index};

		memcpy(&info.ipi_spec_dst, source->b + 12, sizeof(info.ipi_spec_dst));
		put(ct, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	}
}

static void put_options(struct control *ct, const struct hc_probe *p, int index)
{
	const struct hc_check *c = p->check;
	bool v6 = !addr_is_v4(p->to);
	int tos = c->dscp << 2;

	if (index || !addr_is_unspecified(&c->source))
		put_pktinfo(ct, v6, &c->source, index);
	if (tos && v6)
		put(ct, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	else if (tos)
		put(ct, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	if (p->mark)
		put(ct, SOL_SOCKET, SO_MARK, &p->mark, sizeof(p->mark));
}

/* Could a socket be bound to it? True for none. */
static bool is_ours(const struct addr *source)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage ss;
	socklen_t len;

	if (addr_is_unspecified(source))
		return true;
	len = addr_to_sockaddr(source, 0, &ss);
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 || bind(fd, (struct sockaddr *)&ss, len) == 0 || errno != EADDRNOTAVAIL;
}

/* index: of the device to send by; 0: the route's. */
static int send_by(int fd, int index, const struct hc_probe *p, const void *data, size_t len)
{
	struct iovec iov = {.iov_base = (void *)data, .iov_len = len};
	struct sockaddr_storage to;
	struct control ct = {.len = 0};
	struct msghdr m = {.msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1};
	int r;

	m.msg_namelen = addr_to_sockaddr(p->to, 0, &to);
	put_options(&ct, p, index);
	if (ct.len) {
		m.msg_control = ct.buf;
		m.msg_controllen = ct.len;
	}
	if (sendmsg(fd, &m, 0) >= 0)
		return 0;
	r = -errno;
	/* For want of such a source there was no route: that is no word about the target. */
	return is_ours(&p->check->source) ? r : -EADDRNOTAVAIL;
}

int hc_icmp_send(int fd, const struct hc_probe *p, const void *data, size_t len)
{
	int index = device_index(fd, p->check);

	return index < 0 ? index : send_by(fd, index, p, data, len);
}

static int sender_open(int *ret_fd)
{
	struct icmp6_filter none;
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6);

	if (fd < 0)
		return -errno;
	ICMP6_FILTER_SETBLOCKALL(&none);
	if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &none, sizeof(none)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int hc_icmp_send_bound(int *fd, const struct hc_probe *p, const void *data, size_t len)
{
	const char *device = p->check->device;
	int r = *fd < 0 ? sender_open(fd) : 0;

	if (r < 0)
		return r;
	if (setsockopt(*fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) < 0)
		return -errno;
	return send_by(*fd, 0, p, data, len);
}

/* Echo replies only; without the filter we'd be woken by every ICMP message of the host. */
static int replies_only(int fd, bool v6)
{
	struct icmp6_filter f6;
	uint32_t f4 = ~(1u << 0); /* a set bit blocks that type; 0 is the echo reply */

	if (!v6)
		return setsockopt(fd, SOL_RAW, ICMP_FILTER, &f4, sizeof(f4)) < 0 ? -errno : 0;
	ICMP6_FILTER_SETBLOCKALL(&f6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &f6);
	return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &f6, sizeof(f6)) < 0 ? -errno : 0;
}

int hc_icmp_filter(int fd, bool v6, uint16_t id)
{
	/* A raw IPv4 socket has the IP header before the message, an IPv6 one has not. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LDX | (v6 ? BPF_W | BPF_IMM : BPF_B | BPF_MSH), 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, ECHO_ID_AT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = {.len = ARRAY_SIZE(code), .filter = code};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return -errno;
	return replies_only(fd, v6);
}

int hc_icmp_stamps(int fd)
{
	int on = 1;

	return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ? -errno : 0;
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

int64_t hc_icmp_clocks(void)
{
	return (int64_t)(clock_ns(CLOCK_REALTIME) - util_now_ns());
}

uint64_t hc_icmp_stamp(struct msghdr *m, int64_t ahead)
{
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(m); cm; cm = CMSG_NXTHDR(m, cm)) {
		struct timespec ts;
		int64_t at;

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_TIMESTAMPNS ||
		    cm->cmsg_len < CMSG_LEN(sizeof(ts)))
			continue;
		memcpy(&ts, CMSG_DATA(cm), sizeof(ts));
		/* By the wall clock, which may have been set in between: then nothing is known. */
		at = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec - ahead;
		return at > 0 ? (uint64_t)at : 0;
	}
	return 0;
}
