// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The last batches of changes on their way to the maps, as the core remembers them
 * (core_batch.c): what they were, and when what happened.
 */
#include "api_int.h"

static void write_batch(const struct core_batch *b, struct jput o)
{
	jput_u64(o, "seq", b->done.seq);
	jput_u64(o, "services", b->done.services);
	jput_u64(o, "changed", b->done.changed);
	jput_u64(o, "written", b->done.written);
	jput_u64(o, "computed", b->done.computed);
	jput_u64(o, "first_ns", b->first_ns);
	jput_u64(o, "last_ns", b->last_ns);
	jput_u64(o, "sent_ns", b->sent_ns);
	jput_u64(o, "begun_ns", b->done.begun_ns);
	jput_u64(o, "switched_ns", b->done.switched_ns);
	jput_u64(o, "proven_ns", b->done.proven_ns);
}

enum api_result api_get_batches(struct api_request *req)
{
	const struct core *c = req->parent->core;
	uint64_t first = c->seq < CORE_BATCHES ? 1 : c->seq - CORE_BATCHES + 1;
	struct jput b = jput_begin(&req->out), list;

	jput_u64(b, "batches", c->seq);
	jput_u64(b, "services", c->n_batched);
	jput_u64(b, "changed", c->n_batched_changed);
	list = jput_array(b, "last");
	for (uint64_t seq = first; seq <= c->seq; seq++) {
		const struct core_batch *batch = &c->batches[seq % CORE_BATCHES];

		if (batch->done.seq == seq)
			write_batch(batch, jput_object(list, NULL));
	}
	return API_DONE;
}
