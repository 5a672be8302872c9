// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A table of interfaces, read once by RTM_GETLINK and kept by link events. A VLAN
 * device is resolved down to the interface that it is on, since XDP programs
 * send by that, with the tags in the packet. A bond is sent by as it is: its
 * driver picks the port. Bridges, macvlans, tunnels and the like are not
 * resolved, because what they would do to a packet is theirs to know, and they
 * take none from XDP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "neigh_link.h"
#include "neigh_rtnl.h"
#include "util.h"

#define LOAD_TRIES 10

struct link_info {
	char kind[32]; /* "": none, a device of hardware */
	bool has_vlan_id;
	uint16_t vlan_id, vlan_type;
};

static void read_vlan(const struct nlattr *data, struct link_info *info)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data)
	{
		if (mnl_attr_get_payload_len(attr) != sizeof(uint16_t))
			continue;
		if (mnl_attr_get_type(attr) == IFLA_VLAN_ID) {
			info->vlan_id = mnl_attr_get_u16(attr);
			info->has_vlan_id = true;
		} else if (mnl_attr_get_type(attr) == IFLA_VLAN_PROTOCOL) {
			info->vlan_type = ntohs(mnl_attr_get_u16(attr));
		}
	}
}

static void read_info(const struct nlattr *nest, struct link_info *info)
{
	const struct nlattr *attr, *data = NULL;

	mnl_attr_for_each_nested(attr, nest)
	{
		size_t len = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND) {
			len = MIN2(len, sizeof(info->kind) - 1);
			memcpy(info->kind, mnl_attr_get_payload(attr), len);
			info->kind[len] = '\0';
		} else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA) {
			data = attr;
		}
	}
	if (data && strcmp(info->kind, "vlan") == 0)
		read_vlan(data, info);
}

static enum neigh_link_kind kind_of(const struct link_info *info)
{
	static const char *const ports[] = {"", "veth", "bond", "tun", "netdevsim"};

	if (strcmp(info->kind, "vlan") == 0)
		return info->has_vlan_id ? NEIGH_LINK_VLAN : NEIGH_LINK_OTHER;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		if (strcmp(info->kind, ports[i]) == 0)
			return NEIGH_LINK_PORT;
	return NEIGH_LINK_OTHER;
}

bool neigh_link_parse(const struct nlmsghdr *nlh, struct neigh_link *ret)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct link_info info = {.vlan_type = ETH_P_8021Q};
	struct neigh_link link = {};
	bool has_mac = false, named = false, elsewhere = false;
	const struct nlattr *attr;

	/* With AF_BRIDGE they are about ports of bridges, which is another thing. */
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi) || ifi->ifi_family != AF_UNSPEC ||
	    ifi->ifi_index <= 0)
		return false;
	mnl_attr_for_each(attr, nlh, sizeof(*ifi))
	{
		uint16_t len = mnl_attr_get_payload_len(attr);

		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			named = true;
			break;
		case IFLA_ADDRESS:
			has_mac = len == sizeof(link.mac);
			if (has_mac)
				memcpy(link.mac, mnl_attr_get_payload(attr), len);
			break;
		case IFLA_MTU:
			if (len == sizeof(uint32_t))
				link.mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK:
			if (len == sizeof(uint32_t))
				link.lower = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK_NETNSID:
			elsewhere = true;
			break;
		case IFLA_LINKINFO:
			read_info(attr, &info);
			break;
		default:
			break;
		}
	}
	/* Wireless events come as messages about a link, too, with nothing of it inside. */
	if (!named)
		return false;
	link.ifindex = (uint32_t)ifi->ifi_index;
	link.up = ifi->ifi_flags & IFF_UP && ifi->ifi_flags & IFF_LOWER_UP;
	if (ifi->ifi_type == ARPHRD_ETHER && has_mac)
		link.kind = kind_of(&info);
	if (link.kind == NEIGH_LINK_VLAN && !elsewhere) {
		link.vlan_id = info.vlan_id;
		link.vlan_type = info.vlan_type;
	} else {
		/* For a veth, it is the other end. */
		link.lower = 0;
		if (link.kind == NEIGH_LINK_VLAN)
			link.kind = NEIGH_LINK_OTHER;
	}
	*ret = link;
	return true;
}

