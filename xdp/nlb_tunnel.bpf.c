// SPDX-License-Identifier: GPL-2.0
/*
 * Health checks through the tunnel: what this node's own probes of a VIP meet on their way
 * out. The agent has a rule for packets with a mark of ours, and in the rule's table a route
 * whose lightweight tunnel this program is (LWT, "xmit").
 *
 * The mark names the backend. The packet gets the outer header that a client's packet gets
 * from the XDP program, made by the same code from the same entries of nlb_backends and nlb_hops,
 * and leaves by the same hop: interface, Ethernet header, VLAN tags, outer source. Where the
 * agent knows no hop, the kernel's routes are asked, as there: the packet is routed once
 * more, by its outer header and without the mark, so that the rule does not have it again.
 *
 * Of the inner packet nothing is changed: this node does not forward it, it sends it. The
 * maps are the XDP program's; the agent hands them over before it loads this.
 */
#include "encap.h"
#include "map.h"
#include "parse.h"

NLB_MAP(ARRAY, __u32, struct nlb_config, 1, BPF_F_MMAPABLE, nlb_config);
NLB_MAP(ARRAY, __u32, struct nlb_backend, 256, BPF_F_MMAPABLE, nlb_backends);
NLB_MAP(ARRAY, __u32, struct nlb_hop, 256, BPF_F_MMAPABLE, nlb_hops);
/* Packets by enum nlb_tunnel_result. */
NLB_MAP(PERCPU_ARRAY, __u32, __u64, NLB_T_COUNT, 0, nlb_tunnel_stats);

/*
 * Addresses, protocol, DS field, ports. The length is the buffer's: one that is to be cut
 * into segments (GSO) is longer than any packet. A fragment's ports count as 0, as the
 * later ones have none, so that a datagram has one outer source. 0, or -1: no IP packet.
 */
static __always_inline int nlb_tunnel_parse4(const void *data, const void *end,
					     struct nlb_packet *pkt)
{
	const struct iphdr *ip = data;
	__u32 hdr_len;

