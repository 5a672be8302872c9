// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's routes, as rtnetlink tells of each change: when zebra has put the last one in,
 * or taken it out.
 */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "heard.h"
#include "modes.h"
#include "util.h"

#define SOCKET_BUFFER (16 << 20)

static int on_message(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct heard *h = data;
	struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWROUTE && nlh->nlmsg_type != RTM_DELROUTE)
		return MNL_CB_OK;
	if (rtm->rtm_family != AF_INET || rtm->rtm_table != RT_TABLE_MAIN)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*rtm)) if (mnl_attr_get_type(attr) == RTA_DST)
		heard_set(h, ntohl(mnl_attr_get_u32(attr)), rtm->rtm_dst_len,
			  nlh->nlmsg_type == RTM_NEWROUTE);
	return MNL_CB_OK;
}

static int on_readable(struct heard *h, void *user)
{
	char buffer[32768];
	ssize_t n = mnl_socket_recvfrom(user, buffer, sizeof(buffer));

	if (n < 0)
		return -errno;
	return mnl_cb_run(buffer, (size_t)n, 0, 0, on_message, h) < 0 ? -errno : 0;
}

int routes_main(void)
{
	struct heard *h = calloc(1, sizeof(*h));
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int size = SOCKET_BUFFER, r = 0;

	if (!h || !s)
		r = -ENOMEM;
	if (r == 0 && (setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVBUFFORCE, &size,
				  sizeof(size)) < 0 ||
		       mnl_socket_bind(s, RTMGRP_IPV4_ROUTE, MNL_SOCKET_AUTOPID) < 0))
		r = -errno;
	if (r == 0)
		r = heard_serve(h, mnl_socket_get_fd(s), on_readable, s);
	if (s)
		mnl_socket_close(s);
	free(h);
	return r;
}