static struct neigh_link *find(const struct neigh_links *t, uint32_t ifindex)
{
	struct neigh_link *l;

	HASH_FIND(hh, t->by_index, &ifindex, sizeof(ifindex), l);
	return l;
}

static bool same(const struct neigh_link *a, const struct neigh_link *b)
{
	return a->kind == b->kind && a->mtu == b->mtu && a->lower == b->lower &&
	       a->vlan_id == b->vlan_id && a->vlan_type == b->vlan_type && a->up == b->up &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
}

static void forget(struct neigh_links *t, struct neigh_link *l)
{
	HASH_DELETE(hh, t->by_index, l);
	free(l);
}

bool neigh_links_event(struct neigh_links *t, const struct nlmsghdr *nlh)
{
	struct neigh_link now, *l;
	UT_hash_handle hh;

	if (!neigh_link_parse(nlh, &now))
		return false;
	l = find(t, now.ifindex);
	if (nlh->nlmsg_type == RTM_DELLINK) {
		if (l)
			forget(t, l);
		return l != NULL;
	}
	if (l) {
		if (same(l, &now))
			return false;
		hh = l->hh;
		*l = now;
		l->hh = hh;
		return true;
	}
	l = malloc(sizeof(*l));
	if (!l)
		return false;
	*l = now;
	HASH_ADD(hh, t->by_index, ifindex, sizeof(l->ifindex), l);
	if (!HASH_ADDED(hh, l)) {
		free(l);
		return false;
	}
	return true;
}

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	if (nlh->nlmsg_type == RTM_NEWLINK)
		neigh_links_event(data, nlh);
	return MNL_CB_OK;
}

static int load(struct neigh_links *t, struct neigh_rtnl *r)
{
	uint64_t buf[64] = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_DUMP;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	return neigh_rtnl_request(r, nlh, on_link, t);
}

int neigh_links_load(struct neigh_links *t, struct neigh_rtnl *r)
{
	struct neigh_links fresh = {};
	int err = -EINTR;

	/* EINTR: an interface came or went half way. */
	for (int i = 0; i < LOAD_TRIES && err == -EINTR; i++) {
		neigh_links_done(&fresh);
		err = load(&fresh, r);
	}
	if (err < 0) {
		neigh_links_done(&fresh);
		return err;
	}
	neigh_links_done(t);
	*t = fresh;
	return 0;
}

void neigh_links_done(struct neigh_links *t)
{
	while (t->by_index)
		forget(t, t->by_index);
}

static void put16(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

bool neigh_links_resolve(const struct neigh_links *t, uint32_t ifindex, const uint8_t mac[6],
			 struct neigh_hop_info *ret)
{
	const struct neigh_link *vlans[NEIGH_VLANS_MAX], *l = find(t, ifindex);
	struct neigh_hop_info info = {.eth_len = 12};
	size_t n = 0;

	if (!l || l->kind == NEIGH_LINK_OTHER || !l->up)
		return false;
	memcpy(info.eth, mac, 6);
	memcpy(info.eth + 6, l->mac, 6);
	info.mtu = l->mtu;
	while (l->kind == NEIGH_LINK_VLAN) {
		if (n == NEIGH_VLANS_MAX)
			return false;
		vlans[n++] = l;
		l = find(t, l->lower);
		if (!l || l->kind == NEIGH_LINK_OTHER || !l->up)
			return false;
		info.mtu = MIN2(info.mtu, l->mtu);
	}
	info.ifindex = l->ifindex;
	/* The innermost was met first. */
	while (n--) {
		put16(info.eth + info.eth_len, vlans[n]->vlan_type);
		put16(info.eth + info.eth_len + 2, vlans[n]->vlan_id);
		info.eth_len += 4;
	}
	*ret = info;
	return true;
}
