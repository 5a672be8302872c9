// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The maps over the local API: what of their room is taken, what checks found, and a check on
 * demand. The maps child does the work; a request waits for it.
 */
#include <string.h>

#include "api_int.h"
#include "maps_found.h"
#include "maps_usage.h"

static void reset(struct api_request *req)
{
	jput_done(&req->out);
	req->status = 200;
}

static void cancel(struct api_request *req)
{
	mapcheck_cancel(&req->check);
}

static void write_sum(const struct msg_check_count *n, struct jput b)
{
	jput_u64(b, "looked", n->looked);
	jput_u64(b, "found", n->found);
	jput_u64(b, "repaired", n->repaired);
	jput_u64(b, "failed", n->failed);
}

/* Sums, and each kind with its own. */
static void write_report(const struct msg_check *report, struct jput b)
{
	struct msg_check_count sum = maps_found_sum(report);
	struct jput kinds;

	write_sum(&sum, b);
	jput_u64(b, "took_us", report->took_ns / 1000);
	jput_u64(b, "busy_us", report->busy_ns / 1000);
	kinds = jput_object(b, "kinds");
	for (unsigned int i = 0; i < MSG_CHECK_COUNT; i++)
		write_sum(&report->kinds[i], jput_object(kinds, maps_found_kind_str(i)));
}

static void write_checks(const struct mapcheck *m, struct jput b)
{
	struct jput last;

	jput_u64(b, "interval_s", m->interval_s);
	jput_bool(b, "running", m->running);
	jput_u64(b, "runs", m->n_checks);
	jput_u64(b, "lost", m->n_lost);
	if (m->n_checks) {
		last = jput_object(b, "last");
		jput_u64(last, "age_s", (util_now_ns() - m->last_ns) / 1000000000);
		write_report(&m->last, last);
	}
	write_report(&m->total, jput_object(b, "total"));
}

static void write_usage(const struct msg_usage *usage, struct jput b)
{
	for (unsigned int i = 0; i < MSG_USAGE_COUNT; i++) {
		const struct msg_usage_count *n = &usage->kinds[i];
		struct jput kind = jput_object(b, maps_usage_kind_str(i));

		if (i != MSG_USAGE_OTHER) {
			jput_u64(kind, "used", n->used);
			jput_u64(kind, "retired", n->retired);
			jput_u64(kind, "max", n->max);
		}
		jput_u64(kind, "bytes", n->bytes);
	}
}

static void write_memory(const struct msg_usage *usage, struct jput b)
{
	uint64_t rss, shared, maps = 0;

	for (unsigned int i = 0; i < MSG_USAGE_COUNT; i++)
		maps += usage->kinds[i].bytes;
	maps_usage_memory(&rss, &shared);
	jput_u64(b, "maps", maps);
	jput_u64(b, "kept_rings", usage->kept);
	jput_u64(b, "maps_process", usage->rss);
	jput_u64(b, "maps_process_shared", usage->shared);
	jput_u64(b, "parent_process", rss);
	jput_u64(b, "parent_process_shared", shared);
}

static void on_usage(struct mapcheck_wait *w, const struct msg_check *report _unused_,
		     const struct msg_usage *usage)
{
	struct api_request *req = container_of(w, struct api_request, check);
	struct jput b;

	reset(req);
	if (usage) {
		b = jput_begin(&req->out);
		write_usage(usage, jput_object(b, "usage"));
		write_memory(usage, jput_object(b, "memory"));
		write_checks(&req->parent->mapcheck, jput_object(b, "check"));
	} else {
		api_error(req, 504, NULL, "the maps child does not answer");
	}
	api_resume(req);
}

static void on_checked(struct mapcheck_wait *w, const struct msg_check *report,
		       const struct msg_usage *usage _unused_)
{
	struct api_request *req = container_of(w, struct api_request, check);

	reset(req);
	if (report)
		write_report(report, jput_begin(&req->out));
	else
		api_error(req, 504, NULL, "the maps child does not answer");
	api_resume(req);
}

static enum api_result begin(struct api_request *req,
			     int (*start)(struct mapcheck *m, struct mapcheck_wait *w,
					  void (*done)(struct mapcheck_wait *w,
						       const struct msg_check *report,
						       const struct msg_usage *usage)),
			     void (*done)(struct mapcheck_wait *w, const struct msg_check *report,
					  const struct msg_usage *usage))
{
	if (!core_maps_ready(req->parent->core))
		return api_error(req, 503, NULL, "the data plane is starting");
	req->cancel = cancel;
	if (start(&req->parent->mapcheck, &req->check, done) < 0)
		return api_error(req, 500, NULL, "out of memory");
	return API_WAIT;
}

enum api_result api_get_maps(struct api_request *req)
{
	return begin(req, mapcheck_usage, on_usage);
}

enum api_result api_post_maps_check(struct api_request *req)
{
	return begin(req, mapcheck_run, on_checked);
}
