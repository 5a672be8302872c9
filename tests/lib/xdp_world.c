// SPDX-License-Identifier: GPL-2.0-or-later
/* The balancer of the packet tests; see xdp_world.h. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "util.h"
#include "xdp_net.h"
#include "xdp_world.h"

#define META_BIG 212 /* of the 256 bytes of headroom; the kernel takes 40 for itself */

static const struct {
	uint8_t protocol;
	uint16_t port;
	const char *backend;
} services[] = {
	{IPPROTO_TCP, 80, "10.0.0.11"},	       {IPPROTO_TCP, 81, "10.0.1.11"},
	{IPPROTO_TCP, 82, "fd00::11"},	       {IPPROTO_TCP, 83, "fd01::11"},
	{IPPROTO_TCP, 84, XDP_WORLD_EMPTY},    {IPPROTO_TCP, 85, XDP_WORLD_NONE},
	{IPPROTO_TCP, 86, "10.99.0.1"},	       {IPPROTO_TCP, 87, "10.0.0.99"},
	{IPPROTO_TCP, 88, "10.66.0.1"},	       {IPPROTO_TCP, 89, "10.67.0.1"},
	{IPPROTO_TCP, 90, "10.68.0.1"},	       {IPPROTO_TCP, 91, "10.69.0.1"},
	{IPPROTO_TCP, 92, "fd69::1"},	       {IPPROTO_TCP, 93, XDP_WORLD_BAD_RING},
	{IPPROTO_TCP, 94, XDP_WORLD_BAD_SLOT}, {IPPROTO_TCP, 95, "10.0.0.1"},
	{IPPROTO_TCP, 96, "10.70.0.1"},	       {IPPROTO_TCP, 97, "fd99::1"},
	{IPPROTO_TCP, 98, "fd00::99"},	       {IPPROTO_TCP, 99, XDP_WORLD_BAD_SVC},
	{IPPROTO_TCP, 100, "10.71.0.1"},       {IPPROTO_UDP, 53, "10.0.0.11"},
	{IPPROTO_UDP, 54, "fd00::11"},
};

static struct nlb *skel;
static uint32_t backend_of[ARRAY_SIZE(services)];

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "xdp_world: %s: %s\n", what, strerror(errno));
	exit(2);
}

static struct addr addr_of(const char *text)
{
	struct addr a;

	check(addr_parse(text, &a), text);
	return a;
}

static void make_network(void)
{
	xdp_net_run("ip link add in0 type veth peer name in1");
	xdp_net_run("ip link add out0 type veth peer name out1");
	xdp_net_run("ip link add nf0 type veth peer name nf1");
	/* Before the neighbours are added: a new address forgets those. */
	xdp_net_run("ip link set in0 address 02:00:00:00:00:01");
	xdp_net_run("ip link set out0 address 02:00:00:00:01:01");
	for (const char *const *i =
		     (const char *const[]){"in0", "in1", "out0", "out1", "nf0", "nf1", NULL};
	     *i; i++) {
		xdp_net_run("ip link set %s up", *i);
		xdp_net_run("ip link set %s mtu 1600", *i);
	}
	xdp_net_run("ip addr add 10.0.0.1/24 dev in0");
	xdp_net_run("ip addr add 10.0.1.1/24 dev out0");
	xdp_net_run("ip addr add 10.0.2.1/24 dev nf0");
	xdp_net_run("ip addr add fd00::1/64 dev in0 nodad");
	xdp_net_run("ip addr add fd01::1/64 dev out0 nodad");
	xdp_net_run("ip addr add fd02::1/64 dev nf0 nodad");
	for (const char *const *i = (const char *const[]){"in0", "out0", NULL}; *i; i++) {
		char name[64];

		snprintf(name, sizeof(name), "ipv4/conf/%s/forwarding", *i);
		xdp_net_sysctl(name, "1");
		snprintf(name, sizeof(name), "ipv6/conf/%s/forwarding", *i);
		xdp_net_sysctl(name, "1");
	}
	xdp_net_run("ip neigh add 10.0.0.11 lladdr 02:00:00:00:00:11 dev in0 nud permanent");
	xdp_net_run("ip neigh add fd00::11 lladdr 02:00:00:00:00:16 dev in0 nud permanent");
	xdp_net_run("ip neigh add 10.0.1.11 lladdr 02:00:00:00:01:11 dev out0 nud permanent");
	xdp_net_run("ip neigh add fd01::11 lladdr 02:00:00:00:01:16 dev out0 nud permanent");
	xdp_net_run("ip route add blackhole 10.66.0.0/24");
	xdp_net_run("ip route add prohibit 10.67.0.0/24");
	xdp_net_run("ip route add unreachable 10.68.0.0/24");
	xdp_net_run("ip route add 10.69.0.0/24 via 10.0.0.11 mtu lock 600");
	xdp_net_run("ip route add 10.71.0.0/24 via 10.0.0.11 mtu lock 321");
	xdp_net_run("ip route add fd69::/64 via fd00::11 mtu lock 1300");
	xdp_net_run("ip route add 10.70.0.0/24 via inet6 fd00::11 dev in0");
}

