// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A check goes: CHECK_BEGIN, then what should be there (core_check.c), some VIPs in each round of
 * the loop so that results and batches get in between, then CHECK; then the report is waited for.
 * One runs at a time; who asks meanwhile gets its report.
 */
#include <errno.h>
#include <string.h>

#include "log.h"
#include "mapcheck.h"
#include "util.h"

#define MS_PER_S 1000u

/* ---- waiting ---- */

static void wait_add(struct mapcheck_wait **head, struct mapcheck_wait *w,
		     void (*done)(struct mapcheck_wait *w, const struct msg_check *report,
				  const struct msg_usage *usage))
{
	*w = (struct mapcheck_wait){.next = *head, .link = head, .done = done};
	if (w->next)
		w->next->link = &w->next;
	*head = w;
}

void mapcheck_cancel(struct mapcheck_wait *w)
{
	if (!w->link)
		return;
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	w->link = NULL;
}

static void wake(struct mapcheck_wait **head, const struct msg_check *report,
		 const struct msg_usage *usage)
{
	while (*head) {
		struct mapcheck_wait *w = *head;

		mapcheck_cancel(w);
		w->done(w, report, usage);
	}
}

/* ---- checks ---- */

static void on_due(struct loop_timer *t);

static void arm(struct mapcheck *m, uint32_t seconds)
{
	if (m->interval_s)
		loop_timer_in(m->loop, &m->due, (uint64_t)MAX2(seconds, 1u) * MS_PER_S, on_due);
}

static void over(struct mapcheck *m, const struct msg_check *report)
{
	m->running = false;
	loop_timer_del(m->loop, &m->late);
	loop_timer_del(m->loop, &m->step);
	arm(m, m->interval_s);
	wake(&m->waiting, report, NULL);
}

static void on_late(struct loop_timer *t)
{
	struct mapcheck *m = container_of(t, struct mapcheck, late);

	log_warning("the check of the maps has no report", "ms=%u", MAPCHECK_REPLY_MS);
	m->n_lost++;
	m->seq++;
	over(m, NULL);
}

static void on_step(struct loop_timer *t)
{
	struct mapcheck *m = container_of(t, struct mapcheck, step);
	struct msg_batch msg = {.seq = m->seq};

	if (!core_check_some(m->core, MAPCHECK_STEP)) {
		loop_timer_in(m->loop, &m->step, 1, on_step);
		return;
	}
	m->send(m->user, MSG_MAPS_CHECK, &msg, sizeof(msg));
	loop_timer_in(m->loop, &m->late, MAPCHECK_REPLY_MS, on_late);
}

static int begin(struct mapcheck *m)
{
	struct msg_batch msg = {.seq = m->seq + 1};
	int r;

	r = loop_timer_in(m->loop, &m->step, 0, on_step);
	if (r < 0)
		return r;
	m->running = true;
	m->seq = msg.seq;
	loop_timer_del(m->loop, &m->due);
	core_check_begin(m->core);
	m->send(m->user, MSG_MAPS_CHECK_BEGIN, &msg, sizeof(msg));
	return 0;
}

static void on_due(struct loop_timer *t)
{
	begin(container_of(t, struct mapcheck, due));
}

int mapcheck_run(struct mapcheck *m, struct mapcheck_wait *w,
		 void (*done)(struct mapcheck_wait *w, const struct msg_check *report,
			      const struct msg_usage *usage))
{
	int r = m->running ? 0 : begin(m);

	if (r == 0)
		wait_add(&m->waiting, w, done);
	return r;
}

static void checked(struct mapcheck *m, const struct msg_check *report)
{
	if (!m->running || report->seq != m->seq)
		return;
	m->n_checks++;
	m->last = *report;
	m->last_ns = util_now_ns();
	m->total.took_ns += report->took_ns;
	m->total.busy_ns += report->busy_ns;
	for (unsigned int i = 0; i < MSG_CHECK_COUNT; i++) {
		m->total.kinds[i].looked += report->kinds[i].looked;
		m->total.kinds[i].found += report->kinds[i].found;
		m->total.kinds[i].repaired += report->kinds[i].repaired;
		m->total.kinds[i].failed += report->kinds[i].failed;
	}
	over(m, report);
}

/* ---- usage ---- */

static void on_usage_late(struct loop_timer *t)
{
	struct mapcheck *m = container_of(t, struct mapcheck, usage_late);

	m->usage_seq++;
	wake(&m->usage_waiting, NULL, NULL);
}

int mapcheck_usage(struct mapcheck *m, struct mapcheck_wait *w,
		   void (*done)(struct mapcheck_wait *w, const struct msg_check *report,
				const struct msg_usage *usage))
{
	struct msg_batch msg = {.seq = m->usage_seq + 1};
	int r = 0;

	/* Those who ask at the same time share the answer. */
	if (!m->usage_waiting) {
		r = loop_timer_in(m->loop, &m->usage_late, MAPCHECK_REPLY_MS, on_usage_late);
		if (r < 0)
			return r;
		m->usage_seq = msg.seq;
		m->send(m->user, MSG_MAPS_USAGE_GET, &msg, sizeof(msg));
	}
	wait_add(&m->usage_waiting, w, done);
	return 0;
}

void mapcheck_frame(struct mapcheck *m, uint16_t type, const void *data, size_t len)
{
	const struct msg_usage *usage = data;

	if (type == MSG_MAPS_CHECKED && len == sizeof(struct msg_check)) {
		checked(m, data);
	} else if (type == MSG_MAPS_USAGE && len == sizeof(*usage) && usage->seq == m->usage_seq) {
		loop_timer_del(m->loop, &m->usage_late);
		wake(&m->usage_waiting, NULL, usage);
	}
}

/* ---- beginning and end ---- */

void mapcheck_init(struct mapcheck *m, struct loop *l, struct core *core, uint32_t interval_s,
		   void (*send)(void *user, uint16_t type, const void *data, size_t len),
		   void *user)
{
	*m = (struct mapcheck){
		.loop = l, .core = core, .interval_s = interval_s, .send = send, .user = user};
}

void mapcheck_start(struct mapcheck *m)
{
	arm(m, m->interval_s / 10);
}

void mapcheck_done(struct mapcheck *m)
{
	if (!m->loop)
		return;
	loop_timer_del(m->loop, &m->due);
	loop_timer_del(m->loop, &m->step);
	loop_timer_del(m->loop, &m->late);
	loop_timer_del(m->loop, &m->usage_late);
	wake(&m->waiting, NULL, NULL);
	wake(&m->usage_waiting, NULL, NULL);
}
