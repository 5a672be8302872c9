/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The results directory: health that others found out, in files (results_file.h).
 * What its files say together is what counts. A file speaks from when it is
 * closed after writing, or renamed in, until it is removed or replaced.
 *
 * Hidden files and directories are left alone. A file that cannot be used (not
 * parsed, too large, no regular file, not root's or ours) is set aside into
 * bad/; what its name said before stands until there is a good one, or an agent
 * is started. Where even that does not work it stays where it is.
 */
#ifndef NLB_AGENT_RESULTS_H
#define NLB_AGENT_RESULTS_H

#include "core.h"
#include "loop.h"

#define RESULTS_FILES_MAX 65536u

struct results;

struct results_ops {
	/* What the file says from now on, as core_results_set() takes it and answers. */
	int (*say)(void *user, const char *file, const struct core_result *r, size_t n);
	/* All that was noticed together has been said. */
	void (*burst)(void *user);
};

struct results_info {
	const char *error;	    /* why the directory is not watched; "": it is */
	const char *bad_name;	    /* the last bad file, ... */
	const char *bad_reason;	    /* ... and why; "" before the first */
	uint64_t files, results;    /* that there are */
	uint64_t reads, bad, scans; /* since the start */
};

/*
 * Reads what there is, and watches. A directory that is missing is waited for.
 * dir must stay. Returns 0 or -errno; results_free(NULL) is legal.
 */
int results_new(struct loop *l, const char *dir, const struct results_ops *ops, void *user,
		struct results **ret);
void results_free(struct results *r);

void results_info_get(const struct results *r, struct results_info *ret);

#endif
