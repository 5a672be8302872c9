// SPDX-License-Identifier: GPL-2.0-or-later
/* Nearly right packets; see packet_gen.h. */
#include <arpa/inet.h>
#include <string.h>

#include "packet_gen.h"
#include "util.h"
#include "xdp_diff.h"

#define PICK(r, list) ((list)[rnd_below(r, ARRAY_SIZE(list))])

static const char *const vips4[] = {
	"192.0.2.10", "192.0.2.10", "192.0.2.10", "192.0.2.10", "192.0.2.11",
	"192.0.2.20", "100.64.7.1", "100.64.5.1", "100.64.5.7", "100.65.0.1",
	"198.18.0.7", "198.18.0.8", "192.0.2.99", "10.255.0.1",
};
static const char *const vips6[] = {
	"2001:db8:f::10",	   "2001:db8:f::10",
	"2001:db8:f::10",	   "2001:db8:f::10",
	"2001:db8:f::11",	   "2001:db8:f::20",
	"2001:db8:afff::1",	   "2001:db8:b000::1",
	"2001:db8:a000:5::",	   "2001:db8:a000:5::7",
	"2001:db8:b000::ffff:1",   "2001:db8:b000::1:0:1",
	"2001:db8:c000:0:8000::5", "2001:db8:c000::5",
	"2001:db8:f::99",	   "fdff::1",
	"::ffff:192.0.2.10",
};
static const char *const clients4[] = {"198.51.100.7", "198.51.100.7", "198.51.100.8",
				       "203.0.113.200"};
static const char *const clients6[] = {"2001:db8:c::7", "2001:db8:c::7", "2001:db8:c::8",
				       "2001:db8:cc::1"};
static const char *const odd4[] = {"0.0.0.0",	      "127.0.0.1", "224.0.0.1",
				   "255.255.255.255", "0.1.2.3",   "223.255.255.255"};
static const char *const odd6[] = {"::", "::1", "ff02::1", "::192.0.2.1", "::1:0:0:0"};
static const uint16_t ports[] = {
	80,  81,  82,  83,  84,	 85,  86,  87,	88,  91,  92,  93,  94,	 95,  96,
	97,  98,  100, 53,  54,	 110, 111, 112, 113, 114, 115, 116, 117, 118, 119,
	120, 121, 122, 123, 124, 125, 126, 130, 130, 131, 131, 132, 132, 133, 133,
	134, 134, 140, 141, 141, 150, 443, 444, 445, 443, 444, 445, 80,	 0,
};
static const uint8_t tcp_flags[] = {0x02, 0x02, 0x10, 0x10, 0x12, 0x04,
				    0x14, 0x11, 0x06, 0xc2, 0x00, 0xff};
static const uint8_t ttls[] = {64, 64, 64, 64, 255, 2, 1, 0};
static const uint16_t fragments[] = {0x2000, 0x2000, 0x2001, 0x0001, 0x00b9,
				     0x4000, 0x8000, 0x1fff, 0xffff};
static const uint16_t sizes[] = {0,    1,    2,	   7,	 8,    100,  540,  541,
				 542,  560,  580,  1240, 1260, 1261, 1459, 1520,
				 1540, 1541, 1580, 3000, 3400, 5000, 8900};
static const uint8_t others[] = {0, 1, 2, 6, 17, 41, 43, 44, 47, 50, 51, 58, 59, 60, 132, 255};

static bool chance(struct rnd *r, uint32_t one_in)
{
	return rnd_below(r, one_in) == 0;
}

static void set_tcp(struct rnd *r, struct pkt *p, uint16_t sport, uint16_t dport)
{
	struct tcphdr *tcp = pkt_tcp(p, sport, dport);

	((uint8_t *)tcp)[13] = PICK(r, tcp_flags);
}

static bool is_udp(uint16_t port)
{
	static const uint16_t udp[] = {53, 54, 125, 126, 443, 444, 445};

	for (size_t i = 0; i < ARRAY_SIZE(udp); i++)
		if (port == udp[i])
			return true;
	return false;
}

