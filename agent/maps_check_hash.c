// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hashes that belong to services: backends that left them (nlb_gone) against their mirror,
 * and server ids of QUIC (nlb_quic_ids) against the members.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "maps_check_int.h"

/* ---- nlb_gone ---- */

int maps_check_gone(struct maps_check *c)
{
	struct nlb_gone_key keys[MAPS_CHECK_CHUNK];
	uint32_t values[MAPS_CHECK_CHUNK];
	const struct maps_gones *g = &c->table->gones;
	bool last;
	int n;

	n = maps_check_read_hash(c, g->fd, keys, values, &last);
	for (int i = 0; i < n; i++) {
		const struct maps_gone *e;
		int r = 0;

		maps_found_looked(&c->found, MSG_CHECK_GONE);
		HASH_FIND(hh, g->all, &keys[i], sizeof(keys[i]), e);
		if (e)
			continue;
		if (bpf_map_delete_elem(g->fd, &keys[i]) < 0)
			r = -errno;
		maps_found_note(&c->found, MSG_CHECK_GONE, r, "what=surplus service=%u backend=%u",
				keys[i].service, keys[i].backend);
	}
	return n < 0 ? n : last;
}

int maps_check_gone_missing(struct maps_check *c)
{
	const struct maps_gones *g = &c->table->gones;
	uint32_t to = c->pos + MAPS_CHECK_CHUNK;

	for (; c->pos <= g->max_services && c->pos < to; c->pos++) {
		for (const struct maps_gone *e = g->of_service[c->pos]; e; e = e->next) {
			uint32_t value = 1;
			int r = 0;

			if (bpf_map_lookup_elem(g->fd, &e->key, &value) == 0)
				continue;
			if (bpf_map_update_elem(g->fd, &e->key, &value, BPF_ANY) < 0)
				r = -errno;
			maps_found_note(&c->found, MSG_CHECK_GONE, r,
					"what=missing service=%u backend=%u", e->key.service,
					e->key.backend);
		}
	}
	return c->pos > g->max_services;
}

/* ---- nlb_quic_ids ---- */

/* The backend that the key should lead to; 0: the key should not be there. */
static uint32_t backend_of(const struct maps_table *t, const struct nlb_quic_key *key)
{
	const struct maps_svc *svc =
		key->service <= t->bpf->cfg->max_services ? t->svc_of[key->service] : NULL;

	if (!svc || key->len != svc->conf.quic_len)
		return 0;
	for (size_t i = 0; i < svc->n_members; i++)
		if (maps_member_has_id(&svc->conf, &svc->members[i]) &&
		    memcmp(svc->members[i].quic_id.b, key->id, sizeof(key->id)) == 0)
			return svc->members[i].number;
	return 0;
}

int maps_check_quic(struct maps_check *c)
{
	struct nlb_quic_key keys[MAPS_CHECK_CHUNK];
	uint32_t values[MAPS_CHECK_CHUNK];
	struct maps_quic *q = &c->table->quic;
	bool last;
	int n;

	n = maps_check_read_hash(c, q->fd, keys, values, &last);
	for (int i = 0; i < n; i++) {
		uint32_t want = backend_of(c->table, &keys[i]);
		struct maps_quic_id id;
		int r;

		maps_found_looked(&c->found, MSG_CHECK_QUIC_IDS);
		if (want == values[i])
			continue;
		memcpy(id.b, keys[i].id, sizeof(id.b));
		r = want ? maps_quic_put(q, keys[i].service, keys[i].len, &id, want)
			 : maps_quic_del(q, keys[i].service, keys[i].len, &id, values[i]);
		maps_found_note(&c->found, MSG_CHECK_QUIC_IDS, r,
				"what=surplus service=%u backend=%u", keys[i].service, values[i]);
	}
	return n < 0 ? n : last;
}

static void check_ids(struct maps_check *c, const struct maps_svc *svc)
{
	struct maps_quic *q = &c->table->quic;

	for (size_t i = 0; i < svc->n_members; i++) {
		const struct maps_member *m = &svc->members[i];
		struct nlb_quic_key key = {.service = svc->number, .len = svc->conf.quic_len};
		uint32_t have;

		memcpy(key.id, m->quic_id.b, sizeof(key.id));
		/* One that leads elsewhere was found before. */
		if (!maps_member_has_id(&svc->conf, m) ||
		    bpf_map_lookup_elem(q->fd, &key, &have) == 0)
			continue;
		maps_found_note(&c->found, MSG_CHECK_QUIC_IDS,
				maps_quic_put(q, svc->number, key.len, &m->quic_id, m->number),
				"what=missing service=%u backend=%u", svc->number, m->number);
	}
}

int maps_check_quic_missing(struct maps_check *c)
{
	uint32_t max = c->table->bpf->cfg->max_services, to = c->pos + MAPS_CHECK_CHUNK;

	for (; c->pos <= max && c->pos < to; c->pos++)
		if (c->table->svc_of[c->pos])
			check_ids(c, c->table->svc_of[c->pos]);
	return c->pos > max;
}
