/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF program and its maps as the maps child holds them: adopted from an
 * earlier agent where the layout matches, made anew beside the old ones
 * where it does not, and pinned.
 */
#ifndef NLB_AGENT_MAPS_BPF_H
#define NLB_AGENT_MAPS_BPF_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "xdp/nlb_shared.h"

struct nlb; /* the skeleton */

struct maps_bpf {
	const struct config *cfg;
	struct nlb *skel;
	bool adopted; /* the maps are an earlier agent's, and so is their content */
	int prog_fd;
	int vips_fd, services_fd, config_fd;
	int vip_stats_fd, be_stats_fd, reasons_fd;
	/* Memory of the maps, shared with the program. */
	struct nlb_ring *ring_of;     /* [max_services] */
	uint32_t *slots;	      /* [ring_slots], two an element of nlb_rings */
	struct nlb_backend *backends; /* [max_backends + 1] */
};

/*
 * Opens or makes the maps and loads the program; attaches nothing. Needs
 * CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON. Returns 0, or -errno with err
 * filled in; then *b needs no _done.
 */
int maps_bpf_open(const struct config *cfg, struct maps_bpf *b, char *err, size_t err_len);

/* Lets go of everything in this process; what is pinned stays in the kernel. */
void maps_bpf_done(struct maps_bpf *b);

/*
 * Writes nlb_config: flags, and outer sources from the configuration, else the
 * first address of the first interface. Writes only when something changed.
 * Returns 1 when it did, 0, or -errno.
 */
int maps_bpf_set_sources(struct maps_bpf *b);

#endif
