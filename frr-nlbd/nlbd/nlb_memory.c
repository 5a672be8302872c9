// SPDX-License-Identifier: GPL-2.0-or-later
/* Definition of nlbd's memory group, under which "show memory nlbd" lists its types. */

#include <zebra.h>

#include "nlbd/nlb_memory.h"

DEFINE_MGROUP(NLBD, "nlbd");
