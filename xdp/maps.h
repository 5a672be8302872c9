/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The maps; nlb_shared.h says what each one holds and who writes it. Sizes are
 * those of a small node: the agent sets its own before it loads the program.
 */
#ifndef NLB_MAPS_H
#define NLB_MAPS_H

#include "map.h"
#include "nlb_shared.h"

NLB_MAP(ARRAY, __u32, struct nlb_layout, 1, 0, nlb_layout);
NLB_MAP(ARRAY, __u32, struct nlb_config, 1, BPF_F_MMAPABLE, nlb_config);
NLB_MAP(ARRAY, __u32, struct nlb_bucket, 64, BPF_F_MMAPABLE, nlb_vip_dir);
NLB_MAP(ARRAY, __u32, struct nlb_vip, 64, BPF_F_MMAPABLE, nlb_vips);
NLB_MAP(ARRAY, __u32, struct nlb_bucket, 64, BPF_F_MMAPABLE, nlb_svc_dir);
NLB_MAP(ARRAY, __u32, struct nlb_service, 64, BPF_F_MMAPABLE, nlb_services);
NLB_MAP(ARRAY, __u32, struct nlb_slots, 65536, BPF_F_MMAPABLE, nlb_rings);
NLB_MAP(ARRAY, __u32, struct nlb_backend, 256, BPF_F_MMAPABLE, nlb_backends);
NLB_MAP(ARRAY, __u32, struct nlb_hop, 256, BPF_F_MMAPABLE, nlb_hops);
NLB_MAP(ARRAY, __u32, struct nlb_flow_bucket, 64, BPF_F_MMAPABLE, nlb_flows);
NLB_MAP(HASH, struct nlb_gone_key, __u32, 1024, BPF_F_NO_PREALLOC, nlb_gone);
NLB_MAP(HASH, struct nlb_addr, __u32, 256, BPF_F_NO_PREALLOC, nlb_numbers);
NLB_MAP(HASH, struct nlb_quic_key, __u32, 256, BPF_F_NO_PREALLOC, nlb_quic_ids);
NLB_MAP(LRU_HASH, struct nlb_frag_key, struct nlb_frag, 16384, 0, nlb_fragments);
NLB_MAP(PERCPU_ARRAY, __u32, struct nlb_counters, 64, 0, nlb_vip_stats);
NLB_MAP(PERCPU_ARRAY, __u32, struct nlb_counters, 64, 0, nlb_svc_stats);
NLB_MAP(PERCPU_ARRAY, __u32, struct nlb_counters, 256, 0, nlb_be_stats);
NLB_MAP(PERCPU_ARRAY, __u32, struct nlb_reasons, 1, 0, nlb_reasons);
NLB_MAP(PERCPU_ARRAY, __u32, struct nlb_limit, NLB_LIMIT_COUNT, 0, nlb_limits);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} nlb_samples SEC(".maps");

#endif
