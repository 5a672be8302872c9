// SPDX-License-Identifier: GPL-2.0
/*
 * The floor: the least that a balancer must do to a packet. It parses Ethernet
 * and IP as far as to know that an IP packet with ports is there and how long
 * it is, puts an outer header with fixed addresses in front and sends the
 * packet back. No map, no hash, no choice, no counter, no hop taken off.
 *
 * It shares no code with xdp/, so that it stays the same when that changes.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define IP_DF 0x4000

/* What has been found, 0: not to be sent. */
static __always_inline __u32 parse(struct xdp_md *ctx, __u8 *ret_protocol, __u8 *ret_ds)
{
	const struct ethhdr *eth = (void *)(long)ctx->data;
	const void *end = (void *)(long)ctx->data_end;
	const struct iphdr *ip4 = (const void *)(eth + 1);
	const struct ipv6hdr *ip6 = (const void *)(eth + 1);
	__u32 len;

	if ((const void *)(ip4 + 1) + 4 > end)
		return 0;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		len = bpf_ntohs(ip4->tot_len);
		if (ip4->version != 4 || ip4->ihl != 5 || len > end - (const void *)ip4)
			return 0;
		*ret_protocol = IPPROTO_IPIP;
		*ret_ds = ip4->tos;
		return len;
	}
	if (eth->h_proto != bpf_htons(ETH_P_IPV6) || (const void *)(ip6 + 1) + 4 > end)
		return 0;
	len = sizeof(*ip6) + bpf_ntohs(ip6->payload_len);
	if (ip6->version != 6 || len > end - (const void *)ip6)
		return 0;
	*ret_protocol = IPPROTO_IPV6;
	*ret_ds = (__u8)(ip6->priority << 4 | ip6->flow_lbl[0] >> 4);
	return len;
}

static __always_inline void write_eth(struct ethhdr *eth, __u16 proto)
{
	__u32 *words = (__u32 *)eth;

	words[0] = bpf_htonl(0x02000000);
	words[1] = bpf_htonl(0x00110200);
	words[2] = bpf_htonl(0x00000001);
	eth->h_proto = bpf_htons(proto);
}

SEC("xdp.frags")
int bench_floor4(struct xdp_md *ctx)
{
	__u8 protocol = 0, ds = 0;
	__u32 len = parse(ctx, &protocol, &ds);
	struct ethhdr *eth;
	__u32 *ip, w[5];
	__u64 sum;

	if (!len || bpf_xdp_adjust_head(ctx, -(int)sizeof(struct iphdr)))
		return XDP_DROP;
	eth = (void *)(long)ctx->data;
	ip = (void *)(eth + 1);
	if ((void *)(ip + 5) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	w[0] = bpf_htonl(0x45000000u | (__u32)ds << 16 | ((len + 20) & 0xffff));
	w[1] = bpf_htonl(IP_DF);
	w[2] = bpf_htonl(64u << 24 | (__u32)protocol << 16);
	w[3] = bpf_htonl(0x0aff0001);
	w[4] = bpf_htonl(0x0a010001);
	sum = (__u64)w[0] + w[1] + w[2] + w[3] + w[4];
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	write_eth(eth, ETH_P_IP);
	ip[0] = w[0];
	ip[1] = w[1];
	/* The checksum is the word's second half in memory, whatever the byte order. */
	((__u16 *)ip)[4] = bpf_htons((__u16)(64u << 8 | protocol));
	((__u16 *)ip)[5] = (__u16)~sum;
	ip[3] = w[3];
	ip[4] = w[4];
	return XDP_TX;
}

SEC("xdp.frags")
int bench_floor6(struct xdp_md *ctx)
{
	__u8 protocol = 0, ds = 0;
	__u32 len = parse(ctx, &protocol, &ds);
	struct ethhdr *eth;
	__u32 *ip;

	if (!len || bpf_xdp_adjust_head(ctx, -(int)sizeof(struct ipv6hdr)))
		return XDP_DROP;
	eth = (void *)(long)ctx->data;
	ip = (void *)(eth + 1);
	if ((void *)(ip + 10) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	write_eth(eth, ETH_P_IPV6);
	ip[0] = bpf_htonl(0x60000000u | (__u32)ds << 20);
	ip[1] = bpf_htonl(len << 16 | (__u32)protocol << 8 | 64);
	ip[2] = bpf_htonl(0xfdff0000);
	ip[3] = 0;
	ip[4] = 0;
	ip[5] = bpf_htonl(1);
	ip[6] = bpf_htonl(0xfd000001);
	ip[7] = 0;
	ip[8] = 0;
	ip[9] = bpf_htonl(1);
	return XDP_TX;
}

char _license[] SEC("license") = "GPL";
