// SPDX-License-Identifier: GPL-2.0-or-later
/* The balancer that is measured; see world.h. The maps are filled as the agent fills them. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "maglev.h"
#include "util.h"
#include "world.h"
#include "xdp_net.h"

#define RING_PAIRS ((WORLD_RING + 1) / 2)
#define N_BACKENDS (2 * WORLD_BACKENDS)
#define N_RINGS	   (WORLD_SERVICES + 2)

static struct nlb *skel;
static struct nlb_ring *ring_of;
static struct nlb_slots *slots;
static struct addr backends[N_BACKENDS + 1]; /* by number; the first 100 are IPv4 */

/* What a ring is made of, and the rings that have been made. */
static uint32_t ring_all4[2 * RING_PAIRS], ring_less4[2 * RING_PAIRS], ring_all6[2 * RING_PAIRS];
static uint32_t n_rings;
static struct nlb_ring changes[WORLD_SERVICES][2];

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(2);
}

static struct addr addr_of(const char *text)
{
	struct addr a;

	errno = EINVAL;
	check(addr_parse(text, &a), text);
	return a;
}

static void make_network(void)
{
	xdp_net_run("ip link add in0 type veth peer name in1");
	xdp_net_run("ip link set in0 address 02:00:00:00:00:01");
	xdp_net_run("ip link set in0 up mtu 1600");
	xdp_net_run("ip link set in1 up mtu 1600");
	xdp_net_run("ip addr add 10.0.0.1/24 dev in0");
	xdp_net_run("ip addr add fd00::1/64 dev in0 nodad");
	xdp_net_sysctl("ipv4/conf/in0/forwarding", "1");
	xdp_net_sysctl("ipv6/conf/in0/forwarding", "1");
	xdp_net_run("ip neigh add 10.0.0.11 lladdr 02:00:00:00:00:11 dev in0 nud permanent");
	xdp_net_run("ip neigh add fd00::11 lladdr 02:00:00:00:00:16 dev in0 nud permanent");
	xdp_net_run("ip route add 10.1.0.0/16 via 10.0.0.11");
	xdp_net_run("ip route add fd01::/64 via fd00::11");
}

static void put(const struct bpf_map *map, const void *key, const void *value)
{
	check(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), bpf_map__name(map));
}

static void *map_memory(const struct bpf_map *map, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	check(at == MAP_FAILED ? -1 : 0, bpf_map__name(map));
	return at;
}

static void load(void)
{
	skel = nlb__open();
	check(skel ? 0 : -1, "open the program");
	bpf_map__set_max_entries(skel->maps.nlb_vips, 2 * WORLD_MANY);
	bpf_map__set_max_entries(skel->maps.nlb_vip_stats, 2 * WORLD_MANY);
	bpf_map__set_max_entries(skel->maps.nlb_services, 2 * WORLD_SERVICES);
	bpf_map__set_max_entries(skel->maps.nlb_ring_of, WORLD_SERVICES);
	bpf_map__set_max_entries(skel->maps.nlb_rings, N_RINGS * RING_PAIRS);
	check(nlb__load(skel), "load the program");
	ring_of = map_memory(skel->maps.nlb_ring_of, WORLD_SERVICES * sizeof(*ring_of));
	slots = map_memory(skel->maps.nlb_rings, (size_t)N_RINGS * RING_PAIRS * sizeof(*slots));
}

static void put_backends(void)
{
	for (uint32_t i = 1; i <= N_BACKENDS; i++) {
		bool v4 = i <= WORLD_BACKENDS;
		struct nlb_backend b = {.flags = v4 ? NLB_BACKEND_F_V4 : 0};

		backends[i] = addr_of(v4 ? "10.1.0.0" : "fd01::");
		backends[i].b[15] = (uint8_t)(v4 ? i : i - WORLD_BACKENDS);
		memcpy(b.addr, backends[i].b, 16);
		put(skel->maps.nlb_backends, &i, &b);
	}
}

/* A ring over the n backends from number `first` on. */
static void fill_ring(uint32_t *ring, uint32_t first, size_t n)
{
	struct maglev_backend b[WORLD_BACKENDS];

	for (size_t i = 0; i < n; i++)
		b[i] = (struct maglev_backend){.addr = backends[first + i], .weight = 1};
	check(maglev_build(b, n, WORLD_RING, ring), "make a ring");
	for (uint32_t s = 0; s < WORLD_RING; s++)
		ring[s] += first;
}

static struct nlb_ring put_ring(const uint32_t *ring)
{
	struct nlb_ring r = {.base = 2 * RING_PAIRS * n_rings, .size = WORLD_RING};

