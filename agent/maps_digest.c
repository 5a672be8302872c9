// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One step of multiply and fold for each word, in a fixed order: parameters, ring, and then
 * the backends, which are sorted by address. Nobody needs it to withstand forgery: whoever
 * could forge a backend set has it already.
 */
#include "maglev.h"
#include "maps_digest.h"
#include "maps_table.h"

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9fb21c651e98df25ull;
	return h ^ (h >> 29);
}

uint64_t maps_digest(const struct maps_svc *svc)
{
	const struct maps_svc_conf *conf = &svc->conf;
	uint64_t h = 0x6e6c622d73657276ull, id;

	_Static_assert(sizeof(svc->members->quic_id) == sizeof(id), "one word");
	if (!svc->ring)
		return 0;
	h = mix(h, (uint64_t)conf->flags << 32 | (uint32_t)conf->quic_config << 8 | conf->quic_len);
	h = mix(h, (uint64_t)svc->n_members << 32 | svc->ring->place.size);
	h = mix(h, svc->ring->digest);
	for (size_t i = 0; i < svc->n_members; i++) {
		const struct maps_member *m = &svc->members[i];

		/* Not as a number of this machine's byte order. */
		id = 0;
		for (size_t k = 0; k < sizeof(m->quic_id.b); k++)
			id = id << 8 | m->quic_id.b[k];
		h = mix(h, maglev_hash(&m->addr, 0));
		h = mix(h, m->weight);
		h = mix(h, id);
	}
	return h ? h : 1;
}
