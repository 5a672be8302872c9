/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parent process as a struct: the parts and how they hang together. Only
 * for parent*.c and the local API, which looks at all of them.
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
#include "mapcheck.h"
#include "results.h"
#include "scheduler.h"

/* What is to be written to disk: bits of parent.unsaved. */
enum parent_unsaved {
	PARENT_OVERRIDES = 1u << 0,
	PARENT_LOCAL = 1u << 1,
};

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
	struct mapcheck mapcheck;
	/* The health child's figures, as last sent. */
	struct {
		struct msg_hc_stats stats;
		uint64_t at_ns; /* 0: none yet */
		uint64_t per_s; /* probes, between the last two */
	} hc;

	struct loop_timer run;	      /* core_run(), at the end of a round or when due */
	struct loop_timer verdicts;   /* verdicts wait here to be written together */
	uint64_t verdicts_after_ns;   /* ... and not before this */
	struct loop_timer save_again; /* the last save failed, with save_error */
	unsigned int unsaved;	      /* enum parent_unsaved */
	int save_error;
	struct model *boot_local; /* as boot */
	struct model *boot;	  /* from disk, until the maps child is ready */
	uint64_t started_ns;
};

/* Something changed: core_run() is called when this round of the loop is over. */
void parent_kick(struct parent *p);

/* parent_state.c */
void parent_state_load(struct parent *p);
void parent_state_verdicts_load(struct parent *p); /* when the maps child is ready */
void parent_state_accepted(struct parent *p, const struct model *m);
void parent_state_verdicts(struct parent *p);
void parent_state_save(struct parent *p); /* what is in unsaved, if anything */
void parent_state_done(struct parent *p);

#endif
