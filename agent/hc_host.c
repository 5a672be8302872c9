// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Backend hosts, by address, and the cap on probes of each.
 */
#include <stdlib.h>

#include "hc_host.h"
#include "util.h"

static uint64_t host_hash(const struct hc_tab_node *node)
{
	const struct addr *a = &container_of(node, struct hc_host, node)->addr;

	return hc_tab_hash(a->b, sizeof(a->b));
}

int hc_hosts_init(struct hc_hosts *hs, uint32_t rate)
{
	hs->gap_ns = rate ? 1000000000ull / rate : 0;
	return hc_tab_init(&hs->tab, host_hash);
}

void hc_hosts_done(struct hc_hosts *hs)
{
	hc_tab_done(&hs->tab);
}

struct hc_host *hc_host_get(struct hc_hosts *hs, const struct addr *addr)
{
	struct hc_tab_node *node = *hc_tab_chain(&hs->tab, hc_tab_hash(addr->b, sizeof(addr->b)));
	struct hc_host *h;

	for (; node; node = node->next) {
		h = container_of(node, struct hc_host, node);
		if (addr_cmp(&h->addr, addr) == 0) {
			h->refs++;
			return h;
		}
	}
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->addr = *addr;
	h->refs = 1;
	hc_tab_add(&hs->tab, &h->node);
	return h;
}

void hc_host_put(struct hc_hosts *hs, struct hc_host *h)
{
	if (--h->refs)
		return;
	hc_tab_del(&hs->tab, &h->node);
	free(h);
}

uint64_t hc_host_turn(const struct hc_hosts *hs, struct hc_host *h, uint64_t now_ns)
{
	uint64_t early = hs->gap_ns * (HC_HOST_BURST - 1), at;

	if (!hs->gap_ns)
		return now_ns;
	h->next_ns = MAX2(h->next_ns, now_ns);
	at = h->next_ns - MIN2(early, h->next_ns);
	h->next_ns += hs->gap_ns;
	return MAX2(at, now_ns);
}
