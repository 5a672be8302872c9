// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The local API's server: libmicrohttpd without a thread of its own. It has an
 * epoll descriptor, which is one watch of our loop; connections are accepted
 * here, checked, and handed to it. A request is collected whole (its body has
 * a limit) and given to api_route(). One whose answer takes time is suspended
 * until api_resume(). Those that want the maps child's counters wait for
 * them together.
 */
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "api_int.h"
#include "api_listen.h"
#include "log.h"
#include "sbuf.h"

#define API_IDLE_S 30u
/* Of a connection; half of it is read at once. A batch is a megabyte and more. */
#define API_CONN_MEMORY (256u << 10)
#define API_STATS_MS	2000u

struct api_call {
	struct api *api;
	struct MHD_Connection *conn;
	struct sbuf body;
	size_t body_max;
	bool too_long;
	bool answered; /* resumed, with what is in req */
	struct api_request req;
	struct api_call *next, **link; /* among those that are suspended */
	enum api_result waits_for;     /* ... STATS, SAVED or WAIT */
};

struct api {
	struct parent *parent;
	struct MHD_Daemon *mhd;
	int listen_fd;
	struct loop_io listen_io, mhd_io;
	struct loop_timer mhd_timer, stats_timer;
	struct api_call *waiting;
	unsigned int n_for_stats;
	struct api_stats stats;
	uint64_t stats_seq;
};

static const char *const method_names[] = {
	[API_GET] = "GET",   [API_PUT] = "PUT",	      [API_PATCH] = "PATCH",
	[API_POST] = "POST", [API_DELETE] = "DELETE",
};

/* ---- answers ---- */

/* The body, for the caller to free; NULL: no memory. */
static char *answer_text(struct api_request *req, size_t *ret_len)
{
	*ret_len = 0;
	if (req->status == 304)
		return strdup("");
	if (!req->text.len || req->status >= 300)
		return jput_text(&req->out, ret_len);
	*ret_len = req->text.len;
	return TAKE_PTR(req->text.data);
}

static enum MHD_Result answer(struct api_call *call)
{
	struct api_request *req = &call->req;
	struct MHD_Response *resp;
	enum MHD_Result ok;
	char allow[64] = "";
	size_t len = 0;
	bool is_text = req->text.len && req->status < 300;
	char *text = answer_text(req, &len);

	if (!text) {
		api_error(req, 500, NULL, "out of memory");
		text = jput_text(&req->out, &len);
	}
	/* It frees text, unless it fails. */
	resp = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	if (!resp) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(resp, "Content-Type",
				is_text ? "text/plain; version=0.0.4; charset=utf-8"
					: "application/json");
	if (req->etag[0] && req->status < 400)
		MHD_add_response_header(resp, "ETag", req->etag);
	for (unsigned int m = 0; m < API_METHODS; m++)
		if (req->allow & 1u << m)
			snprintf(allow + strlen(allow), sizeof(allow) - strlen(allow), "%s%s",
				 allow[0] ? ", " : "", method_names[m]);
	if (allow[0])
		MHD_add_response_header(resp, "Allow", allow);
	ok = MHD_queue_response(call->conn, req->status, resp);
	MHD_destroy_response(resp);
	return ok;
}

/* ---- requests that wait ---- */

static void on_mhd_timer(struct loop_timer *t);

static void stop_waiting(struct api_call *call)
{
	if (!call->link)
		return;
	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
	call->link = NULL;
	call->api->n_for_stats -= call->waits_for == API_STATS;
}

static void start_waiting(struct api_call *call, enum api_result what)
{
	struct api *a = call->api;

	call->waits_for = what;
	a->n_for_stats += what == API_STATS;
	call->next = a->waiting;
	call->link = &a->waiting;
	if (call->next)
		call->next->link = &call->next;
	a->waiting = call;
	MHD_suspend_connection(call->conn);
}

static void resume(struct api_call *call)
{
	stop_waiting(call);
	call->answered = true;
	MHD_resume_connection(call->conn);
	/* The descriptor does not become readable by a resumption. */
	loop_timer_in(call->api->parent->loop, &call->api->mhd_timer, 0, on_mhd_timer);
}

void api_resume(struct api_request *req)
{
	resume(container_of(req, struct api_call, req));
}

/* The agent ends: nobody waits any more. */
static void resume_all(struct api *a)
{
	while (a->waiting) {
		struct api_call *call = a->waiting;

		if (call->waits_for == API_WAIT)
			call->req.cancel(&call->req);
		api_error(&call->req, 503, NULL, "the agent is ending");
		resume(call);
	}
}

