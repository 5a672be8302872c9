/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The hash that picks a packet's slot in a ring. It is part of the contract
 * between nodes: all of them must send a flow to the same backend, so neither
 * the seed nor a step may differ between nodes that announce the same VIP.
 *
 * It covers source and destination address, both ports and the protocol, and
 * nothing that differs between packets of one flow. It is not symmetric,
 * because with DSR the way back does not come by here. Each 64-bit word is
 * xored in, multiplied by an odd constant (those of MurmurHash3's finaliser)
 * and folded; the result is the upper half of a last product, where all input
 * bits have arrived. Words are taken as little-endian on every machine.
 */
#ifndef NLB_HASH_H
#define NLB_HASH_H

#include "wire.h"

#define NLB_HASH_SEED 0x9e3779b97f4a7c15ull
#define NLB_HASH_MUL1 0xff51afd7ed558ccdull
#define NLB_HASH_MUL2 0xc4ceb9fe1a85ec53ull

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NLB_LE32(x) (x)
#define NLB_LE64(x) (x)
#else
#define NLB_LE32(x) __builtin_bswap32(x)
#define NLB_LE64(x) __builtin_bswap64(x)
#endif

NLB_INLINE __u64 nlb_hash_step(__u64 h, __u64 word)
{
	h = (h ^ word) * NLB_HASH_MUL1;
	return h ^ (h >> 32);
}

/* The IPv4 address in an address of the maps' form. */
NLB_INLINE __u64 nlb_hash_low(const struct nlb_ip *ip)
{
	return NLB_LE64(ip->w[1]) >> 32;
}

NLB_INLINE __u32 nlb_hash_end(__u64 h)
{
	return (__u32)((h * NLB_HASH_MUL2) >> 32);
}

/* ports: the first four bytes of the TCP or UDP header as they lie there. */
NLB_INLINE __u32 nlb_hash4(const struct nlb_ip *src, const struct nlb_ip *dst, __u32 ports,
			   __u8 protocol)
{
	__u64 h = NLB_HASH_SEED;

	h = nlb_hash_step(h, nlb_hash_low(src) << 32 | NLB_LE32(ports));
	h = nlb_hash_step(h, (__u64)protocol << 32 | nlb_hash_low(dst));
	return nlb_hash_end(h);
}

NLB_INLINE __u32 nlb_hash6(const struct nlb_ip *src, const struct nlb_ip *dst, __u32 ports,
			   __u8 protocol)
{
	__u64 h = NLB_HASH_SEED;

	h = nlb_hash_step(h, NLB_LE64(src->w[0]));
	h = nlb_hash_step(h, NLB_LE64(src->w[1]));
	h = nlb_hash_step(h, NLB_LE64(dst->w[0]));
	h = nlb_hash_step(h, NLB_LE64(dst->w[1]));
	h = nlb_hash_step(h, (__u64)protocol << 32 | NLB_LE32(ports));
	return nlb_hash_end(h);
}

/* The slot of a ring of `size` slots: a multiplication instead of a remainder. */
NLB_INLINE __u32 nlb_hash_slot(__u32 hash, __u32 size)
{
	return (__u32)(((__u64)hash * size) >> 32);
}

#endif