static void put(const struct bpf_map *map, const void *key, const void *value)
{
	check(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), bpf_map__name(map));
}

static void put_vip(const char *text, uint32_t index, uint32_t flags)
{
	struct addr a = addr_of(text);
	struct nlb_vip vip = {.index = index, .flags = flags};

	put(skel->maps.nlb_vips, a.b, &vip);
}

/* VIP number v: services of both VIPs share rings and backends. */
static void put_service(const char *vip_text, uint32_t v, size_t i)
{
	struct nlb_service svc = {.number = (uint32_t)i, .vip_index = v};
	struct nlb_svc_key key = {
		.protocol = services[i].protocol,
		.port = {(uint8_t)(services[i].port >> 8), (uint8_t)services[i].port},
	};
	struct addr vip = addr_of(vip_text);

	if (strcmp(services[i].backend, XDP_WORLD_BAD_SVC) == 0)
		svc.number = UINT32_MAX;
	memcpy(key.vip, vip.b, 16);
	put(skel->maps.nlb_services, &key, &svc);
}

static void put_ring(size_t i)
{
	const char *text = services[i].backend;
	struct nlb_ring ring = {.base = (uint32_t)i * 2, .size = 2};
	struct nlb_slots slots = {};
	uint32_t number = (uint32_t)i, pair = (uint32_t)i;

	if (strcmp(text, XDP_WORLD_EMPTY) == 0)
		ring.size = 0;
	else if (strcmp(text, XDP_WORLD_BAD_RING) == 0)
		ring.base = 0xfffffff0;
	else if (strcmp(text, XDP_WORLD_BAD_SLOT) == 0)
		slots = (struct nlb_slots){{0xffffff, 0xffffff}};
	else if (strcmp(text, XDP_WORLD_NONE) != 0 && strcmp(text, XDP_WORLD_BAD_SVC) != 0)
		backend_of[i] = (uint32_t)i + 1;
	if (backend_of[i]) {
		struct addr a = addr_of(text);
		struct nlb_backend b = {.flags = addr_is_v4(&a) ? NLB_BACKEND_F_V4 : 0};

		memcpy(b.addr, a.b, 16);
		put(skel->maps.nlb_backends, &backend_of[i], &b);
		slots = (struct nlb_slots){{backend_of[i], backend_of[i]}};
	}
	put(skel->maps.nlb_rings, &pair, &slots);
	put(skel->maps.nlb_ring_of, &number, &ring);
}

void xdp_world_sources(const char *source4, const char *source6)
{
	struct nlb_config cfg = {.ttl = 64};
	uint32_t zero = 0;

	if (source4)
		memcpy(cfg.source4, addr_of(source4).b + 12, 4);
	if (source6)
		memcpy(cfg.source6, addr_of(source6).b, 16);
	put(skel->maps.nlb_config, &zero, &cfg);
}

