// SPDX-License-Identifier: GPL-2.0
/*
 * The load balancer's data plane: one XDP program on every interface that
 * traffic for VIPs comes in by.
 *
 * A packet is parsed to its service's key (parse.h), the service gives a ring,
 * the packet's hash a slot of it, the slot a backend. The kernel's routing
 * table and neighbours (bpf_fib_lookup) say by which interface and to which
 * MAC address the backend is reached; the packet gets an IP header towards the
 * backend in front (encap.h) and is sent from this interface or another. What
 * is not for a VIP is left to the kernel. ICMP errors follow the flow that they
 * quote, and echo requests are answered (icmp.h). Nothing of a flow is remembered: all
 * nodes with the same rings send a flow to the same backend.
 *
 * Nothing is written to a packet before it is certain that it will be sent.
 * Each one leaves through nlb_count_leave(), where it is counted under its
 * reason (nlb_shared.h).
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "count.h"
#include "encap.h"
#include "icmp.h"
#include "maps.h"
#include "parse.h"

#define NLB_AF_INET  2
#define NLB_AF_INET6 10

/* One 64-bit load, as the agent's switch is one 64-bit store. */
static __always_inline struct nlb_ring nlb_load_ring(const struct nlb_ring *from)
{
	union {
		__u64 word;
		struct nlb_ring ring;
	} u = {.word = *(const volatile __u64 *)from};

	return u.ring;
}

/*
 * The packet is not one of a service's. `why` holds if it is for a VIP at all:
 * NLB_R_TX says that its ports are known, so that the service is missing.
 */
static __always_inline enum nlb_reason nlb_no_service(const struct nlb_packet *pkt,
						      struct nlb_run *run, enum nlb_reason why)
{
	const struct nlb_vip *vip = bpf_map_lookup_elem(&nlb_vips, pkt->key.vip);

	if (!vip)
		return NLB_R_NOT_VIP;
	run->vip_index = vip->index;
	run->has_vip = 1;
	if (why != NLB_R_TX)
		return why;
	return vip->flags & NLB_VIP_F_PASS_UNKNOWN ? NLB_R_VIP_NO_SERVICE_PASS
						   : NLB_R_VIP_NO_SERVICE;
}

static __always_inline const struct nlb_backend *nlb_pick(const struct nlb_service *svc,
							  const struct nlb_packet *pkt,
							  struct nlb_run *run,
							  enum nlb_reason *ret_why)
{
	const struct nlb_ring *ring_of = bpf_map_lookup_elem(&nlb_ring_of, &svc->number);
	const struct nlb_backend *backend;
	const struct nlb_slots *slots;
	struct nlb_ring ring;
	__u32 slot, pair;

	*ret_why = NLB_R_INTERNAL;
	if (!ring_of)
		return NULL;
	ring = nlb_load_ring(ring_of);
	if (!ring.size) {
		*ret_why = NLB_R_NO_BACKEND;
		return NULL;
	}
	slot = ring.base + nlb_hash_slot(pkt->hash, ring.size);
	pair = slot >> 1;
	slots = bpf_map_lookup_elem(&nlb_rings, &pair);
	if (!slots)
		return NULL;
	run->backend = slots->backend[slot & 1];
	if (run->backend == NLB_BACKEND_NONE) {
		*ret_why = NLB_R_NO_BACKEND;
		return NULL;
	}
	backend = bpf_map_lookup_elem(&nlb_backends, &run->backend);
	if (!backend)
		run->backend = NLB_BACKEND_NONE;
	return backend;
}

/* Interface and MAC addresses towards the backend. NLB_R_TX: fib is filled in. */
static __always_inline enum nlb_reason nlb_route(struct xdp_md *ctx, struct bpf_fib_lookup *fib)
{
	fib->ifindex = ctx->ingress_ifindex;
	switch (bpf_fib_lookup(ctx, fib, sizeof(*fib), 0)) {
	case BPF_FIB_LKUP_RET_SUCCESS:
		return NLB_R_TX;
	case BPF_FIB_LKUP_RET_NO_NEIGH:
		return NLB_R_NO_NEIGHBOUR;
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		return NLB_R_TOO_BIG;
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
		return NLB_R_NO_FORWARDING;
	case BPF_FIB_LKUP_RET_BLACKHOLE:
	case BPF_FIB_LKUP_RET_UNREACHABLE:
	case BPF_FIB_LKUP_RET_PROHIBIT:
	case BPF_FIB_LKUP_RET_NOT_FWDED:
	case BPF_FIB_LKUP_RET_UNSUPP_LWT:
		return NLB_R_NO_ROUTE;
	default:
		return NLB_R_INTERNAL;
	}
}

