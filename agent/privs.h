/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving privileges up. Each process of the agent calls privs_drop() once,
 * after fork and before it reads a byte from outside.
 */
#ifndef NLB_AGENT_PRIVS_H
#define NLB_AGENT_PRIVS_H

#include <stddef.h>
#include <sys/capability.h>

/*
 * Becomes `user` ("": stays who it is) with exactly the capabilities in keep
 * (permitted and effective), none inheritable, no new privileges, bounding
 * set emptied. Without root it fails with -EPERM when the process lacks one
 * that it wants to keep.
 * Returns 0 or -errno (-ENOENT: no such user).
 */
int privs_drop(const char *user, const cap_value_t *keep, size_t n_keep);

/* Gives one capability up later (e.g. CAP_PERFMON after loading). */
int privs_lose(cap_value_t cap);

#endif
