// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The results directory, watched with inotify; the header says what it is.
 *
 * Events only put names into a list: a file that was replaced ten times in a
 * round of the loop is read once. Then each of them is read as it is now, and
 * what there is no more says no more. When the kernel has lost events, and when
 * the directory is seen (again), all names are looked at. A file that fails for
 * want of memory or descriptors stays in the list for RESULTS_RETRY_MS.
 *
 * A writer may replace a file while it is being set aside. So what was moved is
 * compared with what was read, and the wrong one is moved back.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "hash.h"
#include "log.h"
#include "results.h"
#include "results_file.h"
#include "util.h"

#define RESULTS_RETRY_MS   1000u
#define RESULTS_BAD_DIR	   "bad"
#define RESULTS_EVENTS_LEN 65536u
#define RESULTS_READS_MAX  64u /* of events, in one round */
#define RESULTS_KEEP_LEN   (1u << 20)

struct results_file {
	UT_hash_handle hh; /* by name */
	struct results_file *next;
	bool todo;   /* in the list */
	bool seen;   /* in this scan */
	bool kept;   /* the newest was set aside: it says what the one before said */
	size_t said; /* so many results */
	char name[];
};

struct results {
	struct loop *loop;
	const struct results_ops *ops;
	void *user;
	const char *dir;
	int dirfd, inotify_fd, wd; /* dirfd is -1 while the directory is not watched */
	struct loop_io io;
	struct loop_timer retry;
	bool scan; /* look at all names */
	struct results_file *files, *todo;
	uint64_t n_results, reads, bad, scans;
	struct results_list list;
	char *text;
	size_t room;
	char why[160]; /* the file at hand is bad */
	char error[128], bad_name[NAME_MAX + 1], bad_reason[160];
	char events[RESULTS_EVENTS_LEN] __attribute__((aligned(__alignof__(struct inotify_event))));
};

/* ---- reading one file ---- */

static int grow(struct results *r, size_t room)
{
	char *more;

	if (room <= r->room)
		return 0;
	more = realloc(r->text, room);
	if (!more)
		return -ENOMEM;
	r->text = more;
	r->room = room;
	return 0;
}

static int read_text(struct results *r, int fd, size_t size, size_t *ret_len)
{
	size_t len = 0, asked;
	int err;

	for (;;) {
		ssize_t n;

		/* One more for the NUL, one more to see the end. */
		err = grow(r, MAX2(size, len) + 2);
		if (err < 0)
			return err;
		asked = r->room - len - 1;
		n = read(fd, r->text + len, asked);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		len += n > 0 ? (size_t)n : 0;
		/* A file that is as long as it said, and no longer. */
		if (n > 0 && len == size && (size_t)n < asked)
			break;
		if (len > RESULTS_FILE_MAX)
			return -EFBIG;
		if (len + 1 == r->room)
			size = MIN2(len * 2, (size_t)RESULTS_FILE_MAX + 1);
	}
	r->text[len] = '\0';
	*ret_len = len;
	return 0;
}

static int fail(struct results *r, const char *why)
{
	snprintf(r->why, sizeof(r->why), "%s", why);
	return -EINVAL;
}

/*
 * 0: r->list is what it says. -EINVAL: it is bad, r->why says why, and *ret_st
 * (if st_ino is set) which one it was. -ENOENT: there is none. Else: try again.
 */
