// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading per-CPU maps. The kernel hands over one value per possible CPU; they
 * are added up here. A counter that is being incremented on another CPU while
 * it is read is a plain 64-bit word, so that it is read whole.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "maps_stats.h"
#include "util.h"

static void add_counters(struct nlb_counters *sum, const struct nlb_counters *per_cpu, int cpus)
{
	for (int i = 0; i < cpus; i++) {
		sum->packets += per_cpu[i].packets;
		sum->bytes += per_cpu[i].bytes;
		sum->flows += per_cpu[i].flows;
		sum->dropped += per_cpu[i].dropped;
		sum->errors += per_cpu[i].errors;
	}
}

int maps_stats_clear(int map_fd, uint32_t number)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct nlb_counters *zero = NULL;

	if (cpus < 0)
		return cpus;
	zero = calloc((size_t)cpus, sizeof(*zero));
	if (!zero)
		return -ENOMEM;
	return bpf_map_update_elem(map_fd, &number, zero, BPF_ANY) < 0 ? -errno : 0;
}

int maps_stats_reasons(const struct maps_table *t, struct nlb_reasons *ret)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct nlb_reasons *values = NULL;
	struct nlb_reasons sum = {};
	uint32_t zero = 0;

	if (cpus < 0)
		return cpus;
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	if (bpf_map_lookup_elem(t->bpf->reasons_fd, &zero, values) < 0)
		return -errno;
	for (int i = 0; i < cpus; i++)
		for (size_t r = 0; r < NLB_REASON_SLOTS; r++)
			sum.packets[r] += values[i].packets[r];
	*ret = sum;
	return 0;
}

/* All n elements of the map. */
static struct nlb_counters *all(int map_fd, uint32_t n)
{
	uint32_t last, count = n;
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct nlb_counters *values = NULL;
	_cleanup_free_ uint32_t *keys = NULL;
	struct nlb_counters *sums;

	if (cpus < 0)
		return NULL;
	values = calloc((size_t)n * (size_t)cpus, sizeof(*values));
	keys = calloc(n, sizeof(*keys));
	if (!values || !keys)
		return NULL;
	/* The end of the map is an error to the kernel, but not to us. */
	if (bpf_map_lookup_batch(map_fd, NULL, &last, keys, values, &count, NULL) < 0 &&
	    errno != ENOENT)
		return NULL;
	sums = calloc(n, sizeof(*sums));
	if (!sums)
		return NULL;
	for (uint32_t i = 0; i < count; i++)
		add_counters(&sums[keys[i]], values + (size_t)i * (size_t)cpus, cpus);
	return sums;
}

struct nlb_counters *maps_stats_all_vips(const struct maps_table *t)
{
	return all(t->bpf->vip_stats_fd, t->bpf->cfg->max_vips + 1);
}

struct nlb_counters *maps_stats_all_services(const struct maps_table *t)
{
	return all(t->bpf->svc_stats_fd, t->bpf->cfg->max_services + 1);
}

struct nlb_counters *maps_stats_all_backends(const struct maps_table *t)
{
	return all(t->bpf->be_stats_fd, t->bpf->cfg->max_backends + 1);
}
