// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The session with nlbd. Output goes into one buffer that the loop drains when
 * the socket takes it: all that was said in one round of the loop leaves in
 * one write, which nlbd applies as one bulk. Input is cut into lines, and a
 * line that breaks the rules ends the session, as the two would no longer
 * agree on what is announced; a new session starts with the full set.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "feed.h"
#include "jget.h"
#include "jput.h"
#include "log.h"
#include "sbuf.h"
#include "state.h"

enum feed_state {
	FEED_IDLE, /* waiting to connect again */
	FEED_CONNECTING,
	FEED_HELLO, /* connected; nlbd has not answered yet */
	FEED_UP,
};

struct feed {
	struct loop *loop;
	const char *path, *node;
	const struct feed_ops *ops;
	void *user;
	char instance[40];

	enum feed_state state;
	int fd;
	struct loop_io io;
	struct loop_timer retry, heartbeat;
	uint32_t retry_ms;
	uint64_t seq, heard_ns;
	char error[160];
	bool told; /* the error was logged */

	char in[FEED_LINE_MAX];
	size_t in_len;
	struct sbuf out;
	size_t out_at;
	bool want_out;
};

static void on_retry(struct loop_timer *t);
static void on_io(struct loop_io *io, uint32_t events);

bool feed_is_up(const struct feed *f)
{
	return f->state == FEED_UP;
}

const char *feed_error(const struct feed *f)
{
	return f->state == FEED_UP ? "" : f->error;
}

static void feed_lose(struct feed *f, const char *why) __attribute__((noinline));
static void feed_lose(struct feed *f, const char *why)
{
	bool was_up = f->state == FEED_UP;

	if (was_up || !f->told || strcmp(f->error, why) != 0)
		log_event(was_up ? LOG_ERR : LOG_WARNING, "no session with nlbd",
			  "socket=%s reason=\"%s\"", f->path, why);
	f->told = true;
	snprintf(f->error, sizeof(f->error), "%s", why);
	loop_io_del(f->loop, &f->io);
	loop_timer_del(f->loop, &f->heartbeat);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	f->state = FEED_IDLE;
	f->in_len = f->out_at = 0;
	f->want_out = false;
	sbuf_done(&f->out);
	/* Jitter: the nodes of a site must not all knock at the same time. */
	loop_timer_in(f->loop, &f->retry, f->retry_ms + util_now_ns() % (f->retry_ms / 4 + 1),
		      on_retry);
	f->retry_ms = MIN2(f->retry_ms * 2, FEED_RETRY_MAX_MS);
	if (was_up)
		f->ops->up(f->user, false);
}

/* ---- output ---- */

static int feed_flush(struct feed *f)
{
	while (f->out_at < f->out.len) {
		ssize_t n =
			send(f->fd, f->out.data + f->out_at, f->out.len - f->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -errno;
		f->out_at += (size_t)n;
	}
	sbuf_reset(&f->out);
	f->out_at = 0;
	f->want_out = false;
	return loop_io_mod(f->loop, &f->io, EPOLLIN);
}

/* Takes a line to the queue. What cannot be queued ends the session. */
static void feed_queue(struct feed *f, const char *line, size_t len)
{
	if (f->state < FEED_HELLO)
		return;
	if (f->out.len - f->out_at + len > FEED_QUEUE_MAX) {
		feed_lose(f, "nlbd does not read: too much is waiting");
		return;
	}
	if (line)
		sbuf_add(&f->out, line, len);
	if (!line || !sbuf_ok(&f->out)) {
		feed_lose(f, "out of memory");
		return;
	}
	if (!f->want_out) {
		f->want_out = true;
		loop_io_mod(f->loop, &f->io, EPOLLIN | EPOLLOUT);
	}
}

static void feed_doc(struct feed *f, const struct jput_doc *doc)
{
	size_t len = 0;
	_cleanup_free_ char *line = jput_text(doc, &len);

	feed_queue(f, line, len);
}

static void feed_word(struct feed *f, const char *key, const char *word)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;

	jput_str(jput_begin(&doc), key, word);
	feed_doc(f, &doc);
}

