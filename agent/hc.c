// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The health engine.
 *
 * A condition is idle (its timer: when to probe), waiting (in a queue: due,
 * but probes under way hold all descriptors of the budget, or this round has
 * started enough) or flying (it has a probe; its timer: the deadline). The
 * clock of a timeout starts with the probe, so one that waited is late, never failed.
 *
 * Verdicts. UNKNOWN becomes what the first result says, so that a node that
 * boots is ready fast. From then on, and from the start with a restored
 * verdict, UP turns DOWN after `fall` failures in a row and DOWN turns UP after
 * `rise` successes in a row; one result to the contrary starts the count anew.
 * MSG_HC_LOCAL (no descriptor, no memory, no route of our own) is no result.
 *
 * When. The first probes are spread over a window that grows with the number of
 * conditions, from 100 ms up to the interval. The second comes after half to
 * one and a half intervals, which spreads the phases over the whole interval;
 * from then on each follows the start of the one before by the interval, more
 * or less a sixteenth, so that conditions never fall into step. Those that were
 * late are spread anew.
 *
 * A process that was kept from running finds deadlines that passed while the
 * answers were coming in. So a kind gets a last look at its socket before a
 * timeout counts, and a probe whose deadline is handled late gets that much
 * more time, once.
 */
#include <errno.h>
#include <string.h>
#include <sys/queue.h>

#include "hc.h"
#include "hc_reason.h"
#include "hc_wheel.h"
#include "log.h"
#include "util.h"

#define MS_NS	       1000000ull
#define START_MAX      64u /* starts in one round; then sockets get their turn */
#define FIRST_MIN_MS   100u
#define FIRST_PER_MS   10u /* conditions for each ms of the first window */
#define RETRY_MIN_MS   50u
#define RETRY_MAX_MS   1000u
#define LATE_NS	       (100 * MS_NS)
#define STALL_NS       (20 * MS_NS)
#define LOCAL_LOG_NS   (10000 * MS_NS)
#define TABLE_MIN_BITS 6
#define TABLE_MAX_BITS 24

struct hc_cond {
	uint64_t id;
	struct hc_cond *next; /* in the table's chain */
	struct hc_check *check;
	struct addr target;
	uint32_t mark;
	struct hc_timer timer;
	TAILQ_ENTRY(hc_cond) queue;
	struct hc_probe *probe; /* NULL when not flying */
	void *keep;		/* the kind's own, from probe to probe */
	uint64_t due_ns;	/* of the probe that waits or flies */
	uint32_t detail;
	uint32_t latency_us;
	uint16_t run;	/* results in a row against the state */
	uint8_t state;	/* enum msg_hc_state */
	uint8_t reason; /* enum msg_hc_reason, as last reported */
	bool waiting;	/* in a queue */
	bool reported;	/* the parent has heard of it */
	bool spread;	/* its phase is spread over the interval */
};

TAILQ_HEAD(hc_queue, hc_cond);

struct hc {
	struct hc_env env;
	unsigned int budget;
	struct {
		const struct hc_kind *kind;
		void *ctx;
	} kinds[MSG_HC_TYPES];

	struct hc_cond **table; /* by id */
	unsigned int table_bits;

	struct hc_wheel wheel;
	/* Those that need a descriptor must not hold up those that need none. */
	struct hc_queue waiting_free, waiting_fd;
	uint64_t wake_ns; /* what was asked for last */
	uint64_t flush_ns;
	uint64_t local_logged_ns;
	uint64_t local_hushed;

	struct hc_stats stats;
	size_t n_results;
	struct msg_hc_result results[HC_BATCH_MAX];
};

/* ---- the table of conditions ---- */

static size_t table_slot(const struct hc *hc, uint64_t id)
{
	return (size_t)(id * 0x9e3779b97f4a7c15ull >> (64 - hc->table_bits));
}

