/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nlbd's memory group; the types themselves are static to the file that allocates. */
#ifndef _FRR_NLB_MEMORY_H
#define _FRR_NLB_MEMORY_H

#include "memory.h"

DECLARE_MGROUP(NLBD);

#endif /* _FRR_NLB_MEMORY_H */