static int read_file(struct results *r, const char *name, struct stat *ret_st)
{
	_cleanup_close_ int fd =
		openat(r->dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	size_t len = 0;
	int err;

	ret_st->st_ino = 0;
	if (fd < 0 || fstat(fd, ret_st) < 0) {
		err = errno;
		if (err == ENOENT || err == ENOMEM || err == EMFILE || err == ENFILE)
			return -err;
		return fail(r, err == ELOOP ? "it is a symbolic link" : strerror(err));
	}
	if (S_ISDIR(ret_st->st_mode))
		return -ENOENT;
	if (!S_ISREG(ret_st->st_mode))
		return fail(r, "it is no regular file");
	if (ret_st->st_uid != 0 && ret_st->st_uid != geteuid())
		return fail(r, "it belongs neither to root nor to the agent's user");
	if (ret_st->st_size > (off_t)RESULTS_FILE_MAX)
		return fail(r, "it is larger than 16 MiB");
	r->reads++;
	err = read_text(r, fd, (size_t)ret_st->st_size, &len);
	if (err == -EFBIG)
		return fail(r, "it is larger than 16 MiB");
	if (err < 0)
		return err;
	return results_file_parse(&r->list, r->text, len, r->why, sizeof(r->why));
}

/* ---- what is wrong with it ---- */

/* Was this the one that was read? Otherwise it goes back. */
static void check_moved(struct results *r, const char *name, const char *to, const struct stat *st)
{
	struct stat now;

	if (!st->st_ino || fstatat(r->dirfd, to, &now, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (now.st_ino == st->st_ino && now.st_dev == st->st_dev))
		return;
	/* Unless an even newer one has come by now. */
	renameat2(r->dirfd, to, r->dirfd, name, RENAME_NOREPLACE);
}

static void set_aside(struct results *r, struct results_file *f, const struct stat *st)
{
	char to[sizeof(RESULTS_BAD_DIR) + NAME_MAX + 1];
	bool moved;

	snprintf(to, sizeof(to), "%s/%s", RESULTS_BAD_DIR, f->name);
	moved = mkdirat(r->dirfd, RESULTS_BAD_DIR, 0755) == 0 || errno == EEXIST;
	moved = moved && renameat(r->dirfd, f->name, r->dirfd, to) == 0;
	if (moved)
		check_moved(r, f->name, to, st);
	r->bad++;
	snprintf(r->bad_name, sizeof(r->bad_name), "%s", f->name);
	memcpy(r->bad_reason, r->why, sizeof(r->bad_reason));
	log_err("results file refused", "file=\"%s/%s\" reason=\"%s\" action=\"%s\" said_before=%s",
		r->dir, f->name, r->why, moved ? "moved to bad/" : "left where it is",
		f->said ? "kept" : "nothing");
	f->kept = moved;
}

/* ---- the files that there are ---- */

static void file_drop(struct results *r, struct results_file *f)
{
	HASH_DELETE(hh, r->files, f);
	free(f);
}

static int say(struct results *r, struct results_file *f, size_t n)
{
	int err = r->ops->say(r->user, f->name, r->list.r, n);

	if (err < 0)
		return err;
	r->n_results += n;
	r->n_results -= f->said;
	f->said = n;
	return 0;
}

/* 0, or an error that may not last. f may be freed. */
static int file_look(struct results *r, struct results_file *f)
{
	struct stat st = {};
	int err;

	/* One too many; the last of them, so that the others stay in use. */
	if (HASH_COUNT(r->files) > RESULTS_FILES_MAX && !f->said)
		err = fail(r, "there are too many files");
	else
		err = read_file(r, f->name, &st);
	if (err == -ENOENT) {
		if (f->kept && f->said)
			return 0;
		err = say(r, f, 0);
		if (err == 0)
			file_drop(r, f);
		return err;
	}
	if (err == 0) {
		err = say(r, f, r->list.n);
		if (err == -EEXIST)
			err = fail(r, "it names a backend of a service twice");
		else if (err == -E2BIG)
			err = fail(r, "there are too many results in all files together");
		else if (err == 0)
			f->kept = false;
	}
	if (err != -EINVAL)
		return err;
	set_aside(r, f, &st);
	if (!f->said)
		file_drop(r, f);
	return 0;
}

static int file_todo(struct results *r, const char *name)
{
	struct results_file *f;

	if (name[0] == '.')
		return 0;
	HASH_FIND_STR(r->files, name, f);
	if (!f) {
		f = calloc(1, sizeof(*f) + strlen(name) + 1);
		if (!f)
			return -ENOMEM;
		memcpy(f->name, name, strlen(name) + 1);
		HASH_ADD_STR(r->files, name, f);
		if (!HASH_ADDED(hh, f)) {
			free(f);
			return -ENOMEM;
		}
	}
	f->seen = true;
	if (!f->todo) {
		f->todo = true;
		f->next = r->todo;
		r->todo = f;
	}
	return 0;
}

/* ---- a round ---- */

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Every name that there is, and every name that there was. */
static int scan(struct results *r)
{
	int fd = openat(r->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(closedirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct results_file *f;
	struct dirent *e;
	int err = 0;

	if (!d) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	r->scans++;
	for (f = r->files; f; f = f->hh.next)
		f->seen = false;
	while (err == 0 && (errno = 0, e = readdir(d)))
		if (e->d_type != DT_DIR)
			err = file_todo(r, e->d_name);
	if (err == 0)
		err = -errno;
	for (f = r->files; err == 0 && f; f = f->hh.next)
		if (!f->seen)
			err = file_todo(r, f->name);
	return err;
}

/* The directory's own error; said once. */
static void note_error(struct results *r, const char *error)
{
	if (strcmp(error, r->error) == 0)
		return;
	snprintf(r->error, sizeof(r->error), "%s", error);
	if (error[0])
		log_err("results directory", "dir=%s error=\"%s\" said_before=kept", r->dir, error);
	else
		log_notice("results directory is watched", "dir=%s", r->dir);
}

static int watch(struct results *r)
{
	if (r->dirfd >= 0)
		return 0;
	r->wd = inotify_add_watch(r->inotify_fd, r->dir,
				  IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
					  IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
	if (r->wd < 0)
		return -errno;
	r->dirfd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->dirfd < 0) {
		int err = -errno;

		inotify_rm_watch(r->inotify_fd, r->wd);
		return err;
	}
	/* The watch comes first: what changes while we look is seen. */
	r->scan = true;
	return 0;
}

static void unwatch(struct results *r)
{
	if (r->dirfd < 0)
		return;
	inotify_rm_watch(r->inotify_fd, r->wd);
	close(TAKE_FD(r->dirfd));
}

static void on_retry(struct loop_timer *t);

/* Everything that is to be done. */
static void look(struct results *r)
{
	struct results_file *todo, *again = NULL;
	uint64_t reads = r->reads, bad = r->bad;
	int err = watch(r);

	if (err == 0 && r->scan) {
		err = scan(r);
		r->scan = err < 0;
	}
	note_error(r, err < 0 ? strerror(-err) : "");
	todo = r->dirfd < 0 ? NULL : TAKE_PTR(r->todo);
	while (todo) {
		struct results_file *f = todo;
		int failed;

		todo = f->next;
		f->todo = false;
		failed = file_look(r, f);
		if (failed == 0)
			continue;
		log_warning("results file not read yet", "file=\"%s/%s\" error=\"%s\"", r->dir,
			    f->name, strerror(-failed));
		f->todo = true;
		f->next = again;
		again = f;
	}
	if (again)
		r->todo = again;
	if (r->room > RESULTS_KEEP_LEN) {
		free(TAKE_PTR(r->text));
		r->room = 0;
		results_list_done(&r->list);
	}
	if (r->reads != reads)
		log_info("results read", "dir=%s read=%llu bad=%llu files=%u results=%llu", r->dir,
			 (unsigned long long)(r->reads - reads), (unsigned long long)(r->bad - bad),
			 HASH_COUNT(r->files), (unsigned long long)r->n_results);
	if (err < 0 || again)
		loop_timer_in(r->loop, &r->retry, RESULTS_RETRY_MS, on_retry);
	r->ops->burst(r->user);
}

static void on_retry(struct loop_timer *t)
{
	look(container_of(t, struct results, retry));
}

static void on_event(struct results *r, const struct inotify_event *ev)
{
	if (ev->mask & IN_Q_OVERFLOW) {
		r->scan = true;
		return;
	}
	/* A watch that we have ended has some left. */
	if (r->dirfd < 0 || ev->wd != r->wd)
		return;
	if (ev->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED))
		unwatch(r);
	else if (ev->len && !(ev->mask & IN_ISDIR) && file_todo(r, ev->name) < 0)
		r->scan = true;
}

static void on_io(struct loop_io *io, uint32_t events _unused_)
{
	struct results *r = container_of(io, struct results, io);

	for (unsigned int i = 0; i < RESULTS_READS_MAX; i++) {
		ssize_t n = read(r->inotify_fd, r->events, sizeof(r->events));

		if (n <= 0)
			break;
		for (const char *p = r->events; p < r->events + n;) {
			const struct inotify_event *ev = (const void *)p;

			p += sizeof(*ev) + ev->len;
			on_event(r, ev);
		}
	}
	look(r);
}

/* ---- start and end ---- */

int results_new(struct loop *l, const char *dir, const struct results_ops *ops, void *user,
		struct results **ret)
{
	struct results *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->loop = l;
	r->dir = dir;
	r->ops = ops;
	r->user = user;
	r->io = LOOP_IO_INIT;
	r->dirfd = -1;
	r->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	err = r->inotify_fd < 0 ? -errno : loop_io_add(l, &r->io, r->inotify_fd, EPOLLIN, on_io);
	if (err < 0) {
		results_free(r);
		return err;
	}
	look(r);
	*ret = r;
	return 0;
}

void results_free(struct results *r)
{
	if (!r)
		return;
	loop_timer_del(r->loop, &r->retry);
	loop_io_del(r->loop, &r->io);
	unwatch(r);
	if (r->inotify_fd >= 0)
		close(r->inotify_fd);
	while (r->files)
		file_drop(r, r->files);
	results_list_done(&r->list);
	free(r->text);
	free(r);
}

void results_info_get(const struct results *r, struct results_info *ret)
{
	*ret = (struct results_info){
		.error = r->error,
		.bad_name = r->bad_name,
		.bad_reason = r->bad_name[0] ? r->bad_reason : "",
		.files = HASH_COUNT(r->files),
		.results = r->n_results,
		.reads = r->reads,
		.bad = r->bad,
		.scans = r->scans,
	};
}
