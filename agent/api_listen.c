// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The local API's socket: its place, its owner, and who may connect. File
 * permissions let in root, the agent's user and the configured group; the
 * peer's credentials are checked again for each connection, so that a
 * directory with wrong permissions does not open the API to everybody.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "api_listen.h"
#include "log.h"

#define PEER_GROUPS_MAX 1024

static int group_id(const char *name, gid_t *ret)
{
	struct group gr, *found = NULL;
	char buf[16384];
	int r = getgrnam_r(name, &gr, buf, sizeof(buf), &found);

	if (r != 0 || !found)
		return r ? -r : -ENOENT;
	*ret = gr.gr_gid;
	return 0;
}

static int user_id(const char *name, uid_t *ret)
{
	struct passwd pw, *found = NULL;
	char buf[4096];
	int r = getpwnam_r(name, &pw, buf, sizeof(buf), &found);

	if (r != 0 || !found)
		return r ? -r : -ENOENT;
	*ret = pw.pw_uid;
	return 0;
}

/* A socket that nobody listens on is what a killed agent left behind. */
static int clear_stale(const struct sockaddr_un *sun)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (lstat(sun->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	return unlink(sun->sun_path) < 0 ? -errno : 0;
}

static int set_owner(const struct config *cfg)
{
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;
	int r = 0;

	if (cfg->user[0] && geteuid() == 0)
		r = user_id(cfg->user, &uid);
	if (r == 0 && cfg->api_group[0])
		r = group_id(cfg->api_group, &gid);
	if (r < 0)
		return r;
	if (chown(cfg->api_socket, uid, gid) < 0 || chmod(cfg->api_socket, 0660) < 0)
		return -errno;
	return 0;
}

int api_listen(const struct config *cfg, int *ret_fd)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;
	mode_t mask;
	int r;

	if (!cfg->api_socket[0]) {
		*ret_fd = -1;
		return 0;
	}
	if (strlen(cfg->api_socket) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, cfg->api_socket, strlen(cfg->api_socket) + 1);
	r = clear_stale(&sun);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Closed to everybody until its owner is set. */
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0)
		r = set_owner(cfg);
	if (r == 0 && listen(fd, 128) < 0)
		r = -errno;
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static bool in_group(int fd, const struct ucred *peer, gid_t gid)
{
	gid_t groups[PEER_GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (peer->gid == gid)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

bool api_peer_allowed(int fd, const struct config *cfg)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	gid_t gid;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	if (cfg->api_group[0] && group_id(cfg->api_group, &gid) == 0 && in_group(fd, &peer, gid))
		return true;
	log_warning("connection to the local API refused", "uid=%u pid=%d", peer.uid, peer.pid);
	return false;
}
