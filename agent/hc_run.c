// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When conditions are probed, and the probes.
 *
 * A condition is idle (its timer: when to probe), waiting (in a queue: due,
 * but probes under way hold all descriptors of the budget, or this round has
 * started enough) or flying (it has a probe; its timer: the deadline). The
 * clock of a timeout starts with the probe, so one that waited is late, never failed.
 *
 * When. First probes start at a set rate, and within the interval. The second
 * comes after half to one and a half intervals, which spreads the phases over the
 * whole interval; from then on each follows the start of the one before by the
 * interval, more or less a sixteenth, so that conditions never fall into step.
 * Those that were late are spread anew. A host that is asked too much at a time
 * has its probes put off (hc_host.c).
 *
 * A process that was kept from running finds deadlines that passed while the
 * answers were coming in. So a kind gets a last look at its socket before a
 * timeout counts, and a probe whose deadline is handled late gets that much
 * more time, once.
 */
#include <errno.h>
#include <string.h>

#include "hc_int.h"
#include "util.h"

#define START_MAX    64u /* starts in one round; then sockets get their turn */
#define FIRST_MIN_MS 100u
#define RETRY_MIN_MS 50u
#define RETRY_MAX_MS 1000u
#define LATE_NS	     (100 * HC_MS_NS)
#define STALL_NS     (20 * HC_MS_NS)

/* Evenly in [0, range). */
static uint64_t hc_random(const struct hc *hc, uint64_t range)
{
	return range ? hc->env.random(hc->env.user) % range : 0;
}

static uint64_t interval_of(const struct hc_cond *c)
{
	return c->check->interval_ms * HC_MS_NS;
}

static struct hc_queue *queue_of(struct hc *hc, const struct hc_cond *c)
{
	return hc_kind_of(hc, c)->n_fds ? &hc->waiting_fd : &hc->waiting_free;
}

static bool fd_left(const struct hc *hc, const struct hc_cond *c)
{
	return hc->stats.n_fds + hc_kind_of(hc, c)->n_fds <= hc->conf.budget;
}

/* The next that may start now, or NULL. */
static struct hc_cond *next_to_start(const struct hc *hc)
{
	struct hc_cond *c = TAILQ_FIRST(&hc->waiting_free);

	if (c)
		return c;
	c = TAILQ_FIRST(&hc->waiting_fd);
	return c && fd_left(hc, c) ? c : NULL;
}

/* ---- time ---- */

/* Asks for hc_run() at that time, unless it was asked for earlier. */
static void wake_by(struct hc *hc, uint64_t at_ns)
{
	if (at_ns >= hc->wake_ns)
		return;
	hc->wake_ns = at_ns;
	hc->env.wake_at(hc->env.user, at_ns);
}

static void set_timer(struct hc *hc, struct hc_cond *c, uint64_t at_ns)
{
	hc_wheel_put(&hc->wheel, &c->timer, at_ns);
	wake_by(hc, hc_wheel_round(at_ns));
}

void hc_schedule_at(struct hc *hc, struct hc_cond *c, uint64_t at_ns)
{
	c->due_ns = at_ns;
	c->has_turn = false;
	set_timer(hc, c, at_ns);
}

void hc_schedule_first(struct hc *hc, struct hc_cond *c)
{
	uint64_t now = hc_now(hc), interval = interval_of(c), at = now;

	c->spread = false;
	if (hc->conf.start_rate) {
		hc->first_ns = MAX2(hc->first_ns, now) + 1000 * HC_MS_NS / hc->conf.start_rate;
		at = hc->first_ns + hc_random(hc, FIRST_MIN_MS * HC_MS_NS);
	}
	if (at - now > interval)
		at = now + hc_random(hc, interval);
	hc_schedule_at(hc, c, at);
}

/* The probe that started at start_ns has ended with a result. */
static void schedule_next(struct hc *hc, struct hc_cond *c, uint64_t start_ns)
{
	uint64_t interval = interval_of(c);
	uint64_t at;

	if (!c->spread)
		at = start_ns + interval / 2 + hc_random(hc, interval);
	else
		at = start_ns + interval - interval / 16 + hc_random(hc, interval / 8);
	c->spread = true;
	hc_schedule_at(hc, c, at);
}

/* This node could not make the probe: sooner than the interval, but not in a tight loop. */
static void schedule_retry(struct hc *hc, struct hc_cond *c, uint64_t now)
{
	uint64_t wait = c->check->interval_ms / 4;

	wait = MAX2(MIN2(wait, (uint64_t)RETRY_MAX_MS), (uint64_t)RETRY_MIN_MS) * HC_MS_NS;
	hc_schedule_at(hc, c, now + wait + hc_random(hc, wait / 4));
}

/* ---- probes ---- */

/* The probe is over, with or without a verdict. */
static void release(struct hc *hc, struct hc_cond *c)
{
	const struct hc_kind *kind = hc_kind_of(hc, c);
	struct hc_probe *p = c->probe;

	if (!p)
		return;
	kind->stop(p);
	free(p);
	c->probe = NULL;
	hc_wheel_del(&hc->wheel, &c->timer);
	hc->stats.flying--;
	hc->stats.n_fds -= kind->n_fds;
	if (hc->stats.waiting)
		wake_by(hc, 0);
}