	memcpy(&slots[(size_t)n_rings * RING_PAIRS], ring, RING_PAIRS * sizeof(*slots));
	n_rings++;
	return r;
}

static void put_vip(const struct addr *vip, uint32_t index)
{
	struct nlb_vip value = {.index = index};

	put(skel->maps.nlb_vips, vip->b, &value);
}

static void put_service(uint32_t number, const struct addr *vip, uint32_t vip_index,
			uint8_t protocol, uint8_t port, const uint32_t *ring)
{
	struct nlb_svc_key key = {.protocol = protocol, .port = {0, port}};
	struct nlb_service svc = {.number = number, .vip_index = vip_index};

	memcpy(key.vip, vip->b, 16);
	ring_of[number] = put_ring(ring);
	put(skel->maps.nlb_services, &key, &svc);
}

static void put_services(void)
{
	struct addr vip4 = addr_of(WORLD_VIP4), vip6 = addr_of(WORLD_VIP6);
	struct addr many = addr_of(WORLD_MANY_VIP4);

	put_vip(&vip4, 0);
	put_vip(&vip6, 1);
	put_service(WORLD_TCP4, &vip4, 0, IPPROTO_TCP, 80, ring_all4);
	put_service(WORLD_UDP4, &vip4, 0, IPPROTO_UDP, 53, ring_all4);
	put_service(WORLD_TCP6, &vip6, 1, IPPROTO_TCP, 80, ring_all6);
	put_service(WORLD_TCP46, &vip4, 0, IPPROTO_TCP, 81, ring_all6);
	put_service(WORLD_CHANGED, &vip4, 0, IPPROTO_TCP, 82, ring_less4);
	put_service(WORLD_DIED, &vip4, 0, IPPROTO_TCP, 83, ring_all4);
	changes[WORLD_CHANGED][0] = ring_of[WORLD_CHANGED];
	changes[WORLD_CHANGED][1] = put_ring(ring_all4);
	changes[WORLD_DIED][0] = ring_of[WORLD_DIED];
	changes[WORLD_DIED][1] = put_ring(ring_less4);
	for (uint32_t i = 0; i < WORLD_MANY; i++) {
		struct addr vip = many;

		vip.b[14] += (uint8_t)(i >> 8);
		vip.b[15] = (uint8_t)i;
		put_vip(&vip, 2 + i);
		put_service(WORLD_MANY_TCP4 + i, &vip, 2 + i, IPPROTO_TCP, 80, ring_all4);
	}
}

bool world_up(void)
{
	struct nlb_config cfg = {.ttl = 64};
	uint32_t zero = 0;

	if (!xdp_net_enter())
		return false;
	make_network();
	load();
	memcpy(cfg.source4, addr_of("10.255.0.1").b + 12, 4);
	memcpy(cfg.source6, addr_of("fdff::1").b, 16);
	put(skel->maps.nlb_config, &zero, &cfg);
	put_backends();
	fill_ring(ring_all4, 1, WORLD_BACKENDS);
	fill_ring(ring_less4, 1, WORLD_BACKENDS - 1);
	fill_ring(ring_all6, 1 + WORLD_BACKENDS, WORLD_BACKENDS);
	put_services();
	return true;
}

int world_prog_fd(void)
{
	return bpf_program__fd(skel->progs.nlb);
}

uint32_t world_ifindex(void)
{
	return if_nametoindex("in0");
}

void world_change(enum world_service service)
{
	for (int i = 0; i < 2; i++) {
		uint64_t word;

		memcpy(&word, &changes[service][i], sizeof(word));
		__atomic_store_n((uint64_t *)&ring_of[service], word, __ATOMIC_RELEASE);
	}
}

uint64_t world_count(enum nlb_reason reason)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct nlb_reasons *values = calloc((size_t)cpus, sizeof(*values));
	uint64_t sum = 0;
	uint32_t zero = 0;

	check(bpf_map_lookup_elem(bpf_map__fd(skel->maps.nlb_reasons), &zero, values), "reasons");
	for (int c = 0; c < cpus; c++)
		sum += values[c].packets[reason];
	return sum;
}

uint64_t world_backend_count(uint32_t backend)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct nlb_counters *values = calloc((size_t)cpus, sizeof(*values));
	uint64_t sum = 0;

	check(bpf_map_lookup_elem(bpf_map__fd(skel->maps.nlb_be_stats), &backend, values),
	      "counters");
	for (int c = 0; c < cpus; c++)
		sum += values[c].packets;
	return sum;
}

uint32_t world_backend(const struct addr *a)
{
	for (uint32_t i = 1; i <= N_BACKENDS; i++)
		if (addr_cmp(&backends[i], a) == 0)
			return i;
	return 0;
}
