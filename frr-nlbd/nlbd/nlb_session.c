// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One connection of an agent.
 *
 * Input grows as needed up to the longest line and is cut at newlines; whole lines are parsed and
 * handed up one by one. One wake-up reads at most NLB_SESSION_BURST bytes, so that a flood of
 * messages cannot keep zebra or vtysh waiting. Output is bounded by the owner, who puts lines only
 * while the buffer is empty (at most NLB_AGENT_TX_BURST at a time): an agent that never reads costs
 * one buffer. Errors are never returned into the middle of a callback: a session ends at the end of
 * its own event.
 */

#include <zebra.h>

#include <poll.h>

#include "libfrr.h"
#include "memory.h"
#include "network.h"

#include "nlbd/nlb.h"
#include "nlbd/nlb_debug.h"
#include "nlbd/nlb_memory.h"
#include "nlbd/nlb_session.h"

DEFINE_MTYPE_STATIC(NLBD, NLB_SESSION, "NLB agent session");
DEFINE_MTYPE_STATIC(NLBD, NLB_SESSION_RX, "NLB agent session input");

#define NLB_SESSION_RX_MIN (16 * 1024)
#define NLB_SESSION_BURST  (1024 * 1024)

static void session_read(struct event *event);

static void session_end(struct nlb_session *session, const char *error)
{
	session->ops->ended(session, error);
	nlb_session_free(session, error);
}

static void session_dead(struct event *event)
{
	session_end(EVENT_ARG(event), "nothing heard for 10 seconds");
}

static void session_alive(struct nlb_session *session)
{
	EVENT_OFF(session->t_dead);
	event_add_timer(master, session_dead, session, NLB_SESSION_DEAD_S, &session->t_dead);
}

/*
 * Output
 */

static void session_write(struct event *event)
{
	struct nlb_session *session = EVENT_ARG(event);

	nlb_session_flush(session);
	if (nlb_session_idle(session)) {
		session->ops->writable(session);
		nlb_session_flush(session);
	}
}

void nlb_session_put(struct nlb_session *session, const char *line, size_t len)
{
	buffer_put(session->tx, line, len);
	session->tx_empty = false;
}

static void session_put_heartbeat(struct nlb_session *session)
{
	char line[NLB_FEED_OUT_MAX];

	if (!session->heartbeat_due || !nlb_session_idle(session))
		return;
	session->heartbeat_due = false;
	nlb_session_put(session, line,
			nlb_feed_print_heartbeat(line, sizeof(line), session->heartbeat_seq));
}

void nlb_session_flush(struct nlb_session *session)
{
	buffer_status_t status = BUFFER_EMPTY;

	for (int i = 0; i < 2; i++) {
		status = buffer_flush_available(session->tx, session->fd);
		session->tx_empty = status != BUFFER_PENDING;
		if (status != BUFFER_EMPTY)
			break;
		/* Only the newest heartbeat is answered, and never behind a backlog. */
		session_put_heartbeat(session);
	}

	switch (status) {
	case BUFFER_ERROR:
		/* The read side will see the same and end the session. */
		buffer_reset(session->tx);
		event_add_event(master, session_read, session, 0, &session->t_read);
		break;
	case BUFFER_PENDING:
		event_add_write(master, session_write, session, session->fd, &session->t_write);
		break;
	case BUFFER_EMPTY:
		break;
	}
}

bool nlb_session_idle(const struct nlb_session *session)
{
	return session->tx_empty;
}

/*
 * Input
 */

static const char *session_line(struct nlb_session *session, const char *line, size_t len)
{
	static char errbuf[NLB_FEED_ERR_MAX];
	struct nlb_feed_msg msg;
	const char *error;

	session->stats.lines++;
	if (nlb_feed_parse(line, len, &msg, errbuf, sizeof(errbuf)) < 0)
		return errbuf;

	switch (msg.type) {
	case NLB_FEED_UNKNOWN:
		session->stats.unknown++;
		DEBUGD(&nlb_dbg_agent, "agent: unknown message \"%s\" ignored", msg.unknown);
		break;
	case NLB_FEED_VIP:
		session->stats.vips++;
		break;
	case NLB_FEED_GONE:
		session->stats.gones++;
		break;
	case NLB_FEED_HEARTBEAT:
		session->stats.heartbeats++;
		session->heartbeat_seq = msg.heartbeat;
		break;
	case NLB_FEED_HELLO:
	case NLB_FEED_SYNC:
	case NLB_FEED_DATAPLANE:
	case NLB_FEED_ANSWER:
		break;
	}

	error = session->ops->message(session, &msg);
	nlb_feed_msg_done(&msg);
	if (!error && msg.type == NLB_FEED_HEARTBEAT)
		session->heartbeat_due = true;
	/* cppcheck-suppress returnDanglingLifetime ; a static text (nlb_session.h), not of msg */
	return error;
}

