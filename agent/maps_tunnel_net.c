// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rules and routes of checks through the tunnel, over rtnetlink. That a thing is there is
 * found out by making it exclusively: the kernel says EEXIST then.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/fib_rules.h>
#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "maps_tunnel_net.h"
#include "util.h"
#include "xdp/nlb_shared.h"

#define PROG_NAME	 "nlb_tunnel" /* as `ip route` shows it */
#define METRIC		 1u
#define METRIC_BLACKHOLE 1000000u
#define RULES_MAX	 16u /* of ours; more than two are left over from somewhere */
#define ROUTES_MAX	 16u
#define HEADROOM	 40u /* the larger outer header, IPv6's; less is left of the interface's MTU */

struct rule {
	uint8_t family;
	uint32_t priority, mark, mask, table;
};

int maps_tunnel_net_open(struct maps_tunnel_net *n, const struct config *cfg)
{
	*n = (struct maps_tunnel_net){.mark = cfg->tunnel_mark,
				      .table = cfg->tunnel_table,
				      .priority = cfg->tunnel_priority};
	return neigh_rtnl_open(&n->rtnl);
}

void maps_tunnel_net_close(struct maps_tunnel_net *n)
{
	neigh_rtnl_close(&n->rtnl);
}

/* ---- routes ---- */

static struct nlmsghdr *put_route(void *buf, uint16_t type, uint8_t family, uint8_t kind,
				  uint32_t table)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;

	nlh->nlmsg_type = type;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = family;
	rtm->rtm_protocol = MAPS_TUNNEL_PROTOCOL;
	rtm->rtm_type = kind;
	rtm->rtm_table = RT_TABLE_UNSPEC;
	mnl_attr_put_u32(nlh, RTA_TABLE, table);
	return nlh;
}

static int put_blackhole(struct maps_tunnel_net *n, uint8_t family)
{
	uint64_t buf[64] = {};
	struct nlmsghdr *nlh = put_route(buf, RTM_NEWROUTE, family, RTN_BLACKHOLE, n->table);

	nlh->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	mnl_attr_put_u32(nlh, RTA_PRIORITY, METRIC_BLACKHOLE);
	return neigh_rtnl_request(&n->rtnl, nlh, NULL, NULL);
}

static int put_way(struct maps_tunnel_net *n, uint8_t family, const struct maps_tunnel_way *way,
		   uint16_t flags)
{
	uint64_t buf[64] = {};
	struct nlmsghdr *nlh = put_route(buf, RTM_NEWROUTE, family, RTN_UNICAST, n->table);
	struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct nlattr *nest, *xmit;

	rtm->rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_CREATE | flags);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, METRIC);
	mnl_attr_put_u32(nlh, RTA_OIF, way->ifindex);
	mnl_attr_put_u16(nlh, RTA_ENCAP_TYPE, LWTUNNEL_ENCAP_BPF);
	nest = mnl_attr_nest_start(nlh, RTA_ENCAP);
	xmit = mnl_attr_nest_start(nlh, LWT_BPF_XMIT);
	mnl_attr_put_u32(nlh, LWT_BPF_PROG_FD, (uint32_t)way->prog_fd);
	mnl_attr_put_strz(nlh, LWT_BPF_PROG_NAME, PROG_NAME);
	mnl_attr_nest_end(nlh, xmit);
	mnl_attr_put_u32(nlh, LWT_BPF_XMIT_HEADROOM, HEADROOM);
	mnl_attr_nest_end(nlh, nest);
	return neigh_rtnl_request(&n->rtnl, nlh, NULL, NULL);
}

/* All default routes of ours in the table; no route is no error. */
static int remove_routes(struct maps_tunnel_net *n, uint8_t family, uint32_t table)
{
	for (unsigned int i = 0; i < ROUTES_MAX; i++) {
		uint64_t buf[64] = {};
		struct nlmsghdr *nlh = put_route(buf, RTM_DELROUTE, family, RTN_UNSPEC, table);
		struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
		int r;

		rtm->rtm_scope = RT_SCOPE_NOWHERE;
		r = neigh_rtnl_request(&n->rtnl, nlh, NULL, NULL);
		if (r < 0)
			return r == -ESRCH || r == -ENOENT ? 0 : r;
	}
	return 0;
}

/* ---- rules ---- */

