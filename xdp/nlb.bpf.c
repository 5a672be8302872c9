// SPDX-License-Identifier: GPL-2.0
/*
 * The load balancer's data plane: one XDP program on every interface that
 * traffic for VIPs comes in by.
 *
 * Nearly every packet takes the straight way, in this order: Ethernet and IP
 * (parse.h), VIP and service (dir.h), slot of the service's ring (pick.h), hop and new
 * headers (send.h), counters (count.h). It is one piece of code without a call,
 * and touches no map that is not needed for that. What it cannot do it says before
 * it has written anything, and nlb_slow() does it: IPv6 extension headers
 * and fragments (odd.h), slots that changed lately, affinity, QUIC (quic.h), hops that
 * the agent does not know or that have VLAN tags, ICMP (icmp.h, tell.h).
 *
 * Each packet leaves through nlb_leave(), where it is counted under its reason
 * (nlb_shared.h).
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "count.h"
#include "odd.h"
#include "pick.h"
#include "quic.h"
#include "send.h"
#include "tell.h"
#include "vlan.h"

/* The backend of nlb_work's packet, whose ports are known. NLB_R_TX: its run has it. */
__noinline int nlb_choose(struct xdp_md *ctx)
{
	const struct nlb_config *cfg = nlb_config_get();
	struct nlb_work *work = nlb_work_get();
	const struct nlb_service *svc;
	struct nlb_packet *pkt;
	struct nlb_run *run;
	__u32 number = 0;

	if (!cfg || !work)
		return NLB_R_INTERNAL;
	pkt = &work->pkt;
	run = &work->run;
	svc = nlb_svc_find(run->vip, run->vip_flags, pkt->protocol, nlb_dport(pkt->ports),
			   cfg->svc_mask, &number);
	if (!svc)
		return run->vip_flags & NLB_VIP_F_PASS_UNKNOWN ? NLB_R_VIP_NO_SERVICE_PASS
							       : NLB_R_VIP_NO_SERVICE;
	run->service = number;
	if (pkt->ttl <= 1)
		return NLB_R_VIP_TTL;
	if (svc->flags & NLB_SVC_F_QUIC && !pkt->quoted && pkt->frag == NLB_FRAG_NONE) {
		run->backend = nlb_quic(ctx);
		if (run->backend) {
			run->flags |= NLB_ASK_F_QUIC;
			nlb_event(run, NLB_E_QUIC);
			return NLB_R_TX;
		}
	}
	if (svc->flags & NLB_SVC_F_AFFINITY) {
		struct nlb_packet any = *pkt;

		any.ports = 0;
		any.protocol = 0;
		pkt->hash = nlb_flow_hash(&any);
	}
	run->opens = !pkt->quoted && nlb_tcp_opens(pkt->tcp_flags);
	return nlb_pick(svc, pkt, run, 0);
}

/* An ICMP error about a tunnel is the kernel's, but counted at its backend. */
__noinline int nlb_tunnel_error(struct xdp_md *ctx, int is_v4, __u32 len)
{
	const void *l3 = (void *)(long)ctx->data + ETH_HLEN;
	const void *end = (void *)(long)ctx->data_end;
	struct nlb_counters *c;
	const __u32 *number;
	struct nlb_ip to;

	if (!(is_v4 ? nlb_icmp_tunnel4(l3, end, len, &to) : nlb_icmp_tunnel6(l3, end, len, &to)))
		return NLB_R_NOT_VIP;
	number = bpf_map_lookup_elem(&nlb_numbers, &to);
	if (!number)
		return NLB_R_NOT_VIP;
	c = bpf_map_lookup_elem(&nlb_be_stats, number);
	if (c && !nlb_is_ask(ctx))
		c->errors++;
	return NLB_R_TUNNEL_ERROR;
}

/*
 * The flow of nlb_work's packet, which is for a VIP; `why`: as the parser said.
 * NLB_R_TX: it is known, or, of a later fragment, the backend is.
 */
NLB_INLINE int nlb_flow_of(struct xdp_md *ctx, struct nlb_work *work, int why)
{
	struct nlb_packet *pkt = &work->pkt;
	const void *l3, *end;
	int r = why;

	if (r != NLB_R_TX)
		r = nlb_odd(ctx, why);
	/* Behind extension headers: left to the kernel. */
	if (r != NLB_R_VIP_ICMP || (!pkt->is_v4 && pkt->l4 != sizeof(struct ipv6hdr)))
		return r;
	l3 = (void *)(long)ctx->data + ETH_HLEN;
	end = (void *)(long)ctx->data_end;
	r = pkt->is_v4 ? nlb_icmp_error4(l3, end, pkt) : nlb_icmp_error6(l3, end, pkt);
	return r == NLB_R_VIP_ICMP ? nlb_echo(ctx, pkt, &work->run) : r;
}

