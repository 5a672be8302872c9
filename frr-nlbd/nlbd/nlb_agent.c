// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The agent's side of nlbd.
 *
 * Connections wait on a list until their hello; the one that said it last is `active`, and an
 * older one is ended (newest session wins: an agent that was restarted need not wait for the
 * death of its predecessor to be noticed). When the active session ends, the hold timer runs. It
 * is stopped by the end of a sync and by nothing less, so that an agent that connects and crashes
 * over and over cannot keep stale routes for ever; a session that is up when it fires gets a grace
 * for its sync.
 *
 * The socket is 0660. Beyond what its mode lets in, a peer must be root, nlbd's own user, or in
 * the socket's group (SO_PEERCRED, SO_PEERGROUPS).
 */

#include <zebra.h>

#include <sys/stat.h>
#include <sys/un.h>

#include "libfrr.h"
#include "memory.h"
#include "network.h"

#include "nlbd/nlb_agent.h"
#include "nlbd/nlb_ask.h"
#include "nlbd/nlb_debug.h"
#include "nlbd/nlb_memory.h"

DEFINE_MTYPE_STATIC(NLBD, NLB_PEER_GROUPS, "NLB agent peer groups");

#define NLB_AGENT_BACKLOG	 8
#define NLB_AGENT_WAITING_MAX	 8
#define NLB_AGENT_LISTEN_RETRY_S 5
#define NLB_AGENT_TX_BURST	 (64 * 1024)

DECLARE_DLIST(nlb_sessions, struct nlb_session, item);

static struct nlb_agent {
	struct nlb *nlb;

	/* Listener. path is what is bound, with the file's identity, to remove just that. */
	int fd;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	dev_t dev;
	ino_t ino;
	gid_t gid;
	char listen_error[160];
	struct event *t_accept;
	struct event *t_listen;

	struct nlb_sessions_head waiting; /* no hello yet, oldest first */
	struct nlb_session *active;

	/* Hold-time. */
	struct event *t_hold;
	int64_t lost_us; /* monotonic; when the active session was lost */
	bool grace_used;

	struct event *t_reports;

	uint64_t sessions, takeovers, losses, refused, syncs;
	char last_error[NLB_FEED_ERR_MAX];
} agent = { .fd = -1 };

/*
 * Hold-time
 */

static void agent_hold_expired(struct event *event)
{
	/* There is an agent again, but its sync has not ended (that would have stopped the timer). */
	if (agent.active && !agent.grace_used) {
		agent.grace_used = true;
		event_add_timer(master, agent_hold_expired, NULL, NLB_AGENT_SYNC_GRACE_S,
				&agent.t_hold);
		return;
	}
	zlog_warn("agent lost for longer than the hold-time of %u s: withdrawing all VIPs",
		  agent.nlb->cfg.hold_time_s);
	nlb_hold_expired(agent.nlb);
}

/* (Re)start the hold timer so that it fires hold-time after the loss. */
static void agent_hold_start(void)
{
	int64_t left_ms =
		agent.nlb->cfg.hold_time_s * 1000LL - (nlb_now_us() - agent.lost_us) / 1000;

	EVENT_OFF(agent.t_hold);
	event_add_timer_msec(master, agent_hold_expired, NULL, MAX(left_ms, 0), &agent.t_hold);
}

/* The active session is over, for whatever reason. Routes stay for hold-time. */
static void agent_lost(const char *why)
{
	agent.active = NULL;
	agent.losses++;
	strlcpy(agent.last_error, why, sizeof(agent.last_error));
	nlb_session_lost(agent.nlb);

	/* A loss while already holding does not prolong the hold. */
	if (event_is_scheduled(agent.t_hold) || agent.nlb->agent_lost || !agent.nlb->synced)
		return;
	agent.lost_us = nlb_now_us();
	agent.grace_used = false;
	agent_hold_start();
}

/*
 * Messages
 */

