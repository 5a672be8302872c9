// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Listening to rtnetlink: one socket, joined to the groups of what matters to
 * the way of a packet. The socket's room is large, since a full routing table may
 * come by at once; when it was too small nevertheless, recv() says so once
 * (ENOBUFS), and the listener must look at everything anew.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "neigh_event.h"
#include "util.h"

#define ROOM (4 << 20)

static int on_message(const struct nlmsghdr *nlh, void *data)
{
	struct neigh_events *ev = data;

	ev->ops->message(ev, nlh);
	return MNL_CB_OK;
}

static void on_io(struct loop_io *io, uint32_t events _unused_)
{
	struct neigh_events *ev = container_of(io, struct neigh_events, io);
	_Alignas(struct nlmsghdr) char buf[16384];

	for (;;) {
		ssize_t len = recv(io->fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (len > 0)
			mnl_cb_run(buf, (size_t)len, 0, 0, on_message, ev);
		else if (len < 0 && errno == ENOBUFS)
			ev->ops->lost(ev);
		else if (len == 0 || errno != EINTR)
			break;
	}
	ev->ops->drained(ev);
}

static int join(const struct neigh_events *ev, int group)
{
	int r = mnl_socket_setsockopt(ev->nl, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group));

	return r < 0 ? -errno : 0;
}

int neigh_events_open(struct neigh_events *ev, struct loop *l, const struct neigh_event_ops *ops)
{
	static const int groups[] = {RTNLGRP_LINK,	  RTNLGRP_NEIGH,      RTNLGRP_IPV4_IFADDR,
				     RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
				     RTNLGRP_IPV4_RULE,	  RTNLGRP_IPV6_RULE};
	int size = ROOM, r;

	*ev = (struct neigh_events){.loop = l, .ops = ops, .io = LOOP_IO_INIT};
	ev->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!ev->nl || mnl_socket_bind(ev->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	setsockopt(mnl_socket_get_fd(ev->nl), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		r = join(ev, groups[i]);
		if (r < 0)
			return r;
	}
	/* Kernels before 5.3 have no such objects. */
	(void)join(ev, RTNLGRP_NEXTHOP);
	return loop_io_add(l, &ev->io, mnl_socket_get_fd(ev->nl), EPOLLIN, on_io);
}

void neigh_events_close(struct neigh_events *ev)
{
	if (!ev->nl)
		return;
	loop_io_del(ev->loop, &ev->io);
	mnl_socket_close(ev->nl);
	ev->nl = NULL;
}