void api_saved(struct api *a, int err)
{
	struct api_call *call, *next;

	for (call = a ? a->waiting : NULL; call; call = next) {
		next = call->next;
		if (call->waits_for != API_SAVED)
			continue;
		if (err < 0)
			api_error(&call->req, err == -ENOSPC || err == -EDQUOT ? 507 : 500, NULL,
				  "the change is in force, but could not be kept on disk: %s",
				  strerror(-err));
		resume(call);
	}
}

/* ---- counters ---- */

static void wake_for_stats(struct api *a, bool ok)
{
	struct api_call *call, *next;

	loop_timer_del(a->parent->loop, &a->stats_timer);
	for (call = a->waiting; call; call = next) {
		next = call->next;
		if (call->waits_for != API_STATS)
			continue;
		if (call->req.on_stats)
			call->req.on_stats(&call->req, ok ? a->stats.doc.root : NULL);
		else if (ok)
			jput_share(&call->req.out, &a->stats.doc);
		else
			api_error(&call->req, 504, NULL, "the maps child does not answer");
		resume(call);
	}
	jput_done(&a->stats.doc);
}

static void on_stats_late(struct loop_timer *t)
{
	struct api *a = container_of(t, struct api, stats_timer);

	a->stats_seq++;
	wake_for_stats(a, false);
}

static void wait_for_stats(struct api_call *call)
{
	struct api *a = call->api;
	struct msg_batch msg;

	if (!a->n_for_stats) {
		msg.seq = ++a->stats_seq;
		ipc_send(a->parent->maps, MSG_MAPS_STATS_GET, &msg, sizeof(msg));
		loop_timer_in(a->parent->loop, &a->stats_timer, API_STATS_MS, on_stats_late);
	}
	start_waiting(call, API_STATS);
}

void api_stats(struct api *a, uint16_t type, const void *data, size_t len)
{
	const struct msg_batch *end = data;

	if (!a || !a->n_for_stats)
		return;
	if (!api_stats_add(&a->stats, type, data, len))
		return;
	if (len == sizeof(*end) && end->seq == a->stats_seq) {
		wake_for_stats(a, true);
		return;
	}
	/* An answer that came too late for those who had asked. */
	jput_done(&a->stats.doc);
}

/* ---- requests ---- */

static enum api_method method_parse(const char *name)
{
	if (strcmp(name, "HEAD") == 0)
		return API_GET;
	for (unsigned int m = 0; m < API_METHODS; m++)
		if (strcmp(name, method_names[m]) == 0)
			return (enum api_method)m;
	return API_OTHER;
}

static enum MHD_Result on_arg(void *user, enum MHD_ValueKind kind _unused_, const char *name,
			      const char *value)
{
	struct api_request *req = user;

	if (req->n_args == API_ARGS_MAX)
		return MHD_NO;
	req->args[req->n_args++] = (struct api_arg){.name = name, .value = value ? value : ""};
	return MHD_YES;
}

static const char *header(struct api_call *call, const char *name)
{
	return MHD_lookup_connection_value(call->conn, MHD_HEADER_KIND, name);
}

static enum MHD_Result run_call(struct api_call *call, const char *url, const char *method)
{
	_cleanup_free_ char *path = strdup(url);
	struct api_request *req = &call->req;
	enum api_result result = API_DONE;

	req->parent = call->api->parent;
	req->body = call->body.data ? call->body.data : "";
	req->body_len = call->body.len;
	if (!path)
		return MHD_NO;
	req->method = method_parse(method);
	req->if_match = header(call, MHD_HTTP_HEADER_IF_MATCH);
	req->if_none_match = header(call, MHD_HTTP_HEADER_IF_NONE_MATCH);
	req->content_type = header(call, MHD_HTTP_HEADER_CONTENT_TYPE);
	if (call->too_long) {
		api_error(req, 413, NULL, "the body is longer than %zu bytes", call->body_max);
	} else if (!sbuf_ok(&call->body)) {
		api_error(req, 503, NULL, "out of memory");
	} else {
		MHD_get_connection_values(call->conn, MHD_GET_ARGUMENT_KIND, on_arg, req);
		result = api_route(req, path);
	}
	if (result == API_DONE)
		return answer(call);
	if (result == API_STATS)
		wait_for_stats(call);
	else
		start_waiting(call, result);
	return MHD_YES;
}

static struct api_call *call_new(struct api *a, struct MHD_Connection *conn)
{
	struct api_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->api = a;
	call->conn = conn;
	return call;
}

