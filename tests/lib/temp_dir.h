/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A directory for one test, removed with all that is in it (one level deep).
 *
 *	char *dir = temp_dir_new();
 *	temp_dir_path(dir, "x.sock")		static memory, until the next but 7th call
 *	temp_dir_write(dir, "x.json", "{}");	renamed into place
 *	temp_dir_free(dir);
 */
#ifndef NLB_TESTS_TEMP_DIR_H
#define NLB_TESTS_TEMP_DIR_H

char *temp_dir_new(void);
void temp_dir_free(char *dir);
const char *temp_dir_path(const char *dir, const char *name);
void temp_dir_write(const char *dir, const char *name, const char *text);

/* The file's text, to be freed; NULL when there is no file. */
char *temp_dir_read(const char *dir, const char *name);

#endif