static int change_rule(struct maps_tunnel_net *n, uint16_t type, const struct rule *rule)
{
	uint64_t buf[64] = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct fib_rule_hdr *hdr;

	nlh->nlmsg_type = type;
	if (type == RTM_NEWRULE)
		nlh->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	hdr = mnl_nlmsg_put_extra_header(nlh, sizeof(*hdr));
	hdr->family = rule->family;
	hdr->action = FR_ACT_TO_TBL;
	mnl_attr_put_u32(nlh, FRA_TABLE, rule->table);
	mnl_attr_put_u32(nlh, FRA_PRIORITY, rule->priority);
	mnl_attr_put_u32(nlh, FRA_FWMARK, rule->mark);
	mnl_attr_put_u32(nlh, FRA_FWMASK, rule->mask);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, MAPS_TUNNEL_PROTOCOL);
	return neigh_rtnl_request(&n->rtnl, nlh, NULL, NULL);
}

struct found {
	unsigned int n;
	struct rule rules[RULES_MAX];
};

static int on_rule(const struct nlmsghdr *nlh, void *data)
{
	const struct fib_rule_hdr *hdr = mnl_nlmsg_get_payload(nlh);
	struct rule rule = {.mask = UINT32_MAX};
	const struct nlattr *attr;
	struct found *found = data;
	uint8_t protocol = 0;

	if (nlh->nlmsg_type != RTM_NEWRULE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*hdr))
		return MNL_CB_OK;
	rule.family = hdr->family;
	rule.table = hdr->table;
	mnl_attr_for_each(attr, nlh, sizeof(*hdr))
	{
		uint16_t type = mnl_attr_get_type(attr), len = mnl_attr_get_payload_len(attr);

		if (type == FRA_PROTOCOL && len == sizeof(uint8_t))
			protocol = mnl_attr_get_u8(attr);
		if (len != sizeof(uint32_t))
			continue;
		if (type == FRA_TABLE)
			rule.table = mnl_attr_get_u32(attr);
		else if (type == FRA_PRIORITY)
			rule.priority = mnl_attr_get_u32(attr);
		else if (type == FRA_FWMARK)
			rule.mark = mnl_attr_get_u32(attr);
		else if (type == FRA_FWMASK)
			rule.mask = mnl_attr_get_u32(attr);
	}
	if (protocol == MAPS_TUNNEL_PROTOCOL && found->n < RULES_MAX)
		found->rules[found->n++] = rule;
	return MNL_CB_OK;
}

static int find_rules(struct maps_tunnel_net *n, uint8_t family, struct found *found)
{
	uint64_t buf[64] = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct fib_rule_hdr *hdr;

	nlh->nlmsg_type = RTM_GETRULE;
	nlh->nlmsg_flags = NLM_F_DUMP;
	hdr = mnl_nlmsg_put_extra_header(nlh, sizeof(*hdr));
	hdr->family = family;
	return neigh_rtnl_request(&n->rtnl, nlh, on_rule, found);
}

static int remove_family(struct maps_tunnel_net *n, uint8_t family)
{
	struct found found = {};
	int r = find_rules(n, family, &found), err = 0;

	/* A kernel without the family has nothing of ours. */
	if (r < 0)
		return r == -EAFNOSUPPORT || r == -EOPNOTSUPP ? 0 : r;
	/* The rules first: without one, no probe looks into the table. */
	for (unsigned int i = 0; i < found.n; i++) {
		r = change_rule(n, RTM_DELRULE, &found.rules[i]);
		if (r < 0 && r != -ENOENT)
			err = r;
	}
	for (unsigned int i = 0; i < found.n; i++) {
		r = remove_routes(n, family, found.rules[i].table);
		if (r < 0)
			err = r;
	}
	r = remove_routes(n, family, n->table);
	if (r < 0)
		err = r;
	return err < 0 ? err : (int)found.n;
}

/* ---- both ---- */

/* EEXIST is what was hoped for. */
static int there(int r, bool *made)
{
	if (r == -EEXIST)
		return 0;
	*made |= r == 0;
	return r;
}

int maps_tunnel_net_ensure(struct maps_tunnel_net *n, uint8_t family,
			   const struct maps_tunnel_way *way, bool anew)
{
	const struct rule rule = {.family = family,
				  .priority = n->priority,
				  .mark = n->mark,
				  .mask = NLB_TUNNEL_MASK,
				  .table = n->table};
	bool made = false;
	int r;

	/* The rule last: it must not lead to a table that is not whole. */
	r = there(put_blackhole(n, family), &made);
	if (r == 0)
		r = there(put_way(n, family, way, anew ? NLM_F_REPLACE : NLM_F_EXCL), &made);
	if (r == 0)
		r = there(change_rule(n, RTM_NEWRULE, &rule), &made);
	return r < 0 ? r : made;
}

int maps_tunnel_net_remove(struct maps_tunnel_net *n)
{
	int v4 = remove_family(n, AF_INET), v6 = remove_family(n, AF_INET6);

	if (v4 < 0 || v6 < 0)
		return MIN2(v4, v6);
	return v4 + v6;
}
