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

/* All of a packet for a VIP, that of nlb_work. `why`: as the parser said. */
__noinline int nlb_slow(struct xdp_md *ctx, int why)
{
	struct nlb_work *work = nlb_work_get();
	int r = why, is_icmp = 0;
	struct nlb_packet *pkt;
	struct nlb_run *run;

	if (!work)
		return NLB_R_INTERNAL;
	pkt = &work->pkt;
	run = &work->run;
	if (r != NLB_R_TX)
		r = nlb_odd(ctx, why);
	if (r == NLB_R_VIP_ICMP) {
		const void *l3 = (void *)(long)ctx->data + ETH_HLEN;
		const void *end = (void *)(long)ctx->data_end;

		/* Behind extension headers: left to the kernel. */
		if (!pkt->is_v4 && pkt->l4 != sizeof(struct ipv6hdr))
			return r;
		r = pkt->is_v4 ? nlb_icmp_error4(l3, end, pkt) : nlb_icmp_error6(l3, end, pkt);
		if (r == NLB_R_VIP_ICMP)
			return nlb_echo(ctx, pkt, run);
		is_icmp = 1;
	}
	if (r != NLB_R_TX)
		return r;
	if (pkt->frag != NLB_FRAG_LATER)
		r = nlb_choose(ctx);
	else if (pkt->ttl <= 1)
		r = NLB_R_VIP_TTL;
	if (r == NLB_R_TX) {
		if (pkt->frag == NLB_FRAG_FIRST)
			nlb_frag_remember(pkt, run);
		r = nlb_send_any(ctx);
	}
	if (r == NLB_R_TOO_BIG || r == NLB_R_VIP_TTL)
		return nlb_tell(ctx, r);
	if (is_icmp && (r == NLB_R_TX || r == NLB_R_TX_REDIRECT))
		return NLB_R_TX_ICMP;
	return r;
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

/* The straight way of a packet for run->vip. NLB_R_SLOW: it is not for this one. */
NLB_INLINE enum nlb_reason nlb_straight(struct xdp_md *ctx, const struct nlb_packet *pkt,
					struct nlb_run *run, const struct nlb_config *cfg)
{
	const struct nlb_service *svc;
	enum nlb_reason r;

	svc = nlb_svc_find(run->vip, run->vip_flags, pkt->protocol, nlb_dport(pkt->ports),
			   cfg->svc_mask, &run->service);
	if (!svc || svc->flags || pkt->ttl <= 1)
		return NLB_R_SLOW;
	run->opens = (__u8)nlb_tcp_opens(pkt->tcp_flags);
	r = nlb_pick(svc, pkt, run, 1);
	return r == NLB_R_TX ? nlb_send(ctx, pkt, run) : r;
}

NLB_INLINE enum nlb_reason nlb_handle(struct xdp_md *ctx, struct nlb_run *run,
				      const struct nlb_config *cfg)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = data;
	struct nlb_packet pkt = {};
	struct nlb_work *work;
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
	run->vip = nlb_vip_find(&pkt.dst, pkt.is_v4, cfg, &run->vip_flags);
	if (!run->vip) {
		if (NLB_UNLIKELY(r == NLB_R_VIP_ICMP))
			return (enum nlb_reason)nlb_tunnel_error(ctx, pkt.is_v4, pkt.len);
		return NLB_R_NOT_VIP;
	}
	run->len = pkt.len;
	if (NLB_LIKELY(r == NLB_R_TX)) {
		enum nlb_reason straight = nlb_straight(ctx, &pkt, run, cfg);

		if (NLB_LIKELY(straight != NLB_R_SLOW))
			return straight;
	}
	work = nlb_work_get();
	if (!work)
		return NLB_R_INTERNAL;
	work->pkt = pkt;
	work->run = (struct nlb_run){
		.vip = run->vip,
		.vip_flags = run->vip_flags,
		.len = run->len,
		.asked = run->asked,
		.n_tags = run->n_tags,
	};
	r = (enum nlb_reason)nlb_slow(ctx, r);
	*run = work->run;
	return r;
}

/* Of a tagged packet; the straight way's code is not there twice. */
NLB_INLINE int nlb_is_tagged(struct xdp_md *ctx)
{
	const struct ethhdr *eth = (void *)(long)ctx->data;

	return (const void *)(eth + 1) <= (void *)(long)ctx->data_end &&
	       nlb_vlan_is_tag(eth->h_proto);
}

SEC("xdp.frags")
int nlb(struct xdp_md *ctx)
{
	const struct nlb_config *cfg = nlb_config_get();
	struct nlb_run run = {.asked = nlb_is_ask(ctx)};
	enum nlb_reason r;

	if (!cfg)
		return XDP_ABORTED;
	if (NLB_UNLIKELY(nlb_is_tagged(ctx))) {
		int n = nlb_vlan_strip(ctx);

		if (n < 0)
			return nlb_leave(ctx, &run, cfg, NLB_R_NOT_IP);
		run.n_tags = (__u8)n;
	}
	r = nlb_handle(ctx, &run, cfg);
	if (NLB_UNLIKELY(run.n_tags && !nlb_in_set(r, NLB_TX_SET)))
		nlb_vlan_restore(ctx, run.n_tags);
	return nlb_leave(ctx, &run, cfg, r);
}

char _license[] SEC("license") = "GPL";
