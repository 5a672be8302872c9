// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The queue has room for as many packets as the maps child may send before it
 * is told that some were taken, so that nothing is dropped here.
 */
#include <errno.h>
#include <string.h>

#include "capture.h"
#include "util.h"

static int64_t wall_offset(void)
{
	struct timespec wall;
	uint64_t now = util_now_ns();

	clock_gettime(CLOCK_REALTIME, &wall);
	return (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec - (int64_t)now;
}

static void wake_reader(struct capture *c)
{
	void *who = TAKE_PTR(c->reader);

	loop_timer_del(c->loop, &c->reading);
	if (who)
		c->ops->readable(who);
}

/* Back to the beginning; whoever reads learns that it is over. */
static void off(struct capture *c)
{
	c->state = CAPTURE_OFF;
	loop_timer_del(c->loop, &c->reply);
	loop_timer_del(c->loop, &c->idle);
	free(TAKE_PTR(c->packets));
	c->first = c->n = 0;
	wake_reader(c);
}

static void on_no_reply(struct loop_timer *t)
{
	struct capture *c = container_of(t, struct capture, reply);
	enum capture_state state = c->state;
	void *who = TAKE_PTR(c->changer);
	struct msg_sample_set none = {.seq = ++c->seq};

	/* It may still begin, late. */
	if (state == CAPTURE_STARTING)
		c->send(c->user, MSG_MAPS_SAMPLE_SET, &none, sizeof(none));
	off(c);
	if (who && state == CAPTURE_STARTING)
		c->ops->started(who, -ETIMEDOUT);
	else if (who)
		c->ops->ended(who, 0);
}

static void request(struct capture *c, struct msg_sample_set *set, enum capture_state state)
{
	set->seq = ++c->seq;
	c->state = state;
	loop_timer_in(c->loop, &c->reply, CAPTURE_REPLY_MS, on_no_reply);
	c->send(c->user, MSG_MAPS_SAMPLE_SET, set, sizeof(*set));
}

int capture_start(struct capture *c, struct msg_sample_set *set, void *who)
{
	if (c->state != CAPTURE_OFF)
		return -EBUSY;
	c->packets = calloc(MSG_SAMPLE_WINDOW, sizeof(*c->packets));
	if (!c->packets)
		return -ENOMEM;
	c->changer = who;
	c->to_wall_ns = wall_offset();
	request(c, set, CAPTURE_STARTING);
	c->id = c->seq;
	return 0;
}

static void end(struct capture *c, void *who)
{
	struct msg_sample_set none = {};

	loop_timer_del(c->loop, &c->idle);
	c->changer = who;
	c->n = 0;
	request(c, &none, CAPTURE_ENDING);
	wake_reader(c);
}

static void on_idle(struct loop_timer *t)
{
	end(container_of(t, struct capture, idle), NULL);
}

static void on_read_time(struct loop_timer *t)
{
	struct capture *c = container_of(t, struct capture, reading);

	loop_timer_in(c->loop, &c->idle, CAPTURE_IDLE_MS, on_idle);
	wake_reader(c);
}

int capture_wait(struct capture *c, uint64_t id, unsigned int ms, void *who)
{
	if (c->state != CAPTURE_RUNNING || id != c->id)
		return -ENOENT;
	if (c->reader)
		return -EBUSY;
	if (c->n || !ms) {
		loop_timer_in(c->loop, &c->idle, CAPTURE_IDLE_MS, on_idle);
		return 1;
	}
	loop_timer_del(c->loop, &c->idle);
	if (loop_timer_in(c->loop, &c->reading, ms, on_read_time) < 0)
		return -ENOMEM;
	c->reader = who;
	return 0;
}

const struct capture_packet *capture_next(struct capture *c)
{
	const struct capture_packet *p;

	if (!c->n)
		return NULL;
	p = &c->packets[c->first];
	c->first = (c->first + 1) % MSG_SAMPLE_WINDOW;
	c->n--;
	return p;
}

void capture_taken(struct capture *c, size_t n)
{
	struct msg_batch msg = {.seq = n};

	if (n && c->state == CAPTURE_RUNNING)
		c->send(c->user, MSG_MAPS_SAMPLE_TAKEN, &msg, sizeof(msg));
}

int capture_end(struct capture *c, uint64_t id, void *who)
{
	if (c->state == CAPTURE_OFF || id != c->id)
		return -ENOENT;
	if (c->state != CAPTURE_RUNNING)
		return -EBUSY;
	end(c, who);
	return 0;
}

void capture_forget(struct capture *c, const void *who)
{
	if (c->changer == who)
		c->changer = NULL;
	if (c->reader != who)
		return;
	c->reader = NULL;
	loop_timer_del(c->loop, &c->reading);
	loop_timer_in(c->loop, &c->idle, CAPTURE_IDLE_MS, on_idle);
}

static void take_state(struct capture *c, const struct msg_sample_state *st)
{
	enum capture_state state = c->state;
	void *who;

	if (st->seq != c->seq || (state != CAPTURE_STARTING && state != CAPTURE_ENDING))
		return;
	who = TAKE_PTR(c->changer);
	loop_timer_del(c->loop, &c->reply);
	if (state == CAPTURE_STARTING && !st->error) {
		c->state = CAPTURE_RUNNING;
		loop_timer_in(c->loop, &c->idle, CAPTURE_IDLE_MS, on_idle);
	} else {
		off(c);
	}
	if (!who)
		return;
	if (state == CAPTURE_STARTING)
		c->ops->started(who, st->error);
	else
		c->ops->ended(who, st->lost);
}

static void take_sample(struct capture *c, const struct msg_sample *s, size_t len)
{
	struct capture_packet *p;

	/* The answer to SAMPLE_SET is ahead of the samples, so a stray one is of no capture. */
	if (c->state != CAPTURE_RUNNING || c->n == MSG_SAMPLE_WINDOW ||
	    s->cap_len > CAPTURE_DATA_MAX || len != sizeof(*s) + s->cap_len)
		return;
	p = &c->packets[(c->first + c->n) % MSG_SAMPLE_WINDOW];
	p->s = *s;
	memcpy(p->data, s + 1, s->cap_len);
	c->n++;
	if (!c->reader)
		return;
	loop_timer_in(c->loop, &c->idle, CAPTURE_IDLE_MS, on_idle);
	wake_reader(c);
}

void capture_frame(struct capture *c, uint16_t type, const void *data, size_t len)
{
	if (type == MSG_MAPS_SAMPLE_STATE && len == sizeof(struct msg_sample_state))
		take_state(c, data);
	else if (type == MSG_MAPS_SAMPLE && len >= sizeof(struct msg_sample))
		take_sample(c, data, len);
}

void capture_init(struct capture *c, struct loop *l, const struct capture_ops *ops,
		  void (*send)(void *user, uint16_t type, const void *data, size_t len), void *user)
{
	*c = (struct capture){.loop = l, .ops = ops, .send = send, .user = user};
}

void capture_done(struct capture *c)
{
	if (!c->loop)
		return;
	c->reader = c->changer = NULL;
	loop_timer_del(c->loop, &c->reading);
	off(c);
}
