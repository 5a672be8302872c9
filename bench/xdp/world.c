// SPDX-License-Identifier: GPL-2.0-or-later
/* The balancer that is measured; see world.h. The maps are filled as the agent fills them. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "maglev.h"
#include "maps_gen.h"
#include "nlb_fill.h"
#include "util.h"
#include "world.h"
#include "xdp_net.h"

#define N_BACKENDS (2 * WORLD_BACKENDS)
enum { HOP4 = 1, HOP6 };

#define N_RINGS	   16 /* equal ones are shared */
#define RING_SLOTS ((WORLD_RING + 1) & ~1u)

static struct nlb *skel;
static struct nlb_fill fill;
static struct addr backends[N_BACKENDS + 1]; /* by number; the first 100 are IPv4 */

static uint32_t ring_all4[RING_SLOTS], ring_less4[RING_SLOTS], ring_all6[RING_SLOTS];
static uint32_t number_of[WORLD_SERVICES]; /* numbers of services */
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
}

static void load(void)
{
	skel = nlb__open();
	check(skel ? 0 : -1, "open the program");
	nlb_fill_sizes(skel, WORLD_SERVICES, N_BACKENDS, N_RINGS * RING_SLOTS);
	check(nlb__load(skel), "load the program");
	nlb_fill_init(&fill, skel);
}

/* One hop for each family: the gateways. */
static void put_hops(void)
{
	static const uint8_t eth4[] = "\x02\0\0\0\0\x11\x02\0\0\0\0\x01\x08";
	static const uint8_t eth6[] = "\x02\0\0\0\0\x16\x02\0\0\0\0\x01\x86\xdd";
	struct nlb_hop hop = {.eth_len = ETH_HLEN, .ttl = 64, .mtu = 1600};

	hop.ifindex = world_ifindex();
	memcpy(hop.eth, eth4, ETH_HLEN);
	memcpy(hop.source, addr_of("10.255.0.1").b, 16);
	nlb_fill_hop(&fill, HOP4, &hop);
	memcpy(hop.eth, eth6, ETH_HLEN);
	memcpy(hop.source, addr_of("fdff::1").b, 16);
	nlb_fill_hop(&fill, HOP6, &hop);
}

static void put_backends(void)
{
	for (uint32_t i = 1; i <= N_BACKENDS; i++) {
		bool v4 = i <= WORLD_BACKENDS;
		char text[ADDR_STRLEN];

		backends[i] = addr_of(v4 ? "10.1.0.0" : "fd01::");
		backends[i].b[15] = (uint8_t)(v4 ? i : i - WORLD_BACKENDS);
		nlb_fill_backend(&fill, i, addr_str(&backends[i], text), v4 ? HOP4 : HOP6);
	}
}

/* A ring over the n backends from number `first` on. */
static void make_ring(uint32_t *ring, uint32_t first, size_t n)
{
	struct maglev_backend b[WORLD_BACKENDS];

	for (size_t i = 0; i < n; i++)
		b[i] = (struct maglev_backend){.addr = backends[first + i], .weight = 1};
	check(maglev_build(b, n, WORLD_RING, ring), "make a ring");
	for (uint32_t s = 0; s < WORLD_RING; s++)
		ring[s] += first;
}

/* The ring after a change, by the agent's own rules; dead: a backend that is gone, or 0. */
static struct nlb_ring put_change(uint32_t *from, const uint32_t *to, uint32_t dead)
{
	static uint32_t slots[RING_SLOTS], old[RING_SLOTS], when[RING_SLOTS];
	struct maps_gen prev = {.slot = from};
	struct maps_gen next = {.slot = slots, .old = old, .when = when};
	bool alive[N_BACKENDS + 1];

	memset(alive, true, sizeof(alive));
	alive[dead] = false;
	maps_gen_next(&prev, WORLD_RING, to, alive, 0, NLB_SLOT_STABLE, &next);
	return nlb_fill_ring(&fill, slots, old, WORLD_RING);
}

static uint32_t put_service(uint32_t vip, uint8_t protocol, uint16_t port, struct nlb_ring ring)
{
	uint32_t number = nlb_fill_service(&fill, vip, protocol, port, 0);

	nlb_fill_switch(&fill, number, ring);
	return number;
}

static void put_services(void)
{
	struct nlb_ring all4 = nlb_fill_ring(&fill, ring_all4, NULL, WORLD_RING);
	struct nlb_ring less4 = nlb_fill_ring(&fill, ring_less4, NULL, WORLD_RING);
	struct nlb_ring all6 = nlb_fill_ring(&fill, ring_all6, NULL, WORLD_RING);
	uint32_t vip4 = nlb_fill_vip(&fill, WORLD_VIP4, 128, 0);
	uint32_t vip6 = nlb_fill_vip(&fill, WORLD_VIP6, 128, 0);
	struct addr many = addr_of(WORLD_MANY_VIP4);

	put_service(vip4, IPPROTO_TCP, 80, all4);
	put_service(vip4, IPPROTO_UDP, 53, all4);
	put_service(vip6, IPPROTO_TCP, 80, all6);
	put_service(vip4, IPPROTO_TCP, 81, all6);
	number_of[WORLD_CHANGED] = put_service(vip4, IPPROTO_TCP, 82, less4);
	number_of[WORLD_DIED] = put_service(vip4, IPPROTO_TCP, 83, all4);
	changes[WORLD_CHANGED][0] = less4;
	changes[WORLD_CHANGED][1] = put_change(ring_less4, ring_all4, 0);
	changes[WORLD_DIED][0] = all4;
	changes[WORLD_DIED][1] = put_change(ring_all4, ring_less4, WORLD_BACKENDS);
	for (uint32_t i = 0; i < WORLD_MANY; i++) {
		char text[ADDR_STRLEN];
		struct addr vip = many;

		vip.b[14] += (uint8_t)(i >> 8);
		vip.b[15] = (uint8_t)i;
		put_service(nlb_fill_vip(&fill, addr_str(&vip, text), 128, 0), IPPROTO_TCP, 80,
			    all4);
	}
}

bool world_up(void)
{
	if (!xdp_net_enter())
		return false;
	make_network();
	load();
	put_hops();
	put_backends();
	make_ring(ring_all4, 1, WORLD_BACKENDS);
	make_ring(ring_less4, 1, WORLD_BACKENDS - 1);
	make_ring(ring_all6, 1 + WORLD_BACKENDS, WORLD_BACKENDS);
	put_services();
	return true;
}

int world_prog_fd(void)
{
	return bpf_program__fd(skel->progs.nlb);
}

int world_map_fd(const char *name)
{
	return bpf_object__find_map_fd_by_name(skel->obj, name);
}

uint32_t world_ifindex(void)
{
	return if_nametoindex("in0");
}

void world_change(enum world_service service)
{
	nlb_fill_switch(&fill, number_of[service], changes[service][0]);
	nlb_fill_switch(&fill, number_of[service], changes[service][1]);
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