void feed_vip(struct feed *f, const struct core_vip *v)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;
	_cleanup_free_ char *line = NULL;
	size_t len = 0;

	if (f->state != FEED_UP)
		return;
	core_feed_write(v, true, jput_begin(&doc));
	line = jput_text(&doc, &len);
	if (len <= FEED_LINE_OUT_MAX) {
		feed_queue(f, line, len);
		return;
	}
	core_feed_write(v, false, jput_begin(&doc));
	feed_doc(f, &doc);
}

void feed_gone(struct feed *f, const struct addr *vip, uint8_t plen)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;

	if (f->state != FEED_UP)
		return;
	jput_prefix(jput_object(jput_begin(&doc), "gone"), "address", vip, plen);
	feed_doc(f, &doc);
}

static void sync_one(const struct core_vip *v, void *arg)
{
	feed_vip(arg, v);
}

void feed_sync(struct feed *f, struct core *c)
{
	if (f->state != FEED_UP)
		return;
	feed_word(f, "sync", "begin");
	core_each_vip(c, sync_one, f);
	feed_word(f, "sync", "end");
}

void feed_dataplane(struct feed *f, bool up)
{
	if (f->state != FEED_UP)
		return;
	feed_word(f, "dataplane", up ? "ok" : "down");
}

void feed_answer(struct feed *f, uint64_t id, const struct msg_ask *q, const struct msg_answer *ans,
		 const char *error)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;
	struct jput b = jput_object(jput_begin(&doc), "answer");

	if (f->state != FEED_UP)
		return;
	jput_u64(b, "id", id);
	if (ans)
		ask_write(q, ans, b);
	else
		jput_str(b, "error", error);
	feed_doc(f, &doc);
}

void feed_answer_health(struct feed *f, uint64_t id, const struct core *c, const struct addr *vip)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;
	struct jput b = jput_object(jput_begin(&doc), "answer");

	if (f->state != FEED_UP)
		return;
	jput_u64(b, "id", id);
	if (core_checks_write(c, vip, util_now_ns(), b) < 0)
		jput_str(b, "error", "no such VIP");
	feed_doc(f, &doc);
}

static void on_heartbeat(struct loop_timer *t)
{
	struct feed *f = container_of(t, struct feed, heartbeat);
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;

	if (util_now_ns() - f->heard_ns > FEED_SILENCE_MS * 1000000ull) {
		feed_lose(f, "nlbd is silent");
		return;
	}
	loop_timer_in(f->loop, &f->heartbeat, FEED_HEARTBEAT_MS, on_heartbeat);
	if (f->state < FEED_HELLO)
		return;
	jput_u64(jput_object(jput_begin(&doc), "heartbeat"), "seq", ++f->seq);
	feed_doc(f, &doc);
}

static void say_hello(struct feed *f)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;
	struct jput b = jput_object(jput_begin(&doc), "hello");

	f->state = FEED_HELLO;
	f->heard_ns = util_now_ns();
	jput_u64(b, "version", 1);
	jput_str(b, "instance", f->instance);
	jput_str(b, "node", f->node);
	feed_doc(f, &doc);
}

/* ---- input ---- */

static int on_hello(struct feed *f, struct json_object *o, struct jerr *err)
{
	uint64_t version = 0;

	if (jget_u64(o, "version", 0, UINT32_MAX, &version, err) < 0)
		return -EINVAL;
	if (version != 1)
		return jget_fail(err, "nlbd speaks version %u, we speak 1", (unsigned int)version);
	if (f->state == FEED_UP)
		return 0;
	f->state = FEED_UP;
	f->retry_ms = FEED_RETRY_MIN_MS;
	f->told = false;
	log_notice("session with nlbd", "socket=%s", f->path);
	f->ops->up(f->user, true);
	return 0;
}