static void set_quic(struct rnd *r, struct pkt *p)
{
	static const uint8_t configs[] = {2 << 5, 0, 6 << 5, 7 << 5};
	uint8_t id[9] = {(uint8_t)(PICK(r, configs) | rnd_below(r, 32)),
			 (uint8_t)(0x10 + rnd_below(r, 5)),
			 2,
			 3,
			 4,
			 5,
			 6,
			 7,
			 8};
	uint8_t *payload = pkt_raw(p, 20);

	rnd_bytes(r, payload, 20);
	if (chance(r, 2)) {
		payload[0] |= 0x80;
		payload[5] = (uint8_t)rnd_below(r, 22);
		memcpy(payload + 6, id, sizeof(id));
	} else {
		payload[0] &= 0x7f;
		memcpy(payload + 1, id, sizeof(id));
	}
	if (chance(r, 8))
		p->len -= rnd_below(r, 20);
}

static void add_transport(struct rnd *r, const struct packet_focus *f, struct pkt *p,
			  uint8_t protocol)
{
	uint16_t sport = chance(r, f->flows) ? (uint16_t)(5555 + rnd_below(r, 20)) : f->sport;
	uint16_t dport = chance(r, 4) ? PICK(r, ports) : f->port;

	if (chance(r, 32))
		dport = (uint16_t)rnd_next(r);

	if (protocol == IPPROTO_TCP) {
		set_tcp(r, p, sport, dport);
	} else if (protocol == IPPROTO_UDP) {
		pkt_udp(p, sport, dport);
		if (chance(r, 2))
			set_quic(r, p);
	} else {
		rnd_bytes(r, pkt_raw(p, 24), 24);
	}
}

static const char *client(struct rnd *r, const struct packet_focus *f, bool v6)
{
	if (chance(r, 16))
		return v6 ? PICK(r, odd6) : PICK(r, odd4);
	if (v6 == f->v6 && !chance(r, 4))
		return f->client;
	return v6 ? PICK(r, clients6) : PICK(r, clients4);
}

static void add_ip4(struct rnd *r, struct pkt *p, const char *src, const char *dst,
		    uint8_t protocol)
{
	struct iphdr *ip = pkt_ip4(p, src, dst, protocol);

	ip->tos = (uint8_t)rnd_next(r);
	ip->ttl = PICK(r, ttls);
	ip->id = (uint16_t)rnd_below(r, 3);
	ip->frag_off = htons(0x4000);
	if (chance(r, 6))
		ip->frag_off = htons(PICK(r, fragments));
	if (chance(r, 8))
		pkt_ip4_options(p, 1 + rnd_below(r, 10));
}

static void add_ip6(struct rnd *r, struct pkt *p, const char *src, const char *dst,
		    uint8_t protocol)
{
	struct ipv6hdr *ip = pkt_ip6(p, src, dst, protocol);

	ip->priority = rnd_below(r, 16) & 15;
	rnd_bytes(r, ip->flow_lbl, 3);
	ip->hop_limit = PICK(r, ttls);
}

/* Returns where the next header's number is to be written. */
static uint8_t *add_extension(struct rnd *r, struct pkt *p, uint8_t *next)
{
	static const uint8_t kinds[] = {0, 43, 44, 44, 51, 60};
	uint8_t kind = PICK(r, kinds), *h;
	uint8_t units = chance(r, 4) ? (uint8_t)rnd_below(r, 4) : 0;

	if (kind == 51) {
		h = pkt_raw(p, (units + 2u) * 4);
		/* An AH header has eight bytes at least. */
		h[1] = units;
	} else if (kind == 44) {
		static const uint16_t fields[] = {0x0000, 0x0001, 0x0001, 0x0008,
						  0x0009, 0x05a8, 0x0006, 0xfff8};

		h = pkt_raw(p, 8);
		h[1] = units;
		memcpy(h + 2, (uint16_t[]){htons(PICK(r, fields))}, 2);
		h[7] = (uint8_t)rnd_below(r, 3);
	} else {
		h = pkt_raw(p, (units + 1u) * 8);
		h[1] = units;
	}
	*next = kind;
	return h;
}

static void add_extensions(struct rnd *r, struct pkt *p, uint8_t protocol)
{
	uint8_t *next = p->data + p->layers[p->n_layers - 1].at + 6;
	uint32_t n = chance(r, 8) ? 6 + rnd_below(r, 4) : 1 + rnd_below(r, 2);

	for (uint32_t i = 0; i < n; i++)
		next = add_extension(r, p, next);
	*next = protocol;
}

