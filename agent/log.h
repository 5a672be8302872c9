/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Structured logs, one line an event, in logfmt on standard error (which is
 * the journal under systemd):
 *
 *   time=2026-11-23T15:00:00.123Z level=info proc=parent msg="vip ready" vip=192.0.2.1
 *
 * Only the place that decides what to do about an error logs it; lower layers
 * return -errno.
 */
#ifndef NLB_AGENT_LOG_H
#define NLB_AGENT_LOG_H

#include <stdbool.h>
#include <syslog.h>

#include "util.h"

/* Name of this process in every line; a string literal. */
void log_set_proc(const char *proc);

/* Messages above this syslog level (LOG_ERR ... LOG_DEBUG) are left out. */
void log_set_level(int level);
bool log_enabled(int level);

/* "err", "warning", "notice", "info", "debug" -> syslog level, or -EINVAL. */
int log_level_parse(const char *name);

/*
 * msg is a fixed phrase, fmt the fields as "key=%s key=%u ...". A field whose
 * value may hold blanks is written as key=\"%s\" by the caller; control
 * characters and newlines of the whole line are replaced by '?', so that
 * nothing that came from outside can forge a line.
 */
void log_event(int level, const char *msg, const char *fmt, ...) _printf_(3, 4);

#define log_err(msg, ...)     log_event(LOG_ERR, msg, __VA_ARGS__)
#define log_warning(msg, ...) log_event(LOG_WARNING, msg, __VA_ARGS__)
#define log_notice(msg, ...)  log_event(LOG_NOTICE, msg, __VA_ARGS__)
#define log_info(msg, ...)    log_event(LOG_INFO, msg, __VA_ARGS__)
#define log_debug(msg, ...)                                                                        \
	do {                                                                                       \
		if (log_enabled(LOG_DEBUG))                                                        \
			log_event(LOG_DEBUG, msg, __VA_ARGS__);                                    \
	} while (0)

#endif
