// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One capture at a time, from its start to its end, with the test as maps
 * child and as client. What is to wait for seconds is called at once.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "capture.h"
#include "util.h"

struct fx {
	struct loop *l;
	struct capture c;
	/* Sent to the maps child. */
	struct msg_sample_set set;
	unsigned int n_set;
	uint64_t taken;
	/* Told to the clients. */
	unsigned int n_started, n_readable, n_ended;
	int error;
	uint64_t lost;
	void *who;
};

static void on_send(void *user, uint16_t type, const void *data, size_t len)
{
	struct fx *fx = user;

	if (type == MSG_MAPS_SAMPLE_SET) {
		assert_int_equal(len, sizeof(fx->set));
		memcpy(&fx->set, data, len);
		fx->n_set++;
	} else {
		assert_int_equal(type, MSG_MAPS_SAMPLE_TAKEN);
		fx->taken += ((const struct msg_batch *)data)->seq;
	}
}

/* Clients are the fixture, or a pointer to the int beside it. */
static struct fx *fixture;

static void on_started(void *who, int error)
{
	fixture->n_started++;
	fixture->error = error;
	fixture->who = who;
}

static void on_readable(void *who)
{
	fixture->n_readable++;
	fixture->who = who;
}

static void on_ended(void *who, uint64_t lost)
{
	fixture->n_ended++;
	fixture->lost = lost;
	fixture->who = who;
}

static const struct capture_ops ops = {
	.started = on_started, .readable = on_readable, .ended = on_ended};

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	assert_int_equal(loop_new(&fx->l), 0);
	capture_init(&fx->c, fx->l, &ops, on_send, fx);
	*state = fixture = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	capture_done(&fx->c);
	loop_free(fx->l);
	free(fx);
	return 0;
}

/* The maps child's answer to its last request. */
static void reply(struct fx *fx, int error, uint64_t lost)
{
	struct msg_sample_state st = {.seq = fx->set.seq, .error = error, .lost = lost};

	capture_frame(&fx->c, MSG_MAPS_SAMPLE_STATE, &st, sizeof(st));
}

static void sample(struct fx *fx, uint32_t len, uint16_t cap_len)
{
	struct {
		struct msg_sample s;
		uint8_t data[CAPTURE_DATA_MAX + 8];
	} msg = {.s = {.len = len, .cap_len = cap_len}};

	memset(msg.data, (int)len, sizeof(msg.data));
	capture_frame(&fx->c, MSG_MAPS_SAMPLE, &msg, sizeof(msg.s) + cap_len);
}

static uint64_t start(struct fx *fx)
{
	struct msg_sample_set set = {.rate = 10, .reasons = 5};

	assert_int_equal(capture_start(&fx->c, &set, fx), 0);
	reply(fx, 0, 0);
	assert_int_equal(fx->c.state, CAPTURE_RUNNING);
	return fx->c.id;
}

/* What the timer would do when its time has come. */
static void expire(struct fx *fx, struct loop_timer *t)
{
	assert_true(t->pos);
	loop_timer_del(fx->l, t);
	t->cb(t);
}

static void test_whole(void **state)
{
	struct fx *fx = *state;
	const struct capture_packet *p;
	uint64_t id = start(fx);

	assert_int_equal(fx->n_started, 1);
	assert_int_equal(fx->error, 0);
	assert_ptr_equal(fx->who, fx);
	assert_int_equal(fx->set.rate, 10);
	assert_int_equal(fx->set.reasons, 5);
	sample(fx, 100, 60);
	sample(fx, 101, CAPTURE_DATA_MAX);
	assert_int_equal(capture_wait(&fx->c, id, 1000, fx), 1);
	p = capture_next(&fx->c);
	assert_int_equal(p->s.len, 100);
	assert_int_equal(p->s.cap_len, 60);
	assert_int_equal(p->data[59], 100);
	assert_int_equal(capture_next(&fx->c)->s.len, 101);
	assert_null(capture_next(&fx->c));
	capture_taken(&fx->c, 2);
	assert_int_equal(fx->taken, 2);
	/* Nothing there: the next one wakes. */
	assert_int_equal(capture_wait(&fx->c, id, 1000, fx), 0);
	assert_int_equal(capture_wait(&fx->c, id, 1000, fx), -EBUSY);
	assert_int_equal(fx->n_readable, 0);
	sample(fx, 102, 1);
	assert_int_equal(fx->n_readable, 1);
	assert_int_equal(capture_end(&fx->c, id + 1, fx), -ENOENT);
	assert_int_equal(capture_end(&fx->c, id, fx), 0);
	assert_int_equal(fx->set.rate, 0);
	assert_int_equal(capture_end(&fx->c, id, fx), -EBUSY);
	/* Still on its way when it was ended. */
	sample(fx, 103, 1);
	reply(fx, 0, 7);
	assert_int_equal(fx->n_ended, 1);
	assert_int_equal(fx->lost, 7);
	assert_int_equal(fx->c.state, CAPTURE_OFF);
	assert_int_equal(capture_wait(&fx->c, id, 0, fx), -ENOENT);
	assert_int_equal(capture_end(&fx->c, id, fx), -ENOENT);
	assert_true(start(fx) > id);
}

