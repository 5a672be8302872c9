/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What every header of xdp/ needs. Headers that include no other than this one,
 * hash.h and csum.h compile as BPF and as plain C, so that tests can call
 * what they hold; those that know maps are BPF only.
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
#define NLB_LIKELY(x)	__builtin_expect(!!(x), 1)
#define NLB_UNLIKELY(x) __builtin_expect(!!(x), 0)

#ifdef __clang__
#define NLB_UNROLL _Pragma("unroll")
#else
#define NLB_UNROLL
#endif

/*
 * A length from 1 to max, a power of two, told so that every verifier follows:
 * Linux 6.1's learns nothing from "is not 0", and clang may check one register
 * and pass another.
 */
NLB_INLINE __u32 nlb_bounded(__u32 len, __u32 max)
{
#ifdef __bpf__
	asm volatile("" : "+r"(len));
#endif
	return ((len - 1) & (max - 1)) + 1;
}

/* Not in the kernel's headers for user space. */
#define NLB_IP_DF      0x4000u
#define NLB_IP_MF      0x2000u
#define NLB_IP_OFFSET  0x1fffu
#define NLB_IP6_MF     0x0001u
#define NLB_IP6_OFFSET 0xfff8u

#define NLB_TCP_MIN    20u
#define NLB_UDP_MIN    8u
#define NLB_TCP_FLAGS  13 /* where they lie */
#define NLB_TCP_SYN    0x02u
#define NLB_TCP_RST    0x04u
#define NLB_TCP_ACK    0x10u

/* For wide loads and stores of what was declared otherwise. */
typedef __u16 __attribute__((may_alias, aligned(1))) nlb_u16a;
typedef __u32 __attribute__((may_alias, aligned(4))) nlb_u32a;
typedef __u64 __attribute__((may_alias, aligned(8))) nlb_u64a;

NLB_INLINE void nlb_v4_mapped(__u8 dst[static 16], __be32 addr)
{
	__builtin_memset(dst, 0, 10);
	dst[10] = 0xff;
	dst[11] = 0xff;
	__builtin_memcpy(dst + 12, &addr, 4);
}

/* An address in the form of the maps, as two words as they lie in memory. */
struct nlb_ip {
	__u64 w[2];
};

NLB_INLINE struct nlb_ip nlb_ip_v4(__be32 addr)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (struct nlb_ip){{0, (__u64)addr << 32 | 0xffff0000u}};
#else
	return (struct nlb_ip){{0, 0xffff00000000ull | addr}};
#endif
}

NLB_INLINE struct nlb_ip nlb_ip_v6(const struct in6_addr *addr)
{
	const nlb_u32a *words = (const void *)addr;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (struct nlb_ip){
		{(__u64)words[1] << 32 | words[0], (__u64)words[3] << 32 | words[2]}};
#else
	return (struct nlb_ip){
		{(__u64)words[0] << 32 | words[1], (__u64)words[2] << 32 | words[3]}};
#endif
}

NLB_INLINE int nlb_ip_is_v4(const struct nlb_ip *ip)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return !ip->w[0] && (__u32)ip->w[1] == 0xffff0000u;
#else
	return !ip->w[0] && ip->w[1] >> 32 == 0xffffu;
#endif
}

#endif
