// SPDX-License-Identifier: GPL-2.0
/* Stand-in while the program is rewritten: all maps, nothing else. */
#include "maps.h"

SEC("xdp")
int nlb(struct xdp_md *ctx)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nlb_config, &zero) ? XDP_PASS : (int)ctx->data;
}

char _license[] SEC("license") = "GPL";
