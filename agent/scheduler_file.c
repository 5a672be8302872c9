// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A file as scheduler. Its directory is watched with inotify, not the file, so
 * that a file renamed into place (or a symbolic link that is switched) is seen.
 * The file is read when a writer has closed it or something was renamed in; one
 * that is caught half-written is refused by the parser and read again when it
 * is complete. The status goes to status.json in the state directory.
 */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "log.h"
#include "model.h"
#include "scheduler_int.h"
#include "state.h"

struct scheduler_file {
	struct scheduler *sched;
	char path[CONFIG_PATH_LEN], dir[CONFIG_PATH_LEN], name[NAME_MAX + 1];
	int inotify_fd;
	struct loop_io io;
	bool watching;
	struct stat seen;
};

/* The same file, as far as its inode tells. */
static bool unchanged(struct scheduler_file *f)
{
	struct stat st;

	if (stat(f->path, &st) < 0)
		return false;
	return st.st_ino == f->seen.st_ino && st.st_dev == f->seen.st_dev &&
	       st.st_size == f->seen.st_size && st.st_mtim.tv_sec == f->seen.st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == f->seen.st_mtim.tv_nsec;
}

static int file_watch(struct scheduler_file *f)
{
	if (f->watching)
		return 0;
	if (inotify_add_watch(f->inotify_fd, f->dir,
			      IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |
				      IN_ONLYDIR) < 0)
		return -errno;
	f->watching = true;
	return 0;
}

static void file_fetch(struct scheduler *s)
{
	struct scheduler_file *f = s->impl;
	_cleanup_free_ char *data = NULL;
	char error[256];
	size_t len;
	int r;

	/* Before reading: what changes in between is then seen. */
	r = file_watch(f);
	if (r < 0) {
		snprintf(error, sizeof(error), "%.180s: %s", f->dir, strerror(-r));
		scheduler_fetched(s, error, 0);
		return;
	}
	if (stat(f->path, &f->seen) < 0)
		f->seen = (struct stat){0};
	r = state_read(f->path, MODEL_DOCUMENT_MAX, &data, &len);
	if (r < 0) {
		snprintf(error, sizeof(error), "%.180s: %s", f->path, strerror(-r));
		scheduler_fetched(s, error, 0);
		return;
	}
	scheduler_fetched(s, scheduler_document(s, data, len) < 0 ? s->error : "", UINT64_MAX);
}

static void file_on_io(struct loop_io *io, uint32_t events _unused_)
{
	struct scheduler_file *f = container_of(io, struct scheduler_file, io);
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool read_it = false;
	ssize_t n;

	while ((n = read(f->inotify_fd, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *ev = (const void *)p;

			p += sizeof(*ev) + ev->len;
			if (ev->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) {
				if (ev->mask & IN_MOVE_SELF)
					inotify_rm_watch(f->inotify_fd, ev->wd);
				f->watching = false;
				read_it = true;
			} else if (ev->mask & IN_Q_OVERFLOW) {
				read_it = true;
			} else if (ev->len && strcmp(ev->name, f->name) == 0) {
				read_it = true;
			} else if (!unchanged(f)) {
				read_it = true;
			}
		}
	}
	if (read_it)
		file_fetch(f->sched);
}

static void file_report(struct scheduler *s, const char *json, size_t len)
{
	int r = state_write(s->cfg->state_dir, STATE_STATUS, json, len, false);

	scheduler_reported(s, r < 0 ? strerror(-r) : "");
}

static void file_stop(struct scheduler *s)
{
	struct scheduler_file *f = s->impl;

	if (!f)
		return;
	loop_io_del(s->loop, &f->io);
	if (f->inotify_fd >= 0)
		close(f->inotify_fd);
	free(f);
	s->impl = NULL;
}

static int file_start(struct scheduler *s)
{
	const char *path = s->cfg->sched_url + strlen("file:");
	struct scheduler_file *f = calloc(1, sizeof(*f));
	char copy[CONFIG_PATH_LEN];

	if (!f)
		return -ENOMEM;
	s->impl = f;
	f->sched = s;
	f->io = LOOP_IO_INIT;
	/* file:///path has an empty host between the second and third slash. */
	if (strncmp(path, "///", 3) == 0)
		path += 2;
	snprintf(f->path, sizeof(f->path), "%s", path);
	memcpy(copy, f->path, sizeof(copy));
	snprintf(f->dir, sizeof(f->dir), "%s", dirname(copy));
	memcpy(copy, f->path, sizeof(copy));
	snprintf(f->name, sizeof(f->name), "%s", basename(copy));
	f->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (f->inotify_fd < 0)
		return -errno;
	return loop_io_add(s->loop, &f->io, f->inotify_fd, EPOLLIN, file_on_io);
}

const struct scheduler_kind scheduler_file_kind = {
	.start = file_start,
	.stop = file_stop,
	.fetch = file_fetch,
	.report = file_report,
};
