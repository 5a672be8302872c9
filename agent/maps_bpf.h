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

#define MAPS_BPF_MEMORY 10

struct maps_bpf {
	const struct config *cfg;
	struct nlb *skel;
	bool adopted; /* the maps are an earlier agent's, and so is their content */
	int prog_fd;
	int vips_fd, services_fd, gone_fd, numbers_fd, quic_ids_fd, fragments_fd, samples_fd;
	int vip_dir_fd, svc_dir_fd, backends_fd, hops_fd, config_fd, layout_fd;
	int vip_stats_fd, svc_stats_fd, be_stats_fd, reasons_fd;
	/* Memory of the maps, shared with the program. */
	struct nlb_config *config;
	struct nlb_bucket *vip_dir;    /* [vip_buckets] */
	struct nlb_vip *vips;	       /* [max_vips + 1] */
	struct nlb_bucket *svc_dir;    /* [svc_buckets] */
	struct nlb_service *services;  /* [max_services + 1] */
	uint32_t *slots;	       /* [ring_slots], two an element of nlb_rings */
	struct nlb_backend *backends;  /* [max_backends + 1] */
	struct nlb_hop *hops;	       /* [max_backends + 1] */
	struct nlb_flow_bucket *flows; /* [flow_buckets] */
	uint32_t vip_buckets, svc_buckets, flow_buckets;
	uint32_t max_gone; /* entries of nlb_gone */
	struct {
		void *at;
		size_t len;
	} memory[MAPS_BPF_MEMORY];
};

/*
 * Opens or makes the maps and loads the program; attaches nothing. Needs
 * CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON. Returns 0, or -errno with err
 * filled in; then *b needs no _done.
 */
int maps_bpf_open(const struct config *cfg, struct maps_bpf *b, char *err, size_t err_len);

/* Lets go of everything in this process; what is pinned stays in the kernel. */
void maps_bpf_done(struct maps_bpf *b);

/* nlb_layout says what it must. 0; 1: it did not, and does now; -errno. */
int maps_bpf_repair_layout(const struct maps_bpf *b);

/*
 * Writes to nlb_config: flags, and the outer sources for backends without a hop
 * (maps_source.h). Returns 1 when something changed, else 0.
 */
int maps_bpf_set_sources(struct maps_bpf *b);

#endif