/* Lines for the agent, up to a bound; the rest when these are written. */
static void agent_put_reports(struct nlb_session *session)
{
	char line[NLB_FEED_OUT_MAX];
	struct nlb_report report;
	size_t put = 0;

	while (put < NLB_AGENT_TX_BURST && nlb_report_pop(agent.nlb, &report)) {
		size_t len = nlb_feed_print_route(line, sizeof(line), &report.prefix, report.state,
						  report.reason);

		nlb_session_put(session, line, len);
		put += len;
	}
}

static void agent_reports(struct event *event)
{
	if (!agent.active) {
		nlb_report_drop(agent.nlb);
		return;
	}
	/* Busy: nlb_session's writable callback comes back to it. */
	if (!nlb_session_idle(agent.active))
		return;
	agent_put_reports(agent.active);
	nlb_session_flush(agent.active);
}

void nlb_agent_reports_queued(void)
{
	event_add_event(master, agent_reports, NULL, 0, &agent.t_reports);
}

static void agent_writable(struct nlb_session *session)
{
	if (session == agent.active)
		agent_put_reports(session);
}

static const char *agent_hello(struct nlb_session *session, const struct nlb_feed_msg *msg)
{
	char line[NLB_FEED_OUT_MAX];

	if (session->greeted)
		return "second hello";
	if (msg->hello.version != NLB_FEED_VERSION)
		return "unsupported version, this is version 1";

	nlb_sessions_del(&agent.waiting, session);
	if (agent.active) {
		struct nlb_session *old = agent.active;

		zlog_notice("agent %s (pid %d) takes over from %s (pid %d)", msg->hello.instance,
			    (int)session->pid, old->instance, (int)old->pid);
		agent.takeovers++;
		agent_lost("replaced by a newer session");
		nlb_session_free(old, "replaced by a newer session");
	}

	agent.active = session;
	agent.sessions++;
	session->greeted = true;
	session->since_us = nlb_now_us();
	strlcpy(session->instance, msg->hello.instance, sizeof(session->instance));
	strlcpy(session->node, msg->hello.node, sizeof(session->node));
	zlog_notice("agent %s of node \"%s\" (pid %d) connected", session->instance, session->node,
		    (int)session->pid);
	nlb_session_put(session, line, nlb_feed_print_hello(line, sizeof(line)));
	return NULL;
}

static void agent_vip(struct nlb_session *session, struct nlb_feed_vip *feed)
{
	char line[NLB_FEED_OUT_MAX];

	DEBUGD(&nlb_dbg_agent, "agent: vip %pFX enabled %u/%u ready %d tag %u revision %" PRIu64,
	       &feed->prefix, feed->enabled, feed->total, feed->ready, feed->tag, feed->revision);
	if (nlb_vip_update(agent.nlb, feed) == 0)
		return;

	zlog_warn("VIP %pFX refused: the table is full (%u VIPs)", &feed->prefix, NLB_VIPS_MAX);
	/* Bounded like all output: an agent that does not read does not hear of it. */
	if (nlb_session_idle(session))
		nlb_session_put(session, line,
				nlb_feed_print_route(line, sizeof(line), &feed->prefix, "refused",
						     "too many VIPs"));
}

static const char *agent_message(struct nlb_session *session, struct nlb_feed_msg *msg)
{
	if (msg->type == NLB_FEED_HELLO)
		return agent_hello(session, msg);
	if (!session->greeted)
		return "hello expected";

	/* VIPs without a set around them would be nobody's when the session ends. */
	if ((msg->type == NLB_FEED_VIP || msg->type == NLB_FEED_GONE) && !session->synced &&
	    !agent.nlb->syncing)
		return "sync expected before the first VIP";

	switch (msg->type) {
	case NLB_FEED_SYNC:
		DEBUGD(&nlb_dbg_agent, "agent: sync %s", msg->sync_begin ? "begin" : "end");
		if (msg->sync_begin) {
			nlb_sync_begin(agent.nlb);
			break;
		}
		if (!agent.nlb->syncing)
			return "sync end without a begin";
		EVENT_OFF(agent.t_hold);
		agent.syncs++;
		session->synced = true;
		nlb_sync_end(agent.nlb);
		break;
	case NLB_FEED_VIP:
		agent_vip(session, &msg->vip);
		break;
	case NLB_FEED_GONE:
		DEBUGD(&nlb_dbg_agent, "agent: gone %pFX", &msg->gone);
		nlb_vip_gone(agent.nlb, &msg->gone);
		break;
	case NLB_FEED_DATAPLANE:
		if (agent.nlb->dataplane !=
		    (msg->dataplane_ok ? NLB_DATAPLANE_OK : NLB_DATAPLANE_DOWN))
			zlog_notice("agent reports its data plane %s",
				    msg->dataplane_ok ? "ok" : "down");
		nlb_dataplane_set(agent.nlb, msg->dataplane_ok);
		break;
	case NLB_FEED_ANSWER:
		nlb_ask_answered(msg->answer.id, msg->answer.body);
		break;
	case NLB_FEED_UNKNOWN:
	case NLB_FEED_HELLO:
	case NLB_FEED_HEARTBEAT:
		break;
	}
	return NULL;
}

