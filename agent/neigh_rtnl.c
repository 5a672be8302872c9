// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests to the kernel's tables, and those for neighbours. The kernel handles an
 * rtnetlink request within sendmsg(), so that its answer is there when the
 * call returns and reading it does not wait for anything; a time limit on the
 * socket guards against the unforeseen.
 */
#include <errno.h>
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

int neigh_rtnl_request(struct neigh_rtnl *r, struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
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

void neigh_rtnl_put_addr(struct nlmsghdr *nlh, uint16_t type, const struct addr *a)
{
	if (addr_is_v4(a))
		mnl_attr_put(nlh, type, 4, a->b + 12);
	else
		mnl_attr_put(nlh, type, 16, a->b);
}

bool neigh_rtnl_read_addr(const void *data, size_t len, struct addr *ret)
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

uint8_t neigh_rtnl_family(const struct addr *a)
{
	return addr_is_v4(a) ? AF_INET : AF_INET6;
}

struct neigh_answer {
	bool found;
	struct neigh_entry entry;
};

bool neigh_rtnl_parse(const struct nlmsghdr *nlh, struct neigh_path *ret_path,
		      struct neigh_entry *ret)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct neigh_entry e = {};
	const struct nlattr *attr;
	struct neigh_path path;
	bool found = false;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ndm) ||
	    (ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6))
		return false;
	/* One that this host answers for: its key may be that of a real one. */
	if (ndm->ndm_flags & NTF_PROXY)
		return false;
	mnl_attr_for_each(attr, nlh, sizeof(*ndm))
	{
		uint16_t len = mnl_attr_get_payload_len(attr);
		const void *data = mnl_attr_get_payload(attr);

		switch (mnl_attr_get_type(attr)) {
		case NDA_DST:
			found = neigh_rtnl_read_addr(data, len, &path.via);
			break;
		case NDA_LLADDR:
			e.has_mac = len == sizeof(e.mac);
			if (e.has_mac)
				memcpy(e.mac, data, sizeof(e.mac));
			break;
		case NDA_FLAGS_EXT:
			if (len == sizeof(uint32_t))
				e.ext_flags = mnl_attr_get_u32(attr);
			break;
		default:
			break;
		}
	}
	if (!found)
		return false;
	path.ifindex = (uint32_t)ndm->ndm_ifindex;
	e.state = ndm->ndm_state;
	*ret_path = path;
	*ret = e;
	return true;
}

static int on_neigh(const struct nlmsghdr *nlh, void *data)
{
	struct neigh_answer *ans = data;
	struct neigh_path path;

	if (nlh->nlmsg_type == RTM_NEWNEIGH && neigh_rtnl_parse(nlh, &path, &ans->entry))
		ans->found = true;
	return MNL_CB_OK;
}

static struct ndmsg *put_neigh(struct nlmsghdr *nlh, uint16_t type, const struct neigh_path *p)
{
	struct ndmsg *ndm;

	nlh->nlmsg_type = type;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = neigh_rtnl_family(&p->via);
	ndm->ndm_ifindex = (int)p->ifindex;
	neigh_rtnl_put_addr(nlh, NDA_DST, &p->via);
	return ndm;
}

int neigh_rtnl_get(struct neigh_rtnl *r, const struct neigh_path *p, struct neigh_entry *ret)
{
	struct neigh_answer ans = {};
	uint64_t buf[64] = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int err;

	put_neigh(nlh, RTM_GETNEIGH, p);
	err = neigh_rtnl_request(r, nlh, on_neigh, &ans);
	if (err < 0)
		return err;
	if (!ans.found)
		return -ENOENT;
	*ret = ans.entry;
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
	return neigh_rtnl_request(r, nlh, NULL, NULL);
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
