/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What every header of xdp/ needs. The headers compile as BPF and as plain C,
 * so that tests can call what they hold; only maps.h and count.h are BPF only.
 */
#ifndef NLB_WIRE_H
#define NLB_WIRE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>

#include "nlb_shared.h"

#define NLB_INLINE	static inline __attribute__((always_inline))
#define NLB_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Not in the kernel's headers for user space. */
#define NLB_IP_DF     0x4000u
#define NLB_IP_MF     0x2000u
#define NLB_IP_OFFSET 0x1fffu

#define NLB_TCP_MIN   20u
#define NLB_UDP_MIN   8u

NLB_INLINE void nlb_v4_mapped(__u8 dst[static 16], __be32 addr)
{
	__builtin_memset(dst, 0, 10);
	dst[10] = 0xff;
	dst[11] = 0xff;
	__builtin_memcpy(dst + 12, &addr, 4);
}

NLB_INLINE int nlb_is_v4_mapped(const struct in6_addr *addr)
{
	__u32 words[3];

	__builtin_memcpy(words, addr, sizeof(words));
	return !(words[0] | words[1]) && words[2] == bpf_htonl(0xffff);
}

#endif