static void agent_ended(struct nlb_session *session, const char *error)
{
	if (session == agent.active) {
		zlog_warn("session of agent %s (pid %d) ended: %s; its routes stay for %u s",
			  session->instance, (int)session->pid, error, agent.nlb->cfg.hold_time_s);
		agent_lost(error);
		return;
	}
	nlb_sessions_del(&agent.waiting, session);
	agent.refused++;
	strlcpy(agent.last_error, error, sizeof(agent.last_error));
	zlog_info("connection of pid %d ended before its hello: %s", (int)session->pid, error);
}

static const struct nlb_session_ops agent_session_ops = {
	.message = agent_message,
	.writable = agent_writable,
	.ended = agent_ended,
};

/*
 * Connections
 */

/* Is the peer in the socket's group, by its primary or a supplementary one? */
static bool agent_peer_in_group(int fd, const struct ucred *cred)
{
	bool found = cred->gid == agent.gid;
	socklen_t len = 0;
	gid_t *groups;

	/* The first call only asks for the size. */
	if (found || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE)
		return found;

	groups = XMALLOC(MTYPE_NLB_PEER_GROUPS, len);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0)
		for (size_t i = 0; i < len / sizeof(*groups); i++)
			found = found || groups[i] == agent.gid;
	XFREE(MTYPE_NLB_PEER_GROUPS, groups);
	return found;
}

static void agent_accept(struct event *event)
{
	struct nlb_session *session;
	struct ucred cred = {};
	socklen_t len = sizeof(cred);
	int fd;

	event_add_read(master, agent_accept, NULL, agent.fd, &agent.t_accept);

	fd = accept4(agent.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
	    (cred.uid != 0 && cred.uid != geteuid() && !agent_peer_in_group(fd, &cred))) {
		agent.refused++;
		zlog_warn(
			"connection of pid %d, uid %u refused: neither root, nor nlbd's user, nor in the socket's group",
			(int)cred.pid, (unsigned int)cred.uid);
		close(fd);
		return;
	}

	/* Those that connect and say nothing make room, the oldest first. */
	if (nlb_sessions_count(&agent.waiting) >= NLB_AGENT_WAITING_MAX) {
		agent.refused++;
		nlb_session_free(nlb_sessions_pop(&agent.waiting), "too many connections");
	}

	session = nlb_session_new(fd, &agent_session_ops);
	session->pid = cred.pid;
	session->uid = cred.uid;
	nlb_sessions_add_tail(&agent.waiting, session);
}

/* End all sessions. */
static void agent_disconnect(const char *why)
{
	struct nlb_session *session;

	while ((session = nlb_sessions_pop(&agent.waiting)))
		nlb_session_free(session, why);
	if (agent.active) {
		session = agent.active;
		agent_lost(why);
		nlb_session_free(session, why);
	}
}

/*
 * Listener
 */

static void agent_unlisten(void)
{
	struct stat st;

	EVENT_OFF(agent.t_listen);
	EVENT_OFF(agent.t_accept);
	if (agent.fd < 0)
		return;
	close(agent.fd);
	agent.fd = -1;
	if (stat(agent.path, &st) == 0 && st.st_dev == agent.dev && st.st_ino == agent.ino)
		unlink(agent.path);
	agent.path[0] = '\0';
}

