// SPDX-License-Identifier: GPL-2.0-or-later
/* The receiving end: traffic.bpf.c on an interface, and its maps in JSON. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traffic.h"
#include "traffic.skel.h"
#include "traffic_shared.h"

static int last_word(const char *address, uint32_t *ret)
{
	uint8_t b[16];

	if (inet_pton(AF_INET, address, b) == 1)
		memcpy(ret, b, 4);
	else if (inet_pton(AF_INET6, address, b) == 1)
		memcpy(ret, b + 12, 4);
	else
		return -EINVAL;
	return 0;
}

/* The values of all CPUs of an element; `values` has room for them. */
static int lookup(const struct bpf_map *map, uint32_t key, void *values)
{
	return bpf_map_lookup_elem(bpf_map__fd(map), &key, values);
}

static int report(const struct traffic *skel, int cpus)
{
	struct traffic_backend *each = calloc((size_t)cpus, sizeof(*each)), sum = {};
	struct traffic_odd *odd = calloc((size_t)cpus, sizeof(*odd)), odds = {};
	const char *separator = "";
	int r = -ENOMEM;

	if (!each || !odd)
		goto out;
	printf("{\"backends\": {");
	for (uint32_t i = 0; i < TRAFFIC_BACKENDS; i++) {
		uint64_t packets = 0;

		r = lookup(skel->maps.traffic_backends, i, each);
		if (r < 0)
			goto out;
		for (int c = 0; c < cpus; c++) {
			packets += each[c].packets;
			sum.bytes += each[c].bytes;
		}
		sum.packets += packets;
		if (packets) {
			printf("%s\"%u\": %llu", separator, i, (unsigned long long)packets);
			separator = ", ";
		}
	}
	r = lookup(skel->maps.traffic_odd, 0, odd);
	if (r < 0)
		goto out;
	for (int c = 0; c < cpus; c++) {
		odds.moved += odd[c].moved;
		odds.other += odd[c].other;
	}
	printf("}, \"packets\": %llu, \"bytes\": %llu, \"moved\": %llu, \"other\": %llu}\n",
	       (unsigned long long)sum.packets, (unsigned long long)sum.bytes,
	       (unsigned long long)odds.moved, (unsigned long long)odds.other);
out:
	free(each);
	free(odd);
	return r;
}

int traffic_count(const char *ifname, const char *vip)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	unsigned int ifindex = if_nametoindex(ifname);
	int cpus = libbpf_num_possible_cpus(), link = -1, r;
	struct traffic *skel;
	char line[64];
	uint32_t word;

	if (cpus < 0 || !ifindex || last_word(vip, &word) < 0)
		return -EINVAL;
	skel = traffic__open();
	if (!skel)
		return -errno;
	skel->rodata->traffic_vip = word;
	r = traffic__load(skel);
	if (r < 0)
		goto out;
	/* The program goes when this process does. */
	link = bpf_link_create(bpf_program__fd(skel->progs.traffic), (int)ifindex, BPF_XDP, &opts);
	if (link < 0) {
		r = -errno;
		goto out;
	}
	while (r == 0 && fgets(line, sizeof(line), stdin))
		r = report(skel, cpus);
out:
	traffic__destroy(skel);
	return r;
}