void hc_done(struct hc_probe *p, enum msg_hc_reason reason, uint32_t detail)
{
	struct hc *hc = p->hc;
	struct hc_cond *c = p->cond;
	uint64_t now = hc_now(hc), start = p->start_ns, end = now;

	if (p->end_ns)
		end = MAX2(start, MIN2(p->end_ns, now));
	release(hc, c);
	if (reason == MSG_HC_LOCAL) {
		hc_local_fault(hc, c, detail, now);
		schedule_retry(hc, c, now);
	} else {
		hc->stats.ended[reason]++;
		if (reason == MSG_HC_OK || reason == MSG_HC_STATUS || reason == MSG_HC_BODY)
			c->latency_us = (uint32_t)MIN2((end - start) / 1000, (uint64_t)UINT32_MAX);
		hc_judge(hc, c, reason, detail, now);
		schedule_next(hc, c, start);
	}
	if (hc->n_results)
		wake_by(hc, hc->flush_ns);
}

static void count_late(struct hc *hc, struct hc_cond *c, uint64_t now)
{
	uint64_t late = now - MIN2(now, c->due_ns);

	hc_late_add(&hc->late, now, late);
	hc->stats.late += late > LATE_NS;
	hc->stats.late_max_ns = MAX2(hc->stats.late_max_ns, late);
	/* Those that waited together would go on in step. */
	if (late > interval_of(c) / 4)
		c->spread = false;
}

static void probe_start(struct hc *hc, struct hc_cond *c)
{
	const struct hc_kind *kind = hc_kind_of(hc, c);
	struct hc_probe *p;
	uint64_t now = hc_now(hc);

	count_late(hc, c, now);
	p = calloc(1, kind->size);
	if (!p) {
		hc_local_fault(hc, c, ENOMEM, now);
		schedule_retry(hc, c, now);
		return;
	}
	p->check = c->check;
	p->target = &c->host->addr;
	p->to = addr_is_unspecified(&c->check->dest) ? p->target : &c->check->dest;
	p->mark = c->mark;
	p->keep = &c->keep;
	p->ctx = hc->kinds[c->check->type].ctx;
	p->hc = hc;
	p->cond = c;
	p->start_ns = now;
	c->probe = p;
	hc->stats.started++;
	hc->stats.flying++;
	hc->stats.n_fds += kind->n_fds;
	set_timer(hc, c, now + c->check->timeout_ms * HC_MS_NS);
	kind->start(p); /* may be over, and p gone, when it returns */
}

static void wait_in_queue(struct hc *hc, struct hc_cond *c)
{
	TAILQ_INSERT_TAIL(queue_of(hc, c), c, queue);
	c->waiting = true;
	hc->stats.waiting++;
}

static void leave_queue(struct hc *hc, struct hc_cond *c)
{
	if (!c->waiting)
		return;
	TAILQ_REMOVE(queue_of(hc, c), c, queue);
	c->waiting = false;
	hc->stats.waiting--;
}

void hc_quiesce(struct hc *hc, struct hc_cond *c)
{
	release(hc, c);
	leave_queue(hc, c);
	hc_wheel_del(&hc->wheel, &c->timer);
}

/* A condition's time has come: to the queue, or once more to the wheel until its host's turn. */
static void due(struct hc *hc, struct hc_cond *c, uint64_t now)
{
	uint64_t at = now;

	if (!c->has_turn)
		at = hc_host_turn(&hc->hosts, c->host, now);
	c->has_turn = true;
	if (at <= now) {
		wait_in_queue(hc, c);
		return;
	}
	hc->stats.host_held++;
	set_timer(hc, c, at);
}

/* The deadline of a probe. */
static void expire(struct hc *hc, struct hc_cond *c)
{
	const struct hc_kind *kind = hc_kind_of(hc, c);
	struct hc_probe *p = c->probe;
	uint64_t now = hc_now(hc), lag = now - MIN2(now, c->timer.at_ns);

	kind->poll(p);
	if (c->probe != p)
		return;
	if (lag > STALL_NS && !p->extended) {
		p->extended = true;
		hc->stats.extended++;
		set_timer(hc, c, now + MIN2(lag, c->check->timeout_ms * HC_MS_NS));
		return;
	}
	hc_done(p, MSG_HC_TIMEOUT, kind->phase ? kind->phase(p) : MSG_HC_PHASE_NONE);
}

/* As many as may start in one round. */
static void start_some(struct hc *hc)
{
	struct hc_cond *c;
	unsigned int n;

	for (n = 0; n < START_MAX && (c = next_to_start(hc)); n++) {
		leave_queue(hc, c);
		probe_start(hc, c);
	}
	for (unsigned int i = 0; n && i < MSG_HC_TYPES; i++)
		if (hc->kinds[i].kind && hc->kinds[i].kind->flush)
			hc->kinds[i].kind->flush(hc->kinds[i].ctx);
}

void hc_run(struct hc *hc)
{
	uint64_t now = hc_now(hc);
	struct hc_timer *t;
	struct hc_cond *c;

	hc->wake_ns = 0; /* what is asked for meanwhile is seen to below */
	hc_wheel_advance(&hc->wheel, now);
	while ((t = hc_wheel_pop(&hc->wheel))) {
		c = container_of(t, struct hc_cond, timer);
		if (c->probe)
			expire(hc, c);
		else
			due(hc, c, now);
	}
	start_some(hc);
	if (hc->n_results && hc_now(hc) >= hc->flush_ns)
		hc_flush(hc);
	hc->wake_ns = UINT64_MAX;
	if (next_to_start(hc))
		wake_by(hc, 0);
	if (hc->n_results)
		wake_by(hc, hc->flush_ns);
	wake_by(hc, hc_wheel_next_ns(&hc->wheel));
}
