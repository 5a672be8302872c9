// SPDX-License-Identifier: GPL-2.0-or-later
/* Results files: written where nobody looks, then renamed in as fast as that goes. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "util.h"
#include "way.h"

int place_open(const char *stage_dir, const char *results_dir, struct place *p)
{
	int r;

	p->from = open(stage_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->from < 0)
		return -errno;
	p->to = open(results_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->to >= 0)
		return 0;
	r = -errno;
	close(p->from);
	return r;
}

void place_close(struct place *p)
{
	close(p->from);
	close(p->to);
}

static int write_file(int dir, const struct set_file *f)
{
	_cleanup_close_ int fd =
		openat(dir, f->name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, f->text, f->len);
	if (n != (ssize_t)f->len)
		return n < 0 ? -errno : -ENOSPC;
	return 0;
}

int place_prepare(const struct place *p, const struct set *s)
{
	int r = 0;

	for (size_t i = 0; i < s->n_files && r == 0; i++)
		r = write_file(p->from, &s->files[i]);
	return r;
}

int place_now(const struct place *p, const struct set *s)
{
	for (size_t i = 0; i < s->n_files; i++)
		if (renameat(p->from, s->files[i].name, p->to, s->files[i].name) < 0)
			return -errno;
	return 0;
}
