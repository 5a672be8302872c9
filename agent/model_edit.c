// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Changing one part of a VIP's configuration. Ports and backends stay sorted by their
 * keys, as a parsed model has them.
 */
#include <string.h>

#include "model_int.h"

/* Room for one more at place `at` of n elements. NULL: no memory, and nothing has changed. */
static void *open_gap(void *array, size_t n, size_t size, size_t at)
{
	char *more = reallocarray(array, n + 1, size);

	if (more)
		memmove(more + (at + 1) * size, more + at * size, (n - at) * size);
	return more;
}

static void close_gap(void *array, size_t n, size_t size, size_t at)
{
	char *base = array;

	memmove(base + at * size, base + (at + 1) * size, (n - at - 1) * size);
}

/* Where the port of this key is, or would be. */
static size_t port_place(const struct model_vip *v, const struct model_port *key, bool *ret_there)
{
	size_t i = 0;

	while (i < v->n_ports && model_port_cmp(&v->ports[i], key) < 0)
		i++;
	*ret_there = i < v->n_ports && model_port_cmp(&v->ports[i], key) == 0;
	return i;
}

int model_vip_set_port(struct model_vip *v, struct model_port *p)
{
	struct model_port *more;
	bool there;
	size_t at = port_place(v, p, &there);

	if (there) {
		model_port_done(&v->ports[at]);
	} else {
		more = open_gap(v->ports, v->n_ports, sizeof(*more), at);
		if (!more)
			return -ENOMEM;
		v->ports = more;
		v->n_ports++;
	}
	v->ports[at] = *p;
	*p = (struct model_port){};
	return 0;
}

bool model_vip_remove_port(struct model_vip *v, uint8_t protocol, uint16_t port)
{
	const struct model_port key = {.protocol = protocol, .port = port};
	bool there;
	size_t at = port_place(v, &key, &there);

	if (!there)
		return false;
	model_port_done(&v->ports[at]);
	close_gap(v->ports, v->n_ports--, sizeof(*v->ports), at);
	return true;
}

/* Where the backend is, or would be. */
static size_t backend_place(const struct model_port *p, const struct addr *a)
{
	size_t lo = 0, hi = p->n_backends;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (addr_cmp(&p->backends[mid].addr, a) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct model_backend *model_port_find(const struct model_port *p, const struct addr *a)
{
	size_t at = backend_place(p, a);

	return at < p->n_backends && addr_cmp(&p->backends[at].addr, a) == 0 ? &p->backends[at]
									     : NULL;
}

int model_port_set_backend(struct model_port *p, const struct model_backend *b)
{
	struct model_backend *old = model_port_find(p, &b->addr), *more;
	size_t at;

	if (old) {
		*old = *b;
		return 0;
	}
	at = backend_place(p, &b->addr);
	more = open_gap(p->backends, p->n_backends, sizeof(*more), at);
	if (!more)
		return -ENOMEM;
	p->backends = more;
	p->backends[at] = *b;
	p->n_backends++;
	return 0;
}

bool model_port_remove_backend(struct model_port *p, const struct addr *a)
{
	struct model_backend *old = model_port_find(p, a);

	if (!old)
		return false;
	close_gap(p->backends, p->n_backends--, sizeof(*old), (size_t)(old - p->backends));
	return true;
}
