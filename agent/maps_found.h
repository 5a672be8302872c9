/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a check of the maps finds: counted by kind, and said in the log, the first
 * MAPS_FOUND_LOGGED of a check in a line each.
 */
#ifndef NLB_AGENT_MAPS_FOUND_H
#define NLB_AGENT_MAPS_FOUND_H

#include "msg.h"
#include "util.h"

#define MAPS_FOUND_LOGGED 20u

struct maps_found {
	struct msg_check report;
	uint32_t lines;
};

/* "vips"; for numbers that are no kind, "?". */
const char *maps_found_kind_str(unsigned int kind);

/* One more thing was looked at. */
static inline void maps_found_looked(struct maps_found *f, enum msg_check_kind kind)
{
	f->report.kinds[kind].looked++;
}

/*
 * It was not as it should be, and r is what became of it: 0 or above: it is right now;
 * -errno: it is not. fmt says what, in logfmt.
 */
void maps_found_note(struct maps_found *f, enum msg_check_kind kind, int r, const char *fmt, ...)
	_printf_(4, 5);

/* Sums over all kinds. */
struct msg_check_count maps_found_sum(const struct msg_check *report);

/* The check is over: if it found something, one line says how much. */
void maps_found_end(const struct maps_found *f);

#endif
