// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When batches are sent: at once, after the one before, and not more often than every
 * CORE_GATHER_MS; and what is remembered of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "core_fixture.h"
#include "core_int.h"

#define V   "192.0.2.1"
#define B1  "10.0.0.1"
#define B2  "10.0.0.2"

#define TWO CORE_FX_BE(B1) "," CORE_FX_BE(B2)

static struct core_fx *two_up(void)
{
	struct core_fx *fx = core_fx_new();

	core_fx_model(fx, CORE_FX_DOC("1", CORE_FX_VIP(V, TWO)));
	core_fx_settle(fx);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_verdict(fx, B2, MSG_HC_UP);
	core_fx_settle(fx);
	core_fx_forget(fx);
	return fx;
}

/* Time passes, and nothing but core_run(). */
static void pass(struct core_fx *fx, uint64_t us)
{
	fx->now += us * 1000;
	core_fx_run(fx);
}

static void test_at_once_when_idle(void **state _unused_)
{
	struct core_fx *fx = two_up();

	pass(fx, 10 * CORE_GATHER_MS * 1000);
	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	core_fx_run(fx);
	assert_int_equal(core_fx_count(fx, "maps commit"), 1);
	assert_true(core_fx_said(fx, "maps svc_set " V " tcp/80 n=1 [" B2 "]"));
	core_fx_free(fx);
}

/* A flapping backend, verdicts every 100 us, and a maps child that is fast. */
static void test_gathered_under_load(void **state _unused_)
{
	struct core_fx *fx = two_up();
	uint64_t start, longest = 0, noted = 0;
	size_t batches = 0;

	pass(fx, 10 * CORE_GATHER_MS * 1000);
	start = fx->now;
	for (int i = 0; i < 200; i++) {
		core_fx_verdict(fx, i % 3 ? B1 : B2, i % 2 ? MSG_HC_UP : MSG_HC_DOWN);
		noted = noted ? noted : fx->now;
		core_fx_run(fx);
		if (fx->has_batch) {
			uint64_t now = fx->now;

			longest = MAX2(longest, now - noted);
			noted = 0;
			batches++;
			core_fx_answer(fx);
			/* At once. */
			fx->now = now;
		}
		fx->now += 100000;
	}
	/* 20 ms: one at once, then one every CORE_GATHER_MS. */
	assert_in_range(batches, 5, (fx->now - start) / (CORE_GATHER_MS * CORE_MS) + 1);
	assert_true(longest <= CORE_GATHER_MS * CORE_MS);
	assert_int_equal(core_fx_count(fx, "maps svc_set"), batches);
	core_fx_free(fx);
}

/* The maps child answers after so long; nothing is said of services. */
static void answer_after(struct core_fx *fx, uint64_t us)
{
	struct msg_committed done = {.seq = fx->batch};

	assert_true(fx->has_batch);
	fx->has_batch = false;
	fx->n_pending = 0;
	fx->now += us * 1000;
	core_maps_frame(fx->core, MSG_MAPS_COMMITTED, &done, sizeof(done), fx->now);
}

/* After a batch that took little time the next one does not wait long. */
static void test_small_batches(void **state _unused_)
{
	struct core_fx *fx = two_up();
	uint64_t sent;

	pass(fx, 10 * CORE_GATHER_MS * 1000);
	sent = fx->now;
	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	core_fx_run(fx);
	answer_after(fx, 100);
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_run(fx);
	assert_int_equal(core_fx_count(fx, "maps commit"), 1);
	assert_int_equal(core_due(fx->core), sent + CORE_GATHER_TIMES * 100000);
	fx->now = core_due(fx->core);
	core_fx_run(fx);
	assert_int_equal(core_fx_count(fx, "maps commit"), 2);
	core_fx_free(fx);
}

/* What waits has its time, without anything else to happen. */
static void test_due(void **state _unused_)
{
	struct core_fx *fx = two_up();
	uint64_t sent;

	pass(fx, 10 * CORE_GATHER_MS * 1000);
	sent = fx->now;
	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	core_fx_run(fx);
	core_fx_answer(fx);
	fx->now = sent + 1000;
	core_fx_verdict(fx, B1, MSG_HC_UP);
	core_fx_run(fx);
	assert_int_equal(core_fx_count(fx, "maps commit"), 1);
	assert_int_equal(core_due(fx->core), sent + CORE_GATHER_MS * CORE_MS);
	fx->now = core_due(fx->core);
	core_fx_run(fx);
	assert_int_equal(core_fx_count(fx, "maps commit"), 2);
	/* While it is on its way there is nothing to wait for but its end. */
	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	core_fx_run(fx);
	assert_int_equal(core_fx_count(fx, "maps commit"), 2);
	assert_true(core_due(fx->core) > fx->now);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps commit"), 3);
	core_fx_free(fx);
}

/* Down and up again before it could be sent: the service is not touched. */
static void test_no_change_no_batch(void **state _unused_)
{
	struct core_fx *fx = two_up();

	fx->mute = true;
	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps commit"), 1);
	core_fx_verdict(fx, B2, MSG_HC_DOWN);
	core_fx_settle(fx);
	core_fx_verdict(fx, B2, MSG_HC_UP);
	core_fx_settle(fx);
	fx->mute = false;
	core_fx_settle(fx);
	assert_int_equal(core_fx_count(fx, "maps commit"), 1);
	core_fx_free(fx);
}

static void test_remembered(void **state _unused_)
{
	struct core_fx *fx = two_up();
	const struct core_batch *b;
	uint64_t first, services = fx->core->n_batched;

	pass(fx, 10 * CORE_GATHER_MS * 1000);
	fx->mute = true;
	first = fx->now;
	core_fx_verdict(fx, B1, MSG_HC_DOWN);
	fx->now += 7;
	core_fx_verdict(fx, B2, MSG_HC_DOWN);
	fx->now += 5;
	core_fx_run(fx);
	b = &fx->core->batches[fx->core->seq % CORE_BATCHES];
	assert_int_equal(b->first_ns, first);
	assert_int_equal(b->last_ns, first + 7);
	assert_int_equal(b->sent_ns, first + 12);
	assert_int_equal(b->done.seq, 0);
	core_fx_answer(fx);
	assert_int_equal(b->done.seq, fx->core->seq);
	assert_int_equal(fx->core->n_batched, services + 1);
	core_fx_free(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_once_when_idle),
		cmocka_unit_test(test_gathered_under_load),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_no_change_no_batch),
		cmocka_unit_test(test_remembered),
		cmocka_unit_test(test_small_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
