// SPDX-License-Identifier: GPL-2.0-or-later
/* The oracle's choice of a backend: hash, ring, remembered flows; see oracle.h. */
#include <netinet/in.h>

#include "oracle_int.h"

#define SYN	     0x02
#define RST	     0x04
#define ACK	     0x10

#define QUIC_LONG    0x80
#define QUIC_CID_MAX 20

/*
 * docs/dataplane.md, "The hash": 64-bit words, each xored in, multiplied and folded.
 * The numbers are those of the contract between nodes.
 */
static uint64_t step(uint64_t h, uint64_t word)
{
	h ^= word;
	h *= 0xff51afd7ed558ccdull;
	return h ^ h >> 32;
}

static uint64_t little_endian(const uint8_t *b, unsigned int n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | b[n];
	return v;
}

uint32_t oracle_hash(const struct oracle_packet *p, bool no_ports)
{
	uint64_t h = 0x9e3779b97f4a7c15ull, ports, protocol;
	uint8_t wire[4];

	oracle_put16(wire, p->sport);
	oracle_put16(wire + 2, p->dport);
	ports = no_ports ? 0 : little_endian(wire, 4);
	protocol = no_ports ? 0 : (uint64_t)p->protocol << 32;
	if (p->v4) {
		h = step(h, little_endian(p->src + 12, 4) << 32 | ports);
		h = step(h, protocol | little_endian(p->dst + 12, 4));
	} else {
		h = step(h, little_endian(p->src, 8));
		h = step(h, little_endian(p->src + 8, 8));
		h = step(h, little_endian(p->dst, 8));
		h = step(h, little_endian(p->dst + 8, 8));
		h = step(h, protocol | ports);
	}
	return (uint32_t)(h * 0xc4ceb9fe1a85ec53ull >> 32);
}

uint32_t oracle_hash_text(const char *src, const char *dst, uint16_t sport, uint16_t dport,
			  uint8_t protocol)
{
	struct oracle_packet p = {
		.v4 = !strchr(src, ':'), .sport = sport, .dport = dport, .protocol = protocol};

	inet_pton(p.v4 ? AF_INET : AF_INET6, src, p.src + (p.v4 ? 12 : 0));
	inet_pton(p.v4 ? AF_INET : AF_INET6, dst, p.dst + (p.v4 ? 12 : 0));
	return oracle_hash(&p, protocol == 0);
}

static bool same_flow(const struct oracle_packet *a, const struct oracle_packet *b)
{
	return memcmp(a->src, b->src, 16) == 0 && memcmp(a->dst, b->dst, 16) == 0 &&
	       a->sport == b->sport && a->dport == b->dport && a->protocol == b->protocol;
}

static struct oracle_flow *find_flow(struct oracle *o, const struct oracle_packet *p)
{
	for (unsigned int i = 0; i < NLB_FLOW_WAYS; i++)
		if (o->flows[i].used && same_flow(&o->flows[i].key, p))
			return &o->flows[i];
	return NULL;
}

static struct oracle_flow *find_room(struct oracle *o)
{
	for (unsigned int i = 0; i < NLB_FLOW_WAYS; i++)
		if (!o->flows[i].used)
			return &o->flows[i];
	return NULL;
}

static void event(const struct oracle *o, struct oracle_result *r, enum nlb_event e)
{
	if (!o->ask)
		r->events |= 1ull << e;
}

static bool is_gone(const struct oracle *o, uint32_t service, uint32_t backend)
{
	for (uint32_t i = 0; i < o->maps->n_gone; i++)
		if (o->maps->gone[i].service == service && o->maps->gone[i].backend == backend)
			return true;
	return false;
}

static void remember(const struct oracle *o, struct oracle_flow *f, const struct oracle_packet *p,
		     uint8_t class, uint32_t backend)
{
	if (!o->ask && !p->quoted)
		*f = (struct oracle_flow){
			.used = true, .class = class, .key = *p, .backend = backend};
}

static uint32_t pick_opening(struct oracle *o, const struct oracle_packet *p,
			     struct oracle_result *r, uint32_t now, uint32_t old)
{
	struct oracle_flow *f = find_flow(o, p);

	/* All backends are draining: nobody is there for a new flow. */
	if (!now)
		return 0;
	if (r->mode == NLB_SLOT_LINGER >> 30) {
		if (f && !o->ask)
			f->used = false;
		return now;
	}
	if (!f)
		f = find_room(o);
	if (!f) {
		event(o, r, NLB_E_FLOW_FULL);
		r->flags |= NLB_ASK_F_OLD;
		return old;
	}
	remember(o, f, p, NLB_FLOW_SYN, now);
	event(o, r, NLB_E_FLOW_NEW);
	return now;
}

static uint32_t pick_unknown(struct oracle *o, const struct oracle_packet *p,
			     struct oracle_result *r, uint32_t now, uint32_t old)
{
	struct oracle_flow *f;

	if (r->mode == NLB_SLOT_LINGER >> 30)
		return now;
	r->flags |= NLB_ASK_F_OLD;
	if (o->ask || p->quoted || p->tcp_flags & RST)
		return old;
	f = find_room(o);
	event(o, r, f ? NLB_E_FLOW_OLD : NLB_E_FLOW_FULL);
	if (f)
		remember(o, f, p, NLB_FLOW_OLD, old);
	return old;
}

