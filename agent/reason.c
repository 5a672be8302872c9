// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tables made from the lists in xdp/nlb_shared.h, so that a reason that is
 * added there has its name here.
 */
#include <errno.h>
#include <string.h>

#include "reason.h"
#include "util.h"
#include "xdp/nlb_shared.h"

enum verdict { TX, PASS, DROP, REPLY, TELL };

static const struct {
	const char *name;
	enum verdict verdict;
} reasons[] = {
#define REASON_ENTRY(name, text, kind) {text, kind},
	NLB_REASONS(REASON_ENTRY)
#undef REASON_ENTRY
};

static const char *const events[] = {
#define REASON_EVENT(name, text) text,
	NLB_EVENTS(REASON_EVENT)
#undef REASON_EVENT
};

const char *reason_str(uint32_t reason)
{
	return reason < ARRAY_SIZE(reasons) ? reasons[reason].name : "unknown";
}

const char *reason_event_str(uint32_t event)
{
	return event < ARRAY_SIZE(events) ? events[event] : "unknown";
}

int reason_parse(const char *name, uint32_t *ret)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (strcmp(name, reasons[i].name) == 0) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *reason_verdict_str(uint32_t reason)
{
	static const char *const names[] = {
		[TX] = "sent",	      [PASS] = "passed",      [DROP] = "dropped",
		[REPLY] = "answered", [TELL] = "sender told",
	};

	return reason < ARRAY_SIZE(reasons) ? names[reasons[reason].verdict] : "unknown";
}

const char *reason_mode_str(uint32_t mode)
{
	static const char *const names[] = {"stable", "recent", "linger"};

	return mode < ARRAY_SIZE(names) ? names[mode] : "unknown";
}
