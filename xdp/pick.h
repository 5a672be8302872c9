/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * From a service to a backend: ring, slot, and for slots that changed lately the
 * flows that are remembered. BPF only.
 */
#ifndef NLB_PICK_H
#define NLB_PICK_H

#include "dir.h"
#include "flow.h"
#include "run.h"

/* Says that what was asked for is not for the straight way. No packet leaves with it. */
#define NLB_R_SLOW ((enum nlb_reason)NLB_R_COUNT)

/* One 64-bit load, as the agent's switch is one 64-bit store. */
NLB_INLINE struct nlb_ring nlb_load_ring(const struct nlb_ring *from)
{
	union {
		__u64 word;
		struct nlb_ring ring;
	} u = {.word = *(const volatile __u64 *)from};

	return u.ring;
}

NLB_INLINE __u32 *nlb_slot_at(__u32 slot)
{
	__u32 pair = slot >> 1;
	struct nlb_slots *slots = bpf_map_lookup_elem(&nlb_rings, &pair);

	return slots ? &slots->slot[slot & 1] : NULL;
}

/* No flow may go there any more. */
NLB_INLINE int nlb_is_gone(__u32 service, __u32 backend)
{
	struct nlb_gone_key key = {.service = service, .backend = backend};

	return bpf_map_lookup_elem(&nlb_gone, &key) != NULL;
}

/*
 * A TCP packet in a slot that changed lately. `word` is the slot, `old` the
 * backend before (in a slot that lingers: the slot's own).
 */
__noinline __u32 nlb_flow_pick(__u32 word, __u32 old)
{
	__u32 now = word & NLB_SLOT_BACKEND, bucket;
	int recent = (word & NLB_SLOT_MODE) == NLB_SLOT_RECENT, may_write;
	const struct nlb_config *cfg = nlb_config_get();
	struct nlb_work *work = nlb_work_get();
	const struct nlb_packet *pkt;
	struct nlb_run *run;
	struct nlb_flow_bucket *b;
	struct nlb_flow f = {};
	__u64 id, found = 0;
	int at;

	if (!cfg || !work)
		return now;
	pkt = &work->pkt;
	run = &work->run;
	may_write = !run->asked && !pkt->quoted;
	id = nlb_flow_id(&pkt->src, &pkt->dst, pkt->ports, pkt->protocol, cfg->secret);
	bucket = (__u32)id & cfg->flow_mask;
	b = bpf_map_lookup_elem(&nlb_flows, &bucket);
	if (!b)
		return now;
	f.tag = (__u32)(id >> 32);
	f.tick = (__u32)(bpf_ktime_get_coarse_ns() >> NLB_FLOW_TICK_SHIFT);
	f.idle = cfg->flow_idle;
	at = nlb_flow_at(b, &f, &found);

	if (run->opens && !now)
		return 0;
	if (run->opens) {
		/* A new connection, whatever its addresses and ports meant before. */
		if (!recent) {
			if (at >= 0 && may_write)
				nlb_flow_put(b, at, 0);
			return now;
		}
		if (at < 0)
			at = nlb_flow_room(b, &f);
		if (at < 0) {
			nlb_event(run, NLB_E_FLOW_FULL);
			run->flags |= NLB_ASK_F_OLD;
			return old;
		}
		f.class = NLB_FLOW_SYN;
		f.backend = now;
		if (may_write)
			nlb_flow_put(b, at, nlb_flow_word(&f));
		nlb_event(run, NLB_E_FLOW_NEW);
		return now;
	}
	if (at >= 0) {
		__u32 to = NLB_FLOW_BACKEND(found);
		__u64 fresh = 0;

		if (to == now || !nlb_is_gone(run->service, to)) {
			f.class = NLB_FLOW_CLASS(found) == NLB_FLOW_SYN ? NLB_FLOW_OPEN
									: NLB_FLOW_CLASS(found);
			f.backend = to;
			/* Where a slot that lingers leads anyway need not be remembered. */
			if (recent || to != now)
				fresh = nlb_flow_word(&f);
			if (fresh != found && may_write)
				nlb_flow_put(b, at, fresh);
			if (to != now) {
				run->flags |= NLB_ASK_F_FLOW;
				nlb_event(run, NLB_E_FLOW_HIT);
			}
			return to;
		}
		if (may_write)
			nlb_flow_put(b, at, 0);
		nlb_event(run, NLB_E_FLOW_GONE);
		if (to == old)
			return now;
		/* It may be an earlier flow's entry: go on as if it had not been there. */
	}
	if (!recent)
		return now;
	run->flags |= NLB_ASK_F_OLD;
	if (!may_write || pkt->tcp_flags & NLB_TCP_RST)
		return old;
	at = nlb_flow_room(b, &f);
	if (at < 0) {
		nlb_event(run, NLB_E_FLOW_FULL);
		return old;
	}
	f.class = NLB_FLOW_OLD;
	f.backend = old;
	nlb_flow_put(b, at, nlb_flow_word(&f));
	nlb_event(run, NLB_E_FLOW_OLD);
	return old;
}

/*
 * The backend's number, in run->backend. `fast`: NLB_R_SLOW where more has to be
 * looked at than the slot; else pkt and run are those of nlb_work.
 */
NLB_INLINE enum nlb_reason nlb_pick(const struct nlb_service *svc, const struct nlb_packet *pkt,
				    struct nlb_run *run, const int fast)
{
	struct nlb_ring ring = nlb_load_ring(&svc->ring);
	__u32 word, *slot;

	if (!ring.size)
		return NLB_R_NO_BACKEND;
	run->slot = nlb_hash_slot(pkt->hash, ring.size);
	slot = nlb_slot_at(ring.base + run->slot);
	if (!slot)
		return NLB_R_INTERNAL;
	word = *(const volatile __u32 *)slot;
	run->mode = (__u8)(word >> 30);
	run->backend = word & NLB_SLOT_BACKEND;
	if (NLB_UNLIKELY(word & NLB_SLOT_MODE && pkt->protocol == IPPROTO_TCP)) {
		__u32 *second = NULL, old;

		if (fast)
			return NLB_R_SLOW;
		old = run->backend;
		if ((word & NLB_SLOT_MODE) == NLB_SLOT_RECENT)
			second = nlb_slot_at(ring.base + ((ring.size + 1) & ~1u) + run->slot);
		if (second)
			old = *(const volatile __u32 *)second & NLB_SLOT_BACKEND;
		run->backend = nlb_flow_pick(word, old);
		if (run->flags & NLB_ASK_F_FLOW && !run->asked && !(word & NLB_SLOT_USED) &&
		    (word & NLB_SLOT_MODE) == NLB_SLOT_LINGER)
			__sync_fetch_and_or(slot, NLB_SLOT_USED);
	}
	return run->backend ? NLB_R_TX : NLB_R_NO_BACKEND;
}

#endif
