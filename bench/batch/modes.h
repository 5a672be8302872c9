/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The modes of the program `batch`. Each takes commands on standard input, answers each with
 * a line of JSON, and returns 0 at the end of input or -errno. Times are of CLOCK_MONOTONIC.
 */
#ifndef BATCH_MODES_H
#define BATCH_MODES_H

/*
 * The agent under test. Commands:
 * "files SET", "api SET": a change. Answer: {"ms": from just before the first rename (or the
 *   connecting) to the last ring's switch, "told_ms": to the end of the telling, "first_ms": to
 *   the first ring's switch, "begin_ns"}.
 * "check", "check slots": are the rings what the last change makes them? With "slots" each is
 *   compared with the table computed anew. Answer: {"right": services}; if not, it ends.
 */
int watch_main(const char *bpf_dir, const char *results_dir, const char *stage_dir,
	       const char *api_socket);

/*
 * Reading alone: the agent's reader of the results directory, in a process that does nothing
 * else. Command "SET". Answer: {"ms": from just before the first rename until the last file was
 * read and parsed, "told_ms"}.
 */
int reader_main(const char *results_dir, const char *stage_dir);

/*
 * The straightforward program. Command "SET". Answer: {"ms": from the opening of the first file
 * to the last map write, "updates": so many}.
 */
int peer_main(unsigned int services_max, unsigned int ring_size);

/* The kernel's routes, and a BGP neighbour that only hears; commands as in heard.h. */
int routes_main(void);
int speaker_main(const char *local, const char *remote, unsigned int as);

#endif
