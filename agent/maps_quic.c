// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An element that leaves a hash map, by being removed or replaced, may be
 * reused by the kernel at once for the next one that enters, while a program still
 * reads its old value. So nothing enters in the epoch in which something has left.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "maps_quic.h"

bool maps_quic_id_none(const struct maps_quic_id *id)
{
	static const struct maps_quic_id none;

	return memcmp(id, &none, sizeof(none)) == 0;
}

static struct nlb_quic_key key_of(uint32_t service, uint32_t len, const struct maps_quic_id *id)
{
	struct nlb_quic_key key = {.service = service, .len = len};

	memcpy(key.id, id->b, sizeof(key.id));
	return key;
}

int maps_quic_put(struct maps_quic *q, uint32_t service, uint32_t len,
		  const struct maps_quic_id *id, uint32_t backend)
{
	struct nlb_quic_key key = key_of(service, len, id);
	uint32_t now;
	bool there;

	there = bpf_map_lookup_elem(q->fd, &key, &now) == 0;
	if (there && now == backend)
		return 0;
	if (q->left >= q->grace->epoch) {
		int r = maps_grace_wait(q->grace);

		if (r < 0)
			return r;
	}
	if (bpf_map_update_elem(q->fd, &key, &backend, BPF_ANY) < 0)
		return -errno;
	q->n += !there;
	if (there)
		q->left = q->grace->epoch;
	return 0;
}

static int remove_key(struct maps_quic *q, const struct nlb_quic_key *key)
{
	if (bpf_map_delete_elem(q->fd, key) < 0)
		return errno == ENOENT ? 0 : -errno;
	q->left = q->grace->epoch;
	q->n -= q->n > 0;
	return 0;
}

int maps_quic_del(struct maps_quic *q, uint32_t service, uint32_t len,
		  const struct maps_quic_id *id, uint32_t backend)
{
	struct nlb_quic_key key = key_of(service, len, id);
	uint32_t now;

	if (bpf_map_lookup_elem(q->fd, &key, &now) < 0)
		return errno == ENOENT ? 0 : -errno;
	return now == backend ? remove_key(q, &key) : 0;
}

int maps_quic_filter(struct maps_quic *q,
		     bool (*fn)(void *user, const struct nlb_quic_key *key, uint32_t backend),
		     void *user)
{
	struct nlb_quic_key key, next;
	int more, removed = 0, r;
	uint32_t backend, kept = 0;

	more = bpf_map_get_next_key(q->fd, NULL, &next) < 0 ? -errno : 0;
	while (more == 0) {
		key = next;
		more = bpf_map_get_next_key(q->fd, &key, &next) < 0 ? -errno : 0;
		if (bpf_map_lookup_elem(q->fd, &key, &backend) < 0)
			return -errno;
		if (fn(user, &key, backend)) {
			kept++;
			continue;
		}
		r = remove_key(q, &key);
		if (r < 0)
			return r;
		removed++;
	}
	q->n = kept;
	return more == -ENOENT ? removed : more;
}
