/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is known of a packet on its way through the program, and the counters
 * that are counted on the way. BPF only.
 */
#ifndef NLB_RUN_H
#define NLB_RUN_H

#include "maps.h"
#include "parse.h"

struct nlb_run {
	/* Numbers; 0: it did not get so far. */
	__u32 vip;
	__u32 service;
	__u32 backend;
	__u32 hop;
	__u32 slot;
	__u32 egress; /* interface, of what is sent on */
	__u32 mtu;    /* for the inner packet; with NLB_R_TOO_BIG */
	__u32 vip_flags;
	__u16 len;   /* of the IP packet as it came */
	__u16 flags; /* NLB_ASK_F_... */
	__u8 mode;   /* of the slot */
	__u8 asked;  /* the packet is a question: struct nlb_ask */
	__u8 opens;  /* a TCP SYN */
};

/*
 * What the functions off the straight way work on, one for each CPU: they are
 * global functions, which the verifier looks at once each, and would not have the room on the
 * stack. A packet has it from where it leaves the straight way to its end.
 */
struct nlb_work {
	struct nlb_packet pkt;
	struct nlb_run run;
	struct nlb_hop hop;
	struct bpf_fib_lookup fib;
	__u32 tags[2]; /* VLAN tags that were taken off */
};

NLB_MAP(PERCPU_ARRAY, __u32, struct nlb_work, 1, 0, nlb_scratch);

NLB_INLINE struct nlb_work *nlb_work_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nlb_scratch, &zero);
}

NLB_INLINE const struct nlb_config *nlb_config_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nlb_config, &zero);
}

NLB_INLINE void nlb_event(const struct nlb_run *run, enum nlb_event event)
{
	__u32 zero = 0;
	struct nlb_reasons *reasons;

	if (run->asked)
		return;
	reasons = bpf_map_lookup_elem(&nlb_reasons, &zero);
	if (reasons)
		reasons->packets[NLB_EVENT_BASE + event]++;
}

#endif
