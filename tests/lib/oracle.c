// SPDX-License-Identifier: GPL-2.0-or-later
/* The oracle: from a frame to what becomes of it; see oracle.h. */
#include <netinet/in.h>

#include "oracle_int.h"

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool covers(const struct nlb_vip *v, const struct oracle_packet *p)
{
	bool v4 = memcmp(v->addr, mapped, 12) == 0;

	if (v4 != p->v4)
		return false;
	for (unsigned int bit = 0; bit < v->plen; bit++)
		if ((v->addr[bit / 8] ^ p->dst[bit / 8]) & (0x80 >> bit % 8))
			return false;
	return true;
}

/* The longest prefix that holds the destination. */
static uint32_t find_vip(const struct xdp_maps *m, const struct oracle_packet *p)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < m->n_vips; i++)
		if (covers(&m->vips[i], p) && (!best || m->vips[i].plen > m->vips[best].plen))
			best = i;
	return best;
}

/* Not to a VIP. */
static enum nlb_reason run_other(const struct oracle *o, struct oracle_packet *p,
				 struct oracle_result *r)
{
	uint8_t far_end[16];

	if (oracle_parse_l4(p) != NLB_R_VIP_ICMP || (!p->v4 && p->l4 != 40) ||
	    !oracle_parse_tunnel(p, far_end))
		return NLB_R_NOT_VIP;
	for (uint32_t i = 1; i < o->maps->n_backends; i++) {
		if (memcmp(o->maps->backends[i].addr, far_end, 16))
			continue;
		r->tunnel_error = i;
		return NLB_R_TUNNEL_ERROR;
	}
	return NLB_R_NOT_VIP;
}

static enum nlb_reason run_echo(const struct oracle *o, const struct oracle_packet *p,
				struct oracle_result *r)
{
	if (!oracle_is_echo(p) || o->maps->config.flags & NLB_CONFIG_F_NO_ECHO)
		return NLB_R_VIP_ICMP;
	if (o->no_echo)
		return NLB_R_VIP_ICMP_LIMIT;
	oracle_write_echo(p, (uint8_t)o->maps->config.ttl, r);
	return NLB_R_TX_REPLY;
}

static bool same_datagram(const struct oracle_packet *a, const struct oracle_packet *b)
{
	return memcmp(a->src, b->src, 16) == 0 && memcmp(a->dst, b->dst, 16) == 0 &&
	       memcmp(a->frag_id, b->frag_id, 4) == 0 && a->frag_protocol == b->frag_protocol;
}

static struct oracle_fragment *find_fragment(struct oracle *o, const struct oracle_packet *p)
{
	for (unsigned int i = 0; i < ORACLE_FRAGMENTS; i++)
		if (o->fragments[i].used && same_datagram(&o->fragments[i].key, p))
			return &o->fragments[i];
	return NULL;
}

static void remember_fragment(struct oracle *o, const struct oracle_packet *p,
			      const struct oracle_result *r)
{
	struct oracle_fragment *f = find_fragment(o, p);

	if (o->ask)
		return;
	if (!f)
		f = &o->fragments[o->n_fragments++ % ORACLE_FRAGMENTS];
	*f = (struct oracle_fragment){
		.used = true,
		.key = *p,
		.service = r->service,
		.backend = r->backend,
		.hash = p->hash,
	};
}

static enum nlb_reason run_later(struct oracle *o, struct oracle_packet *p, struct oracle_result *r)
{
	const struct oracle_fragment *f = find_fragment(o, p);

	if (!f)
		return NLB_R_VIP_FRAGMENT;
	r->service = f->service;
	r->backend = f->backend;
	r->flags |= NLB_ASK_F_FRAG;
	if (!o->ask)
		r->events |= 1u << NLB_E_FRAGMENT;
	p->hash = f->hash;
	return p->ttl <= 1 ? NLB_R_VIP_TTL : NLB_R_TX;
}

/* The kernel's way, in the form of a hop. */
static enum nlb_reason ask_kernel(const struct oracle *o, const struct nlb_backend *backend,
				  struct nlb_hop *ret, struct oracle_result *r)
{
	const struct nlb_config *cfg = &o->maps->config;
	bool v4 = backend->flags & NLB_BACKEND_F_V4;
	struct oracle_way way = {.reason = NLB_R_NO_ROUTE};
	static const uint8_t none[16];

	if (memcmp(v4 ? cfg->source4 : cfg->source6, none, v4 ? 4 : 16) == 0)
		return NLB_R_NO_SOURCE;
	r->flags |= NLB_ASK_F_FIB;
	if (!o->ask)
		r->events |= 1u << NLB_E_FIB;
	o->route(backend->addr, &way);
	*ret = (struct nlb_hop){
		.eth_len = 14,
		.ttl = (uint8_t)cfg->ttl,
		.ifindex = way.ifindex,
		.mtu = way.mtu,
	};
	memcpy(ret->eth, way.dmac, 6);
	memcpy(ret->eth + 6, way.smac, 6);
	memcpy(ret->eth + 12, v4 ? "\x08\x00" : "\x86\xdd", 2);
	if (v4)
		memcpy(ret->source + 12, cfg->source4, 4);
	else
		memcpy(ret->source, cfg->source6, 16);
	return way.reason;
}

