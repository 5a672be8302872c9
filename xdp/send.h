/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * On to the backend: the hop that the agent keeps for it, or else what the
 * kernel's routes and neighbours say now; then one TTL less, and the new headers
 * in front. Nothing is written to a packet before it is certain that it fits.
 * BPF only.
 */
#ifndef NLB_SEND_H
#define NLB_SEND_H

#include "encap.h"
#include "pick.h"

#define NLB_AF_INET  2
#define NLB_AF_INET6 10

NLB_INLINE enum nlb_reason nlb_fib_reason(long ret)
{
	switch (ret) {
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

/*
 * The way to a backend whose hop the agent does not know, as the kernel's
 * tables are now, with the node's own outer source. NLB_R_TX: the hop of nlb_work
 * is filled in; NLB_R_TOO_BIG: the run's mtu is.
 */
__noinline int nlb_fib(struct xdp_md *ctx)
{
	const struct nlb_config *cfg = nlb_config_get();
	struct nlb_work *work = nlb_work_get();
	const struct nlb_backend *backend;
	const struct nlb_packet *pkt;
	struct bpf_fib_lookup *fib;
	struct nlb_hop *ret;
	struct nlb_run *run;
	enum nlb_reason r;
	__u32 grow, v4;

	if (!cfg || !work)
		return NLB_R_INTERNAL;
	pkt = &work->pkt;
	run = &work->run;
	ret = &work->hop;
	fib = &work->fib;
	backend = bpf_map_lookup_elem(&nlb_backends, &run->backend);
	if (!backend)
		return NLB_R_INTERNAL;
	v4 = backend->flags & NLB_BACKEND_F_V4;
	grow = v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	__builtin_memset(ret, 0, sizeof(*ret));
	__builtin_memset(fib, 0, sizeof(*fib));
	fib->ifindex = ctx->ingress_ifindex;
	fib->l4_protocol = nlb_encap_protocol(pkt->is_v4);
	fib->tot_len = (__u16)(pkt->len + grow);
	if (v4) {
		fib->family = NLB_AF_INET;
		fib->tos = pkt->dsfield;
		__builtin_memcpy(&fib->ipv4_src, cfg->source4, 4);
		__builtin_memcpy(&fib->ipv4_dst, backend->addr + 12, 4);
		__builtin_memcpy(ret->source + 12, cfg->source4, 4);
	} else {
		fib->family = NLB_AF_INET6;
		fib->flowinfo = bpf_htonl((__u32)pkt->dsfield << 20 | (pkt->hash & 0xfffff));
		__builtin_memcpy(fib->ipv6_src, cfg->source6, 16);
		__builtin_memcpy(fib->ipv6_dst, backend->addr, 16);
		__builtin_memcpy(ret->source, cfg->source6, 16);
	}
	if (!(fib->ipv6_src[0] | fib->ipv6_src[1] | fib->ipv6_src[2] | fib->ipv6_src[3]))
		return NLB_R_NO_SOURCE;
	r = nlb_fib_reason(bpf_fib_lookup(ctx, fib, sizeof(*fib), 0));
	run->mtu = fib->mtu_result - grow;
	run->flags |= NLB_ASK_F_FIB;
	nlb_event(run, NLB_E_FIB);
	if (r != NLB_R_TX)
		return r;
	ret->ifindex = fib->ifindex;
	ret->ttl = (__u8)cfg->ttl;
	ret->eth_len = ETH_HLEN;
	__builtin_memcpy(ret->eth, fib->dmac, ETH_ALEN);
	__builtin_memcpy(ret->eth + ETH_ALEN, fib->smac, ETH_ALEN);
	ret->eth[12] = v4 ? ETH_P_IP >> 8 : ETH_P_IPV6 >> 8;
	ret->eth[13] = v4 ? ETH_P_IP & 0xff : ETH_P_IPV6 & 0xff;
	return NLB_R_TX;
}

/* The hop that this node is. l3 has been parsed, but the verifier forgot. */
NLB_INLINE int nlb_take_hop(void *l3, void *end, int is_v4)
{
	if (is_v4) {
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

/* VLAN tags between the addresses and the type, which lies where the first tag is to be. */
NLB_INLINE enum nlb_reason nlb_put_tags(struct xdp_md *ctx, const struct nlb_hop *hop)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const nlb_u16a *from = (const void *)hop->eth;
	nlb_u16a *to = data;

	if (hop->eth_len == ETH_HLEN + 4) {
		if (data + ETH_HLEN + 4 > end)
			return NLB_R_INTERNAL;
		NLB_UNROLL
		for (int i = 0; i < (ETH_HLEN + 4) / 2; i++)
			to[i] = from[i];
		return NLB_R_TX;
	}
	if (data + NLB_HOP_ETH_MAX > end)
		return NLB_R_INTERNAL;
	NLB_UNROLL
	for (int i = 0; i < NLB_HOP_ETH_MAX / 2; i++)
		to[i] = from[i];
	return NLB_R_TX;
}

/*
 * All that is written. `tags`: bytes of VLAN tags in the hop's Ethernet header.
 * The outer header lies behind them.
 */
NLB_INLINE enum nlb_reason nlb_wrap(struct xdp_md *ctx, const struct nlb_packet *pkt,
				    const struct nlb_hop *hop, const struct nlb_backend *backend,
				    const int v4, __u32 tags)
{
	const __u32 grow = v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	struct nlb_encap encap = {
		.inner_len = pkt->len,
		.hash = pkt->hash,
		.inner_v4 = pkt->is_v4,
		.dsfield = pkt->dsfield,
	};
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (nlb_take_hop(data + ETH_HLEN, end, pkt->is_v4))
		return NLB_R_INTERNAL;
	if (bpf_xdp_adjust_head(ctx, -(int)(grow + tags)))
		return NLB_R_NO_HEADROOM;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + tags + ETH_HLEN + grow > end)
		return NLB_R_INTERNAL;
	data += tags;
	if (!tags)
		nlb_encap_eth(data, hop);
	if (v4)
		nlb_encap_ip4(data + ETH_HLEN, &encap, hop,
			      *(const nlb_u32a *)(backend->addr + 12));
	else
		nlb_encap_ip6(data + ETH_HLEN, &encap, hop, backend->addr);
	return NLB_R_TX;
}

/* The straight way: the hop is known, and has no VLAN tag. */
NLB_INLINE enum nlb_reason nlb_send(struct xdp_md *ctx, const struct nlb_packet *pkt,
				    struct nlb_run *run)
{
	const struct nlb_backend *backend = bpf_map_lookup_elem(&nlb_backends, &run->backend);
	const struct nlb_hop *hop;
	enum nlb_reason r;
	__u32 v4, grow;

	if (!backend)
		return NLB_R_INTERNAL;
	run->hop = *(const volatile __u32 *)&backend->hop;
	hop = bpf_map_lookup_elem(&nlb_hops, &run->hop);
	if (!hop || NLB_UNLIKELY(hop->eth_len != ETH_HLEN))
		return NLB_R_SLOW;
	v4 = backend->flags & NLB_BACKEND_F_V4;
	grow = v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	if (NLB_UNLIKELY(pkt->len + grow > hop->mtu))
		return NLB_R_SLOW;
	run->egress = hop->ifindex;
	r = v4 ? nlb_wrap(ctx, pkt, hop, backend, 1, 0) : nlb_wrap(ctx, pkt, hop, backend, 0, 0);
	if (r == NLB_R_TX && run->egress != ctx->ingress_ifindex)
		return NLB_R_TX_REDIRECT;
	return r;
}

/* Every other way; see nlb_send_any(). */
NLB_INLINE enum nlb_reason nlb_send_by(struct xdp_md *ctx, const struct nlb_packet *pkt,
				       struct nlb_run *run, const struct nlb_hop *hop)
{
	const struct nlb_backend *backend = bpf_map_lookup_elem(&nlb_backends, &run->backend);
	enum nlb_reason r;
	__u32 tags;
	int v4;

	if (!backend)
		return NLB_R_INTERNAL;
	tags = (__u32)hop->eth_len - ETH_HLEN;
	if (tags > NLB_HOP_ETH_MAX - ETH_HLEN || tags & 3)
		return NLB_R_INTERNAL;
	v4 = !!(backend->flags & NLB_BACKEND_F_V4);
	run->egress = hop->ifindex;
	if (v4)
		r = nlb_wrap(ctx, pkt, hop, backend, 1, tags);
	else
		r = nlb_wrap(ctx, pkt, hop, backend, 0, tags);
	if (r == NLB_R_TX && tags)
		r = nlb_put_tags(ctx, hop);
	if (r == NLB_R_TX && run->egress != ctx->ingress_ifindex)
		return NLB_R_TX_REDIRECT;
	return r;
}

/*
 * Sends the packet of nlb_work to its backend, whatever it takes. NLB_R_TX,
 * NLB_R_TX_REDIRECT, or the reason why it cannot be; NLB_R_TOO_BIG: the run's mtu is what would fit.
 */
__noinline int nlb_send_any(struct xdp_md *ctx)
{
	struct nlb_work *work = nlb_work_get();
	const struct nlb_backend *backend;
	const struct nlb_hop *known;
	const struct nlb_packet *pkt;
	struct nlb_run *run;
	__u32 grow, mtu;
	int r;

	if (!work)
		return NLB_R_INTERNAL;
	pkt = &work->pkt;
	run = &work->run;
	backend = bpf_map_lookup_elem(&nlb_backends, &run->backend);
	if (!backend)
		return NLB_R_INTERNAL;
	run->hop = *(const volatile __u32 *)&backend->hop;
	grow = backend->flags & NLB_BACKEND_F_V4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	if (pkt->len + grow > 0xffff) {
		run->mtu = 0xffff - grow;
		return NLB_R_TOO_BIG;
	}
	known = run->hop ? bpf_map_lookup_elem(&nlb_hops, &run->hop) : NULL;
	if (known) {
		work->hop = *known;
		mtu = known->mtu;
		if (mtu && pkt->len + grow > mtu) {
			run->mtu = mtu - grow;
			return NLB_R_TOO_BIG;
		}
	} else {
		r = nlb_fib(ctx);
		if (r != NLB_R_TX)
			return r;
	}
	return (int)nlb_send_by(ctx, pkt, run, &work->hop);
}

#endif
