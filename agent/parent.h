/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parent process as a struct: the parts and how they hang together. Only
 * for parent.c and the local API, which looks at all of them.
 */
#ifndef NLB_AGENT_PARENT_H
#define NLB_AGENT_PARENT_H

#include "api.h"
#include "ask.h"
#include "capture.h"
#include "config.h"
#include "core.h"
#include "feed.h"
#include "ipc.h"
#include "loop.h"
#include "results.h"
#include "scheduler.h"

struct parent {
	const struct config *cfg;
	struct loop *loop;
	struct core *core;
	struct ipc *maps, *health;
	struct scheduler *sched;
	struct feed *feed; /* NULL: the configuration names no socket */
	struct api *api;
	struct results *results; /* NULL: the configuration names no directory */
	struct asker asker;
	struct capture capture;

	struct loop_timer run;	    /* core_run(), at the end of a round or when due */
	struct loop_timer verdicts; /* verdicts wait here to be written together */
	uint64_t verdicts_after_ns; /* ... and not before this */
	struct model *boot;	    /* from disk, until the maps child is ready */
	uint64_t started_ns;
};

/* Something changed: core_run() is called when this round of the loop is over. */
void parent_kick(struct parent *p);

#endif