static uint32_t pick_remembered(struct oracle *o, const struct oracle_packet *p,
				struct oracle_result *r, struct oracle_flow *f, uint32_t now,
				uint32_t old)
{
	bool lingers = r->mode == NLB_SLOT_LINGER >> 30, writes = !o->ask && !p->quoted;
	uint32_t to = f->backend;

	if (to != now && is_gone(o, r->service, to)) {
		if (writes)
			f->used = false;
		event(o, r, NLB_E_FLOW_GONE);
		/* What is left of it, or a later flow that nobody remembers. */
		return lingers || to == old ? now : pick_unknown(o, p, r, now, old);
	}
	if (writes && f->class == NLB_FLOW_SYN)
		f->class = NLB_FLOW_OPEN;
	/* The slot leads there without. */
	if (writes && lingers && to == now)
		f->used = false;
	if (to != now) {
		r->flags |= NLB_ASK_F_FLOW;
		event(o, r, NLB_E_FLOW_HIT);
	}
	return to;
}

/* Of a TCP packet in a slot that changed lately. */
static uint32_t pick_flow(struct oracle *o, const struct oracle_packet *p, struct oracle_result *r,
			  uint32_t now, uint32_t old)
{
	struct oracle_flow *f;

	if (r->opens)
		return pick_opening(o, p, r, now, old);
	f = find_flow(o, p);
	return f ? pick_remembered(o, p, r, f, now, old) : pick_unknown(o, p, r, now, old);
}

static enum nlb_reason pick_slot(struct oracle *o, const struct oracle_packet *p,
				 struct oracle_result *r, struct nlb_ring ring)
{
	uint32_t word, at, old = 0;

	if (!ring.size)
		return NLB_R_NO_BACKEND;
	r->slot = (uint32_t)((uint64_t)p->hash * ring.size >> 32);
	at = ring.base + r->slot;
	if (at >= XDP_MAPS_SLOTS)
		return NLB_R_INTERNAL;
	word = o->maps->slots[at];
	r->mode = word >> 30;
	r->backend = word & NLB_SLOT_BACKEND;
	if (r->mode && p->protocol == IPPROTO_TCP) {
		if (r->mode == NLB_SLOT_RECENT >> 30)
			old = o->maps->slots[at + (ring.size + 1) / 2 * 2] & NLB_SLOT_BACKEND;
		r->backend = pick_flow(o, p, r, r->backend, old);
		if (r->flags & NLB_ASK_F_FLOW && r->mode == NLB_SLOT_LINGER >> 30 && !o->ask)
			r->used_slot = at + 1;
	}
	return r->backend ? NLB_R_TX : NLB_R_NO_BACKEND;
}

/* The backend whose server id is in the connection id (QUIC-LB, plaintext); 0: none. */
static uint32_t pick_quic(const struct oracle *o, const struct oracle_packet *p,
			  const struct nlb_service *svc, uint32_t number)
{
	const uint8_t *payload = p->ip + p->l4 + 8, *cid = payload + 1;
	uint32_t left = p->len - p->l4 - 8;

	if (left < 1)
		return 0;
	left--;
	if (payload[0] & QUIC_LONG) {
		/* Version, and the length of the connection id. */
		if (left < 5 || cid[4] > QUIC_CID_MAX || cid[4] < svc->quic_len + 1u)
			return 0;
		cid += 5;
		left -= 5;
	}
	if (left < svc->quic_len + 1u || cid[0] >> 5 != svc->quic_config)
		return 0;
	for (uint32_t i = 0; i < o->maps->n_quic; i++) {
		const struct nlb_quic_key *k = &o->maps->quic[i].key;

		if (k->service == number && k->len == svc->quic_len &&
		    memcmp(k->id, cid + 1, k->len) == 0)
			return o->maps->quic[i].backend;
	}
	return 0;
}

static uint32_t find_service(const struct oracle *o, uint32_t vip, uint8_t protocol, uint16_t port)
{
	for (uint32_t i = 1; i < o->maps->n_services; i++) {
		uint64_t key = o->maps->services[i].key;

		if (key >> 32 == vip && (key >> 16 & 0xffff) == protocol && (key & 0xffff) == port)
			return i;
	}
	return 0;
}

enum nlb_reason oracle_pick(struct oracle *o, struct oracle_packet *p, struct oracle_result *r)
{
	uint32_t flags = o->maps->vips[r->vip].flags, number;
	const struct nlb_service *svc;

	number = find_service(o, r->vip, p->protocol, p->dport);
	if (!number && flags & (p->protocol == IPPROTO_TCP ? NLB_VIP_F_ALL_TCP : NLB_VIP_F_ALL_UDP))
		number = find_service(o, r->vip, p->protocol, 0);
	if (!number)
		return flags & NLB_VIP_F_PASS_UNKNOWN ? NLB_R_VIP_NO_SERVICE_PASS
						      : NLB_R_VIP_NO_SERVICE;
	svc = &o->maps->services[number];
	r->service = number;
	if (p->ttl <= 1)
		return NLB_R_VIP_TTL;
	p->hash = oracle_hash(p, false);
	if (svc->flags & NLB_SVC_F_QUIC && !p->quoted && p->part == ORACLE_WHOLE) {
		r->backend = pick_quic(o, p, svc, number);
		if (r->backend) {
			r->flags |= NLB_ASK_F_QUIC;
			event(o, r, NLB_E_QUIC);
			return NLB_R_TX;
		}
	}
	if (svc->flags & NLB_SVC_F_AFFINITY)
		p->hash = oracle_hash(p, true);
	r->opens = p->protocol == IPPROTO_TCP && !p->quoted &&
		   (p->tcp_flags & (SYN | ACK | RST)) == SYN;
	return pick_slot(o, p, r, svc->ring);
}