static int on_route(struct feed *f, struct json_object *o, struct jerr *err)
{
	static const char *const names[] = {
		[CORE_ROUTE_UNKNOWN] = "unknown",   [CORE_ROUTE_INSTALLED] = "installed",
		[CORE_ROUTE_REJECTED] = "rejected", [CORE_ROUTE_WITHDRAWN] = "withdrawn",
		[CORE_ROUTE_REFUSED] = "refused",
	};
	const char *address = "", *reason = "";
	int state = CORE_ROUTE_UNKNOWN;
	struct addr a;
	uint8_t plen;

	if (jget_str(o, "address", ADDR_STRLEN, &address, err) < 0 ||
	    jget_str(o, "reason", 1024, &reason, err) < 0 ||
	    jget_enum(o, "state", names, ARRAY_SIZE(names), &state, err) < 0)
		return -EINVAL;
	if (addr_prefix_parse(address, &a, &plen) < 0)
		return jget_fail(err, "route: no address in it");
	f->ops->route(f->user, &a, plen, (enum core_route)state, reason);
	return 0;
}

/* A question that is no good is answered so; it does not end the session. */
static int on_ask(struct feed *f, struct json_object *o, struct jerr *err)
{
	struct ask_form form = {};
	const char *health = NULL;
	uint64_t id = 0;
	struct addr vip;

	if (jget_u64(o, "id", 1, UINT32_MAX, &id, err) < 0)
		return -EINVAL;
	if (!id)
		return jget_fail(err, "ask: no id in it");
	if (jget_str(o, "health", ADDR_STRLEN, &health, err) < 0)
		return -EINVAL;
	if (health) {
		if (addr_parse(health, &vip) < 0)
			return jget_fail(err, "ask: health must be an address");
		f->ops->health(f->user, id, &vip);
		return 0;
	}
	json_object_object_foreach (o, name, value) {
		/* What is unknown is for later versions. */
		if (value && ask_form_set(&form, name, json_object_get_string(value)) == -EINVAL) {
			feed_answer(f, id, NULL, NULL, form.error);
			return 0;
		}
	}
	if (ask_form_check(&form) < 0)
		feed_answer(f, id, NULL, NULL, form.error);
	else
		f->ops->ask(f->user, id, &form.msg);
	return 0;
}

static int on_line(struct feed *f, const char *line, size_t len, struct jerr *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *v = NULL;
	const char *reason = "no reason given";
	int r;

	r = jget_parse(line, len, &o, err);
	if (r < 0)
		return r;
	if (!json_object_is_type(o, json_type_object))
		return jget_fail(err, "a line must be an object");
	f->heard_ns = util_now_ns();
	if (json_object_object_get_ex(o, "route", NULL))
		return jget_object(o, "route", &v, err) < 0 || !v ? -EINVAL : on_route(f, v, err);
	if (json_object_object_get_ex(o, "ask", NULL))
		return jget_object(o, "ask", &v, err) < 0 || !v ? -EINVAL : on_ask(f, v, err);
	if (json_object_object_get_ex(o, "hello", NULL))
		return jget_object(o, "hello", &v, err) < 0 || !v ? -EINVAL : on_hello(f, v, err);
	if (json_object_object_get_ex(o, "error", NULL)) {
		if (jget_object(o, "error", &v, err) < 0 || !v ||
		    jget_str(v, "reason", 1024, &reason, err) < 0)
			return -EINVAL;
		return jget_fail(err, "nlbd says: %s", reason);
	}
	/* A heartbeat has done its work already; what is unknown is for later versions. */
	return 0;
}

/* Handles the whole lines at hand. False when the session has ended. */
static bool take_lines(struct feed *f)
{
	char *start = f->in, *end;
	char why[160] = "";
	struct jerr err = {.text = why, .len = sizeof(why)};

	while ((end = memchr(start, '\n', f->in_len - (size_t)(start - f->in)))) {
		if (end > start && on_line(f, start, (size_t)(end - start), &err) < 0) {
			feed_lose(f, why[0] ? why : "a line that makes no sense");
			return false;
		}
		/* The callback may have ended the session. */
		if (f->state < FEED_HELLO)
			return false;
		start = end + 1;
	}
	f->in_len -= (size_t)(start - f->in);
	memmove(f->in, start, f->in_len);
	if (f->in_len == sizeof(f->in)) {
		feed_lose(f, "a line from nlbd is too long");
		return false;
	}
	return true;
}

