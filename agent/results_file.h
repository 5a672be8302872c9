/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of one results file. Two forms, told apart by the first character
 * that is no blank:
 *
 *	{"results": [{"vip": "192.0.2.10", "protocol": "tcp", "port": 80,
 *		      "backend": "10.0.0.1", "state": "down", "reason": "disk"}]}
 *
 * or a line for each backend, in the words of nlbctl; # begins a comment line:
 *
 *	192.0.2.10 tcp 80 10.0.0.1 down disk
 */
#ifndef NLB_AGENT_RESULTS_FILE_H
#define NLB_AGENT_RESULTS_FILE_H

#include <stddef.h>

#include "core.h"

#define RESULTS_FILE_MAX (16u << 20)

/* Grows as needed, and is used again for the next file. */
struct results_list {
	struct core_result *r;
	size_t n, room;
};

/*
 * Parses text, which is changed; text[len] is NUL. A text without results is a
 * good one. A reason is cut to what fits, without control characters and quotes.
 * Returns 0, -EINVAL with what is wrong and where in err, or -ENOMEM. That a
 * backend is named twice is left to core_results_set().
 */
int results_file_parse(struct results_list *l, char *text, size_t len, char *err, size_t err_len);
void results_list_done(struct results_list *l);

#endif
