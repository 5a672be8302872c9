// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What both kinds of scheduler have in common: when to fetch and to report,
 * pauses that grow after errors (with jitter, so that the nodes of a site do
 * not come back in step), and one line in the log when it starts or stops to
 * work. An error never touches what runs.
 */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "scheduler_int.h"

static uint64_t jittered(uint32_t ms)
{
	return ms + util_now_ns() / 1000 % (ms / 4 + 1);
}

static void on_fetch_timer(struct loop_timer *t)
{
	struct scheduler *s = container_of(t, struct scheduler, fetch_timer);

	s->kind->fetch(s);
}

static void on_report_timer(struct loop_timer *t)
{
	struct scheduler *s = container_of(t, struct scheduler, report_timer);
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (s->report_busy)
		return;
	s->report_wanted = false;
	s->report_busy = true;
	s->ops->report(s->user, jput_begin(&doc));
	text = jput_text(&doc, &len);
	if (text)
		s->kind->report(s, text, len);
	else
		scheduler_reported(s, "out of memory");
}

int scheduler_document(struct scheduler *s, const char *json, size_t len)
{
	char err[200] = "";
	uint64_t revision = 0;
	int r;

	r = s->ops->document(s->user, json, len, &revision, err, sizeof(err));
	if (r < 0) {
		snprintf(s->error, sizeof(s->error), "VIP list refused: %s",
			 err[0] ? err : strerror(-r));
		return -EINVAL;
	}
	s->revision = revision;
	return 0;
}

void scheduler_fetched(struct scheduler *s, const char *error, uint64_t next_ms)
{
	if (error != s->error)
		snprintf(s->error, sizeof(s->error), "%s", error);
	if (!error[0]) {
		if (!s->ok)
			log_notice("scheduler", "url=%s state=ok", s->cfg->sched_url);
		s->fetches++;
		s->retry_ms = s->cfg->sched_retry_ms;
		s->logged[0] = '\0';
	} else {
		if (strcmp(s->error, s->logged) != 0)
			log_err("scheduler",
				"url=%s reason=\"%s\" action=\"what runs keeps running\"",
				s->cfg->sched_url, s->error);
		memcpy(s->logged, s->error, sizeof(s->logged));
		s->failures++;
		next_ms = jittered(s->retry_ms);
		s->retry_ms = MIN2(s->retry_ms * 2, SCHEDULER_RETRY_MAX_MS);
	}
	s->ok = !error[0];
	if (next_ms != UINT64_MAX)
		loop_timer_in(s->loop, &s->fetch_timer, next_ms, on_fetch_timer);
	else
		loop_timer_del(s->loop, &s->fetch_timer);
}

void scheduler_reported(struct scheduler *s, const char *error)
{
	uint64_t pause = SCHEDULER_REPORT_GAP_MS;

	s->report_busy = false;
	if (!error[0]) {
		s->reports++;
		s->report_retry_ms = s->cfg->sched_retry_ms;
		s->ops->reported(s->user);
	} else {
		log_warning("status not delivered", "url=%s reason=\"%s\" retry_ms=%u",
			    s->cfg->sched_url, error, s->report_retry_ms);
		s->report_wanted = true;
		pause = jittered(s->report_retry_ms);
		s->report_retry_ms = MIN2(s->report_retry_ms * 2, SCHEDULER_RETRY_MAX_MS);
	}
	if (s->report_wanted)
		loop_timer_in(s->loop, &s->report_timer, pause, on_report_timer);
}

void scheduler_report(struct scheduler *s)
{
	if (s->report_wanted)
		return;
	s->report_wanted = true;
	if (!s->report_busy && !s->report_timer.pos)
		loop_timer_in(s->loop, &s->report_timer, SCHEDULER_REPORT_GAP_MS, on_report_timer);
}

void scheduler_refresh(struct scheduler *s)
{
	loop_timer_in(s->loop, &s->fetch_timer, 0, on_fetch_timer);
}

void scheduler_info_get(const struct scheduler *s, struct scheduler_info *ret)
{
	*ret = (struct scheduler_info){
		.ok = s->ok,
		.error = s->ok ? "" : s->error,
		.fetches = s->fetches,
		.failures = s->failures,
		.reports = s->reports,
	};
}

int scheduler_new(struct loop *l, const struct config *cfg, const struct scheduler_ops *ops,
		  void *user, struct scheduler **ret)
{
	struct scheduler *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->loop = l;
	s->cfg = cfg;
	s->ops = ops;
	s->user = user;
	s->retry_ms = s->report_retry_ms = cfg->sched_retry_ms;
	snprintf(s->error, sizeof(s->error), "not asked yet");
	s->kind = strncmp(cfg->sched_url, "file:", 5) == 0 ? &scheduler_file_kind
							   : &scheduler_http_kind;
	r = s->kind->start(s);
	if (r == 0)
		r = loop_timer_in(l, &s->fetch_timer, 0, on_fetch_timer);
	if (r < 0) {
		scheduler_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void scheduler_free(struct scheduler *s)
{
	if (!s)
		return;
	s->kind->stop(s);
	loop_timer_del(s->loop, &s->fetch_timer);
	loop_timer_del(s->loop, &s->report_timer);
	free(s);
}
