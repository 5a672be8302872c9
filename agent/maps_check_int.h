/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the files maps_check*.c only. A part is looked at in steps, of which each goes on
 * at c->pos (0 at first) and returns 1 when there is no more, 0 when there is, or -errno.
 */
#ifndef NLB_AGENT_MAPS_CHECK_INT_H
#define NLB_AGENT_MAPS_CHECK_INT_H

#include "maps_check.h"
#include "maps_table.h"

#define MAPS_CHECK_CHUNK 128u

/*
 * Reads the elements of an array from c->pos on, as the kernel has them, MAPS_CHECK_CHUNK at
 * most, and moves c->pos behind them. Returns how many, or -errno.
 */
int maps_check_read(struct maps_check *c, int fd, uint32_t max_entries, void *values);

/*
 * The same of a hash: c->pos tells whether it was begun, c->cursor how far it is. *ret_last: there
 * is no more. Elements may be removed meanwhile.
 */
int maps_check_read_hash(struct maps_check *c, int fd, void *keys, void *values, bool *ret_last);

/* maps_check_dir.c */
int maps_check_vips(struct maps_check *c);
int maps_check_services(struct maps_check *c);
int maps_check_vip_dir(struct maps_check *c);
int maps_check_vip_missing(struct maps_check *c);
int maps_check_svc_dir(struct maps_check *c);
int maps_check_svc_missing(struct maps_check *c);

/* maps_check_ring.c */
int maps_check_rings(struct maps_check *c);
int maps_check_kept(struct maps_check *c);

/* maps_check_be.c */
int maps_check_backends(struct maps_check *c);
int maps_check_hops(struct maps_check *c);
int maps_check_numbers(struct maps_check *c);
int maps_check_numbers_missing(struct maps_check *c);

/* maps_check_hash.c */
int maps_check_gone(struct maps_check *c);
int maps_check_gone_missing(struct maps_check *c);
int maps_check_quic(struct maps_check *c);
int maps_check_quic_missing(struct maps_check *c);

/* maps_check_want.c */
int maps_check_want(struct maps_check *c, uint16_t type, const void *data, size_t len);
int maps_check_unwanted(struct maps_check *c);

#endif
