// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The directory in bpffs: see the header for what lies where. A map or link
 * lives as long as its pin, so removing a file here is what takes it out of
 * the kernel (once no process holds it either).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/magic.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "log.h"
#include "maps_fs.h"
#include "util.h"
#include "xdp/nlb_shared.h"

#define LINK_PREFIX	"link-"
#define LOCK_WAIT_S	10
#define LAYOUT_NAME_LEN 80

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static void layout_name(const struct config *cfg, char ret[static LAYOUT_NAME_LEN])
{
	snprintf(ret, LAYOUT_NAME_LEN, "v%u-%u-%u-%u-%u-%u", NLB_LAYOUT_VERSION, cfg->max_vips,
		 cfg->max_services, cfg->max_backends, cfg->ring_slots, cfg->max_flows);
}

void maps_fs_layout_dir(const struct config *cfg, char ret[static MAPS_FS_PATH_LEN])
{
	char name[LAYOUT_NAME_LEN];

	layout_name(cfg, name);
	snprintf(ret, MAPS_FS_PATH_LEN, "%s/%s", cfg->bpf_dir, name);
}

void maps_fs_link_path(const struct config *cfg, const char *ifname,
		       char ret[static MAPS_FS_PATH_LEN])
{
	snprintf(ret, MAPS_FS_PATH_LEN, "%s/%s%s", cfg->bpf_dir, LINK_PREFIX, ifname);
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

int maps_fs_mkdir(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

static int mount_bpffs(const char *path)
{
	if (mount("bpf", path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755") < 0)
		return -errno;
	log_notice("bpffs mounted", "path=\"%s\"", path);
	return 0;
}

/*
 * mkdir -p, one component after the other. sysfs lets nobody make directories:
 * there, at the last directory that exists (/sys/fs/bpf), goes the mount.
 */
static int make_path(const char *dir)
{
	char path[CONFIG_PATH_LEN];
	char *slash;
	int r = 0;

	snprintf(path, sizeof(path), "%s", dir);
	for (slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		r = maps_fs_mkdir(path);
		if (r == -EPERM || r == -EACCES || r == -EROFS) {
			char parent[CONFIG_PATH_LEN];
			char *cut;

			snprintf(parent, sizeof(parent), "%s", path);
			cut = strrchr(parent, '/');
			if (!cut || cut == parent)
				return r;
			*cut = '\0';
			if (is_bpffs(parent) || mount_bpffs(parent) < 0)
				return r;
			r = maps_fs_mkdir(path);
		}
		if (r < 0 || !slash)
			return r;
		*slash = '/';
	}
}

/* The directory, what is in it, and what is in the directories in it. */
static int chown_tree(int parent, const char *name, uid_t uid, gid_t gid, int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_(closedirp) DIR *d = NULL;
	const struct dirent *e;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		int err = -errno;

		close(fd);
		return err;
	}
	if (fchown(fd, uid, gid) < 0)
		return -errno;
	while ((e = readdir(d))) {
		int r = 0;

		if (e->d_name[0] == '.')
			continue;
		if (e->d_type == DT_DIR && depth > 0)
			r = chown_tree(fd, e->d_name, uid, gid, depth - 1);
		else if (fchownat(fd, e->d_name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
			r = -errno;
		if (r < 0)
			return r;
	}
	return 0;
}

/* The user may be another than that of the agent before. */
static int give_to_user(const struct config *cfg)
{
	struct passwd pw, *found;
	char buf[4096];

	if (geteuid() != 0)
		return 0;
	if (!cfg->user[0])
		return chown_tree(AT_FDCWD, cfg->bpf_dir, 0, 0, 1);
	if (getpwnam_r(cfg->user, &pw, buf, sizeof(buf), &found) != 0 || !found)
		return -ENOENT;
	return chown_tree(AT_FDCWD, cfg->bpf_dir, pw.pw_uid, pw.pw_gid, 1);
}

int maps_fs_prepare(const struct config *cfg, char *err, size_t err_len)
{
	const char *what = "cannot make";
	int r;

	if (cfg->bpf_dir[0] != '/') {
		snprintf(err, err_len, "bpf-dir \"%s\" is not an absolute path", cfg->bpf_dir);
		return -EINVAL;
	}
	r = make_path(cfg->bpf_dir);
	if (r == 0 && !is_bpffs(cfg->bpf_dir)) {
		what = "cannot mount a bpffs at";
		r = mount_bpffs(cfg->bpf_dir);
	}
	if (r == 0) {
		what = "cannot give to its user";
		r = give_to_user(cfg);
	}
	if (r < 0)
		snprintf(err, err_len, "%s %s: %s", what, cfg->bpf_dir, strerror(-r));
	return r;
}

static void on_alarm(int signo _unused_)
{
}

int maps_fs_lock(const struct config *cfg)
{
	struct sigaction wake = {.sa_handler = on_alarm}, before;
	_cleanup_close_ int fd = open(cfg->bpf_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return TAKE_FD(fd);
	if (errno != EWOULDBLOCK)
		return -errno;
	log_notice("waiting for another agent to end", "path=\"%s\"", cfg->bpf_dir);
	/* Without SA_RESTART the alarm ends the wait. */
	sigaction(SIGALRM, &wake, &before);
	alarm(LOCK_WAIT_S);
	r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
	alarm(0);
	sigaction(SIGALRM, &before, NULL);
	if (r < 0)
		return r == -EINTR ? -EBUSY : r;
	return TAKE_FD(fd);
}

int maps_fs_remove_dir(const char *path)
{
	_cleanup_(closedirp) DIR *d = opendir(path);
	const struct dirent *e;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && unlinkat(dirfd(d), e->d_name, 0) < 0)
			return -errno;
	return rmdir(path) < 0 ? -errno : 0;
}

int maps_fs_remove_others(const struct config *cfg)
{
	_cleanup_(closedirp) DIR *d = opendir(cfg->bpf_dir);
	char keep[LAYOUT_NAME_LEN], path[MAPS_FS_PATH_LEN + NAME_MAX];
	const struct dirent *e;
	int n = 0;

	if (!d)
		return -errno;
	layout_name(cfg, keep);
	while ((e = readdir(d))) {
		int r;

		if (e->d_name[0] != 'v' || e->d_type != DT_DIR || strcmp(e->d_name, keep) == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", cfg->bpf_dir, e->d_name);
		r = maps_fs_remove_dir(path);
		if (r < 0)
			return r;
		n++;
	}
	return n;
}

static bool is_configured(const struct config *cfg, const char *ifname)
{
	for (size_t i = 0; i < cfg->n_interfaces; i++)
		if (strcmp(cfg->interfaces[i], ifname) == 0)
			return true;
	return false;
}

int maps_fs_remove_links(const struct config *cfg)
{
	_cleanup_(closedirp) DIR *d = opendir(cfg->bpf_dir);
	size_t prefix = strlen(LINK_PREFIX);
	const struct dirent *e;
	int n = 0;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		if (strncmp(e->d_name, LINK_PREFIX, prefix) != 0 ||
		    is_configured(cfg, e->d_name + prefix))
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) < 0)
			return -errno;
		log_notice("interface is no longer configured, program detached", "interface=%s",
			   e->d_name + prefix);
		n++;
	}
	return n;
}
