// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The packet is a bare TCP SYN or ACK, or an empty UDP datagram. It carries
 * struct nlb_ask as XDP metadata, which the kernel hands back in front of the
 * frame; nothing leaves the host.
 *
 * What came out is compared with what went in, from the inner addresses to the
 * end: only the hop count and its checksum may differ.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <string.h>

#include "maps_ask.h"
#include "util.h"

#define VLAN_LEN 4

struct probe {
	struct nlb_ask ask;
	struct ethhdr eth;
	uint8_t ip[sizeof(struct ipv6hdr) + sizeof(struct tcphdr)];
} __attribute__((packed));

/* Where the IP packet begins in what the program gets. */
#define PROBE_HEAD (sizeof(struct nlb_ask) + sizeof(struct ethhdr))

static size_t put_l4(uint8_t *at, const struct maps_flow *flow)
{
	if (flow->protocol == IPPROTO_TCP) {
		struct tcphdr tcp = {
			.source = htons(flow->sport),
			.dest = htons(flow->dport),
			.doff = sizeof(tcp) / 4,
			.syn = !flow->established,
			.ack = flow->established,
		};

		memcpy(at, &tcp, sizeof(tcp));
		return sizeof(tcp);
	}
	struct udphdr udp = {
		.source = htons(flow->sport),
		.dest = htons(flow->dport),
		.len = htons(sizeof(udp)),
	};

	memcpy(at, &udp, sizeof(udp));
	return sizeof(udp);
}

/* Returns the length of the IP packet. */
static size_t make_packet(struct probe *p, const struct maps_flow *flow)
{
	size_t len;

	*p = (struct probe){.ask.magic = NLB_ASK_MAGIC};
	if (addr_is_v4(&flow->dst)) {
		struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = flow->protocol};

		len = put_l4(p->ip + sizeof(ip), flow) + sizeof(ip);
		ip.tot_len = htons((uint16_t)len);
		memcpy(&ip.saddr, flow->src.b + 12, 4);
		memcpy(&ip.daddr, flow->dst.b + 12, 4);
		memcpy(p->ip, &ip, sizeof(ip));
		p->eth.h_proto = htons(ETH_P_IP);
	} else {
		struct ipv6hdr ip = {.version = 6, .nexthdr = flow->protocol, .hop_limit = 64};

		len = put_l4(p->ip + sizeof(ip), flow);
		ip.payload_len = htons((uint16_t)len);
		len += sizeof(ip);
		memcpy(&ip.saddr, flow->src.b, 16);
		memcpy(&ip.daddr, flow->dst.b, 16);
		memcpy(p->ip, &ip, sizeof(ip));
		p->eth.h_proto = htons(ETH_P_IPV6);
	}
	return len;
}

/* Length of the Ethernet header with its tags; *ret_type: what follows. 0: cut off. */
static size_t read_eth(const uint8_t *frame, size_t len, uint16_t *ret_type)
{
	size_t at = offsetof(struct ethhdr, h_proto);

	for (;;) {
		uint16_t type;

		if (at + 2 > len || at + 2 > NLB_HOP_ETH_MAX)
			return 0;
		type = (uint16_t)(frame[at] << 8 | frame[at + 1]);
		if (type != ETH_P_8021Q && type != ETH_P_8021AD) {
			*ret_type = type;
			return at + 2;
		}
		at += VLAN_LEN;
	}
}

/* The frame that was sent: headers into *ans, and what is inside must be ip. */
static int read_sent(const uint8_t *frame, size_t frame_len, const uint8_t *ip, size_t ip_len,
		     struct maps_answer *ans)
{
	size_t same =
		ip[0] >> 4 == 4 ? offsetof(struct iphdr, saddr) : offsetof(struct ipv6hdr, saddr);
	uint8_t inside = ip[0] >> 4 == 4 ? IPPROTO_IPIP : IPPROTO_IPV6, protocol;
	uint16_t type = 0;
	size_t eth_len = read_eth(frame, frame_len, &type), outer_len;
	const uint8_t *outer = frame + eth_len;

	if (!eth_len)
		return -EIO;
	outer_len = type == ETH_P_IP ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	if ((type != ETH_P_IP && type != ETH_P_IPV6) || frame_len != eth_len + outer_len + ip_len ||
	    memcmp(outer + outer_len + same, ip + same, ip_len - same) != 0)
		return -EIO;
	if (type == ETH_P_IP) {
		struct iphdr h;

		memcpy(&h, outer, sizeof(h));
		protocol = h.protocol;
		ans->ttl = h.ttl;
		memcpy(ans->from.b + 10, "\xff\xff", 2);
		memcpy(ans->from.b + 12, &h.saddr, 4);
		memcpy(ans->to.b + 10, "\xff\xff", 2);
		memcpy(ans->to.b + 12, &h.daddr, 4);
	} else {
		struct ipv6hdr h;

		memcpy(&h, outer, sizeof(h));
		protocol = h.nexthdr;
		ans->ttl = h.hop_limit;
		memcpy(ans->from.b, &h.saddr, 16);
		memcpy(ans->to.b, &h.daddr, 16);
	}
	ans->eth_len = (uint8_t)eth_len;
	memcpy(ans->eth, frame, eth_len);
	ans->sent = true;
	return protocol == inside ? 0 : -EIO;
}

int maps_ask(int prog_fd, const struct maps_flow *flow, uint32_t ifindex, struct maps_answer *ret)
{
	uint8_t out[sizeof(struct probe) + sizeof(struct ipv6hdr) + 2 * VLAN_LEN];
	struct probe probe;
	size_t ip_len = make_packet(&probe, flow), len = PROBE_HEAD + ip_len;
	struct xdp_md ctx = {
		.data = sizeof(struct nlb_ask),
		.data_end = (uint32_t)len,
		.ingress_ifindex = ifindex,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &probe, .data_size_in = (uint32_t)len,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);
	struct maps_answer ans = {};
	int r;

	if (addr_is_v4(&flow->src) != addr_is_v4(&flow->dst))
		return -EINVAL;
	if (bpf_prog_test_run_opts(prog_fd, &opts) < 0)
		return -errno;
	if (opts.data_size_out < sizeof(ans.ask))
		return -EIO;
	memcpy(&ans.ask, out, sizeof(ans.ask));
	if (ans.ask.reason == NLB_R_TX || ans.ask.reason == NLB_R_TX_REDIRECT) {
		if (opts.retval != (ans.ask.reason == NLB_R_TX ? XDP_TX : XDP_REDIRECT))
			return -EIO;
		r = read_sent(out + sizeof(ans.ask), opts.data_size_out - sizeof(ans.ask), probe.ip,
			      ip_len, &ans);
		if (r < 0)
			return r;
	}
	*ret = ans;
	return 0;
}
