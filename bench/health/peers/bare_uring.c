// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * HTTP by io_uring: for each probe one chain of linked operations on a socket of the ring's own
 * table (a direct descriptor): connect, send, recv, and connect to AF_UNSPEC, which resets the
 * connection, so that the next chain finds the socket as new. The last two say that they are done,
 * the others only that they failed.
 */
#include <liburing.h>
#include <string.h>
#include <sys/socket.h>

#include "bare.h"

#define ENTRIES	   4096
#define ANSWER_LEN 256

enum step { STEP_CONNECT, STEP_SEND, STEP_RECV, STEP_RESET, STEPS };

struct slot {
	struct sockaddr_in to;
	uint32_t next; /* that are idle; the slot's number and one, 0: none */
	char answer[ANSWER_LEN];
};

static struct io_uring ring;
static struct slot *slots;
static uint32_t idle, n_slots;
static const struct sockaddr none = {.sa_family = AF_UNSPEC};

static void uring_open(struct bare *b)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE,
		.cq_entries = ENTRIES * STEPS,
	};
	int r = io_uring_queue_init_params(ENTRIES, &ring, &params);

	if (r == 0)
		r = io_uring_register_files_sparse(&ring, b->window);
	slots = calloc(b->window, sizeof(*slots));
	if (r < 0 || !slots) {
		errno = -r;
		bare_fail("io_uring");
	}
}

static uint32_t slot_get(void)
{
	uint32_t i = idle;
	int fd;

	if (i) {
		idle = slots[i - 1].next;
		return i - 1;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || io_uring_register_files_update(&ring, n_slots, &fd, 1) < 0)
		bare_fail("socket");
	close(fd);
	return n_slots++;
}

/* The flags of a step, after it was prepared. */
static void finish(struct io_uring_sqe *sqe, uint32_t slot, enum step step)
{
	sqe->flags |= IOSQE_FIXED_FILE;
	if (step != STEP_RESET)
		sqe->flags |= IOSQE_IO_LINK;
	if (step < STEP_RECV)
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data64(sqe, (uint64_t)slot * STEPS + step);
}

static void chain(struct bare *b)
{
	uint32_t i = slot_get();
	struct slot *s = &slots[i];
	struct io_uring_sqe *sqe[STEPS];

	if (io_uring_sq_space_left(&ring) < STEPS)
		io_uring_submit(&ring);
	for (int k = 0; k < STEPS; k++) {
		sqe[k] = io_uring_get_sqe(&ring);
		if (!sqe[k])
			bare_fail("no room in the ring");
	}
	s->to = world_target(WORLD_FIRST, b->started++, b->port);
	io_uring_prep_connect(sqe[STEP_CONNECT], (int)i, (struct sockaddr *)&s->to, sizeof(s->to));
	io_uring_prep_send(sqe[STEP_SEND], (int)i, bare_request, bare_request_len, MSG_NOSIGNAL);
	io_uring_prep_recv(sqe[STEP_RECV], (int)i, s->answer, ANSWER_LEN, 0);
	io_uring_prep_connect(sqe[STEP_RESET], (int)i, &none, sizeof(none));
	for (int k = 0; k < STEPS; k++)
		finish(sqe[k], i, (enum step)k);
}

static void uring_start(struct bare *b, uint32_t n)
{
	while (n--)
		chain(b);
	io_uring_submit(&ring);
}

static void done(struct bare *b, const struct io_uring_cqe *cqe)
{
	uint32_t i = (uint32_t)(cqe->user_data / STEPS);
	enum step step = (enum step)(cqe->user_data % STEPS);

	if (step == STEP_RECV)
		b->ok += cqe->res > 12 && memcmp(slots[i].answer + 9, "200", 3) == 0;
	else if (cqe->res < 0 && cqe->res != -ECANCELED) {
		errno = -cqe->res;
		bare_fail("a step of a chain");
	}
	if (step != STEP_RESET)
		return;
	slots[i].next = idle;
	idle = i + 1;
	b->ended++;
}

static unsigned int take_done(struct bare *b)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n = 0;

	io_uring_for_each_cqe(&ring, head, cqe)
	{
		done(b, cqe);
		n++;
	}
	io_uring_cq_advance(&ring, n);
	return n;
}

static void uring_take(struct bare *b, uint64_t wait_ns)
{
	struct __kernel_timespec ts = {
		.tv_sec = (long long)(wait_ns / 1000000000),
		.tv_nsec = (long long)(wait_ns % 1000000000),
	};
	struct io_uring_cqe *cqe;
	unsigned int n;

	if (wait_ns)
		io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &ts, NULL);
	n = take_done(b);
	/* The kernel does a few steps at a time. */
	while (IO_URING_READ_ONCE(*ring.sq.kflags) & IORING_SQ_TASKRUN) {
		io_uring_get_events(&ring);
		n += take_done(b);
	}
	if (n == 0 && wait_ns == BARE_WAIT_NS)
		bare_fail("no answer");
}

const struct bare_kind bare_uring = {uring_open, uring_start, uring_take};
