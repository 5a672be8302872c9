/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Flows that do not go where their slot leads, for slots that changed lately;
 * nlb_shared.h has the rules and the form of an entry. Here is what becomes of a
 * bucket; it knows no map, so that tests can call it.
 *
 * A word of a bucket is loaded and stored whole. Two CPUs that write to one
 * word at the same time leave one of the two: the other flow is as one that
 * found no room.
 */
#ifndef NLB_FLOW_H
#define NLB_FLOW_H

#include "hash.h"
#include "wire.h"

/* What is to be done with a flow in its bucket. */
struct nlb_flow {
	__u32 tag;
	__u32 tick; /* now */
	__u32 idle; /* ticks after which an entry is forgotten */
	__u32 class;
	__u32 backend;
};

NLB_INLINE __u64 nlb_flow_word(const struct nlb_flow *f)
{
	return (__u64)f->tag << 32 | (f->tick & (NLB_FLOW_TICKS - 1)) << 22 | f->class << 20 |
	       f->backend;
}

NLB_INLINE __u32 nlb_flow_age(__u64 word, __u32 tick)
{
	return (tick - NLB_FLOW_TICK(word)) & (NLB_FLOW_TICKS - 1);
}

/* Free, or of a flow that is forgotten. */
NLB_INLINE int nlb_flow_over(__u64 word, const struct nlb_flow *f)
{
	return !word || nlb_flow_age(word, f->tick) >= f->idle;
}

/* A SYN that nothing followed: its entry is given up for a flow that finds no other. */
NLB_INLINE int nlb_flow_stalled(__u64 word, const struct nlb_flow *f)
{
	return NLB_FLOW_CLASS(word) == NLB_FLOW_SYN &&
	       nlb_flow_age(word, f->tick) >= NLB_FLOW_SYN_TICKS;
}

/* Where the flow is in the bucket; -1: it is not. An entry that is over does not count. */
NLB_INLINE int nlb_flow_at(const struct nlb_flow_bucket *b, const struct nlb_flow *f,
			   __u64 *ret_word)
{
	int at = -1;

	NLB_UNROLL
	for (int i = 0; i < NLB_FLOW_WAYS; i++) {
		__u64 word = *(const volatile __u64 *)&b->flow[i];

		if (word >> 32 == f->tag && word && nlb_flow_age(word, f->tick) < f->idle) {
			*ret_word = word;
			at = i;
		}
	}
	return at;
}

/* A place for a new entry; -1: there is none. */
NLB_INLINE int nlb_flow_room(const struct nlb_flow_bucket *b, const struct nlb_flow *f)
{
	int at = -1, stalled = -1;

	NLB_UNROLL
	for (int i = 0; i < NLB_FLOW_WAYS; i++) {
		__u64 word = *(const volatile __u64 *)&b->flow[i];

		if (nlb_flow_over(word, f))
			at = i;
		else if (nlb_flow_stalled(word, f))
			stalled = i;
	}
	return at < 0 ? stalled : at;
}

NLB_INLINE void nlb_flow_put(struct nlb_flow_bucket *b, int at, __u64 word)
{
	*(volatile __u64 *)&b->flow[at & (NLB_FLOW_WAYS - 1)] = word;
}

/* The hash by which a flow is remembered; not the one of slots, which anybody can compute. */
NLB_INLINE __u64 nlb_flow_id(const struct nlb_ip *src, const struct nlb_ip *dst, __u32 ports,
			     __u8 protocol, __u64 secret)
{
	__u64 h = nlb_hash_step(NLB_HASH_SEED ^ secret, src->w[0]);

	h = nlb_hash_step(h, src->w[1] ^ (secret >> 17));
	h = nlb_hash_step(h, dst->w[0]);
	h = nlb_hash_step(h, dst->w[1]);
	h = nlb_hash_step(h, (__u64)protocol << 32 | ports);
	return nlb_hash_step(h, secret) * NLB_HASH_MUL2;
}

#endif
