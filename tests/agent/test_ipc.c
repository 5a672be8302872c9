// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames over a socket pair: order, bursts, back-pressure, peers that hang up
 * or break the rules, and channels freed from within their callbacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "ipc.h"
#include "util.h"

struct fx {
	struct loop *l;
	struct ipc *a, *b;
	int fds[2];
	uint32_t next; /* expected number of the next frame at b */
	size_t frames, bursts, bytes, closed;
	int err;
	bool free_in_frame;
};

static void b_frame(struct ipc *ch, uint16_t type, const void *data, size_t len)
{
	struct fx *fx = ipc_user(ch);

	assert_int_equal((uintptr_t)data % 8, 0);
	if (type == 1) {
		assert_int_equal(len, sizeof(uint32_t));
		assert_int_equal(*(const uint32_t *)data, fx->next++);
	}
	fx->frames++;
	fx->bytes += len;
	if (fx->free_in_frame) {
		ipc_free(ch);
		fx->b = NULL;
	}
}

static void b_burst(struct ipc *ch)
{
	((struct fx *)ipc_user(ch))->bursts++;
}

static void b_closed(struct ipc *ch, int err)
{
	struct fx *fx = ipc_user(ch);

	fx->closed++;
	fx->err = err;
	ipc_free(ch);
	fx->b = NULL;
}

static void a_frame(struct ipc *ch _unused_, uint16_t type _unused_, const void *data _unused_,
		    size_t len _unused_)
{
	fail();
}

static void a_closed(struct ipc *ch, int err _unused_)
{
	struct fx *fx = ipc_user(ch);

	ipc_free(ch);
	fx->a = NULL;
}

static const struct ipc_ops a_ops = {.frame = a_frame, .closed = a_closed};
static const struct ipc_ops b_ops = {.frame = b_frame, .burst = b_burst, .closed = b_closed};

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	assert_int_equal(loop_new(&fx->l), 0);
	assert_int_equal(ipc_pair(fx->fds), 0);
	assert_int_equal(ipc_new(fx->l, fx->fds[0], &a_ops, fx, &fx->a), 0);
	assert_int_equal(ipc_new(fx->l, fx->fds[1], &b_ops, fx, &fx->b), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	ipc_free(fx->a);
	ipc_free(fx->b);
	loop_free(fx->l);
	free(fx);
	return 0;
}

/* Until b has n frames; fails after 1000 rounds. */
static void until(struct fx *fx, size_t n)
{
	for (int i = 0; fx->frames < n; i++) {
		assert_true(i < 1000);
		assert_int_equal(loop_once(fx->l, 1000), 0);
	}
}

static void test_order_and_one_burst(void **state)
{
	struct fx *fx = *state;

	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(ipc_send(fx->a, 1, &i, sizeof(i)), 0);
	assert_int_equal(ipc_flush(fx->a), 0);
	assert_int_equal(loop_once(fx->l, 1000), 0);
	assert_int_equal(fx->frames, 1000);
	assert_int_equal(fx->bursts, 1);
}

static void test_sizes(void **state)
{
	static uint8_t data[300000];
	struct fx *fx = *state;
	size_t sum = 0, n = 0;

	for (size_t len = 0; len < sizeof(data); len = len * 2 + 1, n++) {
		assert_int_equal(ipc_send(fx->a, 2, data, len), 0);
		sum += len;
	}
	until(fx, n);
	assert_int_equal(fx->bytes, sum);
}

/* More than the socket takes: queued, and flushed as b reads. */
static void test_back_pressure(void **state)
{
	static uint8_t data[1 << 20];
	struct fx *fx = *state;

	for (int i = 0; i < 32; i++)
		assert_int_equal(ipc_send(fx->a, 2, data, sizeof(data)), 0);
	until(fx, 32);
	assert_int_equal(fx->bytes, 32 * sizeof(data));
}

static void test_limits(void **state)
{
	struct fx *fx = *state;
	uint8_t *data = calloc(1, IPC_PAYLOAD_MAX + 1);
	int r = 0;

	assert_non_null(data);
	assert_int_equal(ipc_send(fx->a, 2, data, IPC_PAYLOAD_MAX + 1), -EMSGSIZE);
	for (size_t i = 0; i <= IPC_QUEUE_MAX / IPC_PAYLOAD_MAX && r == 0; i++)
		r = ipc_send(fx->a, 2, data, IPC_PAYLOAD_MAX);
	assert_int_equal(r, -ENOBUFS);
	free(data);
}

static void test_peer_hangs_up(void **state)
{
	struct fx *fx = *state;
	uint32_t n = 0;

	/* What it said before is still heard. */
	assert_int_equal(ipc_send(fx->a, 1, &n, sizeof(n)), 0);
	assert_int_equal(ipc_flush(fx->a), 0);
	ipc_free(TAKE_PTR(fx->a));
	for (int i = 0; !fx->closed; i++) {
		assert_true(i < 10);
		loop_once(fx->l, 1000);
	}
	assert_int_equal(fx->frames, 1);
	assert_int_equal(fx->closed, 1);
	assert_int_equal(fx->err, 0);
}

static void test_nonsense_ends_it(void **state)
{
	struct fx *fx = *state;
	uint32_t huge[2] = {IPC_PAYLOAD_MAX + 1, 0};

	assert_int_equal(send(fx->fds[0], huge, sizeof(huge), 0), sizeof(huge));
	loop_once(fx->l, 1000);
	assert_int_equal(fx->closed, 1);
	assert_int_equal(fx->err, -EPROTO);
	assert_int_equal(fx->frames, 0);
}

/* A frame that comes byte by byte is one frame. */
static void test_pieces(void **state)
{
	struct {
		uint32_t len;
		uint16_t type, zero;
		uint32_t n, pad;
	} frame = {.len = 4, .type = 1};
	struct fx *fx = *state;

	for (size_t i = 0; i < sizeof(frame); i++) {
		assert_int_equal(fx->frames, 0);
		assert_int_equal(send(fx->fds[0], (char *)&frame + i, 1, 0), 1);
		loop_once(fx->l, 1000);
	}
	assert_int_equal(fx->frames, 1);
}

static void test_freed_in_callback(void **state)
{
	struct fx *fx = *state;
	uint32_t n = 0;

	fx->free_in_frame = true;
	for (int i = 0; i < 3; i++)
		ipc_send(fx->a, 2, &n, sizeof(n));
	ipc_flush(fx->a);
	loop_once(fx->l, 1000);
	assert_int_equal(fx->frames, 1);
	assert_int_equal(fx->bursts, 0);
	assert_null(fx->b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order_and_one_burst, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_back_pressure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peer_hangs_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_freed_in_callback, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