static void read_some(struct feed *f)
{
	/* Bounded: the rest waits for the next round of the loop. */
	for (int i = 0; i < 16; i++) {
		ssize_t n = recv(f->fd, f->in + f->in_len, sizeof(f->in) - f->in_len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			feed_lose(f, n == 0 ? "nlbd closed it" : strerror(errno));
			return;
		}
		f->in_len += (size_t)n;
		if (!take_lines(f))
			return;
	}
}

/* ---- connecting ---- */

static void on_connected(struct feed *f)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err)
		feed_lose(f, strerror(err));
	else
		say_hello(f);
}

void feed_push(struct feed *f)
{
	int r = f->state >= FEED_HELLO && f->out.len > f->out_at ? feed_flush(f) : 0;

	if (r < 0)
		feed_lose(f, strerror(-r));
}

static void on_io(struct loop_io *io, uint32_t events)
{
	struct feed *f = container_of(io, struct feed, io);
	int r;

	if (f->state == FEED_CONNECTING) {
		on_connected(f);
		return;
	}
	if (events & EPOLLOUT) {
		r = feed_flush(f);
		if (r < 0) {
			feed_lose(f, strerror(-r));
			return;
		}
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		read_some(f);
		f->ops->burst(f->user);
	}
}

static void feed_connect(struct feed *f)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int r;

	if (strlen(f->path) >= sizeof(sun.sun_path)) {
		feed_lose(f, "the socket's path is too long");
		return;
	}
	memcpy(sun.sun_path, f->path, strlen(f->path) + 1);
	f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (f->fd < 0) {
		feed_lose(f, strerror(errno));
		return;
	}
	r = connect(f->fd, (struct sockaddr *)&sun, sizeof(sun));
	if (r < 0 && errno != EINPROGRESS) {
		feed_lose(f, strerror(errno));
		return;
	}
	f->state = FEED_CONNECTING;
	f->heard_ns = util_now_ns();
	r = loop_io_add(f->loop, &f->io, f->fd, EPOLLIN | EPOLLOUT, on_io);
	if (r == 0)
		r = loop_timer_in(f->loop, &f->heartbeat, FEED_HEARTBEAT_MS, on_heartbeat);
	if (r < 0) {
		feed_lose(f, strerror(-r));
		return;
	}
	f->want_out = true;
}

static void on_retry(struct loop_timer *t)
{
	feed_connect(container_of(t, struct feed, retry));
}

int feed_new(struct loop *l, const char *path, const char *node, const struct feed_ops *ops,
	     void *user, struct feed **ret)
{
	_cleanup_free_ char *uuid = NULL;
	struct feed *f;
	size_t len;
	int r;

	r = state_read("/proc/sys/kernel/random/uuid", 256, &uuid, &len);
	if (r < 0)
		return r;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->loop = l;
	f->path = path;
	f->node = node;
	f->ops = ops;
	f->user = user;
	f->fd = -1;
	f->io = LOOP_IO_INIT;
	f->retry_ms = FEED_RETRY_MIN_MS;
	snprintf(f->instance, sizeof(f->instance), "%.36s", uuid);
	snprintf(f->error, sizeof(f->error), "not connected yet");
	r = loop_timer_in(l, &f->retry, 0, on_retry);
	if (r < 0) {
		free(f);
		return r;
	}
	*ret = f;
	return 0;
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	/* What is queued (a last change) may still go. */
	if (f->fd >= 0 && f->state == FEED_UP)
		feed_flush(f);
	loop_io_del(f->loop, &f->io);
	loop_timer_del(f->loop, &f->retry);
	loop_timer_del(f->loop, &f->heartbeat);
	if (f->fd >= 0)
		close(f->fd);
	sbuf_done(&f->out);
	free(f);
}