/* *ret_mtu: what would fit, with NLB_R_TOO_BIG. */
static enum nlb_reason run_send(const struct oracle *o, const struct oracle_packet *p,
				struct oracle_result *r, uint32_t *ret_egress, uint32_t *ret_mtu)
{
	const struct nlb_backend *backend;
	uint32_t outer = 40;
	enum nlb_reason why = NLB_R_TX;
	struct nlb_hop hop;

	if (r->backend >= XDP_MAPS_BACKENDS)
		return NLB_R_INTERNAL;
	backend = &o->maps->backends[r->backend];
	if (backend->flags & NLB_BACKEND_F_V4)
		outer = 20;
	r->hop = backend->hop;
	*ret_mtu = 0xffff - outer;
	if (p->len + outer > 0xffff)
		return NLB_R_TOO_BIG;
	if (r->hop && r->hop < XDP_MAPS_HOPS)
		hop = o->maps->hops[r->hop];
	else
		why = ask_kernel(o, backend, &hop, r);
	/* The kernel looks at lengths before neighbours. */
	if (why == NLB_R_TX || why == NLB_R_NO_NEIGHBOUR) {
		*ret_mtu = hop.mtu - outer;
		if (hop.mtu && p->len + outer > hop.mtu)
			return NLB_R_TOO_BIG;
	}
	if (why != NLB_R_TX)
		return why;
	*ret_egress = hop.ifindex;
	oracle_write_tunnel(p, &hop, backend, r);
	return hop.ifindex == o->ifindex ? NLB_R_TX : NLB_R_TX_REDIRECT;
}

/* `why` is NLB_R_TOO_BIG or NLB_R_VIP_TTL: is the sender told so? */
static enum nlb_reason run_tell(const struct oracle *o, const struct oracle_packet *p,
				enum nlb_reason why, uint32_t mtu, struct oracle_result *r)
{
	bool too_big = why == NLB_R_TOO_BIG, df = oracle_get16(p->ip + 6) & 0x4000;

	if (p->quoted || p->part == ORACLE_LATER || !oracle_has_sender(p) || o->no_error)
		return why;
	if (too_big && (mtu >= p->len || mtu < (p->v4 ? 68 : 1280) || (p->v4 && !df)))
		return why;
	oracle_write_tell(p, (uint8_t)o->maps->config.ttl, too_big, mtu, r);
	return too_big ? NLB_R_TX_TOO_BIG : NLB_R_TX_TTL;
}

static enum nlb_reason run_vip(struct oracle *o, struct oracle_packet *p, struct oracle_result *r,
			       uint32_t *ret_egress)
{
	enum nlb_reason why = oracle_parse_l4(p);
	uint32_t mtu = 0;

	r->ip_len = p->len;
	if (why == NLB_R_VIP_ICMP) {
		if (!p->v4 && p->l4 != 40)
			return why;
		why = oracle_parse_icmp(p);
		if (why == NLB_R_VIP_ICMP)
			return run_echo(o, p, r);
	}
	if (why != NLB_R_TX)
		return why;
	if (p->part == ORACLE_LATER)
		why = run_later(o, p, r);
	else
		why = oracle_pick(o, p, r);
	if (why == NLB_R_VIP_FRAGMENT)
		return why;
	if (why == NLB_R_TX && p->part == ORACLE_FIRST)
		remember_fragment(o, p, r);
	if (why == NLB_R_TX)
		why = run_send(o, p, r, ret_egress, &mtu);
	if (why == NLB_R_TOO_BIG || why == NLB_R_VIP_TTL)
		return run_tell(o, p, why, mtu, r);
	if (p->quoted && (why == NLB_R_TX || why == NLB_R_TX_REDIRECT))
		return NLB_R_TX_ICMP;
	return why;
}

static uint32_t verdict_of(const struct oracle *o, enum nlb_reason reason, uint32_t egress)
{
	switch (reason) {
	case NLB_R_TX:
	case NLB_R_TX_REPLY:
	case NLB_R_TX_TOO_BIG:
	case NLB_R_TX_TTL:
		return XDP_TX;
	case NLB_R_TX_REDIRECT:
		return XDP_REDIRECT;
	case NLB_R_TX_ICMP:
		return egress == o->ifindex ? XDP_TX : XDP_REDIRECT;
	case NLB_R_NOT_IP:
	case NLB_R_NOT_VIP:
	case NLB_R_MALFORMED_L3:
	case NLB_R_VIP_ICMP:
	case NLB_R_VIP_NO_SERVICE_PASS:
	case NLB_R_TUNNEL_ERROR:
		return XDP_PASS;
	default:
		return XDP_DROP;
	}
}

void oracle_run(struct oracle *o, const uint8_t *frame, size_t len, struct oracle_result *ret)
{
	struct oracle_packet p;
	uint32_t egress = 0;

	*ret = (struct oracle_result){};
	ret->reason = oracle_parse_ip(frame, len, &p);
	if (ret->reason == NLB_R_TX) {
		ret->vip = find_vip(o->maps, &p);
		ret->reason = ret->vip ? run_vip(o, &p, ret, &egress) : run_other(o, &p, ret);
	}
	ret->verdict = verdict_of(o, ret->reason, egress);
	if (ret->verdict == XDP_PASS) {
		memcpy(ret->data, frame, len);
		ret->len = len;
	} else if (ret->verdict == XDP_DROP) {
		ret->len = 0;
	}
}

void oracle_forget(struct oracle *o)
{
	memset(o->flows, 0, sizeof(o->flows));
	memset(o->fragments, 0, sizeof(o->fragments));
	o->n_fragments = 0;
}