/* The hop that this node is. l3 has been parsed, but the verifier forgot. */
static __always_inline int nlb_take_hop(void *l3, void *end, const struct nlb_packet *pkt)
{
	if (pkt->is_v4) {
		if (l3 + sizeof(struct iphdr) > end)
			return -1;
		nlb_encap_hop4(l3);
	} else {
		if (l3 + sizeof(struct ipv6hdr) > end)
			return -1;
		nlb_encap_hop6(l3);
	}
	return 0;
}

/*
 * Finds the way and makes room for an outer header of `grow` bytes. After
 * NLB_R_TX the caller has to write Ethernet and outer header; any other return
 * means that the packet is dropped.
 */
static __always_inline enum nlb_reason nlb_make_room(struct xdp_md *ctx,
						     const struct nlb_packet *pkt,
						     struct bpf_fib_lookup *fib, __u32 grow)
{
	enum nlb_reason r;

	if (pkt->len + grow > 0xffff)
		return NLB_R_TOO_BIG;
	fib->tot_len = (__u16)(pkt->len + grow);
	r = nlb_route(ctx, fib);
	if (r != NLB_R_TX)
		return r;
	if (nlb_take_hop((void *)(long)ctx->data + ETH_HLEN, (void *)(long)ctx->data_end, pkt))
		return NLB_R_INTERNAL;
	return bpf_xdp_adjust_head(ctx, -(int)grow) ? NLB_R_NO_HEADROOM : NLB_R_TX;
}

static __always_inline enum nlb_reason nlb_send4(struct xdp_md *ctx, const struct nlb_packet *pkt,
						 const struct nlb_encap *encap,
						 const __u8 source[4], const __u8 dest[4],
						 __u32 *ret_egress, __u32 *ret_mtu)
{
	struct bpf_fib_lookup fib = {
		.family = NLB_AF_INET,
		.l4_protocol = nlb_encap_protocol(encap),
		.tos = pkt->dsfield,
	};
	enum nlb_reason r;
	void *data;

	__builtin_memcpy(&fib.ipv4_src, source, 4);
	__builtin_memcpy(&fib.ipv4_dst, dest, 4);
	if (!fib.ipv4_src)
		return NLB_R_NO_SOURCE;
	r = nlb_make_room(ctx, pkt, &fib, sizeof(struct iphdr));
	if (r != NLB_R_TX) {
		*ret_mtu = fib.mtu_result - sizeof(struct iphdr);
		return r;
	}
	data = (void *)(long)ctx->data;
	if (data + ETH_HLEN + sizeof(struct iphdr) > (void *)(long)ctx->data_end)
		return NLB_R_INTERNAL;
	nlb_encap_eth(data, fib.dmac, fib.smac, ETH_P_IP);
	nlb_encap_ip4(data + ETH_HLEN, encap, source, dest);
	*ret_egress = fib.ifindex;
	return NLB_R_TX;
}

static __always_inline enum nlb_reason nlb_send6(struct xdp_md *ctx, const struct nlb_packet *pkt,
						 const struct nlb_encap *encap,
						 const __u8 source[16], const __u8 dest[16],
						 __u32 *ret_egress, __u32 *ret_mtu)
{
	struct bpf_fib_lookup fib = {
		.family = NLB_AF_INET6,
		.l4_protocol = nlb_encap_protocol(encap),
		.flowinfo = nlb_encap_flow(encap),
	};
	enum nlb_reason r;
	void *data;

	__builtin_memcpy(fib.ipv6_src, source, 16);
	__builtin_memcpy(fib.ipv6_dst, dest, 16);
	if (!(fib.ipv6_src[0] | fib.ipv6_src[1] | fib.ipv6_src[2] | fib.ipv6_src[3]))
		return NLB_R_NO_SOURCE;
	r = nlb_make_room(ctx, pkt, &fib, sizeof(struct ipv6hdr));
	if (r != NLB_R_TX) {
		*ret_mtu = fib.mtu_result - sizeof(struct ipv6hdr);
		return r;
	}
	data = (void *)(long)ctx->data;
	if (data + ETH_HLEN + sizeof(struct ipv6hdr) > (void *)(long)ctx->data_end)
		return NLB_R_INTERNAL;
	nlb_encap_eth(data, fib.dmac, fib.smac, ETH_P_IPV6);
	nlb_encap_ip6(data + ETH_HLEN, encap, source, dest);
	*ret_egress = fib.ifindex;
	return NLB_R_TX;
}

