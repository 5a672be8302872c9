/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text out of the agent's answers, alone or in tables.
 */
#ifndef NLB_AGENT_NLBCTL_TABLE_H
#define NLB_AGENT_NLBCTL_TABLE_H

#include "nlbctl.h"

#define NLBCTL_CELL_LEN 160
#define NLBCTL_COLS_MAX 8

/* A member, or NULL; o may be NULL too. */
struct json_object *nlbctl_get(struct json_object *o, const char *key);

/* ... as text without control characters, "-" where there is none. Returns buf. */
const char *nlbctl_text(struct json_object *o, const char *key, char buf[static NLBCTL_CELL_LEN]);

struct nlbctl_table {
	size_t n_cols, n_cells, cap;
	char (*cells)[NLBCTL_CELL_LEN];
};

/* Its heads first, then cell by cell; at the end it is printed and freed. */
void nlbctl_table_begin(struct nlbctl_table *t, const char *const *heads, size_t n);
void nlbctl_table_add(struct nlbctl_table *t, const char *cell);
void nlbctl_table_end(struct nlbctl_table *t, FILE *out);

#endif
