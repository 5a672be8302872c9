/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bpffs directory that keeps maps and links alive without the agent:
 *
 *   <bpf-dir>/v3-<vips>-<services>-<backends>-<slots>-<flows>/nlb_*   the maps of one layout
 *   <bpf-dir>/link-<interface>                                 the attachments
 */
#ifndef NLB_AGENT_MAPS_FS_H
#define NLB_AGENT_MAPS_FS_H

#include <stddef.h>

#include "config.h"

#define MAPS_FS_PATH_LEN (CONFIG_PATH_LEN + 128)

/*
 * Makes cfg->bpf_dir, mounts a bpffs where there is none, and gives the
 * directory to cfg->user. To be called while still privileged. Returns 0 or
 * -errno with err saying what failed.
 */
int maps_fs_prepare(const struct config *cfg, char *err, size_t err_len);

/*
 * Waits until no other agent uses the directory (one that was killed a moment
 * ago may still be ending), and keeps it. Returns the descriptor that is the
 * lock, or -EBUSY after some seconds, or -errno.
 */
int maps_fs_lock(const struct config *cfg);

/* Path of the directory for the layout that cfg asks for, and of a link's pin. */
void maps_fs_layout_dir(const struct config *cfg, char ret[static MAPS_FS_PATH_LEN]);
void maps_fs_link_path(const struct config *cfg, const char *ifname,
		       char ret[static MAPS_FS_PATH_LEN]);

/* mkdir that takes an existing directory for success. 0 or -errno. */
int maps_fs_mkdir(const char *path);

/* Removes a directory of pins (one level). 0 or -errno; none there is success. */
int maps_fs_remove_dir(const char *path);

/* Removes the directories of other layouts. Returns how many, or -errno. */
int maps_fs_remove_others(const struct config *cfg);

/* Removes the pins of links to interfaces that cfg does not name. As above. */
int maps_fs_remove_links(const struct config *cfg);

#endif
