// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The question is put to the program by maps_ask.c; here its numbers become
 * names, and the frame that came out tells next hop and interface. A hop of the
 * maps names its interface. One that the kernel was asked for does not, but its
 * source MAC address does, unless two interfaces share it.
 */
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "maps_ask.h"
#include "maps_names.h"
#include "maps_route.h"
#include "util.h"

static const struct maps_port *find_port(const struct maps_attach *attach, const char *name)
{
	for (size_t i = 0; i < attach->n_ports; i++) {
		const struct maps_port *port = &attach->ports[i];

		if (port->state >= MAPS_PORT_IDLE && (!name[0] || strcmp(name, port->name) == 0))
			return port;
	}
	return NULL;
}

/* The one Ethernet interface with this address; ret is "" when none or several have it. */
static void find_by_mac(int sock_fd, const uint8_t mac[static 6], char ret[static IF_NAMESIZE])
{
	struct if_nameindex *all = if_nameindex();
	unsigned int found = 0;

	ret[0] = '\0';
	for (const struct if_nameindex *i = all; i && i->if_index; i++) {
		struct ifreq req = {};

		memcpy(req.ifr_name, i->if_name, strnlen(i->if_name, IF_NAMESIZE - 1));
		if (ioctl(sock_fd, SIOCGIFHWADDR, &req) < 0 ||
		    req.ifr_hwaddr.sa_family != ARPHRD_ETHER ||
		    memcmp(req.ifr_hwaddr.sa_data, mac, 6) != 0)
			continue;
		memcpy(ret, req.ifr_name, IF_NAMESIZE);
		found++;
	}
	if (found != 1)
		ret[0] = '\0';
	if_freenameindex(all);
}

static void read_egress(const struct maps_table *t, const struct maps_attach *attach,
			const struct maps_answer *ans, struct msg_answer *ret)
{
	uint32_t ifindex = maps_names_hop(t, ans->ask.hop);

	memcpy(ret->mac, ans->eth, sizeof(ret->mac));
	for (size_t at = 12; at + 4 < ans->eth_len && ret->n_vlans < ARRAY_SIZE(ret->vlans);
	     at += 4)
		ret->vlans[ret->n_vlans++] = (uint16_t)(ans->eth[at + 2] << 8 | ans->eth[at + 3]);
	if (ans->ask.reason == NLB_R_TX)
		memcpy(ret->egress, ret->ingress, sizeof(ret->egress));
	else if (!ifindex || !if_indextoname(ifindex, ret->egress))
		find_by_mac(attach->sock_fd, ans->eth + 6, ret->egress);
}

static int refuse(struct msg_answer *ret, int error, const char *text)
{
	ret->error = error;
	snprintf(ret->text, sizeof(ret->text), "%s", text);
	return error;
}

static int run(const struct maps_table *t, const struct maps_attach *attach,
	       const struct msg_ask *ask, struct msg_answer *ret, struct maps_answer *ans)
{
	const struct maps_flow flow = {
		.src = ask->src,
		.dst = ask->vip,
		.sport = ask->sport,
		.dport = ask->dport,
		.protocol = ask->protocol,
		.established = ask->established,
	};
	char name[IF_NAMESIZE];
	const struct maps_port *port;
	int r;

	memcpy(name, ask->interface, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	port = find_port(attach, name);
	if (!port)
		return refuse(ret, -ENODEV,
			      name[0] ? "the program is not on this interface"
				      : "the program is on no interface");
	memcpy(ret->ingress, port->name, sizeof(ret->ingress));
	r = maps_ask(t->bpf->prog_fd, &flow, port->ifindex, ans);
	if (r == -EIO)
		return refuse(ret, r, "what came out of the program is not the packet in a tunnel");
	return r < 0 ? refuse(ret, r, strerror(-r)) : 0;
}

void maps_route_answer(const struct maps_table *t, const struct maps_attach *attach,
		       const struct msg_ask *ask, struct msg_answer *ret)
{
	struct maps_answer ans = {};

	*ret = (struct msg_answer){.seq = ask->seq};
	if (run(t, attach, ask, ret, &ans) < 0)
		return;
	ret->reason = ans.ask.reason;
	ret->flags = ans.ask.flags;
	ret->mode = ans.ask.mode;
	maps_names_vip(t, ans.ask.vip, &ret->vip, &ret->vip_plen);
	maps_names_svc(t, ans.ask.service, &ret->svc_protocol, &ret->svc_port);
	if (maps_names_backend(t, ans.ask.backend, &ret->backend))
		ret->slot = ans.ask.slot;
	if (!ans.sent)
		return;
	ret->sent = true;
	ret->outer_src = ans.from;
	ret->outer_dst = ans.to;
	ret->outer_ttl = ans.ttl;
	read_egress(t, attach, &ans, ret);
}