/* Remove a socket that nobody listens on any more. 0, or -errno with the file left alone. */
static int agent_unlink_stale(const struct sockaddr_un *sun)
{
	struct stat st;
	int fd, ret;

	if (lstat(sun->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ret = connect(fd, (const struct sockaddr *)sun, sizeof(*sun));
	if (ret < 0)
		ret = -errno;
	close(fd);
	if (ret != -ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(sun->sun_path) < 0 ? -errno : 0;
}

static int agent_bind(int fd, const struct sockaddr_un *sun)
{
	struct stat st;
	mode_t old;
	int ret;

	ret = agent_unlink_stale(sun);
	if (ret < 0)
		return ret;

	/* The mode is right from the first moment. */
	old = umask(0117);
	ret = bind(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ? -errno : 0;
	umask(old);
	if (ret < 0)
		return ret;
	if (listen(fd, NLB_AGENT_BACKLOG) < 0 || stat(sun->sun_path, &st) < 0)
		return -errno;

	agent.dev = st.st_dev;
	agent.ino = st.st_ino;
	agent.gid = st.st_gid;
	return 0;
}

static void agent_listen(struct event *event)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, ret;

	strlcpy(sun.sun_path, agent.nlb->cfg.socket, sizeof(sun.sun_path));

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ret = fd < 0 ? -errno : agent_bind(fd, &sun);
	if (ret < 0) {
		const char *error = safe_strerror(-ret);

		if (fd >= 0)
			close(fd);
		if (!strmatch(error, agent.listen_error))
			zlog_err("cannot listen for the agent on %s: %s; trying again every %u s",
				 sun.sun_path, error, NLB_AGENT_LISTEN_RETRY_S);
		strlcpy(agent.listen_error, error, sizeof(agent.listen_error));
		event_add_timer(master, agent_listen, NULL, NLB_AGENT_LISTEN_RETRY_S,
				&agent.t_listen);
		return;
	}

	agent.fd = fd;
	agent.listen_error[0] = '\0';
	strlcpy(agent.path, sun.sun_path, sizeof(agent.path));
	event_add_read(master, agent_accept, NULL, fd, &agent.t_accept);
	zlog_info("listening for the agent on %s", agent.path);
}

void nlb_agent_config_changed(void)
{
	const struct nlb_config *cfg = &agent.nlb->cfg;

	if (!cfg->configured) {
		agent_unlisten();
		agent_disconnect("nlb is not configured any more");
		EVENT_OFF(agent.t_hold);
		agent.listen_error[0] = '\0';
		return;
	}

	if (agent.fd >= 0 && !strmatch(agent.path, cfg->socket)) {
		agent_unlisten();
		agent_disconnect("the socket has moved");
	}
	if (agent.fd < 0) {
		EVENT_OFF(agent.t_listen);
		agent_listen(NULL);
	}
	if (event_is_scheduled(agent.t_hold) && !agent.grace_used)
		agent_hold_start();
}

struct nlb_session *nlb_agent_session(void)
{
	return agent.active;
}

void nlb_agent_status(struct nlb_agent_status *ret_status)
{
	*ret_status = (struct nlb_agent_status){
		.listening = agent.fd >= 0,
		.listen_error = agent.listen_error[0] ? agent.listen_error : NULL,
		.session = agent.active,
		.holding = event_is_scheduled(agent.t_hold),
		.sessions = agent.sessions,
		.takeovers = agent.takeovers,
		.losses = agent.losses,
		.refused = agent.refused,
		.syncs = agent.syncs,
		.last_error = agent.last_error,
	};
	if (ret_status->holding)
		ret_status->hold_left_s = event_timer_remain_second(agent.t_hold);
}

void nlb_agent_init(struct nlb *nlb)
{
	agent.nlb = nlb;
	nlb_sessions_init(&agent.waiting);
}

void nlb_agent_done(void)
{
	agent_unlisten();
	agent_disconnect("nlbd is stopping");
	EVENT_OFF(agent.t_hold);
	EVENT_OFF(agent.t_reports);
	nlb_sessions_fini(&agent.waiting);
}