bool xdp_world_up(void)
{
	if (!xdp_net_enter())
		return false;
	make_network();
	skel = nlb__open_and_load();
	check(skel ? 0 : -1, "load the program");
	put_vip(XDP_WORLD_VIP4, 0, 0);
	put_vip(XDP_WORLD_VIP6, 1, 0);
	put_vip(XDP_WORLD_VIP4_PASS, 2, NLB_VIP_F_PASS_UNKNOWN);
	put_vip(XDP_WORLD_VIP6_PASS, 3, NLB_VIP_F_PASS_UNKNOWN);
	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		put_ring(i);
		put_service(XDP_WORLD_VIP4, 0, i);
		put_service(XDP_WORLD_VIP6, 1, i);
	}
	xdp_world_sources(XDP_WORLD_SOURCE4, XDP_WORLD_SOURCE6);
	return true;
}

struct nlb *xdp_world_skel(void)
{
	return skel;
}

static size_t service_index(uint16_t port)
{
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		if (services[i].port == port)
			return i;
	return ARRAY_SIZE(services);
}

uint32_t xdp_world_backend(uint16_t port)
{
	size_t i = service_index(port);

	return i < ARRAY_SIZE(services) ? backend_of[i] : 0;
}

const char *xdp_world_backend_text(uint16_t port)
{
	size_t i = service_index(port);

	return i < ARRAY_SIZE(services) ? services[i].backend : "";
}

void xdp_world_run(const struct pkt *p, const char *ifname, enum xdp_world_meta meta,
		   struct xdp_world_result *ret)
{
	static const size_t meta_len[] = {
		[XDP_WORLD_PLAIN] = 0,
		[XDP_WORLD_ASK] = sizeof(struct nlb_ask),
		[XDP_WORLD_BAD_ASK] = sizeof(struct nlb_ask),
		[XDP_WORLD_NO_ROOM] = META_BIG,
	};
	static uint8_t in[PKT_MAX + 256], out[PKT_MAX + 512];
	struct nlb_ask ask = {.magic = NLB_ASK_MAGIC + (meta == XDP_WORLD_BAD_ASK)};
	size_t skip = meta_len[meta], len = skip + p->len;
	struct xdp_md ctx = {
		.data = (uint32_t)skip,
		.data_end = (uint32_t)len,
		.ingress_ifindex = if_nametoindex(ifname),
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = (uint32_t)len,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);

	memset(in, 0xa5, skip);
	if (meta == XDP_WORLD_ASK || meta == XDP_WORLD_BAD_ASK)
		memcpy(in, &ask, sizeof(ask));
	memcpy(in + skip, p->data, p->len);
	check(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.nlb), &opts), "test run");
	*ret = (struct xdp_world_result){.verdict = opts.retval,
					 .len = opts.data_size_out - (uint32_t)skip};
	memcpy(&ret->ask, out, sizeof(ret->ask));
	memcpy(ret->data, out + skip, ret->len);
}

static void sum_counters(const struct bpf_map *map, uint32_t n, struct nlb_counters *ret)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct nlb_counters *values = calloc((size_t)cpus, sizeof(*values));

	for (uint32_t i = 0; i < n; i++) {
		ret[i] = (struct nlb_counters){};
		check(bpf_map_lookup_elem(bpf_map__fd(map), &i, values), "counters");
		for (int c = 0; c < cpus; c++) {
			ret[i].packets += values[c].packets;
			ret[i].bytes += values[c].bytes;
			ret[i].dropped += values[c].dropped;
		}
	}
}

void xdp_world_counts(struct xdp_world_counts *ret)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct nlb_reasons *values = calloc((size_t)cpus, sizeof(*values));
	uint32_t zero = 0;

	*ret = (struct xdp_world_counts){};
	check(bpf_map_lookup_elem(bpf_map__fd(skel->maps.nlb_reasons), &zero, values), "reasons");
	for (int c = 0; c < cpus; c++)
		for (size_t r = 0; r < NLB_REASON_SLOTS; r++)
			ret->reasons[r] += values[c].packets[r];
	sum_counters(skel->maps.nlb_vip_stats, ARRAY_SIZE(ret->vips), ret->vips);
	sum_counters(skel->maps.nlb_be_stats, ARRAY_SIZE(ret->backends), ret->backends);
}
