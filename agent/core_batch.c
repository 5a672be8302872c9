// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When changes are sent to the maps child: at once when nothing was sent for a moment, so
 * that a single change does not wait. While a batch is with the maps child, and after that for
 * CORE_GATHER_TIMES as long as it took from its sending on, at most CORE_GATHER_MS, what
 * changes is gathered: under load, batches become larger and not more, and a service that
 * changes again and again is computed once for each of them. So a change waits for
 * CORE_GATHER_MS or for the batch before it.
 *
 * The times of the last batches are kept, for whoever wants to know where time goes.
 */
#include "core_int.h"

void core_batch_note(struct core *c)
{
	if (!c->next.first_ns)
		c->next.first_ns = c->now;
	c->next.last_ns = c->now;
}

static struct core_batch *batch_at(struct core *c, uint64_t seq)
{
	return &c->batches[seq % CORE_BATCHES];
}

static bool is_time(struct core *c)
{
	const struct core_batch *last;
	uint64_t at;

	if (c->in_flight)
		return false;
	last = batch_at(c, c->seq);
	at = last->sent_ns + MIN2(last->took_ns * CORE_GATHER_TIMES, CORE_GATHER_MS * CORE_MS);
	if (!c->seq || c->now >= at)
		return true;
	if (c->ring || c->need_commit)
		c->due_ns = MIN2(c->due_ns, at);
	return false;
}

void core_batch_run(struct core *c)
{
	struct msg_batch msg;

	if (!is_time(c))
		return;
	core_send_all(c);
	if (c->need_commit) {
		c->need_commit = false;
		c->in_flight = true;
		c->seq = msg.seq = ++c->next_seq;
		c->next.sent_ns = c->now;
		*batch_at(c, c->seq) = c->next;
		c->ops->maps(c->user, MSG_MAPS_COMMIT, &msg, sizeof(msg));
	}
	c->next = (struct core_batch){};
}

void core_batch_done(struct core *c, const struct msg_committed *done)
{
	struct core_batch *batch = batch_at(c, c->seq);

	c->in_flight = false;
	batch->done = *done;
	batch->took_ns = c->now - batch->sent_ns;
	c->n_batched += done->services;
	c->n_batched_changed += done->changed;
	core_remove_committed(c);
}