	if ((const void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return -1;
	hdr_len = (__u32)ip->ihl * 4;
	pkt->src = nlb_ip_v4(ip->saddr);
	pkt->dst = nlb_ip_v4(ip->daddr);
	pkt->protocol = ip->protocol;
	pkt->dsfield = ip->tos;
	pkt->is_v4 = 1;
	if (!(ip->frag_off & bpf_htons(NLB_IP_MF | NLB_IP_OFFSET)))
		nlb_parse_ports((const __u8 *)data + hdr_len, end, NLB_TCP_MIN, pkt);
	pkt->hash = nlb_flow_hash(pkt);
	return 0;
}

static __always_inline int nlb_tunnel_parse6(const void *data, const void *end,
					     struct nlb_packet *pkt)
{
	const struct ipv6hdr *ip = data;

	if ((const void *)(ip + 1) > end || ip->version != 6)
		return -1;
	pkt->src = nlb_ip_v6(&ip->saddr);
	pkt->dst = nlb_ip_v6(&ip->daddr);
	pkt->protocol = ip->nexthdr;
	pkt->dsfield = (__u8)(bpf_ntohl(*(const nlb_u32a *)ip) >> 20);
	nlb_parse_ports(ip + 1, end, NLB_TCP_MIN, pkt);
	pkt->hash = nlb_flow_hash(pkt);
	return 0;
}

/* The backend's hop, or one that is nothing but an outer source: eth_len is 0 then. */
static __always_inline int nlb_tunnel_hop(const struct nlb_backend *backend, struct nlb_hop *ret)
{
	__u32 number = *(const volatile __u32 *)&backend->hop, zero = 0;
	const struct nlb_config *cfg;
	const struct nlb_hop *hop = number ? bpf_map_lookup_elem(&nlb_hops, &number) : NULL;

	if (hop) {
		*ret = *hop;
		return 0;
	}
	cfg = bpf_map_lookup_elem(&nlb_config, &zero);
	if (!cfg)
		return -1;
	__builtin_memset(ret, 0, sizeof(*ret));
	ret->ttl = (__u8)cfg->ttl;
	if (backend->flags & NLB_BACKEND_F_V4)
		__builtin_memcpy(ret->source + 12, cfg->source4, 4);
	else
		__builtin_memcpy(ret->source, cfg->source6, 16);
	return *(const nlb_u32a *)(ret->source + 12) || *(const nlb_u32a *)ret->source ? 0 : -1;
}

/* The outer header, into `outer`; its length. */
static __always_inline __u32 nlb_tunnel_outer(__u32 *outer, const struct nlb_encap *encap,
					      const struct nlb_hop *hop,
					      const struct nlb_backend *backend)
{
	if (backend->flags & NLB_BACKEND_F_V4) {
		nlb_encap_ip4(outer, encap, hop, *(const nlb_u32a *)(backend->addr + 12));
		return sizeof(struct iphdr);
	}
	nlb_encap_ip6(outer, encap, hop, backend->addr);
	return sizeof(struct ipv6hdr);
}

static __always_inline long nlb_tunnel_push(struct __sk_buff *skb, const struct nlb_packet *pkt,
					    const struct nlb_hop *hop,
					    const struct nlb_backend *backend)
{
	/*
	 * Of packets that are to be cut, bpf_lwt_push_encap() takes IPv6 in IP and refuses IPv4 in IP,
	 * whose number it has wrong (lwt_bpf.c, handle_gso_encap()). It does the same for both:
	 * so they go in as IPv6, and get the right header afterwards.
	 */
	int disguise = skb->gso_size && pkt->is_v4;
	struct nlb_encap encap = {
		.inner_len = skb->len,
		.hash = pkt->hash,
		.inner_v4 = pkt->is_v4 && !disguise,
		.dsfield = pkt->dsfield,
	};
	__u32 outer[sizeof(struct ipv6hdr) / 4];
	long r;

	if (nlb_tunnel_outer(outer, &encap, hop, backend) == sizeof(struct iphdr))
		r = bpf_lwt_push_encap(skb, BPF_LWT_ENCAP_IP, outer, sizeof(struct iphdr));
	else
		r = bpf_lwt_push_encap(skb, BPF_LWT_ENCAP_IP, outer, sizeof(struct ipv6hdr));
	if (r || !disguise)
		return r;
	encap.inner_v4 = 1;
	if (nlb_tunnel_outer(outer, &encap, hop, backend) == sizeof(struct iphdr))
		return bpf_skb_store_bytes(skb, 0, outer, sizeof(struct iphdr), 0);
	return bpf_skb_store_bytes(skb, 0, outer, sizeof(struct ipv6hdr), 0);
}

/* The hop's Ethernet header in front; one call for each length, which must be a constant. */
static __always_inline int nlb_tunnel_eth(struct __sk_buff *skb, const struct nlb_hop *hop)
{
	__u32 len = hop->eth_len;

	if (len == ETH_HLEN)
		return bpf_skb_change_head(skb, ETH_HLEN, 0) ||
		       bpf_skb_store_bytes(skb, 0, hop->eth, ETH_HLEN, 0);
	if (len == ETH_HLEN + 4)
		return bpf_skb_change_head(skb, ETH_HLEN + 4, 0) ||
		       bpf_skb_store_bytes(skb, 0, hop->eth, ETH_HLEN + 4, 0);
	if (len == NLB_HOP_ETH_MAX)
		return bpf_skb_change_head(skb, NLB_HOP_ETH_MAX, 0) ||
		       bpf_skb_store_bytes(skb, 0, hop->eth, NLB_HOP_ETH_MAX, 0);
	return -1;
}

static __always_inline enum nlb_tunnel_result nlb_tunnel_wrap(struct __sk_buff *skb,
							      __u32 *ret_ifindex)
{
	const void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u32 number = skb->mark & NLB_TUNNEL_BACKEND, grow;
	const struct nlb_backend *backend = bpf_map_lookup_elem(&nlb_backends, &number);
	struct nlb_packet pkt = {};
	struct nlb_hop hop;
	int r;

	/* An entry that nobody wrote has no address of any kind. */
	if (!number || !backend ||
	    !(*(const nlb_u64a *)backend->addr | *(const nlb_u64a *)(backend->addr + 8)))
		return NLB_T_NO_BACKEND;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		r = nlb_tunnel_parse4(data, end, &pkt);
	else
		r = nlb_tunnel_parse6(data, end, &pkt);
	if (r < 0)
		return NLB_T_FAILED;
	if (nlb_tunnel_hop(backend, &hop) < 0)
		return NLB_T_NO_SOURCE;
	grow = backend->flags & NLB_BACKEND_F_V4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	/* Segments fit: the route's headroom is that of the larger outer header. */
	if (!skb->gso_size && hop.mtu && skb->len + grow > hop.mtu)
		return NLB_T_TOO_BIG;
	if (nlb_tunnel_push(skb, &pkt, &hop, backend))
		return NLB_T_FAILED;
	skb->mark = 0;
	if (!hop.eth_len)
		return NLB_T_ROUTED;
	*ret_ifindex = hop.ifindex;
	return nlb_tunnel_eth(skb, &hop) ? NLB_T_FAILED : NLB_T_SENT;
}

SEC("lwt_xmit")
int nlb_tunnel(struct __sk_buff *skb)
{
	__u32 ifindex = 0, result = nlb_tunnel_wrap(skb, &ifindex);
	__u64 *n = bpf_map_lookup_elem(&nlb_tunnel_stats, &result);

	if (n)
		(*n)++;
	if (result == NLB_T_SENT)
		return (int)bpf_redirect(ifindex, 0);
	return result == NLB_T_ROUTED ? BPF_LWT_REROUTE : BPF_DROP;
}

char _license[] SEC("license") = "GPL";
