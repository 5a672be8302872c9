/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent keeps on disk, in its state directory:
 *
 *   vips.json       the last accepted VIP list: a node boots without its scheduler
 *   local.json      local VIPs, in the form of a list
 *   overrides.json  the operator's overrides of backends
 *   verdicts.json   the last health verdicts, of use within one boot only
 *   status.json     what the scheduler would be told, when it is a file
 *
 * A file is replaced as a whole: written beside, and renamed.
 */
#ifndef NLB_AGENT_STATE_H
#define NLB_AGENT_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "core.h"

#define STATE_VIPS	"vips.json"
#define STATE_OVERRIDES "overrides.json"
#define STATE_LOCAL	"local.json"
#define STATE_VERDICTS	"verdicts.json"
#define STATE_STATUS	"status.json"

/*
 * Replaces dir/name. With `sync` it is on disk when the call returns, else a
 * crash of the machine (not of the agent) may lose it. 0 or -errno; on failure
 * the old file is as it was.
 */
int state_write(const char *dir, const char *name, const char *data, size_t len, bool sync);

/* Reads path whole; *ret is NUL-terminated and the caller's. -E2BIG past max. */
int state_read(const char *path, size_t max, char **ret, size_t *ret_len);

/* Each returns 0 or -errno; -ENOENT when there is no file, -EINVAL when it is bad. */
int state_vips_load(const char *dir, struct model **ret, char *err, size_t err_len);
int state_vips_save(const char *dir, const struct model *m);
int state_local_load(const char *dir, struct model **ret, char *err, size_t err_len);
int state_local_save(const char *dir, struct core *c);
int state_overrides_load(const char *dir, struct core *c);
int state_overrides_save(const char *dir, struct core *c);

/* -ESTALE when they are of another boot, or older than max_age_s (0: any age). */
int state_verdicts_load(const char *dir, struct core *c, uint32_t max_age_s);
int state_verdicts_save(const char *dir, struct core *c);

#endif
