/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Backend hosts: conditions of one target address share what may be asked of
 * it in a second, whatever VIPs they are of. Probes above that are put off,
 * each to a turn of its own.
 */
#ifndef NLB_AGENT_HC_HOST_H
#define NLB_AGENT_HC_HOST_H

#include <stdint.h>

#include "addr.h"
#include "hc_tab.h"

/* Probes that may come at once after a pause. */
#define HC_HOST_BURST 8u

struct hc_host {
	struct hc_tab_node node;
	struct addr addr;
	uint32_t refs;
	uint64_t next_ns; /* when the next one would come if they came evenly */
};

struct hc_hosts {
	struct hc_tab tab;
	uint64_t gap_ns; /* 0: no cap */
};

/* rate: probes a second and host; 0: any number. 0 or -ENOMEM. */
int hc_hosts_init(struct hc_hosts *hs, uint32_t rate);
void hc_hosts_done(struct hc_hosts *hs);

/* One reference to the host at addr, which is made if need be; NULL without memory. */
struct hc_host *hc_host_get(struct hc_hosts *hs, const struct addr *addr);
void hc_host_put(struct hc_hosts *hs, struct hc_host *h);

/*
 * A turn for one probe, taken: now_ns, or the time at which it may start (generic
 * cell rate algorithm, ITU-T I.371, virtual scheduling).
 */
uint64_t hc_host_turn(const struct hc_hosts *hs, struct hc_host *h, uint64_t now_ns);

#endif
