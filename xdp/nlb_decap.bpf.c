// SPDX-License-Identifier: GPL-2.0
/*
 * Takes the tunnel header off at a backend, for hosts that have no ipip or
 * ip6tnl device: 4in4, 6in4, 6in6 and 4in6. The inner packet is passed to the
 * kernel as if it had come by this interface, which accepts it when the VIP is
 * one of the host's addresses (on lo).
 *
 *   ip link set dev eth0 xdp obj nlb_decap.bpf.o sec xdp
 *
 * Whoever can send a tunnel packet to the host can send it any inner packet.
 * To accept tunnels from known balancers only, put their outer source
 * addresses (IPv4 as IPv4-mapped) into nlb_decap_from, and then 1 into
 * nlb_decap_conf; a tunnel from elsewhere is then left to the kernel.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "decap.h"

struct nlb_decap_conf {
	__u32 check_source;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nlb_decap_conf);
} nlb_decap_conf SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u8[16]);
	__type(value, __u32);
} nlb_decap_from SEC(".maps");

/* Packets by enum nlb_decap_result. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NLB_DECAP_RESULTS);
	__type(key, __u32);
	__type(value, __u64);
} nlb_decap_stats SEC(".maps");

static __always_inline int nlb_decap_known(const struct nlb_tunnel *t)
{
	__u32 zero = 0;
	const struct nlb_decap_conf *conf = bpf_map_lookup_elem(&nlb_decap_conf, &zero);

	if (!conf || !conf->check_source)
		return 1;
	return bpf_map_lookup_elem(&nlb_decap_from, t->source) != NULL;
}

static __always_inline enum nlb_decap_result nlb_decap_handle(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct nlb_tunnel t = {};
	enum nlb_decap_result r;
	struct ethhdr eth;

	if (data + ETH_HLEN > end)
		return NLB_DECAP_PASS;
	__builtin_memcpy(&eth, data, sizeof(eth));
	if (eth.h_proto == bpf_htons(ETH_P_IP))
		r = nlb_decap_outer4(data + ETH_HLEN, end, &t);
	else if (eth.h_proto == bpf_htons(ETH_P_IPV6))
		r = nlb_decap_outer6(data + ETH_HLEN, end, &t);
	else
		return NLB_DECAP_PASS;
	if (r != NLB_DECAP_DONE)
		return r;
	if (!nlb_decap_known(&t))
		return NLB_DECAP_PASS;
	/* Two constants and not t.outer_len, which the verifier would have to bound. */
	if (bpf_xdp_adjust_head(ctx, t.outer_len == sizeof(struct iphdr) ? sizeof(struct iphdr)
									 : sizeof(struct ipv6hdr)))
		return NLB_DECAP_DROP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + ETH_HLEN > end)
		return NLB_DECAP_DROP;
	eth.h_proto = bpf_htons(t.inner_v4 ? ETH_P_IP : ETH_P_IPV6);
	__builtin_memcpy(data, &eth, sizeof(eth));
	return t.inner_v4 ? nlb_decap_fix4(data + ETH_HLEN, end, &t)
			  : nlb_decap_fix6(data + ETH_HLEN, end, &t);
}

SEC("xdp")
int nlb_decap(struct xdp_md *ctx)
{
	__u32 result = nlb_decap_handle(ctx);
	__u64 *n = bpf_map_lookup_elem(&nlb_decap_stats, &result);

	if (n)
		(*n)++;
	return result == NLB_DECAP_DROP ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
