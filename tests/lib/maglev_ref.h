/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Maglev's table, computed in the plainest way. */
#ifndef NLB_TESTS_MAGLEV_REF_H
#define NLB_TESTS_MAGLEV_REF_H

#include "maglev.h"

/* As maglev_build(); size is a prime. */
int maglev_ref_build(const struct maglev_backend *b, size_t n, uint32_t size, uint32_t *ret_slots);

#endif
