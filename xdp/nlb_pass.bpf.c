// SPDX-License-Identifier: GPL-2.0
/*
 * Does nothing. A veth interface delivers what its peer sends with XDP_TX or
 * XDP_REDIRECT only while it has an XDP program of its own; this one is for
 * the peers of a balancer in namespaces (demo, tests).
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp.frags")
int nlb_pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
