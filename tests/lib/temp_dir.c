// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Temporary directories for tests; the header is the manual.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "temp_dir.h"

char *temp_dir_new(void)
{
	char *dir = strdup("/tmp/nlb-test-XXXXXX");

	assert_non_null(dir);
	assert_non_null(mkdtemp(dir));
	return dir;
}

void temp_dir_free(char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(dir);
	free(dir);
}

const char *temp_dir_path(const char *dir, const char *name)
{
	static char paths[8][512];
	static unsigned int next;
	char *path = paths[next++ % 8];

	assert_true((size_t)snprintf(path, sizeof(paths[0]), "%s/%s", dir, name) <
		    sizeof(paths[0]));
	return path;
}

void temp_dir_write(const char *dir, const char *name, const char *text)
{
	const char *temp = temp_dir_path(dir, "temp-file");
	FILE *f = fopen(temp, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(temp, temp_dir_path(dir, name)), 0);
}

char *temp_dir_read(const char *dir, const char *name)
{
	FILE *f = fopen(temp_dir_path(dir, name), "re");
	char *text = NULL;
	size_t cap = 0;

	if (!f)
		return NULL;
	/* An empty file leaves the buffer as it was allocated. */
	if (getdelim(&text, &cap, '\0', f) < 0) {
		assert_true(feof(f));
		text[0] = '\0';
	}
	fclose(f);
	return text;
}
