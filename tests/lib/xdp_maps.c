// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The content of the maps and the way into the kernel; see xdp_maps.h. The
 * agent's code, which does this on a node, is not used: what it and the program
 * have in common would not show as a difference.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"
#include "xdp_maps.h"

static void must(bool so, const char *what)
{
	if (so)
		return;
	fprintf(stderr, "xdp_maps: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* "ADDR" or "ADDR/LEN" as an address of the maps; returns the length, of 128. */
static unsigned int parse(const char *text, uint8_t ret[16])
{
	char addr[64];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	unsigned int plen = slash ? (unsigned int)strtoul(slash + 1, NULL, 10) : 128;

	must(n < sizeof(addr), text);
	memcpy(addr, text, n);
	addr[n] = '\0';
	if (strchr(addr, ':')) {
		must(inet_pton(AF_INET6, addr, ret) == 1, text);
		return plen;
	}
	memcpy(ret, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
	must(inet_pton(AF_INET, addr, ret + 12) == 1, text);
	return slash ? plen + 96 : 128;
}

static bool is_v4(const uint8_t addr[16])
{
	return memcmp(addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
}

void xdp_maps_init(struct xdp_maps *m)
{
	*m = (struct xdp_maps){
		.n_vips = 1,
		.n_services = 1,
		.n_backends = 1,
		.n_hops = 1,
		.config = {.ttl = 64, .flow_idle = 200, .secret = 0x0123456789abcdef},
	};
}

/* The longest first, each once. */
static void add_prefix(uint8_t *list, unsigned int plen)
{
	unsigned int i = 0;

	while (list[i] > plen)
		i++;
	if (list[i] == plen)
		return;
	must(!list[NLB_PREFIXES_MAX - 1], "too many lengths of prefixes");
	memmove(list + i + 1, list + i, NLB_PREFIXES_MAX - 1 - i);
	list[i] = (uint8_t)plen;
}

uint32_t xdp_maps_vip(struct xdp_maps *m, const char *text, uint32_t flags)
{
	struct nlb_vip *v = &m->vips[m->n_vips];

	must(m->n_vips < XDP_MAPS_VIPS, "VIPs");
	v->plen = (uint8_t)parse(text, v->addr);
	v->flags = flags;
	if (v->plen < 128)
		add_prefix(is_v4(v->addr) ? m->config.prefixes4 : m->config.prefixes6, v->plen);
	return m->n_vips++;
}

uint32_t xdp_maps_service(struct xdp_maps *m, uint32_t vip, uint8_t protocol, uint16_t port,
			  uint32_t flags)
{
	struct nlb_service *s = &m->services[m->n_services];

	must(m->n_services < XDP_MAPS_SERVICES, "services");
	s->vip = vip;
	s->flags = flags;
	s->key = (uint64_t)vip << 32 | (uint32_t)protocol << 16 | port;
	if (!port)
		m->vips[vip].flags |=
			protocol == IPPROTO_TCP ? NLB_VIP_F_ALL_TCP : NLB_VIP_F_ALL_UDP;
	return m->n_services++;
}

uint32_t xdp_maps_backend(struct xdp_maps *m, const char *text, uint32_t hop)
{
	struct nlb_backend *b = &m->backends[m->n_backends];

	must(m->n_backends < XDP_MAPS_BACKENDS, "backends");
	must(parse(text, b->addr) == 128, text);
	b->hop = hop;
	b->flags = is_v4(b->addr) ? NLB_BACKEND_F_V4 : 0;
	return m->n_backends++;
}

void xdp_maps_ring(struct xdp_maps *m, uint32_t svc, uint32_t size, const uint32_t *slots,
		   const uint32_t *second)
{
	uint32_t room = (size + 1) / 2 * 2;

	must(m->n_slots + 2 * room <= XDP_MAPS_SLOTS, "slots");
	m->services[svc].ring = (struct nlb_ring){.base = m->n_slots, .size = size};
	memcpy(m->slots + m->n_slots, slots, size * sizeof(*slots));
	m->n_slots += room;
	if (!second)
		return;
	memcpy(m->slots + m->n_slots, second, size * sizeof(*second));
	m->n_slots += room;
}

uint32_t xdp_maps_hop(struct xdp_maps *m, const struct xdp_maps_hop *hop)
{
	struct nlb_hop *h = &m->hops[m->n_hops];
	unsigned int bits = 0;
	uint8_t *at = h->eth;
	bool v4;

	must(m->n_hops < XDP_MAPS_HOPS, "hops");
	bits = 128 - parse(hop->source, h->source);
	v4 = is_v4(h->source);
	memcpy(at, hop->dmac, 6);
	memcpy(at + 6, hop->smac, 6);
	at += 12;
	for (unsigned int i = 0; i < hop->n_tags; i++, at += 4) {
		uint16_t type = hop->n_tags == 2 && i == 0 ? 0x88a8 : 0x8100;

		memcpy(at, (uint16_t[]){htons(type), htons(hop->tags[i])}, 4);
	}
	memcpy(at, v4 ? "\x08\x00" : "\x86\xdd", 2);
	h->eth_len = (uint8_t)(at + 2 - h->eth);
	h->ttl = hop->ttl;
	h->ifindex = hop->ifindex;
	h->mtu = hop->mtu;
	must(bits <= 32, hop->source);
	h->source_mask = htonl(bits == 32 ? UINT32_MAX : (1u << bits) - 1);
	return m->n_hops++;
}

void xdp_maps_quic(struct xdp_maps *m, uint32_t svc, const void *id, uint32_t len, uint32_t backend)
{
	must(m->n_quic < XDP_MAPS_QUIC && len <= NLB_QUIC_ID_MAX, "QUIC ids");
	m->quic[m->n_quic].key = (struct nlb_quic_key){.service = svc, .len = len};
	memcpy(m->quic[m->n_quic].key.id, id, len);
	m->quic[m->n_quic].backend = backend;
	m->n_quic++;
}

struct nlb *xdp_maps_open(void)
{
	struct nlb *skel = nlb__open();

	if (!skel)
		return NULL;
	nlb_fill_sizes(skel, XDP_MAPS_SERVICES - 1, XDP_MAPS_BACKENDS - 1, XDP_MAPS_SLOTS);
	bpf_map__set_max_entries(skel->maps.nlb_flows, 1);
	if (nlb__load(skel)) {
		nlb__destroy(skel);
		return NULL;
	}
	return skel;
}

static void put(const struct bpf_map *map, const void *key, const void *value)
{
	must(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY) == 0, bpf_map__name(map));
}

static const char *text_of(const uint8_t addr[16])
{
	static char text[INET6_ADDRSTRLEN];

	if (is_v4(addr))
		return inet_ntop(AF_INET, addr + 12, text, sizeof(text));
	return inet_ntop(AF_INET6, addr, text, sizeof(text));
}

void xdp_maps_config(const struct xdp_maps *m, struct nlb_fill *f)
{
	struct nlb_config c = m->config;

	c.vip_mask = f->config->vip_mask;
	c.svc_mask = f->config->svc_mask;
	c.flow_mask = f->config->flow_mask;
	*f->config = c;
}

void xdp_maps_load(const struct xdp_maps *m, struct nlb_fill *f)
{
	xdp_maps_config(m, f);
	memcpy(f->hops, m->hops, sizeof(m->hops));
	memcpy(f->slots, m->slots, sizeof(m->slots));
	/* The first of equal addresses last: that is the one that counts. */
	for (uint32_t i = m->n_backends - 1; i; i--)
		nlb_fill_backend(f, i, text_of(m->backends[i].addr), m->backends[i].hop);
	for (uint32_t i = 1; i < m->n_vips; i++)
		must(nlb_fill_vip(f, text_of(m->vips[i].addr), m->vips[i].plen, 0) == i, "VIP");
	for (uint32_t i = 1; i < m->n_services; i++) {
		const struct nlb_service *s = &m->services[i];

		must(nlb_fill_service(f, s->vip, (uint8_t)(s->key >> 16), (uint16_t)s->key, 0) == i,
		     "service");
		f->services[i] = *s;
	}
	for (uint32_t i = 1; i < m->n_vips; i++)
		f->vips[i].flags = m->vips[i].flags;
	for (uint32_t i = 0; i < m->n_gone; i++)
		put(f->skel->maps.nlb_gone, &m->gone[i], &i);
	for (uint32_t i = 0; i < m->n_quic; i++)
		put(f->skel->maps.nlb_quic_ids, &m->quic[i].key, &m->quic[i].backend);
}

void xdp_maps_forget(struct nlb_fill *f)
{
	int fd = bpf_map__fd(f->skel->maps.nlb_fragments);
	struct nlb_frag_key key;

	memset(f->flows, 0, sizeof(*f->flows));
	while (bpf_map_get_next_key(fd, NULL, &key) == 0)
		must(bpf_map_delete_elem(fd, &key) == 0, "forget");
}
