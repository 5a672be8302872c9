// SPDX-License-Identifier: GPL-2.0-or-later
/* Counting and telling what a check found. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "maps_found.h"

const char *maps_found_kind_str(unsigned int kind)
{
	static const char *const names[] = {
#define NAME(name, text) [MSG_CHECK_##name] = text,
		MSG_CHECK_KINDS(NAME)
#undef NAME
	};

	return kind < ARRAY_SIZE(names) ? names[kind] : "?";
}

void maps_found_note(struct maps_found *f, enum msg_check_kind kind, int r, const char *fmt, ...)
{
	struct msg_check_count *count = &f->report.kinds[kind];
	char what[160];
	va_list ap;

	count->found++;
	if (r < 0)
		count->failed++;
	else
		count->repaired++;
	/* What stays wrong is said however much was before it. */
	if (f->lines++ >= MAPS_FOUND_LOGGED && r >= 0)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (r < 0)
		log_err("the maps are not as they should be, and could not be repaired",
			"kind=%s %s error=\"%s\"", maps_found_kind_str(kind), what, strerror(-r));
	else
		log_warning("the maps were not as they should be, repaired", "kind=%s %s",
			    maps_found_kind_str(kind), what);
}

struct msg_check_count maps_found_sum(const struct msg_check *report)
{
	struct msg_check_count sum = {};

	for (unsigned int i = 0; i < MSG_CHECK_COUNT; i++) {
		sum.looked += report->kinds[i].looked;
		sum.found += report->kinds[i].found;
		sum.repaired += report->kinds[i].repaired;
		sum.failed += report->kinds[i].failed;
	}
	return sum;
}

void maps_found_end(const struct maps_found *f)
{
	struct msg_check_count sum = maps_found_sum(&f->report);

	if (!sum.found)
		return;
	log_event(sum.failed ? LOG_ERR : LOG_NOTICE, "maps checked",
		  "looked=%" PRIu64 " found=%" PRIu64 " repaired=%" PRIu64 " failed=%" PRIu64
		  " ms=%" PRIu64,
		  sum.looked, sum.found, sum.repaired, sum.failed, f->report.took_ns / 1000000);
}