static void test_second_is_refused(void **state)
{
	struct msg_sample_set set = {.rate = 1};
	struct fx *fx = *state;

	assert_int_equal(capture_start(&fx->c, &set, fx), 0);
	assert_int_equal(capture_start(&fx->c, &set, NULL), -EBUSY);
	assert_int_equal(capture_wait(&fx->c, fx->c.id, 0, fx), -ENOENT);
	assert_int_equal(capture_end(&fx->c, fx->c.id, fx), -EBUSY);
	/* The maps child refuses. */
	reply(fx, -ENOENT, 0);
	assert_int_equal(fx->n_started, 1);
	assert_int_equal(fx->error, -ENOENT);
	assert_int_equal(fx->c.state, CAPTURE_OFF);
	start(fx);
}

/* No answer to the start: it may come late, so sampling is switched off. */
static void test_no_reply(void **state)
{
	struct msg_sample_set set = {.rate = 1}, late;
	struct fx *fx = *state;

	assert_int_equal(capture_start(&fx->c, &set, fx), 0);
	late = fx->set;
	expire(fx, &fx->c.reply);
	assert_int_equal(fx->error, -ETIMEDOUT);
	assert_int_equal(fx->n_set, 2);
	assert_int_equal(fx->set.rate, 0);
	assert_int_equal(fx->c.state, CAPTURE_OFF);
	start(fx);
	/* The answer of long ago says nothing about this one. */
	fx->set = late;
	reply(fx, -ENOENT, 0);
	assert_int_equal(fx->c.state, CAPTURE_RUNNING);
	assert_int_equal(capture_end(&fx->c, fx->c.id, fx), 0);
	expire(fx, &fx->c.reply);
	assert_int_equal(fx->n_ended, 1);
	assert_int_equal(fx->c.state, CAPTURE_OFF);
}

static void test_nobody_reads(void **state)
{
	struct fx *fx = *state;
	uint64_t id = start(fx);

	/* Who waits is not idle; whose time is up is, from then on. */
	assert_int_equal(capture_wait(&fx->c, id, 1000, fx), 0);
	assert_false(fx->c.idle.pos);
	expire(fx, &fx->c.reading);
	assert_int_equal(fx->n_readable, 1);
	assert_null(capture_next(&fx->c));
	expire(fx, &fx->c.idle);
	assert_int_equal(fx->set.rate, 0);
	assert_int_equal(capture_wait(&fx->c, id, 0, fx), -ENOENT);
	reply(fx, 0, 0);
	assert_int_equal(fx->n_ended, 0);
	assert_int_equal(fx->c.state, CAPTURE_OFF);
}

/* The one who reads learns that another has ended it. */
static void test_ended_under_reader(void **state)
{
	struct fx *fx = *state;
	uint64_t id = start(fx);
	int other;

	assert_int_equal(capture_wait(&fx->c, id, 1000, fx), 0);
	assert_int_equal(capture_end(&fx->c, id, &other), 0);
	assert_int_equal(fx->n_readable, 1);
	assert_ptr_equal(fx->who, fx);
	assert_int_not_equal(fx->c.state, CAPTURE_RUNNING);
	reply(fx, 0, 0);
	assert_ptr_equal(fx->who, &other);
}

static void test_forgotten(void **state)
{
	struct fx *fx = *state;
	uint64_t id = start(fx);

	assert_int_equal(capture_wait(&fx->c, id, 1000, fx), 0);
	capture_forget(&fx->c, fx);
	assert_true(fx->c.idle.pos);
	sample(fx, 1, 1);
	assert_int_equal(fx->n_readable, 0);
	assert_int_equal(capture_end(&fx->c, id, fx), 0);
	capture_forget(&fx->c, fx);
	reply(fx, 0, 0);
	assert_int_equal(fx->n_ended, 0);
}

/* As many as the maps child may send fit; more, and malformed ones, are dropped. */
static void test_limits(void **state)
{
	struct fx *fx = *state;
	uint64_t id = start(fx);
	struct msg_sample bad = {.cap_len = 4};
	size_t n = 0;

	capture_frame(&fx->c, MSG_MAPS_SAMPLE, &bad, sizeof(bad));
	sample(fx, 1, CAPTURE_DATA_MAX + 1);
	capture_frame(&fx->c, MSG_MAPS_SAMPLE, &bad, 8);
	capture_frame(&fx->c, MSG_MAPS_SAMPLE_STATE, &bad, 8);
	assert_int_equal(fx->c.n, 0);
	sample(fx, 7, 1);
	assert_non_null(capture_next(&fx->c));
	for (uint32_t i = 0; i < MSG_SAMPLE_WINDOW + 1; i++)
		sample(fx, i, 1);
	assert_int_equal(capture_wait(&fx->c, id, 1000, fx), 1);
	while (capture_next(&fx->c))
		n++;
	assert_int_equal(n, MSG_SAMPLE_WINDOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_reply, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_reads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ended_under_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