static struct hc_cond **table_find(struct hc *hc, uint64_t id)
{
	struct hc_cond **at = &hc->table[table_slot(hc, id)];

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

/* Doubles the table when there are more conditions than slots; without memory it stays. */
static void table_grow(struct hc *hc)
{
	size_t n = (size_t)1 << hc->table_bits;
	struct hc_cond **old = hc->table, **table;

	if (hc->stats.conditions <= n || hc->table_bits >= TABLE_MAX_BITS)
		return;
	table = calloc(n * 2, sizeof(struct hc_cond *));
	if (!table)
		return;
	hc->table = table;
	hc->table_bits++;
	for (size_t i = 0; i < n; i++) {
		struct hc_cond *c, *next;

		for (c = old[i]; c; c = next) {
			size_t slot = table_slot(hc, c->id);

			next = c->next;
			c->next = table[slot];
			table[slot] = c;
		}
	}
	free(old);
}

/* ---- time ---- */

static uint64_t hc_now(const struct hc *hc)
{
	return hc->env.now_ns(hc->env.user);
}

/* Evenly in [0, range). */
static uint64_t hc_random(const struct hc *hc, uint64_t range)
{
	return range ? hc->env.random(hc->env.user) % range : 0;
}

static struct hc_queue *queue_of(struct hc *hc, const struct hc_cond *c)
{
	return hc->kinds[c->check->type].kind->n_fds ? &hc->waiting_fd : &hc->waiting_free;
}

static bool fd_left(const struct hc *hc, const struct hc_cond *c)
{
	return hc->stats.n_fds + hc->kinds[c->check->type].kind->n_fds <= hc->budget;
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

/* Asks for hc_run() when it is needed next, if that is earlier than asked already. */
static void hc_rearm(struct hc *hc)
{
	uint64_t at = hc_wheel_next_ns(&hc->wheel);

	if (hc->n_results)
		at = MIN2(at, hc->flush_ns);
	if (next_to_start(hc))
		at = 0;
	if (at >= hc->wake_ns)
		return;
	hc->wake_ns = at;
	hc->env.wake_at(hc->env.user, at);
}

static void idle_until(struct hc *hc, struct hc_cond *c, uint64_t at_ns)
{
	c->due_ns = at_ns;
	hc_wheel_put(&hc->wheel, &c->timer, at_ns);
}

/* Soon, but not all at once: a new condition, or one that now asks something else. */
static void schedule_first(struct hc *hc, struct hc_cond *c)
{
	uint64_t window = MAX2((uint64_t)FIRST_MIN_MS, hc->stats.conditions / FIRST_PER_MS);

	window = MIN2(window, (uint64_t)c->check->interval_ms) * MS_NS;
	c->spread = false;
	idle_until(hc, c, hc_now(hc) + hc_random(hc, window));
}

/* The probe that started at start_ns has ended with a result. */
static void schedule_next(struct hc *hc, struct hc_cond *c, uint64_t start_ns)
{
	uint64_t interval = c->check->interval_ms * MS_NS;
	uint64_t at;

	if (!c->spread)
		at = start_ns + interval / 2 + hc_random(hc, interval);
	else
		at = start_ns + interval - interval / 16 + hc_random(hc, interval / 8);
	c->spread = true;
	idle_until(hc, c, at);
}

/* This node could not make the probe: sooner than the interval, but not in a tight loop. */
static void schedule_retry(struct hc *hc, struct hc_cond *c, uint64_t now)
{
	uint64_t wait = c->check->interval_ms / 4;

	wait = MAX2(MIN2(wait, (uint64_t)RETRY_MAX_MS), (uint64_t)RETRY_MIN_MS) * MS_NS;
	idle_until(hc, c, now + wait + hc_random(hc, wait / 4));
}

/* ---- results ---- */

static void hc_flush(struct hc *hc)
{
	size_t n = hc->n_results;

	if (!n)
		return;
	hc->n_results = 0;
	hc->stats.batches++;
	hc->env.results(hc->env.user, hc->results, n);
}

static void report(struct hc *hc, const struct hc_cond *c, uint64_t now)
{
	if (!hc->n_results)
		hc->flush_ns = now + HC_BATCH_NS;
	hc->results[hc->n_results++] = (struct msg_hc_result){
		.id = c->id,
		.state = c->state,
		.reason = c->reason,
		.detail = c->detail,
		.latency_us = c->latency_us,
	};
	if (hc->n_results == HC_BATCH_MAX)
		hc_flush(hc);
}

static void log_local(struct hc *hc, const struct hc_cond *c, uint32_t err, uint64_t now)
{
	char target[ADDR_STRLEN];

	if (hc->local_logged_ns && now - hc->local_logged_ns < LOCAL_LOG_NS) {
		hc->local_hushed++;
		return;
	}
	hc->local_logged_ns = now;
	log_warning("health probe could not be made, trying again",
		    "type=%s target=%s port=%u error=\"%s\" more=%llu", hc_type_str(c->check->type),
		    addr_str(&c->target, target), c->check->port, strerror((int)err),
		    (unsigned long long)hc->local_hushed);
	hc->local_hushed = 0;
}

/* Counts a result; the state it leads to. */
static uint8_t judge(struct hc_cond *c, bool ok)
{
	uint8_t says = ok ? MSG_HC_UP : MSG_HC_DOWN;

	if (c->state == says) {
		c->run = 0;
		return says;
	}
	if (c->state != MSG_HC_UNKNOWN && ++c->run < (ok ? c->check->rise : c->check->fall))
		return c->state;
	c->run = 0;
	return says;
}

/* ---- probes ---- */

/* The probe is over, with or without a verdict. */
static void release(struct hc *hc, struct hc_cond *c)
{
	const struct hc_kind *kind = hc->kinds[c->check->type].kind;
	struct hc_probe *p = c->probe;

	if (!p)
		return;
	kind->stop(p);
	free(p);
	c->probe = NULL;
	hc_wheel_del(&hc->wheel, &c->timer);
	hc->stats.flying--;
	hc->stats.n_fds -= kind->n_fds;
}

static void local_fault(struct hc *hc, struct hc_cond *c, uint32_t err, uint64_t now)
{
	log_local(hc, c, err, now);
	if (!c->reported || c->reason != MSG_HC_LOCAL || c->detail != err) {
		c->reason = MSG_HC_LOCAL;
		c->detail = err;
		c->reported = true;
		report(hc, c, now);
	}
	schedule_retry(hc, c, now);
}

void hc_done(struct hc_probe *p, enum msg_hc_reason reason, uint32_t detail)
{
	struct hc *hc = p->hc;
	struct hc_cond *c = p->cond;
	uint64_t now = hc_now(hc), start = p->start_ns, end = now;
	uint8_t state;

	if (p->end_ns)
		end = MAX2(start, MIN2(p->end_ns, now));
	release(hc, c);
	hc->stats.ended[reason]++;
	if (reason == MSG_HC_LOCAL) {
		local_fault(hc, c, detail, now);
		hc_rearm(hc);
		return;
	}
	if (reason == MSG_HC_OK || reason == MSG_HC_STATUS || reason == MSG_HC_BODY)
		c->latency_us = (uint32_t)MIN2((end - start) / 1000, (uint64_t)UINT32_MAX);
	state = judge(c, reason == MSG_HC_OK);
	if (!c->reported || state != c->state || reason != c->reason || detail != c->detail) {
		c->state = state;
		c->reason = (uint8_t)reason;
		c->detail = detail;
		c->reported = true;
		report(hc, c, now);
	}
	schedule_next(hc, c, start);
	hc_rearm(hc);
}

static void probe_start(struct hc *hc, struct hc_cond *c)
{
	const struct hc_kind *kind = hc->kinds[c->check->type].kind;
	struct hc_probe *p;
	uint64_t now = hc_now(hc), late = now - MIN2(now, c->due_ns);

	hc->stats.late += late > LATE_NS;
	hc->stats.late_max_ns = MAX2(hc->stats.late_max_ns, late);
	/* Those that waited together would go on in step. */
	if (late > c->check->interval_ms * MS_NS / 4)
		c->spread = false;
	p = calloc(1, kind->size);
	if (!p) {
		hc->stats.ended[MSG_HC_LOCAL]++;
		local_fault(hc, c, ENOMEM, now);
		return;
	}
	p->check = c->check;
	p->target = &c->target;
	p->to = addr_is_unspecified(&c->check->dest) ? &c->target : &c->check->dest;
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
	hc_wheel_put(&hc->wheel, &c->timer, now + c->check->timeout_ms * MS_NS);
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

/* The deadline of a probe. */
static void expire(struct hc *hc, struct hc_cond *c)
{
	const struct hc_kind *kind = hc->kinds[c->check->type].kind;
	struct hc_probe *p = c->probe;
	uint64_t now = hc_now(hc), lag = now - MIN2(now, c->timer.at_ns);

	kind->poll(p);
	if (c->probe != p)
		return;
	if (lag > STALL_NS && !p->extended) {
		p->extended = true;
		hc->stats.extended++;
		hc_wheel_put(&hc->wheel, &c->timer, now + MIN2(lag, c->check->timeout_ms * MS_NS));
		return;
	}
	hc_done(p, MSG_HC_TIMEOUT, kind->phase ? kind->phase(p) : MSG_HC_PHASE_NONE);
}

void hc_run(struct hc *hc)
{
	struct hc_timer *t;
	struct hc_cond *c;

	hc->wake_ns = UINT64_MAX;
	hc_wheel_advance(&hc->wheel, hc_now(hc));
	while ((t = hc_wheel_pop(&hc->wheel))) {
		c = container_of(t, struct hc_cond, timer);
		if (c->probe)
			expire(hc, c);
		else
			wait_in_queue(hc, c);
	}
	for (unsigned int i = 0; i < START_MAX && (c = next_to_start(hc)); i++) {
		leave_queue(hc, c);
		probe_start(hc, c);
	}
	if (hc->n_results && hc_now(hc) >= hc->flush_ns)
		hc_flush(hc);
	hc_rearm(hc);
}

/* ---- conditions ---- */

int hc_new(const struct hc_env *env, unsigned int budget, struct hc **ret)
{
	struct hc *hc = calloc(1, sizeof(*hc));

	if (!hc)
		return -ENOMEM;
	hc->table_bits = TABLE_MIN_BITS;
	hc->table = calloc((size_t)1 << hc->table_bits, sizeof(struct hc_cond *));
	if (!hc->table) {
		free(hc);
		return -ENOMEM;
	}
	hc->env = *env;
	hc->budget = MAX2(budget, 1u);
	hc->wake_ns = UINT64_MAX;
	TAILQ_INIT(&hc->waiting_free);
	TAILQ_INIT(&hc->waiting_fd);
	hc_wheel_init(&hc->wheel, hc_now(hc));
	*ret = hc;
	return 0;
}

/* Ends what the condition is doing; it is idle without a timer afterwards. */
static void quiesce(struct hc *hc, struct hc_cond *c)
{
	release(hc, c);
	leave_queue(hc, c);
	hc_wheel_del(&hc->wheel, &c->timer);
}

/* What its kind remembers of it is of no use any more; it has no probe. */
static void forget(struct hc *hc, struct hc_cond *c)
{
	const struct hc_kind *kind = hc->kinds[c->check->type].kind;

	if (c->keep && kind->forget)
		kind->forget(hc->kinds[c->check->type].ctx, c->keep);
	c->keep = NULL;
}

static void cond_free(struct hc *hc, struct hc_cond *c)
{
	quiesce(hc, c);
	forget(hc, c);
	hc->stats.conditions--;
	hc_check_free(c->check);
	free(c);
}

void hc_free(struct hc *hc)
{
	if (!hc)
		return;
	for (size_t i = 0; i < (size_t)1 << hc->table_bits; i++) {
		struct hc_cond *c, *next;

		for (c = hc->table[i]; c; c = next) {
			next = c->next;
			cond_free(hc, c);
		}
	}
	free(hc->table);
	free(hc);
}

void hc_register(struct hc *hc, enum msg_hc_type type, const struct hc_kind *kind, void *ctx)
{
	hc->kinds[type].kind = kind;
	hc->kinds[type].ctx = ctx;
}

/* A new question makes a new start, but for the state; a new rhythm keeps the probe's turn. */
static void cond_change(struct hc *hc, struct hc_cond *c, const struct hc_spec *spec)
{
	struct hc_check *check = spec->check;
	bool same_probe = hc_check_same_probe(c->check, check) && c->mark == spec->mark &&
			  addr_cmp(&c->target, spec->target) == 0;
	uint64_t due = c->due_ns;

	if (same_probe && hc_check_same_timing(c->check, check)) {
		hc_check_free(check);
		return;
	}
	quiesce(hc, c);
	if (!same_probe)
		forget(hc, c);
	hc_check_free(c->check);
	c->check = check;
	c->target = *spec->target;
	c->mark = spec->mark;
	if (same_probe) {
		idle_until(hc, c, MIN2(due, hc_now(hc) + check->interval_ms * MS_NS));
		return;
	}
	c->run = 0;
	schedule_first(hc, c);
}

int hc_set(struct hc *hc, const struct hc_spec *spec)
{
	struct hc_cond **at = table_find(hc, spec->id), *c = *at;
	struct hc_check *check = spec->check;

	if (!hc->kinds[check->type].kind) {
		hc_check_free(check);
		return -ENOTSUP;
	}
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c) {
			hc_check_free(check);
			return -ENOMEM;
		}
		c->id = spec->id;
		c->check = check;
		c->target = *spec->target;
		c->mark = spec->mark;
		c->state = (uint8_t)spec->initial;
		*at = c;
		hc->stats.conditions++;
		table_grow(hc);
		schedule_first(hc, c);
	} else {
		cond_change(hc, c, spec);
	}
	hc_rearm(hc);
	return 0;
}

void hc_del(struct hc *hc, uint64_t id)
{
	struct hc_cond **at = table_find(hc, id), *c = *at;

	if (!c)
		return;
	*at = c->next;
	cond_free(hc, c);
	hc_rearm(hc);
}

const struct hc_stats *hc_get_stats(const struct hc *hc)
{
	return &hc->stats;
}
