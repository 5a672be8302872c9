// SPDX-License-Identifier: GPL-2.0-or-later
/* The network around the balancer of the packet tests; see xdp_world.h. */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "util.h"
#include "xdp_net.h"
#include "xdp_world.h"
#include "xdp_world_int.h"

void xdp_world_network(void)
{
	xdp_net_run("ip link add in0 type veth peer name in1");
	xdp_net_run("ip link add out0 type veth peer name out1");
	xdp_net_run("ip link add nf0 type veth peer name nf1");
	/* Before the neighbours are added: a new address forgets those. */
	xdp_net_run("ip link set in0 address 02:00:00:00:00:01");
	xdp_net_run("ip link set out0 address 02:00:00:00:01:01");
	for (const char *const *i =
		     (const char *const[]){"in0", "in1", "out0", "out1", "nf0", "nf1", NULL};
	     *i; i++) {
		xdp_net_run("ip link set %s up", *i);
		xdp_net_run("ip link set %s mtu 1600", *i);
	}
	xdp_net_run("ip addr add 10.0.0.1/24 dev in0");
	xdp_net_run("ip addr add 10.0.1.1/24 dev out0");
	xdp_net_run("ip addr add 10.0.2.1/24 dev nf0");
	xdp_net_run("ip addr add fd00::1/64 dev in0 nodad");
	xdp_net_run("ip addr add fd01::1/64 dev out0 nodad");
	xdp_net_run("ip addr add fd02::1/64 dev nf0 nodad");
	for (const char *const *i = (const char *const[]){"in0", "out0", NULL}; *i; i++) {
		char name[64];

		snprintf(name, sizeof(name), "ipv4/conf/%s/forwarding", *i);
		xdp_net_sysctl(name, "1");
		snprintf(name, sizeof(name), "ipv6/conf/%s/forwarding", *i);
		xdp_net_sysctl(name, "1");
	}
	xdp_net_run("ip neigh add 10.0.0.11 lladdr 02:00:00:00:00:11 dev in0 nud permanent");
	xdp_net_run("ip neigh add fd00::11 lladdr 02:00:00:00:00:16 dev in0 nud permanent");
	xdp_net_run("ip neigh add 10.0.1.11 lladdr 02:00:00:00:01:11 dev out0 nud permanent");
	xdp_net_run("ip neigh add fd01::11 lladdr 02:00:00:00:01:16 dev out0 nud permanent");
	xdp_net_run("ip route add blackhole 10.66.0.0/24");
	xdp_net_run("ip route add prohibit 10.67.0.0/24");
	xdp_net_run("ip route add unreachable 10.68.0.0/24");
	xdp_net_run("ip route add 10.69.0.0/24 via 10.0.0.11 mtu lock 600");
	xdp_net_run("ip route add 10.71.0.0/24 via 10.0.0.11 mtu lock 321");
	xdp_net_run("ip route add fd69::/64 via fd00::11 mtu lock 1300");
	xdp_net_run("ip route add 10.70.0.0/24 via inet6 fd00::11 dev in0");
}

/* What xdp_world_network() makes of it. All that is not here has no route. */
static const struct {
	const char *backend;
	enum nlb_reason reason;
	const char *ifname;
	uint32_t mtu;
	uint8_t dmac[6];
} ways[] = {
	{"10.0.0.11", NLB_R_TX, "in0", 1600, {2, 0, 0, 0, 0, 0x11}},
	{"10.0.1.11", NLB_R_TX, "out0", 1600, {2, 0, 0, 0, 1, 0x11}},
	{"fd00::11", NLB_R_TX, "in0", 1600, {2, 0, 0, 0, 0, 0x16}},
	{"fd01::11", NLB_R_TX, "out0", 1600, {2, 0, 0, 0, 1, 0x16}},
	{"10.69.0.1", NLB_R_TX, "in0", 600, {2, 0, 0, 0, 0, 0x11}},
	{"10.71.0.1", NLB_R_TX, "in0", 321, {2, 0, 0, 0, 0, 0x11}},
	{"fd69::1", NLB_R_TX, "in0", 1300, {2, 0, 0, 0, 0, 0x16}},
	{"10.70.0.1", NLB_R_TX, "in0", 1600, {2, 0, 0, 0, 0, 0x16}},
	{"10.0.0.99", NLB_R_NO_NEIGHBOUR, "in0", 1600, {0}},
	{"fd00::99", NLB_R_NO_NEIGHBOUR, "in0", 1600, {0}},
};

void xdp_world_route(const uint8_t backend[16], struct oracle_way *ret)
{
	*ret = (struct oracle_way){.reason = NLB_R_NO_ROUTE};
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		uint8_t b[16] = {[10] = 0xff, [11] = 0xff};

		if (inet_pton(AF_INET, ways[i].backend, b + 12) != 1)
			inet_pton(AF_INET6, ways[i].backend, b);
		if (memcmp(b, backend, 16))
			continue;
		ret->reason = ways[i].reason;
		ret->ifindex = if_nametoindex(ways[i].ifname);
		ret->mtu = ways[i].mtu;
		memcpy(ret->dmac, ways[i].dmac, 6);
		memcpy(ret->smac, "\x02\0\0\0\0\x01", 6);
		ret->smac[4] = ret->dmac[4];
	}
}
