/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rings as the data plane has them, seen from outside the agent: its pinned maps, mapped
 * into memory and only read.
 */
#ifndef BATCH_RINGS_H
#define BATCH_RINGS_H

#include "set.h"
#include "xdp/nlb_shared.h"

#define RINGS_MEMORY 4

struct rings {
	struct nlb_layout layout;
	const struct nlb_vip *vips;
	const struct nlb_service *services;
	const struct nlb_backend *backends;
	const uint32_t *slots;
	struct {
		void *at;
		size_t len;
	} memory[RINGS_MEMORY];
	/* The set at hand, by its services. */
	const struct set *set;
	uint32_t *number; /* in nlb_services */
	uint64_t *before; /* ring words at rings_begin() */
	uint32_t *waits;  /* those whose ring has not been switched yet, ... */
	size_t n_waits;	  /* ... so many */
};

/* Finds the maps of the one layout that is pinned below bpf_dir. 0 or -errno. */
int rings_open(const char *bpf_dir, struct rings *r);
void rings_close(struct rings *r);

/*
 * Looks up the set's services and remembers their rings. The set must stay until the next
 * call. Returns 0; -ENOENT: the maps lack a service; -EALREADY: a ring is already
 * as the set wants it (empty, where no backend is up); -ENOMEM.
 */
int rings_begin(struct rings *r, const struct set *s);

/*
 * How many services still have their ring of before. A service with no backend up waits for an
 * empty ring, any other for another ring than it had.
 */
size_t rings_left(struct rings *r);

/*
 * True when each ring has exactly the backends that the set says are up. With `slots`, when
 * moreover each slot has the backend that Maglev's table by its definition has there.
 */
bool rings_right(const struct rings *r, bool slots);

#endif
