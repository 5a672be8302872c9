// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Giving privileges up with libcap: uid and groups first, with the wanted
 * capabilities kept over the change (PR_SET_KEEPCAPS), then the sets.
 */
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>

#include "privs.h"
#include "util.h"

static void cap_freep(cap_t *c)
{
	if (*c)
		cap_free(*c);
}

static int privs_become(const char *user)
{
	struct passwd pw, *found;
	char buf[4096];
	int r;

	r = getpwnam_r(user, &pw, buf, sizeof(buf), &found);
	if (r != 0 || !found)
		return r ? -r : -ENOENT;
	if (geteuid() == pw.pw_uid)
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	if (initgroups(user, pw.pw_gid) < 0 || setresgid(pw.pw_gid, pw.pw_gid, pw.pw_gid) < 0 ||
	    setresuid(pw.pw_uid, pw.pw_uid, pw.pw_uid) < 0)
		return -errno;
	return 0;
}

int privs_drop(const char *user, const cap_value_t *keep, size_t n_keep)
{
	_cleanup_(cap_freep) cap_t caps = cap_init();
	int r;

	if (!caps)
		return -ENOMEM;
	/* The bounding set needs CAP_SETPCAP, so it goes first. */
	if (geteuid() == 0)
		for (cap_value_t c = 0; cap_get_bound(c) >= 0; c++)
			if (cap_drop_bound(c) < 0 && errno != EPERM)
				return -errno;
	if (user[0]) {
		r = privs_become(user);
		if (r < 0)
			return r;
	}
	if (n_keep && (cap_set_flag(caps, CAP_PERMITTED, (int)n_keep, keep, CAP_SET) < 0 ||
		       cap_set_flag(caps, CAP_EFFECTIVE, (int)n_keep, keep, CAP_SET) < 0))
		return -errno;
	if (cap_set_proc(caps) < 0)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

int privs_lose(cap_value_t cap)
{
	_cleanup_(cap_freep) cap_t caps = cap_get_proc();

	if (!caps)
		return -errno;
	if (cap_set_flag(caps, CAP_PERMITTED, 1, &cap, CAP_CLEAR) < 0 ||
	    cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, CAP_CLEAR) < 0 || cap_set_proc(caps) < 0)
		return -errno;
	return 0;
}