static __always_inline enum nlb_reason nlb_send(struct xdp_md *ctx, const struct nlb_packet *pkt,
						const struct nlb_backend *backend,
						struct nlb_run *run)
{
	__u32 zero = 0;
	const struct nlb_config *cfg = bpf_map_lookup_elem(&nlb_config, &zero);
	struct nlb_encap encap = {
		.inner_len = pkt->len,
		.hash = pkt->hash,
		.inner_v4 = pkt->is_v4,
		.dsfield = pkt->dsfield,
	};
	enum nlb_reason r;

	if (!cfg)
		return NLB_R_INTERNAL;
	encap.ttl = cfg->ttl;
	if (backend->flags & NLB_BACKEND_F_V4)
		r = nlb_send4(ctx, pkt, &encap, cfg->source4, backend->addr + 12, &run->egress,
			      &run->mtu);
	else
		r = nlb_send6(ctx, pkt, &encap, cfg->source6, backend->addr, &run->egress,
			      &run->mtu);
	if (r == NLB_R_TX && run->egress != ctx->ingress_ifindex)
		return NLB_R_TX_REDIRECT;
	return r;
}

/* Asked: the answer is the same, but nothing is taken from the bucket. */
static __always_inline int nlb_may_reply(const struct nlb_run *run, __u32 what)
{
	struct nlb_limit *limit = bpf_map_lookup_elem(&nlb_limits, &what);

	return limit && nlb_icmp_allow(&limit->due, bpf_ktime_get_ns(), !run->asked);
}

/* An echo request becomes its answer. NLB_R_VIP_ICMP: it is none, or is not to be answered. */
static __always_inline enum nlb_reason nlb_echo(struct xdp_md *ctx, const struct nlb_packet *pkt,
						const struct nlb_run *run)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	void *l3 = data + ETH_HLEN;
	const struct nlb_config *cfg;
	__u32 zero = 0;

	if (!(pkt->is_v4 ? nlb_icmp_is_echo4(l3, end, pkt->len)
			 : nlb_icmp_is_echo6(l3, end, pkt->len)))
		return NLB_R_VIP_ICMP;
	cfg = bpf_map_lookup_elem(&nlb_config, &zero);
	if (!cfg)
		return NLB_R_INTERNAL;
	if (cfg->flags & NLB_CONFIG_F_NO_ECHO || !nlb_icmp_unicast_eth(data))
		return NLB_R_VIP_ICMP;
	if (!nlb_may_reply(run, NLB_LIMIT_ECHO))
		return NLB_R_VIP_ICMP_LIMIT;
	if (pkt->is_v4) {
		struct iphdr *ip = l3;

		if ((void *)(ip + 1) + sizeof(struct nlb_icmp) > end)
			return NLB_R_INTERNAL;
		nlb_icmp_echo4(ip, (void *)(ip + 1), cfg->ttl);
	} else {
		struct ipv6hdr *ip = l3;

		if ((void *)(ip + 1) + sizeof(struct nlb_icmp) > end)
			return NLB_R_INTERNAL;
		nlb_icmp_echo6(ip, (void *)(ip + 1), cfg->ttl);
	}
	nlb_icmp_swap_eth(data);
	return NLB_R_TX_REPLY;
}

