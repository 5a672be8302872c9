/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * QUIC connection ids that name their server: QUIC-LB's plaintext form
 * (draft-ietf-quic-load-balancers). The server puts its id behind the first octet
 * of the connection ids that it hands out, so that a client which changes
 * its address still reaches it. The first packets of a connection carry an id
 * that the client made up: those, and all whose id is nobody's, go by the hash.
 * BPF only.
 */
#ifndef NLB_QUIC_H
#define NLB_QUIC_H

#include "run.h"

#define NLB_QUIC_LONG	   0x80u
#define NLB_QUIC_ID_OFFSET 6u /* of the connection id in a long header: flags, version, length */
#define NLB_QUIC_CID_MAX   20u

/* The backend that the connection id of nlb_work's packet names; 0: none. */
__noinline __u32 nlb_quic(struct xdp_md *ctx)
{
	struct nlb_work *work = nlb_work_get();
	__u8 head[NLB_QUIC_ID_OFFSET], first = 0;
	struct nlb_quic_key key = {};
	const struct nlb_service *svc;
	const struct nlb_packet *pkt;
	__u32 at, len, cid_len;
	const __u32 *backend;

	if (!work)
		return 0;
	pkt = &work->pkt;
	key.service = work->run.service;
	svc = bpf_map_lookup_elem(&nlb_services, &key.service);
	if (!svc)
		return 0;
	at = (__u32)pkt->l4 + NLB_UDP_MIN;
	len = svc->quic_len;
	if (len < 1 || len > NLB_QUIC_ID_MAX || at + 1 > pkt->len ||
	    bpf_xdp_load_bytes(ctx, ETH_HLEN + at, head, 1))
		return 0;
	if (head[0] & NLB_QUIC_LONG) {
		if (at + sizeof(head) > pkt->len ||
		    bpf_xdp_load_bytes(ctx, ETH_HLEN + at, head, sizeof(head)))
			return 0;
		cid_len = head[NLB_QUIC_ID_OFFSET - 1];
		at += NLB_QUIC_ID_OFFSET;
		if (cid_len > NLB_QUIC_CID_MAX || cid_len < len + 1)
			return 0;
	} else {
		/* Its length is known to the server alone. */
		at += 1;
	}
	if (at + 1 + len > pkt->len || bpf_xdp_load_bytes(ctx, ETH_HLEN + at, &first, 1) ||
	    first >> 5 != svc->quic_config ||
	    bpf_xdp_load_bytes(ctx, ETH_HLEN + at + 1, key.id, nlb_bounded(len, NLB_QUIC_ID_MAX)))
		return 0;
	key.len = len;
	backend = bpf_map_lookup_elem(&nlb_quic_ids, &key);
	return backend ? *backend : 0;
}

#endif
