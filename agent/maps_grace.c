// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The grace period. An XDP program runs inside an RCU read-side section, and
 * the kernel offers user space a wait for those: after an element of a map of
 * maps is replaced, bpf(2) returns only when all programs that could use the
 * old one have ended (maybe_wait_bpf_programs() in kernel/bpf/syscall.c, made
 * for programs that switch maps under a running program). So one small array
 * of maps, which no program uses, is kept to be written to.
 *
 * membarrier(2)'s global command would wait as well, but is refused on
 * machines that run with nohz_full.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "maps_grace.h"
#include "util.h"

int maps_grace_init(struct maps_grace *g)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	_cleanup_close_ int inner = -1;
	int outer;

	inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "nlb_grace_inner", sizeof(uint32_t),
			       sizeof(uint32_t), 1, NULL);
	if (inner < 0)
		return -errno;
	opts.inner_map_fd = (uint32_t)inner;
	outer = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "nlb_grace", sizeof(uint32_t),
			       sizeof(uint32_t), 1, &opts);
	if (outer < 0)
		return -errno;
	*g = (struct maps_grace){.outer_fd = outer, .inner_fd = TAKE_FD(inner), .epoch = 1};
	return 0;
}

void maps_grace_done(struct maps_grace *g)
{
	if (!g->epoch)
		return;
	close(g->outer_fd);
	close(g->inner_fd);
	*g = (struct maps_grace){};
}

int maps_grace_wait(struct maps_grace *g)
{
	uint32_t zero = 0;

	if (bpf_map_update_elem(g->outer_fd, &zero, &g->inner_fd, BPF_ANY) < 0)
		return -errno;
	g->epoch++;
	return 0;
}

int maps_numbers_init(struct maps_numbers *p, uint32_t n, const bool *used)
{
	*p = (struct maps_numbers){.cap = n};
	p->free = calloc(n ? n : 1, sizeof(*p->free));
	if (!p->free)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		if (!used[i])
			p->free[p->n++].number = i;
	return 0;
}

void maps_numbers_done(struct maps_numbers *p)
{
	free(p->free);
	*p = (struct maps_numbers){};
}

bool maps_numbers_used(const struct maps_numbers *p)
{
	return p->n && p->free[p->head].epoch;
}

int maps_numbers_get(struct maps_numbers *p, struct maps_grace *g, uint32_t *ret)
{
	const struct maps_number *first = &p->free[p->head];

	if (!p->n)
		return -ENOSPC;
	if (first->epoch >= g->epoch) {
		int r = maps_grace_wait(g);

		if (r < 0)
			return r;
	}
	*ret = first->number;
	p->head = (p->head + 1) % p->cap;
	p->n--;
	return 0;
}

void maps_numbers_put(struct maps_numbers *p, const struct maps_grace *g, uint32_t number)
{
	p->free[(p->head + p->n) % p->cap] =
		(struct maps_number){.number = number, .epoch = g->epoch};
	p->n++;
}
