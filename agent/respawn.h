/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A supervisor in one file, for places that have none (containers): runs the
 * agent in a child process, and starts it again when it fails.
 */
#ifndef NLB_AGENT_RESPAWN_H
#define NLB_AGENT_RESPAWN_H

#include "config.h"

#define RESPAWN_MIN_MS	  100u
#define RESPAWN_MAX_MS	  10000u
#define RESPAWN_SETTLE_MS 5000u	 /* for the children of an agent that died to end */
#define RESPAWN_STEADY_MS 60000u /* after so long the pause starts from its minimum again */

/*
 * Runs `run` in a child until it exits with 0, or until SIGTERM or SIGINT,
 * which are passed on (SIGHUP too). Returns the exit status. Reaps whatever
 * becomes its child, as it may be process 1 of a container.
 */
int respawn_run(int (*run)(const struct config *cfg), const struct config *cfg);

#endif
