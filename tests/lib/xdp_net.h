/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host of its own for one test program: private network and mount
 * namespaces, which vanish with the process, so that there is nothing to clean
 * up. Every call ends the test program with a message when it fails.
 */
#ifndef NLB_TESTS_XDP_NET_H
#define NLB_TESTS_XDP_NET_H

#include <stddef.h>

/*
 * Enters the namespaces, brings lo up and mounts a bpffs at a temporary
 * directory. Returns its path, or NULL when the machine does not allow it (no
 * root): then tests are to be skipped.
 */
const char *xdp_net_enter(void);

/* Runs a program, words separated by single blanks; its failure ends the test. */
void xdp_net_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* As above, but a failure is returned (exit status). */
int xdp_net_try(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Writes a value into /proc/sys/net/. */
void xdp_net_sysctl(const char *name, const char *value);

#endif
