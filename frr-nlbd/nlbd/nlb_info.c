// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is told of nlbd as a whole: how many there are of what, since when, and the
 * data plane's state in a word. Reads the core (nlb.c), changes nothing.
 */

#include <zebra.h>

#include "monotime.h"

#include "nlbd/nlb.h"

void nlb_count(struct nlb *nlb, struct nlb_counts *ret_counts)
{
	struct nlb_counts counts = {};
	struct nlb_vip *vip;

	for (vip = nlb_vip_first(nlb); vip; vip = nlb_vip_next(nlb, vip)) {
		counts.vips++;
		counts.by_state[vip->state]++;
		counts.ports += vip->feed.n_ports;
		for (size_t i = 0; i < vip->feed.n_ports; i++) {
			const struct nlb_port *port = &vip->feed.ports[i];

			counts.backends += port->n_backends;
			for (size_t j = 0; j < port->n_backends; j++)
				if (port->backends[j].state == NLB_BACKEND_UP)
					counts.backends_up++;
		}
	}
	*ret_counts = counts;
}

int64_t nlb_now_us(void)
{
	struct timeval now;

	/* What monotime() returns is only the seconds of it. */
	monotime(&now);
	return now.tv_sec * 1000000LL + now.tv_usec;
}

uint32_t nlb_age_s(int64_t since_us)
{
	return (nlb_now_us() - since_us) / 1000000;
}

const char *nlb_dataplane_str(enum nlb_dataplane dataplane)
{
	switch (dataplane) {
	case NLB_DATAPLANE_UNKNOWN:
		return "unknown";
	case NLB_DATAPLANE_OK:
		return "ok";
	case NLB_DATAPLANE_DOWN:
		return "down";
	}
	assert(!"unknown data plane state");
}