/* By its Content-Length: then it need not be read. */
static bool announces_too_much(struct api_call *call)
{
	const char *text = header(call, MHD_HTTP_HEADER_CONTENT_LENGTH);

	/* The server has checked that it is a number. */
	call->too_long = text && strtoull(text, NULL, 10) > call->body_max;
	return call->too_long;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *conn, const char *url,
				  const char *method, const char *version _unused_,
				  const char *data, size_t *len, void **state)
{
	struct api_call *call = *state;

	if (!call) {
		call = call_new(user, conn);
		*state = call;
		if (!call)
			return MHD_NO;
		call->body_max = api_body_max(url);
		return announces_too_much(call) ? run_call(call, url, method) : MHD_YES;
	}
	if (call->answered)
		return answer(call);
	if (*len) {
		/* The rest is read and dropped: the client gets its answer after it. */
		if (call->body.len + *len > call->body_max)
			call->too_long = true;
		else
			sbuf_add(&call->body, data, *len);
		*len = 0;
		return MHD_YES;
	}
	return run_call(call, url, method);
}

static void on_completed(void *user _unused_, struct MHD_Connection *conn _unused_, void **state,
			 enum MHD_RequestTerminationCode how _unused_)
{
	struct api_call *call = *state;

	if (!call)
		return;
	if (call->link && call->waits_for == API_WAIT)
		call->req.cancel(&call->req);
	stop_waiting(call);
	sbuf_done(&call->body);
	jput_done(&call->req.out);
	sbuf_done(&call->req.text);
	json_object_put(call->req.doc);
	free(call);
	*state = NULL;
}

/* ---- libmicrohttpd on our loop ---- */

static void api_work(struct api *a);

static void on_mhd_timer(struct loop_timer *t)
{
	api_work(container_of(t, struct api, mhd_timer));
}

static void on_mhd_io(struct loop_io *io, uint32_t events _unused_)
{
	api_work(container_of(io, struct api, mhd_io));
}

static void api_work(struct api *a)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(a->mhd);
	if (MHD_get_timeout(a->mhd, &ms) == MHD_YES)
		loop_timer_in(a->parent->loop, &a->mhd_timer, ms, on_mhd_timer);
	else
		loop_timer_del(a->parent->loop, &a->mhd_timer);
}

static void on_connect(struct loop_io *io, uint32_t events _unused_)
{
	struct api *a = container_of(io, struct api, listen_io);
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	for (;;) {
		int fd = accept4(a->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			break;
		if (!api_peer_allowed(fd, a->parent->cfg)) {
			close(fd);
			continue;
		}
		/* It closes fd when it does not want it. */
		MHD_add_connection(a->mhd, fd, (struct sockaddr *)&sun, sizeof(sa_family_t));
	}
	api_work(a);
}

static void on_mhd_log(void *user _unused_, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
static void on_mhd_log(void *user _unused_, const char *fmt, va_list ap)
{
	char text[256];

	if (!log_enabled(LOG_DEBUG))
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	log_debug("local API", "message=\"%s\"", text);
}

int api_new(struct parent *p, int listen_fd, struct api **ret)
{
	const union MHD_DaemonInfo *info;
	struct api *a;
	int r;

	if (listen_fd < 0)
		return 0;
	a = calloc(1, sizeof(*a));
	if (!a) {
		close(listen_fd);
		return -ENOMEM;
	}
	a->parent = p;
	a->listen_fd = listen_fd;
	a->listen_io = a->mhd_io = LOOP_IO_INIT;
	a->mhd = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
			MHD_USE_ERROR_LOG,
		0, NULL, NULL, on_request, a, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
		API_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)API_CONN_MEMORY,
		MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)API_CONN_MEMORY / 2,
		MHD_OPTION_CONNECTION_TIMEOUT, API_IDLE_S, MHD_OPTION_END);
	info = a->mhd ? MHD_get_daemon_info(a->mhd, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	r = info ? 0 : -EIO;
	if (r == 0)
		r = loop_io_add(p->loop, &a->mhd_io, info->epoll_fd, EPOLLIN, on_mhd_io);
	if (r == 0)
		r = loop_io_add(p->loop, &a->listen_io, listen_fd, EPOLLIN, on_connect);
	if (r < 0) {
		api_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void api_free(struct api *a)
{
	struct loop *l;

	if (!a)
		return;
	l = a->parent->loop;
	resume_all(a);
	loop_io_del(l, &a->listen_io);
	loop_io_del(l, &a->mhd_io);
	loop_timer_del(l, &a->mhd_timer);
	loop_timer_del(l, &a->stats_timer);
	if (a->mhd)
		MHD_stop_daemon(a->mhd);
	close(a->listen_fd);
	jput_done(&a->stats.doc);
	free(a);
}
