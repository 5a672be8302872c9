/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hash tables are uthash's (Debian: uthash-dev). This sets it up for a process
 * that has to survive running out of memory; include it, never <uthash.h>.
 *
 * A table is a pointer to its first struct, NULL when it is empty, and walking
 * over it goes in the order of adding. Structs carry a UT_hash_handle for each
 * table that they can be in, and the table owns none of them. A key is hashed
 * and compared as bytes: it has no padding.
 *
 * HASH_ADD() and its kin say nothing when there is no memory. They leave the
 * struct out, and the table as it was; ask HASH_ADDED() after each of them.
 */
#ifndef NLB_AGENT_HASH_H
#define NLB_AGENT_HASH_H

#define HASH_NONFATAL_OOM 1

#include <uthash.h>

/* Did the HASH_ADD() of item by its handle hh work? */
#define HASH_ADDED(hh, item) ((item)->hh.tbl != NULL)

#endif