/* The same of any packet without VLAN tags, from its Ethernet header on; all else is done. */
__noinline int nlb_find(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	const struct nlb_config *cfg = nlb_config_get();
	struct nlb_work *work = nlb_work_get();
	const struct ethhdr *eth = data;
	enum nlb_reason r;

	if (!cfg || !work)
		return NLB_R_INTERNAL;
	work->pkt = (struct nlb_packet){};
	if ((const void *)(eth + 1) > end)
		return NLB_R_NOT_IP;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		r = nlb_parse4(eth + 1, end, &work->pkt);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		r = nlb_parse6(eth + 1, end, &work->pkt);
	else
		return NLB_R_NOT_IP;
	if (r == NLB_R_MALFORMED_L3)
		return r;
	work->run.vip = nlb_vip_find(&work->pkt.dst, work->pkt.is_v4, cfg, &work->run.vip_flags);
	if (!work->run.vip)
		return r == NLB_R_VIP_ICMP ? nlb_tunnel_error(ctx, work->pkt.is_v4, work->pkt.len)
					   : NLB_R_NOT_VIP;
	work->run.len = work->pkt.len;
	return nlb_flow_of(ctx, work, r);
}

/* The way of every packet that is not for the straight one, from its first byte to its verdict. */
__noinline int nlb_slow(struct xdp_md *ctx)
{
	const struct nlb_config *cfg = nlb_config_get();
	struct nlb_work *work = nlb_work_get();
	int r = NLB_R_NOT_IP, tags = 0;

	if (!cfg || !work)
		return XDP_ABORTED;
	work->run = (struct nlb_run){.asked = (__u8)nlb_is_ask(ctx)};
	if (nlb_vlan_tagged(ctx))
		tags = nlb_vlan_strip(ctx);
	if (tags >= 0)
		r = nlb_find(ctx);
	if (r == NLB_R_TX && work->pkt.frag != NLB_FRAG_LATER)
		r = nlb_choose(ctx);
	else if (r == NLB_R_TX && work->pkt.ttl <= 1)
		r = NLB_R_VIP_TTL;
	if (r == NLB_R_TX) {
		if (work->pkt.frag == NLB_FRAG_FIRST)
			nlb_frag_remember(&work->pkt, &work->run);
		r = nlb_send_any(ctx);
		if (work->pkt.quoted && (r == NLB_R_TX || r == NLB_R_TX_REDIRECT))
			r = NLB_R_TX_ICMP;
	}
	if (r == NLB_R_TOO_BIG || r == NLB_R_VIP_TTL)
		r = nlb_tell(ctx, r);
	if (tags > 0 && !nlb_in_set((enum nlb_reason)r, NLB_TX_SET))
		nlb_vlan_restore(ctx, tags);
	return nlb_leave(ctx, &work->run, cfg, (enum nlb_reason)r);
}

/* NLB_R_SLOW: the packet is not for this way. */
NLB_INLINE enum nlb_reason nlb_straight(struct xdp_md *ctx, struct nlb_run *run,
					const struct nlb_config *cfg, const void *l3,
					const void *end, const int is_v4)
{
	const struct nlb_service *svc;
	struct nlb_packet pkt = {};
	enum nlb_reason r;

	r = is_v4 ? nlb_parse4(l3, end, &pkt) : nlb_parse6(l3, end, &pkt);
	if (NLB_UNLIKELY(r != NLB_R_TX))
		return NLB_R_SLOW;
	run->vip = nlb_vip_find(&pkt.dst, is_v4, cfg, &run->vip_flags);
	if (!run->vip)
		return NLB_R_NOT_VIP;
	run->len = pkt.len;
	svc = nlb_svc_find(run->vip, run->vip_flags, pkt.protocol, nlb_dport(pkt.ports),
			   cfg->svc_mask, &run->service);
	if (NLB_UNLIKELY(!svc || svc->flags || pkt.ttl <= 1))
		return NLB_R_SLOW;
	run->opens = (__u8)nlb_tcp_opens(pkt.tcp_flags);
	r = nlb_pick(svc, &pkt, run, 1);
	return r == NLB_R_TX ? nlb_send(ctx, &pkt, run) : r;
}

SEC("xdp.frags")
int nlb(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	const struct nlb_config *cfg = nlb_config_get();
	struct nlb_run run = {.asked = (__u8)nlb_is_ask(ctx)};
	enum nlb_reason r = NLB_R_SLOW;
	const struct ethhdr *eth = data;

	if (!cfg)
		return XDP_ABORTED;
	if (NLB_LIKELY((const void *)(eth + 1) <= end)) {
		if (eth->h_proto == bpf_htons(ETH_P_IP))
			r = nlb_straight(ctx, &run, cfg, eth + 1, end, 1);
		else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
			r = nlb_straight(ctx, &run, cfg, eth + 1, end, 0);
	}
	if (NLB_UNLIKELY(r == NLB_R_SLOW))
		return nlb_slow(ctx);
	return nlb_leave(ctx, &run, cfg, r);
}

char _license[] SEC("license") = "GPL";
