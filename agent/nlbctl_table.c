// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tables for people: cells are collected, widths found, lines printed. And what goes into a
 * cell, out of an answer of the agent's.
 */
#include <string.h>

#include "nlbctl_table.h"
#include "util.h"

struct json_object *nlbctl_get(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? v : NULL;
}

const char *nlbctl_text(struct json_object *o, const char *key, char buf[static NLBCTL_CELL_LEN])
{
	struct json_object *v = nlbctl_get(o, key);

	snprintf(buf, NLBCTL_CELL_LEN, "%s", v ? json_object_get_string(v) : "-");
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return buf;
}

void nlbctl_table_add(struct nlbctl_table *t, const char *cell)
{
	if (t->n_cells == t->cap) {
		size_t cap = MAX2(t->cap * 2, (size_t)64);
		void *cells = reallocarray(t->cells, cap, sizeof(*t->cells));

		if (!cells)
			return;
		t->cells = cells;
		t->cap = cap;
	}
	snprintf(t->cells[t->n_cells++], NLBCTL_CELL_LEN, "%s", cell);
}

void nlbctl_table_begin(struct nlbctl_table *t, const char *const *heads, size_t n)
{
	*t = (struct nlbctl_table){0};
	t->n_cols = MIN2(n, (size_t)NLBCTL_COLS_MAX);
	for (size_t i = 0; i < t->n_cols; i++)
		nlbctl_table_add(t, heads[i]);
}

void nlbctl_table_end(struct nlbctl_table *t, FILE *out)
{
	size_t width[NLBCTL_COLS_MAX] = {0};

	for (size_t i = 0; i < t->n_cells; i++)
		width[i % t->n_cols] = MAX2(width[i % t->n_cols], strlen(t->cells[i]));
	for (size_t i = 0; i < t->n_cells; i++) {
		if ((i + 1) % t->n_cols)
			fprintf(out, "%-*s  ", (int)width[i % t->n_cols], t->cells[i]);
		else
			fprintf(out, "%s\n", t->cells[i]);
	}
	free(t->cells);
}
