/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How a map is declared. BPF only. */
#ifndef NLB_MAP_H
#define NLB_MAP_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define NLB_MAP(kind, key_type, value_type, entries, flags, map_name)                              \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_##kind);                                                 \
		__uint(max_entries, entries);                                                      \
		__uint(map_flags, flags);                                                          \
		__type(key, key_type);                                                             \
		__type(value, value_type);                                                         \
	} map_name SEC(".maps")

#endif
