// SPDX-License-Identifier: GPL-2.0
/*
 * Stands for all backends: counts what comes in a tunnel, by the outer
 * destination, and drops it; whatever else comes is the kernel's.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "traffic_shared.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TRAFFIC_BACKENDS);
	__type(key, __u32);
	__type(value, struct traffic_backend);
} traffic_backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct traffic_odd);
} traffic_odd SEC(".maps");

/* The flow's backend; 0: none yet. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TRAFFIC_FLOWS);
	__type(key, __u32);
	__type(value, __u32);
} traffic_flows SEC(".maps");

/* Last four bytes of the VIP. */
const volatile __be32 traffic_vip;

static __always_inline void count(__u32 backend, __be32 vip, __be16 sport, __u32 len)
{
	struct traffic_backend *b = bpf_map_lookup_elem(&traffic_backends, &backend);
	__u32 zero = 0, flow = bpf_ntohs(sport);
	struct traffic_odd *odd = bpf_map_lookup_elem(&traffic_odd, &zero);
	__u32 *last = bpf_map_lookup_elem(&traffic_flows, &flow);

	if (!b || !odd || !last)
		return;
	if (vip != traffic_vip) {
		odd->other++;
		return;
	}
	if (*last && *last != backend)
		odd->moved++;
	*last = backend;
	b->packets++;
	b->bytes += len;
}

SEC("xdp")
int traffic(struct xdp_md *ctx)
{
	const void *end = (const void *)(long)ctx->data_end;
	const struct ethhdr *eth = (const void *)(long)ctx->data;
	const struct iphdr *out4 = (const void *)(eth + 1), *in4;
	const struct ipv6hdr *out6 = (const void *)(eth + 1), *in6;
	const void *inner;
	const __be16 *ports;
	__u32 backend;
	__u8 protocol;

	if ((const void *)(out4 + 1) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP) && out4->ihl == 5) {
		protocol = out4->protocol;
		backend = bpf_ntohl(out4->daddr) & 0xff;
		inner = out4 + 1;
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6) && (const void *)(out6 + 1) <= end) {
		protocol = out6->nexthdr;
		backend = out6->daddr.s6_addr[15];
		inner = out6 + 1;
	} else {
		return XDP_PASS;
	}
	if (protocol == IPPROTO_IPIP) {
		in4 = inner;
		ports = (const __be16 *)(in4 + 1);
		if ((const void *)(ports + 2) > end)
			return XDP_PASS;
		count(backend, in4->daddr, *ports, bpf_ntohs(in4->tot_len));
		return XDP_DROP;
	}
	if (protocol == IPPROTO_IPV6) {
		in6 = inner;
		ports = (const __be16 *)(in6 + 1);
		if ((const void *)(ports + 2) > end)
			return XDP_PASS;
		count(backend, in6->daddr.s6_addr32[3], *ports,
		      bpf_ntohs(in6->payload_len) + (__u32)sizeof(*in6));
		return XDP_DROP;
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