/* Whether the sender of a packet that does not fit can be told so. */
static __always_inline int nlb_may_tell(struct xdp_md *ctx, const struct nlb_packet *pkt, __u32 mtu)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	const struct ipv6hdr *ip6 = data + ETH_HLEN;
	const struct iphdr *ip4 = data + ETH_HLEN;

	/* The second: the path's MTU is not known, or less than a header. */
	if ((void *)(ip4 + 1) > end || mtu >= pkt->len || !nlb_icmp_unicast_eth(data))
		return 0;
	if (pkt->is_v4)
		return mtu >= NLB_ICMP4_MTU_MIN && ip4->frag_off & bpf_htons(NLB_IP_DF) &&
		       nlb_icmp_host4(ip4->saddr);
	return (void *)(ip6 + 1) <= end && mtu >= NLB_ICMP6_MTU_MIN && nlb_icmp_host6(&ip6->saddr);
}

/* All is in its place but the ICMP message's checksum. */
static __always_inline enum nlb_reason nlb_finish_too_big4(struct xdp_md *ctx, __u32 quote_len,
							   __u8 ttl, __u16 mtu)
{
	void *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = (void *)(long)ctx->data + ETH_HLEN;
	struct nlb_icmp *icmp = (void *)(ip + 1);
	struct iphdr *quote = (void *)(icmp + 1);

	if ((void *)(quote + 1) > end)
		return NLB_R_INTERNAL;
	nlb_icmp_too_big4(ip, quote, quote_len, ttl, mtu);
	icmp->check =
		nlb_csum_fold(nlb_icmp_sum(icmp, end, (sizeof(*icmp) + NLB_ICMP4_QUOTE_MAX) / 4));
	return NLB_R_TX_TOO_BIG;
}

static __always_inline enum nlb_reason nlb_finish_too_big6(struct xdp_md *ctx, __u32 quote_len,
							   __u8 ttl, __u16 mtu)
{
	void *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip = (void *)(long)ctx->data + ETH_HLEN;
	struct nlb_icmp *icmp = (void *)(ip + 1);
	struct ipv6hdr *quote = (void *)(icmp + 1);
	__u64 sum = bpf_htonl((__u32)sizeof(*icmp) + quote_len) + (__u64)bpf_htonl(IPPROTO_ICMPV6);

	if ((void *)(quote + 1) > end)
		return NLB_R_INTERNAL;
	nlb_icmp_too_big6(ip, quote, quote_len, ttl, mtu);
	/* The pseudo header's addresses lie right in front. */
	sum += nlb_icmp_sum(&ip->saddr, end, (32 + sizeof(*icmp) + NLB_ICMP6_QUOTE_MAX) / 4);
	icmp->check = nlb_csum_fold(sum);
	return NLB_R_TX_TOO_BIG;
}

/*
 * The packet does not fit the way to its backend: its sender is told what
 * would. The packet is cut to what is quoted, whole words of it.
 */
static __noinline enum nlb_reason nlb_too_big(struct xdp_md *ctx, const struct nlb_packet *pkt,
					      const struct nlb_run *run)
{
	__u32 max = pkt->is_v4 ? NLB_ICMP4_QUOTE_MAX : NLB_ICMP6_QUOTE_MAX;
	__u32 quote_len = (pkt->len < max ? pkt->len : max) & ~3u;
	__u32 zero = 0;
	const struct nlb_config *cfg = bpf_map_lookup_elem(&nlb_config, &zero);
	struct ethhdr eth;
	long frame_len;
	void *data;

	if (!cfg || !nlb_may_tell(ctx, pkt, run->mtu) || !nlb_may_reply(run, NLB_LIMIT_TOO_BIG))
		return NLB_R_TOO_BIG;
	frame_len = (void *)(long)ctx->data_end - (void *)(long)ctx->data;
	/* Or the compiler subtracts half pointers, which the verifier does not like. */
	asm volatile("" : "+r"(frame_len));
	if (bpf_xdp_adjust_tail(ctx, (int)(ETH_HLEN + quote_len) - (int)frame_len))
		return NLB_R_TOO_BIG;
	data = (void *)(long)ctx->data;
	if (data + ETH_HLEN > (void *)(long)ctx->data_end)
		return NLB_R_INTERNAL;
	__builtin_memcpy(&eth, data, sizeof(eth));
	nlb_icmp_swap_eth(&eth);
	if (bpf_xdp_adjust_head(
		    ctx, -(int)(sizeof(struct nlb_icmp) +
				(pkt->is_v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)))))
		return NLB_R_TOO_BIG;
	data = (void *)(long)ctx->data;
	if (data + ETH_HLEN > (void *)(long)ctx->data_end)
		return NLB_R_INTERNAL;
	__builtin_memcpy(data, &eth, sizeof(eth));
	if (pkt->is_v4)
		return nlb_finish_too_big4(ctx, quote_len, cfg->ttl, (__u16)run->mtu);
	return nlb_finish_too_big6(ctx, quote_len, cfg->ttl, (__u16)run->mtu);
}