/* Hand up all whole lines in the buffer. *ret_lines counts them. */
static const char *session_lines(struct nlb_session *session, size_t *ret_lines)
{
	const char *error = NULL;
	size_t start = 0;

	while (!error) {
		char *nl = memchr(session->rx + session->rx_seen, '\n',
				  session->rx_len - session->rx_seen);

		if (!nl) {
			session->rx_seen = session->rx_len;
			break;
		}
		error = session_line(session, session->rx + start, nl - (session->rx + start));
		start = nl + 1 - session->rx;
		session->rx_seen = start;
		(*ret_lines)++;
	}

	if (start) {
		memmove(session->rx, session->rx + start, session->rx_len - start);
		session->rx_len -= start;
		session->rx_seen -= start;
	}
	if (!error && session->rx_len > NLB_FEED_LINE_MAX)
		error = "line is longer than 1048576 bytes";
	return error;
}

static void session_input(struct nlb_session *session)
{
	const char *error = NULL;
	size_t lines = 0, total = 0;
	ssize_t n;

	while (!error && total < NLB_SESSION_BURST) {
		if (session->rx_len == session->rx_size) {
			/* One byte beyond the longest line: its newline, or the proof. */
			session->rx_size = MIN(session->rx_size * 2, (size_t)NLB_FEED_LINE_MAX + 1);
			session->rx = XREALLOC(MTYPE_NLB_SESSION_RX, session->rx, session->rx_size);
		}

		n = read(session->fd, session->rx + session->rx_len,
			 session->rx_size - session->rx_len);
		if (n == 0)
			error = "closed by the agent";
		else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		else if (n < 0 && errno == EINTR)
			continue;
		else if (n < 0)
			error = "read error";
		else {
			session->rx_len += n;
			total += n;
			error = session_lines(session, &lines);
		}
	}

	if (error) {
		session_end(session, error);
		return;
	}

	if (lines)
		session_alive(session);
	/* Input that was large once does not stay so. */
	if (!session->rx_len && session->rx_size > NLB_SESSION_RX_MIN) {
		session->rx_size = NLB_SESSION_RX_MIN;
		session->rx = XREALLOC(MTYPE_NLB_SESSION_RX, session->rx, session->rx_size);
	}
	event_add_read(master, session_read, session, session->fd, &session->t_read);
	nlb_session_flush(session);
}

static void session_read(struct event *event)
{
	session_input(EVENT_ARG(event));
}

void nlb_session_wait(struct nlb_session *session, int timeout_ms)
{
	struct pollfd pfd = { .fd = session->fd, .events = POLLIN };

	if (!session->tx_empty)
		pfd.events |= POLLOUT;
	if (poll(&pfd, 1, timeout_ms) <= 0)
		return;
	if (pfd.revents & POLLOUT)
		nlb_session_flush(session);
	/* The read event stays scheduled; when it comes round there may be nothing left to read. */
	if (pfd.revents & ~POLLOUT)
		session_input(session);
}

struct nlb_session *nlb_session_new(int fd, const struct nlb_session_ops *ops)
{
	struct nlb_session *session = XCALLOC(MTYPE_NLB_SESSION, sizeof(*session));

	session->ops = ops;
	session->fd = fd;
	session->since_us = nlb_now_us();
	session->rx_size = NLB_SESSION_RX_MIN;
	session->rx = XMALLOC(MTYPE_NLB_SESSION_RX, session->rx_size);
	session->tx = buffer_new(0);
	session->tx_empty = true;
	event_add_read(master, session_read, session, fd, &session->t_read);
	session_alive(session);
	return session;
}

void nlb_session_free(struct nlb_session *session, const char *error)
{
	char line[NLB_FEED_OUT_MAX];

	if (!session)
		return;

	if (error) {
		nlb_session_put(session, line, nlb_feed_print_error(line, sizeof(line), error));
		(void)buffer_flush_available(session->tx, session->fd);
	}
	EVENT_OFF(session->t_read);
	EVENT_OFF(session->t_write);
	EVENT_OFF(session->t_dead);
	close(session->fd);
	buffer_free(session->tx);
	XFREE(MTYPE_NLB_SESSION_RX, session->rx);
	XFREE(MTYPE_NLB_SESSION, session);
}