static void add_l3(struct rnd *r, const struct packet_focus *f, struct pkt *p, bool v6,
		   const char *dst, uint8_t protocol)
{
	if (!v6) {
		add_ip4(r, p, client(r, f, false), dst, protocol);
		return;
	}
	add_ip6(r, p, client(r, f, true), dst, protocol);
	if (chance(r, 4))
		add_extensions(r, p, protocol);
}

static void add_echo(struct rnd *r, struct pkt *p, bool v6)
{
	uint8_t *icmp = pkt_raw(p, 8);

	rnd_bytes(r, icmp, 8);
	icmp[0] = v6 ? 128 : 8;
	icmp[1] = chance(r, 8);
}

/* Quotes a packet from `from`. */
static void add_error(struct rnd *r, const struct packet_focus *f, struct pkt *p, bool v6,
		      const char *from)
{
	static const uint8_t types4[] = {3, 3, 11, 12, 5, 4, 0}, types6[] = {1, 2, 3, 4, 5, 0, 129};
	uint8_t *icmp = pkt_raw(p, 8), protocol = f->protocol;
	uint16_t quoted[2] = {htons(f->port), htons(f->sport)};
	const char *to = f->client;

	icmp[0] = v6 ? PICK(r, types6) : PICK(r, types4);
	icmp[1] = (uint8_t)rnd_below(r, 5);
	if (v6 != f->v6 || chance(r, 4))
		to = v6 ? PICK(r, clients6) : PICK(r, clients4);
	if (chance(r, 4))
		quoted[0] = htons(PICK(r, ports));
	if (chance(r, 8))
		protocol = PICK(r, others);
	if (chance(r, 8))
		from = v6 ? PICK(r, vips6) : PICK(r, vips4);
	if (v6) {
		add_ip6(r, p, from, to, protocol);
		if (chance(r, 4))
			add_extensions(r, p, protocol);
	} else {
		add_ip4(r, p, from, to, protocol);
	}
	memcpy(pkt_raw(p, 8), quoted, 4);
	if (chance(r, 8))
		p->len -= rnd_below(r, 40);
}

/* About a tunnel: from the node to a backend. */
static void add_tunnel_error(struct rnd *r, struct pkt *p, bool v6)
{
	static const char *const far4[] = {"10.0.0.11", "10.0.0.21", "10.0.0.77"};
	static const char *const far6[] = {"fd00::11", "fd01::21", "fd00::77"};
	uint8_t *icmp = pkt_raw(p, 8), protocol = chance(r, 2) ? IPPROTO_IPIP : IPPROTO_IPV6;

	icmp[0] = v6 ? 2 : 3;
	if (chance(r, 8))
		protocol = IPPROTO_TCP;
	if (v6)
		add_ip6(r, p, "fdff::1", PICK(r, far6), protocol);
	else
		add_ip4(r, p, "10.255.0.1", PICK(r, far4), protocol);
	if (chance(r, 4))
		p->len -= rnd_below(r, 24);
}

static void add_l2(struct rnd *r, struct pkt *p, uint16_t proto)
{
	static const uint16_t tpids[] = {ETH_P_8021Q, ETH_P_8021Q, ETH_P_8021AD, 0x9100};
	uint32_t tags = chance(r, 8) ? 1 + rnd_below(r, 3) : 0;
	struct ethhdr *eth = pkt_eth(p, tags ? PICK(r, tpids) : proto);

	if (chance(r, 32))
		eth->h_source[0] |= 1;
	if (chance(r, 32))
		eth->h_dest[0] |= 1;
	while (tags--)
		pkt_vlan(p, (uint16_t)rnd_next(r), tags ? PICK(r, tpids) : proto);
}

