/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICMP and ICMPv6 echo. One socket for each family serves all targets, so a
 * probe holds no descriptor of its own.
 */
#ifndef NLB_AGENT_HC_ICMP_H
#define NLB_AGENT_HC_ICMP_H

#include "hc_kind.h"
#include "loop.h"

struct hc_icmp;

struct hc_icmp_stats {
	uint64_t sent;
	uint64_t matched;
	uint64_t late;	  /* ours, but the probe was over: timed out, or answered twice */
	uint64_t foreign; /* with our id, but not ours, or from an address that was not asked */
	uint64_t bad;	  /* cut or damaged */
};

/*
 * Opens the sockets: raw ones, or else the kernel's ping sockets where
 * net.ipv4.ping_group_range allows them. A family that has neither is no
 * error: its probes end as MSG_HC_LOCAL with the errno of the attempt.
 * Returns 0 or -errno. The context to register hc_icmp_kind with is *ret.
 */
int hc_icmp_new(struct loop *l, struct hc_icmp **ret);
void hc_icmp_free(struct hc_icmp *ic);

/* 0 when probes of that family can be made, else -errno. */
int hc_icmp_usable(const struct hc_icmp *ic, bool v6);
const struct hc_icmp_stats *hc_icmp_get_stats(const struct hc_icmp *ic);

extern const struct hc_kind hc_icmp_kind;

#endif
