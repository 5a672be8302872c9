// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests to the kernel's routing and neighbour tables. The kernel handles an
 * rtnetlink request within sendmsg(), so that its answer is there when the
 * call returns and reading it does not wait for anything; a time limit on the
 * socket guards against the unforeseen.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "neigh_rtnl.h"
#include "util.h"

#define RTNL_BUF 16384

int neigh_rtnl_open(struct neigh_rtnl *r)
{
	const struct timeval limit = {.tv_sec = 1};
	int err;

	*r = (struct neigh_rtnl){};
	r->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!r->nl)
		return -errno;
	if (mnl_socket_bind(r->nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(r->nl), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) <
		    0) {
		err = -errno;
		neigh_rtnl_close(r);
		return err;
	}
	return 0;
}

void neigh_rtnl_close(struct neigh_rtnl *r)
{
	if (r->nl)
		mnl_socket_close(r->nl);
	r->nl = NULL;
}

/* Sends, and hands what comes back to cb until the end of the answer. */
static int request(struct neigh_rtnl *r, struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
{
	_Alignas(struct nlmsghdr) char buf[RTNL_BUF];
	const struct nlmsghdr *answer = (const void *)buf;
	int run;

	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = ++r->seq;
	if (mnl_socket_sendto(r->nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t n = mnl_socket_recvfrom(r->nl, buf, sizeof(buf));

		if (n < 0)
			return -errno;
		run = MNL_CB_OK;
		/* An answer that comes late belongs to an earlier request. */
		if (answer->nlmsg_seq != r->seq)
			continue;
		run = mnl_cb_run(buf, (size_t)n, 0, 0, cb, data);
		if (run < 0)
			return -errno;
	} while (run > MNL_CB_STOP);
	return 0;
}

static void put_addr(struct nlmsghdr *nlh, uint16_t type, const struct addr *a)
{
	if (addr_is_v4(a))
		mnl_attr_put(nlh, type, 4, a->b + 12);
	else
		mnl_attr_put(nlh, type, 16, a->b);
}

static bool read_addr(const void *data, size_t len, struct addr *ret)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (len == 4) {
		memcpy(ret->b, mapped, sizeof(mapped));
		memcpy(ret->b + 12, data, 4);
		return true;
	}
	if (len == 16)
		memcpy(ret->b, data, 16);
	return len == 16;
}

static uint8_t family(const struct addr *a)
{
	return addr_is_v4(a) ? AF_INET : AF_INET6;
}

/* ---- routes ---- */

struct route_answer {
	const struct addr *to;
	struct neigh_path *paths;
	int n;
};

/* Attributes of a route or of one of its next hops, whichever is walked. */
struct hop_attrs {
	uint32_t ifindex;
	struct addr via;
	bool has_via;
	const struct nlattr *multipath;
};

static void read_hop_attr(const struct nlattr *attr, struct hop_attrs *h)
{
	uint16_t len = mnl_attr_get_payload_len(attr);
	const void *data = mnl_attr_get_payload(attr);

	switch (mnl_attr_get_type(attr)) {
	case RTA_OIF:
		if (len == sizeof(uint32_t))
			h->ifindex = mnl_attr_get_u32(attr);
		break;
	case RTA_GATEWAY:
		h->has_via = read_addr(data, len, &h->via);
		break;
	case RTA_VIA: /* struct rtvia: an IPv4 route by way of an IPv6 next hop */
		if (len > sizeof(struct rtvia))
			h->has_via = read_addr((const char *)data + sizeof(struct rtvia),
					       len - sizeof(struct rtvia), &h->via);
		break;
	case RTA_MULTIPATH:
		h->multipath = attr;
		break;
	default:
		break;
	}
}

static void add_path(struct route_answer *ans, const struct hop_attrs *h)
{
	if (!h->ifindex || ans->n == NEIGH_PATHS_MAX)
		return;
	ans->paths[ans->n++] =
		(struct neigh_path){.ifindex = h->ifindex, .via = h->has_via ? h->via : *ans->to};
}

static void read_multipath(struct route_answer *ans, const struct nlattr *multipath)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);
	int len = mnl_attr_get_payload_len(multipath);

	while (len >= (int)sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) && hop->rtnh_len <= len) {
		struct hop_attrs h = {.ifindex = (uint32_t)hop->rtnh_ifindex};
		const struct nlattr *attr;

		mnl_attr_for_each_payload((void *)RTNH_DATA(hop), hop->rtnh_len - sizeof(*hop))
			read_hop_attr(attr, &h);
		add_path(ans, &h);
		len -= (int)RTNH_ALIGN(hop->rtnh_len);
		hop = (const struct rtnexthop *)((const char *)hop + RTNH_ALIGN(hop->rtnh_len));
	}
}

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route_answer *ans = data;
	const struct nlattr *attr;
	struct hop_attrs h = {};

	if (nlh->nlmsg_type != RTM_NEWROUTE || rtm->rtm_type != RTN_UNICAST)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*rtm)) read_hop_attr(attr, &h);
	if (h.multipath)
		read_multipath(ans, h.multipath);
	else
		add_path(ans, &h);
	return MNL_CB_OK;
}

