// SPDX-License-Identifier: GPL-2.0-or-later
/* The balancer of the packet tests: packets in, packets and counters out; see xdp_world.h. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"
#include "xdp_world.h"
#include "xdp_world_int.h"

#define META_BIG 212 /* of the 256 bytes of headroom; the kernel takes 40 for itself */

static int run_frame(const uint8_t *frame, size_t frame_len, uint32_t ifindex,
		     enum xdp_world_meta meta, struct xdp_world_result *ret)
{
	static const size_t meta_len[] = {
		[XDP_WORLD_PLAIN] = 0,
		[XDP_WORLD_ASK] = sizeof(struct nlb_ask),
		[XDP_WORLD_BAD_ASK] = sizeof(struct nlb_ask),
		[XDP_WORLD_NO_ROOM] = META_BIG,
	};
	static uint8_t in[PKT_MAX + 256], out[PKT_MAX + 512];
	struct nlb_ask ask = {.magic = NLB_ASK_MAGIC + (meta == XDP_WORLD_BAD_ASK)};
	size_t skip = meta_len[meta], len = skip + frame_len;
	struct xdp_md ctx = {
		.data = (uint32_t)skip,
		.data_end = (uint32_t)len,
		.ingress_ifindex = ifindex,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = (uint32_t)len,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);
	int r;

	memset(in, 0xa5, skip);
	if (meta == XDP_WORLD_ASK || meta == XDP_WORLD_BAD_ASK)
		memcpy(in, &ask, sizeof(ask));
	memcpy(in + skip, frame, frame_len);
	r = bpf_prog_test_run_opts(bpf_program__fd(xdp_world_skel()->progs.nlb), &opts);
	if (r < 0)
		return r;
	ret->verdict = opts.retval;
	ret->len = opts.data_size_out - (uint32_t)skip;
	memcpy(&ret->ask, out, sizeof(ret->ask));
	memcpy(ret->data, out + skip, ret->len);
	return 0;
}

void xdp_world_run_frame(const uint8_t *frame, size_t frame_len, uint32_t ifindex,
			 enum xdp_world_meta meta, struct xdp_world_result *ret)
{
	xdp_world_must(run_frame(frame, frame_len, ifindex, meta, ret), "test run");
}

bool xdp_world_takes(enum xdp_world_meta meta)
{
	static const uint8_t not_ip[64];
	static struct xdp_world_result r;

	return run_frame(not_ip, sizeof(not_ip), if_nametoindex("in0"), meta, &r) == 0;
}

void xdp_world_run(const struct pkt *p, const char *ifname, enum xdp_world_meta meta,
		   struct xdp_world_result *ret)
{
	xdp_world_run_frame(p->data, p->len, if_nametoindex(ifname), meta, ret);
}

/* The first n of a map of counters, summed over the CPUs, in one system call. */
static void sum_counters(const struct bpf_map *map, uint32_t n, struct nlb_counters *ret)
{
	size_t cpus = (size_t)libbpf_num_possible_cpus(), all = bpf_map__max_entries(map);
	_cleanup_free_ struct nlb_counters *values = calloc(all * cpus, sizeof(*values));
	_cleanup_free_ uint32_t *keys = calloc(all, sizeof(*keys));
	uint32_t count = (uint32_t)all, out;

	xdp_world_must(
		bpf_map_lookup_batch(bpf_map__fd(map), NULL, &out, keys, values, &count, NULL),
		bpf_map__name(map));
	memset(ret, 0, n * sizeof(*ret));
	for (size_t i = 0; i < n * cpus; i++) {
		ret[i / cpus].packets += values[i].packets;
		ret[i / cpus].bytes += values[i].bytes;
		ret[i / cpus].flows += values[i].flows;
		ret[i / cpus].dropped += values[i].dropped;
		ret[i / cpus].errors += values[i].errors;
	}
}

void xdp_world_counts(struct xdp_world_counts *ret)
{
	const struct nlb *skel = xdp_world_skel();
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct nlb_reasons *values = calloc((size_t)cpus, sizeof(*values));
	uint32_t zero = 0;

	memset(ret->reasons, 0, sizeof(ret->reasons));
	xdp_world_must(bpf_map_lookup_elem(bpf_map__fd(skel->maps.nlb_reasons), &zero, values),
		       "reasons");
	for (int c = 0; c < cpus; c++)
		for (size_t r = 0; r < NLB_REASON_SLOTS; r++)
			ret->reasons[r] += values[c].packets[r];
	sum_counters(skel->maps.nlb_vip_stats, ARRAY_SIZE(ret->vips), ret->vips);
	sum_counters(skel->maps.nlb_svc_stats, ARRAY_SIZE(ret->services), ret->services);
	sum_counters(skel->maps.nlb_be_stats, ARRAY_SIZE(ret->backends), ret->backends);
}

static void add_one(struct nlb_counters *c, const struct xdp_world_leave *leave, bool sent)
{
	if (!sent) {
		c->dropped++;
		return;
	}
	c->packets++;
	c->bytes += leave->len;
	c->flows += leave->opens;
}

void xdp_world_add(struct xdp_world_counts *c, const struct xdp_world_leave *leave)
{
	enum kind { TX, PASS, DROP, REPLY, TELL };
	static const enum kind kinds[] = {
#define KIND(name, text, kind) kind,
		NLB_REASONS(KIND)
#undef KIND
	};
	enum kind kind = kinds[leave->reason];
	bool sent = kind == TX;

	c->reasons[leave->reason]++;
	if (kind == PASS || kind == REPLY)
		return;
	if (leave->vip)
		add_one(&c->vips[leave->vip], leave, sent);
	if (leave->service)
		add_one(&c->services[leave->service], leave, sent);
	if (leave->backend && leave->backend < ARRAY_SIZE(c->backends))
		add_one(&c->backends[leave->backend], leave, sent);
}

void xdp_world_due(uint64_t due)
{
	int fd = bpf_map__fd(xdp_world_skel()->maps.nlb_limits);
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct nlb_limit *limits = calloc((size_t)cpus, sizeof(*limits));

	for (int i = 0; i < cpus; i++)
		limits[i].due = due;
	for (uint32_t what = 0; what < NLB_LIMIT_COUNT; what++)
		xdp_world_must(bpf_map_update_elem(fd, &what, limits, BPF_ANY), "limits");
}

uint64_t xdp_world_due_sum(uint32_t what)
{
	int fd = bpf_map__fd(xdp_world_skel()->maps.nlb_limits);
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct nlb_limit *limits = calloc((size_t)cpus, sizeof(*limits));
	uint64_t sum = 0;

	xdp_world_must(bpf_map_lookup_elem(fd, &what, limits), "limits");
	for (int i = 0; i < cpus; i++)
		sum += limits[i].due;
	return sum;
}