void packet_gen_focus(struct rnd *r, struct packet_focus *ret)
{
	ret->v6 = chance(r, 2);
	ret->client = ret->v6 ? PICK(r, clients6) : PICK(r, clients4);
	/* Most services are the first VIP's. */
	ret->vip = ret->v6 ? vips6[0] : vips4[0];
	if (chance(r, 3))
		ret->vip = ret->v6 ? PICK(r, vips6) : PICK(r, vips4);
	ret->flows = 1 + rnd_below(r, 6);
	ret->sport = (uint16_t)(5555 + rnd_below(r, 20));
	ret->port = PICK(r, ports);
	ret->protocol = is_udp(ret->port) || chance(r, 8) ? IPPROTO_UDP : IPPROTO_TCP;
}

void packet_gen(struct rnd *r, const struct packet_focus *f, struct pkt *p)
{
	bool v6 = chance(r, 8) ? !f->v6 : f->v6;
	const char *dst = f->vip;
	uint8_t icmp = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, protocol;
	uint32_t kind = rnd_below(r, 16);

	if (v6 != f->v6 || chance(r, 16))
		dst = v6 ? PICK(r, vips6) : PICK(r, vips4);
	*p = (struct pkt){};
	add_l2(r, p, v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (kind < 10) {
		protocol = chance(r, 8) ? PICK(r, others) : f->protocol;
		add_l3(r, f, p, v6, dst, protocol);
		add_transport(r, f, p, protocol);
	} else if (kind < 11) {
		add_l3(r, f, p, v6, dst, icmp);
		add_echo(r, p, v6);
	} else if (kind < 15) {
		add_l3(r, f, p, v6, dst, icmp);
		add_error(r, f, p, v6, dst);
	} else {
		add_l3(r, f, p, v6, v6 ? "fdff::1" : "10.255.0.1", icmp);
		add_tunnel_error(r, p, v6);
	}
	pkt_fill(p, PICK(r, sizes));
	pkt_finish(p);
	if (chance(r, 8))
		pkt_fill(p, 1 + rnd_below(r, 40));
}

/* A length of the IP header that lies by a little, or by much. */
static void lie(struct rnd *r, struct pkt *p)
{
	size_t at = chance(r, 2) ? 16 : 18; /* of IPv4, IPv6 behind Ethernet alone */
	uint16_t len;

	for (size_t k = 0; k < p->n_layers; k++)
		if (p->layers[k].kind == PKT_IP4 || p->layers[k].kind == PKT_IP6) {
			at = p->layers[k].at + (p->layers[k].kind == PKT_IP4 ? 2 : 4);
			break;
		}
	if (at + 2 > p->len)
		return;
	memcpy(&len, p->data + at, 2);
	len = chance(r, 4) ? (uint16_t)rnd_next(r)
			   : htons((uint16_t)(ntohs(len) + rnd_below(r, 33) - 16));
	memcpy(p->data + at, &len, 2);
}

static void spoil_once(struct rnd *r, struct pkt *p)
{
	static const uint8_t likely[] = {0, 1, 4, 5, 6, 0x45, 0x60, 0x7f, 0x80, 0xff, 44, 58, 60};
	size_t head = p->len < 120 ? p->len : 120, at = rnd_below(r, (uint32_t)head);
	size_t n;

	switch (rnd_below(r, 7)) {
	case 0:
		p->data[at] ^= (uint8_t)(1u << rnd_below(r, 8));
		break;
	case 1:
		p->data[at] = PICK(r, likely);
		break;
	case 2:
		p->data[at] = (uint8_t)rnd_next(r);
		break;
	case 3:
		p->len = 14 + rnd_below(r, (uint32_t)p->len - 13);
		break;
	case 4:
		lie(r, p);
		break;
	case 5:
		/* Some bytes more in the middle. */
		n = 1 + rnd_below(r, 16);
		memmove(p->data + at + n, p->data + at, p->len - at);
		p->len += n;
		break;
	default:
		/* Some bytes less. */
		n = 1 + rnd_below(r, 16);
		if (p->len < at + n + 14)
			break;
		memmove(p->data + at, p->data + at + n, p->len - at - n);
		p->len -= n;
		break;
	}
}

void packet_gen_spoil(struct rnd *r, struct pkt *p)
{
	for (uint32_t n = 1 + rnd_below(r, 3); n; n--)
		spoil_once(r, p);
	if (p->len > XDP_DIFF_FRAME_MAX)
		p->len = XDP_DIFF_FRAME_MAX;
}