int neigh_rtnl_route(struct neigh_rtnl *r, const struct addr *to,
		     struct neigh_path ret[static NEIGH_PATHS_MAX])
{
	struct route_answer ans = {.to = to, .paths = ret};
	uint64_t buf[64] = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;
	int err;

	nlh->nlmsg_type = RTM_GETROUTE;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = family(to);
	rtm->rtm_dst_len = addr_is_v4(to) ? 32 : 128;
	/* The route as it stands, with all its next hops, not the one picked. */
	rtm->rtm_flags = RTM_F_FIB_MATCH;
	put_addr(nlh, RTA_DST, to);
	err = request(r, nlh, on_route, &ans);
	if (err == -ENETUNREACH || err == -EHOSTUNREACH || err == -ESRCH || err == -EACCES ||
	    err == -EINVAL)
		return 0;
	return err < 0 ? err : ans.n;
}

/* ---- neighbours ---- */

struct neigh_answer {
	bool found;
	uint16_t state;
	uint32_t ext_flags;
};

bool neigh_rtnl_parse(const struct nlmsghdr *nlh, struct neigh_path *ret, uint16_t *ret_state,
		      uint32_t *ret_ext_flags)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	uint32_t ext = 0;
	bool found = false;

	if (ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6)
		return false;
	mnl_attr_for_each(attr, nlh, sizeof(*ndm))
	{
		uint16_t len = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) == NDA_DST)
			found = read_addr(mnl_attr_get_payload(attr), len, &ret->via);
		else if (mnl_attr_get_type(attr) == NDA_FLAGS_EXT && len == sizeof(uint32_t))
			ext = mnl_attr_get_u32(attr);
	}
	ret->ifindex = (uint32_t)ndm->ndm_ifindex;
	*ret_state = ndm->ndm_state;
	*ret_ext_flags = ext;
	return found;
}

static int on_neigh(const struct nlmsghdr *nlh, void *data)
{
	struct neigh_answer *ans = data;
	struct neigh_path path;

	if (nlh->nlmsg_type == RTM_NEWNEIGH &&
	    neigh_rtnl_parse(nlh, &path, &ans->state, &ans->ext_flags))
		ans->found = true;
	return MNL_CB_OK;
}

static struct ndmsg *put_neigh(struct nlmsghdr *nlh, uint16_t type, const struct neigh_path *p)
{
	struct ndmsg *ndm;

	nlh->nlmsg_type = type;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = family(&p->via);
	ndm->ndm_ifindex = (int)p->ifindex;
	put_addr(nlh, NDA_DST, &p->via);
	return ndm;
}

int neigh_rtnl_get(struct neigh_rtnl *r, const struct neigh_path *p, uint16_t *ret_state,
		   uint32_t *ret_ext_flags)
{
	struct neigh_answer ans = {};
	uint64_t buf[64] = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int err;

	put_neigh(nlh, RTM_GETNEIGH, p);
	err = request(r, nlh, on_neigh, &ans);
	if (err < 0)
		return err;
	if (!ans.found)
		return -ENOENT;
	*ret_state = ans.state;
	*ret_ext_flags = ans.ext_flags;
	return 0;
}

static int use(struct neigh_rtnl *r, const struct neigh_path *p, bool managed)
{
	uint64_t buf[64] = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	put_neigh(nlh, RTM_NEWNEIGH, p)->ndm_flags = NTF_USE;
	nlh->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
	if (managed)
		mnl_attr_put_u32(nlh, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	return request(r, nlh, NULL, NULL);
}

int neigh_rtnl_use(struct neigh_rtnl *r, const struct neigh_path *p, bool managed)
{
	int err = use(r, p, managed && !r->no_managed);

	if (err == -EINVAL && managed && !r->no_managed) {
		err = use(r, p, false);
		/* Kernels before 5.16. */
		r->no_managed = err == 0;
	}
	return err;
}