/*
 * ICMP to a VIP. Away from the way that all other packets take, and called
 * with copies, so that those of the caller can stay in registers.
 */
static __noinline enum nlb_reason nlb_handle_icmp(struct xdp_md *ctx, struct nlb_packet *pkt,
						  struct nlb_run *run)
{
	const void *l3 = (void *)(long)ctx->data + ETH_HLEN;
	const void *end = (void *)(long)ctx->data_end;
	const struct nlb_backend *backend;
	const struct nlb_service *svc;
	enum nlb_reason r;

	r = pkt->is_v4 ? nlb_icmp_error4(l3, end, pkt) : nlb_icmp_error6(l3, end, pkt);
	if (r == NLB_R_VIP_ICMP)
		return nlb_echo(ctx, pkt, run);
	if (r != NLB_R_TX)
		return r;
	svc = bpf_map_lookup_elem(&nlb_services, &pkt->key);
	if (!svc)
		return nlb_no_service(pkt, run, NLB_R_TX);
	if (pkt->ttl <= 1)
		return NLB_R_VIP_TTL;
	backend = nlb_pick(svc, pkt, run, &r);
	if (!backend)
		return r;
	r = nlb_send(ctx, pkt, backend, run);
	return r == NLB_R_TX || r == NLB_R_TX_REDIRECT ? NLB_R_TX_ICMP : r;
}

static __always_inline enum nlb_reason nlb_handle(struct xdp_md *ctx, struct nlb_run *run)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = data;
	const struct nlb_backend *backend;
	const struct nlb_service *svc;
	struct nlb_packet pkt = {};
	enum nlb_reason r;

	if ((const void *)(eth + 1) > end)
		return NLB_R_NOT_IP;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		r = nlb_parse4(eth + 1, end, &pkt);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		r = nlb_parse6(eth + 1, end, &pkt);
	else
		return NLB_R_NOT_IP;
	if (r == NLB_R_MALFORMED_L3)
		return r;
	run->len = pkt.len;
	if (r != NLB_R_TX) {
		r = nlb_no_service(&pkt, run, r);
		if (r == NLB_R_VIP_ICMP) {
			struct nlb_packet icmp_pkt = pkt;
			struct nlb_run icmp_run = *run;

			r = nlb_handle_icmp(ctx, &icmp_pkt, &icmp_run);
			*run = icmp_run;
		}
		return r;
	}
	svc = bpf_map_lookup_elem(&nlb_services, &pkt.key);
	if (!svc)
		return nlb_no_service(&pkt, run, NLB_R_TX);
	run->vip_index = svc->vip_index;
	run->has_vip = 1;
	/* The last hop: the tunnel may not carry it further than a wire could. */
	if (pkt.ttl <= 1)
		return NLB_R_VIP_TTL;
	backend = nlb_pick(svc, &pkt, run, &r);
	if (!backend)
		return r;
	r = nlb_send(ctx, &pkt, backend, run);
	if (NLB_UNLIKELY(r == NLB_R_TOO_BIG)) {
		struct nlb_packet big_pkt = pkt;
		struct nlb_run big_run = *run;

		return nlb_too_big(ctx, &big_pkt, &big_run);
	}
	return r;
}

SEC("xdp")
int nlb(struct xdp_md *ctx)
{
	struct nlb_run run = {.asked = nlb_is_ask(ctx)};

	return nlb_count_leave(ctx, &run, nlb_handle(ctx, &run));
}

char _license[] SEC("license") = "GPL";
