// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Routes: one question, RTM_GETROUTE with RTM_F_FIB_MATCH, which answers with
 * the route as it stands in the table instead of the one next hop that the
 * kernel would pick. What path MTU discovery has learned is not part of it.
 */
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "neigh_route.h"
#include "util.h"

struct route_answer {
	const struct addr *to;
	struct neigh_route *route;
};

/* Attributes of a route or of one of its next hops, whichever is walked. */
struct hop_attrs {
	uint32_t ifindex;
	struct addr via;
	bool has_via;
	bool wraps; /* the packet leaves in another header */
	const struct nlattr *multipath;
	uint32_t mtu;
};

static uint32_t read_mtu(const struct nlattr *metrics)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, metrics)
	{
		if (mnl_attr_get_type(attr) == RTAX_MTU &&
		    mnl_attr_get_payload_len(attr) == sizeof(uint32_t))
			return mnl_attr_get_u32(attr);
	}
	return 0;
}

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
		h->has_via = neigh_rtnl_read_addr(data, len, &h->via);
		break;
	case RTA_VIA: /* struct rtvia: an IPv4 route by way of an IPv6 next hop */
		if (len > sizeof(struct rtvia))
			h->has_via = neigh_rtnl_read_addr((const char *)data + sizeof(struct rtvia),
							  len - sizeof(struct rtvia), &h->via);
		break;
	case RTA_ENCAP:
	case RTA_ENCAP_TYPE:
	case RTA_NEWDST:
		h->wraps = true;
		break;
	case RTA_METRICS:
		h->mtu = read_mtu(attr);
		break;
	case RTA_MULTIPATH:
		h->multipath = attr;
		break;
	default:
		break;
	}
}

static void add_hop(struct neigh_route *route, const struct addr *to, const struct hop_attrs *h,
		    uint32_t flags, uint32_t weight)
{
	if (!h->ifindex || h->wraps || flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN) ||
	    route->n == NEIGH_ROUTE_MAX)
		return;
	route->hop[route->n++] = (struct neigh_route_hop){
		.path = {.ifindex = h->ifindex, .via = h->has_via ? h->via : *to},
		.weight = weight};
}

static void read_multipath(struct neigh_route *route, const struct addr *to,
			   const struct nlattr *multipath)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);
	int len = mnl_attr_get_payload_len(multipath);

	while (len >= (int)sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) && hop->rtnh_len <= len) {
		struct hop_attrs h = {.ifindex = (uint32_t)hop->rtnh_ifindex};
		const struct nlattr *attr;

		mnl_attr_for_each_payload((void *)RTNH_DATA(hop), hop->rtnh_len - sizeof(*hop))
			read_hop_attr(attr, &h);
		add_hop(route, to, &h, hop->rtnh_flags, hop->rtnh_hops + 1u);
		len -= (int)RTNH_ALIGN(hop->rtnh_len);
		hop = (const struct rtnexthop *)((const char *)hop + RTNH_ALIGN(hop->rtnh_len));
	}
}

void neigh_route_parse(const struct nlmsghdr *nlh, const struct addr *to, struct neigh_route *ret)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	struct hop_attrs h = {};

	ret->n = 0;
	ret->mtu = 0;
	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
	    rtm->rtm_type != RTN_UNICAST)
		return;
	mnl_attr_for_each(attr, nlh, sizeof(*rtm)) read_hop_attr(attr, &h);
	ret->mtu = h.mtu;
	if (h.multipath)
		read_multipath(ret, to, h.multipath);
	else
		add_hop(ret, to, &h, rtm->rtm_flags, 1);
}

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	const struct route_answer *ans = data;

	neigh_route_parse(nlh, ans->to, ans->route);
	return MNL_CB_OK;
}

int neigh_route_get(struct neigh_rtnl *r, const struct addr *to, struct neigh_route *ret)
{
	struct route_answer ans = {.to = to, .route = ret};
	uint64_t buf[64] = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;
	int err;

	ret->n = 0;
	ret->mtu = 0;
	nlh->nlmsg_type = RTM_GETROUTE;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = neigh_rtnl_family(to);
	rtm->rtm_dst_len = addr_is_v4(to) ? 32 : 128;
	/* The route as it stands, with all its next hops, not the one picked. */
	rtm->rtm_flags = RTM_F_FIB_MATCH;
	neigh_rtnl_put_addr(nlh, RTA_DST, to);
	err = neigh_rtnl_request(r, nlh, on_route, &ans);
	/* No route, or one that says no. */
	if (err == -ENETUNREACH || err == -EHOSTUNREACH || err == -ESRCH || err == -EACCES ||
	    err == -EINVAL)
		return 0;
	return err;
}
