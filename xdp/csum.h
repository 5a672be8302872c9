/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The Internet checksum (RFC 1071) and its incremental update (RFC 1624). */
#ifndef NLB_CSUM_H
#define NLB_CSUM_H

#include "wire.h"

/* Folds a sum of 16-bit words and complements it. */
NLB_INLINE __sum16 nlb_csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__sum16)~sum;
}

/* A checksum as the second half, in memory, of a word of four bytes. */
NLB_INLINE __u32 nlb_csum_second(__sum16 check)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (__u32)check << 16;
#else
	return check;
#endif
}

/* Of an IPv4 header without options; its checksum field must be zero. */
NLB_INLINE __sum16 nlb_csum_ip4(const struct iphdr *ip)
{
	__u32 words[5];

	__builtin_memcpy(words, ip, sizeof(words));
	/* Wider words add up to the same once folded: 2^16 is 1 modulo 2^16 - 1. */
	return nlb_csum_fold((__u64)words[0] + words[1] + words[2] + words[3] + words[4]);
}

/* Takes the checksum along when a 16-bit word of its header changes. */
NLB_INLINE __sum16 nlb_csum_replace(__sum16 check, __be16 from, __be16 to)
{
	return nlb_csum_fold((__u64)(__u16)~check + (__u16)~from + to);
}

#endif
