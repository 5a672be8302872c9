// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How many lengths the prefixes among the VIPs may have. The data plane tries
 * each length in turn for a packet to no single address's VIP, so their number
 * has a limit (NLB_PREFIXES_MAX of a family). Which VIPs are refused for it
 * follows from the document alone, but for what runs already.
 */
#include <stdio.h>
#include <string.h>

#include "model_int.h"

bool model_lengths_take(struct model_lengths *l, const struct addr *a, uint8_t plen)
{
	int family = addr_is_v4(a);

	if (plen >= ADDR_PLEN_HOST || l->used[family][plen])
		return true;
	if (l->n[family] == NLB_PREFIXES_MAX)
		return false;
	l->used[family][plen] = true;
	l->n[family]++;
	return true;
}

static bool lengths_take(struct model_lengths *l, const struct model_vip *v)
{
	return model_lengths_take(l, &v->addr, v->plen);
}

/* There is room: m has as many places for refusals as its document had VIPs. */
static void refuse(struct model *m, const struct model_vip *v)
{
	struct model_refusal *r = &m->refusals[m->n_refusals++];

	*r = (struct model_refusal){
		.addr = v->addr,
		.known = true,
		.desired_revision = v->desired_revision,
	};
	memcpy(r->id, v->id, sizeof(r->id));
	addr_prefix_str(&v->addr, v->plen, r->address);
	snprintf(r->reason, sizeof(r->reason),
		 "address: %d other lengths of %s prefixes are in use, which is the limit",
		 NLB_PREFIXES_MAX, addr_is_v4(&v->addr) ? "IPv4" : "IPv6");
}

int model_limit_prefixes(struct model *m, const struct model *have,
			 const struct model_lengths *taken)
{
	struct model_lengths l = taken ? *taken : (struct model_lengths){};
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; have && i < m->n_vips; i++) {
		const struct model_vip *old = model_find(have, &m->vips[i].addr);

		if (old)
			lengths_take(&l, old);
	}
	for (size_t i = 0; i < m->n_vips; i++) {
		const struct model_vip *old = have ? model_find(have, &m->vips[i].addr) : NULL;
		struct model_vip v = m->vips[i];

		if (r == 0 && !lengths_take(&l, &v)) {
			refuse(m, &v);
			model_vip_done(&v);
			if (!old)
				continue;
			r = model_vip_copy(old, &v);
			if (r < 0)
				continue;
		}
		m->vips[n++] = v;
	}
	m->n_vips = n;
	return r;
}
